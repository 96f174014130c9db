/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-exchange-private.h"

#include "agent-bus-error.h"

#include <string.h>

typedef struct
{
  char   *key;     /* (owned) */
  char   *task_id; /* (owned) */
  char   *source;  /* (owned) who asks */
  char   *target;  /* (owned) who answers, or the group */
  gsize   size;    /* of all these strings */
  guint64 seq;     /* of the request on this bus; 0 for one of the other node */
} OpenRequest;

static void
open_request_free (gpointer data)
{
  OpenRequest *self = data;

  g_free (self->key);
  g_free (self->task_id);
  g_free (self->source);
  g_free (self->target);
  g_free (self);
}

static GHashTable *
exchange_new_table (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, NULL, open_request_free);
}

void
_agent_exchange_init (AgentExchange *self)
{
  self->asked = exchange_new_table ();
  self->worked = exchange_new_table ();
  self->worked_bytes = 0;
  g_queue_init (&self->withdrawn);
}

void
_agent_exchange_clear (AgentExchange *self)
{
  g_clear_pointer (&self->asked, g_hash_table_unref);
  g_clear_pointer (&self->worked, g_hash_table_unref);
  g_queue_clear_full (&self->withdrawn, g_free);
}

/* Whether @message ends the task that it belongs to, as far as the one who has asked is concerned. */
static gboolean
exchange_is_answer (AgentMessage *message)
{
  return message->type == AGENT_MESSAGE_TYPE_TASK_RESPONSE ||
         message->type == AGENT_MESSAGE_TYPE_TASK_RESPONSE_URGENT;
}

/* Ids that applications choose are different for each requester only. */
static char *
exchange_make_key (const char *requester,
                   const char *task_id)
{
  return g_strdup_printf ("%s\n%s", requester, task_id);
}

/* The key of the request that @message, from its requester, is or belongs to: (transfer full). */
static char *
exchange_key_of_request (AgentMessage *message)
{
  return exchange_make_key (agent_message_get_source (message), agent_message_get_task_id (message));
}

/* The same for an answer: (transfer full). */
static char *
exchange_key_of_answer (AgentMessage *message)
{
  return exchange_make_key (agent_message_get_target (message), agent_message_get_task_id (message));
}

/* Returns how long its strings are. */
static gsize
exchange_add (GHashTable   *open,
              AgentMessage *message)
{
  OpenRequest *request = g_new (OpenRequest, 1);

  request->key = exchange_key_of_request (message);
  request->task_id = g_strdup (agent_message_get_task_id (message));
  request->source = g_strdup (agent_message_get_source (message));
  request->target = g_strdup (agent_message_get_target (message));
  request->seq = message->seq;
  request->size = strlen (request->key) + strlen (request->task_id) + strlen (request->source) + strlen (request->target);
  g_hash_table_replace (open, request->key, request);
  return request->size;
}

static void
exchange_remove (GHashTable *open,
                 char       *key)
{
  g_hash_table_remove (open, key);
  g_free (key);
}

/* Takes @key. */
static void
exchange_remove_worked (AgentExchange *self,
                        char          *key)
{
  const OpenRequest *request = g_hash_table_lookup (self->worked, key);

  self->worked_bytes -= request != NULL ? request->size : 0;
  exchange_remove (self->worked, key);
}

/* The same request may come again. */
static void
exchange_add_worked (AgentExchange *self,
                     AgentMessage  *request)
{
  exchange_remove_worked (self, exchange_key_of_request (request));
  if (g_hash_table_size (self->worked) < AGENT_EXCHANGE_MAX_WORKED &&
      self->worked_bytes < AGENT_EXCHANGE_MAX_WORKED_BYTES)
    self->worked_bytes += exchange_add (self->worked, request);
}

static gboolean
exchange_concerns (AgentMessage *message)
{
  return agent_message_get_task_id (message) != NULL && agent_message_get_target (message) != NULL;
}

