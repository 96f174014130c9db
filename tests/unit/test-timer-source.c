/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "base/agent-timer-source-private.h"
#include "test-router.h"

/*
 * The timer alone: when its function is called, in which context, and when its destroy notify is. The library's clock
 * stands still in these cases; the last one takes the real clock, and a time that has passed.
 */

typedef struct
{
  GMainContext     *context;
  AgentTimerSource *timer; /* (nullable) */
  gint64            now;   /* what the function was told last */
  guint             n_calls;
  guint             n_destroyed;
  gint64            next;  /* what the function sets, -1 for none */
  gboolean          frees; /* whether the function frees the timer */
} Timer;

static void
timer_called (gpointer data,
              gint64   now)
{
  Timer *self = data;

  g_assert_true (g_main_context_is_owner (self->context));
  g_assert_cmpuint (self->n_destroyed, ==, 0);
  self->n_calls++;
  self->now = now;
  if (!self->frees)
    {
      _agent_timer_source_set_time (self->timer, self->next);
      return;
    }

  g_clear_pointer (&self->timer, _agent_timer_source_free);
  g_assert_cmpuint (self->n_destroyed, ==, 0);
}

static void
timer_destroyed (gpointer data)
{
  ((Timer *) data)->n_destroyed++;
}

static void
timer_init (Timer        *self,
            GMainContext *context)
{
  *self = (Timer){ .context = context, .next = -1 };
  self->timer = _agent_timer_source_new (context, "[test] timer", timer_called, self, timer_destroyed);
}

static void
timer_clear (Timer *self)
{
  g_clear_pointer (&self->timer, _agent_timer_source_free);
  g_assert_cmpuint (self->n_destroyed, ==, 1);
}

static void
test_no_time (TestFixture *f)
{
  Timer timer;

  test_clock_freeze ();
  timer_init (&timer, f->context);
  test_pass (f, 1000);
  g_assert_cmpuint (timer.n_calls, ==, 0);
  timer_clear (&timer);
}

static void
test_at_its_time (TestFixture *f)
{
  Timer  timer;
  gint64 start;

  test_clock_freeze ();
  start = _agent_clock_now ();
  timer_init (&timer, f->context);
  _agent_timer_source_set_time (timer.timer, start + 2000);
  test_pass (f, 1);
  g_assert_cmpuint (timer.n_calls, ==, 0);
  test_pass (f, 1);
  g_assert_cmpuint (timer.n_calls, ==, 1);
  g_assert_cmpint (timer.now, ==, start + 2000);
  test_pass (f, 1000);
  g_assert_cmpuint (timer.n_calls, ==, 1);
  timer_clear (&timer);
}

/* The time may be moved, in both directions, and taken back. */
static void
test_moved (TestFixture *f)
{
  Timer  timer;
  gint64 start;

  test_clock_freeze ();
  start = _agent_clock_now ();
  timer_init (&timer, f->context);
  _agent_timer_source_set_time (timer.timer, start + 1000);
  _agent_timer_source_set_time (timer.timer, start + 3000);
  test_pass (f, 2);
  g_assert_cmpuint (timer.n_calls, ==, 0);

  _agent_timer_source_set_time (timer.timer, start + 1000);
  test_drain (f);
  g_assert_cmpuint (timer.n_calls, ==, 1);

  _agent_timer_source_set_time (timer.timer, start);
  _agent_timer_source_set_time (timer.timer, -1);
  test_drain (f);
  g_assert_cmpuint (timer.n_calls, ==, 1);
  timer_clear (&timer);
}

/* The time may be taken back between the moment when the context finds the timer ready and its dispatch. */
static void
test_moved_before_dispatch (TestFixture *f)
{
  Timer   timer;
  GPollFD fds[4];
  gint    priority;
  gint    timeout;

  test_clock_freeze ();
  timer_init (&timer, f->context);
  _agent_timer_source_set_time (timer.timer, _agent_clock_now ());
  g_assert_true (g_main_context_prepare (f->context, &priority));
  g_main_context_query (f->context, priority, &timeout, fds, G_N_ELEMENTS (fds));
  g_assert_true (g_main_context_check (f->context, priority, NULL, 0));
  _agent_timer_source_set_time (timer.timer, -1);
  g_main_context_dispatch (f->context);
  g_assert_cmpuint (timer.n_calls, ==, 0);
  timer_clear (&timer);
}

/* As long as the time is not in the future, each iteration calls the function once. */
static void
test_called_again (TestFixture *f)
{
  Timer timer;

  test_clock_freeze ();
  timer_init (&timer, f->context);
  timer.next = _agent_clock_now ();
  _agent_timer_source_set_time (timer.timer, timer.next);
  for (guint i = 1; i <= 3; i++)
    {
      test_iterate (f);
      g_assert_cmpuint (timer.n_calls, ==, i);
    }

  timer.next++;
  test_drain (f);
  g_assert_cmpuint (timer.n_calls, ==, 4);
  timer_clear (&timer);
}

static void
test_freed_by_its_function (TestFixture *f)
{
  Timer timer;

  test_clock_freeze ();
  timer_init (&timer, f->context);
  timer.frees = TRUE;
  _agent_timer_source_set_time (timer.timer, _agent_clock_now ());
  test_drain (f);
  g_assert_cmpuint (timer.n_calls, ==, 1);
  g_assert_cmpuint (timer.n_destroyed, ==, 1);
}

/* The timer keeps its context, which may have no other reference. */
static void
test_keeps_context (TestFixture *f)
{
  GMainContext *context = g_main_context_new ();
  Timer         timer;

  test_clock_freeze ();
  timer_init (&timer, context);
  g_main_context_unref (context);
  _agent_timer_source_set_time (timer.timer, _agent_clock_now ());
  test_iterate_all (context);
  g_assert_cmpuint (timer.n_calls, ==, 1);
  timer_clear (&timer);
}

/* --- Another thread --- */

static gpointer
set_time_in_thread (gpointer data)
{
  _agent_timer_source_set_time (data, _agent_clock_now ());
  return NULL;
}

static void
test_set_in_another_thread (TestFixture *f)
{
  Timer timer;

  timer_init (&timer, f->context);
  test_run_in_thread (set_time_in_thread, timer.timer);
  while (timer.n_calls == 0)
    g_main_context_iteration (f->context, TRUE);
  test_drain (f);
  g_assert_cmpuint (timer.n_calls, ==, 1);
  timer_clear (&timer);
}

int
main (int argc, char *argv[])
{
  test_init (&argc, &argv);

  test_add ("/agentbus/timer-source/no-time", test_no_time);
  test_add ("/agentbus/timer-source/at-its-time", test_at_its_time);
  test_add ("/agentbus/timer-source/moved", test_moved);
  test_add ("/agentbus/timer-source/moved-before-dispatch", test_moved_before_dispatch);
  test_add ("/agentbus/timer-source/called-again", test_called_again);
  test_add ("/agentbus/timer-source/freed-by-its-function", test_freed_by_its_function);
  test_add ("/agentbus/timer-source/keeps-context", test_keeps_context);
  test_add ("/agentbus/timer-source/set-in-another-thread", test_set_in_another_thread);

  return g_test_run ();
}
