/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "base/agent-clock-private.h"

G_BEGIN_DECLS

/*
 * What one dispatch may spend before the other sources of the context are dispatched: a number of messages or a time,
 * whichever is spent first.
 */
#define AGENT_BUDGET_MESSAGES 256
#define AGENT_BUDGET_TIME     1000 /* µs */

typedef struct
{
  gint     n_left;   /* how many more messages may be handled */
  gboolean exact;    /* whether to read the clock after each message */
  guint64  ticks;    /* for _agent_clock_may_have_moved() */
  gint64   deadline; /* µs */
} AgentBudget;

static inline void
_agent_budget_init (AgentBudget *self)
{
  self->n_left = AGENT_BUDGET_MESSAGES;
  self->exact = _agent_clock_is_overridden ();
  self->ticks = 0;
  _agent_clock_may_have_moved (&self->ticks);
  self->deadline = _agent_clock_now () + AGENT_BUDGET_TIME;
}

static inline gboolean
_agent_budget_is_spent (AgentBudget *self)
{
  return self->n_left <= 0;
}

/* The rest has to wait for the next iteration of the context. */
static inline void
_agent_budget_end (AgentBudget *self)
{
  self->n_left = 0;
}

/* Called after each message. */
static inline void
_agent_budget_spend (AgentBudget *self)
{
  self->n_left--;
  if ((self->exact || _agent_clock_may_have_moved (&self->ticks)) && _agent_clock_now () >= self->deadline)
    self->n_left = 0;
}

G_END_DECLS
