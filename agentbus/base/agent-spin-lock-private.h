/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <stdatomic.h>

#include <glib.h>

#include "base/agent-cpu-private.h"

G_BEGIN_DECLS

/*
 * A lock that is taken for each message and held for some nanoseconds. A GMutex costs twice as much when it is free,
 * and at least two system calls when it is not.
 *
 * A thread that finds the lock taken tries again for some microseconds. If it still fails, the thread that holds the
 * lock is not running. The waiting thread then sleeps for a short time. To yield would not be enough: the holder may
 * have a lower priority, and would not run.
 *
 * No code of the application runs while the lock is held.
 */
typedef struct
{
  _Atomic gint locked;
} AgentSpinLock;

void _agent_spin_lock_wait (AgentSpinLock *self);

/* The first load may be relaxed: it orders nothing, and only saves an exchange that would fail. */
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
