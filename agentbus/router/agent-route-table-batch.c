/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "agent-bus-error.h"
#include "base/agent-utf8-private.h"
#include "router/agent-rendezvous-private.h"
#include "router/agent-route-table-private.h"

/*
 * Functions for many actors of a route table at once. All of them go in pieces, between which other threads get the lock, and
 * may change what was looked at before or will be.
 */

/* An actor, and a router that it has or will have. */
typedef struct
{
  char       *actor;
  AgentName  *router; /* (nullable) */
  const char *chosen; /* (nullable) by a rebalance */
} BatchEntry;

static void
batch_free_entry (gpointer data)
{
  BatchEntry *entry = data;

  g_free (entry->actor);
  g_clear_pointer (&entry->router, _agent_name_unref);
  g_free (entry);
}

/* @router: (nullable). Adds a copy of both. */
static void
batch_add_entry (GPtrArray  *entries,
                 const char *actor,
                 AgentName  *router)
{
  BatchEntry *entry = g_new0 (BatchEntry, 1);

  entry->actor = g_strdup (actor);
  entry->router = router != NULL ? _agent_name_ref (router) : NULL;
  g_ptr_array_add (entries, entry);
}

static gint
batch_compare_entries (gconstpointer a,
                       gconstpointer b)
{
  const BatchEntry *one = *(BatchEntry *const *) a;
  const BatchEntry *other = *(BatchEntry *const *) b;

  return strcmp (one->actor, other->actor);
}

/* --- Reading --- */

/* Returns FALSE if there are no more. */
static gboolean
batch_visit_piece (AgentRouteTable *self,
                   GPtrArray       *entries)
{
  AgentRoute *route = NULL;

  g_mutex_lock (&self->lock);
  for (guint n = 0; n < AGENT_ROUTE_TABLE_PIECE && (route = _agent_route_index_walk (&self->index)) != NULL; n++)
    batch_add_entry (entries, route->id, _agent_route_get_router (route));
  g_mutex_unlock (&self->lock);

  return route != NULL;
}

/* (transfer full) (element-type BatchEntry): all actors, sorted by their ids. Those that come meanwhile may be left out. */
static GPtrArray *
batch_collect (AgentRouteTable *self)
{
  GPtrArray *entries = g_ptr_array_new_with_free_func (batch_free_entry);

  g_mutex_lock (&self->walk_lock);
  g_mutex_lock (&self->lock);
  _agent_route_index_begin_walk (&self->index);
  g_mutex_unlock (&self->lock);
  while (batch_visit_piece (self, entries))
    ;
  g_mutex_unlock (&self->walk_lock);

  g_ptr_array_sort (entries, batch_compare_entries);
  return entries;
}

/**
 * agent_route_table_list_actors:
 * @self: a route table
 * @router: (nullable): the name of a router, or %NULL
 *
 * Lists the actors of a router, or with %NULL all that are known, with a router or without.
 *
 * The list is sorted by the bytes of the ids. It is not of one moment if other threads change the table meanwhile: what is
 * added then may be left out.
 *
 * Returns: (transfer full) (array zero-terminated=1): the ids
 *
 * Since: 0.1
 */
char **
agent_route_table_list_actors (AgentRouteTable *self,
                               const char      *router)
{
  g_autoptr (GPtrArray) entries = NULL;
  GPtrArray *ids;

  g_return_val_if_fail (AGENT_IS_ROUTE_TABLE (self), NULL);
  g_return_val_if_fail (router == NULL || _agent_utf8_is_string (router), NULL);

  entries = batch_collect (self);
  ids = g_ptr_array_new ();
  for (guint i = 0; i < entries->len; i++)
    {
      BatchEntry *entry = entries->pdata[i];

      if (router == NULL || g_strcmp0 (entry->router, router) == 0)
        g_ptr_array_add (ids, g_steal_pointer (&entry->actor));
    }
  g_ptr_array_add (ids, NULL);

  return (char **) g_ptr_array_free (ids, FALSE);
}

