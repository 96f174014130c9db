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

/* Seconds until workers of other processes have to be there */
#define MAX_WAIT 60

struct _Staff
{
  AgentRunner     *runner;
  AgentBus        *bus; /* (unowned) of the runner */
  AgentRouteTable *routes;
  Trainer        **trainers;
  guint            n_actors;

  GPtrArray *threads; /* (element-type LoopThread) */
  GPtrArray *workers; /* (element-type Worker): all workers there ever were, by number */
  GPtrArray *guests;  /* (element-type utf8): the names of the workers of other processes that are there */
  GArray    *watches; /* (element-type guint): of the names of such workers */
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
send_model (Staff      *self,
            guint       team,
            const char *worker)
{
  GVariant *payload = payload_new_model (trainer_get_model (self->trainers[team]));

  agent_bus_send (self->bus, agent_message_new_routed (AGENT_MESSAGE_TYPE_MODEL_UPDATE, "arena", worker, payload));
}

static void
send_models (Staff      *self,
             const char *worker)
{
  for (guint team = 0; team < N_TEAMS; team++)
    send_model (self, team, worker);
}

/* The workers of this process that have not begun to leave: (transfer container) (element-type Worker). An AgentRegistry would
 * tell of one that leaves a little later, and what is sent to it until then would be lost. */
static GPtrArray *
list_present (Staff *self)
{
  GPtrArray *present = g_ptr_array_new ();

  for (guint i = 0; i < self->workers->len; i++)
    if (agent_actor_get_state (self->workers->pdata[i]) == AGENT_ACTOR_STATE_READY)
      g_ptr_array_add (present, self->workers->pdata[i]);

  return present;
}

/* The names of all workers that are there, from wherever: (transfer container) (element-type utf8).
 *
 * @without: (nullable): a worker that is about to leave */
static GPtrArray *
list_names (Staff  *self,
            Worker *without)
{
  g_autoptr (GPtrArray) present = list_present (self);
  GPtrArray *names = g_ptr_array_new ();

  for (guint i = 0; i < present->len; i++)
    if (present->pdata[i] != without)
      g_ptr_array_add (names, (gpointer) get_name (present->pdata[i]));
  for (guint i = 0; i < self->guests->len; i++)
    g_ptr_array_add (names, self->guests->pdata[i]);

  return names;
}

/* Sends a team's model to all workers. */
void
staff_publish (Staff *self,
               guint  team)
{
  g_autoptr (GPtrArray) names = list_names (self, NULL);

  for (guint i = 0; i < names->len; i++)
    send_model (self, team, names->pdata[i]);
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

  send_models (self, name);
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
  g_autoptr (GPtrArray) names = list_names (self, without);
  g_autoptr (GVariant) moves = NULL;

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

/* It gets the models before its first request, in whichever process it is: both are control, which keeps its order. */
static void
on_guest_appeared (AgentBus   *bus,
                   const char *name,
                   gpointer    data)
{
  Staff *self = data;

  send_models (self, name);
  g_ptr_array_add (self->guests, g_strdup (name));
  share_out (self, NULL);
}

/* Its requests come back: those that nobody has begun with, from the bus here, and the others because its process is gone. */
static void
on_guest_vanished (AgentBus   *bus,
                   const char *name,
                   gpointer    data)
{
  Staff *self = data;
  guint  index;

  if (!g_ptr_array_find_with_equal_func (self->guests, name, g_str_equal, &index))
    return;

  g_ptr_array_remove_index (self->guests, index);
  share_out (self, NULL);
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
  self->guests = g_ptr_array_new_with_free_func (g_free);
  self->watches = g_array_new (FALSE, FALSE, sizeof (guint));

  return self;
}

void
staff_free (Staff *self)
{
  staff_close (self);
  g_ptr_array_unref (self->threads);
  g_ptr_array_unref (self->workers);
  g_ptr_array_unref (self->guests);
  g_array_unref (self->watches);
  g_object_unref (self->routes);
  g_object_unref (self->runner);
  g_free (self);
}

/* Assigns most actors. */
static void
begin (Staff *self)
{
  announce (self, FALSE);
  self->late_timer = g_timeout_add (LATE_AFTER, announce_late, self);
}

/* Hires the first workers. */
gboolean
staff_open (Staff   *self,
            guint    n_workers,
            GError **error)
{
  for (guint i = 0; i < n_workers; i++)
    if (!hire (self, error))
      return FALSE;

  begin (self);

  return TRUE;
}

static gboolean
on_no_guests (gpointer late)
{
  *(gboolean *) late = TRUE;

  return G_SOURCE_CONTINUE;
}

/* Waits for the workers of other processes. Later they may vanish and come back. */
gboolean
staff_await (Staff   *self,
             guint    n_workers,
             GError **error)
{
  gboolean late = FALSE;
  guint    timer = g_timeout_add_seconds (MAX_WAIT, on_no_guests, &late);

  for (guint i = 0; i < n_workers; i++)
    {
      g_autofree char *name = g_strdup_printf ("worker-%u", i);
      guint            watch = agent_bus_watch_name (self->bus, name, on_guest_appeared, on_guest_vanished, self, NULL);

      g_array_append_val (self->watches, watch);
    }

  while (self->guests->len < n_workers && !late)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (timer);

  if (late)
    g_set_error (
        error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "Only %u of %u workers are there", self->guests->len, n_workers);
  else
    begin (self);

  return !late;
}

guint
staff_get_n_present (Staff *self)
{
  g_autoptr (GPtrArray) names = list_names (self, NULL);

  return names->len;
}

/* (element-type Worker): all workers there ever were in this process */
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

  for (guint i = 0; i < self->watches->len; i++)
    agent_bus_unwatch_name (self->bus, g_array_index (self->watches, guint, i));
  g_array_set_size (self->watches, 0);
  g_ptr_array_set_size (self->threads, 0);
}
