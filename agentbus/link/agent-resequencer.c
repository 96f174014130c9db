/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-resequencer-private.h"

typedef struct
{
  guint64 number;
  guint   n_records;
  GBytes *packet; /* (owned) */
  gint64  came_at;
} HeldPacket;

static void
held_packet_free (gpointer data)
{
  HeldPacket *self = data;

  g_bytes_unref (self->packet);
  g_free (self);
}

void
_agent_resequencer_init (AgentResequencer *self)
{
  *self = (AgentResequencer){ .next = 1, .held = G_QUEUE_INIT };
}

void
_agent_resequencer_clear (AgentResequencer *self)
{
  g_queue_clear_full (&self->held, held_packet_free);
  _agent_resequencer_init (self);
}

/* The link of the last packet that is held with a number up to @number: (nullable). Late ones come near the end. */
static GList *
resequencer_find (AgentResequencer *self,
                  guint64           number)
{
  GList *l = self->held.tail;

  while (l != NULL && ((HeldPacket *) l->data)->number > number)
    l = l->prev;
  return l;
}

static AgentSequence
resequencer_hold (AgentResequencer *self,
                  guint64           number,
                  guint             n_records,
                  GBytes           *packet,
                  gint64            now)
{
  GList      *before = resequencer_find (self, number);
  HeldPacket *held;

  if (before != NULL && ((HeldPacket *) before->data)->number == number)
    return AGENT_SEQUENCE_DUPLICATE;
  if (self->held.length >= AGENT_RESEQUENCER_MAX_PACKETS ||
      self->bytes + g_bytes_get_size (packet) > AGENT_RESEQUENCER_MAX_BYTES)
    return AGENT_SEQUENCE_FULL;

  held = g_new (HeldPacket, 1);
  held->number = number;
  held->n_records = n_records;
  held->packet = g_bytes_ref (packet);
  held->came_at = now;
  g_queue_insert_after (&self->held, before, held);
  self->bytes += g_bytes_get_size (packet);
  if (self->since == 0)
    self->since = now;
  return AGENT_SEQUENCE_HELD;
}

/* A packet has come. @packet stays the caller's. */
AgentSequence
_agent_resequencer_put (AgentResequencer *self,
                        guint64           number,
                        guint             n_records,
                        GBytes           *packet,
                        gint64            now)
{
  if (number < self->next)
    return AGENT_SEQUENCE_DUPLICATE;
  if (number > self->next)
    return resequencer_hold (self, number, n_records, packet, now);

  self->next += n_records;
  return AGENT_SEQUENCE_NEXT;
}

/* The next packet, if it is held: (transfer full) (nullable). It is the caller's to read.
 *
 * @came_at: (out): since when it was held */
GBytes *
_agent_resequencer_take (AgentResequencer *self,
                         gint64            now,
                         gint64           *came_at)
{
  HeldPacket *held;
  GBytes     *packet;

  while ((held = g_queue_peek_head (&self->held)) != NULL && held->number <= self->next)
    {
      gboolean is_next = held->number == self->next;

      g_queue_pop_head (&self->held);
      self->bytes -= g_bytes_get_size (held->packet);
      self->since = self->held.length > 0 ? now : 0;
      packet = g_bytes_ref (held->packet);
      *came_at = held->came_at;
      if (is_next)
        self->next += held->n_records;
      held_packet_free (held);
      if (is_next)
        return packet;
      g_bytes_unref (packet);
    }

  return NULL;
}
