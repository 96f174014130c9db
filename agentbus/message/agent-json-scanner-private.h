/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * The words and the punctuation of strict JSON text, which may come from a peer. The reader, which builds a GVariant, and
 * the checker, which builds nothing, both call these functions. So both refuse the same text, with the same error.
 *
 * A function that returns FALSE has set the error of the scanner. A scanner belongs to one thread.
 *
 * JSON-GLib must not be used for text that a peer sends. Version 1.6 leaks if the text has an error, wraps numbers that
 * are too large, passes half of a surrogate pair to GLib, and accepts text that is not JSON. If names are repeated, or
 * chosen to collide, each member of an object takes one step for each member before it: half a megabyte of text takes
 * 15 seconds.
 */
typedef struct
{
  const char *start;
  const char *at;
  guint       depth;
  GString    *text;  /* (nullable) the last string; NULL if strings are checked, but not kept */
  GError    **error;
} AgentJsonScanner;

typedef enum
{
  AGENT_JSON_WORD_NONE,
  AGENT_JSON_WORD_NULL,
  AGENT_JSON_WORD_FALSE,
  AGENT_JSON_WORD_TRUE,
} AgentJsonWord;

gboolean      _agent_json_scanner_refuse      (AgentJsonScanner *self,
                                               const char       *problem);
gboolean      _agent_json_scanner_begin       (AgentJsonScanner *self,
                                               const char       *json,
                                               gsize             length);
gboolean      _agent_json_scanner_end         (AgentJsonScanner *self);
gboolean      _agent_json_scanner_read_string (AgentJsonScanner *self);
gboolean      _agent_json_scanner_skip_number (AgentJsonScanner *self,
                                               gboolean         *integer);
AgentJsonWord _agent_json_scanner_skip_word   (AgentJsonScanner *self);
gboolean      _agent_json_scanner_open        (AgentJsonScanner *self,
                                               char              close,
                                               gboolean         *more);
gboolean      _agent_json_scanner_read_name   (AgentJsonScanner *self);
gboolean      _agent_json_scanner_go_on       (AgentJsonScanner *self,
                                               char              close,
                                               gboolean         *more);

/* Returns: the next character that is not white space, which is not skipped. */
static inline char
_agent_json_scanner_skip_space (AgentJsonScanner *self)
{
  while (*self->at == ' ' || *self->at == '\t' || *self->at == '\r' || *self->at == '\n')
    self->at++;

  return *self->at;
}

G_END_DECLS
