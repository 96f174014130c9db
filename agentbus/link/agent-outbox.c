/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-outbox-private.h"

static void
outbox_free_packet (gpointer data)
{
  AgentOutboxPacket *packet = data;

  g_bytes_unref (packet->packet);
  g_free (packet);
}

void
_agent_outbox_init (AgentOutbox *self,
                    guint        window,
                    guint        n_older)
{
  *self = (AgentOutbox){ .packets = G_QUEUE_INIT, .window = window, .n_older = n_older };
}

void
_agent_outbox_clear (AgentOutbox *self)
{
  g_queue_clear_full (&self->packets, outbox_free_packet);
  _agent_outbox_init (self, self->window, 0);
}

/* Takes @packet. */
void
_agent_outbox_add (AgentOutbox *self,
                   guint64      number,
                   guint        n_records,
                   GBytes      *packet,
                   gint64       now)
{
  AgentOutboxPacket *added = g_new0 (AgentOutboxPacket, 1);

  added->number = number;
  added->n_records = n_records;
  added->packet = packet;
  added->made_at = now;
  self->bytes += g_bytes_get_size (packet);
  g_queue_push_tail (&self->packets, added);
  if (self->next == NULL)
    self->next = self->packets.tail;
}

static gboolean
outbox_is_to_be_sent (const AgentOutboxPacket *packet)
{
  return !packet->taken && !packet->on_way;
}

/* The packet that is to be sent now, and is on its way from now on: (transfer none) (nullable). NULL: there is none, the
 * window is full, or a packet has failed. */
AgentOutboxPacket *
_agent_outbox_send_next (AgentOutbox *self)
{
  AgentOutboxPacket *packet;

  while (self->next != NULL && !outbox_is_to_be_sent (self->next->data))
    self->next = self->next->next;
  if (self->next == NULL || self->failed || _agent_outbox_count_on_way (self) >= self->window)
    return NULL;

  packet = self->next->data;
  self->next = self->next->next;
  self->n_on_way++;
  packet->on_way = TRUE;
  return packet;
}

/* Packets are answered nearly in order, so the one that is looked for is near the head. */
static AgentOutboxPacket *
outbox_find (AgentOutbox *self,
             guint64      number)
{
  for (GList *l = self->packets.head; l != NULL; l = l->next)
    {
      AgentOutboxPacket *packet = l->data;

      if (packet->number == number)
        return packet;
      if (packet->number > number)
        break;
    }

  return NULL;
}

static void
outbox_drop_taken (AgentOutbox *self)
{
  AgentOutboxPacket *packet;

  while ((packet = g_queue_peek_head (&self->packets)) != NULL && packet->taken)
    {
      if (self->next == self->packets.head)
        self->next = self->next->next;
      self->bytes -= g_bytes_get_size (packet->packet);
      g_queue_pop_head (&self->packets);
      outbox_free_packet (packet);
    }
}

/* A packet is answered. An answer to what is not on its way is none of an engine that keeps the rules, and changes nothing. */
void
_agent_outbox_done (AgentOutbox *self,
                    guint64      number,
                    gboolean     taken)
{
  AgentOutboxPacket *packet = outbox_find (self, number);

  if (packet == NULL || !packet->on_way)
    return;

  self->n_on_way--;
  packet->on_way = FALSE;
  packet->taken = taken;
  if (!taken)
    self->failed = TRUE;
  outbox_drop_taken (self);
}

/* A packet of an older session is answered. */
void
_agent_outbox_older_done (AgentOutbox *self)
{
  if (self->n_older > 0)
    self->n_older--;
}

/* All packets that the engine has not got are to be sent again. */
void
_agent_outbox_resend (AgentOutbox *self)
{
  self->failed = FALSE;
  self->next = self->packets.head;
}

/* How many records the engine is not known to have. */
guint64
_agent_outbox_count (AgentOutbox *self)
{
  guint64 n = 0;

  for (GList *l = self->packets.head; l != NULL; l = l->next)
    {
      const AgentOutboxPacket *packet = l->data;

      n += packet->taken ? 0 : packet->n_records;
    }

  return n;
}
