/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <agentbus/agentbus.h>

#include "message/agent-message-private.h"
#include "test-wire-model.h"

#include <string.h>

static AgentFrame *
make_frame (void)
{
  g_autoptr (GBytes) data = g_bytes_new_static ("\0\1\2\xff", 4);
  AgentFrame *frame =
      agent_frame_new ("audio/raw", data, g_variant_new_parsed ("{'rate': <16000>}"));

  agent_frame_set_pts (frame, 20000);

  return frame;
}

static AgentMessage *
make_frame_message (void)
{
  g_autoptr (AgentFrame) frame = make_frame ();

  return agent_message_new_frame ("a", "b", frame, AGENT_FRAME_DIRECTION_UPSTREAM);
}

static AgentMessage *
make_ready_message (void)
{
  g_autoptr (AgentInfo) info =
      agent_info_new ("a", "runner", "parent", TRUE, TRUE, 1700000000000000);

  return agent_message_new_agent_ready (info);
}

static AgentMessage *
make_registry_message (void)
{
  g_autoptr (GPtrArray) infos = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_info_unref);

  g_ptr_array_add (infos, agent_info_new ("x", "runner", NULL, TRUE, FALSE, 0));
  g_ptr_array_add (infos, agent_info_new ("y", "", "x", FALSE, TRUE, 7));

  return agent_message_new_agent_registry ("a", "b", "runner", infos);
}

static GVariant *
make_payload (void)
{
  return g_variant_new_parsed ("{'n': <1>, 'list': <[1.5, 2.5]>, 'maybe': <@mi nothing>}");
}

/* As who answers a task makes it. */
static AgentMessage *
make_error_message (void)
{
  return _agent_message_new_from_parts (&(AgentMessageParts){
      .type = AGENT_MESSAGE_TYPE_AGENT_ERROR,
      .source = "a",
      .target = "b",
      .task_id = "t",
      .reason = "größter Fehler",
  });
}

/* With an error and a payload, which nobody makes at once. */
static AgentMessage *
make_response_message (AgentMessageType type)
{
  return _agent_message_new_from_parts (&(AgentMessageParts){
      .type = type,
      .channel = agent_message_type_get_channel (type),
      .source = "a",
      .target = "b",
      .task_id = "t",
      .label = "agent-bus-error-quark/9",
      .reason = "größter Fehler",
      .status = AGENT_TASK_STATUS_FAILED,
      .content = g_variant_ref_sink (make_payload ()),
  });
}

/* A message of each type, with all it can have. */
/* A part of an answer as the job of an actor sends it. */
static AgentMessage *
make_numbered_chunk (void)
{
  const AgentMessageParts parts = { .type = AGENT_MESSAGE_TYPE_TASK_STREAM_DATA,
                                    .channel = AGENT_CHANNEL_DATA,
                                    .source = "a",
                                    .target = "b",
                                    .task_id = "t",
                                    .label = "3",
                                    .content = g_variant_ref_sink (g_variant_new_string ("part")) };

  return _agent_message_new_from_parts (&parts);
}

static AgentMessage *
make_message (AgentMessageType type)
{
  switch (type)
    {
    case AGENT_MESSAGE_TYPE_FRAME:
      return make_frame_message ();
    case AGENT_MESSAGE_TYPE_ACTIVATE:
      return agent_message_new_activate ("a", "b", make_payload ());
    case AGENT_MESSAGE_TYPE_DEACTIVATE:
      return agent_message_new_deactivate ("a", "b");
    case AGENT_MESSAGE_TYPE_END:
      return agent_message_new_end ("a", "b", "why");
    case AGENT_MESSAGE_TYPE_CANCEL:
      return agent_message_new_cancel ("a", "b", "");
    case AGENT_MESSAGE_TYPE_AGENT_READY:
      return make_ready_message ();
    case AGENT_MESSAGE_TYPE_AGENT_REGISTRY:
      return make_registry_message ();
    case AGENT_MESSAGE_TYPE_AGENT_ERROR:
      return make_error_message ();
    case AGENT_MESSAGE_TYPE_TASK_REQUEST:
      return agent_message_new_task_request ("a", "b", "t", "sum", make_payload ());
    case AGENT_MESSAGE_TYPE_TASK_RESPONSE:
    case AGENT_MESSAGE_TYPE_TASK_RESPONSE_URGENT:
      return make_response_message (type);
    case AGENT_MESSAGE_TYPE_TASK_UPDATE:
      return agent_message_new_task_update ("a", "b", "t", make_payload ());
    case AGENT_MESSAGE_TYPE_TASK_UPDATE_URGENT:
      return agent_message_new_task_update_urgent ("a", "b", "t", make_payload ());
    case AGENT_MESSAGE_TYPE_TASK_UPDATE_REQUEST:
      return agent_message_new_task_update_request ("a", "b", "t");
    case AGENT_MESSAGE_TYPE_TASK_CANCEL:
      return agent_message_new_task_cancel ("a", "b", "t", "late");
    case AGENT_MESSAGE_TYPE_TASK_STREAM_START:
      return agent_message_new_task_stream_start (
          "a", "b", "t", g_variant_new_parsed ("@mv nothing"));
    case AGENT_MESSAGE_TYPE_TASK_STREAM_DATA:
      return make_numbered_chunk ();
    case AGENT_MESSAGE_TYPE_TASK_STREAM_END:
      return agent_message_new_task_stream_end ("a", "b", "t", g_variant_new_parsed ("<<'deep'>>"));
    case AGENT_MESSAGE_TYPE_CUSTOM:
      return agent_message_new_custom ("mine", AGENT_CHANNEL_SYSTEM, "a", "b", make_payload ());
    default:
      return agent_message_new_routed (type, "a", "actor", make_payload ());
    }
}

