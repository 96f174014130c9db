/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The parts with a bus: what an application does, in its main loop. */

#include "config.h"

#include "bench-transport-node.h"
#include "bench-transport.h"

#define CROWD 10000

/* --- The receiver --- */

typedef struct
{
  BenchArrivals arrivals;
  const char   *kind;
  guint64       next; /* number of the next message with fields */
  guint         seen; /* how many there were when it was looked last */
} BusReceiver;

static void
receiver_read (BusReceiver  *self,
               AgentMessage *message)
{
  if (g_str_equal (self->kind, "fields") && bench_payload_read (agent_message_get_payload (message)) != self->next++)
    g_error ("A message is lost or out of order");
  if (g_str_equal (self->kind, "frame") &&
      g_bytes_get_size (agent_frame_get_data (agent_message_get_frame (message))) != BENCH_SIZE)
    g_error ("A frame is not what was sent");
}

static void
receiver_on_message (AgentSubscriber *subscriber,
                     AgentMessage    *message,
                     gpointer         user_data)
{
  BusReceiver *self = user_data;

  receiver_read (self, message);
  if (bench_arrivals_add (&self->arrivals))
    bench_arrivals_tell (&self->arrivals);
}

static gboolean
receiver_look (gpointer user_data)
{
  BusReceiver *self = user_data;
  gboolean     is_silent = self->arrivals.n > 0 && self->arrivals.n == self->seen;

  if (is_silent && self->arrivals.n < self->arrivals.n_wanted)
    bench_arrivals_tell (&self->arrivals);
  self->seen = self->arrivals.n;
  return !is_silent;
}

void
bench_bus_receive_part (const char *address,
                        guint       n,
                        const char *kind)
{
  BusReceiver         self = { .arrivals = { .n_wanted = n }, .kind = kind };
  g_autoptr (AgentBus) bus = bench_node_open (address, "two");

  bench_node_add (bus, "receiver", n, G_CALLBACK (receiver_on_message), &self);
  g_timeout_add (BENCH_SILENCE / 1000, receiver_look, &self);
  bench_part_tell ("ready");
  bench_node_run ();
}

/* --- The sender --- */

typedef struct
{
  AgentBus   *bus;
  GVariant   *opaque;
  const char *kind;
  guint       n;
  guint       next;
} BusSender;

static AgentMessage *
sender_make_frame (BusSender *self)
{
  g_autoptr (AgentFrame) frame = agent_frame_new_copy ("audio", g_variant_get_data (self->opaque), BENCH_SIZE, NULL);

  return agent_message_new_frame ("sender", "receiver", frame, AGENT_FRAME_DIRECTION_DOWNSTREAM);
}

static AgentMessage *
sender_make (BusSender *self)
{
  g_autoptr (GVariant) fields = NULL;
  AgentMessage *message;

  if (g_str_equal (self->kind, "frame"))
    return sender_make_frame (self);

  if (g_str_equal (self->kind, "fields"))
    fields = bench_payload_new_fields (self->next);
  message = agent_message_new_custom (
      "tick", AGENT_CHANNEL_DATA, "sender", "receiver", fields != NULL ? fields : self->opaque);
  agent_message_set_reliable (message, g_str_equal (self->kind, "control"));
  return message;
}

static void sender_go_on (BusSender *self);

static void
sender_on_sent (GObject      *source,
                GAsyncResult *result,
                gpointer      user_data)
{
  if (!agent_bus_send_finish (AGENT_BUS (source), result, NULL))
    g_error ("A message that waited for room was not sent");
  sender_go_on (user_data);
}

/* Sends until there is no room, and again when there is. */
static void
sender_go_on (BusSender *self)
{
  while (self->next < self->n)
    {
      g_autoptr (AgentMessage) message = sender_make (self);

      self->next++;
      if (agent_bus_try_send (self->bus, message, NULL))
        continue;

      agent_bus_send_async (self->bus, message, NULL, sender_on_sent, self);
      return;
    }
}

void
bench_bus_send_part (const char *address,
                     guint       n,
                     const char *kind)
{
  BusSender self = { .kind = kind, .n = n, .opaque = bench_payload_new_opaque () };

  self.bus = bench_node_open (address, "one");
  bench_node_add (self.bus, "sender", 1000, NULL, NULL);
  bench_node_find (self.bus, "receiver");
  bench_part_tell ("ready");
  bench_part_wait ();
  sender_go_on (&self);
  bench_node_run ();
}

/* --- There and back --- */

static void
answer_on_message (AgentSubscriber *subscriber,
                   AgentMessage    *message,
                   gpointer         bus)
{
  agent_bus_send (bus,
                  agent_message_new_custom (
                      "tock", AGENT_CHANNEL_DATA, "receiver", "sender", agent_message_get_payload (message)));
}

/* @kind: `crowd` for many others beside, who get nothing */
void
bench_bus_answer_part (const char *address,
                       guint       n,
                       const char *kind)
{
  AgentBus *bus = bench_node_open (address, "two");

  for (guint i = 0; i < CROWD && g_str_equal (kind, "crowd"); i++)
    {
      g_autofree char *name = g_strdup_printf ("other-%u", i);

      bench_node_add (bus, name, 100, NULL, NULL);
    }
  bench_node_add (bus, "receiver", n, G_CALLBACK (answer_on_message), bus);
  bench_part_tell ("ready");
  bench_node_run ();
}

typedef struct
{
  AgentBus *bus;
  GVariant *opaque;
  guint64  *trips;
  guint     n;
  guint     n_trips;
  double    sent_at;
} BusAsker;

static void
asker_ask (BusAsker *self)
{
  self->sent_at = bench_now ();
  agent_bus_send (self->bus, agent_message_new_custom ("tick", AGENT_CHANNEL_DATA, "sender", "receiver", self->opaque));
}

static void
asker_on_message (AgentSubscriber *subscriber,
                  AgentMessage    *message,
                  gpointer         user_data)
{
  BusAsker *self = user_data;

  self->trips[self->n_trips++] = (guint64) ((bench_now () - self->sent_at) * 1e9);
  if (self->n_trips < self->n)
    asker_ask (self);
  else
    bench_tell_trips (self->trips, self->n);
}

void
bench_bus_ask_part (const char *address,
                    guint       n,
                    const char *kind)
{
  BusAsker self = { .n = n, .trips = g_new (guint64, n), .opaque = bench_payload_new_opaque () };

  self.bus = bench_node_open (address, "one");
  bench_node_add (self.bus, "sender", 1000, G_CALLBACK (asker_on_message), &self);
  bench_node_find (self.bus, "receiver");
  bench_part_tell ("ready");
  bench_part_wait ();
  asker_ask (&self);
  bench_node_run ();
}
