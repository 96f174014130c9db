/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "base/agent-signal-queue-private.h"
#include "test-router.h"

/*
 * The signal queue alone: events are numbers, and the function of the queue writes them down. What matters is their order,
 * where they come, and that each is freed once, however the queue ends.
 */

#define BATCH_SIZE 256

typedef struct
{
  GMainContext     *context;
  GObject          *object; /* (nullable) */
  AgentSignalQueue *queue;
  GString          *told; /* "1 2 3" */
  guint             n_told;
  gboolean          closes; /* whether the function closes the queue */
  gboolean          adds;   /* whether the function adds an event */
} Queue;

static guint n_freed;

static void
event_freed (gpointer event)
{
  n_freed++;
}

static Queue *
queue_of (GObject *object)
{
  return g_object_get_data (object, "queue");
}

static void
queue_told (GObject *object,
            gpointer event)
{
  Queue *self = queue_of (object);

  g_assert_true (g_main_context_is_owner (self->context));
  g_string_append_printf (self->told, "%s%u", self->told->len > 0 ? " " : "", GPOINTER_TO_UINT (event));
  self->n_told++;
  if (self->closes)
    _agent_signal_queue_close (self->queue);
  if (self->adds)
    g_assert_true (_agent_signal_queue_add (self->queue, GUINT_TO_POINTER (self->n_told + 1)));
}

static void
queue_init (Queue        *self,
            GMainContext *context)
{
  *self = (Queue){ .context = context, .told = g_string_new (NULL) };
  self->object = g_object_new (G_TYPE_OBJECT, NULL);
  g_object_set_data (self->object, "queue", self);
  self->queue = _agent_signal_queue_new (self->object, context, "[test] signals", queue_told, event_freed);
  n_freed = 0;
}

static void
queue_clear (Queue *self)
{
  _agent_signal_queue_close (self->queue);
  _agent_signal_queue_unref (self->queue);
  g_clear_object (&self->object);
  g_string_free (self->told, TRUE);
}

static void
queue_add (Queue *self,
           guint  first,
           guint  last)
{
  for (guint i = first; i <= last; i++)
    g_assert_true (_agent_signal_queue_add (self->queue, GUINT_TO_POINTER (i)));
}

static void
test_in_order (TestFixture *f)
{
  Queue queue;

  queue_init (&queue, f->context);
  queue_add (&queue, 1, 3);
  g_assert_cmpuint (queue.n_told, ==, 0);
  test_drain (f);
  g_assert_cmpstr (queue.told->str, ==, "1 2 3");
  g_assert_cmpuint (n_freed, ==, 3);
  queue_add (&queue, 4, 4);
  test_drain (f);
  g_assert_cmpstr (queue.told->str, ==, "1 2 3 4");
  queue_clear (&queue);
}

/* A dispatch handles one batch: the other sources of the context are dispatched in between. */
static void
test_batches (TestFixture *f)
{
  Queue queue;

  queue_init (&queue, f->context);
  queue_add (&queue, 1, 2 * BATCH_SIZE + 1);
  test_iterate (f);
  g_assert_cmpuint (queue.n_told, ==, BATCH_SIZE);
  test_iterate (f);
  g_assert_cmpuint (queue.n_told, ==, 2 * BATCH_SIZE);
  test_drain (f);
  g_assert_cmpuint (queue.n_told, ==, 2 * BATCH_SIZE + 1);
  queue_clear (&queue);
}

/* An event that is added by a handler waits for the next dispatch. */
static void
test_added_by_handler (TestFixture *f)
{
  Queue queue;

  queue_init (&queue, f->context);
  queue.adds = TRUE;
  queue_add (&queue, 1, 1);
  test_iterate (f);
  g_assert_cmpstr (queue.told->str, ==, "1");
  test_iterate (f);
  g_assert_cmpstr (queue.told->str, ==, "1 2");
  queue.adds = FALSE;
  test_drain (f);
  g_assert_cmpstr (queue.told->str, ==, "1 2 3");
  queue_clear (&queue);
}

static void
test_closed_by_handler (TestFixture *f)
{
  Queue queue;

  queue_init (&queue, f->context);
  queue.closes = TRUE;
  queue_add (&queue, 1, 3);
  test_drain (f);
  g_assert_cmpstr (queue.told->str, ==, "1");
  g_assert_cmpuint (n_freed, ==, 3);
  g_assert_false (_agent_signal_queue_add (queue.queue, GUINT_TO_POINTER (4)));
  g_assert_false (_agent_signal_queue_add_always (queue.queue, GUINT_TO_POINTER (5)));
  g_assert_cmpuint (n_freed, ==, 5);
  queue_clear (&queue);
}