static AgentMessage *
make_full_message (AgentMessageType type)
{
  g_autoptr (AgentConversation) conversation = agent_conversation_new ("größtes Gespräch");
  AgentMessage *message = make_message (type);

  agent_message_set_ttl (message, 250);
  agent_message_set_reliable (message, TRUE);
  agent_message_set_error_reply (message, TRUE);
  if (type == AGENT_MESSAGE_TYPE_TASK_REQUEST)
    _agent_message_set_request (message);
  agent_message_set_trace (message, "00-1-2-01");
  agent_message_set_topic (message, "a.b");
  agent_message_set_retained (message, TRUE);
  agent_message_set_conversation (message, conversation);
  message->cause = G_MAXUINT64;
  message->seq = 17;
  message->sent_at = 4711;
  g_atomic_int_set (&message->sent, 1);

  return message;
}

/* The least a constructor takes. */
static AgentMessage *
make_bare_message (AgentMessageType type)
{
  g_autoptr (AgentMessage) full = make_message (type);
  AgentMessageParts parts = {
    .type = type,
    .channel = agent_message_type_get_channel (type),
    .source = "a",
  };

  if (full->content != NULL && agent_message_get_payload (full) == NULL)
    return agent_message_ref (full);
  if (type == AGENT_MESSAGE_TYPE_AGENT_ERROR)
    parts.reason = "";
  if (type == AGENT_MESSAGE_TYPE_CUSTOM)
    parts.label = "mine";
  if ((type >= AGENT_MESSAGE_TYPE_REQUEST_INFERENCE && type <= AGENT_MESSAGE_TYPE_SHUTDOWN) ||
      type == AGENT_MESSAGE_TYPE_HAND_OFF)
    parts.target = "actor";
  parts.task_id = agent_message_get_task_id (full);

  return _agent_message_new_from_parts (&parts);
}

/* As it comes from a peer: bytes that nobody has checked. */
static GVariant *
send_bytes (GVariant *wire)
{
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (wire);
  gsize         size;
  gconstpointer data = g_bytes_get_data (bytes, &size);
  g_autoptr (GBytes) received = g_bytes_new (data, size);

  return g_variant_ref_sink (
      g_variant_new_from_bytes (G_VARIANT_TYPE ("(ysa{sv})"), received, FALSE));
}

static void
assert_same_info (AgentInfo *one, AgentInfo *two)
{
  g_assert_cmpstr (agent_info_get_name (one), ==, agent_info_get_name (two));
  g_assert_cmpstr (agent_info_get_runner (one), ==, agent_info_get_runner (two));
  g_assert_cmpstr (agent_info_get_parent (one), ==, agent_info_get_parent (two));
  g_assert_cmpint (agent_info_is_active (one), ==, agent_info_is_active (two));
  g_assert_cmpint (agent_info_is_bridged (one), ==, agent_info_is_bridged (two));
  g_assert_cmpint (agent_info_get_started_at (one), ==, agent_info_get_started_at (two));
}

static void
assert_same_frame (AgentFrame *one, AgentFrame *two)
{
  g_assert_cmpuint (agent_frame_get_id (one), ==, agent_frame_get_id (two));
  g_assert_cmpstr (agent_frame_get_kind (one), ==, agent_frame_get_kind (two));
  g_assert_cmpint (agent_frame_get_pts (one), ==, agent_frame_get_pts (two));
  g_assert_true ((agent_frame_get_data (one) == NULL) == (agent_frame_get_data (two) == NULL));
  g_assert_true ((agent_frame_get_metadata (one) == NULL) ==
                 (agent_frame_get_metadata (two) == NULL));
  if (agent_frame_get_data (one) != NULL)
    g_assert_true (g_bytes_equal (agent_frame_get_data (one), agent_frame_get_data (two)));
  if (agent_frame_get_metadata (one) != NULL)
    g_assert_cmpvariant (agent_frame_get_metadata (one), agent_frame_get_metadata (two));
}

static void
assert_same_content (AgentMessage *one, AgentMessage *two)
{
  GPtrArray *infos = agent_message_get_infos (one);

  g_assert_true ((one->content == NULL) == (two->content == NULL));
  if (agent_message_get_payload (one) != NULL)
    g_assert_cmpvariant (agent_message_get_payload (one), agent_message_get_payload (two));
  if (agent_message_get_frame (one) != NULL)
    assert_same_frame (agent_message_get_frame (one), agent_message_get_frame (two));
  if (agent_message_get_info (one) != NULL)
    assert_same_info (agent_message_get_info (one), agent_message_get_info (two));
  if (infos != NULL)
    {
      g_assert_cmpuint (infos->len, ==, agent_message_get_infos (two)->len);
      for (guint i = 0; i < infos->len; i++)
        assert_same_info (infos->pdata[i], agent_message_get_infos (two)->pdata[i]);
    }
}

static void
assert_same_error (AgentMessage *one, AgentMessage *two)
{
  g_autoptr (GError) error_one = agent_message_dup_error (one);
  g_autoptr (GError) error_two = agent_message_dup_error (two);

  g_assert_cmpint (error_one != NULL, ==, error_two != NULL);
  if (error_one == NULL)
    return;

  g_assert_error (error_two, error_one->domain, error_one->code);
  g_assert_cmpstr (error_one->message, ==, error_two->message);
}

