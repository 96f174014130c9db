/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport/agent-dbus-transport.h"

#include "transport/agent-dbus-client-private.h"
#include "transport/agent-dbus-member-private.h"
#include "transport/agent-dbus-packet-private.h"
#include "transport/agent-dbus-server-private.h"

/**
 * AgentDBusTransport:
 *
 * A transport over D-Bus, for the processes of one machine, such as those of a desktop.
 *
 * Usually the processes are on a message bus: the session bus, or another one that
 * [property@AgentBus.DBusTransport:address] says. Each node owns a name there, `org.agentbus.Bus.BUS.NODE`, in which the name
 * of the bus and the id of the node are escaped. If the name has an owner already, opening fails with
 * `AGENT_BUS_ERROR_EXISTS`. The other nodes are found by their names: the daemon of the message bus proves which node
 * has sent a packet, and tells at once when a process has ended. A packet of somebody who owns no such name is refused, and
 * [signal@AgentBus.Transport::refused] tells it with the unique name of the sender.
 *
 * ```c
 * g_autoptr (AgentTransport) transport =
 *   g_object_new (AGENT_TYPE_DBUS_TRANSPORT,
 *                 "bus-name", "kitchen",
 *                 "node-id", "oven",
 *                 NULL);
 *
 * // prints: oven
 * g_print ("%s\n", agent_transport_get_node_id (transport));
 * ```
 *
 * If the connection is lost, as when the daemon is started anew, the state is `LOST` until the transport is back on the
 * message bus: it tries after 20 ms, and then less and less often, up to once in a second. A connection that the application
 * has given is not opened again.
 *
 * ## Without a message bus
 *
 * Tests and sandboxes may have none. Then one process listens at an address, and the others connect to it, see
 * [ctor@AgentBus.DBusTransport.new_for_peers]. The one that listens knows all others, and they know only that one. Processes of
 * other users are refused. A node is gone when its connection is closed; one that connects does so again.
 *
 * With `unix:path=…`, the file must not be there when a process begins to listen. `unix:abstract=…` leaves no file.
 *
 * ## What it carries
 *
 * Data and presence are signals with a destination, and control is method calls with a reply. A packet has up to 16 MiB.
 * GDBus writes and reads in a thread of its own. Data has to wait if more than 1 MiB has not been written yet; without a message
 * bus, a node that has not read anything for a second loses data instead, so that no other node has to wait for it. If
 * more than 32 MiB have come in and were not handled yet, further data is lost, and further control is refused and sent again.
 *
 * ## From Python
 *
 * ```python
 * transport = AgentBus.DBusTransport(bus_name='kitchen', node_id='oven')
 * verified = AgentBus.TransportCapabilities.VERIFIED_SOURCE
 * print(bool(transport.get_capabilities() & verified))  # prints: True
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const transport = new AgentBus.DBusTransport({
 *     role: AgentBus.DBusRole.SERVER, address: 'unix:abstract=kitchen',
 * });
 * print(transport.address); // prints: unix:abstract=kitchen
 * ```
 *
 * Since: 0.2
 */
struct _AgentDBusTransport
{
  AgentTransport parent_instance;

  GDBusConnection *connection; /* (owned) (nullable) constant */
  char            *address;    /* (owned) (nullable) constant */
  AgentDBusRole    role;       /* constant */

  /* The thread of the transport, while it is open */
  AgentDBusHub  *hub;     /* (owned) (nullable) */
  AgentDBusPort *port;    /* (owned) (nullable) */
  GTask         *closing; /* (owned) (nullable) */
};

enum
{
  PROP_0,
  PROP_CONNECTION,
  PROP_ADDRESS,
  PROP_ROLE,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (AgentDBusTransport, agent_dbus_transport, AGENT_TYPE_TRANSPORT)

/* --- To open and to close --- */

static void
dbus_transport_clear (AgentDBusTransport *self)
{
  AgentDBusPort *port = g_steal_pointer (&self->port);

  if (port != NULL)
    port->funcs->free (port);
  g_clear_pointer (&self->hub, _agent_dbus_hub_free);
}

static AgentDBusPort *
dbus_transport_new_port (AgentDBusTransport *self)
{
  switch (self->role)
    {
    case AGENT_DBUS_ROLE_SERVER:
      return _agent_dbus_server_new (self->hub, self->address);
    case AGENT_DBUS_ROLE_CLIENT:
      return _agent_dbus_client_new (self->hub, self->address);
    case AGENT_DBUS_ROLE_MEMBER:
    default:
      return _agent_dbus_member_new (self->hub, self->connection, self->address);
    }
}

static void
dbus_transport_on_opened (GObject      *object,
                          GAsyncResult *result,
                          gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_task_return_boolean (task, TRUE);
      return;
    }

