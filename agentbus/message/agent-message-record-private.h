/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-message-private.h"

G_BEGIN_DECLS

/*
 * What a message says, read from bytes of another process. Each form that travels between processes is read into a record, and
 * one function makes a message from the record. So all forms make the same messages.
 *
 * A record belongs to one thread. Its strings point into what was read, and its content is owned.
 */

typedef struct
{
  const char *id;    /* (nullable) of the conversation; NULL for none */
  guint64     epoch;
} AgentEpochRecord;

typedef struct
{
  AgentMessageParts parts;
  guint64           seq;
  gint64            sent_at;
  guint             ttl;
  gboolean          reliable;
  gboolean          error_reply;
  gboolean          request;
  guint64           cause;
  const char       *trace;       /* (nullable) */
  const char       *topic;       /* (nullable) */
  gboolean          retained;
  AgentEpochRecord  conversation;
  const char       *json;        /* (nullable) the payload, if it is text; parts.content is NULL then */
} AgentMessageRecord;

AgentMessage *_agent_message_record_make (AgentMessageRecord *self,
                                          GError            **error);

G_END_DECLS