static void
assert_same (AgentMessage *one, AgentMessage *two)
{
  g_assert_cmpint (agent_message_get_message_type (one), ==, agent_message_get_message_type (two));
  g_assert_cmpstr (agent_message_get_name (one), ==, agent_message_get_name (two));
  g_assert_cmpint (agent_message_get_channel (one), ==, agent_message_get_channel (two));
  g_assert_cmpstr (agent_message_get_source (one), ==, agent_message_get_source (two));
  g_assert_cmpstr (agent_message_get_target (one), ==, agent_message_get_target (two));
  g_assert_cmpuint (agent_message_get_seq (one), ==, agent_message_get_seq (two));
  g_assert_cmpint (agent_message_get_sent_at (one), ==, agent_message_get_sent_at (two));
  g_assert_cmpint (agent_message_get_direction (one), ==, agent_message_get_direction (two));
  g_assert_cmpstr (agent_message_get_reason (one), ==, agent_message_get_reason (two));
  g_assert_cmpstr (agent_message_get_task_id (one), ==, agent_message_get_task_id (two));
  g_assert_cmpstr (agent_message_get_task_name (one), ==, agent_message_get_task_name (two));
  g_assert_cmpstr (agent_message_get_runner (one), ==, agent_message_get_runner (two));
  g_assert_cmpint (agent_message_get_status (one), ==, agent_message_get_status (two));
  g_assert_cmpuint (agent_message_get_ttl (one), ==, agent_message_get_ttl (two));
  g_assert_cmpint (agent_message_is_reliable (one), ==, agent_message_is_reliable (two));
  g_assert_cmpint (agent_message_wants_error_reply (one), ==, agent_message_wants_error_reply (two));
  g_assert_cmpint (_agent_message_is_request (one), ==, _agent_message_is_request (two));
  assert_same_error (one, two);
  g_assert_cmpuint (agent_message_get_cause (one), ==, agent_message_get_cause (two));
  g_assert_cmpstr (agent_message_get_trace (one), ==, agent_message_get_trace (two));
  g_assert_cmpstr (agent_message_get_topic (one), ==, agent_message_get_topic (two));
  g_assert_cmpint (agent_message_is_retained (one), ==, agent_message_is_retained (two));
  g_assert_true (agent_message_get_conversation (one) == agent_message_get_conversation (two));
  g_assert_cmpuint (agent_message_get_epoch (one), ==, agent_message_get_epoch (two));
  assert_same_content (one, two);
}

/* Takes the message. */
static void
assert_round_trip (AgentMessage *message)
{
  g_autoptr (AgentMessage) sent = message;
  g_autoptr (GVariant) wire = agent_message_to_variant (sent);
  g_autoptr (GVariant) received = send_bytes (wire);
  g_autoptr (AgentMessage) direct = NULL;
  g_autoptr (AgentMessage) through_bytes = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (g_variant_is_floating (wire));
  g_assert_true (test_wire_model_accepts (received));
  direct = agent_message_new_from_variant (wire, &error);
  g_assert_no_error (error);
  assert_same (sent, direct);

  through_bytes = agent_message_new_from_variant (received, &error);
  g_assert_no_error (error);
  assert_same (sent, through_bytes);
  g_assert_cmpint (through_bytes->sent, ==, 0);
  agent_message_set_ttl (through_bytes, 1);
}

/* Nothing that a message of the type can have is missing in a full one. */
static void
assert_complete (AgentMessage *message)
{
  const char *carried = test_wire_model_get_carried (
      agent_message_type_to_string (agent_message_get_message_type (message)));
  g_auto (GStrv) keys = g_strsplit_set (carried, " !", -1);
  g_autoptr (GVariant) wire = agent_message_to_variant (message);
  g_autoptr (GVariant) fields = g_variant_get_child_value (wire, 2);

  for (guint i = 0; keys[i] != NULL; i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (fields, keys[i], NULL);
      gboolean is_other_form = g_str_equal (keys[i], "payload-json");

      g_test_message ("%s", keys[i]);
      g_assert_true (*keys[i] == '\0' || is_other_form || value != NULL);
    }
}

static void
test_complete (void)
{
  for (guint type = 0; type <= AGENT_MESSAGE_TYPE_HAND_OFF; type++)
    {
      g_autoptr (AgentMessage) message = make_full_message (type);

      assert_complete (message);
    }
}

static void
test_round_trip (void)
{
  for (guint type = 0; type <= AGENT_MESSAGE_TYPE_HAND_OFF; type++)
    {
      assert_round_trip (make_full_message (type));
      assert_round_trip (make_message (type));
      assert_round_trip (make_bare_message (type));
    }
}

static void
test_round_trip_frames (void)
{
  g_autoptr (GBytes) nothing = g_bytes_new_static (NULL, 0);
  g_autoptr (AgentFrame) bare = agent_frame_new ("x", NULL, NULL);
  g_autoptr (AgentFrame) copied = agent_frame_new_copy ("x", "123", 3, NULL);
  g_autoptr (AgentFrame) empty = agent_frame_new ("x", nothing, g_variant_new_parsed ("@a{sv} {}"));

  assert_round_trip (agent_message_new_frame ("a", NULL, bare, AGENT_FRAME_DIRECTION_DOWNSTREAM));
  assert_round_trip (agent_message_new_frame ("a", NULL, copied, AGENT_FRAME_DIRECTION_DOWNSTREAM));
  assert_round_trip (agent_message_new_frame ("a", NULL, empty, AGENT_FRAME_DIRECTION_DOWNSTREAM));
}

static void
test_round_trip_statuses (void)
{
  for (guint status = 0; status <= AGENT_TASK_STATUS_CANCELLED; status++)
    assert_round_trip (agent_message_new_task_response ("a", "b", "t", status, NULL));
}

