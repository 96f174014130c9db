/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-private.h"
#include "message/agent-task-id-private.h"
#include "test-router.h"

#include <gio/gio.h>

/*
 * Requests: tasks whose source gets exactly one answer, whatever becomes of the message that asked for them.
 */

/* --- Ids --- */

static void
test_ids (void)
{
  char             one[AGENT_TASK_ID_SIZE];
  char             two[AGENT_TASK_ID_SIZE];
  g_autofree char *stranger = g_uuid_string_random ();
  g_autofree char *longer = NULL;

  _agent_task_id_next (one);
  _agent_task_id_next (two);
  g_assert_true (g_uuid_string_is_valid (one));
  g_assert_cmpint (one[14], ==, '4');
  g_assert_nonnull (strchr ("89ab", one[19]));
  g_assert_cmpmem (one, 24, two, 24);
  g_assert_true (_agent_task_id_is_ours (one));
  g_assert_cmpuint (_agent_task_id_get_number (one), >, 0);
  g_assert_cmpuint (_agent_task_id_get_number (two), ==, _agent_task_id_get_number (one) + 1);

  g_assert_false (_agent_task_id_is_ours (stranger));
  g_assert_false (_agent_task_id_is_ours (""));
  g_assert_false (_agent_task_id_is_ours (NULL));
  g_assert_cmpuint (_agent_task_id_get_number (stranger), ==, 0);
  longer = g_strconcat (one, "0", NULL);
  g_assert_cmpuint (_agent_task_id_get_number (longer), ==, 0);
  two[35] = '\0';
  g_assert_cmpuint (_agent_task_id_get_number (two), ==, 0);
  one[35] = 'A';
  g_assert_cmpuint (_agent_task_id_get_number (one), ==, 0);
}

static void
test_id_counter_is_hex (void)
{
  char    first[AGENT_TASK_ID_SIZE];
  char    id[AGENT_TASK_ID_SIZE];
  guint64 number;

  _agent_task_id_next (first);
  number = _agent_task_id_get_number (first);
  for (guint i = 1; i <= 40; i++)
    {
      _agent_task_id_next (id);
      g_assert_cmpuint (_agent_task_id_get_number (id), ==, number + i);
      g_assert_cmpuint (g_ascii_strtoull (id + 24, NULL, 16), ==, number + i);
    }
}

/* --- Errors --- */

/* Takes @message. @text: (nullable): NULL for no error */
static void
assert_error (AgentMessage *message,
              GQuark        domain,
              int           code,
              const char   *text)
{
  g_autoptr (AgentMessage) owned = message;
  g_autoptr (GError) error = agent_message_dup_error (owned);

  if (text == NULL)
    {
      g_assert_null (error);
      return;
    }

  g_assert_error (error, domain, code);
  g_assert_cmpstr (error->message, ==, text);
}

/* Takes @payload: the text of the wire form of a GVariant, or NULL. */
static AgentMessage *
new_response (AgentTaskStatus status,
              const char     *payload)
{
  return agent_message_new_task_response (
      "a", "b", "t", status, payload != NULL ? g_variant_new_parsed (payload) : NULL);
}

static AgentMessage *
new_failure (AgentTaskStatus status,
             GQuark          domain,
             int             code,
             const char     *text)
{
  g_autoptr (GError) error = g_error_new_literal (domain, code, text);

  return _agent_message_new_task_failure ("a", "b", "t", status, error);
}

