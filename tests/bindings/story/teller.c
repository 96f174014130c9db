/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "teller.h"

#include <stdio.h>

#define REASONS "full expired no-target closed discarded stale cancelled inactive"

GString *told, *reported;

/* --- What is said --- */

void
add_words (GString *text, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (text->len > 0)
    g_string_append (text, ", ");
  g_string_append_vprintf (text, format, args);
  va_end (args);
}

void
wait_turn (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* Signals have sources of their own, so nothing is said of their order and that of the handlers. */
void
expect (const char *words, const char *reports)
{
  wait_turn ();
  printf ("# told: %s | %s\n", told->str, reported->str);
  g_assert_cmpstr (told->str, ==, words);
  g_assert_cmpstr (reported->str, ==, reports);
  g_string_truncate (told, 0);
  g_string_truncate (reported, 0);
}

void
wait_report (void)
{
  while (reported->len == 0)
    g_main_context_iteration (NULL, TRUE);
}

/* A GAsyncReadyCallback. */
void
keep_result (GObject *object, GAsyncResult *result, gpointer story)
{
  g_set_object (&((Story *) story)->result, result);
}

GAsyncResult *
wait_result (Story *story)
{
  g_clear_object (&story->result);
  while (story->result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return story->result;
}

void
attempt (const char *words, AgentBusError code, gboolean done, GError **error)
{
  if (done)
    tell ("not %s", words);
  else
    tell ("%s", g_error_matches (*error, AGENT_BUS_ERROR, (gint) code) ? words : (*error)->message);
  g_clear_error (error);
}

/* --- Messages --- */

const char *
word (AgentMessage *message)
{
  gboolean is_update = agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_TASK_UPDATE;

  return is_update ? agent_message_get_task_id (message) : agent_message_get_name (message);
}

AgentMessage *
update (const char *target, guint number)
{
  g_autofree char *id = g_strdup_printf ("%u", number);

  return agent_message_new_task_update ("ui", target, id, NULL);
}

/* --- Workers --- */

typedef AgentSubscriber      Worker;
typedef AgentSubscriberClass WorkerClass;

static GType worker_get_type (void);
G_DEFINE_TYPE (Worker, worker, AGENT_TYPE_SUBSCRIBER)

static void
worker_message (AgentSubscriber *self, AgentMessage *message)
{
  tell ("%s %s", agent_subscriber_get_name (self), word (message));
}

static void
worker_class_init (WorkerClass *klass)
{
  klass->message = worker_message;
}

static void
worker_init (Worker *self)
{
}

/* The bus has the only reference. */
AgentSubscriber *
add_worker (Story *story, const char *name, guint capacity, AgentOverflow overflow)
{
  g_autoptr (AgentSubscriber) worker = NULL;

  worker = g_object_new (worker_get_type (), "name", name, "capacity", capacity, "overflow", overflow, NULL);
  g_assert_true (agent_bus_subscribe (story->bus, worker, NULL));
  return worker;
}

void
add_member (Story *story, const char *name, const char *group)
{
  g_autoptr (AgentSubscriber) worker = g_object_new (worker_get_type (), "name", name, "group", group, NULL);

  g_assert_true (agent_bus_subscribe (story->bus, worker, NULL));
}

void
send_updates (Story *story, const char *target, guint first, guint last)
{
  for (guint number = first; number <= last; number++)
    agent_bus_send (story->bus, update (target, number));
}

gboolean
try_dispatch (Story *story, AgentMessage *message, GError **error)
{
  return agent_router_dispatcher_dispatch (story->dispatcher, message, error) != AGENT_DISPATCH_RESULT_REFUSED;
}

void
dispatch (Story *story, AgentMessage *message)
{
  const char *const   names[] = { "delivered", "parked", "refused" };
  g_autofree char    *id = g_strdup (agent_message_get_task_id (message));
  AgentDispatchResult result = agent_router_dispatcher_dispatch (story->dispatcher, message, NULL);

  tell ("%s %s", names[result], id);
}

guint64
lookup (GVariant *statistics, const char *key)
{
  guint64 value = 0;

  g_assert_true (g_variant_lookup (statistics, key, "t", &value));
  return value;
}

void
tell_balance (GVariant *statistics, const char *keys)
{
  g_autoptr (GVariant) dropped = g_variant_lookup_value (statistics, "dropped", NULL);
  g_autoptr (GString) line = g_string_new (NULL);
  g_auto (GStrv) names = g_strsplit (keys, " ", -1);
  g_auto (GStrv) reasons = g_strsplit (REASONS, " ", -1);
  guint64 n_dropped = 0;

  for (guint i = 0; names[i] != NULL; i++)
    g_string_append_printf (line, "%" G_GUINT64_FORMAT " ", lookup (statistics, names[i]));
  for (guint i = 0; reasons[i] != NULL; i++)
    n_dropped += lookup (dropped, reasons[i]);
  tell ("%s%" G_GUINT64_FORMAT, line->str, n_dropped);
}

/* --- Signals --- */

static void
on_dropped (AgentBus *bus, AgentSubscriber *subscriber, AgentDropReason reason, guint64 n, AgentMessage *last)
{
  const char *name = subscriber != NULL ? agent_subscriber_get_name (subscriber) : "nobody";

  report ("%s lost %" G_GUINT64_FORMAT " %s %s", name, n, agent_drop_reason_to_string (reason), word (last));
}

static void
on_failed (AgentBus *bus, AgentSubscriber *subscriber, AgentMessage *message, const GError *error)
{
  report ("%s failed %s %s", agent_subscriber_get_name (subscriber), word (message), error->message);
}

static void
on_expired (AgentRouterDispatcher *dispatcher, AgentMessage *message, guint waited, guint n_attempts)
{
  gboolean is_late = waited >= agent_message_get_ttl (message) && n_attempts > 0;

  report ("%s expired %s", word (message), is_late ? "late" : "early");
}

static void
on_lost (AgentRouterDispatcher *dispatcher, AgentMessage *message, AgentDropReason reason)
{
  report ("%s lost %s", word (message), agent_drop_reason_to_string (reason));
}

/* --- Tasks --- */

static void
on_request (AgentActor *worker, AgentJob *job, Story *story)
{
  g_set_object (&story->job, job);
  tell ("%s %s %d",
        agent_subscriber_get_name (AGENT_SUBSCRIBER (worker)),
        agent_job_get_task_name (job),
        g_variant_get_int32 (agent_job_get_payload (job)));
}

static void
on_update (AgentTask *task, GVariant *payload)
{
  tell ("update %d", g_variant_get_int32 (payload));
}

static void
on_chunk (AgentTask *task, guint index, GVariant *payload)
{
  tell ("chunk %u %d", index, g_variant_get_int32 (payload));
}

static void
on_finished (AgentTask *task)
{
  const char *const statuses[] = { "pending", "running", "completed", "failed", "cancelled" };
  const char       *status = statuses[agent_task_get_status (task)];
  const GError     *error = agent_task_get_error (task);
  GVariant         *response = agent_task_get_response (task);

  if (error != NULL)
    tell ("%s %s", status, error->message);
  else if (response != NULL)
    tell ("%s %d", status, g_variant_get_int32 (response));
  else
    tell ("%s nothing", status);
}

void
add_actors (Story *story)
{
  story->boss = agent_actor_new ("boss");
  story->worker = agent_actor_new ("worker");
  g_assert_true (agent_bus_subscribe (story->bus, AGENT_SUBSCRIBER (story->boss), NULL));
  g_assert_true (agent_bus_subscribe (story->bus, AGENT_SUBSCRIBER (story->worker), NULL));
  g_signal_connect (story->worker, "task-request", G_CALLBACK (on_request), story);
}

/* The actor keeps the task until it has finished. */
AgentTask *
request (Story *story, const char *target, const char *name, gint number)
{
  AgentTask *task = agent_actor_request (story->boss, target, name, g_variant_new_int32 (number));

  g_signal_connect (task, "update", G_CALLBACK (on_update), NULL);
  g_signal_connect (task, "chunk", G_CALLBACK (on_chunk), NULL);
  g_signal_connect (task, "finished", G_CALLBACK (on_finished), NULL);
  g_object_unref (task);
  return task;
}

/* --- Cases --- */

static gboolean
on_hang (gpointer user_data)
{
  g_error ("It hangs");
  return G_SOURCE_REMOVE;
}

static void
run_case (gconstpointer func)
{
  Story story = { agent_bus_new (), agent_route_table_new () };
  guint watchdog = g_timeout_add_seconds (30, on_hang, NULL);

  told = g_string_new (NULL);
  reported = g_string_new (NULL);
  story.dispatcher = agent_router_dispatcher_new (story.bus, story.routes);
  g_signal_connect (story.bus, "dropped", G_CALLBACK (on_dropped), NULL);
  g_signal_connect (story.bus, "failed", G_CALLBACK (on_failed), NULL);
  g_signal_connect (story.dispatcher, "expired", G_CALLBACK (on_expired), NULL);
  g_signal_connect (story.dispatcher, "dropped", G_CALLBACK (on_lost), NULL);
  ((void (*) (Story *)) func) (&story);
  g_clear_object (&story.result);
  g_clear_object (&story.job);
  g_clear_object (&story.boss);
  g_clear_object (&story.worker);
  g_object_unref (story.dispatcher);
  g_object_unref (story.routes);
  g_object_unref (story.bus);
  g_string_free (told, TRUE);
  g_string_free (reported, TRUE);
  g_source_remove (watchdog);
}

void
add_case (const char *path, void (*func) (Story *story))
{
  g_test_add_data_func (path, func, run_case);
}
