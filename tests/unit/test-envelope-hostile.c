/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <agentbus/agentbus.h>

#include <string.h>

#include "test-envelopes.h"
#include "test-support.h"

/*
 * Envelopes that no library has written, or one of another version. Each is refused with an error that says why, or read into a
 * message that is sound in every way. AGENTBUS_SOAK makes more of those that are changed at random.
 */

#define N_MUTATIONS 5000
#define N_MUTATIONS_OF_SOAK 100000 /* times AGENTBUS_SOAK */

static void
assert_refused (const GByteArray *packet,
                const char       *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (test_envelope_read (packet, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
  g_test_message ("%s", error->message);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_assert_nonnull (strstr (error->message, text));
  g_assert_null (test_envelope_read (packet, NULL));
}

/* Returns whether the message was read. */
static gboolean
read_anything (const GByteArray *packet)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AgentMessage) message = test_envelope_read (packet, &error);

  if (message == NULL)
    {
      g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
      return FALSE;
    }

  test_envelope_assert_sound (message);
  return TRUE;
}

static GPtrArray *
make_all (void)
{
  GPtrArray *all = g_ptr_array_new_with_free_func ((GDestroyNotify) g_byte_array_unref);

  for (guint type = 0; type <= AGENT_MESSAGE_TYPE_HAND_OFF; type++)
    {
      g_autoptr (AgentMessage) message = test_envelope_make_full (type, FALSE);

      g_ptr_array_add (all, test_envelope_write (message));
    }
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (AgentMessage) message = test_envelope_make_full (AGENT_MESSAGE_TYPE_ACTIVATE, TRUE);

      g_ptr_array_add (all, test_envelope_write (message));
    }

  return all;
}

/* --- Damage --- */

static void
test_truncated (void)
{
  g_autoptr (GPtrArray) all = make_all ();

  for (guint i = 0; i < all->len; i++)
    {
      GByteArray *packet = all->pdata[i];

      while (packet->len > 0)
        {
          g_byte_array_set_size (packet, packet->len - 1);
          assert_refused (packet, "damaged");
        }
    }
}

static void
test_each_bit (void)
{
  g_autoptr (GPtrArray) all = make_all ();

  for (guint i = 0; i < all->len; i++)
    {
      GByteArray *packet = all->pdata[i];

      for (guint bit = 0; bit < packet->len * 8; bit++)
        {
          packet->data[bit / 8] ^= 1 << bit % 8;
          read_anything (packet);
          packet->data[bit / 8] ^= 1 << bit % 8;
        }
      g_assert_true (read_anything (packet));
    }
}

static void
mutate (GRand      *rand,
        GByteArray *packet)
{
  for (guint n = g_rand_int_range (rand, 1, 4); n > 0 && packet->len > 0; n--)
    {
      guint  at = g_rand_int_range (rand, 0, g_rand_boolean (rand) ? MIN (packet->len, 40) : packet->len);
      guint8 value = g_rand_int_range (rand, 0, 256);

      switch (g_rand_int_range (rand, 0, 8))
        {
        case 0:
          g_byte_array_remove_index (packet, at);
          break;
        case 1:
          g_byte_array_append (packet, &value, 1);
          break;
        case 2:
          g_byte_array_set_size (packet, at);
          break;
        case 3:
        case 4:
          packet->data[at] = value;
          break;
        default:
          packet->data[at] ^= 1 << g_rand_int_range (rand, 0, 8);
          break;
        }
    }
}

static guint
get_n_mutations (void)
{
  const char *soak = g_getenv ("AGENTBUS_SOAK");

  return soak != NULL ? (guint) (g_ascii_strtod (soak, NULL) * N_MUTATIONS_OF_SOAK) : N_MUTATIONS;
}

static void
test_mutations (void)
{
  g_autoptr (GPtrArray) all = make_all ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (g_test_rand_int ());
  guint n = get_n_mutations ();
  guint n_read = 0;

  for (guint i = 0; i < n; i++)
    {
      GByteArray *packet = all->pdata[i % all->len];
      g_autoptr (GByteArray) changed = g_byte_array_sized_new (packet->len);

      g_byte_array_append (changed, packet->data, packet->len);
      mutate (rand, changed);
      n_read += read_anything (changed);
    }

  g_test_message ("%u of %u were read", n_read, n);
  g_assert_cmpuint (n_read, >, n / 20);
  g_assert_cmpuint (n_read, <, n - n / 20);
}

