/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-yielding-source-private.h"
#include "test-router.h"

/*
 * The yielding source alone: in which iteration its callback is called, beside other sources of the context. Some of them
 * are always ready, and so take each iteration at their priority.
 */

typedef enum
{
  THEN_REST,
  THEN_BE_URGENT,
  THEN_BE_POLITE,
  THEN_ITERATE, /* iterates the context, and then rests */
} Then;

typedef struct
{
  GMainContext        *context;
  GMutex               lock;   /* the lock of the owner */
  AgentYieldingSource *source; /* (nullable) */
  guint                n_calls;
  guint                n_destroyed;
  guint                depth;
  guint                max_depth;
  Then                 then;     /* what the callback does at its end */
  gboolean             has_work; /* what nested() returns */
} Source;

static void
source_called (gpointer data)
{
  Source *self = data;
  Then    then = self->then;

  g_assert_true (g_main_context_is_owner (self->context));
  self->n_calls++;
  self->depth++;
  self->max_depth = MAX (self->max_depth, self->depth);
  self->then = THEN_REST;
  g_mutex_lock (&self->lock);
  _agent_yielding_source_begin (self->source);
  g_mutex_unlock (&self->lock);
  if (then == THEN_ITERATE)
    g_main_context_iteration (self->context, FALSE);

  g_mutex_lock (&self->lock);
  if (then == THEN_BE_URGENT)
    _agent_yielding_source_be_urgent (self->source);
  else if (then == THEN_BE_POLITE)
    _agent_yielding_source_be_polite (self->source);
  else
    _agent_yielding_source_rest (self->source);
  g_mutex_unlock (&self->lock);
  self->depth--;
}

static gboolean
source_nested (gpointer data)
{
  return ((Source *) data)->has_work;
}

static void
source_destroyed (gpointer data)
{
  ((Source *) data)->n_destroyed++;
}

static void
source_init (Source             *self,
             GMainContext       *context,
             AgentYieldingNested nested)
{
  *self = (Source){ .context = context };
  g_mutex_init (&self->lock);
  self->source =
      _agent_yielding_source_new (context, "[test] yielding", G_PRIORITY_DEFAULT, source_called, nested, NULL, self, source_destroyed);
}

static void
source_clear (Source *self)
{
  g_clear_pointer (&self->source, _agent_yielding_source_free);
  g_mutex_clear (&self->lock);
  g_assert_cmpuint (self->n_destroyed, ==, 1);
}

static gboolean
busy_called (gpointer n_calls)
{
  (*(guint *) n_calls)++;
  return G_SOURCE_CONTINUE;
}

/* A source that is always ready. */
static GSource *
add_busy (GMainContext *context,
          gint          priority,
          guint        *n_calls)
{
  GSource *source = g_idle_source_new ();

  g_source_set_priority (source, priority);
  g_source_set_callback (source, busy_called, n_calls, NULL);
  g_source_attach (source, context);
  return source;
}

static void
remove_busy (GSource *source)
{
  g_source_destroy (source);
  g_source_unref (source);
}

static void
test_at_rest (TestFixture *f)
{
  Source source;

  source_init (&source, f->context, NULL);
  g_assert_false (g_main_context_iteration (f->context, FALSE));
  g_assert_cmpint (test_get_timeout (f->context), ==, -1);
  source_clear (&source);
}

/* An urgent source comes before an idle source that is always ready, until it rests. */
static void
test_urgent (TestFixture *f)
{
  guint    n_busy = 0;
  GSource *busy = add_busy (f->context, G_PRIORITY_DEFAULT_IDLE, &n_busy);
  Source   source;

  source_init (&source, f->context, NULL);
  source.then = THEN_BE_URGENT;
  _agent_yielding_source_be_urgent (source.source);
  test_iterate (f);
  test_iterate (f);
  g_assert_cmpuint (source.n_calls, ==, 2);
  g_assert_cmpuint (n_busy, ==, 0);
  test_iterate (f);
  g_assert_cmpuint (source.n_calls, ==, 2);
  g_assert_cmpuint (n_busy, ==, 1);
  remove_busy (busy);
  source_clear (&source);
}

/* A polite source leaves one iteration to something that is more urgent, and then takes one. */
static void
test_polite (TestFixture *f)
{
  guint    n_busy = 0;
  GSource *busy = add_busy (f->context, G_PRIORITY_HIGH_IDLE, &n_busy);
  Source   source;

  source_init (&source, f->context, NULL);
  for (guint i = 1; i <= 3; i++)
    {
      source.then = THEN_REST;
      _agent_yielding_source_be_polite (source.source);
      test_iterate (f);
      g_assert_cmpuint (source.n_calls, ==, i - 1);
      g_assert_cmpuint (n_busy, ==, i);
      test_iterate (f);
      g_assert_cmpuint (source.n_calls, ==, i);
      g_assert_cmpuint (n_busy, ==, i);
    }
  remove_busy (busy);
  source_clear (&source);
}

