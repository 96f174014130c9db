/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "test-support.h"

/*
 * What comes when: system before data, each sender's messages in the order they were sent, one order for all where
 * that is asked for.
 */

static TestRecorder *
subscribe (TestFixture *f,
           const char  *name)
{
  return test_recorder_subscribe (f, name, NULL, NULL);
}

static TestRecorder *
subscribe_with_capacity (AgentBus   *bus,
                         const char *name,
                         guint       capacity,
                         TestHandler handler,
                         gpointer    user_data)
{
  TestRecorder *self = test_recorder_new_full (handler, user_data, "name", name, "capacity", capacity, NULL);
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (bus, AGENT_SUBSCRIBER (self), &error);
  g_assert_no_error (error);
  return self;
}

static void
assert_got (TestRecorder *recorder,
            const char   *expected)
{
  g_autofree char *text = test_recorder_dup_task_ids (recorder);

  g_assert_cmpstr (text, ==, expected);
}

static void
send_range (AgentBus   *bus,
            const char *source,
            const char *target,
            guint       first,
            guint       last)
{
  for (guint i = first; i <= last; i++)
    agent_bus_send (bus, test_data (source, target, i));
}

/* --- System before data --- */

static void
test_system_before_queued_data (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");

  send_range (f->bus, "test", "a", 1, 5);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  assert_got (a, "cancel 1 2 3 4 5");
}

typedef struct
{
  AgentBus   *bus;
  const char *target;
  guint       number; /* of the message in whose handler ... */
} CancelAt;

static void
cancel_at (TestRecorder *recorder,
           AgentMessage *message,
           gpointer      user_data)
{
  CancelAt *self = user_data;

  if (agent_message_get_task_id (message) != NULL && test_number (message) == self->number)
    agent_bus_send (self->bus, test_cancel ("test", self->target));
}

static guint
find_cancel (TestRecorder *recorder)
{
  guint position = 0;

  while (agent_message_get_message_type (recorder->messages->pdata[position]) != AGENT_MESSAGE_TYPE_CANCEL)
    position++;
  return position;
}

/* S38: a cancel that comes while one of 50 messages is handled is the very next. */
static void
test_system_is_the_very_next (TestFixture *f)
{
  CancelAt cancel = { f->bus, "a", 0 };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", cancel_at, &cancel);

  for (cancel.number = 1; cancel.number <= 50; cancel.number++)
    {
      g_ptr_array_set_size (a->messages, 0);
      send_range (f->bus, "test", "a", 1, 50);
      test_drain (f);
      g_assert_cmpuint (test_recorder_count (a), ==, 51);
      g_assert_cmpuint (find_cancel (a), ==, cancel.number);
    }
}

static void
overflow_and_cancel (TestRecorder *recorder,
                     AgentMessage *message,
                     gpointer      user_data)
{
  if (test_recorder_count (recorder) > 1)
    return;

  send_range (user_data, "test", "a", 1, 10);
  agent_bus_send (user_data, test_cancel ("test", "a"));
}

/* S39: one in hand, room for 4, and 10 more. */
static void
test_system_passes_a_full_channel (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_with_capacity (f->bus, "a", 4, overflow_and_cancel, f->bus);
  guint64 n_dropped;

  agent_bus_send (f->bus, test_data ("test", "a", 0));
  test_drain (f);
  assert_got (a, "0 cancel 1 2 3 4");
  g_assert_true (agent_bus_get_dropped (f->bus, "a", &n_dropped));
  g_assert_cmpuint (n_dropped, ==, 6);
  test_expect_log (f, "'a' is full: 6 messages");
}

static void
test_urgent_before_plain (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  AgentMessage *short_lived = agent_message_new_task_cancel ("test", "a", "5", NULL);

  agent_bus_send (f->bus, agent_message_new_task_response ("test", "a", "1", AGENT_TASK_STATUS_COMPLETED, NULL));
  agent_bus_send (f->bus, agent_message_new_task_update ("test", "a", "2", NULL));
  agent_bus_send (f->bus, agent_message_new_task_update_urgent ("test", "a", "3", NULL));
  agent_bus_send (f->bus, agent_message_new_task_response_urgent ("test", "a", "4", AGENT_TASK_STATUS_FAILED, NULL));
  agent_message_set_ttl (short_lived, G_MAXUINT);
  agent_bus_send (f->bus, short_lived);
  test_drain (f);
  assert_got (a, "3 4 5 1 2");
}

/* --- In a context that subscribers share --- */

typedef struct
{
  AgentBus *bus;
  GString  *text;
} Log;

