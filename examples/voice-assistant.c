/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A voice assistant on one bus: recorded human speech comes in frames of 20 ms, is detected, recognised and
 * answered, and the user interrupts the answers.
 *
 *     microphone ── frames ──► detector ── frames ──► recogniser
 *                                  │                      │
 *                                  │ "speech-started"     │ request "answer"
 *                                  │ (system channel)     ▼
 *                                  └────────────────► assistant
 *                                                      │  │
 *                              ┌────── CANCEL ─────────┘  │ request "speak"
 *                              ▼                          ▼
 *                         loudspeaker ◄──── frames ─── speaker
 *                                      request "play"
 *
 * The agents are in voice/. Actors request something of others, or do what is requested; agents that only take messages
 * one by one, such as the detector, are plain subscribers. Four run in threads of their own, the others share the main
 * context. No agent has a lock: they only send messages. What belongs to an answer belongs to one epoch of a
 * conversation. When the user interrupts, the assistant begins the next epoch: all requests for the answer end, and
 * nothing of it is delivered any more. Start to read with assistant.c, then loudspeaker.c, which is interrupted;
 * director.c has the models loaded, ends the run, and checks the results.
 */

#include "distributed/node.h"
#include "voice/assistant.h"
#include "voice/detector.h"
#include "voice/director.h"
#include "voice/frame-clock.h"
#include "voice/loop-thread.h"
#include "voice/loudspeaker.h"
#include "voice/microphone.h"
#include "voice/recogniser.h"
#include "voice/recording.h"
#include "voice/speaker.h"
#include "voice/timeline.h"

#include <locale.h>
#include <stdio.h>

#define TEST_DATA "/usr/share/pocketsphinx/test/data"

/* Ten times faster than real time: the user's interruption still comes before the end of an answer. */
#define FAST_PLAYING (FRAME_CLOCK_DURATION / 10)

static const char *const default_recordings[] = {
  TEST_DATA "/cards/002.wav",
  TEST_DATA "/cards/005.wav",
  TEST_DATA "/librivox/sense_and_sensibility_01_austen_64kb-0880.wav",
  NULL,
};

typedef struct
{
  gboolean fast;
  char    *output;
  char    *node;
  char    *address;
  char   **files;
} Options;