  dbus_transport_clear (AGENT_DBUS_TRANSPORT (object));
  g_task_return_error (task, error);
}

static void
dbus_transport_open (AgentTransport *transport,
                     GTask          *task)
{
  AgentDBusTransport *self = AGENT_DBUS_TRANSPORT (transport);
  g_autoptr (GTask) attempt =
      g_task_new (self, g_task_get_cancellable (task), dbus_transport_on_opened, g_object_ref (task));

  g_task_set_check_cancellable (attempt, FALSE);
  g_task_set_source_tag (attempt, dbus_transport_open);
  if (self->role != AGENT_DBUS_ROLE_MEMBER && self->address == NULL)
    {
      g_task_return_new_error (attempt, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "Without a message bus, an address is needed");
      return;
    }

  self->hub = _agent_dbus_hub_new (transport);
  self->port = dbus_transport_new_port (self);
  self->port->funcs->open (self->port, attempt);
}

static void
dbus_transport_on_closed (gpointer data)
{
  AgentDBusTransport *self = data;
  g_autoptr (GTask) task = g_steal_pointer (&self->closing);

  _agent_dbus_hub_end (self->hub);
  dbus_transport_clear (self);
  g_task_return_boolean (task, TRUE);
}

static void
dbus_transport_close (AgentTransport *transport,
                      GTask          *task)
{
  AgentDBusTransport *self = AGENT_DBUS_TRANSPORT (transport);

  self->closing = g_object_ref (task);
  self->port->funcs->close (self->port, g_task_get_cancellable (task), dbus_transport_on_closed, self);
}

/* --- What it carries --- */

static AgentTransportCapabilities
dbus_transport_get_capabilities (AgentTransport *transport)
{
  return AGENT_TRANSPORT_CAPABILITIES_VERIFIED_SOURCE | AGENT_TRANSPORT_CAPABILITIES_PRESENCE_EVENTS;
}

static gsize
dbus_transport_get_max_packet (AgentTransport *transport)
{
  return AGENT_DBUS_PACKET_MAX;
}

static gboolean
dbus_transport_send_data (AgentTransport *transport,
                          const char     *node,
                          GBytes         *packet,
                          GError        **error)
{
  return _agent_dbus_hub_send_data (AGENT_DBUS_TRANSPORT (transport)->hub, node, packet, error);
}

static void
dbus_transport_send_control (AgentTransport *transport,
                             const char     *node,
                             guint64         session,
                             guint64         number,
                             GBytes         *packet)
{
  _agent_dbus_hub_send_control (AGENT_DBUS_TRANSPORT (transport)->hub, node, session, number, packet);
}

static void
dbus_transport_send_presence (AgentTransport *transport,
                              const char     *node,
                              GBytes         *packet)
{
  _agent_dbus_hub_send_presence (AGENT_DBUS_TRANSPORT (transport)->hub, node, packet);
}

/* --- The type --- */

static void
agent_dbus_transport_finalize (GObject *object)
{
  AgentDBusTransport *self = AGENT_DBUS_TRANSPORT (object);

  g_clear_object (&self->connection);
  g_free (self->address);

  G_OBJECT_CLASS (agent_dbus_transport_parent_class)->finalize (object);
}

