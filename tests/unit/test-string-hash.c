/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <agentbus/agentbus.h>

#include "base/agent-string-hash-private.h"

#include <string.h>

#define N_NAMES 20000

/* How a table without a key would hash a name, with which anybody can compute names that collide. */
#define FACTOR G_GUINT64_CONSTANT (0x9e3779b97f4a7c15)

static guint n_str_hashes;

guint __wrap_g_str_hash (gconstpointer name);
guint __real_g_str_hash (gconstpointer name);

guint
__wrap_g_str_hash (gconstpointer name)
{
  n_str_hashes++;
  return __real_g_str_hash (name);
}

static guint64
mix (guint64 hash)
{
  hash *= FACTOR;
  return hash ^ (hash >> 32);
}

static guint64
hash_without_key (const char *name)
{
  guint64 length = strlen (name);

  g_assert_cmpuint (length, ==, 16);

  return mix (mix (length ^ _agent_string_hash_get_8 (name)) ^ _agent_string_hash_get_8 (name + 8));
}

static guint64
make_word (GRand *rand)
{
  guint64 word = 0;

  for (guint i = 0; i < 8; i++)
    word = word << 8 | (guint64) g_rand_int_range (rand, 'a', 'z' + 1);

  return word;
}

/* The letters of @number, so that no two are the same. */
static guint64
spell_word (guint64 number)
{
  guint64 word = 0;

  for (guint i = 0; i < 8; i++, number /= 26)
    word = word << 8 | ('a' + number % 26);

  return word;
}

/* Names of 16 bytes that all have one hash without a key. */
static GPtrArray *
make_colliding_names (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (17);
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  guint64    wanted = mix (16 ^ make_word (rand)) ^ make_word (rand);

  for (guint64 i = 0; names->len < N_NAMES; i++)
    {
      guint64 words[2] = { spell_word (i) };

      words[1] = mix (16 ^ words[0]) ^ wanted;
      if (memchr (&words[1], '\0', sizeof words[1]) == NULL)
        g_ptr_array_add (names, g_strndup ((const char *) words, sizeof words));
    }

  return names;
}

static int
compare_hashes (gconstpointer a,
                gconstpointer b)
{
  guint64 one = *(const guint64 *) a;
  guint64 other = *(const guint64 *) b;

  return (one > other) - (one < other);
}

/* How many of @hashes are the same as another one; sorts them. */
static guint
count_doubles (GArray *hashes)
{
  guint n_doubles = 0;

  g_array_sort (hashes, compare_hashes);
  for (guint i = 1; i < hashes->len; i++)
    n_doubles += g_array_index (hashes, guint64, i) == g_array_index (hashes, guint64, i - 1);

  return n_doubles;
}

static void
test_colliding_names (void)
{
  g_autoptr (GPtrArray) names = make_colliding_names ();
  g_autoptr (GArray) hashes = g_array_new (FALSE, FALSE, sizeof (guint64));
  g_autoptr (GArray) short_hashes = g_array_new (FALSE, FALSE, sizeof (guint64));

  for (guint i = 0; i < names->len; i++)
    {
      guint64 hash = _agent_string_hash (names->pdata[i], 16);
      guint64 short_hash = _agent_string_hash_func (names->pdata[i]);

      g_assert_cmpuint (hash_without_key (names->pdata[i]), ==, hash_without_key (names->pdata[0]));
      g_array_append_val (hashes, hash);
      g_array_append_val (short_hashes, short_hash);
    }

  g_assert_cmpuint (count_doubles (hashes), ==, 0);
  /* A hash of 32 bits makes one double in 20 runs. */
  g_assert_cmpuint (count_doubles (short_hashes), <=, 4);
}

/* Neither do names that are only numbered, which are what applications have. */
static void
test_numbered_names (void)
{
  guint n_in_place[1024] = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (n_in_place) * 16; i++)
    {
      g_autofree char *name = g_strdup_printf ("a%u", i);

      n_in_place[_agent_string_hash_func (name) % G_N_ELEMENTS (n_in_place)]++;
    }

  for (guint i = 0; i < G_N_ELEMENTS (n_in_place); i++)
    g_assert_cmpuint (n_in_place[i], <, 16 * 4);
}

/* A multiplication of 64 bits carries nothing downwards: the last bit of a word flips two bits of what comes after,
 * whatever the key is. */
static void
test_upper_bits (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (4711);

  for (guint i = 0; i < 1000; i++)
    {
      guint64 words[2] = { make_word (rand), make_word (rand) };
      guint64 hash = _agent_string_hash ((const char *) words, sizeof words);

      words[0] ^= G_GUINT64_CONSTANT (1) << 63;
      words[1] ^= G_GUINT64_CONSTANT (1) << 63 | G_GUINT64_CONSTANT (1) << 31;
      g_assert_cmpuint (_agent_string_hash ((const char *) words, sizeof words), !=, hash);
    }
}

