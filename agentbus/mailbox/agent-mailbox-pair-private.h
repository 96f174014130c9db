/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "agent-enums-private.h"
#include "mailbox/agent-mailbox-owner-private.h"

G_BEGIN_DECLS

/*
 * The two mailboxes of a subscriber that has rules: its own one, the main one, and the inbox. Both have one name, context,
 * priority and owner, and one drop box and one life: who has a reference to one of them has it to both.
 *
 * Senders and the directory know the main mailbox only. What the rules divert goes to the inbox, which is served while the
 * main one is held, paused or nested, and is never full. The inbox has a queue for what controls the subscriber, its system
 * channel, and one for the answers that the subscriber gets, its data channel: urgent and plain ones in one order.
 *
 * The pair leaves step by step: the main mailbox closes, and is released when it has finished and no work is open. Then the
 * inbox closes, and when it has finished, too, the subscriber is released, and the leavers are told. A pair that is abandoned
 * waits for no work.
 */

/* What the rules say of a message whose turn has come. */
typedef enum
{
  AGENT_INTERCEPT_PASS,  /* it is not for the rules */
  AGENT_INTERCEPT_TAKEN, /* the rules have taken it: it is delivered */
  AGENT_INTERCEPT_DROP,  /* it is dropped, since the subscriber does not take part */
} AgentIntercept;

/* Why a message is dropped that the rules do not want. */
#define AGENT_INTERCEPT_DROP_REASON AGENT_DROP_REASON_INACTIVE

typedef struct
{
  /* Whether @message goes to the inbox. In any thread, and locks of the library may be held: it looks at the message only. */
  gboolean       (*diverts)       (AgentMessage *message);

  /* Handles a message of the inbox. In the subscriber's context. */
  void           (*inbox_handle)  (gpointer      subscriber,
                                   AgentMessage *message);

  /* (nullable): asked about each message of the main mailbox before it is handled or received. In the subscriber's context. */
  AgentIntercept (*intercept)     (gpointer      subscriber,
                                   AgentMessage *message);

  /* (nullable): called once, in any thread and with no lock held, when the main mailbox has been closed. The function, or
   * somebody after it, calls _agent_mailbox_end_closing (@mailbox) once: until then the mailbox does not leave, unless it is
   * abandoned. */
  void           (*closing)       (gpointer      subscriber,
                                   AgentMailbox *mailbox,
                                   gboolean      drain);

  /* (nullable): the same for the inbox, which closes when the main mailbox is released. */
  void           (*inbox_closing) (gpointer      subscriber,
                                   AgentMailbox *inbox);
} AgentMailboxRules;

/* The two mailboxes, for the arrays. */
typedef enum
{
  AGENT_PAIR_MAIN,
  AGENT_PAIR_INBOX,
  AGENT_N_PAIR,
} AgentPairPart;

typedef struct
{
  AgentMailbox            *main;                   /* (unowned) it has the pair */
  AgentMailbox            *inbox;                  /* (owned) freed with @main */
  const AgentMailboxRules *rules;
  void                   (*on_released) (AgentMailbox *mailbox); /* called once for each, when it delivers nothing any more */

  /* With the source's lock */
  guint                    n_works[AGENT_N_PAIR];  /* what keeps the mailbox from leaving */
  guint                    n_telling;              /* how many threads are telling the rules that a mailbox closes */
  guint8                   told[AGENT_N_PAIR];     /* the rules were told that it closes */
  guint8                   released[AGENT_N_PAIR]; /* it delivers nothing any more */
  guint8                   inbox_closes;           /* a thread has closed the inbox, or is about to */
  guint8                   abandoned;              /* before the subscriber was released */
  guint8                   over;                   /* a thread has released the subscriber, or is about to */
} AgentMailboxPair;

/* The channel of the inbox that @message goes to, if it goes there. */
static inline AgentChannel
_agent_mailbox_pair_get_way (const AgentMessage *message)
{
  return _agent_message_is_answer (message) ? AGENT_CHANNEL_DATA : AGENT_CHANNEL_SYSTEM;
}

G_END_DECLS
