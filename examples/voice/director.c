/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "director.h"

#include "ledger.h"
#include "post.h"
#include "recording.h"
#include "word-errors.h"

#include <stdio.h>

/* Until then those that load something have to be there, if they are in other processes, in milliseconds. */
#define MAX_WAIT 60000

/* They load something before they are ready. */
static const char *const loading[] = { "recogniser", "speaker", NULL };

/* The demo never takes that long. If it does, it ends with a message instead of hanging. */
#define SECONDS_PER_RECORDING 60

/* Losses are added up for this long, in milliseconds, so that they make one line of the timeline. */
#define NOTE_LOSSES_AFTER 20

/* The drops that AgentBus::dropped reported in the time that one line sums up. */
typedef struct
{
  char   *who; /* (nullable): who lost messages, and why; NULL while nothing was lost */
  guint64 n_dropped;
  guint   n_emissions;
} Losses;

struct _Director
{
  AgentRunner     *runner;
  AgentBus        *bus;        /* (unowned): of the runner */
  AgentSubscriber *subscriber; /* an AgentActor */
  GPtrArray       *actors;     /* (nullable) (element-type AgentActor): before they end */
  GPtrArray       *recordings; /* (element-type Recording) */
  GPtrArray       *heard;      /* (element-type GString): one for each recording */

  guint64  n_told; /* drops that AgentBus::dropped reported */
  Losses   losses; /* the ones that were not printed yet */
  guint    n_cancels;
  guint    n_overtaking;
  gboolean subscribers_balance;
  gboolean bus_balances;
  gboolean complete; /* the user has said everything, and has heard the answers */
};

/* While it runs */

static void
fail (Director   *self,
      const char *why)
{
  fprintf (stderr, "voice-assistant: %s\n", why);
  agent_runner_quit (self->runner, 2);
}

static void
on_loaded (GObject      *models,
           GAsyncResult *result,
           gpointer      data)
{
  Director *self = data;
  g_autoptr (GError) error = NULL;

  if (!agent_task_group_wait_finish (AGENT_TASK_GROUP (models), result, &error))
    {
      fail (self, error->message);
      return;
    }

  post_alert (self->subscriber, "microphone", "ACTIVATE: listen to the user");
  post (self->subscriber, agent_message_new_activate ("director", "microphone", NULL));
}

static void
load_models (Director *self)
{
  g_autoptr (AgentTaskGroup) models = agent_task_group_new (AGENT_ACTOR (self->subscriber));

  post_note (self->subscriber, "recogniser", "load: read the model");
  post_note (self->subscriber, "speaker", "load: read the voice");
  agent_task_group_request_many (models, loading, "load", NULL);
  agent_task_group_wait_async (models, NULL, on_loaded, self);
}

static void
on_heard (AgentSubscriber *subscriber,
          AgentMessage    *message,
          Director        *self)
{
  guint       recording;
  const char *text;
  GString    *heard;

  g_variant_get (agent_message_get_payload (message), "(u&s)", &recording, &text);

  heard = g_ptr_array_index (self->heard, recording);
  if (heard->len > 0)
    g_string_append_c (heard, ' ');
  g_string_append (heard, text);
}

static void
on_agent_error (AgentSubscriber *subscriber,
                AgentMessage    *message,
                Director        *self)
{
  fail (self, agent_message_get_reason (message));
}

static gboolean
note_losses (gpointer data)
{
  Director        *self = data;
  g_autofree char *who = g_steal_pointer (&self->losses.who);

  if (who != NULL)
    post_event (self->subscriber,
                "AgentBus::dropped, emitted %u×: the %s lost %" G_GUINT64_FORMAT " messages",
                self->losses.n_emissions,
                who,
                self->losses.n_dropped);

  self->losses = (Losses){ 0 };

  return G_SOURCE_REMOVE;
}