/* The last words of two names are the same here, and the first ones make up for the lengths. */
static void
test_lengths (void)
{
  const char one[] = "acccccccx";
  const char other[] = { 'a' ^ 9 ^ 10, 'c', 'c', 'c', 'c', 'c', 'c', 'c', 'c', 'x', '\0' };

  g_assert_cmpuint (_agent_string_hash_get_8 (one + 1), ==, _agent_string_hash_get_8 (other + 2));
  g_assert_cmpuint (_agent_string_hash (one, 9), !=, _agent_string_hash (other, 10));
  g_assert_cmpuint (_agent_string_hash ("aaaa", 4), !=, _agent_string_hash ("aaaaa", 5));
  g_assert_cmpuint (_agent_string_hash ("", 0), !=, _agent_string_hash ("\0", 1));
  g_assert_cmpuint (_agent_string_hash ("aaaaaaaa", 8), !=, _agent_string_hash ("aaaaaaaaa", 9));
}

/* Every byte of a name counts, at any address. */
static void
test_each_byte (void)
{
  char buffer[64];

  for (gsize length = 1; length < 40; length++)
    {
      char   *name = buffer + length % 8;
      guint64 hash;

      memset (buffer, 'a', sizeof buffer);
      hash = _agent_string_hash (name, length);
      for (gsize i = 0; i < length; i++)
        {
          name[i] = 'b';
          g_assert_cmpuint (_agent_string_hash (name, length), !=, hash);
          name[i] = 'a';
        }
      g_assert_cmpuint (_agent_string_hash (name, length), ==, hash);
    }
}

static void
test_portable (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  const guint64 edges[] = { 0, 1, G_MAXUINT32, G_GUINT64_CONSTANT (1) << 32, G_MAXUINT64 };

  for (guint i = 0; i < 1000; i++)
    {
      guint64 a = i < 25 ? edges[i / 5] : make_word (rand) * FACTOR;
      guint64 b = i < 25 ? edges[i % 5] : make_word (rand) * FACTOR;

      g_assert_cmpuint (_agent_string_hash_fold (a, b), ==, _agent_string_hash_fold_portable (a, b));
    }

  /* (2⁶⁴ − 1)² is 2¹²⁸ − 2·2⁶⁴ + 1. */
  g_assert_cmpuint (_agent_string_hash_fold_portable (G_MAXUINT64, G_MAXUINT64), ==, (G_MAXUINT64 - 1) ^ 1);
}

static void
test_key_of_another_process (void)
{
  g_autofree char *key = g_strdup_printf ("*key %" G_GINT64_MODIFIER "x %" G_GINT64_MODIFIER "x.*",
                                          _agent_string_hash_key[0],
                                          _agent_string_hash_key[1]);

  if (g_test_subprocess ())
    {
      g_printerr ("%s\n", key);
      return;
    }

  g_assert_cmpuint (_agent_string_hash_key[1] % 2, ==, 1);
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("*key *");
  g_test_trap_assert_stderr_unmatched (key);
}

static void
test_tables_have_the_key (void)
{
  g_autoptr (AgentBus) bus = agent_bus_new ();
  g_autoptr (AgentRouteTable) table = agent_route_table_new ();
  g_autoptr (AgentRouterDispatcher) dispatcher = agent_router_dispatcher_new (bus, table);
  g_autoptr (GError) error = NULL;

  n_str_hashes = 0;
  agent_route_table_assign (table, "actor", "router");
  agent_router_dispatcher_dispatch (
      dispatcher, agent_message_new_routed (AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, "s", "actor", NULL), &error);
  g_assert_no_error (error);
  g_assert_true (agent_route_table_remove (table, "actor"));
  g_assert_cmpuint (n_str_hashes, ==, 0);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/agentbus/string-hash/colliding-names", test_colliding_names);
  g_test_add_func ("/agentbus/string-hash/numbered-names", test_numbered_names);
  g_test_add_func ("/agentbus/string-hash/upper-bits", test_upper_bits);
  g_test_add_func ("/agentbus/string-hash/lengths", test_lengths);
  g_test_add_func ("/agentbus/string-hash/each-byte", test_each_byte);
  g_test_add_func ("/agentbus/string-hash/portable", test_portable);
  g_test_add_func ("/agentbus/string-hash/key-of-another-process", test_key_of_another_process);
  g_test_add_func ("/agentbus/string-hash/tables-have-the-key", test_tables_have_the_key);

  return g_test_run ();
}
