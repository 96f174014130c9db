/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-debug-private.h"
#include "base/agent-signal-private.h"
#include "base/agent-string-hash-private.h"
#include "mailbox/agent-mailbox-take-private.h"

/* How messages get out of the mailbox and into the handler, or to those who receive. */

/* How many messages of one subscriber are handled before the next subscriber in the same context is served. */
#define BATCH 64

/* Who hears the messages of a batch. To ask costs as much as to handle a message, so it is asked once for all, and only if
 * handlers want some names, once more whenever the name changes. */
typedef struct
{
  gboolean emit;    /* emit the signal, whatever the name */
  gboolean by_name; /* ask for each name */
  gboolean any;     /* whether anybody hears anything */
  GQuark   name;    /* that was asked for last */
  gboolean heard;   /* whether that name is */
} Hearing;

/* Some handlers may want some names. The rules hear all. */
static void
serve_look_for_names (AgentMailbox *self,
                      gpointer      subscriber,
                      Hearing      *hearing)
{
  hearing->by_name = _agent_signal_is_heard (subscriber, self->receiver.signal);
  hearing->any = hearing->by_name || _agent_mailbox_intercepts (self);
}

static void
serve_look_who_hears (AgentMailbox *self,
                      gpointer      subscriber,
                      Hearing      *hearing)
{
  const AgentReceiver *receiver = &self->receiver;

  *hearing = (Hearing){ .any = TRUE };
  if (receiver->always_emit)
    hearing->emit = TRUE;
  else if (receiver->handle != NULL)
    hearing->emit = receiver->signal != 0 && _agent_signal_is_heard (subscriber, receiver->signal);
  else if (g_signal_has_handler_pending (subscriber, receiver->signal, 0, FALSE))
    hearing->emit = TRUE;
  else
    serve_look_for_names (self, subscriber, hearing);
}

static gboolean
serve_is_name_heard (AgentMailbox *self,
                     gpointer      subscriber,
                     GQuark        name,
                     Hearing      *hearing)
{
  if (hearing->name != name)
    {
      hearing->name = name;
      hearing->heard = g_signal_has_handler_pending (subscriber, self->receiver.signal, name, FALSE);
    }

  return hearing->heard;
}

/* Names come from strangers, so only some of them are kept. */
#define MAX_UNHANDLED_NAMES 100

/* Logs once for each name that no handler wants it. */
static void
serve_log_unhandled (AgentMailbox *self,
                     AgentMessage *message)
{
  AgentMailboxExtras *extras = _agent_mailbox_extras_get (&self->extras);
  const char         *name = agent_message_get_name (message);

  if (extras->unhandled_names == NULL)
    extras->unhandled_names = g_hash_table_new_full (_agent_string_hash_func, g_str_equal, g_free, NULL);
  if (g_hash_table_size (extras->unhandled_names) < MAX_UNHANDLED_NAMES &&
      g_hash_table_add (extras->unhandled_names, g_strdup (name)))
    g_debug ("Subscriber '%s' has no handler for '%s'", self->name, name);
}

static void
serve_count_unhandled (AgentMailbox *self,
                       AgentMessage *message,
                       Hearing      *hearing)
{
  g_atomic_int_inc (&_agent_mailbox_extras_get (&self->extras)->n_unhandled);
  if (hearing->any)
    serve_log_unhandled (self, message);
  else
    _agent_mailbox_warn_unheard (self);
}

static inline void
serve_handle (AgentMailbox *self,
              gpointer      subscriber,
              AgentMessage *message,
              Hearing      *hearing)
{
  const AgentReceiver *receiver = &self->receiver;
  GQuark               name = hearing->emit || hearing->by_name ? _agent_message_get_detail (message) : 0;

  if (hearing->emit || (hearing->by_name && serve_is_name_heard (self, subscriber, name, hearing)))
    g_signal_emit (subscriber, receiver->signal, name, message);
  else if (receiver->handle != NULL)
    receiver->handle (subscriber, message);
  else
    serve_count_unhandled (self, message, hearing);
}

static void
serve_deliver (AgentMailbox *self,
               gpointer      subscriber,
               AgentMessage *message,
               Hearing      *hearing)
{
  _agent_mailbox_count_delivered (self, message);

  if (_agent_debug_is_on (AGENT_DEBUG_MESSAGES))
    _agent_message_trace (message, "is given to the handlers of", self->name);

  self->current = message;
  serve_handle (self, subscriber, message, hearing);
  self->current = NULL;

  _agent_message_drop_refs (message, 1);
}

