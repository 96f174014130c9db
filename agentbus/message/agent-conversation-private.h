/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-conversation.h"

G_BEGIN_DECLS

/*
 * One epoch of a conversation. All messages that were stamped in it hold on to the same AgentEpoch, so whether a message is
 * stale is one flag to look at, and a stamped message costs no allocation.
 *
 * The conversation keeps its current epoch. An epoch that is over is freed with its last message. While an epoch has messages,
 * it keeps the conversation alive, so that the next message of the same id finds it.
 *
 * Who works on a message for long watches its epoch, and is told when the epoch is over.
 *
 * All functions may be called in any thread, if nothing else is said. The lock of a conversation is taken before that of a
 * delivery source.
 */

/* The greatest epoch that is accepted from another process, so that there is always a next one. */
#define AGENT_EPOCH_MAX G_MAXINT64

typedef struct _AgentEpoch      AgentEpoch;
typedef struct _AgentEpochWatch AgentEpochWatch;

/* Called once, with the conversation's lock held, in any thread. */
typedef void (*AgentEpochOverFunc) (AgentEpochWatch *watch);

/* Lies in what belongs to the one who watches. Zeroes watch nothing. */
struct _AgentEpochWatch
{
  GList              link; /* (conversation's lock) */
  AgentEpoch        *of;   /* (owned) (nullable) */
  AgentEpochOverFunc over;
};

struct _AgentEpoch
{
  gint               n_messages;   /* (atomic) becomes 0, and leaves 0, with the conversation's lock held */
  gint               is_over;      /* (atomic) the conversation has gone on */
  guint64            number;
  AgentConversation *conversation; /* (owned) while there are messages */
  GQueue             watches;      /* (conversation's lock) of AgentEpochWatch */
};

AgentEpoch *_agent_epoch_enter     (AgentConversation *conversation);
AgentEpoch *_agent_epoch_enter_at  (AgentConversation *conversation,
                                    guint64            number);
AgentEpoch *_agent_epoch_ref       (AgentEpoch        *self);
void        _agent_epoch_unref     (AgentEpoch        *self);
gboolean    _agent_epoch_watch     (AgentEpoch        *self,
                                    AgentEpochWatch   *watch,
                                    AgentEpochOverFunc over);
void        _agent_epoch_unwatch   (AgentEpochWatch   *watch);

/* Called when a conversation goes on in this process, in any thread, with the lock of the watches held: it must not call any of
 * the functions here. Not called for one that goes on because a message of another process says so. */
typedef void (*AgentAdvanceFunc) (gpointer    data,
                                  const char *id,
                                  guint64     epoch);

void        _agent_conversation_watch_advances
                                   (AgentAdvanceFunc   func,
                                    gpointer           data);
void        _agent_conversation_unwatch_advances
                                   (AgentAdvanceFunc   func,
                                    gpointer           data);
void        _agent_conversation_tell_advance
                                   (const char        *id,
                                    guint64            epoch);

static inline gboolean
_agent_epoch_is_over (const AgentEpoch *self)
{
  return g_atomic_int_get (&self->is_over);
}

G_END_DECLS
