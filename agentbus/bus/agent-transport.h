/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/agent-enums.h>
#include <agentbus/agent-types.h>

G_BEGIN_DECLS

#define AGENT_TYPE_TRANSPORT (agent_transport_get_type ())
AGENT_AVAILABLE_IN_0_2
G_DECLARE_DERIVABLE_TYPE (AgentTransport, agent_transport, AGENT, TRANSPORT, GObject)

/**
 * AgentTransportClass:
 * @get_capabilities: What the engine does. The default is nothing.
 * @get_max_packet: The size of the largest packet that the engine carries, in bytes. The default is 1 MiB. Called
 *   when it is open.
 * @open: Connects to the engine, and returns the task: with an error if the engine is not reachable now. Once it has
 *   succeeded, the transport connects again by itself for as long as it is open, and tells its state. The cancellable of
 *   the task ends the attempt.
 * @close: Sends what the engine has taken but not sent yet, disconnects, and returns the task. After that, nothing
 *   is reported any more.
 * @send_data: Sends a packet to a node, at most once, in the order of the calls. Returns at once.
 *   `G_IO_ERROR_WOULD_BLOCK` says that there is no room: then the packet is not lost, and
 *   [method@AgentBus.Transport.ready] is called when there is room. Any other error says that the packet is lost.
 * @send_control: Sends a packet of control to a node. For each call, [method@AgentBus.Transport.control_done] is called
 *   once, later, when the engine has the packet or is known not to have it. The session and the number name a
 *   packet for this node; the same packet may be sent again under them. No more packets are open at a time than
 *   [property@AgentBus.Transport:control-window] says.
 * @send_presence: Sends a small packet to a node, or to every other node if the node is %NULL. It may get lost.
 *
 * What an engine for a transport implements.
 *
 * All functions are called in one thread, that of the transport: its `GMainContext` is the thread default and is
 * iterated while the transport is not closed. They must not wait for anything. A task is returned once, with %TRUE or an error,
 * in that thread; whoever keeps it for that adds a reference.
 *
 * Since: 0.2
 */
struct _AgentTransportClass
{
  GObjectClass parent_class;

  AgentTransportCapabilities
           (* get_capabilities) (AgentTransport       *self);
  gsize    (* get_max_packet)   (AgentTransport       *self);
  void     (* open)             (AgentTransport       *self,
                                 GTask                *task);
  void     (* close)            (AgentTransport       *self,
                                 GTask                *task);
  gboolean (* send_data)        (AgentTransport       *self,
                                 const char           *node,
                                 GBytes               *packet,
                                 GError              **error);
  void     (* send_control)     (AgentTransport       *self,
                                 const char           *node,
                                 guint64               session,
                                 guint64               number,
                                 GBytes               *packet);
  void     (* send_presence)    (AgentTransport       *self,
                                 const char           *node,
                                 GBytes               *packet);

  /*< private >*/
  gpointer padding[8];
};

AGENT_AVAILABLE_IN_0_2
const char          *agent_transport_get_node_id            (AgentTransport         *self);
AGENT_AVAILABLE_IN_0_2
const char          *agent_transport_get_bus_name           (AgentTransport         *self);
AGENT_AVAILABLE_IN_0_2
AgentTransportState  agent_transport_get_state              (AgentTransport         *self);
AGENT_AVAILABLE_IN_0_2
AgentTransportCapabilities
                     agent_transport_get_capabilities       (AgentTransport         *self);
AGENT_AVAILABLE_IN_0_2
guint                agent_transport_get_control_window     (AgentTransport         *self);
AGENT_AVAILABLE_IN_0_2
guint                agent_transport_get_heartbeat_interval (AgentTransport         *self);

AGENT_AVAILABLE_IN_0_2
void                 agent_transport_allow                  (AgentTransport         *self,
                                                             const char             *node,
                                                             const char * const     *names,
                                                             const char * const     *messages);
AGENT_AVAILABLE_IN_0_2
GVariant            *agent_transport_get_statistics         (AgentTransport         *self) G_GNUC_WARN_UNUSED_RESULT;

/* For those who implement a transport */
AGENT_AVAILABLE_IN_0_2
void                 agent_transport_set_state              (AgentTransport         *self,
                                                             AgentTransportState     state);
AGENT_AVAILABLE_IN_0_2
void                 agent_transport_received               (AgentTransport         *self,
                                                             const char             *node,
                                                             AgentTraffic            traffic,
                                                             GBytes                 *packet);
AGENT_AVAILABLE_IN_0_2
void                 agent_transport_ready                  (AgentTransport         *self);
AGENT_AVAILABLE_IN_0_2
void                 agent_transport_control_done           (AgentTransport         *self,
                                                             const char             *node,
                                                             guint64                 session,
                                                             guint64                 number,
                                                             const GError           *error);
AGENT_AVAILABLE_IN_0_2
void                 agent_transport_node_gone              (AgentTransport         *self,
                                                             const char             *node,
                                                             const char             *reason);
AGENT_AVAILABLE_IN_0_2
void                 agent_transport_refused                (AgentTransport         *self,
                                                             const char             *node,
                                                             const char             *text);

G_END_DECLS
