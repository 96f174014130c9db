/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "link/agent-exchange-private.h"
#include "link/agent-link-core-private.h"
#include "link/agent-outbox-private.h"
#include "link/agent-packet-private.h"
#include "link/agent-resequencer-private.h"
#include "link/agent-unconfirmed-private.h"

G_BEGIN_DECLS

/* How much is kept of what a node tells of itself. What is more is refused. */
#define AGENT_NODE_MAX_NAMES     200000
#define AGENT_NODE_MAX_INTERESTS 10000 /* names and patterns of broadcasts */
#define AGENT_NODE_MAX_TOLD      (32 * 1024 * 1024) /* bytes of all of them */

/* A packet of data that waits for control. */
typedef struct
{
  GBytes *packet; /* (owned) */
  gint64  came_at;
} AgentEarlyPacket;

/*
 * Another node, as the link of this one knows it.
 *
 * The two agree on a session first: each says by a HELLO which session it has begun, and which one of the other it knows. They are
 * connected when each knows that the other knows its session. All numbers begin anew with a session, and packets of another session
 * are dropped. If one of them has given the other up, it begins another session, and so the other learns of it. A node that
 * is given up is freed, and comes back as another object.
 *
 * Control gets to a node exactly once and in order, or the session ends. Data is numbered, and each gap is counted as lost.
 *
 * The functions are in several files: how it begins and ends (agent-node.c), which names and interests it has (-names.c), what
 * goes to it (-send.c) and what comes from it (-receive.c). All of them belong to the thread of the link.
 */
struct _AgentNode
{
  AgentLinkCore    *core;         /* (unowned) of the link */
  char             *id;           /* (owned) */
  guint64           session;      /* ours */
  guint64           peer_session; /* 0 until it has said it */
  gboolean          connected;
  guint             interval;     /* of its heartbeats, in ms */
  gint64            heard_at;

  /* What goes there */
  AgentPacketWriter data;
  guint64           next_data;    /* the number of the next message, in @data or after it */
  GBytes           *stuck;        /* (owned) (nullable) a packet of data for which the engine had no room */
  guint             n_stuck;      /* how many messages it has */
  gint64            data_since;   /* when the first message of @data was packed */
  gint64            stuck_since;  /* the same for @stuck */
  AgentPacketWriter control;
  guint64           next_control;
  guint64           after;        /* the number after the last control that told of a name */
  guint             n_control_messages; /* in @control */
  AgentOutbox       outbox;
  gint64            resend_at;    /* 0 for not */
  guint             pause;        /* before the next resend, in ms */
  gboolean          dirty;        /* it is in the link's list of nodes that have something to send */
  gboolean          has_news;     /* a STATUS is due */
  gboolean          to_ask;       /* and one of the node is needed: it is asked when what is packed is sent */
  guint64           data_arrived;    /* what it expects next, as it said last */
  guint64           control_arrived; /* the same */
  AgentUnconfirmed  unconfirmed;     /* messages of control that may get lost with it, also those in @control */

  /* What comes from there */
  guint64           expected_data;
  guint64           said_data;    /* what it has sent up to the STATUS before the last one; 0 for nothing known */
  AgentResequencer  control_in;
  GQueue            early;        /* of AgentEarlyPacket (owned): data that waits for control */
  gsize             early_bytes;

  /* Who is there */
  GHashTable       *names;        /* (owned) name → AgentRemote (owned) */
  GHashTable       *claims;       /* (owned) the same, of names that somebody else has now */
  AgentRemote      *crowd;        /* (owned) takes the broadcasts */
  GHashTable       *taken;        /* (owned) set of char * (owned): names of broadcasts that are taken */
  GHashTable       *patterns;     /* (owned) set of char * (owned): topics that are taken */
  GHashTable       *new_patterns; /* (owned) set of char * (owned): those of them that the bus is not told of yet */
  gboolean          takes_all;
  gboolean          takes_others; /* @taken or @takes_all has changed, and @crowd does not know it yet */
  gsize             told_bytes;   /* of what it has told of itself */
  GHashTable       *retained;     /* (owned) (nullable) topic (owned) → when the retained message was sent (owned) that it has got */

  AgentExchange     exchange;     /* requests between the two nodes */
  AgentNodeFigures *figures;      /* (unowned) of the transport */
};

/* Whether @message belongs to a task. */
static inline gboolean
_agent_node_is_of_task (const AgentMessage *message)
{
  return message->type >= AGENT_MESSAGE_TYPE_TASK_REQUEST && message->type <= AGENT_MESSAGE_TYPE_TASK_STREAM_END;
}

/* How it begins and ends: agent-node.c */
AgentNode  *_agent_node_new           (AgentLinkCore         *core,
                                       const char            *id,
                                       guint64                session,
                                       guint                  n_on_way);
void        _agent_node_free          (AgentNode             *self);
void        _agent_node_end           (AgentNode             *self,
                                       const char            *reason);
void        _agent_node_say_hello     (AgentNode             *self);
void        _agent_node_hear_hello    (AgentNode             *self,
                                       const AgentPacketHead *head,
                                       guint                  interval);
gboolean    _agent_node_knows         (AgentNode             *self,
                                       const AgentPacketHead *head);
void        _agent_node_say_status    (AgentNode             *self);
void        _agent_node_ask           (AgentNode             *self);
const char *_agent_node_find_fault    (AgentNode             *self,
                                       gint64                 now,
                                       gboolean               calm);

/* Who is there: agent-node-names.c */
void        _agent_node_begin_names   (AgentNode             *self);
void        _agent_node_end_names     (AgentNode             *self);
void        _agent_node_claim_names   (AgentNode             *self);
void        _agent_node_take_name     (AgentNode             *self,
                                       GVariant              *value);
void        _agent_node_take_gone     (AgentNode             *self,
                                       GVariant              *value);
void        _agent_node_take_interest (AgentNode             *self,
                                       GVariant              *value);
void        _agent_node_end_interest  (AgentNode             *self);

/* What goes there: agent-node-send.c */
void        _agent_node_send_message  (AgentNode             *self,
                                       AgentRemote           *remote,
                                       AgentMessage          *message);
gboolean    _agent_node_pack_message  (AgentNode             *self,
                                       AgentRemote           *remote,
                                       AgentMessage          *message);
void        _agent_node_tell          (AgentNode             *self,
                                       AgentRecordKind        kind,
                                       GVariant              *value);
void        _agent_node_flush         (AgentNode             *self);
void        _agent_node_add_dirty     (AgentNode             *self);
void        _agent_node_control_done  (AgentNode             *self,
                                       guint64                number,
                                       const GError          *error);
void        _agent_node_older_done    (AgentNode             *self);
void        _agent_node_resend        (AgentNode             *self);
gboolean    _agent_node_is_idle       (AgentNode             *self);

/* What comes from there: agent-node-receive.c */
void        _agent_node_clear_early   (AgentNode             *self);
gboolean    _agent_node_receive       (AgentNode             *self,
                                       AgentTraffic           traffic,
                                       AgentPacketReader     *reader,
                                       const AgentPacketHead *head);
void        _agent_node_hear_status   (AgentNode             *self,
                                       guint64                data_sent,
                                       guint64                data_arrived,
                                       guint64                control_arrived);

G_END_DECLS
