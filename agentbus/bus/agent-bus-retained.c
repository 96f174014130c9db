/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "base/agent-string-hash-private.h"
#include "bus/agent-bus-private.h"

/* How a subscriber gets the messages that the bus has retained for a new pattern of it. */

/* What is true of a mailbox before it gets the new patterns. */
typedef struct
{
  AgentMailbox       *mailbox;
  const char *const  *accepts;   /* (nullable) */
  AgentInterestIndex *interests; /* (nullable) */
  gint64              now;
} Taker;

/* A message that an older pattern of the subscriber matches came to it when it was sent, or when that pattern was added. */
static gboolean
retained_is_wanted (AgentMessage *message,
                    const Taker  *taker)
{
  return !_agent_string_equal (agent_message_get_source (message), taker->mailbox->name) &&
         (taker->accepts == NULL || g_strv_contains (taker->accepts, agent_message_get_name (message))) &&
         (taker->interests == NULL ||
          !_agent_interest_index_has_topic (taker->interests, taker->mailbox, message->topic));
}

/* Whether nobody would be given @message any more. A conversation never goes back. */
static gboolean
retained_is_spent (AgentMessage *message,
                   gint64        now)
{
  return _agent_message_has_expired (message, now) || _agent_message_is_stale (message);
}

static int
retained_compare (gconstpointer a,
                  gconstpointer b)
{
  const AgentMessage *one = *(AgentMessage *const *) a;
  const AgentMessage *two = *(AgentMessage *const *) b;

  return one->seq < two->seq ? -1 : one->seq > two->seq;
}

/* The messages for @patterns in the order of sending, some of them several times: (transfer full). */
static GPtrArray *
retained_list (AgentRetained     *retained,
               const char *const *patterns)
{
  GPtrArray *messages = g_ptr_array_new ();
  AgentTopic pattern;

  for (guint i = 0; patterns[i] != NULL; i++)
    {
      _agent_topic_split_pattern (&pattern, patterns[i]);
      _agent_retained_find_locked (retained, &pattern, messages);
    }
  g_ptr_array_sort (messages, retained_compare);

  return messages;
}

/* Sends a copy of @message, which has a number of its own, as each message has that is sent again. It keeps the time of the
 * first send, by which its own limit is measured; the age that a subscriber allows is measured from now on. */
static void
retained_give (AgentBus     *self,
               AgentMessage *message,
               const Taker  *taker,
               AgentSender  *sender)
{
  AgentMessage *copy = _agent_message_copy_unsent (message);

  copy->sent = TRUE;
  copy->sent_at = message->sent_at;
  copy->delay = (guint) CLAMP ((taker->now - message->sent_at + 999) / 1000, 0, G_MAXUINT);

  g_mutex_lock (&self->order_lock);
  copy->seq = atomic_fetch_add_explicit (&self->last_seq, 1, memory_order_relaxed) + 1;
  self->n_restamped++;
  _agent_mailbox_push (taker->mailbox, copy, sender);
  g_mutex_unlock (&self->order_lock);
}

static void
retained_give_all (AgentBus          *self,
                   const Taker       *taker,
                   const char *const *patterns,
                   AgentSender       *sender)
{
  AgentRetained *retained = self->owner->retained;
  g_autoptr (GPtrArray) messages = retained_list (retained, patterns);
  AgentMessage *last = NULL;

  for (guint i = 0; i < messages->len; i++)
    {
      AgentMessage *message = messages->pdata[i];

      if (message != last && retained_is_spent (message, taker->now))
        _agent_sender_unref_later (sender, _agent_retained_remove_locked (retained, message->topic));
      else if (message != last && retained_is_wanted (message, taker))
        retained_give (self, message, taker, sender);
      last = message;
    }

  for (guint i = 0; i < messages->len; i++)
    _agent_sender_unref_later (sender, messages->pdata[i]);
}

/* From now on, @mailbox gets the broadcasts whose topics match @patterns. First it gets the messages that were retained for
 * them: it is pushed before the patterns are seen by any sender.
 *
 * @accepts: (nullable): the names that the subscriber takes
 * @sender: collect it when no lock is held any more */
void
_agent_bus_add_patterns (AgentBus          *self,
                         AgentMailbox      *mailbox,
                         const char *const *patterns,
                         const char *const *accepts,
                         AgentSender       *sender)
{
  AgentSnapshot *snapshot;
  Taker          taker = { .mailbox = mailbox, .accepts = accepts, .now = _agent_clock_now () };

  _agent_retained_lock (self->owner->retained);
  snapshot = _agent_directory_ref_snapshot (self->directory);
  taker.interests = _agent_snapshot_get_interests (snapshot);
  if (_agent_snapshot_lookup (snapshot, mailbox->name, mailbox->hash) == mailbox)
    {
      retained_give_all (self, &taker, patterns, sender);
      _agent_directory_add_patterns (self->directory, mailbox, patterns);
    }
  _agent_retained_unlock (self->owner->retained);

  _agent_snapshot_unref (snapshot);
}

/**
 * agent_bus_clear_retained:
 * @self: a bus
 * @topic: (nullable): a topic, or %NULL for all topics
 *
 * Forgets the retained message of a topic, see [method@AgentBus.Message.set_retained].
 *
 * A subscriber that adds a pattern from now on does not get it any more; what is in a queue stays there. May be called from any
 * thread.
 *
 * Since: 0.1
 */
void
agent_bus_clear_retained (AgentBus   *self,
                          const char *topic)
{
  AgentRetained *retained;
  AgentMessage  *message;

  g_return_if_fail (AGENT_IS_BUS (self));

  retained = self->owner->retained;
  if (topic == NULL)
    {
      g_ptr_array_unref (_agent_retained_clear (retained));
      return;
    }

  _agent_retained_lock (retained);
  message = _agent_retained_remove_locked (retained, topic);
  _agent_retained_unlock (retained);
  g_clear_pointer (&message, agent_message_unref);
}
