/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-session-private.h"

#include <string.h>

#include "transport-nats/agent-nats-claim-private.h"
#include "transport-nats/agent-nats-consumer-private.h"
#include "transport-nats/agent-nats-inlet-private.h"
#include "transport-nats/agent-nats-timer-private.h"

/* The wait before the next attempt to connect, in milliseconds: this, and a random part that grows with the attempts,
 * so that not all nodes come back at once. After many attempts, a second more or less does not matter. */
#define SESSION_WAIT 20
#define SESSION_RANDOM_STEP 10
#define SESSION_RANDOM_MAX 160
#define SESSION_MANY_ATTEMPTS 60
#define SESSION_RANDOM_LATE 1000
/* How long the server may take to store a packet, and to make a stream or a consumer, in milliseconds. */
#define SESSION_STORING_WAIT 1500
#define SESSION_MAKING_WAIT 4000
/* A connection that was there for so long was a success, in microseconds. */
#define SESSION_LONG_ENOUGH (5 * G_USEC_PER_SEC)

typedef enum
{
  SESSION_OPENING, /* open() is not done yet */
  SESSION_OPEN,
  SESSION_CLOSING, /* after close(), or after open() has failed */
} SessionPhase;

typedef enum
{
  SESSION_NO_CONNECTION,
  SESSION_CONNECTING,
  SESSION_CONNECTED,
  SESSION_DISCONNECTING,
} SessionLink;

struct _AgentNatsSession
{
  AgentTransport          *transport; /* (owned) */
  GMainContext            *context;   /* (owned) */
  const AgentNatsSettings *settings;  /* (unowned): of the transport */
  GPtrArray               *urls;      /* (owned): those of the settings, and those that servers have told */
  guint                    next_url;
  guint                    n_attempts; /* since it was connected for long enough */
  gint64                   connected_at;
  SessionPhase             phase;
  SessionLink              link;
  gboolean                 is_lost; /* this was told, so nobody expects that the last connection has sent everything */
  GTask                   *opening; /* (owned) (nullable) */
  GTask                   *closing; /* (owned) (nullable) */
  GError                  *failure; /* (owned) (nullable): why open() fails */
  char                    *refusal; /* (owned) (nullable): the last reason of a server not to let this node in */

  AgentNatsConnection *connection; /* (owned) (nullable) */
  AgentNatsTimer      *again;      /* (owned) */
  AgentNatsSubjects   *subjects;   /* (owned) */
  AgentNatsClaim      *claim;      /* (owned): to the id of the node */
  AgentNatsRequests   *requests;   /* (owned): of the consumer */
  AgentNatsRequests   *storings;   /* (owned): of packets of control */
  AgentNatsInlet      *inlet;      /* (owned) */
  AgentNatsConsumer   *consumer;   /* (owned) */
  AgentNatsOutlet     *outlet;     /* (owned) */
};

/* --- The end of open() and close() --- */

static void
session_tell_opened (AgentNatsSession *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->opening);

  if (self->failure != NULL)
    g_task_return_error (task, g_steal_pointer (&self->failure));
  else
    g_task_return_boolean (task, TRUE);
}

static void
session_tell_closed (AgentNatsSession *self,
                     gboolean          all_is_sent)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->closing);

  if (task == NULL)
    session_tell_opened (self);
  else if (all_is_sent)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "The NATS server may not have got what was sent last");
}

/* --- One connection --- */

static void
session_subscribe (AgentNatsSession *self)
{
  natsConnection  *nats = _agent_nats_connection_get_nats (self->connection);
  g_autofree char *data_to_me = _agent_nats_subjects_make_to_me (self->subjects, 'd');
  g_autofree char *presence_to_me = _agent_nats_subjects_make_to_me (self->subjects, 'p');
  g_autofree char *presence_to_all = _agent_nats_subjects_make_from_all (self->subjects, "*.p.all");

  _agent_nats_inlet_subscribe (self->inlet, nats, data_to_me);
  _agent_nats_inlet_subscribe (self->inlet, nats, presence_to_me);
  _agent_nats_inlet_subscribe (self->inlet, nats, presence_to_all);
}

