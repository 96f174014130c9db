/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "test-tools.h"

/*
 * How much of a context's time the library takes when there is more to deliver than there is time for.
 */

static gboolean
count_dispatch (gpointer user_data)
{
  (*(guint *) user_data)++;
  return G_SOURCE_CONTINUE;
}

/* A source that is always ready. */
static GSource *
add_idle (GMainContext *context,
          gint          priority,
          guint        *n_dispatched)
{
  GSource *source = g_idle_source_new ();

  g_source_set_priority (source, priority);
  g_source_set_callback (source, count_dispatch, n_dispatched, NULL);
  g_source_attach (source, context);
  return source;
}

static void
remove_source (GSource *source)
{
  g_source_destroy (source);
  g_source_unref (source);
}

static TestRecorder *
subscribe_in (AgentBus     *bus,
              GMainContext *context,
              const char   *name,
              TestHandler   handler,
              gpointer      user_data)
{
  TestRecorder *recorder = test_recorder_new_full (
      handler, user_data, "name", name, "main-context", context, "capacity", 10000, NULL);
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (bus, AGENT_SUBSCRIBER (recorder), &error);
  g_assert_no_error (error);
  return recorder;
}

static GPtrArray *
subscribe_many (AgentBus     *bus,
                GMainContext *context,
                guint         n)
{
  GPtrArray *recorders = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < n; i++)
    {
      char name[16];

      g_snprintf (name, sizeof name, "many-%u", i);
      g_ptr_array_add (recorders, subscribe_in (bus, context, name, NULL, NULL));
    }

  return recorders;
}

static guint
count_all (GPtrArray *recorders)
{
  guint n = 0;

  for (guint i = 0; i < recorders->len; i++)
    n += test_recorder_count (recorders->pdata[i]);

  return n;
}

/* --- Bounded dispatches --- */

static void
test_dispatch_is_bounded_in_messages (TestFixture *f)
{
  g_autoptr (GPtrArray) recorders = subscribe_many (f->bus, f->context, 10);
  guint n_before = 0;

  test_clock_freeze ();
  for (guint i = 0; i < 100; i++)
    agent_bus_send (f->bus, test_data ("test", NULL, i));
  for (guint i = 0; i < 1000; i++)
    agent_bus_send (f->bus, test_cancel ("test", "many-0"));

  while (n_before < 2000)
    {
      guint n;

      test_iterate (f);
      n = count_all (recorders);
      g_assert_cmpuint (n - n_before, <=, 256);
      g_assert_cmpuint (n - n_before, >, 0);
      n_before = n;
    }
}

static void
take_time (TestRecorder *recorder,
           AgentMessage *message,
           gpointer      user_data)
{
  test_clock_advance (GPOINTER_TO_INT (user_data));
}

static void
test_dispatch_is_bounded_in_time (TestFixture *f)
{
  g_autoptr (TestRecorder) a =
      subscribe_in (f->bus, f->context, "a", take_time, GINT_TO_POINTER (100));
  guint n_before = 0;

  test_clock_freeze ();
  for (guint i = 0; i < 50; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  for (guint i = 0; i < 50; i++)
    agent_bus_send (f->bus, test_cancel ("test", "a"));

  while (n_before < 100)
    {
      test_iterate (f);
      g_assert_cmpuint (test_recorder_count (a) - n_before, <=, 10);
      g_assert_cmpuint (test_recorder_count (a), >, n_before);
      n_before = test_recorder_count (a);
    }
}

/* One message after which the time is over ends the dispatch, also when those before it took none. */
static void
test_slow_after_quick (TestFixture *f)
{
  g_autoptr (TestRecorder) quick = subscribe_in (f->bus, f->context, "quick", NULL, NULL);
  g_autoptr (TestRecorder) slow =
      subscribe_in (f->bus, f->context, "slow", take_time, GINT_TO_POINTER (5000));

  test_clock_freeze ();
  for (guint i = 0; i < 20; i++)
    agent_bus_send (f->bus, test_data ("test", "quick", i));
  for (guint i = 0; i < 20; i++)
    agent_bus_send (f->bus, test_data ("test", "slow", i));

  test_iterate (f);
  g_assert_cmpuint (test_recorder_count (slow), <=, 1);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (slow), ==, 20);
}

