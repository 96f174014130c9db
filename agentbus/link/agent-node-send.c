/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "link/agent-node-private.h"
#include "message/agent-envelope-private.h"

/* What goes to another node. */

/* Messages are packed together until the thread has no more of them at hand, or until a packet has this size. */
#define BATCH_SIZE (32 * 1024)

/* How much control may wait for a node, in bytes, before what comes next waits in the mailboxes. */
#define MAX_OUTBOX_BYTES (8 * 1024 * 1024)

/* How many topics of retained messages are known to be at a node. If there are more, all are forgotten, and come once more. */
#define MAX_RETAINED 10000

/* Room for the fields of a message around its content. */
#define MESSAGE_MARGIN 1024

/* The pause before control is sent again, in ms. It doubles each time. */
#define FIRST_PAUSE 20
#define LAST_PAUSE 500

/* Control is what must not get lost. */
static AgentTraffic
send_get_traffic (const AgentMessage *message)
{
  if (message->channel == AGENT_CHANNEL_SYSTEM || message->reliable || message->error_reply != 0 ||
      _agent_node_is_of_task (message))
    return AGENT_TRAFFIC_CONTROL;

  return AGENT_TRAFFIC_DATA;
}

static gboolean
send_has_room (AgentNode   *self,
               AgentTraffic traffic)
{
  if (!self->core->connected)
    return FALSE;
  if (traffic == AGENT_TRAFFIC_DATA)
    return !self->core->blocked;

  return self->outbox.packets.length < self->outbox.window && self->outbox.bytes < MAX_OUTBOX_BYTES &&
         !_agent_unconfirmed_is_full (&self->unconfirmed);
}

/* --- Packing --- */

static void
send_finish_data (AgentNode *self)
{
  AgentPacketHead head = { .from_session = self->session,
                           .to_session = self->peer_session,
                           .number = self->next_data - self->data.n_records,
                           .after = self->after };

  self->n_stuck = self->data.n_records;
  self->stuck_since = self->data_since;
  self->stuck = _agent_packet_writer_finish (&self->data, &head);
}

static void
send_finish_control (AgentNode *self)
{
  guint           n = self->control.n_records;
  AgentPacketHead head = { .from_session = self->session,
                           .to_session = self->peer_session,
                           .number = self->next_control - n };

  if (self->n_control_messages > 0)
    {
      _agent_node_figures_count (self->figures, AGENT_FIGURE_CONTROL_SENT, self->n_control_messages);
      self->n_control_messages = 0;
    }
  _agent_outbox_add (
      &self->outbox, head.number, n, _agent_packet_writer_finish (&self->control, &head), _agent_clock_now ());
}

/* A packet that has waited says so. Returns (transfer full). */
static GBytes *
send_dup_aged (GBytes *packet,
               gint64  since,
               gint64  now)
{
  guint64 age = (guint64) MAX (now - since, 0) / 1000;

  return age > 0 ? _agent_packet_copy_with_age (packet, MIN (age, G_MAXUINT32)) : g_bytes_ref (packet);
}

/* Whether the engine says that the node, or the way to it, is not there. The link learns that it is gone a moment later, or after its
 * silence, and nobody is to be told that something is wrong. */
static gboolean
send_is_to_nobody (const GError *error)
{
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED) ||
         g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED) ||
         g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
}

static void
send_data_packet (AgentNode *self)
{
  g_autoptr (GBytes) packet = send_dup_aged (self->stuck, self->stuck_since, _agent_clock_now ());
  g_autoptr (GError) error = NULL;

  if (_agent_transport_send_data (self->core->transport, self->id, packet, &error))
    {
      _agent_node_figures_count (self->figures, AGENT_FIGURE_DATA_SENT, self->n_stuck);
    }
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    {
      self->core->blocked = TRUE;
      return;
    }
  else if (!send_is_to_nobody (error))
    {
      _agent_link_core_refuse (self->core, self->id, self->figures, "Data for the node was not sent: %s", error->message);
    }

  /* What was not sent is counted as lost: the node finds the gap, or it is told with the end of the node. */
  g_clear_pointer (&self->stuck, g_bytes_unref);
}

static void
send_flush_data (AgentNode *self)
{
  if (self->stuck != NULL)
    send_data_packet (self);
  if (self->stuck == NULL && self->data.n_records > 0)
    {
      send_finish_data (self);
      send_data_packet (self);
    }
}

static void
send_control_packet (AgentNode               *self,
                     const AgentOutboxPacket *waiting,
                     gint64                   now)
{
  g_autoptr (GBytes) packet = send_dup_aged (waiting->packet, waiting->made_at, now);

  _agent_transport_send_control (self->core->transport, self->id, self->session, waiting->number, packet);
}

