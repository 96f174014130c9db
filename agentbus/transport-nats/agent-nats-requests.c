/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-requests-private.h"

#include <string.h>

#include "transport-nats/agent-nats-drain-private.h"
#include "transport-nats/agent-nats-timer-private.h"

typedef struct
{
  guint64            number;
  gint64             deadline;
  AgentNatsReplyFunc func;
  gpointer           data;
  GError            *error; /* (owned) (nullable): set if it was refused */
  GList              link;  /* in `waiting` or `refused` */
} Request;

struct _AgentNatsRequests
{
  char                *inbox;      /* (owned): what its subjects begin with */
  AgentNatsConnection *connection; /* (unowned) (nullable) */
  natsSubscription    *subscription;
  AgentNatsTimer      *timer;     /* (owned) */
  gint64               armed;     /* the time of the timer, or -1 */
  GHashTable          *by_number; /* (owned): from a number to a Request in `waiting` */
  GQueue               waiting;   /* of Request, by deadline */
  GQueue               refused;   /* of Request */
  GString             *reply;     /* (owned): the last subject */
  gint64               max_wait;  /* µs */
  guint64              n_requests;
  guint                n_inboxes;
};

/* The timer is never set to a later time: to set it is slow, and it may well ring for nothing. */
static void
requests_arm (AgentNatsRequests *self,
              gint64             time)
{
  if (self->armed >= 0 && self->armed <= time)
    return;

  self->armed = time;
  _agent_nats_timer_set (self->timer, time);
}

static Request *
requests_new_request (AgentNatsReplyFunc func,
                      gpointer           data)
{
  Request *request = g_new0 (Request, 1);

  request->func = func;
  request->data = data;
  request->link.data = request;
  return request;
}

/* @request: (transfer full): in no queue */
static void
requests_finish (Request      *request,
                 natsMsg      *reply,
                 const GError *error)
{
  request->func (request->data, reply, error);
  g_clear_error (&request->error);
  g_free (request);
}

/* --- When the time is over --- */

static Request *
requests_take (AgentNatsRequests *self,
               Request           *request)
{
  g_hash_table_remove (self->by_number, &request->number);
  g_queue_unlink (&self->waiting, &request->link);
  return request;
}

/* Requests that are refused while this runs are for the next time. */
static void
requests_tell_refused (AgentNatsRequests *self)
{
  for (guint n = self->refused.length; n > 0; n--)
    {
      Request *request = g_queue_peek_head (&self->refused);

      g_queue_unlink (&self->refused, &request->link);
      requests_finish (request, NULL, request->error);
    }
}

static void
requests_tell_late (AgentNatsRequests *self)
{
  const GError error = { G_IO_ERROR, G_IO_ERROR_TIMED_OUT, (char *) "The NATS server has not replied in time" };
  const gint64 now = g_get_monotonic_time ();
  Request     *request = g_queue_peek_head (&self->waiting);

  for (; request != NULL && request->deadline <= now; request = g_queue_peek_head (&self->waiting))
    requests_finish (requests_take (self, request), NULL, &error);
}

static void
requests_on_time (gpointer data)
{
  AgentNatsRequests *self = data;
  Request           *first;

  self->armed = -1;
  requests_tell_refused (self);
  requests_tell_late (self);

  first = g_queue_peek_head (&self->waiting);
  if (first != NULL)
    requests_arm (self, first->deadline);
}

/* --- Replies --- */

static void
requests_on_reply (gpointer data,
                   natsMsg *reply)
{
  AgentNatsRequests *self = data;
  const char        *dot = strrchr (natsMsg_GetSubject (reply), '.');
  guint64            number = dot != NULL ? g_ascii_strtoull (dot + 1, NULL, 10) : 0;
  Request           *request = g_hash_table_lookup (self->by_number, &number);

  /* Otherwise it is too late. */
  if (request != NULL)
    requests_finish (requests_take (self, request), reply, NULL);
  natsMsg_Destroy (reply);
}

/* Not those that are made meanwhile. */
static void
requests_fail_waiting (AgentNatsRequests *self,
                       const GError      *error)
{
  for (guint n = self->waiting.length; n > 0; n--)
    requests_finish (requests_take (self, g_queue_peek_head (&self->waiting)), NULL, error);
}

/* If nobody has heard one of them, it is not known which. So they all fail: they are of one kind, and it is true for the
 * others too, or they are sent again. */
void
_agent_nats_requests_drain (AgentNatsRequests *self)
{
  const GError error = { G_IO_ERROR, G_IO_ERROR_NOT_FOUND, (char *) "The NATS server has no JetStream, or no stream for control" };

  if (self->subscription != NULL && _agent_nats_drain (self->subscription, requests_on_reply, self) > 0)
    requests_fail_waiting (self, &error);
}