/**
 * agent_route_table_snapshot:
 * @self: a route table
 *
 * Writes down which actors there are, and which router each of them has.
 *
 * The dictionary has an entry for each actor, sorted by the bytes of the ids: its router, or an empty string for none.
 * [method@AgentBus.RouteTable.restore] reads it, in this process or another one.
 *
 * It is not of one moment if other threads change the table meanwhile.
 *
 * Returns: (transfer full): an `a{ss}`, not floating
 *
 * Since: 0.1
 */
GVariant *
agent_route_table_snapshot (AgentRouteTable *self)
{
  g_autoptr (GPtrArray) entries = NULL;
  GVariantBuilder builder;

  g_return_val_if_fail (AGENT_IS_ROUTE_TABLE (self), NULL);

  entries = batch_collect (self);
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{ss}"));
  for (guint i = 0; i < entries->len; i++)
    {
      BatchEntry *entry = entries->pdata[i];

      g_variant_builder_add (&builder, "{ss}", entry->actor, entry->router != NULL ? entry->router : "");
    }

  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

/* --- Changing --- */

typedef gboolean (*BatchFunc) (AgentRouteTable *self,
                               BatchEntry      *entry,
                               gpointer         data);

/* Calls @change for the entries from @first to @end, with the lock held, and then tells the watches of those for which it has
 * returned TRUE. */
static void
batch_change_piece (AgentRouteTable *self,
                    GPtrArray       *entries,
                    guint            first,
                    guint            end,
                    BatchFunc        change,
                    gpointer         data,
                    GPtrArray       *changed)
{
  guint n_before = changed->len;

  g_mutex_lock (&self->lock);
  for (guint i = first; i < end; i++)
    {
      BatchEntry *entry = entries->pdata[i];

      if (change (self, entry, data))
        g_ptr_array_add (changed, entry->actor);
    }
  g_mutex_unlock (&self->lock);

  for (guint i = n_before; i < changed->len; i++)
    _agent_route_table_tell (self, changed->pdata[i]);
}

/* @changed: gets the actors that @change has changed; unowned */
static void
batch_change (AgentRouteTable *self,
              GPtrArray       *entries,
              BatchFunc        change,
              gpointer         data,
              GPtrArray       *changed)
{
  for (guint first = 0; first < entries->len; first += AGENT_ROUTE_TABLE_PIECE)
    batch_change_piece (
        self, entries, first, MIN (first + AGENT_ROUTE_TABLE_PIECE, entries->len), change, data, changed);
}

/* With the lock held. */
static gboolean
batch_set_entry (AgentRouteTable *self,
                 BatchEntry      *entry,
                 gpointer         data)
{
  return _agent_route_table_set_locked (self, entry->actor, entry->router, TRUE);
}

static gboolean
batch_are_names (const char *const *names)
{
  for (; *names != NULL; names++)
    {
      if (**names == '\0' || !_agent_utf8_is_string (*names))
        return FALSE;
    }

  return TRUE;
}

/**
 * agent_route_table_assign_many:
 * @self: a route table
 * @actors: (array zero-terminated=1): the ids of actors
 * @router: the name of a subscriber
 *
 * Assigns many actors to a router, as [method@AgentBus.RouteTable.assign] does with one.
 *
 * [signal@AgentBus.RouteTable::changed-many] is emitted once, for those whose route has changed.
 *
 * Returns: how many actors did not have that router before
 *
 * Since: 0.1
 */
guint
agent_route_table_assign_many (AgentRouteTable   *self,
                               const char *const *actors,
                               const char        *router)
{
  g_autoptr (GPtrArray) entries = NULL;
  g_autoptr (GPtrArray) changed = NULL;
  AgentName *name;

  g_return_val_if_fail (AGENT_IS_ROUTE_TABLE (self), 0);
  g_return_val_if_fail (actors != NULL && batch_are_names (actors), 0);
  g_return_val_if_fail (router != NULL && *router != '\0', 0);
  g_return_val_if_fail (_agent_utf8_is_string (router), 0);

  entries = g_ptr_array_new_with_free_func (batch_free_entry);
  changed = g_ptr_array_new ();
  name = _agent_name_new (router);
  for (guint i = 0; actors[i] != NULL; i++)
    batch_add_entry (entries, actors[i], name);
  _agent_name_unref (name);

  batch_change (self, entries, batch_set_entry, NULL, changed);
  _agent_route_table_note_batch (self, changed);
  return changed->len;
}

/* With the lock held: unless somebody else was quicker */
static gboolean
batch_unassign_entry (AgentRouteTable *self,
                      BatchEntry      *entry,
                      gpointer         data)
{
  AgentRoute *route = _agent_route_index_lookup (&self->index, entry->actor);

  return route != NULL && g_strcmp0 (_agent_route_get_router (route), entry->router) == 0 &&
         _agent_route_table_set_locked (self, entry->actor, NULL, TRUE);
}

/* (transfer full): those of @entries that are with @router */
static GPtrArray *
batch_filter (GPtrArray  *entries,
              const char *router)
{
  GPtrArray *filtered = g_ptr_array_new ();

  for (guint i = 0; i < entries->len; i++)
    {
      BatchEntry *entry = entries->pdata[i];

      if (g_strcmp0 (entry->router, router) == 0)
        g_ptr_array_add (filtered, entry);
    }

  return filtered;
}

/* Takes the router away from all actors that it has, as a batch. Returns how many there were. */
guint
_agent_route_table_unassign_all (AgentRouteTable *self,
                                 const char      *router)
{
  g_autoptr (GPtrArray) entries = batch_collect (self);
  g_autoptr (GPtrArray) filtered = batch_filter (entries, router);
  g_autoptr (GPtrArray) changed = g_ptr_array_new ();

  batch_change (self, filtered, batch_unassign_entry, NULL, changed);
  _agent_route_table_note_batch (self, changed);
  return changed->len;
}

/* --- All actors of a router --- */

/* Moves at most AGENT_ROUTE_TABLE_PIECE of the actors that were with @from_router when the table had changed @n_changes times. Returns their
 * ids: (transfer full). */
static GPtrArray *
batch_move_some (AgentRouteTable *self,
                 const char      *from_router,
                 const char      *to_router,
                 guint64          n_changes)
{
  GPtrArray  *ids = g_ptr_array_new_with_free_func (g_free);
  AgentRoute *route;

  g_mutex_lock (&self->lock);
  while (ids->len < AGENT_ROUTE_TABLE_PIECE && (route = _agent_route_index_get_first (&self->index, from_router)) != NULL &&
         route->n_changes <= n_changes)
    {
      _agent_route_table_set_locked (self, route->id, to_router, FALSE);
      g_ptr_array_add (ids, g_strdup (route->id));
    }
  g_mutex_unlock (&self->lock);

  return ids;
}

/* Returns how many actors were moved. */
static guint
batch_move_some_and_tell (AgentRouteTable *self,
                          const char      *from_router,
                          const char      *to_router,
                          guint64          n_changes)
{
  g_autoptr (GPtrArray) ids = batch_move_some (self, from_router, to_router, n_changes);

  for (guint i = 0; i < ids->len; i++)
    _agent_route_table_tell (self, ids->pdata[i]);

  return ids->len;
}

/* Takes the lock, so that each change which is counted has also been made. */
static guint64
batch_count_changes (AgentRouteTable *self)
{
  guint64 n_changes;

  g_mutex_lock (&self->lock);
  n_changes = atomic_load (&self->n_changes);
  g_mutex_unlock (&self->lock);

  return n_changes;
}

/**
 * agent_route_table_move_all:
 * @self: a route table
 * @from_router: the name of a router
 * @to_router: the name of another router
 *
 * Assigns all actors of one router to another, as [method@AgentBus.RouteTable.assign] does with one.
 *
 * Those are moved that have @from_router when this is called. Other threads may change the table between two of them.
 *
 * Returns: how many actors were moved
 *
 * Since: 0.1
 */
guint
agent_route_table_move_all (AgentRouteTable *self,
                            const char      *from_router,
                            const char      *to_router)
{
  guint64 n_changes;
  guint   n_moved = 0;
  guint   n;

  g_return_val_if_fail (AGENT_IS_ROUTE_TABLE (self), 0);
  g_return_val_if_fail (from_router != NULL, 0);
  g_return_val_if_fail (to_router != NULL && *to_router != '\0', 0);
  g_return_val_if_fail (_agent_utf8_is_string (from_router), 0);
  g_return_val_if_fail (_agent_utf8_is_string (to_router), 0);

  if (g_str_equal (from_router, to_router))
    return 0;

  n_changes = batch_count_changes (self);
  do
    {
      n = batch_move_some_and_tell (self, from_router, to_router, n_changes);
      n_moved += n;
    }
  while (n == AGENT_ROUTE_TABLE_PIECE);

  return n_moved;
}

/* --- Restoring --- */

static gboolean
batch_refuse_snapshot (const char *why,
                       GError    **error)
{
  g_set_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE, "This is no snapshot of a route table: %s", why);
  return FALSE;
}

