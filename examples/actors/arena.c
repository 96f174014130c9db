/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "arena.h"

#include "../voice/ledger.h"
#include "payloads.h"

/* Milliseconds until a request that was not answered is made again. */
#define ASK_AGAIN_AFTER 10

/* Seconds without any answer, after which the program ends with a message instead of hanging. */
#define MAX_SILENCE 30

typedef struct
{
  Arena   *arena; /* (unowned) */
  guint    number;
  char    *id;
  CartPole pole;
  double   curiosity[CART_POLE_N_STATE];
} Actor;

struct _Arena
{
  AgentActor parent_instance;

  AgentRouterDispatcher *dispatcher;
  Trainer              **trainers; /* (unowned) */
  Actor                 *actors;
  guint                  n_actors;

  guint        n_generations;
  guint        n_playing;  /* teams */
  GQueue       unanswered; /* (element-type Actor): those that ask again soon */
  guint        ask_timer;
  guint        silence_timer;
  guint64      n_answered_then; /* how many answers there were at the last check for silence */
  ArenaFigures figures;
};

enum
{
  NEW_MODEL,
  LEARNED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (Arena, arena, AGENT_TYPE_ACTOR)

/* --- Asking --- */

static void take_answer (Actor        *actor,
                         const Answer *answer);

static Trainer *
get_trainer (Actor *actor)
{
  return actor->arena->trainers[actor->number % N_TEAMS];
}

static GVariant *
new_question (Actor *actor)
{
  const Model *model = trainer_get_model (get_trainer (actor));
  Question     question = {
        .actor = actor->number,
        .team = model->team,
        .generation = model->generation,
        .step = actor->pole.n_steps,
  };

  for (guint i = 0; i < CART_POLE_N_STATE; i++)
    {
      question.state[i] = actor->pole.state[i];
      question.curiosity[i] = actor->curiosity[i];
    }

  return payload_new_question (&question);
}

static gboolean ask_again (gpointer data);

/* The request was refused, or given up on the way: each ends in exactly one way, so no step is answered twice. */
static void
ask_again_soon (Actor *actor)
{
  Arena *self = actor->arena;

  /* Whoever ends the arena ends its requests, too. */
  if (agent_actor_get_state (AGENT_ACTOR (self)) != AGENT_ACTOR_STATE_READY)
    return;

  g_queue_push_tail (&self->unanswered, actor);
  if (self->ask_timer == 0)
    self->ask_timer = g_timeout_add (ASK_AGAIN_AFTER, ask_again, self);
}

static void
on_finished (AgentTask *task,
             Actor     *actor)
{
  if (agent_task_get_status (task) == AGENT_TASK_STATUS_COMPLETED)
    take_answer (actor, payload_get_answer (agent_task_get_response (task)));
  else
    ask_again_soon (actor);
}

/* The dispatcher knows which worker the actor is at. */
static void
ask (Actor *actor)
{
  g_autoptr (AgentTask) task =
      agent_actor_request (AGENT_ACTOR (actor->arena), actor->id, "decide", new_question (actor));

  g_signal_connect (task, "finished", G_CALLBACK (on_finished), actor);
}

static gboolean
ask_again (gpointer data)
{
  Arena *self = data;

  self->ask_timer = 0;

  for (guint n = self->unanswered.length; n > 0; n--)
    {
      self->figures.n_again++;
      ask (g_queue_pop_head (&self->unanswered));
    }

  return G_SOURCE_REMOVE;
}

/* --- Playing --- */

static void
start_generation (Arena *self,
                  guint  team)
{
  for (guint number = team; number < self->n_actors; number += N_TEAMS)
    {
      Actor *actor = &self->actors[number];

      trainer_send_in (self->trainers[team], number / N_TEAMS, &actor->pole, actor->curiosity);
      ask (actor);
    }
}

static void
on_stopped (GObject      *dispatcher,
            GAsyncResult *result,
            gpointer      self)
{
  g_autoptr (GError) error = NULL;

  if (!agent_router_dispatcher_stop_finish (AGENT_ROUTER_DISPATCHER (dispatcher), result, &error))
    g_warning ("The dispatcher: %s", error->message);

  agent_actor_end_async (self, NULL, NULL, NULL, NULL);
}

/* The dispatcher stops first, then the workers end, which are the children of the arena, and then the arena itself. */
static void
end_play (Arena *self)
{
  agent_router_dispatcher_stop_async (self->dispatcher, NULL, on_stopped, self);
}

/* The other team is in the middle of its own generation: the new model overtakes its requests. */
static void
end_generation (Arena *self,
                guint  team)
{
  guint generation = trainer_get_model (self->trainers[team])->generation;

  if (generation < self->n_generations)
    {
      g_signal_emit (self, signals[NEW_MODEL], 0, team);
      start_generation (self, team);
    }
  else
    self->n_playing--;

  g_signal_emit (self, signals[LEARNED], 0, team, generation - 1);

  if (self->n_playing == 0)
    end_play (self);
}

/* Looks also whether the answer is to this step. */
static void
take_answer (Actor        *actor,
             const Answer *answer)
{
  Arena   *self = actor->arena;
  Trainer *trainer = get_trainer (actor);

  if (answer == NULL || answer->actor != actor->number || answer->step != actor->pole.n_steps ||
      answer->generation != trainer_get_model (trainer)->generation)
    {
      self->figures.n_unexpected++;
      return;
    }

  if (cart_pole_step (&actor->pole, answer->push_right))
    ask (actor);
  else if (trainer_take_result (trainer, actor->number / N_TEAMS, actor->pole.n_steps))
    end_generation (self, actor->number % N_TEAMS);
}

static guint64
get_n_answered (Arena *self)
{
  g_autoptr (GVariant) statistics = agent_actor_get_statistics (AGENT_ACTOR (self));

  return ledger_get_count (statistics, "completed");
}

static gboolean
check_silence (gpointer data)
{
  Arena  *self = data;
  guint64 n_answered = get_n_answered (self);

  if (n_answered == self->n_answered_then)
    end_play (self);
  self->n_answered_then = n_answered;

  return G_SOURCE_CONTINUE;
}

/* --- GObject --- */

static void
arena_ended (AgentActor *actor,
             const char *reason)
{
  Arena *self = ACTORS_ARENA (actor);

  g_clear_handle_id (&self->ask_timer, g_source_remove);
  g_clear_handle_id (&self->silence_timer, g_source_remove);
}

static void
arena_finalize (GObject *object)
{
  Arena *self = ACTORS_ARENA (object);

  g_queue_clear (&self->unanswered);
  g_object_unref (self->dispatcher);
  for (guint i = 0; i < self->n_actors; i++)
    g_free (self->actors[i].id);
  g_free (self->actors);

  G_OBJECT_CLASS (arena_parent_class)->finalize (object);
}

static void
arena_class_init (ArenaClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = arena_finalize;
  AGENT_ACTOR_CLASS (klass)->ended = arena_ended;

  signals[NEW_MODEL] =
      g_signal_new ("new-model", ACTORS_TYPE_ARENA, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_UINT);
  signals[LEARNED] = g_signal_new ("learned",
                                   ACTORS_TYPE_ARENA,
                                   G_SIGNAL_RUN_LAST,
                                   0,
                                   NULL,
                                   NULL,
                                   NULL,
                                   G_TYPE_NONE,
                                   2,
                                   G_TYPE_UINT,
                                   G_TYPE_UINT);
}

static void
arena_init (Arena *self)
{
  g_queue_init (&self->unanswered);
}

/* --- For the main program --- */

Arena *
arena_new (AgentRouterDispatcher *dispatcher,
           Trainer              **trainers,
           guint                  n_actors)
{
  Arena *self = g_object_new (ACTORS_TYPE_ARENA, "name", "arena", "dispatcher", dispatcher, NULL);

  self->dispatcher = g_object_ref (dispatcher);
  self->trainers = trainers;
  self->n_actors = n_actors;
  self->actors = g_new0 (Actor, n_actors);
  for (guint i = 0; i < n_actors; i++)
    self->actors[i] = (Actor){ .arena = self, .number = i, .id = g_strdup_printf ("actor-%u", i) };

  return self;
}

/* The arena ends when all generations were played, or when there are no answers any more. */
void
arena_play (Arena *self,
            guint  n_generations)
{
  self->n_generations = n_generations;
  self->n_playing = N_TEAMS;
  for (guint team = 0; team < N_TEAMS; team++)
    start_generation (self, team);

  self->silence_timer = g_timeout_add_seconds (MAX_SILENCE, check_silence, self);
}

gboolean
arena_is_complete (Arena *self)
{
  return self->n_playing == 0;
}

const ArenaFigures *
arena_get_figures (Arena *self)
{
  return &self->figures;
}
