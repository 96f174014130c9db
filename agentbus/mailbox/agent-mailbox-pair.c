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

/* Gives @mailbox an inbox. Precondition: no sender knows @mailbox, and it is not attached. */
void
_agent_mailbox_add_inbox (AgentMailbox            *self,
                          const AgentMailboxRules *rules)
{
  AgentMailboxPair *pair = g_new0 (AgentMailboxPair, 1);

  g_assert (self->pair == NULL && self->source == NULL);

  pair->main = self;
  pair->inbox = _agent_mailbox_new_inbox (self, rules->inbox_handle);
  pair->rules = rules;
  pair->inbox->pair = pair;
  self->pair = pair;
}

/* The main mailbox is being freed. */
void
_agent_mailbox_pair_free (AgentMailboxPair *self)
{
  _agent_mailbox_free (self->inbox);
  g_free (self);
}

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

  if (self->over || !self->released[AGENT_PAIR_MAIN] || (waits && self->n_works[AGENT_PAIR_MAIN] > 0))
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
    _agent_mailbox_pair_close (self, self->inbox, TRUE);
  else if (step == PAIR_FINISH)
    _agent_mailbox_finish (main, abandoned);
  _agent_mailbox_unref (main);
}

/* @mailbox, one of the two, delivers nothing any more. Called once for each. */
void
_agent_mailbox_pair_released (AgentMailboxPair *self,
                              AgentMailbox     *mailbox)
{
  _agent_mailbox_end_receipts (mailbox);

  _agent_delivery_source_lock (mailbox->source);
  self->released[pair_get_part (self, mailbox)] = TRUE;
  _agent_delivery_source_unlock (mailbox->source);
  pair_go_on (self);
}

void
_agent_mailbox_pair_begin_work (AgentMailboxPair *self,
                                AgentMailbox     *mailbox)
{
  _agent_delivery_source_lock (mailbox->source);
  self->n_works[pair_get_part (self, mailbox)]++;
  _agent_delivery_source_unlock (mailbox->source);
}

void
_agent_mailbox_pair_end_work (AgentMailboxPair *self,
                              AgentMailbox     *mailbox)
{
  AgentPairPart part = pair_get_part (self, mailbox);

  _agent_delivery_source_lock (mailbox->source);
  g_assert (self->n_works[part] > 0);
  self->n_works[part]--;
  _agent_delivery_source_unlock (mailbox->source);
  pair_go_on (self);
}

/* Keeps the mailbox until end_closing(). FALSE: the rules were told already, or do not want to be. */
static gboolean
pair_begin_closing (AgentMailboxPair *self,
                    AgentPairPart     part)
{
  const AgentMailboxRules *rules = self->rules;
  gboolean                 wanted = part == AGENT_PAIR_MAIN ? rules->closing != NULL : rules->inbox_closing != NULL;

  _agent_delivery_source_lock (self->main->source);
  wanted = wanted && !self->told[part] && !self->over;
  if (wanted)
    self->n_works[part]++;
  self->told[part] = TRUE;
  _agent_delivery_source_unlock (self->main->source);

  return wanted;
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
}

/* Closes @mailbox, one of the two, and tells the rules. A subscriber that is released already knows. */
void
_agent_mailbox_pair_close (AgentMailboxPair *self,
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

/* From now on nothing is delivered, and no work is waited for. The rules are told that the mailboxes close, if they were not
 * yet. TRUE, once: the pair had not finished by itself. */
gboolean
_agent_mailbox_pair_abandon (AgentMailboxPair *self)
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

/* --- Work --- */

/* The subscriber goes on with something that it was given after the handler has returned, and after the next messages have
 * come: its mailbox does not leave before end_work(), unless it is abandoned. Precondition: the mailbox has an inbox. In the
 * subscriber's handler, or while other work is open. */
void
_agent_mailbox_begin_work (AgentMailbox *self)
{
  _agent_mailbox_pair_begin_work (self->pair, self);
}

/* Any thread, with no lock held. The caller has a reference to the mailbox. */
void
_agent_mailbox_end_work (AgentMailbox *self)
{
  _agent_mailbox_pair_end_work (self->pair, self);
}

/* The rules were told that @self, the main mailbox or the inbox, closes, and have done what they do then. Once for each, in any
 * thread, with no lock held. The caller has a reference to the mailbox. */
void
_agent_mailbox_end_closing (AgentMailbox *self)
{
  _agent_mailbox_pair_end_work (self->pair, self);
}
