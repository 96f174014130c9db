/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "base/agent-utf8-private.h"
#include "link/agent-node-private.h"
#include "message/agent-envelope-private.h"

/* What comes from another node. */

/* How much data may wait for the control that comes before it. */
#define MAX_EARLY_BYTES (16 * 1024 * 1024)

/* --- Losses --- */

static void
receive_note_gap (AgentNode *self,
                  guint64    n)
{
  _agent_node_figures_count (self->figures, AGENT_FIGURE_DATA_LOST, n);
  _agent_link_core_lose (self->core, self->id, AGENT_TRAFFIC_DATA, n, "on the way from the node");
}

/* What has waited for this goes on. */
static void
receive_confirmation (AgentNode *self,
                      guint64    control_arrived)
{
  gboolean was_full = _agent_unconfirmed_is_full (&self->unconfirmed);

  self->control_arrived = CLAMP (control_arrived, self->control_arrived, self->next_control);
  _agent_unconfirmed_confirm (&self->unconfirmed, self->control_arrived);
  if (was_full && !_agent_unconfirmed_is_full (&self->unconfirmed))
    _agent_node_add_dirty (self);
}

/* The node has said before that it had sent all data up to said_data, and still that has not come. */
void
_agent_node_hear_status (AgentNode *self,
                         guint64    data_sent,
                         guint64    data_arrived,
                         guint64    control_arrived)
{
  if (self->said_data > self->expected_data && self->early.length == 0)
    {
      receive_note_gap (self, self->said_data - self->expected_data);
      self->expected_data = self->said_data;
    }
  self->said_data = data_sent;

  self->data_arrived = CLAMP (data_arrived, self->data_arrived, self->next_data);
  receive_confirmation (self, control_arrived);
}

/* --- Messages --- */

/* A node speaks for its own subscribers only. A name that nobody has may be the source of any node: not every source is a
 * subscriber. */
static gboolean
receive_check_source (AgentNode    *self,
                      AgentBus     *bus,
                      AgentMessage *message)
{
  const char        *source = agent_message_get_source (message);
  const AgentRemote *owner = g_hash_table_lookup (self->core->remotes, source);
  AgentMailbox      *mailbox;

  if (owner != NULL)
    return owner->node == self;

  mailbox = _agent_directory_lookup (bus->directory, source);
  if (mailbox == NULL)
    return TRUE;

  _agent_mailbox_unref (mailbox);
  return FALSE;
}

static gboolean
receive_allows (AgentNode    *self,
                AgentBus     *bus,
                AgentMessage *message)
{
  const char *source = agent_message_get_source (message);
  const char *name = agent_message_get_name (message);

  if (!receive_check_source (self, bus, message))
    {
      _agent_link_core_refuse (self->core, self->id, self->figures, "A message '%s' is not from '%s', as it says", name, source);
      return FALSE;
    }
  if (!_agent_transport_allows_message (self->core->transport, self->id, source, name))
    {
      _agent_link_core_refuse (self->core, self->id, self->figures, "The node may not send a message '%s' from '%s'", name, source);
      return FALSE;
    }

  return TRUE;
}

/* Takes @message. */
static void
receive_send_to_member (AgentBus     *bus,
                        AgentMessage *message,
                        const char   *member,
                        gboolean      grouped)
{
  AgentSender  *sender = _agent_sender_get ();
  AgentMailbox *mailbox = _agent_directory_lookup (bus->directory, member);

  /* It has left, or is not in the group: others may be here. What is not for a group is for a router, and its target is an actor. */
  if (mailbox == NULL ||
      (grouped && g_strcmp0 (_agent_mailbox_get_group (mailbox), agent_message_get_target (message)) != 0))
    {
      g_clear_pointer (&mailbox, _agent_mailbox_unref);
      agent_bus_send (bus, message);
      _agent_sender_collect (sender);
      return;
    }

  message->grouped = grouped;
  _agent_bus_send_to_mailbox_uncollected (bus, mailbox, message, sender);
  _agent_mailbox_unref (mailbox);
  _agent_sender_collect (sender);
}

/* A name in a record is not terminated. Returns NULL if it is not valid, or empty: (transfer full). */
static char *
receive_dup_name (const AgentRecord *record)
{
  if (record->name_length == 0 || memchr (record->name, '\0', record->name_length) != NULL ||
      !_agent_utf8_is_valid (record->name, record->name_length))
    return NULL;

  return g_strndup (record->name, record->name_length);
}

/* FALSE: the message has waited for longer than it is of use. */
static gboolean
receive_shorten_ttl (AgentNode    *self,
                     AgentTraffic  traffic,
                     AgentMessage *message,
                     guint32       age)
{
  if (message->ttl == 0 || age == 0)
    return TRUE;

  if (message->ttl <= age)
    {
      _agent_link_core_lose_message (
          self->core, self->id, traffic, message, AGENT_BUS_ERROR_TIMED_OUT, "it has expired on the way");
      return FALSE;
    }

  message->ttl -= age;
  return TRUE;
}

