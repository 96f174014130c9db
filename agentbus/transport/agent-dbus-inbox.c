/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "transport/agent-dbus-inbox-private.h"

#include "base/agent-clock-private.h"
#include "base/agent-source-private.h"
#include "transport/agent-dbus-packet-private.h"

/* The most messages of one dispatch. The other sources of the context are dispatched before the next batch. */
#define BATCH_SIZE 64

/* Once it was full, there is room when so few bytes are left: else the sender would be woken for each message. */
#define OUTBOX_LOW (AGENT_DBUS_OUTBOX_MAX / 2)

struct _AgentDBusInbox
{
  gatomicrefcount ref_count;
  char           *path;      /* of the bus in all processes */
  gboolean        is_shared; /* others use the connection, too */
  GMainContext   *context;   /* (owned) */

  /* The thread of the context */
  const AgentDBusInboxFuncs *funcs; /* (nullable) NULL once it is closed */
  gpointer                   data;

  GMutex   lock;
  GSource *source;   /* (lock) (owned) (nullable) */
  GQueue   messages; /* (lock) of GDBusMessage (owned) */
  gsize    n_bytes;  /* (lock) of @messages */
  char    *reason;   /* (lock) (owned) (nullable) why the connection is closed */
  gboolean has_room; /* (lock) somebody who waited for room has to be told */

  /* What waits to be written */
  _Atomic gint64 n_unsent;  /* bytes */
  _Atomic gint64 progress;  /* the time when something was written, or nothing waited */
  atomic_bool    is_wanted; /* somebody waits for room */
};

/* What one dispatch takes out of the inbox. */
typedef struct
{
  GQueue   messages;
  gboolean has_room;
  char    *reason; /* (owned) (nullable) */
} InboxBatch;

typedef struct
{
  GSource         base;
  AgentDBusInbox *inbox; /* (owned) */
} InboxSource;

/* --- In the context --- */

/* Called with the lock held. That the connection is closed is told after all that came before. */
static void
dbus_inbox_take (AgentDBusInbox *self,
                 InboxBatch     *batch)
{
  for (guint i = 0; i < BATCH_SIZE && self->messages.length > 0; i++)
    {
      GList *link = g_queue_pop_head_link (&self->messages);

      self->n_bytes -= _agent_dbus_packet_measure (link->data);
      g_queue_push_tail_link (&batch->messages, link);
    }

  batch->has_room = self->has_room;
  self->has_room = FALSE;
  if (self->messages.length == 0)
    batch->reason = g_steal_pointer (&self->reason);
  else
    return;

  if (self->source != NULL)
    g_source_set_ready_time (self->source, -1);
}

static void
dbus_inbox_handle (AgentDBusInbox *self,
                   InboxBatch     *batch)
{
  GDBusMessage *message;

  if (batch->has_room && self->funcs != NULL)
    self->funcs->room (self->data);

  while ((message = g_queue_pop_head (&batch->messages)) != NULL)
    {
      if (self->funcs != NULL)
        self->funcs->message (self->data, message);
      g_object_unref (message);
    }

  if (batch->reason != NULL && self->funcs != NULL)
    self->funcs->closed (self->data, batch->reason);
  g_free (batch->reason);
}

static gboolean
dbus_inbox_dispatch (GSource    *source,
                     GSourceFunc callback,
                     gpointer    user_data)
{
  AgentDBusInbox *self = ((InboxSource *) source)->inbox;
  InboxBatch      batch = {
         .messages = G_QUEUE_INIT,
  };

  g_mutex_lock (&self->lock);
  dbus_inbox_take (self, &batch);
  g_mutex_unlock (&self->lock);

  dbus_inbox_handle (self, &batch);
  return G_SOURCE_CONTINUE;
}

static void
dbus_inbox_finalize (GSource *source)
{
  _agent_dbus_inbox_unref (((InboxSource *) source)->inbox);
}

static GSourceFuncs inbox_source_funcs = {
  .dispatch = dbus_inbox_dispatch,
  .finalize = dbus_inbox_finalize,
};

static GSource *
dbus_inbox_new_source (AgentDBusInbox *self)
{
  GSource *source = g_source_new (&inbox_source_funcs, sizeof (InboxSource));

  ((InboxSource *) source)->inbox = _agent_dbus_inbox_ref (self);
  g_source_set_static_name (source, "[agentbus] D-Bus");
  g_source_attach (source, self->context);
  return source;
}

