/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-claim-private.h"

#include <string.h>

#include "transport-nats/agent-nats-drain-private.h"
#include "transport-nats/agent-nats-requests-private.h"

/* How long another session may take to answer, in milliseconds. It is waited for only if the server has somebody to give
 * the question to, who may be dead. */
#define CLAIM_WAIT 1000
/* A session that hears packets with its own id asks again after this time, in microseconds. */
#define CLAIM_QUIET (5 * G_USEC_PER_SEC)

#define CLAIM_ASK "ask"
#define CLAIM_WANT "want"
#define CLAIM_HAVE "have"

struct _AgentNatsClaim
{
  AgentNatsSubjects         *subjects;
  const AgentNatsClaimOwner *owner;
  gpointer                   data;
  AgentNatsRequests         *requests;     /* (owned): the questions of this session */
  AgentNatsConnection       *connection;   /* (unowned) (nullable) */
  natsSubscription          *subscription; /* (owned) (nullable): of what the node says to itself */
  char                      *life;         /* (owned) */
  GHashTable                *twins;        /* (owned): the lives of other sessions that were told */
  gint64                     quiet_until;
  gboolean                   is_asking; /* the owner waits for held() or taken() */
  gboolean                   is_held;
  gboolean                   is_taken; /* the owner is to be told */
};

static const char *
claim_get_subject (AgentNatsClaim *self)
{
  return _agent_nats_subjects_get_self (self->subjects);
}

/* --- The answer --- */

static void
claim_hold (AgentNatsClaim *self)
{
  if (!self->is_asking)
    return;

  self->is_asking = FALSE;
  self->is_held = TRUE;
  self->owner->held (self->data);
}

/* Another session has the id, or is to get it. The owner ends the claim when it is told that, which must not be within a drain. */
static void
claim_meet (AgentNatsClaim *self,
            const char     *life)
{
  if (self->is_held && g_hash_table_add (self->twins, g_strdup (life)))
    {
      self->owner->twin (self->data);
    }
  else if (self->is_asking)
    {
      self->is_asking = FALSE;
      self->is_taken = TRUE;
    }
}

/* Nobody answers a question in its inbox: the permissions of a node need not allow that. Either the server says that
 * nobody hears it, or the time is over, or the connection is. */
static void
claim_on_no_answer (gpointer      data,
                    natsMsg      *reply,
                    const GError *error)
{
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED))
    claim_hold (data);
}

static void
claim_ask (AgentNatsClaim *self)
{
  g_autofree char *text = g_strconcat (CLAIM_ASK " ", self->life, NULL);

  _agent_nats_requests_ask (self->requests, claim_get_subject (self), text, claim_on_no_answer, self);
}

/* --- What others say --- */

/* @to: the life that is meant */
static void
claim_say (AgentNatsClaim *self,
           const char     *what,
           const char     *to)
{
  g_autofree char *text = g_strdup_printf ("%s %s %s", what, self->life, to);

  if (_agent_nats_connection_is_usable (self->connection))
    natsConnection_PublishString (_agent_nats_connection_get_nats (self->connection), claim_get_subject (self), text);
}

/* Of those that ask at the same time, the lowest life gets it: it holds the id when nobody has answered it in time. A
 * question alone refuses nobody, since it may be one of a session that is dead. */
static gboolean
claim_answer (AgentNatsClaim *self,
              const char     *asker)
{
  const gboolean is_first = self->is_asking && strcmp (self->life, asker) < 0;

  if (self->is_held)
    claim_say (self, CLAIM_HAVE, asker);
  else if (is_first)
    claim_say (self, CLAIM_WANT, asker);

  return self->is_held || is_first;
}

/* A lower life may have begun to ask too late to hear the question of this session, so that is repeated. */
static void
claim_hear_question (AgentNatsClaim *self,
                     const char     *asker)
{
  if (strcmp (asker, self->life) != 0 && !claim_answer (self, asker) && self->is_asking)
    claim_say (self, CLAIM_ASK, asker);
}

