/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport/agent-dbus-hub-private.h"

#include "base/agent-clock-private.h"
#include "base/agent-timer-source-private.h"
#include "transport/agent-dbus-name-private.h"
#include "transport/agent-dbus-packet-private.h"
#include "transport/agent-dbus-refusals-private.h"

/* After that, it is looked again whether a connection that is full has stalled. In microseconds. */
#define LOOK_AGAIN (1100 * 1000)

/* How long control waits that cannot be sent, in milliseconds: the link sends it again as soon as it has failed. */
#define UNSENT_PATIENCE 20

struct _AgentDBusHub
{
  AgentTransport   *transport; /* (not owned) */
  char             *path;      /* of the bus in all processes */
  AgentDBusNodes   *nodes;     /* (owned) */
  AgentDBusRefusals refusals;
  AgentDBusCalls   *unsent; /* (owned) control that is known to fail */
  guint             n_unsent;
  AgentTimerSource *timer; /* (owned) to look again */
  gboolean          is_up;
  gboolean          is_blocked;    /* the link waits for ready() */
  gboolean          skips_stalled; /* each node has a connection of its own */
};

/* A packet of control on its way. */
typedef struct
{
  AgentDBusHub *hub;
  char         *node;
  guint64       session;
  guint64       number;
  GError       *error; /* (nullable) why it was not sent */
} DBusControl;

/* --- Its life --- */

void
_agent_dbus_hub_room (AgentDBusHub *self)
{
  if (!self->is_blocked || !self->is_up)
    return;

  self->is_blocked = FALSE;
  _agent_timer_source_set_time (self->timer, -1);
  agent_transport_ready (self->transport);
}

static void
dbus_hub_on_timer (gpointer data,
                   gint64   now)
{
  AgentDBusHub *self = data;

  _agent_timer_source_set_time (self->timer, -1);
  _agent_dbus_hub_room (self);
}

/* In the thread of the transport, whose context is the thread default. */
AgentDBusHub *
_agent_dbus_hub_new (AgentTransport *transport)
{
  AgentDBusHub *self = g_new0 (AgentDBusHub, 1);
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  self->transport = transport;
  self->path = _agent_dbus_name_new_path (agent_transport_get_bus_name (transport));
  self->nodes = _agent_dbus_nodes_new ();
  self->unsent = _agent_dbus_calls_new (context, UNSENT_PATIENCE);
  self->timer = _agent_timer_source_new (context, "[agentbus] D-Bus room", dbus_hub_on_timer, self, NULL);
  return self;
}

/* Tells what is still to be told. */
void
_agent_dbus_hub_end (AgentDBusHub *self)
{
  _agent_dbus_calls_fail (self->unsent, NULL);
}

void
_agent_dbus_hub_free (AgentDBusHub *self)
{
  _agent_dbus_calls_free (self->unsent);
  _agent_timer_source_free (self->timer);
  _agent_dbus_nodes_free (self->nodes);
  g_free (self->path);
  g_free (self);
}

AgentTransport *
_agent_dbus_hub_get_transport (AgentDBusHub *self)
{
  return self->transport;
}

AgentDBusNodes *
_agent_dbus_hub_get_nodes (AgentDBusHub *self)
{
  return self->nodes;
}

const char *
_agent_dbus_hub_get_path (AgentDBusHub *self)
{
  return self->path;
}

void
_agent_dbus_hub_set_up (AgentDBusHub *self)
{
  self->is_up = TRUE;
  if (agent_transport_get_state (self->transport) == AGENT_TRANSPORT_STATE_LOST)
    agent_transport_set_state (self->transport, AGENT_TRANSPORT_STATE_CONNECTED);
  _agent_dbus_hub_room (self);
}

/* Data is kept by the link until it is up again. */
void
_agent_dbus_hub_set_lost (AgentDBusHub *self)
{
  self->is_up = FALSE;
  agent_transport_set_state (self->transport, AGENT_TRANSPORT_STATE_LOST);
}