static void
options_clear (Options *options)
{
  g_free (options->output);
  g_free (options->node);
  g_free (options->address);
  g_strfreev (options->files);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static gboolean
check_options (const Options *options,
               GError       **error)
{
  if ((options->node == NULL) == (options->address == NULL))
    return TRUE;

  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--node and --connect go together");

  return FALSE;
}

static gboolean
parse_options (Options *options,
               int     *argc,
               char  ***argv,
               GError **error)
{
  const GOptionEntry entries[] = {
    { "fast",
      'f',
      0,
      G_OPTION_ARG_NONE,
      &options->fast,
      "Speak and play as fast as it goes, not in real time",
      NULL },
    { "output",
      'o',
      0,
      G_OPTION_ARG_FILENAME,
      &options->output,
      "Where the answers go (voice-answers.wav)",
      "FILE" },
    { "node", 0, 0, G_OPTION_ARG_STRING, &options->node, "Which part this process is: recogniser or assistant", "NAME" },
    { "connect", 0, 0, G_OPTION_ARG_STRING, &options->address, "The server of both, such as nats://127.0.0.1:4222", "ADDRESS" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->files, NULL, "[WAV...]" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- talk to agents on a bus");

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_description (
      context,
      "The user says the recordings one after the other, each an interruption of the answer to the "
      "one before.\n"
      "A single one is said twice. Without any, three come from Debian's pocketsphinx-testdata.\n"
      "\n"
      "With --node recogniser, this process has only the recogniser, and another one with --node assistant the rest.\n"
      "\n"
      "Exits with 0 if CANCEL was handled before the queued audio and the loss ledger balances, "
      "with 1 if not,\n"
      "and with 2 if it could not try.");

  if (!g_option_context_parse (context, argc, argv, error) || !check_options (options, error))
    return FALSE;

  if (options->output == NULL)
    options->output = g_strdup ("voice-answers.wav");

  return TRUE;
}

static gboolean
load_recording (GPtrArray  *recordings,
                const char *file,
                GError    **error)
{
  Recording *recording = recording_load (file, error);

  if (recording == NULL)
    return FALSE;

  g_ptr_array_add (recordings, recording);

  return TRUE;
}

static GPtrArray *
load_recordings (const char *const *files,
                 GError           **error)
{
  g_autoptr (GPtrArray) recordings = g_ptr_array_new_with_free_func ((GDestroyNotify) recording_free);

  for (guint i = 0; files[i] != NULL; i++)
    if (!load_recording (recordings, files[i], error))
      return NULL;

  /* An interruption needs a second recording: if there is only one, it is used twice. */
  if (recordings->len == 1 && !load_recording (recordings, files[0], error))
    return NULL;

  return g_steal_pointer (&recordings);
}

static GPtrArray *
load_default_recordings (GError **error)
{
  if (!g_file_test (default_recordings[0], G_FILE_TEST_EXISTS))
    {
      g_set_error (
          error,
          G_IO_ERROR,
          G_IO_ERROR_NOT_FOUND,
          "There are no recordings in %s: install the Debian package pocketsphinx-testdata,"
          " or give a WAV file",
          TEST_DATA);
      return NULL;
    }

  return load_recordings (default_recordings, error);
}

/* The runner ends its actors when the run is over. The plain subscribers leave when it stops the bus after that. */
static gboolean
host_all (AgentRunner *runner,
          GPtrArray   *agents,
          GError     **error)
{
  AgentBus *bus = agent_runner_get_bus (runner);

  for (guint i = 0; i < agents->len; i++)
    {
      gpointer agent = g_ptr_array_index (agents, i);
      gboolean hosted = AGENT_IS_ACTOR (agent) ? agent_runner_add (runner, agent, error)
                                               : agent_bus_subscribe (bus, agent, error);

      if (!hosted)
        return FALSE;
    }

  return TRUE;
}

static int
fail (const GError *error)
{
  fprintf (stderr, "voice-assistant: %s\n", error->message);

  return 2;
}

static int
run (const Options *options,
     AgentRunner   *runner,
     GPtrArray     *recordings)
{
  /* These variables are freed in reverse order: the threads end first, because the agents still run in them. */
  g_autoptr (Director) director = director_new (runner, recordings);
  g_autoptr (GPtrArray) agents = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (LoopThread) input = loop_thread_new ("microphone");
  g_autoptr (LoopThread) recognition = loop_thread_new ("recogniser");
  g_autoptr (LoopThread) synthesis = loop_thread_new ("speaker");
  g_autoptr (LoopThread) output = loop_thread_new ("loudspeaker");
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (agents, g_object_ref (director_get_actor (director)));
  g_ptr_array_add (agents, timeline_new (NULL));
  g_ptr_array_add (agents, detector_new (NULL));
  g_ptr_array_add (agents, assistant_new (NULL));
  if (options->node == NULL)
    g_ptr_array_add (agents, recogniser_new (loop_thread_get_context (recognition)));
  g_ptr_array_add (agents, speaker_new (loop_thread_get_context (synthesis)));
  g_ptr_array_add (agents,
                   microphone_new (loop_thread_get_context (input),
                                   recordings,
                                   options->fast ? 0 : FRAME_CLOCK_DURATION));
  g_ptr_array_add (agents,
                   loudspeaker_new (loop_thread_get_context (output),
                                    options->output,
                                    options->fast ? FAST_PLAYING : FRAME_CLOCK_DURATION));

  if (!host_all (runner, agents, &error))
    return fail (error);

  return director_run (director);
}

static GPtrArray *
load_chosen_recordings (const Options *options,
                        GError       **error)
{
  if (options->files != NULL)
    return load_recordings ((const char *const *) options->files, error);

  return load_default_recordings (error);
}

static int
run_assistant (const Options *options,
               AgentRunner   *runner)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) recordings = load_chosen_recordings (options, &error);

  return recordings != NULL ? run (options, runner, recordings) : fail (error);
}

/* Until a signal ends the recogniser. */
static int
run_recogniser (AgentRunner *runner)
{
  g_autoptr (AgentSubscriber) recogniser = recogniser_new (NULL);
  g_autoptr (GError) error = NULL;

  if (!agent_runner_add (runner, AGENT_ACTOR (recogniser), &error))
    return fail (error);

  return agent_runner_run (runner);
}

/* One process of two. */
static int
run_node (const Options *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Node) node = node_open (options->node, options->address, &error);
  g_autoptr (AgentRunner) runner = NULL;

  if (node == NULL)
    return fail (error);

  runner = node_new_runner (node);
  if (g_str_equal (options->node, "recogniser"))
    return run_recogniser (runner);

  return node_serve (node, run_assistant (options, runner));
}

int
main (int   argc,
      char *argv[])
{
  g_auto (Options) options = { 0 };
  g_autoptr (AgentRunner) runner = NULL;
  g_autoptr (GError) error = NULL;

  setlocale (LC_CTYPE, "");

  if (!parse_options (&options, &argc, &argv, &error))
    return fail (error);

  if (options.node != NULL)
    return run_node (&options);

  runner = agent_runner_new ("voice-assistant");

  return run_assistant (&options, runner);
}
