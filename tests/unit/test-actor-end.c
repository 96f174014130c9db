/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-actor-private.h"
#include "actor/agent-actor-tree-private.h"
#include "test-actors.h"

/*
 * Ends of actors: children first, one deadline for the tree, and what happens when several want the end at once.
 */

static AgentActor *
new_child (TestFixture *f,
           const char  *name,
           const char  *parent)
{
  return test_actor_join (f, g_object_new (AGENT_TYPE_ACTOR, "name", name, "parent", parent, NULL));
}

static void
on_ended (AgentActor *actor,
          const char *reason,
          gpointer    user_data)
{
  GString *story = user_data;

  if (story->len > 0)
    g_string_append_c (story, ' ');
  g_string_append (story, agent_subscriber_get_name (AGENT_SUBSCRIBER (actor)));
  if (reason != NULL)
    g_string_append_printf (story, ":%s", reason);
}

static void
follow (AgentActor *actor,
        GString    *story)
{
  g_signal_connect (actor, "ended", G_CALLBACK (on_ended), story);
}

static void
assert_end (TestFixture *f,
            AgentActor  *actor,
            gint         code)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_actor_end_async (actor, "enough", NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  g_assert_cmpint (agent_actor_end_finish (actor, result, &error), ==, code < 0);
  if (code < 0)
    g_assert_no_error (error);
  else
    g_assert_error (error, AGENT_BUS_ERROR, code);
}

static void
test_children_first (TestFixture *f)
{
  g_autoptr (AgentActor) top = test_actor_new (f, "top");
  g_autoptr (AgentActor) middle = new_child (f, "middle", "top");
  g_autoptr (AgentActor) bottom = new_child (f, "bottom", "middle");
  g_autoptr (AgentActor) stranger = new_child (f, "stranger", "nobody");
  g_autoptr (GString) story = g_string_new (NULL);

  follow (top, story);
  follow (middle, story);
  follow (bottom, story);
  assert_end (f, top, -1);
  g_assert_cmpstr (story->str, ==, "bottom:enough middle:enough top:enough");
  g_assert_cmpint (agent_actor_get_state (bottom), ==, AGENT_ACTOR_STATE_ENDED);
  g_assert_cmpint (agent_actor_get_state (stranger), ==, AGENT_ACTOR_STATE_READY);
  assert_end (f, top, AGENT_BUS_ERROR_CLOSED);
}

static void
test_end_message (TestFixture *f)
{
  g_autoptr (AgentActor) top = test_actor_new (f, "top");
  g_autoptr (AgentActor) child = new_child (f, "child", "top");
  g_autoptr (GPtrArray) jobs = test_jobs_new (child);
  g_autoptr (GString) story = g_string_new (NULL);
  g_autoptr (AgentActor) boss = test_actor_new (f, "boss");
  AgentTask *task = agent_actor_request (boss, "child", NULL, NULL);

  follow (top, story);
  follow (child, story);
  test_drain (f);
  agent_bus_send (f->bus, agent_message_new_end ("ui", "top", "good night"));
  test_drain (f);

  /* The child has a job. */
  g_assert_cmpstr (story->str, ==, "");
  g_assert_cmpint (agent_actor_get_state (child), ==, AGENT_ACTOR_STATE_ENDING);
  g_assert_cmpint (agent_actor_get_state (top), ==, AGENT_ACTOR_STATE_READY);
  g_assert_false (agent_job_is_cancelled (jobs->pdata[0]));
  agent_job_complete (jobs->pdata[0], NULL);
  g_ptr_array_set_size (jobs, 0);
  test_task_assert_completed (f, task);
  g_assert_cmpstr (story->str, ==, "child:good night top:good night");
}

static void
on_cancelled (AgentActor *actor,
              const char *reason,
              gpointer    user_data)
{
  on_ended (actor, "cancelled", user_data);
}