/* If the connection is lost meanwhile, this is told later. The first time, nothing may be subscribed before the id of the
 * node is known to be free: packets for another node with this id would come in. */
static void
session_begin_connection (AgentNatsSession *self)
{
  session_subscribe (self);
  _agent_nats_requests_begin (self->requests, self->connection);
  _agent_nats_requests_begin (self->storings, self->connection);
  _agent_nats_outlet_begin (self->outlet, self->connection);
  _agent_nats_consumer_begin (self->consumer, self->connection);
}

static void
session_end_connection (AgentNatsSession *self)
{
  const GError error = { G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, (char *) "The connection to the NATS server is lost" };

  _agent_nats_claim_end (self->claim);
  _agent_nats_inlet_end (self->inlet);
  _agent_nats_outlet_end (self->outlet);
  _agent_nats_consumer_end (self->consumer);
  _agent_nats_requests_end (self->requests, &error);
  _agent_nats_requests_end (self->storings, &error);
}

static void
session_offer_room (AgentNatsSession *self)
{
  if (_agent_nats_outlet_take_room (self->outlet))
    agent_transport_ready (self->transport);
}

static void
session_add_urls (AgentNatsSession *self,
                  char            **urls)
{
  for (guint i = 0; urls != NULL && urls[i] != NULL; i++)
    {
      if (!g_ptr_array_find_with_equal_func (self->urls, urls[i], g_str_equal, NULL))
        g_ptr_array_add (self->urls, g_strdup (urls[i]));
    }
}

static void
session_disconnect (AgentNatsSession *self)
{
  GCancellable *cancellable = self->closing != NULL ? g_task_get_cancellable (self->closing) : NULL;

  if (self->link != SESSION_CONNECTED)
    return;

  self->link = SESSION_DISCONNECTING;
  _agent_nats_claim_end (self->claim);
  _agent_nats_connection_close (self->connection, cancellable);
}

/* @error: (transfer full) */
static void
session_fail_to_open (AgentNatsSession *self,
                      GError           *error)
{
  self->failure = error;
  self->phase = SESSION_CLOSING;
  session_disconnect (self);
}

/* The next attempt begins with another server. */
static void
session_try_later (AgentNatsSession *self)
{
  gint span = self->n_attempts < SESSION_MANY_ATTEMPTS ? MIN (SESSION_RANDOM_STEP * (gint) self->n_attempts, SESSION_RANDOM_MAX)
                                                       : SESSION_RANDOM_LATE;

  self->n_attempts++;
  self->next_url++;
  _agent_nats_timer_set_in (self->again, SESSION_WAIT + g_random_int_range (0, span + 1));
}

/* A server that does not let this node in does so at each attempt. */
static void
session_tell_refusal (AgentNatsSession *self,
                      const GError     *error)
{
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED) || g_strcmp0 (self->refusal, error->message) == 0)
    return;

  g_free (self->refusal);
  self->refusal = g_strdup (error->message);
  agent_transport_refused (self->transport, NULL, error->message);
}

static void
session_on_not_connected (AgentNatsSession *self,
                          const GError     *error)
{
  self->link = SESSION_NO_CONNECTION;
  g_clear_pointer (&self->connection, _agent_nats_connection_unref);

  if (self->phase == SESSION_OPEN)
    {
      session_tell_refusal (self, error);
      session_try_later (self);
      return;
    }

  session_end_connection (self);
  self->failure = self->opening != NULL ? g_error_copy (error) : NULL;
  session_tell_closed (self, TRUE);
}

static void
session_on_connected (AgentNatsSession *self)
{
  self->link = SESSION_CONNECTED;
  if (self->phase == SESSION_CLOSING)
    {
      session_disconnect (self);
      return;
    }

  self->is_lost = FALSE;
  self->connected_at = g_get_monotonic_time ();
  self->next_url = _agent_nats_connection_get_url (self->connection);
  session_add_urls (self, _agent_nats_connection_get_discovered (self->connection));
  g_clear_pointer (&self->refusal, g_free);
  _agent_nats_claim_begin (self->claim, self->connection);
  if (self->phase == SESSION_OPEN)
    {
      session_begin_connection (self);
      agent_transport_set_state (self->transport, AGENT_TRANSPORT_STATE_CONNECTED);
      session_offer_room (self);
    }
}

