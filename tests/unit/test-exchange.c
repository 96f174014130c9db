/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-task-private.h"
#include "link/agent-exchange-private.h"
#include "test-support.h"

/*
 * The requests between two nodes, and what is said of them when one of the nodes is gone.
 */

static AgentMessage *
exchange_request_of (const char *requester,
                     const char *id)
{
  AgentMessage *message = agent_message_new_task_request (requester, "worker", id, NULL, NULL);

  message->error_reply |= AGENT_ERROR_REPLY_TASK;
  return message;
}

static AgentMessage *
exchange_request (const char *id)
{
  return exchange_request_of ("boss", id);
}

static void
exchange_note (AgentExchange *self,
               gboolean       sent,
               AgentMessage  *message)
{
  if (sent)
    _agent_exchange_sent (self, message);
  else
    _agent_exchange_received (self, message);
  agent_message_unref (message);
}

/* An AgentExchangeFunc. */
static void
exchange_add_text (gpointer      data,
                   AgentMessage *message)
{
  g_string_append_printf (data,
                          "%s:%s>%s ",
                          agent_message_get_name (message),
                          agent_message_get_task_id (message),
                          agent_message_get_target (message));
  agent_message_unref (message);
}

static void
exchange_assert_end (AgentExchange *self,
                     const char    *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);

  _agent_exchange_end (self, "b", exchange_add_text, text);
  g_assert_cmpstr (text->str, ==, expected);
  g_string_truncate (text, 0);
  _agent_exchange_end (self, "b", exchange_add_text, text);
  g_assert_cmpstr (text->str, ==, "");
}

/* What was asked there is answered. */
static void
test_asked (void)
{
  AgentExchange self;

  _agent_exchange_init (&self);
  exchange_note (&self, TRUE, exchange_request ("1"));
  exchange_note (&self, TRUE, exchange_request ("2"));
  exchange_note (
      &self, FALSE, agent_message_new_task_response ("worker", "boss", "1", AGENT_TASK_STATUS_COMPLETED, NULL));
  exchange_assert_end (&self, "task-response:2>boss ");
  _agent_exchange_clear (&self);
}

static guint64
exchange_find_cause (AgentExchange *self,
                     AgentMessage  *message)
{
  guint64 cause = _agent_exchange_find_cause (self, message);

  agent_message_unref (message);
  return cause;
}

/* What a worker says of a request has the number of the request here as its cause, until it is answered. What the one who asks says,
 * and what is of other requests, has none. */
static void
test_cause (void)
{
  AgentExchange self;
  AgentMessage *request = exchange_request ("1");

  _agent_exchange_init (&self);
  request->seq = 7;
  exchange_note (&self, TRUE, request);
  g_assert_cmpuint (exchange_find_cause (&self, agent_message_new_task_update ("worker", "boss", "1", NULL)), ==, 7);
  g_assert_cmpuint (exchange_find_cause (&self, agent_message_new_task_update ("worker", "boss", "2", NULL)), ==, 0);
  g_assert_cmpuint (exchange_find_cause (&self, agent_message_new_task_update ("worker", "other", "1", NULL)), ==, 0);
  g_assert_cmpuint (exchange_find_cause (&self, agent_message_new_task_cancel ("worker", "boss", "1", NULL)), ==, 0);
  g_assert_cmpuint (exchange_find_cause (&self, exchange_request ("1")), ==, 0);
  exchange_note (
      &self, FALSE, agent_message_new_task_response ("worker", "boss", "1", AGENT_TASK_STATUS_COMPLETED, NULL));
  g_assert_cmpuint (exchange_find_cause (&self, agent_message_new_task_update ("worker", "boss", "1", NULL)), ==, 0);
  _agent_exchange_clear (&self);
}

/* An AgentExchangeFunc. */
static void
exchange_keep_cause (gpointer      cause,
                     AgentMessage *message)
{
  *(guint64 *) cause = agent_message_get_cause (message);
  agent_message_unref (message);
}

/* So has the answer if the other node is gone. */
static void
test_cause_at_end (void)
{
  AgentExchange self;
  AgentMessage *request = exchange_request ("1");
  guint64       cause = 0;

  _agent_exchange_init (&self);
  request->seq = 7;
  exchange_note (&self, TRUE, request);
  _agent_exchange_end (&self, "b", exchange_keep_cause, &cause);
  g_assert_cmpuint (cause, ==, 7);
  _agent_exchange_clear (&self);
}

