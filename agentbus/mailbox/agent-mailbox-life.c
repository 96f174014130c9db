/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-container-private.h"
#include "base/agent-debug-private.h"
#include "mailbox/agent-mailbox-private.h"

/* How a subscription begins, and how it ends: first no more messages come in, then the queued ones are delivered, discarded
 * or given back, and then the subscriber is released. */

typedef struct
{
  AgentLeftFunc func;
  gpointer      data;
} Leaver;

static AgentMailbox *
life_get_mailbox (AgentSchedule *schedule)
{
  return AGENT_CONTAINER_OF (schedule, AgentMailbox, schedule);
}

/* --- Leaving --- */

/* (transfer full) */
static GSList *
life_take_leavers (AgentMailbox *self)
{
  AgentMailboxExtras *extras;
  GSList             *leavers = NULL;

  _agent_delivery_source_lock (self->source);
  _agent_schedule_leave (&self->schedule);
  if (self->pair != NULL)
    _agent_schedule_leave (&self->pair->inbox->schedule);
  extras = _agent_mailbox_extras_peek (&self->extras);
  if (extras != NULL)
    leavers = g_slist_reverse (g_steal_pointer (&extras->leavers));
  _agent_delivery_source_unlock (self->source);

  return leavers;
}

static void
life_tell_leavers (AgentMailbox *self,
                   gboolean      abandoned)
{
  GSList *leavers = life_take_leavers (self);

  for (GSList *l = leavers; l != NULL; l = l->next)
    {
      Leaver *leaver = l->data;

      leaver->func (leaver->data, abandoned);
    }
  g_slist_free_full (leavers, g_free);
}

/* Both mailboxes of a pair have the same source, which counts them. */
static void
life_put_sources (AgentMailbox *self)
{
  if (self->pair != NULL)
    _agent_delivery_source_put (self->source);
  _agent_delivery_source_put (self->source);
}

/* Releases the subscriber, and tells the leavers of it. Called once, when nothing can be delivered any more. Unrefs the
 * mailbox.
 *
 * @abandoned: whether the mailbox was abandoned before it had finished */
void
_agent_mailbox_finish (AgentMailbox *self,
                       gboolean      abandoned)
{
  g_autoptr (GObject) subscriber = self->owner->funcs->left (self->owner, self);

  if (_agent_debug_is_on (AGENT_DEBUG_CONTEXTS))
    _agent_debug_print ("'%s' has left", self->name);

  _agent_mailbox_end_receipts (self);
  life_put_sources (self);
  life_tell_leavers (self, abandoned);
  _agent_mailbox_unref (self);
}

/* Nothing can be delivered any more. Called once. */
static void
life_release (AgentMailbox *self,
              gboolean      abandoned)
{
  if (G_UNLIKELY (self->pair != NULL))
    self->pair->on_released (self);
  else
    _agent_mailbox_finish (self, abandoned);
}

/* Whether the subscriber is released. */
gboolean
_agent_mailbox_has_left (AgentMailbox *self)
{
  gboolean left;

  _agent_delivery_source_lock (self->source);
  left = self->schedule.phase == AGENT_PHASE_LEFT;
  _agent_delivery_source_unlock (self->source);

  return left;
}

/* Whether the watches may have been told already that the mailbox leaves. If not, they are told later. Of a pair, the inbox is
 * released last. */
gboolean
_agent_mailbox_is_released (AgentMailbox *self)
{
  gboolean released;

  if (self->pair != NULL)
    self = self->pair->inbox;

  _agent_delivery_source_lock (self->source);
  released = self->schedule.phase >= AGENT_PHASE_RELEASED;
  _agent_delivery_source_unlock (self->source);

  return released;
}

/* Has @func called once, when the subscriber is released. FALSE: it is released already, and @func will not be called. */
gboolean
_agent_mailbox_add_leaver (AgentMailbox *self,
                           AgentLeftFunc func,
                           gpointer      data)
{
  AgentMailboxExtras *extras = _agent_mailbox_extras_get (&self->extras);
  Leaver             *leaver = g_new (Leaver, 1);
  gboolean            added;

  leaver->func = func;
  leaver->data = data;
  _agent_delivery_source_lock (self->source);
  added = self->schedule.phase != AGENT_PHASE_LEFT;
  if (added)
    extras->leavers = g_slist_prepend (extras->leavers, leaver);
  _agent_delivery_source_unlock (self->source);

  if (!added)
    g_free (leaver);
  return added;
}

/* --- Beginning --- */

/* The functions that the source calls. */