static void
test_round_trip_channels (void)
{
  assert_round_trip (agent_message_new_custom ("mine", AGENT_CHANNEL_SYSTEM, "a", NULL, NULL));
  assert_round_trip (agent_message_new_custom ("mine", AGENT_CHANNEL_DATA, "a", NULL, NULL));
}

/* The form is a promise to other versions, so it stands here word for word. */
static void
test_form (void)
{
  g_autoptr (AgentMessage) message =
      agent_message_new_task_update ("a", "b", "t", g_variant_new_int32 (7));
  g_autoptr (AgentMessage) custom =
      agent_message_new_custom ("mine", AGENT_CHANNEL_SYSTEM, "a", NULL, NULL);
  g_autoptr (GVariant) wire = agent_message_to_variant (message);
  g_autoptr (GVariant) custom_wire = agent_message_to_variant (custom);
  g_autofree char *text = g_variant_print (wire, TRUE);
  g_autofree char *custom_text = g_variant_print (custom_wire, TRUE);

  g_assert_cmpstr (
      text,
      ==,
      "(byte 0x01, 'task-update', {'source': <'a'>, 'target': <'b'>, 'task-id': <'t'>, "
      "'payload': <<7>>})");
  g_assert_cmpstr (
      custom_text,
      ==,
      "(byte 0x01, 'custom', {'source': <'a'>, 'name': <'mine'>, 'channel': <'system'>})");
}

static AgentMessage *
make_json_message (const char *json)
{
  AgentMessage *message = agent_message_new_task_update ("a", "b", "t", NULL);
  g_autoptr (GError) error = NULL;

  agent_message_set_payload_json (message, json, &error);
  g_assert_no_error (error);

  return message;
}

/* Text goes on as text, byte for byte, in a version that readers of version 1 refuse. */
static void
test_form_of_json (void)
{
  const char *json = " {\"n\" : 1.50, \"n\": [\"\\u00e9\"]}\n";
  g_autoptr (AgentMessage) message = make_json_message (json);
  g_autoptr (GVariant) wire = agent_message_to_variant (message);
  g_autoptr (GVariant) expected = g_variant_ref_sink (
      g_variant_new_parsed ("(byte 2, 'task-update', {'source': <'a'>, 'target': <'b'>, 'task-id': <'t'>, "
                            "'payload-json': <%s>})",
                            json));
  g_autoptr (AgentMessage) read = agent_message_new_from_variant (wire, NULL);

  g_assert_cmpvariant (wire, expected);
  g_assert_true (agent_message_has_payload_json (read));
  g_assert_cmpstr (agent_message_get_payload_json (read), ==, json);
  assert_same (message, read);
}

/* Whoever asks for the other form of a payload does not change what is written. */
static void
test_form_is_the_given_one (void)
{
  g_autoptr (AgentMessage) message = make_message (AGENT_MESSAGE_TYPE_TASK_UPDATE);
  g_autoptr (AgentMessage) json = make_json_message ("[1]");
  g_autoptr (GVariant) before = agent_message_to_variant (message);
  g_autoptr (GVariant) json_before = agent_message_to_variant (json);
  g_autoptr (GVariant) after = NULL;
  g_autoptr (GVariant) json_after = NULL;

  g_assert_nonnull (agent_message_get_payload_json (message));
  g_assert_nonnull (agent_message_get_payload (json));
  after = agent_message_to_variant (message);
  json_after = agent_message_to_variant (json);
  g_assert_cmpvariant (before, after);
  g_assert_cmpvariant (json_before, json_after);
  assert_round_trip (g_steal_pointer (&message));
  assert_round_trip (g_steal_pointer (&json));
}

/* Both versions have all other fields in common. */
static void
test_versions (void)
{
  for (guint version = 1; version <= 2; version++)
    {
      g_autoptr (GVariant) wire = g_variant_ref_sink (g_variant_new_parsed (
          "(%y, 'task-update', {'source': <'a'>, 'task-id': <'t'>, 'payload': <<7>>})", version));
      g_autoptr (GError) error = NULL;
      g_autoptr (AgentMessage) message = agent_message_new_from_variant (wire, &error);

      g_assert_no_error (error);
      g_assert_cmpint (g_variant_get_int32 (agent_message_get_payload (message)), ==, 7);
      g_assert_false (agent_message_has_payload_json (message));
    }
}

static void
test_no_copies (void)
{
  g_autoptr (AgentMessage) message = make_frame_message ();
  g_autoptr (GVariant) wire = agent_message_to_variant (message);
  g_autoptr (AgentMessage) direct = agent_message_new_from_variant (wire, NULL);
  g_autoptr (GVariant) received = send_bytes (wire);
  g_autoptr (AgentMessage) read = agent_message_new_from_variant (received, NULL);
  const guint8 *start = g_variant_get_data (received);
  const guint8 *data =
      g_bytes_get_data (agent_frame_get_data (agent_message_get_frame (read)), NULL);

  g_assert_true (data > start && data < start + g_variant_get_size (received));
}

static void
count_free (gpointer data)
{
  ++*(gint *) data;
}

static void
test_frame_data_not_copied_to_wire (void)
{
  gint n_freed = 0;
  g_autoptr (GBytes) data = g_bytes_new_with_free_func ("x", 1, count_free, &n_freed);
  g_autoptr (AgentFrame) frame = agent_frame_new ("x", data, NULL);
  g_autoptr (AgentMessage) message = agent_message_new_frame ("a", "b", frame, 0);
  g_autoptr (GVariant) wire = agent_message_to_variant (message);

  g_clear_pointer (&message, agent_message_unref);
  g_clear_pointer (&frame, agent_frame_unref);
  g_clear_pointer (&data, g_bytes_unref);
  g_assert_cmpint (n_freed, ==, 0);
  g_clear_pointer (&wire, g_variant_unref);
  g_assert_cmpint (n_freed, ==, 1);
}

