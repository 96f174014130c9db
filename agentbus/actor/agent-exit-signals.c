/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-exit-signals-private.h"

#ifdef G_OS_UNIX

#include <glib-unix.h>
#include <signal.h>

typedef struct
{
  AgentExitSignals *signals;
  const char       *name;
  int               number;
  GSource          *source; /* (owned) (nullable) */
  struct sigaction  before;
} ExitSignal;

struct _AgentExitSignals
{
  GMainContext       *context;
  AgentExitSignalFunc func;
  gpointer            user_data;
  guint               n; /* how many have come */
  ExitSignal          signals[2];
};

/* GLib has the signal do what it does in a new program. */
static void
exit_signal_end (ExitSignal *self)
{
  if (self->source == NULL)
    return;

  g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
  sigaction (self->number, &self->before, NULL);
}

static void
exit_signals_end_all (AgentExitSignals *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (self->signals); i++)
    exit_signal_end (&self->signals[i]);
}

static gboolean
exit_signal_on_raised (gpointer user_data)
{
  ExitSignal       *self = user_data;
  AgentExitSignals *signals = self->signals;

  /* Whoever sends a third one wants the program to end however it is. */
  if (++signals->n == 2)
    exit_signals_end_all (signals);
  signals->func (self->name, signals->n, signals->user_data);
  return G_SOURCE_CONTINUE;
}

static void
exit_signal_begin (ExitSignal       *self,
                   AgentExitSignals *signals,
                   int               number,
                   const char       *name)
{
  self->signals = signals;
  self->number = number;
  self->name = name;
  sigaction (number, NULL, &self->before);
  if (self->before.sa_handler == SIG_IGN)
    return;

  self->source = g_unix_signal_source_new (number);
  g_source_set_static_name (self->source, "[agentbus] end");
  g_source_set_callback (self->source, exit_signal_on_raised, self, NULL);
  g_source_attach (self->source, signals->context);
}

AgentExitSignals *
_agent_exit_signals_new (GMainContext       *context,
                         AgentExitSignalFunc func,
                         gpointer            user_data)
{
  AgentExitSignals *self = g_new0 (AgentExitSignals, 1);

  self->context = context;
  self->func = func;
  self->user_data = user_data;
  exit_signal_begin (&self->signals[0], self, SIGINT, "SIGINT");
  exit_signal_begin (&self->signals[1], self, SIGTERM, "SIGTERM");
  return self;
}

void
_agent_exit_signals_free (AgentExitSignals *self)
{
  exit_signals_end_all (self);
  g_free (self);
}

#else

AgentExitSignals *
_agent_exit_signals_new (GMainContext       *context,
                         AgentExitSignalFunc func,
                         gpointer            user_data)
{
  return NULL;
}

void
_agent_exit_signals_free (AgentExitSignals *self)
{
}

#endif
