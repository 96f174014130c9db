/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench-harness.h"

/* A message that is lost must not pass for one that is slow. */
#define LIMIT 120.0

/* --- Output --- */

/* As precise as such a figure can be. */
static void
format (char  *text,
        gsize  size,
        double value)
{
  double magnitude = value < 0 ? -value : value;

  if (value == (double) (gint64) value || magnitude >= 1000)
    g_snprintf (text, size, "%.0f", value);
  else if (magnitude >= 10)
    g_snprintf (text, size, "%.2f", value);
  else
    g_snprintf (text, size, "%.4f", value);
}

void
bench_print (const char *scenario,
             const char *figure,
             double      value,
             const char *unit)
{
  char text[64];

  format (text, sizeof text, value);
  g_print ("%s\t%s\t%s\t%s\n", scenario, figure, text, unit);
  fflush (stdout);
}

static int
compare_doubles (const void *a,
                 const void *b)
{
  double x = *(const double *) a;
  double y = *(const double *) b;

  return (x > y) - (x < y);
}

void
bench_print_median (const char   *scenario,
                    const char   *figure,
                    const double *values,
                    guint         n_values,
                    const char   *unit)
{
  g_autofree double *sorted = g_memdup2 (values, n_values * sizeof *values);
  g_autofree char   *min = g_strconcat (figure, "_min", NULL);
  g_autofree char   *max = g_strconcat (figure, "_max", NULL);

  qsort (sorted, n_values, sizeof *sorted, compare_doubles);
  bench_print (scenario, figure, sorted[n_values / 2], unit);
  bench_print (scenario, min, sorted[0], unit);
  bench_print (scenario, max, sorted[n_values - 1], unit);
}

static const double percents[] = { 1, 10, 50, 90, 99, 99.9 };

void
bench_print_percentiles (const char *scenario,
                         const char *prefix,
                         guint64   **sorted,
                         guint       n_values,
                         double      per,
                         const char *unit)
{
  for (guint i = 0; i < G_N_ELEMENTS (percents); i++)
    {
      g_autofree char *figure = g_strdup_printf ("%s_p%g", prefix, percents[i]);
      double           values[BENCH_REPEATS];

      for (guint r = 0; r < bench_repeats (); r++)
        values[r] = bench_percentile (sorted[r], n_values, percents[i]) / per;
      bench_print_median (scenario, figure, values, bench_repeats (), unit);
    }
}

/* --- Measuring --- */

/* How often each figure is measured: what an odd number below the usual one may be asked for in the environment. */
guint
bench_repeats (void)
{
  const char *asked = g_getenv ("AGENTBUS_BENCH_REPEATS");

  return asked == NULL ? BENCH_REPEATS : CLAMP ((guint) g_ascii_strtoull (asked, NULL, 10), 1, BENCH_REPEATS);
}

double
bench_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

void
bench_spin (double seconds)
{
  double end = bench_now () + seconds;

  while (bench_now () < end)
    ;
}

static int
compare_uints (const void *a,
               const void *b)
{
  guint64 x = *(const guint64 *) a;
  guint64 y = *(const guint64 *) b;

  return (x > y) - (x < y);
}

void
bench_sort (guint64 *values,
            guint    n_values)
{
  qsort (values, n_values, sizeof *values, compare_uints);
}

/* Nearest rank, of values that are sorted. */
double
bench_percentile (const guint64 *sorted,
                  guint          n_values,
                  double         percent)
{
  double rank = percent / 100 * n_values;
  guint  index = (guint) rank + (rank > (guint) rank ? 1 : 0);

  return sorted[CLAMP (index, 1, n_values) - 1];
}

double
bench_cpu (void)
{
  struct timespec now;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

guint64
bench_rss (void)
{
  g_autofree char *statm = NULL;
  g_auto (GStrv) fields = NULL;

  if (!g_file_get_contents ("/proc/self/statm", &statm, NULL, NULL))
    return 0;

  fields = g_strsplit (statm, " ", 3);
  return g_ascii_strtoull (fields[1], NULL, 10) * sysconf (_SC_PAGESIZE);
}

void
bench_trim (void)
{
  malloc_trim (0);
}

/* Runs one scenario in a process of its own, with a clean heap. It prints two numbers. */
double
bench_run_child (const char *scenario,
                 double     *second)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *output = NULL;
  g_autoptr (GError) error = NULL;
  const char *argv[] = { self, "--child", scenario, NULL };
  char       *rest = NULL;
  double      first;

  if (!g_spawn_sync (NULL, (char **) argv, NULL, 0, NULL, NULL, &output, NULL, NULL, &error))
    g_error ("%s: %s", scenario, error->message);

  first = g_ascii_strtod (output, &rest);
  *second = g_ascii_strtod (rest, NULL);
  return first;
}

/* Looks every @step microseconds. Returns when it was so. */
double
bench_wait_until (BenchCondition condition,
                  gpointer       user_data,
                  guint          step)
{
  double start = bench_now ();

  while (!condition (user_data))
    {
      if (bench_now () - start > LIMIT)
        g_error ("Not reached within %g s", LIMIT);
      g_usleep (step);
    }

  return bench_now ();
}

/* --- The program --- */

static const BenchScenario *
find_scenario (const BenchScenario *scenarios,
               guint                n_scenarios,
               const char          *name)
{
  for (guint i = 0; i < n_scenarios; i++)
    {
      if (g_str_equal (scenarios[i].name, name))
        return &scenarios[i];
    }

  return NULL;
}

static GLogWriterOutput
swallow_log (GLogLevelFlags   level,
             const GLogField *fields,
             gsize            n_fields,
             gpointer         user_data)
{
  return level & (G_LOG_LEVEL_CRITICAL | G_LOG_FLAG_FATAL | G_LOG_LEVEL_ERROR)
             ? g_log_writer_default (level, fields, n_fields, user_data)
             : G_LOG_WRITER_HANDLED;
}

static int
run_all (const BenchScenario *scenarios,
         guint                n_scenarios)
{
  for (guint i = 0; i < n_scenarios; i++)
    scenarios[i].run (scenarios[i].name, scenarios[i].n);

  return 0;
}

/* `list`, `all` or names of scenarios. */
int
bench_main (int                  argc,
            char               **argv,
            const BenchScenario *scenarios,
            guint                n_scenarios)
{
  gboolean list = argc == 2 && g_str_equal (argv[1], "list");

  g_log_set_writer_func (swallow_log, NULL, NULL);

  if (argc == 2 && g_str_equal (argv[1], "all"))
    return run_all (scenarios, n_scenarios);

  for (guint i = 0; list && i < n_scenarios; i++)
    g_print ("%s\n", scenarios[i].name);

  for (int i = 1; !list && i < argc; i++)
    {
      const BenchScenario *scenario = find_scenario (scenarios, n_scenarios, argv[i]);

      if (scenario == NULL)
        {
          g_printerr ("%s: no scenario named %s (try list)\n", argv[0], argv[i]);
          return 2;
        }
      scenario->run (scenario->name, scenario->n);
    }

  if (argc < 2)
    g_printerr ("Usage: %s all | list | SCENARIO...\n", argv[0]);
  return argc < 2 ? 2 : 0;
}
