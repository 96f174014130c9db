/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>
#include <stdatomic.h>

G_BEGIN_DECLS

/*
 * What was exchanged with other nodes. The thread of the transport counts; any thread may read.
 *
 * The figures of a node that is gone are added to a sum, so that they take no room.
 */
typedef enum
{
  AGENT_FIGURE_DATA_SENT,        /* messages, as all of these but the last ones */
  AGENT_FIGURE_DATA_RECEIVED,
  AGENT_FIGURE_DATA_LOST,        /* between the nodes */
  AGENT_FIGURE_CONTROL_SENT,
  AGENT_FIGURE_CONTROL_RECEIVED,
  AGENT_FIGURE_CONTROL_LOST,     /* sent to a node that is gone, and not known to have arrived */
  AGENT_FIGURE_REFUSED,
  AGENT_FIGURE_DUPLICATES,       /* packets that came twice */
  AGENT_N_FIGURES,
} AgentFigure;

typedef struct
{
  _Atomic guint64 counts[AGENT_N_FIGURES];
} AgentNodeFigures;

typedef struct _AgentTransportFigures AgentTransportFigures;

AgentTransportFigures *
                  _agent_transport_figures_new       (void);
void              _agent_transport_figures_free      (AgentTransportFigures *self);

/* The thread of the transport */
AgentNodeFigures *_agent_transport_figures_add       (AgentTransportFigures *self,
                                                      const char            *node);
void              _agent_transport_figures_remove    (AgentTransportFigures *self,
                                                      const char            *node);

/* Any thread */
void              _agent_transport_figures_to_dict   (AgentTransportFigures *self,
                                                      GVariantDict          *dict);

/* Relaxed: one thread counts, and the numbers need not fit together at each moment. */
static inline void
_agent_node_figures_count (AgentNodeFigures *self,
                           AgentFigure       figure,
                           guint64           n)
{
  _Atomic guint64 *count = &self->counts[figure];

  atomic_store_explicit (count, atomic_load_explicit (count, memory_order_relaxed) + n, memory_order_relaxed);
}

G_END_DECLS
