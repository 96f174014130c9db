/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <gio/gio.h>

#include "base/agent-waiting-private.h"

/*
 * A task that waits: ended by what it waits for or by its deadline, whichever is first; and where the deadline is kept. A
 * deadline is a real timer here: it is due at once, or so late that it never comes.
 */

#define NEVER (60 * 60 * 1000)

/* What a type that waits looks like: it fails its task when the deadline comes. */
typedef struct
{
  AgentWaiting waiting; /* first */
  guint       *n_timed_out;
  gboolean    *cleared;
} Waiter;

typedef struct
{
  GMainContext *fallback;
  GMainContext *callers; /* the thread default while the test runs */
  GAsyncResult *result;
  guint         n_timed_out;
  gboolean      cleared;
} Fixture;

static void
waiter_on_timeout (AgentWaiting *waiting)
{
  Waiter *self = (Waiter *) waiting;
  g_autoptr (GTask) task = NULL;

  if (!_agent_waiting_end (waiting, &task))
    return;

  (*self->n_timed_out)++;
  if (task != NULL)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "late");
}

static void
waiter_clear (AgentWaiting *waiting)
{
  *((Waiter *) waiting)->cleared = TRUE;
}

static const AgentWaitingFuncs waiter_funcs = {
  .timed_out = waiter_on_timeout,
  .clear = waiter_clear,
};

static void
keep_result (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  Fixture *f = user_data;

  g_assert_null (f->result);
  f->result = g_object_ref (result);
}

static AgentWaiting *
waiter_new (Fixture *f,
            guint    timeout,
            GTask   *task)
{
  Waiter *self = g_new0 (Waiter, 1);

  self->n_timed_out = &f->n_timed_out;
  self->cleared = &f->cleared;
  _agent_waiting_init (&self->waiting, &waiter_funcs, "test", timeout, f->fallback, task);
  _agent_waiting_start (&self->waiting);
  return &self->waiting;
}

static AgentWaiting *
waiter_new_with_task (Fixture      *f,
                      guint         timeout,
                      GCancellable *cancellable)
{
  return waiter_new (f, timeout, g_task_new (NULL, cancellable, keep_result, f));
}

static void
iterate (GMainContext *context)
{
  while (g_main_context_iteration (context, FALSE))
    ;
}

static void
assert_result (Fixture *f,
               gint     code)
{
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (f->result);
  g_assert_false (g_task_propagate_boolean (G_TASK (f->result), &error));
  g_assert_error (error, G_IO_ERROR, code);
}

static void
set_up (Fixture      *f,
        gconstpointer data)
{
  f->fallback = g_main_context_new ();
  f->callers = g_main_context_new ();
  g_main_context_push_thread_default (f->callers);
}

/* Nothing is left that could run, and nobody holds the waiter. */
static void
tear_down (Fixture      *f,
           gconstpointer data)
{
  iterate (f->callers);
  iterate (f->fallback);
  g_assert_true (f->cleared);
  g_clear_object (&f->result);
  g_main_context_pop_thread_default (f->callers);
  g_main_context_unref (f->callers);
  g_main_context_unref (f->fallback);
}

static void
test_ended (Fixture      *f,
            gconstpointer data)
{
  AgentWaiting *waiting = waiter_new_with_task (f, NEVER, NULL);
  g_autoptr (GTask) task = NULL;
  g_autoptr (GTask) nobody = NULL;

  g_assert_true (_agent_waiting_end (waiting, &task));
  g_assert_nonnull (task);
  g_assert_false (_agent_waiting_end (waiting, &nobody));
  g_assert_null (nobody);
  g_task_return_boolean (task, TRUE);
  iterate (f->callers);
  g_assert_true (g_task_propagate_boolean (G_TASK (f->result), NULL));
  _agent_waiting_unref (waiting);
}

static void
test_deadline (Fixture      *f,
               gconstpointer data)
{
  AgentWaiting *waiting = waiter_new_with_task (f, 0, NULL);
  g_autoptr (GTask) task = NULL;

  iterate (f->fallback);
  g_assert_cmpuint (f->n_timed_out, ==, 0);
  iterate (f->callers);
  g_assert_cmpuint (f->n_timed_out, ==, 1);
  assert_result (f, G_IO_ERROR_TIMED_OUT);
  g_assert_false (_agent_waiting_end (waiting, &task));
  g_assert_null (task);
  _agent_waiting_unref (waiting);
}