static void
test_cancel_message (TestFixture *f)
{
  g_autoptr (AgentActor) top = test_actor_new (f, "top");
  g_autoptr (AgentActor) child = new_child (f, "child", "top");
  g_autoptr (GPtrArray) jobs = test_jobs_new (child);
  g_autoptr (GString) story = g_string_new (NULL);
  g_autoptr (AgentActor) boss = test_actor_new (f, "boss");
  AgentTask *task = agent_actor_request (boss, "child", NULL, NULL);

  g_signal_connect (top, "cancelled", G_CALLBACK (on_cancelled), story);
  g_signal_connect (child, "cancelled", G_CALLBACK (on_cancelled), story);
  follow (child, story);
  test_drain (f);
  agent_bus_send (f->bus, agent_message_new_cancel ("ui", "top", "now"));
  test_task_assert_failed (f, task, AGENT_BUS_ERROR_CLOSED);
  g_assert_cmpstr (story->str, ==, "top:cancelled child:cancelled child:now");
  g_assert_true (g_cancellable_is_cancelled (agent_job_get_cancellable (jobs->pdata[0])));
  g_ptr_array_set_size (jobs, 0);
}

/* The end waits for the job, and the cancel behind it does not. */
static void
test_cancel_after_end (TestFixture *f)
{
  g_autoptr (AgentActor) boss = test_actor_new (f, "boss");
  g_autoptr (AgentActor) worker = test_actor_new (f, "worker");
  g_autoptr (GPtrArray) jobs = test_jobs_new (worker);
  AgentTask *in_hand = agent_actor_request (boss, "worker", NULL, NULL);
  AgentTask *waits = agent_actor_request (boss, "worker", NULL, NULL);

  test_drain (f);
  agent_bus_send (f->bus, agent_message_new_end ("ui", "worker", NULL));
  agent_bus_send (f->bus, agent_message_new_cancel ("ui", "worker", NULL));
  test_task_assert_failed (f, in_hand, AGENT_BUS_ERROR_CLOSED);
  test_task_assert_failed (f, waits, AGENT_BUS_ERROR_CLOSED);
  g_assert_cmpint (agent_actor_get_state (worker), ==, AGENT_ACTOR_STATE_ENDED);
  g_assert_cmpuint (jobs->len, ==, 1);
  g_ptr_array_set_size (jobs, 0);
}

/* A child hangs: its parents do not wait longer than the time of the whole. */
static void
test_one_deadline (TestFixture *f)
{
  g_autoptr (AgentActor) boss = test_actor_new (f, "boss");
  g_autoptr (AgentActor) top = test_actor_new (f, "top");
  g_autoptr (AgentActor) middle = new_child (f, "middle", "top");
  g_autoptr (AgentActor) bottom = new_child (f, "bottom", "middle");
  g_autoptr (GPtrArray) jobs = test_jobs_new (bottom);
  AgentTask *task = agent_actor_request (boss, "bottom", NULL, NULL);

  agent_bus_set_shutdown_timeout (f->bus, 20);
  test_drain (f);
  assert_end (f, top, AGENT_BUS_ERROR_TIMED_OUT);
  test_expect_log (f, "'bottom' did not leave");
  g_assert_null (agent_bus_lookup (f->bus, "middle"));
  test_task_assert_failed (f, task, AGENT_BUS_ERROR_CLOSED);
  g_assert_true (agent_job_is_cancelled (jobs->pdata[0]));
  g_ptr_array_set_size (jobs, 0);
  g_string_truncate (f->log, 0);
}

static void
test_circle (TestFixture *f)
{
  g_autoptr (AgentActor) one = new_child (f, "one", "three");
  g_autoptr (AgentActor) two = new_child (f, "two", "one");
  g_autoptr (AgentActor) three = new_child (f, "three", "two");
  g_autoptr (AgentActor) self = new_child (f, "self", "self");

  assert_end (f, one, -1);
  g_assert_cmpint (agent_actor_get_state (two), ==, AGENT_ACTOR_STATE_ENDED);
  g_assert_cmpint (agent_actor_get_state (three), ==, AGENT_ACTOR_STATE_ENDED);
  assert_end (f, self, -1);
}

