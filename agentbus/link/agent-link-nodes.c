/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "link/agent-link-private.h"

#include "agent-bus-error.h"

/* What comes from the transport, and what is due from time to time. */

/* How many heartbeats nobody is given up for being silent, after this node could not hear anything itself. */
#define CALM_BEATS 3

static void
link_refuse (AgentLink    *self,
             const char   *id,
             const GError *error)
{
  AgentNode *node = g_hash_table_lookup (self->nodes, id);

  _agent_link_core_refuse (&self->core, id, node != NULL ? node->figures : NULL, "%s", error->message);
}

/* --- Presence --- */

static void
link_hear_beacon (AgentLink  *self,
                  const char *id)
{
  AgentNode *node = g_hash_table_lookup (self->nodes, id);

  if (node == NULL)
    node = _agent_link_add_node (self, id);
  /* A HELLO may have got lost. */
  if (node != NULL && !node->connected)
    _agent_node_say_hello (node);
}

/* The node knows a later session of this one than there is: this process has begun again, and its clock was set back meanwhile, so
 * that it counts from a lower number. It goes on above that. */
static AgentNode *
link_outdo_session (AgentLink *self,
                    AgentNode *node,
                    guint64    known)
{
  g_autofree char *id = g_strdup (node->id);

  _agent_link_give_up (self, node, "it knows a later session of this node");
  node = _agent_link_add_node (self, id);
  if (node != NULL)
    node->session = MAX (node->session, known + 1);
  return node;
}

static void
link_hear_valid_hello (AgentLink             *self,
                       const char            *id,
                       const AgentPacketHead *head,
                       guint                  interval)
{
  AgentNode *node = g_hash_table_lookup (self->nodes, id);

  if (node != NULL && head->from_session < node->peer_session)
    {
      /* It comes late, or the node has begun again with a lower number: then it learns of that. */
      _agent_node_say_hello (node);
      return;
    }
  /* Nothing was sent to a node that is not connected, so its other session takes the place of the first one. If both began anew for
   * that, they would do so for ever. */
  if (node != NULL && node->connected && head->from_session > node->peer_session)
    {
      _agent_link_give_up (self, node, "it has begun anew");
      node = NULL;
    }

  if (node == NULL)
    node = _agent_link_add_node (self, id);
  if (node != NULL && head->to_session > node->session)
    node = link_outdo_session (self, node, head->to_session);
  if (node != NULL)
    _agent_node_hear_hello (node, head, interval);
}

static void
link_hear_hello (AgentLink             *self,
                 const char            *id,
                 const AgentPacketHead *head,
                 guint                  interval)
{
  g_autoptr (GError) error = NULL;

  if (head->from_session != 0 && head->from_session < G_MAXINT64 && head->to_session < G_MAXINT64)
    {
      link_hear_valid_hello (self, id, head, interval);
      return;
    }

  g_set_error (&error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE, "A session has a number that no node begins with");
  link_refuse (self, id, error);
}

static void
link_hear_status (AgentLink             *self,
                  const char            *id,
                  const AgentPacketHead *head,
                  GVariant              *value)
{
  AgentNode *node = g_hash_table_lookup (self->nodes, id);
  guint64    data_sent;
  guint64    data_arrived;
  guint64    control_arrived;

  if (node == NULL || !_agent_node_knows (node, head))
    return;

  g_variant_get (value, "(ttt)", &data_sent, &data_arrived, &control_arrived);
  _agent_node_hear_status (node, data_sent, data_arrived, control_arrived);
  if (self->closing)
    _agent_node_add_dirty (node);
}

static void
link_hear_question (AgentLink             *self,
                    const char            *id,
                    const AgentPacketHead *head)
{
  AgentNode *node = g_hash_table_lookup (self->nodes, id);

  if (node != NULL && _agent_node_knows (node, head))
    _agent_node_say_status (node);
}

static void
link_hear_goodbye (AgentLink  *self,
                   const char *id)
{
  AgentNode *node = g_hash_table_lookup (self->nodes, id);

  if (node != NULL)
    _agent_link_give_up (self, node, "it has left");
}

