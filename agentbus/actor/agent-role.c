/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-role-private.h"
#include "actor/agent-task-error-private.h"
#include "actor/agent-work-private.h"
#include "agent-bus-error.h"
#include "base/agent-cancel-source-private.h"
#include "bus/agent-group-private.h"
#include "bus/agent-group-send-private.h"

/* How a hand-over goes on, and how it is undone. */

AgentRole *
_agent_role_ref (AgentRole *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_role_unref (gpointer data)
{
  AgentRole *self = data;

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_clear_pointer (&self->requests, g_hash_table_unref);
  g_clear_pointer (&self->args, g_variant_unref);
  g_clear_error (&self->error);
  g_object_unref (self->flush);
  g_clear_pointer (&self->from_mailbox, _agent_mailbox_unref);
  g_clear_pointer (&self->to_mailbox, _agent_mailbox_unref);
  g_mutex_clear (&self->lock);
  g_object_unref (self->from);
  g_object_unref (self->to);
  g_object_unref (self->bus);
  g_free (self);
}

/* Takes @self to @to if it was @from. Returns whether it was. */
static gboolean
role_change_phase (AgentRole     *self,
                   AgentRolePhase from,
                   AgentRolePhase to)
{
  gboolean changed;

  g_mutex_lock (&self->lock);
  changed = self->phase == from;
  if (changed)
    self->phase = to;
  g_mutex_unlock (&self->lock);

  return changed;
}

/* --- The two actors --- */

/* (transfer full) (nullable) */
static AgentRole *
role_ref_of (AgentActor *actor)
{
  AgentActorCore *core = _agent_actor_get_core (actor);
  AgentRole      *role;

  g_mutex_lock (&core->lock);
  role = core->role != NULL ? _agent_role_ref (core->role) : NULL;
  g_mutex_unlock (&core->lock);

  return role;
}

/* FALSE: @actor takes part in another hand-over. */
gboolean
_agent_role_claim (AgentRole  *self,
                   AgentActor *actor)
{
  AgentActorCore *core = _agent_actor_get_core (actor);
  gboolean        claimed;

  g_mutex_lock (&core->lock);
  claimed = core->role == NULL;
  if (claimed)
    core->role = _agent_role_ref (self);
  g_mutex_unlock (&core->lock);

  return claimed;
}

/* What has waited for the end of the hand-over is done in the actor's context. */
void
_agent_role_release (AgentRole  *self,
                     AgentActor *actor)
{
  AgentActorCore *core = _agent_actor_get_core (actor);
  AgentRole      *role = NULL;
  gboolean        deactivates;

  g_mutex_lock (&core->lock);
  if (core->role == self)
    role = g_steal_pointer (&core->role);
  deactivates = core->deactivates;
  g_mutex_unlock (&core->lock);

  if (deactivates)
    _agent_actor_add_chore (actor, AGENT_CHORE_ROLE);
  g_clear_pointer (&role, _agent_role_unref);
}

static AgentGroups *
role_get_groups (AgentRole *self)
{
  return _agent_directory_get_groups (self->bus->directory);
}

static void
role_release_held (AgentRole    *self,
                   AgentMailbox *mailbox)
{
  _agent_group_release (self->bus->total_order ? self->bus : NULL, mailbox);
}

/* --- The end --- */

/* The hand-over cannot be undone any more by who has asked for it. */
static void
role_stop_sources (AgentRole *self)
{
  AgentTimerSource *timer;
  GSource          *cancelled;

  g_mutex_lock (&self->lock);
  timer = g_steal_pointer (&self->timer);
  cancelled = g_steal_pointer (&self->cancelled);
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&timer, _agent_timer_source_free);
  _agent_cancel_source_clear (&cancelled);
  g_cancellable_cancel (self->flush);
}

