/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-registry-waits-private.h"

#include "agent-bus-error.h"
#include "base/agent-cancel-source-private.h"
#include "base/agent-clock-private.h"
#include "base/agent-string-hash-private.h"
#include "base/agent-timer-source-private.h"

struct _AgentRegistryWaits
{
  GMainContext        *context; /* (owned) */
  AgentRegistryHasFunc has;
  GHashTable          *waits;   /* (owned) set of Wait (owned) */
  GHashTable          *by_name; /* (owned) char * (owned) → GPtrArray (owned) of the Waits for it (unowned) */
};

typedef struct
{
  AgentRegistryWaits *waits;
  GTask              *task;      /* (owned) */
  GHashTable         *names;     /* (owned) set of char * (owned) */
  guint               n_missing; /* how many of @names are not there */
  guint               timeout;   /* milliseconds */
  AgentTimerSource   *timer;     /* (owned) (nullable) */
  GSource            *cancelled; /* (owned) (nullable) */
} Wait;

AgentRegistryWaits *
_agent_registry_waits_new (GMainContext        *context,
                           AgentRegistryHasFunc has)
{
  AgentRegistryWaits *self = g_new (AgentRegistryWaits, 1);

  self->context = g_main_context_ref (context);
  self->has = has;
  self->waits = g_hash_table_new (NULL, NULL);
  self->by_name = g_hash_table_new_full (
      _agent_string_hash_func, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);

  return self;
}

/* Precondition: nobody waits, for who does keeps the registry. */
void
_agent_registry_waits_free (AgentRegistryWaits *self)
{
  g_assert (g_hash_table_size (self->waits) == 0);

  g_hash_table_unref (self->by_name);
  g_hash_table_unref (self->waits);
  g_main_context_unref (self->context);
  g_free (self);
}

static void
wait_link (Wait       *self,
           const char *name)
{
  GPtrArray *list = g_hash_table_lookup (self->waits->by_name, name);

  if (list == NULL)
    {
      list = g_ptr_array_new ();
      g_hash_table_insert (self->waits->by_name, g_strdup (name), list);
    }
  g_ptr_array_add (list, self);
}

static void
wait_unlink (Wait       *self,
             const char *name)
{
  GPtrArray *list = g_hash_table_lookup (self->waits->by_name, name);

  g_ptr_array_remove_fast (list, self);
  if (list->len == 0)
    g_hash_table_remove (self->waits->by_name, name);
}

/* Nobody waits any more. Returns the task, from which the caller returns: (transfer full). */
static GTask *
wait_end (Wait *self)
{
  GTask         *task = self->task;
  GHashTableIter iter;
  gpointer       name;

  g_hash_table_iter_init (&iter, self->names);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    wait_unlink (self, name);
  g_hash_table_remove (self->waits->waits, self);

  g_clear_pointer (&self->timer, _agent_timer_source_free);
  _agent_cancel_source_clear (&self->cancelled);
  g_hash_table_unref (self->names);
  g_free (self);
  return task;
}

static char *
wait_describe_missing (Wait *self)
{
  GString       *text = g_string_new (NULL);
  gpointer       registry = g_task_get_source_object (self->task);
  GHashTableIter iter;
  gpointer       name;

  g_hash_table_iter_init (&iter, self->names);
  while (text->len == 0 && g_hash_table_iter_next (&iter, &name, NULL))
    {
      if (!self->waits->has (registry, name))
        g_string_append_printf (text, "'%s'", (const char *) name);
    }
  if (self->n_missing > 1)
    g_string_append_printf (text, " and %u more", self->n_missing - 1);

  return g_string_free (text, FALSE);
}

/* An AgentTimerFunc. */
static void
wait_on_timeout (gpointer data,
                 gint64   now)
{
  Wait            *self = data;
  g_autofree char *missing = wait_describe_missing (self);
  guint            timeout = self->timeout;
  g_autoptr (GTask) task = wait_end (self);

  g_task_return_new_error (
      task, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT, "%s did not appear within %u ms", missing, timeout);
}