/* Whoever ends it does so before the deadline is looked at, though that has passed. */
static void
test_ended_before_the_deadline (Fixture      *f,
                                gconstpointer data)
{
  AgentWaiting *waiting = waiter_new_with_task (f, 0, NULL);
  g_autoptr (GTask) task = NULL;

  g_assert_true (_agent_waiting_end (waiting, &task));
  iterate (f->callers);
  g_assert_cmpuint (f->n_timed_out, ==, 0);
  g_task_return_boolean (task, TRUE);
  _agent_waiting_unref (waiting);
}

static void
test_without_a_task (Fixture      *f,
                     gconstpointer data)
{
  AgentWaiting *waiting = waiter_new (f, 0, NULL);

  iterate (f->callers);
  g_assert_cmpuint (f->n_timed_out, ==, 0);
  iterate (f->fallback);
  g_assert_cmpuint (f->n_timed_out, ==, 1);
  _agent_waiting_unref (waiting);
}

/* The task is cancelled, and what it waited for goes on: under the same deadline, which the fallback context keeps now. */
static void
test_cancelled (Fixture      *f,
                gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  AgentWaiting *waiting = waiter_new_with_task (f, NEVER, cancellable);
  g_autoptr (GTask) task = NULL;

  iterate (f->callers);
  g_assert_null (f->result);
  g_cancellable_cancel (cancellable);
  g_assert_null (f->result);
  iterate (f->callers);
  assert_result (f, G_IO_ERROR_CANCELLED);

  g_assert_true (waiting->context == f->fallback);
  g_assert_true (g_source_get_context (waiting->timer) == f->fallback);
  g_assert_true (_agent_waiting_end (waiting, &task));
  g_assert_null (task);
  _agent_waiting_unref (waiting);
}

/* The deadline has passed when the task is cancelled. */
static void
test_cancelled_and_late (Fixture      *f,
                         gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  AgentWaiting *waiting = waiter_new_with_task (f, 1, cancellable);

  g_cancellable_cancel (cancellable);
  while (f->result == NULL)
    g_main_context_iteration (f->callers, TRUE);
  while (f->n_timed_out == 0)
    {
      g_main_context_iteration (f->callers, FALSE);
      g_main_context_iteration (f->fallback, FALSE);
    }
  assert_result (f, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (f->n_timed_out, ==, 1);
  _agent_waiting_unref (waiting);
}

/* It was over when the cancellable was tripped: the task has its result already. */
static void
test_cancelled_too_late (Fixture      *f,
                         gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  AgentWaiting *waiting = waiter_new_with_task (f, NEVER, cancellable);
  g_autoptr (GTask) task = NULL;

  g_assert_true (_agent_waiting_end (waiting, &task));
  g_task_set_check_cancellable (task, FALSE);
  g_task_return_boolean (task, TRUE);
  g_cancellable_cancel (cancellable);
  iterate (f->callers);
  g_assert_true (g_task_propagate_boolean (G_TASK (f->result), NULL));
  g_assert_null (waiting->timer);
  _agent_waiting_unref (waiting);
}

static gpointer
end_in_thread (gpointer data)
{
  AgentWaiting *waiting = data;
  g_autoptr (GTask) task = NULL;
  gboolean first = _agent_waiting_end (waiting, &task);

  if (task != NULL)
    g_task_return_boolean (task, TRUE);
  _agent_waiting_unref (waiting);
  return GINT_TO_POINTER (first);
}

/* The deadline, the cancellable and the end meet: one of the first and the last ends it, and there is one result. */
static void
test_all_at_once (Fixture      *f,
                  gconstpointer data)
{
  for (guint round = 0; round < 200; round++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      AgentWaiting *waiting = waiter_new_with_task (f, 0, cancellable);
      GThread      *thread = g_thread_new ("test-end", end_in_thread, _agent_waiting_ref (waiting));
      gboolean      ended;

      g_cancellable_cancel (cancellable);
      while (f->result == NULL)
        {
          g_main_context_iteration (f->callers, FALSE);
          g_main_context_iteration (f->fallback, FALSE);
        }
      ended = GPOINTER_TO_INT (g_thread_join (thread));
      g_assert_cmpuint (f->n_timed_out + ended, ==, 1);
      f->n_timed_out = 0;
      g_clear_object (&f->result);
      _agent_waiting_unref (waiting);
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define ADD(name, func) g_test_add ("/agentbus/waiting/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("ended", test_ended);
  ADD ("deadline", test_deadline);
  ADD ("ended-before-the-deadline", test_ended_before_the_deadline);
  ADD ("without-a-task", test_without_a_task);
  ADD ("cancelled", test_cancelled);
  ADD ("cancelled-and-late", test_cancelled_and_late);
  ADD ("cancelled-too-late", test_cancelled_too_late);
  ADD ("all-at-once", test_all_at_once);
#undef ADD

  return g_test_run ();
}
