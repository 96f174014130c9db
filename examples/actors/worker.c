/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "worker.h"

/* Fewer than the actors that one worker may have: the dispatcher parks requests that find no room. */
#define CAPACITY 256

struct _Worker
{
  AgentSubscriber parent_instance;

  AgentBus     *bus;
  Model         models[N_TEAMS];
  WorkerFigures figures;

  guint64  update_seq; /* of the last update */
  guint64  n_behind;   /* messages that waited when it came, and that have not been handled since */
  gboolean counted;    /* whether the update is counted in n_overtaking */

  gint   stuck; /* (atomic) */
  GMutex lock;
  GCond  freed;
};

G_DEFINE_FINAL_TYPE (Worker, worker, AGENT_TYPE_SUBSCRIBER)

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
send_answer (Worker         *self,
             AgentMessage   *request,
             const Question *question,
             gboolean        push_right)
{
  const Answer answer = {
    .actor = question->actor,
    .generation = question->generation,
    .step = question->step,
    .push_right = push_right,
  };
  AgentMessage *message;

  message = agent_message_new_custom ("action",
                                      AGENT_CHANNEL_DATA,
                                      agent_subscriber_get_name (AGENT_SUBSCRIBER (self)),
                                      agent_message_get_source (request),
                                      payload_new_answer (&answer));
  agent_message_set_cause (message, request);
  agent_bus_send (self->bus, message);
}

static void
answer_request (Worker       *self,
                AgentMessage *request)
{
  const Question *question = payload_get_question (agent_message_get_payload (request));
  const Model    *model;

  g_return_if_fail (question != NULL && question->team < N_TEAMS);

  look_behind (self, request);

  /* The model was sent before the request, and on the system channel, so it has to be here. */
  model = &self->models[question->team];
  if (model->generation != question->generation)
    self->figures.n_unprepared++;

  self->figures.n_answered++;
  send_answer (self, request, question, model_decide (model, question->curiosity, question->state));
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
wait_until_freed (Worker *self)
{
  g_mutex_lock (&self->lock);
  while (g_atomic_int_get (&self->stuck))
    g_cond_wait (&self->freed, &self->lock);
  g_mutex_unlock (&self->lock);
}

static void
worker_message (AgentSubscriber *subscriber,
                AgentMessage    *message)
{
  Worker *self = ACTORS_WORKER (subscriber);

  if (g_atomic_int_get (&self->stuck))
    wait_until_freed (self);

  if (agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_REQUEST_INFERENCE)
    answer_request (self, message);
  else if (agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_MODEL_UPDATE)
    update_model (self, message);
}

static void
worker_finalize (GObject *object)
{
  Worker *self = ACTORS_WORKER (object);

  g_clear_object (&self->bus);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->freed);

  G_OBJECT_CLASS (worker_parent_class)->finalize (object);
}

static void
worker_class_init (WorkerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = worker_finalize;
  AGENT_SUBSCRIBER_CLASS (klass)->message = worker_message;
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
            GMainContext *context,
            AgentBus     *bus)
{
  Worker *self = g_object_new (ACTORS_TYPE_WORKER,
                               "name",
                               name,
                               "main-context",
                               context,
                               "capacity",
                               CAPACITY,
                               NULL);

  self->bus = g_object_ref (bus);

  return self;
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