static const GVariantType *
link_get_presence_type (AgentRecordKind kind)
{
  switch (kind)
    {
    case AGENT_RECORD_BEACON:
      return AGENT_RECORD_TYPE_BEACON;
    case AGENT_RECORD_HELLO:
      return AGENT_RECORD_TYPE_HELLO;
    case AGENT_RECORD_STATUS:
      return AGENT_RECORD_TYPE_STATUS;
    case AGENT_RECORD_GOODBYE:
      return AGENT_RECORD_TYPE_GOODBYE;
    case AGENT_RECORD_QUESTION:
      return AGENT_RECORD_TYPE_QUESTION;
    default:
      return NULL;
    }
}

static void
link_hear_presence (AgentLink             *self,
                    const char            *id,
                    const AgentPacketHead *head,
                    AgentRecordKind        kind,
                    GVariant              *value)
{
  guint interval;

  switch (kind)
    {
    case AGENT_RECORD_BEACON:
      link_hear_beacon (self, id);
      break;
    case AGENT_RECORD_HELLO:
      g_variant_get (value, "(u)", &interval);
      link_hear_hello (self, id, head, interval);
      break;
    case AGENT_RECORD_STATUS:
      link_hear_status (self, id, head, value);
      break;
    case AGENT_RECORD_QUESTION:
      link_hear_question (self, id, head);
      break;
    default:
      link_hear_goodbye (self, id);
      break;
    }
}

static void
link_read_presence (AgentLink             *self,
                    const char            *id,
                    AgentPacketReader     *reader,
                    const AgentPacketHead *head)
{
  g_autoptr (GError) error = NULL;
  AgentRecord record;

  while (_agent_packet_reader_next (reader, &record, &error))
    {
      const GVariantType *type = link_get_presence_type (record.kind);
      g_autoptr (GVariant) value = NULL;

      if (type == NULL)
        continue;

      value = _agent_packet_reader_get_value (reader, &record, type, &error);
      if (value == NULL)
        break;
      link_hear_presence (self, id, head, record.kind, value);
    }

  if (error != NULL)
    link_refuse (self, id, error);
}

/* --- The sink --- */

/* Whether the packet shows that the session goes on. What is for all nodes has no session. */
static gboolean
link_is_of_session (const AgentNode       *node,
                    const AgentPacketHead *head)
{
  return head->from_session == 0 || node->peer_session == 0 || head->from_session == node->peer_session;
}

static void
link_on_received (gpointer     data,
                  const char  *id,
                  AgentTraffic traffic,
                  GBytes      *packet)
{
  AgentLink        *self = data;
  AgentNode        *node = g_hash_table_lookup (self->nodes, id);
  AgentPacketReader reader;
  AgentPacketHead   head;
  g_autoptr (GError) error = NULL;

  if (G_UNLIKELY (strcmp (id, agent_transport_get_node_id (self->core.transport)) == 0))
    return;
  if (!_agent_packet_reader_init (&reader, packet, &head, &error))
    {
      link_refuse (self, id, error);
      return;
    }

  if (node != NULL && link_is_of_session (node, &head))
    node->heard_at = _agent_clock_now ();
  if (traffic == AGENT_TRAFFIC_PRESENCE)
    link_read_presence (self, id, &reader, &head);
  else if (node != NULL && _agent_node_knows (node, &head) && !_agent_node_receive (node, traffic, &reader, &head))
    _agent_link_give_up (self, node, "control that it has sent was lost");
}

static void
link_on_ready (gpointer data)
{
  AgentLink     *self = data;
  GHashTableIter iter;
  gpointer       node;

  self->core.blocked = FALSE;
  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, NULL, &node))
    _agent_node_add_dirty (node);
}

static void
link_on_control_done (gpointer      data,
                      const char   *id,
                      guint64       session,
                      guint64       number,
                      const GError *error)
{
  AgentLink *self = data;
  AgentNode *node = g_hash_table_lookup (self->nodes, id);

  if (node == NULL || node->session != session)
    {
      _agent_link_older_done (self, id);
      return;
    }

  _agent_node_control_done (node, number, error);
  /* It can never be sent: the engine takes less than it did when the packet was made. */
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE))
    _agent_link_give_up (self, node, error->message);
}

static void
link_on_node_gone (gpointer    data,
                   const char *id,
                   const char *reason)
{
  AgentLink *self = data;
  AgentNode *node = g_hash_table_lookup (self->nodes, id);

  if (node != NULL)
    _agent_link_give_up (self, node, reason);
}

