/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

/*
 * The subjects of one node of a bus, and what they say of a packet. All functions are called in one thread.
 *
 *   agentbus.BUS.from.NODE.d.to.NODE   data to a node
 *   agentbus.BUS.from.NODE.p.to.NODE   presence to a node
 *   agentbus.BUS.from.NODE.p.all       presence to all
 *                                      presence of a node to itself is of its claim, see agent-nats-claim-private.h
 *   agentbus.BUS.from.NODE.c.to.NODE   control to a node
 *
 * Each name is one token, see agent-nats-token-private.h. In the names of streams and consumers, there is '=' instead
 * of '%': the server takes them as formats, and would send broken lines. The source comes first, so that one line of a
 * server's configuration binds a user to its node.
 */
typedef struct _AgentNatsSubjects AgentNatsSubjects;

/* What goes to another node, or to all. */
typedef struct
{
  char *token;    /* (owned) (nullable): NULL for all */
  char *data;     /* (owned) (nullable): NULL for all */
  char *presence; /* (owned) */
  char *control;  /* (owned) (nullable): NULL for all */
} AgentNatsPeer;

/* Where a packet has come from. */
typedef struct
{
  char *token; /* (owned) */
  char *node;  /* (owned) (nullable): NULL if the token does not tell */
} AgentNatsSource;

AgentNatsSubjects     *_agent_nats_subjects_new             (const char         *bus_name,
                                                             const char         *node_id);
void                   _agent_nats_subjects_free            (AgentNatsSubjects  *self);
void                   _agent_nats_subjects_trim            (AgentNatsSubjects  *self);
guint                  _agent_nats_subjects_count_nodes     (AgentNatsSubjects  *self);
const char            *_agent_nats_subjects_get_token       (AgentNatsSubjects  *self);
const char            *_agent_nats_subjects_get_stream      (AgentNatsSubjects  *self);
const char            *_agent_nats_subjects_get_consumer    (AgentNatsSubjects  *self);
const char            *_agent_nats_subjects_get_inbox       (AgentNatsSubjects  *self);
const char            *_agent_nats_subjects_get_self        (AgentNatsSubjects  *self);
const AgentNatsPeer   *_agent_nats_subjects_get_peer        (AgentNatsSubjects  *self,
                                                             const char         *node);
char                  *_agent_nats_subjects_make_from_all   (AgentNatsSubjects  *self,
                                                             const char         *rest) G_GNUC_WARN_UNUSED_RESULT;
char                  *_agent_nats_subjects_make_to_me      (AgentNatsSubjects  *self,
                                                             char                letter) G_GNUC_WARN_UNUSED_RESULT;
const AgentNatsSource *_agent_nats_subjects_read            (AgentNatsSubjects  *self,
                                                             const char         *subject,
                                                             AgentTraffic       *traffic);

G_END_DECLS
