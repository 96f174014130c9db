/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "arena.h"
#include "worker.h"

G_BEGIN_DECLS

/* The results, when all have stopped. */
typedef struct
{
  gboolean            complete;   /* all generations were played */
  guint64             n_steps;    /* of all episodes */
  GVariant           *requests;   /* statistics of the arena */
  const ArenaFigures *arena;
  GPtrArray          *workers;    /* (element-type Worker): those of this process */
  gboolean            alone;      /* all workers were in this process */
  GVariant           *dispatcher; /* the ledgers */
  GVariant           *bus;
} Report;

gboolean report_print (const Report *self);

G_END_DECLS
