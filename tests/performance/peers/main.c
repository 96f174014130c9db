/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bus beside what would be used otherwise: README.md says what is compared, and where contracts differ. */

#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenarios.h"

#define REPEATS 5

/* A message that is lost must not be waited for for ever. */
#define LIMIT 20 /* seconds a run */

/* clang-format off */
static const BenchPeer *const peers[] = {
  &bench_peer_agentbus,
  &bench_peer_agentbus_variant,
  &bench_peer_invoke,
  &bench_peer_idle,
  &bench_peer_queue,
#ifdef HAVE_GSTREAMER
  &bench_peer_gstbus,
#endif
#ifdef HAVE_ZMQ
  &bench_peer_zmq_pushpull,
  &bench_peer_zmq_pubsub,
#endif
#ifdef HAVE_NNG
  &bench_peer_nng_pushpull,
  &bench_peer_nng_pubsub,
#endif
  &bench_peer_ring,
};
/* clang-format on */

#define N_PEERS G_N_ELEMENTS (peers)

typedef double Values[BENCH_MAX_FIGURES][REPEATS];

/* --- What was asked for --- */

static const BenchPeer *
find_peer (const char *name)
{
  for (guint i = 0; i < N_PEERS; i++)
    {
      if (strcmp (peers[i]->name, name) == 0)
        return peers[i];
    }

  return NULL;
}

static const BenchScenario *
find_scenario (const char *name)
{
  for (guint i = 0; i < bench_n_scenarios; i++)
    {
      if (strcmp (bench_scenarios[i].name, name) == 0)
        return &bench_scenarios[i];
    }

  return NULL;
}

static gboolean
is_named (const char       *name,
          const char *const names[])
{
  return g_strv_length ((char **) names) == 0 || g_strv_contains (names, name);
}

/* Sorts the arguments into names of peers and of scenarios; no name of a kind means all of them. */
static gboolean
parse (char     **args,
       GPtrArray *peer_names,
       GPtrArray *scenario_names)
{
  for (; *args != NULL; args++)
    {
      if (find_peer (*args) != NULL)
        g_ptr_array_add (peer_names, *args);
      else if (find_scenario (*args) != NULL)
        g_ptr_array_add (scenario_names, *args);
      else
        {
          g_printerr ("No scenario and no peer here is called %s (try --list)\n", *args);
          return FALSE;
        }
    }

  g_ptr_array_add (peer_names, NULL);
  g_ptr_array_add (scenario_names, NULL);
  return TRUE;
}

static void
list (void)
{
  for (guint i = 0; i < bench_n_scenarios; i++)
    g_print ("scenario\t%s\n", bench_scenarios[i].name);
  for (guint i = 0; i < N_PEERS; i++)
    g_print ("peer\t%s\n", peers[i]->name);
}

/* --- The watchdog --- */

static char in_hand[128];

static void
on_alarm (int signal_number)
{
  static const char text[] = ": no end in sight\n";
  gssize            ignored;

  ignored = write (STDERR_FILENO, in_hand, strlen (in_hand));
  ignored = write (STDERR_FILENO, text, strlen (text));
  (void) ignored;
  _exit (EXIT_FAILURE);
}

/* --- One run --- */

