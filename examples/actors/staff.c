/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "staff.h"

#include "../voice/loop-thread.h"

/* One actor out of this number begins to ask before it has a worker. */
#define LATE_SHARE 10

/* Milliseconds until these late actors get a worker */
#define LATE_AFTER 30
/* Milliseconds until the staff notices that a worker is stuck */
#define NOTICE_AFTER 30
/* Milliseconds from then until the actors of that worker get another one */
#define REPLACE_AFTER 20

struct _Staff
{
  AgentRunner     *runner;
  AgentBus        *bus; /* (unowned) of the runner */
  AgentRouteTable *routes;
  Trainer        **trainers;
  guint            n_actors;

  GPtrArray *threads; /* (element-type LoopThread) */
  GPtrArray *workers; /* (element-type Worker): all workers there ever were, by number */
  Worker    *stuck;   /* (nullable) */
  guint      late_timer;
  guint      stuck_timer;
};

static const char *
get_name (gpointer worker)
{
  return agent_subscriber_get_name (worker);
}

static void
send_model (Staff  *self,
            guint   team,
            Worker *worker)
{
  GVariant *payload = payload_new_model (trainer_get_model (self->trainers[team]));

  agent_bus_send (
      self->bus,
      agent_message_new_routed (AGENT_MESSAGE_TYPE_MODEL_UPDATE, "arena", get_name (worker), payload));
}

/* The workers that have not begun to leave: (transfer container) (element-type Worker). An AgentRegistry would tell of one
 * that leaves a little later, and what is sent to it until then would be lost. */
static GPtrArray *
list_present (Staff *self)
{
  GPtrArray *present = g_ptr_array_new ();

  for (guint i = 0; i < self->workers->len; i++)
    if (agent_actor_get_state (self->workers->pdata[i]) == AGENT_ACTOR_STATE_READY)
      g_ptr_array_add (present, self->workers->pdata[i]);

  return present;
}

/* Sends a team's model to all workers. */
void
staff_publish (Staff *self,
               guint  team)
{
  g_autoptr (GPtrArray) present = list_present (self);

  for (guint i = 0; i < present->len; i++)
    send_model (self, team, present->pdata[i]);
}

/* No actor is assigned to the new worker yet, so it gets the models before its first request. */
static gboolean
hire (Staff   *self,
      GError **error)
{
  g_autofree char *name = g_strdup_printf ("worker-%u", self->workers->len);
  g_autoptr (Worker) worker = NULL;
  LoopThread *thread = loop_thread_new (name);

  g_ptr_array_add (self->threads, thread);
  worker = worker_new (name, loop_thread_get_context (thread));

  if (!agent_runner_add (self->runner, AGENT_ACTOR (worker), error))
    return FALSE;

  for (guint team = 0; team < N_TEAMS; team++)
    send_model (self, team, worker);

  g_ptr_array_add (self->workers, g_steal_pointer (&worker));

  return TRUE;
}

/* Each worker that is present gets its share of the actors. An actor that keeps its worker notices nothing.
 *
 * @without: (nullable): a worker that is about to leave */
static void
share_out (Staff  *self,
           Worker *without)
{
  g_autoptr (GPtrArray) present = list_present (self);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (GVariant) moves = NULL;

  for (guint i = 0; i < present->len; i++)
    if (present->pdata[i] != without)
      g_ptr_array_add (names, (gpointer) get_name (present->pdata[i]));
  g_ptr_array_add (names, NULL);

  moves = agent_route_table_rebalance (self->routes, (const char *const *) names->pdata, NULL);
}

/* The table knows these actors from now on. */
static void
announce (Staff   *self,
          gboolean late)
{
  for (guint actor = 0; actor < self->n_actors; actor++)
    {
      char id[32];

      g_snprintf (id, sizeof id, "actor-%u", actor);
      if (late == (actor % LATE_SHARE == 0))
        agent_route_table_unassign (self->routes, id);
    }

  share_out (self, NULL);
}

static gboolean
announce_late (gpointer data)
{
  Staff *self = data;

  self->late_timer = 0;
  announce (self, TRUE);

  return G_SOURCE_REMOVE;
}

