/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "base/agent-source-private.h"
#include "bus/agent-bus-owner-private.h"
#include "link/agent-link-private.h"

/* How a link begins and ends. */

/* How often the other nodes are asked what has arrived, before the transport is closed. */
#define ASK_INTERVAL (20 * 1000) /* µs */

static AgentLink *
link_ref (AgentLink *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/* The thread is about to end: after this it has. Not in that thread. */
void
_agent_link_join (AgentLink *self)
{
  g_thread_join (g_steal_pointer (&self->thread));
}

void
_agent_link_unref (AgentLink *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_clear_pointer (&self->thread, g_thread_unref);
  g_mutex_clear (&self->start_lock);
  g_weak_ref_clear (&self->core.bus);
  g_mutex_clear (&self->lock);
  g_object_unref (self->cancellable);
  g_main_context_unref (self->core.context);
  g_object_unref (self->core.transport);
  g_free (self);
}

/* --- In the thread --- */

/* An AgentExportsFunc: tells all nodes. */
static void
link_announce (gpointer        link,
               AgentRecordKind kind,
               GVariant       *value)
{
  AgentLink *self = link;
  g_autoptr (GVariant) owned = g_variant_ref_sink (value);
  GHashTableIter iter;
  gpointer       node;

  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, NULL, &node))
    {
      if (((AgentNode *) node)->connected)
        _agent_node_tell (node, kind, owned);
    }
  if (kind == AGENT_RECORD_GONE)
    _agent_link_core_free_name (&self->core);
}

/* An AgentAdvancesFunc. */
static void
link_announce_advance (gpointer    link,
                       const char *id,
                       guint64     epoch)
{
  link_announce (link, AGENT_RECORD_CONVERSATION, g_variant_new ("(st)", id, epoch));
}

static void
link_on_closed (GObject      *object,
                GAsyncResult *result,
                gpointer      user_data)
{
  AgentLink *self = user_data;

  _agent_transport_close_finish (self->core.transport, result, NULL);
  self->through = TRUE;
}

/* What is not sent now is lost. */
static void
link_close (AgentLink *self)
{
  if (self->closed)
    return;

  self->closed = TRUE;
  self->close_by = 0;
  _agent_link_say_goodbye (self);
  _agent_transport_close_async (self->core.transport, NULL, link_on_closed, self);
}

/* Until everything has arrived, the other nodes are asked. */
static void
link_wait_to_close (AgentLink *self,
                    gint64     now)
{
  _agent_link_ask (self);
  _agent_link_core_call_at (&self->core, MIN (self->close_by, now + ASK_INTERVAL));
}

/* An AgentTimerFunc. */
static void
link_on_timer (gpointer data,
               gint64   now)
{
  AgentLink *self = data;

  self->core.timer_at = -1;
  _agent_timer_source_set_time (self->core.timer, -1);
  _agent_link_look_at_clock (self, now);
  if (self->close_by == 0)
    return;

  if (now >= self->close_by)
    link_close (self);
  else
    link_wait_to_close (self, now);
}

/* --- What is sent --- */

static gboolean
link_has_work (AgentLink *self)
{
  return self->core.dirty->len > 0 || self->core.has_free_names;
}

static void
link_work (AgentLink *self)
{
  _agent_link_claim_names (self);
  _agent_link_flush (self);
  if (self->close_by != 0 && _agent_link_is_idle (self))
    link_close (self);
}

/* The clock is the real one, since real threads are waited for. */
static gboolean
link_may_sleep (AgentLink *self)
{
  if (link_has_work (self))
    return FALSE;

  return !_agent_linger_is_on (&self->core.linger) || _agent_linger_is_over (&self->core.linger, g_get_monotonic_time ());
}

/* What one iteration has packed is sent right after it. A source would do that only in the next iteration. */
static void
link_iterate (AgentLink *self)
{
  g_main_context_iteration (self->core.context, link_may_sleep (self));
  if (link_has_work (self))
    link_work (self);
  if (self->core.has_handed)
    {
      self->core.has_handed = FALSE;
      _agent_linger_begin (&self->core.linger, g_get_monotonic_time ());
    }
}

