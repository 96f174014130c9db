/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-inlet-private.h"

#include <string.h>

#include "transport-nats/agent-nats-discard-private.h"
#include "transport-nats/agent-nats-drain-private.h"
#include "transport-nats/agent-nats-token-private.h"

typedef struct
{
  natsMsg               *message; /* (owned) */
  const AgentNatsSource *source;  /* valid until the end of the batch */
  guint64                number;
  AgentTraffic           traffic;
} Arrival;

struct _AgentNatsInlet
{
  AgentNatsSubjects     *subjects;
  AgentNatsInletFunc     func;
  AgentNatsInletTwinFunc twin_func;
  gpointer               data;
  GPtrArray             *subscriptions; /* (owned) of natsSubscription */
  GArray                *batch;         /* (owned) of Arrival */
};

static void
inlet_destroy_subscription (gpointer data)
{
  natsSubscription_Destroy (data);
}

AgentNatsInlet *
_agent_nats_inlet_new (AgentNatsSubjects     *subjects,
                       AgentNatsInletFunc     func,
                       AgentNatsInletTwinFunc twin_func,
                       gpointer               data)
{
  AgentNatsInlet *self = g_new0 (AgentNatsInlet, 1);

  self->subjects = subjects;
  self->func = func;
  self->twin_func = twin_func;
  self->data = data;
  self->subscriptions = g_ptr_array_new_with_free_func (inlet_destroy_subscription);
  self->batch = g_array_new (FALSE, FALSE, sizeof (Arrival));
  return self;
}

void
_agent_nats_inlet_free (AgentNatsInlet *self)
{
  g_ptr_array_unref (self->subscriptions);
  g_array_unref (self->batch);
  g_free (self);
}

/* If the connection is lost, nothing is subscribed. */
void
_agent_nats_inlet_subscribe (AgentNatsInlet *self,
                             natsConnection *nats,
                             const char     *subject)
{
  natsSubscription *subscription = NULL;

  if (natsConnection_SubscribeSync (&subscription, nats, subject) == NATS_OK)
    g_ptr_array_add (self->subscriptions, subscription);
}

/* The connection is not there any more. */
void
_agent_nats_inlet_end (AgentNatsInlet *self)
{
  g_ptr_array_set_size (self->subscriptions, 0);
}

/* --- Packets --- */

/* The name of a node that its token does not tell stands before the packet, with its length in one byte. Returns NULL
 * if it is the name of another node. */
static char *
inlet_dup_node (const AgentNatsSource *source,
                const char            *data,
                gsize                  size)
{
  g_autofree char *node = NULL;
  gsize            length = size > 0 ? (guchar) data[0] : 0;

  if (!_agent_nats_token_is_hash (source->token) || length == 0 || length >= size)
    return NULL;

  node = g_strndup (data + 1, length);
  if (strlen (node) != length || !g_utf8_validate (node, length, NULL) || !_agent_nats_token_is_of (source->token, node))
    return NULL;

  return g_steal_pointer (&node);
}

static void
inlet_free_message (gpointer data)
{
  _agent_nats_discard (data);
}

/* @message: (transfer full): the packet keeps it */
static GBytes *
inlet_wrap (natsMsg *message)
{
  return g_bytes_new_with_free_func (natsMsg_GetData (message), natsMsg_GetDataLength (message), inlet_free_message, message);
}

static void
inlet_tell_hashed (AgentNatsInlet *self,
                   const Arrival  *arrival)
{
  g_autoptr (GBytes) whole = inlet_wrap (arrival->message);
  g_autoptr (GBytes) packet = NULL;
  gsize            size;
  const char      *data = g_bytes_get_data (whole, &size);
  g_autofree char *node = inlet_dup_node (arrival->source, data, size);

  if (node == NULL)
    return;

  packet = g_bytes_new_from_bytes (whole, 1 + strlen (node), size - 1 - strlen (node));
  self->func (self->data, node, arrival->traffic, packet);
}

static void
inlet_tell (AgentNatsInlet *self,
            const Arrival  *arrival)
{
  g_autoptr (GBytes) packet = NULL;

  if (arrival->source->node == NULL)
    {
      inlet_tell_hashed (self, arrival);
      return;
    }

  packet = inlet_wrap (arrival->message);
  self->func (self->data, arrival->source->node, arrival->traffic, packet);
}

/* Returns FALSE if the message is none of another node. */
static gboolean
inlet_read (AgentNatsInlet *self,
            natsMsg        *message,
            Arrival        *arrival)
{
  const char *reply = natsMsg_GetReply (message);

  arrival->message = message;
  arrival->number = reply != NULL ? g_ascii_strtoull (reply, NULL, 10) : 0;
  arrival->source = _agent_nats_subjects_read (self->subjects, natsMsg_GetSubject (message), &arrival->traffic);
  if (arrival->source == NULL && strcmp (natsMsg_GetSubject (message), _agent_nats_subjects_get_peer (self->subjects, NULL)->presence) == 0)
    self->twin_func (self->data);
  return arrival->source != NULL;
}

/* Tells of a message that needs no sorting. */
void
_agent_nats_inlet_take (AgentNatsInlet *self,
                        natsMsg        *message)
{
  Arrival arrival;

  if (inlet_read (self, message, &arrival))
    inlet_tell (self, &arrival);
  else
    natsMsg_Destroy (message);
}

/* --- Batches --- */

static void
inlet_on_message (gpointer data,
                  natsMsg *message)
{
  AgentNatsInlet *self = data;
  Arrival         arrival;

  if (inlet_read (self, message, &arrival))
    g_array_append_val (self->batch, arrival);
  else
    natsMsg_Destroy (message);
}

/* Between two nodes there is no order, so theirs may be any. */
static gint
inlet_compare (gconstpointer a,
               gconstpointer b)
{
  const Arrival *left = a;
  const Arrival *right = b;

  if (left->source != right->source)
    return left->source < right->source ? -1 : 1;
  return left->number < right->number ? -1 : left->number > right->number;
}

/* Returns from how many subscriptions the batch is. */
static guint
inlet_collect (AgentNatsInlet *self)
{
  guint n = 0;

  for (guint i = 0; i < self->subscriptions->len; i++)
    {
      guint before = self->batch->len;

      _agent_nats_drain (self->subscriptions->pdata[i], inlet_on_message, self);
      n += self->batch->len > before;
    }

  return n;
}

/* To be called after each read. */
void
_agent_nats_inlet_drain (AgentNatsInlet *self)
{
  if (inlet_collect (self) > 1)
    g_array_sort (self->batch, inlet_compare);

  for (guint i = 0; i < self->batch->len; i++)
    inlet_tell (self, &g_array_index (self->batch, Arrival, i));

  g_array_set_size (self->batch, 0);
  _agent_nats_subjects_trim (self->subjects);
}
