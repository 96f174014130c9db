/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "arena.h"

/* Milliseconds until a refused request is sent again. */
#define ASK_AGAIN_AFTER 10

/* Seconds without any answer, after which the program ends with a message instead of hanging. */
#define MAX_SILENCE 30

typedef struct
{
  char    *id;
  CartPole pole;
  double   curiosity[CART_POLE_N_STATE];
  gboolean waiting; /* for an answer */
} Actor;

struct _Arena
{
  AgentSubscriber parent_instance;

  AgentRouterDispatcher *dispatcher;
  Staff                 *staff;    /* (unowned) */
  Trainer              **trainers; /* (unowned) */
  Actor                 *actors;
  guint                  n_actors;

  GMainLoop   *loop;
  guint        n_generations;
  guint        n_playing; /* teams */
  GQueue       refused;   /* of actors, by number */
  guint        ask_timer;
  guint        silence_timer;
  guint64      n_answered_then; /* how many answers there were at the last check for silence */
  ArenaFigures figures;
};

enum
{
  LEARNED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (Arena, arena, AGENT_TYPE_SUBSCRIBER)

/* --- Asking --- */

static Trainer *
get_trainer (Arena *self,
             guint  actor)
{
  return self->trainers[actor % N_TEAMS];
}

static AgentMessage *
new_request (Arena *self,
             guint  number)
{
  const Actor *actor = &self->actors[number];
  const Model *model = trainer_get_model (get_trainer (self, number));
  Question     question = {
        .actor = number,
        .team = model->team,
        .generation = model->generation,
        .step = actor->pole.n_steps,
  };

  for (guint i = 0; i < CART_POLE_N_STATE; i++)
    {
      question.state[i] = actor->pole.state[i];
      question.curiosity[i] = actor->curiosity[i];
    }

  return agent_message_new_routed (
      AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, "arena", actor->id, payload_new_question (&question));
}

static gboolean ask_again (gpointer data);

static void
refuse (Arena *self,
        guint  number)
{
  self->figures.n_refused++;
  g_queue_push_tail (&self->refused, GUINT_TO_POINTER (number));

  if (self->ask_timer == 0)
    self->ask_timer = g_timeout_add (ASK_AGAIN_AFTER, ask_again, self);
}

/* Passes no GError: the result is enough, because the actor has to ask again whatever the reason is. */
static void
ask (Arena *self,
     guint  number)
{
  self->figures.n_asked++;
  self->actors[number].waiting = TRUE;

  switch (agent_router_dispatcher_dispatch (self->dispatcher, new_request (self, number), NULL))
    {
    case AGENT_DISPATCH_RESULT_PARKED:
      self->figures.n_parked++;
      break;

    case AGENT_DISPATCH_RESULT_REFUSED:
      refuse (self, number);
      break;

    case AGENT_DISPATCH_RESULT_DELIVERED:
    default:
      break;
    }
}

static gboolean
ask_again (gpointer data)
{
  Arena *self = data;

  self->ask_timer = 0;

  for (guint n = self->refused.length; n > 0; n--)
    {
      self->figures.n_again++;
      ask (self, GPOINTER_TO_UINT (g_queue_pop_head (&self->refused)));
    }

  return G_SOURCE_REMOVE;
}

/* A request that the dispatcher has given up never reaches a worker, so no request is answered twice. */
static void
ask_after_loss (Arena        *self,
                AgentMessage *message)
{
  const Question *question = payload_get_question (agent_message_get_payload (message));

  g_return_if_fail (question != NULL && question->actor < self->n_actors);

  if (!g_main_loop_is_running (self->loop))
    return;

  self->figures.n_again++;
  ask (self, question->actor);
}

static void
on_expired (AgentRouterDispatcher *dispatcher,
            AgentMessage          *message,
            guint                  waited,
            guint                  n_attempts,
            Arena                 *self)
{
  self->figures.n_expired++;
  ask_after_loss (self, message);
}

static void
on_dropped (AgentRouterDispatcher *dispatcher,
            AgentMessage          *message,
            AgentDropReason        reason,
            Arena                 *self)
{
  self->figures.n_dropped++;
  ask_after_loss (self, message);
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
      ask (self, number);
    }
}

