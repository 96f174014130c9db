/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-channel-queue-slots-private.h"

/*
 * How senders notice that a queue gets long. Each push compares one number, and takes a closer look when it is reached. The
 * look says when to take the next one.
 */

/* A queue without a limit is slow from this length on. */
#define MANY 10000

/* With fewer messages than this, only drops make a queue slow: one that keeps the latest value is always nearly full. */
#define MIN_LIMIT 4

/* The length from which on the queue is slow: more than three quarters of its limit. */
static guint64
look_get_slow_length (AgentChannelQueue *self)
{
  if (self->limit == G_MAXUINT)
    return MANY;

  return self->limit >= MIN_LIMIT ? (guint64) self->limit * 3 / 4 + 1 : G_MAXUINT64;
}

static guint64
look_get_bytes (AgentChannelQueue *self)
{
  return self->bytes_in - atomic_load (&self->bytes_out);
}

static gboolean
look_has_many_bytes (AgentChannelQueue *self,
                     guint64            quarters)
{
  guint64 max_bytes = atomic_load_explicit (&self->max_bytes, memory_order_relaxed);

  return max_bytes != 0 && look_get_bytes (self) / quarters > max_bytes / 4;
}

/* How many messages away the next power of two is. */
static guint
look_get_distance (guint n)
{
  guint power = 1;

  while (power <= n && power < 1u << 30)
    power *= 2;

  return power > n ? power - n : 1u << 30;
}

/* The receiver may take the messages before the thread that has found this tells of it. So the number is kept. */
static void
look_keep_length (AgentChannelQueue *self,
                  guint64            length)
{
  self->n_slow = (guint) CLAMP (length, 1, G_MAXUINT);
}

/* Called after a push, if has_to_look(). Returns AGENT_LOOK_ flags.
 *
 * Relaxed: the counts are changed with the lock held, and an old count of messages taken makes the queue look longer. */
guint
_agent_channel_queue_look_locked (AgentChannelQueue *self,
                                  gsize              size)
{
  guint64  slow_length = look_get_slow_length (self);
  guint64  n_in = _agent_channel_queue_get_n_in (self);
  guint64  length = n_in - atomic_load_explicit (&self->n_out_seen, memory_order_relaxed);
  guint    n = (guint) n_in - atomic_load_explicit (&self->n_out_before, memory_order_relaxed);
  guint    distance = look_get_distance (n);
  gboolean slow = _agent_channel_queue_has_mark (self, AGENT_QUEUE_SLOW);
  guint    found = (n & (n - 1)) == 0 && n > 1 ? AGENT_LOOK_MILESTONE : 0;

  if (!slow && length >= slow_length)
    length = _agent_channel_queue_get_length_locked (self);
  if (!slow && length < slow_length)
    distance = (guint) MIN (distance, slow_length - length);
  self->look_at = (guint) n_in + distance;

  if (slow || (length < slow_length && (size == 0 || !look_has_many_bytes (self, 3))))
    return found;

  look_keep_length (self, length >= slow_length ? length : _agent_channel_queue_get_length_locked (self));
  return found | AGENT_LOOK_SLOW;
}

/* There is no room for a message: if the queue is not slow yet, it will be. */
void
_agent_channel_queue_note_full_locked (AgentChannelQueue *self)
{
  if (!_agent_channel_queue_has_mark (self, AGENT_QUEUE_SLOW))
    look_keep_length (self, _agent_channel_queue_get_length_locked (self));
}

/* Whether a slow queue is less than a quarter full. */
gboolean
_agent_channel_queue_has_recovered_locked (AgentChannelQueue *self)
{
  guint64 limit = self->limit == G_MAXUINT ? MANY : self->limit;
  guint64 length = _agent_channel_queue_get_length_locked (self);

  return length == 0 || (length * 4 < limit && !look_has_many_bytes (self, 1));
}

/* The queue is not slow any more. While it was, the looks were as far apart as milestones are. */
void
_agent_channel_queue_note_recovered_locked (AgentChannelQueue *self)
{
  _agent_channel_queue_clear_mark (self, AGENT_QUEUE_SLOW);
  self->look_at = (guint) _agent_channel_queue_get_n_in (self) + 1;
}