/* Messages that nobody gets take their time as well. */
static void
test_expired_messages_count (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_in (f->bus, f->context, "a", NULL, NULL);
  guint64 n_before = 0;

  test_clock_freeze ();
  for (guint i = 0; i < 1000; i++)
    {
      AgentMessage *message = test_data ("test", "a", i);

      agent_message_set_ttl (message, 1);
      agent_bus_send (f->bus, message);
    }
  test_clock_advance (2000);

  while (n_before < 1000)
    {
      guint64 n;

      test_iterate (f);
      n = test_ledger (f->bus).dropped[AGENT_DROP_REASON_EXPIRED];
      g_assert_cmpuint (n - n_before, <=, 256);
      n_before = n;
    }
}

/* --- Under a flood --- */

/* Sends two for each one it gets: the channel is always full. */
static void
multiply (TestRecorder *recorder,
          AgentMessage *message,
          gpointer      user_data)
{
  TestFixture *f = user_data;
  const char  *name = agent_subscriber_get_name (AGENT_SUBSCRIBER (recorder));

  g_ptr_array_set_size (recorder->messages, 1);
  for (guint i = 0; i < 2; i++)
    agent_bus_send (f->bus, test_data ("test", name, 1));
}

static TestRecorder *
begin_flood (TestFixture *f)
{
  TestRecorder *flooded = test_recorder_subscribe (f, "flooded", multiply, f);

  agent_bus_send (f->bus, test_data ("test", "flooded", 1));
  for (guint i = 0; i < 20; i++)
    test_iterate (f);
  g_assert_cmpuint (agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (flooded)), >=, 200);
  return flooded;
}

/* Ends what would never drain. */
static void
end_flood (TestFixture  *f,
           TestRecorder *flooded)
{
  flooded->handler = NULL;
  test_drain (f);
  test_assert_balanced (f->bus);
  g_string_truncate (f->log, 0); /* it was full */
}

/* What the library does between two ticks of a timer that is always due. */
typedef struct
{
  AgentSubscriber *flooded;
  guint            n_ticks;
  guint64          n_delivered; /* at the last tick */
  gint64           time;        /* by the frozen clock */
  guint64          most_delivered;
  gint64           most_time;
} Ticks;

static gboolean
on_tick (gpointer user_data)
{
  Ticks  *self = user_data;
  guint64 n_delivered = agent_subscriber_get_n_delivered (self->flooded);
  gint64  time = _agent_clock_now ();

  self->n_ticks++;
  self->most_delivered = MAX (self->most_delivered, n_delivered - self->n_delivered);
  self->most_time = MAX (self->most_time, time - self->time);
  self->n_delivered = n_delivered;
  self->time = time;
  return G_SOURCE_CONTINUE;
}

static Ticks
count_ticks (TestFixture  *f,
             TestRecorder *flooded)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (flooded);
  GSource         *timer = g_timeout_source_new (0);
  Ticks            ticks = {
               subscriber, 0, agent_subscriber_get_n_delivered (subscriber), _agent_clock_now (), 0, 0
  };

  g_source_set_callback (timer, on_tick, &ticks, NULL);
  g_source_attach (timer, f->context);
  while (ticks.n_ticks < 100)
    test_iterate (f);
  remove_source (timer);
  return ticks;
}

/* As if each message took 100 µs. */
static void
multiply_slowly (TestRecorder *recorder,
                 AgentMessage *message,
                 gpointer      user_data)
{
  multiply (recorder, message, user_data);
  test_clock_advance (100);
}

/* A timer waits for one dispatch at the most, which is bounded in messages and in time. */
static void
test_timers_under_a_flood (TestFixture *f)
{
  g_autoptr (TestRecorder) flooded = NULL;
  Ticks ticks;

  test_clock_freeze ();
  flooded = begin_flood (f);
  ticks = count_ticks (f, flooded);
  g_assert_cmpuint (ticks.most_delivered, >, 0);
  g_assert_cmpuint (ticks.most_delivered, <=, 256);

  flooded->handler = multiply_slowly;
  test_iterate (f);
  ticks = count_ticks (f, flooded);
  g_assert_cmpint (ticks.most_time, >, 0);
  g_assert_cmpint (ticks.most_time, <=, 1000);

  end_flood (f, flooded);
}