static void
test_errors_of_responses (void)
{
  const GQuark domain = AGENT_BUS_ERROR;
  const int    failed = AGENT_BUS_ERROR_FAILED;
  const int    cancelled = AGENT_BUS_ERROR_CANCELLED;

  assert_error (new_response (AGENT_TASK_STATUS_COMPLETED, "'fine'"), 0, 0, NULL);
  assert_error (new_response (AGENT_TASK_STATUS_RUNNING, "'fine'"), 0, 0, NULL);
  assert_error (agent_message_new_agent_error ("a", "b", "no answer"), 0, 0, NULL);
  assert_error (agent_message_new_task_request ("a", "b", "t", "name", NULL), 0, 0, NULL);

  assert_error (new_response (AGENT_TASK_STATUS_FAILED, NULL), domain, failed, "The task failed");
  assert_error (new_response (AGENT_TASK_STATUS_FAILED, "7"), domain, failed, "The task failed");
  assert_error (new_response (AGENT_TASK_STATUS_FAILED, "{'error': <7>}"), domain, failed, "The task failed");
  assert_error (new_response (AGENT_TASK_STATUS_FAILED, "'no paper'"), domain, failed, "no paper");
  assert_error (new_response (AGENT_TASK_STATUS_FAILED, "{'error': <'no ink'>}"), domain, failed, "no ink");
  assert_error (new_response (AGENT_TASK_STATUS_FAILED, "{'message': <'no'>}"), domain, failed, "no");
  assert_error (new_response (AGENT_TASK_STATUS_CANCELLED, NULL), domain, cancelled, "The task was cancelled");
  assert_error (new_response (AGENT_TASK_STATUS_CANCELLED, "'enough'"), domain, cancelled, "enough");
}

static void
test_errors_that_are_carried (void)
{
  g_autoptr (AgentMessage) message = new_failure (AGENT_TASK_STATUS_FAILED, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no such file");

  g_assert_cmpint (agent_message_get_message_type (message), ==, AGENT_MESSAGE_TYPE_TASK_RESPONSE);
  g_assert_cmpint (agent_message_get_status (message), ==, AGENT_TASK_STATUS_FAILED);
  g_assert_cmpstr (agent_message_get_reason (message), ==, "no such file");
  g_assert_null (agent_message_get_task_name (message));
  g_assert_null (agent_message_get_payload (message));
  assert_error (agent_message_ref (message), G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no such file");

  assert_error (new_failure (AGENT_TASK_STATUS_CANCELLED, AGENT_BUS_ERROR, AGENT_BUS_ERROR_STALE, "old"),
                AGENT_BUS_ERROR,
                AGENT_BUS_ERROR_STALE,
                "old");
  assert_error (new_failure (AGENT_TASK_STATUS_FAILED, g_quark_from_static_string ("a/b"), G_MININT, ""),
                g_quark_from_static_string ("a/b"),
                G_MININT,
                "");
  assert_error (new_failure (AGENT_TASK_STATUS_FAILED, G_IO_ERROR, 1, "caf\xe9"), G_IO_ERROR, 1, "caf\xef\xbf\xbd");
}

/* (transfer full): what a peer may send */
static AgentMessage *
read_failure (const char *error)
{
  g_autofree char *text = g_strdup_printf (
      "(byte 1, 'task-response', {'source': <'a'>, 'task-id': <'t'>, 'status': <'failed'>, "
      "'error': <'%s'>, 'error-text': <'why'>})",
      error);
  g_autoptr (GError) failure = NULL;
  AgentMessage *message = agent_message_new_from_variant (g_variant_new_parsed (text), &failure);

  g_assert_no_error (failure);
  return message;
}

/* A peer must not fill the table of quarks, which are never freed. */
static void
test_errors_of_strangers (void)
{
  const char *const errors[] = { "", "7", "/", "/7", "agent-bus-error-quark/", "agent-bus-error-quark/x", "agent-bus-error-quark/99999999999", "a-domain-of-nobody/7" };

  for (guint i = 0; i < G_N_ELEMENTS (errors); i++)
    assert_error (read_failure (errors[i]), AGENT_BUS_ERROR, AGENT_BUS_ERROR_FAILED, "why");
  g_assert_cmpuint (g_quark_try_string ("a-domain-of-nobody"), ==, 0);
  assert_error (read_failure ("agent-bus-error-quark/9"), AGENT_BUS_ERROR, 9, "why");
}

/* --- Answers --- */

static AgentMessage *
new_request (const char *target,
             const char *task_id)
{
  AgentMessage *message = agent_message_new_task_request ("source", target, task_id, NULL, NULL);

  _agent_message_set_request (message);
  return message;
}

static TestRecorder *
subscribe_source (TestFixture *f)
{
  return test_recorder_subscribe (f, "source", NULL, NULL);
}

static TestRecorder *
subscribe_small (TestFixture  *f,
                 const char   *name,
                 guint         capacity,
                 AgentOverflow overflow)
{
  TestRecorder *recorder =
      test_recorder_new_full (NULL, NULL, "name", name, "capacity", capacity, "overflow", overflow, NULL);

  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (recorder), NULL);
  return recorder;
}

/* Takes @message. */
static void
try_send (TestFixture  *f,
          AgentMessage *message)
{
  g_autoptr (AgentMessage) owned = message;
  g_autoptr (GError) error = NULL;

  g_assert_true (agent_bus_try_send (f->bus, owned, &error));
  g_assert_no_error (error);
}

static const char *
get_nick (GType type,
          int   value)
{
  g_autoptr (GEnumClass) enum_class = g_type_class_ref (type);

  return g_enum_get_value (enum_class, value)->value_nick;
}

static void
add_answer (GString      *text,
            AgentMessage *message)
{
  g_autoptr (GError) error = agent_message_dup_error (message);

  g_assert_cmpint (agent_message_get_message_type (message), ==, AGENT_MESSAGE_TYPE_TASK_RESPONSE);
  g_assert_cmpuint (agent_message_get_cause (message), !=, 0);
  g_assert_cmpuint (error->domain, ==, AGENT_BUS_ERROR);
  g_string_append_printf (text,
                          "%s%s:%s:%s:%s",
                          text->len > 0 ? " " : "",
                          agent_message_get_source (message),
                          agent_message_get_task_id (message),
                          get_nick (AGENT_TYPE_TASK_STATUS, agent_message_get_status (message)),
                          get_nick (AGENT_TYPE_BUS_ERROR, error->code));
}

/* The answers that the source got so far, each as "from:task id:status:code of the error". Then they are forgotten. */
static void
assert_answers (TestFixture  *f,
                TestRecorder *source,
                const char   *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);

  test_drain (f);
  for (guint i = 0; i < source->messages->len; i++)
    add_answer (text, source->messages->pdata[i]);
  g_ptr_array_set_size (source->messages, 0);
  g_assert_cmpstr (text->str, ==, expected);
  test_assert_balanced (f->bus);
}