static void
test_floating_is_sunk (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AgentMessage) message = NULL;

  message = agent_message_new_from_variant (
      g_variant_new_parsed ("(byte 1, 'end', {'source': <'a'>})"), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (agent_message_get_source (message), ==, "a");
}

static void
test_unknown_fields (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AgentMessage) message = NULL;

  message = agent_message_new_from_variant (
      g_variant_new_parsed (
          "(byte 1, 'agent-ready', {'later': <1>, 'source': <'a'>, 'later': <'x'>,"
          " 'info': <{'name': <'a'>, 'runner': <'r'>, 'later': <()>}>})"),
      &error);
  g_assert_no_error (error);
  g_assert_cmpstr (agent_message_get_runner (message), ==, "r");
}

static void
test_frame_without_id (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AgentMessage) message = NULL;

  message = agent_message_new_from_variant (
      g_variant_new_parsed ("(byte 1, 'frame', {'source': <'a'>, 'frame': <{'kind': <'x'>}>})"),
      &error);
  g_assert_no_error (error);
  g_assert_cmpuint (agent_frame_get_id (agent_message_get_frame (message)), >, 0);
}

/* A payload that came from bytes nobody checked must not make the whole message unreadable. */
static void
test_payload_not_normal (void)
{
  GVariant *payload =
      g_variant_new_from_data (G_VARIANT_TYPE ("as"), "a\0b\377", 4, FALSE, NULL, NULL);

  g_assert_false (g_variant_is_normal_form (payload));
  assert_round_trip (agent_message_new_task_update ("a", "b", "t", payload));
}

/* Together with a small array of bytes, which GLib 2.84 cannot take apart in every form. */
static void
test_bytes_beside_not_normal (void)
{
  GVariant *strings = g_variant_new_from_data (G_VARIANT_TYPE ("as"), "a\0b\377", 4, FALSE, NULL, NULL);
  GVariant *payload = g_variant_new ("(^ay@as)", "ab", strings);

  g_assert_false (g_variant_is_normal_form (payload));
  assert_round_trip (agent_message_new_task_update ("a", "b", "t", payload));
  assert_round_trip (agent_message_new_task_update ("a", "b", "t", g_variant_new_bytestring ("ab")));
}

static void
test_metadata_not_normal (void)
{
  g_autoptr (GVariant) sound = g_variant_ref_sink (g_variant_new_parsed ("{'a': <true>}"));
  gsize            size = g_variant_get_size (sound);
  g_autofree char *data = g_memdup2 (g_variant_get_data (sound), size);
  GVariant        *metadata;
  g_autoptr (AgentFrame) frame = NULL;

  /* A boolean is 0 or 1. */
  *(char *) memchr (data, '\1', size) = 2;
  metadata = g_variant_new_from_data (G_VARIANT_TYPE_VARDICT, data, size, FALSE, NULL, NULL);
  g_assert_false (g_variant_is_normal_form (metadata));
  frame = agent_frame_new ("k", NULL, metadata);
  assert_round_trip (agent_message_new_frame ("a", "b", frame, AGENT_FRAME_DIRECTION_DOWNSTREAM));
}

#define FRAME(fields) "(byte 1, 'frame', {'source': <'a'>, 'frame': <" fields ">})"
#define READY(fields) "(byte 1, 'agent-ready', {'source': <'a'>, 'info': <" fields ">})"
#define REGISTRY(fields) \
  "(byte 1, 'agent-registry', {'source': <'a'>, 'runner': <'r'>, " fields "})"
#define JSON(fields) "(byte 2, 'task-update', {'source': <'a'>, 'task-id': <'t'>, " fields "})"
#define END(fields) "(byte 1, 'end', {'source': <'a'>, " fields "})"

