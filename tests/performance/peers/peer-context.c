/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What GLib itself offers: a source for each message, made by g_main_context_invoke_full() or by hand. */

#include "config.h"

#include "peer.h"

typedef struct
{
  const BenchSetup *setup;
  GPtrArray        *threads;
} Peer;

/* One message for one receiver. */
typedef struct
{
  BenchReceiver *receiver;
  BenchMessage  *message;
} Call;

typedef void (*Post) (GMainContext *context,
                      Call         *call);

static gboolean
on_call (gpointer user_data)
{
  Call *self = user_data;

  bench_receiver_take (self->receiver, bench_message_read (self->message));
  return G_SOURCE_REMOVE;
}

static void
call_free (gpointer user_data)
{
  Call *self = user_data;

  bench_message_unref (self->message);
  g_free (self);
}

static void
post_invoke (GMainContext *context,
             Call         *call)
{
  g_main_context_invoke_full (context, G_PRIORITY_DEFAULT, on_call, call, call_free);
}

static void
post_idle (GMainContext *context,
           Call         *call)
{
  GSource *source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, on_call, call, call_free);
  g_source_attach (source, context);
  g_source_unref (source);
}

static void
post (Peer         *self,
      guint         target,
      BenchMessage *message,
      Post          how)
{
  TestThread *thread = g_ptr_array_index (self->threads, target % self->threads->len);
  Call       *call = g_new (Call, 1);

  call->receiver = &self->setup->receivers[target];
  call->message = bench_message_ref (message);
  how (thread->context, call);
}

static gboolean
send_with (Peer *self,
           guint sender,
           guint target,
           Post  how)
{
  BenchMessage *message = bench_message_new (sender, self->setup->payload);
  guint         first = target != BENCH_ALL ? target : 0;
  guint         end = target != BENCH_ALL ? target + 1 : self->setup->n_receivers;

  for (guint i = first; i < end; i++)
    post (self, i, message, how);
  bench_message_unref (message);

  return TRUE;
}

static gpointer
peer_open (const BenchSetup *setup)
{
  Peer *self = g_new0 (Peer, 1);

  self->setup = setup;
  self->threads = test_threads_new (setup->n_threads);
  return self;
}

static gboolean
invoke_send (gpointer self,
             guint    sender,
             guint    target)
{
  return send_with (self, sender, target, post_invoke);
}

static gboolean
idle_send (gpointer self,
           guint    sender,
           guint    target)
{
  return send_with (self, sender, target, post_idle);
}

static void
peer_close (gpointer user_data)
{
  Peer *self = user_data;

  g_ptr_array_unref (self->threads);
  g_free (self);
}

/* Within the thread of the context it calls at once, so that two that answer one another would never return. */
const BenchPeer bench_peer_invoke = {
  .name = "invoke",
  .abilities = BENCH_STREAM | BENCH_FAN_OUT | BENCH_SENDERS | BENCH_TARGETS | BENCH_ANSWER_ACROSS,
  .open = peer_open,
  .send = invoke_send,
  .close = peer_close,
};

const BenchPeer bench_peer_idle = {
  .name = "idle",
  .abilities =
      BENCH_STREAM | BENCH_FAN_OUT | BENCH_SENDERS | BENCH_TARGETS | BENCH_ANSWER_WITHIN | BENCH_ANSWER_ACROSS,
  .open = peer_open,
  .send = idle_send,
  .close = peer_close,
};
