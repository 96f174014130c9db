/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "assistant.h"

#include "answers.h"
#include "post.h"

struct _Assistant
{
  AgentSubscriber parent_instance;

  AgentConversation *conversation; /* an epoch lasts until the user interrupts */

  guint n_answers;
  guint n_spoken; /* answers that were said, or cut short */
};

G_DEFINE_FINAL_TYPE (Assistant, assistant, AGENT_TYPE_SUBSCRIBER)

static void
handle_heard (Assistant    *self,
              AgentMessage *message)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);
  g_autofree char *task_id = g_strdup_printf ("answer-%u", self->n_answers + 1);
  g_autofree char *answer = NULL;
  const char      *heard;
  AgentMessage    *request;

  g_variant_get (agent_message_get_payload (message), "(u&s)", NULL, &heard);
  answer = answers_compose (heard, self->n_answers == 0);
  self->n_answers++;

  request = agent_message_new_task_request (
      "assistant", "speaker", task_id, "speak", g_variant_new_string (answer));
  agent_message_set_conversation (request, self->conversation);
  post_note (subscriber, request, "%s: “%s”", task_id, answer);
  post_reliably (subscriber, request);
}

/* This message came on the system channel, so it is handled before all data that waits.
 *
 * From advance() on, nothing that belongs to the answer is delivered any more, wherever it is: no request to the speaker, no
 * frame to the loudspeaker, and no late response to this agent. Who works on a part of it is cancelled. The CANCEL tells the
 * loudspeaker that the end of the answer will not come. */
static void
handle_speech_started (Assistant *self)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);
  AgentMessage    *cancel;

  if (self->n_spoken == self->n_answers)
    return;

  self->n_spoken = self->n_answers;
  agent_conversation_advance (self->conversation);
  cancel = agent_message_new_cancel ("assistant", "loudspeaker", "the user interrupts");
  post_note (subscriber, cancel, "CANCEL: the user interrupts answer-%u", self->n_answers);
  post (subscriber, cancel);
}

static void
pass_end_of_input (Assistant *self)
{
  post_mark (AGENT_SUBSCRIBER (self), "speaker", "end-of-input");
}

static void
assistant_message (AgentSubscriber *subscriber,
                   AgentMessage    *message)
{
  Assistant  *self = VOICE_ASSISTANT (subscriber);
  const char *name = agent_message_get_name (message);

  if (agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_TASK_RESPONSE)
    self->n_spoken++;
  else if (g_str_equal (name, "heard"))
    handle_heard (self, message);
  else if (g_str_equal (name, "speech-started"))
    handle_speech_started (self);
  else if (g_str_equal (name, "end-of-input"))
    pass_end_of_input (self);
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
}

static void
assistant_init (Assistant *self)
{
  self->conversation = agent_conversation_new (NULL);
}

AgentSubscriber *
assistant_new (GMainContext *context)
{
  return g_object_new (VOICE_TYPE_ASSISTANT, "name", "assistant", "main-context", context, NULL);
}
