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
  AgentRouterDispatcher *dispatcher;
  AgentBus              *bus;    /* (unowned) of the dispatcher */
  AgentRouteTable       *routes; /* (unowned) of the dispatcher */
  Trainer              **trainers;
  guint                  n_actors;

  GPtrArray *threads; /* (element-type LoopThread) */
  GPtrArray *workers; /* (element-type Worker): all workers there ever were, by number */
  GPtrArray *present; /* (element-type Worker) (unowned) */
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

/* Sends a team's model to all workers. */
void
staff_publish (Staff *self,
               guint  team)
{
  for (guint i = 0; i < self->present->len; i++)
    send_model (self, team, g_ptr_array_index (self->present, i));
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
  worker = worker_new (name, loop_thread_get_context (thread), self->bus);

  if (!agent_bus_subscribe (self->bus, AGENT_SUBSCRIBER (worker), error))
    return FALSE;

  for (guint team = 0; team < N_TEAMS; team++)
    send_model (self, team, worker);

  g_ptr_array_add (self->present, worker);
  g_ptr_array_add (self->workers, g_steal_pointer (&worker));

  return TRUE;
}

/* Each worker that is present gets its share of the actors. An actor that keeps its worker notices nothing. */
static void
share_out (Staff *self)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (GVariant) moves = NULL;

  for (guint i = 0; i < self->present->len; i++)
    g_ptr_array_add (names, (gpointer) get_name (g_ptr_array_index (self->present, i)));
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

  share_out (self);
}

static gboolean
announce_late (gpointer data)
{
  Staff *self = data;

  self->late_timer = 0;
  announce (self, TRUE);

  return G_SOURCE_REMOVE;
}

static void
on_left (GObject      *bus,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr (GError) error = NULL;

  /* If the bus was stopped meanwhile, the worker has left already. */
  if (!agent_bus_unsubscribe_finish (AGENT_BUS (bus), result, &error) &&
      !g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND))
    g_warning ("A worker did not leave in time: %s", error->message);
}

static void
leave (Staff  *self,
       Worker *worker)
{
  g_ptr_array_remove (self->present, worker);
  agent_bus_unsubscribe_async (self->bus, get_name (worker), NULL, on_left, NULL);
}

static void
on_drained (GObject      *dispatcher,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_autoptr (Worker) worker = user_data;
  g_autoptr (GError) error = NULL;

  if (!agent_router_dispatcher_drain_router_finish (AGENT_ROUTER_DISPATCHER (dispatcher), result, &error))
    g_warning ("A worker was not through in time: %s", error->message);

  agent_bus_unsubscribe_async (agent_router_dispatcher_get_bus (AGENT_ROUTER_DISPATCHER (dispatcher)),
                               get_name (worker),
                               NULL,
                               on_left,
                               NULL);
}

/* The others get the actors, and the worker leaves when it has answered the requests that it has. */
static void
retire (Staff  *self,
        Worker *worker)
{
  g_ptr_array_remove (self->present, worker);
  share_out (self);
  agent_router_dispatcher_drain_router_async (
      self->dispatcher, get_name (worker), NULL, on_drained, g_object_ref (worker));
}

static gboolean
replace_stuck (gpointer data)
{
  Staff *self = data;

  self->stuck_timer = 0;
  share_out (self);

  return G_SOURCE_REMOVE;
}

/* Lets the worker leave while it still has actors and requests. These wait until the actors get another worker. */
static gboolean
dismiss_stuck (gpointer data)
{
  Staff *self = data;

  leave (self, self->stuck);
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
  g_autoptr (GError) error = NULL;
  gpointer *present = self->present->pdata;
  gboolean  can_spare = self->present->len > 1 && self->stuck_timer == 0;

  switch (occasion % 4)
    {
    case 0:
    case 2:
      if (!hire (self, &error))
        g_warning ("A new worker could not subscribe: %s", error->message);
      share_out (self);
      break;

    case 1:
      if (can_spare)
        retire (self, present[0]);
      break;

    default:
      if (can_spare)
        get_stuck (self, present[0]);
    }
}

Staff *
staff_new (AgentRouterDispatcher *dispatcher,
           Trainer              **trainers,
           guint                  n_actors)
{
  Staff *self = g_new0 (Staff, 1);

  self->dispatcher = g_object_ref (dispatcher);
  self->bus = agent_router_dispatcher_get_bus (dispatcher);
  self->routes = agent_router_dispatcher_get_route_table (dispatcher);
  self->trainers = trainers;
  self->n_actors = n_actors;
  self->threads = g_ptr_array_new_with_free_func ((GDestroyNotify) loop_thread_free);
  self->workers = g_ptr_array_new_with_free_func (g_object_unref);
  self->present = g_ptr_array_new ();

  return self;
}

void
staff_free (Staff *self)
{
  staff_close (self);
  g_ptr_array_unref (self->threads);
  g_ptr_array_unref (self->present);
  g_ptr_array_unref (self->workers);
  g_object_unref (self->dispatcher);
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
  return self->present->len;
}

/* (element-type Worker): all workers there ever were */
GPtrArray *
staff_get_workers (Staff *self)
{
  return self->workers;
}

/* Ends all changes, and frees a worker that is stuck, so that the bus may be stopped. */
void
staff_settle (Staff *self)
{
  g_clear_handle_id (&self->late_timer, g_source_remove);
  g_clear_handle_id (&self->stuck_timer, g_source_remove);
  if (self->stuck != NULL)
    worker_set_stuck (g_steal_pointer (&self->stuck), FALSE);
}

/* Waits for the workers' threads. After that the workers' figures may be read. */
void
staff_close (Staff *self)
{
  staff_settle (self);
  g_ptr_array_set_size (self->threads, 0);
}
