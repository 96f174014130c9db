/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-clock-private.h"
#include "agent-parking-private.h"
#include "agent-route-table-private.h"
#include "agent-string-hash-private.h"

/* How many messages of one lane are handed over before the next lane has its turn. */
#define TURN 64

/* How many messages one event hands over: the rest comes when the router has worked off some. */
#define MAX_PER_EVENT 1024

/* How many lanes are looked at in vain for one event. When their router has nothing left, none is. */
#define MAX_IN_VAIN 64

/* How many deadlines one dispatch of the timer serves. */
#define MAX_DUE 256

/* A message that is given up. */
typedef struct
{
  AgentMessage *message; /* (owned) */
  AgentLane    *lane;    /* (owned) */
  guint         waited;  /* ms */
  guint         n_attempts;
} Lost;

static void
lost_clear (gpointer data)
{
  Lost *lost = data;

  _agent_lane_unref (lost->lane);
}

static GArray *
lost_array_new (void)
{
  GArray *array = g_array_new (FALSE, FALSE, sizeof (Lost));

  g_array_set_clear_func (array, lost_clear);
  return array;
}

/* A stop waits for the last one. */
static void
settle (AgentParking *self)
{
  if (g_atomic_int_get (&self->closing) && g_atomic_int_get (&self->n_parked) == 0)
    self->funcs->drained (self->owner);
}

/* --- Flushing --- */

/* FALSE: there is no such router now. */
static gboolean
ask_again (AgentParking *self,
           const char   *name)
{
  AgentMailbox *mailbox = _agent_directory_lookup (self->bus->directory, name);

  if (mailbox == NULL)
    return FALSE;

  _agent_mailbox_ask_again (mailbox);
  _agent_mailbox_unref (mailbox);
  return TRUE;
}

/* @name: the router whose lanes have their turn now, or NULL for none. What is left of the turn of a lane to another
 * router is the business of that router's next event. */
static AgentFlushResult
flush_lane (AgentParking *self,
            AgentLane    *lane,
            const char   *name,
            gboolean      read_route,
            guint        *max)
{
  AgentHandOver    state = { .sender = _agent_sender_get () };
  AgentShard      *shard = _agent_parking_get_shard (self, lane->key.hash);
  g_autofree char *router = NULL;
  AgentFlushResult result;

  _agent_spin_lock_lock (&shard->lock);
  if (read_route)
    _agent_parking_read_route (self, lane);
  result = _agent_parking_flush_lane (self, shard, lane, name != NULL, max, &state);
  if (result == AGENT_FLUSH_MORE && g_strcmp0 (lane->router, name) != 0)
    router = g_strdup (lane->router);
  _agent_parking_tend_lane (self, shard, lane);
  _agent_spin_lock_unlock (&shard->lock);

  _agent_parking_end_hand_over (&state);
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

      result = flush_lane (self, lane, name, FALSE, &max);
      if (result == AGENT_FLUSH_BLOCKED && max < before)
        move_behind (self, lane, name, AGENT_WAIT_ROUTER);
      *left -= MAX (1, before - max);
      _agent_lane_unref (lane);
    }
}

static void
flush_trailing (AgentParking *self,
                const char   *name,
                guint        *left)
{
  AgentLane *lane;

  for (guint n_in_vain = 0; *left > 0 && n_in_vain < MAX_IN_VAIN;)
    {
      guint max = MIN (TURN, *left);
      guint before = max;

      lane = ref_first_lane (self, name, AGENT_WAIT_TURN, AGENT_CHANNEL_DATA);
      if (lane == NULL)
        return;

      flush_lane (self, lane, NULL, FALSE, &max);
      n_in_vain += move_behind (self, lane, name, AGENT_WAIT_TURN);
      *left -= MAX (1, before - max);
      _agent_lane_unref (lane);
    }
}

/* Something has changed for those who wait for the router @name. If that is gone, there will be no other event: but then
 * nobody has to wait for it any more either. */
static void
flush_station (AgentParking *self,
               const char   *name)
{
  guint left;

  do
    {
      left = MAX_PER_EVENT;
      for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
        flush_waiting (self, name, channel, &left);
      flush_trailing (self, name, &left);
    }
  while (left == 0 && !ask_again (self, name));

  settle (self);
}

/* --- Giving up --- */

static void
lose_locked (AgentParking *self,
             AgentParked  *parked,
             gint64        now,
             GArray       *losses)
{
  Lost lost = { .lane = _agent_lane_ref (parked->lane) };

  lost.waited = (guint) CLAMP ((now - parked->message->sent_at) / 1000, 0, G_MAXUINT);
  lost.message = _agent_parking_unpark_locked (self, parked, &lost.n_attempts);
  g_array_append_val (losses, lost);
}