/* Without its object, the queue frees the events. */
static void
test_object_finalized (TestFixture *f)
{
  Queue queue;

  queue_init (&queue, f->context);
  queue_add (&queue, 1, 2);
  g_clear_object (&queue.object);
  g_assert_null (_agent_signal_queue_dup_object (queue.queue));
  test_drain (f);
  g_assert_cmpuint (queue.n_told, ==, 0);
  g_assert_cmpuint (n_freed, ==, 2);
  queue_clear (&queue);
}

/* A context that is not iterated gets AGENT_SIGNAL_QUEUE_MAX events, and no more until it is iterated. */
static void
test_asleep (TestFixture *f)
{
  Queue queue;

  test_clock_freeze ();
  queue_init (&queue, f->context);
  queue_add (&queue, 1, AGENT_SIGNAL_QUEUE_MAX + 1);
  g_assert_false (_agent_signal_queue_is_asleep (queue.queue));

  test_clock_advance (AGENT_SIGNAL_QUEUE_PATIENCE);
  g_assert_true (_agent_signal_queue_is_asleep (queue.queue));
  g_assert_false (_agent_signal_queue_add (queue.queue, GUINT_TO_POINTER (1)));
  g_assert_false (_agent_signal_queue_add (queue.queue, GUINT_TO_POINTER (1)));
  g_assert_true (_agent_signal_queue_add_always (queue.queue, GUINT_TO_POINTER (1)));
  g_assert_cmpuint (n_freed, ==, 2);

  test_iterate (f);
  test_expect_log (f, "[test] signals: 2 signals were not kept");
  g_assert_false (_agent_signal_queue_is_asleep (queue.queue));
  queue_add (&queue, 1, 1);
  test_drain (f);
  g_assert_cmpuint (queue.n_told, ==, AGENT_SIGNAL_QUEUE_MAX + 3);
  g_assert_false (_agent_signal_queue_is_asleep (queue.queue));
  queue_clear (&queue);
}

/* A long time is no sleep if nothing waits, and neither is a long queue of a context that is iterated. */
static void
test_awake (TestFixture *f)
{
  Queue queue;

  test_clock_freeze ();
  queue_init (&queue, f->context);
  test_clock_advance (2 * AGENT_SIGNAL_QUEUE_PATIENCE);
  g_assert_false (_agent_signal_queue_is_asleep (queue.queue));
  queue_add (&queue, 1, AGENT_SIGNAL_QUEUE_MAX + BATCH_SIZE);
  for (guint i = 0; i < 3; i++)
    {
      test_clock_advance (AGENT_SIGNAL_QUEUE_PATIENCE - 1);
      test_iterate (f);
      queue_add (&queue, 1, BATCH_SIZE);
    }
  test_drain (f);
  queue_clear (&queue);
}

/* --- Another thread --- */

static gpointer
add_in_thread (gpointer queue)
{
  queue_add (queue, 1, 3);
  return NULL;
}

static void
test_added_in_another_thread (TestFixture *f)
{
  Queue queue;

  queue_init (&queue, f->context);
  test_run_in_thread (add_in_thread, &queue);
  while (queue.n_told < 3)
    g_main_context_iteration (f->context, TRUE);
  g_assert_cmpstr (queue.told->str, ==, "1 2 3");
  queue_clear (&queue);
}

int
main (int argc, char *argv[])
{
  test_init (&argc, &argv);

  test_add ("/agentbus/signal-queue/in-order", test_in_order);
  test_add ("/agentbus/signal-queue/batches", test_batches);
  test_add ("/agentbus/signal-queue/added-by-handler", test_added_by_handler);
  test_add ("/agentbus/signal-queue/closed-by-handler", test_closed_by_handler);
  test_add ("/agentbus/signal-queue/object-finalized", test_object_finalized);
  test_add ("/agentbus/signal-queue/asleep", test_asleep);
  test_add ("/agentbus/signal-queue/awake", test_awake);
  test_add ("/agentbus/signal-queue/added-in-another-thread", test_added_in_another_thread);

  return g_test_run ();
}
