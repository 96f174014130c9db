/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "loudspeaker.h"

#include "frame-clock.h"
#include "post.h"
#include "wav-writer.h"

/* A minute of audio may wait; the speaker makes an answer much faster than one can listen to it. */
#define CAPACITY 3000

/* The user speaks again after one second of an answer. */
#define N_ENOUGH 50

/* The answer that is played. */
typedef struct
{
  guint   n_played;    /* frames */
  guint   n_skipped;
  guint64 first_skipped;
  guint64 last_skipped;
} Answer;

struct _Loudspeaker
{
  AgentSubscriber parent_instance;

  char      *path;
  gint64     interval;      /* how long a frame takes, in microseconds */
  WavWriter *writer;        /* (nullable): from the first answer to the last */

  AgentDelivery *in_hand;   /* (nullable): the frame that is being played */
  GSource       *clock;     /* (nullable): ticks while there is something to play */
  Answer         answer;

  guint64 cancelled_seq;    /* of the last CANCEL */
  guint   n_cancels;
  guint   n_overtaking;     /* answers that a CANCEL cut short by overtaking their frames */
};

G_DEFINE_FINAL_TYPE (Loudspeaker, loudspeaker, AGENT_TYPE_SUBSCRIBER)

static void
tell_heard_enough (Loudspeaker *self)
{
  post_reliably (AGENT_SUBSCRIBER (self),
                 agent_message_new_custom ("heard-enough", AGENT_CHANNEL_DATA,
                                           "loudspeaker", "microphone", NULL));
}

/* The frame in hand has had its 20 ms: completing its delivery makes the bus bring the next. */
static gboolean
on_tick (gpointer data)
{
  Loudspeaker *self = data;
  g_autoptr (AgentDelivery) delivery = g_steal_pointer (&self->in_hand);
  AgentFrame *frame;

  if (delivery == NULL)
    {
      g_clear_pointer (&self->clock, g_source_unref);
      return G_SOURCE_REMOVE;
    }

  frame = agent_message_get_frame (agent_delivery_get_message (delivery));
  wav_writer_append (self->writer, agent_frame_get_data (frame));

  self->answer.n_played++;
  if (self->answer.n_played == N_ENOUGH)
    tell_heard_enough (self);

  agent_delivery_complete (delivery);

  return G_SOURCE_CONTINUE;
}

static void
play (Loudspeaker *self)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);

  self->in_hand = agent_subscriber_defer (subscriber);

  if (self->clock != NULL)
    return;

  self->clock = frame_clock_new (self->interval, on_tick, self);
  g_source_attach (self->clock, agent_subscriber_get_main_context (subscriber));
}

static void
skip (Loudspeaker *self,
      guint64      seq)
{
  if (self->answer.n_skipped == 0)
    self->answer.first_skipped = seq;

  self->answer.last_skipped = seq;
  self->answer.n_skipped++;
}

/* All frames and each CANCEL come from the speaker: what has a lower seq than the CANCEL was sent before it. */
static void
handle_frame (Loudspeaker  *self,
              AgentMessage *message)
{
  guint64 seq = agent_message_get_seq (message);

  if (self->writer == NULL || seq < self->cancelled_seq)
    skip (self, seq);
  else
    play (self);
}

static void
handle_cancel (Loudspeaker  *self,
               AgentMessage *message)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);

  self->cancelled_seq = agent_message_get_seq (message);
  self->n_cancels++;

  post_note (subscriber, NULL, AGENT_CHANNEL_SYSTEM,
             "handles CANCEL, seq %" G_GUINT64_FORMAT ", %.1f ms after it was sent: %" G_GUINT64_FORMAT
             " older messages still wait",
             self->cancelled_seq,
             (g_get_monotonic_time () - agent_message_get_sent_at (message)) / 1000.0,
             agent_subscriber_get_n_queued (subscriber));
}

static void
start_answer (Loudspeaker  *self,
              AgentMessage *message)
{
  guint rate = g_variant_get_uint32 (agent_message_get_payload (message));
  g_autoptr (GError) error = NULL;

  self->answer = (Answer){ 0 };

  if (self->writer != NULL)
    return;

  self->writer = wav_writer_new (self->path, rate, &error);
  if (self->writer == NULL)
    post (AGENT_SUBSCRIBER (self),
          agent_message_new_agent_error ("loudspeaker", "director", error->message));
}

