/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

#include "payloads.h"

G_BEGIN_DECLS

#define ACTORS_TYPE_WORKER (worker_get_type ())

/*
 * A worker is a router: it has the models of all teams, and decides for the actors that are assigned to it. The models
 * are no requests, since they have to overtake these.
 */
G_DECLARE_FINAL_TYPE (Worker, worker, ACTORS, WORKER, AgentActor)

/* The worker's thread writes these figures. Read them when that thread has ended. */
typedef struct
{
  guint64 n_answered;
  guint   n_updates;
  guint   n_overtaking; /* updates that were handled before requests which were sent earlier */
  guint64 n_overtaken;  /* requests that such updates overtook */
  guint64 n_unprepared; /* requests for a model that was not there */
} WorkerFigures;

Worker              *worker_new         (const char   *name,
                                         GMainContext *context) G_GNUC_WARN_UNUSED_RESULT;
void                 worker_set_stuck   (Worker       *self,
                                         gboolean      stuck);
const WorkerFigures *worker_get_figures (Worker       *self);

G_END_DECLS