/* The worker may never answer a request that was withdrawn, if it is a plain subscriber. So few of them are kept. */
static void
exchange_withdraw (AgentExchange *self,
                   AgentMessage  *cancel)
{
  g_autofree char *key = exchange_key_of_request (cancel);
  g_autofree char *oldest = NULL;

  if (!g_hash_table_contains (self->asked, key))
    return;

  g_queue_push_tail (&self->withdrawn, g_steal_pointer (&key));
  if (self->withdrawn.length <= AGENT_EXCHANGE_MAX_WITHDRAWN)
    return;

  oldest = g_queue_pop_head (&self->withdrawn);
  g_hash_table_remove (self->asked, oldest);
}

/* @message goes to the other node. */
void
_agent_exchange_sent (AgentExchange *self,
                      AgentMessage  *message)
{
  if (!exchange_concerns (message))
    return;

  if (_agent_message_is_request (message))
    exchange_add (self->asked, message);
  else if (exchange_is_answer (message))
    exchange_remove_worked (self, exchange_key_of_answer (message));
  else if (message->type == AGENT_MESSAGE_TYPE_TASK_CANCEL)
    exchange_withdraw (self, message);
}

/* Whether @message is from who works a request, to who has asked. */
static gboolean
exchange_is_of_worker (AgentMessage *message)
{
  switch ((AgentMessageType) message->type)
    {
    case AGENT_MESSAGE_TYPE_TASK_REQUEST:
    case AGENT_MESSAGE_TYPE_TASK_CANCEL:
    case AGENT_MESSAGE_TYPE_TASK_UPDATE_REQUEST:
      return FALSE;
    default:
      return TRUE;
    }
}

/* The number of the request here that @message has come for, or 0. Call it before received(). */
guint64
_agent_exchange_find_cause (AgentExchange *self,
                            AgentMessage  *message)
{
  g_autofree char   *key = NULL;
  const OpenRequest *request;

  if (!exchange_concerns (message) || !exchange_is_of_worker (message))
    return 0;

  key = exchange_key_of_answer (message);
  request = g_hash_table_lookup (self->asked, key);
  return request != NULL ? request->seq : 0;
}

/* @message has come from the other node. */
void
_agent_exchange_received (AgentExchange *self,
                          AgentMessage  *message)
{
  if (!exchange_concerns (message))
    return;

  if (_agent_message_is_request (message))
    exchange_add_worked (self, message);
  else if (exchange_is_answer (message))
    exchange_remove (self->asked, exchange_key_of_answer (message));
  else if (message->type == AGENT_MESSAGE_TYPE_TASK_CANCEL)
    exchange_remove_worked (self, exchange_key_of_request (message));
}

static void
exchange_answer_all (AgentExchange    *self,
                     const char       *node,
                     AgentExchangeFunc send,
                     gpointer          data)
{
  g_autoptr (GError) error =
      g_error_new (AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED, "Node '%s' is gone, and the request with it", node);
  GHashTableIter iter;
  gpointer       value;

  g_hash_table_iter_init (&iter, self->asked);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const OpenRequest *request = value;
      AgentMessage      *answer = _agent_message_new_task_failure (
          request->target, request->source, request->task_id, AGENT_TASK_STATUS_FAILED, error);

      answer->cause = request->seq;
      send (data, answer);
    }
}

static void
exchange_cancel_all (AgentExchange    *self,
                     const char       *node,
                     AgentExchangeFunc send,
                     gpointer          data)
{
  g_autofree char *reason = g_strdup_printf ("Node '%s' is gone", node);
  GHashTableIter   iter;
  gpointer         value;

  g_hash_table_iter_init (&iter, self->worked);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const OpenRequest *request = value;

      send (data, agent_message_new_task_cancel (request->source, request->target, request->task_id, reason));
    }
}

/* The other node is gone. */
void
_agent_exchange_end (AgentExchange    *self,
                     const char       *node,
                     AgentExchangeFunc send,
                     gpointer          data)
{
  exchange_answer_all (self, node, send, data);
  exchange_cancel_all (self, node, send, data);
  g_hash_table_remove_all (self->asked);
  g_hash_table_remove_all (self->worked);
  self->worked_bytes = 0;
}
