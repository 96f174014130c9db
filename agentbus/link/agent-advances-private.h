/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-conversation-private.h"

G_BEGIN_DECLS

/*
 * How a conversation that goes on in one process goes on in the others: what other nodes are told, and what they have told.
 *
 * Conversations go on in any thread. All functions belong to the thread of the link.
 */
typedef struct _AgentAdvances AgentAdvances;

/* Called in the thread of the link when a conversation has gone on here. */
typedef void (*AgentAdvancesFunc) (gpointer    data,
                                   const char *id,
                                   guint64     epoch);

AgentAdvances *_agent_advances_new  (GMainContext      *context,
                                     AgentAdvancesFunc  func,
                                     gpointer           data);
void           _agent_advances_free (AgentAdvances     *self);
void           _agent_advances_hear (AgentAdvances     *self,
                                     const char        *id,
                                     guint64            epoch);
void           _agent_advances_list (AgentAdvances     *self,
                                     AgentAdvancesFunc  func,
                                     gpointer           data);

G_END_DECLS
