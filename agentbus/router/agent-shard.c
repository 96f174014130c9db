/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "router/agent-shard-private.h"

void
_agent_shard_init (AgentShard *self)
{
  self->lanes = g_hash_table_new_full (_agent_lane_hash, _agent_lane_equal, (GDestroyNotify) _agent_lane_unref, NULL);
  self->by_mailbox = g_hash_table_new_full (NULL, NULL, NULL, g_free);
}

static void
shard_forget_lane (gpointer lane,
                   gpointer value,
                   gpointer self)
{
  _agent_shard_set_last (self, lane, NULL);
}

void
_agent_shard_clear (AgentShard *self)
{
  g_hash_table_foreach (self->lanes, shard_forget_lane, self);
  g_clear_pointer (&self->pending, g_hash_table_unref);
  g_clear_pointer (&self->heirs, g_hash_table_unref);
  g_clear_pointer (&self->cancels, g_hash_table_unref);
  g_hash_table_unref (self->lanes);
  g_hash_table_unref (self->by_mailbox);
}

/* (transfer none) (nullable) */
AgentLane *
_agent_shard_search (AgentShard         *self,
                     const AgentLaneKey *key)
{
  AgentLane *lane = g_hash_table_lookup (self->lanes, key);

  if (lane != NULL)
    *_agent_shard_get_recent (self, key) = lane;

  return lane;
}

/* Takes @lane. */
void
_agent_shard_add (AgentShard *self,
                  AgentLane  *lane)
{
  g_hash_table_add (self->lanes, lane);
  *_agent_shard_get_recent (self, &lane->key) = lane;
}

/* Nobody finds @lane any more: the next message to its actor gets a new lane. Lets go of the table's reference. */
void
_agent_shard_remove (AgentShard *self,
                     AgentLane  *lane)
{
  AgentLane **recent = _agent_shard_get_recent (self, &lane->key);

  _agent_shard_set_last (self, lane, NULL);
  _agent_shard_set_pending (self, lane, FALSE);
  _agent_shard_forget_heir (self, lane);
  if (self->cancels != NULL)
    g_hash_table_remove (self->cancels, lane);
  lane->removed = TRUE;
  if (*recent == lane)
    *recent = NULL;
  g_hash_table_remove (self->lanes, lane);
}

/* (transfer none): the lanes whose last message went to @mailbox */
static GQueue *
shard_get_lanes (AgentShard   *self,
                 AgentMailbox *mailbox)
{
  GQueue *lanes = g_hash_table_lookup (self->by_mailbox, mailbox);

  if (lanes == NULL)
    {
      lanes = g_new0 (GQueue, 1);
      g_hash_table_insert (self->by_mailbox, mailbox, lanes);
    }

  return lanes;
}

/* The lane has no last mailbox any more. The bus keeps a mailbox until it has told of its end, and lanes forget the mailbox
 * then: so this never drops the last reference. */
static void
shard_clear_last (AgentShard *self,
                  AgentLane  *lane)
{
  GQueue *lanes = g_hash_table_lookup (self->by_mailbox, lane->last_mailbox);

  g_queue_unlink (lanes, &lane->last_link);
  if (lanes->length == 0)
    g_hash_table_remove (self->by_mailbox, lane->last_mailbox);
  g_clear_pointer (&lane->last_mailbox, _agent_mailbox_unref);
}

/* @mailbox: (nullable): where the last message of @lane went */
void
_agent_shard_set_last (AgentShard   *self,
                       AgentLane    *lane,
                       AgentMailbox *mailbox)
{
  if (lane->last_mailbox == mailbox)
    return;

  if (lane->last_mailbox != NULL)
    shard_clear_last (self, lane);
  if (mailbox == NULL)
    return;

  lane->last_mailbox = _agent_mailbox_ref (mailbox);
  g_queue_push_tail_link (shard_get_lanes (self, mailbox), &lane->last_link);
}

/* @pending: whether the lane's last mailbox is still to be told who gets the actor */
void
_agent_shard_set_pending (AgentShard *self,
                          AgentLane  *lane,
                          gboolean    pending)
{
  if ((lane->hand_off == AGENT_HAND_OFF_PENDING) == (pending != FALSE))
    return;

  if (self->pending == NULL)
    self->pending = g_hash_table_new (NULL, NULL);
  if (pending)
    g_hash_table_add (self->pending, lane);
  else
    g_hash_table_remove (self->pending, lane);
  lane->hand_off = pending ? AGENT_HAND_OFF_PENDING : AGENT_HAND_OFF_NONE;
  g_atomic_int_set (&self->n_pending, (gint) g_hash_table_size (self->pending));
}

