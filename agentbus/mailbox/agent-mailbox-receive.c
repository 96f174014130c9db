/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-cancel-source-private.h"
#include "mailbox/agent-mailbox-take-private.h"

/*
 * How somebody receives messages, instead of having the handler called.
 *
 * Whoever wants a message leaves a receipt. While there are receipts, all messages go to them, in the order of the receipts.
 * A message is taken out of its channel at the moment when it is given: so a receipt that is cancelled has taken nothing.
 */

/* One who waits. */
typedef struct
{
  gatomicrefcount ref_count; /* the source has one, as it may be dispatched while another thread ends the wait */
  AgentMailbox   *mailbox;   /* (owned) */
  GTask          *task;      /* (owned) */
  gboolean        in_hand;   /* whether a delivery is wanted, to be completed later */
  gint64          created;   /* the time of the context's iteration, see receive_is_new() */
  GSource        *cancelled; /* (owned) (nullable) */
} Receipt;

static gint64
receive_get_iteration (void)
{
  GSource *source = g_main_current_source ();

  return source != NULL ? g_source_get_time (source) : 0;
}

/* GTask does not call back in the iteration in which it was made. The message must not be taken before. */
static gboolean
receive_is_new (Receipt *receipt)
{
  return receipt->created != 0 && receipt->created == receive_get_iteration ();
}

static void
receive_unref_receipt (gpointer data)
{
  Receipt *receipt = data;

  if (!g_atomic_ref_count_dec (&receipt->ref_count))
    return;

  g_object_unref (receipt->task);
  _agent_mailbox_unref (receipt->mailbox);
  g_free (receipt);
}

/* Called once, by who has ended the wait. */
static void
receive_free_receipt (Receipt *receipt)
{
  _agent_cancel_source_clear (&receipt->cancelled);
  receive_unref_receipt (receipt);
}

/* FALSE: the mailbox has nothing to give any more. */
static gboolean
receive_add (AgentMailbox *self,
             Receipt      *receipt)
{
  AgentMailboxExtras *extras = _agent_mailbox_extras_get (&self->extras);
  AgentReadyList     *list = _agent_delivery_source_lock (self->source);
  gboolean            added = self->schedule.phase < AGENT_PHASE_FINISHED;

  if (added)
    {
      g_queue_push_tail (&extras->receipts, receipt);
      _agent_schedule_set_receiving (&self->schedule, list, TRUE);
    }
  _agent_delivery_source_unlock (self->source);
  _agent_mailbox_mark (self, AGENT_MARK_PULLED);

  return added;
}

/* FALSE: it is not waiting any more. */
static gboolean
receive_remove (AgentMailbox *self,
                Receipt      *receipt)
{
  AgentMailboxExtras *extras = _agent_mailbox_extras_get (&self->extras);
  AgentReadyList     *list = _agent_delivery_source_lock (self->source);
  gboolean            removed = g_queue_remove (&extras->receipts, receipt);

  if (removed)
    _agent_schedule_set_receiving (&self->schedule, list, extras->receipts.length > 0);
  _agent_delivery_source_unlock (self->source);

  return removed;
}

/* The first receipt: (transfer full) (nullable). */
static Receipt *
receive_take_first (AgentMailbox *self)
{
  AgentMailboxExtras *extras = _agent_mailbox_extras_peek (&self->extras);
  AgentReadyList     *list = _agent_delivery_source_lock (self->source);
  Receipt            *receipt = extras != NULL ? g_queue_pop_head (&extras->receipts) : NULL;

  if (receipt != NULL)
    _agent_schedule_set_receiving (&self->schedule, list, extras->receipts.length > 0);
  _agent_delivery_source_unlock (self->source);

  return receipt;
}

/* --- For the thread that serves --- */

/* Precondition: somebody waits. FALSE: they cannot get a message before the next iteration of the context, so the budget of
 * this one is over. */
gboolean
_agent_mailbox_can_give (AgentMailbox *self,
                         AgentBudget  *budget)
{
  AgentMailboxExtras *extras = _agent_mailbox_extras_peek (&self->extras);
  gboolean            can;

  _agent_delivery_source_lock (self->source);
  can = !receive_is_new (g_queue_peek_head (&extras->receipts));
  _agent_delivery_source_unlock (self->source);

  if (!can)
    _agent_budget_end (budget);
  return can;
}

