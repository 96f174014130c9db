/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport-nats/agent-nats-requests-private.h"
#include "transport-nats/agent-nats-settings-private.h"
#include "transport-nats/agent-nats-subjects-private.h"

G_BEGIN_DECLS

/*
 * The JetStream stream that stores the control of a bus. The first node that asks for it makes it.
 *
 * find() ends with found(), once, in the thread of the context. One at a time.
 */
typedef struct _AgentNatsStream AgentNatsStream;

typedef struct
{
  guint64     last;    /* the number of the last packet that it has stored */
  const char *created; /* when it was made: it tells a new stream of the same name */
} AgentNatsStreamState;

/* @state: (nullable). @error: (nullable): set if there is no state */
typedef void (*AgentNatsStreamFunc) (gpointer                    data,
                                     const AgentNatsStreamState *state,
                                     const GError               *error);

AgentNatsStream *_agent_nats_stream_new  (const AgentNatsSettings *settings,
                                          AgentNatsSubjects       *subjects,
                                          AgentNatsRequests       *requests,
                                          AgentNatsStreamFunc      found,
                                          gpointer                 data);
void             _agent_nats_stream_free (AgentNatsStream         *self);
void             _agent_nats_stream_find (AgentNatsStream         *self);

G_END_DECLS
