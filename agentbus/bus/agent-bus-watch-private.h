/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-types-private.h"

G_BEGIN_DECLS

/*
 * Who hands messages to the mailboxes of a bus itself, and so has to know how these fare: a router dispatcher.
 *
 * The functions are called in any thread, with no lock held.
 */

typedef enum
{
  AGENT_MAILBOX_SUBSCRIBED, /* it can be found by its name from now on */
  AGENT_MAILBOX_PROGRESSED, /* it was asked to tell (see _agent_mailbox_offer() and _agent_mailbox_has_handled()), and has
                             * handled messages, or will not handle any more */
  AGENT_MAILBOX_LEFT,       /* it will never deliver anything any more */
} AgentMailboxEvent;

typedef struct
{
  void (*happened)   (gpointer          data,
                      AgentMailbox     *mailbox,
                      AgentMailboxEvent event);

  /* A mailbox that closes did not come to handle @messages of this origin, oldest first. Takes them out of the array. */
  void (*give_back)  (gpointer          data,
                      AgentMailbox     *mailbox,
                      GPtrArray        *messages);
} AgentBusWatchFuncs;

struct _AgentBusWatch
{
  gint                      ref_count; /* (atomic) */
  guint                     id;        /* the origin of the messages that want to come back here; not 0 */
  const AgentBusWatchFuncs *funcs;
  gpointer                  data;
  GDestroyNotify            destroy;
};

AgentBusWatch *_agent_bus_watch_new   (const AgentBusWatchFuncs *funcs,
                                       gpointer                  data,
                                       GDestroyNotify            destroy);
AgentBusWatch *_agent_bus_watch_ref   (AgentBusWatch            *self);
void           _agent_bus_watch_unref (AgentBusWatch            *self);

G_END_DECLS
