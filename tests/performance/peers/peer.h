/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "receiver.h"
#include "test-thread.h"

G_BEGIN_DECLS

#define BENCH_ALL G_MAXUINT
#define BENCH_PAYLOAD_MAX 640

/* What a peer can do, and what a scenario needs. */
typedef enum
{
  BENCH_STREAM = 1 << 0,        /* one sender, one receiver, nothing lost */
  BENCH_FAN_OUT = 1 << 1,       /* one message to all */
  BENCH_SENDERS = 1 << 2,       /* several senders to one receiver */
  BENCH_TARGETS = 1 << 3,       /* a thousand receivers, one of which is meant */
  BENCH_ANSWER_WITHIN = 1 << 4, /* receivers in one thread answer one another */
  BENCH_ANSWER_ACROSS = 1 << 5, /* receivers in two threads answer one another */
  BENCH_REFUSE = 1 << 6,        /* the message that finds no room is dropped or refused */
  BENCH_SILENT = 1 << 7,        /* the sender is not told so */
  BENCH_DROP_OLDEST = 1 << 8,   /* or the oldest one is dropped instead */
} BenchAbility;

typedef struct
{
  guint          n_receivers;
  guint          n_threads; /* receiver i lives in thread i modulo this, where threads are the user's affair */
  guint          n_senders; /* a sender is used by one thread at a time */
  guint          capacity;  /* messages for each receiver; 0: room for all */
  gboolean       drop_oldest;
  gsize          payload; /* bytes */
  BenchReceiver *receivers;
} BenchSetup;

/*
 * One way to get messages to receivers. What open() returns is what its user would set up once. The setup outlives it.
 *
 * send() makes a message with a payload of the given size, as a user of the peer would, and sends it to one receiver or
 * BENCH_ALL. It returns whether the message was taken; where there is to be room for all, a peer that has less waits.
 *
 * close() returns when nothing is delivered any more; what is still queued may be lost.
 */
typedef struct
{
  const char  *name;
  BenchAbility abilities;

  gpointer   (*open)  (const BenchSetup *setup);
  gboolean   (*send)  (gpointer          self,
                       guint             sender,
                       guint             target);
  void       (*close) (gpointer          self);
} BenchPeer;

/* Where the packages are there; see meson.build. */
extern const BenchPeer bench_peer_agentbus;
extern const BenchPeer bench_peer_agentbus_variant;
extern const BenchPeer bench_peer_invoke;
extern const BenchPeer bench_peer_idle;
extern const BenchPeer bench_peer_queue;
extern const BenchPeer bench_peer_ring;
extern const BenchPeer bench_peer_gstbus;
extern const BenchPeer bench_peer_zmq_pushpull;
extern const BenchPeer bench_peer_zmq_pubsub;
extern const BenchPeer bench_peer_nng_pushpull;
extern const BenchPeer bench_peer_nng_pubsub;

/* --- What several peers need --- */

/* The bytes that become a payload. */
extern const guint8 bench_payload[BENCH_PAYLOAD_MAX];

/* A message for peers that have none of their own, atomically reference counted. */
typedef struct
{
  guint64 source; /* the number of the sender */
  guint32 type;
  guint32 size;
  guint8  payload[];
} BenchMessage;

/* Enough to tell that it is one of ours. */
#define BENCH_MESSAGE_TYPE 7

BenchMessage *bench_message_new   (guint64             source,
                                   gsize               size) G_GNUC_WARN_UNUSED_RESULT;
void          bench_message_fill  (BenchMessage       *self,
                                   guint64             source,
                                   gsize               size);
gsize         bench_message_read  (const BenchMessage *self);
#define       bench_message_ref   g_atomic_rc_box_acquire
#define       bench_message_unref g_atomic_rc_box_release

G_END_DECLS
