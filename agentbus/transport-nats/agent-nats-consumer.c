/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-consumer-private.h"

#include <string.h>

#include "transport-nats/agent-nats-drain-private.h"
#include "transport-nats/agent-nats-reply-private.h"
#include "transport-nats/agent-nats-timer-private.h"

/* How often the server says that there is nothing to say, in milliseconds, and when this is too long ago. */
#define CONSUMER_HEARTBEAT 500
#define CONSUMER_SILENCE (3 * CONSUMER_HEARTBEAT)
/* When the server may forget a consumer that nobody reads, in milliseconds. */
#define CONSUMER_INACTIVE 5000
/* The wait before it is tried again, in milliseconds. */
#define CONSUMER_FIRST_WAIT 50
#define CONSUMER_LONGEST_WAIT 1000

/* How many tokens are looked at, see consumer_read_numbers(). */
#define CONSUMER_TOKENS 12

#define CONSUMER_NS G_GUINT64_CONSTANT (1000000)

struct _AgentNatsConsumer
{
  AgentNatsSubjects            *subjects;
  AgentNatsRequests            *requests;
  const AgentNatsConsumerOwner *owner;
  gpointer                      data;
  AgentNatsConnection          *connection;   /* (unowned) (nullable) */
  natsSubscription             *subscription; /* (owned) (nullable) */
  AgentNatsStream              *stream;       /* (owned) */
  AgentNatsTimer               *timer;        /* (owned): for the silence, or to try again */
  char                         *created;      /* (owned) (nullable): of the stream that @position belongs to */
  guint64                       position;     /* the last packet of the stream that has come in */
  guint64                       last_number;  /* the last number that the server has counted for this consumer */
  gint64                        last_heard;
  guint                         wait;      /* ms */
  gboolean                      is_made;   /* the server has made it */
  gboolean                      is_asking; /* there is a request that has no reply yet */
  gboolean                      is_stale;  /* it must be made again */
  gboolean                      was_ready; /* ready() was called */
};

/* --- Packets --- */

static void
consumer_answer_flow_control (AgentNatsConsumer *self,
                              natsMsg           *message)
{
  const char     *reply = natsMsg_GetReply (message);
  natsConnection *nats = _agent_nats_connection_get_nats (self->connection);

  /* All packets before it were taken. A heartbeat has the subject in a header, if an answer has got lost. */
  if (reply == NULL || *reply == '\0')
    natsMsgHeader_Get (message, "Nats-Consumer-Stalled", &reply);
  if (reply != NULL && *reply != '\0' && _agent_nats_connection_is_usable (self->connection))
    natsConnection_Publish (nats, reply, NULL, 0);
}

/* A heartbeat tells how far the server has counted. */
static void
consumer_read_heartbeat (AgentNatsConsumer *self,
                         natsMsg           *message)
{
  const char *text = NULL;

  if (natsMsgHeader_Get (message, "Nats-Last-Consumer", &text) != NATS_OK)
    return;

  if (g_ascii_strtoull (text, NULL, 10) != self->last_number)
    self->is_stale = TRUE;
}

/* $JS.ACK.STREAM.CONSUMER.DELIVERIES.POSITION.NUMBER.TIME.PENDING, or with two more tokens after the ACK and one more
 * at the end. */
static gboolean
consumer_read_numbers (const char *reply,
                       guint64    *position,
                       guint64    *number)
{
  const char *tokens[CONSUMER_TOKENS];
  guint       n = 0;

  if (reply == NULL || !g_str_has_prefix (reply, "$JS.ACK."))
    return FALSE;

  for (const char *token = reply; token != NULL && n < CONSUMER_TOKENS; n++)
    {
      tokens[n] = token;
      token = strchr (token, '.');
      token = token != NULL ? token + 1 : NULL;
    }
  if (n != 9 && n < 11)
    return FALSE;

  n = n == 9 ? 5 : 7;
  *position = g_ascii_strtoull (tokens[n], NULL, 10);
  *number = g_ascii_strtoull (tokens[n + 1], NULL, 10);
  return *position != 0 && *number != 0;
}

