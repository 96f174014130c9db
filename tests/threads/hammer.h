/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <stdatomic.h>

#include "test-support.h"

G_BEGIN_DECLS

/*
 * What the hammer tests share: threads that send, subscribers that look closely at what they get, and counts
 * of the tests' own, which the library's ledger is held against in the end.
 *
 * Every thread has random numbers of its own, seeded from the test's seed (--seed): the same seed makes the same
 * choices, though not the same interleaving. A run is bounded by counts, which AGENTBUS_SOAK multiplies.
 */

#define HAMMER_MAX_SENDERS 64

typedef struct _Hammer Hammer;
typedef struct _Worker Worker;

/* --- Who sends --- */

typedef enum
{
  KIND_DATA,
  KIND_RELIABLE,
  KIND_EXPIRING, /* with a ttl of a millisecond */
  KIND_SYSTEM,
  KIND_CANCEL,
  KIND_TASK_CANCEL,
  N_KINDS,
} Kind;

/* One thread's, or one context's. Its messages say "sender.number", so that whoever gets them can check the order. */
typedef struct
{
  Hammer   *hammer;
  AgentBus *bus;    /* (unowned) */
  guint     id;
  guint     number;
  char     *name;
} Sender;

void          sender_init             (Sender         *self,
                                       Hammer         *hammer,
                                       const char     *name);
void          sender_clear            (Sender         *self);
AgentMessage *sender_make             (Sender         *self,
                                       Kind            kind,
                                       const char     *target);
guint         sender_send             (Sender         *self,
                                       Kind            kind,
                                       const char     *target);

/* --- A subscriber that looks closely --- */

typedef enum
{
  PROBE_DEFERS  = 1 << 0, /* some messages are completed on another thread, and some of them fail */
  PROBE_SENDS   = 1 << 1, /* to everybody, now and then */
  PROBE_LEAVES  = 1 << 2, /* unsubscribes itself, now and then */
  PROBE_IN_SEQ  = 1 << 3, /* wants the messages of all senders in the order of their seq */
  PROBE_IS_SLOW = 1 << 4, /* lets other threads go first */
  PROBE_ITERATES = 1 << 5, /* its context, now and then, as a dialog does */
} ProbeFlags;

#define TYPE_PROBE (probe_get_type ())
G_DECLARE_FINAL_TYPE (Probe, probe, TEST, PROBE, AgentSubscriber)

struct _Probe
{
  AgentSubscriber parent_instance;

  Hammer         *hammer;
  ProbeFlags      flags;
  Sender          sender;
  gint            over;                        /* (atomic) its unsubscription has finished */
  gint            in_hand;                     /* (atomic) a message is not done with */
  gint            n_late;                      /* (atomic) handlers that began after it was over */
  _Atomic guint64 n_handled;

  /* In its context */
  guint           last[HAMMER_MAX_SENDERS][2]; /* by channel */
  guint           n_got[HAMMER_MAX_SENDERS];
  guint64         last_seq[2];
};

Probe        *probe_new               (Hammer         *hammer,
                                       const char     *name,
                                       guint           thread,
                                       guint           capacity,
                                       AgentOverflow   overflow,
                                       ProbeFlags      flags);
gboolean      probe_subscribe         (Probe          *self);
gboolean      probe_unsubscribe       (Probe          *self,
                                       GMainContext   *context);
gboolean      probe_try_unsubscribe   (Probe          *self,
                                       GMainContext   *context,
                                       GError        **error);

/* --- The run --- */

typedef void (*WorkerFunc) (Worker *worker);

/* A thread, with a context of its own as the thread default. */
struct _Worker
{
  Hammer       *hammer;
  WorkerFunc    func;
  gpointer      data;
  guint         index;
  GRand        *rand;
  GMainContext *context;
  Sender        sender;
  AgentBus     *bus;     /* (owned) */
  GThread      *thread;
};

struct _Hammer
{
  TestFixture    *fixture;
  AgentBus       *bus;        /* (owned) (nullable) */
  GPtrArray      *threads;    /* of TestThread: where the probes live */
  GPtrArray      *workers;    /* of Worker */
  GPtrArray      *completers; /* of GThread */
  GAsyncQueue    *deferred;   /* what the completers have to complete */
  guint           n_senders;  /* (atomic) */
  gint            n_running;  /* (atomic) workers */
  gint            bus_is_gone; /* (atomic) */
  guint           log_handler;
  gboolean        may_time_out;

  /* What the tests count themselves */
  _Atomic guint64 n_sent;
  _Atomic guint64 n_accepted; /* what send() returned */
  _Atomic guint64 n_handled;
  _Atomic guint64 n_failed;
  _Atomic guint64 n_deferred;
  _Atomic guint64 n_completed;
  _Atomic guint64 n_made;     /* messages with a payload */
  _Atomic guint64 n_freed;    /* of them */
  gint            n_probes;   /* (atomic) alive */

  /* What the signals told, in the bus's context */
  guint64         dropped[TEST_N_DROP_REASONS];
  guint64         dropped_oldest; /* for lack of room, at subscribers with AGENT_OVERFLOW_DROP_OLDEST */
  guint64         failed;
};

guint         hammer_rounds           (guint           n);
void          hammer_begin            (Hammer         *self,
                                       TestFixture    *fixture,
                                       guint           n_threads,
                                       guint           n_completers,
                                       AgentBus       *bus);
void          hammer_end              (Hammer         *self);
GMainContext *hammer_get_context      (Hammer         *self,
                                       guint           thread);
Worker       *hammer_start_worker     (Hammer         *self,
                                       WorkerFunc      func,
                                       gpointer        data);
void          hammer_run_workers      (Hammer         *self);
void          hammer_sync_threads     (Hammer         *self);
void          hammer_sync             (Hammer         *self);
void          hammer_settle           (Hammer         *self);
void          hammer_stop             (Hammer         *self,
                                       GMainContext   *context);
void          hammer_start            (Hammer         *self,
                                       GMainContext   *context);
TestLedger    hammer_check_ledger     (Hammer         *self);

gboolean      worker_chance           (Worker         *self,
                                       guint           percent);
guint         worker_choose           (Worker         *self,
                                       guint           n);

G_END_DECLS
