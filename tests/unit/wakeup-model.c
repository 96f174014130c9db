/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "wakeup-model.h"

/* --- What the library does with its lock held --- */

static gboolean
lock_source (Model  *self,
             Thread *thread)
{
  if (self->lock != NONE)
    return FALSE;

  self->lock = thread - self->threads;
  return TRUE;
}

/* A round that is over does not come again: nobody is in it any more. */
static void
set_armed (Model *self,
           Armed  armed)
{
  self->armed = armed;
  for (guint i = 0; i < N_THREADS; i++)
    self->threads[i].in_round = FALSE;
}

static void
arm (Model  *self,
     Thread *thread)
{
  if (self->armed == ARMED_YES)
    return;

  if (self->armed == ARMED_NO)
    set_armed (self, self->flaw == FLAW_ARMED_AT_ONCE ? ARMED_YES : ARMED_ARMING);
  thread->to_wake = TRUE;
}

/* The first of a queue, the rest moves up. */
static guint8
pop (guint8 *queue,
     guint8 *length)
{
  guint8 first = queue[0];

  (*length)--;
  memmove (queue, queue + 1, *length);
  queue[*length] = 0;
  return first;
}

/* What is taken belongs to one thread alone, which turns it round in its own time. */
static guint8
take_incoming (Model *self)
{
  guint8 first = NONE;

  for (guint8 mailbox = self->incoming; mailbox != NONE;)
    {
      guint8 next = self->mailboxes[mailbox].next;

      self->mailboxes[mailbox].next = first;
      first = mailbox;
      mailbox = next;
    }

  self->incoming = NONE;
  return first;
}

/* Which message the sender is at. */
guint8
model_get_message (const Model  *self,
                   const Thread *sender)
{
  return (sender - self->threads) * N_EACH + sender->n_sent;
}

/* --- Steps. FALSE: the thread cannot go on now --- */

#define STEP(name)               \
  static gboolean                \
      step_##name (Model  *self, \
                   Thread *thread)

static gboolean
go_on (Thread *thread,
       Step    step)
{
  thread->step = step;
  return TRUE;
}

static gboolean
end_send (Thread *thread)
{
  thread->n_sent++;
  thread->mailbox = NONE;
  thread->head = NONE;
  return go_on (thread, thread->n_sent < N_EACH ? STEP_PUSH : STEP_DONE);
}

/* try_push_data(): the message goes in and the token is claimed under the lock of the channel. Who does not get the token
 * leaves all else to who has it. */
STEP (push)
{
  guint8   message = model_get_message (self, thread);
  Mailbox *mailbox = &self->mailboxes[self->targets[message]];

  mailbox->queue[mailbox->n_queued++] = message;
  if (mailbox->scheduled)
    return end_send (thread);

  mailbox->scheduled = TRUE;
  thread->mailbox = self->targets[message];
  return go_on (thread, STEP_MARK);
}

/* push_incoming() */
STEP (mark)
{
  Mailbox *mailbox = &self->mailboxes[thread->mailbox];
  gboolean was_incoming = mailbox->is_incoming;

  mailbox->is_incoming = TRUE;
  thread->saw_armed = self->flaw == FLAW_SENDER_LOOKS_FIRST && self->armed == ARMED_YES;
  return go_on (thread, was_incoming ? STEP_LOOK : STEP_LOAD_HEAD);
}

STEP (load_head)
{
  thread->head = self->incoming;
  return go_on (thread, STEP_SWAP_HEAD);
}

STEP (swap_head)
{
  if (self->incoming != thread->head)
    return go_on (thread, STEP_LOAD_HEAD);

  self->mailboxes[thread->mailbox].next = thread->head;
  self->incoming = thread->mailbox;
  thread->mailbox = NONE;
  return go_on (thread, STEP_LOOK);
}

