/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "link/agent-node-private.h"

/* How long control may be missing before the session is given up. */
#define MAX_HOLD (10 * G_USEC_PER_SEC)

/* How much control may wait for a node that does not take it, in bytes. Messages stop long before, so this is what is told of this
 * node. It is more than a node keeps of another one. */
#define MAX_TOLD_BYTES (2 * AGENT_NODE_MAX_TOLD)

/* For people */
#define LOST_WITH_NODE "sent to a node that is gone, and not known to have arrived"

/* How many of its intervals a node may be silent. */
#define MAX_SILENT_BEATS 3

/* @n_on_way: how many packets of older sessions with it the engine has not answered */
AgentNode *
_agent_node_new (AgentLinkCore *core,
                 const char    *id,
                 guint64        session,
                 guint          n_on_way)
{
  AgentNode *self = g_new0 (AgentNode, 1);

  self->core = core;
  self->id = g_strdup (id);
  self->session = session;
  self->interval = agent_transport_get_heartbeat_interval (core->transport);
  self->heard_at = _agent_clock_now ();
  self->next_data = self->next_control = self->after = self->expected_data = 1;
  self->data_arrived = self->control_arrived = 1;
  _agent_outbox_init (&self->outbox, agent_transport_get_control_window (core->transport), n_on_way);
  _agent_unconfirmed_init (&self->unconfirmed);
  _agent_resequencer_init (&self->control_in);
  self->names = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_object_unref);
  self->claims = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_object_unref);
  self->taken = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->patterns = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->new_patterns = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  _agent_exchange_init (&self->exchange);
  self->figures = _agent_transport_figures_add (_agent_transport_get_figures (core->transport), id);

  return self;
}

void
_agent_node_free (AgentNode *self)
{
  _agent_packet_writer_clear (&self->data);
  _agent_packet_writer_clear (&self->control);
  g_clear_pointer (&self->stuck, g_bytes_unref);
  _agent_outbox_clear (&self->outbox);
  _agent_unconfirmed_clear (&self->unconfirmed);
  _agent_resequencer_clear (&self->control_in);
  _agent_node_clear_early (self);
  g_hash_table_unref (self->names);
  g_hash_table_unref (self->claims);
  g_hash_table_unref (self->taken);
  g_hash_table_unref (self->patterns);
  g_hash_table_unref (self->new_patterns);
  g_clear_pointer (&self->retained, g_hash_table_unref);
  g_clear_object (&self->crowd);
  _agent_exchange_clear (&self->exchange);
  _agent_transport_figures_remove (_agent_transport_get_figures (self->core->transport), self->id);
  g_free (self->id);
  g_free (self);
}

/* --- The session --- */

void
_agent_node_say_hello (AgentNode *self)
{
  AgentPacketWriter writer = { 0 };
  AgentPacketHead   head = { .from_session = self->session, .to_session = self->peer_session };
  guint             interval = agent_transport_get_heartbeat_interval (self->core->transport);
  g_autoptr (GBytes) packet = NULL;

  _agent_packet_writer_add (&writer, AGENT_RECORD_HELLO, g_variant_new ("(u)", interval));
  packet = _agent_packet_writer_finish (&writer, &head);
  _agent_transport_send_presence (self->core->transport, self->id, packet);
}

static void
node_tell_record (gpointer        node,
                  AgentRecordKind kind,
                  GVariant       *value)
{
  _agent_node_tell (node, kind, value);
}

/* An AgentAdvancesFunc. */
static void
node_tell_advance (gpointer    node,
                   const char *id,
                   guint64     epoch)
{
  _agent_node_tell (node, AGENT_RECORD_CONVERSATION, g_variant_new ("(st)", id, epoch));
}

static void
node_connect (AgentNode *self)
{
  const AgentTransportNews news = { .kind = AGENT_TRANSPORT_NEWS_APPEARED, .node = self->id };

  self->connected = TRUE;
  _agent_node_begin_names (self);
  _agent_transport_tell (self->core->transport, &news);
  _agent_exports_list (self->core->exports, node_tell_record, self);
  _agent_advances_list (self->core->advances, node_tell_advance, self);
}

/* The node is of the session that this one has agreed with it. The caller has looked whether it has begun another one. */
void
_agent_node_hear_hello (AgentNode             *self,
                        const AgentPacketHead *head,
                        guint                  interval)
{
  gboolean knows_us = head->to_session == self->session;

  self->peer_session = head->from_session;
  self->interval = CLAMP (interval, 10, 3600000);
  if (knows_us && self->connected)
    return;

  /* It learns that we know its session, or that it has to say whether it knows ours. */
  _agent_node_say_hello (self);
  if (knows_us)
    node_connect (self);
}

