/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <agentbus/agentbus.h>

#include "peer.h"

#define ROOM_FOR_ALL (1u << 21)

/* --- A subscriber --- */

#define TAKER_TYPE (taker_get_type ())
G_DECLARE_FINAL_TYPE (Taker, taker, BENCH, TAKER, AgentSubscriber)

struct _Taker
{
  AgentSubscriber parent_instance;
  BenchReceiver  *receiver;
};

G_DEFINE_FINAL_TYPE (Taker, taker, AGENT_TYPE_SUBSCRIBER)

static gsize
read_update (AgentMessage *message)
{
  GVariant *update = agent_message_get_payload (message);

  return update != NULL ? g_variant_get_size (update) : 0;
}

static void
taker_message (AgentSubscriber *subscriber,
               AgentMessage    *message)
{
  AgentMessageType type = agent_message_get_message_type (message);
  gsize            size = 0;

  if (type == AGENT_MESSAGE_TYPE_FRAME)
    agent_frame_get_contents (agent_message_get_frame (message), &size);
  else if (type == AGENT_MESSAGE_TYPE_TASK_UPDATE)
    size = read_update (message);
  else
    g_assert_not_reached ();

  bench_receiver_take (((Taker *) subscriber)->receiver, size);
}

static void
taker_class_init (TakerClass *klass)
{
  AGENT_SUBSCRIBER_CLASS (klass)->message = taker_message;
}

static void
taker_init (Taker *self)
{
}

/* --- The peer --- */

typedef struct
{
  const BenchSetup *setup;
  GPtrArray        *threads;
  AgentBus         *bus;
  char            **senders;
  char            **targets;
  gboolean          in_variants;
} Peer;

static char **
number (const char *word,
        guint       n)
{
  char **names = g_new0 (char *, n + 1);

  for (guint i = 0; i < n; i++)
    names[i] = g_strdup_printf ("%s-%u", word, i);
  return names;
}

static void
subscribe (Peer *self,
           guint i)
{
  AgentOverflow overflow = self->setup->drop_oldest ? AGENT_OVERFLOW_DROP_OLDEST : AGENT_OVERFLOW_DROP_NEWEST;
  GMainContext *context = ((TestThread *) g_ptr_array_index (self->threads, i % self->threads->len))->context;
  const char   *name = self->targets[i];
  g_autoptr (Taker) taker =
      g_object_new (TAKER_TYPE, "name", name, "main-context", context, "overflow", overflow, NULL);
  g_autoptr (GError) error = NULL;

  taker->receiver = &self->setup->receivers[i];
  if (!agent_bus_subscribe (self->bus, AGENT_SUBSCRIBER (taker), &error))
    g_error ("%s", error->message);
}

static gpointer
peer_open (const BenchSetup *setup)
{
  Peer *self = g_new0 (Peer, 1);

  self->setup = setup;
  self->threads = test_threads_new (setup->n_threads);
  self->bus = agent_bus_new_with_capacity (setup->capacity != 0 ? setup->capacity : ROOM_FOR_ALL);
  self->senders = number ("sender", setup->n_senders);
  self->targets = number ("agent", setup->n_receivers);
  for (guint i = 0; i < setup->n_receivers; i++)
    subscribe (self, i);

  return self;
}

static gpointer
variant_open (const BenchSetup *setup)
{
  Peer *self = peer_open (setup);

  self->in_variants = TRUE;
  return self;
}

static AgentMessage *
make_frame (const char *source,
            const char *target,
            gsize       size)
{
  g_autoptr (AgentFrame) frame = agent_frame_new_copy ("audio", bench_payload, size, NULL);

  return agent_message_new_frame (source, target, frame, AGENT_FRAME_DIRECTION_DOWNSTREAM);
}

static AgentMessage *
make_update (const char *source,
             const char *target,
             gsize       size)
{
  GVariant *update = size > 0 ? g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bench_payload, size, 1) : NULL;

  return agent_message_new_task_update (source, target, "t", update);
}

/* Bytes that the bus need not understand travel in a frame. */
static gboolean
peer_send (gpointer user_data,
           guint    sender,
           guint    target)
{
  Peer         *self = user_data;
  const char   *source = self->senders[sender];
  const char   *name = target != BENCH_ALL ? self->targets[target] : NULL;
  gsize         size = self->setup->payload;
  AgentMessage *message;

  message = size > 0 && !self->in_variants ? make_frame (source, name, size) : make_update (source, name, size);
  return agent_bus_send (self->bus, message) > 0;
}

static void
peer_close (gpointer user_data)
{
  Peer *self = user_data;

  g_ptr_array_unref (self->threads);
  g_object_unref (self->bus);
  g_strfreev (self->senders);
  g_strfreev (self->targets);
  g_free (self);
}

const BenchPeer bench_peer_agentbus = {
  .name = "agentbus",
  .abilities = BENCH_STREAM | BENCH_FAN_OUT | BENCH_SENDERS | BENCH_TARGETS | BENCH_ANSWER_WITHIN |
               BENCH_ANSWER_ACROSS | BENCH_REFUSE | BENCH_DROP_OLDEST,
  .open = peer_open,
  .send = peer_send,
  .close = peer_close,
};

const BenchPeer bench_peer_agentbus_variant = {
  .name = "agentbus-variant",
  .abilities = BENCH_STREAM | BENCH_FAN_OUT,
  .open = variant_open,
  .send = peer_send,
  .close = peer_close,
};
