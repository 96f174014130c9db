/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Deadlines: what one costs, and how exact it is. Messages are parked for actors that nobody assigns, by the main
 * thread; the dispatcher's context is in another one. */

#include "config.h"

#include "bench-dispatcher.h"

#define LONG_TTL 60000 /* ms: it outlives the scenario */

static void
park (BenchDispatcher *setup,
      guint            actor,
      guint            ttl)
{
  AgentMessage *message =
      agent_message_new_routed (AGENT_MESSAGE_TYPE_MODEL_UPDATE, "producer", setup->actors[actor], NULL);
  g_autoptr (GError) error = NULL;

  agent_message_set_ttl (message, ttl);
  if (agent_router_dispatcher_dispatch (setup->dispatcher, message, &error) != AGENT_DISPATCH_RESULT_PARKED)
    g_error ("Not parked: %s", error != NULL ? error->message : "delivered");
}

/* --- Arming --- */

static double
time_parking (BenchDispatcher *setup,
              guint            n,
              gboolean         same_actor)
{
  double start = bench_now ();

  for (guint i = 0; i < n; i++)
    park (setup, same_actor ? 0 : i, LONG_TTL);
  return (bench_now () - start) / n * 1e9;
}

static double
time_assigning (BenchDispatcher *setup,
                guint            n)
{
  double start = bench_now ();

  bench_dispatcher_add_router (setup, "router-0");
  for (guint i = 0; i < n; i++)
    agent_route_table_assign (setup->routes, setup->actors[i], "router-0");
  return (bench_setup_wait (setup->base, n) - start) / n * 1e9;
}

/* A deadline is set when a message is parked, and taken back when it leaves. */
static void
arm (const char *name,
     guint       n)
{
  double own[BENCH_REPEATS];
  double same[BENCH_REPEATS];
  double left[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchDispatcher *setup = bench_dispatcher_new (n);
      BenchDispatcher *other = bench_dispatcher_new (1);

      own[r] = time_parking (setup, n, FALSE);
      left[r] = time_assigning (setup, n);
      same[r] = time_parking (other, n, TRUE);
      bench_dispatcher_free (setup);
      bench_dispatcher_free (other);
    }

  bench_print_median (name, "ns_per_deadline_own_actor", own, bench_repeats (), "ns");
  bench_print_median (name, "ns_per_deadline_same_actor", same, bench_repeats (), "ns");
  bench_print_median (name, "ns_per_deadline_taken_back", left, bench_repeats (), "ns");
}

/* --- Expiring --- */

typedef struct
{
  double         *expired_at; /* (nullable) by the actor's number */
  _Atomic guint64 n;
  guint64         wanted;
} Expired;

static void
on_expired (AgentRouterDispatcher *dispatcher,
            AgentMessage          *message,
            guint                  waited,
            guint                  n_attempts,
            gpointer               user_data)
{
  Expired *self = user_data;

  if (self->expired_at != NULL)
    self->expired_at[bench_get_number (message)] = bench_now ();
  atomic_fetch_add_explicit (&self->n, 1, memory_order_release);
}

static gboolean
have_expired (gpointer user_data)
{
  Expired *self = user_data;

  return atomic_load_explicit (&self->n, memory_order_acquire) == self->wanted;
}

/* All but together: the first one when the last one is parked, so that parking is no part of it. */
static void
expire (const char *name,
        guint       n)
{
  double cpu[BENCH_REPEATS];
  double took[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchDispatcher *setup = bench_dispatcher_new (n);
      Expired          expired = { .wanted = n };
      guint            ttl = 50 + n / 100;
      double           parked;
      double           spent;
      double           last;

      g_signal_connect (setup->dispatcher, "expired", G_CALLBACK (on_expired), &expired);
      for (guint i = 0; i < n; i++)
        park (setup, i, ttl);
      parked = bench_now ();
      spent = bench_cpu ();
      last = bench_wait_until (have_expired, &expired, 1000);
      cpu[r] = (bench_cpu () - spent) / n * 1e9;
      took[r] = (last - parked - ttl / 1e3) * 1e3;
      bench_dispatcher_free (setup);
    }

  bench_print_median (name, "cpu_per_expiry", cpu, bench_repeats (), "ns");
  bench_print_median (name, "last_one_late", took, bench_repeats (), "ms");
}

/* --- How exact --- */

#define N_EXACT 400
#define FIRST_TTL 20 /* ms */
#define N_TTLS 200

static guint
get_ttl (guint i)
{
  return FIRST_TTL + i % N_TTLS;
}

/* How late each message expired: µs. Returns how many were early. */
static guint
run_exact (guint64 *late)
{
  BenchDispatcher *setup = bench_dispatcher_new (N_EXACT);
  double           expired_at[N_EXACT];
  double           parked_at[N_EXACT];
  Expired          expired = { .expired_at = expired_at, .wanted = N_EXACT };
  guint            n_early = 0;

  g_signal_connect (setup->dispatcher, "expired", G_CALLBACK (on_expired), &expired);
  for (guint i = 0; i < N_EXACT; i++)
    {
      parked_at[i] = bench_now ();
      park (setup, i, get_ttl (i));
    }
  bench_wait_until (have_expired, &expired, 1000);
  bench_dispatcher_free (setup);

  for (guint i = 0; i < N_EXACT; i++)
    {
      double late_by = expired_at[i] - parked_at[i] - get_ttl (i) / 1e3;

      n_early += late_by < 0;
      late[i] = (guint64) (MAX (late_by, 0) * 1e6);
    }

  return n_early;
}