static void
note_end (Loudspeaker *self,
          const char  *task_id)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);
  const Answer    *answer = &self->answer;

  if (answer->n_skipped == 0)
    post_note (subscriber, "assistant", AGENT_CHANNEL_DATA,
               "%s: played %u frames, all of it", task_id, answer->n_played);
  else
    post_note (subscriber, "assistant", AGENT_CHANNEL_DATA,
               "%s: played %u frames, skipped %u (seq %" G_GUINT64_FORMAT "…%" G_GUINT64_FORMAT
               ") that the CANCEL overtook",
               task_id, answer->n_played, answer->n_skipped, answer->first_skipped, answer->last_skipped);
}

static void
end_answer (Loudspeaker  *self,
            AgentMessage *message)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);
  const char      *task_id = agent_message_get_task_id (message);
  gboolean         cancelled = self->answer.n_skipped > 0;

  note_end (self, task_id);
  self->n_overtaking += cancelled;

  /* The user also goes on if the answer was too short to interrupt. */
  if (self->answer.n_played < N_ENOUGH)
    tell_heard_enough (self);

  post_reliably (subscriber,
                 agent_message_new_task_response ("loudspeaker", "assistant", task_id,
                                                  cancelled ? AGENT_TASK_STATUS_CANCELLED
                                                            : AGENT_TASK_STATUS_COMPLETED,
                                                  NULL));
}

static void
end_input (Loudspeaker *self)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);
  WavWriter       *writer = g_steal_pointer (&self->writer);
  g_autoptr (GError) error = NULL;

  if (writer != NULL && !wav_writer_close (writer, &error))
    post (subscriber, agent_message_new_agent_error ("loudspeaker", "director", error->message));

  post_reliably (subscriber,
                 agent_message_new_custom ("end-of-input", AGENT_CHANNEL_DATA, "loudspeaker", "director",
                                           g_variant_new ("(uu)", self->n_cancels, self->n_overtaking)));
}

static void
loudspeaker_message (AgentSubscriber *subscriber,
                     AgentMessage    *message)
{
  Loudspeaker *self = VOICE_LOUDSPEAKER (subscriber);

  switch ((int) agent_message_get_message_type (message))
    {
    case AGENT_MESSAGE_TYPE_FRAME:
      handle_frame (self, message);
      break;

    case AGENT_MESSAGE_TYPE_CANCEL:
      handle_cancel (self, message);
      break;

    case AGENT_MESSAGE_TYPE_TASK_STREAM_START:
      start_answer (self, message);
      break;

    case AGENT_MESSAGE_TYPE_TASK_STREAM_END:
      end_answer (self, message);
      break;

    case AGENT_MESSAGE_TYPE_CUSTOM:
      end_input (self);
      break;

    default:
      break;
    }
}

static void
loudspeaker_dispose (GObject *object)
{
  Loudspeaker *self = VOICE_LOUDSPEAKER (object);

  if (self->clock != NULL)
    g_source_destroy (self->clock);
  g_clear_pointer (&self->clock, g_source_unref);
  g_clear_object (&self->in_hand);

  G_OBJECT_CLASS (loudspeaker_parent_class)->dispose (object);
}

static void
loudspeaker_finalize (GObject *object)
{
  Loudspeaker *self = VOICE_LOUDSPEAKER (object);

  if (self->writer != NULL)
    wav_writer_close (self->writer, NULL);
  g_free (self->path);

  G_OBJECT_CLASS (loudspeaker_parent_class)->finalize (object);
}

static void
loudspeaker_class_init (LoudspeakerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = loudspeaker_dispose;
  object_class->finalize = loudspeaker_finalize;
  AGENT_SUBSCRIBER_CLASS (klass)->message = loudspeaker_message;
}

static void
loudspeaker_init (Loudspeaker *self)
{
}

/* The sound goes into the file @path; a frame takes @interval microseconds. */
AgentSubscriber *
loudspeaker_new (GMainContext *context,
                 const char   *path,
                 gint64        interval)
{
  Loudspeaker *self = g_object_new (VOICE_TYPE_LOUDSPEAKER,
                                    "name", "loudspeaker",
                                    "main-context", context,
                                    "capacity", CAPACITY,
                                    NULL);

  self->path = g_strdup (path);
  self->interval = interval;

  return AGENT_SUBSCRIBER (self);
}