static void
agent_dbus_transport_get_property (GObject    *object,
                                   guint       prop_id,
                                   GValue     *value,
                                   GParamSpec *pspec)
{
  AgentDBusTransport *self = AGENT_DBUS_TRANSPORT (object);

  switch (prop_id)
    {
    case PROP_CONNECTION:
      g_value_set_object (value, self->connection);
      break;
    case PROP_ADDRESS:
      g_value_set_string (value, self->address);
      break;
    case PROP_ROLE:
      g_value_set_enum (value, self->role);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
agent_dbus_transport_set_property (GObject      *object,
                                   guint         prop_id,
                                   const GValue *value,
                                   GParamSpec   *pspec)
{
  AgentDBusTransport *self = AGENT_DBUS_TRANSPORT (object);

  switch (prop_id)
    {
    case PROP_CONNECTION:
      self->connection = g_value_dup_object (value);
      break;
    case PROP_ADDRESS:
      self->address = g_value_dup_string (value);
      break;
    case PROP_ROLE:
      self->role = g_value_get_enum (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
dbus_transport_install_properties (GObjectClass *object_class)
{
  /**
   * AgentDBusTransport:connection: (getter get_connection)
   *
   * A connection to a message bus that the transport uses and leaves open. If it is not set, the transport has one of its own.
   *
   * Since: 0.2
   */
  props[PROP_CONNECTION] = g_param_spec_object ("connection",
                                                NULL,
                                                NULL,
                                                G_TYPE_DBUS_CONNECTION,
                                                G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AgentDBusTransport:address: (getter get_address)
   *
   * The address of the message bus, or of the process that listens, in the format of D-Bus. If it is not set, it is that of the
   * session bus. It is not looked at if there is a [property@AgentBus.DBusTransport:connection].
   *
   * Since: 0.2
   */
  props[PROP_ADDRESS] = g_param_spec_string (
      "address", NULL, NULL, NULL, G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AgentDBusTransport:role: (getter get_role)
   *
   * How the transport is connected to the other nodes.
   *
   * Since: 0.2
   */
  props[PROP_ROLE] = g_param_spec_enum ("role",
                                        NULL,
                                        NULL,
                                        AGENT_TYPE_DBUS_ROLE,
                                        AGENT_DBUS_ROLE_MEMBER,
                                        G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
agent_dbus_transport_class_init (AgentDBusTransportClass *klass)
{
  GObjectClass        *object_class = G_OBJECT_CLASS (klass);
  AgentTransportClass *transport_class = AGENT_TRANSPORT_CLASS (klass);

  object_class->finalize = agent_dbus_transport_finalize;
  object_class->get_property = agent_dbus_transport_get_property;
  object_class->set_property = agent_dbus_transport_set_property;

  transport_class->get_capabilities = dbus_transport_get_capabilities;
  transport_class->get_max_packet = dbus_transport_get_max_packet;
  transport_class->open = dbus_transport_open;
  transport_class->close = dbus_transport_close;
  transport_class->send_data = dbus_transport_send_data;
  transport_class->send_control = dbus_transport_send_control;
  transport_class->send_presence = dbus_transport_send_presence;

  dbus_transport_install_properties (object_class);
}

static void
agent_dbus_transport_init (AgentDBusTransport *self)
{
}

/**
 * agent_dbus_transport_new:
 * @connection: (nullable): a connection to a message bus, or %NULL for one of its own to the session bus
 *
 * Creates a transport over a message bus of D-Bus. May be called in any thread.
 *
 * The transport reads and writes over a connection that it is given, and leaves it open in the end. Others may use it at the same
 * time. It has to be open.
 *
 * Returns: (transfer full) (type AgentBus.DBusTransport): a transport
 *
 * Since: 0.2
 */
AgentTransport *
agent_dbus_transport_new (GDBusConnection *connection)
{
  g_return_val_if_fail (connection == NULL || G_IS_DBUS_CONNECTION (connection), NULL);

  return g_object_new (AGENT_TYPE_DBUS_TRANSPORT, "connection", connection, NULL);
}

/**
 * agent_dbus_transport_new_for_peers:
 * @address: an address of D-Bus, such as `unix:abstract=kitchen`
 * @listen: whether this process listens there; if not, it connects to the one that does
 *
 * Creates a transport between processes without a message bus. May be called in any thread.
 *
 * Returns: (transfer full) (type AgentBus.DBusTransport): a transport
 *
 * Since: 0.2
 */
AgentTransport *
agent_dbus_transport_new_for_peers (const char *address,
                                    gboolean    listen)
{
  g_return_val_if_fail (address != NULL, NULL);

  return g_object_new (AGENT_TYPE_DBUS_TRANSPORT,
                       "address",
                       address,
                       "role",
                       listen ? AGENT_DBUS_ROLE_SERVER : AGENT_DBUS_ROLE_CLIENT,
                       NULL);
}

/**
 * agent_dbus_transport_get_connection:
 * @self: a transport
 *
 * Gets the connection that the transport was given. May be called in any thread.
 *
 * Returns: (transfer none) (nullable): the connection, or %NULL if the transport has one of its own
 *
 * Since: 0.2
 */
GDBusConnection *
agent_dbus_transport_get_connection (AgentDBusTransport *self)
{
  g_return_val_if_fail (AGENT_IS_DBUS_TRANSPORT (self), NULL);

  return self->connection;
}

/**
 * agent_dbus_transport_get_address:
 * @self: a transport
 *
 * Gets the address that the transport was given. May be called in any thread.
 *
 * Returns: (transfer none) (nullable): the address, or %NULL
 *
 * Since: 0.2
 */
const char *
agent_dbus_transport_get_address (AgentDBusTransport *self)
{
  g_return_val_if_fail (AGENT_IS_DBUS_TRANSPORT (self), NULL);

  return self->address;
}

/**
 * agent_dbus_transport_get_role:
 * @self: a transport
 *
 * Gets how the transport is connected to the other nodes. May be called in any thread.
 *
 * Returns: the role
 *
 * Since: 0.2
 */
AgentDBusRole
agent_dbus_transport_get_role (AgentDBusTransport *self)
{
  g_return_val_if_fail (AGENT_IS_DBUS_TRANSPORT (self), AGENT_DBUS_ROLE_MEMBER);

  return self->role;
}
