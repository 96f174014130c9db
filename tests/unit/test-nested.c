/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/*
 * Handlers that iterate their context, as a modal dialog does. The recorder sees to it that none is entered again.
 */

typedef struct
{
  TestFixture  *fixture;
  TestRecorder *peer;   /* (nullable) */
  guint         n_peer; /* what the peer got while the handler ran */
  guint         n_own;  /* what the handler's own subscriber had got when it returned */
  gboolean      spun;   /* an iteration had something to do, though only the handler's own subscriber had messages */
  gboolean      done;
  char         *error; /* (nullable) */
} Nested;

static guint
count (TestRecorder *recorder)
{
  return recorder != NULL ? test_recorder_count (recorder) : 0;
}

/* Only with the first message, and until nothing is left to do. */
static void
iterate_context (TestRecorder *recorder,
                 AgentMessage *message,
                 gpointer      user_data)
{
  Nested *self = user_data;
  guint   n_before = count (self->peer);

  if (count (recorder) > 1)
    return;

  test_drain (self->fixture);
  self->spun = g_main_context_pending (self->fixture->context);
  self->n_peer = count (self->peer) - n_before;
  self->n_own = count (recorder);
}

static void
test_own_messages_wait (TestFixture *f)
{
  Nested nested = { .fixture = f };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", iterate_context, &nested);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_iterate (f);
  g_assert_cmpuint (nested.n_own, ==, 1);
  g_assert_false (nested.spun);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 4);
}

/* Data comes first here, so that the handler runs when system messages come. */
static void
send_both_and_iterate (TestRecorder *recorder,
                       AgentMessage *message,
                       gpointer      user_data)
{
  Nested *self = user_data;

  if (count (recorder) == 1)
    {
      agent_bus_send (self->fixture->bus, test_data ("test", "a", 3));
      agent_bus_send (self->fixture->bus, test_cancel ("test", "a"));
    }
  iterate_context (recorder, message, user_data);
}

static void
test_own_system_is_next (TestFixture *f)
{
  Nested nested = { .fixture = f };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", send_both_and_iterate, &nested);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  g_assert_cmpuint (nested.n_own, ==, 1);
  g_assert_false (nested.spun);
  g_assert_cmpuint (test_recorder_count (a), ==, 4);
  g_assert_cmpint (agent_message_get_message_type (a->messages->pdata[1]), ==, AGENT_MESSAGE_TYPE_CANCEL);
  g_assert_cmpuint (test_number (a->messages->pdata[2]), ==, 2);
}

static void
test_others_go_on (TestFixture *f)
{
  Nested nested = { .fixture = f };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", iterate_context, &nested);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  nested.peer = b;
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_send (f->bus, test_cancel ("test", "b"));
  for (guint i = 0; i < 100; i++)
    agent_bus_send (f->bus, test_data ("test", "b", i));
  test_iterate (f);
  g_assert_cmpuint (nested.n_peer, ==, 101);
  g_assert_cmpuint (nested.n_own, ==, 1);
  g_assert_false (nested.spun);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 2);
}

/* The same at any depth: who is called from whom does not matter, but nobody is entered twice. */
static void
iterate_and_pass_on (TestRecorder *recorder,
                     AgentMessage *message,
                     gpointer      user_data)
{
  Nested *self = user_data;

  if (test_number (message) < 10)
    for (guint i = 0; i < 3; i++)
      {
        g_autofree char *target = g_strdup_printf ("%c", 'a' + i);

        agent_bus_send (self->fixture->bus, test_data ("test", target, test_number (message) + 1 + 5 * i));
      }
  test_drain (self->fixture);
}

static void
test_any_depth (TestFixture *f)
{
  Nested nested = { .fixture = f };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", iterate_and_pass_on, &nested);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", iterate_and_pass_on, &nested);
  g_autoptr (TestRecorder) c = test_recorder_subscribe (f, "c", iterate_and_pass_on, &nested);
  TestLedger ledger;

  agent_bus_send (f->bus, test_data ("test", NULL, 1));
  test_drain (f);
  ledger = test_ledger (f->bus);
  g_assert_cmpuint (ledger.queued, ==, 0);
  g_assert_cmpuint (ledger.delivered, ==, count (a) + count (b) + count (c));
  g_assert_cmpuint (ledger.delivered, >, 30);
  test_assert_balanced (f->bus);
}

/* Only looks whether there is something to do, as a loop over events does before it has to. */
static void
ask_for_pending (TestRecorder *recorder,
                 AgentMessage *message,
                 gpointer      user_data)
{
  Nested *self = user_data;

  if (count (recorder) == 1)
    g_assert_true (g_main_context_pending (self->fixture->context));
}

/* The look of one handler must not let the handler that comes next be entered again. */
static void
test_iterates_after_a_look (TestFixture *f)
{
  Nested nested = { .fixture = f };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", ask_for_pending, &nested);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", iterate_context, &nested);

  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_send (f->bus, test_data ("test", "b", 1));
  agent_bus_send (f->bus, test_cancel ("test", "b"));
  test_drain (f);
  g_assert_cmpuint (nested.n_own, ==, 1);
  g_assert_cmpuint (count (a), ==, 1);
  g_assert_cmpuint (count (b), ==, 2);
}

