/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define CART_POLE_N_STATE   4
#define CART_POLE_MAX_STEPS 500

/* A pole on a cart, to be kept upright by pushing the cart to and fro. */
typedef struct
{
  double state[CART_POLE_N_STATE]; /* place (m), speed, angle (rad), angular speed */
  guint  n_steps;
} CartPole;

void     cart_pole_reset (CartPole *self,
                          GRand    *random);
gboolean cart_pole_step  (CartPole *self,
                          gboolean  push_right);

G_END_DECLS
