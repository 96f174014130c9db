/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "agent-clock-private.h"
#include "agent-retry-source-private.h"
#include "agent-source-private.h"

typedef struct
{
  GSource        base;
  _Atomic gint64 time; /* -1 for none */
  AgentRetryFunc func;
  gpointer       data;
  GDestroyNotify destroy;
} RetryGSource;

struct _AgentRetrySource
{
  GMainContext *context; /* no GSource may be touched after its context is gone */
  GSource      *source;
};

static gboolean
is_due (RetryGSource *source)
{
  gint64 time = atomic_load (&source->time);

  return time >= 0 && _agent_clock_now () >= time;
}

/* GLib looks at its own clock only. */
static gboolean
retry_source_prepare (GSource *source,
                      gint    *timeout)
{
  *timeout = -1;
  return _agent_clock_is_overridden () && is_due ((RetryGSource *) source);
}

static gboolean
retry_source_dispatch (GSource    *source,
                       GSourceFunc callback,
                       gpointer    user_data)
{
  RetryGSource *self = (RetryGSource *) source;

  if (is_due (self))
    self->func (self->data, _agent_clock_now ());
  return G_SOURCE_CONTINUE;
}

static void
retry_source_finalize (GSource *source)
{
  RetryGSource *self = (RetryGSource *) source;

  self->destroy (self->data);
}

static GSourceFuncs retry_source_funcs = {
  .prepare = retry_source_prepare,
  .dispatch = retry_source_dispatch,
  .finalize = retry_source_finalize,
};

/* @destroy may be called later than free() returns, when a dispatch is over. */
AgentRetrySource *
_agent_retry_source_new (GMainContext  *context,
                         AgentRetryFunc func,
                         gpointer       data,
                         GDestroyNotify destroy)
{
  AgentRetrySource *self = g_new0 (AgentRetrySource, 1);
  RetryGSource     *source;

  self->context = g_main_context_ref (context);
  self->source = g_source_new (&retry_source_funcs, sizeof (RetryGSource));
  source = (RetryGSource *) self->source;
  atomic_init (&source->time, -1);
  source->func = func;
  source->data = data;
  source->destroy = destroy;
  g_source_set_static_name (self->source, "[agentbus] retry");
  g_source_attach (self->source, context);

  return self;
}

void
_agent_retry_source_free (AgentRetrySource *self)
{
  _agent_source_clear (&self->source);
  g_main_context_unref (self->context);
  g_free (self);
}

/* -1: there is nothing to wait for. */
void
_agent_retry_source_set_time (AgentRetrySource *self,
                              gint64            time)
{
  atomic_store (&((RetryGSource *) self->source)->time, time);
  g_source_set_ready_time (self->source, _agent_clock_is_overridden () ? -1 : time);
}