/* With nothing more urgent in the context, it is dispatched in each iteration. */
static void
test_polite_alone (TestFixture *f)
{
  Source source;

  source_init (&source, f->context, NULL);
  _agent_yielding_source_be_polite (source.source);
  for (guint i = 1; i <= 3; i++)
    {
      source.then = THEN_BE_POLITE;
      g_assert_true (g_main_context_iteration (f->context, FALSE));
      g_assert_cmpuint (source.n_calls, ==, i);
    }
  test_drain (f);
  g_assert_cmpuint (source.n_calls, ==, 4);
  source_clear (&source);
}

/* A polite source that becomes urgent is called once, not once for each GSource. */
static void
test_polite_then_urgent (TestFixture *f)
{
  Source source;

  source_init (&source, f->context, NULL);
  _agent_yielding_source_be_polite (source.source);
  _agent_yielding_source_be_urgent (source.source);
  test_drain (f);
  g_assert_cmpuint (source.n_calls, ==, 1);
  source_clear (&source);
}

static void
test_rest_takes_back (TestFixture *f)
{
  Source source;

  source_init (&source, f->context, NULL);
  _agent_yielding_source_be_polite (source.source);
  _agent_yielding_source_rest (source.source);
  _agent_yielding_source_be_urgent (source.source);
  _agent_yielding_source_rest (source.source);
  g_assert_false (g_main_context_iteration (f->context, FALSE));
  g_assert_cmpuint (source.n_calls, ==, 0);
  source_clear (&source);
}

/* --- The application iterates the context from within the callback --- */

static guint
call_and_iterate (TestFixture        *f,
                  AgentYieldingNested nested,
                  gboolean            has_work)
{
  Source source;

  source_init (&source, f->context, nested);
  source.has_work = has_work;
  source.then = THEN_ITERATE;
  _agent_yielding_source_be_urgent (source.source);
  test_iterate (f);
  test_drain (f);
  source_clear (&source);
  g_assert_cmpuint (source.n_calls, ==, source.max_depth);
  return source.max_depth;
}

static void
test_nested (TestFixture *f)
{
  g_assert_cmpuint (call_and_iterate (f, NULL, TRUE), ==, 1);
  g_assert_cmpuint (call_and_iterate (f, source_nested, FALSE), ==, 1);
  g_assert_cmpuint (call_and_iterate (f, source_nested, TRUE), ==, 2);
}

/* --- Another thread --- */

static gpointer
be_urgent_in_thread (gpointer data)
{
  Source *self = data;

  g_mutex_lock (&self->lock);
  _agent_yielding_source_be_urgent (self->source);
  g_mutex_unlock (&self->lock);
  return NULL;
}

static gpointer
be_polite_in_thread (gpointer data)
{
  Source *self = data;

  g_mutex_lock (&self->lock);
  _agent_yielding_source_be_polite (self->source);
  g_mutex_unlock (&self->lock);
  return NULL;
}

/* Both wake the context up. */
static void
test_another_thread (TestFixture *f)
{
  GThreadFunc funcs[] = { be_urgent_in_thread, be_polite_in_thread };
  Source      source;

  source_init (&source, f->context, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (funcs); i++)
    {
      GThread *thread = g_thread_new ("test", funcs[i], &source);

      while (source.n_calls <= i)
        g_main_context_iteration (f->context, TRUE);
      g_thread_join (thread);
      test_drain (f);
      g_assert_cmpuint (source.n_calls, ==, i + 1);
    }
  source_clear (&source);
}

int
main (int argc, char *argv[])
{
  test_init (&argc, &argv);

  test_add ("/agentbus/yielding-source/at-rest", test_at_rest);
  test_add ("/agentbus/yielding-source/urgent", test_urgent);
  test_add ("/agentbus/yielding-source/polite", test_polite);
  test_add ("/agentbus/yielding-source/polite-alone", test_polite_alone);
  test_add ("/agentbus/yielding-source/polite-then-urgent", test_polite_then_urgent);
  test_add ("/agentbus/yielding-source/rest-takes-back", test_rest_takes_back);
  test_add ("/agentbus/yielding-source/nested", test_nested);
  test_add ("/agentbus/yielding-source/another-thread", test_another_thread);

  return g_test_run ();
}
