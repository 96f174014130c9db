/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A GstBus and its watch for each receiver. */

#include "config.h"

#include <gst/gst.h>

#include "peer.h"

typedef struct
{
  GstBus        *bus;
  GSource       *watch;
  BenchReceiver *receiver;
} Line;

typedef struct
{
  const BenchSetup *setup;
  GPtrArray        *threads;
  Line             *lines;
} Peer;

static gsize
read_payload (GstMessage *message)
{
  const GstStructure *structure = gst_message_get_structure (message);
  const GValue       *payload = structure != NULL ? gst_structure_get_value (structure, "payload") : NULL;

  return payload != NULL ? g_bytes_get_size (g_value_get_boxed (payload)) : 0;
}

static gboolean
on_message (GstBus     *bus,
            GstMessage *message,
            gpointer    user_data)
{
  Line *self = user_data;

  g_assert (GST_MESSAGE_TYPE (message) == GST_MESSAGE_APPLICATION);
  bench_receiver_take (self->receiver, read_payload (message));
  return G_SOURCE_CONTINUE;
}

static void
line_open (Line          *self,
           BenchReceiver *receiver,
           GMainContext  *context)
{
  self->bus = gst_bus_new ();
  self->receiver = receiver;
  self->watch = gst_bus_create_watch (self->bus);
  g_source_set_callback (self->watch, G_SOURCE_FUNC (on_message), self, NULL);
  g_source_attach (self->watch, context);
}

static void
line_close (Line *self)
{
  g_source_destroy (self->watch);
  g_source_unref (self->watch);
  gst_object_unref (self->bus);
}

static gpointer
peer_open (const BenchSetup *setup)
{
  Peer *self = g_new0 (Peer, 1);

  /* No plugin is needed, so none is looked for. */
  g_setenv ("GST_REGISTRY_DISABLE", "yes", TRUE);
  gst_init (NULL, NULL);

  self->setup = setup;
  self->threads = test_threads_new (setup->n_threads);
  self->lines = g_new0 (Line, setup->n_receivers);
  for (guint i = 0; i < setup->n_receivers; i++)
    {
      TestThread *thread = g_ptr_array_index (self->threads, i % self->threads->len);

      line_open (&self->lines[i], &setup->receivers[i], thread->context);
    }

  return self;
}

static gboolean
peer_send (gpointer user_data,
           guint    sender,
           guint    target)
{
  Peer         *self = user_data;
  GstStructure *structure = NULL;

  if (self->setup->payload > 0)
    {
      g_autoptr (GBytes) bytes = g_bytes_new (bench_payload, self->setup->payload);

      structure = gst_structure_new ("update", "payload", G_TYPE_BYTES, bytes, NULL);
    }

  return gst_bus_post (self->lines[target].bus, gst_message_new_custom (GST_MESSAGE_APPLICATION, NULL, structure));
}

static void
peer_close (gpointer user_data)
{
  Peer *self = user_data;

  g_ptr_array_unref (self->threads);
  for (guint i = 0; i < self->setup->n_receivers; i++)
    line_close (&self->lines[i]);
  g_free (self->lines);
  g_free (self);
}

const BenchPeer bench_peer_gstbus = {
  .name = "gstbus",
  .abilities = BENCH_STREAM | BENCH_SENDERS | BENCH_ANSWER_WITHIN | BENCH_ANSWER_ACROSS,
  .open = peer_open,
  .send = peer_send,
  .close = peer_close,
};