static gpointer
receive_new_delivery (AgentMailbox *self,
                      gpointer      subscriber,
                      AgentMessage *message)
{
  AgentHand *hand = _agent_hand_new (message);

  _agent_mailbox_hold (self, hand);
  agent_message_unref (message);
  return self->owner->funcs->new_delivery (self, subscriber, hand);
}

/* Gives @message to the first one who waits. Takes @message. Precondition: somebody waits. */
void
_agent_mailbox_give (AgentMailbox *self,
                     gpointer      subscriber,
                     AgentMessage *message)
{
  Receipt *receipt = receive_take_first (self);

  g_assert (receipt != NULL);

  _agent_mailbox_count_delivered (self, message);
  /* A cancellation that comes from now on is too late. */
  _agent_cancel_source_clear (&receipt->cancelled);
  if (receipt->in_hand)
    g_task_return_pointer (receipt->task, receive_new_delivery (self, subscriber, message), g_object_unref);
  else
    g_task_return_pointer (receipt->task, message, (GDestroyNotify) agent_message_unref);
  receive_free_receipt (receipt);
}

/* What those get who want to receive from the subscriber @name, which is on no bus. */
GError *
_agent_mailbox_new_closed_error (const char *name)
{
  return g_error_new (
      AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED, "Subscriber '%s' is on no bus: there is nothing to receive", name);
}

/* The mailbox delivers nothing any more. In any thread. */
void
_agent_mailbox_end_receipts (AgentMailbox *self)
{
  Receipt *receipt;

  while ((receipt = receive_take_first (self)) != NULL)
    {
      g_task_return_error (receipt->task, _agent_mailbox_new_closed_error (self->name));
      receive_free_receipt (receipt);
    }
}

/* --- For those who receive --- */

/* In the subscriber's context. A message that was given to the receipt before is not lost: then it is not waiting any more. */
static gboolean
receive_on_cancelled (gpointer user_data)
{
  Receipt *receipt = user_data;

  if (receive_remove (receipt->mailbox, receipt))
    {
      g_task_return_error_if_cancelled (receipt->task);
      receive_free_receipt (receipt);
    }

  return G_SOURCE_REMOVE;
}

static void
receive_watch_cancellable (Receipt *receipt)
{
  GCancellable *cancellable = g_task_get_cancellable (receipt->task);

  if (cancellable == NULL)
    return;

  receipt->cancelled = _agent_cancel_source_new (cancellable);
  g_source_set_static_name (receipt->cancelled, "[agentbus] receive");
  g_atomic_ref_count_inc (&receipt->ref_count);
  g_source_set_callback (receipt->cancelled, receive_on_cancelled, receipt, receive_unref_receipt);
  g_source_attach (receipt->cancelled, g_task_get_context (receipt->task));
}

/* Takes @task, whose context is the subscriber's, and returns from it with a message, or if @in_hand with what
 * new_delivery() makes. The cancellable is looked after here: GTask would throw a message away that came with the cancellation. */
void
_agent_mailbox_receive_async (AgentMailbox *self,
                              GTask        *task,
                              gboolean      in_hand)
{
  Receipt *receipt;

  g_task_set_check_cancellable (task, FALSE);
  if (g_task_return_error_if_cancelled (task))
    {
      g_object_unref (task);
      return;
    }

  receipt = g_new0 (Receipt, 1);
  g_atomic_ref_count_init (&receipt->ref_count);
  receipt->mailbox = _agent_mailbox_ref (self);
  receipt->task = task;
  receipt->in_hand = in_hand;
  receipt->created = receive_get_iteration ();
  receive_watch_cancellable (receipt);
  if (!receive_add (self, receipt))
    {
      g_task_return_error (task, _agent_mailbox_new_closed_error (self->name));
      receive_free_receipt (receipt);
    }
}

/* @reason: an AGENT_PAUSE_ flag */
void
_agent_mailbox_set_paused (AgentMailbox *self,
                           gint          reason,
                           gboolean      paused)
{
  AgentReadyList *list = _agent_delivery_source_lock (self->source);

  _agent_schedule_set_paused (&self->schedule, list, reason, paused);
  _agent_delivery_source_unlock (self->source);
}