/* The priority at which GTK draws. The flood goes on, and still each frame is drawn within a few iterations. */
static void
check_redraw (TestFixture  *f,
              TestRecorder *flooded)
{
  guint   n_drawn = 0;
  guint64 n_before = agent_subscriber_get_n_delivered (AGENT_SUBSCRIBER (flooded));

  for (guint i = 0; i < 50; i++)
    {
      GSource *redraw = add_idle (f->context, G_PRIORITY_HIGH_IDLE + 20, &n_drawn);

      n_drawn = 0;
      for (guint n = 0; n < 5; n++)
        test_iterate (f);
      g_assert_cmpuint (n_drawn, >, 0);
      remove_source (redraw);
      test_iterate (f);
    }

  g_assert_cmpuint (agent_subscriber_get_n_delivered (AGENT_SUBSCRIBER (flooded)), >, n_before);
}

static void
test_redraw_under_a_flood (TestFixture *f)
{
  g_autoptr (TestRecorder) flooded = begin_flood (f);

  check_redraw (f, flooded);
  end_flood (f, flooded);
}

static void
multiply_and_tell (TestRecorder *recorder,
                   AgentMessage *message,
                   gpointer      user_data)
{
  TestFixture *f = user_data;

  multiply (recorder, message, user_data);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_clock_advance (1000);
}