/* @message: (transfer full) */
static void
consumer_take_packet (AgentNatsConsumer *self,
                      natsMsg           *message)
{
  guint64 position = 0;
  guint64 number = 0;

  if (!consumer_read_numbers (natsMsg_GetReply (message), &position, &number) || number != self->last_number + 1)
    {
      self->is_stale = TRUE;
      natsMsg_Destroy (message);
      return;
    }

  self->last_number = number;
  self->position = position;
  self->wait = CONSUMER_FIRST_WAIT;
  self->owner->received (self->data, message);
}

static void
consumer_on_message (gpointer data,
                     natsMsg *message)
{
  AgentNatsConsumer *self = data;
  const char        *status = NULL;

  self->last_heard = g_get_monotonic_time ();

  /* What follows a gap comes again. */
  if (self->is_stale)
    {
      natsMsg_Destroy (message);
      return;
    }

  /* No packet is empty. */
  if (natsMsg_GetDataLength (message) > 0 || natsMsgHeader_Get (message, "Status", &status) != NATS_OK)
    {
      consumer_take_packet (self, message);
      return;
    }

  consumer_read_heartbeat (self, message);
  consumer_answer_flow_control (self, message);
  natsMsg_Destroy (message);
}

/* --- To be made --- */

static void
consumer_try_later (AgentNatsConsumer *self)
{
  self->is_made = FALSE;
  _agent_nats_timer_set_in (self->timer, self->wait);
  self->wait = MIN (2 * self->wait, CONSUMER_LONGEST_WAIT);
}

static void
consumer_tell_ready (AgentNatsConsumer *self,
                     const GError      *error)
{
  if (self->was_ready)
    return;

  self->was_ready = TRUE;
  self->owner->ready (self->data, error);
}

/* If the connection is lost, begin() of the next one makes it. */
static void
consumer_fail (AgentNatsConsumer *self,
               const GError      *error)
{
  if (self->connection != NULL)
    consumer_try_later (self);
  consumer_tell_ready (self, error);
}

static void
consumer_on_made (gpointer      data,
                  natsMsg      *reply,
                  const GError *error)
{
  AgentNatsConsumer *self = data;
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GVariant) read = NULL;
  gint64 code;

  self->is_asking = FALSE;
  if (reply != NULL)
    read = _agent_nats_reply_read (reply, &code, &local_error);
  if (read == NULL)
    {
      consumer_fail (self, error != NULL ? error : local_error);
      return;
    }

  self->is_made = TRUE;
  self->last_heard = g_get_monotonic_time ();
  _agent_nats_timer_set_in (self->timer, CONSUMER_HEARTBEAT);
  consumer_tell_ready (self, NULL);
}

static char *
consumer_describe (AgentNatsConsumer *self,
                   const char        *name,
                   const char        *deliver_to,
                   const char        *filter)
{
  return g_strdup_printf ("{\"stream_name\":\"%s\",\"config\":{\"name\":\"%s\",\"deliver_subject\":\"%s\","
                          "\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":%" G_GUINT64_FORMAT ","
                          "\"ack_policy\":\"none\",\"replay_policy\":\"instant\",\"filter_subject\":\"%s\",\"max_deliver\":1,"
                          "\"flow_control\":true,\"idle_heartbeat\":%" G_GUINT64_FORMAT ",\"inactive_threshold\":%" G_GUINT64_FORMAT
                          ",\"num_replicas\":1,\"mem_storage\":true}}",
                          _agent_nats_subjects_get_stream (self->subjects),
                          name,
                          deliver_to,
                          self->position + 1,
                          filter,
                          CONSUMER_HEARTBEAT * CONSUMER_NS,
                          CONSUMER_INACTIVE * CONSUMER_NS);
}

/* If this fails, the connection is lost, and the request that follows fails. */
static void
consumer_subscribe (AgentNatsConsumer *self,
                    const char        *subject)
{
  natsConnection *nats = _agent_nats_connection_get_nats (self->connection);

  g_clear_pointer (&self->subscription, natsSubscription_Destroy);
  if (natsConnection_SubscribeSync (&self->subscription, nats, subject) == NATS_OK)
    natsSubscription_SetPendingLimits (self->subscription, -1, -1);
}

