/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-actor-private.h"
#include "actor/agent-work-private.h"
#include "agent-bus-error.h"
#include "base/agent-cancel-source-private.h"
#include "base/agent-clock-private.h"
#include "base/agent-timer-source-private.h"
#include "bus/agent-bus-private.h"
#include "bus/agent-group-private.h"
#include "bus/agent-group-send-private.h"
#include "bus/agent-subscriber-private.h"

/*
 * How a role is handed over: the holder finishes what it has, while the successor holds back what comes; then the holder is
 * deactivated, and then the successor is activated.
 *
 * What happens to a hand-over comes from several threads: the contexts of the two actors, that of who has asked for it, and any
 * thread that takes one of the two off the bus. The phase says whose turn it is. The groups of the bus know who has left before
 * the actors hear of it: then the thread that closes the mailbox comes, and does the rest.
 */

typedef enum
{
  ROLE_DRAINING,   /* the holder finishes what it has */
  ROLE_LEAVING,    /* the holder leaves */
  ROLE_ACTIVATING, /* nobody is active, and the successor comes next */
  ROLE_RETURNING,  /* what the successor has held back goes back to the holder */
  ROLE_OVER,
} RolePhase;

struct _AgentRole
{
  gatomicrefcount ref_count;
  AgentBus       *bus;          /* (owned) */
  AgentActor     *from;         /* (owned) */
  AgentActor     *to;           /* (owned) */
  AgentMailbox   *from_mailbox; /* (owned) */
  AgentMailbox   *to_mailbox;   /* (owned) */
  GVariant       *args;         /* (owned) (nullable) */
  GCancellable   *flush;        /* (owned) */
  GHashTable     *requests;     /* (holder's context) (owned) (nullable) of AgentMessage (owned): those that have to be answered */

  GMutex            lock;
  RolePhase         phase;
  gboolean          from_left;   /* the holder is closing */
  gboolean          to_left;     /* the same for the successor, and what it has held back is at the holder */
  gboolean          to_closes;   /* the same, but another thread is giving that back */
  gboolean          reactivates; /* the holder was deactivated, or is about to be, and has to be activated again */
  gboolean          flushed;     /* the channels of the holder */
  GError           *error;       /* (owned) (nullable) why it is undone */
  GTask            *task;        /* (owned) (nullable) */
  AgentTimerSource *timer;       /* (owned) (nullable) */
  GSource          *cancelled;   /* (owned) (nullable) */
};

static AgentRole *
role_ref (AgentRole *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

static void
role_unref (gpointer data)
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
role_change_phase (AgentRole *self,
                   RolePhase  from,
                   RolePhase  to)
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
  role = core->role != NULL ? role_ref (core->role) : NULL;
  g_mutex_unlock (&core->lock);

  return role;
}

/* FALSE: @actor takes part in another hand-over. */
static gboolean
role_claim (AgentRole  *self,
            AgentActor *actor)
{
  AgentActorCore *core = _agent_actor_get_core (actor);
  gboolean        claimed;

  g_mutex_lock (&core->lock);
  claimed = core->role == NULL;
  if (claimed)
    core->role = role_ref (self);
  g_mutex_unlock (&core->lock);

  return claimed;
}

