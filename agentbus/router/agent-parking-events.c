/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "base/agent-string-hash-private.h"
#include "router/agent-parking-private.h"
#include "router/agent-route-table-private.h"

/* How many messages of one lane are handed over before the next lane has its turn. */
#define TURN 64

/* How many messages one event hands over: the rest comes when the router has worked off some. */
#define MAX_PER_EVENT 1024

/* How many lanes are looked at in vain for one event. When their router has nothing left, none is. */
#define MAX_IN_VAIN 64

/* A stop waits for the last one. */
void
_agent_parking_settle (AgentParking *self)
{
  if (g_atomic_int_get (&self->closing) && g_atomic_int_get (&self->n_parked) == 0)
    self->funcs->drained (self->owner);
}

/* --- Flushing --- */

/* FALSE: there is no such router now, or it is held by a handler. */
static gboolean
ask_again (AgentParking *self,
           const char   *name)
{
  AgentMailbox *mailbox = _agent_directory_lookup (self->bus->directory, name);
  gboolean      comes;

  if (mailbox == NULL)
    return FALSE;

  comes = _agent_mailbox_ask_again (mailbox);
  _agent_mailbox_unref (mailbox);
  return comes;
}

/* @name: the router whose lanes have their turn now, or NULL for none. What is left of the turn of a lane to another
 * router is the business of that router's next event. */
AgentFlushResult
_agent_parking_flush (AgentParking *self,
                      AgentLane    *lane,
                      const char   *name,
                      gboolean      read_route,
                      guint        *max)
{
  AgentHandOver    state = { .sender = _agent_sender_get () };
  AgentShard      *shard = _agent_parking_get_shard (self, lane->key.hash);
  g_autofree char *router = NULL;
  AgentFlushResult result;
  gboolean         is_its_router;

  _agent_spin_lock_lock (&shard->lock);
  if (read_route)
    _agent_parking_read_route (self, lane);
  is_its_router = g_strcmp0 (lane->router, name) == 0;
  result = _agent_parking_flush_lane (self, shard, lane, name != NULL && is_its_router, max, &state);
  if (result == AGENT_FLUSH_MORE && !is_its_router)
    router = g_strdup (lane->router);
  /* A lane that has just got another router says nothing about this one. */
  if (result == AGENT_FLUSH_BLOCKED && !is_its_router)
    result = AGENT_FLUSH_ELSEWHERE;
  _agent_parking_tend_lane (self, shard, lane);
  _agent_spin_lock_unlock (&shard->lock);

  _agent_parking_end_hand_over (self, &state);
  if (router != NULL)
    ask_again (self, router);
  return result;
}

/* (transfer full) (nullable) */
static AgentLane *
ref_first_lane (AgentParking *self,
                const char   *name,
                AgentWait     wait,
                AgentChannel  channel)
{
  AgentStation *station;
  AgentLane    *lane = NULL;

  g_mutex_lock (&self->lock);
  station = g_hash_table_lookup (self->stations, name);
  if (station != NULL)
    lane = g_queue_peek_head (_agent_station_get_list (station, wait, channel));
  if (lane != NULL)
    _agent_lane_ref (lane);
  g_mutex_unlock (&self->lock);

  return lane;
}

/* FALSE: it has gone on. */
static gboolean
move_behind (AgentParking *self,
             AgentLane    *lane,
             const char   *name,
             AgentWait     wait)
{
  gboolean waits;

  g_mutex_lock (&self->lock);
  waits = lane->station != NULL && lane->wait == wait && g_strcmp0 (lane->station->name, name) == 0;
  if (waits)
    _agent_lane_wait (lane, wait, lane->station);
  g_mutex_unlock (&self->lock);

  return waits;
}

/* Lanes take turns, so that a long one does not have the others expire. What blocks one of them blocks all. */
static void
flush_waiting (AgentParking *self,
               const char   *name,
               AgentChannel  channel,
               guint        *left)
{
  AgentFlushResult result = AGENT_FLUSH_EMPTY;
  AgentLane       *lane;

  while (*left > 0 && result != AGENT_FLUSH_BLOCKED &&
         (lane = ref_first_lane (self, name, AGENT_WAIT_ROUTER, channel)) != NULL)
    {
      guint max = MIN (TURN, *left);
      guint before = max;

      result = _agent_parking_flush (self, lane, name, FALSE, &max);
      if (result == AGENT_FLUSH_BLOCKED && max < before)
        move_behind (self, lane, name, AGENT_WAIT_ROUTER);
      *left -= MAX (1, before - max);
      _agent_lane_unref (lane);
    }
}