static void
link_say_beacon (AgentLink *self)
{
  AgentPacketWriter writer = { 0 };
  AgentPacketHead   head = { .from_session = 0 };
  g_autoptr (GBytes) packet = NULL;

  _agent_packet_writer_add (&writer,
                            AGENT_RECORD_BEACON,
                            g_variant_new ("(u)", agent_transport_get_heartbeat_interval (self->core.transport)));
  packet = _agent_packet_writer_finish (&writer, &head);
  _agent_transport_send_presence (self->core.transport, NULL, packet);
}

static gint64
link_get_interval (AgentLink *self)
{
  return (gint64) agent_transport_get_heartbeat_interval (self->core.transport) * 1000;
}

/* The transport carries packets, for the first time or again. */
static void
link_connect (AgentLink *self)
{
  gint64         now = _agent_clock_now ();
  GHashTableIter iter;
  gpointer       node;

  self->core.connected = TRUE;
  self->core.blocked = FALSE;
  self->core.max_packet = _agent_transport_get_max_packet (self->core.transport);
  self->calm_until = now + CALM_BEATS * link_get_interval (self);
  self->beat_at = now;

  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, NULL, &node))
    {
      /* Nobody could be heard meanwhile. */
      ((AgentNode *) node)->heard_at = now;
      _agent_node_resend (node);
    }
  _agent_link_core_call_at (&self->core, now);
}

static void
link_on_state_changed (gpointer            data,
                       AgentTransportState state)
{
  AgentLink *self = data;
  gboolean   connected = state == AGENT_TRANSPORT_STATE_CONNECTED;

  if (connected && !self->core.connected)
    link_connect (self);
  else if (!connected)
    self->core.connected = FALSE;
}

const AgentTransportSink _agent_link_sink = {
  .received = link_on_received,
  .ready = link_on_ready,
  .control_done = link_on_control_done,
  .node_gone = link_on_node_gone,
  .state_changed = link_on_state_changed,
};

/* --- From time to time --- */

static void
link_look_at (AgentLink *self,
              AgentNode *node,
              gint64     now)
{
  const char *fault = _agent_node_find_fault (node, now, now < self->calm_until);

  if (fault != NULL)
    _agent_link_give_up (self, node, fault);
  else if (node->connected && !_agent_node_is_idle (node))
    _agent_node_ask (node);
  else if (node->connected && node->has_news)
    _agent_node_say_status (node);
}

static void
link_beat (AgentLink *self,
           gint64     now)
{
  g_autoptr (GPtrArray) nodes = NULL;

  /* This thread itself has not run, so it could not hear anything. */
  if (now > self->beat_at + link_get_interval (self))
    self->calm_until = now + CALM_BEATS * link_get_interval (self);
  self->beat_at = now + link_get_interval (self);

  link_say_beacon (self);
  nodes = _agent_link_list_nodes (self);
  for (guint i = 0; i < nodes->len; i++)
    link_look_at (self, nodes->pdata[i], now);
}

static void
link_resend_due (AgentLink *self,
                 gint64     now)
{
  GHashTableIter iter;
  gpointer       value;

  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      AgentNode *node = value;

      if (node->resend_at == 0)
        continue;
      if (node->resend_at <= now)
        _agent_node_resend (node);
      else
        _agent_link_core_call_at (&self->core, node->resend_at);
    }
}

/* What is due is done, and the timer is set to what is due next. */
void
_agent_link_look_at_clock (AgentLink *self,
                           gint64     now)
{
  if (!self->core.connected)
    return;

  if (now >= self->beat_at)
    link_beat (self, now);
  _agent_link_core_call_at (&self->core, self->beat_at);
  link_resend_due (self, now);
}

/* Asks all nodes what has arrived. */
void
_agent_link_ask (AgentLink *self)
{
  GHashTableIter iter;
  gpointer       node;

  g_hash_table_iter_init (&iter, self->nodes);
  while (self->core.connected && g_hash_table_iter_next (&iter, NULL, &node))
    _agent_node_ask (node);
}

void
_agent_link_say_goodbye (AgentLink *self)
{
  AgentPacketWriter writer = { 0 };
  AgentPacketHead   head = { .from_session = 0 };
  g_autoptr (GBytes) packet = NULL;

  if (!self->core.connected)
    return;

  _agent_packet_writer_add (&writer, AGENT_RECORD_GOODBYE, g_variant_new ("(s)", "stopped"));
  packet = _agent_packet_writer_finish (&writer, &head);
  _agent_transport_send_presence (self->core.transport, NULL, packet);
}
