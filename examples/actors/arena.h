/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "staff.h"

G_BEGIN_DECLS

#define ACTORS_TYPE_ARENA (arena_get_type ())

/*
 * Where the actors play. Each asks for an action, waits for the answer, makes its step and asks again; what is given up
 * on the way is asked again.
 *
 * Emits "learned" when a team has ended a generation: the team, and the number of the generation.
 */
G_DECLARE_FINAL_TYPE (Arena, arena, ACTORS, ARENA, AgentSubscriber)

/* asked = answered + refused + expired + dropped, when all is over. */
typedef struct
{
  guint64 n_asked;
  guint64 n_answered;
  guint64 n_refused;
  guint64 n_expired;
  guint64 n_dropped;
  guint64 n_again;      /* asked once more after one of these */
  guint64 n_parked;     /* had to wait when they came */
  guint64 n_unexpected; /* answers that nobody waited for, or to another step */
} ArenaFigures;

Arena              *arena_new            (AgentRouterDispatcher *dispatcher,
                                          Staff                 *staff,
                                          Trainer              **trainers,
                                          guint                  n_actors) G_GNUC_WARN_UNUSED_RESULT;
gboolean            arena_play           (Arena                 *self,
                                          guint                  n_generations);
const ArenaFigures *arena_get_figures    (Arena                 *self);

G_END_DECLS