/*
 * @entries: gets the actors of @snapshot
 * @ids: gets their ids, unowned
 */
static gboolean
batch_read_snapshot (GVariant   *snapshot,
                     GPtrArray  *entries,
                     GHashTable *ids,
                     GError    **error)
{
  GVariantIter iter;
  const char  *actor;
  const char  *router;

  if (!g_variant_is_of_type (snapshot, G_VARIANT_TYPE ("a{ss}")))
    return batch_refuse_snapshot ("it is not of type a{ss}", error);
  if (!g_variant_is_normal_form (snapshot))
    return batch_refuse_snapshot ("it is damaged", error);

  g_variant_iter_init (&iter, snapshot);
  while (g_variant_iter_next (&iter, "{&s&s}", &actor, &router))
    {
      AgentName *name = *router != '\0' ? _agent_name_new (router) : NULL;

      batch_add_entry (entries, actor, name);
      g_clear_pointer (&name, _agent_name_unref);
      if (*actor == '\0')
        return batch_refuse_snapshot ("an actor has no id", error);
      if (!g_hash_table_add (ids, ((BatchEntry *) entries->pdata[entries->len - 1])->actor))
        return batch_refuse_snapshot ("an actor is in it twice", error);
    }

  return TRUE;
}

/* With the lock held. @data: the ids of the actors that stay */
static gboolean
batch_forget_entry (AgentRouteTable *self,
                    BatchEntry      *entry,
                    gpointer         data)
{
  return !g_hash_table_contains (data, entry->actor) &&
         _agent_route_table_forget_locked (self, entry->actor, TRUE);
}

