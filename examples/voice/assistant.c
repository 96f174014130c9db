/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "assistant.h"

#include "answers.h"
#include "post.h"

struct _Assistant
{
  AgentActor parent_instance;

  AgentConversation *conversation; /* (nullable): of the last request; an epoch of it lasts until the user interrupts */
  guint              n_answers;
};

G_DEFINE_FINAL_TYPE (Assistant, assistant, AGENT_TYPE_ACTOR)

/* What is requested here belongs to @job: it is in the same conversation, and ends with it. */
static void
assistant_task_request (AgentActor *actor,
                        AgentJob   *job)
{
  Assistant       *self = VOICE_ASSISTANT (actor);
  const char      *heard = g_variant_get_string (agent_job_get_payload (job), NULL);
  g_autofree char *answer = answers_compose (heard, self->n_answers == 0);
  g_autoptr (AgentTask) task = NULL;

  g_set_object (&self->conversation, agent_message_get_conversation (agent_job_get_message (job)));
  self->n_answers++;

  post_note (AGENT_SUBSCRIBER (self), "speaker", "answer-%u: “%s”", self->n_answers, answer);
  task = agent_actor_request (actor, "speaker", "speak", g_variant_new ("(us)", self->n_answers, answer));
  post_answer (task, job);
}

/* This message came on the system channel, so it is handled before all data that waits.
 *
 * From advance() on, nothing that belongs to the answer is delivered any more, wherever it is: no request to the speaker, no
 * frame to the loudspeaker. The tasks end, from the recogniser's to the speaker's, and who works on one of them is cancelled.
 * The CANCEL tells the loudspeaker, which works on no task, that the end of the answer will not come. */
static void
handle_speech_started (Assistant *self)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);

  if (agent_actor_get_n_tasks (AGENT_ACTOR (self)) == 0)
    return;

  post_alert (subscriber, "loudspeaker", "CANCEL: the user interrupts answer-%u", self->n_answers);
  agent_conversation_advance (self->conversation);
  post (subscriber, agent_message_new_cancel ("assistant", "loudspeaker", "the user interrupts"));
}

static void
assistant_message (AgentSubscriber *subscriber,
                   AgentMessage    *message)
{
  if (g_str_equal (agent_message_get_name (message), "speech-started"))
    handle_speech_started (VOICE_ASSISTANT (subscriber));
}

static void
assistant_finalize (GObject *object)
{
  Assistant *self = VOICE_ASSISTANT (object);

  g_clear_object (&self->conversation);

  G_OBJECT_CLASS (assistant_parent_class)->finalize (object);
}

static void
assistant_class_init (AssistantClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = assistant_finalize;
  AGENT_SUBSCRIBER_CLASS (klass)->message = assistant_message;
  AGENT_ACTOR_CLASS (klass)->task_request = assistant_task_request;
}

static void
assistant_init (Assistant *self)
{
}

/* It takes every request at once: the speaker says one answer after the other. */
AgentSubscriber *
assistant_new (GMainContext *context)
{
  return g_object_new (
      VOICE_TYPE_ASSISTANT, "name", "assistant", "parent", "director", "main-context", context, "max-jobs", 0, NULL);
}
