/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "bus/agent-bus-watch-private.h"

static _Atomic guint last_id;

AgentBusWatch *
_agent_bus_watch_new (const AgentBusWatchFuncs *funcs,
                      gpointer                  data,
                      GDestroyNotify            destroy)
{
  AgentBusWatch *self = g_new0 (AgentBusWatch, 1);

  self->ref_count = 1;
  self->id = atomic_fetch_add (&last_id, 1) % G_MAXUINT + 1;
  self->funcs = funcs;
  self->data = data;
  self->destroy = destroy;

  return self;
}

AgentBusWatch *
_agent_bus_watch_ref (AgentBusWatch *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
_agent_bus_watch_unref (AgentBusWatch *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;

  self->destroy (self->data);
  g_free (self);
}