/* Two requesters may have chosen the same id. */
static void
test_same_id (void)
{
  AgentExchange self;

  _agent_exchange_init (&self);
  exchange_note (&self, TRUE, exchange_request ("1"));
  exchange_note (&self, TRUE, exchange_request_of ("other", "1"));
  exchange_note (
      &self, FALSE, agent_message_new_task_response ("worker", "boss", "1", AGENT_TASK_STATUS_COMPLETED, NULL));
  exchange_assert_end (&self, "task-response:1>other ");
  _agent_exchange_clear (&self);
}

/* What is worked for somebody there is cancelled, unless it was answered or cancelled. */
static void
test_worked (void)
{
  AgentExchange self;

  _agent_exchange_init (&self);
  for (guint i = 1; i <= 3; i++)
    {
      char id[2] = { (char) ('0' + i), '\0' };

      exchange_note (&self, FALSE, exchange_request (id));
    }
  exchange_note (&self, TRUE, agent_message_new_task_response ("worker", "boss", "1", AGENT_TASK_STATUS_FAILED, NULL));
  exchange_note (&self, FALSE, agent_message_new_task_cancel ("boss", "worker", "2", NULL));
  exchange_assert_end (&self, "task-cancel:3>worker ");
  _agent_exchange_clear (&self);
}

/* Requests that were withdrawn and are never answered do not add up. */
static void
test_withdrawn (void)
{
  AgentExchange self;

  _agent_exchange_init (&self);
  for (guint i = 0; i < 3 * AGENT_EXCHANGE_MAX_WITHDRAWN; i++)
    {
      g_autofree char *id = g_strdup_printf ("%u", i);

      exchange_note (&self, TRUE, exchange_request (id));
      exchange_note (&self, TRUE, agent_message_new_task_cancel ("boss", "worker", id, NULL));
    }
  g_assert_cmpuint (g_hash_table_size (self.asked), ==, AGENT_EXCHANGE_MAX_WITHDRAWN);
  _agent_exchange_clear (&self);
}

/* Requests of another node that are never answered have a bound, and those that were known before are still cancelled. */
static void
test_flood (void)
{
  AgentExchange self;

  _agent_exchange_init (&self);
  for (guint i = 0; i < AGENT_EXCHANGE_MAX_WORKED + 10; i++)
    {
      g_autofree char *id = g_strdup_printf ("%u", i);

      exchange_note (&self, FALSE, exchange_request (id));
    }
  g_assert_cmpuint (g_hash_table_size (self.worked), ==, AGENT_EXCHANGE_MAX_WORKED);
  g_assert_true (g_hash_table_contains (self.worked, "boss\n0"));
  _agent_exchange_clear (&self);
}

/* So have their ids. When one is answered, another one is known again. */
static void
test_long_ids (void)
{
  AgentExchange    self;
  g_autofree char *id = g_strnfill (1024 * 1024, 'n');
  guint            n;

  _agent_exchange_init (&self);
  for (guint i = 0; i < 100; i++)
    {
      memcpy (id, (char[]){ (char) ('0' + i / 10), (char) ('0' + i % 10) }, 2);
      exchange_note (&self, FALSE, exchange_request (id));
      exchange_note (&self, FALSE, exchange_request (id));
    }
  n = g_hash_table_size (self.worked);
  g_assert_cmpuint (n, ==, AGENT_EXCHANGE_MAX_WORKED_BYTES / (2 * 1024 * 1024));

  memcpy (id, "00", 2);
  exchange_note (&self, TRUE, agent_message_new_task_response ("worker", "boss", id, AGENT_TASK_STATUS_FAILED, NULL));
  g_assert_cmpuint (g_hash_table_size (self.worked), ==, n - 1);
  exchange_note (&self, FALSE, exchange_request (id));
  g_assert_cmpuint (g_hash_table_size (self.worked), ==, n);
  _agent_exchange_clear (&self);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add_func ("/agentbus/exchange/asked", test_asked);
  test_add_func ("/agentbus/exchange/cause", test_cause);
  test_add_func ("/agentbus/exchange/cause-at-end", test_cause_at_end);
  test_add_func ("/agentbus/exchange/same-id", test_same_id);
  test_add_func ("/agentbus/exchange/worked", test_worked);
  test_add_func ("/agentbus/exchange/withdrawn", test_withdrawn);
  test_add_func ("/agentbus/exchange/flood", test_flood);
  test_add_func ("/agentbus/exchange/long-ids", test_long_ids);

  return g_test_run ();
}