/* From now on, a node whose connection has stalled does not keep others waiting. */
void
_agent_dbus_hub_skip_stalled (AgentDBusHub *self)
{
  self->skips_stalled = TRUE;
}

void
_agent_dbus_hub_remove (AgentDBusHub *self,
                        const char   *node,
                        const char   *reason)
{
  g_autofree char *id = g_strdup (node);

  _agent_dbus_nodes_remove (self->nodes, id);
  agent_transport_node_gone (self->transport, id, reason);
  /* It may be the one that others waited for. */
  _agent_dbus_hub_room (self);
}

/* --- What comes in --- */

/* @source: (nullable): who has sent it: the id of a node, a unique name, or the name of a connection. */
void
_agent_dbus_hub_refuse (AgentDBusHub *self,
                        const char   *source,
                        const char   *text)
{
  _agent_dbus_refusals_tell (&self->refusals, self->transport, source, text);
}

static void
dbus_hub_refuse_packet (AgentDBusHub  *self,
                        AgentDBusLine *line,
                        GDBusMessage  *message,
                        const char    *source,
                        const char    *problem)
{
  g_autofree char *text = NULL;

  text = g_strdup_printf ("message “%s” of D-Bus: %s", g_dbus_message_get_member (message), problem);
  _agent_dbus_line_reply (line, message, "org.freedesktop.DBus.Error.AccessDenied", text);
  _agent_dbus_hub_refuse (self, source, text);
}

/* The daemon says who has sent a message; without a daemon, only the peer can have. */
void
_agent_dbus_hub_take (AgentDBusHub  *self,
                      AgentDBusLine *line,
                      GDBusMessage  *message)
{
  gboolean             is_on_bus = _agent_dbus_line_is_on_bus (line);
  const char          *source = is_on_bus ? g_dbus_message_get_sender (message) : _agent_dbus_line_get_name (line);
  const AgentDBusNode *node = source != NULL ? _agent_dbus_nodes_find_source (self->nodes, source) : NULL;
  g_autoptr (GBytes) packet = NULL;
  const char  *problem = "the sender is no node of the bus";
  AgentTraffic traffic;

  if (node != NULL)
    packet = _agent_dbus_packet_read (message, &traffic, &problem);
  if (packet == NULL)
    {
      dbus_hub_refuse_packet (self, line, message, node != NULL ? node->id : source, problem);
      return;
    }

  agent_transport_received (self->transport, node->id, traffic, packet);
  _agent_dbus_line_reply (line, message, NULL, NULL);
}

/* --- What goes out --- */

static gboolean
dbus_hub_check_size (GBytes  *packet,
                     GError **error)
{
  if (g_bytes_get_size (packet) <= AGENT_DBUS_PACKET_MAX)
    return TRUE;

  g_set_error (error,
               G_IO_ERROR,
               G_IO_ERROR_MESSAGE_TOO_LARGE,
               "A packet of %" G_GSIZE_FORMAT " bytes is too large",
               g_bytes_get_size (packet));
  return FALSE;
}

static const AgentDBusNode *
dbus_hub_find (AgentDBusHub *self,
               const char   *node,
               GError      **error)
{
  const AgentDBusNode *found = _agent_dbus_nodes_find (self->nodes, node);

  if (found == NULL)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "There is no node “%s”", node);
  return found;
}

static gboolean
dbus_hub_send (AgentDBusHub        *self,
               const AgentDBusNode *node,
               AgentTraffic         traffic,
               GBytes              *packet,
               GError             **error)
{
  g_autoptr (GDBusMessage) message = _agent_dbus_packet_new (self->path, node->destination, traffic, packet);

  return _agent_dbus_line_send (node->line, message, error);
}

static gboolean
dbus_hub_is_stalled (AgentDBusHub        *self,
                     const AgentDBusNode *node)
{
  return self->skips_stalled && _agent_dbus_line_is_stalled (node->line);
}

/* Whether a node keeps the link waiting. */
static gboolean
dbus_hub_is_in_the_way (AgentDBusHub        *self,
                        const AgentDBusNode *node)
{
  return !_agent_dbus_line_has_room (node->line) && !dbus_hub_is_stalled (self, node);
}

