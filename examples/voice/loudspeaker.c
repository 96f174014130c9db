/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "loudspeaker.h"

#include "frame-clock.h"
#include "post.h"
#include "wav-writer.h"

/* A minute of audio may wait; the speaker makes an answer much faster than one can listen to it. */
#define CAPACITY 3000

/* The user speaks again after one second of an answer. */
#define N_ENOUGH 50

struct _Loudspeaker
{
  AgentSubscriber parent_instance;

  char      *path;
  gint64     interval; /* how long a frame takes, in microseconds */
  WavWriter *writer;   /* (nullable): from the first answer to the last */

  AgentDelivery *in_hand;  /* (nullable): the frame that is being played */
  GSource       *hush;     /* (nullable): ready when that frame is cancelled */
  GSource       *clock;    /* (nullable): ticks while there is something to play */
  guint          n_played; /* frames of the answer, whose first one is at 0 */

  guint n_cancels;
  guint n_overtaking; /* those that were handled while older frames were waiting */
};

G_DEFINE_FINAL_TYPE (Loudspeaker, loudspeaker, AGENT_TYPE_SUBSCRIBER)

static void
tell_heard_enough (Loudspeaker *self)
{
  post_mark (AGENT_SUBSCRIBER (self), "microphone", "heard-enough");
}

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

/* When the delivery of one frame is completed, the bus delivers the next message. */
static void
finish_frame (Loudspeaker *self)
{
  g_autoptr (AgentDelivery) delivery = g_steal_pointer (&self->in_hand);

  clear_source (&self->hush);
  agent_delivery_complete (delivery);
}

/* The frame has been played for its 20 ms. */
static gboolean
on_tick (gpointer data)
{
  Loudspeaker *self = data;
  AgentFrame  *frame;

  if (self->in_hand == NULL)
    {
      clear_source (&self->clock);
      return G_SOURCE_REMOVE;
    }

  frame = agent_message_get_frame (agent_delivery_get_message (self->in_hand));
  wav_writer_append (self->writer, agent_frame_get_data (frame));

  self->n_played++;
  if (self->n_played == N_ENOUGH)
    tell_heard_enough (self);

  finish_frame (self);

  return G_SOURCE_CONTINUE;
}

/* The conversation has gone on while this frame is played. The frame ends at once, and the next message is not one of the old
 * answer. */
static gboolean
on_cancelled (GCancellable *cancellable,
              gpointer      data)
{
  finish_frame (data);

  return G_SOURCE_REMOVE;
}

static void
start_answer (Loudspeaker *self,
              AgentFrame  *first)
{
  guint rate = 0;
  g_autoptr (GError) error = NULL;

  self->n_played = 0;

  if (self->writer != NULL)
    return;

  g_variant_lookup (agent_frame_get_metadata (first), "rate", "u", &rate);
  self->writer = wav_writer_new (self->path, rate, &error);
  if (self->writer == NULL)
    post (AGENT_SUBSCRIBER (self),
          agent_message_new_agent_error ("loudspeaker", "director", error->message));
}

static void
play (Loudspeaker *self,
      AgentFrame  *frame)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);
  GMainContext    *context = agent_subscriber_get_main_context (subscriber);

  if (agent_frame_get_pts (frame) == 0)
    start_answer (self, frame);

  /* The file could not be opened. */
  if (self->writer == NULL)
    return;

  self->in_hand = agent_subscriber_defer (subscriber);

  self->hush = g_cancellable_source_new (agent_delivery_get_cancellable (self->in_hand));
  g_source_set_callback (self->hush, G_SOURCE_FUNC (on_cancelled), self, NULL);
  g_source_attach (self->hush, context);

  if (self->clock != NULL)
    return;

  self->clock = frame_clock_new (self->interval, on_tick, self);
  g_source_attach (self->clock, context);
}

/* What is left of the answer is stale, and does not come any more. */
static void
handle_cancel (Loudspeaker  *self,
               AgentMessage *message)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);
  guint64          n_queued = agent_subscriber_get_n_queued (subscriber);

  self->n_cancels++;
  self->n_overtaking += n_queued > 0;

  post_event (subscriber,
              "handles CANCEL, %.1f ms after it was sent, before %" G_GUINT64_FORMAT
              " older messages; has played %u frames",
              (g_get_monotonic_time () - agent_message_get_sent_at (message)) / 1000.0,
              n_queued,
              self->n_played);
}

/* Only an answer that was not interrupted has an end. */
static void
end_answer (Loudspeaker  *self,
            AgentMessage *request)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);
  AgentMessage    *response = agent_message_new_task_response ("loudspeaker",
                                                            agent_message_get_source (request),
                                                            agent_message_get_task_id (request),
                                                            AGENT_TASK_STATUS_COMPLETED,
                                                            NULL);

  agent_message_set_cause (response, request);
  post_note (subscriber,
             agent_message_get_source (request),
             "answer-%u: played %u frames, all of it",
             g_variant_get_uint32 (agent_message_get_payload (request)),
             self->n_played);
  post_reliably (subscriber, response);

  /* The user also goes on if the answer was too short to interrupt. */
  if (self->n_played < N_ENOUGH)
    tell_heard_enough (self);
}

static void
close_file (Loudspeaker *self)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self);
  WavWriter       *writer = g_steal_pointer (&self->writer);
  g_autoptr (GError) error = NULL;

  if (writer == NULL)
    return;

  if (wav_writer_close (writer, &error))
    post_event (subscriber, "what was played is in %s", self->path);
  else
    post (subscriber, agent_message_new_agent_error ("loudspeaker", "director", error->message));
}

/* The mark goes to the director together with the results that the director checks. */
static void
end_input (Loudspeaker *self)
{
  GVariant     *result = g_variant_new ("(uu)", self->n_cancels, self->n_overtaking);
  AgentMessage *message = agent_message_new_custom (
      "end-of-input", AGENT_CHANNEL_DATA, "loudspeaker", "director", result);

  close_file (self);
  post_reliably (AGENT_SUBSCRIBER (self), message);
}

static void
loudspeaker_message (AgentSubscriber *subscriber,
                     AgentMessage    *message)
{
  Loudspeaker *self = VOICE_LOUDSPEAKER (subscriber);

  switch (agent_message_get_message_type (message))
    {
    case AGENT_MESSAGE_TYPE_FRAME:
      play (self, agent_message_get_frame (message));
      break;

    case AGENT_MESSAGE_TYPE_CANCEL:
      handle_cancel (self, message);
      break;

    case AGENT_MESSAGE_TYPE_TASK_REQUEST:
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

  clear_source (&self->clock);
  clear_source (&self->hush);
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

/* The loudspeaker writes the sound into the file @path; a frame takes @interval microseconds. */
AgentSubscriber *
loudspeaker_new (GMainContext *context,
                 const char   *path,
                 gint64        interval)
{
  Loudspeaker *self = g_object_new (VOICE_TYPE_LOUDSPEAKER,
                                    "name",
                                    "loudspeaker",
                                    "main-context",
                                    context,
                                    "capacity",
                                    CAPACITY,
                                    NULL);

  self->path = g_strdup (path);
  self->interval = interval;

  return AGENT_SUBSCRIBER (self);
}
