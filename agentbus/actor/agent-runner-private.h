/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-actor-private.h"
#include "actor/agent-runner.h"

G_BEGIN_DECLS

/*
 * How a runner ends its actors: in its context, once at a time.
 */
struct _AgentRunner
{
  GObject parent_instance;

  char         *name;    /* constant */
  AgentBus     *bus;     /* (owned) constant */
  GMainContext *context; /* (owned) constant */
  gboolean      owns_bus; /* constant: the runner has made it, and stops it at the end */

  /* The context's thread, while the end is under way */
  guint         n_ending; /* what has not ended */
  GPtrArray    *stuck;    /* (owned) of char *: the names of those that did not end in time */
  GError       *error;    /* (owned) (nullable) of the bus, which did not stop */

  GMutex        lock;
  GPtrArray    *actors;   /* (lock) of AgentActor (owned): those that have not left */
  GMainLoop    *loop;     /* (lock) (owned) (nullable) of run() */
  GSList       *waits;    /* (lock) of AgentPatient (owned) */
  char         *reason;   /* (lock) (nullable) of the end */
  int           exit_status; /* (lock) */
  gboolean      is_ending;   /* (lock) */
  gboolean      is_cancelled; /* (lock) */
  gboolean      had_actors;  /* (lock) */
};

void       _agent_runner_install_signals (GType        type);

/* Any thread, with no lock held */
void       _agent_runner_begin_end       (AgentRunner *self,
                                          const char  *reason);
void       _agent_runner_cancel          (AgentRunner *self,
                                          const char  *reason);
GPtrArray *_agent_runner_copy_actors     (AgentRunner *self);

G_END_DECLS