static void
test_expired (TestFixture *f)
{
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  AgentMessage *request = test_with_ttl (new_request ("a", "1"), 10);

  test_clock_freeze ();
  agent_message_set_trace (request, "trace");
  try_send (f, agent_message_ref (request));
  test_clock_advance (10000);
  test_drain (f);
  g_assert_cmpuint (agent_message_get_cause (source->messages->pdata[0]), ==, agent_message_get_seq (request));
  g_assert_cmpstr (agent_message_get_trace (source->messages->pdata[0]), ==, "trace");
  assert_answers (f, source, "a:1:failed:timed-out");
  agent_message_unref (request);
}

static void
test_not_delivered (TestFixture *f)
{
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = subscribe_small (f, "a", 1, AGENT_OVERFLOW_DROP_NEWEST);

  agent_bus_send (f->bus, new_request ("a", "1"));
  agent_bus_send (f->bus, new_request ("a", "2"));
  agent_bus_send (f->bus, new_request ("nobody", "3"));
  test_drain (f);
  assert_answers (f, source, "a:2:failed:full nobody:3:failed:not-found");
  test_assert_got (a, "1");
  test_expect_log (f, "'a' is full");
}

/* As other data, at a leave that waits for nothing. */
static void
test_discarded (TestFixture *f)
{
  AgentDelivery *delivery = NULL;
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);

  try_send (f, new_request ("a", "2"));
  agent_bus_unsubscribe (f->bus, "a");
  assert_answers (f, source, "a:2:failed:closed");
  agent_delivery_complete (delivery);
  g_object_unref (delivery);
  test_drain (f);
  test_assert_got (a, "1");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 1);
}

