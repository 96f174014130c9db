/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/agent-clock-private.h"
#include "test-leaks.h"
#include "test-support.h"

/* Long enough for valgrind on a busy machine: only a test that hangs is ended by it. */
#define WATCHDOG_SECONDS 300

/* --- The fixture --- */

static void
test_fixture_on_dropped (AgentBus        *bus,
                         AgentSubscriber *subscriber,
                         AgentDropReason  reason,
                         guint64          n,
                         AgentMessage    *last,
                         gpointer         user_data)
{
  TestFixture *self = user_data;

  g_assert_nonnull (last);
  g_assert_cmpuint (n, >, 0);
  g_assert_true (g_main_context_is_owner (self->context));
  self->dropped[reason] += n;
  self->n_dropped_emissions++;
}

/* A thread of the test may have the library warn at the same time as another one. */
G_LOCK_DEFINE_STATIC (log);

/* Most cases end with a running bus that has subscribers, on purpose: what the library has to free must not depend on a stop.
 * So the warning of such a bus is kept apart. */
static void
test_fixture_on_log (const char    *domain,
                     GLogLevelFlags level,
                     const char    *message,
                     gpointer       user_data)
{
  TestFixture *self = user_data;

  G_LOCK (log);
  if (g_str_has_prefix (message, "A bus was dropped while it was running"))
    g_string_append_printf (self->last_words, "%s\n", message);
  else
    g_string_append_printf (self->log, "%s\n", message);
  G_UNLOCK (log);
}

static void
test_fixture_set_up (TestFixture *self)
{
  alarm (WATCHDOG_SECONDS);
  self->log = g_string_new (NULL);
  self->last_words = g_string_new (NULL);
  self->log_handler = g_log_set_handler ("AgentBus", G_LOG_LEVEL_WARNING, test_fixture_on_log, self);

  self->context = g_main_context_new ();
  g_main_context_push_thread_default (self->context);
  self->bus = agent_bus_new ();
  g_signal_connect (self->bus, "dropped", G_CALLBACK (test_fixture_on_dropped), self);
}

/* Checks at the end of each case that the bus is finalized, and that each warning was expected. */
static void
test_fixture_tear_down (TestFixture *self)
{
  if (self->bus != NULL)
    {
      g_object_add_weak_pointer (G_OBJECT (self->bus), (gpointer *) &self->bus);
      g_object_unref (self->bus);
      g_assert_null (self->bus);
    }

  while (g_main_context_iteration (self->context, FALSE))
    ;
  g_main_context_pop_thread_default (self->context);
  g_main_context_unref (self->context);

  g_assert_cmpstr (self->log->str, ==, "");
  g_log_remove_handler ("AgentBus", self->log_handler);
  g_string_free (self->log, TRUE);
  g_string_free (self->last_words, TRUE);
  test_clock_release ();
  alarm (0);
}

#define MAX_CASES 1024

typedef struct
{
  void (*with_fixture) (TestFixture *fixture); /* (nullable) */
  void (*alone) (void);                        /* (nullable) */
  TestDataFunc  with_data;                     /* (nullable) */
  gconstpointer data;
} TestCase;

static TestCase cases[MAX_CASES];
static guint    n_cases;
static gboolean run_once;

static void
test_case_run_alone (gconstpointer data)
{
  const TestCase *test_case = data;
  TestFixture     fixture = {
        0,
  };

  if (test_case->alone != NULL)
    {
      test_case->alone ();
      return;
    }

  test_fixture_set_up (&fixture);
  if (test_case->with_data != NULL)
    test_case->with_data (&fixture, test_case->data);
  else
    test_case->with_fixture (&fixture);
  test_fixture_tear_down (&fixture);
}

static void
test_case_run (gconstpointer data)
{
  if (run_once)
    test_leaks_run_once (test_case_run_alone, data);
  else
    test_leaks_run (test_case_run_alone, data);
}

static void
test_case_add (const char *path,
               TestCase    test_case)
{
  g_assert_cmpuint (n_cases, <, MAX_CASES);

  cases[n_cases] = test_case;
  g_test_add_data_func (path, &cases[n_cases], test_case_run);
  n_cases++;
}

/* The classes that threads share are made before there are threads: GLib makes a class with its first object, below a lock
 * that ThreadSanitizer does not see. */
static void
test_make_classes (void)
{
  const GType types[] = { AGENT_TYPE_BUS, AGENT_TYPE_SUBSCRIBER, AGENT_TYPE_DELIVERY, G_TYPE_CANCELLABLE };

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    g_type_class_unref (g_type_class_ref (types[i]));
}

void
test_init (int    *argc,
           char ***argv)
{
  g_test_init (argc, argv, NULL);
  test_make_classes ();
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
}

/* For cases that take long, see test_leaks_run_once(). */
void
test_init_slow (int    *argc,
                char ***argv)
{
  test_init (argc, argv);
  run_once = TRUE;
}

