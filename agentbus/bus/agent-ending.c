/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "agent-ending-private.h"
#include "agent-mailbox-private.h"

struct _AgentEnding
{
  gint       ref_count; /* (atomic) */
  gint       n_waiting; /* (atomic) mailboxes that are not released yet, and one for the start */
  guint      timeout;   /* ms */
  GPtrArray *mailboxes; /* of AgentMailbox (owned) */

  GMutex     lock;
  GSource   *timer;     /* (lock) (nullable) */
  GTask     *task;      /* (lock) (nullable) somebody waits for it */
  gboolean   over;      /* (lock) */
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

  g_assert (self->timer == NULL && self->task == NULL);

  g_ptr_array_unref (self->mailboxes);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* TRUE, once: the caller is the one to end it, and gets the task. */
static gboolean
end (AgentEnding *self,
     GTask      **task)
{
  GSource *timer;
  gboolean first;

  g_mutex_lock (&self->lock);
  first = !self->over;
  self->over = TRUE;
  timer = g_steal_pointer (&self->timer);
  *task = g_steal_pointer (&self->task);
  g_mutex_unlock (&self->lock);

  if (timer != NULL)
    {
      g_source_destroy (timer);
      g_source_unref (timer);
    }

  return first;
}

void
_agent_ending_mailbox_left (AgentEnding *self)
{
  g_autoptr (GTask) task = NULL;

  if (!g_atomic_int_dec_and_test (&self->n_waiting))
    return;

  if (end (self, &task) && task != NULL)
    g_task_return_boolean (task, TRUE);
}

static gboolean
abandon (AgentEnding  *self,
         AgentMailbox *mailbox)
{
  if (!_agent_mailbox_abandon (mailbox))
    return FALSE;

  g_warning ("Subscriber '%s' did not leave the bus within %u ms: what it has not handled is discarded",
             _agent_mailbox_get_name (mailbox),
             self->timeout);
  return TRUE;
}

static gboolean
on_timeout (gpointer user_data)
{
  AgentEnding      *self = user_data;
  g_autoptr (GTask) task = NULL;
  guint             n_left = 0;

  if (!end (self, &task))
    return G_SOURCE_REMOVE;

  for (guint i = 0; i < self->mailboxes->len; i++)
    n_left += abandon (self, self->mailboxes->pdata[i]);

  if (task != NULL)
    g_task_return_new_error (task,
                             AGENT_BUS_ERROR,
                             AGENT_BUS_ERROR_TIMED_OUT,
                             "%u of %u subscriber(s) did not end within %u ms",
                             n_left,
                             self->mailboxes->len,
                             self->timeout);
  return G_SOURCE_REMOVE;
}

static void
start_timer (AgentEnding *self)
{
  GSource *timer = g_timeout_source_new (self->timeout);

  g_source_set_static_name (timer, "[agentbus] ending");
  g_source_set_callback (timer,
                         on_timeout,
                         _agent_ending_ref (self),
                         (GDestroyNotify) _agent_ending_unref);
  g_source_attach (timer, g_main_context_get_thread_default ());
  self->timer = timer;
}

/* Takes @mailboxes and @task. The deadline is kept in the calling thread's default context. */
void
_agent_ending_begin (GPtrArray *mailboxes,
                     guint      timeout,
                     GTask     *task)
{
  AgentEnding *self = g_new0 (AgentEnding, 1);
  guint        n_waiting = 0;

  self->ref_count = 1;
  self->n_waiting = mailboxes->len + 1;
  self->timeout = timeout;
  self->mailboxes = mailboxes;
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
    start_timer (self);
  g_mutex_unlock (&self->lock);

  _agent_ending_mailbox_left (self);
  _agent_ending_unref (self);
}