/* add_data(): a source that is armed comes by itself. */
STEP (look)
{
  gboolean is_armed = self->armed == ARMED_YES;

  if (self->flaw == FLAW_SENDER_LOOKS_FIRST)
    is_armed = thread->saw_armed;
  thread->saw_armed = FALSE;
  return is_armed ? end_send (thread) : go_on (thread, STEP_ADD);
}

STEP (add)
{
  thread->after = STEP_ARM;
  return lock_source (self, thread) && go_on (thread, STEP_TAKE);
}

/* The end of add_data(), and unlock(): with the lock free, the context is woken up. */
STEP (arm)
{
  if (self->n_ready > 0 && self->flaw != FLAW_FOR_ITS_OWN_ONLY)
    arm (self, thread);

  self->lock = NONE;
  if (!thread->to_wake)
    return end_send (thread);

  thread->to_wake = FALSE;
  thread->in_round = self->armed == ARMED_ARMING;
  return go_on (thread, self->flaw == FLAW_WAKES_UP_FIRST ? STEP_WAKE_UP : STEP_SET_URGENT);
}

/* _agent_yielding_source_be_urgent(), in two steps. */
STEP (set_urgent)
{
  self->urgent = TRUE;
  return go_on (thread, self->flaw == FLAW_WAKES_UP_FIRST ? STEP_END_ARMING : STEP_WAKE_UP);
}

STEP (wake_up)
{
  self->woken_up = TRUE;
  return go_on (thread, self->flaw == FLAW_WAKES_UP_FIRST ? STEP_SET_URGENT : STEP_END_ARMING);
}

/* The end of wake(): the exchange fails if the source is in another round. */
STEP (end_arming)
{
  if (self->armed == ARMED_ARMING && (thread->in_round || self->flaw == FLAW_NO_ROUNDS))
    self->armed = ARMED_YES;

  thread->in_round = FALSE;
  return end_send (thread);
}

STEP (done)
{
  return FALSE;
}

/* take_incoming() */
STEP (take)
{
  if (!thread->saw_nothing)
    thread->taken = take_incoming (self);

  thread->saw_nothing = FALSE;
  return go_on (thread, thread->taken != NONE ? STEP_LEAVE : thread->after);
}

/* leave_incoming(): from here on the mailbox may come in again, and so @next is read before. */
STEP (leave)
{
  Mailbox *mailbox = &self->mailboxes[thread->taken];

  thread->mailbox = thread->taken;
  thread->taken = mailbox->next;
  mailbox->next = NONE;
  mailbox->is_incoming = FALSE;
  return go_on (thread, STEP_SCHEDULE);
}

/* schedule_locked() */
STEP (schedule)
{
  self->ready[self->n_ready++] = thread->mailbox;
  thread->mailbox = NONE;
  arm (self, thread);
  return go_on (thread, thread->taken != NONE ? STEP_LEAVE : thread->after);
}

/* yielding_main_prepare(), and yielding_main_check() after the poll. */
STEP (prepare)
{
  return go_on (thread, self->urgent ? STEP_BEGIN : STEP_POLL);
}

STEP (poll)
{
  if (!self->woken_up)
    return FALSE;

  self->woken_up = FALSE;
  return go_on (thread, STEP_PREPARE);
}

/* begin() */
STEP (begin)
{
  if (!lock_source (self, thread))
    return FALSE;

  set_armed (self, ARMED_YES);
  return go_on (thread, STEP_CONSUME);
}

/* Also where FLAW_CONSUMES_AFTERWARDS has it. */
STEP (consume)
{
  gboolean begins = self->lock == RECEIVER;

  self->urgent = FALSE;
  if (begins)
    self->lock = NONE;
  return go_on (thread, begins ? STEP_SERVE : STEP_PREPARE);
}

STEP (serve)
{
  thread->after = STEP_PICK;
  return lock_source (self, thread) && go_on (thread, STEP_TAKE);
}