/* Nothing but noise after a header that promises much. */
static void
test_noise (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (g_test_rand_int ());

  for (guint i = 0; i < get_n_mutations () / 4; i++)
    {
      g_autoptr (GByteArray) packet = g_byte_array_new ();

      g_byte_array_set_size (packet, g_rand_int_range (rand, 1, 200));
      for (guint j = 0; j < packet->len; j++)
        packet->data[j] = g_rand_boolean (rand) ? 0 : g_rand_int_range (rand, 0, 256);
      packet->data[0] = AGENT_ENVELOPE_MAJOR << 4;
      read_anything (packet);
    }
}

/* Behind the packet there is memory that would be a fine envelope, but does not belong to it. */
static void
test_outside_of_packet (void)
{
  g_autoptr (AgentMessage) message = agent_message_new_end ("a", "b", NULL);
  g_autoptr (GByteArray) two = test_envelope_write (message);
  const gsize size = two->len;
  const gsize cases[][2] = {
    { 0, size + 1 },
    { 1, size },
    { size, size },
    { size, 1 },
    { size + 1, 0 },
    { 0, 0 },
    { size, 0 },
    { 1, G_MAXSIZE },
    { G_MAXSIZE, 1 },
    { G_MAXSIZE, size + 1 },
  };
  g_autoptr (GBytes) packet = NULL;
  g_autoptr (GBytes) cut = NULL;

  g_assert_true (_agent_envelope_append (two, message, NULL, NULL));
  packet = g_bytes_new_static (two->data, size);
  cut = g_bytes_new_static (two->data, size - 1);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (_agent_envelope_read (packet, cases[i][0], cases[i][1], &error));
      g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
    }
  g_assert_null (_agent_envelope_read (cut, 0, size, NULL));
}

/* --- Other versions --- */

/* An extension of a later version. */
static void
append_extension (GByteArray *packet,
                  guint8      tag,
                  guint32     size,
                  guint       n_bytes)
{
  guint32 little = GUINT32_TO_LE (size);

  packet->data[0] = AGENT_ENVELOPE_MAJOR << 4 | 7;
  packet->data[7] |= AGENT_ENVELOPE_FORM_EXTENDED >> 24;
  g_byte_array_append (packet, &tag, 1);
  g_byte_array_append (packet, (const guint8 *) &little, sizeof little);
  for (guint i = 0; i < n_bytes; i++)
    g_byte_array_append (packet, &tag, 1);
}

static void
test_later_minor_version (void)
{
  for (guint type = 0; type <= AGENT_MESSAGE_TYPE_HAND_OFF; type++)
    {
      g_autoptr (AgentMessage) message = test_envelope_make_full (type, FALSE);
      g_autoptr (GByteArray) packet = test_envelope_write (message);
      g_autoptr (AgentMessage) read = NULL;
      g_autoptr (GError) error = NULL;

      append_extension (packet, 1, 3, 3);
      append_extension (packet, 127, 0, 0);
      append_extension (packet, 1, 200, 200);
      read = test_envelope_read (packet, &error);
      g_assert_no_error (error);
      test_envelope_assert_same (message, read);
    }
}

static void
test_later_minor_version_cut (void)
{
  g_autoptr (AgentMessage) message = agent_message_new_end ("a", "b", NULL);
  g_autoptr (GByteArray) packet = test_envelope_write (message);
  guint length = packet->len;

  append_extension (packet, 1, 3, 3);
  for (guint i = packet->len - 1; i > length; i--)
    {
      g_byte_array_set_size (packet, i);
      assert_refused (packet, "damaged");
    }
  g_byte_array_set_size (packet, length);
  append_extension (packet, 1, G_MAXUINT32, 3);
  assert_refused (packet, "damaged");
}

static void
test_extension_that_must_be_known (void)
{
  g_autoptr (AgentMessage) message = agent_message_new_end ("a", "b", NULL);
  g_autoptr (GByteArray) packet = test_envelope_write (message);

  append_extension (packet, 200, 1, 1);
  assert_refused (packet, "needs extension 200, which is not known");
}