static void
log_message (TestRecorder *recorder,
             AgentMessage *message,
             gpointer      user_data)
{
  Log        *self = user_data;
  const char *task_id = agent_message_get_task_id (message);

  g_string_append_printf (self->text,
                          "%s:%s ",
                          agent_subscriber_get_name (AGENT_SUBSCRIBER (recorder)),
                          task_id != NULL ? task_id : agent_message_get_name (message));
}

static void
log_and_cancel_b (TestRecorder *recorder,
                  AgentMessage *message,
                  gpointer      user_data)
{
  Log *self = user_data;

  log_message (recorder, message, user_data);
  if (test_recorder_count (recorder) == 2)
    agent_bus_send (self->bus, test_cancel ("test", "b"));
}

static void
assert_log (Log        *self,
            const char *expected)
{
  g_assert_cmpstr (self->text->str, ==, expected);
  g_string_free (self->text, TRUE);
}

static void
test_system_before_the_data_of_another (TestFixture *f)
{
  Log log = { f->bus, g_string_new (NULL) };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", log_message, &log);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", log_message, &log);

  /* Nobody's turn ends for want of time. */
  test_clock_freeze ();
  send_range (f->bus, "test", "a", 1, 3);
  send_range (f->bus, "test", "b", 4, 5);
  agent_bus_send (f->bus, test_cancel ("test", "b"));
  test_drain (f);
  assert_log (&log, "b:cancel a:1 a:2 a:3 b:4 b:5 ");
}

static void
test_system_interrupts_the_data_of_another (TestFixture *f)
{
  Log log = { f->bus, g_string_new (NULL) };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", log_and_cancel_b, &log);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", log_message, &log);

  /* Nobody's turn ends for want of time. */
  test_clock_freeze ();
  send_range (f->bus, "test", "b", 9, 9);
  send_range (f->bus, "test", "a", 1, 4);
  test_drain (f);
  assert_log (&log, "b:9 a:1 a:2 b:cancel a:3 a:4 ");
}

static void
assert_flooded_has_500 (TestRecorder *recorder,
                        AgentMessage *message,
                        gpointer      user_data)
{
  g_assert_cmpuint (test_recorder_count (user_data), ==, 500);
}

/* However much there is, and however often the context has done something else meanwhile. */
static void
test_system_in_a_flood (TestFixture *f)
{
  CancelAt cancel = { f->bus, "b", 500 };
  g_autoptr (TestRecorder) a = subscribe_with_capacity (f->bus, "a", 1000, cancel_at, &cancel);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", assert_flooded_has_500, a);

  send_range (f->bus, "test", "a", 1, 1000);
  test_drain (f);
  assert_got (b, "cancel");
  g_assert_cmpuint (test_recorder_count (a), ==, 1000);
}

/* --- First in, first out --- */

static void
test_fifo_in_both_channels (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");

  for (guint i = 1; i <= 4; i++)
    {
      g_autofree char *id = g_strdup_printf ("s%u", i);

      agent_bus_send (f->bus, test_data ("test", "a", i));
      agent_bus_send (f->bus, agent_message_new_task_update_urgent ("test", "a", id, NULL));
    }
  test_drain (f);
  assert_got (a, "s1 s2 s3 s4 1 2 3 4");
}

static void
test_fifo_of_senders_in_turn (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");

  for (guint i = 1; i <= 3; i++)
    {
      agent_bus_send (f->bus, test_data ("b", i % 2 ? "a" : NULL, i));
      agent_bus_send (f->bus, test_data ("c", "a", 10 + i));
    }
  test_drain (f);
  assert_got (a, "1 11 2 12 3 13");
}

static void
answer (TestRecorder *recorder,
        AgentMessage *message,
        gpointer      user_data)
{
  guint number = test_number (message);

  if (number > 0)
    agent_bus_send (user_data, test_data ("test", "a", number - 1));
}

/* What a handler sends to its own subscriber waits its turn; that handlers do not nest is checked by the recorder. */
static void
test_handler_sends_to_itself (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", answer, f->bus);

  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_send (f->bus, test_data ("test", "a", 3));
  test_drain (f);
  assert_got (a, "2 3 1 2 0 1 0");
}

/* --- With several threads that send --- */

#define N_SENDERS 4
#define N_EACH 3000

typedef struct
{
  AgentBus *bus;
  guint     index;
  gint     *n_ready; /* (atomic) */
  gint     *n_done;  /* (atomic) */
} Sender;

