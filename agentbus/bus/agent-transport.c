/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-transport-private.h"

#include "base/agent-utf8-private.h"

/**
 * AgentTransport:
 *
 * What carries the messages of a bus to other processes.
 *
 * Buses in several processes become one bus when each of them has a transport of the same engine with the same
 * [property@AgentBus.Transport:bus-name]. Each process is a *node*. Give the transport to the bus when it is made, and start
 * the bus: after that, subscribers of other nodes are targets as those of this process are.
 *
 * This class is the base of the engines, such as [class@AgentBus.DBusTransport]. What the application sees is the same with all of
 * them.
 *
 * <!-- complete program: prints "connected" -->
 *
 * ```c
 * #include <agentbus/agentbus.h>
 *
 * static void
 * on_stopped (GObject *bus, GAsyncResult *result, gpointer loop)
 * {
 *   g_main_loop_quit (loop);
 * }
 *
 * static void
 * on_started (GObject *bus, GAsyncResult *result, gpointer loop)
 * {
 *   g_autoptr (GError) error = NULL;
 *
 *   if (agent_bus_start_finish (AGENT_BUS (bus), result, &error))
 *     g_print ("connected\n");
 *   else
 *     g_print ("alone: %s\n", error->message);
 *   agent_bus_stop_async (AGENT_BUS (bus), NULL, on_stopped, loop);
 * }
 *
 * int
 * main (void)
 * {
 *   const char *address = "unix:abstract=agentbus-kitchen-c";
 *   g_autoptr (AgentTransport) transport =
 *     agent_dbus_transport_new_for_peers (address, TRUE);
 *   g_autoptr (AgentBus) bus =
 *     g_object_new (AGENT_TYPE_BUS, "transport", transport, NULL);
 *   g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
 *
 *   agent_bus_start_async (bus, NULL, on_started, loop);
 *   g_main_loop_run (loop);
 *   return 0;
 * }
 * ```
 *
 * A transport belongs to one bus at a time. Its properties may be read in any thread. Its signals are emitted in the context
 * that was the thread default where it was made.
 *
 * ## From Python
 *
 * ```python
 * transport = AgentBus.DBusTransport()
 * bus = AgentBus.Bus(transport=transport)
 * transport.connect('vanished', lambda _t, node, reason: print(node, reason))
 * print(transport.get_state().value_nick)  # prints: closed
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const transport = new AgentBus.DBusTransport();
 * const bus = new AgentBus.Bus({transport});
 * transport.connect('vanished', (_t, node, reason) => print(node, reason));
 * print(bus.transport.bus_name); // prints: default
 * ```
 *
 * ## To write an engine
 *
 * Derive from this class and implement the functions of `AgentTransportClass`. An engine carries packets of bytes, and
 * knows nothing of what they mean: numbers, order, repetition and counting of losses are above it, the same for
 * all engines.
 *
 * Since: 0.2
 */
typedef struct
{
  char                     *node_id;            /* (owned) */
  char                     *bus_name;           /* (owned) */
  guint                     control_window;     /* packets */
  guint                     heartbeat_interval; /* ms */
  gint                      state;              /* (atomic) an AgentTransportState */
  gpointer                  signals;            /* (owned) */
  AgentTransportRules      *rules;              /* (owned) */
  AgentTransportFigures    *figures;            /* (owned) */
  gint                      is_used;            /* (atomic) somebody has it, and set @sink */
  const AgentTransportSink *sink;               /* (nullable) */
  gpointer                  sink_data;
} AgentTransportPrivate;

