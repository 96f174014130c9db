/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "speaker.h"

#include "frame-clock.h"
#include "post.h"
#include "speech-synthesiser.h"

struct _Speaker
{
  AgentSubscriber parent_instance;

  SpeechSynthesiser *synthesiser; /* (nullable): until ACTIVATE */
  gsize              frame_size;
};

/* One answer while it is synthesised. */
typedef struct
{
  Speaker       *speaker;
  AgentDelivery *delivery;
  AgentMessage  *request; /* of @delivery: the cause of all that is sent for it */
  GByteArray    *pending; /* less than a frame of sound */
  guint          n_frames;
} Utterance;

G_DEFINE_FINAL_TYPE (Speaker, speaker, AGENT_TYPE_SUBSCRIBER)

static void
activate (Speaker *self)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);
  g_autoptr (AgentInfo) info = NULL;
  g_autoptr (GError) error = NULL;
  AgentMessage *message;
  guint         n_samples;

  self->synthesiser = speech_synthesiser_new (&error);
  if (self->synthesiser == NULL)
    {
      post (subscriber, agent_message_new_agent_error ("speaker", "director", error->message));
      return;
    }

  n_samples = speech_synthesiser_get_rate (self->synthesiser) * FRAME_CLOCK_DURATION / 1000000;
  self->frame_size = n_samples * sizeof (gint16);

  info = agent_info_new ("speaker", "voice-assistant", NULL, TRUE, FALSE, g_get_real_time ());
  message = agent_message_new_agent_ready (info);
  post_note (subscriber, message, "ready: eSpeak NG has read its voice");
  post (subscriber, message);
}

static void
send_frame (Utterance *utterance,
            gsize      size)
{
  g_autoptr (GBytes) samples = g_bytes_new (utterance->pending->data, size);
  g_autoptr (AgentFrame) frame = agent_frame_new ("audio", samples, NULL);

  agent_frame_set_pts (frame, (gint64) utterance->n_frames * FRAME_CLOCK_DURATION);
  post_frame (AGENT_SUBSCRIBER (utterance->speaker), "loudspeaker", frame, utterance->request);

  g_byte_array_remove_range (utterance->pending, 0, size);
  utterance->n_frames++;
}

/* When the conversation goes on, the delivery of a request from before is cancelled at once. */
static gboolean
take_samples (const gint16 *samples,
              gsize         n_samples,
              gpointer      user_data)
{
  Utterance *utterance = user_data;
  gsize      frame_size = utterance->speaker->frame_size;

  g_byte_array_append (utterance->pending, (const guint8 *) samples, n_samples * sizeof (gint16));
  while (utterance->pending->len >= frame_size)
    send_frame (utterance, frame_size);

  return !agent_delivery_is_cancelled (utterance->delivery);
}

/* What is sent for a request belongs to its conversation, and to the same epoch of it. */
static void
begin_stream (Utterance  *utterance,
              const char *task_id)
{
  GVariant     *rate = g_variant_new_uint32 (speech_synthesiser_get_rate (utterance->speaker->synthesiser));
  AgentMessage *message = agent_message_new_task_stream_start ("speaker", "loudspeaker", task_id, rate);

  agent_message_set_cause (message, utterance->request);
  post_reliably (AGENT_SUBSCRIBER (utterance->speaker), message);
}

static void
end_stream (Utterance  *utterance,
            const char *task_id)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (utterance->speaker);
  AgentMessage    *message;

  if (utterance->pending->len > 0)
    send_frame (utterance, utterance->pending->len);

  message = agent_message_new_task_stream_end ("speaker", "loudspeaker", task_id, NULL);
  agent_message_set_cause (message, utterance->request);
  post_note (subscriber,
             message,
             "%s: %u frames, %.1f s of speech",
             task_id,
             utterance->n_frames,
             utterance->n_frames * 0.02);
  post_reliably (subscriber, message);
}

static void
speak (Speaker      *self,
       AgentMessage *request)
{
  g_autoptr (AgentDelivery) delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (self));
  g_autoptr (GByteArray) pending = g_byte_array_new ();
  Utterance   utterance = { self, delivery, request, pending, 0 };
  const char *task_id = agent_message_get_task_id (request);
  const char *text = g_variant_get_string (agent_message_get_payload (request), NULL);

  begin_stream (&utterance, task_id);
  speech_synthesiser_speak (self->synthesiser, text, take_samples, &utterance);
  end_stream (&utterance, task_id);

  agent_delivery_complete (delivery);
}

static void
pass_end_of_input (Speaker *self)
{
  post_mark (AGENT_SUBSCRIBER (self), "loudspeaker", "end-of-input");
}

static void
speaker_message (AgentSubscriber *subscriber,
                 AgentMessage    *message)
{
  Speaker *self = VOICE_SPEAKER (subscriber);

  switch (agent_message_get_message_type (message))
    {
    case AGENT_MESSAGE_TYPE_ACTIVATE:
      activate (self);
      break;

    case AGENT_MESSAGE_TYPE_TASK_REQUEST:
      speak (self, message);
      break;

    case AGENT_MESSAGE_TYPE_CUSTOM:
      pass_end_of_input (self);
      break;

    default:
      break;
    }
}

static void
speaker_finalize (GObject *object)
{
  Speaker *self = VOICE_SPEAKER (object);

  g_clear_pointer (&self->synthesiser, speech_synthesiser_free);

  G_OBJECT_CLASS (speaker_parent_class)->finalize (object);
}

static void
speaker_class_init (SpeakerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = speaker_finalize;
  AGENT_SUBSCRIBER_CLASS (klass)->message = speaker_message;
}

static void
speaker_init (Speaker *self)
{
}

AgentSubscriber *
speaker_new (GMainContext *context)
{
  return g_object_new (VOICE_TYPE_SPEAKER, "name", "speaker", "main-context", context, NULL);
}
