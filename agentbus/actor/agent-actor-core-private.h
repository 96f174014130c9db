/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-actor.h"
#include "actor/agent-agenda-private.h"
#include "actor/agent-task-ledger-private.h"
#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

/*
 * What an actor has besides its subscription: its life, the jobs that it works on, the requests that wait for their turn, and
 * the tasks that it has requested and that are open.
 *
 * The functions are in several files: what an actor keeps (-core.c), what it is (agent-actor.c), which messages are for its rules (-rules.c), how it
 * begins and ends (-life.c), when it takes part (-active.c, -role.c), how it works (-jobs.c), and how it requests (-request.c).
 *
 * The fields may be read and written in any thread with @lock held, if nothing else is said. The lock is not held while
 * anything else is called that takes a lock.
 */

/* What is left to do in the actor's context. */
enum
{
  AGENT_CHORE_JOBS = 1 << 0,   /* begin the jobs for which there is room now */
  AGENT_CHORE_TRIP = 1 << 1,   /* trip the jobs that are cancelled */
  AGENT_CHORE_FAREWELL = 1 << 2, /* the subscription is over: tell it */
  AGENT_CHORE_STATE = 1 << 3,  /* notify of the state */
  AGENT_CHORE_ROLE = 1 << 5,     /* go on with a hand-over */
  AGENT_CHORE_CANCEL = 1 << 4, /* leave at once, also if it is ending */
};

typedef struct _AgentRole AgentRole;
typedef struct _AgentWork AgentWork;

typedef struct
{
  AgentAgenda           *agenda;  /* (owned) constant */
  AgentAppointment       chores;
  AgentAppointmentFunc   do_chores; /* constant */
  char                  *parent;  /* (nullable) constant */
  gboolean               bridged; /* constant */
  gboolean               keep_frames; /* constant */
  gpointer               tree_bus; /* (tree's lock) (unowned) (nullable) the bus in whose tree the actor is */
  AgentWork             *current; /* (atomic) (unowned) (nullable) the job whose handler is running; set in the context's thread */

  GMutex                 lock;
  char                  *runner;     /* (nullable) */
  char                  *reason;     /* (nullable) why it ends */
  gint64                 started_at; /* µs since the epoch */
  AgentMailbox          *closing;    /* (owned) (nullable) the last subscription that has begun to end */
  AgentMailbox          *closed_jobs;  /* (owned) (nullable) the subscription that takes no more requests */
  AgentMailbox          *closed_tasks; /* (owned) (nullable) the subscription in which nothing can be requested any more */
  AgentMailbox          *gone;         /* (owned) (nullable) the last subscription that has nothing left to do */
  AgentMailbox          *leaving;    /* (owned) (nullable) the inbox that waits for the farewell */
  GPtrArray             *to_trip;    /* (owned) (nullable) of AgentWork (owned) */
  AgentRouterDispatcher *dispatcher; /* (owned) (nullable) */
  AgentTaskLedger       *ledger;     /* (owned) (nullable) of the bus, as long as the actor is ready */
  AgentTaskSeries       *series;     /* (owned) (nullable) the last one of it that was used */
  guint                  max_jobs;
  guint                  max_pending;
  guint                  wait_for_target; /* ms */
  guint                  n_waiting;  /* how many tasks wait for their target */
  guint8                 state;      /* an AgentActorState */
  guint8                 active;
  guint8                 to_do;      /* AGENT_CHORE_ flags */
  GQueue                 jobs;       /* of AgentWork (owned), linked through the works: those that are not answered */
  GQueue                 pending;    /* of AgentMessage (owned): requests that wait for a job to end */
  GQueue                 tasks;      /* of AgentTask, linked through the tasks: those that are open */
  GSList                *ends;       /* of GTask (owned): those who wait until the actor has ended */
  guint8                 is_ending;  /* with its children */
  guint8                 deactivates; /* a message 'deactivate' came during a hand-over, and counts when that is over */
  AgentRole             *role;       /* (owned) (nullable) the hand-over in which the actor takes part */
  guint8                 is_stuck;   /* it was abandoned, since it did not end in time */
  guint8                 gave_up;    /* it was cancelled while it was ending */
  guint64                n_requests;
  guint64                n_outcomes[AGENT_N_OUTCOMES];
} AgentActorCore;

/* Where the core lies in an actor, relative to the instance. Set when the class is made. */
extern gint _agent_actor_core_offset;

static inline AgentActorCore *
_agent_actor_get_core (AgentActor *self)
{
  return G_STRUCT_MEMBER_P (self, _agent_actor_core_offset);
}

/* Any thread, with no lock held */
void     _agent_actor_announce      (AgentActor     *self);
guint    _agent_actor_read          (AgentActor     *self,
                                     const guint    *field);
guint8   _agent_actor_read_flag     (AgentActor     *self,
                                     const guint8   *field);
gboolean _agent_actor_takes_part    (AgentActor     *self);
AgentMailbox *
         _agent_actor_ref_mailbox   (AgentActor     *self);
AgentMailbox *
         _agent_actor_ref_last_mailbox
                                    (AgentActor     *self);
AgentRouterDispatcher *
         _agent_actor_ref_dispatcher
                                    (AgentActor     *self);
void     _agent_actor_add_chore     (AgentActor     *self,
                                     guint           chore);
gboolean _agent_actor_add_task      (AgentActor     *self,
                                     GList          *link,
                                     AgentMailbox   *mailbox);
void     _agent_actor_forget_task   (AgentActor     *self,
                                     GList          *link,
                                     AgentOutcome    outcome);
AgentTaskSeries *
         _agent_actor_dup_series    (AgentActor     *self,
                                     const char     *task_name);
gboolean _agent_actor_count_waiting (AgentActor     *self,
                                     GError        **error);
void     _agent_actor_count_waited  (AgentActor     *self);
gboolean _agent_actor_forget_job    (AgentActor     *self,
                                     GList          *link);

/* May be called with the lock of a conversation held. */
void     _agent_actor_trip_later    (AgentActor     *self,
                                     gpointer        work,
                                     GDestroyNotify  work_free);

G_END_DECLS
