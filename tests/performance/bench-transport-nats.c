/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The parts with nats.c alone, with its own threads, as its documentation shows it. */

#include "config.h"

#include <nats/nats.h>
#include <string.h>
#include <unistd.h>

#include "bench-transport.h"

#define SUBJECT "bench.there"
#define SUBJECT_BACK "bench.back"
#define STREAM "BENCH"

static void
raw_check (natsStatus status)
{
  if (status != NATS_OK)
    g_error ("nats.c: %s", natsStatus_GetText (status));
}

/* @at_once: whether each message is written when it is published */
static natsConnection *
raw_connect (const char *address,
             gboolean    at_once)
{
  natsOptions    *options = NULL;
  natsConnection *connection = NULL;

  raw_check (natsOptions_Create (&options));
  raw_check (natsOptions_SetURL (options, address));
  raw_check (natsOptions_SetSendAsap (options, at_once));
  raw_check (natsConnection_Connect (&connection, options));
  natsOptions_Destroy (options);
  return connection;
}

static void
raw_run (void)
{
  while (TRUE)
    pause ();
}

/* --- The receiver --- */

typedef struct
{
  BenchArrivals arrivals; /* in the thread of nats.c */
  gboolean      reads;
} RawReceiver;

static void
raw_read (natsMsg *message,
          guint64  wanted)
{
  g_autoptr (GVariant) fields = g_variant_ref_sink (g_variant_new_from_data (G_VARIANT_TYPE ("(txssay)"),
                                                                             natsMsg_GetData (message),
                                                                             natsMsg_GetDataLength (message),
                                                                             FALSE,
                                                                             NULL,
                                                                             NULL));

  if (bench_payload_read (fields) != wanted)
    g_error ("A message is lost or out of order");
}

static void
raw_on_message (natsConnection   *connection,
                natsSubscription *subscription,
                natsMsg          *message,
                void             *user_data)
{
  RawReceiver *self = user_data;

  if (natsMsg_GetDataLength (message) < BENCH_SIZE)
    g_error ("A message is not what was sent");
  if (self->reads)
    raw_read (message, self->arrivals.n);
  natsMsg_Destroy (message);
  if (bench_arrivals_add (&self->arrivals))
    bench_arrivals_tell (&self->arrivals);
}

void
bench_nats_receive_part (const char *address,
                         guint       n,
                         const char *kind)
{
  RawReceiver       self = { .arrivals = { .n_wanted = n }, .reads = g_str_equal (kind, "fields") };
  natsConnection   *connection = raw_connect (address, FALSE);
  natsSubscription *subscription = NULL;

  raw_check (natsConnection_Subscribe (&subscription, connection, SUBJECT, raw_on_message, &self));
  raw_check (natsSubscription_SetPendingLimits (subscription, -1, -1));
  raw_check (natsConnection_Flush (connection));
  bench_part_tell ("ready");
  raw_run ();
}

/* --- The sender --- */

static void
raw_publish_fields (natsConnection *connection,
                    guint64         number)
{
  g_autoptr (GVariant) fields = bench_payload_new_fields (number);

  raw_check (natsConnection_Publish (
      connection, SUBJECT, g_variant_get_data (fields), (int) g_variant_get_size (fields)));
}

void
bench_nats_send_part (const char *address,
                      guint       n,
                      const char *kind)
{
  natsConnection *connection = raw_connect (address, FALSE);
  guint8          data[BENCH_SIZE] = { 0 };
  gboolean        has_fields = g_str_equal (kind, "fields");

  bench_part_tell ("ready");
  bench_part_wait ();
  for (guint i = 0; i < n; i++)
    {
      if (has_fields)
        raw_publish_fields (connection, i);
      else
        raw_check (natsConnection_Publish (connection, SUBJECT, data, sizeof data));
    }
  raw_check (natsConnection_Flush (connection));
  raw_run ();
}

/* --- There and back --- */

static void
raw_on_question (natsConnection   *connection,
                 natsSubscription *subscription,
                 natsMsg          *message,
                 void             *user_data)
{
  natsConnection_Publish (
      connection, natsMsg_GetReply (message), natsMsg_GetData (message), natsMsg_GetDataLength (message));
  natsMsg_Destroy (message);
}

void
bench_nats_answer_part (const char *address,
                        guint       n,
                        const char *kind)
{
  natsConnection   *connection = raw_connect (address, TRUE);
  natsSubscription *subscription = NULL;

  raw_check (natsConnection_Subscribe (&subscription, connection, SUBJECT, raw_on_question, NULL));
  raw_check (natsConnection_Flush (connection));
  bench_part_tell ("ready");
  raw_run ();
}

void
bench_nats_ask_part (const char *address,
                     guint       n,
                     const char *kind)
{
  natsConnection     *connection = raw_connect (address, TRUE);
  natsSubscription   *subscription = NULL;
  g_autofree guint64 *trips = g_new (guint64, n);
  guint8              data[BENCH_SIZE] = { 0 };

  raw_check (natsConnection_SubscribeSync (&subscription, connection, SUBJECT_BACK));
  raw_check (natsConnection_Flush (connection));
  bench_part_tell ("ready");
  bench_part_wait ();
  for (guint i = 0; i < n; i++)
    {
      natsMsg *message = NULL;
      double   sent_at = bench_now ();

      raw_check (natsConnection_PublishRequest (connection, SUBJECT, SUBJECT_BACK, data, sizeof data));
      raw_check (natsSubscription_NextMsg (&message, subscription, 5000));
      trips[i] = (guint64) ((bench_now () - sent_at) * 1e9);
      natsMsg_Destroy (message);
    }
  bench_tell_trips (trips, n);
  raw_run ();
}

/* --- Control --- */

static void
raw_add_stream (jsCtx *js)
{
  jsStreamConfig stream;
  const char    *subjects[] = { STREAM ".>" };

  jsStreamConfig_Init (&stream);
  stream.Name = STREAM;
  stream.Subjects = subjects;
  stream.SubjectsLen = 1;
  stream.Storage = js_FileStorage;
  js_DeleteStream (js, STREAM, NULL, NULL);
  raw_check (js_AddStream (NULL, js, &stream, NULL, NULL));
}

static void
raw_store (jsCtx *js,
           guint  number)
{
  const guint8 data[BENCH_SIZE] = { 0 };
  char         id[32];
  jsPubOptions options;

  g_snprintf (id, sizeof id, "sender-%u", number);
  jsPubOptions_Init (&options);
  options.MsgId = id;
  raw_check (js_PublishAsync (js, STREAM ".there", data, sizeof data, &options));
}

/* Has messages stored with their ids, and says how many and how long it took until the last one was acknowledged. */
void
bench_nats_store_part (const char *address,
                       guint       n,
                       const char *kind)
{
  natsConnection *connection = raw_connect (address, FALSE);
  jsCtx          *js = NULL;
  jsOptions       options;
  jsPubOptions    patience;
  double          start;

  jsOptions_Init (&options);
  options.PublishAsync.MaxPending = 4000;
  options.PublishAsync.StallWait = 10000;
  raw_check (natsConnection_JetStream (&js, connection, &options));
  raw_add_stream (js);
  bench_part_tell ("ready");
  bench_part_wait ();

  start = bench_now ();
  for (guint i = 0; i < n; i++)
    raw_store (js, i);
  jsPubOptions_Init (&patience);
  patience.MaxWait = 60000;
  raw_check (js_PublishAsyncComplete (js, &patience));
  bench_part_tell ("%u %.9f", n, bench_now () - start);
  raw_run ();
}
