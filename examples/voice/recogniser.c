/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "recogniser.h"

#include "post.h"
#include "speech-decoder.h"

/*
 * Three seconds of audio may wait: enough for a recogniser that keeps up on average. If frames come faster
 * than that, as with --fast, the rest is dropped, counted, and reported by AgentBus::dropped.
 */
#define CAPACITY 150

struct _Recogniser
{
  AgentActor parent_instance;

  AgentConversation *conversation; /* with the user */
  SpeechDecoder     *decoder;      /* (nullable): until it is loaded */
  guint              recording;    /* the one that the last frame came from */
  guint              utterance;    /* the last one that has begun */
  gboolean           listening;    /* it has not ended yet */
  guint              n_frames;     /* of this utterance */
  gboolean           input_ended;  /* the user says no more */
};

G_DEFINE_FINAL_TYPE (Recogniser, recogniser, AGENT_TYPE_ACTOR)

/* It takes time to read the model, but this thread has nothing else to do yet. */
static void
load (Recogniser *self,
      AgentJob   *job)
{
  g_autoptr (GError) error = NULL;

  self->decoder = speech_decoder_new (&error);
  if (self->decoder == NULL)
    {
      agent_job_fail (job, error);
      return;
    }

  post_note (AGENT_SUBSCRIBER (self), "director", "ready: PocketSphinx has read its model");
  agent_job_complete (job, NULL);
}

/* An answer that was interrupted has ended, too. */
static void
pass_end_of_input (Recogniser *self)
{
  if (self->input_ended && agent_actor_get_n_tasks (AGENT_ACTOR (self)) == 0)
    post_mark (AGENT_SUBSCRIBER (self), "loudspeaker", "end-of-input");
}

/* All that is requested, said and played for the answer belongs to the conversation, too. The task gets an id of its own. */
static void
request_answer (Recogniser *self,
                const char *text)
{
  AgentMessage *request = agent_message_new_task_request (
      "recogniser", "assistant", "answer", "answer", g_variant_new_string (text));
  g_autoptr (AgentTask) task = NULL;

  agent_message_set_conversation (request, self->conversation);
  post_note (AGENT_SUBSCRIBER (self), "assistant", "heard “%s” in %u frames", text, self->n_frames);
  task = agent_actor_request_full (AGENT_ACTOR (self), request, NULL);
  g_signal_connect_object (task, "finished", G_CALLBACK (pass_end_of_input), self, G_CONNECT_SWAPPED);
}

static void
start_utterance (Recogniser *self,
                 guint       utterance)
{
  self->utterance = utterance;
  self->listening = TRUE;
  self->n_frames = 0;
  speech_decoder_begin (self->decoder);
}

static void
end_utterance (Recogniser *self)
{
  g_autofree char *text = speech_decoder_finish (self->decoder);
  GVariant        *heard = g_variant_new ("(us)", self->recording, text);

  self->listening = FALSE;
  request_answer (self, text);
  post_reliably (AGENT_SUBSCRIBER (self),
                 agent_message_new_custom ("heard", AGENT_CHANNEL_DATA, "recogniser", "director", heard));
}

/* The first frame of another utterance, or its end if all its frames were lost, is where it starts. */
static void
go_to_utterance (Recogniser *self,
                 guint       utterance)
{
  if (utterance <= self->utterance)
    return;

  if (self->listening)
    end_utterance (self);
  start_utterance (self, utterance);
}

static void
handle_frame (Recogniser *self,
              AgentFrame *frame)
{
  gsize         size;
  const gint16 *samples = agent_frame_get_contents (frame, &size);
  guint         utterance = 0;

  g_variant_lookup (agent_frame_get_metadata (frame), "utterance", "u", &utterance);
  go_to_utterance (self, utterance);
  if (utterance != self->utterance || !self->listening)
    return;

  g_variant_lookup (agent_frame_get_metadata (frame), "recording", "u", &self->recording);
  speech_decoder_feed (self->decoder, samples, size / sizeof (gint16));
  self->n_frames++;
}

static void
handle_speech_ended (Recogniser *self,
                     guint       utterance)
{
  go_to_utterance (self, utterance);
  if (utterance == self->utterance && self->listening)
    end_utterance (self);
}

static void
recogniser_message (AgentSubscriber *subscriber,
                    AgentMessage    *message)
{
  Recogniser *self = VOICE_RECOGNISER (subscriber);
  const char *name = agent_message_get_name (message);

  if (agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_FRAME)
    handle_frame (self, agent_message_get_frame (message));
  else if (g_str_equal (name, "speech-ended"))
    handle_speech_ended (self, g_variant_get_uint32 (agent_message_get_payload (message)));
  else if (g_str_equal (name, "end-of-input"))
    {
      self->input_ended = TRUE;
      pass_end_of_input (self);
    }
}

static void
recogniser_finalize (GObject *object)
{
  Recogniser *self = VOICE_RECOGNISER (object);

  g_clear_object (&self->conversation);
  g_clear_pointer (&self->decoder, speech_decoder_free);

  G_OBJECT_CLASS (recogniser_parent_class)->finalize (object);
}

static void
recogniser_class_init (RecogniserClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = recogniser_finalize;
  AGENT_SUBSCRIBER_CLASS (klass)->message = recogniser_message;
}

static void
recogniser_init (Recogniser *self)
{
  self->conversation = agent_conversation_new (NULL);
  g_signal_connect (self, "task-request::load", G_CALLBACK (load), NULL);
}

AgentSubscriber *
recogniser_new (GMainContext *context)
{
  return g_object_new (VOICE_TYPE_RECOGNISER,
                       "name",
                       "recogniser",
                       "parent",
                       "director",
                       "main-context",
                       context,
                       "capacity",
                       CAPACITY,
                       NULL);
}
