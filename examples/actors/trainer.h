/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "model.h"

G_BEGIN_DECLS

/*
 * Teaches a team with the cross-entropy method: all players try different weights around the same mean, and the next
 * mean comes from the best players.
 *
 * All random numbers follow from seed, team, generation and player, and a generation is evaluated when it is complete.
 * So it does not matter in which order the players end, and every run with the same seed learns the same.
 */
typedef struct _Trainer Trainer;

Trainer     *trainer_new            (guint         team,
                                     guint         n_players,
                                     guint32       seed) G_GNUC_WARN_UNUSED_RESULT;
void         trainer_free           (Trainer      *self);
const Model *trainer_get_model      (Trainer      *self);
guint        trainer_get_n_players  (Trainer      *self);
GArray      *trainer_get_curve      (Trainer      *self);
guint64      trainer_get_n_steps    (Trainer      *self);
void         trainer_send_in        (Trainer      *self,
                                     guint         player,
                                     CartPole     *pole,
                                     double       *curiosity);
gboolean     trainer_take_result    (Trainer      *self,
                                     guint         player,
                                     guint         n_steps);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Trainer, trainer_free)

G_END_DECLS
