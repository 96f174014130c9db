/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The dispatcher: how fast, how late, how large, and what becomes of messages that cannot go at once. Routers and the
 * dispatcher's own context are in one thread; the main thread dispatches. Messages are made inside the timed loop; where
 * their order counts, it is that of their sequence numbers. */

#include "config.h"

#include <stdatomic.h>
#include <sys/resource.h>

#include "bench-harness.h"

#define STEP 100    /* µs */
#define PADDING 128 /* so that no two counters share a cache line */
#define ROOM (1u << 21)

/* --- A router that remembers a little --- */

#define ROUTER_TYPE (router_get_type ())
G_DECLARE_FINAL_TYPE (Router, router, BENCH, ROUTER, AgentSubscriber)

struct _Router
{
  AgentSubscriber parent_instance;
  guint64        *seqs;  /* (nullable) of the messages, in the order they came */
  double         *times; /* (nullable) when, by the number in the actor's id */
  char            before[PADDING];
  _Atomic guint64 n;
  char            after[PADDING];
};

G_DEFINE_FINAL_TYPE (Router, router, AGENT_TYPE_SUBSCRIBER)

static guint
get_number (AgentMessage *message)
{
  return (guint) g_ascii_strtoull (strrchr (agent_message_get_target (message), '-') + 1, NULL, 10);
}

static void
router_message (AgentSubscriber *subscriber,
                AgentMessage    *message)
{
  Router *self = (Router *) subscriber;
  guint64 n = atomic_load_explicit (&self->n, memory_order_relaxed);

  if (self->seqs != NULL)
    self->seqs[n] = agent_message_get_seq (message);
  if (self->times != NULL)
    self->times[get_number (message)] = bench_now ();
  atomic_store_explicit (&self->n, n + 1, memory_order_release);
}

static void
router_finalize (GObject *object)
{
  Router *self = (Router *) object;

  g_free (self->seqs);
  g_free (self->times);
  G_OBJECT_CLASS (router_parent_class)->finalize (object);
}

static void
router_class_init (RouterClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = router_finalize;
  AGENT_SUBSCRIBER_CLASS (klass)->message = router_message;
}

static void
router_init (Router *self)
{
}

/* --- A dispatcher with routers --- */

typedef struct
{
  BenchThread           *thread;
  AgentBus              *bus;
  AgentRouteTable       *routes;
  AgentRouterDispatcher *dispatcher;
  GPtrArray             *routers;
  char                 **actors;
  guint64                wanted;
  _Atomic gint           ready;
} Setup;

static gboolean
make_dispatcher (gpointer user_data)
{
  Setup *self = user_data;

  self->dispatcher = agent_router_dispatcher_new (self->bus, self->routes);
  agent_router_dispatcher_set_capacity (self->dispatcher, ROOM);
  atomic_store (&self->ready, TRUE);
  return G_SOURCE_REMOVE;
}

static gboolean
is_ready (gpointer user_data)
{
  return atomic_load (&((Setup *) user_data)->ready);
}

static Router *
add_router (Setup      *self,
            const char *name,
            guint       capacity)
{
  g_autoptr (GError) error = NULL;
  Router *router =
      g_object_new (ROUTER_TYPE, "name", name, "main-context", self->thread->context, "capacity", capacity, NULL);

  g_ptr_array_add (self->routers, router);
  if (!agent_bus_subscribe (self->bus, AGENT_SUBSCRIBER (router), &error))
    g_error ("%s", error->message);
  return router;
}

static Setup *
setup_new (guint n_actors)
{
  Setup *self = g_new0 (Setup, 1);

  self->thread = bench_thread_new ();
  self->bus = agent_bus_new ();
  self->routes = agent_route_table_new ();
  self->routers = g_ptr_array_new_with_free_func (g_object_unref);
  self->actors = g_new0 (char *, n_actors + 1);
  for (guint i = 0; i < n_actors; i++)
    /* As long as a UUID, which actors are called by elsewhere. */
    self->actors[i] = g_strdup_printf ("0c4be9a2-7d1f-4f52-9e1b-%012u", i);

  g_main_context_invoke_full (self->thread->context, G_PRIORITY_DEFAULT, make_dispatcher, self, NULL);
  bench_wait_until (is_ready, self, STEP);
  return self;
}

static void
setup_free (Setup *self)
{
  g_object_unref (self->dispatcher);
  g_object_unref (self->routes);
  g_object_unref (self->bus);
  bench_thread_free (self->thread);
  g_ptr_array_unref (self->routers);
  g_strfreev (self->actors);
  g_free (self);
}

static guint64
setup_sum (Setup *self)
{
  guint64 sum = 0;

  for (guint i = 0; i < self->routers->len; i++)
    sum += atomic_load_explicit (&((Router *) self->routers->pdata[i])->n, memory_order_acquire);

  return sum;
}

