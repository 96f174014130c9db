/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-actor-private.h"
#include "actor/agent-actor-signals-private.h"
#include "actor/agent-actor-tree-private.h"
#include "bus/agent-bus-private.h"
#include "bus/agent-subscriber-private.h"

/*
 * How an actor begins and ends.
 *
 * When its subscription closes, in any thread, the actor takes no more requests. If it is not drained, it answers all that it
 * has. When all is answered and handled, its inbox closes: then all its own tasks end, and its context says farewell.
 */

/* --- Chores --- */

/* (transfer full) (nullable) */
static AgentMailbox *
life_take_leaving (AgentActor *self)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  AgentMailbox   *inbox;

  g_mutex_lock (&core->lock);
  inbox = g_steal_pointer (&core->leaving);
  g_mutex_unlock (&core->lock);

  return inbox;
}

static guint
life_take_chores (AgentActor *self)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  guint           to_do;

  g_mutex_lock (&core->lock);
  to_do = core->to_do;
  core->to_do = 0;
  g_mutex_unlock (&core->lock);

  return to_do;
}

/* Its next subscription may have begun, if this one was abandoned. */
static gboolean
life_set_ended (AgentActor *self)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  gboolean        changed;

  g_mutex_lock (&core->lock);
  changed = core->state == AGENT_ACTOR_STATE_ENDING;
  if (changed)
    core->state = AGENT_ACTOR_STATE_ENDED;
  g_mutex_unlock (&core->lock);

  return changed;
}

/* The last that the application hears of this subscription. */
static void
life_say_farewell (AgentActor *self)
{
  AgentActorCore  *core = _agent_actor_get_core (self);
  AgentMailbox    *inbox = life_take_leaving (self);
  g_autofree char *reason = NULL;

  if (inbox == NULL)
    return;

  g_mutex_lock (&core->lock);
  reason = g_steal_pointer (&core->reason);
  g_mutex_unlock (&core->lock);

  if (life_set_ended (self))
    _agent_actor_notify_state (self);
  _agent_actor_emit_ended (self, reason);
  _agent_mailbox_end_closing (inbox);
  _agent_mailbox_unref (inbox);
}

/* An AgentAppointmentFunc. */
void
_agent_actor_do_chores (gpointer object)
{
  AgentActor *self = object;
  guint       to_do = life_take_chores (self);

  if ((to_do & AGENT_CHORE_STATE) != 0)
    _agent_actor_notify_state (self);
  if ((to_do & AGENT_CHORE_CANCEL) != 0)
    _agent_actor_cancel_now (self);
  if ((to_do & AGENT_CHORE_TRIP) != 0)
    _agent_actor_trip_jobs (self);
  if ((to_do & AGENT_CHORE_JOBS) != 0)
    _agent_actor_begin_jobs (self);
  if ((to_do & AGENT_CHORE_ROLE) != 0)
    _agent_actor_go_on_with_role (self);
  if ((to_do & AGENT_CHORE_FAREWELL) != 0)
    life_say_farewell (self);
}

/* --- The subscription --- */

/* Another thread may have taken the actor off the bus again before it is told that it is on the bus.
 *
 * @over: (out): whether nothing is left of the subscription */
static gboolean
life_become_ready (AgentActor *self,
                   gboolean   *over)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  AgentMailbox   *mailbox = _agent_actor_ref_last_mailbox (self);
  gboolean        ready;

  g_mutex_lock (&core->lock);
  *over = core->gone == mailbox;
  ready = core->closing != mailbox;
  if (ready)
    core->state = AGENT_ACTOR_STATE_READY;
  g_mutex_unlock (&core->lock);

  _agent_mailbox_unref (mailbox);
  return ready;
}

void
_agent_actor_on_subscribed (gpointer  subscriber,
                            AgentBus *bus)
{
  AgentActor *self = subscriber;
  gboolean    over;

  _agent_actor_tree_add (bus, self);
  if (life_become_ready (self, &over))
    _agent_actor_add_chore (self, AGENT_CHORE_STATE);
  if (over)
    _agent_actor_tree_remove (self);
}

static void
life_begin_ending (AgentActor   *self,
                   AgentMailbox *mailbox)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  AgentMailbox   *before;

  g_mutex_lock (&core->lock);
  before = core->closing;
  core->closing = _agent_mailbox_ref (mailbox);
  core->state = AGENT_ACTOR_STATE_ENDING;
  g_mutex_unlock (&core->lock);

  g_clear_pointer (&before, _agent_mailbox_unref);
  _agent_actor_add_chore (self, AGENT_CHORE_STATE);
}

/* The subscription closes. */
void
_agent_actor_on_closing (gpointer      subscriber,
                         AgentMailbox *mailbox,
                         gboolean      drain)
{
  AgentActor *self = subscriber;

  life_begin_ending (self, mailbox);
  _agent_actor_close_role (self, mailbox);

  /* A handler may wait for the end of a task, and the subscription for the handler. */
  if (!drain)
    {
      _agent_actor_close_jobs (self, mailbox);
      _agent_actor_close_tasks (self, mailbox);
    }
  _agent_mailbox_end_closing (mailbox);
}

/* Takes @mailbox. */
static void
life_set_gone (AgentActor   *self,
               AgentMailbox *mailbox)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  AgentMailbox   *before;

  g_mutex_lock (&core->lock);
  before = core->gone;
  core->gone = mailbox;
  g_mutex_unlock (&core->lock);

  g_clear_pointer (&before, _agent_mailbox_unref);
}

/* Nothing is left in the subscription, and nothing is worked on. */
void
_agent_actor_on_inbox_closing (gpointer      subscriber,
                               AgentMailbox *inbox)
{
  AgentActor     *self = subscriber;
  AgentActorCore *core = _agent_actor_get_core (self);
  AgentMailbox   *mailbox = _agent_actor_ref_last_mailbox (self);
  AgentMailbox   *before;

  /* It may have been drained, and abandoned before it had finished. */
  _agent_actor_close_jobs (self, mailbox);
  _agent_actor_close_tasks (self, mailbox);
  life_set_gone (self, mailbox);
  _agent_actor_tree_remove (self);

  g_mutex_lock (&core->lock);
  before = core->leaving;
  core->leaving = _agent_mailbox_ref (inbox);
  g_mutex_unlock (&core->lock);

  /* One that was abandoned, whose farewell has not been said. */
  g_clear_pointer (&before, _agent_mailbox_unref);
  _agent_actor_add_chore (self, AGENT_CHORE_FAREWELL);
}