static void
test_other_major_version (void)
{
  g_autoptr (AgentMessage) message = agent_message_new_end ("a", "b", NULL);
  g_autoptr (GByteArray) packet = test_envelope_write (message);

  packet->data[0] = 0x20;
  assert_refused (packet, "Version 2 of the envelope is not known");
  packet->data[0] = 0x01;
  assert_refused (packet, "Version 0 of the envelope is not known");
  g_byte_array_set_size (packet, 1);
  packet->data[0] = 0xf0;
  assert_refused (packet, "Version 15 of the envelope is not known");
}

/* A bit that is not known says something of the bytes behind it. */
static void
test_unknown_bits (void)
{
  for (guint bit = AGENT_ENVELOPE_N_FIELDS; bit < 32; bit++)
    {
      g_autoptr (AgentMessage) message = agent_message_new_end ("a", "b", NULL);
      g_autoptr (GByteArray) packet = test_envelope_write (message);

      if ((1u << bit & (AGENT_ENVELOPE_FORM_BIG_ENDIAN | AGENT_ENVELOPE_FORM_EXTENDED)) != 0)
        continue;
      packet->data[4 + bit / 8] |= 1 << bit % 8;
      assert_refused (packet, "has a field that is not known");
    }
}

static void
test_bytes_after_the_end (void)
{
  g_autoptr (AgentMessage) message = agent_message_new_end ("a", "b", NULL);
  g_autoptr (GByteArray) packet = test_envelope_write (message);
  guint8 zero = 0;

  g_byte_array_append (packet, &zero, 1);
  assert_refused (packet, "damaged");

  /* Even if they look like an extension. */
  g_byte_array_set_size (packet, packet->len - 1);
  append_extension (packet, 1, 3, 3);
  packet->data[7] &= (guint8) ~(AGENT_ENVELOPE_FORM_EXTENDED >> 24);
  assert_refused (packet, "damaged");
}

/* --- What a field may not be --- */

static const struct
{
  AgentMessageParts parts;
  const char       *error;
} wrong_parts[] = {
  { { .type = AGENT_MESSAGE_TYPE_END, .source = "" }, "“source” is empty" },
  { { .type = AGENT_MESSAGE_TYPE_END, .source = "a", .target = "" }, "“target” is empty" },
  { { .type = AGENT_MESSAGE_TYPE_END, .source = "a", .task_id = "t" }, "“task-id” does not belong" },
  { { .type = AGENT_MESSAGE_TYPE_END, .source = "a", .label = "t" }, "“name” does not belong" },
  { { .type = AGENT_MESSAGE_TYPE_ACTIVATE, .source = "a", .reason = "t" }, "“reason” does not belong" },
  { { .type = AGENT_MESSAGE_TYPE_ACTIVATE, .source = "a", .status = 1 }, "“status” does not belong" },
  { { .type = AGENT_MESSAGE_TYPE_ACTIVATE, .source = "a", .direction = 1 }, "“direction” does not belong" },
  { { .type = AGENT_MESSAGE_TYPE_CUSTOM, .source = "a" }, "“name” is missing" },
  { { .type = AGENT_MESSAGE_TYPE_CUSTOM, .source = "a", .label = "" }, "“name” is empty" },
  { { .type = AGENT_MESSAGE_TYPE_CUSTOM, .source = "a", .label = "cancel" }, "“name” is the name of a built-in type" },
  { { .type = AGENT_MESSAGE_TYPE_SHUTDOWN, .source = "a" }, "“target” is missing" },
  { { .type = AGENT_MESSAGE_TYPE_TASK_UPDATE, .source = "a" }, "“task-id” is missing" },
  { { .type = AGENT_MESSAGE_TYPE_AGENT_ERROR, .source = "a" }, "“reason” is missing" },
  { { .type = AGENT_MESSAGE_TYPE_FRAME, .source = "a" }, "“frame” is missing" },
  { { .type = AGENT_MESSAGE_TYPE_AGENT_READY, .source = "a" }, "“info” is missing" },
  { { .type = AGENT_MESSAGE_TYPE_AGENT_READY, .source = "a", .target = "b" }, "“target” does not belong" },
  { { .type = AGENT_MESSAGE_TYPE_AGENT_REGISTRY, .source = "a" }, "“runner” is missing" },
  { { .type = AGENT_MESSAGE_TYPE_AGENT_REGISTRY, .source = "a", .label = "r" }, "“infos” is missing" },
};

static void
test_wrong_parts (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (wrong_parts); i++)
    {
      g_autoptr (AgentMessage) message = _agent_message_new_from_parts (&wrong_parts[i].parts);
      g_autoptr (GByteArray) packet = test_envelope_write (message);

      assert_refused (packet, wrong_parts[i].error);
    }
}