static guint
count_trailing (AgentParking *self,
                const char   *name)
{
  AgentStation *station;
  guint         n = 0;

  g_mutex_lock (&self->lock);
  station = g_hash_table_lookup (self->stations, name);
  if (station != NULL)
    n = station->trailing.length;
  g_mutex_unlock (&self->lock);

  return n;
}

/* @max_in_vain: how many lanes may be looked at whose turn it is not. */
static void
flush_trailing (AgentParking *self,
                const char   *name,
                guint         max_in_vain,
                guint        *left)
{
  AgentLane *lane;

  for (guint n_in_vain = 0; *left > 0 && n_in_vain < max_in_vain;)
    {
      guint max = MIN (TURN, *left);
      guint before = max;

      lane = ref_first_lane (self, name, AGENT_WAIT_TURN, AGENT_CHANNEL_DATA);
      if (lane == NULL)
        return;

      _agent_parking_flush (self, lane, NULL, FALSE, &max);
      n_in_vain += move_behind (self, lane, name, AGENT_WAIT_TURN);
      *left -= before - max;
      _agent_lane_unref (lane);
    }
}

/* Something has changed for those who wait for the router @name, or if @all, it may have. If that router is gone, or held by a
 * handler, there will be no other event for the rest: so this goes on, until nothing waits or there is no room. */
void
_agent_parking_flush_station (AgentParking *self,
                              const char   *name,
                              gboolean      all)
{
  guint left;

  do
    {
      left = MAX_PER_EVENT;
      for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
        flush_waiting (self, name, channel, &left);
      flush_trailing (self, name, all ? count_trailing (self, name) : MAX_IN_VAIN, &left);
    }
  while (left == 0 && !ask_again (self, name));

  _agent_parking_settle (self);
}

/* --- The route table --- */

/* (transfer full) (nullable) With the route that it has by now. */
static AgentLane *
ref_changed_lane (AgentParking *self,
                  const char   *actor,
                  AgentChannel  channel,
                  gboolean     *known)
{
  AgentLaneKey key = { _agent_string_hash (actor, strlen (actor)), actor, channel };
  AgentShard  *shard = _agent_parking_get_shard (self, key.hash);
  AgentLane   *lane;

  _agent_spin_lock_lock (&shard->lock);
  lane = _agent_shard_lookup (shard, &key);
  if (lane != NULL)
    {
      _agent_lane_ref (lane);
      _agent_parking_read_route (self, lane);
      *known = lane->known;
      if (!lane->known)
        _agent_parking_part_with (self, shard, lane);
    }
  _agent_spin_lock_unlock (&shard->lock);

  return lane;
}

/* What is left of a lane that has had its turn goes on in the context of its router, or here if that is held. */
static void
flush_rest (AgentParking *self,
            AgentLane    *lane)
{
  AgentShard      *shard = _agent_parking_get_shard (self, lane->key.hash);
  g_autofree char *router = NULL;

  _agent_spin_lock_lock (&shard->lock);
  router = g_strdup (lane->router);
  _agent_spin_lock_unlock (&shard->lock);

  if (router != NULL && !ask_again (self, router))
    _agent_parking_flush_station (self, router, FALSE);
}

static void
change_lane (AgentParking *self,
             const char   *actor,
             AgentChannel  channel)
{
  AgentFlushResult result = AGENT_FLUSH_MORE;
  gboolean         known = FALSE;
  AgentLane       *lane = ref_changed_lane (self, actor, channel, &known);

  if (lane == NULL)
    return;

  if (!known)
    _agent_parking_drop_lane (self, lane, AGENT_DROP_REASON_NO_TARGET);
  for (guint left = MAX_PER_EVENT; known && left > 0 && result == AGENT_FLUSH_MORE; left -= AGENT_PARKING_PIECE)
    {
      guint max = AGENT_PARKING_PIECE;

      result = _agent_parking_flush (self, lane, NULL, FALSE, &max);
    }
  if (known && result == AGENT_FLUSH_MORE)
    flush_rest (self, lane);
  _agent_lane_unref (lane);
}

static void
parking_on_route_changed (gpointer    data,
                          const char *actor)
{
  AgentParking *self = data;

  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    change_lane (self, actor, channel);

  _agent_parking_settle (self);
  _agent_sender_collect (_agent_sender_get ());
}

const AgentRouteWatchFuncs _agent_parking_route_funcs = {
  .changed = parking_on_route_changed,
};

