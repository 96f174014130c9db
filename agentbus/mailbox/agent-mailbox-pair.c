/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-mailbox-private.h"

/* The two mailboxes of a subscriber that has rules, and how they leave. */

typedef enum
{
  PAIR_WAITS,
  PAIR_CLOSE_INBOX,
  PAIR_FINISH,
} PairStep;

static AgentPairPart
pair_get_part (AgentMailboxPair *self,
               AgentMailbox     *mailbox)
{
  return mailbox == self->inbox ? AGENT_PAIR_INBOX : AGENT_PAIR_MAIN;
}

/* --- Leaving --- */

/* What is left when the main mailbox is released is control that still comes in, and the answers to the requests of what is
 * being done. So the inbox closes last. */
static PairStep
pair_take_step_locked (AgentMailboxPair *self)
{
  gboolean waits = !self->abandoned;

  if (self->over || self->n_telling > 0 || !self->released[AGENT_PAIR_MAIN] || (waits && self->n_works[AGENT_PAIR_MAIN] > 0))
    return PAIR_WAITS;

  if (!self->inbox_closes)
    {
      self->inbox_closes = TRUE;
      return PAIR_CLOSE_INBOX;
    }
  if (!self->released[AGENT_PAIR_INBOX] || (waits && self->n_works[AGENT_PAIR_INBOX] > 0))
    return PAIR_WAITS;

  self->over = TRUE;
  return PAIR_FINISH;
}

/* TRUE: the caller tells the rules. Keeps the mailbox until end_closing(), and also if it is abandoned until the rules are told.
 * FALSE: they were told already, or do not want to be. */
static gboolean
pair_begin_closing (AgentMailboxPair *self,
                    AgentPairPart     part)
{
  const AgentMailboxRules *rules = self->rules;
  gboolean                 wanted = part == AGENT_PAIR_MAIN ? rules->closing != NULL : rules->inbox_closing != NULL;

  _agent_delivery_source_lock (self->main->source);
  wanted = wanted && !self->told[part] && !self->over;
  if (wanted)
    {
      self->n_works[part]++;
      self->n_telling++;
    }
  self->told[part] = TRUE;
  _agent_delivery_source_unlock (self->main->source);

  return wanted;
}

static void pair_close (AgentMailboxPair *self,
                        AgentMailbox     *mailbox,
                        gboolean          drain);

/* Brings the pair as far to its end as possible. With no lock held. The caller may have the last reference but that of the
 * pair's life. */
static void
pair_go_on (AgentMailboxPair *self)
{
  AgentMailbox *main = _agent_mailbox_ref (self->main);
  gboolean      abandoned;
  PairStep      step;

  _agent_delivery_source_lock (main->source);
  step = pair_take_step_locked (self);
  abandoned = self->abandoned;
  _agent_delivery_source_unlock (main->source);

  if (step == PAIR_CLOSE_INBOX)
    pair_close (self, self->inbox, TRUE);
  else if (step == PAIR_FINISH)
    _agent_mailbox_finish (main, abandoned);
  _agent_mailbox_unref (main);
}

static void
pair_tell_closing (AgentMailboxPair *self,
                   gpointer          subscriber,
                   AgentPairPart     part,
                   gboolean          drain)
{
  if (part == AGENT_PAIR_MAIN)
    self->rules->closing (subscriber, self->main, drain);
  else
    self->rules->inbox_closing (subscriber, self->inbox);

  _agent_delivery_source_lock (self->main->source);
  self->n_telling--;
  _agent_delivery_source_unlock (self->main->source);
  pair_go_on (self);
}

/* Closes @mailbox, one of the two, and tells the rules. A subscriber that is released already knows. */
static void
pair_close (AgentMailboxPair *self,
            AgentMailbox     *mailbox,
            gboolean          drain)
{
  g_autoptr (GObject) subscriber = _agent_mailbox_dup_subscriber (mailbox);
  AgentPairPart part = pair_get_part (self, mailbox);
  gboolean      tells = subscriber != NULL && pair_begin_closing (self, part);

  _agent_mailbox_close_only (mailbox, drain);
  if (tells)
    pair_tell_closing (self, subscriber, part, drain);
}

/* @mailbox, one of the two, delivers nothing any more. Called once for each. */
static void
pair_on_released (AgentMailbox *mailbox)
{
  AgentMailboxPair *self = mailbox->pair;

  _agent_mailbox_end_receipts (mailbox);

  _agent_delivery_source_lock (mailbox->source);
  self->released[pair_get_part (self, mailbox)] = TRUE;
  _agent_delivery_source_unlock (mailbox->source);
  pair_go_on (self);
}