static const struct
{
  const char *variant;
  const char *error;
} hostile[] = {
  { "'end'", "of type" },
  { "()", "of type" },
  { "(1, 'end', {'source': <'a'>})", "of type" },
  { "(byte 1, 'end', @a{ss} {})", "of type" },
  { "<(byte 1, 'end', {'source': <'a'>})>", "of type" },
  { "(byte 0, 'end', {'source': <'a'>})", "Version 0" },
  { "(byte 3, 'end', {'source': <'a'>})", "Version 3" },
  { "(byte 255, 'end', {'source': <'a'>})", "Version 255" },
  { "(byte 1, '', {'source': <'a'>})", "type" },
  { "(byte 1, 'END', {'source': <'a'>})", "type" },
  { "(byte 1, 'no-such', {'source': <'a'>})", "type" },
  { "(byte 1, 'end', @a{sv} {})", "“source” is missing" },
  { "(byte 1, 'end', {'source': <''>})", "“source” is empty" },
  { "(byte 1, 'end', {'source': <1>})", "“source” is not of type “s”" },
  { "(byte 1, 'end', {'source': <'a'>, 'source': <'b'>})", "“source” is there twice" },
  { "(byte 1, 'end', {'source': <objectpath '/a'>})", "“source” is not of type" },
  { END ("'target': <''>"), "“target” is empty" },
  { END ("'target': <@ms nothing>"), "“target” is not of type" },
  { END ("'seq': <1>"), "“seq” is not of type “t”" },
  { END ("'seq': <int64 -1>"), "“seq” is not of type “t”" },
  { END ("'sent-at': <int64 -1>"), "“sent-at” is negative" },
  { END ("'sent-at': <uint64 1>"), "“sent-at” is not of type “x”" },
  { END ("'ttl': <-1>"), "“ttl” is not of type “u”" },
  { END ("'reliable': <1>"), "“reliable” is not of type “b”" },
  { END ("'cause': <''>"), "“cause” is not of type “t”" },
  { END ("'trace': <b'x'>"), "“trace” is not of type “s”" },
  { END ("'conversation': <'c'>"), "“conversation” is not of type “(st)”" },
  { END ("'conversation': <('', uint64 1)>"), "“conversation” is empty" },
  { END ("'conversation': <('c', uint64 9223372036854775808)>"), "“conversation” has an epoch that is too large" },
  { END ("'reason': <1>"), "“reason” is not of type “s”" },
  { END ("'payload': <<1>>"), "“payload” does not belong" },
  { END ("'payload-json': <'1'>"), "“payload-json” does not belong" },
  { JSON ("'payload-json': <1>"), "“payload-json” is not of type “s”" },
  { JSON ("'payload-json': <''>"), "“payload-json” cannot be read: Unexpected end" },
  { JSON ("'payload-json': <'{'>"), "“payload-json” cannot be read: Expected a name at byte 1" },
  { JSON ("'payload-json': <'1e400'>"), "out of range" },
  { JSON ("'payload-json': <'1'>, 'payload-json': <'1'>"), "“payload-json” is there twice" },
  { JSON ("'payload-json': <'1'>, 'payload': <<1>>"), "both there" },
  { JSON ("'payload': <<1>>, 'payload-json': <'1'>"), "both there" },
  { END ("'task-id': <'t'>"), "“task-id” does not belong" },
  { END ("'name': <'x'>"), "“name” does not belong" },
  { END ("'channel': <'data'>"), "“channel” does not belong" },
  { END ("'status': <'failed'>"), "“status” does not belong" },
  { END ("'direction': <'upstream'>"), "“direction” does not belong" },
  { END ("'frame': <{'kind': <'x'>}>"), "“frame” does not belong" },
  { END ("'info': <{'name': <'x'>}>"), "“info” does not belong" },
  { END ("'infos': <@aa{sv} []>"), "“infos” does not belong" },
  { END ("'runner': <'r'>"), "“runner” does not belong" },
  { END ("'task-name': <'r'>"), "“task-name” does not belong" },
  { "(byte 1, 'activate', {'source': <'a'>, 'payload': <1>})", "“payload” is not of type “v”" },
  { "(byte 1, 'activate', {'source': <'a'>, 'reason': <'x'>})", "“reason” does not belong" },
  { "(byte 1, 'agent-error', {'source': <'a'>})", "“reason” is missing" },
  { "(byte 1, 'task-update', {'source': <'a'>})", "“task-id” is missing" },
  { "(byte 1, 'task-update', {'source': <'a'>, 'task-id': <''>})", "“task-id” is empty" },
  { "(byte 1, 'task-response', {'source': <'a'>, 'task-id': <'t'>, 'status': <'x'>})",
    "“status” has a value" },
  { "(byte 1, 'task-response', {'source': <'a'>, 'task-id': <'t'>, 'status': <1>})",
    "“status” is not of type" },
  { "(byte 1, 'shutdown', {'source': <'a'>})", "“target” is missing" },
  { "(byte 1, 'shutdown', {'source': <'a'>, 'target': <''>})", "“target” is empty" },
  { "(byte 1, 'custom', {'source': <'a'>})", "“name” is missing" },
  { "(byte 1, 'custom', {'source': <'a'>, 'name': <''>})", "“name” is empty" },
  { "(byte 1, 'custom', {'source': <'a'>, 'name': <'cancel'>})",
    "“name” is the name of a built-in type" },
  { "(byte 1, 'custom', {'source': <'a'>, 'name': <'custom'>})",
    "“name” is the name of a built-in type" },
  { "(byte 1, 'custom', {'source': <'a'>, 'name': <'x'>, 'channel': <'x'>})",
    "“channel” has a value" },
  { "(byte 1, 'frame', {'source': <'a'>})", "“frame” is missing" },
  { "(byte 1, 'frame', {'source': <'a'>, 'frame': <'x'>})", "“frame” is not of type “a{sv}”" },
  { "(byte 1, 'frame', {'source': <'a'>, 'frame': <{'kind': <'x'>}>, 'direction': <'left'>})",
    "“direction” has a value" },
  { FRAME ("@a{sv} {}"), "“frame.kind” is missing" },
  { FRAME ("{'kind': <''>}"), "“frame.kind” is empty" },
  { FRAME ("{'kind': <1>}"), "“frame.kind” is not of type “s”" },
  { FRAME ("{'kind': <'x'>, 'kind': <'y'>}"), "“frame.kind” is there twice" },
  { FRAME ("{'kind': <'x'>, 'id': <1>}"), "“frame.id” is not of type “t”" },
  { FRAME ("{'kind': <'x'>, 'pts': <1>}"), "“frame.pts” is not of type “x”" },
  { FRAME ("{'kind': <'x'>, 'pts': <int64 -2>}"), "“frame.pts” is negative" },
  { FRAME ("{'kind': <'x'>, 'metadata': <1>}"), "“frame.metadata” is not of type “a{sv}”" },
  { FRAME ("{'kind': <'x'>, 'data': <'x'>}"), "“frame.data” is not of type “ay”" },
  { "(byte 1, 'agent-ready', {'source': <'a'>})", "“info” is missing" },
  { "(byte 1, 'agent-ready', {'source': <'a'>, 'target': <'b'>, 'info': <{'name': <'a'>, 'runner': "
    "<'r'>}>})",
    "“target” does not belong" },
  { READY ("1"), "“info” is not of type" },
  { READY ("@a{sv} {}"), "“info.name” is missing" },
  { READY ("{'name': <'a'>}"), "“info.runner” is missing" },
  { READY ("{'name': <''>, 'runner': <'r'>}"), "“info.name” is empty" },
  { READY ("{'name': <'b'>, 'runner': <'r'>}"), "“source” is not the agent" },
  { READY ("{'name': <'a'>, 'runner': <1>}"), "“info.runner” is not of type" },
  { READY ("{'name': <'a'>, 'runner': <'r'>, 'parent': <1>}"), "“info.parent” is not of type" },
  { READY ("{'name': <'a'>, 'runner': <'r'>, 'active': <1>}"), "“info.active” is not of type" },
  { READY ("{'name': <'a'>, 'runner': <'r'>, 'bridged': <1>}"), "“info.bridged” is not of type" },
  { READY ("{'name': <'a'>, 'runner': <'r'>, 'started-at': <1>}"),
    "“info.started-at” is not of type" },
  { READY ("{'name': <'a'>, 'runner': <'r'>, 'started-at': <int64 -1>}"),
    "“info.started-at” is negative" },
  { "(byte 1, 'agent-registry', {'source': <'a'>, 'infos': <@aa{sv} []>})", "“runner” is missing" },
  { "(byte 1, 'agent-registry', {'source': <'a'>, 'runner': <'r'>})", "“infos” is missing" },
  { REGISTRY ("'infos': <1>"), "“infos” is not of type “aa{sv}”" },
  { REGISTRY ("'infos': <[@a{sv} {}]>"), "“infos.name” is missing" },
  { REGISTRY ("'infos': <[{'name': <'x'>, 'runner': <'r'>}, {'name': <'y'>}]>"),
    "“infos.runner” is missing" },
};