/* The signal comes once in an iteration of the main loop, with the number; a line sums up several iterations. */
static void
on_dropped (AgentBus        *bus,
            AgentSubscriber *subscriber,
            AgentDropReason  reason,
            guint64          n_dropped,
            AgentMessage    *last,
            Director        *self)
{
  g_autofree char *who = NULL;

  who = g_strdup_printf ("%s (%s, the last a %s)",
                         subscriber != NULL ? agent_subscriber_get_name (subscriber) : "bus",
                         agent_drop_reason_to_string (reason),
                         agent_message_get_name (last));

  if (g_strcmp0 (who, self->losses.who) != 0)
    {
      note_losses (self);
      self->losses.who = g_steal_pointer (&who);
      g_timeout_add (NOTE_LOSSES_AFTER, note_losses, self);
    }

  self->losses.n_dropped += n_dropped;
  self->losses.n_emissions++;
  self->n_told += n_dropped;
}

/* When it is over */

static void
print_recording (Recording  *recording,
                 const char *heard)
{
  guint n_words, n_errors;

  printf ("  %s\n", recording->name);
  if (recording->transcript == NULL)
    {
      printf ("    said   (no transcript)\n    heard  %s\n", heard);
      return;
    }

  n_errors = word_errors_count (recording->transcript, heard, &n_words);
  printf ("    said   %s\n    heard  %s\n", recording->transcript, heard);
  printf ("    word error rate %.0f %%: %u for %u words\n",
          n_words > 0 ? 100.0 * n_errors / n_words : 0.0,
          n_errors,
          n_words);
}

static void
print_recordings (Director *self)
{
  printf ("\nWhat was said, and what was heard\n");

  for (guint i = 0; i < self->recordings->len; i++)
    {
      GString *heard = g_ptr_array_index (self->heard, i);

      print_recording (g_ptr_array_index (self->recordings, i), heard->str);
    }
}

static void print_verdict (gboolean good, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
print_verdict (gboolean    good,
               const char *format,
               ...)
{
  g_autofree char *text = NULL;
  va_list          arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);

  printf ("  %-3s  %s\n", good ? "yes" : "NO", text);
}

/* How many requests of all actors have ended in this way. */
static guint64
count_requests (Director   *self,
                const char *outcome)
{
  guint64 n_requests = 0;

  for (guint i = 0; i < self->actors->len; i++)
    {
      g_autoptr (GVariant) statistics = agent_actor_get_statistics (self->actors->pdata[i]);

      n_requests += ledger_get_count (statistics, outcome);
    }

  return n_requests;
}

static int
judge (Director *self,
       guint64   n_dropped)
{
  gboolean overtook = self->n_overtaking > 0;
  guint64  n_requests = count_requests (self, "requests");
  guint64  n_completed = count_requests (self, "completed");
  guint64  n_cancelled = count_requests (self, "cancelled");
  gboolean answered = n_requests == n_completed + n_cancelled && (n_cancelled > 0 || self->n_cancels == 0);
  gboolean balances = self->subscribers_balance && self->bus_balances;
  gboolean told = self->n_told == n_dropped;

  printf ("\nVerdict\n");
  print_verdict (
      overtook,
      "CANCEL was handled before the queued audio: %u of %u CANCELs overtook frames that waited",
      self->n_overtaking,
      self->n_cancels);
  print_verdict (answered,
                 "each request was answered: %" G_GUINT64_FORMAT " completed, %" G_GUINT64_FORMAT
                 " interrupted, of %" G_GUINT64_FORMAT,
                 n_completed,
                 n_cancelled,
                 n_requests);
  print_verdict (balances,
                 "the ledger balances: offered = delivered + queued + dropped, in every row");
  print_verdict (told,
                 "AgentBus::dropped told of all that was lost: %" G_GUINT64_FORMAT
                 " of %" G_GUINT64_FORMAT,
                 self->n_told,
                 n_dropped);

  return overtook && answered && balances && told ? 0 : 1;
}