enum
{
  PROP_0,
  PROP_NODE_ID,
  PROP_BUS_NAME,
  PROP_CONTROL_WINDOW,
  PROP_HEARTBEAT_INTERVAL,
  PROP_STATE,
  PROP_CAPABILITIES,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (AgentTransport, agent_transport, G_TYPE_OBJECT)

static AgentTransportPrivate *
transport_get_private (AgentTransport *self)
{
  return agent_transport_get_instance_private (self);
}

/* --- The type --- */

static void
agent_transport_constructed (GObject *object)
{
  AgentTransportPrivate *priv = transport_get_private (AGENT_TRANSPORT (object));

  G_OBJECT_CLASS (agent_transport_parent_class)->constructed (object);

  if (priv->node_id == NULL)
    priv->node_id = g_uuid_string_random ();
  if (priv->bus_name == NULL)
    priv->bus_name = g_strdup ("default");
  priv->signals = _agent_transport_new_signals (AGENT_TRANSPORT (object));
}

static void
agent_transport_dispose (GObject *object)
{
  _agent_transport_close_signals (transport_get_private (AGENT_TRANSPORT (object))->signals);

  G_OBJECT_CLASS (agent_transport_parent_class)->dispose (object);
}

static void
agent_transport_finalize (GObject *object)
{
  AgentTransportPrivate *priv = transport_get_private (AGENT_TRANSPORT (object));

  g_free (priv->node_id);
  g_free (priv->bus_name);
  _agent_transport_free_signals (priv->signals);
  _agent_transport_rules_free (priv->rules);
  _agent_transport_figures_free (priv->figures);

  G_OBJECT_CLASS (agent_transport_parent_class)->finalize (object);
}

static void
agent_transport_get_property (GObject    *object,
                              guint       prop_id,
                              GValue     *value,
                              GParamSpec *pspec)
{
  AgentTransport *self = AGENT_TRANSPORT (object);

  switch (prop_id)
    {
    case PROP_NODE_ID:
      g_value_set_string (value, agent_transport_get_node_id (self));
      break;
    case PROP_BUS_NAME:
      g_value_set_string (value, agent_transport_get_bus_name (self));
      break;
    case PROP_CONTROL_WINDOW:
      g_value_set_uint (value, agent_transport_get_control_window (self));
      break;
    case PROP_HEARTBEAT_INTERVAL:
      g_value_set_uint (value, agent_transport_get_heartbeat_interval (self));
      break;
    case PROP_STATE:
      g_value_set_enum (value, agent_transport_get_state (self));
      break;
    case PROP_CAPABILITIES:
      g_value_set_flags (value, agent_transport_get_capabilities (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

/* Names of nodes and buses become parts of subjects, object paths and the like, so they have a length that all engines can
 * carry. */
static char *
transport_dup_name (const GValue *value)
{
  const char *name = g_value_get_string (value);

  if (name == NULL)
    return NULL;

  g_return_val_if_fail (*name != '\0', NULL);
  g_return_val_if_fail (strlen (name) <= AGENT_TRANSPORT_NAME_MAX, NULL);
  g_return_val_if_fail (_agent_utf8_is_string (name), NULL);
  return g_strdup (name);
}

static void
agent_transport_set_property (GObject      *object,
                              guint         prop_id,
                              const GValue *value,
                              GParamSpec   *pspec)
{
  AgentTransportPrivate *priv = transport_get_private (AGENT_TRANSPORT (object));

  switch (prop_id)
    {
    case PROP_NODE_ID:
      priv->node_id = transport_dup_name (value);
      break;
    case PROP_BUS_NAME:
      priv->bus_name = transport_dup_name (value);
      break;
    case PROP_CONTROL_WINDOW:
      priv->control_window = g_value_get_uint (value);
      break;
    case PROP_HEARTBEAT_INTERVAL:
      priv->heartbeat_interval = g_value_get_uint (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static AgentTransportCapabilities
transport_real_get_capabilities (AgentTransport *self)
{
  return AGENT_TRANSPORT_CAPABILITIES_NONE;
}

static gsize
transport_real_get_max_packet (AgentTransport *self)
{
  return 1024 * 1024;
}

static void
transport_install_names (void)
{
  /**
   * AgentTransport:node-id: (getter get_node_id)
   *
   * The name of this process among the nodes: valid UTF-8 of up to 128 bytes, and different in each process. If it is not set,
   * it is a random UUID.
   *
   * Since: 0.2
   */
  props[PROP_NODE_ID] = g_param_spec_string (
      "node-id", NULL, NULL, NULL, G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AgentTransport:bus-name: (getter get_bus_name)
   *
   * Which bus the node belongs to: nodes of one engine know of each other if this is the same. Valid UTF-8 of up to 128 bytes. If
   * it is not set, it is `default`.
   *
   * Since: 0.2
   */
  props[PROP_BUS_NAME] = g_param_spec_string (
      "bus-name", NULL, NULL, NULL, G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
}

static void
transport_install_limits (void)
{
  /**
   * AgentTransport:control-window: (getter get_control_window)
   *
   * How many packets of control may be on their way to a node at a time. Further ones wait.
   *
   * Since: 0.2
   */
  props[PROP_CONTROL_WINDOW] = g_param_spec_uint (
      "control-window", NULL, NULL, 1, 3000, 2000, G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AgentTransport:heartbeat-interval: (getter get_heartbeat_interval)
   *
   * How often a node says that it is there, in milliseconds. A node that is silent for three times its interval has vanished.
   *
   * Since: 0.2
   */
  props[PROP_HEARTBEAT_INTERVAL] = g_param_spec_uint (
      "heartbeat-interval", NULL, NULL, 10, 3600000, 500, G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
}

static void
transport_install_state (void)
{
  /**
   * AgentTransport:state: (getter get_state)
   *
   * How far the transport has come. Changes are notified in the context of the transport, though they happen in another thread.
   *
   * Since: 0.2
   */
  props[PROP_STATE] = g_param_spec_enum (
      "state", NULL, NULL, AGENT_TYPE_TRANSPORT_STATE, AGENT_TRANSPORT_STATE_CLOSED, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * AgentTransport:capabilities: (getter get_capabilities)
   *
   * What the engine does. It never changes.
   *
   * Since: 0.2
   */
  props[PROP_CAPABILITIES] = g_param_spec_flags ("capabilities",
                                                 NULL,
                                                 NULL,
                                                 AGENT_TYPE_TRANSPORT_CAPABILITIES,
                                                 AGENT_TRANSPORT_CAPABILITIES_NONE,
                                                 G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
}

/**
 * AgentTransportClass::get_capabilities:
 * @self: the transport
 *
 * Says what the engine does.
 *
 * The default is nothing.
 *
 * Returns: what the engine does
 *
 * Since: 0.2
 */

/**
 * AgentTransportClass::get_max_packet:
 * @self: the transport
 *
 * Says how large a packet may be that the engine carries.
 *
 * Called when the engine is open. The default is 1 MiB.
 *
 * Returns: the size of the largest packet, in bytes
 *
 * Since: 0.2
 */

/**
 * AgentTransportClass::open:
 * @self: the transport
 * @task: what to return when it is open
 *
 * Connects to the engine.
 *
 * Returns the task: with an error if the engine is not reachable now. Once it has succeeded, the transport connects again by
 * itself for as long as it is open, and tells its state. The cancellable of the task ends the attempt.
 *
 * Since: 0.2
 */

/**
 * AgentTransportClass::close:
 * @self: the transport
 * @task: what to return when it is closed
 *
 * Disconnects from the engine.
 *
 * Sends what the engine has taken but not sent yet, disconnects, and returns the task. After that, nothing is reported any
 * more.
 *
 * Since: 0.2
 */

/**
 * AgentTransportClass::send_data:
 * @self: the transport
 * @node: the node
 * @packet: the packet
 * @error: return location for an error
 *
 * Sends a packet at most once, in the order of the calls.
 *
 * Returns at once. `G_IO_ERROR_WOULD_BLOCK` says that there is no room: then the packet is not lost, and
 * [method@AgentBus.Transport.ready] is called when there is room. Any other error says that the packet is lost, and is told by
 * [signal@AgentBus.Transport::refused]; but not `G_IO_ERROR_NOT_FOUND`, `NOT_CONNECTED`, `CLOSED` and `CONNECTION_CLOSED`, which
 * say that the node is not there: that is told when it has vanished.
 *
 * Returns: whether the engine has taken the packet
 *
 * Since: 0.2
 */

/**
 * AgentTransportClass::send_control:
 * @self: the transport
 * @node: the node
 * @session: names the packet, with the number
 * @number: names the packet, with the session
 * @packet: the packet
 *
 * Sends a packet of control to a node.
 *
 * For each call, [method@AgentBus.Transport.control_done] is called once, later, when the engine has the packet or is known not
 * to have it. The same packet may be sent again under its session and number. No more packets are open at a time than
 * [property@AgentBus.Transport:control-window] says.
 *
 * Since: 0.2
 */

/**
 * AgentTransportClass::send_presence:
 * @self: the transport
 * @node: (nullable): the node, or %NULL for every other node
 * @packet: the packet
 *
 * Sends a small packet, which may get lost.
 *
 * Since: 0.2
 */

static void
agent_transport_class_init (AgentTransportClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = agent_transport_constructed;
  object_class->dispose = agent_transport_dispose;
  object_class->finalize = agent_transport_finalize;
  object_class->get_property = agent_transport_get_property;
  object_class->set_property = agent_transport_set_property;
  klass->get_capabilities = transport_real_get_capabilities;
  klass->get_max_packet = transport_real_get_max_packet;

  transport_install_names ();
  transport_install_limits ();
  transport_install_state ();
  g_object_class_install_properties (object_class, N_PROPS, props);
  _agent_transport_install_signals (klass);
}

static void
agent_transport_init (AgentTransport *self)
{
  AgentTransportPrivate *priv = transport_get_private (self);

  priv->rules = _agent_transport_rules_new ();
  priv->figures = _agent_transport_figures_new ();
}

/* --- For the application --- */

/**
 * agent_transport_get_node_id:
 * @self: a transport
 *
 * Gets the name of this process among the nodes. May be called in any thread.
 *
 * Returns: (transfer none): the id of the node
 *
 * Since: 0.2
 */
const char *
agent_transport_get_node_id (AgentTransport *self)
{
  g_return_val_if_fail (AGENT_IS_TRANSPORT (self), NULL);

  return transport_get_private (self)->node_id;
}

/**
 * agent_transport_get_bus_name:
 * @self: a transport
 *
 * Gets the name of the bus that the node belongs to. May be called in any thread.
 *
 * Returns: (transfer none): the name of the bus
 *
 * Since: 0.2
 */
const char *
agent_transport_get_bus_name (AgentTransport *self)
{
  g_return_val_if_fail (AGENT_IS_TRANSPORT (self), NULL);

  return transport_get_private (self)->bus_name;
}

/**
 * agent_transport_get_state:
 * @self: a transport
 *
 * Gets how far the transport has come. May be called in any thread.
 *
 * Returns: the state
 *
 * Since: 0.2
 */
AgentTransportState
agent_transport_get_state (AgentTransport *self)
{
  g_return_val_if_fail (AGENT_IS_TRANSPORT (self), AGENT_TRANSPORT_STATE_CLOSED);

  return g_atomic_int_get (&transport_get_private (self)->state);
}

/**
 * agent_transport_get_capabilities:
 * @self: a transport
 *
 * Gets what the engine does. May be called in any thread.
 *
 * Returns: the capabilities
 *
 * Since: 0.2
 */
AgentTransportCapabilities
agent_transport_get_capabilities (AgentTransport *self)
{
  g_return_val_if_fail (AGENT_IS_TRANSPORT (self), AGENT_TRANSPORT_CAPABILITIES_NONE);

  return AGENT_TRANSPORT_GET_CLASS (self)->get_capabilities (self);
}

/**
 * agent_transport_get_control_window:
 * @self: a transport
 *
 * Gets how many packets of control may be on their way to a node at a time. May be called in any thread.
 *
 * Returns: the number of packets
 *
 * Since: 0.2
 */
guint
agent_transport_get_control_window (AgentTransport *self)
{
  g_return_val_if_fail (AGENT_IS_TRANSPORT (self), 0);

  return transport_get_private (self)->control_window;
}

/**
 * agent_transport_get_heartbeat_interval:
 * @self: a transport
 *
 * Gets how often this node says that it is there. May be called in any thread.
 *
 * Returns: the interval in milliseconds
 *
 * Since: 0.2
 */
guint
agent_transport_get_heartbeat_interval (AgentTransport *self)
{
  g_return_val_if_fail (AGENT_IS_TRANSPORT (self), 0);

  return transport_get_private (self)->heartbeat_interval;
}

/**
 * agent_transport_allow:
 * @self: a transport
 * @node: (nullable): the id of a node, or %NULL for each node that has no rule of its own
 * @names: (nullable) (array zero-terminated=1): patterns for the names of its subscribers, or %NULL for any
 * @messages: (nullable) (array zero-terminated=1): names of messages, as in signal details, or %NULL for any
 *
 * Says what another node may do here. Without any rule, it may do everything.
 *
 * Only subscribers whose names match one of @names are known here, and only messages of @messages from such names come in. In a
 * pattern, `*` stands for any characters and `?` for one. An empty list allows nothing. What is not allowed is dropped and told
 * by [signal@AgentBus.Transport::refused].
 *
 * It holds from the next message on; names that are known stay known. Call it before the bus is started, so that nothing comes in
 * before. May be called in any thread.
 *
 * ```c
 * g_autoptr (AgentTransport) transport = agent_dbus_transport_new (NULL);
 * const char *const names[] = { "recogniser-*", NULL };
 * const char *const messages[] = { "frame", "task-response", NULL };
 * const char *const none[] = { NULL };
 *
 * agent_transport_allow (transport, "speech", names, messages);
 * agent_transport_allow (transport, NULL, none, NULL);
 * g_print ("only for %s\n", names[0]); // prints: only for recogniser-*
 * ```
 *
 * Since: 0.2
 */
void
agent_transport_allow (AgentTransport    *self,
                       const char        *node,
                       const char *const *names,
                       const char *const *messages)
{
  g_return_if_fail (AGENT_IS_TRANSPORT (self));
  g_return_if_fail (node == NULL || *node != '\0');

  _agent_transport_rules_set (transport_get_private (self)->rules, node, names, messages);
}

/**
 * agent_transport_get_statistics:
 * @self: a transport
 *
 * Gets what was exchanged with other nodes, since the transport was made. May be called in any thread.
 *
 * The dictionary has the sums `data-sent`, `data-received`, `data-lost` (on the way here), `control-sent`,
 * `control-received`, `control-lost` (sent to nodes that are gone, and not known to have arrived) and `refused`, all of
 * them messages, and `duplicates`, packets that came twice, each of type `t`. `nodes` has the same for each node that is there
 * now, by its id, in a dictionary of dictionaries.
 *
 * Returns: (transfer full): a dictionary of type `a{sv}`
 *
 * Since: 0.2
 */
GVariant *
agent_transport_get_statistics (AgentTransport *self)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  g_return_val_if_fail (AGENT_IS_TRANSPORT (self), NULL);

  _agent_transport_figures_to_dict (transport_get_private (self)->figures, &dict);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

/* --- What an engine reports --- */

/**
 * agent_transport_set_state:
 * @self: a transport
 * @state: its state
 *
 * Tells how far the transport has come. For engines, in the thread of the transport.
 *
 * An engine tells `CONNECTED` and `LOST` while it is open; the other states are told for it.
 *
 * Since: 0.2
 */
void
agent_transport_set_state (AgentTransport     *self,
                           AgentTransportState state)
{
  const AgentTransportNews news = { .kind = AGENT_TRANSPORT_NEWS_STATE };
  AgentTransportPrivate   *priv;

  g_return_if_fail (AGENT_IS_TRANSPORT (self));

  priv = transport_get_private (self);
  if (g_atomic_int_get (&priv->state) == (gint) state)
    return;

  g_atomic_int_set (&priv->state, state);
  _agent_transport_tell (self, &news);
  if (priv->sink != NULL)
    priv->sink->state_changed (priv->sink_data, state);
}

/**
 * agent_transport_received:
 * @self: a transport
 * @node: the node that has sent the packet; if the engine has %AGENT_TRANSPORT_CAPABILITIES_VERIFIED_SOURCE, it is proven
 * @traffic: what the packet carries
 * @packet: the packet
 *
 * Hands over a packet that has come in, in the order in which it came. For engines, in the thread of the transport.
 *
 * A packet may be handed over twice, and may be damaged.
 *
 * Since: 0.2
 */
void
agent_transport_received (AgentTransport *self,
                          const char     *node,
                          AgentTraffic    traffic,
                          GBytes         *packet)
{
  AgentTransportPrivate *priv;

  g_return_if_fail (AGENT_IS_TRANSPORT (self));
  g_return_if_fail (node != NULL);
  g_return_if_fail (packet != NULL);

  priv = transport_get_private (self);
  if (priv->sink != NULL)
    priv->sink->received (priv->sink_data, node, traffic, packet);
}

/**
 * agent_transport_ready:
 * @self: a transport
 *
 * Tells that there is room for data again. For engines, in the thread of the transport, but not within `send_data`.
 *
 * Since: 0.2
 */
void
agent_transport_ready (AgentTransport *self)
{
  AgentTransportPrivate *priv;

  g_return_if_fail (AGENT_IS_TRANSPORT (self));

  priv = transport_get_private (self);
  if (priv->sink != NULL)
    priv->sink->ready (priv->sink_data);
}

/**
 * agent_transport_control_done:
 * @self: a transport
 * @node: the node that the packet was for
 * @session: the session
 * @number: the number
 * @error: (nullable): why the engine has not got the packet, or %NULL if it has it
 *
 * Tells what has become of a packet of control. For engines, in the thread of the transport, but not within `send_control`.
 *
 * After an error, the packet is sent again, under the same number. Say it within a few seconds, also if nothing is known of the
 * packet.
 *
 * Since: 0.2
 */
void
agent_transport_control_done (AgentTransport *self,
                              const char     *node,
                              guint64         session,
                              guint64         number,
                              const GError   *error)
{
  AgentTransportPrivate *priv;

  g_return_if_fail (AGENT_IS_TRANSPORT (self));
  g_return_if_fail (node != NULL);

  priv = transport_get_private (self);
  if (priv->sink != NULL)
    priv->sink->control_done (priv->sink_data, node, session, number, error);
}

/**
 * agent_transport_node_gone:
 * @self: a transport
 * @node: a node
 * @reason: why it is known to be gone, for people
 *
 * Tells that the process of a node has ended or has left the engine. For engines that are told so at once, in the thread of the
 * transport; without it, the silence of the node tells it later.
 *
 * Since: 0.2
 */
void
agent_transport_node_gone (AgentTransport *self,
                           const char     *node,
                           const char     *reason)
{
  AgentTransportPrivate *priv;

  g_return_if_fail (AGENT_IS_TRANSPORT (self));
  g_return_if_fail (node != NULL);
  g_return_if_fail (reason != NULL);

  priv = transport_get_private (self);
  if (priv->sink != NULL)
    priv->sink->node_gone (priv->sink_data, node, reason);
}

/**
 * agent_transport_refused:
 * @self: a transport
 * @node: (nullable): the node that has sent it, or %NULL if the engine has refused what this node has sent
 * @text: what was refused, and why, for people
 *
 * Tells that something was refused. For engines, in any thread.
 *
 * Since: 0.2
 */
void
agent_transport_refused (AgentTransport *self,
                         const char     *node,
                         const char     *text)
{
  const AgentTransportNews news = { .kind = AGENT_TRANSPORT_NEWS_REFUSED, .node = node, .text = text };

  g_return_if_fail (AGENT_IS_TRANSPORT (self));
  g_return_if_fail (text != NULL);

  _agent_transport_tell (self, &news);
}

/* --- For the link --- */

/* Any thread. What is told may be dropped if nobody iterates the context of the application. */
void
_agent_transport_tell (AgentTransport           *self,
                       const AgentTransportNews *news)
{
  _agent_transport_add_news (transport_get_private (self)->signals, news);
}

/* (transfer none) */
AgentTransportFigures *
_agent_transport_get_figures (AgentTransport *self)
{
  return transport_get_private (self)->figures;
}

/* Whether @node may have a subscriber @name. */
gboolean
_agent_transport_allows_name (AgentTransport *self,
                              const char     *node,
                              const char     *name)
{
  return _agent_transport_rules_allow (transport_get_private (self)->rules, node, name, NULL);
}

/* Whether @node may send @message from @name. */
gboolean
_agent_transport_allows_message (AgentTransport *self,
                                 const char     *node,
                                 const char     *name,
                                 const char     *message)
{
  return _agent_transport_rules_allow (transport_get_private (self)->rules, node, name, message);
}

/* @sink: (nullable): NULL when the transport is not used any more. Returns FALSE if it is used already. */
gboolean
_agent_transport_set_sink (AgentTransport           *self,
                           const AgentTransportSink *sink,
                           gpointer                  data)
{
  AgentTransportPrivate *priv = transport_get_private (self);

  /* Who gives it up is done with the fields before another one may have it. */
  if (sink != NULL && !g_atomic_int_compare_and_exchange (&priv->is_used, FALSE, TRUE))
    return FALSE;

  priv->sink = sink;
  priv->sink_data = data;
  if (sink == NULL)
    g_atomic_int_set (&priv->is_used, FALSE);
  return TRUE;
}