static gboolean
life_serve (AgentSchedule *schedule,
            AgentChannel   channel,
            AgentBudget   *budget)
{
  return _agent_mailbox_serve (life_get_mailbox (schedule), channel, budget);
}

static void
life_release_schedule (AgentSchedule *schedule,
                       gboolean       abandoned)
{
  life_release (life_get_mailbox (schedule), abandoned);
}

static void
life_keep (AgentSchedule *schedule)
{
  _agent_mailbox_ref (life_get_mailbox (schedule));
}

static void
life_drop (AgentSchedule *schedule)
{
  _agent_mailbox_unref (life_get_mailbox (schedule));
}

static void
life_tell_progress (AgentSchedule *schedule)
{
  _agent_mailbox_tell_progress (life_get_mailbox (schedule));
}

static gboolean
life_is_heard (AgentSchedule *schedule)
{
  return _agent_mailbox_is_heard (life_get_mailbox (schedule));
}

static const AgentDeliveryFuncs delivery_funcs = {
  .serve = life_serve,
  .release = life_release_schedule,
  .keep = life_keep,
  .drop = life_drop,
  .tell_progress = life_tell_progress,
  .is_heard = life_is_heard,
};

/* The subscription begins: the mailbox keeps itself alive until the subscriber is released. The source of the mailboxes in
 * @context keeps @context alive as long as there are any. */
void
_agent_mailbox_attach (AgentMailbox *self,
                       GMainContext *context,
                       gint          priority)
{
  if (_agent_debug_is_on (AGENT_DEBUG_CONTEXTS))
    _agent_debug_print ("'%s' gets its messages in context %p", self->name, (gpointer) context);

  self->source = _agent_delivery_source_get (context, priority, &delivery_funcs);
  if (self->pair != NULL)
    self->pair->inbox->source = _agent_delivery_source_get (context, priority, &delivery_funcs);
  _agent_mailbox_ref (self);
}

/* The subscription has not begun after all. Precondition: no sender knows the mailbox. */
void
_agent_mailbox_withdraw (AgentMailbox *self)
{
  life_put_sources (self);
  _agent_mailbox_unref (self);
}

/* --- Closing --- */

static void
life_close_queue (AgentMailbox *self,
                  AgentChannel  channel)
{
  AgentChannelQueue *queue = &self->queues[channel];

  _agent_channel_queue_lock (queue);
  _agent_channel_queue_close_locked (queue);
  _agent_channel_queue_unlock (queue);
}

/* Counts all @messages as discarded. The drop box keeps the last of them, and the message that it kept before is added to
 * @messages, to be unreffed with them. Returns whether to report the drops. */
static gboolean
life_count_discarded_locked (AgentMailbox *self,
                             GPtrArray    *messages)
{
  AgentMessage *last = agent_message_ref (messages->pdata[messages->len - 1]);
  AgentMessage *previous = NULL;
  gboolean      to_report;

  _agent_mailbox_count_drops (self, AGENT_DROP_REASON_DISCARDED, messages->len, last, &previous, &to_report);
  if (previous != NULL)
    g_ptr_array_add (messages, previous);

  return to_report;
}

/* Closes a channel and takes the messages out. Those that neither a watch nor the group wants are counted as discarded in the
 * same moment.
 *
 * @all: whether to take the reliable messages, too
 *
 * Returns: (transfer full): messages to unref after unlocking, those that were discarded first
 * @picked: (out) (transfer full) (nullable): the messages for each watch
 * @moved: gets the messages for the group
 * @n_discarded: (out): how many messages were discarded
 * @to_report: (inout): pass it to report_drops() */
static GPtrArray *
life_empty_queue (AgentMailbox *self,
                  AgentChannel  channel,
                  gboolean      all,
                  GPtrArray    *watches,
                  GPtrArray   **picked,
                  GPtrArray    *moved,
                  guint        *n_discarded,
                  gboolean     *to_report)
{
  AgentChannelQueue *queue = &self->queues[channel];
  GPtrArray         *messages = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);
  guint              n_taken;

  _agent_channel_queue_lock (queue);
  _agent_channel_queue_close_locked (queue);
  n_taken = all ? _agent_channel_queue_take_all_locked (queue, messages)
                : _agent_channel_queue_sift_locked (
                      queue, messages, _agent_mailbox_keeps_grouped_locked, _agent_mailbox_move_gap_locked, self);
  for (guint i = 0; all && i < messages->len; i++)
    _agent_mailbox_forget_gap (messages->pdata[i]);
  if (n_taken > 0)
    *picked = _agent_mailbox_watches_pick (watches, messages);
  if (channel == AGENT_CHANNEL_DATA && messages->len > 0 && _agent_mailbox_get_group (self) != NULL)
    _agent_mailbox_pick_grouped_locked (self, messages, moved);
  *n_discarded = messages->len;
  if (messages->len > 0)
    *to_report = life_count_discarded_locked (self, messages);
  _agent_channel_queue_unlock (queue);

  return messages;
}

