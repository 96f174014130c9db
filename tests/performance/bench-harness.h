/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

/*
 * What the performance programs share. A figure is one line: scenario, figure, value and unit, separated by tabs.
 * A figure that was measured several times is its median, followed by `_min` and `_max`.
 */
#define BENCH_REPEATS 5 /* at most: see bench_repeats() */

typedef struct
{
  const char *name;
  void      (*run) (const char *name,
                    guint       n);
  guint       n;
} BenchScenario;

int     bench_main              (int                  argc,
                                 char               **argv,
                                 const BenchScenario *scenarios,
                                 guint                n_scenarios);

/* --- Output --- */

void    bench_print             (const char          *scenario,
                                 const char          *figure,
                                 double               value,
                                 const char          *unit);
void    bench_print_median      (const char          *scenario,
                                 const char          *figure,
                                 const double        *values,
                                 guint                n_values,
                                 const char          *unit);

/* Figures such as `rtt_p99` of @n_values values of each repeat, which are sorted and are @per of the unit. */
void    bench_print_percentiles (const char          *scenario,
                                 const char          *prefix,
                                 guint64            **sorted,
                                 guint                n_values,
                                 double               per,
                                 const char          *unit);

/* --- Measuring --- */

guint   bench_repeats           (void);
double  bench_now               (void); /* seconds */
double  bench_cpu               (void); /* seconds of all threads */
void    bench_spin              (double               seconds);
void    bench_sort              (guint64             *values,
                                 guint                n_values);
double  bench_percentile        (const guint64       *sorted,
                                 guint                n_values,
                                 double               percent);
guint64 bench_rss               (void); /* bytes */
void    bench_trim              (void);
double  bench_run_child         (const char          *scenario,
                                 double              *second);

typedef gboolean (*BenchCondition) (gpointer user_data);
double  bench_wait_until        (BenchCondition       condition,
                                 gpointer             user_data,
                                 guint                step);

G_END_DECLS
