/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bus across processes beside what is beneath it alone: nats.c and GDBus. Sender and receiver are processes of their own. The
 * two ways take turns, on the same server, and the ratio is of one turn. */

#include "config.h"

#include <signal.h>
#include <stdio.h>

#ifdef HAVE_NATS
#include "nats-server.h"
#endif

#include "bench-transport.h"
#include "test-daemon.h"

/* --- The parts --- */

static const BenchPartEntry parts[] = {
  { "bus-receive", bench_bus_receive_part },
  { "bus-send", bench_bus_send_part },
  { "bus-answer", bench_bus_answer_part },
  { "bus-ask", bench_bus_ask_part },
  { "bus-loop", bench_loop_part },
  { "bus-watch", bench_watch_part },
#ifdef HAVE_NATS
  { "nats-receive", bench_nats_receive_part },
  { "nats-send", bench_nats_send_part },
  { "nats-answer", bench_nats_answer_part },
  { "nats-ask", bench_nats_ask_part },
  { "nats-store", bench_nats_store_part },
#endif
  { "gdbus-receive", bench_gdbus_receive_part },
  { "gdbus-send", bench_gdbus_send_part },
  { "gdbus-answer", bench_gdbus_answer_part },
  { "gdbus-ask", bench_gdbus_ask_part },
};

/* Starts a part that says one line when it is ready. */
static BenchPart *
start_part (const char *way,
            const char *what,
            const char *address,
            guint       n,
            const char *kind)
{
  g_autofree char *name = g_strdup_printf ("%s-%s", way, what);
  BenchPart       *part = bench_part_new (name, address, n, kind);
  g_autofree char *line = bench_part_hear (part);

  return part;
}

/* --- One way, once --- */

/* Messages in a second. @n_lost: (out): how many have not come */
static double
take_throughput (const char *way,
                 const char *address,
                 guint       n,
                 const char *kind,
                 guint      *n_lost)
{
  g_autoptr (BenchPart) receiver = start_part (way, "receive", address, n, kind);
  g_autoptr (BenchPart) sender = start_part (way, "send", address, n, kind);
  g_autofree char *line = NULL;
  double           seconds = 0;
  guint            n_received = 0;

  bench_part_say (sender, "go");
  line = bench_part_hear (receiver);
  sscanf (line, "%u %lf", &n_received, &seconds);
  *n_lost += n - n_received;
  return n_received / seconds;
}

static void
take_trips (const char *way,
            const char *address,
            guint       n,
            const char *kind,
            double      percentiles[3])
{
  g_autoptr (BenchPart) answerer = start_part (way, "answer", address, n, kind);
  g_autoptr (BenchPart) asker = start_part (way, "ask", address, n, kind);
  g_autofree char *line = NULL;

  bench_part_say (asker, "go");
  line = bench_part_hear (asker);
  sscanf (line, "%lf %lf %lf", &percentiles[0], &percentiles[1], &percentiles[2]);
}

/* --- Both ways, in turns --- */

/* @peer: the name of the other way, in parts and figures */
static void
compare_throughput (const char *name,
                    const char *peer,
                    const char *address,
                    guint       n,
                    const char *kind)
{
  double ours[BENCH_REPEATS];
  double raw[BENCH_REPEATS];
  double ratio[BENCH_REPEATS];
  guint  n_lost = 0;
  guint  n_lost_raw = 0;

  for (guint r = 0; r < bench_repeats (); r++)
    {
      raw[r] = take_throughput (peer, address, n, kind, &n_lost_raw);
      ours[r] = take_throughput ("bus", address, n, kind, &n_lost);
      ratio[r] = ours[r] / raw[r];
    }

  bench_print_median (name, "delivered_per_s", ours, bench_repeats (), "messages/s");
  bench_print_median (name, "raw_per_s", raw, bench_repeats (), "messages/s");
  bench_print_median (name, "of_raw", ratio, bench_repeats (), "times");
  bench_print (name, "lost", n_lost, "messages");
  bench_print (name, "raw_lost", n_lost_raw, "messages");
}

static void
compare_trips (const char *name,
               const char *peer,
               const char *address,
               guint       n,
               const char *kind)
{
  static const char *const figures[] = { "rtt_p1", "rtt_p50", "rtt_p99" };
  double                   ours[3][BENCH_REPEATS];
  double                   raw[3][BENCH_REPEATS];
  double                   ratio[3][BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      double here[3];
      double there[3];

      take_trips (peer, address, n, kind, there);
      take_trips ("bus", address, n, kind, here);
      for (guint i = 0; i < 3; i++)
        {
          ours[i][r] = here[i];
          raw[i][r] = there[i];
          ratio[i][r] = here[i] / there[i];
        }
    }

  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *raw_figure = g_strconcat ("raw_", figures[i], NULL);
      g_autofree char *of_raw = g_strconcat (figures[i], "_of_raw", NULL);

      bench_print_median (name, figures[i], ours[i], bench_repeats (), "ns");
      bench_print_median (name, raw_figure, raw[i], bench_repeats (), "ns");
      bench_print_median (name, of_raw, ratio[i], bench_repeats (), "times");
    }
}