/* Numbers of the other node mean nothing here. But it need not say which request it answers. */
static void
receive_set_cause (AgentNode    *self,
                   AgentMessage *message)
{
  if (message->cause == 0)
    return;

  message->cause = _agent_node_is_of_task (message) ? _agent_exchange_find_cause (&self->exchange, message) : 0;
}

/* How a packet is read. */
typedef struct
{
  AgentBus    *bus;
  AgentTraffic traffic;
  guint32      age;
} ReceivedPacket;

static void
receive_message (AgentNode            *self,
                 const ReceivedPacket *packet,
                 AgentPacketReader    *reader,
                 const AgentRecord    *record)
{
  AgentBus        *bus = packet->bus;
  g_autofree char *member = receive_dup_name (record);
  g_autoptr (GError) error = NULL;
  AgentMessage *message = _agent_envelope_read (reader->packet, record->offset, record->length, &error);

  if (message == NULL)
    {
      _agent_link_core_refuse (self->core, self->id, self->figures, "A message: %s", error->message);
      return;
    }
  if (!receive_allows (self, bus, message) || !receive_shorten_ttl (self, packet->traffic, message, packet->age))
    {
      agent_message_unref (message);
      return;
    }

  /* Whoever gets it may answer with what the node has said before that it takes. */
  _agent_node_end_interest (self);
  message->remote = TRUE;
  self->core->has_handed = TRUE;
  receive_set_cause (self, message);
  if (_agent_node_is_of_task (message))
    _agent_exchange_received (&self->exchange, message);
  if (member != NULL && agent_message_get_target (message) != NULL)
    receive_send_to_member (bus, message, member, record->kind == AGENT_RECORD_GROUPED);
  else
    agent_bus_send (bus, message);
}

/* --- What the node says of itself --- */

static void
receive_conversation (AgentNode *self,
                      GVariant  *value)
{
  const char *id;
  guint64     epoch;

  g_variant_get (value, "(&st)", &id, &epoch);
  if (*id == '\0' || !_agent_utf8_is_string (id) || epoch > AGENT_EPOCH_MAX)
    _agent_link_core_refuse (self->core, self->id, self->figures, "A conversation is not valid");
  else
    _agent_advances_hear (self->core->advances, id, epoch);
}

typedef struct
{
  AgentRecordKind kind;
  const char     *type;
  void (*take) (AgentNode *self,
                GVariant  *value);
} RecordTaker;

static const RecordTaker record_takers[] = {
  { AGENT_RECORD_NAME, "(ssbssbbx)", _agent_node_take_name },
  { AGENT_RECORD_GONE, "(s)", _agent_node_take_gone },
  { AGENT_RECORD_INTEREST, "(ybs)", _agent_node_take_interest },
  { AGENT_RECORD_CONVERSATION, "(st)", receive_conversation },
};

static void
receive_value (AgentNode         *self,
               AgentPacketReader *reader,
               const AgentRecord *record)
{
  for (guint i = 0; i < G_N_ELEMENTS (record_takers); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) value = NULL;

      if (record_takers[i].kind != record->kind)
        continue;

      value = _agent_packet_reader_get_value (reader, record, G_VARIANT_TYPE (record_takers[i].type), &error);
      if (value != NULL)
        record_takers[i].take (self, value);
      else
        _agent_link_core_refuse (self->core, self->id, self->figures, "%s", error->message);
      return;
    }
}

/* --- Packets --- */

static void
receive_records (AgentNode             *self,
                 AgentTraffic           traffic,
                 AgentPacketReader     *reader,
                 const AgentPacketHead *head)
{
  g_autoptr (AgentBus) bus = g_weak_ref_get (&self->core->bus);
  g_autoptr (GError) error = NULL;
  const ReceivedPacket packet = { .bus = bus, .traffic = traffic, .age = head->age };
  AgentRecord          record;

  if (bus == NULL)
    return;

  while (_agent_packet_reader_next (reader, &record, &error))
    {
      if (record.kind == AGENT_RECORD_MESSAGE || record.kind == AGENT_RECORD_GROUPED)
        {
          if (traffic == AGENT_TRAFFIC_CONTROL)
            _agent_node_figures_count (self->figures, AGENT_FIGURE_CONTROL_RECEIVED, 1);
          receive_message (self, &packet, reader, &record);
        }
      else if (traffic == AGENT_TRAFFIC_CONTROL)
        receive_value (self, reader, &record);
    }
  if (error != NULL)
    _agent_link_core_refuse (self->core, self->id, self->figures, "%s", error->message);
  _agent_node_end_interest (self);
}

