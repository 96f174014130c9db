/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "trainer.h"

#include <math.h>

/* One player out of this number is among the best of a generation. */
#define ELITE_SHARE 5

/* How far the mean moves towards the best players in one generation: 1 is all the way. */
#define LEARNING_RATE 0.7

/* With a smaller spread, a team settles too soon on what its first generations found. */
#define MIN_SPREAD 0.02

typedef struct
{
  guint  n_steps;
  double curiosity[CART_POLE_N_STATE];
} Player;

struct _Trainer
{
  guint32 seed;
  Model   model;
  Player *players;
  guint   n_players;
  guint   n_done;  /* in this generation */
  guint64 n_steps; /* in all */
  GArray *curve;   /* (element-type double) mean length of an episode, by generation */
};

Trainer *
trainer_new (guint   team,
             guint   n_players,
             guint32 seed)
{
  Trainer *self = g_new0 (Trainer, 1);

  self->seed = seed;
  self->players = g_new0 (Player, n_players);
  self->n_players = n_players;
  self->curve = g_array_new (FALSE, FALSE, sizeof (double));
  model_init (&self->model, team);

  return self;
}

void
trainer_free (Trainer *self)
{
  g_array_unref (self->curve);
  g_free (self->players);
  g_free (self);
}

const Model *
trainer_get_model (Trainer *self)
{
  return &self->model;
}

guint
trainer_get_n_players (Trainer *self)
{
  return self->n_players;
}

/* Of doubles: the mean length of an episode in each generation. */
GArray *
trainer_get_curve (Trainer *self)
{
  return self->curve;
}

/* All steps of all episodes that are over. */
guint64
trainer_get_n_steps (Trainer *self)
{
  return self->n_steps;
}

/* From the standard normal distribution, after Box and Muller. */
static double
draw_normal (GRand *random)
{
  double radius = sqrt (-2 * log (1 - g_rand_double (random)));

  return radius * cos (2 * G_PI * g_rand_double (random));
}

/* Prepares the player's episode of this generation. */
void
trainer_send_in (Trainer  *self,
                 guint     player,
                 CartPole *pole,
                 double   *curiosity)
{
  const guint32 seeds[] = { self->seed, self->model.team, self->model.generation, player };
  GRand        *random = g_rand_new_with_seed_array (seeds, G_N_ELEMENTS (seeds));

  cart_pole_reset (pole, random);
  for (guint i = 0; i < CART_POLE_N_STATE; i++)
    curiosity[i] = self->players[player].curiosity[i] = draw_normal (random);

  g_rand_free (random);
}

/* The longest episodes come first. Equal ones are sorted by number, so that there is only one order. */
static int
compare_players (gconstpointer a,
                 gconstpointer b,
                 gpointer      user_data)
{
  const Player *players = user_data;
  guint         i = *(const guint *) a, j = *(const guint *) b;

  if (players[i].n_steps != players[j].n_steps)
    return players[i].n_steps > players[j].n_steps ? -1 : 1;

  return i < j ? -1 : i > j;
}

static GArray *
rank_players (Trainer *self)
{
  GArray *ranking = g_array_sized_new (FALSE, FALSE, sizeof (guint), self->n_players);

  for (guint i = 0; i < self->n_players; i++)
    g_array_append_val (ranking, i);
  g_array_sort_with_data (ranking, compare_players, self->players);

  return ranking;
}

/* The mean and the deviation are in units of the spread, as the curiosity is. */
static void
learn_weight (Trainer     *self,
              guint        weight,
              const guint *elite,
              guint        n_elite)
{
  double  sum = 0, squares = 0;
  double *spread = &self->model.spread[weight];
  double  mean, deviation;

  for (guint i = 0; i < n_elite; i++)
    {
      double curiosity = self->players[elite[i]].curiosity[weight];

      sum += curiosity;
      squares += curiosity * curiosity;
    }

  mean = sum / n_elite;
  deviation = sqrt (MAX (squares / n_elite - mean * mean, 0));

  self->model.mean[weight] += LEARNING_RATE * mean * *spread;
  *spread *= 1 - LEARNING_RATE + LEARNING_RATE * deviation;
  *spread = MAX (*spread, MIN_SPREAD);
}

static void
learn (Trainer *self)
{
  g_autoptr (GArray) ranking = rank_players (self);
  guint n_elite = MAX (self->n_players / ELITE_SHARE, 1);

  for (guint i = 0; i < CART_POLE_N_STATE; i++)
    learn_weight (self, i, &g_array_index (ranking, guint, 0), n_elite);
}

static void
end_generation (Trainer *self)
{
  guint64 n_steps = 0;
  double  mean;

  for (guint i = 0; i < self->n_players; i++)
    n_steps += self->players[i].n_steps;
  mean = (double) n_steps / self->n_players;
  g_array_append_val (self->curve, mean);

  self->n_steps += n_steps;
  self->n_done = 0;
  learn (self);
  self->model.generation++;
}

/* Returns whether this episode was the last one of the generation, after which there is a new model. */
gboolean
trainer_take_result (Trainer *self,
                     guint    player,
                     guint    n_steps)
{
  self->players[player].n_steps = n_steps;
  self->n_done++;

  if (self->n_done < self->n_players)
    return FALSE;

  end_generation (self);

  return TRUE;
}
