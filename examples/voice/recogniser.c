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
  AgentSubscriber parent_instance;

  SpeechDecoder *decoder;   /* (nullable): until ACTIVATE */
  guint          recording; /* the one that the last frame came from */
  guint          n_frames;  /* of this utterance */
};

G_DEFINE_FINAL_TYPE (Recogniser, recogniser, AGENT_TYPE_SUBSCRIBER)

/* It takes time to read the model, but this thread has nothing else to do yet. */
static void
activate (Recogniser *self)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);
  g_autoptr (AgentInfo) info = NULL;
  g_autoptr (GError) error = NULL;
  AgentMessage *message;

  self->decoder = speech_decoder_new (&error);
  if (self->decoder == NULL)
    {
      post (subscriber, agent_message_new_agent_error ("recogniser", "director", error->message));
      return;
    }

  info = agent_info_new ("recogniser", "voice-assistant", NULL, TRUE, FALSE, g_get_real_time ());
  message = agent_message_new_agent_ready (info);
  post_note (subscriber, message, "ready: PocketSphinx has read its model");
  post (subscriber, message);
}

static void
handle_frame (Recogniser *self,
              AgentFrame *frame)
{
  gsize         size;
  const gint16 *samples = g_bytes_get_data (agent_frame_get_data (frame), &size);

  g_variant_lookup (agent_frame_get_metadata (frame), "recording", "u", &self->recording);
  speech_decoder_feed (self->decoder, samples, size / sizeof (gint16));
  self->n_frames++;
}

static void
start_utterance (Recogniser *self)
{
  self->n_frames = 0;
  speech_decoder_begin (self->decoder);
}

static AgentMessage *
new_heard (Recogniser *self,
           const char *to,
           const char *text)
{
  GVariant *heard = g_variant_new ("(us)", self->recording, text);

  return agent_message_new_custom ("heard", AGENT_CHANNEL_DATA, "recogniser", to, heard);
}

static void
end_utterance (Recogniser *self)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);
  g_autofree char *text = speech_decoder_finish (self->decoder);
  AgentMessage    *message = new_heard (self, "assistant", text);

  post_note (subscriber, message, "heard “%s” in %u frames", text, self->n_frames);
  post_reliably (subscriber, message);
  post_reliably (subscriber, new_heard (self, "director", text));
}

static void
pass_end_of_input (Recogniser *self)
{
  post_mark (AGENT_SUBSCRIBER (self), "assistant", "end-of-input");
}

static void
recogniser_message (AgentSubscriber *subscriber,
                    AgentMessage    *message)
{
  Recogniser *self = VOICE_RECOGNISER (subscriber);
  const char *name = agent_message_get_name (message);

  if (agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_ACTIVATE)
    activate (self);
  else if (self->decoder == NULL)
    return;
  else if (agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_FRAME)
    handle_frame (self, agent_message_get_frame (message));
  else if (g_str_equal (name, "speech-started"))
    start_utterance (self);
  else if (g_str_equal (name, "speech-ended"))
    end_utterance (self);
  else if (g_str_equal (name, "end-of-input"))
    pass_end_of_input (self);
}

static void
recogniser_finalize (GObject *object)
{
  Recogniser *self = VOICE_RECOGNISER (object);

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
}

AgentSubscriber *
recogniser_new (GMainContext *context)
{
  return g_object_new (VOICE_TYPE_RECOGNISER,
                       "name",
                       "recogniser",
                       "main-context",
                       context,
                       "capacity",
                       CAPACITY,
                       NULL);
}