/* The first @from of a sound envelope becomes @to, which is as long. */
static void
assert_refused_with (AgentMessage *message,
                     const char   *from,
                     const char   *to,
                     gsize         length,
                     const char   *error)
{
  g_autoptr (GByteArray) packet = test_envelope_write (message);

  g_assert_true (read_anything (packet));
  for (gsize at = 0;; at++)
    {
      g_assert_cmpuint (at + length, <=, packet->len);
      if (memcmp (packet->data + at, from, length) != 0)
        continue;

      memcpy (packet->data + at, to, length);
      assert_refused (packet, error);
      return;
    }
}

#define REPLACE(MESSAGE, FROM, TO, ERROR) assert_refused_with (MESSAGE, FROM, TO, sizeof (FROM) - 1, ERROR)

static void
test_wrong_values (void)
{
  g_autoptr (AgentMessage) full = test_envelope_make_full (AGENT_MESSAGE_TYPE_TASK_RESPONSE, FALSE);
  g_autoptr (AgentMessage) json = test_envelope_make_full (AGENT_MESSAGE_TYPE_TASK_RESPONSE, TRUE);
  g_autoptr (AgentMessage) typed = agent_message_new_activate ("marked", "b", g_variant_new_parsed ("{'a': 1}"));

  REPLACE (full, "\x10\x09\x03", "\x10\xff\x03", "type of the message is not known");
  REPLACE (full, "\x10\x09\x03", "\x10\x09\x05", "“status” has a value that is not known");
  REPLACE (full, "a.b", "a..", "“topic” has an empty token");
  REPLACE (full, "a.b", "a.*", "“topic” has a wildcard");
  REPLACE (full, "talk", "\0alk", "“conversation” is empty");
  REPLACE (full, "talk", "t\xff\xffk", "“conversation” is not valid UTF-8");
  REPLACE (full, "\x03\0\0\0\0\0\0\0", "\x03\0\0\0\0\0\0\x80", "“conversation” has an epoch that is too large");
  REPLACE (full, "00-1-2-01", "00-\xff-2-01", "“trace” is not valid UTF-8");
  REPLACE (json, "[1.50, null]", "[1.50, nill]", "“payload-json” cannot be read");
  REPLACE (json, "[1.50, null]", "[1.50]}\0null", "damaged");
  REPLACE (typed, "marked", "m\xffrked", "“source” is not valid UTF-8");
  REPLACE (typed, "a{si}", "a{vi}", "“payload” is of no type");
  REPLACE (typed, "a{si}", "a{s*}", "“payload” is of no type");
  REPLACE (typed, "a{si}", "aaaaa", "“payload” is of no type");
  REPLACE (typed, "a{si}", "issss", "“payload” is of no type");
  REPLACE (typed, "a{si}", "\0{si}", "damaged");
}

static void
test_both_payloads (void)
{
  g_autoptr (AgentMessage) message = agent_message_new_activate ("a", "b", g_variant_new_string ("1"));
  g_autoptr (GByteArray) packet = test_envelope_write (message);

  packet->data[4 + AGENT_ENVELOPE_JSON / 8] |= 1 << AGENT_ENVELOPE_JSON % 8;
  assert_refused (packet, "“payload” and “payload-json” are both there");
}

static void
test_wrong_frames (void)
{
  g_autoptr (AgentFrame) frame =
      agent_frame_new_copy ("kind of", "data", 4, g_variant_new_parsed ("{'rate': <16000>}"));
  g_autoptr (AgentMessage) message = NULL;

  agent_frame_set_pts (frame, 0x1122334455667788);
  message = agent_message_new_frame ("a", "b", frame, AGENT_FRAME_DIRECTION_UPSTREAM);
  REPLACE (message, "kind of", "\0ind of", "damaged");
  REPLACE (message, "kind of", "kin\xff of", "“frame.kind” is not valid UTF-8");
  REPLACE (message, "\x88\x77\x66\x55\x44\x33\x22\x11", "\xfe\xff\xff\xff\xff\xff\xff\xff", "“frame.pts” is negative");
  REPLACE (message, "\x03\0\0\0rate", "\x02\0\0\0rate", "damaged");
  REPLACE (message, "\x03\0\0\0rate", "\x01\0\0\0rate", "damaged");
  REPLACE (message, "rate\0", "rat\xff\0", "damaged");
}