static void
life_tell_discarded (AgentMailbox *self,
                     GPtrArray    *messages,
                     guint         n_discarded,
                     gboolean      to_report)
{
  _agent_mailbox_report_drops (self, to_report);
  for (guint i = 0; i < n_discarded; i++)
    _agent_mailbox_owner_tell_loss (self->owner, messages->pdata[i], self->name, AGENT_DROP_REASON_DISCARDED);
}

/* Gives the messages of the group to others of it. Those that nobody may get are discarded: returns how many were.
 *
 * @moved: gets the messages to unref after this
 * @all: FALSE to put the reliable ones back into the channel */
static guint
life_move (AgentMailbox *self,
           GPtrArray    *moved,
           gboolean      all)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];
  gboolean           to_report = FALSE;
  guint              n_discarded;

  if (moved->len > 0)
    self->owner->funcs->move (self->owner, self, moved);
  if (moved->len == 0)
    return 0;

  _agent_channel_queue_lock (queue);
  _agent_mailbox_take_back_locked (self, moved, !all);
  n_discarded = moved->len;
  if (n_discarded > 0)
    to_report = life_count_discarded_locked (self, moved);
  _agent_channel_queue_unlock (queue);

  life_tell_discarded (self, moved, n_discarded, to_report);
  return n_discarded;
}

/* Closes a channel. Each message that is queued there goes back to the watch that wants it, or to others of the group, or is
 * discarded: returns how many were. Called between begin_return() and end_return(): until the messages are back, no message
 * that was handed over later counts as handled.
 *
 * @all: FALSE to leave the reliable messages that go nowhere else in the channel */
static guint
life_discard_queue (AgentMailbox *self,
                    AgentChannel  channel,
                    gboolean      all)
{
  g_autoptr (GPtrArray) watches = _agent_watch_list_ref (&self->owner->watches);
  g_autoptr (GPtrArray) moved = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);
  g_autoptr (GPtrArray) picked = NULL;
  g_autoptr (GPtrArray) messages = NULL;
  gboolean to_report = FALSE;
  guint    n_discarded;

  messages = life_empty_queue (self, channel, all, watches, &picked, moved, &n_discarded, &to_report);
  life_tell_discarded (self, messages, n_discarded, to_report);
  if (picked != NULL)
    _agent_mailbox_watches_give_back (watches, _agent_mailbox_get_main (self), picked);

  return n_discarded + life_move (self, moved, all);
}

/* Gives @messages, which take_held() has returned, to other members of the group. Those that nobody may get are discarded. In any
 * thread, with no lock held. */
void
_agent_mailbox_move_taken (AgentMailbox *self,
                           GPtrArray    *messages)
{
  life_move (self, messages, TRUE);
}

/* The subscriber handles by itself what nobody else gets. */
static void
life_keep_taken (AgentMailbox *self,
                 GPtrArray    *messages)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  _agent_channel_queue_lock (queue);
  if (!queue->emptied)
    {
      _agent_mailbox_extras_get (&self->extras)->n_moved -= messages->len;
      for (guint i = 0; i < messages->len; i++)
        _agent_mailbox_add_grouped_locked (self, messages->pdata[i]);
      messages->len = 0;
    }
  _agent_channel_queue_unlock (queue);
}

/* The mailbox is closed, and gives to others what it has held back.
 *
 * @drain: whether to keep what nobody gets */
static void
life_move_held (AgentMailbox *self,
                gboolean      drain)
{
  g_autoptr (GPtrArray) messages = NULL;

  if (_agent_mailbox_get_group (self) == NULL)
    return;

  messages = _agent_mailbox_take_held (self, NULL);
  if (drain && messages->len > 0)
    {
      self->owner->funcs->move (self->owner, self, messages);
      life_keep_taken (self, messages);
    }
  _agent_mailbox_move_taken (self, messages);
}

static void
life_begin_return (AgentMailbox *self)
{
  _agent_delivery_source_lock (self->source);
  _agent_schedule_begin_return (&self->schedule);
  _agent_delivery_source_unlock (self->source);
}