/* When the time of a dispatch is over, somebody else has just got a message that the dispatch has not seen yet. */
static void
test_redraw_under_a_flood_for_two (TestFixture *f)
{
  g_autoptr (TestRecorder) flooded = begin_flood (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  flooded->handler = multiply_and_tell;
  check_redraw (f, flooded);
  end_flood (f, flooded);
}

static gboolean
give_up (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

/* The other way round: a source of the application that is always ready, such as a busy socket, does not keep
 * the bus from delivering, and least of all its system messages. The seconds are for a library that fails. */
static void
test_busy_application_under_a_flood (TestFixture *f)
{
  g_autoptr (TestRecorder) flooded = begin_flood (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  guint    n_dispatched = 0;
  gboolean gave_up = FALSE;
  GSource *busy = add_idle (f->context, G_PRIORITY_DEFAULT, &n_dispatched);
  GSource *timer = g_timeout_source_new_seconds (3);

  g_source_set_callback (timer, give_up, &gave_up, NULL);
  g_source_attach (timer, f->context);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  while (test_recorder_count (a) < 2 && !gave_up)
    test_iterate (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 2);

  remove_source (busy);
  remove_source (timer);
  end_flood (f, flooded);
}

/* Somebody sends faster than is handled, so that there are drops to tell at every iteration: to tell them does not
 * keep the bus from delivering. */
static void
test_drops_under_a_flood (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  for (guint i = 0; i < 100; i++)
    {
      for (guint n = 0; n < 300; n++)
        agent_bus_send (f->bus, test_data ("test", "a", n));
      test_iterate (f);
    }
  g_assert_cmpuint (test_recorder_count (a), >=, 2000);
  g_assert_cmpuint (f->n_dropped_emissions, >=, 20);

  end_flood (f, a);
}

static void
count_subscribed (AgentBus        *bus,
                  AgentSubscriber *subscriber,
                  gpointer         user_data)
{
  (*(guint *) user_data)++;
}

/* The bus has to tell more than there is time for: an iteration has its share of it, and before each share comes what
 * is drawn. */
static void
test_redraw_between_signals (TestFixture *f)
{
  g_autoptr (GPtrArray) recorders = NULL;
  guint    n_told = 0;
  guint    n_drawn = 0;
  gulong   id = g_signal_connect (f->bus, "subscribed", G_CALLBACK (count_subscribed), &n_told);
  GSource *redraw = add_idle (f->context, G_PRIORITY_HIGH_IDLE + 20, &n_drawn);

  recorders = subscribe_many (f->bus, f->context, 1000);
  while (n_told < recorders->len)
    {
      guint n_before = n_told;

      test_iterate (f);
      g_assert_cmpuint (n_told - n_before, <=, 256);
      if (n_told == n_before)
        continue;

      g_assert_cmpuint (n_drawn, >, 0);
      n_drawn = 0;
    }

  g_signal_handler_disconnect (f->bus, id);
  remove_source (redraw);
}

/* Once it has caught up, messages come before everything that is idle again. */
static void
test_priority_after_a_flood (TestFixture *f)
{
  g_autoptr (TestRecorder) flooded = begin_flood (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  guint    n_idle = 0;
  GSource *idle;

  end_flood (f, flooded);
  idle = add_idle (f->context, G_PRIORITY_HIGH_IDLE, &n_idle);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_iterate (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 1);
  g_assert_cmpuint (n_idle, ==, 0);
  remove_source (idle);
}

static void
test_neighbours_under_a_flood (TestFixture *f)
{
  g_autoptr (TestRecorder) flooded = begin_flood (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  for (guint i = 0; i < 10; i++)
    {
      agent_bus_send (f->bus, test_data ("test", "a", i));
      for (guint n = 0; n < 4; n++)
        test_iterate (f);
      g_assert_cmpuint (test_recorder_count (a), ==, i + 1);
    }

  end_flood (f, flooded);
}

typedef struct
{
  TestRecorder *busy;
  guint         n_of_busy;
} Neighbour;

static void
look_at_busy (TestRecorder *recorder,
              AgentMessage *message,
              gpointer      user_data)
{
  Neighbour *self = user_data;

  self->n_of_busy = test_recorder_count (self->busy);
}

/* Also within a dispatch, nobody waits for all the messages of somebody else. */
static void
test_neighbours_take_turns (TestFixture *f)
{
  g_autoptr (TestRecorder) busy = subscribe_in (f->bus, f->context, "busy", NULL, NULL);
  Neighbour neighbour = { busy, G_MAXUINT };
  g_autoptr (TestRecorder) a = subscribe_in (f->bus, f->context, "a", look_at_busy, &neighbour);

  test_clock_freeze ();
  for (guint i = 0; i < 200; i++)
    agent_bus_send (f->bus, test_data ("test", "busy", i));
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_cmpuint (neighbour.n_of_busy, <=, 100);
  g_assert_cmpuint (test_recorder_count (busy), ==, 200);
}

typedef struct
{
  gint64 due;
  gint64 worst;
  guint  n_fired;
} Frames;

#define FRAME 16000 /* µs */

static gboolean
on_frame (gpointer user_data)
{
  Frames *self = user_data;
  gint64  now = g_get_monotonic_time ();

  self->worst = MAX (self->worst, now - self->due);
  self->due = now + FRAME;
  self->n_fired++;
  g_source_set_ready_time (g_main_current_source (), self->due);
  return G_SOURCE_CONTINUE;
}

static gboolean
dispatch_callback (GSource    *source,
                   GSourceFunc callback,
                   gpointer    user_data)
{
  return callback (user_data);
}

static GSourceFuncs frame_funcs = { .dispatch = dispatch_callback };

/* 10 000 subscribers, one of them flooded: each iteration that begins when a frame is due draws it. */
static void
test_ten_thousand_subscribers (TestFixture *f)
{
  g_autoptr (GPtrArray) recorders = subscribe_many (f->bus, f->context, 10000);
  g_autoptr (TestRecorder) flooded = begin_flood (f);
  Frames   frames = { .due = g_get_monotonic_time () };
  GSource *clock = g_source_new (&frame_funcs, sizeof (GSource));

  g_source_set_callback (clock, on_frame, &frames, NULL);
  g_source_set_ready_time (clock, frames.due);
  g_source_attach (clock, f->context);
  while (frames.n_fired < 5)
    {
      gboolean is_due = g_get_monotonic_time () > frames.due;
      guint    n_before = frames.n_fired;

      test_iterate (f);
      if (is_due)
        g_assert_cmpuint (frames.n_fired, ==, n_before + 1);
    }
  g_test_minimized_result (frames.worst, "Worst lateness of a frame: %" G_GINT64_FORMAT " µs", frames.worst);

  remove_source (clock);
  end_flood (f, flooded);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/flood/" name, func)
  ADD ("dispatch-is-bounded-in-messages", test_dispatch_is_bounded_in_messages);
  ADD ("dispatch-is-bounded-in-time", test_dispatch_is_bounded_in_time);
  ADD ("slow-after-quick", test_slow_after_quick);
  ADD ("expired-messages-count", test_expired_messages_count);
  ADD ("timers-under-a-flood", test_timers_under_a_flood);
  ADD ("redraw-under-a-flood", test_redraw_under_a_flood);
  ADD ("redraw-under-a-flood-for-two", test_redraw_under_a_flood_for_two);
  ADD ("busy-application-under-a-flood", test_busy_application_under_a_flood);
  ADD ("drops-under-a-flood", test_drops_under_a_flood);
  ADD ("redraw-between-signals", test_redraw_between_signals);
  ADD ("priority-after-a-flood", test_priority_after_a_flood);
  ADD ("neighbours-under-a-flood", test_neighbours_under_a_flood);
  ADD ("neighbours-take-turns", test_neighbours_take_turns);
  ADD ("ten-thousand-subscribers", test_ten_thousand_subscribers);
#undef ADD

  return g_test_run ();
}