/* --- Batches --- */

/* Whether the batch of @channel ends before the next message. It does if a system message has come for any mailbox of the
 * context; if somebody waits to receive, but cannot get a message before the next iteration; and if nobody does, when the
 * handler must not be called, or when there is none: data waits for one. */
static inline gboolean
serve_has_to_stop (AgentMailbox *self,
                   AgentChannel  channel,
                   Hearing      *hearing,
                   AgentBudget  *budget)
{
  if (channel == AGENT_CHANNEL_DATA && _agent_delivery_source_has_system (self->source))
    return TRUE;
  if (G_UNLIKELY (_agent_schedule_is_receiving (&self->schedule)))
    return _agent_schedule_is_inactive (&self->schedule) || !_agent_mailbox_can_give (self, budget);
  if (_agent_schedule_is_held_up (&self->schedule))
    return TRUE;
  if (G_LIKELY (channel == AGENT_CHANNEL_SYSTEM || hearing->any))
    return FALSE;

  _agent_delivery_source_set_unheard (self->source, &self->schedule);
  return TRUE;
}

static void
serve_drop (AgentMailbox   *self,
            AgentMessage   *message,
            AgentDropReason reason)
{
  _agent_mailbox_note_spent (self, message, reason);
  _agent_mailbox_drop_spent (self, message, reason);
}

/* TRUE: the rules have taken @message, or it is dropped. */
static gboolean
serve_intercept (AgentMailbox *self,
                 gpointer      subscriber,
                 AgentMessage *message)
{
  switch (self->pair->rules->intercept (subscriber, message))
    {
    case AGENT_INTERCEPT_TAKEN:
      _agent_mailbox_count_delivered (self, message);
      _agent_message_drop_refs (message, 1);
      return TRUE;
    case AGENT_INTERCEPT_DROP:
      _agent_mailbox_note_spent (self, message, AGENT_INTERCEPT_DROP_REASON);
      _agent_mailbox_drop_spent (self, message, AGENT_INTERCEPT_DROP_REASON);
      return TRUE;
    case AGENT_INTERCEPT_PASS:
    default:
      return FALSE;
    }
}

/* TRUE: @message is not delivered, or the rules have taken it. */
static gboolean
serve_check (AgentMailbox *self,
             gpointer      subscriber,
             AgentMessage *message)
{
  AgentDropReason reason;

  if (_agent_mailbox_is_spent (self, message, &reason))
    {
      serve_drop (self, message, reason);
      return TRUE;
    }

  return _agent_mailbox_intercepts (self) && serve_intercept (self, subscriber, message);
}

static inline void
serve_one (AgentMailbox *self,
           gpointer      subscriber,
           AgentMessage *message,
           Hearing      *hearing)
{
  if (_agent_mailbox_has_to_check (self, message, AGENT_CHECK_ANY) && serve_check (self, subscriber, message))
    return;

  if (_agent_schedule_is_receiving (&self->schedule))
    _agent_mailbox_give (self, subscriber, message);
  else
    serve_deliver (self, subscriber, message, hearing);
}

/* Hands out messages until there are none, until the batch or the budget is over, or until serve_has_to_stop(). TRUE: there
 * may be more. */
gboolean
_agent_mailbox_serve (AgentMailbox *self,
                      AgentChannel  channel,
                      AgentBudget  *budget)
{
  gpointer subscriber = _agent_drop_box_get_subscriber (_agent_mailbox_get_drops (self));
  Hearing  hearing;

  if (_agent_debug_is_on (AGENT_DEBUG_CONTEXTS))
    _agent_debug_print ("'%s' is served in thread %p", self->name, (gpointer) g_thread_self ());

  serve_look_who_hears (self, subscriber, &hearing);
  for (guint i = 0; i < BATCH && !_agent_budget_is_spent (budget); i++)
    {
      AgentMessage *message;

      if (serve_has_to_stop (self, channel, &hearing, budget))
        return TRUE;

      message = _agent_mailbox_pop (self, channel);
      if (message == NULL)
        return FALSE;

      serve_one (self, subscriber, message, &hearing);
      _agent_budget_spend (budget);
    }

  return TRUE;
}
