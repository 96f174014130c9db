/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdlib.h>

#include "bus/agent-bus-private.h"

static int
names_compare (const void *a,
               const void *b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/**
 * agent_bus_list_names:
 * @self: a bus
 *
 * Lists all names to which a message can be sent: those of the subscribers that are on the bus, and of their groups. May be
 * called from any thread.
 *
 * Returns: (transfer full) (array zero-terminated=1): the names, sorted by their bytes
 *
 * Since: 0.1
 */
GStrv
agent_bus_list_names (AgentBus *self)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  AgentSnapshot *snapshot;
  AgentMailbox **mailboxes;
  guint          n_mailboxes;

  g_return_val_if_fail (AGENT_IS_BUS (self), NULL);

  snapshot = _agent_directory_ref_snapshot (self->directory);
  mailboxes = _agent_snapshot_get_mailboxes (snapshot, &n_mailboxes);
  for (guint i = 0; i < n_mailboxes; i++)
    {
      if (!_agent_mailbox_has_mark (mailboxes[i], AGENT_MARK_NAMELESS))
        g_ptr_array_add (names, g_strdup (_agent_mailbox_get_name (mailboxes[i])));
    }
  _agent_snapshot_unref (snapshot);
  _agent_groups_list (_agent_directory_get_groups (self->directory), names);

  g_ptr_array_sort (names, names_compare);
  g_ptr_array_add (names, NULL);
  return (GStrv) g_ptr_array_free (g_steal_pointer (&names), FALSE);
}

/* --- Watching a name --- */

typedef struct
{
  GWeakRef         bus;
  AgentBusNameFunc appeared; /* (nullable) */
  AgentBusNameFunc vanished; /* (nullable) */
  gpointer         user_data;
  GDestroyNotify   destroy; /* (nullable) */
} NameWatch;

/* An AgentNameFunc. */
static void
names_tell (gpointer    data,
            const char *name,
            gboolean    appeared)
{
  NameWatch       *self = data;
  AgentBusNameFunc func = appeared ? self->appeared : self->vanished;
  g_autoptr (AgentBus) bus = g_weak_ref_get (&self->bus);

  if (bus != NULL && func != NULL)
    func (bus, name, self->user_data);
}

static void
names_free_watch (gpointer data)
{
  NameWatch *self = data;

  if (self->destroy != NULL)
    self->destroy (self->user_data);
  g_weak_ref_clear (&self->bus);
  g_free (self);
}

/**
 * agent_bus_watch_name:
 * @self: a bus
 * @name: the name to watch
 * @appeared: (nullable) (scope notified) (closure user_data): called when there is a subscriber or a group of this name
 * @vanished: (nullable) (scope notified) (closure user_data): called when there is none
 * @user_data: (nullable): data for both functions
 * @destroy: (nullable) (destroy user_data): frees @user_data when the watch is removed
 *
 * Watches a name, as [func@Gio.bus_watch_name] does.
 *
 * One of the two functions is called soon with the present state, and after that they are called in turn, at each change: no
 * change is left out, also if the name is free for a moment only, and none is told twice. A name vanishes when its
 * subscriber begins to leave, and when the bus stops; the name of a group with its last member. It may be watched while the bus is stopped.
 *
 * All calls come in the context that is the calling thread's default now, and never before this function returns. A watch
 * does not keep the bus alive; it ends with it. @destroy is called in the same context.
 *
 * May be called from any thread.
 *
 * ```c
 * static void
 * on_appeared (AgentBus *bus, const char *name, gpointer user_data)
 * {
 *   g_print ("%s is there\n", name); // prints: worker is there
 * }
 *
 * static void
 * on_vanished (AgentBus *bus, const char *name, gpointer user_data)
 * {
 *   g_print ("%s is gone\n", name); // prints: worker is gone
 * }
 *
 * g_autoptr (AgentSubscriber) worker = agent_subscriber_new ("worker");
 *
 * agent_bus_subscribe (bus, worker, &error);
 * agent_bus_watch_name (bus, "worker", on_appeared, on_vanished, NULL, NULL);
 * agent_bus_unsubscribe (bus, "worker");
 * ```
 *
 * Returns: the id of the watch, for [method@AgentBus.Bus.unwatch_name]; not 0
 *
 * Since: 0.1
 */
