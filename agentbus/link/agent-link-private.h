/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "link/agent-node-private.h"

G_BEGIN_DECLS

/* How many nodes are known at a time. Further ones are refused. */
#define AGENT_LINK_MAX_NODES 4096

/*
 * How a bus is connected with the buses of other processes: it opens the transport of the bus, tells the other nodes which
 * subscribers are here, has a subscriber on the bus for each one that is there, and carries messages between them.
 *
 * A link has a thread with a context of its own. The transport lives there, and so do the subscribers that stand for those of
 * other nodes. No other thread touches the link but to start and to stop it.
 *
 * The functions are in several files: how a link begins and ends (agent-link.c), which nodes there are (-table.c), what comes from
 * the transport for them (-nodes.c), and what waits to be sent (-queue.c). What its nodes share is in its core.
 */
struct _AgentLink
{
  AgentLinkCore   core;         /* first */
  gatomicrefcount ref_count;
  GThread        *thread;       /* (owned) (nullable) NULL when it is joined */
  GMutex          start_lock;   /* held until @thread is stored and the bus has the link */
  GCancellable   *cancellable;  /* (owned) ends the opening of the transport */
  gulong          cancelled_id; /* the handler by which the cancellable of @starting does so, or 0 */
  GError         *error;        /* (owned) (nullable) why the transport could not be opened */
  GTask          *starting;     /* (owned) (nullable) until the transport is open */
  GMutex          lock;
  GTask          *stopping;     /* (lock) (owned) (nullable) from the stop until the thread ends */
  GSource        *stop;         /* (lock) (owned) (nullable) dispatched when it is to stop */
  gboolean        ended;        /* (lock) nobody looks at @stopping any more */
  guint           stop_timeout; /* ms */

  /* The thread of the link */
  GHashTable     *nodes;        /* (owned) id → AgentNode (owned) */
  GHashTable     *on_way;       /* (owned) id (owned) of a node that was given up → how many packets to it are not answered */
  gint64          beat_at;      /* when the next heartbeat is due */
  gint64          calm_until;   /* until then, nobody is given up for being silent */
  guint64         last_session;
  gboolean        open;         /* the transport is open */
  gboolean        closing;      /* it takes no new nodes */
  gboolean        closed;       /* the transport is being closed */
  gboolean        through;      /* the transport is closed, or could not be opened: the thread ends */
  gint64          close_by;     /* when what is not sent is given up; 0 for not */
};

/* Any thread */
void       _agent_link_start         (AgentBus   *bus,
                                      GTask      *task);
void       _agent_link_stop          (AgentLink  *self,
                                      guint       timeout,
                                      GTask      *task);
void       _agent_link_join          (AgentLink  *self);
void       _agent_link_unref         (AgentLink  *self);

/* The thread of the link: agent-link-table.c */
AgentNode *_agent_link_add_node      (AgentLink  *self,
                                      const char *id);
GPtrArray *_agent_link_list_nodes    (AgentLink  *self);
void       _agent_link_give_up       (AgentLink  *self,
                                      AgentNode  *node,
                                      const char *reason);
void       _agent_link_older_done    (AgentLink  *self,
                                      const char *id);
void       _agent_link_claim_names   (AgentLink  *self);

/* The thread of the link: agent-link-nodes.c */
extern const AgentTransportSink _agent_link_sink;

void       _agent_link_look_at_clock (AgentLink  *self,
                                      gint64      now);
void       _agent_link_ask           (AgentLink  *self);
void       _agent_link_say_goodbye   (AgentLink  *self);

/* The thread of the link: agent-link-queue.c */
void       _agent_link_flush         (AgentLink  *self);
gboolean   _agent_link_is_idle       (AgentLink  *self);

G_END_DECLS
