/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A thousand actors learn to keep a pole upright. They do not notice when the workers that answer them join or leave.
 *
 *      arena ──── request "decide" ────► dispatcher ──── to the worker that ───► worker-0
 *        ▲         for "actor-7"             ▲            actor-7 is at     ───► worker-1 …
 *        │                                   │                                      │  ▲
 *        │                              route table ◄── staff ── MODEL_UPDATE ──────┼──┘
 *        │                                                       (system channel)   │
 *        └──────────────────────────────── answer ──────────────────────────────────┘
 *
 * The actors that learn are numbers in the arena. It and its workers are those of the library: an AgentActor each, which
 * a runner ends as a tree. The actors form two teams that learn separately, so that the new model of one team overtakes
 * the waiting requests of the other. Each worker has a thread; the rest shares the main context. The result depends on
 * the seed alone, not on which worker answers or when: two runs draw the same curve.
 *
 * Start to read with actors/arena.c, which asks, then actors/worker.c, which answers, and actors/staff.c, which hires,
 * replaces and dismisses the workers.
 */

#include "actors/arena.h"
#include "actors/curve.h"
#include "actors/report.h"
#include "actors/staff.h"
#include "actors/trainer.h"
#include "actors/worker.h"
#include "distributed/node.h"
#include "voice/ledger.h"

#include <locale.h>
#include <stdio.h>

#define MAX_ACTORS 1000000

typedef struct
{
  int   n_actors;
  int   n_generations;
  int   n_workers;
  int   n_parked;
  int   seed;
  char *output;
  char *node;
  char *address;
} Options;

static void
options_clear (Options *options)
{
  g_free (options->node);
  g_free (options->address);
  g_free (options->output);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

/* The objects that the progress is printed from. */
typedef struct
{
  AgentRouterDispatcher *dispatcher;
  Staff                 *staff;
  Trainer              **trainers;
  gboolean               alone;
  gint64                 time;
  guint64                n_dispatched;
  guint64                n_waited;
} Progress;

static int
fail (const GError *error)
{
  fprintf (stderr, "actors: %s\n", error->message);

  return 2;
}

static gboolean
check_options (const Options *options,
               GError       **error)
{
  if ((options->node == NULL) != (options->address == NULL))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--node and --connect go together");
      return FALSE;
    }

  if (options->n_actors >= N_TEAMS && options->n_actors <= MAX_ACTORS && options->n_generations > 0 &&
      options->n_workers > 0 && options->n_parked >= 0)
    return TRUE;

  g_set_error (error,
               G_OPTION_ERROR,
               G_OPTION_ERROR_BAD_VALUE,
               "There have to be at least %d actors (and %d at most), a generation and a worker",
               N_TEAMS,
               MAX_ACTORS);

  return FALSE;
}