/* The other team is in the middle of its own generation: the new model overtakes its requests. */
static void
end_generation (Arena *self,
                guint  team)
{
  guint generation = trainer_get_model (self->trainers[team])->generation;

  if (generation < self->n_generations)
    {
      staff_publish (self->staff, team);
      start_generation (self, team);
    }
  else
    self->n_playing--;

  g_signal_emit (self, signals[LEARNED], 0, team, generation - 1);

  if (self->n_playing == 0)
    g_main_loop_quit (self->loop);
}

static void
make_step (Arena   *self,
           guint    number,
           gboolean push_right)
{
  CartPole *pole = &self->actors[number].pole;

  if (cart_pole_step (pole, push_right))
    ask (self, number);
  else if (trainer_take_result (get_trainer (self, number), number / N_TEAMS, pole->n_steps))
    end_generation (self, number % N_TEAMS);
}

static gboolean
is_expected (Arena        *self,
             const Answer *answer)
{
  const Actor *actor;

  if (answer == NULL || answer->actor >= self->n_actors)
    return FALSE;

  actor = &self->actors[answer->actor];

  return actor->waiting && answer->step == actor->pole.n_steps &&
         answer->generation == trainer_get_model (get_trainer (self, answer->actor))->generation;
}

static void
arena_message (AgentSubscriber *subscriber,
               AgentMessage    *message)
{
  Arena        *self = ACTORS_ARENA (subscriber);
  const Answer *answer = payload_get_answer (agent_message_get_payload (message));

  if (!is_expected (self, answer))
    {
      self->figures.n_unexpected++;
      return;
    }

  self->figures.n_answered++;
  self->actors[answer->actor].waiting = FALSE;
  make_step (self, answer->actor, answer->push_right);
}

static gboolean
check_silence (gpointer data)
{
  Arena *self = data;

  if (self->figures.n_answered == self->n_answered_then)
    g_main_loop_quit (self->loop);
  self->n_answered_then = self->figures.n_answered;

  return G_SOURCE_CONTINUE;
}

/* --- GObject --- */

static void
arena_finalize (GObject *object)
{
  Arena *self = ACTORS_ARENA (object);

  g_clear_handle_id (&self->ask_timer, g_source_remove);
  g_queue_clear (&self->refused);
  g_signal_handlers_disconnect_by_data (self->dispatcher, self);
  g_object_unref (self->dispatcher);
  g_main_loop_unref (self->loop);
  for (guint i = 0; i < self->n_actors; i++)
    g_free (self->actors[i].id);
  g_free (self->actors);

  G_OBJECT_CLASS (arena_parent_class)->finalize (object);
}

static void
arena_class_init (ArenaClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = arena_finalize;
  AGENT_SUBSCRIBER_CLASS (klass)->message = arena_message;

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
  self->loop = g_main_loop_new (NULL, FALSE);
  g_queue_init (&self->refused);
}

/* --- For the main program --- */

Arena *
arena_new (AgentRouterDispatcher *dispatcher,
           Staff                 *staff,
           Trainer              **trainers,
           guint                  n_actors)
{
  /* Each actor waits for one answer at most. */
  Arena *self = g_object_new (ACTORS_TYPE_ARENA, "name", "arena", "capacity", n_actors, NULL);

  self->dispatcher = g_object_ref (dispatcher);
  self->staff = staff;
  self->trainers = trainers;
  self->n_actors = n_actors;
  self->actors = g_new0 (Actor, n_actors);
  for (guint i = 0; i < n_actors; i++)
    self->actors[i].id = g_strdup_printf ("actor-%u", i);

  g_signal_connect (dispatcher, "expired", G_CALLBACK (on_expired), self);
  g_signal_connect (dispatcher, "dropped", G_CALLBACK (on_dropped), self);

  return self;
}

/* Returns whether all generations were played, and not given up because there were no answers any more. */
gboolean
arena_play (Arena *self,
            guint  n_generations)
{
  self->n_generations = n_generations;
  self->n_playing = N_TEAMS;
  for (guint team = 0; team < N_TEAMS; team++)
    start_generation (self, team);

  self->silence_timer = g_timeout_add_seconds (MAX_SILENCE, check_silence, self);
  g_main_loop_run (self->loop);
  g_clear_handle_id (&self->silence_timer, g_source_remove);

  return self->n_playing == 0;
}

const ArenaFigures *
arena_get_figures (Arena *self)
{
  return &self->figures;
}