/* What has waited for the end of the hand-over is done in the actor's context. */
static void
role_release (AgentRole  *self,
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
  g_clear_pointer (&role, role_unref);
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

/* Precondition: the phase is ROLE_OVER, since this call or since the caller has set it. */
static void
role_finish (AgentRole *self)
{
  GTask  *task;
  GError *error;

  role_stop_sources (self);
  role_release (self, self->from);
  role_release (self, self->to);

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

static GError *
role_new_closed_error (AgentActor *actor)
{
  return g_error_new (AGENT_BUS_ERROR,
                      AGENT_BUS_ERROR_CLOSED,
                      "'%s' has left the bus",
                      agent_subscriber_get_name (AGENT_SUBSCRIBER (actor)));
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
    self->phase = ROLE_OVER;
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
  turn = self->phase == ROLE_RETURNING && self->reactivates;
  if (turn)
    self->phase = ROLE_OVER;
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
static void
role_undo (AgentRole *self,
           GError    *error)
{
  gboolean undone;

  g_mutex_lock (&self->lock);
  undone = self->phase == ROLE_DRAINING &&
           _agent_groups_undo_hand_over (role_get_groups (self),
                                         _agent_mailbox_get_group (self->from_mailbox),
                                         self->from_mailbox,
                                         self->to_mailbox,
                                         _agent_actor_get_standing (self->to));
  if (undone)
    {
      self->phase = ROLE_RETURNING;
      role_set_error_locked (self, g_steal_pointer (&error));
    }
  g_mutex_unlock (&self->lock);

  g_clear_error (&error);
  if (undone)
    role_return_held (self);
}

static void
role_on_time_over (gpointer data,
                   gint64   now)
{
  AgentRole *self = data;

  role_undo (self,
             g_error_new (AGENT_BUS_ERROR,
                          AGENT_BUS_ERROR_TIMED_OUT,
                          "'%s' did not finish in time what it has, and goes on",
                          agent_subscriber_get_name (AGENT_SUBSCRIBER (self->from))));
}

static gboolean
role_on_cancelled (gpointer data)
{
  role_undo (data, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "The hand-over was cancelled"));
  return G_SOURCE_REMOVE;
}

/* --- Somebody leaves --- */

/* An AgentLeftFunc. Takes a reference. */
static void
role_on_holder_left (gpointer data,
                     gboolean abandoned)
{
  AgentRole *self = data;

  if (role_change_phase (self, ROLE_LEAVING, ROLE_ACTIVATING))
    _agent_actor_add_chore (self->to, AGENT_CHORE_ROLE);
  role_unref (self);
}

static void
role_close_holder (AgentRole *self)
{
  gboolean leaving;

  g_mutex_lock (&self->lock);
  self->from_left = TRUE;
  leaving = self->phase == ROLE_DRAINING;
  if (leaving)
    self->phase = ROLE_LEAVING;
  g_mutex_unlock (&self->lock);
  if (!leaving)
    return;

  role_stop_sources (self);
  role_ref (self);
  if (!_agent_mailbox_add_leaver (self->from_mailbox, role_on_holder_left, self))
    role_on_holder_left (self, FALSE);
}

/* What the successor has held back is at the holder by now, or was discarded if that has left, too. */
static void
role_close_successor (AgentRole *self)
{
  RolePhase phase;
  gboolean  to_closes;
  gboolean  from_left;

  g_mutex_lock (&self->lock);
  phase = self->phase;
  from_left = self->from_left;
  to_closes = self->to_closes;
  self->to_left = TRUE;
  if (phase == ROLE_DRAINING || phase == ROLE_LEAVING || phase == ROLE_ACTIVATING)
    {
      self->phase = from_left ? ROLE_OVER : ROLE_RETURNING;
      self->reactivates = phase == ROLE_ACTIVATING;
      role_set_error_locked (self, role_new_closed_error (self->to));
    }
  g_mutex_unlock (&self->lock);

  if (phase == ROLE_OVER)
    return;
  if (phase == ROLE_RETURNING ? to_closes : !from_left)
    role_end_return (self);
  else if (phase != ROLE_RETURNING)
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
  role_unref (role);
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
  flushed = self->phase == ROLE_DRAINING && self->flushed;
  g_mutex_unlock (&self->lock);
  if (!flushed || role_has_open_request (self) || !role_change_phase (self, ROLE_DRAINING, ROLE_ACTIVATING))
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
  turn = self->phase == ROLE_ACTIVATING && _agent_groups_end_hand_over (role_get_groups (self),
                                                                        _agent_mailbox_get_group (self->from_mailbox),
                                                                        self->from_mailbox,
                                                                        self->to_mailbox,
                                                                        standing);
  if (turn)
    self->phase = ROLE_OVER;
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
  role_unref (role);
}

/* --- Beginning --- */

/* A holder that leaves, or a flush that is cancelled, is heard of elsewhere. Takes a reference. */
static void
role_on_flushed (GObject      *source,
                 GAsyncResult *result,
                 gpointer      data)
{
  AgentRole *self = data;
  gboolean   flushed = agent_bus_flush_finish (AGENT_BUS (source), result, NULL);

  g_mutex_lock (&self->lock);
  self->flushed = flushed;
  g_mutex_unlock (&self->lock);

  if (flushed)
    _agent_actor_add_chore (self->from, AGENT_CHORE_ROLE);
  role_unref (self);
}

/* The sources may be dispatched, and another thread may end the hand-over, before this returns. */
static void
role_watch (AgentRole    *self,
            GMainContext *context,
            GCancellable *cancellable)
{
  gint64 due = _agent_clock_now () + agent_bus_get_shutdown_timeout (self->bus) * G_GINT64_CONSTANT (1000);

  g_mutex_lock (&self->lock);
  if (self->phase == ROLE_DRAINING)
    {
      self->timer = _agent_timer_source_new (
          context, "[agentbus] hand-over", role_on_time_over, role_ref (self), role_unref);
      _agent_timer_source_set_time (self->timer, due);
    }
  if (self->phase == ROLE_DRAINING && cancellable != NULL)
    {
      self->cancelled = _agent_cancel_source_new (cancellable);
      g_source_set_static_name (self->cancelled, "[agentbus] hand-over");
      g_source_set_callback (self->cancelled, role_on_cancelled, role_ref (self), role_unref);
      g_source_attach (self->cancelled, context);
    }
  g_mutex_unlock (&self->lock);
}

/* (transfer full) (nullable): NULL if @actor is on no bus */
static AgentMailbox *
role_ref_mailbox (AgentActor *actor)
{
  return _agent_subscription_ref_mailbox (_agent_subscriber_get_subscription (AGENT_SUBSCRIBER (actor)));
}

static gboolean
role_has_mailboxes (AgentRole *self,
                    GError   **error)
{
  const char *group;

  if (self->from_mailbox == NULL || self->to_mailbox == NULL)
    {
      g_propagate_error (error, role_new_closed_error (self->from_mailbox == NULL ? self->from : self->to));
      return FALSE;
    }

  group = _agent_mailbox_get_group (self->from_mailbox);
  if (group != NULL && self->from_mailbox->owner == self->to_mailbox->owner &&
      g_strcmp0 (group, _agent_mailbox_get_group (self->to_mailbox)) == 0)
    return TRUE;

  g_set_error (error,
               AGENT_BUS_ERROR,
               AGENT_BUS_ERROR_NOT_FOUND,
               "'%s' and '%s' are not in the same group of the same bus",
               _agent_mailbox_get_name (self->from_mailbox),
               _agent_mailbox_get_name (self->to_mailbox));
  return FALSE;
}

static gboolean
role_claim_both (AgentRole *self)
{
  if (!role_claim (self, self->from))
    return FALSE;
  if (role_claim (self, self->to))
    return TRUE;

  role_release (self, self->from);
  return FALSE;
}

/* From here on, whatever happens to one of the two is heard of. */
static gboolean
role_begin (AgentRole *self,
            GError   **error)
{
  if (!role_has_mailboxes (self, error))
    return FALSE;

  if (role_claim_both (self))
    {
      if (_agent_groups_begin_hand_over (_agent_directory_get_groups (self->bus->directory),
                                         _agent_mailbox_get_group (self->from_mailbox),
                                         self->from_mailbox,
                                         self->to_mailbox))
        return TRUE;
      role_release (self, self->from);
      role_release (self, self->to);
    }

  g_set_error (error,
               AGENT_BUS_ERROR,
               AGENT_BUS_ERROR_EXISTS,
               "'%s' is not the holder, '%s' is already, or another hand-over is under way",
               _agent_mailbox_get_name (self->from_mailbox),
               _agent_mailbox_get_name (self->to_mailbox));
  return FALSE;
}

static AgentRole *
role_new (AgentBus   *bus,
          AgentActor *from,
          AgentActor *to,
          GVariant   *args,
          GTask      *task)
{
  AgentRole *self = g_new0 (AgentRole, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  self->bus = g_object_ref (bus);
  self->from = g_object_ref (from);
  self->to = g_object_ref (to);
  self->from_mailbox = role_ref_mailbox (from);
  self->to_mailbox = role_ref_mailbox (to);
  self->args = args != NULL ? g_variant_ref (args) : NULL;
  self->flush = g_cancellable_new ();
  self->task = g_object_ref (task);

  return self;
}

static void
role_start (AgentBus   *bus,
            AgentActor *from,
            AgentActor *to,
            GVariant   *args,
            GTask      *task)
{
  AgentRole *self = role_new (bus, from, to, args, task);
  GError    *error = NULL;

  if (role_begin (self, &error))
    {
      role_watch (self, g_task_get_context (task), g_task_get_cancellable (task));
      agent_bus_flush_async (
          bus, _agent_mailbox_get_name (self->from_mailbox), self->flush, role_on_flushed, role_ref (self));
    }
  else
    {
      g_task_return_error (task, error);
      g_clear_object (&self->task);
    }
  role_unref (self);
}

/**
 * agent_actor_hand_over_async:
 * @from: the actor that holds a role
 * @to: the actor that holds it next
 * @args: (nullable): what @to gets with [signal@AgentBus.Actor::activated]; a floating reference is taken
 * @cancellable: (nullable): ends the operation, and undoes it if @from has not finished yet
 * @callback: (scope async) (nullable) (closure user_data): called when @to is active, or when the hand-over is undone
 * @user_data: data for @callback
 *
 * Hands a role over to another actor, without loss.
 *
 * A role is a [property@AgentBus.Subscriber:group] of which one member is [property@AgentBus.Actor:active]: what is sent to the
 * name of the group goes to this one, the holder. Both actors are members of the same group. They may live in different threads.
 *
 * 1. What is sent to the role from now on waits at @to, within the limits of its channel.
 * 2. @from finishes what it has: what is queued for it, what it has in hand, and its jobs.
 * 3. @from is deactivated.
 * 4. @to is activated with @args. Then it gets what has waited, in its order.
 *
 * At no time are both active. The messages of one sender stay in order.
 *
 * If @from does not finish within the [property@AgentBus.Bus:shutdown-timeout] of the bus, or if the operation is cancelled
 * before it has, the hand-over is undone: @from goes on as if nothing had been asked, and gets what has waited. After that point
 * the hand-over goes on to its end. If @from leaves, it keeps the role until it has left; then @to is activated, and
 * gets what @from had not begun with before what has waited. If @to leaves, the hand-over is undone; if @from is deactivated by
 * then, it is activated again, without arguments.
 *
 * A message `activate` that comes for @to before its turn is not heard, and a message `deactivate` for the one that is active
 * counts when the hand-over is over.
 *
 * May be called from any thread. To get the result, iterate the calling thread's default context, in which the deadline is
 * kept.
 *
 * ```c
 * static void
 * on_activated (AgentActor *actor,
 *               GVariant   *args,
 *               gpointer    user_data)
 * {
 *   // prints: second goes on with step 7
 *   g_print ("%s goes on with step %d\n", agent_subscriber_get_name (AGENT_SUBSCRIBER (actor)), g_variant_get_int32 (args));
 * }
 *
 * g_autoptr (AgentActor) first = g_object_new (AGENT_TYPE_ACTOR, "name", "first", "group", "planner", NULL);
 * g_autoptr (AgentActor) second = g_object_new (AGENT_TYPE_ACTOR, "name", "second", "group", "planner", "active", FALSE, NULL);
 *
 * g_signal_connect (second, "activated", G_CALLBACK (on_activated), NULL);
 * agent_bus_subscribe (bus, AGENT_SUBSCRIBER (first), &error);
 * agent_bus_subscribe (bus, AGENT_SUBSCRIBER (second), &error);
 * agent_actor_hand_over_async (first, second, g_variant_new_int32 (7), NULL, NULL, NULL);
 * ```
 *
 * Since: 0.1
 */
void
agent_actor_hand_over_async (AgentActor         *from,
                             AgentActor         *to,
                             GVariant           *args,
                             GCancellable       *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer            user_data)
{
  g_autoptr (GVariant) owned_args = NULL;
  g_autoptr (AgentBus) bus = NULL;
  g_autoptr (GTask) task = NULL;

  g_return_if_fail (AGENT_IS_ACTOR (from));
  g_return_if_fail (AGENT_IS_ACTOR (to));
  g_return_if_fail (from != to);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  owned_args = args != NULL ? g_variant_ref_sink (args) : NULL;
  bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (from));
  task = g_task_new (from, cancellable, callback, user_data);
  g_task_set_source_tag (task, agent_actor_hand_over_async);
  g_task_set_check_cancellable (task, FALSE);
  if (g_task_return_error_if_cancelled (task))
    return;

  if (bus != NULL)
    role_start (bus, from, to, owned_args, task);
  else
    g_task_return_error (task, role_new_closed_error (from));
}

/**
 * agent_actor_hand_over_finish:
 * @from: the actor that has held the role
 * @result: the result
 * @error: where an error goes
 *
 * Gets the result of [method@AgentBus.Actor.hand_over_async].
 *
 * Fails with %AGENT_BUS_ERROR_NOT_FOUND if the two are not in the same group of the same bus, with %AGENT_BUS_ERROR_EXISTS if
 * @from was not active, @to was, or another hand-over was under way, with %AGENT_BUS_ERROR_CLOSED if one of them was on no bus
 * or @to has left, with %AGENT_BUS_ERROR_TIMED_OUT, or with %G_IO_ERROR_CANCELLED. In all these cases @to was not activated.
 *
 * Returns: %TRUE if @to is the holder now
 *
 * Since: 0.1
 */
gboolean
agent_actor_hand_over_finish (AgentActor   *from,
                              GAsyncResult *result,
                              GError      **error)
{
  g_return_val_if_fail (AGENT_IS_ACTOR (from), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, from), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