/* --- The thread --- */

static void
link_set_up (AgentLink *self)
{
  g_autoptr (AgentBus) bus = g_weak_ref_get (&self->core.bus);

  self->nodes = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) _agent_node_free);
  self->on_way = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->core.remotes = g_hash_table_new (g_str_hash, g_str_equal);
  self->core.dirty = g_ptr_array_new ();
  self->core.advances = _agent_advances_new (self->core.context, link_announce_advance, self);
  self->core.timer = _agent_timer_source_new (self->core.context, "[agentbus] link", link_on_timer, self, NULL);
  self->core.timer_at = -1;
  if (bus != NULL)
    self->core.exports = _agent_exports_new (self->core.context, &bus->owner->base, link_announce, self);
}

static void
link_give_up_nodes (AgentLink *self)
{
  g_autoptr (GPtrArray) nodes = _agent_link_list_nodes (self);

  for (guint i = 0; i < nodes->len; i++)
    _agent_link_give_up (self, nodes->pdata[i], "the bus has stopped here");
}

static void
link_tear_down (AgentLink *self)
{
  link_give_up_nodes (self);
  _agent_transport_set_sink (self->core.transport, NULL, NULL);
  g_clear_pointer (&self->core.advances, _agent_advances_free);
  g_clear_pointer (&self->core.exports, _agent_exports_free);
  g_clear_pointer (&self->core.timer, _agent_timer_source_free);
  g_clear_pointer (&self->core.dirty, g_ptr_array_unref);
  g_clear_pointer (&self->core.remotes, g_hash_table_unref);
  g_clear_pointer (&self->nodes, g_hash_table_unref);
  g_clear_pointer (&self->on_way, g_hash_table_unref);
}

/* --- The start --- */

/* Returns whether the caller has the reference of the bus now. */
static gboolean
link_take_from_bus (AgentLink *self)
{
  g_autoptr (AgentBus) bus = g_weak_ref_get (&self->core.bus);

  return bus != NULL && g_atomic_pointer_compare_and_exchange (&bus->link, self, NULL);
}

static void
link_return_start (AgentLink *self,
                   GError    *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->starting);

  g_cancellable_disconnect (g_task_get_cancellable (task), self->cancelled_id);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static void
link_on_opened (GObject      *object,
                GAsyncResult *result,
                gpointer      user_data)
{
  AgentLink *self = user_data;
  GError    *error = NULL;

  self->open = _agent_transport_open_finish (self->core.transport, result, &error);
  if (!self->open)
    {
      self->through = TRUE;
      self->error = error;
      return;
    }

  if (self->closing)
    {
      link_close (self);
      return;
    }
  if (self->core.exports != NULL)
    _agent_exports_start (self->core.exports);
  link_return_start (self, NULL);
}

/* The transport is not used any more, so another link may use it now. */
static void
link_return (AgentLink *self)
{
  g_autoptr (GTask) task = NULL;
  GSource *stop;

  g_mutex_lock (&self->lock);
  self->ended = TRUE;
  task = g_steal_pointer (&self->stopping);
  stop = g_steal_pointer (&self->stop);
  g_mutex_unlock (&self->lock);

  /* If it came too late to be dispatched, it would keep the link for ever. */
  _agent_source_clear (&stop);

  if (self->starting != NULL)
    {
      if (link_take_from_bus (self))
        _agent_link_unref (self);
      if (self->error == NULL)
        self->error = g_error_new (AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED, "The bus was stopped while it was started");
      link_return_start (self, g_steal_pointer (&self->error));
    }
  if (task != NULL)
    g_task_return_boolean (task, TRUE);
}

static gpointer
link_run (gpointer data)
{
  AgentLink *self = data;

  /* The one who has made the thread may not have stored it yet. */
  g_mutex_lock (&self->start_lock);
  g_mutex_unlock (&self->start_lock);

  /* This acquires the context, too: it is this thread's also between the iterations. */
  g_main_context_push_thread_default (self->core.context);
  link_set_up (self);
  _agent_transport_open_async (self->core.transport, self->cancellable, link_on_opened, self);
  while (!self->through)
    link_iterate (self);
  link_tear_down (self);
  g_main_context_pop_thread_default (self->core.context);

  link_return (self);
  _agent_link_unref (self);
  return NULL;
}

