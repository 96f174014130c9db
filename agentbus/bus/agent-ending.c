/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-source-private.h"
#include "bus/agent-ending-private.h"
#include "mailbox/agent-mailbox-private.h"

struct _AgentEnding
{
  gint          ref_count;   /* (atomic) */
  gint          n_abandoned; /* (atomic) */
  gint          n_waiting;   /* (atomic) mailboxes that are not released yet, and one for the start */
  guint         timeout;     /* ms */
  gint64        due;         /* µs of the monotonic time that GLib's timers go by */
  GPtrArray    *mailboxes;   /* of AgentMailbox (owned) */
  GMainContext *bus_context;

  GMutex        lock;
  GSource      *timer;   /* (lock) (nullable) the deadline */
  GMainContext *context; /* (lock) (owned) (nullable) of @timer, which may be touched as long as that lives */
  GSource      *waiting; /* (lock) (nullable) whether somebody still wants to know */
  GTask        *task;    /* (lock) (nullable) who wants to know */
  gboolean      over;    /* (lock) */
};

AgentEnding *
_agent_ending_ref (AgentEnding *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
_agent_ending_unref (AgentEnding *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;

  g_assert (self->timer == NULL && self->waiting == NULL && self->task == NULL);

  g_ptr_array_unref (self->mailboxes);
  g_main_context_unref (self->bus_context);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* Nobody waits any more, which does not keep anybody from leaving. (transfer full) (nullable) */
static GTask *
end_waiting (AgentEnding *self)
{
  GSource *waiting;
  GTask   *task;

  g_mutex_lock (&self->lock);
  waiting = g_steal_pointer (&self->waiting);
  task = g_steal_pointer (&self->task);
  g_mutex_unlock (&self->lock);

  _agent_source_clear (&waiting);
  return task;
}

/* TRUE, once: the caller is the one to end it. */
static gboolean
end (AgentEnding *self)
{
  GSource      *timer;
  GMainContext *context;
  gboolean      first;

  g_mutex_lock (&self->lock);
  first = !self->over;
  self->over = TRUE;
  timer = g_steal_pointer (&self->timer);
  context = g_steal_pointer (&self->context);
  g_mutex_unlock (&self->lock);

  _agent_source_clear (&timer);
  g_clear_pointer (&context, g_main_context_unref);
  return first;
}

/* Takes @task. */
static void
return_timed_out (AgentEnding *self,
                  GTask       *task,
                  guint        n_left)
{
  g_task_return_new_error (task,
                           AGENT_BUS_ERROR,
                           AGENT_BUS_ERROR_TIMED_OUT,
                           "%u of %u subscriber(s) did not leave within %u ms",
                           n_left,
                           self->mailboxes->len,
                           self->timeout);
  g_object_unref (task);
}

static void
one_less (AgentEnding *self)
{
  GTask *task;
  guint  n_abandoned;

  if (!g_atomic_int_dec_and_test (&self->n_waiting) || !end (self))
    return;

  task = end_waiting (self);
  n_abandoned = g_atomic_int_get (&self->n_abandoned);
  if (task != NULL && n_abandoned > 0)
    {
      return_timed_out (self, task, n_abandoned);
    }
  else if (task != NULL)
    {
      g_task_return_boolean (task, TRUE);
      g_object_unref (task);
    }
}

/* @abandoned: it was not by itself, but for the deadline of another ending. */
void
_agent_ending_mailbox_left (AgentEnding *self,
                            gboolean     abandoned)
{
  if (abandoned)
    g_atomic_int_inc (&self->n_abandoned);
  one_less (self);
}

/* TRUE: it had not left. Two endings may wait for one mailbox, but only one complains. */
static gboolean
abandon (AgentEnding  *self,
         AgentMailbox *mailbox)
{
  gboolean left = _agent_mailbox_has_left (mailbox);

  if (_agent_mailbox_abandon (mailbox))
    g_warning ("Subscriber '%s' did not leave the bus within %u ms: what it has not handled is discarded",
               _agent_mailbox_get_name (mailbox),
               self->timeout);

  return !left;
}

static gboolean
on_timeout (gpointer user_data)
{
  AgentEnding *self = user_data;
  GTask       *task;
  guint        n_left = 0;

  if (!end (self))
    return G_SOURCE_REMOVE;

  for (guint i = 0; i < self->mailboxes->len; i++)
    n_left += abandon (self, self->mailboxes->pdata[i]);

  task = end_waiting (self);
  if (task != NULL)
    return_timed_out (self, task, n_left);
  return G_SOURCE_REMOVE;
}

static GSource *
attach (AgentEnding  *self,
        GMainContext *context,
        GSource      *source,
        const char   *name,
        GSourceFunc   callback)
{
  g_source_set_static_name (source, name);
  g_source_set_callback (source,
                         callback,
                         _agent_ending_ref (self),
                         (GDestroyNotify) _agent_ending_unref);
  g_source_attach (source, context);
  return source;
}

static void
start_timer_locked (AgentEnding  *self,
                    GMainContext *context)
{
  gint64 left = self->due - g_get_monotonic_time ();

  self->context = g_main_context_ref (context);
  self->timer = attach (self,
                        context,
                        g_timeout_source_new (CLAMP ((left + 999) / 1000, 0, self->timeout)),
                        "[agentbus] ending",
                        on_timeout);
}

/* Nobody has a reason to iterate the context of before any more. */
static void
move_timer_to_bus (AgentEnding *self)
{
  GSource      *timer = NULL;
  GMainContext *context = NULL;

  g_mutex_lock (&self->lock);
  if (!self->over && self->context != self->bus_context)
    {
      timer = g_steal_pointer (&self->timer);
      context = g_steal_pointer (&self->context);
      start_timer_locked (self, self->bus_context);
    }
  g_mutex_unlock (&self->lock);

  _agent_source_clear (&timer);
  g_clear_pointer (&context, g_main_context_unref);
}

static gboolean
on_cancelled (GCancellable *cancellable,
              gpointer      user_data)
{
  AgentEnding *self = user_data;
  g_autoptr (GTask) task = end_waiting (self);

  move_timer_to_bus (self);
  if (task != NULL)
    g_task_return_error_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

static void
start_waiting_locked (AgentEnding *self)
{
  GCancellable *cancellable = self->task != NULL ? g_task_get_cancellable (self->task) : NULL;

  start_timer_locked (self, self->task != NULL ? g_task_get_context (self->task) : self->bus_context);
  if (cancellable != NULL)
    self->waiting = attach (self,
                            self->context,
                            g_cancellable_source_new (cancellable),
                            "[agentbus] waiting",
                            G_SOURCE_FUNC (on_cancelled));
}

/* Takes @mailboxes and @task. The deadline is kept in the context of @task as long as that waits, and otherwise in that of
 * the bus, since the caller's may die before. */
void
_agent_ending_begin (GPtrArray    *mailboxes,
                     guint         timeout,
                     GMainContext *bus_context,
                     GTask        *task)
{
  AgentEnding *self = g_new0 (AgentEnding, 1);
  guint        n_waiting = 0;

  self->ref_count = 1;
  self->n_waiting = mailboxes->len + 1;
  self->timeout = timeout;
  self->due = g_get_monotonic_time () + (gint64) timeout * 1000;
  self->mailboxes = mailboxes;
  self->bus_context = g_main_context_ref (bus_context);
  self->task = task;
  g_mutex_init (&self->lock);

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < mailboxes->len; i++)
    {
      if (_agent_mailbox_add_ending (mailboxes->pdata[i], self))
        n_waiting++;
      else
        g_atomic_int_add (&self->n_waiting, -1);
    }
  if (n_waiting > 0)
    start_waiting_locked (self);
  g_mutex_unlock (&self->lock);

  one_less (self);
  _agent_ending_unref (self);
}
