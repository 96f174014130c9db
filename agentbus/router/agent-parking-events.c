/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-string-hash-private.h"
#include "router/agent-parking-private.h"

/* The route table and the bus tell what has changed, in the thread of the change: then the lanes that it matters to are
 * flushed, or forget the router. */

/* --- The route table --- */

/* (transfer full) (nullable): the lane, with the route that it has by now. @known: (out): whether the table knows the actor.
 * If it does not, the lane is parted with. */
static AgentLane *
events_ref_changed_lane (AgentParking *self,
                         const char   *actor,
                         AgentChannel  channel,
                         gboolean     *known)
{
  AgentLaneKey  key = { _agent_string_hash (actor, strlen (actor)), actor, channel };
  AgentShard   *shard = _agent_parking_get_shard (self, key.hash);
  AgentHandOver hand_over = _agent_parking_new_hand_over (self, _agent_sender_get ());
  AgentLane    *lane;

  _agent_spin_lock_lock (&shard->lock);
  lane = _agent_shard_lookup (shard, &key);
  if (lane != NULL)
    {
      _agent_lane_ref (lane);
      _agent_parking_read_route (self, lane);
      *known = lane->known;
      if (channel == AGENT_CHANNEL_DATA)
        _agent_hand_over_hand_off (&hand_over, shard, lane);
      if (!lane->known)
        _agent_parking_part_with (self, shard, lane);
    }
  _agent_spin_lock_unlock (&shard->lock);

  return lane;
}

static void
events_change_lane (AgentParking *self,
                    const char   *actor,
                    AgentChannel  channel)
{
  gboolean   known = FALSE;
  AgentLane *lane = events_ref_changed_lane (self, actor, channel, &known);

  if (lane == NULL)
    return;

  if (known)
    _agent_parking_flush_changed (self, lane);
  else
    _agent_parking_drop_lane (self, lane, AGENT_DROP_REASON_NO_TARGET);
  _agent_lane_unref (lane);
}

static void
events_on_route_changed (gpointer    data,
                         const char *actor)
{
  AgentParking *self = data;

  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    events_change_lane (self, actor, channel);

  _agent_parking_tell_rename_losses (self);
  _agent_parking_settle (self);
  _agent_sender_collect (_agent_sender_get ());
}

const AgentRouteWatchFuncs _agent_parking_route_funcs = {
  .changed = events_on_route_changed,
  .begin_rename = _agent_parking_begin_rename,
  .end_rename = _agent_parking_end_rename,
};

/* --- The bus --- */

/* No lane of the shard waits any more until @mailbox is through with its last message. */
static void
events_forget_mailbox (AgentShard   *shard,
                       AgentMailbox *mailbox)
{
  gboolean more;

  do
    {
      _agent_spin_lock_lock (&shard->lock);
      more = _agent_shard_forget_some (shard, mailbox, AGENT_PARKING_PIECE);
      _agent_spin_lock_unlock (&shard->lock);
    }
  while (more);
}

/* Routers that had system messages of actors that they lose can be told now. */
static void
events_hand_off (AgentParking *self,
                 AgentShard   *shard,
                 AgentMailbox *mailbox)
{
  AgentHandOver hand_over = _agent_parking_new_hand_over (self, _agent_sender_get ());
  g_autoptr (GPtrArray) lanes = NULL;

  _agent_spin_lock_lock (&shard->lock);
  lanes = _agent_shard_ref_pending (shard, mailbox);
  _agent_spin_lock_unlock (&shard->lock);

  for (guint i = 0; i < lanes->len; i++)
    {
      AgentLane *lane = lanes->pdata[i];

      _agent_spin_lock_lock (&shard->lock);
      if (!lane->removed)
        _agent_hand_over_hand_off (&hand_over, shard, lane);
      _agent_spin_lock_unlock (&shard->lock);
    }
}

static void
events_on_mailbox (gpointer          data,
                   AgentMailbox     *mailbox,
                   AgentMailboxEvent event)
{
  AgentParking *self = data;

  for (guint i = 0; event == AGENT_MAILBOX_LEFT && i < AGENT_PARKING_N_SHARDS; i++)
    events_forget_mailbox (&self->shards[i], mailbox);

  if (event == AGENT_MAILBOX_LEFT)
    _agent_aliases_forget (&self->aliases, mailbox);
  _agent_parking_flush_station (self, _agent_mailbox_get_name (mailbox), FALSE);
  for (guint i = 0; event == AGENT_MAILBOX_PROGRESSED && i < AGENT_PARKING_N_SHARDS; i++)
    {
      if (g_atomic_int_get (&self->shards[i].n_pending) > 0)
        events_hand_off (self, &self->shards[i], mailbox);
    }
  if (event != AGENT_MAILBOX_SUBSCRIBED)
    self->funcs->progressed (self->owner, mailbox);
  _agent_sender_collect (_agent_sender_get ());
}