/* (transfer full) (element-type AgentLane): the pending lanes whose last mailbox is @mailbox */
GPtrArray *
_agent_shard_ref_pending (AgentShard   *self,
                          AgentMailbox *mailbox)
{
  GPtrArray     *lanes = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_lane_unref);
  GHashTableIter iter;
  gpointer       lane;

  if (self->pending == NULL)
    return lanes;

  g_hash_table_iter_init (&iter, self->pending);
  while (g_hash_table_iter_next (&iter, &lane, NULL))
    {
      if (((AgentLane *) lane)->last_mailbox == mailbox)
        g_ptr_array_add (lanes, _agent_lane_ref (lane));
    }

  return lanes;
}

static void
shard_unref_heir (gpointer heir)
{
  if (heir != NULL)
    _agent_name_unref (heir);
}

/* The lane's last mailbox was told that @heir gets the actor: (nullable). */
void
_agent_shard_set_heir (AgentShard *self,
                       AgentLane  *lane,
                       AgentName  *heir)
{
  if (self->heirs == NULL)
    self->heirs = g_hash_table_new_full (NULL, NULL, NULL, shard_unref_heir);

  g_hash_table_insert (self->heirs, lane, heir != NULL ? _agent_name_ref (heir) : NULL);
  lane->hand_off = AGENT_HAND_OFF_SENT;
}

/* (transfer none) (nullable): of a lane that is handed off */
AgentName *
_agent_shard_get_heir (AgentShard *self,
                       AgentLane  *lane)
{
  return g_hash_table_lookup (self->heirs, lane);
}

void
_agent_shard_forget_heir (AgentShard *self,
                          AgentLane  *lane)
{
  if (lane->hand_off != AGENT_HAND_OFF_SENT)
    return;

  lane->hand_off = AGENT_HAND_OFF_NONE;
  g_hash_table_remove (self->heirs, lane);
}

/* At most @max lanes forget that their last message went to @mailbox. Returns TRUE if there may be others. */
gboolean
_agent_shard_forget_some (AgentShard   *self,
                          AgentMailbox *mailbox,
                          guint         max)
{
  GQueue *lanes;

  for (guint n = 0; n < max; n++)
    {
      lanes = g_hash_table_lookup (self->by_mailbox, mailbox);
      if (lanes == NULL)
        return FALSE;
      shard_clear_last (self, g_queue_peek_head (lanes));
    }

  return TRUE;
}

/* --- Cancelled tasks --- */

static AgentCancels *
shard_get_cancels (AgentShard *self,
                   AgentLane  *data_lane)
{
  AgentCancels *cancels;

  if (self->cancels == NULL)
    self->cancels = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) _agent_cancels_free);

  cancels = g_hash_table_lookup (self->cancels, data_lane);
  if (cancels == NULL)
    {
      cancels = _agent_cancels_new ();
      g_hash_table_insert (self->cancels, data_lane, cancels);
    }

  return cancels;
}

/* The request that @cancel, a TASK_CANCEL to the actor of @data_lane, cancels is dropped at its turn. */
void
_agent_shard_remember_cancel (AgentShard   *self,
                              AgentLane    *data_lane,
                              AgentMessage *cancel)
{
  _agent_cancels_add (shard_get_cancels (self, data_lane), cancel, NULL);
}

/* The actor of @from has the lane @to by now. With both shards' locks held. */
void
_agent_shard_move_cancels (AgentShard *self,
                           AgentLane  *from,
                           AgentShard *to_shard,
                           AgentLane  *to)
{
  AgentCancels *cancels = self->cancels != NULL ? g_hash_table_lookup (self->cancels, from) : NULL;

  if (cancels == NULL)
    return;

  _agent_cancels_merge (shard_get_cancels (to_shard, to), cancels);
  g_hash_table_remove (self->cancels, from);
}

/* Whether @message, which is parked in @lane, was cancelled. */
gboolean
_agent_shard_has_cancelled (AgentShard   *self,
                            AgentLane    *lane,
                            AgentMessage *message)
{
  AgentCancels *cancels = self->cancels != NULL ? g_hash_table_lookup (self->cancels, lane) : NULL;

  return cancels != NULL && _agent_cancels_matches (cancels, message, NULL);
}
