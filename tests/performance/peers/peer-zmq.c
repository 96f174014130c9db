/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ZeroMQ within the process: a socket and a thread for each receiver, and sockets for each sender. */

#include "config.h"

#include <errno.h>
#include <zmq.h>

#include "peer.h"

typedef struct
{
  void          *socket;
  BenchReceiver *receiver;
  GThread       *thread;
} Line;

typedef struct
{
  const BenchSetup *setup;
  void             *context;
  Line             *lines;
  void            **sockets; /* by sender; with PUSH, by sender and receiver */
  guint             n_sockets;
  guint             sockets_per_sender;
  int               send_flags;
} Peer;

#define check(call)                                           \
  G_STMT_START                                                \
  {                                                           \
    if ((call) == -1)                                         \
      g_error ("%s: %s", #call, zmq_strerror (zmq_errno ())); \
  }                                                           \
  G_STMT_END

/* --- Receiving --- */

static gboolean
line_take (Line *self)
{
  zmq_msg_t message;
  gboolean  taken;

  zmq_msg_init (&message);
  taken = zmq_msg_recv (&message, self->socket, 0) != -1;
  if (taken)
    bench_receiver_take (self->receiver, bench_message_read (zmq_msg_data (&message)));
  zmq_msg_close (&message);

  return taken;
}

/* Until the context is shut down. */
static gpointer
line_run (gpointer user_data)
{
  while (line_take (user_data))
    ;
  return NULL;
}

static void
lines_start (Peer *self)
{
  for (guint i = 0; i < self->setup->n_receivers; i++)
    {
      self->lines[i].receiver = &self->setup->receivers[i];
      self->lines[i].thread = g_thread_new ("zmq", line_run, &self->lines[i]);
    }
}

/* --- Sockets --- */

static void
set_option (void *socket,
            int   option,
            int   value)
{
  check (zmq_setsockopt (socket, option, &value, sizeof value));
}

/* Within a process, what both ends hold is added up. */
static void *
socket_new (Peer *self,
            int   type)
{
  void *socket = zmq_socket (self->context, type);
  int   room = (self->setup->capacity + 1) / 2; /* 0: no bound */

  g_assert (socket != NULL);
  set_option (socket, ZMQ_LINGER, 0);
  set_option (socket, ZMQ_SNDHWM, room);
  set_option (socket, ZMQ_RCVHWM, room);

  return socket;
}

static void
bind_socket (void *socket,
             guint n)
{
  g_autofree char *address = g_strdup_printf ("inproc://%u", n);

  check (zmq_bind (socket, address));
}

static void
connect_socket (void *socket,
                guint n)
{
  g_autofree char *address = g_strdup_printf ("inproc://%u", n);

  check (zmq_connect (socket, address));
}

/* --- Both peers --- */

static Peer *
peer_new (const BenchSetup *setup,
          guint             sockets_per_sender)
{
  Peer *self = g_new0 (Peer, 1);

  self->setup = setup;
  self->context = zmq_ctx_new ();
  self->lines = g_new0 (Line, setup->n_receivers);
  self->sockets_per_sender = sockets_per_sender;
  self->n_sockets = setup->n_senders * sockets_per_sender;
  self->sockets = g_new0 (void *, self->n_sockets);
  self->send_flags = setup->capacity != 0 ? ZMQ_DONTWAIT : 0;

  return self;
}

static gboolean
send_through (Peer *self,
              void *socket,
              guint sender)
{
  zmq_msg_t message;
  gboolean  taken;

  zmq_msg_init_size (&message, sizeof (BenchMessage) + self->setup->payload);
  bench_message_fill (zmq_msg_data (&message), sender, self->setup->payload);
  taken = zmq_msg_send (&message, socket, self->send_flags) != -1;
  if (!taken)
    {
      g_assert (zmq_errno () == EAGAIN);
      zmq_msg_close (&message);
    }

  return taken;
}

static gboolean
peer_send (gpointer user_data,
           guint    sender,
           guint    target)
{
  Peer *self = user_data;
  guint first = sender * self->sockets_per_sender;

  return send_through (self, self->sockets[target != BENCH_ALL ? first + target : first], sender);
}

static void
peer_close (gpointer user_data)
{
  Peer *self = user_data;

  check (zmq_ctx_shutdown (self->context));
  for (guint i = 0; i < self->setup->n_receivers; i++)
    {
      g_thread_join (self->lines[i].thread);
      zmq_close (self->lines[i].socket);
    }
  for (guint i = 0; i < self->n_sockets; i++)
    zmq_close (self->sockets[i]);
  check (zmq_ctx_term (self->context));

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
      self->lines[i].socket = socket_new (self, ZMQ_PULL);
      bind_socket (self->lines[i].socket, i);
    }

  for (guint i = 0; i < self->n_sockets; i++)
    {
      self->sockets[i] = socket_new (self, ZMQ_PUSH);
      connect_socket (self->sockets[i], i % setup->n_receivers);
    }

  lines_start (self);
  return self;
}

const BenchPeer bench_peer_zmq_pushpull = {
  .name = "zmq-pushpull",
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
  line->socket = socket_new (self, ZMQ_SUB);
  for (guint i = 0; i < self->setup->n_senders; i++)
    connect_socket (line->socket, i);
  check (zmq_setsockopt (line->socket, ZMQ_SUBSCRIBE, "", 0));
}

static gpointer
pubsub_open (const BenchSetup *setup)
{
  Peer *self = peer_new (setup, 1);

  for (guint i = 0; i < setup->n_senders; i++)
    {
      self->sockets[i] = socket_new (self, ZMQ_PUB);
      bind_socket (self->sockets[i], i);
    }

  for (guint i = 0; i < setup->n_receivers; i++)
    subscribe (self, &self->lines[i]);

  /* A publisher hears of its subscribers when it is asked something. Until then what it sends is lost. */
  for (guint i = 0; i < setup->n_senders; i++)
    {
      int    events;
      size_t size = sizeof events;

      check (zmq_getsockopt (self->sockets[i], ZMQ_EVENTS, &events, &size));
    }

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

const BenchPeer bench_peer_zmq_pubsub = {
  .name = "zmq-pubsub",
  .abilities = BENCH_STREAM | BENCH_FAN_OUT | BENCH_SENDERS | BENCH_REFUSE | BENCH_SILENT,
  .open = pubsub_open,
  .send = pubsub_send,
  .close = peer_close,
};