/* --- Requests --- */

/* @inbox: the prefix of subjects that only this node may read. @max_wait: for a reply, in milliseconds */
AgentNatsRequests *
_agent_nats_requests_new (GMainContext *context,
                          const char   *inbox,
                          guint         max_wait)
{
  AgentNatsRequests *self = g_new0 (AgentNatsRequests, 1);

  /* What comes for an earlier life of the node is not for this one. */
  self->inbox = g_strdup_printf ("%s.%08x%08x", inbox, g_random_int (), g_random_int ());
  self->timer = _agent_nats_timer_new (context, "[agentbus] NATS requests", requests_on_time, self);
  self->armed = -1;
  self->max_wait = max_wait * G_GINT64_CONSTANT (1000);
  self->by_number = g_hash_table_new (g_int64_hash, g_int64_equal);
  self->reply = g_string_new (NULL);
  g_queue_init (&self->waiting);
  g_queue_init (&self->refused);
  return self;
}

/* After end(). */
void
_agent_nats_requests_free (AgentNatsRequests *self)
{
  g_assert (self->subscription == NULL && g_queue_is_empty (&self->waiting) && g_queue_is_empty (&self->refused));

  _agent_nats_timer_free (self->timer);
  g_hash_table_unref (self->by_number);
  g_string_free (self->reply, TRUE);
  g_free (self->inbox);
  g_free (self);
}

/* For a connection that is open. */
natsStatus
_agent_nats_requests_begin (AgentNatsRequests   *self,
                            AgentNatsConnection *connection)
{
  g_autofree char *subject = g_strconcat (self->inbox, ".r.*", NULL);
  natsStatus       status = natsConnection_SubscribeSync (&self->subscription, _agent_nats_connection_get_nats (connection), subject);

  if (status == NATS_OK)
    status = natsSubscription_SetPendingLimits (self->subscription, -1, -1);
  self->connection = connection;
  return status;
}

/* The connection is not there any more: no reply can come. */
void
_agent_nats_requests_end (AgentNatsRequests *self,
                          const GError      *error)
{
  self->connection = NULL;
  g_clear_pointer (&self->subscription, natsSubscription_Destroy);
  requests_tell_refused (self);

  /* What is made meanwhile is refused. */
  requests_fail_waiting (self, error);
}

/* While there is a connection. Returns the subject for the reply, which is valid until the next call. */
const char *
_agent_nats_requests_expect (AgentNatsRequests *self,
                             AgentNatsReplyFunc func,
                             gpointer           data)
{
  Request *request = requests_new_request (func, data);

  request->number = ++self->n_requests;
  request->deadline = g_get_monotonic_time () + self->max_wait;
  g_hash_table_insert (self->by_number, &request->number, request);
  g_queue_push_tail_link (&self->waiting, &request->link);
  requests_arm (self, request->deadline);

  g_string_printf (self->reply, "%s.r.%" G_GUINT64_FORMAT, self->inbox, request->number);
  return self->reply->str;
}

/* Lets the function be called with an error, but later. */
void
_agent_nats_requests_refuse (AgentNatsRequests *self,
                             int                code,
                             const char        *text,
                             AgentNatsReplyFunc func,
                             gpointer           data)
{
  Request *request = requests_new_request (func, data);

  request->error = g_error_new_literal (G_IO_ERROR, code, text);
  g_queue_push_tail_link (&self->refused, &request->link);
  requests_arm (self, 0);
}

void
_agent_nats_requests_ask (AgentNatsRequests *self,
                          const char        *subject,
                          const char        *text,
                          AgentNatsReplyFunc func,
                          gpointer           data)
{
  const char *reply;

  if (self->connection == NULL || !_agent_nats_connection_is_usable (self->connection))
    {
      _agent_nats_requests_refuse (self, G_IO_ERROR_CONNECTION_CLOSED, "Not connected to a NATS server", func, data);
      return;
    }

  /* If this fails, the connection is lost, and that fails the request. */
  reply = _agent_nats_requests_expect (self, func, data);
  natsConnection_PublishRequest (_agent_nats_connection_get_nats (self->connection), subject, reply, text, (int) strlen (text));
}

/* Makes a subject that nobody else uses, and that is valid until the next call. */
const char *
_agent_nats_requests_make_inbox (AgentNatsRequests *self,
                                 char               letter)
{
  g_string_printf (self->reply, "%s.%c.%u", self->inbox, letter, ++self->n_inboxes);
  return self->reply->str;
}
