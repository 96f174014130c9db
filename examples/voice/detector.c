/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "detector.h"

#include "post.h"
#include "speech-detector.h"

/* The start of a word is soft, so the 300 ms before the moment when speech was noticed are sent too. */
#define N_REMEMBERED 15

/* A minute of audio: with --fast the recogniser is meant to be too slow, not this agent. */
#define CAPACITY 3000

struct _Detector
{
  AgentSubscriber parent_instance;

  SpeechDetector detector;
  GQueue         remembered;  /* (element-type AgentFrame): from before the speech */
  guint          utterance;   /* the first one is 1 */
  guint          n_forwarded; /* frames of this utterance */
};

G_DEFINE_FINAL_TYPE (Detector, detector, AGENT_TYPE_SUBSCRIBER)

/* Sends a frame on with the recording's own bytes: nothing is copied. Each frame says which utterance it belongs to: between
 * processes there is no order between frames, which may get lost, and marks, which may not. */
static void
forward (Detector   *self,
         AgentFrame *frame)
{
  g_auto (GVariantDict) metadata = G_VARIANT_DICT_INIT (agent_frame_get_metadata (frame));
  g_autoptr (AgentFrame) marked = NULL;

  g_variant_dict_insert (&metadata, "utterance", "u", self->utterance);
  marked = agent_frame_new (
      agent_frame_get_kind (frame), agent_frame_get_data (frame), g_variant_dict_end (&metadata));
  agent_frame_set_pts (marked, agent_frame_get_pts (frame));
  post_frame (AGENT_SUBSCRIBER (self), "recogniser", marked, NULL);
  self->n_forwarded++;
}

static void
remember (Detector   *self,
          AgentFrame *frame)
{
  g_queue_push_tail (&self->remembered, agent_frame_ref (frame));

  if (self->remembered.length > N_REMEMBERED)
    agent_frame_unref (g_queue_pop_head (&self->remembered));
}

static void
start_speech (Detector *self)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);
  AgentMessage    *message = agent_message_new_custom (
      "speech-started", AGENT_CHANNEL_SYSTEM, "detector", "assistant", NULL);
  AgentFrame *frame;

  /* The assistant has to know at once, because the user interrupts it if it speaks. */
  post_alert (subscriber, "assistant", "the user speaks");
  post (subscriber, message);

  self->utterance++;
  self->n_forwarded = 0;
  while ((frame = g_queue_pop_head (&self->remembered)) != NULL)
    {
      forward (self, frame);
      agent_frame_unref (frame);
    }
}

static void
end_speech (Detector *self)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);
  AgentMessage    *message = agent_message_new_custom (
      "speech-ended", AGENT_CHANNEL_DATA, "detector", "recogniser", g_variant_new_uint32 (self->utterance));
  guint n_frames = self->n_forwarded;

  post_note (subscriber,
             "recogniser",
             "the user has spoken: %u frames, %.1f s",
             n_frames,
             n_frames * 0.02);
  post_reliably (subscriber, message);
}

static void
handle_frame (Detector   *self,
              AgentFrame *frame)
{
  gsize         size;
  const gint16 *samples = g_bytes_get_data (agent_frame_get_data (frame), &size);

  switch (speech_detector_feed (&self->detector, samples, size / sizeof (gint16)))
    {
    case SPEECH_ABSENT:
      remember (self, frame);
      break;

    case SPEECH_STARTED:
      start_speech (self);
      forward (self, frame);
      break;

    case SPEECH_PRESENT:
      forward (self, frame);
      break;

    case SPEECH_ENDED:
      end_speech (self);
      break;

    default:
      g_assert_not_reached ();
    }
}

static void
end_input (Detector *self)
{
  if (self->detector.speaking)
    end_speech (self);

  post_mark (AGENT_SUBSCRIBER (self), "recogniser", "end-of-input");
}

static void
detector_message (AgentSubscriber *subscriber,
                  AgentMessage    *message)
{
  Detector *self = VOICE_DETECTOR (subscriber);

  if (agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_FRAME)
    handle_frame (self, agent_message_get_frame (message));
  else if (g_str_equal (agent_message_get_name (message), "end-of-input"))
    end_input (self);
}

static void
detector_finalize (GObject *object)
{
  Detector *self = VOICE_DETECTOR (object);

  g_queue_clear_full (&self->remembered, (GDestroyNotify) agent_frame_unref);

  G_OBJECT_CLASS (detector_parent_class)->finalize (object);
}

static void
detector_class_init (DetectorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = detector_finalize;
  AGENT_SUBSCRIBER_CLASS (klass)->message = detector_message;
}

static void
detector_init (Detector *self)
{
  speech_detector_init (&self->detector);
  g_queue_init (&self->remembered);
}

AgentSubscriber *
detector_new (GMainContext *context)
{
  return g_object_new (
      VOICE_TYPE_DETECTOR, "name", "detector", "main-context", context, "capacity", CAPACITY, NULL);
}