/* One that asks does not know that this session has the id meanwhile. */
static void
claim_hear_wish (AgentNatsClaim *self,
                 const char     *life)
{
  if (self->is_held)
    claim_say (self, CLAIM_HAVE, life);
  else
    claim_meet (self, life);
}

/* @life: of another session, which speaks to this one */
static void
claim_hear_own (AgentNatsClaim *self,
                const char     *what,
                const char     *life)
{
  if (strcmp (what, CLAIM_ASK) == 0)
    claim_answer (self, life);
  else if (strcmp (what, CLAIM_WANT) == 0)
    claim_hear_wish (self, life);
  else if (strcmp (what, CLAIM_HAVE) == 0)
    claim_meet (self, life);
}

static void
claim_hear (AgentNatsClaim *self,
            const char     *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", 3);
  const guint n = g_strv_length (words);

  if (n == 2 && strcmp (words[0], CLAIM_ASK) == 0)
    claim_hear_question (self, words[1]);
  else if (n == 3 && strcmp (words[2], self->life) == 0 && strcmp (words[1], self->life) != 0)
    claim_hear_own (self, words[0], words[1]);
}

static void
claim_on_message (gpointer data,
                  natsMsg *message)
{
  g_autofree char *text = g_strndup (natsMsg_GetData (message), natsMsg_GetDataLength (message));

  claim_hear (data, text);
  natsMsg_Destroy (message);
}

/* --- For the owner --- */

AgentNatsClaim *
_agent_nats_claim_new (GMainContext              *context,
                       AgentNatsSubjects         *subjects,
                       const AgentNatsClaimOwner *owner,
                       gpointer                   data)
{
  AgentNatsClaim *self = g_new0 (AgentNatsClaim, 1);

  self->subjects = subjects;
  self->owner = owner;
  self->data = data;
  self->requests = _agent_nats_requests_new (context, _agent_nats_subjects_get_inbox (subjects), CLAIM_WAIT);
  self->twins = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->life = g_strdup_printf ("%08x%08x", g_random_int (), g_random_int ());
  return self;
}

/* After end(). */
void
_agent_nats_claim_free (AgentNatsClaim *self)
{
  g_assert (self->subscription == NULL);

  _agent_nats_requests_free (self->requests);
  g_free (self->life);
  g_hash_table_unref (self->twins);
  g_free (self);
}

/* For a connection that is open. Once the id is held, this only asks whether another session has taken it meanwhile. If
 * nothing can be subscribed, the connection is lost, and that is told. */
void
_agent_nats_claim_begin (AgentNatsClaim      *self,
                         AgentNatsConnection *connection)
{
  self->connection = connection;
  self->is_asking = !self->is_held;
  natsConnection_SubscribeSync (
      &self->subscription, _agent_nats_connection_get_nats (connection), claim_get_subject (self));
  _agent_nats_requests_begin (self->requests, connection);
  claim_ask (self);
}

/* The connection is not there any more, or is about to be closed: then the server learns that nobody answers here. */
void
_agent_nats_claim_end (AgentNatsClaim *self)
{
  const GError error = { G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, (char *) "The connection to the NATS server is lost" };

  self->connection = NULL;
  self->is_asking = FALSE;
  g_clear_pointer (&self->subscription, natsSubscription_Destroy);
  _agent_nats_requests_end (self->requests, &error);
}

/* A packet with the id of this node has come in. It may be one that the server had not read yet when the last connection
 * was lost, so this asks. */
void
_agent_nats_claim_suspect (AgentNatsClaim *self)
{
  const gint64 now = g_get_monotonic_time ();

  if (self->connection == NULL || !self->is_held || now < self->quiet_until)
    return;

  self->quiet_until = now + CLAIM_QUIET;
  claim_ask (self);
}

/* To be called after each read. Once the server has said that nobody hears the question of this session, others are told
 * that it has the id. But the question of another one may come in before that. */
void
_agent_nats_claim_drain (AgentNatsClaim *self)
{
  _agent_nats_requests_drain (self->requests);
  if (self->subscription != NULL)
    _agent_nats_drain (self->subscription, claim_on_message, self);

  if (self->is_taken)
    {
      self->is_taken = FALSE;
      self->owner->taken (self->data);
    }
}
