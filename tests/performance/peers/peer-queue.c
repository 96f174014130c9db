/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A GAsyncQueue and a thread for each receiver. */

#include "config.h"

#include "peer.h"

typedef struct
{
  GAsyncQueue   *queue;
  BenchReceiver *receiver;
  GThread       *thread;
} Line;

typedef struct
{
  const BenchSetup *setup;
  Line             *lines;
} Peer;

static const char stop[] = "stop";

static gpointer
line_run (gpointer user_data)
{
  Line    *self = user_data;
  gpointer message;

  while ((message = g_async_queue_pop (self->queue)) != (gpointer) stop)
    {
      bench_receiver_take (self->receiver, bench_message_read (message));
      bench_message_unref (message);
    }

  return NULL;
}

static gpointer
peer_open (const BenchSetup *setup)
{
  Peer *self = g_new0 (Peer, 1);

  self->setup = setup;
  self->lines = g_new0 (Line, setup->n_receivers);
  for (guint i = 0; i < setup->n_receivers; i++)
    {
      self->lines[i].queue = g_async_queue_new ();
      self->lines[i].receiver = &setup->receivers[i];
      self->lines[i].thread = g_thread_new ("queue", line_run, &self->lines[i]);
    }

  return self;
}

static gboolean
peer_send (gpointer user_data,
           guint    sender,
           guint    target)
{
  Peer         *self = user_data;
  BenchMessage *message = bench_message_new (sender, self->setup->payload);

  for (guint i = 0; target == BENCH_ALL && i < self->setup->n_receivers; i++)
    g_async_queue_push (self->lines[i].queue, bench_message_ref (message));

  if (target == BENCH_ALL)
    bench_message_unref (message);
  else
    g_async_queue_push (self->lines[target].queue, message);

  return TRUE;
}

static void
peer_close (gpointer user_data)
{
  Peer *self = user_data;

  for (guint i = 0; i < self->setup->n_receivers; i++)
    {
      g_async_queue_push (self->lines[i].queue, (gpointer) stop);
      g_thread_join (self->lines[i].thread);
      g_async_queue_unref (self->lines[i].queue);
    }
  g_free (self->lines);
  g_free (self);
}

const BenchPeer bench_peer_queue = {
  .name = "queue",
  .abilities = BENCH_STREAM | BENCH_FAN_OUT | BENCH_SENDERS | BENCH_ANSWER_ACROSS,
  .open = peer_open,
  .send = peer_send,
  .close = peer_close,
};
