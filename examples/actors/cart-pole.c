/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cart-pole.h"

#include <math.h>

/* The classic numbers of Barto, Sutton and Anderson, in SI units. */
#define GRAVITY 9.8
#define CART_MASS 1.0
#define POLE_MASS 0.1
#define HALF_LENGTH 0.5 /* of the pole */
#define FORCE 10.0
#define TAU 0.02 /* one step */
#define MAX_PLACE 2.4
#define MAX_ANGLE (12 * G_PI / 180)

#define TOTAL_MASS (CART_MASS + POLE_MASS)

/* Almost at rest, almost upright. */
void
cart_pole_reset (CartPole *self,
                 GRand    *random)
{
  for (guint i = 0; i < CART_POLE_N_STATE; i++)
    self->state[i] = g_rand_double_range (random, -0.05, 0.05);
  self->n_steps = 0;
}

static gboolean
is_up (const CartPole *self)
{
  return fabs (self->state[0]) <= MAX_PLACE && fabs (self->state[2]) <= MAX_ANGLE;
}

/* Returns whether the episode goes on, because the pole stands and there is time left. */
gboolean
cart_pole_step (CartPole *self,
                gboolean  push_right)
{
  double *s = self->state;
  double  force = push_right ? FORCE : -FORCE;
  double  sine = sin (s[2]), cosine = cos (s[2]);
  double  push = (force + POLE_MASS * HALF_LENGTH * s[3] * s[3] * sine) / TOTAL_MASS;
  double  turn = (GRAVITY * sine - cosine * push) /
                (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * cosine * cosine / TOTAL_MASS));
  double acceleration = push - POLE_MASS * HALF_LENGTH * turn * cosine / TOTAL_MASS;

  s[0] += TAU * s[1];
  s[1] += TAU * acceleration;
  s[2] += TAU * s[3];
  s[3] += TAU * turn;
  self->n_steps++;

  return is_up (self) && self->n_steps < CART_POLE_MAX_STEPS;
}
