/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "agent-clock-private.h"

G_BEGIN_DECLS

/*
 * What one dispatch may spend before everything else in the context gets its turn: a number of messages or
 * a time, whichever is over first. The clock is read after each message while handlers are slow, and after
 * every 16th while they are quick: to read it can cost more than a handler.
 */
#define AGENT_BUDGET_MESSAGES 256
#define AGENT_BUDGET_TIME     1000 /* µs */
#define AGENT_BUDGET_STRIDE   16
#define AGENT_BUDGET_QUICK    4    /* µs a message */

typedef struct
{
  gint   n_left;
  gint   n_until_check;
  gint   stride;
  gint64 checked_at;
  gint64 deadline;
} AgentBudget;

static inline void
_agent_budget_init (AgentBudget *self)
{
  self->n_left = AGENT_BUDGET_MESSAGES;
  self->n_until_check = 1;
  self->stride = 1;
  self->checked_at = _agent_clock_now ();
  self->deadline = self->checked_at + AGENT_BUDGET_TIME;
}

static inline void
_agent_budget_check_clock (AgentBudget *self)
{
  gint64 now = _agent_clock_now ();

  if (now >= self->deadline)
    self->n_left = 0;
  self->stride = now - self->checked_at <= AGENT_BUDGET_QUICK * self->stride ? AGENT_BUDGET_STRIDE : 1;
  self->checked_at = now;
  self->n_until_check = self->stride;
}

static inline gboolean
_agent_budget_is_spent (AgentBudget *self)
{
  return self->n_left <= 0;
}

/* One message was handled. */
static inline void
_agent_budget_spend (AgentBudget *self)
{
  self->n_left--;
  if (--self->n_until_check == 0)
    _agent_budget_check_clock (self);
}

G_END_DECLS