/* Those whose handler did not end in time, and those that came too late. */
static void
test_closed (TestFixture *f)
{
  AgentDelivery *delivery = NULL;
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);
  g_autoptr (GError) error = NULL;

  try_send (f, new_request ("a", "1"));
  test_drain (f);
  agent_bus_set_shutdown_timeout (f->bus, 1);
  test_unsubscribe (f, "a", &error);
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  assert_answers (f, source, "a:1:failed:closed");
  agent_delivery_complete (delivery);
  g_object_unref (delivery);
  assert_answers (f, source, "");
  test_expect_log (f, "'a' did not leave");
}

/* The answer belongs to no conversation, or it would be stale itself. */
static void
test_stale (TestFixture *f)
{
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);
  AgentMessage *request = new_request ("a", "1");

  agent_message_set_conversation (request, conversation);
  try_send (f, request);
  agent_conversation_advance (conversation);
  assert_answers (f, source, "a:1:cancelled:stale");
}

static void
keep_all (TestRecorder *recorder,
          AgentMessage *message,
          gpointer      user_data)
{
  g_ptr_array_add (user_data, agent_subscriber_defer (AGENT_SUBSCRIBER (recorder)));
}

static void
test_failed (TestFixture *f)
{
  g_autoptr (GPtrArray) deliveries = g_ptr_array_new ();
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", keep_all, deliveries);
  g_autoptr (GError) busy = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_BUSY, "not now");

  try_send (f, new_request ("a", "1"));
  try_send (f, new_request ("a", "2"));
  test_drain (f);
  agent_delivery_fail (deliveries->pdata[0], busy);
  test_drain (f);
  g_object_unref (deliveries->pdata[0]);
  g_object_unref (deliveries->pdata[1]);
  test_drain (f);

  g_assert_cmpuint (source->messages->len, ==, 2);
  assert_error (agent_message_ref (source->messages->pdata[0]), G_IO_ERROR, G_IO_ERROR_BUSY, "not now");
  g_ptr_array_remove_index (source->messages, 0);
  assert_answers (f, source, "a:2:failed:failed");
  g_string_truncate (f->log, 0);
}

/* A message that only asks for an error reply gets that. */
static void
test_error_reply_stays (TestFixture *f)
{
  g_autoptr (TestRecorder) source = subscribe_source (f);
  AgentMessage *message = agent_message_new_task_request ("source", "nobody", "1", NULL, NULL);

  agent_message_set_error_reply (message, TRUE);
  agent_bus_send (f->bus, message);
  test_drain (f);
  g_assert_cmpint (
      agent_message_get_message_type (source->messages->pdata[0]), ==, AGENT_MESSAGE_TYPE_AGENT_ERROR);
}

/* --- Room --- */

/* Takes @message. */
static void
assert_full (TestFixture  *f,
             AgentMessage *message)
{
  g_autoptr (AgentMessage) owned = message;
  g_autoptr (GError) error = NULL;

  g_assert_false (agent_bus_try_send (f->bus, owned, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_FULL);
}

static void
test_never_evicted (TestFixture *f)
{
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = subscribe_small (f, "a", 2, AGENT_OVERFLOW_DROP_OLDEST);

  try_send (f, new_request ("a", "1"));
  for (guint i = 2; i <= 20; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  try_send (f, new_request ("a", "21"));

  assert_full (f, new_request ("a", "22"));
  assert_full (f, test_data ("test", "a", 23));
  agent_bus_send (f->bus, test_data ("test", "a", 24));
  g_assert_cmpuint (agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (a)), ==, 2);
  assert_answers (f, source, "");
  test_assert_got (a, "1 21");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_FULL], ==, 20);
  test_expect_log (f, "'a' is full");
}

