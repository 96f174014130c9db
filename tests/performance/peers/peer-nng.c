/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* nng within the process: a socket and a thread for each receiver, and sockets for each sender. */

#include "config.h"

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>

#include "peer.h"

#define MOST_ROOM 8192 /* nng has no more */

typedef struct
{
  nng_socket     socket;
  BenchReceiver *receiver;
  GThread       *thread;
} Line;

typedef struct
{
  const BenchSetup *setup;
  guint             number; /* of this peer, so that no address is used twice */
  Line             *lines;
  nng_socket       *sockets; /* by sender; with PUSH, by sender and receiver */
  guint             n_sockets;
  guint             sockets_per_sender;
  int               send_flags;
  GMutex            lock;
  GCond             cond;
  guint             n_connected; /* (lock) senders by receivers */
} Peer;

static void
check (int         code,
       const char *what)
{
  if (code != 0)
    g_error ("%s: %s", what, nng_strerror (code));
}

/* --- Receiving --- */

/* Until the socket is closed. */
static gpointer
line_run (gpointer user_data)
{
  Line    *self = user_data;
  nng_msg *message;
  int      code;

  while ((code = nng_recvmsg (self->socket, &message, 0)) == 0)
    {
      bench_receiver_take (self->receiver, bench_message_read (nng_msg_body (message)));
      nng_msg_free (message);
    }

  g_assert (code == NNG_ECLOSED);
  return NULL;
}

static void
lines_start (Peer *self)
{
  for (guint i = 0; i < self->setup->n_receivers; i++)
    {
      self->lines[i].receiver = &self->setup->receivers[i];
      self->lines[i].thread = g_thread_new ("nng", line_run, &self->lines[i]);
    }
}

/* --- Sockets --- */

/* Not every protocol of every version has a buffer at each end. */
static void
set_room (Peer       *self,
          nng_socket  socket,
          const char *option)
{
  guint room = self->setup->capacity != 0 ? self->setup->capacity : MOST_ROOM;
  int   code = nng_socket_set_int (socket, option, room);

  if (code != NNG_ENOTSUP)
    check (code, option);
}

static void
listen_at (Peer      *self,
           nng_socket socket,
           guint      n)
{
  g_autofree char *address = g_strdup_printf ("inproc://%u/%u", self->number, n);

  check (nng_listen (socket, address, NULL, 0), "nng_listen");
}

static void
dial (Peer      *self,
      nng_socket socket,
      guint      n)
{
  g_autofree char *address = g_strdup_printf ("inproc://%u/%u", self->number, n);

  check (nng_dial (socket, address, NULL, 0), "nng_dial");
}

/* --- Waiting for receivers --- */

static void
on_connected (nng_pipe    pipe,
              nng_pipe_ev event,
              void       *user_data)
{
  Peer *self = user_data;

  g_mutex_lock (&self->lock);
  self->n_connected++;
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* What is sent to a receiver before that is lost, or refused. */
static void
wait_for_receivers (Peer *self)
{
  g_mutex_lock (&self->lock);
  while (self->n_connected < self->setup->n_senders * self->setup->n_receivers)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);
}

static void
watch_receivers (Peer      *self,
                 nng_socket socket)
{
  check (nng_pipe_notify (socket, NNG_PIPE_EV_ADD_POST, on_connected, self), "nng_pipe_notify");
}

/* --- Both peers --- */

static Peer *
peer_new (const BenchSetup *setup,
          guint             sockets_per_sender)
{
  static guint last_number;
  Peer        *self = g_new0 (Peer, 1);

  self->setup = setup;
  self->number = ++last_number;
  self->lines = g_new0 (Line, setup->n_receivers);
  self->sockets_per_sender = sockets_per_sender;
  self->n_sockets = setup->n_senders * sockets_per_sender;
  self->sockets = g_new0 (nng_socket, self->n_sockets);
  self->send_flags = setup->capacity != 0 ? NNG_FLAG_NONBLOCK : 0;
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);

  return self;
}

