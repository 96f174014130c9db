/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport/agent-dbus-calls-private.h"

#include "base/agent-clock-private.h"
#include "base/agent-timer-source-private.h"

typedef struct
{
  guint32            serial;
  gint64             due; /* µs */
  AgentDBusReplyFunc func;
  gpointer           data;
  GList              link;
} DBusCall;

struct _AgentDBusCalls
{
  GHashTable       *calls;    /* (owned) of DBusCall, by its serial */
  GQueue            queue;    /* of DBusCall (owned): the first one is due first */
  AgentTimerSource *timer;    /* (owned) */
  gint64            patience; /* µs */
};

static void
dbus_calls_set_timer (AgentDBusCalls *self)
{
  const DBusCall *first = g_queue_peek_head (&self->queue);

  _agent_timer_source_set_time (self->timer, first != NULL ? first->due : -1);
}

/* Takes a call out of the table before anybody is told, who may make further calls. */
static void
dbus_calls_end (AgentDBusCalls *self,
                DBusCall       *call,
                GDBusMessage   *reply,
                const GError   *error)
{
  gboolean was_first = self->queue.head == &call->link;

  g_hash_table_remove (self->calls, GUINT_TO_POINTER (call->serial));
  g_queue_unlink (&self->queue, &call->link);
  if (was_first)
    dbus_calls_set_timer (self);

  call->func (call->data, reply, error);
  g_free (call);
}

static void
dbus_calls_on_due (gpointer data,
                   gint64   now)
{
  AgentDBusCalls *self = data;
  DBusCall       *call = g_queue_peek_head (&self->queue);
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "There was no reply in time");

  if (call != NULL && call->due <= now)
    dbus_calls_end (self, call, NULL, error);
}

/* @patience: how long each call may take, in milliseconds. */
AgentDBusCalls *
_agent_dbus_calls_new (GMainContext *context,
                       guint         patience)
{
  AgentDBusCalls *self = g_new0 (AgentDBusCalls, 1);

  self->calls = g_hash_table_new (NULL, NULL);
  g_queue_init (&self->queue);
  self->timer = _agent_timer_source_new (context, "[agentbus] D-Bus calls", dbus_calls_on_due, self, NULL);
  self->patience = (gint64) patience * 1000;
  return self;
}

/* There must be no call any more. */
void
_agent_dbus_calls_free (AgentDBusCalls *self)
{
  g_assert (self->queue.length == 0);

  _agent_timer_source_free (self->timer);
  g_hash_table_unref (self->calls);
  g_free (self);
}

/* @serial: of the call, and no other call of the table has it. */
void
_agent_dbus_calls_add (AgentDBusCalls    *self,
                       guint32            serial,
                       AgentDBusReplyFunc func,
                       gpointer           data)
{
  DBusCall *call = g_new0 (DBusCall, 1);

  call->serial = serial;
  call->due = _agent_clock_now () + self->patience;
  call->func = func;
  call->data = data;
  call->link.data = call;
  g_hash_table_insert (self->calls, GUINT_TO_POINTER (serial), call);
  g_queue_push_tail_link (&self->queue, &call->link);
  if (self->queue.length == 1)
    dbus_calls_set_timer (self);
}

/* Replies to what is not in the table are left alone: it may have failed already, or be a call of somebody else. */
void
_agent_dbus_calls_answer (AgentDBusCalls *self,
                          GDBusMessage   *reply)
{
  guint32   serial = g_dbus_message_get_reply_serial (reply);
  DBusCall *call = g_hash_table_lookup (self->calls, GUINT_TO_POINTER (serial));
  g_autoptr (GError) error = NULL;

  if (call == NULL)
    return;

  if (g_dbus_message_to_gerror (reply, &error))
    g_dbus_error_strip_remote_error (error);
  dbus_calls_end (self, call, error == NULL ? reply : NULL, error);
}

/* Fails all calls that there are now. */
void
_agent_dbus_calls_fail (AgentDBusCalls *self,
                        const GError   *error)
{
  for (guint n_left = self->queue.length; n_left > 0 && self->queue.length > 0; n_left--)
    dbus_calls_end (self, g_queue_peek_head (&self->queue), NULL, error);
}