/* It asks for room where the newest message is dropped, too. */
static void
test_takes_room (TestFixture *f)
{
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = subscribe_small (f, "a", 1, AGENT_OVERFLOW_DROP_NEWEST);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  assert_full (f, new_request ("a", "2"));
  test_drain (f);
  try_send (f, new_request ("a", "3"));
  assert_full (f, test_data ("test", "a", 4));
  assert_answers (f, source, "");
  test_assert_got (a, "1 3");
}

/* The answer to a lost request gets in where no other data does. */
static void
test_answer_finds_room (TestFixture *f)
{
  g_autoptr (TestRecorder) source = subscribe_small (f, "source", 1, AGENT_OVERFLOW_DROP_NEWEST);

  agent_bus_send (f->bus, test_data ("test", "source", 1));
  agent_bus_send (f->bus, new_request ("nobody", "2"));
  test_drain (f);
  test_assert_got (source, "1 2");
}

/* --- Cancellations --- */

static AgentMessage *
new_plain (const char *source,
           const char *target,
           const char *task_id)
{
  return agent_message_new_task_request (source, target, task_id, NULL, NULL);
}

static void
cancel (TestFixture *f,
        const char  *source,
        const char  *target,
        const char  *task_id)
{
  agent_bus_send (f->bus, agent_message_new_task_cancel (source, target, task_id, NULL));
}

static guint64
count_cancelled (TestFixture *f,
                 const char  *name)
{
  TestLedger ledger = test_ledger_of (f->bus, name);

  test_drain (f);
  ledger = test_ledger_of (f->bus, name);
  g_assert_cmpuint (ledger.queued, ==, 0);
  test_assert_balanced (f->bus);
  return ledger.dropped[AGENT_DROP_REASON_CANCELLED];
}

/* The cancellation overtakes the request, and does not outlive it: the same id may be used again. */
static void
test_cancelled (TestFixture *f)
{
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  try_send (f, new_request ("a", "1"));
  try_send (f, new_request ("a", "2"));
  agent_bus_send (f->bus, new_plain ("source", "a", "3"));
  cancel (f, "source", "a", "1");
  cancel (f, "source", "a", "3");
  cancel (f, "stranger", "a", "2");
  try_send (f, new_request ("a", "1"));
  assert_answers (f, source, "a:1:cancelled:cancelled");
  test_assert_got (a, "1 3 2 2 1");
  g_assert_cmpuint (agent_message_get_message_type (a->messages->pdata[0]), ==, AGENT_MESSAGE_TYPE_TASK_CANCEL);
  g_assert_cmpuint (agent_message_get_message_type (a->messages->pdata[4]), ==, AGENT_MESSAGE_TYPE_TASK_REQUEST);
  g_assert_cmpuint (count_cancelled (f, "a"), ==, 2);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_CANCELLED], ==, 2);
  g_assert_cmpuint (agent_subscriber_get_n_missed (AGENT_SUBSCRIBER (a)), ==, 0);
}

/* Only requests: the rest of what is about the task goes its way. */
static void
test_cancels_requests_only (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, new_plain ("test", "a", "1"));
  agent_bus_send (f->bus, agent_message_new_task_update_request ("test", "a", "1"));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  cancel (f, "test", "a", "1");
  test_drain (f);
  test_assert_got (a, "cancel 1 1 1");
  g_assert_cmpuint (count_cancelled (f, "a"), ==, 1);
}

/* Everybody who gets the cancellation remembers it, and nobody else does. */
static void
test_cancelled_for_all (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  agent_bus_send (f->bus, new_plain ("test", NULL, "1"));
  agent_bus_send (f->bus, new_plain ("test", NULL, "2"));
  cancel (f, "test", NULL, "1");
  cancel (f, "test", "b", "2");
  test_drain (f);
  test_assert_got (a, "1 2");
  test_assert_got (b, "1 2");
  g_assert_cmpuint (count_cancelled (f, "a"), ==, 1);
  g_assert_cmpuint (count_cancelled (f, "b"), ==, 2);
}