/* Adds a case with a fixture. The case fails if it leaves memory behind, see test-leaks.h. */
void
test_add (const char *path,
          void (*func) (TestFixture *fixture))
{
  test_case_add (path, (TestCase){ .with_fixture = func });
}

/* The same with data, which stays. */
void
test_add_data (const char   *path,
               TestDataFunc  func,
               gconstpointer data)
{
  test_case_add (path, (TestCase){ .with_data = func, .data = data });
}

/* Adds a case without a fixture. It fails if it leaves memory behind. */
void
test_add_func (const char *path,
               void (*func) (void))
{
  test_case_add (path, (TestCase){ .alone = func });
}

/* Iterates once, without waiting. */
void
test_iterate (TestFixture *self)
{
  g_main_context_iteration (self->context, FALSE);
}

/* Iterates until no source is ready. */
void
test_drain (TestFixture *self)
{
  while (g_main_context_iteration (self->context, FALSE))
    ;
}

void
test_run_until (TestFixture    *self,
                const gboolean *done)
{
  while (!g_atomic_int_get (done))
    g_main_context_iteration (self->context, TRUE);
}

static void
test_fixture_on_done (GObject      *object,
                      GAsyncResult *result,
                      gpointer      user_data)
{
  GAsyncResult **place = user_data;

  *place = g_object_ref (result);
}

void
test_stop (TestFixture *self)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_stop_async (self->bus, NULL, test_fixture_on_done, &result);
  while (result == NULL)
    g_main_context_iteration (self->context, TRUE);
  agent_bus_stop_finish (self->bus, result, &error);
  g_assert_no_error (error);
  test_drain (self);
}

gboolean
test_unsubscribe (TestFixture *self,
                  const char  *name,
                  GError     **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_unsubscribe_async (self->bus, name, NULL, test_fixture_on_done, &result);
  while (result == NULL)
    g_main_context_iteration (self->context, TRUE);
  return agent_bus_unsubscribe_finish (self->bus, result, error);
}

/* Checks that the library has logged a warning that contains @part, and clears the log. */
void
test_expect_log (TestFixture *self,
                 const char  *part)
{
  g_assert_nonnull (strstr (self->log->str, part));
  g_string_truncate (self->log, 0);
}

/* --- The recorder --- */

G_DEFINE_FINAL_TYPE (TestRecorder, test_recorder, AGENT_TYPE_SUBSCRIBER)

static void
test_recorder_message (AgentSubscriber *subscriber,
                       AgentMessage    *message)
{
  TestRecorder *self = TEST_RECORDER (subscriber);

  g_assert_false (self->in_handler);
  g_assert_true (g_main_context_is_owner (agent_subscriber_get_main_context (subscriber)));

  self->in_handler = TRUE;
  self->thread = g_thread_self ();
  g_ptr_array_add (self->messages, agent_message_ref (message));
  if (self->handler != NULL)
    self->handler (self, message, self->user_data);
  self->in_handler = FALSE;
}

static void
test_recorder_finalize (GObject *object)
{
  TestRecorder *self = TEST_RECORDER (object);

  g_ptr_array_unref (self->messages);

  G_OBJECT_CLASS (test_recorder_parent_class)->finalize (object);
}

static void
test_recorder_class_init (TestRecorderClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = test_recorder_finalize;
  AGENT_SUBSCRIBER_CLASS (klass)->message = test_recorder_message;
}

static void
test_recorder_init (TestRecorder *self)
{
  self->messages = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);
}

TestRecorder *
test_recorder_new (const char *name,
                   TestHandler handler,
                   gpointer    user_data)
{
  return test_recorder_new_full (handler, user_data, "name", name, NULL);
}

TestRecorder *
test_recorder_new_full (TestHandler handler,
                        gpointer    user_data,
                        const char *first_property,
                        ...)
{
  TestRecorder *self;
  va_list       args;

  va_start (args, first_property);
  self = TEST_RECORDER (g_object_new_valist (TEST_TYPE_RECORDER, first_property, args));
  va_end (args);

  self->handler = handler;
  self->user_data = user_data;
  return self;
}

TestRecorder *
test_recorder_subscribe (TestFixture *fixture,
                         const char  *name,
                         TestHandler  handler,
                         gpointer     user_data)
{
  TestRecorder *self = test_recorder_new (name, handler, user_data);
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (fixture->bus, AGENT_SUBSCRIBER (self), &error);
  g_assert_no_error (error);
  return self;
}

guint
test_recorder_count (TestRecorder *self)
{
  return self->messages->len;
}

/* Returns the messages that were received, as "1 2 cancel 3": the task id of each, or its name if it has none. */
char *
test_recorder_dup_task_ids (TestRecorder *self)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < self->messages->len; i++)
    {
      AgentMessage *message = self->messages->pdata[i];
      const char   *task_id = agent_message_get_task_id (message);

      g_string_append_printf (text,
                              "%s%s",
                              i > 0 ? " " : "",
                              task_id != NULL ? task_id : agent_message_get_name (message));
    }

  return g_string_free (text, FALSE);
}