static gboolean
peer_send (gpointer user_data,
           guint    sender,
           guint    target)
{
  Peer    *self = user_data;
  guint    first = sender * self->sockets_per_sender;
  gsize    payload = self->setup->payload;
  nng_msg *message;
  int      code;

  check (nng_msg_alloc (&message, sizeof (BenchMessage) + payload), "nng_msg_alloc");
  bench_message_fill (nng_msg_body (message), sender, payload);
  code = nng_sendmsg (self->sockets[target != BENCH_ALL ? first + target : first], message, self->send_flags);
  if (code == 0)
    return TRUE;

  g_assert (code == NNG_EAGAIN);
  nng_msg_free (message);
  return FALSE;
}

static void
peer_close (gpointer user_data)
{
  Peer *self = user_data;

  for (guint i = 0; i < self->n_sockets; i++)
    nng_close (self->sockets[i]);
  for (guint i = 0; i < self->setup->n_receivers; i++)
    {
      nng_close (self->lines[i].socket);
      g_thread_join (self->lines[i].thread);
    }
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  g_free (self->sockets);
  g_free (self->lines);
  g_free (self);
}

/* --- PUSH and PULL --- */

static gpointer
pushpull_open (const BenchSetup *setup)
{
  Peer *self = peer_new (setup, setup->n_receivers);

  for (guint i = 0; i < setup->n_receivers; i++)
    {
      check (nng_pull0_open (&self->lines[i].socket), "nng_pull0_open");
      set_room (self, self->lines[i].socket, NNG_OPT_RECVBUF);
      listen_at (self, self->lines[i].socket, i);
    }

  for (guint i = 0; i < self->n_sockets; i++)
    {
      check (nng_push0_open (&self->sockets[i]), "nng_push0_open");
      set_room (self, self->sockets[i], NNG_OPT_SENDBUF);
      watch_receivers (self, self->sockets[i]);
      dial (self, self->sockets[i], i % setup->n_receivers);
    }

  wait_for_receivers (self);
  lines_start (self);
  return self;
}

const BenchPeer bench_peer_nng_pushpull = {
  .name = "nng-pushpull",
  .abilities = BENCH_STREAM | BENCH_SENDERS | BENCH_ANSWER_ACROSS | BENCH_REFUSE,
  .open = pushpull_open,
  .send = peer_send,
  .close = peer_close,
};

/* --- PUB and SUB --- */

static void
subscribe (Peer *self,
           Line *line)
{
  check (nng_sub0_open (&line->socket), "nng_sub0_open");
  set_room (self, line->socket, NNG_OPT_RECVBUF);
  check (nng_socket_set (line->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0), NNG_OPT_SUB_SUBSCRIBE);
  for (guint i = 0; i < self->setup->n_senders; i++)
    dial (self, line->socket, i);
}

static gpointer
pubsub_open (const BenchSetup *setup)
{
  Peer *self = peer_new (setup, 1);

  for (guint i = 0; i < self->n_sockets; i++)
    {
      check (nng_pub0_open (&self->sockets[i]), "nng_pub0_open");
      set_room (self, self->sockets[i], NNG_OPT_SENDBUF);
      watch_receivers (self, self->sockets[i]);
      listen_at (self, self->sockets[i], i);
    }

  for (guint i = 0; i < setup->n_receivers; i++)
    subscribe (self, &self->lines[i]);

  wait_for_receivers (self);
  lines_start (self);
  return self;
}

static gboolean
pubsub_send (gpointer self,
             guint    sender,
             guint    target)
{
  return peer_send (self, sender, BENCH_ALL);
}

/* What finds more than MOST_ROOM in front of it is lost: a broadcast of fewer gets through, a long stream does not. */
const BenchPeer bench_peer_nng_pubsub = {
  .name = "nng-pubsub",
  .abilities = BENCH_FAN_OUT | BENCH_REFUSE | BENCH_SILENT,
  .open = pubsub_open,
  .send = pubsub_send,
  .close = peer_close,
};