guint
agent_bus_watch_name (AgentBus        *self,
                      const char      *name,
                      AgentBusNameFunc appeared,
                      AgentBusNameFunc vanished,
                      gpointer         user_data,
                      GDestroyNotify   destroy)
{
  NameWatch *watch;

  g_return_val_if_fail (AGENT_IS_BUS (self), 0);
  g_return_val_if_fail (name != NULL, 0);

  watch = g_new0 (NameWatch, 1);
  g_weak_ref_init (&watch->bus, self);
  watch->appeared = appeared;
  watch->vanished = vanished;
  watch->user_data = user_data;
  watch->destroy = destroy;

  return _agent_directory_watch_name (self->directory, name, names_tell, watch, names_free_watch);
}

typedef struct
{
  GClosure *appeared; /* (owned) (nullable) */
  GClosure *vanished; /* (owned) (nullable) */
} Closures;

/* (transfer full) (nullable) */
static GClosure *
names_take_closure (GClosure *closure)
{
  if (closure == NULL)
    return NULL;

  g_closure_ref (closure);
  g_closure_sink (closure);
  if (G_CLOSURE_NEEDS_MARSHAL (closure))
    g_closure_set_marshal (closure, g_cclosure_marshal_generic);
  return closure;
}

static void
names_free_closures (gpointer data)
{
  Closures *self = data;

  g_clear_pointer (&self->appeared, g_closure_unref);
  g_clear_pointer (&self->vanished, g_closure_unref);
  g_free (self);
}

static void
names_invoke (GClosure   *closure,
              AgentBus   *bus,
              const char *name)
{
  GValue params[2] = { G_VALUE_INIT, G_VALUE_INIT };

  if (closure == NULL)
    return;

  g_value_init (&params[0], AGENT_TYPE_BUS);
  g_value_set_object (&params[0], bus);
  g_value_init (&params[1], G_TYPE_STRING);
  g_value_set_string (&params[1], name);
  g_closure_invoke (closure, NULL, G_N_ELEMENTS (params), params, NULL);
  g_value_unset (&params[0]);
  g_value_unset (&params[1]);
}

static void
names_invoke_appeared (AgentBus   *bus,
                       const char *name,
                       gpointer    user_data)
{
  names_invoke (((Closures *) user_data)->appeared, bus, name);
}

static void
names_invoke_vanished (AgentBus   *bus,
                       const char *name,
                       gpointer    user_data)
{
  names_invoke (((Closures *) user_data)->vanished, bus, name);
}

/**
 * agent_bus_watch_name_with_closures: (rename-to agent_bus_watch_name)
 * @self: a bus
 * @name: the name to watch
 * @appeared: (nullable): a closure that is called with the bus and the name when there is a subscriber or a group of this name
 * @vanished: (nullable): the same, when there is none
 *
 * Watches a name, as the C function [method@AgentBus.Bus.watch_name] does, for bindings of other languages.
 *
 * Returns: the id of the watch, for [method@AgentBus.Bus.unwatch_name]; not 0
 *
 * Since: 0.1
 */
guint
agent_bus_watch_name_with_closures (AgentBus   *self,
                                    const char *name,
                                    GClosure   *appeared,
                                    GClosure   *vanished)
{
  Closures *closures;

  g_return_val_if_fail (AGENT_IS_BUS (self), 0);
  g_return_val_if_fail (name != NULL, 0);

  closures = g_new0 (Closures, 1);
  closures->appeared = names_take_closure (appeared);
  closures->vanished = names_take_closure (vanished);
  return agent_bus_watch_name (
      self, name, names_invoke_appeared, names_invoke_vanished, closures, names_free_closures);
}

/**
 * agent_bus_unwatch_name:
 * @self: a bus
 * @id: what [method@AgentBus.Bus.watch_name] returned
 *
 * Ends the watch of a name. In the context of the watch, nothing is called any more after that, but what frees its data. In
 * another thread, a call that is under way may still end.
 *
 * May be called from any thread, also from a function of the watch.
 *
 * Since: 0.1
 */
void
agent_bus_unwatch_name (AgentBus *self,
                        guint     id)
{
  g_return_if_fail (AGENT_IS_BUS (self));
  g_return_if_fail (id != 0);

  if (!_agent_name_watches_remove (_agent_directory_get_name_watches (self->directory), id))
    g_warning ("There is no watch of a name with the id %u", id);
}
