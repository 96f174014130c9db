/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * A model of how senders and a context wake one another up: agent-delivery-source.c with the parts of the channel queue and
 * of the yielding source that belong to it, without threads. Two senders send two messages each, to one or two mailboxes of
 * one context. Each thread is a list of atomic steps; the search goes through all orders in which the steps can happen.
 *
 * A step is one access to what other threads look at without the lock. To take the lock is part of the step after it and
 * to give it back part of the step before it: nobody can tell the difference. Left out is what only saves wakeups (to wait
 * for more), the budget, and all that ends a mailbox.
 *
 * The accesses of the library are sequentially consistent where this hangs on it, so a step sees all steps before it. What
 * weaker accesses would allow is among the flaws: each of them breaks the model in one place, and the search has to notice.
 */

#define N_EACH 2
#define N_SENDERS 2
#define RECEIVER N_SENDERS
#define N_THREADS (N_SENDERS + 1)
#define N_MESSAGES (N_SENDERS * N_EACH)
#define N_MAILBOXES 2

#define NONE 0xff /* no mailbox, or no thread */

typedef enum
{
  FLAW_NONE,
  FLAW_REST_LOADS_FIRST,    /* take_incoming() loads before the store that the source is not armed */
  FLAW_SENDER_LOOKS_FIRST,  /* a sender loads whether the source is armed before it has pushed */
  FLAW_TOKEN_COMES_LATE,    /* an empty channel gives back its token without its lock */
  FLAW_WAKES_UP_FIRST,      /* the context is woken up before it can see why */
  FLAW_CONSUMES_AFTERWARDS, /* rest() says that nothing is urgent when the lock is free */
  FLAW_ARMED_AT_ONCE,       /* to take on a wakeup looks like having done it */
  FLAW_FOR_ITS_OWN_ONLY,    /* a sender does not wake up the context for what another one has made ready */
  FLAW_NO_ROUNDS,           /* a thread says that it has woken up the context when another one has still to do it */
} Flaw;

/* clang-format off */
#define STEPS(X)                                                                                                          \
  /* agent_bus_send(), for one message */                                                                                 \
  X (PUSH, push) X (MARK, mark) X (LOAD_HEAD, load_head) X (SWAP_HEAD, swap_head) X (LOOK, look) X (ADD, add) X (ARM, arm) \
  X (SET_URGENT, set_urgent) X (WAKE_UP, wake_up) X (END_ARMING, end_arming) X (DONE, done)                               \
  /* sort_incoming_locked(), for all threads */                                                                           \
  X (TAKE, take) X (LEAVE, leave) X (SCHEDULE, schedule)                                                                  \
  /* The main loop and dispatch() */                                                                                      \
  X (PREPARE, prepare) X (POLL, poll) X (BEGIN, begin) X (CONSUME, consume) X (SERVE, serve) X (PICK, pick) X (POP, pop)  \
  X (GIVE_TOKEN, give_token) X (PUT_BACK, put_back) X (LOAD_EARLY, load_early) X (REST, rest) X (DECIDE, decide)
/* clang-format on */

#define STEP_ENUM(NAME, name) STEP_##NAME,
typedef enum
{
  STEPS (STEP_ENUM)
} Step;

typedef enum
{
  ARMED_NO,
  ARMED_ARMING,
  ARMED_YES,
} Armed;

/* All are bytes, so that two models can be compared as memory. */
typedef struct
{
  guint8 step;
  guint8 after;       /* where to go on when all that was taken is sorted */
  guint8 n_sent;      /* of a sender */
  guint8 mailbox;     /* (or NONE) whose token the thread has */
  guint8 head;        /* (or NONE) of the stack, as last seen */
  guint8 taken;       /* (or NONE) from the stack, the oldest first, linked by @next */
  guint8 saw_armed;   /* for FLAW_SENDER_LOOKS_FIRST */
  guint8 saw_nothing; /* for FLAW_REST_LOADS_FIRST */
  guint8 to_wake;
  guint8 in_round;    /* the source is armed as it was when this thread took on its wakeup */
} Thread;

typedef struct
{
  guint8 n_queued;
  guint8 queue[N_MESSAGES];
  guint8 scheduled; /* whether anybody has the token of the channel */
  guint8 is_incoming;
  guint8 next;      /* (or NONE) next_incoming */
} Mailbox;

typedef struct
{
  Thread  threads[N_THREADS];
  Mailbox mailboxes[N_MAILBOXES];
  guint8  targets[N_MESSAGES];
  guint8  handled[N_MESSAGES];
  guint8  flaw;
  guint8  lock;     /* (or NONE) the thread that has it */
  guint8  incoming; /* (or NONE) the stack of mailboxes */
  guint8  armed;    /* an Armed */
  guint8  n_ready;
  guint8  ready[N_MAILBOXES];
  guint8  urgent;   /* in the yielding source */
  guint8  woken_up; /* g_main_context_wakeup() is kept until the context would sleep */
  guint8  is_wrong; /* a message came twice, or in the wrong order */
} Model;

void        model_init          (Model        *self,
                                 Flaw          flaw,
                                 guint         plan);
gboolean    model_go_on         (Model        *self,
                                 guint         thread);
const char *model_get_step_name (const Model  *self,
                                 guint         thread);
guint8      model_get_message   (const Model  *self,
                                 const Thread *sender);

G_END_DECLS
