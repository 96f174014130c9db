/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-actor-private.h"
#include "actor/agent-actor-signals-private.h"
#include "bus/agent-bus-owner-private.h"
#include "bus/agent-group-private.h"
#include "bus/agent-subscriber-private.h"

/*
 * When an actor takes part.
 *
 * While it does not, it gets no frames. If it keeps them, its main mailbox waits with everything; the inbox is served all the
 * same. In a group, another member gets what is for the group.
 */

/* As far as the actor itself is concerned. */
AgentStanding
_agent_actor_get_standing (AgentActor *self)
{
  if (_agent_actor_takes_part (self))
    return AGENT_STANDING_ACTIVE;

  return _agent_actor_get_core (self)->keep_frames ? AGENT_STANDING_KEEPS : AGENT_STANDING_STANDBY;
}

/* The actor is about to be subscribed. */
void
_agent_actor_on_prepare (gpointer      subscriber,
                         AgentMailbox *mailbox)
{
  AgentStanding standing = _agent_actor_get_standing (subscriber);

  _agent_mailbox_init_standing (mailbox, standing, standing == AGENT_STANDING_KEEPS);
}

static void
active_set_paused (AgentActor *self,
                   gboolean    paused)
{
  AgentMailbox *mailbox = _agent_actor_ref_mailbox (self);

  if (mailbox != NULL)
    _agent_mailbox_set_paused (mailbox, AGENT_PAUSE_INACTIVE, paused);
  g_clear_pointer (&mailbox, _agent_mailbox_unref);
}

static void
active_set_standing (AgentActor   *self,
                     AgentStanding standing)
{
  AgentMailbox *mailbox = _agent_actor_ref_mailbox (self);
  const char   *group = mailbox != NULL ? _agent_mailbox_get_group (mailbox) : NULL;

  if (group != NULL)
    _agent_groups_set_standing (
        _agent_directory_get_groups (((AgentBusOwner *) mailbox->owner)->directory), group, mailbox, standing);
  g_clear_pointer (&mailbox, _agent_mailbox_unref);
}

/* Returns whether that is new. */
static gboolean
active_set (AgentActor *self,
            gboolean    active)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  gboolean        changed;

  g_mutex_lock (&core->lock);
  changed = core->active != active;
  core->active = active;
  g_mutex_unlock (&core->lock);

  return changed;
}

static void
active_tell (AgentActor *self,
             gboolean    changed)
{
  if (!changed)
    return;

  _agent_actor_announce (self);
  _agent_actor_notify_active (self);
}

/* What the actor has kept, and what it has got from others, waits until resume(): the handlers of 'activated' come first. */
void
_agent_actor_pause (AgentActor *self)
{
  active_set_paused (self, TRUE);
}

/* A handler may have had the actor deactivated meanwhile. */
void
_agent_actor_resume (AgentActor *self)
{
  active_set_paused (self, _agent_actor_get_standing (self) == AGENT_STANDING_KEEPS);
}

/* @args: (nullable) */
void
_agent_actor_begin_activity (AgentActor *self,
                             GVariant   *args)
{
  active_tell (self, active_set (self, TRUE));
  _agent_actor_emit_activated (self, args);
}

void
_agent_actor_end_activity (AgentActor *self)
{
  active_set_paused (self, _agent_actor_get_core (self)->keep_frames);
  active_tell (self, active_set (self, FALSE));
  _agent_actor_emit_deactivated (self);
}

/* --- Messages, in the actor's context --- */

/* In a hand-over, the turn of the actor comes later. */
static gboolean
active_waits_for_turn (AgentActor *self)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  gboolean        waits;

  g_mutex_lock (&core->lock);
  waits = core->role != NULL && !core->active;
  g_mutex_unlock (&core->lock);

  return waits;
}

/* A hand-over has to end, so the holder goes on until then. */
static gboolean
active_postpones_end (AgentActor *self)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  gboolean        postpones;

  g_mutex_lock (&core->lock);
  postpones = core->role != NULL && core->active;
  if (postpones)
    core->deactivates = TRUE;
  g_mutex_unlock (&core->lock);

  return postpones;
}

void
_agent_actor_activate (AgentActor *self,
                       GVariant   *args)
{
  if (active_waits_for_turn (self))
    return;

  active_set_standing (self, AGENT_STANDING_ACTIVE);
  _agent_actor_begin_activity (self, args);
  _agent_actor_resume (self);
}

void
_agent_actor_deactivate (AgentActor *self)
{
  if (active_postpones_end (self))
    return;

  active_set_standing (self,
                       _agent_actor_get_core (self)->keep_frames ? AGENT_STANDING_KEEPS : AGENT_STANDING_STANDBY);
  _agent_actor_end_activity (self);
}
