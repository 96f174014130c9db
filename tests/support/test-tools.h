/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <string.h>

#include "test-support.h"

G_BEGIN_DECLS

/* Functions that some of the test programs share. */

/* --- A gate --- */

/* Blocks a handler in another thread until the test opens the gate. So a test has a handler that hangs, without a
 * clock. */
typedef struct
{
  GMutex   lock;
  GCond    cond;
  gboolean entered; /* (lock) a handler has reached the gate */
  gboolean open;    /* (lock) */
} TestGate;

static inline void
test_gate_init (TestGate *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->entered = FALSE;
  self->open = FALSE;
}

static inline void
test_gate_clear (TestGate *self)
{
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
}

/* Called by the handler: waits until the gate is open. */
static inline void
test_gate_pass (TestGate *self)
{
  g_mutex_lock (&self->lock);
  self->entered = TRUE;
  g_cond_broadcast (&self->cond);
  while (!self->open)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);
}

/* Called by the test: waits until the handler has reached the gate. */
static inline void
test_gate_wait (TestGate *self)
{
  g_mutex_lock (&self->lock);
  while (!self->entered)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);
}

static inline void
test_gate_open (TestGate *self)
{
  g_mutex_lock (&self->lock);
  self->open = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* A TestHandler that passes the gate in its user data. */
static inline void
test_gate_handler (TestRecorder *recorder,
                   AgentMessage *message,
                   gpointer      user_data)
{
  test_gate_pass (user_data);
}

/* --- Operations --- */

/* A GAsyncReadyCallback that keeps the result in its user data. */
static inline void
test_keep_result (GObject      *object,
                  GAsyncResult *result,
                  gpointer      user_data)
{
  GAsyncResult **place = user_data;

  g_assert_null (*place);
  *place = g_object_ref (result);
}

/* Iterates until there is a result in @place. */
static inline void
test_wait_result (TestFixture   *fixture,
                  GAsyncResult **place)
{
  while (*place == NULL)
    g_main_context_iteration (fixture->context, TRUE);
}

/* --- Objects --- */

/* Drops a reference, and checks that it was the last one. */
static inline void
test_assert_dies (gpointer object)
{
  gpointer place = object;

  g_object_add_weak_pointer (object, &place);
  g_object_unref (object);
  g_assert_null (place);
}

/* --- Tasks --- */

/* The first case of a program with tasks: there are some in all parts of the table of open tasks, which then have their size
 * for the cases after it. */
static inline void
test_fill_open_tasks (TestFixture *fixture)
{
  g_autoptr (AgentActor) actor = agent_actor_new ("boss");
  g_autoptr (GPtrArray) tasks = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < 64; i++)
    g_ptr_array_add (tasks, agent_actor_request (actor, "worker", NULL, NULL));
  test_drain (fixture);
  for (guint i = 0; i < tasks->len; i++)
    g_assert_true (agent_task_has_finished (tasks->pdata[i]));
}

/* --- Recorders --- */

/* Returns: (transfer none): as test_recorder_dup_task_ids(), valid until the next call. */
static inline const char *
test_recorder_text (TestRecorder *recorder)
{
  static char *text;

  g_free (text);
  text = test_recorder_dup_task_ids (recorder);
  return text;
}

/* A TestHandler that defers the first message, with its delivery in the user data, and handles all others at once. */
static inline void
test_keep_first (TestRecorder *recorder,
                 AgentMessage *message,
                 gpointer      user_data)
{
  AgentDelivery **delivery = user_data;

  if (*delivery == NULL)
    *delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
}

/* Subscribes "a", whose handler has deferred message 1. */
static inline TestRecorder *
test_subscribe_with_one_in_hand (TestFixture    *fixture,
                                 AgentDelivery **delivery)
{
  TestRecorder *a = test_recorder_subscribe (fixture, "a", test_keep_first, delivery);

  agent_bus_send (fixture->bus, test_data ("test", "a", 1));
  test_drain (fixture);
  g_assert_nonnull (*delivery);
  return a;
}

static inline void
test_run_in_thread (GThreadFunc func,
                    gpointer    data)
{
  g_thread_join (g_thread_new ("test", func, data));
}

/* A GThreadFunc. */
static inline gpointer
test_complete (gpointer delivery)
{
  agent_delivery_complete (delivery);
  return NULL;
}

/* --- Files --- */

/* Whether the source of a test program calls a function that sleeps; is_asleep() does not. The word is split, so that this
 * file is not found. */
static inline gboolean
test_file_sleeps (const char *file)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (file, &text, NULL, NULL));
  if (!g_regex_match_simple ("(?<!a)sle"
                             "ep ?\\(",
                             text,
                             0,
                             0))
    return FALSE;

  g_test_message ("%s sleeps", file);
  return TRUE;
}

G_END_DECLS
