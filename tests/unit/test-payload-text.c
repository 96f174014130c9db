/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "counting-malloc.h"
#include "message/agent-json-checker-private.h"
#include "message/agent-message-private.h"
#include "test-race.h"
#include "test-support.h"

#define assert_critical(statement, text)                                    \
  G_STMT_START                                                              \
  {                                                                         \
    g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*" text "*"); \
    statement;                                                              \
    g_test_assert_expected_messages ();                                     \
  }                                                                         \
  G_STMT_END

#define ORDER " {\"id\": 17, \"price\": 1.50, \"tags\": [\"a\", null], \"ok\": true}\n"

static AgentMessage *
make (const char *json)
{
  AgentMessage *message = agent_message_new_task_update ("a", "b", "t", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (agent_message_set_payload_json (message, json, &error));
  g_assert_no_error (error);

  return message;
}

/* --- The same text is refused, with the same words --- */

static const char *const pieces[] = {
  "",
  "null",
  "nul",
  "0",
  "-0",
  "-",
  "01",
  "1.",
  "1.5e",
  "1e5",
  "1E+5",
  "1e-400",
  "1e308",
  "1e309",
  "1.7976931348623157e308",
  "1.7976931348623159e308",
  "-1.8e308",
  "17976931348623157e292",
  "0.0000000000000000000001e330",
  "0e999999999999999999999",
  "1e99999999999999999999",
  "1e-99999999999999999999",
  "0.1e-999",
  "999999999999999999",
  "-999999999999999999",
  "9223372036854775807",
  "9223372036854775808",
  "-9223372036854775808",
  "-9223372036854775809",
  "00000000000000000001",
  "123456789012345678901234567890",
  "\"\"",
  "\"é€😀\"",
  "\"\\u0000\"",
  "\"\\ud83d\\ude00\"",
  "\"\\ud83d\"",
  "\"\\udc00\"",
  "\"\\ud83d\\u0041\"",
  "\"\\q\"",
  "\"a\tb\"",
  "\"a",
  "\"\\",
  "[]",
  "[1,]",
  "{}",
  "{\"a\":1,\"a\":2}",
  "{\"a\":1,}",
  "{\"a\" 1}",
  "{1:1}",
  "[1 2]",
  "true false",
  "// x\n1",
  "/* x */ 1",
  "# x",
  "NaN",
  "Infinity",
  "'a'",
  ("\xef\xbb\xbf"
   "1"),
  "\xff",
  "\"\xed\xa0\x80\"",
  "1 \x01",
};

static gboolean
assert_agrees (const char *text)
{
  g_autoptr (GError) expected = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) payload = agent_payload_from_json (text, &expected);
  gboolean accepted = _agent_json_check (text, strlen (text), &error);

  if (accepted != (payload != NULL) || g_strcmp0 (error != NULL ? error->message : NULL, expected != NULL ? expected->message : NULL) != 0)
    {
      g_autofree char *shown = g_strescape (text, NULL);

      g_error ("“%s”: %s, but: %s", shown, expected != NULL ? expected->message : "read", error != NULL ? error->message : "accepted");
    }
  if (!accepted)
    g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
  g_assert_true (_agent_json_check (text, strlen (text), NULL) == accepted);

  return accepted;
}

static void
test_agrees_on_pieces (void)
{
  static const char *const around[] = { "%s", " %s ", "[%s]", "[0,%s]", "{\"k\":%s}", "{%s:1}", "[%s", "%s]", "%s,%s", "%s %s" };

  for (guint i = 0; i < G_N_ELEMENTS (around); i++)
    for (guint j = 0; j < G_N_ELEMENTS (pieces); j++)
      {
        g_auto (GStrv) parts = g_strsplit (around[i], "%s", -1);
        g_autofree char *text = g_strjoinv (pieces[j], parts);

        assert_agrees (text);
      }
}

static void
test_agrees_on_depth (void)
{
  static const char *const opens[] = { "[", "{\"a\":", "[[", "[{\"a\":" };
  static const char *const closes[] = { "]", "}", "]]", "}]" };

  for (guint i = 0; i < G_N_ELEMENTS (opens); i++)
    for (guint depth = 14; depth < 36; depth++)
      {
        g_autoptr (GString) text = g_string_new (NULL);

        for (guint j = 0; j < depth; j++)
          g_string_append (text, opens[i]);
        assert_agrees (text->str);
        g_string_append (text, depth % 2 == 0 ? "1" : "");
        for (guint j = 0; j < depth; j++)
          g_string_append (text, closes[i]);
        assert_agrees (text->str);
        g_string_append_c (text, '1');
        assert_agrees (text->str);
      }
}

/* What lies beside is no deeper. */
static void
test_agrees_on_siblings (void)
{
  g_autoptr (GString) arrays = g_string_new ("[0");
  g_autoptr (GString) objects = g_string_new ("{\"k\":0");

  for (guint i = 0; i < 40; i++)
    {
      g_string_append (arrays, ",[[],[1]]");
      g_string_append (objects, ",\"k\":{\"k\":{}}");
    }
  g_string_append_c (arrays, ']');
  g_string_append_c (objects, '}');

  g_assert_true (assert_agrees (arrays->str));
  g_assert_true (assert_agrees (objects->str));
}

static void
append_value (GRand   *rand,
              GString *text,
              guint    depth)
{
  guint n = (guint) g_rand_int_range (rand, 0, 4);

  switch (depth > 0 ? g_rand_int_range (rand, 0, 6) : 5)
    {
    case 0:
    case 1:
      g_string_append (text, "[ ");
      for (guint i = 0; i < n; i++)
        {
          g_string_append (text, i > 0 ? "," : "");
          append_value (rand, text, depth - 1);
        }
      g_string_append (text, " ]");
      break;

    case 2:
    case 3:
      g_string_append_c (text, '{');
      for (guint i = 0; i < n; i++)
        {
          g_string_append_printf (text, "%s\"k%d\" : ", i > 0 ? "," : "", g_rand_int_range (rand, 0, 3));
          append_value (rand, text, depth - 1);
        }
      g_string_append_c (text, '}');
      break;

    case 4:
      for (guint i = 0; i < n; i++)
        g_string_append_c (text, (char) g_rand_int_range (rand, '0', '9' + 1));
      g_string_append_printf (text, "1%se%d", n % 2 == 0 ? ".5" : "", g_rand_int_range (rand, -340, 340));
      break;

    default:
      g_string_append (text, pieces[g_rand_int_range (rand, 0, G_N_ELEMENTS (pieces))]);
      break;
    }
}

static void
mutate (GRand   *rand,
        GString *text)
{
  static const char letters[] = "[]{}:,\"\\u0dDeE+-.19 trufalsn\n\x01\xc3\xa9\xff";

  for (gint n = g_rand_int_range (rand, 0, 3); n > 0 && text->len > 0; n--)
    {
      gssize at = g_rand_int_range (rand, 0, (gint) text->len);
      char   c = letters[g_rand_int_range (rand, 0, sizeof letters - 1)];

      if (g_rand_boolean (rand))
        g_string_erase (text, at, 1);
      if (g_rand_boolean (rand))
        g_string_insert_c (text, at, c);
    }
}

static void
test_agrees_at_random (void)
{
  guint n_accepted = 0;

  for (guint i = 0; i < 40000; i++)
    {
      g_autoptr (GString) text = g_string_new (NULL);
      g_autoptr (GRand) rand = g_rand_new_with_seed (g_test_rand_int ());

      append_value (rand, text, i % 6);
      mutate (rand, text);
      n_accepted += assert_agrees (text->str);
    }

  g_test_message ("%u of 40000 were accepted", n_accepted);
  g_assert_cmpuint (n_accepted, >, 2000);
  g_assert_cmpuint (n_accepted, <, 38000);
}

static void
test_check_builds_nothing (void)
{
  guint64 n_before;

  if (!counting_malloc_can_count ())
    {
      g_test_skip ("Something else has taken the place of malloc()");
      return;
    }

  n_before = counting_malloc_n_allocations ();
  for (guint i = 0; i < 100; i++)
    g_assert_true (_agent_json_check (ORDER, strlen (ORDER), NULL));
  g_assert_cmpuint (counting_malloc_n_allocations (), ==, n_before);
}

/* --- What a message makes of it --- */

static void
test_verbatim (void)
{
  g_autoptr (AgentMessage) message = make (ORDER);
  g_autoptr (GVariant) expected = agent_payload_from_json (ORDER, NULL);
  const char      *text = agent_message_get_payload_json (message);
  g_autofree char *copy = agent_message_dup_payload_json (message);

  g_assert_cmpstr (text, ==, ORDER);
  g_assert_cmpstr (copy, ==, ORDER);
  g_assert_true (agent_message_has_payload_json (message));
  g_assert_cmpvariant (agent_message_get_payload (message), expected);
  g_assert_false (g_variant_is_floating (agent_message_get_payload (message)));
  g_assert_true (agent_message_get_payload (message) == agent_message_get_payload (message));
  g_assert_true (agent_message_get_payload_json (message) == text);
}

static void
test_from_variant (void)
{
  GVariant *payload = g_variant_new_parsed ("{'a': <(1, 'x')>}");
  g_autoptr (AgentMessage) message = agent_message_new_task_update ("a", "b", "t", payload);
  gsize       size = _agent_message_get_size (message);
  const char *text = agent_message_get_payload_json (message);

  g_assert_cmpstr (text, ==, "{\"a\":[1,\"x\"]}");
  g_assert_true (agent_message_get_payload_json (message) == text);
  g_assert_true (agent_message_get_payload (message) == payload);
  g_assert_false (agent_message_has_payload_json (message));
  g_assert_cmpuint (_agent_message_get_size (message), ==, size);
}

static void
test_nothing (void)
{
  g_autoptr (AgentMessage) update = agent_message_new_task_update ("a", "b", "t", NULL);
  g_autoptr (AgentMessage) end = agent_message_new_end ("a", "b", "why");
  g_autoptr (AgentFrame) frame = agent_frame_new ("x", NULL, NULL);
  g_autoptr (AgentMessage) framed = agent_message_new_frame ("a", "b", frame, 0);

  g_assert_null (agent_message_get_payload_json (update));
  g_assert_null (agent_message_get_payload_json (end));
  g_assert_null (agent_message_get_payload_json (framed));
  g_assert_false (agent_message_has_payload_json (update));
  g_assert_false (agent_message_has_payload_json (framed));
  g_assert_null (agent_message_dup_payload_json (framed));
}

static void
count_free (gpointer data)
{
  g_atomic_int_inc ((gint *) data);
}

static void
test_replaced (void)
{
  gint      n_freed = 0;
  GVariant *payload = g_variant_new_from_data (
      G_VARIANT_TYPE_BYTESTRING, "x", 1, TRUE, count_free, &n_freed);
  g_autoptr (AgentMessage) message = agent_message_new_task_update ("a", "b", "t", payload);
  g_autoptr (GError) error = NULL;

  g_assert_false (agent_message_set_payload_json (message, "[", &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
  g_assert_true (agent_message_get_payload (message) == payload);
  g_assert_false (agent_message_set_payload_json (message, "[", NULL));

  g_assert_true (agent_message_set_payload_json (message, "[1]", NULL));
  g_assert_cmpint (n_freed, ==, 1);
  g_assert_nonnull (agent_message_get_payload (message));
  g_assert_true (agent_message_set_payload_json (message, agent_message_get_payload_json (message), NULL));
  g_assert_cmpstr (agent_message_get_payload_json (message), ==, "[1]");
  g_assert_true (agent_message_set_payload_json (message, "2", NULL));
  g_assert_cmpint (g_variant_get_int64 (agent_message_get_payload (message)), ==, 2);
}

static void
test_long (void)
{
  for (gsize length = 0; length < 3000; length += 37)
    {
      g_autofree char *inside = g_strnfill (length, 'x');
      g_autofree char *text = g_strdup_printf ("\"%s\"", inside);
      g_autoptr (AgentMessage) message = make (text);

      g_assert_cmpstr (agent_message_get_payload_json (message), ==, text);
      g_assert_cmpstr (g_variant_get_string (agent_message_get_payload (message), NULL), ==, inside);
      g_assert_cmpuint (_agent_message_get_size (message), ==, length + 2);
    }
}

static void
test_copies_share (void)
{
  g_autoptr (AgentMessage) message = make (ORDER);
  g_autoptr (AgentMessage) copy = _agent_message_copy_unsent (message);
  const char *text = agent_message_get_payload_json (copy);

  g_assert_true (agent_message_get_payload (copy) == agent_message_get_payload (message));
  g_assert_true (agent_message_get_payload_json (message) == text);
  g_clear_pointer (&message, agent_message_unref);
  g_assert_cmpstr (text, ==, ORDER);
}

static void
test_allowed (void)
{
  g_autoptr (AgentMessage) end = agent_message_new_end ("a", "b", "why");
  g_autoptr (AgentMessage) cancel = agent_message_new_task_cancel ("a", "b", "t", NULL);
  g_autoptr (AgentMessage) routed = agent_message_new_routed (AGENT_MESSAGE_TYPE_MODEL_UPDATE, "a", "b", NULL);
  g_autoptr (AgentMessage) custom = agent_message_new_custom ("mine", AGENT_CHANNEL_DATA, "a", NULL, NULL);
  g_autoptr (AgentFrame) frame = agent_frame_new ("x", NULL, NULL);
  g_autoptr (AgentMessage) framed = agent_message_new_frame ("a", "b", frame, 0);
  g_autoptr (AgentMessage) sent = make ("1");

  assert_critical (g_assert_false (agent_message_set_payload_json (end, "1", NULL)), "is_allowed");
  assert_critical (g_assert_false (agent_message_set_payload_json (cancel, "1", NULL)), "is_allowed");
  assert_critical (g_assert_false (agent_message_set_payload_json (framed, "1", NULL)), "is_allowed");
  g_assert_true (agent_message_get_frame (framed) == frame);
  g_assert_true (agent_message_set_payload_json (routed, "1", NULL));
  g_assert_true (agent_message_set_payload_json (custom, "1", NULL));

  g_atomic_int_set (&sent->sent, 1);
  assert_critical (g_assert_false (agent_message_set_payload_json (sent, "2", NULL)), "sent");
  assert_critical (g_assert_false (agent_message_set_payload_json (NULL, "2", NULL)), "self");
  assert_critical (g_assert_false (agent_message_set_payload_json (custom, NULL, NULL)), "text");
  assert_critical (g_assert_null (agent_message_get_payload_json (NULL)), "self");
  assert_critical (g_assert_false (agent_message_has_payload_json (NULL)), "self");
}

static void
test_printed (void)
{
  g_autoptr (AgentMessage) message = make (ORDER);
  g_autofree char *inside = g_strnfill (1000, 'x');
  g_autofree char *text = g_strdup_printf ("[\"%s\"]", inside);
  g_autoptr (AgentMessage) large = make (text);
  g_autofree char *line = agent_message_to_string (message);
  g_autofree char *large_line = agent_message_to_string (large);

  g_assert_cmpstr (line, ==, "#0 task-update a -> b task=t  {\"id\": 17, \"price\": 1.50, \"tags\": [\"a\", null], \"ok\": true} ");
  g_assert_true (g_str_has_suffix (large_line, "xxx..."));
  g_assert_cmpuint (strlen (large_line), <, 300);
}

/* --- Limits in bytes --- */

/* What a channel adds when a message goes in is what it subtracts when the message comes out, whatever was made of the
 * payload in between. */
static void
test_limit (TestFixture *f)
{
  g_autoptr (TestRecorder) recorder =
      test_recorder_new_full (NULL, NULL, "name", "b", "max-bytes", G_GUINT64_CONSTANT (100), NULL);
  g_autofree char *inside = g_strnfill (48, 'x');
  g_autofree char *text = g_strdup_printf ("\"%s\"", inside);

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (recorder), NULL));
  for (guint round = 0; round < 20; round++)
    {
      g_autoptr (AgentMessage) first = make (text);
      g_autoptr (AgentMessage) second =
          agent_message_new_task_update ("a", "b", "t", g_variant_new_string (inside));

      /* 50 bytes and 49 bytes. */
      g_assert_cmpuint (agent_bus_send (f->bus, agent_message_ref (first)), ==, 1);
      g_assert_cmpuint (agent_bus_send (f->bus, agent_message_ref (second)), ==, 1);
      g_assert_cmpuint (agent_bus_send (f->bus, make ("11")), ==, 0);
      if (round % 2 == 0)
        {
          g_assert_nonnull (agent_message_get_payload (first));
          g_assert_nonnull (agent_message_get_payload_json (second));
        }
      g_assert_cmpuint (agent_bus_send (f->bus, make ("11")), ==, 0);
      test_drain (f);
      g_assert_cmpuint (test_recorder_count (recorder), ==, 2 * (round + 1));
    }

  test_assert_balanced (f->bus);
  test_expect_log (f, "full");
}

/* --- In any thread --- */

#define N_THREADS 4
#define N_ROUNDS 300

/* All threads ask in an order of their own. */
static TestForms
ask_for_forms (AgentMessage *message,
               guint         thread,
               guint         round)
{
  TestForms seen = { NULL, NULL };

  if ((thread + round) % 2 == 0)
    seen.text = agent_message_get_payload_json (message);
  seen.value = agent_message_get_payload (message);
  g_assert_cmpuint (_agent_message_get_size (message), ==, round % 2 == 0 ? 5 : 6);
  seen.text = agent_message_get_payload_json (message);
  g_assert_cmpint (agent_message_has_payload_json (message), ==, round % 2 == 0);
  g_assert_cmpuint (strlen (seen.text), >, 0);
  g_assert_cmpuint (g_variant_get_size (agent_message_get_payload (message)), >, 0);
  return seen;
}

static void
test_race (void)
{
  g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);

  for (guint i = 0; i < N_ROUNDS; i++)
    g_ptr_array_add (messages,
                     i % 2 == 0 ? make ("[1,2]")
                                : agent_message_new_task_update ("a", "b", "t", g_variant_new_string ("hello")));
  test_race_forms (messages, N_THREADS, ask_for_forms);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  test_add_func ("/agentbus/payload-text/agrees-on-pieces", test_agrees_on_pieces);
  test_add_func ("/agentbus/payload-text/agrees-on-depth", test_agrees_on_depth);
  test_add_func ("/agentbus/payload-text/agrees-on-siblings", test_agrees_on_siblings);
  test_add_func ("/agentbus/payload-text/agrees-at-random", test_agrees_at_random);
  test_add_func ("/agentbus/payload-text/check-builds-nothing", test_check_builds_nothing);
  test_add_func ("/agentbus/payload-text/verbatim", test_verbatim);
  test_add_func ("/agentbus/payload-text/from-variant", test_from_variant);
  test_add_func ("/agentbus/payload-text/nothing", test_nothing);
  test_add_func ("/agentbus/payload-text/replaced", test_replaced);
  test_add_func ("/agentbus/payload-text/long", test_long);
  test_add_func ("/agentbus/payload-text/copies-share", test_copies_share);
  test_add_func ("/agentbus/payload-text/allowed", test_allowed);
  test_add_func ("/agentbus/payload-text/printed", test_printed);
  test_add ("/agentbus/payload-text/limit", test_limit);
  test_add_func ("/agentbus/payload-text/race", test_race);

  return g_test_run ();
}
