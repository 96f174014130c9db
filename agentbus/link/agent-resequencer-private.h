/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * Puts the control packets of one node into their order again, and drops those that have come before. It knows no transport.
 *
 * Each packet has the number of its first record, and the next packet has the number after its last one. A packet that comes too
 * early is held until those before it have come. What is held is bounded.
 */
#define AGENT_RESEQUENCER_MAX_PACKETS 8192
#define AGENT_RESEQUENCER_MAX_BYTES   (64 * 1024 * 1024)

typedef struct
{
  guint64   next;   /* the number that is expected */
  GQueue    held;   /* of HeldPacket (owned), by number */
  gsize     bytes;  /* of them */
  gint64    since;  /* since when packets are held; 0 if none is */
} AgentResequencer;

typedef enum
{
  AGENT_SEQUENCE_NEXT,      /* it is the one that was expected: read it, and then what take() returns */
  AGENT_SEQUENCE_HELD,      /* it has come too early, and is held */
  AGENT_SEQUENCE_DUPLICATE, /* it has come before */
  AGENT_SEQUENCE_FULL,      /* there is no room to hold it: what is missing is lost */
} AgentSequence;

void          _agent_resequencer_init  (AgentResequencer *self);
void          _agent_resequencer_clear (AgentResequencer *self);
AgentSequence _agent_resequencer_put   (AgentResequencer *self,
                                        guint64           number,
                                        guint             n_records,
                                        GBytes           *packet,
                                        gint64            now);
GBytes       *_agent_resequencer_take  (AgentResequencer *self,
                                        gint64            now,
                                        gint64           *came_at);

G_END_DECLS
