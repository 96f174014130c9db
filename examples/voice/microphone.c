/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "microphone.h"

#include "frame-clock.h"
#include "post.h"
#include "recording.h"
#include "speech-detector.h"

/* After a recording there is silence, long enough for the detector to be sure that the user has finished. */
#define N_SILENT_FRAMES (SPEECH_DETECTOR_HANGOVER + 5)

struct _Microphone
{
  AgentActor parent_instance;

  GPtrArray *recordings; /* (element-type Recording) */
  gint64     interval;   /* between two frames, in microseconds */
  GBytes    *silence;

  guint     n_spoken; /* recordings */
  gsize     n_sent;   /* frames of the current recording */
  gboolean  heard_enough;
  GVariant *metadata; /* of all frames of that recording */
  GSource  *clock;    /* (nullable): runs while the user speaks */
};

G_DEFINE_FINAL_TYPE (Microphone, microphone, AGENT_TYPE_ACTOR)

static void speak (Microphone *self);

static void
send_frame (Microphone *self,
            GBytes     *samples)
{
  g_autoptr (AgentFrame) frame = agent_frame_new ("audio", samples, self->metadata);

  agent_frame_set_pts (frame, self->n_sent * FRAME_CLOCK_DURATION);
  post_frame (AGENT_SUBSCRIBER (self), "detector", frame, NULL);
  self->n_sent++;
}

static void
end_recording (Microphone *self)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);

  g_clear_pointer (&self->clock, g_source_unref);
  g_clear_pointer (&self->metadata, g_variant_unref);
  self->n_spoken++;

  post_event (subscriber, "has sent %" G_GSIZE_FORMAT " frames of 20 ms to the detector", self->n_sent);

  /* The mark follows the last frame to the recogniser, which passes it on when everything is answered. */
  if (self->n_spoken == self->recordings->len)
    post_mark (subscriber, "detector", "end-of-input");
  else if (self->heard_enough)
    speak (self);
}

static gboolean
on_tick (gpointer data)
{
  Microphone *self = data;
  Recording  *recording = g_ptr_array_index (self->recordings, self->n_spoken);
  gsize       n_frames = recording_get_n_frames (recording);
  g_autoptr (GBytes) samples = NULL;

  if (self->n_sent == n_frames + N_SILENT_FRAMES)
    {
      end_recording (self);
      return G_SOURCE_REMOVE;
    }

  if (self->n_sent < n_frames)
    samples = recording_dup_frame (recording, self->n_sent);
  else
    samples = g_bytes_ref (self->silence);

  send_frame (self, samples);

  return G_SOURCE_CONTINUE;
}

static void
speak (Microphone *self)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);
  Recording       *recording = g_ptr_array_index (self->recordings, self->n_spoken);

  post_event (subscriber,
              "the user says %s%s%s  (%s, %.1f s)",
              recording->transcript != NULL ? "“" : "",
              recording->transcript != NULL ? recording->transcript : "something",
              recording->transcript != NULL ? "”" : "",
              recording->name,
              recording_get_seconds (recording));

  self->metadata = g_variant_ref_sink (g_variant_new_parsed ("{'recording': <%u>}", self->n_spoken));
  self->n_sent = 0;
  self->heard_enough = FALSE;
  self->clock = frame_clock_new (self->interval, on_tick, self);
  g_source_attach (self->clock, agent_subscriber_get_main_context (subscriber));
}

static void
microphone_message (AgentSubscriber *subscriber,
                    AgentMessage    *message)
{
  Microphone *self = VOICE_MICROPHONE (subscriber);

  if (g_str_equal (agent_message_get_name (message), "heard-enough"))
    self->heard_enough = TRUE;

  if (self->heard_enough && self->clock == NULL && self->n_spoken < self->recordings->len)
    speak (self);
}

static void
microphone_activated (AgentActor *actor,
                      GVariant   *args)
{
  speak (VOICE_MICROPHONE (actor));
}

static void
microphone_ended (AgentActor *actor,
                  const char *reason)
{
  Microphone *self = VOICE_MICROPHONE (actor);

  if (self->clock != NULL)
    g_source_destroy (self->clock);
  g_clear_pointer (&self->clock, g_source_unref);
}

static void
microphone_finalize (GObject *object)
{
  Microphone *self = VOICE_MICROPHONE (object);

  g_clear_pointer (&self->recordings, g_ptr_array_unref);
  g_clear_pointer (&self->silence, g_bytes_unref);
  g_clear_pointer (&self->metadata, g_variant_unref);

  G_OBJECT_CLASS (microphone_parent_class)->finalize (object);
}

static void
microphone_class_init (MicrophoneClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = microphone_finalize;
  AGENT_SUBSCRIBER_CLASS (klass)->message = microphone_message;
  AGENT_ACTOR_CLASS (klass)->activated = microphone_activated;
  AGENT_ACTOR_CLASS (klass)->ended = microphone_ended;
}

static void
microphone_init (Microphone *self)
{
}

/* The microphone sends a frame every @interval microseconds, or as fast as it can if that is 0. */
AgentSubscriber *
microphone_new (GMainContext *context,
                GPtrArray    *recordings,
                gint64        interval)
{
  Microphone *self;

  self = g_object_new (
      VOICE_TYPE_MICROPHONE, "name", "microphone", "parent", "director", "main-context", context, "active", FALSE, NULL);
  self->recordings = g_ptr_array_ref (recordings);
  self->interval = interval;

  self->silence = g_bytes_new_take (g_malloc0 (RECORDING_FRAME_SIZE), RECORDING_FRAME_SIZE);

  return AGENT_SUBSCRIBER (self);
}