/* What waits here for what comes before it gets older. */
static void
receive_add_age (AgentPacketHead *head,
                 gint64           came_at)
{
  guint64 waited = (guint64) MAX (_agent_clock_now () - came_at, 0) / 1000;

  head->age = (guint32) MIN (head->age + waited, G_MAXUINT32);
}

static void
receive_data (AgentNode             *self,
              AgentPacketReader     *reader,
              const AgentPacketHead *head)
{
  if (head->number < self->expected_data)
    {
      _agent_node_figures_count (self->figures, AGENT_FIGURE_DUPLICATES, 1);
      return;
    }
  if (head->number > self->expected_data)
    receive_note_gap (self, head->number - self->expected_data);

  self->expected_data = head->number + head->n_records;
  _agent_node_figures_count (self->figures, AGENT_FIGURE_DATA_RECEIVED, head->n_records);
  receive_records (self, AGENT_TRAFFIC_DATA, reader, head);
}

static void
early_packet_free (gpointer data)
{
  AgentEarlyPacket *self = data;

  g_bytes_unref (self->packet);
  g_free (self);
}

void
_agent_node_clear_early (AgentNode *self)
{
  g_queue_clear_full (&self->early, early_packet_free);
}

static void
receive_keep_early (AgentNode *self,
                    GBytes    *packet)
{
  AgentEarlyPacket *early = g_new (AgentEarlyPacket, 1);

  early->packet = g_bytes_ref (packet);
  early->came_at = _agent_clock_now ();
  g_queue_push_tail (&self->early, early);
  self->early_bytes += g_bytes_get_size (packet);
}

/* Data that waits for control which has come now. */
static void
receive_early (AgentNode *self)
{
  AgentEarlyPacket *early;

  while ((early = g_queue_peek_head (&self->early)) != NULL)
    {
      AgentPacketReader reader;
      AgentPacketHead   head;

      _agent_packet_reader_init (&reader, early->packet, &head, NULL);
      if (head.after > self->control_in.next)
        return;

      g_queue_pop_head (&self->early);
      self->early_bytes -= g_bytes_get_size (early->packet);
      receive_add_age (&head, early->came_at);
      receive_data (self, &reader, &head);
      early_packet_free (early);
    }
}

/* Data may overtake the control that tells of its source. Then it waits; if there is too much of it, it is lost, and counted when
 * the next data comes. */
static void
receive_data_in_order (AgentNode             *self,
                       AgentPacketReader     *reader,
                       const AgentPacketHead *head)
{
  if (head->after <= self->control_in.next && self->early.length == 0)
    {
      receive_data (self, reader, head);
      return;
    }

  if (self->early_bytes + reader->size <= MAX_EARLY_BYTES)
    receive_keep_early (self, reader->packet);
}

static void
receive_held (AgentNode *self)
{
  GBytes *packet;
  gint64  came_at;

  while ((packet = _agent_resequencer_take (&self->control_in, _agent_clock_now (), &came_at)) != NULL)
    {
      AgentPacketReader reader;
      AgentPacketHead   head;

      _agent_packet_reader_init (&reader, packet, &head, NULL);
      receive_add_age (&head, came_at);
      receive_records (self, AGENT_TRAFFIC_CONTROL, &reader, &head);
      g_bytes_unref (packet);
    }
}

/* FALSE: the session cannot go on. */
static gboolean
receive_control (AgentNode             *self,
                 AgentPacketReader     *reader,
                 const AgentPacketHead *head)
{
  switch (_agent_resequencer_put (
      &self->control_in, head->number, head->n_records, reader->packet, _agent_clock_now ()))
    {
    case AGENT_SEQUENCE_NEXT:
      receive_records (self, AGENT_TRAFFIC_CONTROL, reader, head);
      receive_held (self);
      receive_early (self);
      return TRUE;
    case AGENT_SEQUENCE_HELD:
      return TRUE;
    case AGENT_SEQUENCE_DUPLICATE:
      _agent_node_figures_count (self->figures, AGENT_FIGURE_DUPLICATES, 1);
      return TRUE;
    case AGENT_SEQUENCE_FULL:
    default:
      return FALSE;
    }
}

/* A packet of the session has come. FALSE: the session cannot go on. */
gboolean
_agent_node_receive (AgentNode             *self,
                     AgentTraffic           traffic,
                     AgentPacketReader     *reader,
                     const AgentPacketHead *head)
{
  self->has_news = TRUE;
  if (traffic == AGENT_TRAFFIC_CONTROL)
    return receive_control (self, reader, head);

  receive_data_in_order (self, reader, head);
  return TRUE;
}