/* Does what the schedule has said under the source's lock. With no lock held. */
void
_agent_mailbox_go_on (AgentMailbox *self,
                      AgentRelease  release)
{
  if (release == AGENT_RELEASE_NOT_YET)
    _agent_mailbox_tell_progress (self);
  else
    life_release (self, release == AGENT_RELEASE_ABANDONED);
}

static void
life_end_return (AgentMailbox *self)
{
  AgentReadyList *list = _agent_delivery_source_lock (self->source);
  AgentRelease    release = _agent_schedule_end_return (&self->schedule, list);

  _agent_delivery_source_unlock (self->source);
  _agent_mailbox_go_on (self, release);
}

static void
life_close_schedule (AgentMailbox *self,
                     gboolean      only_received)
{
  AgentReadyList *list = _agent_delivery_source_lock (self->source);

  _agent_schedule_close (&self->schedule, list, only_received);
  _agent_delivery_source_unlock (self->source);
}

static gboolean
life_is_receiving (AgentMailbox *self)
{
  gboolean receiving;

  _agent_delivery_source_lock (self->source);
  receiving = self->schedule.receiving;
  _agent_delivery_source_unlock (self->source);

  return receiving;
}

static gboolean
life_has_data (AgentMailbox *self)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];
  guint64            length;

  _agent_channel_queue_lock (queue);
  length = _agent_channel_queue_get_length_locked (queue);
  _agent_channel_queue_unlock (queue);

  return length > 0;
}

/* Closes one mailbox, see _agent_mailbox_close(). */
void
_agent_mailbox_close_only (AgentMailbox *self,
                           gboolean      drain)
{
  gboolean is_heard = _agent_mailbox_is_heard (self);
  gboolean stays = (is_heard || life_is_receiving (self)) && !_agent_mailbox_has_mark (self, AGENT_MARK_GONE);
  gboolean keeps_data;
  guint    n_discarded = 0;

  life_begin_return (self);
  life_close_queue (self, AGENT_CHANNEL_SYSTEM);
  life_close_queue (self, AGENT_CHANNEL_DATA);
  if (!drain)
    n_discarded = life_discard_queue (self, AGENT_CHANNEL_DATA, FALSE);
  life_move_held (self, drain);

  keeps_data = drain || life_has_data (self);
  if (keeps_data && _agent_mailbox_has_mark (self, AGENT_MARK_PULLED))
    stays = TRUE;
  if (!stays)
    {
      n_discarded += life_discard_queue (self, AGENT_CHANNEL_DATA, TRUE);
      n_discarded += life_discard_queue (self, AGENT_CHANNEL_SYSTEM, TRUE);
    }
  if (n_discarded > 0)
    _agent_mailbox_warn_if_unheard (self);
  life_close_schedule (self, stays && keeps_data && !is_heard);
  life_end_return (self);
}

/* TRUE, once: the mailbox had not finished by itself.
 *
 * @in_hand: (out) (transfer full): the messages of deliveries that are not waited for any more, and whose sources want to be
 * told of the loss */
static gboolean
life_abandon_schedule (AgentMailbox *self,
                       GPtrArray    *in_hand)
{
  AgentReadyList *list = _agent_delivery_source_lock (self->source);
  gboolean        first = _agent_schedule_abandon (&self->schedule, list);

  for (AgentHand *hand = self->schedule.hands; first && hand != NULL; hand = hand->next)
    {
      AgentMessage *lost = _agent_hand_take_loss (hand);

      if (lost != NULL)
        g_ptr_array_add (in_hand, lost);
    }
  _agent_delivery_source_unlock (self->source);

  return first;
}

/* Abandons one mailbox, see _agent_mailbox_abandon(). */
gboolean
_agent_mailbox_abandon_only (AgentMailbox *self)
{
  g_autoptr (GPtrArray) in_hand = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);
  gboolean first;

  life_begin_return (self);
  life_discard_queue (self, AGENT_CHANNEL_SYSTEM, TRUE);
  life_discard_queue (self, AGENT_CHANNEL_DATA, TRUE);
  life_move_held (self, FALSE);

  first = life_abandon_schedule (self, in_hand);
  if (first)
    _agent_mailbox_mark (self, AGENT_MARK_ABANDONED);
  for (guint i = 0; i < in_hand->len; i++)
    _agent_mailbox_owner_tell_loss (self->owner, in_hand->pdata[i], self->name, AGENT_DROP_REASON_CLOSED);

  /* A handler that hangs keeps the mailbox from being released, and the watches must not wait for that. */
  _agent_schedule_watch (&self->schedule, AGENT_WATCH_PROGRESS);
  life_end_return (self);

  return first;
}