/* An agent may announce only itself. */
static void
test_forged_ready (void)
{
  g_autoptr (AgentInfo) info = agent_info_new ("a", "runner", NULL, TRUE, FALSE, 0);
  g_autoptr (AgentMessage) message = agent_message_new_agent_ready (info);
  g_autoptr (GByteArray) packet = g_byte_array_new ();

  g_assert_true (_agent_envelope_append (packet, message, "b", NULL));
  assert_refused (packet, "“source” is not the agent");
}

static void
test_wrong_infos (void)
{
  g_autoptr (AgentInfo) info = agent_info_new ("marked", "runner", NULL, TRUE, FALSE, 0);
  g_autoptr (GPtrArray) infos = g_ptr_array_new ();
  g_autoptr (AgentMessage) message = NULL;

  g_ptr_array_add (infos, info);
  message = agent_message_new_agent_registry ("a", NULL, "r", infos);
  REPLACE (message, "runner\0\0runner", "ranner\0\0runner", "“infos.runner” is missing");
  REPLACE (message, "marked", "\0arked", "damaged");
}

/* The types of values that a peer makes up are not remembered, and neither are names. */
static void
test_quarks_do_not_grow (void)
{
  g_autoptr (AgentMessage) message = agent_message_new_custom ("made-up", AGENT_CHANNEL_DATA, "made-up-2", NULL, NULL);
  g_autoptr (GByteArray) packet = test_envelope_write (message);
  g_autoptr (AgentMessage) read = test_envelope_read (packet, NULL);

  g_assert_cmpuint (_agent_message_get_detail (read), ==, 0);
  g_assert_cmpuint (g_quark_try_string ("made-up"), ==, 0);
}

/* Values that lie in one another more often than GLib reads. */
static void
test_nested_too_deep (void)
{
  GVariant *payload = g_variant_new_int32 (1);
  g_autoptr (AgentMessage) message = NULL;
  g_autoptr (GByteArray) packet = NULL;
  g_autoptr (AgentMessage) read = NULL;

  for (guint i = 0; i < 200; i++)
    payload = g_variant_new_variant (payload);
  message = agent_message_new_activate ("a", "b", payload);
  packet = test_envelope_write (message);
  read = test_envelope_read (packet, NULL);
  g_assert_true (g_variant_is_normal_form (agent_message_get_payload (read)));
}

int
main (int   argc,
      char *argv[])
{
  test_init_slow (&argc, &argv);

  test_add_func ("/agentbus/envelope-hostile/truncated", test_truncated);
  test_add_func ("/agentbus/envelope-hostile/each-bit", test_each_bit);
  test_add_func ("/agentbus/envelope-hostile/mutations", test_mutations);
  test_add_func ("/agentbus/envelope-hostile/noise", test_noise);
  test_add_func ("/agentbus/envelope-hostile/outside-of-packet", test_outside_of_packet);
  test_add_func ("/agentbus/envelope-hostile/later-minor-version", test_later_minor_version);
  test_add_func ("/agentbus/envelope-hostile/later-minor-version-cut", test_later_minor_version_cut);
  test_add_func ("/agentbus/envelope-hostile/extension-that-must-be-known", test_extension_that_must_be_known);
  test_add_func ("/agentbus/envelope-hostile/other-major-version", test_other_major_version);
  test_add_func ("/agentbus/envelope-hostile/unknown-bits", test_unknown_bits);
  test_add_func ("/agentbus/envelope-hostile/bytes-after-the-end", test_bytes_after_the_end);
  test_add_func ("/agentbus/envelope-hostile/wrong-parts", test_wrong_parts);
  test_add_func ("/agentbus/envelope-hostile/wrong-values", test_wrong_values);
  test_add_func ("/agentbus/envelope-hostile/both-payloads", test_both_payloads);
  test_add_func ("/agentbus/envelope-hostile/wrong-frames", test_wrong_frames);
  test_add_func ("/agentbus/envelope-hostile/forged-ready", test_forged_ready);
  test_add_func ("/agentbus/envelope-hostile/wrong-infos", test_wrong_infos);
  test_add_func ("/agentbus/envelope-hostile/quarks-do-not-grow", test_quarks_do_not_grow);
  test_add_func ("/agentbus/envelope-hostile/nested-too-deep", test_nested_too_deep);

  return g_test_run ();
}