/**
 * agent_route_table_restore:
 * @self: a route table
 * @snapshot: (transfer none): what [method@AgentBus.RouteTable.snapshot] has returned, of the type `a{ss}`; a floating reference is sunk
 * @error: return location for a [error@AgentBus.BusError]
 *
 * Replaces everything in the table.
 *
 * Actors that are not in the snapshot are forgotten, as by [method@AgentBus.RouteTable.remove], and what is parked for them
 * is dropped. All others get the routers that are written there, as by [method@AgentBus.RouteTable.assign] and
 * [method@AgentBus.RouteTable.unassign]; an actor that keeps its router notices nothing.
 *
 * [signal@AgentBus.RouteTable::changed-many] is emitted once, for all whose route has changed. Other threads may see the
 * table while only a part is replaced.
 *
 * Returns: %FALSE with %AGENT_BUS_ERROR_INVALID_MESSAGE if @snapshot is not one; nothing has changed then
 *
 * Since: 0.1
 */
gboolean
agent_route_table_restore (AgentRouteTable *self,
                           GVariant        *snapshot,
                           GError         **error)
{
  g_autoptr (GVariant) sunk = NULL;
  g_autoptr (GPtrArray) entries = NULL;
  g_autoptr (GHashTable) ids = NULL;
  g_autoptr (GPtrArray) present = NULL;
  g_autoptr (GPtrArray) changed = NULL;

  g_return_val_if_fail (AGENT_IS_ROUTE_TABLE (self), FALSE);
  g_return_val_if_fail (snapshot != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  sunk = g_variant_ref_sink (snapshot);
  entries = g_ptr_array_new_with_free_func (batch_free_entry);
  ids = g_hash_table_new (g_str_hash, g_str_equal);
  if (!batch_read_snapshot (sunk, entries, ids, error))
    return FALSE;

  changed = g_ptr_array_new ();
  present = batch_collect (self);
  batch_change (self, present, batch_forget_entry, ids, changed);
  batch_change (self, entries, batch_set_entry, NULL, changed);
  _agent_route_table_note_batch (self, changed);
  return TRUE;
}

/* --- Balance --- */

/* With the lock held. @data: the moves. An actor whose route somebody else has changed meanwhile is left alone. */
static gboolean
batch_rebalance_entry (AgentRouteTable *self,
                       BatchEntry      *entry,
                       gpointer         data)
{
  AgentRoute *route = _agent_route_index_lookup (&self->index, entry->actor);

  if (route == NULL || entry->chosen == NULL || g_strcmp0 (_agent_route_get_router (route), entry->router) != 0)
    return FALSE;
  if (!_agent_route_table_set_locked (self, entry->actor, entry->chosen, TRUE))
    return FALSE;

  g_variant_builder_add (
      data, "(sss)", entry->actor, entry->router != NULL ? entry->router : "", entry->chosen);
  return TRUE;
}

/**
 * agent_route_table_rebalance:
 * @self: a route table
 * @routers: (array zero-terminated=1): the names of the routers that there are
 * @weights: (transfer none) (nullable): an `a{sd}`: how many actors a router gets, in proportion to others; a router that is
 *   not in it has the weight 1; a floating reference is sunk
 *
 * Shares all known actors out among routers, and moves as few as possible.
 *
 * Each actor chooses its router by weighted rendezvous hashing. A router that is added to @routers takes its share from all
 * others, and the actors of one that is left out go to all others; no actor moves between two routers that stay. The shares
 * are not exact: of 1000 actors, one of four routers has about 250, and seldom fewer than 210 or more than 290.
 *
 * The choice depends on the names and weights only, so it is the same after a restart and on another machine. What was
 * assigned in another way goes where this says. A router with the weight 0 gets no actors; if all have that, nothing moves.
 *
 * [signal@AgentBus.RouteTable::changed-many] is emitted once, for those that are moved. Their order is kept, see
 * [method@AgentBus.RouteTable.assign].
 *
 * Returns: (transfer full): the moves, an `a(sss)`, not floating: the actor, the router that it had, or an empty string for
 *   none, and the router that it has now; sorted by the actors
 *
 * Since: 0.1
 */
GVariant *
agent_route_table_rebalance (AgentRouteTable   *self,
                             const char *const *routers,
                             GVariant          *weights)
{
  g_autoptr (GVariant) sunk = weights != NULL ? g_variant_ref_sink (weights) : NULL;
  g_autoptr (AgentRendezvous) rendezvous = NULL;
  g_autoptr (GPtrArray) entries = NULL;
  g_autoptr (GPtrArray) changed = NULL;
  GVariantBuilder moves;

  g_return_val_if_fail (AGENT_IS_ROUTE_TABLE (self), NULL);
  g_return_val_if_fail (routers != NULL && batch_are_names (routers), NULL);
  g_return_val_if_fail (weights == NULL || _agent_rendezvous_are_weights (weights), NULL);

  rendezvous = _agent_rendezvous_new (routers, weights);
  entries = batch_collect (self);
  changed = g_ptr_array_new ();
  for (guint i = 0; i < entries->len; i++)
    {
      BatchEntry *entry = entries->pdata[i];

      entry->chosen = _agent_rendezvous_choose (rendezvous, entry->actor);
    }
  g_variant_builder_init (&moves, G_VARIANT_TYPE ("a(sss)"));
  batch_change (self, entries, batch_rebalance_entry, &moves, changed);
  _agent_route_table_note_batch (self, changed);

  return g_variant_ref_sink (g_variant_builder_end (&moves));
}