/* All begin at once; every 5th message goes by the system channel. */
static gpointer
send_many (gpointer data)
{
  Sender *self = data;
  char    source[2] = { '0' + self->index, '\0' };
  char    task_id[16];

  g_atomic_int_inc (self->n_ready);
  while (g_atomic_int_get (self->n_ready) < N_SENDERS)
    g_thread_yield ();

  for (guint i = 0; i < N_EACH; i++)
    {
      g_snprintf (task_id, sizeof task_id, "%u", i);
      agent_bus_send (self->bus,
                      i % 5 == 0 ? agent_message_new_task_update_urgent (source, NULL, task_id, NULL)
                                 : agent_message_new_task_update (source, NULL, task_id, NULL));
    }
  g_atomic_int_inc (self->n_done);

  return NULL;
}

static void
run_senders (TestFixture *f,
             AgentBus    *bus)
{
  Sender   senders[N_SENDERS];
  GThread *threads[N_SENDERS];
  gint     n_ready = 0;
  gint     n_done = 0;

  for (guint i = 0; i < N_SENDERS; i++)
    {
      senders[i] = (Sender){ bus, i, &n_ready, &n_done };
      threads[i] = g_thread_new ("sender", send_many, &senders[i]);
    }
  while (g_atomic_int_get (&n_done) < N_SENDERS)
    test_iterate (f);
  for (guint i = 0; i < N_SENDERS; i++)
    g_thread_join (threads[i]);
  test_drain (f);
}

/* Each sender's numbers rise by one, and its sequence numbers rise, in each channel. */
static void
assert_order_of_senders (TestRecorder *recorder)
{
  gint    numbers[N_SENDERS][2];
  guint64 seqs[N_SENDERS][2] = {
    {
        0,
    },
  };

  memset (numbers, -1, sizeof numbers);
  g_assert_cmpuint (test_recorder_count (recorder), ==, N_SENDERS * N_EACH);
  for (guint i = 0; i < recorder->messages->len; i++)
    {
      AgentMessage *message = recorder->messages->pdata[i];
      AgentChannel  channel = agent_message_get_channel (message);
      guint         sender = *agent_message_get_source (message) - '0';
      gint          number = test_number (message);
      gint          step = channel == AGENT_CHANNEL_SYSTEM ? 5 : number % 5 == 1 && number > 1 ? 2
                                                                                               : 1;

      if (numbers[sender][channel] >= 0)
        g_assert_cmpint (number, ==, numbers[sender][channel] + step);
      else
        g_assert_cmpint (number, ==, channel == AGENT_CHANNEL_SYSTEM ? 0 : 1);
      g_assert_cmpuint (agent_message_get_seq (message), >, seqs[sender][channel]);
      numbers[sender][channel] = number;
      seqs[sender][channel] = agent_message_get_seq (message);
    }
}

/* Every number there is, once. */
static void
assert_seq_unique (TestRecorder *recorder)
{
  g_autofree guint8 *seen = g_malloc0 (N_SENDERS * N_EACH);

  for (guint i = 0; i < recorder->messages->len; i++)
    {
      guint64 seq = agent_message_get_seq (recorder->messages->pdata[i]);

      g_assert_cmpuint (seq, >=, 1);
      g_assert_cmpuint (seq, <=, N_SENDERS * N_EACH);
      g_assert_cmpuint (seen[seq - 1]++, ==, 0);
    }
}

static void
test_threads_keep_their_order (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_with_capacity (f->bus, "a", G_MAXUINT, NULL, NULL);

  run_senders (f, f->bus);
  assert_order_of_senders (a);
  assert_seq_unique (a);
}

/* S41: also the sequence numbers of different senders rise, in each channel of every subscriber. */
static void
assert_total_order (TestRecorder *recorder)
{
  guint64 seqs[2] = { 0, 0 };

  for (guint i = 0; i < recorder->messages->len; i++)
    {
      AgentMessage *message = recorder->messages->pdata[i];
      AgentChannel  channel = agent_message_get_channel (message);

      g_assert_cmpuint (agent_message_get_seq (message), >, seqs[channel]);
      seqs[channel] = agent_message_get_seq (message);
    }
}

static GPtrArray *
select_channel (TestRecorder *recorder,
                AgentChannel  channel)
{
  GPtrArray *messages = g_ptr_array_new ();

  for (guint i = 0; i < recorder->messages->len; i++)
    if (agent_message_get_channel (recorder->messages->pdata[i]) == channel)
      g_ptr_array_add (messages, recorder->messages->pdata[i]);
  return messages;
}