/* --- Over NATS --- */

#ifdef HAVE_NATS

/* How long the server is away, and stopped. µs */
#define DOWN_TIME (300 * 1000)
#define STOPPED_TIME (2 * G_USEC_PER_SEC)

/* How long is measured beside. µs */
#define CALM_TIME (500 * 1000)

/* After this, a thread of a pool of GLib that had nothing to do has ended. µs */
#define POOL_TIME (18 * G_USEC_PER_SEC)

static void
nats_throughput (const char *name,
                 guint       n,
                 const char *kind)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);

  compare_throughput (name, "nats", server->url, n, kind);
}

static void
nats_opaque (const char *name,
             guint       n)
{
  nats_throughput (name, n, "opaque");
}

static void
nats_frame (const char *name,
            guint       n)
{
  nats_throughput (name, n, "frame");
}

static void
nats_fields (const char *name,
             guint       n)
{
  nats_throughput (name, n, "fields");
}

static void
nats_trips (const char *name,
            guint       n)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);

  compare_trips (name, "nats", server->url, n, "opaque");
}

/* There are ten thousand names more. */
static void
nats_trips_in_crowd (const char *name,
                     guint       n)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);

  compare_trips (name, "nats", server->url, n, "crowd");
}

/* Messages in a second that nats.c has had stored. */
static double
take_stored (const char *address,
             guint       n)
{
  g_autoptr (BenchPart) sender = start_part ("nats", "store", address, n, "control");
  g_autofree char *line = NULL;
  double           seconds = 0;
  guint            n_stored = 0;

  bench_part_say (sender, "go");
  line = bench_part_hear (sender);
  sscanf (line, "%u %lf", &n_stored, &seconds);
  return n_stored / seconds;
}

/* Ours are stored and delivered, those of nats.c are stored. */
static void
nats_control (const char *name,
              guint       n)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  double ours[BENCH_REPEATS];
  double raw[BENCH_REPEATS];
  double ratio[BENCH_REPEATS];
  guint  n_lost = 0;

  for (guint r = 0; r < bench_repeats (); r++)
    {
      raw[r] = take_stored (server->url, n);
      ours[r] = take_throughput ("bus", server->url, n, "control", &n_lost);
      ratio[r] = ours[r] / raw[r];
    }

  bench_print_median (name, "delivered_per_s", ours, bench_repeats (), "messages/s");
  bench_print_median (name, "raw_stored_per_s", raw, bench_repeats (), "messages/s");
  bench_print_median (name, "of_raw", ratio, bench_repeats (), "times");
  bench_print (name, "lost", n_lost, "messages");
}

/* What a part says of the times since it was asked last, in ms. */
typedef struct
{
  double longest;
  double longest_own;
  guint  n_threads;
} Answer;

static Answer
ask (BenchPart *part)
{
  g_autofree char *line = NULL;
  Answer           answer = { 0 };

  bench_part_say (part, "how long?");
  line = bench_part_hear (part);
  sscanf (line, "%lf %lf %u", &answer.longest, &answer.longest_own, &answer.n_threads);
  answer.longest *= 1000;
  answer.longest_own *= 1000;
  return answer;
}

/* Kills the server, and starts it again. Returns for how long it was away, in ms. */
static double
bounce (TestNatsServer *server)
{
  double start = bench_now ();

  test_nats_server_kill (server);
  g_usleep (DOWN_TIME);
  test_nats_server_start (server);
  return (bench_now () - start) * 1000;
}

static void
measure_resume (const char *name,
                guint       n_kills,
                const char *kind)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (BenchPart) receiver = start_part ("bus", "watch", server->url, 0, kind);
  g_autoptr (BenchPart) sender = start_part ("bus", "loop", server->url, 0, kind);
  double down[BENCH_REPEATS];
  double silent[BENCH_REPEATS];
  double more[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      ask (receiver);
      g_usleep (CALM_TIME);
      down[r] = bounce (server);
      g_usleep (2 * G_USEC_PER_SEC);
      silent[r] = ask (receiver).longest;
      more[r] = silent[r] - down[r];
    }

  bench_print_median (name, "down", down, bench_repeats (), "ms");
  bench_print_median (name, "silent", silent, bench_repeats (), "ms");
  bench_print_median (name, "silent_more", more, bench_repeats (), "ms");
}

static void
nats_resume (const char *name,
             guint       n)
{
  measure_resume (name, n, "data");
}

