/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport/agent-dbus-uplink-private.h"

#include "base/agent-clock-private.h"
#include "base/agent-timer-source-private.h"

/* In microseconds */
#define FIRST_DELAY (20 * 1000)
#define LAST_DELAY (G_TIME_SPAN_SECOND)

typedef enum
{
  UPLINK_IDLE,       /* not opened, or waits for the next attempt, or closed */
  UPLINK_CONNECTING, /* there is no line yet */
  UPLINK_JOINING,    /* the owner says who it is */
  UPLINK_UP,
  UPLINK_LEAVING, /* the line is being closed */
} UplinkPhase;

struct _AgentDBusUplink
{
  AgentDBusHub               *hub;        /* (not owned) */
  GDBusConnection            *connection; /* (owned) (nullable) of the application */
  char                       *address;    /* (owned) (nullable) */
  GDBusConnectionFlags        flags;
  const AgentDBusUplinkFuncs *funcs;
  gpointer                    owner;

  UplinkPhase       phase;
  AgentDBusLine    *line;        /* (owned) (nullable) */
  GCancellable     *cancellable; /* (owned) of the attempts after the first one */
  AgentTimerSource *timer;       /* (owned) the next attempt */
  gint64            delay;       /* before the next attempt */
  GTask            *task;        /* (owned) (nullable) of the first attempt */
  GError           *error;       /* (owned) (nullable) why the attempt has failed */
  AgentDBusDoneFunc done;        /* (nullable) set once it is to be closed */
  gpointer          done_data;
};

static void dbus_uplink_fail (AgentDBusUplink *self,
                              GError          *error);
static void dbus_uplink_settle (AgentDBusUplink *self);

/* --- The line --- */

static void
dbus_uplink_on_message (gpointer       data,
                        AgentDBusLine *line,
                        GDBusMessage  *message)
{
  AgentDBusUplink *self = data;

  self->funcs->message (self->owner, line, message);
}

static void
dbus_uplink_on_room (gpointer data)
{
  AgentDBusUplink *self = data;

  _agent_dbus_hub_room (self->hub);
}

static void
dbus_uplink_on_line_gone (gpointer data)
{
  AgentDBusUplink *self = data;

  self->line = NULL;
  dbus_uplink_settle (self);
}

/* The line is given up first, for whoever is told may close the uplink. */
static void
dbus_uplink_on_line_closed (gpointer       data,
                            AgentDBusLine *line,
                            const char    *reason)
{
  AgentDBusUplink *self = data;
  gboolean         was_up = self->phase == UPLINK_UP;

  dbus_uplink_fail (self, g_error_new (G_IO_ERROR, G_IO_ERROR_CLOSED, "The connection is closed: %s", reason));
  if (was_up)
    _agent_dbus_hub_set_lost (self->hub);
  self->funcs->lost (self->owner, reason);
}

static const AgentDBusLineFuncs uplink_line_funcs = {
  .message = dbus_uplink_on_message,
  .room = dbus_uplink_on_room,
  .closed = dbus_uplink_on_line_closed,
};

/* --- An attempt --- */

static void
dbus_uplink_take (AgentDBusUplink *self,
                  GDBusConnection *connection)
{
  self->phase = UPLINK_JOINING;
  self->line = _agent_dbus_line_new (connection,
                                     _agent_dbus_hub_get_path (self->hub),
                                     self->connection != NULL,
                                     &uplink_line_funcs,
                                     self);
  if (self->done == NULL)
    {
      self->funcs->join (self->owner, self->line);
      return;
    }

  self->phase = UPLINK_LEAVING;
  _agent_dbus_line_close (self->line, self->cancellable, dbus_uplink_on_line_gone, self);
}

static void
dbus_uplink_on_connected (GObject      *object,
                          GAsyncResult *result,
                          gpointer      user_data)
{
  AgentDBusUplink *self = user_data;
  GError          *error = NULL;
  g_autoptr (GDBusConnection) connection = g_dbus_connection_new_for_address_finish (result, &error);

  if (connection != NULL)
    dbus_uplink_take (self, connection);
  else
    dbus_uplink_fail (self, error);
}

static GCancellable *
dbus_uplink_get_cancellable (AgentDBusUplink *self)
{
  return self->task != NULL ? g_task_get_cancellable (self->task) : self->cancellable;
}

static void
dbus_uplink_connect (AgentDBusUplink *self,
                     const char      *address)
{
  g_dbus_connection_new_for_address (
      address, self->flags, NULL, dbus_uplink_get_cancellable (self), dbus_uplink_on_connected, self);
}

/* In a thread of GLib, for it may start a message bus. */
static void
dbus_uplink_find_session (GTask        *task,
                          gpointer      source_object,
                          gpointer      task_data,
                          GCancellable *cancellable)
{
  GError *error = NULL;
  char   *address = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SESSION, cancellable, &error);

  if (address != NULL)
    g_task_return_pointer (task, address, g_free);
  else
    g_task_return_error (task, error);
}

static void
dbus_uplink_on_session (GObject      *object,
                        GAsyncResult *result,
                        gpointer      user_data)
{
  AgentDBusUplink *self = user_data;
  GError          *error = NULL;
  g_autofree char *address = g_task_propagate_pointer (G_TASK (result), &error);

  if (address != NULL)
    dbus_uplink_connect (self, address);
  else
    dbus_uplink_fail (self, error);
}