static gboolean
is_complete (gpointer user_data)
{
  Setup *self = user_data;

  return setup_sum (self) == self->wanted;
}

static double
setup_wait (Setup  *self,
            guint64 wanted)
{
  self->wanted = wanted;
  return bench_wait_until (is_complete, self, STEP);
}

/* What comes within @seconds, up to @wanted. */
static guint64
setup_collect (Setup  *self,
               guint64 wanted,
               double  seconds)
{
  double end = bench_now () + seconds;

  while (setup_sum (self) < wanted && bench_now () < end)
    g_usleep (STEP);
  return setup_sum (self);
}

static void
dispatch (Setup           *self,
          AgentMessageType type,
          guint            actor)
{
  g_autoptr (GError) error = NULL;
  AgentMessage *message = agent_message_new_routed (type, "producer", self->actors[actor], NULL);

  if (agent_router_dispatcher_dispatch (self->dispatcher, message, &error) == AGENT_DISPATCH_RESULT_REFUSED)
    g_error ("%s", error->message);
}

/* --- Assigned actors --- */

#define N_MESSAGES 1000000

static Setup *
assigned_new (guint n_actors,
              guint n_routers)
{
  Setup *setup = setup_new (n_actors);

  for (guint i = 0; i < n_routers; i++)
    {
      g_autofree char *name = g_strdup_printf ("router-%u", i);

      add_router (setup, name, ROOM);
    }
  for (guint i = 0; i < n_actors; i++)
    {
      AgentSubscriber *router = setup->routers->pdata[i % n_routers];

      agent_route_table_assign (setup->routes, setup->actors[i], agent_subscriber_get_name (router));
    }

  return setup;
}

static void
assigned (const char *name,
          guint       n_actors)
{
  double rate[BENCH_REPEATS];
  double ns[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      Setup *setup = assigned_new (n_actors, n_actors == 1 ? 1 : 16);
      double t0 = bench_now ();
      double t1;

      for (guint i = 0; i < N_MESSAGES; i++)
        dispatch (setup, AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, i % n_actors);
      t1 = bench_now ();
      rate[r] = N_MESSAGES / (setup_wait (setup, N_MESSAGES) - t0);
      ns[r] = (t1 - t0) / N_MESSAGES * 1e9;
      setup_free (setup);
    }

  bench_print_median (name, "delivered_per_s", rate, BENCH_REPEATS, "msg/s");
  bench_print_median (name, "ns_per_send", ns, BENCH_REPEATS, "ns");
}

/* --- What waiting costs --- */

#define WINDOW 3.0 /* seconds */

static double
cpu_seconds (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double
measure_window (void)
{
  double cpu = cpu_seconds ();
  double start = bench_now ();

  g_usleep ((gulong) (WINDOW * G_USEC_PER_SEC));
  return (cpu_seconds () - cpu) / (bench_now () - start) * 100;
}

static void
pending_cpu (const char *name,
             guint       n)
{
  Setup *setup = setup_new (n);
  double cpu[BENCH_REPEATS];
  double first;
  double start = bench_now ();
  double load;

  for (guint i = 0; i < n; i++)
    dispatch (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, i);
  load = bench_now () - start;

  first = measure_window ();
  /* The retries have come to their longest delay by then. */
  g_usleep (500000);
  for (guint r = 0; r < BENCH_REPEATS; r++)
    cpu[r] = measure_window ();

  add_router (setup, "router-0", ROOM);
  for (guint i = 0; i < n; i++)
    agent_route_table_assign (setup->routes, setup->actors[i], "router-0");

  bench_print_median (name, "cpu_percent", cpu, BENCH_REPEATS, "% of one core");
  bench_print (name, "cpu_percent_first_3s", first, "% of one core");
  bench_print (name, "queued_per_s", n / load, "msg/s");
  bench_print (name, "still_pending_at_end", setup_collect (setup, n, 5), "messages");
  setup_free (setup);
}

static _Atomic guint n_polls;

static gint
count_poll (GPollFD *fds,
            guint    n_fds,
            gint     timeout)
{
  gint n = g_poll (fds, n_fds, timeout);

  atomic_fetch_add (&n_polls, 1);
  return n;
}

/* How often the context wakes up in three seconds in which nothing is parked, after a million messages and some that
 * were. */
static void
idle_wakeups (const char *name,
              guint       n)
{
  Setup *setup = assigned_new (10, 1);
  double wakeups[BENCH_REPEATS];

  for (guint i = 0; i < n; i++)
    dispatch (setup, AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, i % 10);
  agent_route_table_unassign (setup->routes, setup->actors[0]);
  dispatch (setup, AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, 0);
  agent_route_table_assign (setup->routes, setup->actors[0], "router-0");
  setup_wait (setup, n + 1);

  g_main_context_set_poll_func (setup->thread->context, count_poll);
  /* For the poll that is under way with the function of before. */
  g_main_context_wakeup (setup->thread->context);
  g_usleep (100000);
  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      guint before = atomic_load (&n_polls);

      g_usleep ((gulong) (WINDOW * G_USEC_PER_SEC));
      wakeups[r] = atomic_load (&n_polls) - before;
    }

  bench_print_median (name, "wakeups_in_3s", wakeups, BENCH_REPEATS, "wakeups");
  setup_free (setup);
}

