/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-presence-private.h"
#include "bus/agent-subscriber.h"
#include "message/agent-message-private.h"

G_BEGIN_DECLS

/*
 * What a registry has to hear, on the way to its context: what the directory of the bus tells of its subscribers, and what
 * messages say of agents elsewhere. Both are told in the order in which they happened, by the number of the last message
 * that was sent before: else an agent that said that it was ready, and left, would be there for ever.
 *
 * The inbox has a subscriber that takes AGENT_READY and AGENT_REGISTRY, and handles it before the inbox is dispatched: that
 * has a higher priority. What the bus announces by itself is left out, for the directory has told of it already.
 *
 * add_event() may be called in any thread; all others belong to the context, or to whoever disposes of the registry.
 */
typedef struct _AgentRegistryInbox AgentRegistryInbox;

typedef struct
{
  AgentPresenceKind kind;
  guint64           seq;
  guint64           generation;
  char             *name;    /* (owned) (nullable) */
  AgentInfo        *info;    /* (owned) (nullable) */
  AgentMessage     *message; /* (owned) (nullable) an AGENT_READY or AGENT_REGISTRY; then nothing else is set but @seq */
} AgentRegistryNews;

typedef void (*AgentRegistryNewsFunc) (gpointer           registry,
                                       AgentRegistryNews *news);

AgentRegistryInbox *_agent_registry_inbox_new       (GObject                  *registry,
                                                     GMainContext             *context,
                                                     AgentRegistryNewsFunc     func);
AgentRegistryInbox *_agent_registry_inbox_ref       (AgentRegistryInbox       *self);
void                _agent_registry_inbox_unref     (AgentRegistryInbox       *self);
void                _agent_registry_inbox_close     (AgentRegistryInbox       *self);
AgentSubscriber    *_agent_registry_inbox_subscribe (AgentRegistryInbox       *self,
                                                     AgentBus                 *bus);
void                _agent_registry_inbox_add_event (gpointer                  inbox,
                                                     const AgentPresenceEvent *event);

G_END_DECLS