static void
assert_same_in_channel (TestRecorder *one,
                        TestRecorder *other,
                        AgentChannel  channel)
{
  g_autoptr (GPtrArray) left = select_channel (one, channel);
  g_autoptr (GPtrArray) right = select_channel (other, channel);

  g_assert_cmpmem (left->pdata, left->len * sizeof (gpointer), right->pdata, right->len * sizeof (gpointer));
}

static void
assert_same_order (TestRecorder *one,
                   TestRecorder *other)
{
  assert_same_in_channel (one, other, AGENT_CHANNEL_SYSTEM);
  assert_same_in_channel (one, other, AGENT_CHANNEL_DATA);
}

static TestRecorder *
subscribe_in_thread (AgentBus   *bus,
                     TestThread *thread,
                     const char *name)
{
  TestRecorder *self =
      test_recorder_new_full (NULL, NULL, "name", name, "main-context", thread->context, "capacity", G_MAXUINT, NULL);
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (bus, AGENT_SUBSCRIBER (self), &error);
  g_assert_no_error (error);
  return self;
}

static void
test_total_order (TestFixture *f)
{
  g_autoptr (AgentBus) bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRecorder) a = subscribe_with_capacity (bus, "a", G_MAXUINT, NULL, NULL);
  g_autoptr (TestRecorder) b = subscribe_with_capacity (bus, "b", G_MAXUINT, NULL, NULL);
  g_autoptr (TestRecorder) c = subscribe_in_thread (bus, thread, "c");

  run_senders (f, bus);
  test_thread_sync (thread);
  assert_order_of_senders (a);
  assert_seq_unique (a);
  assert_total_order (a);
  assert_same_order (a, b);
  assert_same_order (a, c);
}

static void
resend (TestRecorder *recorder,
        AgentMessage *message,
        gpointer      user_data)
{
  if (test_recorder_count (recorder) == 1)
    agent_bus_send (user_data, agent_message_ref (message));
}

static void
test_total_order_sends_from_a_handler (TestFixture *f)
{
  g_autoptr (AgentBus) bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, "capacity", 1, NULL);
  g_autoptr (TestRecorder) a = subscribe_with_capacity (bus, "a", 0, resend, bus);

  agent_bus_send (bus, test_data ("test", NULL, 1));
  test_drain (f);
  assert_got (a, "1 1");
  assert_total_order (a);
}

static void
send_when_freed (gpointer bus)
{
  agent_bus_send (bus, test_cancel ("test", "a"));
}

static AgentMessage *
new_that_sends (AgentBus *bus)
{
  g_autoptr (GBytes) data = g_bytes_new_with_free_func ("", 1, send_when_freed, bus);
  g_autoptr (AgentFrame) frame = agent_frame_new ("test", data, NULL);

  return agent_message_new_frame ("test", "a", frame, AGENT_FRAME_DIRECTION_DOWNSTREAM);
}

/* Of two that are dropped the first is freed by the second send, which holds no lock then. */
static void
test_total_order_sends_from_a_destroy_notify (TestFixture *f)
{
  g_autoptr (AgentBus) bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, "capacity", 1, NULL);
  g_autoptr (TestRecorder) a = subscribe_with_capacity (bus, "a", 0, NULL, NULL);

  agent_bus_send (bus, test_data ("test", "a", 1));
  agent_bus_send (bus, new_that_sends (bus));
  agent_bus_send (bus, new_that_sends (bus));
  g_assert_cmpuint (agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (a)), ==, 2);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 3);
  test_expect_log (f, "'a' is full");
}

#define ADD(name, func) test_add ("/agentbus/order/" name, func)

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  ADD ("system-before-queued-data", test_system_before_queued_data);
  ADD ("system-is-the-very-next", test_system_is_the_very_next);
  ADD ("system-passes-a-full-channel", test_system_passes_a_full_channel);
  ADD ("urgent-before-plain", test_urgent_before_plain);
  ADD ("system-before-the-data-of-another", test_system_before_the_data_of_another);
  ADD ("system-interrupts-the-data-of-another", test_system_interrupts_the_data_of_another);
  ADD ("system-in-a-flood", test_system_in_a_flood);
  ADD ("fifo-in-both-channels", test_fifo_in_both_channels);
  ADD ("fifo-of-senders-in-turn", test_fifo_of_senders_in_turn);
  ADD ("handler-sends-to-itself", test_handler_sends_to_itself);
  ADD ("threads-keep-their-order", test_threads_keep_their_order);
  ADD ("total-order", test_total_order);
  ADD ("total-order-sends-from-a-handler", test_total_order_sends_from_a_handler);
  ADD ("total-order-sends-from-a-destroy-notify", test_total_order_sends_from_a_destroy_notify);

  return g_test_run ();
}
