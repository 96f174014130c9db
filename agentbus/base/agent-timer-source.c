/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "base/agent-clock-private.h"
#include "base/agent-source-private.h"
#include "base/agent-timer-source-private.h"

typedef struct
{
  GSource        base;
  _Atomic gint64 time; /* in microseconds, -1 for none */
  AgentTimerFunc func;
  gpointer       data;
  GDestroyNotify destroy;
} TimerGSource;

struct _AgentTimerSource
{
  GMainContext *context; /* (owned) a GSource must not be used after its context is freed */
  GSource      *source;
};

static gboolean
timer_source_is_due (TimerGSource *source)
{
  gint64 time = atomic_load (&source->time);

  return time >= 0 && _agent_clock_now () >= time;
}

/* Only for the clock of a test: GLib compares the ready time with its own clock. */
static gboolean
timer_source_prepare (GSource *source,
                      gint    *timeout)
{
  *timeout = -1;
  return _agent_clock_is_overridden () && timer_source_is_due ((TimerGSource *) source);
}

static gboolean
timer_source_dispatch (GSource    *source,
                       GSourceFunc callback,
                       gpointer    user_data)
{
  TimerGSource *self = (TimerGSource *) source;

  if (timer_source_is_due (self))
    self->func (self->data, _agent_clock_now ());
  return G_SOURCE_CONTINUE;
}

static void
timer_source_finalize (GSource *source)
{
  TimerGSource *self = (TimerGSource *) source;

  if (self->destroy != NULL)
    self->destroy (self->data);
}

static GSourceFuncs timer_source_funcs = {
  .prepare = timer_source_prepare,
  .dispatch = timer_source_dispatch,
  .finalize = timer_source_finalize,
};

/* @name: a static string. @destroy: called by free(), or at the end of the dispatch if one is under way. */
AgentTimerSource *
_agent_timer_source_new (GMainContext  *context,
                         const char    *name,
                         AgentTimerFunc func,
                         gpointer       data,
                         GDestroyNotify destroy)
{
  AgentTimerSource *self = g_new0 (AgentTimerSource, 1);
  TimerGSource     *source;

  self->context = g_main_context_ref (context);
  self->source = g_source_new (&timer_source_funcs, sizeof (TimerGSource));
  source = (TimerGSource *) self->source;
  atomic_init (&source->time, -1);
  source->func = func;
  source->data = data;
  source->destroy = destroy;
  g_source_set_static_name (self->source, name);
  g_source_attach (self->source, context);

  return self;
}

/* From now on the function is also called while it is running, if it iterates its context. Before the first set_time(). */
void
_agent_timer_source_allow_nesting (AgentTimerSource *self)
{
  g_source_set_can_recurse (self->source, TRUE);
}

void
_agent_timer_source_free (AgentTimerSource *self)
{
  _agent_source_clear (&self->source);
  g_main_context_unref (self->context);
  g_free (self);
}

/* @time: in microseconds, or -1 for none. */
void
_agent_timer_source_set_time (AgentTimerSource *self,
                              gint64            time)
{
  atomic_store (&((TimerGSource *) self->source)->time, time);
  g_source_set_ready_time (self->source, _agent_clock_is_overridden () ? -1 : time);
}
