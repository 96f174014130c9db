/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-owner-private.h"
#include "bus/agent-bus.h"

G_BEGIN_DECLS

typedef struct _AgentMonitors AgentMonitors;
typedef struct _AgentRoom     AgentRoom;
typedef struct _AgentLink     AgentLink;

/* The functions are in several files: what a bus is (agent-bus.c), which subscribers it has (agent-bus-members.c), how
 * messages are sent (agent-bus-send.c, -try-send.c, -send-async.c) or offered (-offer.c), how they are passed on
 * (agent-bus-forward.c), and who sees all of them (agent-bus-monitors.c, -show.c). */
struct _AgentBus
{
  GObject         parent_instance;

  guint           capacity;
  gboolean        total_order;
  gint            n_monitors;       /* (atomic) */
  gint            shutdown_timeout; /* (atomic) ms */
  GMainContext   *context;
  AgentBusOwner  *owner;            /* (owned) */
  AgentDirectory *directory;        /* of @owner */
  AgentBusReport *report;           /* of @owner */

  AgentRoom      *room;             /* (atomic) (owned) (nullable) made at first use */
  AgentMonitors  *monitors;         /* (atomic) (owned) (nullable) the same */

  AgentTransport *transport;        /* (owned) (nullable) what connects it with other processes */
  AgentLink      *link;             /* (atomic) (nullable) how it is connected: from its start to its stop */
  void          (*abandon_link)     (AgentLink *link); /* called when the bus is dropped with a link */

  GMutex          order_lock;       /* held while a message is stamped and queued, with total order */
  guint64         n_restamped;      /* (order_lock) how many numbers are second ones, or of messages that were not sent */
  _Atomic guint64 n_unstamped;      /* how many messages were refused before they got a number */

  /* All senders change this. So it must not share a cache line with the fields that all senders read. */
  char            padding[AGENT_CACHE_LINE];
  _Atomic guint64 last_seq;
  char            padding2[AGENT_CACHE_LINE];
};

/* Any thread */
guint64          _agent_bus_get_ledger   (AgentBus                     *self,
                                          AgentLedger                  *total,
                                          AgentLedger                  *remote,
                                          GVariantBuilder              *by_name);

void             _agent_bus_add_patterns (AgentBus                     *self,
                                          AgentMailbox                 *mailbox,
                                          const char * const           *patterns,
                                          const char * const           *accepts,
                                          AgentSender                  *sender);

/* Any thread, also with locks of a sender held, who collects @sender later */
guint            _agent_bus_announce_message
                                         (AgentBus                     *self,
                                          AgentMessage                 *message,
                                          AgentSender                  *sender);
guint            _agent_bus_announce     (AgentBus                     *self,
                                          AgentInfo                    *info,
                                          AgentSender                  *sender);

/* Any thread */
guint            _agent_bus_send_to_mailbox_uncollected
                                         (AgentBus                     *self,
                                          AgentMailbox                 *mailbox,
                                          AgentMessage                 *message,
                                          AgentSender                  *sender);
guint            _agent_bus_send_uncollected
                                         (AgentBus                     *self,
                                          AgentMessage                 *message,
                                          AgentSender                  *sender);
/* In the context of the bus */
void             _agent_bus_open          (AgentBus                     *self);
void             _agent_bus_stop          (AgentBus                     *self,
                                          AgentLeaveFlags               flags,
                                          GTask                        *task);
void             _agent_bus_end_subscription
                                         (AgentBus                     *self,
                                          AgentMailbox                 *mailbox,
                                          AgentLeaveFlags               flags,
                                          guint                         timeout,
                                          GAsyncReadyCallback           callback,
                                          gpointer                      user_data);
gboolean         _agent_bus_forward      (AgentBus                     *self,
                                          AgentMessage                 *message,
                                          GError                      **error);

/* Any thread, for a watch that hands messages over itself */
guint            _agent_bus_add_watch    (AgentBus                     *self,
                                          const AgentMailboxWatchFuncs *funcs,
                                          gpointer                      data,
                                          GDestroyNotify                destroy);
void             _agent_bus_remove_watch (AgentBus                     *self,
                                          guint                         id);
AgentMessage    *_agent_bus_accept       (AgentBus                     *self,
                                          AgentMessage                 *message,
                                          guint                         origin,
                                          AgentSender                  *sender);
AgentOfferResult _agent_bus_offer        (AgentBus                     *self,
                                          AgentMailbox                 *mailbox,
                                          AgentMessage                **message,
                                          gboolean                      first_in_line,
                                          AgentOffer                   *offer,
                                          AgentSender                  *sender);

/* A message for which there is no room. */
typedef struct
{
  AgentMailbox *mailbox; /* (owned) (nullable) where there is none */
  AgentMessage *offered; /* (owned) (nullable) */
} AgentUnsent;

/* Any thread, for a sender that keeps the message if it is not accepted */
gboolean         _agent_bus_offer_to_target
                                         (AgentBus                     *self,
                                          AgentMessage                 *message,
                                          AgentSender                  *sender,
                                          AgentUnsent                  *unsent,
                                          GError                      **error);
gboolean         _agent_bus_conclude_offer
                                         (AgentMailbox                 *mailbox,
                                          AgentMessage                 *offered,
                                          AgentOfferResult              result,
                                          AgentUnsent                  *unsent,
                                          GError                      **error);
void             _agent_bus_set_no_target
                                         (const char                   *target,
                                          GError                      **error);
AgentMessage    *_agent_bus_begin_offer  (AgentMessage                 *message,
                                          AgentSender                  *sender);
void             _agent_bus_cancel_offer (AgentMessage                 *offered);
AgentOfferResult _agent_bus_offer_unnumbered
                                         (AgentBus                     *self,
                                          AgentMailbox                 *mailbox,
                                          AgentMessage                 *offered,
                                          AgentOfferPlace               place,
                                          AgentOffer                   *offer);
AgentOfferResult _agent_bus_offer_now    (AgentBus                     *self,
                                          AgentMailbox                 *mailbox,
                                          AgentMessage                 *offered,
                                          AgentSender                  *sender);
GError          *_agent_bus_new_offer_error
                                         (AgentMailbox                 *mailbox,
                                          AgentOfferResult              result);

/* Relaxed: each number is given out once, and the numbers of each sender rise, as all changes of one variable have one order. */
static inline void
_agent_bus_stamp (AgentBus     *self,
                  AgentMessage *message,
                  AgentSender  *sender)
{
  message->seq = atomic_fetch_add_explicit (&self->last_seq, 1, memory_order_relaxed) + 1;
  message->sent_at = _agent_clock_stamp (&sender->clock);
}

G_END_DECLS
