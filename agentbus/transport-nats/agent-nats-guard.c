/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-guard-private.h"

struct _AgentNatsGuard
{
  AgentNatsSocket *socket; /* (unowned): outlives the guard */
  gint64           interval;
  gint64           max_wait;
  GThread         *thread;
  GMutex           lock;
  GCond            changed;
  gboolean         is_ended; /* (mutex lock) */
};

static gpointer
guard_run (gpointer data)
{
  AgentNatsGuard *self = data;

  g_mutex_lock (&self->lock);
  while (!self->is_ended)
    {
      if (!g_cond_wait_until (&self->changed, &self->lock, g_get_monotonic_time () + self->interval) &&
          _agent_nats_socket_get_read_time (self->socket) > self->max_wait)
        _agent_nats_socket_hang_up (self->socket);
    }
  g_mutex_unlock (&self->lock);
  return NULL;
}

/* @socket: (transfer none): must outlive the guard. @interval, @max_wait: in milliseconds */
AgentNatsGuard *
_agent_nats_guard_new (AgentNatsSocket *socket,
                       guint            interval,
                       guint            max_wait)
{
  AgentNatsGuard *self = g_new0 (AgentNatsGuard, 1);

  self->socket = socket;
  self->interval = interval * G_GINT64_CONSTANT (1000);
  self->max_wait = max_wait * G_GINT64_CONSTANT (1000);
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->thread = g_thread_new ("agentbus-guard", guard_run, self);
  return self;
}

void
_agent_nats_guard_free (AgentNatsGuard *self)
{
  g_mutex_lock (&self->lock);
  self->is_ended = TRUE;
  g_cond_signal (&self->changed);
  g_mutex_unlock (&self->lock);

  g_thread_join (self->thread);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  g_free (self);
}
