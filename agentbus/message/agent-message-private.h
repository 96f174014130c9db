/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "agent-bus-error.h"
#include "message/agent-conversation-private.h"
#include "message/agent-message.h"

G_BEGIN_DECLS

/*
 * A message is one allocation: this struct, followed by the strings. A string is found by its offset from the start of
 * the struct; offset 0 means NULL. Nothing but the reference count changes after the message is sent, so any number of
 * threads may read it. Only the second form of a payload may be added to the first one, atomically; and @n_lost belongs to
 * the channel in which the message is.
 *
 * The reference count is not a gatomicrefcount: a broadcast adds and drops many references by one atomic operation, and
 * the holder of all references frees the message without a locked instruction.
 */
struct _AgentMessage
{
  gint       ref_count;   /* (atomic) */
  guint8     type;        /* an AgentMessageType */
  guint8     channel;     /* an AgentChannel */
  guint8     direction;   /* an AgentFrameDirection */
  guint8     status;      /* an AgentTaskStatus */
  gint       sent;        /* (atomic) AGENT_SENT_ flags; not 0 once a bus has stamped it */
  guint      ttl;         /* milliseconds after @sent_at, 0 for none */
  AgentEpoch *epoch;      /* (owned) (nullable) of its conversation, for all who look whether it is stale */
  guint64    seq;
  gint64     sent_at;     /* monotonic time in microseconds */
  guint64    hash;        /* of the target, or of the source if there is no target */
  guint64    cause;       /* the seq of the message that caused this one, or 0 */
  char      *trace;       /* (owned) (nullable) */
  char      *topic;       /* (owned) (nullable) */
  gpointer   content;     /* (atomic) (owned) (nullable) the type depends on @type: see agent-message.c */

  /* The options of the sender. One thread may copy the message while another one stamps it, so these fields share no
   * memory with those that the stamp writes. */
  guint8     reliable;
  guint8     error_reply; /* AGENT_ERROR_REPLY_ flags */
  guint8     pooled;      /* whether the memory comes from the pool */
  guint8     retained;
  guint8     grouped;     /* the target is a group, and one member gets it; set before the message is queued */
  guint8     own_epoch;   /* whether @epoch was set, and so does not become that of the cause */
  guint8     announced;   /* the bus itself tells of an agent that is on it */
  guint8     remote;      /* it has come from another process, and its source is there */

  guint      origin;      /* the id of the AgentBusWatch that gets the message back if it is not handled, or 0 */
  guint      delay;       /* milliseconds that the message waited between @sent_at and its channel */
  guint      source;      /* offsets of strings */
  guint      target;
  guint      label;       /* the custom name, the task name or the runner */
  guint      task_id;
  guint      reason;
  guint      n_lost;      /* how many messages its channel has lost before it, if they are noted here */
};

/* What the source of a message gets if the message is lost. A request has both flags, so that a peer of an older version, which
 * does not know the second one, answers with an AGENT_ERROR. */
typedef enum /*< flags >*/
{
  AGENT_ERROR_REPLY_NONE = 0,
  AGENT_ERROR_REPLY_ERROR = 1 << 0, /* an AGENT_ERROR */
  AGENT_ERROR_REPLY_TASK = 1 << 1,  /* rather a TASK_RESPONSE: the message is a request */
} AgentErrorReply;

enum
{
  AGENT_SENT_STAMPED = 1 << 0, /* this is TRUE */
  AGENT_SENT_SHOWN = 1 << 1,   /* the monitors have got a copy; only for messages that may come back to who has sent them */
  AGENT_SENT_COPY = 1 << 2,    /* it is such a copy */
};

/* What a sender may ask for. */
typedef struct
{
  guint  ttl;
  guint8 reliable;
  guint8 error_reply;
} AgentMessageOptions;

/* What became of a message when it was sent. It follows the struct in a copy for monitors. */
typedef struct
{
  guint               n_accepted;
  AgentDropReason     reason;  /* if nobody has accepted it */
  AgentMessageOptions options; /* of the message: they do not hold for the copy, so the fields of the copy say none */
} AgentMessageFate;

/* The parts that a message is made from. The constructors and the reader of the wire form fill them in. */
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
  gsize               room;       /* how many bytes follow the struct, which are not set */
} AgentMessageParts;

AgentMessage *_agent_message_new_from_parts (const AgentMessageParts *parts);
AgentMessageParts
              _agent_message_get_parts      (AgentMessage            *self);
gpointer      _agent_message_ref_content    (AgentMessageType         type,
                                             gpointer                 content);
AgentMessage *_agent_message_copy_unsent    (AgentMessage            *self);
AgentMessage *_agent_message_take_unsent    (AgentMessage            *message);
AgentMessage *_agent_message_copy_as_task   (AgentMessage            *self,
                                             const char              *source,
                                             const char              *task_id);
AgentMessage *_agent_message_copy_sent      (AgentMessage            *self,
                                             const char              *target);
AgentMessage *_agent_message_copy_numbered  (AgentMessage            *self,
                                             guint64                  seq);
AgentMessage *_agent_message_copy_with_fate (AgentMessage            *self,
                                             guint                    n_accepted,
                                             AgentDropReason          reason);
AgentMessage *_agent_message_new_loss       (AgentMessage            *lost,
                                             const char              *source,
                                             const GError            *error);
AgentMessage *_agent_message_new_task_failure
                                            (const char              *source,
                                             const char              *target,
                                             const char              *task_id,
                                             AgentTaskStatus          status,
                                             const GError            *error);
void          _agent_message_set_request    (AgentMessage            *self);
AgentBusError _agent_message_get_loss_code  (AgentDropReason          reason);
void          _agent_message_add_refs       (AgentMessage            *self,
                                             guint                    n);