static void
exact (const char *name,
       guint       n)
{
  double p50[BENCH_REPEATS];
  double p99[BENCH_REPEATS];
  double max[BENCH_REPEATS];
  double early[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      guint64 late[N_EXACT];

      early[r] = run_exact (late);
      bench_sort (late, N_EXACT);
      p50[r] = bench_percentile (late, N_EXACT, 50);
      p99[r] = bench_percentile (late, N_EXACT, 99);
      max[r] = bench_percentile (late, N_EXACT, 100);
    }

  bench_print_median (name, "late_p50", p50, bench_repeats (), "us");
  bench_print_median (name, "late_p99", p99, bench_repeats (), "us");
  bench_print_median (name, "late_max", max, bench_repeats (), "us");
  bench_print_median (name, "early", early, bench_repeats (), "messages");
}

/* --- Retries --- */

#define MAX_WAKEUPS 16

static _Atomic guint n_wakeups;
static double        woken_at[MAX_WAKEUPS];

/* Takes the time of each timeout of the context: nothing else happens in it. */
static gint
note_timeout (GPollFD *fds,
              guint    n_fds,
              gint     timeout)
{
  gint  n = g_poll (fds, n_fds, timeout);
  guint i = atomic_load (&n_wakeups);

  if (n == 0 && timeout > 0 && i < MAX_WAKEUPS)
    {
      woken_at[i] = bench_now ();
      atomic_store (&n_wakeups, i + 1);
    }

  return n;
}

static gboolean
have_woken (gpointer user_data)
{
  return atomic_load (&n_wakeups) >= GPOINTER_TO_UINT (user_data);
}

/* The first delays of the policy, without jitter: how late each retry comes after the one before. ms */
static void
run_retries (guint  n,
             double late[])
{
  BenchDispatcher *setup = bench_dispatcher_new (1);
  g_autoptr (AgentRetryPolicy) policy = agent_retry_policy_new ();
  double last;

  agent_retry_policy_set_jitter (policy, 0);
  agent_router_dispatcher_set_retry_policy (setup->dispatcher, policy);
  g_main_context_set_poll_func (bench_setup_get_context (setup->base), note_timeout);
  atomic_store (&n_wakeups, 0);
  last = bench_now ();
  park (setup, 0, LONG_TTL);
  bench_wait_until (have_woken, GUINT_TO_POINTER (n), 1000);
  for (guint i = 0; i < n; i++)
    {
      late[i] = (woken_at[i] - last) * 1e3 - agent_retry_policy_get_delay (policy, i);
      last = woken_at[i];
    }
  bench_dispatcher_free (setup);
}

static void
retry (const char *name,
       guint       n)
{
  double late[BENCH_REPEATS][MAX_WAKEUPS];

  for (guint r = 0; r < bench_repeats (); r++)
    run_retries (n, late[r]);

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *figure = g_strdup_printf ("retry_%u_late", i + 1);
      double           values[BENCH_REPEATS];

      for (guint r = 0; r < bench_repeats (); r++)
        values[r] = late[r][i];
      bench_print_median (name, figure, values, bench_repeats (), "ms");
    }
}

/* --- On the bus --- */

static AgentMessage *
data_with_ttl (guint ttl)
{
  AgentMessage *message = bench_data ("producer", "agent-0");

  if (ttl > 0)
    agent_message_set_ttl (message, ttl);
  return message;
}

static double
time_stream (guint n,
             guint ttl)
{
  BenchSetup *setup = bench_setup_new (BENCH_ROOM, 1, 0);
  double      start;
  double      end;

  bench_setup_warm_up (setup);
  start = bench_now ();
  for (guint i = 0; i < n; i++)
    agent_bus_send (setup->bus, data_with_ttl (ttl));
  end = bench_setup_wait (setup, n);
  bench_setup_free (setup);

  return (end - start) / n * 1e9;
}

/* All have run out when the context comes to look. */
static double
time_expired (guint n)
{
  BenchSetup *setup = bench_setup_new_with_threads (BENCH_ROOM, 1, 0, 0);
  double      start;
  double      end;

  for (guint i = 0; i < n; i++)
    agent_bus_send (setup->bus, data_with_ttl (1));
  g_usleep (2000);
  start = bench_now ();
  while (bench_setup_get_dropped (setup) < n)
    g_main_context_iteration (NULL, TRUE);
  end = bench_now ();
  bench_setup_free (setup);

  return (end - start) / n * 1e9;
}

static void
bus_ttl (const char *name,
         guint       n)
{
  double without[BENCH_REPEATS];
  double with[BENCH_REPEATS];
  double dropped[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      without[r] = time_stream (n, 0);
      with[r] = time_stream (n, LONG_TTL);
      dropped[r] = time_expired (n);
    }

  bench_print_median (name, "ns_without_ttl", without, bench_repeats (), "ns");
  bench_print_median (name, "ns_with_ttl", with, bench_repeats (), "ns");
  bench_print_median (name, "ns_per_expired", dropped, bench_repeats (), "ns");
}

static const BenchScenario scenarios[] = {
  /* Messages parked. */
  { "timer_arm_1000", arm, 1000 },
  { "timer_arm_100000", arm, 100000 },
  { "timer_expire_1000", expire, 1000 },
  { "timer_expire_100000", expire, 100000 },

  { "timer_exact", exact, N_EXACT },
  { "timer_retry", retry, 4 },
  { "timer_bus_ttl", bus_ttl, 500000 },
};

int
main (int   argc,
      char *argv[])
{
  return bench_main (argc, argv, scenarios, G_N_ELEMENTS (scenarios));
}