/* The figures of a subscriber go away with it, so they have to be read before the end. */
static void
on_flushed (GObject      *bus,
            GAsyncResult *result,
            gpointer      data)
{
  Director *self = data;
  g_autoptr (GVariant) statistics = agent_bus_get_statistics (self->bus);

  agent_bus_flush_finish (self->bus, result, NULL);
  self->actors = agent_runner_list_actors (self->runner);
  print_recordings (self);

  printf ("\nLoss ledger\n");
  ledger_print_header ();
  self->subscribers_balance = ledger_print_subscribers (statistics);
  self->subscribers_balance &= ledger_print_bus ("the bus", statistics);

  self->complete = TRUE;
  agent_runner_quit (self->runner, 0);
}

/* Everything is played, but a frame that was interrupted may still be in hand. */
static void
on_end_of_input (AgentSubscriber *subscriber,
                 AgentMessage    *message,
                 Director        *self)
{
  g_variant_get (
      agent_message_get_payload (message), "(uu)", &self->n_cancels, &self->n_overtaking);

  agent_bus_flush_async (self->bus, NULL, NULL, on_flushed, self);
}

static gboolean
on_timeout (gpointer data)
{
  fail (data, "Nothing happens any more: the demo takes far too long");

  return G_SOURCE_CONTINUE;
}

/* Public */

static void
free_string (gpointer string)
{
  g_string_free (string, TRUE);
}

Director *
director_new (AgentRunner *runner,
              GPtrArray   *recordings)
{
  Director *self = g_new0 (Director, 1);

  self->runner = g_object_ref (runner);
  self->bus = agent_runner_get_bus (runner);
  self->recordings = g_ptr_array_ref (recordings);

  self->heard = g_ptr_array_new_with_free_func (free_string);
  for (guint i = 0; i < recordings->len; i++)
    g_ptr_array_add (self->heard, g_string_new (NULL));

  self->subscriber = AGENT_SUBSCRIBER (agent_actor_new ("director"));
  agent_actor_set_wait_for_target (AGENT_ACTOR (self->subscriber), MAX_WAIT);
  g_signal_connect (self->subscriber, "message::agent-error", G_CALLBACK (on_agent_error), self);
  g_signal_connect (self->subscriber, "message::heard", G_CALLBACK (on_heard), self);
  g_signal_connect (self->subscriber, "message::end-of-input", G_CALLBACK (on_end_of_input), self);
  g_signal_connect (self->bus, "dropped", G_CALLBACK (on_dropped), self);

  return self;
}

void
director_free (Director *self)
{
  g_signal_handlers_disconnect_by_data (self->bus, self);
  g_signal_handlers_disconnect_by_data (self->subscriber, self);

  g_object_unref (self->subscriber);
  g_object_unref (self->runner);
  g_ptr_array_unref (self->recordings);
  g_ptr_array_unref (self->heard);
  g_clear_pointer (&self->actors, g_ptr_array_unref);
  g_free (self->losses.who);
  g_free (self);
}

AgentActor *
director_get_actor (Director *self)
{
  return AGENT_ACTOR (self->subscriber);
}

/* Returns the exit status of the program: 0 if all went well, 1 if not, 2 if the demo could not start. */
int
director_run (Director *self)
{
  guint timeout =
      g_timeout_add_seconds (SECONDS_PER_RECORDING * self->recordings->len, on_timeout, self);
  g_autoptr (GVariant) statistics = NULL;
  int status;

  load_models (self);
  status = agent_runner_run (self->runner);
  g_source_remove (timeout);
  if (!self->complete || status != 0)
    return 2;

  statistics = agent_bus_get_statistics (self->bus);
  self->bus_balances =
      ledger_print_bus ("after the stop", statistics) && ledger_get_n_queued (statistics) == 0;

  return judge (self, ledger_get_n_dropped (statistics));
}