static void
send_flush_control (AgentNode *self)
{
  const AgentOutboxPacket *packet;
  gint64                   now = _agent_clock_now ();

  if (self->control.n_records > 0)
    send_finish_control (self);
  while (self->core->connected && (packet = _agent_outbox_send_next (&self->outbox)) != NULL)
    send_control_packet (self, packet, now);
}

/* Sends what is packed. */
void
_agent_node_flush (AgentNode *self)
{
  if (!self->connected)
    return;

  send_flush_control (self);
  if (self->core->connected && !self->core->blocked)
    send_flush_data (self);
}

/* It has something to send. That is sent when the messages at hand are packed. */
void
_agent_node_add_dirty (AgentNode *self)
{
  if (self->dirty)
    return;

  self->dirty = TRUE;
  g_ptr_array_add (self->core->dirty, self);
}

/* A record was added to one of the packets. */
static void
send_note_packed (AgentNode               *self,
                  const AgentPacketWriter *writer)
{
  self->has_news = TRUE;
  if (_agent_packet_writer_get_size (writer) >= BATCH_SIZE)
    _agent_node_flush (self);
  else
    _agent_node_add_dirty (self);
}

/* Tells the node something of this one. @value: a floating reference is sunk */
void
_agent_node_tell (AgentNode      *self,
                  AgentRecordKind kind,
                  GVariant       *value)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (value);
  gsize size = g_variant_get_size (owned) + AGENT_PACKET_RECORD_SIZE + AGENT_PACKET_ALIGNMENT;

  if (AGENT_PACKET_HEAD_SIZE + size > self->core->max_packet)
    {
      _agent_link_core_refuse (
          self->core, self->id, self->figures, "What is to be told of this node is larger than what the transport carries");
      return;
    }
  if (self->control.n_records > 0 && self->control.bytes->len + size > self->core->max_packet)
    send_finish_control (self);

  _agent_packet_writer_add (&self->control, kind, owned);
  self->next_control++;
  if (kind == AGENT_RECORD_NAME)
    self->after = self->next_control;
  send_note_packed (self, &self->control);
}

static const char *
send_get_member (AgentRemote  *remote,
                 AgentMessage *message)
{
  const char *target = agent_message_get_target (message);
  const char *name = agent_subscriber_get_name (AGENT_SUBSCRIBER (remote));

  return target != NULL && !g_str_equal (target, name) ? name : NULL;
}

/* Adds @message to @writer. The text of an error says what is with "it". */
static gboolean
send_pack (AgentNode         *self,
           AgentRemote       *remote,
           AgentMessage      *message,
           AgentPacketWriter *writer,
           GError           **error)
{
  AgentRecordKind kind = message->grouped ? AGENT_RECORD_GROUPED : AGENT_RECORD_MESSAGE;
  const char     *member = send_get_member (remote, message);
  GByteArray     *bytes;

  if (member != NULL && strlen (member) > AGENT_PACKET_NAME_MAX)
    {
      g_set_error_literal (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE, "the name of the subscriber is too long");
      return FALSE;
    }

  bytes = _agent_packet_writer_begin (writer, kind, member);
  if (!_agent_envelope_append (bytes, message, NULL, error))
    {
      _agent_packet_writer_cancel (writer);
      return FALSE;
    }
  if (bytes->len + AGENT_PACKET_ALIGNMENT > self->core->max_packet)
    {
      _agent_packet_writer_cancel (writer);
      g_set_error_literal (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE, "it is larger than what the transport carries");
      return FALSE;
    }

  _agent_packet_writer_end (writer);
  return TRUE;
}

/* A node may say what it has got only at its next heartbeat, so it is asked before further messages have to wait for that. */
static void
send_count_control (AgentNode *self)
{
  gboolean is_new_run = _agent_unconfirmed_add (&self->unconfirmed, self->next_control);

  self->next_control++;
  self->n_control_messages++;
  if (is_new_run && self->unconfirmed.runs.length == AGENT_UNCONFIRMED_MAX_RUNS / 2)
    {
      self->to_ask = TRUE;
      _agent_node_add_dirty (self);
    }
}

static void
send_count (AgentNode   *self,
            AgentTraffic traffic)
{
  if (traffic == AGENT_TRAFFIC_DATA)
    {
      if (self->data.n_records == 1)
        self->data_since = _agent_clock_now ();
      self->next_data++;
      return;
    }

  send_count_control (self);
}

/* A message that does not fit beside those before it gets a packet of its own. FALSE: those before it cannot be sent now. */
static gboolean
send_make_room (AgentNode         *self,
                AgentPacketWriter *writer,
                AgentMessage      *message)
{
  if (writer->n_records == 0 ||
      writer->bytes->len + _agent_message_get_size (message) + MESSAGE_MARGIN <= self->core->max_packet)
    return TRUE;

  _agent_node_flush (self);
  return writer->n_records == 0;
}

