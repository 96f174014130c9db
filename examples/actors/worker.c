/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "worker.h"

/* Fewer than the actors that one worker may have: the dispatcher parks requests that find no room. */
#define CAPACITY 256

struct _Worker
{
  AgentActor parent_instance;

  Model         models[N_TEAMS];
  WorkerFigures figures;

  guint64  update_seq; /* of the last update */
  guint64  n_behind;   /* messages that waited when it came, and that have not been handled since */
  gboolean counted;    /* whether the update is counted in n_overtaking */

  gint   stuck; /* (atomic) */
  GMutex lock;
  GCond  freed;
};

G_DEFINE_FINAL_TYPE (Worker, worker, AGENT_TYPE_ACTOR)

/* Sequence numbers rise for each sender, and the arena's thread sends all messages that come here. */
static void
look_behind (Worker       *self,
             AgentMessage *request)
{
  if (self->n_behind == 0)
    return;

  self->n_behind--;
  if (agent_message_get_seq (request) > self->update_seq)
    return;

  self->figures.n_overtaken++;
  if (!self->counted)
    self->figures.n_overtaking++;
  self->counted = TRUE;
}

static void
wait_until_freed (Worker *self)
{
  if (!g_atomic_int_get (&self->stuck))
    return;

  g_mutex_lock (&self->lock);
  while (g_atomic_int_get (&self->stuck))
    g_cond_wait (&self->freed, &self->lock);
  g_mutex_unlock (&self->lock);
}

static void
worker_task_request (AgentActor *actor,
                     AgentJob   *job)
{
  Worker         *self = ACTORS_WORKER (actor);
  const Question *question = payload_get_question (agent_job_get_payload (job));
  const Model    *model;
  Answer          answer;

  g_return_if_fail (question != NULL && question->team < N_TEAMS);

  wait_until_freed (self);
  look_behind (self, agent_job_get_message (job));

  /* The model was sent before the request, and on the system channel, so it has to be here. */
  model = &self->models[question->team];
  if (model->generation != question->generation)
    self->figures.n_unprepared++;

  answer = (Answer){
    .actor = question->actor,
    .generation = question->generation,
    .step = question->step,
    .push_right = model_decide (model, question->curiosity, question->state),
  };
  if (agent_job_complete (job, payload_new_answer (&answer)))
    self->figures.n_answered++;
}

static void
update_model (Worker       *self,
              AgentMessage *update)
{
  const Model *model = payload_get_model (agent_message_get_payload (update));

  g_return_if_fail (model != NULL && model->team < N_TEAMS);

  self->models[model->team] = *model;
  self->figures.n_updates++;

  self->update_seq = agent_message_get_seq (update);
  self->n_behind = agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (self));
  self->counted = FALSE;
}

static void
worker_message (AgentSubscriber *subscriber,
                AgentMessage    *message)
{
  Worker *self = ACTORS_WORKER (subscriber);

  wait_until_freed (self);

  if (agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_MODEL_UPDATE)
    update_model (self, message);
}

static void
worker_finalize (GObject *object)
{
  Worker *self = ACTORS_WORKER (object);

  g_mutex_clear (&self->lock);
  g_cond_clear (&self->freed);

  G_OBJECT_CLASS (worker_parent_class)->finalize (object);
}

static void
worker_class_init (WorkerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = worker_finalize;
  AGENT_SUBSCRIBER_CLASS (klass)->message = worker_message;
  AGENT_ACTOR_CLASS (klass)->task_request = worker_task_request;
}

static void
worker_init (Worker *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->freed);

  /* No generation has this number, so it means that no update has come. */
  for (guint team = 0; team < N_TEAMS; team++)
    self->models[team].generation = G_MAXUINT32;
}

Worker *
worker_new (const char   *name,
            GMainContext *context)
{
  return g_object_new (
      ACTORS_TYPE_WORKER, "name", name, "parent", "arena", "main-context", context, "capacity", CAPACITY, NULL);
}

/* A worker that is stuck stays in the handler of its next message, and so its thread does nothing else. */
void
worker_set_stuck (Worker  *self,
                  gboolean stuck)
{
  g_mutex_lock (&self->lock);
  g_atomic_int_set (&self->stuck, stuck);
  g_cond_broadcast (&self->freed);
  g_mutex_unlock (&self->lock);
}

const WorkerFigures *
worker_get_figures (Worker *self)
{
  return &self->figures;
}
