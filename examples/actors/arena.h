/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "staff.h"

G_BEGIN_DECLS

#define ACTORS_TYPE_ARENA (arena_get_type ())

/*
 * The place where the actors play. Each actor asks for an action, waits for the answer, makes its step and asks again.
 * When its request is given up on the way, it sends the request again.
 *
 * Emits "learned" when a team has ended a generation: the team, and the number of the generation.
 */
G_DECLARE_FINAL_TYPE (Arena, arena, ACTORS, ARENA, AgentSubscriber)

/* asked = answered + refused + expired + dropped, when all requests have ended. */
typedef struct
{
  guint64 n_asked;
  guint64 n_answered;
  guint64 n_refused;
  guint64 n_expired;
  guint64 n_dropped;
  guint64 n_again;      /* requests sent again after one of the three */
  guint64 n_parked;     /* requests that had to wait in the dispatcher */
  guint64 n_unexpected; /* answers that no actor waited for, or to another step */
} ArenaFigures;

Arena              *arena_new            (AgentRouterDispatcher *dispatcher,
                                          Staff                 *staff,
                                          Trainer              **trainers,
                                          guint                  n_actors) G_GNUC_WARN_UNUSED_RESULT;
gboolean            arena_play           (Arena                 *self,
                                          guint                  n_generations);
const ArenaFigures *arena_get_figures    (Arena                 *self);

G_END_DECLS
