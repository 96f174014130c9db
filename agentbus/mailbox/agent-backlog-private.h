/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

/*
 * The messages that were queued in a mailbox, or in hand, at one moment, and whether they are handled.
 *
 * A message that never gives way is known by its position. All other messages of a channel leave it oldest first, to the
 * receiver or because they give way, so it is enough to count them. When all are out of the channels, some may still be in
 * hand: these deliveries have to be completed.
 *
 * All functions may be called in any thread, with no lock of the mailbox held, but by one thread at a time for one backlog.
 */
typedef struct _AgentBacklog AgentBacklog;

struct _AgentBacklog
{
  guint64    kept[AGENT_N_CHANNELS];  /* the position of the last one that never gives way */
  guint      loose[AGENT_N_CHANNELS]; /* how many others had ever been pushed, modulo 2^32 */
  GPtrArray *hands;                   /* (owned) (nullable) of AgentHand (owned): the deliveries to wait for; NULL as long as
                                       * messages are in the channels */
  gboolean   holds;                   /* the mailbox held data of its group back */
  AgentBacklog *inbox;                /* (owned) (nullable) that of the mailbox's inbox */
};

typedef enum
{
  AGENT_BACKLOG_WAITS,     /* the watches are told when that may have changed */
  AGENT_BACKLOG_HANDLED,
  AGENT_BACKLOG_LOST,      /* the mailbox has left, and has not handled all */
  AGENT_BACKLOG_TIMED_OUT, /* the same, since it did not leave in time */
} AgentBacklogState;

AgentBacklog     *_agent_backlog_new       (AgentMailbox *mailbox);
void              _agent_backlog_free      (AgentBacklog *self);
AgentBacklogState _agent_backlog_get_state (AgentBacklog *self,
                                            AgentMailbox *mailbox);

G_END_DECLS
