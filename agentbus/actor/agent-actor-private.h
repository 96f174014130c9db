/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-actor.h"
#include "actor/agent-agenda-private.h"
#include "actor/agent-outcome-private.h"
#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

/*
 * What an actor has besides its subscription: its life, the jobs that it works on, the requests that wait for their turn, and
 * the tasks that it has requested and that are open.
 *
 * The functions are in several files: what an actor is (agent-actor.c), which messages are for its rules (-rules.c), how it
 * begins and ends (-life.c), how it works (-jobs.c), and how it requests (-request.c).
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
  AGENT_CHORE_CANCEL = 1 << 4, /* leave at once, also if it is ending */
};

typedef struct _AgentWork       AgentWork;
typedef struct _AgentTaskSeries AgentTaskSeries;

typedef struct
{
  AgentAgenda           *agenda;  /* (owned) constant */
  AgentAppointment       chores;
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
  AgentMailbox          *leaving;    /* (owned) (nullable) the inbox that waits for the farewell */
  GPtrArray             *to_trip;    /* (owned) (nullable) of AgentWork (owned) */
  AgentRouterDispatcher *dispatcher; /* (owned) (nullable) */
  gpointer               ledger;     /* (owned) (nullable) the AgentTaskLedger of the bus, as long as the actor is ready */
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
  guint8                 is_stuck;   /* it was abandoned, since it did not end in time */
  guint8                 gave_up;    /* it was cancelled while it was ending */
  guint64                n_requests;
  guint64                n_outcomes[AGENT_N_OUTCOMES];
} AgentActorCore;

AgentActorCore *_agent_actor_get_core     (AgentActor         *self);

/* Any thread, with no lock held */
void            _agent_actor_add_chore    (AgentActor         *self,
                                           guint               chore);
gboolean        _agent_actor_add_task     (AgentActor         *self,
                                           AgentTask          *task);
void            _agent_actor_forget_task  (AgentActor         *self,
                                           AgentTask          *task,
                                           AgentOutcome        outcome);
AgentTaskSeries *
                _agent_actor_dup_series   (AgentActor         *self,
                                           const char         *task_name);
gboolean        _agent_actor_count_waiting
                                          (AgentActor         *self,
                                           GError            **error);
void            _agent_actor_count_waited (AgentActor         *self);
void            _agent_actor_forget_work  (AgentActor         *self,
                                           AgentWork          *work,
                                           AgentTaskStatus     status);
void            _agent_actor_trip_later   (AgentActor         *self,
                                           AgentWork          *work);
void            _agent_actor_on_subscribed
                                          (gpointer            subscriber,
                                           AgentBus           *bus);
void            _agent_actor_on_closing   (gpointer            subscriber,
                                           AgentMailbox       *mailbox,
                                           gboolean            drain);
void            _agent_actor_on_inbox_closing
                                          (gpointer            subscriber,
                                           AgentMailbox       *inbox);
void            _agent_actor_close_jobs   (AgentActor         *self,
                                           AgentMailbox       *mailbox);
void            _agent_actor_close_tasks  (AgentActor         *self,
                                           AgentMailbox       *mailbox);
void            _agent_actor_announce     (AgentActor         *self);
void            _agent_actor_set_runner   (AgentActor         *self,
                                           const char         *runner);
gboolean        _agent_actor_is_stuck     (AgentActor         *self);
void            _agent_actor_cancel       (AgentActor         *self,
                                           const char         *reason);

/* The actor's context */
void            _agent_actor_take_request (AgentActor         *self,
                                           AgentMessage       *request);
void            _agent_actor_begin_jobs   (AgentActor         *self);
void            _agent_actor_trip_jobs    (AgentActor         *self);
void            _agent_actor_cancel_job   (AgentActor         *self,
                                           AgentMessage       *cancel);
void            _agent_actor_ask_job      (AgentActor         *self,
                                           AgentMessage       *message);
void            _agent_actor_activate     (AgentActor         *self,
                                           GVariant           *args);
void            _agent_actor_deactivate   (AgentActor         *self);
void            _agent_actor_begin_end    (AgentActor         *self,
                                           const char         *reason);
void            _agent_actor_begin_cancel (AgentActor         *self,
                                           const char         *reason);
void            _agent_actor_cancel_now   (AgentActor         *self);
void            _agent_actor_farewell     (AgentActor         *self);

/* For the instance's beginning */
void            _agent_actor_set_rules    (AgentActor         *self);


G_END_DECLS
