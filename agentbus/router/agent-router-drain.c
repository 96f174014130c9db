/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-waiting-private.h"
#include "router/agent-router-drain-private.h"

struct _AgentRouterDrains
{
  gatomicrefcount ref_count;
  GMainContext   *context; /* (owned) the dispatcher's */

  GMutex  lock;
  GSList *waiters; /* (lock) of DrainWaiter (owned) */
};

/* One call of agent_router_dispatcher_drain_router_async(). */
typedef struct
{
  AgentWaiting       waiting;                           /* first */
  AgentRouterDrains *drains;                            /* (owned) */
  AgentMailbox      *mailbox;                           /* (owned) the router's */
  guint64            positions[AGENT_N_CHANNELS];       /* of the last messages that it had when they were looked at */
  guint64            inbox_positions[AGENT_N_CHANNELS]; /* the same for its inbox, if it has one */
  gboolean           again;                             /* they were looked at once more */
} DrainWaiter;

/* @context: the dispatcher's, where the deadline of a drain that nobody waits for is kept */
AgentRouterDrains *
_agent_router_drains_new (GMainContext *context)
{
  AgentRouterDrains *self = g_new0 (AgentRouterDrains, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->context = g_main_context_ref (context);
  g_mutex_init (&self->lock);

  return self;
}

AgentRouterDrains *
_agent_router_drains_ref (AgentRouterDrains *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_router_drains_unref (AgentRouterDrains *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_assert (self->waiters == NULL);

  g_main_context_unref (self->context);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* Takes @waiter, which is in the list no more. */
static void
drain_end_waiter (DrainWaiter *waiter,
                  gboolean     in_time)
{
  g_autoptr (GTask) task = NULL;

  _agent_waiting_end (&waiter->waiting, &task);
  if (task != NULL && in_time)
    g_task_return_boolean (task, TRUE);
  else if (task != NULL)
    g_task_return_new_error (task,
                             AGENT_BUS_ERROR,
                             AGENT_BUS_ERROR_TIMED_OUT,
                             "The router '%s' was not through with what it had within %u ms",
                             _agent_mailbox_get_name (waiter->mailbox),
                             waiter->waiting.timeout);

  _agent_waiting_unref (&waiter->waiting);
}

static void
drain_on_timeout (AgentWaiting *waiting)
{
  DrainWaiter       *waiter = (DrainWaiter *) waiting;
  AgentRouterDrains *self = waiter->drains;
  GSList            *link;

  g_mutex_lock (&self->lock);
  link = g_slist_find (self->waiters, waiter);
  self->waiters = g_slist_delete_link (self->waiters, link);
  g_mutex_unlock (&self->lock);

  if (link != NULL)
    drain_end_waiter (waiter, FALSE);
}

static void
drain_clear_waiter (AgentWaiting *waiting)
{
  DrainWaiter *waiter = (DrainWaiter *) waiting;

  _agent_mailbox_unref (waiter->mailbox);
  _agent_router_drains_unref (waiter->drains);
}

static const AgentWaitingFuncs drain_waiting_funcs = {
  .timed_out = drain_on_timeout,
  .clear = drain_clear_waiter,
};

static void
drain_look (DrainWaiter *waiter)
{
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    {
      waiter->positions[channel] = _agent_mailbox_get_last_position (waiter->mailbox, channel);
      waiter->inbox_positions[channel] = _agent_mailbox_get_last_inbox_position (waiter->mailbox, channel);
    }
}

/* If not, the mailbox's watches are told when it may be so. */
static gboolean
drain_has_handled (DrainWaiter *waiter)
{
  gboolean over = TRUE;

  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    {
      over &= _agent_mailbox_has_handled (waiter->mailbox, channel, waiter->positions[channel]);
      over &= _agent_mailbox_has_handled (waiter->mailbox, channel, waiter->inbox_positions[channel]);
    }

  return over;
}

/* When the router is through with its system messages it may get a HAND_OFF, for which this waits as well. */
static gboolean
drain_is_over (DrainWaiter *waiter)
{
  if (!drain_has_handled (waiter))
    return FALSE;
  if (waiter->again)
    return TRUE;

  waiter->again = TRUE;
  drain_look (waiter);
  return drain_has_handled (waiter);
}

/*
 * @mailbox: the router's
 * @timeout: milliseconds
 * @task: (transfer full): who waits until the router is through with what it has now
 */
void
_agent_router_drains_begin (AgentRouterDrains *self,
                            AgentMailbox      *mailbox,
                            guint              timeout,
                            GTask             *task)
{
  DrainWaiter *waiter = g_new0 (DrainWaiter, 1);

  _agent_waiting_init (&waiter->waiting, &drain_waiting_funcs, "[agentbus] drain", timeout, self->context, task);
  waiter->drains = _agent_router_drains_ref (self);
  waiter->mailbox = _agent_mailbox_ref (mailbox);
  drain_look (waiter);

  /* A deadline that comes at once, in another thread, finds the waiter in the list. */
  g_mutex_lock (&self->lock);
  _agent_waiting_start (&waiter->waiting);
  self->waiters = g_slist_prepend (self->waiters, waiter);
  g_mutex_unlock (&self->lock);

  _agent_router_drains_progressed (self, mailbox);
}

/* (transfer full): those that wait for @mailbox no more, or if that is NULL, all */
static GSList *
drain_take_waiters (AgentRouterDrains *self,
                    AgentMailbox      *mailbox)
{
  GSList *taken = NULL;
  GSList *kept = NULL;

  g_mutex_lock (&self->lock);
  for (GSList *l = self->waiters; l != NULL; l = l->next)
    {
      DrainWaiter *waiter = l->data;

      if (mailbox == NULL || (waiter->mailbox == mailbox && drain_is_over (waiter)))
        taken = g_slist_prepend (taken, waiter);
      else
        kept = g_slist_prepend (kept, waiter);
    }
  g_slist_free (self->waiters);
  self->waiters = g_slist_reverse (kept);
  g_mutex_unlock (&self->lock);

  return taken;
}

static void
drain_end_waiters (AgentRouterDrains *self,
                   AgentMailbox      *mailbox)
{
  GSList *waiters = drain_take_waiters (self, mailbox);

  for (GSList *l = waiters; l != NULL; l = l->next)
    drain_end_waiter (l->data, TRUE);
  g_slist_free (waiters);
}

/* @mailbox has handled messages, or will not handle any more. */
void
_agent_router_drains_progressed (AgentRouterDrains *self,
                                 AgentMailbox      *mailbox)
{
  drain_end_waiters (self, mailbox);
}

/* The dispatcher goes. Whoever waits keeps the dispatcher: so what is left are drains whose tasks were cancelled. */
void
_agent_router_drains_close (AgentRouterDrains *self)
{
  drain_end_waiters (self, NULL);
}