/* Called when the application drops the bus without stopping it. Takes the reference. */
static void
link_abandon (AgentLink *self)
{
  _agent_link_stop (self, 0, NULL);
  _agent_link_unref (self);
}

static void
link_on_cancelled (GCancellable *cancellable,
                   gpointer      own_cancellable)
{
  g_cancellable_cancel (own_cancellable);
}

static AgentLink *
link_new (AgentBus *bus,
          GTask    *task)
{
  AgentLink    *self = g_new0 (AgentLink, 1);
  GCancellable *cancellable = g_task_get_cancellable (task);

  /* The class is made here, and not by the threads of several links at once. */
  g_type_class_unref (g_type_class_ref (AGENT_TYPE_REMOTE));
  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->start_lock);
  g_mutex_init (&self->lock);
  g_weak_ref_init (&self->core.bus, bus);
  self->core.transport = g_object_ref (bus->transport);
  self->core.context = g_main_context_new ();
  self->cancellable = g_cancellable_new ();
  self->starting = g_object_ref (task);
  if (cancellable != NULL)
    self->cancelled_id = g_cancellable_connect (
        cancellable, G_CALLBACK (link_on_cancelled), g_object_ref (self->cancellable), g_object_unref);
  return self;
}

/* Opens the transport of @bus. @task, which stays the caller's, returns whether that has succeeded. */
void
_agent_link_start (AgentBus *bus,
                   GTask    *task)
{
  AgentLink *self = link_new (bus, task);

  if (!_agent_transport_set_sink (self->core.transport, &_agent_link_sink, self))
    {
      link_return_start (
          self, g_error_new (AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS, "The transport is used already, or not closed yet"));
      _agent_link_unref (self);
      return;
    }

  g_mutex_lock (&self->start_lock);
  self->thread = g_thread_new ("agentbus-link", link_run, link_ref (self));
  bus->abandon_link = link_abandon;
  g_atomic_pointer_set (&bus->link, self);
  g_mutex_unlock (&self->start_lock);
}

/* --- The stop --- */

static void
link_begin_to_close (AgentLink *self)
{
  gint64 now = _agent_clock_now ();

  if (self->core.exports != NULL)
    _agent_exports_stop (self->core.exports);
  _agent_link_flush (self);
  if (self->stop_timeout == 0 || _agent_link_is_idle (self))
    {
      link_close (self);
      return;
    }

  self->close_by = now + (gint64) self->stop_timeout * 1000;
  link_wait_to_close (self, now);
}

static gboolean
link_on_stop (gpointer data)
{
  AgentLink *self = data;

  self->closing = TRUE;
  if (self->open)
    link_begin_to_close (self);
  else
    g_cancellable_cancel (self->cancellable);
  return G_SOURCE_REMOVE;
}

/* Takes @task. Returns it if the link has ended by itself, because the transport could not be opened: (transfer full) (nullable). */
static GTask *
link_attach_stop (AgentLink *self,
                  GTask     *task)
{
  GSource *source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, link_on_stop, self, NULL);
  g_mutex_lock (&self->lock);
  if (!self->ended)
    {
      self->stopping = g_steal_pointer (&task);
      self->stop = g_source_ref (source);
      g_source_attach (source, self->core.context);
    }
  g_mutex_unlock (&self->lock);
  g_source_unref (source);

  return task;
}

/* Sends what was handed over before, for up to @timeout milliseconds, and closes the transport. @task: (transfer full)
 * (nullable): it returns when the transport may be used again; call _agent_link_join() then. */
void
_agent_link_stop (AgentLink *self,
                  guint      timeout,
                  GTask     *task)
{
  g_autoptr (GTask) left = NULL;

  self->stop_timeout = timeout;
  left = link_attach_stop (self, task);
  if (left != NULL)
    g_task_return_boolean (left, TRUE);
}