static void
nats_resume_control (const char *name,
                     guint       n)
{
  measure_resume (name, n, "control");
}

/* How long the loop of a sender is held, with the server stopped for a time. */
static Answer
take_hold (TestNatsServer *server,
           const char     *kind)
{
  g_autoptr (BenchPart) receiver = start_part ("bus", "watch", server->url, 0, kind);
  g_autoptr (BenchPart) sender = start_part ("bus", "loop", server->url, 0, kind);

  g_usleep (CALM_TIME);
  test_nats_server_signal (server, SIGSTOP);
  g_usleep (STOPPED_TIME);
  test_nats_server_signal (server, SIGCONT);
  g_usleep (CALM_TIME);
  return ask (sender);
}

static void
nats_hold (const char *name,
           guint       n)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  double wall[BENCH_REPEATS];
  double own[BENCH_REPEATS];
  double bare_wall[BENCH_REPEATS];
  double bare_own[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      Answer bare = take_hold (server, "none");
      Answer answer = take_hold (server, r % 2 == 0 ? "data" : "control");

      wall[r] = answer.longest;
      own[r] = answer.longest_own;
      bare_wall[r] = bare.longest;
      bare_own[r] = bare.longest_own;
    }

  bench_print_median (name, "longest", wall, bench_repeats (), "ms");
  bench_print_median (name, "longest_with_processor", own, bench_repeats (), "ms");
  bench_print_median (name, "without_bus", bare_wall, bench_repeats (), "ms");
  bench_print_median (name, "without_bus_with_processor", bare_own, bench_repeats (), "ms");
}

/* The threads of a process beside its own one, when it has just connected, and after those of pools have ended. */
static void
nats_threads (const char *name,
              guint       n)
{
  g_autoptr (TestNatsServer) server = test_nats_server_new (NULL);
  g_autoptr (BenchPart) receiver = start_part ("bus", "watch", server->url, 0, "data");
  g_autoptr (BenchPart) sender = start_part ("bus", "loop", server->url, 0, "data");

  bench_print (name, "at_first", ask (sender).n_threads - 1, "threads");
  g_usleep (POOL_TIME);
  bench_print (name, "later", ask (sender).n_threads - 1, "threads");
}

#endif

/* --- Over D-Bus --- */

static void
dbus_signals (const char *name,
              guint       n)
{
  g_autoptr (TestDaemon) daemon = test_daemon_new ();

  compare_throughput (name, "gdbus", daemon->address, n, "opaque");
}

static void
dbus_trips (const char *name,
            guint       n)
{
  g_autoptr (TestDaemon) daemon = test_daemon_new ();

  compare_trips (name, "gdbus", daemon->address, n, "opaque");
}

/* --- The program --- */

#ifdef HAVE_NATS
static const BenchScenario nats_scenarios[] = {
  { "tp_nats_opaque", nats_opaque, 500000 },
  { "tp_nats_frame", nats_frame, 500000 },
  { "tp_nats_fields", nats_fields, 200000 },
  { "tp_nats_rtt", nats_trips, 5000 },
  { "tp_nats_rtt_10000", nats_trips_in_crowd, 5000 },
  { "tp_nats_control", nats_control, 50000 },
  { "tp_nats_resume", nats_resume, 1 },
  { "tp_nats_resume_control", nats_resume_control, 1 },
  { "tp_nats_hold", nats_hold, 1 },
  { "tp_nats_threads", nats_threads, 1 },
};
#endif

static const BenchScenario dbus_scenarios[] = {
  { "tp_dbus_signals", dbus_signals, 50000 },
  { "tp_dbus_rtt", dbus_trips, 5000 },
};

static void
add_scenarios (GArray              *all,
               const BenchScenario *scenarios,
               guint                n,
               const char          *program)
{
  g_autofree char *path = g_find_program_in_path (program);
  g_autofree char *elsewhere = g_build_filename ("/usr/sbin", program, NULL);

  if (path != NULL || g_file_test (elsewhere, G_FILE_TEST_IS_EXECUTABLE))
    g_array_append_vals (all, scenarios, n);
  else
    g_printerr ("skipped: there is no %s\n", program);
}

int
main (int   argc,
      char *argv[])
{
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (BenchScenario));

  if (bench_part_is_asked (argc, argv))
    return bench_part_main (argv, parts, G_N_ELEMENTS (parts));

#ifdef HAVE_NATS
  add_scenarios (all, nats_scenarios, G_N_ELEMENTS (nats_scenarios), "nats-server");
#else
  g_printerr ("skipped: what takes libnats\n");
#endif
  add_scenarios (all, dbus_scenarios, G_N_ELEMENTS (dbus_scenarios), "dbus-daemon");
  return bench_main (argc, argv, (gconstpointer) all->data, all->len);
}