/* With the shard's lock held. */
static void
drop_lane (AgentParking   *self,
           AgentLane      *lane,
           AgentDropReason reason,
           GArray         *losses)
{
  gint64 now = _agent_clock_now ();

  g_mutex_lock (&self->lock);
  while (lane->first != NULL)
    {
      lose_locked (self, lane->first, now, losses);
      self->n_dropped[reason]++;
    }
  _agent_parking_arm_locked (self);
  g_mutex_unlock (&self->lock);
}

/* Takes the messages. */
static void
tell_dropped (AgentParking   *self,
              GArray         *losses,
              AgentDropReason reason)
{
  for (guint i = 0; i < losses->len; i++)
    self->funcs->dropped (self->owner, g_array_index (losses, Lost, i).message, reason);
}

static void
tell_expired (AgentParking *self,
              GArray       *losses)
{
  for (guint i = 0; i < losses->len; i++)
    {
      Lost       *lost = &g_array_index (losses, Lost, i);
      AgentShard *shard = _agent_parking_get_shard (self, lost->lane->key.hash);

      _agent_spin_lock_lock (&shard->lock);
      _agent_parking_tend_lane (self, shard, lost->lane);
      _agent_spin_lock_unlock (&shard->lock);

      self->funcs->expired (self->owner, lost->message, lost->waited, lost->n_attempts);
    }
}

/* --- The route table --- */

static void
change_lane (AgentParking *self,
             const char   *actor,
             AgentChannel  channel)
{
  AgentLaneKey key = { _agent_string_hash (actor, strlen (actor)), actor, channel };
  AgentShard  *shard = _agent_parking_get_shard (self, key.hash);
  AgentLane   *lane;
  gboolean     known = FALSE;
  g_autoptr (GArray) losses = lost_array_new ();
  guint max = MAX_PER_EVENT;

  _agent_spin_lock_lock (&shard->lock);
  lane = _agent_parking_get_lane (self, shard, &key, FALSE);
  if (lane != NULL)
    {
      _agent_lane_ref (lane);
      _agent_parking_read_route (self, lane);
      known = lane->known;
      if (!known)
        drop_lane (self, lane, AGENT_DROP_REASON_NO_TARGET, losses);
      _agent_parking_tend_lane (self, shard, lane);
    }
  _agent_spin_lock_unlock (&shard->lock);

  tell_dropped (self, losses, AGENT_DROP_REASON_NO_TARGET);
  if (known)
    flush_lane (self, lane, NULL, FALSE, &max);
  g_clear_pointer (&lane, _agent_lane_unref);
}

/* An AgentRouteFunc. */
void
_agent_parking_route_changed (gpointer    data,
                              const char *actor)
{
  AgentParking *self = data;

  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    change_lane (self, actor, channel);

  settle (self);
  _agent_sender_collect (_agent_sender_get ());
}

/* --- The bus --- */

static void
forget_mailbox (AgentShard   *shard,
                AgentMailbox *mailbox)
{
  GHashTableIter iter;
  gpointer       key;

  _agent_spin_lock_lock (&shard->lock);
  g_hash_table_iter_init (&iter, shard->lanes);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      AgentLane *lane = key;

      if (lane->last_mailbox == mailbox)
        g_clear_pointer (&lane->last_mailbox, _agent_mailbox_unref);
    }
  _agent_spin_lock_unlock (&shard->lock);
}

static void
on_mailbox (gpointer          data,
            AgentMailbox     *mailbox,
            AgentMailboxEvent event)
{
  AgentParking *self = data;

  for (guint i = 0; event == AGENT_MAILBOX_LEFT && i < AGENT_PARKING_N_SHARDS; i++)
    forget_mailbox (&self->shards[i], mailbox);

  flush_station (self, _agent_mailbox_get_name (mailbox));
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
  lane = _agent_parking_get_lane (self, shard, &key, TRUE);
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

/* --- The timer --- */

static void
add_parked_lanes (AgentShard *shard,
                  GPtrArray  *lanes)
{
  GHashTableIter iter;
  gpointer       key;

  _agent_spin_lock_lock (&shard->lock);
  g_hash_table_iter_init (&iter, shard->lanes);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      AgentLane *lane = key;

      if (g_atomic_int_get (&lane->n_parked) > 0)
        g_ptr_array_add (lanes, _agent_lane_ref (lane));
    }
  _agent_spin_lock_unlock (&shard->lock);
}