static gboolean
dbus_hub_block (AgentDBusHub *self,
                GError      **error)
{
  self->is_blocked = TRUE;
  if (self->skips_stalled)
    _agent_timer_source_set_time (self->timer, _agent_clock_now () + LOOK_AGAIN);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "There is no room now");
  return FALSE;
}

gboolean
_agent_dbus_hub_send_data (AgentDBusHub *self,
                           const char   *node,
                           GBytes       *packet,
                           GError      **error)
{
  const AgentDBusNode *found;

  if (!dbus_hub_check_size (packet, error))
    return FALSE;
  if (!self->is_up)
    return dbus_hub_block (self, error);

  found = dbus_hub_find (self, node, error);
  if (found == NULL)
    return FALSE;
  if (dbus_hub_is_in_the_way (self, found))
    return dbus_hub_block (self, error);
  if (!dbus_hub_is_stalled (self, found))
    return dbus_hub_send (self, found, AGENT_TRAFFIC_DATA, packet, error);

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "Node “%s” does not read what is sent to it", node);
  return FALSE;
}

/* It comes again soon, so it is not sent where there is no room. */
static void
dbus_hub_send_presence_to_one (AgentDBusHub        *self,
                               const AgentDBusNode *node,
                               GBytes              *packet)
{
  if (!_agent_dbus_line_is_full (node->line))
    dbus_hub_send (self, node, AGENT_TRAFFIC_PRESENCE, packet, NULL);
}

/* @node: (nullable): NULL for all */
void
_agent_dbus_hub_send_presence (AgentDBusHub *self,
                               const char   *node,
                               GBytes       *packet)
{
  const AgentDBusNode *found = node != NULL ? _agent_dbus_nodes_find (self->nodes, node) : NULL;
  GHashTableIter       iter;
  gpointer             value;

  if (found != NULL)
    dbus_hub_send_presence_to_one (self, found, packet);
  if (node != NULL)
    return;

  _agent_dbus_nodes_iterate (self->nodes, &iter);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    dbus_hub_send_presence_to_one (self, value, packet);
}

/* --- Control --- */

static void
dbus_hub_on_control_done (gpointer      data,
                          GDBusMessage *reply,
                          const GError *error)
{
  DBusControl *control = data;

  agent_transport_control_done (control->hub->transport,
                                control->node,
                                control->session,
                                control->number,
                                control->error != NULL ? control->error : error);
  g_clear_error (&control->error);
  g_free (control->node);
  g_free (control);
}

/* A call that waits for a peer that does not read would be sent again and again. */
static AgentDBusLine *
dbus_hub_find_line (AgentDBusHub *self,
                    const char   *node,
                    const char  **destination,
                    GError      **error)
{
  const AgentDBusNode *found = dbus_hub_find (self, node, error);

  if (found == NULL)
    return NULL;

  if (_agent_dbus_line_is_stalled (found->line))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "Nobody reads what is sent to node “%s”", node);
      return NULL;
    }

  *destination = found->destination;
  return found->line;
}

void
_agent_dbus_hub_send_control (AgentDBusHub *self,
                              const char   *node,
                              guint64       session,
                              guint64       number,
                              GBytes       *packet)
{
  DBusControl   *control = g_new0 (DBusControl, 1);
  AgentDBusLine *line = NULL;
  const char    *destination = NULL;
  g_autoptr (GDBusMessage) message = NULL;

  control->hub = self;
  control->node = g_strdup (node);
  control->session = session;
  control->number = number;
  if (dbus_hub_check_size (packet, &control->error))
    line = dbus_hub_find_line (self, node, &destination, &control->error);

  if (line == NULL)
    {
      _agent_dbus_calls_add (self->unsent, ++self->n_unsent, dbus_hub_on_control_done, control);
      return;
    }

  message = _agent_dbus_packet_new (self->path, destination, AGENT_TRAFFIC_CONTROL, packet);
  _agent_dbus_line_call (line, message, dbus_hub_on_control_done, control);
}
