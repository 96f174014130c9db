/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-cancel-source-private.h"
#include "bus/agent-bus-private.h"
#include "mailbox/agent-backlog-private.h"

/*
 * A flush waits until what was queued at its start is handled. It has a backlog of each mailbox, and a watch that is told of
 * the progress of the mailboxes.
 */
typedef struct
{
  gatomicrefcount ref_count;
  guint           watch; /* its id; set before @begun */

  GMutex      lock;
  GHashTable *backlogs;  /* (lock) AgentMailbox → AgentBacklog, both owned: what is not handled yet */
  GSList     *replaced;  /* (lock) (owned) backlogs that do not matter any more, to be freed in the end */
  GPtrArray  *seen;      /* (lock) (owned) of AgentMailbox (owned), to be unreffed in the end */
  gboolean    begun;     /* (lock) all backlogs were added */
  GError     *error;     /* (lock) (owned) (nullable) the first thing that went wrong */
  GTask      *task;      /* (lock) (owned) (nullable) NULL once it has returned */
  GSource    *cancelled; /* (lock) (owned) (nullable) */
} Flush;

static Flush *
flush_ref (Flush *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

static void
flush_unref (gpointer data)
{
  Flush *self = data;

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_assert (self->task == NULL && self->cancelled == NULL);

  g_hash_table_unref (self->backlogs);
  g_slist_free_full (self->replaced, (GDestroyNotify) _agent_backlog_free);
  g_ptr_array_unref (self->seen);
  g_clear_error (&self->error);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* Takes @task: (transfer full) (nullable), and @error: (transfer full) (nullable). With no lock held. */
static void
flush_return (Flush  *self,
              GTask  *task,
              GError *error)
{
  GSource *cancelled;

  if (task == NULL)
    {
      g_clear_error (&error);
      return;
    }

  g_mutex_lock (&self->lock);
  cancelled = g_steal_pointer (&self->cancelled);
  g_mutex_unlock (&self->lock);

  _agent_cancel_source_clear (&cancelled);
  _agent_bus_remove_watch (g_task_get_source_object (task), self->watch);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

/* The task, once, when there is nothing to wait for any more: (transfer full) (nullable). */
static GTask *
flush_take_task_locked (Flush   *self,
                        GError **error)
{
  if (!self->begun || g_hash_table_size (self->backlogs) > 0 || self->task == NULL)
    return NULL;

  *error = g_steal_pointer (&self->error);
  return g_steal_pointer (&self->task);
}

static void
flush_note_failure_locked (Flush            *self,
                           AgentMailbox     *mailbox,
                           AgentBacklogState state)
{
  const char *name = _agent_mailbox_get_name (mailbox);

  if (self->error != NULL || state == AGENT_BACKLOG_HANDLED)
    return;

  if (state == AGENT_BACKLOG_TIMED_OUT)
    g_set_error (&self->error,
                 AGENT_BUS_ERROR,
                 AGENT_BUS_ERROR_TIMED_OUT,
                 "Subscriber '%s' did not leave in time, and has not handled all that was queued",
                 name);
  else
    g_set_error (&self->error,
                 AGENT_BUS_ERROR,
                 AGENT_BUS_ERROR_CLOSED,
                 "Subscriber '%s' left before all that was queued was handled",
                 name);
}

/* --- Groups --- */

/* Whether @mailbox has left, and what it had not begun with is at other members of its group. */
static gboolean
flush_has_moved (AgentMailbox     *mailbox,
                 AgentBacklogState state)
{
  AgentLedger ledger;

  if (state != AGENT_BACKLOG_LOST || _agent_mailbox_get_group (mailbox) == NULL)
    return FALSE;

  _agent_mailbox_get_ledger (mailbox, &ledger);
  return ledger.moved > 0 && ledger.dropped[AGENT_DROP_REASON_DISCARDED] == 0;
}

/* From now on the flush waits for @backlog of @mailbox. Takes @backlog. Nothing is freed before the lock is unlocked. */
static void
flush_put_locked (Flush        *self,
                  AgentMailbox *mailbox,
                  AgentBacklog *backlog)
{
  AgentBacklog *old = g_hash_table_lookup (self->backlogs, mailbox);

  if (old != NULL)
    {
      g_hash_table_steal (self->backlogs, mailbox);
      self->replaced = g_slist_prepend (self->replaced, old);
    }
  else
    {
      _agent_mailbox_ref (mailbox);
    }
  g_hash_table_insert (self->backlogs, mailbox, backlog);
}

/* From now on the flush waits for all that @mailbox has now. FALSE: it has left meanwhile. */
static gboolean
flush_renew_locked (Flush        *self,
                    AgentMailbox *mailbox)
{
  AgentBacklog     *backlog = _agent_backlog_new (mailbox);
  AgentBacklogState state = _agent_backlog_get_state (backlog, mailbox);

  if (state == AGENT_BACKLOG_WAITS)
    flush_put_locked (self, mailbox, backlog);
  else
    self->replaced = g_slist_prepend (self->replaced, backlog);

  return state == AGENT_BACKLOG_WAITS || state == AGENT_BACKLOG_HANDLED;
}

/* Some members may have got the messages of @left and be leaving themselves by now, but still handle them. Those of them that
 * have left meanwhile have given on what they had. */
static void
flush_renew_leaving_locked (Flush        *self,
                            AgentMailbox *left)
{
  AgentBus  *bus = g_task_get_source_object (self->task);
  GPtrArray *leaving = _agent_directory_list_leaving (bus->directory, _agent_mailbox_get_group (left));

  for (guint i = 0; i < leaving->len; i++)
    {
      if (leaving->pdata[i] != left)
        flush_renew_locked (self, leaving->pdata[i]);
    }
  g_ptr_array_extend_and_steal (self->seen, leaving);
}

/* FALSE: one of the members has left meanwhile, and may have given its messages to others. */
static gboolean
flush_renew_members_locked (Flush        *self,
                            AgentMailbox *left)
{
  AgentBus                 *bus = g_task_get_source_object (self->task);
  AgentGroups              *groups = _agent_directory_get_groups (bus->directory);
  guint                     n_members;
  AgentMailboxTrie         *trie = _agent_groups_ref_members (groups, _agent_mailbox_get_group (left), &n_members);
  g_autofree AgentMailbox **members = g_new (AgentMailbox *, n_members);
  gboolean                  all = TRUE;

  _agent_mailbox_trie_list (trie, members);
  for (guint i = 0; i < n_members; i++)
    {
      g_ptr_array_add (self->seen, _agent_mailbox_ref (members[i]));
      all = flush_renew_locked (self, members[i]) && all;
    }
  _agent_mailbox_trie_unref (trie);

  return all;
}

/* What moves while this looks goes from those that leave to the members, so these come last. */
static gboolean
flush_renew_group_locked (Flush        *self,
                          AgentMailbox *left)
{
  flush_renew_leaving_locked (self, left);
  return flush_renew_members_locked (self, left);
}

/* The messages of @left are somewhere in its group. */
static void
flush_follow_locked (Flush        *self,
                     AgentMailbox *left)
{
  while (self->task != NULL && !flush_renew_group_locked (self, left))
    continue;
}

/* --- Looking --- */

/* Asks whether the backlog of @mailbox is handled. Returns what to free after unlocking: (transfer full) (nullable). */
static AgentBacklog *
flush_look_locked (Flush        *self,
                   AgentMailbox *mailbox)
{
  AgentBacklog     *backlog = g_hash_table_lookup (self->backlogs, mailbox);
  AgentBacklogState state;

  if (backlog == NULL)
    return NULL;

  state = _agent_backlog_get_state (backlog, mailbox);
  if (state == AGENT_BACKLOG_WAITS)
    return NULL;

  if (flush_has_moved (mailbox, state))
    flush_follow_locked (self, mailbox);
  else
    flush_note_failure_locked (self, mailbox, state);
  g_hash_table_steal (self->backlogs, mailbox);
  return backlog;
}

/* The caller has another reference on @mailbox. */
static void
flush_free_backlog (AgentBacklog *backlog,
                    AgentMailbox *mailbox)
{
  if (backlog == NULL)
    return;

  _agent_backlog_free (backlog);
  _agent_mailbox_unref (mailbox);
}

static void
flush_on_happened (gpointer          data,
                   AgentMailbox     *mailbox,
                   AgentMailboxEvent event)
{
  Flush        *self = data;
  AgentBacklog *backlog;
  GTask        *task;
  GError       *error = NULL;

  if (event == AGENT_MAILBOX_SUBSCRIBED)
    return;

  g_mutex_lock (&self->lock);
  backlog = flush_look_locked (self, mailbox);
  task = flush_take_task_locked (self, &error);
  g_mutex_unlock (&self->lock);

  flush_free_backlog (backlog, mailbox);
  flush_return (self, task, error);
}

/* No message is handed over by this watch, so none comes back. */
static const AgentMailboxWatchFuncs flush_funcs = {
  .happened = flush_on_happened,
};

static gboolean
flush_on_cancelled (gpointer user_data)
{
  Flush *self = user_data;
  GTask *task;

  g_mutex_lock (&self->lock);
  task = g_steal_pointer (&self->task);
  g_mutex_unlock (&self->lock);

  flush_return (self, task, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "The flush was cancelled"));
  return G_SOURCE_REMOVE;
}

static void
flush_watch_cancellable (Flush *self)
{
  GCancellable *cancellable = g_task_get_cancellable (self->task);

  if (cancellable == NULL)
    return;

  self->cancelled = _agent_cancel_source_new (cancellable);
  g_source_set_static_name (self->cancelled, "[agentbus] flush");
  g_source_set_callback (self->cancelled, flush_on_cancelled, flush_ref (self), flush_unref);
}

static void
flush_add (Flush        *self,
           AgentMailbox *mailbox)
{
  AgentBacklog *backlog = _agent_backlog_new (mailbox);

  g_mutex_lock (&self->lock);
  flush_put_locked (self, mailbox, backlog);
  backlog = flush_look_locked (self, mailbox);
  g_mutex_unlock (&self->lock);

  flush_free_backlog (backlog, mailbox);
}

static void
flush_end_begin (Flush *self)
{
  GTask  *task;
  GError *error = NULL;

  g_mutex_lock (&self->lock);
  self->begun = TRUE;
  task = flush_take_task_locked (self, &error);
  if (self->task != NULL && self->cancelled != NULL)
    g_source_attach (self->cancelled, g_task_get_context (self->task));
  g_mutex_unlock (&self->lock);

  flush_return (self, task, error);
}

/* Takes @task. */
static void
flush_begin (AgentBus      *bus,
             AgentMailbox **mailboxes,
             guint          n_mailboxes,
             GTask         *task)
{
  Flush *self = g_new0 (Flush, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  self->backlogs = g_hash_table_new_full (
      NULL, NULL, (GDestroyNotify) _agent_mailbox_unref, (GDestroyNotify) _agent_backlog_free);
  self->seen = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_mailbox_unref);
  self->task = task;
  flush_watch_cancellable (self);
  self->watch = _agent_bus_add_watch (bus, &flush_funcs, flush_ref (self), flush_unref);

  for (guint i = 0; i < n_mailboxes; i++)
    flush_add (self, mailboxes[i]);
  flush_end_begin (self);
  flush_unref (self);
}

static void
flush_all (AgentBus *bus,
           GTask    *task)
{
  AgentSnapshot *snapshot = _agent_directory_ref_snapshot (bus->directory);
  guint          n_mailboxes;
  AgentMailbox **mailboxes = _agent_snapshot_get_mailboxes (snapshot, &n_mailboxes);

  flush_begin (bus, mailboxes, n_mailboxes, task);
  _agent_snapshot_unref (snapshot);
}

static void
flush_group (AgentBus   *bus,
             const char *name,
             GTask      *task)
{
  guint             n_members;
  AgentMailboxTrie *trie =
      _agent_groups_ref_members (_agent_directory_get_groups (bus->directory), name, &n_members);
  g_autofree AgentMailbox **members = g_new (AgentMailbox *, n_members);

  if (trie == NULL)
    {
      g_task_return_new_error (task,
                               AGENT_BUS_ERROR,
                               AGENT_BUS_ERROR_NOT_FOUND,
                               "There is no subscriber and no group named '%s'",
                               name);
      g_object_unref (task);
      return;
    }

  _agent_mailbox_trie_list (trie, members);
  flush_begin (bus, members, n_members, task);
  _agent_mailbox_trie_unref (trie);
}

static void
flush_one (AgentBus   *bus,
           const char *name,
           GTask      *task)
{
  AgentMailbox *mailbox = _agent_directory_lookup (bus->directory, name);

  if (mailbox == NULL)
    {
      flush_group (bus, name, task);
      return;
    }

  flush_begin (bus, &mailbox, 1, task);
  _agent_mailbox_unref (mailbox);
}

/**
 * agent_bus_flush_async:
 * @self: a bus
 * @name: (nullable): the name of a subscriber or a group, or %NULL for all
 * @cancellable: (nullable): ends the waiting
 * @callback: (scope async) (nullable): called when all is handled
 * @user_data: data for @callback
 *
 * Waits until all messages that are queued for a subscriber now, and the one in its hand, are handled, expired, or have
 * given way to others. What is sent later is not waited for.
 *
 * Nothing else changes: messages come in as before, and are handled in the same order. With %NULL the operation waits for
 * all subscribers that are on the bus now. If a subscriber leaves meanwhile and gives messages to other members of its group,
 * it waits for all that these have then.
 *
 * There is no deadline. A subscriber that is paused, or that nobody listens to, handles nothing, so cancel the operation when
 * it takes too long. A handler that waits for the end of a flush of its own subscriber waits for itself.
 *
 * May be called from any thread. To get the result, iterate the calling thread's default context.
 *
 * ```c
 * static void
 * on_update (AgentSubscriber *worker, AgentMessage *message, gpointer user_data)
 * {
 *   g_print ("%s\n", agent_message_get_task_id (message)); // prints: 42
 * }
 *
 * static void
 * on_flushed (GObject *bus, GAsyncResult *result, gpointer user_data)
 * {
 *   if (agent_bus_flush_finish (AGENT_BUS (bus), result, NULL))
 *     g_print ("all is handled\n"); // prints: all is handled
 * }
 *
 * g_autoptr (AgentSubscriber) worker = agent_subscriber_new ("worker");
 *
 * g_signal_connect (worker, "message", G_CALLBACK (on_update), NULL);
 * agent_bus_subscribe (bus, worker, &error);
 * agent_bus_send (bus, agent_message_new_task_update ("ui", "worker", "42",
 *                                                     NULL));
 * agent_bus_flush_async (bus, "worker", NULL, on_flushed, NULL);
 * ```
 *
 * Since: 0.1
 */
void
agent_bus_flush_async (AgentBus           *self,
                       const char         *name,
                       GCancellable       *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer            user_data)
{
  GTask *task;

  g_return_if_fail (AGENT_IS_BUS (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, agent_bus_flush_async);

  if (!_agent_directory_is_open (self->directory))
    {
      g_task_return_new_error (task, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED, "The bus is stopped");
      g_object_unref (task);
    }
  else if (name != NULL)
    {
      flush_one (self, name, task);
    }
  else
    {
      flush_all (self, task);
    }
}

/**
 * agent_bus_flush_finish:
 * @self: a bus
 * @result: the result that the callback got
 * @error: return location for an error
 *
 * Ends [method@AgentBus.Bus.flush_async].
 *
 * Fails with %AGENT_BUS_ERROR_NOT_FOUND if there was no such subscriber or group, with %AGENT_BUS_ERROR_CLOSED if the bus
 * was stopped or a subscriber left before it had handled all, and with %AGENT_BUS_ERROR_TIMED_OUT if that subscriber did not leave in
 * time. When one subscriber fails, the operation still waits for the others.
 *
 * Returns: whether all was handled
 *
 * Since: 0.1
 */
gboolean
agent_bus_flush_finish (AgentBus     *self,
                        GAsyncResult *result,
                        GError      **error)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
