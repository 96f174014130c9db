/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model.h"

void
model_init (Model *self,
            guint  team)
{
  *self = (Model){ .team = team };

  for (guint i = 0; i < CART_POLE_N_STATE; i++)
    self->spread[i] = 1;
}

/* Returns whether to push to the right. */
gboolean
model_decide (const Model  *self,
              const double *curiosity,
              const double *state)
{
  double sum = 0;

  for (guint i = 0; i < CART_POLE_N_STATE; i++)
    sum += (self->mean[i] + self->spread[i] * curiosity[i]) * state[i];

  return sum > 0;
}
