/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-mailbox-private.h"
#include "message/agent-info.h"

G_BEGIN_DECLS

/*
 * Which subscribers of a directory are agents: those that have a description of themselves. And who watches them.
 *
 * Each subscription of an agent has a generation, a number that no other one in the process has. So a successor is not
 * mistaken for its predecessor of the same name.
 *
 * The directory has the lock, and holds it when it calls any of these functions. The watches are called with it held, so
 * that no change falls between two others: they must not call the bus. After remove_watch(), a watch is not called any
 * more.
 */
typedef struct _AgentPresence AgentPresence;

typedef enum
{
  AGENT_PRESENCE_JOINED, /* an agent is on the bus, or its description has changed */
  AGENT_PRESENCE_LEFT,   /* a subscriber begins to leave, or is no agent any more */
  AGENT_PRESENCE_OPENED, /* the bus runs again */
  AGENT_PRESENCE_CLOSED, /* the bus has stopped: all have left */
} AgentPresenceKind;

typedef struct
{
  AgentPresenceKind kind;
  guint64           seq;        /* of the last message that was sent before */
  guint64           generation; /* 0 for a subscriber that is no agent */
  const char       *name;       /* (nullable) */
  AgentInfo        *info;       /* (nullable) */
} AgentPresenceEvent;

typedef void (*AgentPresenceFunc) (gpointer                  data,
                                   const AgentPresenceEvent *event);

/* One that is there. */
typedef struct
{
  guint64    generation;
  AgentInfo *info; /* (owned) */
} AgentPresent;

AgentPresence *_agent_presence_new          (void);
void           _agent_presence_free         (AgentPresence     *self);
void           _agent_presence_set_counter  (AgentPresence     *self,
                                             _Atomic guint64   *last_seq);
guint          _agent_presence_get_size     (AgentPresence     *self);
AgentInfo     *_agent_presence_lookup       (AgentPresence     *self,
                                             AgentMailbox      *mailbox);
gboolean       _agent_presence_contains     (AgentPresence     *self,
                                             AgentMailbox      *mailbox);
gboolean       _agent_presence_set          (AgentPresence     *self,
                                             AgentMailbox      *mailbox,
                                             AgentInfo         *info);
void           _agent_presence_remove       (AgentPresence     *self,
                                             AgentMailbox      *mailbox);
void           _agent_presence_open         (AgentPresence     *self);
void           _agent_presence_close        (AgentPresence     *self);
GArray        *_agent_presence_list         (AgentPresence     *self);
guint64        _agent_presence_next_generation
                                            (void);
void           _agent_presence_add_watch    (AgentPresence     *self,
                                             AgentPresenceFunc  func,
                                             gpointer           data);
void           _agent_presence_remove_watch (AgentPresence     *self,
                                             gpointer           data);

G_END_DECLS
