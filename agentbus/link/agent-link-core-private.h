/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "base/agent-timer-source-private.h"
#include "bus/agent-bus-private.h"
#include "bus/agent-transport-private.h"
#include "link/agent-advances-private.h"
#include "link/agent-exports-private.h"
#include "link/agent-linger-private.h"
#include "link/agent-remote-private.h"

G_BEGIN_DECLS

/*
 * What the nodes of a link share: the bus, the transport, who of other nodes is here, and what waits to be sent. It knows no node
 * from within.
 *
 * All of it belongs to the thread of the link.
 */
typedef struct
{
  GWeakRef          bus;
  AgentTransport   *transport;     /* (owned) */
  GMainContext     *context;       /* (owned) */

  AgentExports     *exports;       /* (owned) (nullable) NULL if the bus was gone at the start */
  AgentAdvances    *advances;      /* (owned) */
  GHashTable       *remotes;       /* (owned) name → AgentRemote (unowned) of any node */
  GQueue            waiting;       /* of AgentWaitingMessage (owned), oldest first: there was no room for them */
  GPtrArray        *dirty;         /* (owned) of AgentNode (unowned): those that have something to send */
  AgentTimerSource *timer;         /* (owned) */
  gint64            timer_at;      /* -1 for not */
  AgentLinger       linger;        /* whether the thread stays awake for an answer */
  gboolean          has_handed;    /* a message of another node was handed to somebody here in this iteration */
  gboolean          connected;     /* packets come and go */
  gboolean          blocked;       /* the engine has no room for data */
  gboolean          has_free_names; /* names were taken, and are not any more */
  gsize             max_packet;
  gint64            refused_since; /* since when @n_refused are counted */
  guint             n_refused;
} AgentLinkCore;

/* A message for which there was no room. Its subscriber gets no other one meanwhile, so there is at most one for each. */
typedef struct
{
  AgentRemote   *remote;   /* (owned) */
  AgentDelivery *delivery; /* (owned) */
  AgentTraffic   traffic;
} AgentWaitingMessage;

void _agent_link_core_refuse       (AgentLinkCore       *self,
                                    const char          *node,
                                    AgentNodeFigures    *figures,
                                    const char          *format,
                                    ...) G_GNUC_PRINTF (4, 5);
void _agent_link_core_lose         (AgentLinkCore       *self,
                                    const char          *node,
                                    AgentTraffic         traffic,
                                    guint64              n,
                                    const char          *where);
void _agent_link_core_lose_message (AgentLinkCore       *self,
                                    const char          *node,
                                    AgentTraffic         traffic,
                                    AgentMessage        *message,
                                    AgentBusError        code,
                                    const char          *why);
void _agent_link_core_send         (gpointer             core,
                                    AgentMessage        *message);

/* What waits */
void _agent_link_core_wait         (AgentLinkCore       *self,
                                    AgentRemote         *remote,
                                    AgentTraffic         traffic);
void _agent_link_core_end_waiting  (AgentWaitingMessage *waiting);
void _agent_link_core_drop_waiting (AgentLinkCore       *self,
                                    const AgentNode     *node,
                                    const char          *id,
                                    const AgentRemote   *remote);
void _agent_link_core_free_name    (AgentLinkCore       *self);
void _agent_link_core_call_at      (AgentLinkCore       *self,
                                    gint64               time);

G_END_DECLS
