/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "base/agent-watch-list-private.h"
#include "message/agent-message-private.h"

G_BEGIN_DECLS

/*
 * The owner of a mailbox: the bus, as its mailboxes know it. It lives as long as any of them.
 *
 * The bus implements the functions. Each of them is called seldom, in any thread and with no lock of the mailbox held, if nothing else is said. During
 * a push, the sender may hold the lock that orders all messages: has_drops(), flow_changed() and refused() may be called with that lock held.
 */
typedef struct _AgentMailbox           AgentMailbox;
typedef struct _AgentMailboxOwner      AgentMailboxOwner;
typedef struct _AgentMailboxOwnerFuncs AgentMailboxOwnerFuncs;
typedef struct _AgentSender            AgentSender;
typedef struct _AgentHand              AgentHand;

struct _AgentMailboxOwnerFuncs
{
  /* The drop box of @mailbox has drops again, after the owner had taken all of them. */
  void     (*has_drops) (AgentMailboxOwner *owner,
                         AgentMailbox      *mailbox);

  /* There is news in the flow of @mailbox. */
  void     (*flow_changed)
                        (AgentMailboxOwner *owner,
                         AgentMailbox      *mailbox);

  /* @mailbox is closed, and @message came too late. Takes @message. Returns whether another mailbox has accepted it. */
  gboolean (*refused)   (AgentMailboxOwner *owner,
                         AgentMailbox      *mailbox,
                         AgentMessage      *message,
                         AgentSender       *sender);

  /* Whether anybody else in the group of @mailbox, which closes, may get @message. Called with the lock of its data channel
   * held. */
  gboolean (*has_heir)  (AgentMailboxOwner *owner,
                         AgentMailbox      *mailbox,
                         AgentMessage      *message);

  /* @mailbox closes, and has not begun with @messages, which were sent to its group. The function gives them to others of the
   * group, and leaves in the array what nobody may get. */
  void     (*move)      (AgentMailboxOwner *owner,
                         AgentMailbox      *mailbox,
                         GPtrArray         *messages);

  /* The message was lost because of @error, and its source has to be told so. @name: (nullable): the subscriber that lost it */
  void     (*lost)      (AgentMailboxOwner *owner,
                         AgentMessage      *message,
                         const char        *name,
                         const GError      *error);

  /* Returns the object by which @subscriber, which has received a message, completes the delivery: (transfer full). Takes
   * @hand. */
  gpointer (*new_delivery)
                        (AgentMailbox      *mailbox,
                         gpointer           subscriber,
                         AgentHand         *hand);

  /* @subscriber could not handle @message, because of @error. */
  void     (*failed)    (AgentMailboxOwner *owner,
                         AgentMailbox      *mailbox,
                         gpointer           subscriber,
                         AgentMessage      *message,
                         const GError      *error);

  /* @mailbox delivers nothing any more: the owner closes its drop box and forgets it. Returns the subscriber: (transfer
   * full). */
  gpointer (*left)      (AgentMailboxOwner *owner,
                         AgentMailbox      *mailbox);

  /* Returns the bus: (transfer full) (nullable). */
  gpointer (*dup_bus)   (AgentMailboxOwner *owner);

  /* Returns where the bus finds the mailboxes by their names and interests: (transfer none) (nullable). NULL: they are in no
   * directory, as those of monitors. May be called with locks held. */
  gpointer (*get_directory)
                        (AgentMailboxOwner *owner);

  void     (*free)      (AgentMailboxOwner *owner);
};

struct _AgentMailboxOwner
{
  const AgentMailboxOwnerFuncs *funcs;
  gatomicrefcount               ref_count;
  AgentWatchList                watches; /* of AgentMailboxWatchFuncs */
};

void               _agent_mailbox_owner_init      (AgentMailboxOwner            *self,
                                                   const AgentMailboxOwnerFuncs *funcs);
AgentMailboxOwner *_agent_mailbox_owner_ref       (AgentMailboxOwner            *self);
void               _agent_mailbox_owner_unref     (AgentMailboxOwner            *self);
void               _agent_mailbox_owner_tell_loss (AgentMailboxOwner            *self,
                                                   AgentMessage                 *message,
                                                   const char                   *name,
                                                   AgentDropReason               reason);
GError            *_agent_mailbox_owner_new_loss_error
                                                  (AgentMessage                 *message,
                                                   const char                   *name,
                                                   AgentDropReason               reason);

G_END_DECLS