/* Precondition: the phase is AGENT_ROLE_OVER, since this call or since the caller has set it. */
static void
role_finish (AgentRole *self)
{
  GTask  *task;
  GError *error;

  role_stop_sources (self);
  _agent_role_release (self, self->from);
  _agent_role_release (self, self->to);

  g_mutex_lock (&self->lock);
  task = g_steal_pointer (&self->task);
  error = g_steal_pointer (&self->error);
  g_mutex_unlock (&self->lock);

  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

/* The first reason counts. Takes @error. */
static void
role_set_error_locked (AgentRole *self,
                       GError    *error)
{
  if (self->error == NULL)
    self->error = error;
  else
    g_error_free (error);
}

/* --- Undoing --- */

/* The holder has got back all that was held back, and goes on. If it was deactivated, that is left to its context. */
static void
role_end_return (AgentRole *self)
{
  gboolean reactivates;

  g_mutex_lock (&self->lock);
  reactivates = self->reactivates;
  if (!reactivates)
    self->phase = AGENT_ROLE_OVER;
  g_mutex_unlock (&self->lock);

  if (reactivates)
    {
      _agent_actor_add_chore (self->from, AGENT_CHORE_ROLE);
      return;
    }
  role_release_held (self, self->from_mailbox);
  role_finish (self);
}

/* In the holder's context: it was deactivated, and then the successor has left. */
static void
role_reactivate (AgentRole *self)
{
  gboolean from_left;
  gboolean turn;

  g_mutex_lock (&self->lock);
  from_left = self->from_left;
  turn = self->phase == AGENT_ROLE_RETURNING && self->reactivates;
  if (turn)
    self->phase = AGENT_ROLE_OVER;
  g_mutex_unlock (&self->lock);
  if (!turn)
    return;

  _agent_actor_pause (self->from);
  role_release_held (self, self->from_mailbox);
  if (!from_left)
    _agent_actor_begin_activity (self->from, NULL);
  _agent_actor_resume (self->from);
  role_finish (self);
}

/* If the successor closes meanwhile, the thread that closes it may be giving back what it has held back, and comes later. */
static void
role_return_held (AgentRole *self)
{
  g_autoptr (GPtrArray) messages = NULL;
  gboolean closes;
  gboolean done;

  messages = _agent_mailbox_take_held (self->to_mailbox, &closes);
  _agent_mailbox_move_taken (self->to_mailbox, messages);
  /* Who waits for room there goes to the holder. */
  _agent_mailbox_tell_progress (self->to_mailbox);

  g_mutex_lock (&self->lock);
  done = !closes || self->to_left;
  self->to_closes = !done;
  g_mutex_unlock (&self->lock);
  if (done)
    role_end_return (self);
}

/* The holder goes on, if it has not finished yet. If one of the two has left, the thread that closes its mailbox decides. Takes
 * @error. */
void
_agent_role_undo (AgentRole *self,
                  GError    *error)
{
  gboolean undone;

  g_mutex_lock (&self->lock);
  undone = self->phase == AGENT_ROLE_DRAINING &&
           _agent_groups_undo_hand_over (role_get_groups (self),
                                         _agent_mailbox_get_group (self->from_mailbox),
                                         self->from_mailbox,
                                         self->to_mailbox,
                                         _agent_actor_get_standing (self->to));
  if (undone)
    {
      self->phase = AGENT_ROLE_RETURNING;
      role_set_error_locked (self, g_steal_pointer (&error));
    }
  g_mutex_unlock (&self->lock);

  g_clear_error (&error);
  if (undone)
    role_return_held (self);
}

/* --- Somebody leaves --- */

/* An AgentLeftFunc. Takes a reference. */
static void
role_on_holder_left (gpointer data,
                     gboolean abandoned)
{
  AgentRole *self = data;

  if (role_change_phase (self, AGENT_ROLE_LEAVING, AGENT_ROLE_ACTIVATING))
    _agent_actor_add_chore (self->to, AGENT_CHORE_ROLE);
  _agent_role_unref (self);
}

static void
role_close_holder (AgentRole *self)
{
  gboolean leaving;

  g_mutex_lock (&self->lock);
  self->from_left = TRUE;
  leaving = self->phase == AGENT_ROLE_DRAINING;
  if (leaving)
    self->phase = AGENT_ROLE_LEAVING;
  g_mutex_unlock (&self->lock);
  if (!leaving)
    return;

  role_stop_sources (self);
  _agent_role_ref (self);
  if (!_agent_mailbox_add_leaver (self->from_mailbox, role_on_holder_left, self))
    role_on_holder_left (self, FALSE);
}

/* What the successor has held back is at the holder by now, or was discarded if that has left, too. */
static void
role_close_successor (AgentRole *self)
{
  AgentRolePhase phase;
  gboolean       to_closes;
  gboolean       from_left;

  g_mutex_lock (&self->lock);
  phase = self->phase;
  from_left = self->from_left;
  to_closes = self->to_closes;
  self->to_left = TRUE;
  if (phase == AGENT_ROLE_DRAINING || phase == AGENT_ROLE_LEAVING || phase == AGENT_ROLE_ACTIVATING)
    {
      self->phase = from_left ? AGENT_ROLE_OVER : AGENT_ROLE_RETURNING;
      self->reactivates = phase == AGENT_ROLE_ACTIVATING;
      role_set_error_locked (self, _agent_task_error_new_left (self->to));
    }
  g_mutex_unlock (&self->lock);

  if (phase == AGENT_ROLE_OVER)
    return;
  if (phase == AGENT_ROLE_RETURNING ? to_closes : !from_left)
    role_end_return (self);
  else if (phase != AGENT_ROLE_RETURNING)
    role_finish (self);
}

/* The mailbox of @self closes: what it had for its group is at other members. */
void
_agent_actor_close_role (AgentActor   *self,
                         AgentMailbox *mailbox)
{
  AgentRole *role = role_ref_of (self);

  if (role == NULL)
    return;

  if (mailbox == role->from_mailbox)
    role_close_holder (role);
  else if (mailbox == role->to_mailbox)
    role_close_successor (role);
  _agent_role_unref (role);
}

/* --- Going on --- */

static void
role_list_requests (AgentRole *self)
{
  AgentActorCore *core = _agent_actor_get_core (self->from);

  self->requests = g_hash_table_new_full (NULL, NULL, (GDestroyNotify) agent_message_unref, NULL);
  g_mutex_lock (&core->lock);
  for (GList *l = core->jobs.head; l != NULL; l = l->next)
    g_hash_table_add (self->requests, agent_message_ref (((AgentWork *) l->data)->hand->message));
  for (GList *l = core->pending.head; l != NULL; l = l->next)
    g_hash_table_add (self->requests, agent_message_ref (l->data));
  g_mutex_unlock (&core->lock);
}

/* Whether one of the requests that the holder had when its channels were empty is open. Others may come by its own name. */
static gboolean
role_has_open_request (AgentRole *self)
{
  AgentActorCore *core = _agent_actor_get_core (self->from);
  gboolean        open = FALSE;

  if (self->requests == NULL)
    role_list_requests (self);

  g_mutex_lock (&core->lock);
  for (GList *l = core->jobs.head; l != NULL && !open; l = l->next)
    open = g_hash_table_contains (self->requests, ((AgentWork *) l->data)->hand->message);
  for (GList *l = core->pending.head; l != NULL && !open; l = l->next)
    open = g_hash_table_contains (self->requests, l->data);
  g_mutex_unlock (&core->lock);

  return open;
}

static void
role_forget_deactivation (AgentActor *actor)
{
  AgentActorCore *core = _agent_actor_get_core (actor);

  g_mutex_lock (&core->lock);
  core->deactivates = FALSE;
  g_mutex_unlock (&core->lock);
}

/* In the holder's context. */
static void
role_drain (AgentRole *self)
{
  gboolean flushed;

  g_mutex_lock (&self->lock);
  flushed = self->phase == AGENT_ROLE_DRAINING && self->flushed;
  g_mutex_unlock (&self->lock);
  if (!flushed || role_has_open_request (self) || !role_change_phase (self, AGENT_ROLE_DRAINING, AGENT_ROLE_ACTIVATING))
    return;

  role_stop_sources (self);
  role_forget_deactivation (self->from);
  _agent_actor_end_activity (self->from);
  _agent_actor_add_chore (self->to, AGENT_CHORE_ROLE);
}

/* In the successor's context. FALSE: it is not its turn, or it has left. */
static gboolean
role_take_turn (AgentRole *self)
{
  AgentStanding standing = _agent_actor_get_core (self->from)->keep_frames ? AGENT_STANDING_KEEPS : AGENT_STANDING_STANDBY;
  gboolean      turn;

  g_mutex_lock (&self->lock);
  turn = self->phase == AGENT_ROLE_ACTIVATING && _agent_groups_end_hand_over (role_get_groups (self),
                                                                              _agent_mailbox_get_group (self->from_mailbox),
                                                                              self->from_mailbox,
                                                                              self->to_mailbox,
                                                                              standing);
  if (turn)
    self->phase = AGENT_ROLE_OVER;
  g_mutex_unlock (&self->lock);

  return turn;
}

static void
role_activate (AgentRole *self)
{
  if (!role_take_turn (self))
    return;

  _agent_actor_pause (self->to);
  role_release_held (self, self->to_mailbox);
  _agent_actor_begin_activity (self->to, self->args);
  _agent_actor_resume (self->to);
  role_finish (self);
}

/* A message 'deactivate' has come while the hand-over was under way. */
static void
role_deactivate_later (AgentActor *actor)
{
  AgentActorCore *core = _agent_actor_get_core (actor);
  gboolean        deactivates;

  g_mutex_lock (&core->lock);
  deactivates = core->role == NULL && core->deactivates;
  if (deactivates)
    core->deactivates = FALSE;
  g_mutex_unlock (&core->lock);

  if (deactivates)
    _agent_actor_deactivate (actor);
}

void
_agent_actor_go_on_with_role (AgentActor *self)
{
  AgentRole *role = role_ref_of (self);

  role_deactivate_later (self);
  if (role == NULL)
    return;

  if (self == role->to)
    {
      role_activate (role);
    }
  else
    {
      role_drain (role);
      role_reactivate (role);
    }
  _agent_role_unref (role);
}