static void
assert_refused (GVariant *variant, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (agent_message_new_from_variant (variant, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, text));
  g_assert_null (agent_message_new_from_variant (variant, NULL));
}

static void
test_hostile (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (hostile); i++)
    {
      g_autoptr (GVariant) variant = g_variant_ref_sink (g_variant_new_parsed (hostile[i].variant));
      g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (variant);
      g_autoptr (GVariant) received = NULL;

      received = g_variant_ref_sink (
          g_variant_new_from_bytes (g_variant_get_type (variant), bytes, FALSE));
      assert_refused (variant, hostile[i].error);
      assert_refused (received, hostile[i].error);
    }
}

static void
test_damaged (void)
{
  g_autoptr (AgentMessage) message = make_full_message (AGENT_MESSAGE_TYPE_TASK_REQUEST);
  g_autoptr (GVariant) wire = agent_message_to_variant (message);
  gsize size = g_variant_get_size (wire);

  for (gsize length = 0; length < size; length++)
    {
      g_autoptr (GBytes) bytes = g_bytes_new (g_variant_get_data (wire), length);
      g_autoptr (GVariant) cut =
          g_variant_ref_sink (g_variant_new_from_bytes (g_variant_get_type (wire), bytes, FALSE));

      assert_refused (cut, "damaged");
    }
}

static void
test_nested_too_deep (void)
{
  GVariant *payload = g_variant_new_int32 (1);
  g_autoptr (AgentMessage) message = NULL;
  g_autoptr (GVariant) wire = NULL;
  g_autoptr (GVariant) received = NULL;

  for (guint i = 0; i < 200; i++)
    payload = g_variant_new_variant (payload);

  message = agent_message_new_task_update ("a", "b", "t", payload);
  wire = agent_message_to_variant (message);
  received = send_bytes (wire);
  assert_refused (received, "damaged");
}

/* Each field of each type, with a value of a type that no field has. */
static void
test_wrong_types (void)
{
  for (guint type = 0; type <= AGENT_MESSAGE_TYPE_HAND_OFF; type++)
    {
      g_autoptr (AgentMessage) message = make_full_message (type);
      g_autoptr (GVariant) wire = agent_message_to_variant (message);
      g_autoptr (GVariant) fields = g_variant_get_child_value (wire, 2);

      for (gsize i = 0; i < g_variant_n_children (fields); i++)
        {
          g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (fields);
          g_autoptr (GVariant) wrong = NULL;
          g_autofree char *problem = NULL;
          const char      *key;

          g_variant_get_child (fields, i, "{&sv}", &key, NULL);
          g_variant_dict_insert (&dict, key, "n", 1);
          wrong = g_variant_ref_sink (g_variant_new (
              "(ys@a{sv})", 1, agent_message_type_to_string (type), g_variant_dict_end (&dict)));
          problem = g_strdup_printf ("“%s” is not of type", key);
          assert_refused (wrong, problem);
        }
    }
}

static void
test_quarks_do_not_grow (void)
{
  for (guint i = 0; i < 100; i++)
    {
      g_autofree char *name = g_strdup_printf ("made-up-%u", i);
      g_autoptr (AgentMessage) message =
          agent_message_new_custom (name, AGENT_CHANNEL_DATA, name, name, NULL);
      g_autoptr (GVariant) wire = agent_message_to_variant (message);
      g_autoptr (GVariant) received = send_bytes (wire);
      g_autoptr (AgentMessage) read = agent_message_new_from_variant (received, NULL);

      g_assert_nonnull (read);
      g_assert_cmpuint (_agent_message_get_detail (read), ==, 0);
      g_assert_cmpuint (g_quark_try_string (name), ==, 0);
    }
}

