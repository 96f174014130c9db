/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "router/agent-rendezvous-private.h"

typedef struct
{
  const char *name;
  guint64     hash;
  double      weight; /* 0: it is never chosen */
} RendezvousSite;

struct _AgentRendezvous
{
  guint          n_sites;
  RendezvousSite sites[];
};

/* Whether @weights has a weight of 0 or more for each name in it, which is not infinite. */
gboolean
_agent_rendezvous_are_weights (GVariant *weights)
{
  GVariantIter iter;
  double       weight;

  if (!g_variant_is_of_type (weights, G_VARIANT_TYPE ("a{sd}")))
    return FALSE;

  g_variant_iter_init (&iter, weights);
  while (g_variant_iter_next (&iter, "{&sd}", NULL, &weight))
    {
      /* Not a number is not within these limits either. */
      if (!(weight >= 0 && weight <= G_MAXDOUBLE))
        return FALSE;
    }

  return TRUE;
}

/* Spreads the bits: the end of SplitMix64. */
static guint64
rendezvous_mix (guint64 bits)
{
  bits = (bits ^ (bits >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  bits = (bits ^ (bits >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return bits ^ (bits >> 31);
}

/* FNV-1a, and then spread. */
static guint64
rendezvous_hash (const char *text)
{
  guint64 hash = G_GUINT64_CONSTANT (0xcbf29ce484222325);

  for (const guchar *c = (const guchar *) text; *c != '\0'; c++)
    hash = (hash ^ *c) * G_GUINT64_CONSTANT (0x100000001b3);

  return rendezvous_mix (hash);
}

/* @routers: has to live as long as what is returned
 * @weights: (nullable): an `a{sd}`; a router that is not in it has the weight 1 */
AgentRendezvous *
_agent_rendezvous_new (const char *const *routers,
                       GVariant          *weights)
{
  guint            n_sites = g_strv_length ((char **) routers);
  AgentRendezvous *self = g_malloc (sizeof (AgentRendezvous) + n_sites * sizeof (RendezvousSite));

  self->n_sites = n_sites;
  for (guint i = 0; i < n_sites; i++)
    {
      self->sites[i] = (RendezvousSite){ routers[i], rendezvous_hash (routers[i]), 1 };
      if (weights != NULL)
        g_variant_lookup (weights, routers[i], "d", &self->sites[i].weight);
    }

  return self;
}

void
_agent_rendezvous_free (AgentRendezvous *self)
{
  g_free (self);
}

/* Returns the negative of the natural logarithm of a number between 0 and 1, which is @bits / 2^53. The C library's logarithm
 * is another one on each machine. The series has an error below 10^-11. */
static double
rendezvous_log (guint64 bits)
{
  const double ln2 = 0.69314718055994530942;
  guint        exponent = g_bit_storage ((gulong) (bits >> 22)) + 21; /* the highest bit, if it is not one of the low ones */
  double       part;
  double       square;
  double       sum = 0;
  double       result;

  if (bits >> 22 == 0)
    exponent = g_bit_storage ((gulong) bits) - 1;

  /* Between 1 and 2: so @part is at most 1/3. */
  part = (double) bits / (double) (G_GUINT64_CONSTANT (1) << exponent);
  part = (part - 1) / (part + 1);
  square = part * part;
  for (int i = 21; i >= 1; i -= 2)
    sum = sum * square + 1.0 / i;

  result = (53 - (double) exponent) * ln2 - 2 * part * sum;
  return MAX (result, 1e-16);
}

/* The score is higher for a higher weight. With these scores each router is chosen as often as its weight says. */
static double
rendezvous_score (const RendezvousSite *site,
                  guint64               hash)
{
  guint64 bits = rendezvous_mix (hash ^ site->hash) >> 11;

  return site->weight / rendezvous_log (MAX (bits, 1));
}

/* (transfer none) (nullable): the name of a router, or NULL if none has a weight */
const char *
_agent_rendezvous_choose (AgentRendezvous *self,
                          const char      *actor)
{
  guint64     hash = rendezvous_hash (actor);
  const char *chosen = NULL;
  double      highest = 0;

  for (guint i = 0; i < self->n_sites; i++)
    {
      RendezvousSite *site = &self->sites[i];
      double          score = rendezvous_score (site, hash);

      /* Two routers with the same score: the order in which they are given does not matter. */
      if (score > highest || (score > 0 && score >= highest && strcmp (site->name, chosen) < 0))
        {
          highest = score;
          chosen = site->name;
        }
    }

  return chosen;
}
