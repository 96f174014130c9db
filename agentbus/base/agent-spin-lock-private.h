/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <stdatomic.h>

#include <glib.h>

#include "base/agent-cpu-private.h"

G_BEGIN_DECLS

/*
 * A lock that is held for some nanoseconds and taken with each message. A GMutex costs twice as much when it is free, and
 * two system calls at least when it is not: so whoever finds it taken looks again for some microseconds. Only when the
 * thread that has it does not run is that in vain; then it sleeps a little, and does not only yield, so that even a
 * thread of lower priority can go on.
 *
 * No code of the application runs while it is held.
 */
typedef struct
{
  _Atomic gint locked;
} AgentSpinLock;

void _agent_spin_lock_wait (AgentSpinLock *self);

/* Relaxed: the first look only saves an exchange that would fail. */
static inline gboolean
_agent_spin_lock_try (AgentSpinLock *self)
{
  return !atomic_load_explicit (&self->locked, memory_order_relaxed) &&
         !atomic_exchange_explicit (&self->locked, TRUE, memory_order_acquire);
}

static inline void
_agent_spin_lock_lock (AgentSpinLock *self)
{
  if (G_UNLIKELY (!_agent_spin_lock_try (self)))
    _agent_spin_lock_wait (self);
}

static inline void
_agent_spin_lock_unlock (AgentSpinLock *self)
{
  atomic_store_explicit (&self->locked, FALSE, memory_order_release);
}

G_END_DECLS