/* What is found here may be another address than the last time. */
static void
dbus_uplink_ask_for_session (AgentDBusUplink *self)
{
  g_autoptr (GTask) task = g_task_new (NULL, dbus_uplink_get_cancellable (self), dbus_uplink_on_session, self);

  g_task_set_source_tag (task, dbus_uplink_ask_for_session);
  g_task_run_in_thread (task, dbus_uplink_find_session);
}

static void
dbus_uplink_try (AgentDBusUplink *self)
{
  self->phase = UPLINK_CONNECTING;
  if (self->connection != NULL)
    dbus_uplink_take (self, self->connection);
  else if (self->address != NULL)
    dbus_uplink_connect (self, self->address);
  else
    dbus_uplink_ask_for_session (self);
}

static void
dbus_uplink_on_timer (gpointer data,
                      gint64   now)
{
  AgentDBusUplink *self = data;

  _agent_timer_source_set_time (self->timer, -1);
  dbus_uplink_try (self);
}

/* --- Its end --- */

/* Nothing of the attempt is left: the next one may begin. Who is told may free the uplink. */
static void
dbus_uplink_settle (AgentDBusUplink *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->task);
  g_autoptr (GError) error = g_steal_pointer (&self->error);

  self->phase = UPLINK_IDLE;
  if (task != NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else if (self->done != NULL)
    self->done (self->done_data);
  else if (self->connection == NULL)
    {
      _agent_timer_source_set_time (self->timer, _agent_clock_now () + self->delay);
      self->delay = MIN (2 * self->delay, LAST_DELAY);
    }
}

/* @error: (transfer full) */
static void
dbus_uplink_fail (AgentDBusUplink *self,
                  GError          *error)
{
  g_clear_error (&self->error);
  self->error = error;
  if (self->line == NULL)
    {
      dbus_uplink_settle (self);
      return;
    }

  self->phase = UPLINK_LEAVING;
  _agent_dbus_line_close (self->line, self->cancellable, dbus_uplink_on_line_gone, self);
}

/* @error: (nullable): why it is not taken in, or NULL if it is. */
void
_agent_dbus_uplink_joined (AgentDBusUplink *self,
                           const GError    *error)
{
  g_autoptr (GTask) task = NULL;

  /* The call of the owner has failed because the line is closed. */
  if (self->phase != UPLINK_JOINING)
    return;

  if (error != NULL)
    {
      dbus_uplink_fail (self, g_error_copy (error));
      return;
    }

  self->phase = UPLINK_UP;
  self->delay = FIRST_DELAY;
  task = g_steal_pointer (&self->task);
  if (task != NULL)
    g_task_return_boolean (task, TRUE);
  _agent_dbus_hub_set_up (self->hub);
}

/* In the thread of the transport, whose context is the thread default. */
AgentDBusUplink *
_agent_dbus_uplink_new (AgentDBusHub                *hub,
                        const AgentDBusUplinkTarget *target,
                        const AgentDBusUplinkFuncs  *funcs,
                        gpointer                     owner)
{
  AgentDBusUplink *self = g_new0 (AgentDBusUplink, 1);
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  self->hub = hub;
  g_set_object (&self->connection, target->connection);
  self->address = g_strdup (target->address);
  self->flags = target->flags;
  self->funcs = funcs;
  self->owner = owner;
  self->cancellable = g_cancellable_new ();
  self->timer = _agent_timer_source_new (context, "[agentbus] D-Bus attempt", dbus_uplink_on_timer, self, NULL);
  self->delay = FIRST_DELAY;
  return self;
}

/* It must have failed to open, or be closed. */
void
_agent_dbus_uplink_free (AgentDBusUplink *self)
{
  g_assert (self->phase == UPLINK_IDLE);

  _agent_timer_source_free (self->timer);
  g_clear_object (&self->connection);
  g_clear_object (&self->cancellable);
  g_clear_error (&self->error);
  g_free (self->address);
  g_free (self);
}

/* Returns from the task when it is up, or when the first attempt has failed, of which nothing is left then. */
void
_agent_dbus_uplink_open (AgentDBusUplink *self,
                         GTask           *task)
{
  self->task = g_object_ref (task);
  dbus_uplink_try (self);
}

static gboolean
dbus_uplink_on_closed_idle (gpointer data)
{
  dbus_uplink_settle (data);
  return G_SOURCE_REMOVE;
}

/* Ends with @done, later. */
void
_agent_dbus_uplink_close (AgentDBusUplink  *self,
                          GCancellable     *cancellable,
                          AgentDBusDoneFunc done,
                          gpointer          data)
{
  g_autoptr (GSource) source = NULL;

  self->done = done;
  self->done_data = data;
  g_cancellable_cancel (self->cancellable);
  _agent_timer_source_set_time (self->timer, -1);

  if (self->phase == UPLINK_JOINING || self->phase == UPLINK_UP)
    {
      self->phase = UPLINK_LEAVING;
      _agent_dbus_line_close (self->line, cancellable, dbus_uplink_on_line_gone, self);
    }
  else if (self->phase == UPLINK_IDLE)
    {
      source = g_idle_source_new ();
      g_source_set_callback (source, dbus_uplink_on_closed_idle, self, NULL);
      g_source_attach (source, g_main_context_get_thread_default ());
    }
}