/* It is forgotten after half a minute. */
static void
test_cancel_ages (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  agent_bus_send (f->bus, new_plain ("test", "a", "1"));
  cancel (f, "test", "a", "1");
  test_clock_advance (30 * G_USEC_PER_SEC - 1);
  g_assert_cmpuint (count_cancelled (f, "a"), ==, 1);

  agent_bus_send (f->bus, new_plain ("test", "a", "2"));
  cancel (f, "test", "a", "2");
  test_clock_advance (30 * G_USEC_PER_SEC);
  g_assert_cmpuint (count_cancelled (f, "a"), ==, 1);
  test_assert_got (a, "1 2 2");
}

/* And of more than a thousand, the oldest ones are. One that comes twice counts once, and as a new one. */
static void
test_cancels_are_bounded (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_small (f, "a", 2000, AGENT_OVERFLOW_DROP_NEWEST);
  char task_id[16];

  for (guint i = 1; i <= 1002; i++)
    {
      g_snprintf (task_id, sizeof task_id, "%u", i);
      agent_bus_send (f->bus, new_plain ("test", "a", task_id));
    }
  for (guint i = 1; i <= 1002; i++)
    {
      g_snprintf (task_id, sizeof task_id, "%u", i);
      cancel (f, "test", "a", task_id);
      if (i == 500)
        cancel (f, "test", "a", "1");
    }
  g_assert_cmpuint (count_cancelled (f, "a"), ==, 1000);
  g_assert_cmpuint (a->messages->len, ==, 1005);
  g_assert_cmpuint (test_number (a->messages->pdata[1003]), ==, 2);
  g_assert_cmpuint (test_number (a->messages->pdata[1004]), ==, 3);
}

static void
on_received (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  g_autoptr (AgentMessage) message = agent_subscriber_receive_finish (AGENT_SUBSCRIBER (object), result, NULL);

  g_string_append_printf (user_data, " %s", agent_message_get_task_id (message));
}

static void
receive (TestFixture     *f,
         AgentSubscriber *subscriber)
{
  g_autoptr (AgentMessage) message = agent_subscriber_receive (subscriber, 1000, NULL, NULL);

  g_assert_nonnull (message);
  g_assert_cmpstr (agent_message_get_task_id (message), ==, "2");
}

/* Whoever receives does not get it either, in the context or in another thread. */
static void
test_cancelled_before_receipt (TestFixture *f)
{
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");
  g_autoptr (GString) received = g_string_new (NULL);

  agent_bus_subscribe (f->bus, a, NULL);
  for (guint round = 0; round < 2; round++)
    {
      try_send (f, new_request ("a", "1"));
      try_send (f, new_request ("a", "2"));
      cancel (f, "source", "a", "1");
      if (round == 0)
        {
          for (guint i = 0; i < 2; i++)
            agent_subscriber_receive_async (a, NULL, on_received, received);
          test_drain (f);
          g_assert_cmpstr (received->str, ==, " 1 2");
          continue;
        }
      agent_message_unref (agent_subscriber_receive (a, 1000, NULL, NULL));
      receive (f, a);
    }
  assert_answers (f, source, "a:1:cancelled:cancelled a:1:cancelled:cancelled");
  g_assert_cmpuint (count_cancelled (f, "a"), ==, 2);
}

/* A monitor sees all of it and drops nothing. */
static void
test_cancelled_is_shown (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = test_recorder_new ("eye", NULL, NULL);
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  g_assert_true (agent_bus_add_monitor (f->bus, AGENT_SUBSCRIBER (monitor), NULL, NULL));
  try_send (f, new_request ("a", "1"));
  cancel (f, "source", "a", "1");
  assert_answers (f, source, "a:1:cancelled:cancelled");
  test_assert_got (monitor, "1 1 1");
  g_assert_cmpuint (count_cancelled (f, "a"), ==, 1);
  g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (monitor)), ==, 0);
}

