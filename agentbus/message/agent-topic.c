/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-topic-private.h"

#include <string.h>

#include "base/agent-string-hash-private.h"
#include "base/agent-utf8-private.h"

/* A token of any text, which is no wildcard. */
void
_agent_token_init (AgentToken *self,
                   const char *text,
                   gsize       length)
{
  self->text = text;
  self->length = (guint) length;
  self->wildcard = 0;
  self->hash = _agent_string_hash (text, length);
}

static inline char
topic_get_wildcard (const AgentToken *token)
{
  return token->length == 1 && (token->text[0] == '*' || token->text[0] == '>') ? token->text[0] : 0;
}

static inline gboolean
topic_is_blank (char c)
{
  return (guchar) c <= ' ' || c == 0x7f;
}

/* Finds the end of the token that begins at @text. Returns NULL if a blank or a control character is in it. */
static const char *
topic_find_end (const char *text)
{
  while (*text != '\0' && *text != '.')
    {
      if (topic_is_blank (*text))
        return NULL;
      text++;
    }

  return text;
}

/* Returns what is wrong with @text, or NULL. */
static const char *
topic_split (AgentTopic *self,
             const char *text)
{
  const char *end;

  self->n_tokens = 0;
  for (;; text = end + 1)
    {
      end = topic_find_end (text);
      if (end == NULL)
        return "has a blank or a control character";
      if (end == text)
        return "has an empty token";
      if (self->n_tokens == AGENT_TOPIC_MAX_TOKENS)
        return "has more than 32 tokens";

      _agent_token_init (&self->tokens[self->n_tokens++], text, end - text);
      if (*end == '\0')
        return NULL;
    }
}

/* Returns what is wrong with @topic, or NULL. */
const char *
_agent_topic_split (AgentTopic *self,
                    const char *topic)
{
  const char *problem = topic_split (self, topic);

  for (guint i = 0; i < self->n_tokens && problem == NULL; i++)
    {
      if (topic_get_wildcard (&self->tokens[i]) != 0)
        problem = "has a wildcard";
    }

  return problem;
}

/* Returns what is wrong with @pattern, or NULL. */
const char *
_agent_topic_split_pattern (AgentTopic *self,
                            const char *pattern)
{
  const char *problem;

  if (!_agent_utf8_is_string (pattern))
    return "is not UTF-8";

  problem = topic_split (self, pattern);
  for (guint i = 0; i < self->n_tokens && problem == NULL; i++)
    {
      self->tokens[i].wildcard = topic_get_wildcard (&self->tokens[i]);
      if (self->tokens[i].wildcard == '>' && i + 1 < self->n_tokens)
        problem = "has '>' before its end";
    }

  return problem;
}

static gboolean
topic_token_matches (const AgentToken *pattern,
                     const AgentToken *token)
{
  return pattern->wildcard != 0 ||
         (pattern->hash == token->hash && pattern->length == token->length &&
          memcmp (pattern->text, token->text, token->length) == 0);
}

/* Whether the pattern @self matches @topic. */
gboolean
_agent_topic_matches (const AgentTopic *self,
                      const AgentTopic *topic)
{
  gboolean open_ended = self->tokens[self->n_tokens - 1].wildcard == '>';

  if (open_ended ? topic->n_tokens < self->n_tokens : topic->n_tokens != self->n_tokens)
    return FALSE;

  for (guint i = 0; i < self->n_tokens; i++)
    {
      if (!topic_token_matches (&self->tokens[i], &topic->tokens[i]))
        return FALSE;
    }

  return TRUE;
}

gboolean
_agent_topic_has_wildcard (const AgentTopic *self)
{
  for (guint i = 0; i < self->n_tokens; i++)
    {
      if (self->tokens[i].wildcard != 0)
        return TRUE;
    }

  return FALSE;
}