static gboolean
parse_options (Options *options,
               int     *argc,
               char  ***argv,
               GError **error)
{
  const GOptionEntry entries[] = {
    { "actors", 0, 0, G_OPTION_ARG_INT, &options->n_actors, "How many play (1000)", "N" },
    { "generations", 0, 0, G_OPTION_ARG_INT, &options->n_generations, "How often they learn (10)", "N" },
    { "workers", 0, 0, G_OPTION_ARG_INT, &options->n_workers, "How many answer at first (4)", "N" },
    { "park", 0, 0, G_OPTION_ARG_INT, &options->n_parked, "How many requests may be parked (65536)", "N" },
    { "seed", 0, 0, G_OPTION_ARG_INT, &options->seed, "What all chance comes from (1)", "N" },
    { "output",
      'o',
      0,
      G_OPTION_ARG_FILENAME,
      &options->output,
      "Where the curve goes (actors-learning-curve.svg)",
      "FILE" },
    { "node", 0, 0, G_OPTION_ARG_STRING, &options->node, "Which part this process is: arena, worker-0, worker-1 ...", "NAME" },
    { "connect", 0, 0, G_OPTION_ARG_STRING, &options->address, "The server of all nodes, such as nats://127.0.0.1:4222", "ADDRESS" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- learn to keep a pole upright");

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_description (
      context,
      "Workers are hired and leave while the actors play. The same seed gives the same curve.\n"
      "\n"
      "With --node, this process has only the workers of that name, or the arena, which waits for as many workers\n"
      "of other processes.\n"
      "\n"
      "Exits with 0 if nothing is missing, with 1 if something is, and with 2 if it could not try.");

  if (!g_option_context_parse (context, argc, argv, error) || !check_options (options, error))
    return FALSE;

  if (options->output == NULL)
    options->output = g_strdup ("actors-learning-curve.svg");

  return TRUE;
}

static void
print_progress (Progress *self,
                guint     generation)
{
  g_autoptr (GVariant) ledger = agent_router_dispatcher_get_statistics (self->dispatcher);
  guint64 n_dispatched = ledger_get_count (ledger, "dispatched");
  guint64 n_waited = ledger_get_count (ledger, "waited");
  gint64  now = g_get_monotonic_time ();

  printf ("%10u", generation + 1);
  for (guint team = 0; team < N_TEAMS; team++)
    printf (" %8.1f", g_array_index (trainer_get_curve (self->trainers[team]), double, generation));
  printf (" %12.0f %8u %8" G_GUINT64_FORMAT " %8u\n",
          (n_dispatched - self->n_dispatched) * (double) G_USEC_PER_SEC / MAX (now - self->time, 1),
          staff_get_n_present (self->staff),
          n_waited - self->n_waited,
          agent_router_dispatcher_get_n_parked (self->dispatcher));
  fflush (stdout);

  self->time = now;
  self->n_dispatched = n_dispatched;
  self->n_waited = n_waited;
}

static void
on_learned (Arena    *arena,
            guint     team,
            guint     generation,
            Progress *self)
{
  guint other = trainer_get_curve (self->trainers[1 - team])->len;

  /* The line is printed when the slower team has reached this generation too. */
  if (other > generation)
    print_progress (self, generation);

  /* The workers change in the middle of the other team's generation, when many of its requests are under way. */
  if (team == 0 && self->alone)
    staff_change (self->staff, generation);
}

/* Returns whether all generations were played: a signal may end the arena before. */
static gboolean
play (Progress    *progress,
      AgentRunner *runner,
      Arena       *arena,
      guint        n_generations)
{
  printf ("%10s %8s %8s %12s %8s %8s %8s\n",
          "generation",
          "team 1",
          "team 2",
          "requests/s",
          "workers",
          "waited",
          "parked");

  progress->time = g_get_monotonic_time ();
  g_signal_connect (arena, "learned", G_CALLBACK (on_learned), progress);
  arena_play (arena, n_generations);

  return agent_runner_run (runner) == 0 && arena_is_complete (arena);
}

static gboolean
report (AgentRouterDispatcher *dispatcher,
        Arena                 *arena,
        Staff                 *staff,
        Trainer              **trainers,
        gboolean               alone,
        gboolean               complete)
{
  g_autoptr (GVariant) requests = agent_actor_get_statistics (AGENT_ACTOR (arena));
  g_autoptr (GVariant) ledger = agent_router_dispatcher_get_statistics (dispatcher);
  g_autoptr (GVariant) bus_ledger = agent_bus_get_statistics (agent_router_dispatcher_get_bus (dispatcher));
  Report self = {
    .complete = complete,
    .requests = requests,
    .arena = arena_get_figures (arena),
    .workers = staff_get_workers (staff),
    .alone = alone,
    .dispatcher = ledger,
    .bus = bus_ledger,
  };

  for (guint team = 0; team < N_TEAMS; team++)
    self.n_steps += trainer_get_n_steps (trainers[team]);

  return report_print (&self);
}

/* @alone: there are no other processes */
static gboolean
open_staff (const Options *options,
            Staff         *staff,
            gboolean       alone,
            GError       **error)
{
  return alone ? staff_open (staff, options->n_workers, error) : staff_await (staff, options->n_workers, error);
}

static int
run (const Options *options,
     AgentRunner   *runner,
     Trainer      **trainers)
{
  gboolean alone = options->node == NULL;
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  g_autoptr (AgentRouterDispatcher) dispatcher =
      agent_router_dispatcher_new (agent_runner_get_bus (runner), routes);
  g_autoptr (Staff) staff = staff_new (runner, dispatcher, trainers, options->n_actors);
  g_autoptr (Arena) arena = arena_new (dispatcher, trainers, options->n_actors);
  g_autoptr (GError) error = NULL;
  Progress progress = { .dispatcher = dispatcher, .staff = staff, .trainers = trainers, .alone = alone };
  gboolean complete, holds;

  agent_router_dispatcher_set_capacity (dispatcher, options->n_parked);
  g_signal_connect_swapped (arena, "new-model", G_CALLBACK (staff_publish), staff);
  if (!agent_runner_add (runner, AGENT_ACTOR (arena), &error) || !open_staff (options, staff, alone, &error))
    return fail (error);

  complete = play (&progress, runner, arena, options->n_generations);
  staff_close (staff);
  holds = report (dispatcher, arena, staff, trainers, alone, complete);

  if (!curve_save (trainers, N_TEAMS, options->output, &error))
    return fail (error);
  printf ("The learning curve is in %s\n", options->output);

  return holds ? 0 : 1;
}

static int
run_arena (const Options *options,
           AgentRunner   *runner)
{
  g_autoptr (GPtrArray) trainers = g_ptr_array_new_with_free_func ((GDestroyNotify) trainer_free);

  for (guint team = 0; team < N_TEAMS; team++)
    {
      guint n_players = (options->n_actors + N_TEAMS - 1 - team) / N_TEAMS;

      g_ptr_array_add (trainers, trainer_new (team, n_players, options->seed));
    }

  return run (options, runner, (Trainer **) trainers->pdata);
}

/* Until a signal ends the worker. */
static int
run_worker (const char  *name,
            AgentRunner *runner)
{
  g_autoptr (Worker) worker = worker_new (name, NULL);
  g_autoptr (GError) error = NULL;

  if (!agent_runner_add (runner, AGENT_ACTOR (worker), &error))
    return fail (error);

  return agent_runner_run (runner);
}

/* One process of several. */
static int
run_node (const Options *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Node) node = node_open (options->node, options->address, &error);
  g_autoptr (AgentRunner) runner = NULL;

  if (node == NULL)
    return fail (error);

  runner = node_new_runner (node);
  if (g_str_has_prefix (options->node, "worker-"))
    return run_worker (options->node, runner);

  return node_serve (node, run_arena (options, runner));
}

int
main (int   argc,
      char *argv[])
{
  g_auto (Options) options = {
    .n_actors = 1000,
    .n_generations = 10,
    .n_workers = 4,
    .n_parked = AGENT_ROUTER_DISPATCHER_DEFAULT_CAPACITY,
    .seed = 1,
  };
  g_autoptr (AgentRunner) runner = NULL;
  g_autoptr (GError) error = NULL;

  setlocale (LC_CTYPE, "");

  if (!parse_options (&options, &argc, &argv, &error))
    return fail (error);

  if (options.node != NULL)
    return run_node (&options);

  runner = agent_runner_new ("actors");

  return run_arena (&options, runner);
}
