/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * The control packets for one node, from when they are made until the engine has them. It knows no transport: it says what is
 * to be sent next, and is told what has become of it.
 *
 * Packets are sent in order, and no more than the window at a time. The engine answers each one that was sent, once. After an
 * error nothing is sent for a pause; then the packets that the engine has not got are sent again. Those that it has not answered
 * yet are still on their way, and stay in the window. The receiver puts all into their order, and drops those that it has already.
 *
 * The engine may still have packets of an older session with the node. They take up the window, too, until they are answered.
 */
typedef struct
{
  GQueue   packets; /* of AgentOutboxPacket (owned): all that the engine is not known to have, oldest first */
  GList   *next;    /* (nullable) the link of the first one that is to be sent */
  guint    window;  /* the most packets that are on their way at a time */
  guint    n_on_way;
  guint    n_older; /* packets of older sessions that are on their way */
  guint64  bytes;   /* of all packets */
  gboolean failed;  /* a packet was not taken: resend() is called after a pause */
} AgentOutbox;

typedef struct
{
  guint64  number;    /* of its first record */
  guint    n_records;
  GBytes  *packet;    /* (owned) */
  gint64   made_at;
  gboolean on_way;    /* sent, and not answered yet */
  gboolean taken;     /* the engine has it: it stays only until those before it are taken, too */
} AgentOutboxPacket;

void               _agent_outbox_init      (AgentOutbox *self,
                                            guint        window,
                                            guint        n_older);
void               _agent_outbox_clear     (AgentOutbox *self);
void               _agent_outbox_add       (AgentOutbox *self,
                                            guint64      number,
                                            guint        n_records,
                                            GBytes      *packet,
                                            gint64       now);
AgentOutboxPacket *_agent_outbox_send_next (AgentOutbox *self);
void               _agent_outbox_done      (AgentOutbox *self,
                                            guint64      number,
                                            gboolean     taken);
void               _agent_outbox_older_done
                                           (AgentOutbox *self);
void               _agent_outbox_resend    (AgentOutbox *self);
guint64            _agent_outbox_count     (AgentOutbox *self);

/* How many packets the engine has not answered. */
static inline guint
_agent_outbox_count_on_way (const AgentOutbox *self)
{
  return self->n_on_way + self->n_older;
}

static inline gboolean
_agent_outbox_is_empty (const AgentOutbox *self)
{
  return self->packets.length == 0;
}

G_END_DECLS
