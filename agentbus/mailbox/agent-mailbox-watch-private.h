/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-mailbox-owner-private.h"

G_BEGIN_DECLS

/*
 * A watch of the mailboxes of one owner. A router dispatcher has one: it hands messages to the mailboxes itself, and so has
 * to know what becomes of these messages.
 *
 * The functions are called in any thread, with no lock held.
 */

typedef enum
{
  AGENT_MAILBOX_SUBSCRIBED, /* the mailbox can be found by its name from now on */
  AGENT_MAILBOX_PROGRESSED, /* the watch has asked for it (see _agent_mailbox_offer() and _agent_mailbox_has_handled()), and
                             * the mailbox has handled messages, or will not handle any more */
  AGENT_MAILBOX_LEFT,       /* the mailbox will never deliver anything any more */
} AgentMailboxEvent;

typedef struct
{
  void (*happened)  (gpointer          data,
                     AgentMailbox     *mailbox,
                     AgentMailboxEvent event);

  /* A mailbox that closes has not handled @messages, the ones whose origin is the watch, oldest first. The function takes
   * them out of the array. */
  void (*give_back) (gpointer          data,
                     AgentMailbox     *mailbox,
                     GPtrArray        *messages);
} AgentMailboxWatchFuncs;

void       _agent_mailbox_watches_tell      (AgentWatchList   *watches,
                                             AgentMailbox     *mailbox,
                                             AgentMailboxEvent event);
GPtrArray *_agent_mailbox_watches_pick      (GPtrArray        *watches,
                                             GPtrArray        *messages);
void       _agent_mailbox_watches_give_back (GPtrArray        *watches,
                                             AgentMailbox     *mailbox,
                                             GPtrArray        *picked);

G_END_DECLS