static void
run_in_child (const BenchScenario *scenario,
              const BenchPeer     *peer,
              int                  fd)
{
  double figures[BENCH_MAX_FIGURES] = { 0, 0 };
  gssize size;

  g_snprintf (in_hand, sizeof in_hand, "%s %s", scenario->name, peer->name);
  signal (SIGALRM, on_alarm);
  alarm (LIMIT);
  scenario->run (scenario, peer, figures);
  size = write (fd, figures, sizeof figures);
  _exit (size == sizeof figures ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* In a process of its own, so that nobody works in the heap that another peer left behind. */
static gboolean
run_once (const BenchScenario *scenario,
          const BenchPeer     *peer,
          double              *figures)
{
  int    fds[2];
  int    status;
  pid_t  pid;
  gssize size;

  if (pipe (fds) != 0 || (pid = fork ()) == -1)
    g_error ("No process for %s: %s", peer->name, g_strerror (errno));

  if (pid == 0)
    run_in_child (scenario, peer, fds[1]);

  close (fds[1]);
  size = read (fds[0], figures, BENCH_MAX_FIGURES * sizeof *figures);
  close (fds[0]);
  return waitpid (pid, &status, 0) == pid && status == 0 && size == BENCH_MAX_FIGURES * sizeof *figures;
}

/* --- Output --- */

static int
compare_doubles (const void *a,
                 const void *b)
{
  double x = *(const double *) a;
  double y = *(const double *) b;

  return (x > y) - (x < y);
}

/* Sorts in place. */
static void
print_figure (const BenchScenario *scenario,
              guint                figure,
              const BenchPeer     *peer,
              double               values[REPEATS])
{
  int digits;

  qsort (values, REPEATS, sizeof *values, compare_doubles);
  digits = values[REPEATS / 2] < 1000 ? 2 : 0;
  g_print ("%s%s\t%s\t%.*f\t%s\t%.*f..%.*f\n",
           scenario->name,
           scenario->figures[figure],
           peer->name,
           digits,
           values[REPEATS / 2],
           scenario->unit,
           digits,
           values[0],
           digits,
           values[REPEATS - 1]);
}

static void
print (const BenchScenario *scenario,
       const BenchPeer     *peer,
       Values               values)
{
  for (guint i = 0; i < BENCH_MAX_FIGURES && scenario->figures[i] != NULL; i++)
    print_figure (scenario, i, peer, values[i]);
  fflush (stdout);
}

/* --- Running --- */

static gboolean
can_run (const BenchScenario *scenario,
         const BenchPeer     *peer)
{
  return (scenario->needs & ~peer->abilities) == 0;
}

/* All peers in turn, and that several times: what disturbs the machine for a while disturbs all of them. */
static gboolean
run_scenario (const BenchScenario *scenario,
              const char *const    peer_names[])
{
  Values values[N_PEERS];

  for (guint repeat = 0; repeat < REPEATS; repeat++)
    {
      for (guint i = 0; i < N_PEERS; i++)
        {
          double figures[BENCH_MAX_FIGURES] = { 0, 0 };

          if (!is_named (peers[i]->name, peer_names) || !can_run (scenario, peers[i]))
            continue;
          if (!run_once (scenario, peers[i], figures))
            {
              g_printerr ("%s %s: failed\n", scenario->name, peers[i]->name);
              return FALSE;
            }
          for (guint j = 0; j < BENCH_MAX_FIGURES; j++)
            values[i][j][repeat] = figures[j];
        }
    }

  for (guint i = 0; i < N_PEERS; i++)
    {
      if (is_named (peers[i]->name, peer_names) && can_run (scenario, peers[i]))
        print (scenario, peers[i], values[i]);
    }

  return TRUE;
}

/* The bus says now and then that it drops messages: here it is meant to. */
static GLogWriterOutput
write_log (GLogLevelFlags   level,
           const GLogField *fields,
           gsize            n_fields,
           gpointer         user_data)
{
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_FLAG_FATAL))
    return g_log_writer_default (level, fields, n_fields, user_data);

  return G_LOG_WRITER_HANDLED;
}

int
main (int   argc,
      char *argv[])
{
  g_autoptr (GPtrArray) peer_names = g_ptr_array_new ();
  g_autoptr (GPtrArray) scenario_names = g_ptr_array_new ();

  if (argc == 2 && strcmp (argv[1], "--list") == 0)
    {
      list ();
      return 0;
    }

  if (!parse (argv + 1, peer_names, scenario_names))
    return 2;

  g_log_set_writer_func (write_log, NULL, NULL);
  for (guint i = 0; i < bench_n_scenarios; i++)
    {
      if (is_named (bench_scenarios[i].name, (const char *const *) scenario_names->pdata) &&
          !run_scenario (&bench_scenarios[i], (const char *const *) peer_names->pdata))
        return EXIT_FAILURE;
    }

  return 0;
}
