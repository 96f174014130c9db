/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-transport-figures-private.h"
#include "bus/agent-transport.h"

G_BEGIN_DECLS

/*
 * A transport carries packets between nodes. What the packets mean is known to the link of a bus, which opens the transport
 * and is its sink. An engine, which is derived from AgentTransport, knows only how to carry them.
 *
 * The thread of the transport is the one that has opened it. Everything here is called in that thread, but for the getters,
 * and for tell(), which may be called in any thread. Signals are emitted in the context that was the thread default where the
 * transport was made.
 */

/* The longest name of a node or a bus, in bytes. */
#define AGENT_TRANSPORT_NAME_MAX 128

/* What an engine reports, in the thread of the transport. An engine may report within a call of the sink, but not within
 * one of its own functions, unless it says otherwise here. */
typedef struct
{
  void (*received)      (gpointer            data,
                         const char         *node,
                         AgentTraffic        traffic,
                         GBytes             *packet);
  void (*ready)         (gpointer            data);
  void (*control_done)  (gpointer            data,
                         const char         *node,
                         guint64             session,
                         guint64             number,
                         const GError       *error);
  void (*node_gone)     (gpointer            data,
                         const char         *node,
                         const char         *reason);
  void (*state_changed) (gpointer            data,
                         AgentTransportState state);
} AgentTransportSink;

/* What the application is told by signals. */
typedef enum
{
  AGENT_TRANSPORT_NEWS_STATE,    /* the property has changed */
  AGENT_TRANSPORT_NEWS_APPEARED, /* a node */
  AGENT_TRANSPORT_NEWS_VANISHED,
  AGENT_TRANSPORT_NEWS_LOST,     /* packets or messages of a node */
  AGENT_TRANSPORT_NEWS_REFUSED,
} AgentTransportNewsKind;

typedef struct
{
  AgentTransportNewsKind kind;
  AgentTraffic           traffic; /* for LOST */
  guint64                n;       /* for LOST: messages */
  const char            *node;    /* (nullable) */
  const char            *text;    /* (nullable) why, or what */
} AgentTransportNews;

void     _agent_transport_install_signals (AgentTransportClass      *klass);
gpointer _agent_transport_new_signals     (AgentTransport           *self);
void     _agent_transport_close_signals   (gpointer                  signals);
void     _agent_transport_free_signals    (gpointer                  signals);
void     _agent_transport_add_news        (gpointer                  signals,
                                           const AgentTransportNews *news);

/* What nodes may do: agent-transport-rules.c */
typedef struct _AgentTransportRules AgentTransportRules;

AgentTransportRules *
         _agent_transport_rules_new       (void);
void     _agent_transport_rules_free      (AgentTransportRules      *self);
void     _agent_transport_rules_set       (AgentTransportRules      *self,
                                           const char               *node,
                                           const char * const       *names,
                                           const char * const       *messages);
gboolean _agent_transport_rules_allow     (AgentTransportRules      *self,
                                           const char               *node,
                                           const char               *name,
                                           const char               *message);

/* Any thread */
gboolean _agent_transport_allows_name     (AgentTransport           *self,
                                           const char               *node,
                                           const char               *name);
gboolean _agent_transport_allows_message  (AgentTransport           *self,
                                           const char               *node,
                                           const char               *name,
                                           const char               *message);
void     _agent_transport_tell            (AgentTransport           *self,
                                           const AgentTransportNews *news);

AgentTransportFigures *
         _agent_transport_get_figures     (AgentTransport           *self);

/* For who opens it: one at a time. */
gboolean _agent_transport_set_sink        (AgentTransport           *self,
                                           const AgentTransportSink *sink,
                                           gpointer                  data);
void     _agent_transport_open_async      (AgentTransport           *self,
                                           GCancellable             *cancellable,
                                           GAsyncReadyCallback       callback,
                                           gpointer                  user_data);
gboolean _agent_transport_open_finish     (AgentTransport           *self,
                                           GAsyncResult             *result,
                                           GError                  **error);
void     _agent_transport_close_async     (AgentTransport           *self,
                                           GCancellable             *cancellable,
                                           GAsyncReadyCallback       callback,
                                           gpointer                  user_data);
gboolean _agent_transport_close_finish    (AgentTransport           *self,
                                           GAsyncResult             *result,
                                           GError                  **error);
gsize    _agent_transport_get_max_packet  (AgentTransport           *self);
gboolean _agent_transport_send_data       (AgentTransport           *self,
                                           const char               *node,
                                           GBytes                   *packet,
                                           GError                  **error);
void     _agent_transport_send_control    (AgentTransport           *self,
                                           const char               *node,
                                           guint64                   session,
                                           guint64                   number,
                                           GBytes                   *packet);
void     _agent_transport_send_presence   (AgentTransport           *self,
                                           const char               *node,
                                           GBytes                   *packet);

G_END_DECLS