/* --- Other threads --- */

static gpointer
send_to_peer (gpointer data)
{
  agent_bus_send (data, test_data ("thread", "b", 1));
  return NULL;
}

/* The context sleeps in the handler, and has to be woken up for the peer. */
static void
sleep_until_peer_has_it (TestRecorder *recorder,
                         AgentMessage *message,
                         gpointer      user_data)
{
  Nested  *self = user_data;
  GThread *thread;

  if (count (recorder) > 1)
    return;

  /* Whatever is left to do is done now: only the message from the thread can end the sleep. */
  test_drain (self->fixture);
  agent_bus_send (self->fixture->bus, test_cancel ("test", "a"));
  thread = g_thread_new ("sender", send_to_peer, self->fixture->bus);
  while (count (self->peer) == 0)
    g_main_context_iteration (self->fixture->context, TRUE);
  g_thread_join (thread);
  self->done = TRUE;
}

static void
test_woken_up_by_a_thread (TestFixture *f)
{
  Nested nested = { .fixture = f };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  nested.peer = b;
  a->handler = sleep_until_peer_has_it;
  a->user_data = &nested;
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_iterate (f);
  g_assert_true (nested.done);
  test_drain (f);
  g_assert_cmpuint (count (a), ==, 2);
}

/* --- More than one dispatch may do --- */

static gboolean
quit_loop (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

/* Runs a main loop for a while, in the middle of a backlog. */
static void
run_dialog (TestRecorder *recorder,
            AgentMessage *message,
            gpointer      user_data)
{
  Nested *self = user_data;
  g_autoptr (GMainLoop) loop = NULL;
  GSource *timer;

  if (count (recorder) % 300 != 0)
    return;

  loop = g_main_loop_new (self->fixture->context, FALSE);
  timer = g_timeout_source_new (20);
  g_source_set_callback (timer, quit_loop, loop, NULL);
  g_source_attach (timer, self->fixture->context);
  g_main_loop_run (loop);
  g_source_unref (timer);
  self->n_own++;
}

static gboolean
come_once (gpointer user_data)
{
  return G_SOURCE_REMOVE;
}

static void
add_busy (GMainContext *context)
{
  GSource *source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, come_once, NULL, NULL);
  g_source_attach (source, context);
  g_source_unref (source);
}

/* Whatever drives the next dispatch; also while the application has something to do in each iteration. */
static void
check_in_a_backlog (TestFixture *f,
                    gboolean     is_busy)
{
  Nested nested = { .fixture = f };
  g_autoptr (TestRecorder) a = test_recorder_new_full (run_dialog, &nested, "name", "a", "capacity", 10000, NULL);
  g_autoptr (TestRecorder) b = test_recorder_new_full (run_dialog, &nested, "name", "b", "capacity", 10000, NULL);

  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (b), NULL);
  for (guint i = 0; i < 900; i++)
    agent_bus_send (f->bus, test_data ("test", NULL, i));
  while (count (a) + count (b) < 1800)
    {
      if (is_busy)
        add_busy (f->context);
      test_iterate (f);
    }

  g_assert_cmpuint (nested.n_own, ==, 6);
  for (guint i = 0; i < 900; i++)
    g_assert_cmpuint (test_number (a->messages->pdata[i]), ==, i);
}

static void
test_in_a_backlog (TestFixture *f)
{
  check_in_a_backlog (f, FALSE);
}

static void
test_in_a_busy_backlog (TestFixture *f)
{
  check_in_a_backlog (f, TRUE);
}

/* --- Deferred deliveries --- */

static void
on_cancelled (GCancellable *cancellable,
              gpointer      user_data)
{
  g_assert_true (*(gboolean *) user_data);
  *(gboolean *) user_data = FALSE;
}

/* The cancel of what the handler has deferred reaches it while it iterates, and so does the next message not. */
static void
defer_and_iterate (TestRecorder *recorder,
                   AgentMessage *message,
                   gpointer      user_data)
{
  Nested *self = user_data;
  g_autoptr (AgentDelivery) delivery = NULL;
  gboolean waiting = TRUE;

  if (count (recorder) > 1)
    return;

  delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
  g_cancellable_connect (agent_delivery_get_cancellable (delivery), G_CALLBACK (on_cancelled), &waiting, NULL);
  agent_bus_send (self->fixture->bus, test_cancel ("test", "a"));
  test_drain (self->fixture);
  g_assert_false (waiting);

  agent_delivery_complete (delivery);
  test_drain (self->fixture);
  self->n_own = count (recorder);
  self->spun = g_main_context_pending (self->fixture->context);
}

static void
test_cancelled_and_completed_inside (TestFixture *f)
{
  Nested nested = { .fixture = f };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", defer_and_iterate, &nested);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  g_assert_cmpuint (nested.n_own, ==, 1);
  g_assert_false (nested.spun);
  g_assert_cmpuint (count (a), ==, 3);
}