/* (transfer full) */
static GPtrArray *
collect_parked_lanes (AgentParking *self)
{
  GPtrArray *lanes = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_lane_unref);

  for (guint i = 0; i < AGENT_PARKING_N_SHARDS; i++)
    add_parked_lanes (&self->shards[i], lanes);

  return lanes;
}

/* If the table has not changed, no route can be other than a lane thinks. If it changes all the time, once in the longest
 * delay is enough. */
static gboolean
has_to_sweep (AgentParking *self,
              gint64        now)
{
  guint64  n_changes = _agent_route_table_get_n_changes (self->routes);
  gboolean sweep;

  g_mutex_lock (&self->lock);
  sweep = self->n_swept != n_changes &&
          now - self->swept_at >= agent_retry_policy_get_max_delay (self->schedule.policy) * G_GINT64_CONSTANT (1000) / 2;
  if (sweep)
    {
      self->n_swept = n_changes;
      self->swept_at = now;
    }
  g_mutex_unlock (&self->lock);

  return sweep;
}

static void
sweep (AgentParking *self)
{
  g_autoptr (GPtrArray) lanes = collect_parked_lanes (self);

  for (guint i = 0; i < lanes->len; i++)
    {
      guint max = TURN;

      flush_lane (self, lanes->pdata[i], NULL, TRUE, &max);
    }
}

/* (transfer full) */
static GPtrArray *
dup_station_names (AgentParking *self)
{
  GPtrArray     *names = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer       name;

  g_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->stations);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    g_ptr_array_add (names, g_strdup (name));
  g_mutex_unlock (&self->lock);

  return names;
}

/* Tries to hand over whatever is parked, in case that nobody told us it could go. */
static void
retry (AgentParking *self,
       gint64        now)
{
  g_autoptr (GPtrArray) names = NULL;

  if (has_to_sweep (self, now))
    sweep (self);

  names = dup_station_names (self);
  for (guint i = 0; i < names->len; i++)
    flush_station (self, names->pdata[i]);
}

static void
expire_locked (AgentParking  *self,
               AgentDeadline *deadline,
               gint64         now,
               GArray        *losses)
{
  AgentParked *due = (AgentParked *) deadline;
  AgentLane   *lane = due->lane;
  AgentParked *parked;

  /* Those before it that are due as well go first: the heap does not know in what order they came. */
  do
    {
      parked = lane->first->deadline.time <= now ? lane->first : due;
      lose_locked (self, parked, now, losses);
      self->n_expired++;
    }
  while (parked != due);
}

static void
attempt_locked (AgentParking  *self,
                AgentDeadline *deadline,
                gint64         now)
{
  AgentRetryBatch *batch = (AgentRetryBatch *) deadline;

  self->n_retries += batch->n_messages;
  _agent_retry_schedule_attempt (&self->schedule, batch, now);
}

/* Does what is due at @now, or some of it: then the next deadline lies in the past. */
void
_agent_parking_run_due (AgentParking *self,
                        gint64        now)
{
  g_autoptr (GArray) losses = lost_array_new ();
  gboolean       has_to_retry = FALSE;
  AgentDeadline *deadline;

  g_mutex_lock (&self->lock);
  for (guint n = 0; n < MAX_DUE; n++)
    {
      deadline = _agent_deadline_heap_peek (&self->heap);
      if (deadline == NULL || deadline->time > now)
        break;

      if (deadline->kind == AGENT_DEADLINE_RETRY)
        {
          attempt_locked (self, deadline, now);
          has_to_retry = TRUE;
        }
      else
        {
          expire_locked (self, deadline, now, losses);
        }
    }
  _agent_parking_arm_locked (self);
  g_mutex_unlock (&self->lock);

  tell_expired (self, losses);
  if (has_to_retry)
    retry (self, now);
  settle (self);
  _agent_sender_collect (_agent_sender_get ());
}

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

/* Nothing is parked any more, and never will be. */
void
_agent_parking_drop_all (AgentParking   *self,
                         AgentDropReason reason)
{
  g_autoptr (GArray) losses = lost_array_new ();
  g_autoptr (GPtrArray) lanes = NULL;

  g_atomic_int_set (&self->closed, TRUE);
  _agent_parking_close (self);

  lanes = collect_parked_lanes (self);
  for (guint i = 0; i < lanes->len; i++)
    {
      AgentLane  *lane = lanes->pdata[i];
      AgentShard *shard = _agent_parking_get_shard (self, lane->key.hash);

      _agent_spin_lock_lock (&shard->lock);
      drop_lane (self, lane, reason, losses);
      _agent_parking_tend_lane (self, shard, lane);
      _agent_spin_lock_unlock (&shard->lock);
    }

  tell_dropped (self, losses, reason);
}