void          _agent_message_drop_refs      (AgentMessage            *self,
                                             guint                    n);
gsize         _agent_message_get_size       (AgentMessage            *self);
GQuark        _agent_message_get_detail     (AgentMessage            *self);
const char   *_agent_message_get_given_json (AgentMessage            *self);
void          _agent_message_inherit_conversation
                                            (AgentMessage            *self,
                                             AgentMessage            *cause);

/* For the content of a message, if it is a payload. */
void          _agent_message_payload_free     (gpointer               content);
gpointer      _agent_message_payload_ref      (gpointer               content);
gsize         _agent_message_payload_get_size (gpointer               content);

/* Whether this is a copy for monitors. */
static inline gboolean
_agent_message_has_fate (const AgentMessage *self)
{
  return (g_atomic_int_get (&self->sent) & AGENT_SENT_COPY) != 0;
}

/* (nullable) */
static inline const AgentMessageFate *
_agent_message_get_fate (const AgentMessage *self)
{
  return _agent_message_has_fate (self) ? (const AgentMessageFate *) (self + 1) : NULL;
}

/* As the sender has set them. */
static inline AgentMessageOptions
_agent_message_get_options (const AgentMessage *self)
{
  const AgentMessageFate *fate = _agent_message_get_fate (self);

  if (fate != NULL)
    return fate->options;
  return (AgentMessageOptions){ self->ttl, self->reliable, self->error_reply };
}

/* The channel that the message takes to a subscriber. */
static inline AgentChannel
_agent_message_get_way (const AgentMessage *self)
{
  return self->channel == AGENT_CHANNEL_DATA || _agent_message_has_fate (self) ? AGENT_CHANNEL_DATA : AGENT_CHANNEL_SYSTEM;
}

/* Whether this is a TASK_REQUEST that gets exactly one answer: its source gets a TASK_RESPONSE if it is lost. FALSE for the
 * copy of a monitor. */
static inline gboolean
_agent_message_is_request (const AgentMessage *self)
{
  return (self->error_reply & AGENT_ERROR_REPLY_TASK) != 0;
}

/* Whether the message must be kept when the data channel is full. A request takes room as other data does, but does not give
 * way once it is in. */
static inline gboolean
_agent_message_is_kept (const AgentMessage *self)
{
  return self->reliable || _agent_message_is_request (self) || self->origin != 0;
}

/* Marks a message as shown to the monitors. Returns whether it was not before. */
static inline gboolean
_agent_message_mark_shown (AgentMessage *self)
{
  return (g_atomic_int_or ((guint *) &self->sent, AGENT_SENT_SHOWN) & AGENT_SENT_SHOWN) == 0;
}

/* Whether the source gets an AGENT_ERROR or a TASK_RESPONSE if the message is lost. The loss of an AGENT_ERROR is never
 * reported. */
static inline gboolean
_agent_message_wants_loss (const AgentMessage *self)
{
  return G_UNLIKELY (self->error_reply) && self->type != AGENT_MESSAGE_TYPE_AGENT_ERROR;
}

/* Whether the conversation has gone on since: data is not delivered then, even if it is reliable. */
static inline gboolean
_agent_message_is_stale (const AgentMessage *self)
{
  return G_UNLIKELY (self->epoch != NULL) && _agent_epoch_is_over (self->epoch) && self->channel == AGENT_CHANNEL_DATA &&
         !_agent_message_has_fate (self);
}

/* Whether the time to live of a sent message is over. It counts from the sending. */
static inline gboolean
_agent_message_has_expired (const AgentMessage *self,
                            gint64              now)
{
  return self->ttl != 0 && now - self->sent_at >= self->ttl * G_GINT64_CONSTANT (1000);
}

/* Whether the message may expire or get stale before it is delivered. */
static inline gboolean
_agent_message_may_be_spent (const AgentMessage *self)
{
  return self->ttl != 0 || self->epoch != NULL;
}

/* Whether the message is what a worker sends to who has requested something of it. */
static inline gboolean
_agent_message_is_answer (const AgentMessage *self)
{
  switch ((AgentMessageType) self->type)
    {
    case AGENT_MESSAGE_TYPE_TASK_RESPONSE:
    case AGENT_MESSAGE_TYPE_TASK_RESPONSE_URGENT:
    case AGENT_MESSAGE_TYPE_TASK_UPDATE:
    case AGENT_MESSAGE_TYPE_TASK_UPDATE_URGENT:
    case AGENT_MESSAGE_TYPE_TASK_STREAM_START:
    case AGENT_MESSAGE_TYPE_TASK_STREAM_DATA:
    case AGENT_MESSAGE_TYPE_TASK_STREAM_END:
      return TRUE;
    default:
      return FALSE;
    }
}

static inline gboolean
_agent_message_is_cancel (const AgentMessage *self)
{
  return G_UNLIKELY (self->type == AGENT_MESSAGE_TYPE_CANCEL || self->type == AGENT_MESSAGE_TYPE_TASK_CANCEL) &&
         !_agent_message_has_fate (self);
}

/* Whether the message tells everybody which agents are there. */
static inline gboolean
_agent_message_is_presence (const AgentMessage *self)
{
  return (self->type == AGENT_MESSAGE_TYPE_AGENT_READY || self->type == AGENT_MESSAGE_TYPE_AGENT_REGISTRY) &&
         self->target == 0 && self->topic == NULL;
}

static inline const char *
_agent_message_string (const AgentMessage *self,
                       guint               offset)
{
  return offset != 0 ? (const char *) self + offset : NULL;
}

void          _agent_message_trace          (AgentMessage            *self,
                                             const char              *what,
                                             const char              *name);

G_END_DECLS