/* The others get the actors, and the worker leaves when it has answered the requests that it has. */
static void
retire (Staff  *self,
        Worker *worker)
{
  share_out (self, worker);
  agent_actor_end_async (AGENT_ACTOR (worker), "retired", NULL, NULL, NULL);
}

static gboolean
replace_stuck (gpointer data)
{
  Staff *self = data;

  self->stuck_timer = 0;
  share_out (self, NULL);

  return G_SOURCE_REMOVE;
}

/* Has the worker leave at once, while it still has actors and requests. What it works on is given up; the other requests
 * come back and wait until the actors get another worker. */
static gboolean
dismiss_stuck (gpointer data)
{
  Staff *self = data;

  agent_bus_unsubscribe_async (self->bus, get_name (self->stuck), NULL, NULL, NULL);
  worker_set_stuck (g_steal_pointer (&self->stuck), FALSE);
  self->stuck_timer = g_timeout_add (REPLACE_AFTER, replace_stuck, self);

  return G_SOURCE_REMOVE;
}

static void
get_stuck (Staff  *self,
           Worker *worker)
{
  self->stuck = worker;
  worker_set_stuck (worker, TRUE);
  self->stuck_timer = g_timeout_add (NOTICE_AFTER, dismiss_stuck, self);
}

/* After four changes there are as many workers as before. */
void
staff_change (Staff *self,
              guint  occasion)
{
  g_autoptr (GPtrArray) present = list_present (self);
  g_autoptr (GError) error = NULL;
  gboolean can_spare = present->len > 1 && self->stuck_timer == 0;

  switch (occasion % 4)
    {
    case 0:
    case 2:
      if (!hire (self, &error))
        g_warning ("A new worker could not subscribe: %s", error->message);
      share_out (self, NULL);
      break;

    case 1:
      if (can_spare)
        retire (self, present->pdata[0]);
      break;

    default:
      if (can_spare)
        get_stuck (self, present->pdata[0]);
    }
}

Staff *
staff_new (AgentRunner           *runner,
           AgentRouterDispatcher *dispatcher,
           Trainer              **trainers,
           guint                  n_actors)
{
  Staff *self = g_new0 (Staff, 1);

  self->runner = g_object_ref (runner);
  self->bus = agent_runner_get_bus (runner);
  self->routes = g_object_ref (agent_router_dispatcher_get_route_table (dispatcher));
  self->trainers = trainers;
  self->n_actors = n_actors;
  self->threads = g_ptr_array_new_with_free_func ((GDestroyNotify) loop_thread_free);
  self->workers = g_ptr_array_new_with_free_func (g_object_unref);

  return self;
}

void
staff_free (Staff *self)
{
  staff_close (self);
  g_ptr_array_unref (self->threads);
  g_ptr_array_unref (self->workers);
  g_object_unref (self->routes);
  g_object_unref (self->runner);
  g_free (self);
}

/* Hires the first workers, and assigns most actors. */
gboolean
staff_open (Staff   *self,
            guint    n_workers,
            GError **error)
{
  for (guint i = 0; i < n_workers; i++)
    if (!hire (self, error))
      return FALSE;

  announce (self, FALSE);
  self->late_timer = g_timeout_add (LATE_AFTER, announce_late, self);

  return TRUE;
}

guint
staff_get_n_present (Staff *self)
{
  g_autoptr (GPtrArray) present = list_present (self);

  return present->len;
}

/* (element-type Worker): all workers there ever were */
GPtrArray *
staff_get_workers (Staff *self)
{
  return self->workers;
}

/* Ends all changes, frees a worker that is stuck, and waits for the workers' threads. After that the workers' figures may be
 * read. */
void
staff_close (Staff *self)
{
  g_clear_handle_id (&self->late_timer, g_source_remove);
  g_clear_handle_id (&self->stuck_timer, g_source_remove);
  if (self->stuck != NULL)
    worker_set_stuck (g_steal_pointer (&self->stuck), FALSE);

  g_ptr_array_set_size (self->threads, 0);
}
