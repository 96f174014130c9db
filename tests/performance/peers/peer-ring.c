/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The floor: what two threads need at least to hand a pointer over. A ring for one sender and one receiver, without a
 * lock; the messages were made before. The receiver looks for a while, and then sleeps on a futex.
 */

#include "config.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "peer.h"

#define DEFAULT_CAPACITY 1024 /* a power of two, as any capacity here */
#define LOOK_FOR 20000        /* ns */
#define LINE 64

typedef struct
{
  BenchMessage **slots;
  guint          size;
  BenchReceiver *receiver;
  GThread       *thread;

  _Alignas(LINE) atomic_uint head; /* the sender's: messages put in */
  guint tail_seen;
  _Alignas(LINE) atomic_uint tail; /* the receiver's: messages taken out */
  _Alignas(LINE) atomic_int asleep;
} Ring;

typedef struct
{
  const BenchSetup *setup;
  BenchMessage     *message;
  Ring             *rings;
} Peer;

/* --- Receiving --- */

/* Who stores first is seen by who loads last: either the receiver sees the message, or the sender the sleeper. */
static void
ring_sleep (Ring *self,
            guint tail)
{
  atomic_store (&self->asleep, TRUE);
  if (atomic_load (&self->head) == tail)
    syscall (SYS_futex, &self->asleep, FUTEX_WAIT_PRIVATE, TRUE, NULL);
  atomic_store (&self->asleep, FALSE);
}

static guint
ring_wait (Ring *self,
           guint tail)
{
  gint64 until = bench_now () + LOOK_FOR;
  guint  head;

  while ((head = atomic_load_explicit (&self->head, memory_order_acquire)) == tail)
    {
      if (bench_now () > until)
        ring_sleep (self, tail);
    }

  return head;
}

static gpointer
ring_run (gpointer user_data)
{
  Ring *self = user_data;
  guint tail = 0;

  while (TRUE)
    {
      guint head = ring_wait (self, tail);

      for (; tail != head; tail++)
        {
          BenchMessage *message = self->slots[tail & (self->size - 1)];

          if (message == NULL)
            return NULL;
          bench_receiver_take (self->receiver, bench_message_read (message));
          atomic_store_explicit (&self->tail, tail + 1, memory_order_release);
        }
    }
}

/* --- Sending --- */

static gboolean
ring_is_full (Ring *self,
              guint head)
{
  if (head - self->tail_seen == self->size)
    self->tail_seen = atomic_load_explicit (&self->tail, memory_order_acquire);

  return head - self->tail_seen == self->size;
}

static void
ring_push (Ring         *self,
           BenchMessage *message)
{
  guint head = atomic_load_explicit (&self->head, memory_order_relaxed);

  self->slots[head & (self->size - 1)] = message;
  atomic_store (&self->head, head + 1);
  if (atomic_load (&self->asleep) && atomic_exchange (&self->asleep, FALSE))
    syscall (SYS_futex, &self->asleep, FUTEX_WAKE_PRIVATE, 1);
}

static gboolean
has_room (Peer *self,
          Ring *ring)
{
  guint head = atomic_load_explicit (&ring->head, memory_order_relaxed);

  while (ring_is_full (ring, head))
    {
      if (self->setup->capacity != 0)
        return FALSE;
      g_thread_yield ();
    }

  return TRUE;
}

/* --- The peer --- */

static gpointer
peer_open (const BenchSetup *setup)
{
  Peer *self = g_new0 (Peer, 1);

  self->setup = setup;
  self->message = bench_message_new (0, setup->payload);
  self->rings = g_aligned_alloc0 (setup->n_receivers, sizeof *self->rings, LINE);
  for (guint i = 0; i < setup->n_receivers; i++)
    {
      Ring *ring = &self->rings[i];

      ring->size = setup->capacity != 0 ? setup->capacity : DEFAULT_CAPACITY;
      ring->slots = g_new0 (BenchMessage *, ring->size);
      ring->receiver = &setup->receivers[i];
      ring->thread = g_thread_new ("ring", ring_run, ring);
    }

  return self;
}

static gboolean
peer_send (gpointer user_data,
           guint    sender,
           guint    target)
{
  Peer *self = user_data;
  Ring *ring = &self->rings[target];

  if (!has_room (self, ring))
    return FALSE;

  ring_push (ring, self->message);
  return TRUE;
}

static void
peer_close (gpointer user_data)
{
  Peer *self = user_data;

  for (guint i = 0; i < self->setup->n_receivers; i++)
    {
      while (ring_is_full (&self->rings[i], atomic_load (&self->rings[i].head)))
        g_thread_yield ();
      ring_push (&self->rings[i], NULL);
      g_thread_join (self->rings[i].thread);
      g_free (self->rings[i].slots);
    }
  g_aligned_free (self->rings);
  bench_message_unref (self->message);
  g_free (self);
}

const BenchPeer bench_peer_ring = {
  .name = "ring",
  .abilities = BENCH_STREAM | BENCH_ANSWER_ACROSS | BENCH_REFUSE,
  .open = peer_open,
  .send = peer_send,
  .close = peer_close,
};
