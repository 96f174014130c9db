/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <agentbus/agentbus.h>

#include "agent-enums-private.h"
#include "message/agent-message-private.h"
#include "test-support.h"

#include <string.h>

#define N_TYPES (AGENT_MESSAGE_TYPE_HAND_OFF + 1)

/* Takes over a critical of the library, and fails if there is none. */
#define assert_critical(statement, text)                                    \
  G_STMT_START                                                              \
  {                                                                         \
    g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*" text "*"); \
    statement;                                                              \
    g_test_assert_expected_messages ();                                     \
  }                                                                         \
  G_STMT_END

static const struct
{
  const char  *nick;
  AgentChannel channel;
} types[] = {
  { "frame", AGENT_CHANNEL_DATA },
  { "activate", AGENT_CHANNEL_SYSTEM },
  { "deactivate", AGENT_CHANNEL_SYSTEM },
  { "end", AGENT_CHANNEL_SYSTEM },
  { "cancel", AGENT_CHANNEL_SYSTEM },
  { "agent-ready", AGENT_CHANNEL_SYSTEM },
  { "agent-registry", AGENT_CHANNEL_SYSTEM },
  { "agent-error", AGENT_CHANNEL_SYSTEM },
  { "task-request", AGENT_CHANNEL_DATA },
  { "task-response", AGENT_CHANNEL_DATA },
  { "task-response-urgent", AGENT_CHANNEL_SYSTEM },
  { "task-update", AGENT_CHANNEL_DATA },
  { "task-update-urgent", AGENT_CHANNEL_SYSTEM },
  { "task-update-request", AGENT_CHANNEL_DATA },
  { "task-cancel", AGENT_CHANNEL_SYSTEM },
  { "task-stream-start", AGENT_CHANNEL_DATA },
  { "task-stream-data", AGENT_CHANNEL_DATA },
  { "task-stream-end", AGENT_CHANNEL_DATA },
  { "request-inference", AGENT_CHANNEL_DATA },
  { "request-inference-batch", AGENT_CHANNEL_DATA },
  { "flag-last-inference", AGENT_CHANNEL_DATA },
  { "model-handshake", AGENT_CHANNEL_SYSTEM },
  { "model-version", AGENT_CHANNEL_SYSTEM },
  { "model-update", AGENT_CHANNEL_SYSTEM },
  { "send-trajectory", AGENT_CHANNEL_DATA },
  { "shutdown", AGENT_CHANNEL_SYSTEM },
  { "custom", AGENT_CHANNEL_DATA },
  { "hand-off", AGENT_CHANNEL_DATA },
};

static void
test_types (void)
{
  g_autoptr (GEnumClass) enum_class = g_type_class_ref (AGENT_TYPE_MESSAGE_TYPE);

  g_assert_cmpuint (G_N_ELEMENTS (types), ==, N_TYPES);
  g_assert_cmpuint (enum_class->n_values, ==, N_TYPES);

  for (guint type = 0; type < N_TYPES; type++)
    {
      g_assert_cmpstr (agent_message_type_to_string (type), ==, types[type].nick);
      g_assert_cmpint (agent_message_type_get_channel (type), ==, types[type].channel);
      g_assert_cmpint (enum_class->values[type].value, ==, type);
      g_assert_cmpstr (enum_class->values[type].value_nick, ==, types[type].nick);
      g_assert_true (g_str_has_prefix (enum_class->values[type].value_name, "AGENT_MESSAGE_TYPE_"));
      g_assert_true (_agent_message_is_builtin_name (types[type].nick));
    }

  g_assert_false (_agent_message_is_builtin_name (""));
  g_assert_false (_agent_message_is_builtin_name ("fram"));
  g_assert_false (_agent_message_is_builtin_name ("frames"));
  g_assert_false (_agent_message_is_builtin_name ("FRAME"));
}

static void
assert_nicks (GType type, const char *nicks)
{
  g_autoptr (GEnumClass) enum_class = g_type_class_ref (type);
  g_autoptr (GString) found = g_string_new (NULL);

  for (guint i = 0; i < enum_class->n_values; i++)
    g_string_append_printf (found, "%s ", enum_class->values[i].value_nick);

  g_assert_cmpstr (found->str, ==, nicks);
}

static void
test_nicks (void)
{
  assert_nicks (AGENT_TYPE_CHANNEL, "system data ");
  assert_nicks (AGENT_TYPE_OVERFLOW, "drop-newest drop-oldest ");
  assert_nicks (AGENT_TYPE_DROP_REASON, "full expired no-target closed discarded stale cancelled inactive ");
  assert_nicks (AGENT_TYPE_FRAME_DIRECTION, "downstream upstream ");
  assert_nicks (AGENT_TYPE_TASK_STATUS, "pending running completed failed cancelled ");

  g_assert_cmpstr (agent_drop_reason_to_string (AGENT_DROP_REASON_FULL), ==, "full");
  g_assert_cmpstr (agent_drop_reason_to_string (AGENT_DROP_REASON_NO_TARGET), ==, "no-target");
  g_assert_cmpstr (agent_drop_reason_to_string (AGENT_DROP_REASON_DISCARDED), ==, "discarded");

  assert_critical (agent_drop_reason_to_string (99), "reason");
  assert_critical (agent_message_type_to_string (99), "type");
  assert_critical (agent_message_type_get_channel ((AgentMessageType) -1), "type");
}

/* What the getters are to give; what is not named is NULL or 0. */
typedef struct
{
  AgentMessageType    type;
  AgentChannel        channel;
  const char         *name;
  const char         *source;
  const char         *target;
  const char         *payload;
  const char         *reason;
  const char         *task_id;
  const char         *task_name;
  const char         *runner;
  AgentTaskStatus     status;
  AgentFrameDirection direction;
} Expected;

static void
assert_payload (AgentMessage *message, const char *payload)
{
  g_autofree char *text = NULL;

  if (payload == NULL)
    {
      g_assert_null (agent_message_get_payload (message));
      g_assert_null (agent_message_dup_payload_json (message));
      return;
    }

  g_assert_nonnull (agent_message_get_payload (message));
  g_assert_false (g_variant_is_floating (agent_message_get_payload (message)));
  text = agent_message_dup_payload_json (message);
  g_assert_cmpstr (text, ==, payload);
}

static void
assert_message (AgentMessage *message, const Expected *expected)
{
  g_autofree char *line = NULL;

  g_assert_nonnull (message);
  g_assert_cmpint (agent_message_get_message_type (message), ==, expected->type);
  g_assert_cmpint (agent_message_get_channel (message), ==, expected->channel);
  g_assert_cmpstr (agent_message_get_name (message), ==, expected->name);
  g_assert_cmpstr (agent_message_get_source (message), ==, expected->source);
  g_assert_cmpstr (agent_message_get_target (message), ==, expected->target);
  assert_payload (message, expected->payload);
  g_assert_cmpstr (agent_message_get_reason (message), ==, expected->reason);
  g_assert_cmpstr (agent_message_get_task_id (message), ==, expected->task_id);
  g_assert_cmpstr (agent_message_get_task_name (message), ==, expected->task_name);
  g_assert_cmpstr (agent_message_get_runner (message), ==, expected->runner);
  g_assert_cmpint (agent_message_get_status (message), ==, expected->status);
  g_assert_cmpint (agent_message_get_direction (message), ==, expected->direction);
  g_assert_true ((agent_message_get_frame (message) != NULL) ==
                 (expected->type == AGENT_MESSAGE_TYPE_FRAME));
  g_assert_true ((agent_message_get_info (message) != NULL) ==
                 (expected->type == AGENT_MESSAGE_TYPE_AGENT_READY));
  g_assert_true ((agent_message_get_infos (message) != NULL) ==
                 (expected->type == AGENT_MESSAGE_TYPE_AGENT_REGISTRY));

  g_assert_cmpuint (agent_message_get_seq (message), ==, 0);
  g_assert_cmpint (agent_message_get_sent_at (message), ==, 0);
  g_assert_cmpuint (agent_message_get_ttl (message), ==, 0);
  g_assert_false (agent_message_is_reliable (message));
  g_assert_cmpuint (agent_message_get_cause (message), ==, 0);
  g_assert_null (agent_message_get_trace (message));

  line = agent_message_to_string (message);
  g_assert_true (g_utf8_validate (line, -1, NULL));
  g_assert_nonnull (strstr (line, expected->name));
  agent_message_unref (message);
}

/* Checks a new message of type NAME from "a"; further arguments say what else it has. */
#define CHECK(message, NAME, to, ...)                                               \
  assert_message ((message),                                                        \
                  &(Expected){ .type = AGENT_MESSAGE_TYPE_##NAME,                   \
                               .channel = types[AGENT_MESSAGE_TYPE_##NAME].channel, \
                               .name = types[AGENT_MESSAGE_TYPE_##NAME].nick,       \
                               .source = "a",                                       \
                               .target = (to),                                      \
                               ##__VA_ARGS__ })

static GVariant *
number (void)
{
  return g_variant_new_int32 (7);
}

static void
test_control_messages (void)
{
  CHECK (agent_message_new_activate ("a", "b", number ()), ACTIVATE, "b", .payload = "7");
  CHECK (agent_message_new_activate ("a", "b", NULL), ACTIVATE, "b");
  CHECK (agent_message_new_activate ("a", NULL, NULL), ACTIVATE, NULL);
  CHECK (agent_message_new_deactivate ("a", "b"), DEACTIVATE, "b");
  CHECK (agent_message_new_deactivate ("a", NULL), DEACTIVATE, NULL);
  CHECK (agent_message_new_end ("a", "b", "why"), END, "b", .reason = "why");
  CHECK (agent_message_new_end ("a", NULL, NULL), END, NULL);
  CHECK (agent_message_new_end ("a", "b", ""), END, "b", .reason = "");
  CHECK (agent_message_new_cancel ("a", "b", "why"), CANCEL, "b", .reason = "why");
  CHECK (agent_message_new_cancel ("a", NULL, NULL), CANCEL, NULL);
  CHECK (agent_message_new_agent_error ("a", "b", "broken"), AGENT_ERROR, "b", .reason = "broken");
  CHECK (agent_message_new_agent_error ("a", NULL, ""), AGENT_ERROR, NULL, .reason = "");
}

static void
test_task_messages (void)
{
  CHECK (agent_message_new_task_request ("a", "b", "t", "sum", number ()),
         TASK_REQUEST,
         "b",
         .task_id = "t",
         .task_name = "sum",
         .payload = "7");
  CHECK (agent_message_new_task_request ("a", NULL, "t", NULL, NULL),
         TASK_REQUEST,
         NULL,
         .task_id = "t");
  CHECK (agent_message_new_task_response ("a", "b", "t", AGENT_TASK_STATUS_COMPLETED, number ()),
         TASK_RESPONSE,
         "b",
         .task_id = "t",
         .status = AGENT_TASK_STATUS_COMPLETED,
         .payload = "7");
  CHECK (agent_message_new_task_response_urgent ("a", NULL, "t", AGENT_TASK_STATUS_CANCELLED, NULL),
         TASK_RESPONSE_URGENT,
         NULL,
         .task_id = "t",
         .status = AGENT_TASK_STATUS_CANCELLED);
  CHECK (agent_message_new_task_update ("a", "b", "t", number ()),
         TASK_UPDATE,
         "b",
         .task_id = "t",
         .payload = "7");
  CHECK (agent_message_new_task_update_urgent ("a", "b", "t", number ()),
         TASK_UPDATE_URGENT,
         "b",
         .task_id = "t",
         .payload = "7");
  CHECK (agent_message_new_task_update_request ("a", "b", "t"),
         TASK_UPDATE_REQUEST,
         "b",
         .task_id = "t");
  CHECK (agent_message_new_task_cancel ("a", "b", "t", "late"),
         TASK_CANCEL,
         "b",
         .task_id = "t",
         .reason = "late");
  CHECK (agent_message_new_task_cancel ("a", "b", "t", NULL), TASK_CANCEL, "b", .task_id = "t");
  CHECK (agent_message_new_task_stream_start ("a", "b", "t", number ()),
         TASK_STREAM_START,
         "b",
         .task_id = "t",
         .payload = "7");
  CHECK (agent_message_new_task_stream_data ("a", "b", "t", number ()),
         TASK_STREAM_DATA,
         "b",
         .task_id = "t",
         .payload = "7");
  CHECK (agent_message_new_task_stream_end ("a", "b", "t", NULL),
         TASK_STREAM_END,
         "b",
         .task_id = "t");
}

static void
test_routed_messages (void)
{
  for (guint type = AGENT_MESSAGE_TYPE_REQUEST_INFERENCE; type <= AGENT_MESSAGE_TYPE_SHUTDOWN;
       type++)
    assert_message (agent_message_new_routed (type, "a", "actor", number ()),
                    &(Expected){ .type = type,
                                 .channel = types[type].channel,
                                 .name = types[type].nick,
                                 .source = "a",
                                 .target = "actor",
                                 .payload = "7" });
}

static void
test_custom_messages (void)
{
  assert_message (agent_message_new_custom ("mine", AGENT_CHANNEL_SYSTEM, "a", "b", number ()),
                  &(Expected){ .type = AGENT_MESSAGE_TYPE_CUSTOM,
                               .channel = AGENT_CHANNEL_SYSTEM,
                               .name = "mine",
                               .source = "a",
                               .target = "b",
                               .payload = "7" });
  assert_message (agent_message_new_custom ("mine", AGENT_CHANNEL_DATA, "a", NULL, NULL),
                  &(Expected){ .type = AGENT_MESSAGE_TYPE_CUSTOM,
                               .channel = AGENT_CHANNEL_DATA,
                               .name = "mine",
                               .source = "a" });
}

static void
test_frame_message (void)
{
  g_autoptr (AgentFrame) frame = agent_frame_new ("audio", NULL, NULL);
  AgentMessage *message = agent_message_new_frame ("a", "b", frame, AGENT_FRAME_DIRECTION_UPSTREAM);

  g_assert_true (agent_message_get_frame (message) == frame);
  CHECK (message, FRAME, "b", .direction = AGENT_FRAME_DIRECTION_UPSTREAM);
  CHECK (agent_message_new_frame ("a", NULL, frame, AGENT_FRAME_DIRECTION_DOWNSTREAM), FRAME, NULL);
}

static void
test_ready_message (void)
{
  g_autoptr (AgentInfo) info = agent_info_new ("a", "runner", NULL, TRUE, FALSE, 5);
  AgentMessage *message = agent_message_new_agent_ready (info);

  g_assert_true (agent_message_get_info (message) == info);
  CHECK (message, AGENT_READY, NULL, .runner = "runner");
}

static void
test_registry_message (void)
{
  g_autoptr (GPtrArray) infos = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_info_unref);
  AgentMessage *message = NULL;
  GPtrArray    *kept;

  g_ptr_array_add (infos, agent_info_new ("x", "runner", NULL, TRUE, FALSE, 0));
  g_ptr_array_add (infos, agent_info_new ("y", "runner", "x", TRUE, FALSE, 0));
  message = agent_message_new_agent_registry ("a", "b", "runner", infos);

  /* The message has an array of its own. */
  g_ptr_array_set_size (infos, 0);
  kept = agent_message_get_infos (message);
  g_assert_cmpuint (kept->len, ==, 2);
  g_assert_cmpstr (agent_info_get_name (kept->pdata[0]), ==, "x");
  g_assert_cmpstr (agent_info_get_parent (kept->pdata[1]), ==, "x");
  CHECK (message, AGENT_REGISTRY, "b", .runner = "runner");

  CHECK (
      agent_message_new_agent_registry ("a", NULL, "", infos), AGENT_REGISTRY, NULL, .runner = "");
}

static void
test_registry_array_without_free_func (void)
{
  g_autoptr (GPtrArray) infos = g_ptr_array_new ();
  g_autoptr (AgentInfo) info = agent_info_new ("x", "runner", NULL, TRUE, FALSE, 0);

  g_ptr_array_add (infos, info);
  CHECK (agent_message_new_agent_registry ("a", "b", "runner", infos),
         AGENT_REGISTRY,
         "b",
         .runner = "runner");
  g_assert_cmpstr (agent_info_get_name (info), ==, "x");
}

#define assert_refused(constructor, text)             \
  G_STMT_START                                        \
  {                                                   \
    AgentMessage *refused_;                           \
    assert_critical (refused_ = (constructor), text); \
    g_assert_null (refused_);                         \
  }                                                   \
  G_STMT_END

static void
test_misuse (void)
{
  g_autoptr (AgentFrame) frame = agent_frame_new ("audio", NULL, NULL);
  g_autoptr (GPtrArray) infos = g_ptr_array_new ();

  assert_refused (agent_message_new_deactivate (NULL, "b"), "source");
  assert_refused (agent_message_new_deactivate ("", "b"), "source");
  assert_refused (agent_message_new_deactivate ("a", ""), "target");
  assert_refused (agent_message_new_frame ("a", "b", NULL, 0), "frame");
  assert_refused (agent_message_new_frame ("a", "b", frame, 2), "direction");
  assert_refused (agent_message_new_agent_ready (NULL), "info");
  assert_refused (agent_message_new_agent_registry ("a", "b", NULL, infos), "runner");
  assert_refused (agent_message_new_agent_registry ("a", "b", "r", NULL), "infos");
  assert_refused (agent_message_new_agent_error ("a", "b", NULL), "error");
  assert_refused (agent_message_new_task_request ("a", "b", NULL, NULL, NULL), "task_id");
  assert_refused (agent_message_new_task_cancel ("a", "b", "", NULL), "task_id");
  assert_refused (agent_message_new_task_response ("a", "b", "t", 5, NULL), "status");
  assert_refused (agent_message_new_routed (AGENT_MESSAGE_TYPE_CANCEL, "a", "b", NULL), "type");
  assert_refused (agent_message_new_routed (AGENT_MESSAGE_TYPE_CUSTOM, "a", "b", NULL), "type");
  assert_refused (agent_message_new_routed (AGENT_MESSAGE_TYPE_SHUTDOWN, "a", NULL, NULL),
                  "actor_id");
  assert_refused (agent_message_new_custom (NULL, 0, "a", "b", NULL), "name");
  assert_refused (agent_message_new_custom ("", 0, "a", "b", NULL), "name");
  assert_refused (agent_message_new_custom ("cancel", 0, "a", "b", NULL), "builtin");
  assert_refused (agent_message_new_custom ("custom", 0, "a", "b", NULL), "builtin");
  assert_refused (agent_message_new_custom ("mine", 2, "a", "b", NULL), "channel");
}

static void
test_null (void)
{
  assert_critical (agent_message_ref (NULL), "self != NULL");
  assert_critical (agent_message_unref (NULL), "self != NULL");
  assert_critical (agent_message_get_name (NULL), "self != NULL");
  assert_critical (agent_message_get_payload (NULL), "self != NULL");
  assert_critical (g_assert_null (agent_message_to_string (NULL)), "self != NULL");
  assert_critical (g_assert_null (agent_message_to_variant (NULL)), "self != NULL");
}

static void
test_payload_ownership (void)
{
  g_autoptr (GVariant) payload = g_variant_ref_sink (number ());
  g_autoptr (AgentMessage) message = agent_message_new_task_update ("a", "b", "t", payload);

  g_assert_true (agent_message_get_payload (message) == payload);
  g_clear_pointer (&message, agent_message_unref);
  g_assert_cmpint (g_variant_get_int32 (payload), ==, 7);
}

static void
test_options (void)
{
  g_autoptr (AgentMessage) message = agent_message_new_end ("a", "b", NULL);

  agent_message_set_ttl (message, 250);
  agent_message_set_reliable (message, 2);
  agent_message_set_trace (message, "00-1-2-01");
  g_assert_cmpuint (agent_message_get_ttl (message), ==, 250);
  g_assert_cmpint (agent_message_is_reliable (message), ==, TRUE);
  g_assert_cmpstr (agent_message_get_trace (message), ==, "00-1-2-01");

  agent_message_set_trace (message, agent_message_get_trace (message));
  g_assert_cmpstr (agent_message_get_trace (message), ==, "00-1-2-01");

  agent_message_set_ttl (message, 0);
  agent_message_set_reliable (message, FALSE);
  agent_message_set_trace (message, NULL);
  g_assert_cmpuint (agent_message_get_ttl (message), ==, 0);
  g_assert_false (agent_message_is_reliable (message));
  g_assert_null (agent_message_get_trace (message));
}

static void
test_cause (void)
{
  g_autoptr (AgentMessage) cause = agent_message_new_end ("a", "b", NULL);
  g_autoptr (AgentMessage) plain = agent_message_new_end ("b", "a", NULL);
  g_autoptr (AgentMessage) traced = agent_message_new_end ("b", "a", NULL);

  agent_message_set_trace (cause, "theirs");
  agent_message_set_trace (traced, "own");
  cause->seq = 41;
  g_atomic_int_set (&cause->sent, 1);

  agent_message_set_cause (plain, cause);
  agent_message_set_cause (traced, cause);
  g_assert_cmpuint (agent_message_get_cause (plain), ==, 41);
  g_assert_cmpstr (agent_message_get_trace (plain), ==, "theirs");
  g_assert_cmpuint (agent_message_get_cause (traced), ==, 41);
  g_assert_cmpstr (agent_message_get_trace (traced), ==, "own");

  assert_critical (agent_message_set_cause (plain, NULL), "cause");
}

static void
test_sent_is_immutable (void)
{
  g_autoptr (AgentMessage) message = agent_message_new_end ("a", "b", NULL);
  g_autoptr (AgentMessage) other = agent_message_new_end ("a", "b", NULL);

  agent_message_set_ttl (message, 9);
  agent_message_set_trace (message, "trace");
  other->seq = 3;
  g_atomic_int_set (&message->sent, 1);

  assert_critical (agent_message_set_ttl (message, 1), "sent");
  assert_critical (agent_message_set_reliable (message, TRUE), "sent");
  assert_critical (agent_message_set_error_reply (message, TRUE), "sent");
  assert_critical (agent_message_set_trace (message, "new"), "sent");
  assert_critical (agent_message_set_cause (message, other), "sent");

  g_assert_cmpuint (agent_message_get_ttl (message), ==, 9);
  g_assert_false (agent_message_is_reliable (message));
  g_assert_false (agent_message_wants_error_reply (message));
  g_assert_cmpstr (agent_message_get_trace (message), ==, "trace");
  g_assert_cmpuint (agent_message_get_cause (message), ==, 0);
}

static void
test_copy_unsent (void)
{
  g_autoptr (AgentMessage) message =
      agent_message_new_task_request ("a", "b", "t", "sum", number ());
  g_autoptr (AgentMessage) copy = NULL;

  agent_message_set_ttl (message, 9);
  agent_message_set_reliable (message, TRUE);
  agent_message_set_trace (message, "trace");
  message->cause = 2;
  message->seq = 17;
  message->sent_at = 4711;
  g_atomic_int_set (&message->sent, 1);

  copy = _agent_message_copy_unsent (message);
  g_assert_true (copy != message);
  g_assert_cmpint (copy->sent, ==, 0);
  g_assert_cmpuint (agent_message_get_seq (copy), ==, 0);
  g_assert_cmpint (agent_message_get_sent_at (copy), ==, 0);
  g_assert_cmpuint (agent_message_get_ttl (copy), ==, 9);
  g_assert_true (agent_message_is_reliable (copy));
  g_assert_cmpuint (agent_message_get_cause (copy), ==, 2);
  g_assert_cmpstr (agent_message_get_trace (copy), ==, "trace");
  g_assert_cmpint (agent_message_get_message_type (copy), ==, AGENT_MESSAGE_TYPE_TASK_REQUEST);
  g_assert_cmpint (agent_message_get_channel (copy), ==, AGENT_CHANNEL_DATA);
  g_assert_cmpstr (agent_message_get_source (copy), ==, "a");
  g_assert_cmpstr (agent_message_get_target (copy), ==, "b");
  g_assert_cmpstr (agent_message_get_task_id (copy), ==, "t");
  g_assert_cmpstr (agent_message_get_task_name (copy), ==, "sum");
  g_assert_true (agent_message_get_payload (copy) == agent_message_get_payload (message));
}

static void
test_copy_unsent_shares_content (void)
{
  g_autoptr (AgentFrame) frame = agent_frame_new ("audio", NULL, NULL);
  g_autoptr (AgentInfo) info = agent_info_new ("x", "runner", NULL, TRUE, FALSE, 0);
  g_autoptr (GPtrArray) infos = g_ptr_array_new ();
  g_autoptr (AgentMessage) framed =
      agent_message_new_frame ("a", "b", frame, AGENT_FRAME_DIRECTION_UPSTREAM);
  g_autoptr (AgentMessage) ready = agent_message_new_agent_ready (info);
  g_autoptr (AgentMessage) registry = agent_message_new_agent_registry ("a", "b", "r", infos);
  g_autoptr (AgentMessage) framed_copy = _agent_message_copy_unsent (framed);
  g_autoptr (AgentMessage) ready_copy = _agent_message_copy_unsent (ready);
  g_autoptr (AgentMessage) registry_copy = _agent_message_copy_unsent (registry);

  g_assert_true (agent_message_get_frame (framed_copy) == frame);
  g_assert_cmpint (agent_message_get_direction (framed_copy), ==, AGENT_FRAME_DIRECTION_UPSTREAM);
  g_assert_true (agent_message_get_info (ready_copy) == info);
  g_assert_true (agent_message_get_infos (registry_copy) == agent_message_get_infos (registry));
  g_assert_cmpstr (agent_message_get_runner (registry_copy), ==, "r");
}

/* A payload that counts how often it is freed. */
static void
count_free (gpointer data)
{
  g_atomic_int_inc ((gint *) data);
}

static GVariant *
watched_payload (gint *n_freed)
{
  return g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, "x", 1, TRUE, count_free, n_freed);
}

static void
test_references (void)
{
  gint          n_freed = 0;
  AgentMessage *message = agent_message_new_task_update ("a", "b", "t", watched_payload (&n_freed));

  g_assert_true (agent_message_ref (message) == message);
  agent_message_unref (message);
  _agent_message_add_refs (message, 100);
  _agent_message_drop_refs (message, 60);
  _agent_message_drop_refs (message, 40);
  g_assert_cmpint (n_freed, ==, 0);
  _agent_message_add_refs (message, 2);
  _agent_message_drop_refs (message, 3);
  g_assert_cmpint (n_freed, ==, 1);
}

static void
test_boxed (void)
{
  gint          n_freed = 0;
  AgentMessage *message = agent_message_new_task_update ("a", "b", "t", watched_payload (&n_freed));
  g_auto (GValue) value = G_VALUE_INIT;

  g_assert_cmpstr (g_type_name (AGENT_TYPE_MESSAGE), ==, "AgentMessage");
  g_value_init (&value, AGENT_TYPE_MESSAGE);
  g_value_take_boxed (&value, message);
  message = g_value_dup_boxed (&value);
  g_assert_true (message == g_value_get_boxed (&value));
  g_value_unset (&value);
  g_assert_cmpint (n_freed, ==, 0);
  g_assert_cmpstr (agent_message_get_source (message), ==, "a");
  g_boxed_free (AGENT_TYPE_MESSAGE, message);
  g_assert_cmpint (n_freed, ==, 1);
}

static gpointer
read_in_thread (gpointer data)
{
  AgentMessage *message = data;

  for (guint i = 0; i < 5000; i++)
    {
      AgentMessage *mine = agent_message_ref (message);

      g_assert_cmpstr (agent_message_get_task_id (mine), ==, "t");
      g_assert_cmpuint (_agent_message_get_size (mine), ==, 1);
      g_assert_cmpuint (_agent_message_get_detail (mine), !=, 0);
      agent_message_unref (mine);
    }

  agent_message_unref (message);

  return NULL;
}

static void
test_threads (void)
{
  gint          n_freed = 0;
  AgentMessage *message = agent_message_new_task_update ("a", "b", "t", watched_payload (&n_freed));
  GThread      *threads[4];

  _agent_message_add_refs (message, G_N_ELEMENTS (threads));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("reader", read_in_thread, message);
  agent_message_unref (message);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);

  g_assert_cmpint (n_freed, ==, 1);
}

static void
assert_size (AgentMessage *message, gsize size)
{
  g_assert_cmpuint (_agent_message_get_size (message), ==, size);
  agent_message_unref (message);
}

static void
test_size (void)
{
  g_autoptr (GBytes) data = g_bytes_new_static ("12345", 5);
  g_autoptr (AgentFrame) bare = agent_frame_new ("audio", NULL, NULL);
  g_autoptr (AgentFrame) copied = agent_frame_new_copy ("audio", "12345", 5, NULL);
  g_autoptr (AgentFrame) full =
      agent_frame_new ("audio", data, g_variant_new_parsed ("{'a': <byte 1>}"));
  g_autoptr (AgentInfo) info = agent_info_new ("ab", "c", "def", TRUE, FALSE, 0);
  g_autoptr (GPtrArray) infos = g_ptr_array_new ();
  gsize metadata = g_variant_get_size (agent_frame_get_metadata (full));

  g_ptr_array_add (infos, info);
  g_ptr_array_add (infos, info);
  g_assert_cmpuint (metadata, >, 0);
  assert_size (agent_message_new_end ("a", "b", "reason"), 0);
  assert_size (agent_message_new_task_update ("a", "b", "t", NULL), 0);
  assert_size (agent_message_new_task_update ("a", "b", "t", g_variant_new_string ("123")), 4);
  assert_size (agent_message_new_frame ("a", "b", bare, 0), 0);
  assert_size (agent_message_new_frame ("a", "b", copied, 0), 5);
  g_assert_nonnull (agent_frame_get_data (copied));
  assert_size (agent_message_new_frame ("a", "b", copied, 0), 5);
  assert_size (agent_message_new_frame ("a", "b", full, 0), 5 + metadata);
  assert_size (agent_message_new_agent_ready (info), 9);
  assert_size (agent_message_new_agent_registry ("a", "b", "r", infos), 18);
}

static void
test_detail (void)
{
  g_autoptr (AgentMessage) builtin = agent_message_new_cancel ("a", "b", NULL);
  g_autoptr (AgentMessage) known =
      agent_message_new_custom ("test-detail-known", 0, "a", "b", NULL);
  g_autoptr (AgentMessage) unknown =
      agent_message_new_custom ("test-detail-unknown", 0, "a", "b", NULL);
  GQuark quark = g_quark_from_static_string ("test-detail-known");

  g_assert_cmpstr (g_quark_to_string (_agent_message_get_detail (builtin)), ==, "cancel");
  g_assert_cmpuint (_agent_message_get_detail (known), ==, quark);
  g_assert_cmpuint (_agent_message_get_detail (unknown), ==, 0);
  g_assert_cmpuint (g_quark_try_string ("test-detail-unknown"), ==, 0);
}

static void
assert_line (AgentMessage *message, const char *line)
{
  g_autofree char *text = agent_message_to_string (message);

  g_assert_cmpstr (text, ==, line);
  agent_message_unref (message);
}

static void
test_to_string (void)
{
  g_autoptr (GVariant) payload = g_variant_ref_sink (g_variant_new_parsed ("{'n': <1>}"));
  g_autoptr (GPtrArray) infos = g_ptr_array_new ();
  g_autoptr (GBytes) data = g_bytes_new_static ("123", 3);
  g_autoptr (AgentFrame) frame = agent_frame_new ("audio", data, NULL);
  g_autofree char *frame_line = NULL;
  AgentMessage    *sent = agent_message_new_task_update ("worker", "ui", "42", payload);

  sent->seq = 17;
  assert_line (sent, "#17 task-update worker -> ui task=42 {'n': <1>}");
  assert_line (agent_message_new_end ("a", NULL, "done"), "#0 end a -> * reason=done");
  assert_line (agent_message_new_task_request ("a", "b", "t", "sum", NULL),
               "#0 task-request a -> b task=t name=sum");
  assert_line (agent_message_new_task_response ("a", "b", "t", AGENT_TASK_STATUS_FAILED, NULL),
               "#0 task-response a -> b task=t status=failed");
  assert_line (agent_message_new_agent_registry ("a", NULL, "r", infos),
               "#0 agent-registry a -> * runner=r agents=0");
  frame_line = g_strdup_printf ("#0 frame a -> b direction=upstream frame=%" G_GUINT64_FORMAT
                                " kind=audio bytes=3",
                                agent_frame_get_id (frame));
  assert_line (agent_message_new_frame ("a", "b", frame, AGENT_FRAME_DIRECTION_UPSTREAM),
               frame_line);
}

static void
test_to_string_hostile (void)
{
  g_autoptr (AgentMessage) names =
      agent_message_new_custom ("x\ny", 0, "\033[31mred", "é", NULL);
  g_autofree char *line = agent_message_to_string (names);

  g_assert_cmpstr (line, ==, "#0 x y  [31mred -> é");
}

static void
test_to_string_long (void)
{
  /* Each offset of the cut within a character of three bytes. */
  for (guint shift = 0; shift < 3; shift++)
    {
      g_autoptr (GString) text = g_string_new_len ("abc", shift);
      g_autoptr (AgentMessage) message = NULL;
      g_autofree char *line = NULL;

      for (guint i = 0; i < 300; i++)
        g_string_append (text, "€");

      message = agent_message_new_task_update ("a", "b", "t", g_variant_new_string (text->str));
      line = agent_message_to_string (message);
      g_assert_true (g_utf8_validate (line, -1, NULL));
      g_assert_true (g_str_has_suffix (line, "€..."));
      g_assert_cmpuint (strlen (line), >, 200);
      g_assert_cmpuint (strlen (line), <, 250);
    }
}

static void
test_to_string_huge (void)
{
  g_autofree char *text = g_strnfill (100000, 'x');

  assert_line (agent_message_new_task_update ("a", "b", "t", g_variant_new_string (text)),
               "#0 task-update a -> b task=t s of 100001 bytes");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  test_add_func ("/agentbus/message/types", test_types);
  test_add_func ("/agentbus/message/nicks", test_nicks);
  test_add_func ("/agentbus/message/control-messages", test_control_messages);
  test_add_func ("/agentbus/message/task-messages", test_task_messages);
  test_add_func ("/agentbus/message/routed-messages", test_routed_messages);
  test_add_func ("/agentbus/message/custom-messages", test_custom_messages);
  test_add_func ("/agentbus/message/frame-message", test_frame_message);
  test_add_func ("/agentbus/message/ready-message", test_ready_message);
  test_add_func ("/agentbus/message/registry-message", test_registry_message);
  test_add_func ("/agentbus/message/registry-array-without-free-func", test_registry_array_without_free_func);
  test_add_func ("/agentbus/message/misuse", test_misuse);
  test_add_func ("/agentbus/message/null", test_null);
  test_add_func ("/agentbus/message/payload-ownership", test_payload_ownership);
  test_add_func ("/agentbus/message/options", test_options);
  test_add_func ("/agentbus/message/cause", test_cause);
  test_add_func ("/agentbus/message/sent-is-immutable", test_sent_is_immutable);
  test_add_func ("/agentbus/message/copy-unsent", test_copy_unsent);
  test_add_func ("/agentbus/message/copy-unsent-shares-content", test_copy_unsent_shares_content);
  test_add_func ("/agentbus/message/references", test_references);
  test_add_func ("/agentbus/message/boxed", test_boxed);
  test_add_func ("/agentbus/message/threads", test_threads);
  test_add_func ("/agentbus/message/size", test_size);
  test_add_func ("/agentbus/message/detail", test_detail);
  test_add_func ("/agentbus/message/to-string", test_to_string);
  test_add_func ("/agentbus/message/to-string-hostile", test_to_string_hostile);
  test_add_func ("/agentbus/message/to-string-long", test_to_string_long);
  test_add_func ("/agentbus/message/to-string-huge", test_to_string_huge);

  return g_test_run ();
}
