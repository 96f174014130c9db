/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-plural-private.h"
#include "base/agent-waiting-private.h"
#include "bus/agent-ending-private.h"
#include "mailbox/agent-mailbox-private.h"

typedef struct
{
  AgentWaiting waiting;     /* first */
  gint         n_abandoned; /* (atomic) */
  gint         n_waiting;   /* (atomic) how many mailboxes are not released yet, and one more until begin() returns */
  GPtrArray   *mailboxes;   /* of AgentMailbox (owned) */
} AgentEnding;

static void
ending_clear (AgentWaiting *waiting)
{
  AgentEnding *self = (AgentEnding *) waiting;

  g_ptr_array_unref (self->mailboxes);
}

/* @task: (transfer full) (nullable) */
static void
ending_return_timed_out (AgentEnding *self,
                         GTask       *task,
                         guint        n_left)
{
  if (task == NULL)
    return;

  g_task_return_new_error (task,
                           AGENT_BUS_ERROR,
                           AGENT_BUS_ERROR_TIMED_OUT,
                           "%u of %u %s did not leave within %u ms",
                           n_left,
                           self->mailboxes->len,
                           _agent_plural (self->mailboxes->len, "subscriber", "subscribers"),
                           self->waiting.timeout);
  g_object_unref (task);
}

/* The ending waits for one mailbox less. It is over if that was the last one. */
static void
ending_count_down (AgentEnding *self)
{
  GTask *task;
  guint  n_abandoned;

  if (!g_atomic_int_dec_and_test (&self->n_waiting) || !_agent_waiting_end (&self->waiting, &task))
    return;

  n_abandoned = g_atomic_int_get (&self->n_abandoned);
  if (n_abandoned > 0)
    {
      ending_return_timed_out (self, task, n_abandoned);
    }
  else if (task != NULL)
    {
      g_task_return_boolean (task, TRUE);
      g_object_unref (task);
    }
}

/* An AgentLeftFunc. @data: (transfer full): the ending. The mailbox may have been abandoned because the deadline of another
 * ending came. */
static void
ending_on_left (gpointer data,
                gboolean abandoned)
{
  AgentEnding *self = data;

  if (abandoned)
    g_atomic_int_inc (&self->n_abandoned);
  ending_count_down (self);
  _agent_waiting_unref (&self->waiting);
}

/* FALSE: @mailbox has left already. */
static gboolean
ending_wait_for (AgentEnding  *self,
                 AgentMailbox *mailbox)
{
  _agent_waiting_ref (&self->waiting);
  if (_agent_mailbox_add_leaver (mailbox, ending_on_left, self))
    return TRUE;

  _agent_waiting_unref (&self->waiting);
  return FALSE;
}

/* Returns TRUE if @mailbox had not left. Two endings may wait for one mailbox, but only one of them logs a warning. */
static gboolean
ending_abandon (AgentEnding  *self,
                AgentMailbox *mailbox)
{
  gboolean left = _agent_mailbox_has_left (mailbox);

  if (_agent_mailbox_abandon (mailbox))
    g_warning ("Subscriber '%s' did not leave the bus within %u ms: what it has not handled is discarded",
               _agent_mailbox_get_name (mailbox),
               self->waiting.timeout);

  return !left;
}

static void
ending_on_timeout (AgentWaiting *waiting)
{
  AgentEnding *self = (AgentEnding *) waiting;
  GTask       *task;
  guint        n_left = 0;

  if (!_agent_waiting_end (waiting, &task))
    return;

  for (guint i = 0; i < self->mailboxes->len; i++)
    n_left += ending_abandon (self, self->mailboxes->pdata[i]);
  ending_return_timed_out (self, task, n_left);
}

static const AgentWaitingFuncs ending_funcs = {
  .timed_out = ending_on_timeout,
  .clear = ending_clear,
};

/*
 * @mailboxes: (transfer full): of AgentMailbox
 * @timeout: in milliseconds
 * @bus_context: the context in which the deadline is kept if @task is NULL
 * @task: (transfer full) (nullable): returns the result when the ending is over
 */
void
_agent_ending_begin (GPtrArray    *mailboxes,
                     guint         timeout,
                     GMainContext *bus_context,
                     GTask        *task)
{
  AgentEnding *self = g_new0 (AgentEnding, 1);
  guint        n_waiting = 0;

  _agent_waiting_init (&self->waiting, &ending_funcs, "[agentbus] ending", timeout, bus_context, task);
  self->n_waiting = mailboxes->len + 1;
  self->mailboxes = mailboxes;

  for (guint i = 0; i < mailboxes->len; i++)
    {
      if (ending_wait_for (self, mailboxes->pdata[i]))
        n_waiting++;
      else
        g_atomic_int_add (&self->n_waiting, -1);
    }

  /* The count still has one for this function, so the ending is not over yet. */
  if (n_waiting > 0)
    _agent_waiting_start (&self->waiting);

  ending_count_down (self);
  _agent_waiting_unref (&self->waiting);
}
