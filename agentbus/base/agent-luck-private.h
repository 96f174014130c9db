/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Whether it is worth to wait for something that comes often, or hardly ever.
 *
 * Waits that bring something are forgiven some that do not. After one in vain without such a credit, there is none for a while.
 */
typedef struct
{
  gint value; /* rises with waits that bring something; below 0, there is no wait */
} AgentLuck;

#define AGENT_LUCK_MAX 32

/* Whether to wait now. If not, it counts as one of the waits that are left out. */
static inline gboolean
_agent_luck_try (AgentLuck *self)
{
  if (self->value >= 0)
    return TRUE;

  self->value++;
  return FALSE;
}

/* The wait has brought something. */
static inline void
_agent_luck_won (AgentLuck *self)
{
  self->value = MIN (self->value + 1, AGENT_LUCK_MAX);
}

/* The wait was in vain. */
static inline void
_agent_luck_lost (AgentLuck *self)
{
  self->value = self->value > 0 ? self->value / 2 : -AGENT_LUCK_MAX;
}

G_END_DECLS