/* --- The bus --- */

static void
forget_mailbox (AgentShard   *shard,
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

static void
on_mailbox (gpointer          data,
            AgentMailbox     *mailbox,
            AgentMailboxEvent event)
{
  AgentParking *self = data;

  for (guint i = 0; event == AGENT_MAILBOX_LEFT && i < AGENT_PARKING_N_SHARDS; i++)
    forget_mailbox (&self->shards[i], mailbox);

  _agent_parking_flush_station (self, _agent_mailbox_get_name (mailbox), FALSE);
  _agent_sender_collect (_agent_sender_get ());
}

/* FALSE: an actor that was removed meanwhile has nobody to wait for, and after the end nobody has. */
static gboolean
take_back (AgentParking    *self,
           AgentMailbox    *mailbox,
           AgentMessage    *message,
           AgentDropReason *reason)
{
  const char  *actor = agent_message_get_target (message);
  AgentLaneKey key = { message->hash, actor, message->channel };
  AgentShard  *shard = _agent_parking_get_shard (self, key.hash);
  AgentLane   *lane;
  gboolean     keep;

  _agent_spin_lock_lock (&shard->lock);
  lane = _agent_parking_get_lane (self, shard, &key);
  shard->n_returned++;
  keep = lane->known && !g_atomic_int_get (&self->closed);
  *reason = lane->known ? AGENT_DROP_REASON_CLOSED : AGENT_DROP_REASON_NO_TARGET;
  if (keep)
    {
      _agent_parking_put_back (self, lane, message, _agent_mailbox_get_name (mailbox));
    }
  else
    {
      g_mutex_lock (&self->lock);
      self->n_dropped[*reason]++;
      g_mutex_unlock (&self->lock);
    }
  _agent_parking_tend_lane (self, shard, lane);
  _agent_spin_lock_unlock (&shard->lock);

  return keep;
}

/* The last one first, since each goes before all others. Who hears of losses hears of the first one first. */
static void
on_give_back (gpointer      data,
              AgentMailbox *mailbox,
              GPtrArray    *messages)
{
  AgentParking               *self = data;
  g_autofree AgentDropReason *reasons = g_new (AgentDropReason, messages->len);

  for (guint i = messages->len; i > 0; i--)
    {
      if (take_back (self, mailbox, messages->pdata[i - 1], &reasons[i - 1]))
        messages->pdata[i - 1] = NULL;
    }

  for (guint i = 0; i < messages->len; i++)
    {
      if (messages->pdata[i] != NULL)
        self->funcs->dropped (self->owner, messages->pdata[i], reasons[i]);
    }
  g_ptr_array_set_size (messages, 0);
}

const AgentBusWatchFuncs _agent_parking_watch_funcs = {
  .happened = on_mailbox,
  .give_back = on_give_back,
};

/* --- The end --- */

/* Nothing is accepted any more when this returns. TRUE: and nothing is parked. */
gboolean
_agent_parking_close (AgentParking *self)
{
  g_atomic_int_set (&self->closing, TRUE);

  /* Who was just dispatching when that was set is through by then. */
  for (guint i = 0; i < AGENT_PARKING_N_SHARDS; i++)
    {
      _agent_spin_lock_lock (&self->shards[i].lock);
      _agent_spin_lock_unlock (&self->shards[i].lock);
    }

  return g_atomic_int_get (&self->n_parked) == 0;
}

/* (transfer full) (nullable) One in which something is parked. */
static AgentLane *
ref_some_lane (AgentParking *self)
{
  AgentLane *lane;

  g_mutex_lock (&self->lock);
  lane = g_queue_peek_head (&self->lanes);
  if (lane != NULL)
    _agent_lane_ref (lane);
  g_mutex_unlock (&self->lock);

  return lane;
}

/* Nothing is parked any more, and never will be. */
void
_agent_parking_drop_all (AgentParking   *self,
                         AgentDropReason reason)
{
  AgentLane *lane;

  g_atomic_int_set (&self->closed, TRUE);
  _agent_parking_close (self);

  while ((lane = ref_some_lane (self)) != NULL)
    {
      AgentShard *shard = _agent_parking_get_shard (self, lane->key.hash);

      _agent_spin_lock_lock (&shard->lock);
      _agent_parking_part_with (self, shard, lane);
      _agent_spin_lock_unlock (&shard->lock);

      _agent_parking_drop_lane (self, lane, reason);
      _agent_lane_unref (lane);
    }
}
