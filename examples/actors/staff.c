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
  AgentBus        *bus;
  AgentRouteTable *routes;
  Trainer        **trainers;
  guint            n_actors;

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

static void
assign (Staff *self,
        guint  actor)
{
  Worker *worker = g_ptr_array_index (self->present, actor / N_TEAMS % self->present->len);
  char    id[32];

  g_snprintf (id, sizeof id, "actor-%u", actor);
  agent_route_table_assign (self->routes, id, get_name (worker));
}

/* Each worker gets its share of every team. An actor that keeps its worker notices nothing. */
static void
assign_all (Staff *self)
{
  for (guint actor = 0; actor < self->n_actors; actor++)
    assign (self, actor);
}

static gboolean
assign_late (gpointer data)
{
  Staff *self = data;

  self->late_timer = 0;
  assign_all (self);

  return G_SOURCE_REMOVE;
}

static void
on_left (GObject      *bus,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr (GError) error = NULL;

  if (!agent_bus_unsubscribe_finish (AGENT_BUS (bus), result, &error))
    g_warning ("A worker did not leave in time: %s", error->message);
}

static void
leave (Staff  *self,
       Worker *worker)
{
  g_ptr_array_remove (self->present, worker);
  agent_bus_unsubscribe_async (self->bus, get_name (worker), NULL, on_left, NULL);
}

/* Moves the actors first, then lets the worker leave. Requests that it has not handled come back, and go to @heir. */
static void
retire (Staff  *self,
        Worker *worker,
        Worker *heir)
{
  agent_route_table_move_all (self->routes, get_name (worker), get_name (heir));
  leave (self, worker);
}

static gboolean
replace_stuck (gpointer data)
{
  Staff *self = data;

  self->stuck_timer = 0;
  assign_all (self);

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
      assign_all (self);
      break;

    case 1:
      if (can_spare)
        retire (self, present[0], present[1]);
      break;

    default:
      if (can_spare)
        get_stuck (self, present[0]);
    }
}

Staff *
staff_new (AgentBus        *bus,
           AgentRouteTable *routes,
           Trainer        **trainers,
           guint            n_actors)
{
  Staff *self = g_new0 (Staff, 1);

  self->bus = g_object_ref (bus);
  self->routes = g_object_ref (routes);
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
  g_object_unref (self->routes);
  g_object_unref (self->bus);
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

  for (guint actor = 0; actor < self->n_actors; actor++)
    if (actor % LATE_SHARE != 0)
      assign (self, actor);

  self->late_timer = g_timeout_add (LATE_AFTER, assign_late, self);

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