/* Whether the packet is of the session. One that comes before the last HELLO shows that the node knows our session, too. */
gboolean
_agent_node_knows (AgentNode             *self,
                   const AgentPacketHead *head)
{
  if (self->peer_session == 0 || head->from_session != self->peer_session || head->to_session != self->session)
    return FALSE;

  if (!self->connected)
    node_connect (self);
  return TRUE;
}

/* --- The end --- */

static void
node_lose_data (AgentNode *self)
{
  if (self->next_data > self->data_arrived)
    _agent_link_core_lose (
        self->core, self->id, AGENT_TRAFFIC_DATA, self->next_data - self->data_arrived, LOST_WITH_NODE);
}

static void
node_lose_control (AgentNode *self)
{
  guint64 n = _agent_unconfirmed_count (&self->unconfirmed);

  _agent_node_figures_count (self->figures, AGENT_FIGURE_CONTROL_LOST, n);
  if (n > 0)
    _agent_link_core_lose (self->core, self->id, AGENT_TRAFFIC_CONTROL, n, LOST_WITH_NODE);
}

/* The node is gone, or what it says makes no sense any more. The caller frees it. If it is still there, it begins anew. */
void
_agent_node_end (AgentNode  *self,
                 const char *reason)
{
  const AgentTransportNews news = { .kind = AGENT_TRANSPORT_NEWS_VANISHED, .node = self->id, .text = reason };

  if (self->dirty)
    g_ptr_array_remove_fast (self->core->dirty, self);
  if (!self->connected)
    return;

  _agent_link_core_drop_waiting (self->core, self, self->id, NULL);
  _agent_node_end_names (self);
  node_lose_data (self);
  node_lose_control (self);
  _agent_exchange_end (&self->exchange, self->id, _agent_link_core_send, self->core);
  _agent_transport_tell (self->core->transport, &news);
}

/* --- From time to time --- */

/* The number of the data that is sent next. What is packed, or for which the engine has had no room, is not sent yet: the other
 * node would count it as lost, and drop it when it comes. */
static guint64
node_get_sent (AgentNode *self)
{
  return self->next_data - self->data.n_records - (self->stuck != NULL ? self->n_stuck : 0);
}

static void
node_send_status (AgentNode *self,
                  gboolean   ask)
{
  AgentPacketWriter writer = { 0 };
  AgentPacketHead   head = { .from_session = self->session, .to_session = self->peer_session };
  g_autoptr (GBytes) packet = NULL;

  self->has_news = FALSE;
  _agent_packet_writer_add (&writer,
                            AGENT_RECORD_STATUS,
                            g_variant_new ("(ttt)", node_get_sent (self), self->expected_data, self->control_in.next));
  if (ask)
    _agent_packet_writer_add (&writer, AGENT_RECORD_QUESTION, g_variant_new ("()"));
  packet = _agent_packet_writer_finish (&writer, &head);
  _agent_transport_send_presence (self->core->transport, self->id, packet);
}

/* Says what has been sent to the node, and what has come from it. */
void
_agent_node_say_status (AgentNode *self)
{
  node_send_status (self, FALSE);
}

/* The same, and asks for the same, if anything is not known to have arrived. */
void
_agent_node_ask (AgentNode *self)
{
  self->to_ask = FALSE;
  if (self->connected && !_agent_node_is_idle (self))
    node_send_status (self, TRUE);
}

static gboolean
node_is_silent (AgentNode *self,
                gint64     now)
{
  guint interval = MAX (self->interval, agent_transport_get_heartbeat_interval (self->core->transport));

  return now - self->heard_at > (gint64) interval * 1000 * MAX_SILENT_BEATS;
}

/* Why the node has to be given up: (nullable).
 *
 * @calm: whether this node could not hear anything lately */
const char *
_agent_node_find_fault (AgentNode *self,
                        gint64     now,
                        gboolean   calm)
{
  if (!calm && node_is_silent (self, now))
    return "it is silent";
  if (self->control_in.since != 0 && now - self->control_in.since > MAX_HOLD)
    return "control that it has sent does not arrive";
  if (self->outbox.bytes > MAX_TOLD_BYTES)
    return "it does not take what it is told";

  return NULL;
}
