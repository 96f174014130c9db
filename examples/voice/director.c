/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "director.h"

#include "ledger.h"
#include "post.h"
#include "recording.h"
#include "word-errors.h"

#include <stdio.h>

/* Two agents load something before they are ready: the recogniser and the speaker. */
#define N_LOADING 2

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
  AgentBus        *bus;
  AgentSubscriber *subscriber;
  GMainLoop       *loop;
  GPtrArray       *recordings; /* (element-type Recording) */
  GPtrArray       *heard;      /* (element-type GString): one for each recording */

  guint    n_ready;
  guint64  n_told; /* drops that AgentBus::dropped reported */
  Losses   losses; /* the ones that were not printed yet */
  guint    n_cancels;
  guint    n_overtaking;
  gboolean subscribers_balance;
  gboolean bus_balances;
  char    *failure; /* (nullable) */
};

/* While it runs */

static void
activate (Director   *self,
          const char *whom,
          const char *what)
{
  AgentMessage *message = agent_message_new_activate ("director", whom, NULL);

  post_note (self->subscriber, message, "ACTIVATE: %s", what);
  post (self->subscriber, message);
}

static void
on_agent_ready (AgentSubscriber *subscriber,
                AgentMessage    *message,
                Director        *self)
{
  self->n_ready++;

  if (self->n_ready == N_LOADING)
    activate (self, "microphone", "listen to the user");
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
fail (Director   *self,
      const char *why)
{
  g_clear_pointer (&self->failure, g_free);
  self->failure = g_strdup (why);
  g_main_loop_quit (self->loop);
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
    post_note (self->subscriber,
               NULL,
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

static int
judge (Director *self,
       guint64   n_dropped)
{
  gboolean overtook = self->n_overtaking > 0;
  gboolean balances = self->subscribers_balance && self->bus_balances;
  gboolean told = self->n_told == n_dropped;

  printf ("\nVerdict\n");
  print_verdict (
      overtook,
      "CANCEL was handled before the queued audio: %u of %u CANCELs overtook frames that waited",
      self->n_overtaking,
      self->n_cancels);
  print_verdict (balances,
                 "the ledger balances: offered = delivered + queued + dropped, in every row");
  print_verdict (told,
                 "AgentBus::dropped told of all that was lost: %" G_GUINT64_FORMAT
                 " of %" G_GUINT64_FORMAT,
                 self->n_told,
                 n_dropped);

  return overtook && balances && told ? 0 : 1;
}

static void
on_stopped (GObject      *object,
            GAsyncResult *result,
            gpointer      data)
{
  Director *self = data;
  g_autoptr (GError) error = NULL;

  if (!agent_bus_stop_finish (self->bus, result, &error))
    fail (self, error->message);

  g_main_loop_quit (self->loop);
}

/* The figures of a subscriber go away with it, so they have to be read before the stop. */
static gboolean
end_when_quiet (gpointer data)
{
  Director *self = data;
  g_autoptr (GVariant) statistics = agent_bus_get_statistics (self->bus);

  if (ledger_get_n_queued (statistics) > 0)
    return G_SOURCE_CONTINUE;

  print_recordings (self);

  printf ("\nLoss ledger\n");
  ledger_print_header ();
  self->subscribers_balance = ledger_print_subscribers (statistics);
  self->subscribers_balance &= ledger_print_bus ("the bus", statistics);

  agent_bus_stop_async (self->bus, NULL, on_stopped, self);

  return G_SOURCE_REMOVE;
}

/* When the mark behind the user's last word has passed all agents, everything is played. */
static void
on_end_of_input (AgentSubscriber *subscriber,
                 AgentMessage    *message,
                 Director        *self)
{
  g_variant_get (
      agent_message_get_payload (message), "(uu)", &self->n_cancels, &self->n_overtaking);

  g_timeout_add (20, end_when_quiet, self);
}

static gboolean
on_timeout (gpointer data)
{
  fail (data, "Nothing happens any more: the demo takes far too long");

  return G_SOURCE_REMOVE;
}

/* Public */

static void
free_string (gpointer string)
{
  g_string_free (string, TRUE);
}

Director *
director_new (AgentBus  *bus,
              GPtrArray *recordings)
{
  Director *self = g_new0 (Director, 1);

  self->bus = g_object_ref (bus);
  self->recordings = g_ptr_array_ref (recordings);
  self->loop = g_main_loop_new (NULL, FALSE);

  self->heard = g_ptr_array_new_with_free_func (free_string);
  for (guint i = 0; i < recordings->len; i++)
    g_ptr_array_add (self->heard, g_string_new (NULL));

  self->subscriber = agent_subscriber_new ("director");
  g_signal_connect (self->subscriber, "message::agent-ready", G_CALLBACK (on_agent_ready), self);
  g_signal_connect (self->subscriber, "message::agent-error", G_CALLBACK (on_agent_error), self);
  g_signal_connect (self->subscriber, "message::heard", G_CALLBACK (on_heard), self);
  g_signal_connect (self->subscriber, "message::end-of-input", G_CALLBACK (on_end_of_input), self);
  g_signal_connect (bus, "dropped", G_CALLBACK (on_dropped), self);

  return self;
}

void
director_free (Director *self)
{
  g_signal_handlers_disconnect_by_data (self->bus, self);
  g_signal_handlers_disconnect_by_data (self->subscriber, self);

  g_object_unref (self->subscriber);
  g_object_unref (self->bus);
  g_main_loop_unref (self->loop);
  g_ptr_array_unref (self->recordings);
  g_ptr_array_unref (self->heard);
  g_free (self->losses.who);
  g_free (self->failure);
  g_free (self);
}

gboolean
director_subscribe (Director *self,
                    GError  **error)
{
  return agent_bus_subscribe (self->bus, self->subscriber, error);
}

/* Returns the exit status of the program: 0 if all went well, 1 if not, 2 if the demo could not start. */
int
director_run (Director *self)
{
  guint timeout =
      g_timeout_add_seconds (SECONDS_PER_RECORDING * self->recordings->len, on_timeout, self);
  g_autoptr (GVariant) statistics = NULL;

  activate (self, "recogniser", "read the model");
  activate (self, "speaker", "read the voice");

  g_main_loop_run (self->loop);

  if (self->failure != NULL)
    {
      fprintf (stderr, "voice-assistant: %s\n", self->failure);
      return 2;
    }

  g_source_remove (timeout);

  statistics = agent_bus_get_statistics (self->bus);
  self->bus_balances =
      ledger_print_bus ("after the stop", statistics) && ledger_get_n_queued (statistics) == 0;

  return judge (self, ledger_get_n_dropped (statistics));
}