/* --- From assignment to delivery --- */

#define N_TRIALS 200
#define TRIAL_STEP 0.011 /* seconds from one trial to the next */

static void
sleep_until (double time)
{
  double left = time - bench_now ();

  if (left > 0)
    g_usleep ((gulong) (left * G_USEC_PER_SEC));
}

/* Trial after trial is dispatched, and assigned @wait_ms later. */
static void
run_trials (Setup   *setup,
            Router  *router,
            guint    wait_ms,
            guint64 *latencies)
{
  double start = bench_now ();
  double assigned_at[N_TRIALS];
  guint  n_dispatched = 0;
  guint  n_assigned = 0;

  while (n_assigned < N_TRIALS)
    {
      double next_dispatch = start + n_dispatched * TRIAL_STEP;
      double next_assign = start + n_assigned * TRIAL_STEP + wait_ms / 1e3;

      if (n_dispatched < N_TRIALS && next_dispatch <= next_assign)
        {
          sleep_until (next_dispatch);
          dispatch (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, n_dispatched++);
          continue;
        }
      sleep_until (next_assign);
      assigned_at[n_assigned] = bench_now ();
      agent_route_table_assign (setup->routes, setup->actors[n_assigned++], "router-0");
    }

  setup_wait (setup, N_TRIALS);
  for (guint i = 0; i < N_TRIALS; i++)
    latencies[i] = (guint64) ((router->times[i] - assigned_at[i]) * 1e6);
}

static void
assign_latency (const char *name,
                guint       wait_ms)
{
  double p50[BENCH_REPEATS];
  double max[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      Setup  *setup = setup_new (N_TRIALS);
      Router *router = add_router (setup, "router-0", ROOM);
      guint64 latencies[N_TRIALS];

      router->times = g_new0 (double, N_TRIALS);
      run_trials (setup, router, wait_ms, latencies);
      p50[r] = bench_percentile (latencies, N_TRIALS, 50) / 1e3;
      max[r] = bench_percentile (latencies, N_TRIALS, 100) / 1e3;
      setup_free (setup);
    }

  bench_print_median (name, "latency_p50", p50, BENCH_REPEATS, "ms");
  bench_print_median (name, "latency_max", max, BENCH_REPEATS, "ms");
}

/* --- What becomes of messages --- */

static gboolean
is_rising (Router *router)
{
  for (guint64 i = 1; i < router->n; i++)
    {
      if (router->seqs[i] <= router->seqs[i - 1])
        return FALSE;
    }

  return TRUE;
}

static void
lost_same_actor (const char *name,
                 guint       n)
{
  double arrived[BENCH_REPEATS];
  double in_order = 0;

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      Setup  *setup = setup_new (1);
      Router *router = add_router (setup, "router-0", ROOM);

      router->seqs = g_new0 (guint64, n);
      for (guint i = 0; i < n; i++)
        dispatch (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, 0);
      agent_route_table_assign (setup->routes, setup->actors[0], "router-0");
      arrived[r] = setup_collect (setup, n, 3);
      in_order += is_rising (router);
      setup_free (setup);
    }

  bench_print (name, "sent", n, "messages");
  bench_print_median (name, "arrived", arrived, BENCH_REPEATS, "messages");
  bench_print (name, "in_order", in_order, "of 5 repetitions");
}

/* Router A takes nothing off its channel of one, since its context is not iterated. */
static Setup *
stuck_new (guint n)
{
  Setup *setup = setup_new (2);
  g_autoptr (GMainContext) nobody = g_main_context_new ();
  g_autoptr (AgentSubscriber) a =
      g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "A", "main-context", nobody, "capacity", 1, NULL);

  agent_bus_subscribe (setup->bus, a, NULL);
  add_router (setup, "B", ROOM);
  agent_route_table_assign (setup->routes, setup->actors[0], "A");
  agent_route_table_assign (setup->routes, setup->actors[1], "B");
  for (guint i = 0; i < 3 + n; i++)
    dispatch (setup, AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, i >= 3);

  return setup;
}

static void
on_stopped (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  agent_router_dispatcher_stop_finish (AGENT_ROUTER_DISPATCHER (object), result, NULL);
  *(gboolean *) user_data = TRUE;
}