/* take_next_locked(); if there is none, serve() is over. */
STEP (pick)
{
  self->lock = NONE;
  if (self->n_ready == 0)
    return go_on (thread, self->flaw == FLAW_REST_LOADS_FIRST ? STEP_LOAD_EARLY : STEP_REST);

  thread->mailbox = pop (self->ready, &self->n_ready);
  return go_on (thread, STEP_POP);
}

static void
handle (Model *self,
        guint8 message)
{
  guint8   before = message - 1;
  gboolean is_second = message % N_EACH != 0 && self->targets[before] == self->targets[message];

  if (self->handled[message] || (is_second && !self->handled[before]))
    self->is_wrong = TRUE;
  self->handled[message] = TRUE;
}

STEP (give_token)
{
  self->mailboxes[thread->mailbox].scheduled = FALSE;
  thread->mailbox = NONE;
  return go_on (thread, STEP_SERVE);
}

/* _agent_mailbox_serve(), as if it were a turn of one message. An empty channel gives back its token under its lock. */
STEP (pop)
{
  Mailbox *mailbox = &self->mailboxes[thread->mailbox];

  if (mailbox->n_queued > 0)
    {
      handle (self, pop (mailbox->queue, &mailbox->n_queued));
      return go_on (thread, STEP_PUT_BACK);
    }

  return self->flaw == FLAW_TOKEN_COMES_LATE ? go_on (thread, STEP_GIVE_TOKEN) : step_give_token (self, thread);
}

/* put_back_locked(): there may be more. */
STEP (put_back)
{
  if (!lock_source (self, thread))
    return FALSE;

  self->ready[self->n_ready++] = thread->mailbox;
  thread->mailbox = NONE;
  return go_on (thread, STEP_TAKE);
}

STEP (load_early)
{
  thread->saw_nothing = self->incoming == NONE;
  return go_on (thread, STEP_REST);
}

/* rest_locked() */
STEP (rest)
{
  if (!lock_source (self, thread))
    return FALSE;

  set_armed (self, ARMED_NO);
  thread->after = STEP_DECIDE;
  return go_on (thread, STEP_TAKE);
}

/* The context is here: it need not be woken up for what it has sorted itself. */
STEP (decide)
{
  thread->to_wake = FALSE;
  self->lock = NONE;
  if (self->n_ready > 0)
    {
      set_armed (self, ARMED_YES);
      return go_on (thread, STEP_SERVE);
    }

  return self->flaw == FLAW_CONSUMES_AFTERWARDS ? go_on (thread, STEP_CONSUME) : step_consume (self, thread);
}

#define STEP_ROW(NAME, name) { #name, step_##name },
static const struct
{
  const char *name;
  gboolean (*run) (Model  *self,
                   Thread *thread);
} steps[] = { STEPS (STEP_ROW) };

/* --- For the search --- */

/* Message i goes to the mailbox that bit i of @plan names. */
void
model_init (Model *self,
            Flaw   flaw,
            guint  plan)
{
  memset (self, 0, sizeof *self);
  self->flaw = flaw;
  self->lock = NONE;
  self->incoming = NONE;
  for (guint i = 0; i < N_MAILBOXES; i++)
    self->mailboxes[i].next = NONE;
  for (guint i = 0; i < N_MESSAGES; i++)
    self->targets[i] = plan >> i & 1;
  for (guint i = 0; i < N_THREADS; i++)
    self->threads[i] = (Thread){
      .step = i == RECEIVER ? STEP_PREPARE : STEP_PUSH,
      .mailbox = NONE,
      .head = NONE,
      .taken = NONE,
    };
}

/* FALSE: the thread has to wait, or is done, and @self is not to be used any more. */
gboolean
model_go_on (Model *self,
             guint  thread)
{
  return steps[self->threads[thread].step].run (self, &self->threads[thread]);
}

const char *
model_get_step_name (const Model *self,
                     guint        thread)
{
  return steps[self->threads[thread].step].name;
}
