/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-outlet-private.h"

#include <string.h>

#include "transport-nats/agent-nats-reply-private.h"
#include "transport-nats/agent-nats-token-private.h"

/* How many bytes may wait for the server. With TLS less: it writes all of them at once, and waits for room, see
 * agent-nats-socket.c. */
#define OUTLET_ROOM (256 * 1024)
#define OUTLET_ROOM_ENCRYPTED (64 * 1024)
/* What must not get lost may wait behind data. */
#define OUTLET_ROOM_CONTROL (4 * 1024 * 1024)

struct _AgentNatsOutlet
{
  AgentNatsSubjects   *subjects;
  AgentNatsRequests   *requests;
  AgentNatsStoredFunc  func;
  gpointer             data;
  AgentNatsConnection *connection; /* (unowned) (nullable) */
  gsize                room;       /* bytes */
  guint64              n_packets;
  GByteArray          *prefix;   /* (owned) (nullable): the name, if the token does not tell it */
  GByteArray          *scratch;  /* (owned): the last packet with the prefix */
  gboolean             was_full; /* data was refused, and the owner waits for room */
};

/* A packet of control on its way. */
typedef struct
{
  AgentNatsOutlet *outlet;
  guint64          session;
  guint64          number;
  char             node[];
} Control;

static GByteArray *
outlet_make_prefix (const char *node_id)
{
  GByteArray  *prefix = g_byte_array_new ();
  const guint8 length = (guint8) strlen (node_id);

  g_byte_array_append (prefix, &length, 1);
  return g_byte_array_append (prefix, (const guint8 *) node_id, length);
}

AgentNatsOutlet *
_agent_nats_outlet_new (AgentNatsSubjects  *subjects,
                        AgentNatsRequests  *requests,
                        const char         *node_id,
                        AgentNatsStoredFunc func,
                        gpointer            data)
{
  AgentNatsOutlet *self = g_new0 (AgentNatsOutlet, 1);

  self->subjects = subjects;
  self->requests = requests;
  self->func = func;
  self->data = data;
  self->scratch = g_byte_array_new ();
  if (_agent_nats_token_is_hash (_agent_nats_subjects_get_token (subjects)))
    self->prefix = outlet_make_prefix (node_id);
  return self;
}

/* After the requests have ended. */
void
_agent_nats_outlet_free (AgentNatsOutlet *self)
{
  g_clear_pointer (&self->prefix, g_byte_array_unref);
  g_byte_array_unref (self->scratch);
  g_free (self);
}

/* For a connection that is open. */
void
_agent_nats_outlet_begin (AgentNatsOutlet     *self,
                          AgentNatsConnection *connection)
{
  self->connection = connection;
  self->room = _agent_nats_connection_is_encrypted (connection) ? OUTLET_ROOM_ENCRYPTED : OUTLET_ROOM;
}

void
_agent_nats_outlet_end (AgentNatsOutlet *self)
{
  self->connection = NULL;
}

static gboolean
outlet_is_usable (AgentNatsOutlet *self)
{
  return self->connection != NULL && _agent_nats_connection_is_usable (self->connection);
}

static gboolean
outlet_has_room (AgentNatsOutlet *self,
                 gsize            room)
{
  return outlet_is_usable (self) && _agent_nats_connection_get_buffered (self->connection) < room;
}

/* Returns TRUE once there is room again after send_data() has found none. */
gboolean
_agent_nats_outlet_take_room (AgentNatsOutlet *self)
{
  if (!self->was_full || !outlet_has_room (self, self->room / 2))
    return FALSE;

  self->was_full = FALSE;
  return TRUE;
}

/* --- Data and presence --- */

/* Returns what is valid until the next call. */
static gconstpointer
outlet_prepare (AgentNatsOutlet *self,
                GBytes          *packet,
                gsize           *size)
{
  gconstpointer data = g_bytes_get_data (packet, size);

  if (self->prefix == NULL)
    return data;

  g_byte_array_set_size (self->scratch, 0);
  g_byte_array_append (self->scratch, self->prefix->data, self->prefix->len);
  g_byte_array_append (self->scratch, data, *size);
  *size = self->scratch->len;
  return self->scratch->data;
}

/* The number goes where a subject for a reply would be: nobody replies. */
static natsStatus
outlet_publish (AgentNatsOutlet *self,
                const char      *subject,
                GBytes          *packet)
{
  char          number[24];
  gsize         size;
  gconstpointer data = outlet_prepare (self, packet, &size);

  if (size > G_MAXINT)
    return NATS_MAX_PAYLOAD;

  g_snprintf (number, sizeof number, "%" G_GUINT64_FORMAT, ++self->n_packets);
  return natsConnection_PublishRequest (_agent_nats_connection_get_nats (self->connection), subject, number, data, (int) size);
}

