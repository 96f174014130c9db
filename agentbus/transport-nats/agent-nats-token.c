/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-token-private.h"

#include <string.h>

#define TOKEN_MAX 128
#define TOKEN_HASH "%%"
#define TOKEN_HASH_DIGITS 40

static gboolean
token_is_plain (char c)
{
  return g_ascii_isalnum (c) || c == '_' || c == '-';
}

static char *
token_new_hash (const char *name)
{
  g_autofree char *digits = g_compute_checksum_for_string (G_CHECKSUM_SHA256, name, -1);

  digits[TOKEN_HASH_DIGITS] = '\0';
  return g_strconcat (TOKEN_HASH, digits, NULL);
}

char *
_agent_nats_token_new (const char *name)
{
  g_autoptr (GString) token = g_string_new (NULL);

  /* A subject must not have an empty token. */
  if (*name == '\0')
    return g_strdup ("%");

  for (const char *c = name; *c != '\0' && token->len <= TOKEN_MAX; c++)
    {
      if (token_is_plain (*c))
        g_string_append_c (token, *c);
      else
        g_string_append_printf (token, "%%%02X", (guchar) *c);
    }

  return token->len <= TOKEN_MAX ? g_strdup (token->str) : token_new_hash (name);
}

gboolean
_agent_nats_token_is_hash (const char *token)
{
  return g_str_has_prefix (token, TOKEN_HASH);
}

gboolean
_agent_nats_token_is_of (const char *token,
                         const char *name)
{
  g_autofree char *expected = _agent_nats_token_new (name);

  return strcmp (token, expected) == 0;
}

/* Returns the byte that is written as "%XX", or -1. */
static int
token_read_byte (const char *text)
{
  int high = text[0] == '%' ? g_ascii_xdigit_value (text[1]) : -1;
  int low = high >= 0 ? g_ascii_xdigit_value (text[2]) : -1;

  return low >= 0 ? high * 16 + low : -1;
}

/* Returns NULL if no name has this token, or if it is a hash. */
char *
_agent_nats_token_read (const char *token)
{
  g_autoptr (GString) name = g_string_new (NULL);

  if (strcmp (token, "%") == 0)
    return g_strdup ("");

  while (*token != '\0')
    {
      int byte = token_is_plain (*token) ? *token : token_read_byte (token);

      if (byte <= 0)
        return NULL;
      g_string_append_c (name, (char) byte);
      token += token_is_plain (*token) ? 1 : 3;
    }

  return g_utf8_validate (name->str, name->len, NULL) ? g_strdup (name->str) : NULL;
}