/* @message waits before all others in its lane. Until its route changes, it waits for the router that gave it back. Takes
 * @message. */
static void
events_put_back (AgentParking *self,
                 AgentLane    *lane,
                 AgentMessage *message,
                 const char   *router)
{
  g_mutex_lock (&self->lock);
  _agent_parking_add_locked (self, lane, message, TRUE);
  if (lane->station == NULL)
    _agent_stations_enter (&self->lot.stations, lane, AGENT_WAIT_PREVIOUS, router, FALSE);
  _agent_parking_arm_locked (self);
  g_mutex_unlock (&self->lock);
}

static void
events_count_drop (AgentParking   *self,
                   AgentDropReason reason)
{
  g_mutex_lock (&self->lock);
  self->lot.n_dropped[reason]++;
  g_mutex_unlock (&self->lock);
}

/* Why @message is dropped if it cannot be kept. */
static AgentDropReason
events_choose_reason (AgentLane    *lane,
                      AgentMessage *message)
{
  if (_agent_message_is_stale (message))
    return AGENT_DROP_REASON_STALE;

  return lane->known ? AGENT_DROP_REASON_CLOSED : AGENT_DROP_REASON_NO_TARGET;
}

/* (transfer none): the lane that @message goes back to. Returns with the lock of its shard held.
 *
 * @new_id: (out) (transfer full) (nullable): the id that the actor has now, if it is another one */
static AgentLane *
events_lock_lane (AgentParking *self,
                  AgentMessage *message,
                  AgentShard  **shard,
                  char        **new_id)
{
  for (;;)
    {
      g_autofree char *before = _agent_aliases_resolve (&self->aliases, message);
      const char      *actor = before != NULL ? before : agent_message_get_target (message);
      AgentLaneKey     key = { _agent_string_hash (actor, strlen (actor)), actor, message->channel };
      AgentLane       *lane;

      *shard = _agent_parking_get_shard (self, key.hash);
      _agent_spin_lock_lock (&(*shard)->lock);
      lane = _agent_shard_lookup (*shard, &key);

      /* While this lock is held, nobody gives the actor another id. */
      *new_id = _agent_aliases_resolve (&self->aliases, message);
      if (g_strcmp0 (before, *new_id) == 0 && (lane == NULL || !lane->held))
        return lane != NULL ? lane : _agent_parking_get_lane (self, *shard, &key);

      _agent_spin_lock_unlock (&(*shard)->lock);
      g_clear_pointer (new_id, g_free);
      _agent_parking_wait_for_rename (self);
    }
}

/*
 * @message: (inout): taken if this returns TRUE; another one takes its place if the actor has another id by now
 * @reason: (out): why @message is dropped otherwise: it is stale, its actor was removed meanwhile, or the dispatcher has
 *   stopped
 */
static gboolean
events_take_back (AgentParking    *self,
                  AgentMailbox    *mailbox,
                  AgentMessage   **message,
                  AgentDropReason *reason)
{
  g_autofree char *new_id = NULL;
  AgentShard      *shard;
  AgentLane       *lane = events_lock_lane (self, *message, &shard, &new_id);
  gboolean         keep;

  if (new_id != NULL)
    *message = _agent_parking_readdress (*message, new_id);
  shard->n_returned++;
  *reason = events_choose_reason (lane, *message);
  keep = *reason == AGENT_DROP_REASON_CLOSED && _agent_parking_get_phase (self) != AGENT_PARKING_CLOSED;
  if (keep)
    events_put_back (self, lane, *message, _agent_mailbox_get_name (mailbox));
  else
    events_count_drop (self, *reason);
  _agent_parking_tend_lane (self, shard, lane);
  _agent_spin_lock_unlock (&shard->lock);

  return keep;
}

/* Takes the last message back first, since each goes before all others. The owner hears of losses from the first on. */
static void
events_on_give_back (gpointer      data,
                     AgentMailbox *mailbox,
                     GPtrArray    *messages)
{
  AgentParking               *self = data;
  g_autofree AgentDropReason *reasons = g_new (AgentDropReason, messages->len);

  for (guint i = messages->len; i > 0; i--)
    {
      AgentMessage *message = messages->pdata[i - 1];
      gboolean      taken = events_take_back (self, mailbox, &message, &reasons[i - 1]);

      messages->pdata[i - 1] = taken ? NULL : message;
    }

  for (guint i = 0; i < messages->len; i++)
    {
      if (messages->pdata[i] != NULL)
        self->funcs->losses.dropped (self->owner, messages->pdata[i], reasons[i]);
    }
  g_ptr_array_set_size (messages, 0);
}

const AgentMailboxWatchFuncs _agent_parking_watch_funcs = {
  .happened = events_on_mailbox,
  .give_back = events_on_give_back,
};