gboolean
_agent_nats_outlet_send_data (AgentNatsOutlet *self,
                              const char      *node,
                              GBytes          *packet,
                              GError         **error)
{
  natsStatus status = NATS_INSUFFICIENT_BUFFER;

  if (outlet_has_room (self, self->room))
    status = outlet_publish (self, _agent_nats_subjects_get_peer (self->subjects, node)->data, packet);

  if (status == NATS_OK)
    {
      _agent_nats_connection_write (self->connection);
      return TRUE;
    }

  if (status == NATS_MAX_PAYLOAD)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE, "The packet is larger than the NATS server allows");
      return FALSE;
    }

  /* If the connection is lost, there is room on the next one. */
  self->was_full = TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "The NATS server does not take more now");
  return FALSE;
}

void
_agent_nats_outlet_send_presence (AgentNatsOutlet *self,
                                  const char      *node,
                                  GBytes          *packet)
{
  if (outlet_has_room (self, OUTLET_ROOM_CONTROL))
    outlet_publish (self, _agent_nats_subjects_get_peer (self->subjects, node)->presence, packet);
}

/* --- Control --- */

static Control *
outlet_new_control (AgentNatsOutlet *self,
                    const char      *node,
                    guint64          session,
                    guint64          number)
{
  gsize    size = strlen (node) + 1;
  Control *control = g_malloc (sizeof *control + size);

  control->outlet = self;
  control->session = session;
  control->number = number;
  memcpy (control->node, node, size);
  return control;
}

static void
outlet_on_stored (gpointer      data,
                  natsMsg      *reply,
                  const GError *error)
{
  Control         *control = data;
  AgentNatsOutlet *self = control->outlet;
  g_autoptr (GError) local_error = NULL;

  if (reply != NULL)
    _agent_nats_reply_check (reply, &local_error);

  self->func (self->data, control->node, control->session, control->number, error != NULL ? error : local_error);
  g_free (control);
}

/* The id lets the server drop what it has already stored. */
static natsMsg *
outlet_make_message (AgentNatsOutlet     *self,
                     const AgentNatsPeer *peer,
                     const Control       *control,
                     const char          *reply,
                     GBytes              *packet)
{
  natsMsg      *message = NULL;
  gsize         size;
  gconstpointer data = outlet_prepare (self, packet, &size);
  char          id[2 * 128 + 2 * 20 + 4];

  g_snprintf (id,
              sizeof id,
              "%s.%" G_GUINT64_FORMAT ".%s.%" G_GUINT64_FORMAT,
              _agent_nats_subjects_get_token (self->subjects),
              control->session,
              peer->token,
              control->number);
  if (natsMsg_Create (&message, peer->control, reply, data, (int) size) != NATS_OK)
    return NULL;

  natsMsgHeader_Set (message, "Nats-Msg-Id", id);
  return message;
}

/* If this fails, the connection is lost, and that is told. */
static void
outlet_publish_control (AgentNatsOutlet     *self,
                        const AgentNatsPeer *peer,
                        Control             *control,
                        GBytes              *packet)
{
  const char *reply = _agent_nats_requests_expect (self->requests, outlet_on_stored, control);
  natsMsg    *message = outlet_make_message (self, peer, control, reply, packet);

  if (message != NULL)
    natsConnection_PublishMsg (_agent_nats_connection_get_nats (self->connection), message);
  natsMsg_Destroy (message);
}

/* Returns what is wrong, or NULL. @code: (out): of G_IO_ERROR */
static const char *
outlet_find_problem (AgentNatsOutlet *self,
                     gsize            size,
                     int             *code)
{
  *code = G_IO_ERROR_NOT_CONNECTED;
  if (!outlet_is_usable (self))
    return "Not connected to a NATS server";

  *code = G_IO_ERROR_MESSAGE_TOO_LARGE;
  if (size > _agent_nats_connection_get_max_packet (self->connection))
    return "The packet is larger than the NATS server allows";

  *code = G_IO_ERROR_WOULD_BLOCK;
  if (!outlet_has_room (self, OUTLET_ROOM_CONTROL))
    return "The NATS server does not take more now";

  return NULL;
}

void
_agent_nats_outlet_send_control (AgentNatsOutlet *self,
                                 const char      *node,
                                 guint64          session,
                                 guint64          number,
                                 GBytes          *packet)
{
  Control    *control = outlet_new_control (self, node, session, number);
  int         code;
  const char *problem = outlet_find_problem (self, g_bytes_get_size (packet), &code);

  if (problem != NULL)
    _agent_nats_requests_refuse (self->requests, code, problem, outlet_on_stored, control);
  else
    outlet_publish_control (self, _agent_nats_subjects_get_peer (self->subjects, node), control, packet);
}