static void
test_two_ends (TestFixture *f)
{
  g_autoptr (AgentActor) top = test_actor_new (f, "top");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;
  g_autoptr (GAsyncResult) impatient = NULL;
  g_autoptr (GPtrArray) jobs = test_jobs_new (top);
  g_autoptr (AgentActor) boss = test_actor_new (f, "boss");
  AgentTask *task = agent_actor_request (boss, "top", NULL, NULL);

  test_drain (f);
  agent_actor_end_async (top, NULL, NULL, test_keep_result, &first);
  agent_actor_end_async (top, NULL, NULL, test_keep_result, &second);
  agent_actor_end_async (top, NULL, cancellable, test_keep_result, &impatient);
  g_cancellable_cancel (cancellable);
  test_drain (f);
  g_assert_null (first);
  g_assert_null (second);
  g_assert_nonnull (impatient);
  g_assert_false (agent_actor_end_finish (top, impatient, NULL));

  agent_job_complete (jobs->pdata[0], NULL);
  g_ptr_array_set_size (jobs, 0);
  test_task_assert_completed (f, task);
  g_assert_true (agent_actor_end_finish (top, first, NULL));
  g_assert_true (agent_actor_end_finish (top, second, NULL));
}

/* Somebody else has taken the parent off the bus while its child was ending, and another one has its name. */
static void
test_successor_stays (TestFixture *f)
{
  g_autoptr (AgentActor) boss = test_actor_new (f, "boss");
  g_autoptr (AgentActor) old = test_actor_new (f, "top");
  g_autoptr (AgentActor) child = new_child (f, "child", "top");
  g_autoptr (AgentActor) successor = NULL;
  g_autoptr (GPtrArray) jobs = test_jobs_new (child);
  g_autoptr (GPtrArray) old_jobs = test_jobs_new (old);
  g_autoptr (GAsyncResult) result = NULL;
  AgentTask *task = agent_actor_request (boss, "child", NULL, NULL);
  AgentTask *old_task = agent_actor_request (boss, "top", NULL, NULL);

  test_drain (f);
  agent_actor_end_async (old, NULL, NULL, test_keep_result, &result);
  agent_bus_unsubscribe_full_async (f->bus, "top", AGENT_LEAVE_FLAGS_DRAIN, NULL, NULL, NULL);
  successor = test_actor_new (f, "top");
  agent_job_complete (jobs->pdata[0], NULL);
  g_ptr_array_set_size (jobs, 0);
  test_task_assert_completed (f, task);

  /* The old one is leaving still. */
  g_assert_null (result);
  g_assert_cmpint (agent_actor_get_state (successor), ==, AGENT_ACTOR_STATE_READY);
  agent_job_complete (old_jobs->pdata[0], NULL);
  g_ptr_array_set_size (old_jobs, 0);
  test_task_assert_completed (f, old_task);
  g_assert_nonnull (result);
  g_assert_true (agent_actor_end_finish (old, result, NULL));
  g_assert_cmpint (agent_actor_get_state (successor), ==, AGENT_ACTOR_STATE_READY);
}

/* Another thread takes an actor off the bus before it is told that it is on it. */
static void
test_subscribed_too_late (TestFixture *f)
{
  g_autoptr (AgentActor) top = test_actor_new (f, "top");
  g_autoptr (AgentActor) child = new_child (f, "child", "top");
  GPtrArray *children;

  g_assert_true (test_unsubscribe (f, "child", NULL));
  _agent_actor_on_subscribed (child, f->bus);
  test_drain (f);
  g_assert_cmpint (agent_actor_get_state (child), ==, AGENT_ACTOR_STATE_ENDED);
  children = _agent_actor_tree_list_children (top);
  g_assert_cmpuint (children->len, ==, 0);
  g_ptr_array_unref (children);

  /* It comes back, and is told so twice. */
  test_actor_join (f, child);
  _agent_actor_on_subscribed (child, f->bus);
  children = _agent_actor_tree_list_children (top);
  g_assert_cmpuint (children->len, ==, 1);
  g_ptr_array_unref (children);
  g_assert_cmpint (agent_actor_get_state (child), ==, AGENT_ACTOR_STATE_READY);
}