/* It has a new name each time, so that nothing of an earlier one is mistaken for its own. */
static void
consumer_make (AgentNatsConsumer *self)
{
  g_autofree char *deliver_to = g_strdup (_agent_nats_requests_make_inbox (self->requests, 'c'));
  g_autofree char *filter = _agent_nats_subjects_make_to_me (self->subjects, 'c');
  g_autofree char *name = g_strdup_printf ("%s-%08x%08x", _agent_nats_subjects_get_consumer (self->subjects), g_random_int (), g_random_int ());
  g_autofree char *text = consumer_describe (self, name, deliver_to, filter);
  g_autofree char *subject =
      g_strdup_printf ("$JS.API.CONSUMER.CREATE.%s.%s.%s", _agent_nats_subjects_get_stream (self->subjects), name, filter);

  self->last_number = 0;
  self->is_stale = FALSE;
  self->is_asking = TRUE;
  consumer_subscribe (self, deliver_to);
  _agent_nats_requests_ask (self->requests, subject, text, consumer_on_made, self);
}

/* A stream that was made again begins with 1. The first time, what is older than this node is not for it. */
static void
consumer_on_stream (gpointer                    data,
                    const AgentNatsStreamState *state,
                    const GError               *error)
{
  AgentNatsConsumer *self = data;

  self->is_asking = FALSE;
  if (state == NULL || self->connection == NULL)
    {
      consumer_fail (self, error);
      return;
    }

  if (self->created == NULL)
    self->position = state->last;
  else if (strcmp (self->created, state->created) != 0)
    self->position = 0;

  g_free (self->created);
  self->created = g_strdup (state->created);
  consumer_make (self);
}

static void
consumer_start (AgentNatsConsumer *self)
{
  if (self->is_asking)
    return;

  self->is_made = FALSE;
  self->is_asking = TRUE;
  _agent_nats_stream_find (self->stream);
}

static void
consumer_on_time (gpointer data)
{
  AgentNatsConsumer *self = data;
  gint64             silence = (g_get_monotonic_time () - self->last_heard) / 1000;

  if (self->connection == NULL)
    return;

  if (!self->is_made || self->is_stale || silence >= CONSUMER_SILENCE)
    consumer_start (self);
  else
    _agent_nats_timer_set_in (self->timer, CONSUMER_HEARTBEAT);
}

/* --- For the owner --- */

AgentNatsConsumer *
_agent_nats_consumer_new (GMainContext                 *context,
                          const AgentNatsSettings      *settings,
                          AgentNatsSubjects            *subjects,
                          AgentNatsRequests            *requests,
                          const AgentNatsConsumerOwner *owner,
                          gpointer                      data)
{
  AgentNatsConsumer *self = g_new0 (AgentNatsConsumer, 1);

  self->subjects = subjects;
  self->requests = requests;
  self->owner = owner;
  self->data = data;
  self->stream = _agent_nats_stream_new (settings, subjects, requests, consumer_on_stream, self);
  self->timer = _agent_nats_timer_new (context, "[agentbus] NATS consumer", consumer_on_time, self);
  return self;
}

/* After end(), and after the requests have ended. */
void
_agent_nats_consumer_free (AgentNatsConsumer *self)
{
  g_assert (self->subscription == NULL && !self->is_asking);

  _agent_nats_stream_free (self->stream);
  _agent_nats_timer_free (self->timer);
  g_free (self->created);
  g_free (self);
}

/* For a connection that is open. */
void
_agent_nats_consumer_begin (AgentNatsConsumer   *self,
                            AgentNatsConnection *connection)
{
  self->connection = connection;
  self->wait = CONSUMER_FIRST_WAIT;
  consumer_start (self);
}

/* Before the requests end: what is asked fails then. */
void
_agent_nats_consumer_end (AgentNatsConsumer *self)
{
  self->connection = NULL;
  self->is_made = FALSE;
  _agent_nats_timer_stop (self->timer);
  g_clear_pointer (&self->subscription, natsSubscription_Destroy);
}

void
_agent_nats_consumer_drain (AgentNatsConsumer *self)
{
  if (self->subscription == NULL)
    return;

  _agent_nats_drain (self->subscription, consumer_on_message, self);
  if (self->is_stale && self->is_made)
    consumer_try_later (self);
}