/* Packs @message, which is for @remote, if there is room. If it cannot be sent at all, it is lost, and TRUE is returned, too. */
gboolean
_agent_node_pack_message (AgentNode    *self,
                          AgentRemote  *remote,
                          AgentMessage *message)
{
  AgentTraffic       traffic = send_get_traffic (message);
  AgentPacketWriter *writer = traffic == AGENT_TRAFFIC_DATA ? &self->data : &self->control;
  g_autoptr (GError) error = NULL;

  if (!send_has_room (self, traffic))
    return FALSE;

  _agent_exports_flush (self->core->exports);
  if (!send_make_room (self, writer, message))
    return FALSE;

  if (!send_pack (self, remote, message, writer, &error))
    {
      _agent_link_core_lose_message (
          self->core, self->id, traffic, message, (AgentBusError) error->code, error->message);
      return TRUE;
    }

  send_count (self, traffic);
  if (_agent_node_is_of_task (message))
    _agent_exchange_sent (&self->exchange, message);
  send_note_packed (self, writer);
  return TRUE;
}

/* --- What the stand-ins hand over --- */

/* What has come from another node is not sent on to a third one: that one believes each node only what it says of itself. What is
 * targeted to a name here cannot get here; broadcasts have got there by themselves. */
static void
send_refuse_to_pass_on (AgentNode    *self,
                        AgentMessage *message)
{
  if (agent_message_get_target (message) != NULL)
    _agent_link_core_lose_message (self->core,
                                   self->id,
                                   send_get_traffic (message),
                                   message,
                                   AGENT_BUS_ERROR_NOT_FOUND,
                                   "its source is at another node, so it cannot be passed on to a third one");
}

/* A retained message comes again, as a copy with the time of the first send, when the node takes its topic again. But the node has
 * kept it, and gives it to whoever takes the topic there. */
static gboolean
send_is_known (AgentNode    *self,
               AgentMessage *message)
{
  const char   *topic = agent_message_get_topic (message);
  const gint64 *known;

  if (topic == NULL)
    return FALSE;

  if (self->retained != NULL && g_hash_table_size (self->retained) >= MAX_RETAINED)
    g_clear_pointer (&self->retained, g_hash_table_unref);
  if (self->retained == NULL)
    self->retained = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  known = g_hash_table_lookup (self->retained, topic);
  if (known != NULL && *known == message->sent_at && message->delay > 0)
    return TRUE;

  g_hash_table_insert (self->retained, g_strdup (topic), g_memdup2 (&message->sent_at, sizeof message->sent_at));
  return FALSE;
}

void
_agent_node_send_message (AgentNode    *self,
                          AgentRemote  *remote,
                          AgentMessage *message)
{
  if (G_UNLIKELY (message->announced) || (G_UNLIKELY (message->retained) && send_is_known (self, message)))
    return;

  _agent_linger_answered (&self->core->linger);
  if (G_UNLIKELY (message->remote))
    send_refuse_to_pass_on (self, message);
  else if (!_agent_node_pack_message (self, remote, message))
    _agent_link_core_wait (self->core, remote, send_get_traffic (message));
}

/* --- What becomes of control --- */

void
_agent_node_control_done (AgentNode    *self,
                          guint64       number,
                          const GError *error)
{
  _agent_outbox_done (&self->outbox, number, error == NULL);
  if (error == NULL)
    {
      self->pause = 0;
      /* An answer to the first question may have come before what it asks for. */
      self->to_ask = self->to_ask || _agent_unconfirmed_is_full (&self->unconfirmed);
      _agent_node_add_dirty (self);
      return;
    }

  if (self->resend_at != 0)
    return;

  self->pause = CLAMP (self->pause * 2, FIRST_PAUSE, LAST_PAUSE);
  self->resend_at = _agent_clock_now () + self->pause * 1000;
  _agent_link_core_call_at (self->core, self->resend_at);
}

/* A packet of an older session is answered, so there may be room for one of this session. */
void
_agent_node_older_done (AgentNode *self)
{
  _agent_outbox_older_done (&self->outbox);
  _agent_node_add_dirty (self);
}

void
_agent_node_resend (AgentNode *self)
{
  self->resend_at = 0;
  _agent_outbox_resend (&self->outbox);
  _agent_node_add_dirty (self);
}

/* Whether nothing waits to be sent, and all that was sent is known to have arrived. */
gboolean
_agent_node_is_idle (AgentNode *self)
{
  return self->data.n_records == 0 && self->stuck == NULL && self->control.n_records == 0 &&
         _agent_outbox_is_empty (&self->outbox) && self->data_arrived == self->next_data &&
         self->control_arrived == self->next_control;
}
