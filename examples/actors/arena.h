/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

#include "trainer.h"

G_BEGIN_DECLS

#define ACTORS_TYPE_ARENA (arena_get_type ())

/*
 * The place where the actors play. Each actor requests an action, makes its step when that is answered, and requests the
 * next one. When its request is given up on the way, it makes the request again.
 *
 * Emits "new-model" when a team has another model, before the next generation asks anything: the team.
 * Emits "learned" when a team has ended a generation: the team, and the number of the generation.
 */
G_DECLARE_FINAL_TYPE (Arena, arena, ACTORS, ARENA, AgentActor)

/* What its statistics as an actor do not tell. */
typedef struct
{
  guint64 n_again;      /* requests made again after one that was not completed */
  guint64 n_unexpected; /* answers to another step */
} ArenaFigures;

Arena              *arena_new            (AgentRouterDispatcher *dispatcher,
                                          Trainer              **trainers,
                                          guint                  n_actors) G_GNUC_WARN_UNUSED_RESULT;
void                arena_play           (Arena                 *self,
                                          guint                  n_generations);
gboolean            arena_is_complete    (Arena                 *self);
const ArenaFigures *arena_get_figures    (Arena                 *self);

G_END_DECLS