static void
session_on_opened (gpointer      data,
                   const GError *error)
{
  AgentNatsSession *self = data;

  if (error != NULL)
    session_on_not_connected (self, error);
  else
    session_on_connected (self);
}

static void
session_on_readable (gpointer data)
{
  AgentNatsSession *self = data;

  _agent_nats_claim_drain (self->claim);
  _agent_nats_inlet_drain (self->inlet);
  _agent_nats_consumer_drain (self->consumer);
  _agent_nats_requests_drain (self->requests);
  _agent_nats_requests_drain (self->storings);
}

static void
session_on_writable (gpointer data)
{
  session_offer_room (data);
}

static void
session_on_refused (gpointer    data,
                    const char *text)
{
  AgentNatsSession *self = data;

  agent_transport_refused (self->transport, NULL, text);
}

static void
session_on_lost (gpointer data)
{
  AgentNatsSession *self = data;

  self->is_lost = TRUE;
  if (self->phase == SESSION_OPEN)
    agent_transport_set_state (self->transport, AGENT_TRANSPORT_STATE_LOST);
  if (g_get_monotonic_time () - self->connected_at > SESSION_LONG_ENOUGH)
    self->n_attempts = 0;
  session_end_connection (self);

  /* If it was being opened, the end of its requests has told that, unless there was none yet. */
  if (self->phase == SESSION_OPENING)
    session_fail_to_open (self, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "The connection to the NATS server is lost"));
  else
    session_disconnect (self);
}

static void
session_on_closed (gpointer data,
                   gboolean all_is_sent)
{
  AgentNatsSession *self = data;

  session_end_connection (self);
  self->link = SESSION_NO_CONNECTION;
  g_clear_pointer (&self->connection, _agent_nats_connection_unref);

  if (self->phase == SESSION_OPEN)
    session_try_later (self);
  else
    session_tell_closed (self, all_is_sent || self->is_lost);
}

static const AgentNatsConnectionOwner session_connection_owner = {
  .opened = session_on_opened,
  .readable = session_on_readable,
  .writable = session_on_writable,
  .refused = session_on_refused,
  .lost = session_on_lost,
  .closed = session_on_closed,
};

static void
session_connect (gpointer data)
{
  AgentNatsSession *self = data;

  self->link = SESSION_CONNECTING;
  self->connection = _agent_nats_connection_new (self->context, self->settings, &session_connection_owner, self);
  _agent_nats_connection_open (self->connection, self->urls, self->next_url);
}

/* --- The id of the node --- */

static void
session_on_held (gpointer data)
{
  session_begin_connection (data);
}

static void
session_on_taken (gpointer data)
{
  AgentNatsSession *self = data;

  session_fail_to_open (self,
                        g_error_new (AGENT_BUS_ERROR,
                                     AGENT_BUS_ERROR_EXISTS,
                                     "Node “%s” is at the NATS server already",
                                     agent_transport_get_node_id (self->transport)));
}

static void
session_on_twin (gpointer data)
{
  AgentNatsSession *self = data;
  const char       *node_id = agent_transport_get_node_id (self->transport);
  g_autofree char  *text = g_strdup_printf ("Another process is node “%s”, too: both read what is for one", node_id);

  agent_transport_refused (self->transport, node_id, text);
}

static const AgentNatsClaimOwner session_claim_owner = { session_on_held, session_on_taken, session_on_twin };

static void
session_on_own_packet (gpointer data)
{
  AgentNatsSession *self = data;

  _agent_nats_claim_suspect (self->claim);
}

/* --- What comes in --- */

static void
session_on_packet (gpointer     data,
                   const char  *node,
                   AgentTraffic traffic,
                   GBytes      *packet)
{
  AgentNatsSession *self = data;

  agent_transport_received (self->transport, node, traffic, packet);
}

static void
session_on_control (gpointer data,
                    natsMsg *message)
{
  AgentNatsSession *self = data;

  _agent_nats_inlet_take (self->inlet, message);
}