static gboolean
pair_set_abandoned (AgentMailboxPair *self)
{
  gboolean first;

  _agent_delivery_source_lock (self->main->source);
  first = !self->over && !self->abandoned;
  if (first)
    self->abandoned = TRUE;
  self->inbox_closes = TRUE;
  _agent_delivery_source_unlock (self->main->source);

  return first;
}

static void
pair_abandon_part (AgentMailboxPair *self,
                   gpointer          subscriber,
                   AgentMailbox     *mailbox)
{
  AgentPairPart part = pair_get_part (self, mailbox);
  gboolean      tells = subscriber != NULL && pair_begin_closing (self, part);

  _agent_mailbox_abandon_only (mailbox);
  if (tells)
    pair_tell_closing (self, subscriber, part, FALSE);
}

/* No work is waited for. The rules are told that the mailboxes close, if they were not yet. TRUE, once: the pair had not
 * finished by itself. */
static gboolean
pair_abandon (AgentMailboxPair *self)
{
  AgentMailbox *main = _agent_mailbox_ref (self->main);
  g_autoptr (GObject) subscriber = _agent_mailbox_dup_subscriber (main);
  gboolean first = pair_set_abandoned (self);

  if (first)
    _agent_mailbox_mark (main, AGENT_MARK_ABANDONED);
  pair_abandon_part (self, subscriber, main);
  pair_abandon_part (self, subscriber, self->inbox);
  pair_go_on (self);
  _agent_mailbox_unref (main);

  return first;
}

/* From now on no message comes in, and a pause is over. The message in hand, the queued system messages and the reliable data
 * are still handled, or received, and so is all other data if @drain; otherwise that is discarded.
 *
 * If there is no handler, but somebody has received before, what is left waits for the next one who does. If nobody listens at
 * all, or the mailbox is marked as GONE, everything is discarded. The inbox, if there is one, closes later. */
void
_agent_mailbox_close (AgentMailbox *self,
                      gboolean      drain)
{
  if (self->pair != NULL)
    pair_close (self->pair, self, drain);
  else
    _agent_mailbox_close_only (self, drain);
}

/* From now on nothing is delivered. TRUE, once: the mailbox had not finished by itself. */
gboolean
_agent_mailbox_abandon (AgentMailbox *self)
{
  return self->pair != NULL ? pair_abandon (self->pair) : _agent_mailbox_abandon_only (self);
}

/* --- Beginning --- */

/* Gives the mailbox an inbox. Precondition: no sender knows the mailbox, and it is not attached. */
void
_agent_mailbox_add_inbox (AgentMailbox            *self,
                          const AgentMailboxRules *rules)
{
  AgentMailboxPair *pair = g_new0 (AgentMailboxPair, 1);

  g_assert (self->pair == NULL && self->source == NULL);

  pair->main = self;
  pair->inbox = _agent_mailbox_new_inbox (self, rules->inbox_handle);
  pair->rules = rules;
  pair->on_released = pair_on_released;
  pair->inbox->pair = pair;
  self->pair = pair;
  if (rules->intercept != NULL)
    atomic_fetch_or (&self->checks, AGENT_CHECK_RULES);
}

/* --- Work --- */

static void
pair_end_work (AgentMailboxPair *self,
               AgentPairPart     part)
{
  _agent_delivery_source_lock (self->main->source);
  g_assert (self->n_works[part] > 0);
  self->n_works[part]--;
  _agent_delivery_source_unlock (self->main->source);
  pair_go_on (self);
}

/* The subscriber goes on with something that it was given after the handler has returned, and after the next messages have
 * come: its mailbox does not leave before end_work(), unless it is abandoned. No flush waits for that. Precondition: the
 * mailbox has an inbox. In the subscriber's handler, or while other work is open. */
void
_agent_mailbox_begin_work (AgentMailbox *self)
{
  AgentMailboxPair *pair = self->pair;

  _agent_delivery_source_lock (self->source);
  pair->n_works[pair_get_part (pair, self)]++;
  _agent_delivery_source_unlock (self->source);
}

/* Any thread, with no lock held. The caller has a reference to the mailbox. */
void
_agent_mailbox_end_work (AgentMailbox *self)
{
  pair_end_work (self->pair, pair_get_part (self->pair, self));
}

/* The rules were told that @self, the main mailbox or the inbox, closes, and have done what they do then. Once for each, in any
 * thread, with no lock held. The caller has a reference to the mailbox. */
void
_agent_mailbox_end_closing (AgentMailbox *self)
{
  pair_end_work (self->pair, pair_get_part (self->pair, self));
}