/* Within a second, of which the deadline is half. */
static gboolean
obeys_stop (Setup *setup)
{
  gboolean stopped = FALSE;
  double   end = bench_now () + 1;

  agent_bus_set_shutdown_timeout (setup->bus, 500);
  agent_router_dispatcher_stop_async (setup->dispatcher, NULL, on_stopped, &stopped);
  while (!stopped && bench_now () < end)
    g_main_context_iteration (NULL, FALSE);

  return stopped;
}

static void
head_of_line (const char *name,
              guint       n)
{
  double arrived[BENCH_REPEATS];
  double stops[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      Setup *setup = stuck_new (n);

      arrived[r] = setup_collect (setup, n, 2);
      stops[r] = obeys_stop (setup);
      setup_free (setup);
    }

  bench_print (name, "b_sent", n, "messages");
  bench_print_median (name, "b_arrived_in_2s", arrived, BENCH_REPEATS, "messages");
  bench_print_median (name, "shutdown_obeyed_while_stuck", stops, BENCH_REPEATS, "0 or 1");
}

static void
router_missing (const char *name,
                guint       n)
{
  double direct[BENCH_REPEATS];
  double pending[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      Setup  *setup = setup_new (2);
      Router *router;

      agent_route_table_assign (setup->routes, setup->actors[0], "router-0");
      dispatch (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, 0);
      dispatch (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, 1);
      agent_route_table_assign (setup->routes, setup->actors[1], "router-0");
      g_usleep (100000);
      router = g_object_new (ROUTER_TYPE, "name", "router-0", "main-context", setup->thread->context, NULL);
      router->times = g_new0 (double, 2);
      g_ptr_array_add (setup->routers, router);
      agent_bus_subscribe (setup->bus, AGENT_SUBSCRIBER (router), NULL);
      setup_collect (setup, 2, 4);
      direct[r] = router->times[0] > 0;
      pending[r] = router->times[1] > 0;
      setup_free (setup);
    }

  bench_print_median (name, "assigned_then_sent_arrived", direct, BENCH_REPEATS, "of 1");
  bench_print_median (name, "sent_then_assigned_arrived", pending, BENCH_REPEATS, "of 1");
}

static void
overtake (const char *name,
          guint       n)
{
  double overtaken = 0;

  for (guint r = 0; r < BENCH_REPEATS; r++)
    {
      Setup  *setup = setup_new (1);
      Router *router = add_router (setup, "router-0", ROOM);

      router->seqs = g_new0 (guint64, 2);
      dispatch (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, 0);
      agent_route_table_assign (setup->routes, setup->actors[0], "router-0");
      dispatch (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, 0);
      overtaken += setup_collect (setup, 2, 3) != 2 || !is_rising (router);
      setup_free (setup);
    }

  bench_print (name, "overtaken", overtaken, "of 5 repetitions");
}

/* --- Memory --- */

static void
pending_memory_child (guint n)
{
  Setup  *setup = setup_new (n + 1);
  guint64 before;
  guint64 loaded;

  dispatch (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, n);
  g_usleep (100000);
  bench_trim ();
  before = bench_rss ();
  for (guint i = 0; i < n; i++)
    dispatch (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, i);
  loaded = bench_rss ();
  g_usleep (4000000);

  g_print ("%g %g\n", ((double) loaded - before) / n, ((double) bench_rss () - before) / n);
  setup_free (setup);
}

static void
pending_memory (const char *name,
                guint       n)
{
  double loaded[BENCH_REPEATS];
  double settled[BENCH_REPEATS];

  for (guint r = 0; r < BENCH_REPEATS; r++)
    loaded[r] = bench_run_child (name, &settled[r]);

  bench_print_median (name, "rss_per_pending", loaded, BENCH_REPEATS, "bytes");
  bench_print_median (name, "rss_per_pending_after_4s", settled, BENCH_REPEATS, "bytes");
}

static const BenchScenario scenarios[] = {
  { "disp_assigned", assigned, 1 },
  { "disp_assigned_many", assigned, 10000 },
  { "disp_pending_cpu_1000", pending_cpu, 1000 },
  { "disp_pending_cpu_100000", pending_cpu, 100000 },
  { "disp_idle_wakeups", idle_wakeups, 1000000 },
  { "disp_assign_latency", assign_latency, 350 },
  { "disp_assign_latency_1300", assign_latency, 1300 },
  { "disp_lost_same_actor", lost_same_actor, 10 },
  { "disp_head_of_line", head_of_line, 1000 },
  { "disp_pending_memory", pending_memory, 100000 },
  { "disp_router_missing", router_missing, 1 },
  { "disp_overtake", overtake, 1 },
};

int
main (int   argc,
      char *argv[])
{
  if (argc == 3 && g_str_equal (argv[1], "--child"))
    {
      pending_memory_child (100000);
      return 0;
    }

  return bench_main (argc, argv, scenarios, G_N_ELEMENTS (scenarios));
}
