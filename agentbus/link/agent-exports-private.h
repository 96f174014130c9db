/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-directory-private.h"
#include "link/agent-packet-private.h"

G_BEGIN_DECLS

/*
 * What other nodes are told of the subscribers of this one: their names, and which broadcasts any of them takes.
 *
 * The directory says which mailboxes have changed, in any thread. The thread of the link looks at them later, and tells the
 * difference between what it has told before and what is true now. So a subscriber that comes and goes quickly is told of once,
 * or not at all.
 */
typedef struct _AgentExports AgentExports;

/* Adds records to a packet. For a difference, and for everything, the same kinds are used. In the thread of the link. */
typedef void (*AgentExportsFunc) (gpointer        data,
                                  AgentRecordKind kind,
                                  GVariant       *value);

AgentExports *_agent_exports_new     (GMainContext      *context,
                                      AgentMailboxOwner *owner,
                                      AgentExportsFunc   func,
                                      gpointer           data);
void          _agent_exports_free    (AgentExports     *self);

/* In the thread of the link */
gboolean      _agent_exports_start   (AgentExports     *self);
void          _agent_exports_stop    (AgentExports     *self);
void          _agent_exports_flush   (AgentExports     *self);
void          _agent_exports_list    (AgentExports     *self,
                                      AgentExportsFunc  func,
                                      gpointer          data);

G_END_DECLS