static void
mutate (GRand *rand, GByteArray *bytes)
{
  guint n_changes = g_rand_int_range (rand, 1, 4);

  for (guint i = 0; i < n_changes && bytes->len > 0; i++)
    {
      guint  at = g_rand_int_range (rand, 0, bytes->len);
      guint8 value = g_rand_int_range (rand, 0, 256);

      switch (g_rand_int_range (rand, 0, 8))
        {
        case 0:
          g_byte_array_remove_index (bytes, at);
          break;
        case 1:
          g_byte_array_append (bytes, &value, 1);
          break;
        case 2:
          g_byte_array_set_size (bytes, at);
          break;
        case 3:
          bytes->data[at] = value;
          break;
        default:
          /* Most likely to leave it sound: one letter or digit for its neighbour. */
          bytes->data[at] ^= 1 << g_rand_int_range (rand, 0, 3);
          break;
        }
    }
}

/* (transfer full) */
static GVariant *
mutate_bytes (GRand *rand, GVariant *wire)
{
  g_autoptr (GByteArray) array = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;

  g_byte_array_append (array, g_variant_get_data (wire), g_variant_get_size (wire));
  mutate (rand, array);
  bytes = g_byte_array_free_to_bytes (g_steal_pointer (&array));

  return g_variant_ref_sink (g_variant_new_from_bytes (g_variant_get_type (wire), bytes, FALSE));
}

/* Whatever was changed, it gives a message that is sound in every way where the form allows it, and else an error. */
static guint
read_mutated (GVariant *received)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AgentMessage) message = agent_message_new_from_variant (received, &error);
  gboolean         sound = test_wire_model_accepts (received);
  g_autofree char *line = NULL;

  if (sound != (message != NULL))
    {
      g_autofree char *text = g_variant_print (received, FALSE);

      g_error ("%s, but: %s", message != NULL ? "This was read" : error->message, text);
    }

  if (message == NULL)
    {
      g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
      return 0;
    }

  line = agent_message_to_string (message);
  g_assert_true (g_utf8_validate (line, -1, NULL));
  assert_round_trip (g_steal_pointer (&message));

  return 1;
}

/* Changes of bytes are seldom more than damage; those of a field, or of two, reach each check behind that. */
static void
test_mutations (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (20240101);
  g_autoptr (GPtrArray) wires = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  guint n_sound[2] = { 0 };

  for (guint type = 0; type <= AGENT_MESSAGE_TYPE_HAND_OFF; type++)
    {
      g_autoptr (AgentMessage) message = make_full_message (type);

      g_ptr_array_add (wires, agent_message_to_variant (message));
    }
  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (AgentMessage) message = make_json_message (i < 2 ? "{\"n\":[1,2]}" : "7");

      g_ptr_array_add (wires, agent_message_to_variant (message));
    }

  for (guint i = 0; i < 20000; i++)
    {
      GVariant *wire = wires->pdata[i % wires->len];
      g_autoptr (GVariant) damaged = mutate_bytes (rand, wire);
      g_autoptr (GVariant) changed = test_wire_model_mutate (wire, rand);

      n_sound[0] += read_mutated (damaged);
      n_sound[1] += read_mutated (changed);
    }

  for (guint i = 0; i < G_N_ELEMENTS (n_sound); i++)
    {
      g_test_message ("%u of 20000 were still sound", n_sound[i]);
      g_assert_cmpuint (n_sound[i], >, 1000);
      g_assert_cmpuint (n_sound[i], <, 19000);
    }
}

static void
test_misuse (void)
{
  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*variant != NULL*");
  g_assert_null (agent_message_new_from_variant (NULL, NULL));
  g_test_assert_expected_messages ();
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/agentbus/wire/complete", test_complete);
  g_test_add_func ("/agentbus/wire/round-trip", test_round_trip);
  g_test_add_func ("/agentbus/wire/round-trip-frames", test_round_trip_frames);
  g_test_add_func ("/agentbus/wire/round-trip-statuses", test_round_trip_statuses);
  g_test_add_func ("/agentbus/wire/round-trip-channels", test_round_trip_channels);
  g_test_add_func ("/agentbus/wire/form", test_form);
  g_test_add_func ("/agentbus/wire/form-of-json", test_form_of_json);
  g_test_add_func ("/agentbus/wire/form-is-the-given-one", test_form_is_the_given_one);
  g_test_add_func ("/agentbus/wire/versions", test_versions);
  g_test_add_func ("/agentbus/wire/no-copies", test_no_copies);
  g_test_add_func ("/agentbus/wire/frame-data-not-copied", test_frame_data_not_copied_to_wire);
  g_test_add_func ("/agentbus/wire/floating-is-sunk", test_floating_is_sunk);
  g_test_add_func ("/agentbus/wire/unknown-fields", test_unknown_fields);
  g_test_add_func ("/agentbus/wire/frame-without-id", test_frame_without_id);
  g_test_add_func ("/agentbus/wire/payload-not-normal", test_payload_not_normal);
  g_test_add_func ("/agentbus/wire/bytes-beside-not-normal", test_bytes_beside_not_normal);
  g_test_add_func ("/agentbus/wire/metadata-not-normal", test_metadata_not_normal);
  g_test_add_func ("/agentbus/wire/hostile", test_hostile);
  g_test_add_func ("/agentbus/wire/damaged", test_damaged);
  g_test_add_func ("/agentbus/wire/nested-too-deep", test_nested_too_deep);
  g_test_add_func ("/agentbus/wire/wrong-types", test_wrong_types);
  g_test_add_func ("/agentbus/wire/quarks-do-not-grow", test_quarks_do_not_grow);
  g_test_add_func ("/agentbus/wire/mutations", test_mutations);
  g_test_add_func ("/agentbus/wire/misuse", test_misuse);

  return g_test_run ();
}