/* What one member of a group leaves to another one is not begun there either. */
static void
test_cancelled_in_a_group (TestFixture *f)
{
  AgentDelivery *delivery = NULL;
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = test_recorder_new_full (test_keep_first, &delivery, "name", "a", "group", "g", NULL);
  g_autoptr (TestRecorder) b = test_recorder_new_full (NULL, NULL, "name", "b", "group", "g", NULL);

  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  agent_bus_send (f->bus, test_data ("test", "a", 9));
  test_drain (f);
  try_send (f, new_request ("g", "1"));
  try_send (f, new_request ("g", "2"));
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (b), NULL);
  cancel (f, "source", "g", "1");
  agent_bus_unsubscribe (f->bus, "a");
  agent_delivery_complete (delivery);
  g_object_unref (delivery);
  assert_answers (f, source, "g:1:cancelled:cancelled");
  test_assert_got (b, "1 2");
}

/* --- A dispatcher --- */

static AgentMessage *
new_cancel (const char *actor,
            const char *task_id)
{
  return agent_message_new_task_cancel ("source", actor, task_id, NULL);
}

static void
test_dispatcher_losses (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);
  AgentMessage *stale = new_request ("x", "2");

  test_clock_freeze ();
  test_assign (d, "x", "a");
  agent_message_set_conversation (stale, conversation);
  test_dispatch (d, test_with_ttl (new_request ("x", "1"), 10));
  test_dispatch (d, stale);
  test_dispatch (d, new_request ("x", "3"));
  agent_conversation_advance (conversation);
  test_pass (f, 10);
  assert_answers (f, source, "x:1:failed:timed-out");
  agent_route_table_remove (d->routes, "x");
  assert_answers (f, source, "x:2:cancelled:stale x:3:failed:not-found");
  g_string_truncate (f->log, 0);
}

static void
test_dispatcher_gone (TestFixture *f)
{
  TestDispatch *d = test_dispatch_new (f);
  g_autoptr (TestRecorder) source = subscribe_source (f);

  test_assign (d, "x", "a");
  test_dispatch (d, new_request ("x", "1"));
  test_dispatch_free (d);
  assert_answers (f, source, "x:1:failed:closed");
}

/* A request needs room there, too. */
static void
test_dispatcher_room (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new_with_capacities (f, 1, 0);
  g_autoptr (TestRecorder) source = subscribe_source (f);

  test_assign (d, "x", "a");
  test_dispatch (d, new_request ("x", "1"));
  test_dispatch_refused (d, new_request ("x", "2"), AGENT_BUS_ERROR_FULL);
  agent_route_table_remove (d->routes, "x");
  assert_answers (f, source, "x:1:failed:not-found");
}

static void
assert_cancelled (TestDispatch *d,
                  const char   *lost)
{
  test_drain (d->fixture);
  g_assert_cmpstr (d->lost->str, ==, lost);
  g_assert_cmpuint (test_statistic_dropped (d, AGENT_DROP_REASON_CANCELLED), ==, d->dropped[AGENT_DROP_REASON_CANCELLED]);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
}

/* The cancellation waits as well, and comes to the router nevertheless. */
static void
test_cancelled_while_parked (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = NULL;

  test_assign (d, "x", "a");
  test_dispatch (d, new_request ("x", "1"));
  test_dispatch (d, new_request ("x", "2"));
  test_dispatch (d, new_plain ("source", "x", "3"));
  test_dispatch (d, new_request ("y", "1"));
  test_dispatch (d, new_cancel ("x", "1"));
  test_dispatch (d, new_cancel ("x", "3"));
  test_dispatch (d, new_request ("x", "1"));
  a = test_recorder_subscribe (f, "a", NULL, NULL);
  test_assign (d, "y", "a");
  assert_cancelled (d, "1 3");
  assert_answers (f, source, "x:1:cancelled:cancelled");
  test_assert_got (a, "1 3 2 1 1");
  g_assert_cmpuint (d->dropped[AGENT_DROP_REASON_CANCELLED], ==, 2);
}

