/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "cart-pole.h"

G_BEGIN_DECLS

/* There are two teams, so that the requests of one team are waiting while the other one learns. */
#define N_TEAMS 2

/*
 * What a team has learnt: the weights of a linear policy, and how far from them the players search. Each player tries
 * weights of its own, which are @spread times its curiosity away from the mean.
 */
typedef struct
{
  guint32 team;
  guint32 generation;
  double  mean[CART_POLE_N_STATE];
  double  spread[CART_POLE_N_STATE];
} Model;

void     model_init   (Model        *self,
                       guint         team);
gboolean model_decide (const Model  *self,
                       const double *curiosity,
                       const double *state);

G_END_DECLS
