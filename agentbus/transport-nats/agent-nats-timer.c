/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-timer-private.h"

struct _AgentNatsTimer
{
  GSource            base;
  AgentNatsTimerFunc func;
  gpointer           data;
};

static gboolean
nats_timer_dispatch (GSource    *source,
                     GSourceFunc callback,
                     gpointer    user_data)
{
  AgentNatsTimer *self = (AgentNatsTimer *) source;

  g_source_set_ready_time (source, -1);
  self->func (self->data);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs nats_timer_funcs = { .dispatch = nats_timer_dispatch };

/* @name: a static string */
AgentNatsTimer *
_agent_nats_timer_new (GMainContext      *context,
                       const char        *name,
                       AgentNatsTimerFunc func,
                       gpointer           data)
{
  GSource        *source = g_source_new (&nats_timer_funcs, sizeof (AgentNatsTimer));
  AgentNatsTimer *self = (AgentNatsTimer *) source;

  self->func = func;
  self->data = data;
  g_source_set_static_name (source, name);
  g_source_attach (source, context);
  return self;
}

void
_agent_nats_timer_free (AgentNatsTimer *self)
{
  g_source_destroy ((GSource *) self);
  g_source_unref ((GSource *) self);
}

/* It is not called any more. In the thread of the context; another thread may still fire it. */
void
_agent_nats_timer_end (AgentNatsTimer *self)
{
  g_source_destroy ((GSource *) self);
}

/* @time: monotonic, in microseconds */
void
_agent_nats_timer_set (AgentNatsTimer *self,
                       gint64          time)
{
  if (g_source_get_ready_time ((GSource *) self) != time)
    g_source_set_ready_time ((GSource *) self, time);
}

void
_agent_nats_timer_set_in (AgentNatsTimer *self,
                          guint           ms)
{
  _agent_nats_timer_set (self, g_get_monotonic_time () + ms * G_GINT64_CONSTANT (1000));
}

void
_agent_nats_timer_stop (AgentNatsTimer *self)
{
  _agent_nats_timer_set (self, -1);
}

/* May be called in any thread. */
void
_agent_nats_timer_fire (AgentNatsTimer *self)
{
  g_source_set_ready_time ((GSource *) self, 0);
}