/* --- Messages --- */

AgentMessage *
test_data (const char *source,
           const char *target,
           guint       number)
{
  char task_id[16];

  g_snprintf (task_id, sizeof task_id, "%u", number);
  return agent_message_new_task_update (source, target, task_id, NULL);
}

guint
test_number (AgentMessage *message)
{
  return g_ascii_strtoull (agent_message_get_task_id (message), NULL, 10);
}

AgentMessage *
test_cancel (const char *source,
             const char *target)
{
  return agent_message_new_cancel (source, target, NULL);
}

/* --- The loss ledger --- */

static TestLedger
test_ledger_from_variant (GVariant *variant)
{
  TestLedger ledger = {
    0,
  };
  g_autoptr (GVariant) dropped = g_variant_lookup_value (variant, "dropped", G_VARIANT_TYPE ("a{st}"));

  g_variant_lookup (variant, "sent", "t", &ledger.sent);
  g_assert_true (g_variant_lookup (variant, "offered", "t", &ledger.offered));
  g_assert_true (g_variant_lookup (variant, "delivered", "t", &ledger.delivered));
  g_assert_true (g_variant_lookup (variant, "queued", "t", &ledger.queued));
  g_assert_true (g_variant_lookup (variant, "failed", "t", &ledger.failed));
  g_variant_lookup (variant, "moved", "t", &ledger.moved);
  for (guint i = 0; i < G_N_ELEMENTS (ledger.dropped); i++)
    g_assert_true (
        g_variant_lookup (dropped, agent_drop_reason_to_string (i), "t", &ledger.dropped[i]));

  return ledger;
}

TestLedger
test_ledger (AgentBus *bus)
{
  g_autoptr (GVariant) statistics = agent_bus_get_statistics (bus);

  return test_ledger_from_variant (statistics);
}

TestLedger
test_ledger_of (AgentBus   *bus,
                const char *name)
{
  g_autoptr (GVariant) statistics = agent_bus_get_statistics (bus);
  g_autoptr (GVariant) subscribers =
      g_variant_lookup_value (statistics, "subscribers", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) own = g_variant_lookup_value (subscribers, name, G_VARIANT_TYPE_VARDICT);

  g_assert_nonnull (own);
  return test_ledger_from_variant (own);
}

static void
test_ledger_assert_balanced (const TestLedger *ledger)
{
  guint64 sum = ledger->delivered + ledger->queued + ledger->moved;

  for (guint i = 0; i < G_N_ELEMENTS (ledger->dropped); i++)
    sum += ledger->dropped[i];
  g_assert_cmpuint (ledger->offered, ==, sum);
  g_assert_cmpuint (ledger->failed, <=, ledger->delivered);
}

void
test_assert_balanced (AgentBus *bus)
{
  g_autoptr (GVariant) statistics = agent_bus_get_statistics (bus);
  g_autoptr (GVariant) subscribers =
      g_variant_lookup_value (statistics, "subscribers", G_VARIANT_TYPE_VARDICT);
  TestLedger   ledger = test_ledger_from_variant (statistics);
  GVariantIter iter;
  GVariant    *own;

  test_ledger_assert_balanced (&ledger);

  g_variant_iter_init (&iter, subscribers);
  while (g_variant_iter_next (&iter, "{sv}", NULL, &own))
    {
      ledger = test_ledger_from_variant (own);
      test_ledger_assert_balanced (&ledger);
      g_variant_unref (own);
    }
}

/* --- The clock --- */

static gint64         frozen_time; /* may be changed only while no other thread reads it */
static _Atomic gint64 clock_ahead; /* µs */

static gint64
test_clock_get_frozen_time (void)
{
  return frozen_time + atomic_load (&clock_ahead);
}

static gint64
test_clock_get_running_time (void)
{
  return g_get_monotonic_time () + atomic_load (&clock_ahead);
}

/* It stands still. */
void
test_clock_freeze (void)
{
  frozen_time = g_get_monotonic_time ();
  atomic_store (&clock_ahead, 0);
  _agent_clock_override (test_clock_get_frozen_time);
}

/* It runs by itself, and is as far ahead as it was advanced since it was released. */
void
test_clock_run (void)
{
  _agent_clock_override (test_clock_get_running_time);
}

/* In any thread. */
void
test_clock_advance (gint64 usec)
{
  atomic_fetch_add (&clock_ahead, usec);
}

void
test_clock_release (void)
{
  _agent_clock_override (NULL);
  atomic_store (&clock_ahead, 0);
}

static void
test_listener_on_message (AgentSubscriber *subscriber,
                          AgentMessage    *message,
                          gpointer         user_data)
{
}

void
test_listen (AgentSubscriber *subscriber)
{
  g_signal_connect (subscriber, "message", G_CALLBACK (test_listener_on_message), NULL);
}

AgentSubscriber *
test_listener_new (const char *name)
{
  AgentSubscriber *self = agent_subscriber_new (name);

  test_listen (self);
  return self;
}