/* The handler of each signal takes the actor off the bus. */
static void
on_anything (AgentActor *actor)
{
  g_autoptr (AgentBus) bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (actor));

  if (bus != NULL)
    agent_bus_unsubscribe (bus, agent_subscriber_get_name (AGENT_SUBSCRIBER (actor)));
}

static void
test_leaves_in_handler (TestFixture *f)
{
  const char *const signals[] = { "activated", "deactivated", "cancelled", "ended", "task-request", "notify::state", "notify::active" };
  g_autoptr (AgentActor) boss = test_actor_new (f, "boss");

  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    {
      AgentActor *actor = test_actor_new (f, "actor");
      AgentTask  *task;

      g_signal_connect (actor, signals[i], G_CALLBACK (on_anything), NULL);
      task = agent_actor_request (boss, "actor", NULL, NULL);
      agent_bus_send (f->bus, agent_message_new_deactivate ("ui", "actor"));
      agent_bus_send (f->bus, agent_message_new_activate ("ui", "actor", NULL));
      agent_bus_send (f->bus, agent_message_new_cancel ("ui", "actor", NULL));
      test_drain (f);
      g_assert_cmpint (agent_actor_get_state (actor), ==, AGENT_ACTOR_STATE_ENDED);
      g_assert_true (agent_task_has_finished (task));
      g_object_unref (task);
      g_assert_finalize_object (actor);
    }
}

#define N_CHILDREN 2000

typedef struct
{
  AgentActor   *actor;
  GAsyncResult *result;
} Parting;

static void
on_parted (GObject      *actor,
           GAsyncResult *result,
           gpointer      user_data)
{
  Parting *self = user_data;

  test_keep_result (actor, result, &self->result);
}

static gpointer
part (gpointer data)
{
  Parting *self = data;

  agent_actor_end_async (self->actor, NULL, NULL, on_parted, self);
  return NULL;
}

/* The thread has no context of its own, so the first children have ended in the default one before it has asked the last. */
static void
test_end_from_thread (TestFixture *f)
{
  g_autoptr (AgentActor) top = NULL;
  g_autoptr (GPtrArray) children = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GError) error = NULL;
  Parting  parting = { NULL, NULL };
  GThread *thread;

  g_main_context_pop_thread_default (f->context);
  top = parting.actor = test_actor_new (f, "top");
  for (guint i = 0; i < N_CHILDREN; i++)
    {
      g_autofree char *name = g_strdup_printf ("child-%u", i);

      g_ptr_array_add (children, new_child (f, name, "top"));
    }

  thread = g_thread_new ("ends", part, &parting);
  while (parting.result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
  g_main_context_push_thread_default (f->context);
  g_assert_true (agent_actor_end_finish (top, parting.result, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < children->len; i++)
    g_assert_cmpint (agent_actor_get_state (children->pdata[i]), ==, AGENT_ACTOR_STATE_ENDED);
  g_object_unref (parting.result);
}

#define ADD(name, func) test_add ("/agentbus/actor-end/" name, func)

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);
  test_actors_init ();
  ADD ("children-first", test_children_first);
  ADD ("end-message", test_end_message);
  ADD ("cancel-message", test_cancel_message);
  ADD ("cancel-after-end", test_cancel_after_end);
  ADD ("one-deadline", test_one_deadline);
  ADD ("circle", test_circle);
  ADD ("two-ends", test_two_ends);
  ADD ("successor-stays", test_successor_stays);
  ADD ("subscribed-too-late", test_subscribed_too_late);
  ADD ("leaves-in-handler", test_leaves_in_handler);
  ADD ("from-thread", test_end_from_thread);

  return g_test_run ();
}