/* A router may serve another actor, which has a task of the same id. */
static void
test_cancelled_at_the_router (TestFixture *f)
{
  AgentDelivery *delivery = NULL;
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);

  test_assign (d, "x", "a");
  test_assign (d, "y", "a");
  test_dispatch (d, new_request ("x", "2"));
  test_dispatch (d, new_request ("y", "2"));
  test_dispatch (d, new_request ("y", "3"));
  test_dispatch (d, new_cancel ("x", "2"));
  cancel (f, "source", "a", "3");
  agent_delivery_complete (delivery);
  g_object_unref (delivery);
  assert_answers (f, source, "x:2:cancelled:cancelled y:3:cancelled:cancelled");
  test_assert_got (a, "1 2 3 2");
}

static void
test_cancelled_and_renamed (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  agent_route_table_unassign (d->routes, "x");
  test_dispatch (d, new_request ("x", "1"));
  test_dispatch (d, new_request ("x", "2"));
  test_dispatch (d, new_cancel ("x", "1"));
  g_assert_true (agent_route_table_rename (d->routes, "x", "y", NULL));
  test_assign (d, "y", "a");
  assert_cancelled (d, "1");
  assert_answers (f, source, "y:1:cancelled:cancelled");
  test_assert_got (a, "1 2");
}

/* A router leaves, and gives the request back that was cancelled meanwhile. */
static void
test_cancelled_and_given_back (TestFixture *f)
{
  AgentDelivery *delivery = NULL;
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (TestRecorder) b = NULL;

  test_assign (d, "x", "a");
  test_dispatch (d, new_request ("x", "1"));
  test_dispatch (d, new_request ("x", "2"));
  test_dispatch (d, new_cancel ("x", "1"));
  agent_bus_unsubscribe (f->bus, "a");
  agent_delivery_complete (delivery);
  g_object_unref (delivery);
  test_drain (f);
  b = test_recorder_subscribe (f, "b", NULL, NULL);
  test_assign (d, "x", "b");
  assert_cancelled (d, "1");
  assert_answers (f, source, "x:1:cancelled:cancelled");
  test_assert_got (b, "2");
}

#define ADD(name, func) test_add ("/agentbus/requests/" name, func)
#define ADD_FUNC(name, func) test_add_func ("/agentbus/requests/" name, func)

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);
  ADD_FUNC ("ids", test_ids);
  ADD_FUNC ("id-counter-is-hex", test_id_counter_is_hex);
  ADD_FUNC ("errors-of-responses", test_errors_of_responses);
  ADD_FUNC ("errors-that-are-carried", test_errors_that_are_carried);
  ADD_FUNC ("errors-of-strangers", test_errors_of_strangers);
  ADD ("expired", test_expired);
  ADD ("not-delivered", test_not_delivered);
  ADD ("discarded", test_discarded);
  ADD ("closed", test_closed);
  ADD ("stale", test_stale);
  ADD ("failed", test_failed);
  ADD ("error-reply-stays", test_error_reply_stays);
  ADD ("never-evicted", test_never_evicted);
  ADD ("takes-room", test_takes_room);
  ADD ("answer-finds-room", test_answer_finds_room);
  ADD ("cancelled", test_cancelled);
  ADD ("cancels-requests-only", test_cancels_requests_only);
  ADD ("cancelled-for-all", test_cancelled_for_all);
  ADD ("cancel-ages", test_cancel_ages);
  ADD ("cancels-are-bounded", test_cancels_are_bounded);
  ADD ("cancelled-before-receipt", test_cancelled_before_receipt);
  ADD ("cancelled-is-shown", test_cancelled_is_shown);
  ADD ("cancelled-in-a-group", test_cancelled_in_a_group);
  ADD ("dispatcher-losses", test_dispatcher_losses);
  ADD ("dispatcher-gone", test_dispatcher_gone);
  ADD ("dispatcher-room", test_dispatcher_room);
  ADD ("cancelled-while-parked", test_cancelled_while_parked);
  ADD ("cancelled-at-the-router", test_cancelled_at_the_router);
  ADD ("cancelled-and-renamed", test_cancelled_and_renamed);
  ADD ("cancelled-and-given-back", test_cancelled_and_given_back);
  return g_test_run ();
}
