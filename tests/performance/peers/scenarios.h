/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "peer.h"

G_BEGIN_DECLS

#define BENCH_MAX_FIGURES 2

typedef struct _BenchScenario BenchScenario;

/* run() opens the peer, measures once, and closes it. */
struct _BenchScenario
{
  const char  *name;
  BenchAbility needs;
  void       (*run) (const BenchScenario *self,
                     const BenchPeer     *peer,
                     double              *figures);
  guint        n_receivers;
  guint        n_threads;
  guint        n_senders;
  guint        n; /* messages sent */
  gsize        payload;
  const char  *figures[BENCH_MAX_FIGURES]; /* what follows the name; NULL: no such figure */
  const char  *unit;
};

extern const BenchScenario bench_scenarios[];
extern const guint         bench_n_scenarios;

G_END_DECLS