/* @is_shared: whether others use the connection, too: then they get what is not a packet as well. */
AgentDBusInbox *
_agent_dbus_inbox_new (GMainContext              *context,
                       const char                *path,
                       gboolean                   is_shared,
                       const AgentDBusInboxFuncs *funcs,
                       gpointer                   data)
{
  AgentDBusInbox *self = g_new0 (AgentDBusInbox, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->context = g_main_context_ref (context);
  self->path = g_strdup (path);
  self->is_shared = is_shared;
  self->funcs = funcs;
  self->data = data;
  g_mutex_init (&self->lock);
  g_queue_init (&self->messages);
  atomic_init (&self->progress, _agent_clock_now ());
  self->source = dbus_inbox_new_source (self);
  return self;
}

AgentDBusInbox *
_agent_dbus_inbox_ref (AgentDBusInbox *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_dbus_inbox_unref (AgentDBusInbox *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_queue_clear_full (&self->messages, g_object_unref);
  g_mutex_clear (&self->lock);
  g_main_context_unref (self->context);
  g_free (self->reason);
  g_free (self->path);
  g_free (self);
}

/* No function is called any more, and nothing more is taken in. */
void
_agent_dbus_inbox_close (AgentDBusInbox *self)
{
  GSource *source;

  self->funcs = NULL;
  g_mutex_lock (&self->lock);
  source = g_steal_pointer (&self->source);
  g_mutex_unlock (&self->lock);
  _agent_source_clear (&source);
}

/* --- What has come in --- */

/* Called with the lock held. */
static void
dbus_inbox_wake_locked (AgentDBusInbox *self)
{
  if (self->source != NULL)
    g_source_set_ready_time (self->source, 0);
}

/* @may_refuse: whether it is lost if there is no room. Returns FALSE if there is no room. */
static gboolean
dbus_inbox_add (AgentDBusInbox *self,
                GDBusMessage   *message,
                gboolean        may_refuse)
{
  gsize    size = _agent_dbus_packet_measure (message);
  gboolean has_room;

  g_mutex_lock (&self->lock);
  has_room = !may_refuse || self->n_bytes + size <= AGENT_DBUS_INBOX_MAX;
  if (has_room && self->source != NULL)
    {
      g_queue_push_tail (&self->messages, g_object_ref (message));
      self->n_bytes += size;
      if (self->messages.length == 1)
        dbus_inbox_wake_locked (self);
    }
  g_mutex_unlock (&self->lock);

  return has_room;
}

void
_agent_dbus_inbox_add_closed (AgentDBusInbox *self,
                              const char     *reason)
{
  g_mutex_lock (&self->lock);
  if (self->reason == NULL)
    self->reason = g_strdup (reason);
  dbus_inbox_wake_locked (self);
  g_mutex_unlock (&self->lock);
}

/* Data and presence may get lost. Control is answered, so that it comes again. */
static void
dbus_inbox_add_packet (AgentDBusInbox  *self,
                       GDBusConnection *connection,
                       GDBusMessage    *message)
{
  g_autoptr (GDBusMessage) reply = NULL;

  if (dbus_inbox_add (self, message, TRUE))
    return;
  if (g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL ||
      (g_dbus_message_get_flags (message) & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED) != 0)
    return;

  reply = g_dbus_message_new_method_error_literal (message, "org.freedesktop.DBus.Error.LimitsExceeded", "The node is too busy");
  g_dbus_connection_send_message (connection, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

static gboolean
dbus_inbox_is_of_daemon (GDBusMessage *message)
{
  return g_strcmp0 (g_dbus_message_get_sender (message), "org.freedesktop.DBus") == 0 &&
         g_strcmp0 (g_dbus_message_get_member (message), "NameOwnerChanged") == 0;
}

/* Returns whether nobody else is to get the message. */
static gboolean
dbus_inbox_receive (AgentDBusInbox  *self,
                    GDBusConnection *connection,
                    GDBusMessage    *message)
{
  switch (g_dbus_message_get_message_type (message))
    {
    case G_DBUS_MESSAGE_TYPE_METHOD_RETURN:
    case G_DBUS_MESSAGE_TYPE_ERROR:
      dbus_inbox_add (self, message, FALSE);
      return !self->is_shared;
    case G_DBUS_MESSAGE_TYPE_SIGNAL:
    case G_DBUS_MESSAGE_TYPE_METHOD_CALL:
      if (_agent_dbus_packet_is_ours (message, self->path))
        {
          dbus_inbox_add_packet (self, connection, message);
          return TRUE;
        }
      if (dbus_inbox_is_of_daemon (message))
        dbus_inbox_add (self, message, FALSE);
      return FALSE;
    default:
      return FALSE;
    }
}

/* --- What waits to be written --- */

void
_agent_dbus_inbox_add_sent (AgentDBusInbox *self,
                            GDBusMessage   *message)
{
  gint64 size = _agent_dbus_packet_measure (message);

  if (atomic_fetch_add (&self->n_unsent, size) == 0)
    atomic_store (&self->progress, _agent_clock_now ());
}

void
_agent_dbus_inbox_take_back (AgentDBusInbox *self,
                             GDBusMessage   *message)
{
  gint64 size = _agent_dbus_packet_measure (message);

  if (atomic_fetch_sub (&self->n_unsent, size) - size > OUTBOX_LOW)
    return;
  if (!atomic_exchange (&self->is_wanted, FALSE))
    return;

  g_mutex_lock (&self->lock);
  self->has_room = TRUE;
  dbus_inbox_wake_locked (self);
  g_mutex_unlock (&self->lock);
}

gboolean
_agent_dbus_inbox_is_full (AgentDBusInbox *self)
{
  return atomic_load (&self->n_unsent) > AGENT_DBUS_OUTBOX_MAX;
}

/* If it returns FALSE, room() is called once there is room again. Both sides store first and then load, so that at least
 * one of them sees what the other one has stored. */
gboolean
_agent_dbus_inbox_has_room (AgentDBusInbox *self)
{
  if (!_agent_dbus_inbox_is_full (self))
    return TRUE;

  atomic_store (&self->is_wanted, TRUE);
  return atomic_load (&self->n_unsent) <= OUTBOX_LOW && atomic_exchange (&self->is_wanted, FALSE);
}

/* Returns: when something was written, in the time of the library's clock. */
gint64
_agent_dbus_inbox_get_progress (AgentDBusInbox *self)
{
  return atomic_load (&self->progress);
}

/* GDBus calls this in its own thread, before it writes a message and after it has read one. */
GDBusMessage *
_agent_dbus_inbox_filter (GDBusConnection *connection,
                          GDBusMessage    *message,
                          gboolean         incoming,
                          gpointer         inbox)
{
  AgentDBusInbox *self = inbox;

  if (incoming)
    {
      if (!dbus_inbox_receive (self, connection, message))
        return message;
      g_object_unref (message);
      return NULL;
    }

  if (_agent_dbus_packet_is_ours (message, self->path))
    {
      atomic_store (&self->progress, _agent_clock_now ());
      _agent_dbus_inbox_take_back (self, message);
    }
  return message;
}
