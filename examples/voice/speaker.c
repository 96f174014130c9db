/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "speaker.h"

#include "frame-clock.h"
#include "post.h"
#include "speech-synthesiser.h"

struct _Speaker
{
  AgentActor parent_instance;

  SpeechSynthesiser *synthesiser; /* (nullable): until it is loaded */
  gsize              frame_size;
  GVariant          *metadata; /* (nullable): of all frames */
};

/* One answer while it is synthesised. */
typedef struct
{
  Speaker    *speaker;
  AgentJob   *job;
  GByteArray *pending; /* less than a frame of sound */
  guint       n_frames;
} Utterance;

G_DEFINE_FINAL_TYPE (Speaker, speaker, AGENT_TYPE_ACTOR)

static void
load (Speaker  *self,
      AgentJob *job)
{
  g_autoptr (GError) error = NULL;
  guint rate;

  self->synthesiser = speech_synthesiser_new (&error);
  if (self->synthesiser == NULL)
    {
      agent_job_fail (job, error);
      return;
    }

  rate = speech_synthesiser_get_rate (self->synthesiser);
  self->frame_size = rate * FRAME_CLOCK_DURATION / 1000000 * sizeof (gint16);
  self->metadata = g_variant_ref_sink (g_variant_new_parsed ("{'rate': <%u>}", rate));

  post_note (AGENT_SUBSCRIBER (self), "director", "ready: eSpeak NG has read its voice");
  agent_job_complete (job, NULL);
}

/* What is sent for a job belongs to its conversation, and to the same epoch of it. */
static void
send_frame (Utterance *utterance,
            gsize      size)
{
  AgentSubscriber *speaker = AGENT_SUBSCRIBER (utterance->speaker);
  g_autoptr (GBytes) samples = g_bytes_new (utterance->pending->data, size);
  g_autoptr (AgentFrame) frame = agent_frame_new ("audio", samples, utterance->speaker->metadata);

  agent_frame_set_pts (frame, (gint64) utterance->n_frames * FRAME_CLOCK_DURATION);
  post_frame (speaker, "loudspeaker", frame, agent_job_get_message (utterance->job));

  g_byte_array_remove_range (utterance->pending, 0, size);
  utterance->n_frames++;
}

/* When the conversation goes on, a job from before is cancelled at once. */
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

  return !agent_job_is_cancelled (utterance->job);
}

/* The request comes after the frames, so the loudspeaker answers it when they are played. Meanwhile the speaker begins with no
 * other job. */
static void
speak (Speaker  *self,
       AgentJob *job)
{
  g_autoptr (GByteArray) pending = g_byte_array_new ();
  g_autoptr (AgentTask) task = NULL;
  Utterance   utterance = { self, job, pending, 0 };
  guint       number;
  const char *text;

  g_variant_get (agent_job_get_payload (job), "(u&s)", &number, &text);
  speech_synthesiser_speak (self->synthesiser, text, take_samples, &utterance);
  if (pending->len > 0)
    send_frame (&utterance, pending->len);

  post_note (AGENT_SUBSCRIBER (self),
             "loudspeaker",
             "answer-%u: %u frames, %.1f s of speech",
             number,
             utterance.n_frames,
             utterance.n_frames * 0.02);
  task = agent_actor_request (AGENT_ACTOR (self), "loudspeaker", "play", g_variant_new_uint32 (number));
  post_answer (task, job);
}

static void
speaker_finalize (GObject *object)
{
  Speaker *self = VOICE_SPEAKER (object);

  g_clear_pointer (&self->synthesiser, speech_synthesiser_free);
  g_clear_pointer (&self->metadata, g_variant_unref);

  G_OBJECT_CLASS (speaker_parent_class)->finalize (object);
}

static void
speaker_class_init (SpeakerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = speaker_finalize;
}

static void
speaker_init (Speaker *self)
{
  g_signal_connect (self, "task-request::load", G_CALLBACK (load), NULL);
  g_signal_connect (self, "task-request::speak", G_CALLBACK (speak), NULL);
}

AgentSubscriber *
speaker_new (GMainContext *context)
{
  return g_object_new (VOICE_TYPE_SPEAKER, "name", "speaker", "parent", "director", "main-context", context, NULL);
}