/* What is connected to the cancellable runs in the context, and may iterate it as well. */
static void
iterate_when_cancelled (GCancellable *cancellable,
                        gpointer      user_data)
{
  AgentDelivery *delivery = user_data;
  GMainContext  *context = g_main_context_get_thread_default ();

  agent_delivery_complete (delivery);
  while (g_main_context_iteration (context, FALSE))
    ;
}

static void
defer_for_later (TestRecorder *recorder,
                 AgentMessage *message,
                 gpointer      user_data)
{
  AgentDelivery **place = user_data;

  if (count (recorder) > 1)
    return;

  *place = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
  g_cancellable_connect (
      agent_delivery_get_cancellable (*place), G_CALLBACK (iterate_when_cancelled), *place, NULL);
}

static void
test_iterates_when_cancelled (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", defer_for_later, &delivery);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_cmpuint (count (a), ==, 2);
  g_assert_null (agent_subscriber_dup_bus (AGENT_SUBSCRIBER (a)));
}

/* --- Endings and signals --- */

static void
on_stopped (GObject      *bus,
            GAsyncResult *result,
            gpointer      user_data)
{
  Nested *self = user_data;
  g_autoptr (GError) error = NULL;

  if (!agent_bus_stop_finish (AGENT_BUS (bus), result, &error))
    self->error = g_strdup (error->message);
  self->done = TRUE;
}

static void
stop_and_wait (TestRecorder *recorder,
               AgentMessage *message,
               gpointer      user_data)
{
  Nested *self = user_data;

  agent_bus_stop_async (self->fixture->bus, NULL, on_stopped, self);
  while (!self->done)
    g_main_context_iteration (self->fixture->context, TRUE);
}

/* The handler cannot return before the stop is over, so its own subscriber is the one that does not leave in time. */
static void
test_stop_in_a_handler (TestFixture *f)
{
  Nested nested = { .fixture = f };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", stop_and_wait, &nested);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (TestRecorder) c = test_recorder_subscribe (f, "c", NULL, NULL);

  agent_bus_set_shutdown_timeout (f->bus, 20);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_cancel ("test", "c"));
  test_iterate (f);
  g_assert_cmpstr (nested.error, ==, "1 of 3 subscribers did not leave within 20 ms");
  g_assert_cmpuint (count (c), ==, 1);
  test_expect_log (f, "'a' did not leave");
  test_drain (f);
  g_assert_null (agent_subscriber_dup_bus (AGENT_SUBSCRIBER (a)));
  g_free (nested.error);
}

/* Leaves while it runs, has system messages left, and is released only when it has returned. */
static void
leave_and_iterate (TestRecorder *recorder,
                   AgentMessage *message,
                   gpointer      user_data)
{
  Nested *self = user_data;

  if (count (recorder) > 1)
    return;

  agent_bus_send (self->fixture->bus, test_cancel ("test", "a"));
  agent_bus_unsubscribe (self->fixture->bus, "a");
  test_drain (self->fixture);
  self->n_own = count (recorder);
  self->spun = agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (recorder)) != 1;
}

static void
test_leaves_while_it_iterates (TestFixture *f)
{
  Nested nested = { .fixture = f };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", leave_and_iterate, &nested);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  g_assert_cmpuint (nested.n_own, ==, 1);
  g_assert_false (nested.spun);
  g_assert_cmpuint (count (a), ==, 2);
  g_assert_null (agent_subscriber_dup_bus (AGENT_SUBSCRIBER (a)));
}

static void
drop_and_wait_for_signal (TestRecorder *recorder,
                          AgentMessage *message,
                          gpointer      user_data)
{
  Nested *self = user_data;

  agent_bus_send (self->fixture->bus, test_data ("test", "nobody", 1));
  while (self->fixture->dropped[AGENT_DROP_REASON_NO_TARGET] == 0)
    g_main_context_iteration (self->fixture->context, TRUE);
  self->done = TRUE;
}

static void
test_signals_go_on (TestFixture *f)
{
  Nested nested = { .fixture = f };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", drop_and_wait_for_signal, &nested);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_true (nested.done);
}

#define ADD(name, func) test_add ("/agentbus/nested/" name, func)

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  ADD ("own-messages-wait", test_own_messages_wait);
  ADD ("own-system-is-next", test_own_system_is_next);
  ADD ("others-go-on", test_others_go_on);
  ADD ("any-depth", test_any_depth);
  ADD ("iterates-after-a-look", test_iterates_after_a_look);
  ADD ("woken-up-by-a-thread", test_woken_up_by_a_thread);
  ADD ("in-a-backlog", test_in_a_backlog);
  ADD ("in-a-busy-backlog", test_in_a_busy_backlog);
  ADD ("cancelled-and-completed-inside", test_cancelled_and_completed_inside);
  ADD ("iterates-when-cancelled", test_iterates_when_cancelled);
  ADD ("stop-in-a-handler", test_stop_in_a_handler);
  ADD ("leaves-while-it-iterates", test_leaves_while_it_iterates);
  ADD ("signals-go-on", test_signals_go_on);

  return g_test_run ();
}