/* The first connection counts only if control works: without JetStream there is none. */
static void
session_on_consumer_ready (gpointer      data,
                           const GError *error)
{
  AgentNatsSession *self = data;

  if (self->phase != SESSION_OPENING)
    return;

  if (error == NULL && !g_cancellable_set_error_if_cancelled (g_task_get_cancellable (self->opening), &self->failure))
    {
      self->phase = SESSION_OPEN;
      session_tell_opened (self);
      return;
    }

  session_fail_to_open (self, error != NULL ? g_error_copy (error) : g_steal_pointer (&self->failure));
}

static const AgentNatsConsumerOwner session_consumer_owner = { session_on_consumer_ready, session_on_control };

static void
session_on_stored (gpointer      data,
                   const char   *node,
                   guint64       session,
                   guint64       number,
                   const GError *error)
{
  AgentNatsSession *self = data;

  agent_transport_control_done (self->transport, node, session, number, error);
}

/* --- For the transport --- */

AgentNatsSession *
_agent_nats_session_new (AgentTransport          *transport,
                         const AgentNatsSettings *settings)
{
  AgentNatsSession *self = g_new0 (AgentNatsSession, 1);
  const char       *node_id = agent_transport_get_node_id (transport);
  const char       *inbox;

  self->transport = g_object_ref (transport);
  self->context = g_main_context_ref_thread_default ();
  self->settings = settings;
  self->urls = g_ptr_array_new_with_free_func (g_free);
  session_add_urls (self, settings->urls);

  self->again = _agent_nats_timer_new (self->context, "[agentbus] NATS reconnect", session_connect, self);
  self->subjects = _agent_nats_subjects_new (agent_transport_get_bus_name (transport), node_id);
  inbox = _agent_nats_subjects_get_inbox (self->subjects);
  self->claim = _agent_nats_claim_new (self->context, self->subjects, &session_claim_owner, self);
  self->requests = _agent_nats_requests_new (self->context, inbox, SESSION_MAKING_WAIT);
  self->storings = _agent_nats_requests_new (self->context, inbox, SESSION_STORING_WAIT);
  self->inlet = _agent_nats_inlet_new (self->subjects, session_on_packet, session_on_own_packet, self);
  self->consumer = _agent_nats_consumer_new (
      self->context, settings, self->subjects, self->requests, &session_consumer_owner, self);
  self->outlet = _agent_nats_outlet_new (self->subjects, self->storings, node_id, session_on_stored, self);
  return self;
}

void
_agent_nats_session_free (AgentNatsSession *self)
{
  g_assert (self->connection == NULL);

  _agent_nats_timer_free (self->again);
  _agent_nats_consumer_free (self->consumer);
  _agent_nats_outlet_free (self->outlet);
  _agent_nats_claim_free (self->claim);
  _agent_nats_inlet_free (self->inlet);
  _agent_nats_requests_free (self->requests);
  _agent_nats_requests_free (self->storings);
  _agent_nats_subjects_free (self->subjects);
  g_ptr_array_unref (self->urls);
  g_free (self->refusal);
  g_main_context_unref (self->context);
  g_object_unref (self->transport);
  g_free (self);
}

void
_agent_nats_session_open (AgentNatsSession *self,
                          GTask            *task)
{
  self->opening = g_object_ref (task);
  session_connect (self);
}

/* What is connecting, or is lost, is waited for. */
void
_agent_nats_session_close (AgentNatsSession *self,
                           GTask            *task)
{
  self->closing = g_object_ref (task);
  self->phase = SESSION_CLOSING;
  _agent_nats_timer_stop (self->again);
  if (self->link == SESSION_NO_CONNECTION)
    {
      session_end_connection (self);
      session_tell_closed (self, TRUE);
    }
  else
    {
      session_disconnect (self);
    }
}

/* Before the first connection, it is what a server allows that was not told otherwise. */
gsize
_agent_nats_session_get_max_packet (AgentNatsSession *self)
{
  return self->connection != NULL ? _agent_nats_connection_get_max_packet (self->connection) : 0;
}

AgentNatsOutlet *
_agent_nats_session_get_outlet (AgentNatsSession *self)
{
  return self->outlet;
}
