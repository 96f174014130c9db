/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-message.h"

G_BEGIN_DECLS

/*
 * A message is one allocation: this struct, then its strings. The strings are found by their offset from
 * the start of the struct; offset 0 means NULL. Everything is fixed once the message is sent, so that any
 * number of threads may read it.
 */
struct _AgentMessage
{
  gint       ref_count;   /* (atomic) */
  guint8     type;        /* an AgentMessageType */
  guint8     channel;     /* an AgentChannel */
  guint8     direction;   /* an AgentFrameDirection */
  guint8     status;      /* an AgentTaskStatus */
  gint       sent;        /* (atomic) whether a bus has stamped it */
  guint      ttl;         /* milliseconds after @sent_at, 0 for none */
  guint64    seq;
  gint64     sent_at;     /* monotonic time in microseconds */
  guint64    hash;        /* of the name that the message is sent by: the target, or else the source */
  guint64    cause;       /* the seq of the message that caused this one, or 0 */
  char      *trace;       /* (owned) (nullable) */
  gpointer   content;     /* (owned) (nullable) what the type says: see agent-message.c */

  /* What the sender says: a copy is made from these, also while another thread stamps the message. So they share no
   * memory with what is written then. */
  guint8     reliable;
  guint8     error_reply;
  guint8     pooled;      /* whether the memory is the pool's */

  guint      origin;      /* the AgentBusWatch that wants it back if it is not handled, or 0 */
  guint      delay;       /* milliseconds from @sent_at to the entry into a channel, for what had to wait before */
  guint      source;      /* offsets of strings */
  guint      target;
  guint      label;       /* the custom name, the task name or the runner */
  guint      task_id;
  guint      reason;
};

/* What a message is made of: the constructors and the reader of the wire form fill one in. */
typedef struct
{
  AgentMessageType    type;
  AgentChannel        channel;
  const char         *source;
  const char         *target;     /* (nullable) */
  const char         *label;      /* (nullable) */
  const char         *task_id;    /* (nullable) */
  const char         *reason;     /* (nullable) */
  AgentFrameDirection direction;
  AgentTaskStatus     status;
  gpointer            content;    /* (transfer full) (nullable) */
} AgentMessageParts;

AgentMessage *_agent_message_new_from_parts (const AgentMessageParts *parts);
AgentMessageParts
              _agent_message_get_parts      (AgentMessage            *self);
AgentMessage *_agent_message_copy_unsent    (AgentMessage            *self);
AgentMessage *_agent_message_new_loss       (AgentMessage            *lost,
                                             const char              *source,
                                             const char              *text);
void          _agent_message_add_refs       (AgentMessage            *self,
                                             guint                    n);
void          _agent_message_drop_refs      (AgentMessage            *self,
                                             guint                    n);
gsize         _agent_message_get_size       (AgentMessage            *self);
GQuark        _agent_message_get_detail     (AgentMessage            *self);

/* Whether it must not give way to another one when the data channel is full. */
static inline gboolean
_agent_message_is_kept (const AgentMessage *self)
{
  return self->reliable || self->origin != 0;
}

/* Whether the source wants to hear of its loss. Of a loss of such news, nobody does. */
static inline gboolean
_agent_message_wants_loss (const AgentMessage *self)
{
  return G_UNLIKELY (self->error_reply) && self->type != AGENT_MESSAGE_TYPE_AGENT_ERROR;
}

static inline gboolean
_agent_message_is_cancel (const AgentMessage *self)
{
  return self->type == AGENT_MESSAGE_TYPE_CANCEL || self->type == AGENT_MESSAGE_TYPE_TASK_CANCEL;
}

static inline const char *
_agent_message_string (const AgentMessage *self,
                       guint               offset)
{
  return offset != 0 ? (const char *) self + offset : NULL;
}

G_END_DECLS