static gboolean
wait_on_cancelled (gpointer data)
{
  g_autoptr (GTask) task = wait_end (data);

  g_task_return_error_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

static void
wait_start_timer (Wait *self,
                  guint timeout)
{
  self->timeout = timeout;
  self->timer =
      _agent_timer_source_new (self->waits->context, "[agentbus] wait for peers", wait_on_timeout, self, NULL);
  _agent_timer_source_set_time (self->timer, _agent_clock_now () + (gint64) timeout * 1000);
}

static void
wait_watch_cancellable (Wait         *self,
                        GCancellable *cancellable)
{
  self->cancelled = _agent_cancel_source_new (cancellable);
  g_source_set_callback (self->cancelled, wait_on_cancelled, self, NULL);
  g_source_attach (self->cancelled, self->waits->context);
}

static void
wait_add_name (Wait       *self,
               const char *name)
{
  if (!g_hash_table_add (self->names, g_strdup (name)))
    return;

  wait_link (self, name);
  if (!self->waits->has (g_task_get_source_object (self->task), name))
    self->n_missing++;
}

static void
wait_return_if_all (Wait *self)
{
  g_autoptr (GTask) task = NULL;

  if (self->n_missing > 0)
    return;

  task = wait_end (self);
  g_task_return_boolean (task, TRUE);
}

/* @timeout: in milliseconds, or 0 for ever
 * @task: (transfer full): of the registry */
void
_agent_registry_waits_add (AgentRegistryWaits *self,
                           const char *const  *names,
                           guint               timeout,
                           GTask              *task)
{
  Wait *wait = g_new0 (Wait, 1);

  wait->waits = self;
  wait->task = task;
  wait->names = g_hash_table_new_full (_agent_string_hash_func, g_str_equal, g_free, NULL);
  g_hash_table_add (self->waits, wait);
  for (guint i = 0; names[i] != NULL; i++)
    wait_add_name (wait, names[i]);

  if (timeout > 0)
    wait_start_timer (wait, timeout);
  if (g_task_get_cancellable (task) != NULL)
    wait_watch_cancellable (wait, g_task_get_cancellable (task));
  wait_return_if_all (wait);
}

/* Ends all waits of the array, which has their tasks then: when these return, the application may add waits. */
static void
waits_end (GPtrArray *waits)
{
  for (guint i = 0; i < waits->len; i++)
    waits->pdata[i] = wait_end (waits->pdata[i]);
  g_ptr_array_set_free_func (waits, g_object_unref);
}

/* @name is there now. Returns the tasks of those who wait for nobody else: (transfer full). Their waits have ended. The caller
 * returns them when it has told the application, which may add waits meanwhile, for which @name counts already. */
GPtrArray *
_agent_registry_waits_appeared (AgentRegistryWaits *self,
                                const char         *name)
{
  GPtrArray *done = g_ptr_array_new ();
  GPtrArray *list = g_hash_table_lookup (self->by_name, name);

  for (guint i = 0; list != NULL && i < list->len; i++)
    {
      Wait *wait = list->pdata[i];

      if (--wait->n_missing == 0)
        g_ptr_array_add (done, wait);
    }

  waits_end (done);
  return done;
}

/* Takes @done. */
void
_agent_registry_waits_return (GPtrArray *done)
{
  for (guint i = 0; i < done->len; i++)
    g_task_return_boolean (done->pdata[i], TRUE);
  g_ptr_array_unref (done);
}

void
_agent_registry_waits_vanished (AgentRegistryWaits *self,
                                const char         *name)
{
  GPtrArray *list = g_hash_table_lookup (self->by_name, name);

  for (guint i = 0; list != NULL && i < list->len; i++)
    ((Wait *) list->pdata[i])->n_missing++;
}

/* The bus has stopped: nobody will come. */
void
_agent_registry_waits_close (AgentRegistryWaits *self)
{
  g_autoptr (GPtrArray) waits = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer       wait;

  g_hash_table_iter_init (&iter, self->waits);
  while (g_hash_table_iter_next (&iter, &wait, NULL))
    g_ptr_array_add (waits, wait);

  waits_end (waits);
  for (guint i = 0; i < waits->len; i++)
    g_task_return_new_error (waits->pdata[i], AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED, "The bus is stopped");
}
