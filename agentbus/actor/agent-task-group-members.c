/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-patient-private.h"
#include "actor/agent-task-group-private.h"
#include "actor/agent-task-private.h"
#include "base/agent-clock-private.h"
#include "base/agent-string-hash-private.h"

/* What a task has of a group: the group may be dropped while the task goes on. */
typedef struct
{
  GWeakRef         group;
  AgentTaskMember *member;
} TaskLink;

enum
{
  RESULT,
  FINISHED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void
task_group_free_member (gpointer data)
{
  AgentTaskMember *member = data;

  g_object_unref (member->task);
  g_free (member);
}

/* The members that are open: (transfer container). They live as long as the group. */
static GPtrArray *
task_group_list_open (AgentTaskGroup *self)
{
  GPtrArray *open = g_ptr_array_new ();

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->members->len; i++)
    {
      AgentTaskMember *member = self->members->pdata[i];

      if (!member->ended)
        g_ptr_array_add (open, member);
    }
  g_mutex_unlock (&self->lock);

  return open;
}

void
_agent_task_group_cancel_open (AgentTaskGroup *self,
                               const char     *reason)
{
  g_autoptr (GPtrArray) open = task_group_list_open (self);

  for (guint i = 0; i < open->len; i++)
    agent_task_cancel (((AgentTaskMember *) open->pdata[i])->task, reason);
}

/* --- Ends, in the actor's context --- */

void
_agent_task_group_return (AgentTaskGroup *self,
                          GTask          *task)
{
  GError *error;

  g_mutex_lock (&self->lock);
  error = self->is_over ? g_error_copy (self->error) : NULL;
  g_mutex_unlock (&self->lock);

  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

/* Those who wait, if no task is open: a handler of `finished` may have added one. (transfer full) */
static GSList *
task_group_take_waiting (AgentTaskGroup *self)
{
  GSList *waiting = NULL;

  g_mutex_lock (&self->lock);
  if (self->n_open == 0)
    waiting = g_slist_reverse (g_steal_pointer (&self->waiting));
  g_mutex_unlock (&self->lock);

  return waiting;
}

static void
task_group_finish (AgentTaskGroup *self)
{
  g_autoptr (GSList) waiting = NULL;

  g_signal_emit (self, signals[FINISHED], 0);
  waiting = task_group_take_waiting (self);
  for (GSList *l = waiting; l != NULL; l = l->next)
    {
      g_autoptr (GTask) task = _agent_patient_end (l->data);

      if (task != NULL)
        _agent_task_group_return (self, task);
    }
}

/* TRUE: the caller finishes the group. */
static gboolean
task_group_end_work (AgentTaskGroup *self)
{
  gboolean finished;

  g_mutex_lock (&self->lock);
  finished = self->is_busy && self->n_open == 0;
  if (finished)
    self->is_busy = FALSE;
  g_mutex_unlock (&self->lock);

  return finished;
}

/* The tasks share their deadline, so once it is over all of them time out by themselves. */
static gboolean
task_group_is_late_locked (AgentTaskGroup *self)
{
  return self->timeout != 0 && _agent_clock_now () >= self->made_at + self->timeout * G_GINT64_CONSTANT (1000);
}

/* TRUE: the others are to be cancelled.
 *
 * @error: (nullable) */
static gboolean
task_group_note_end (AgentTaskGroup  *self,
                     AgentTaskMember *member,
                     const GError    *error)
{
  gboolean cancel_rest = FALSE;

  g_mutex_lock (&self->lock);
  member->ended = TRUE;
  self->n_open--;
  if (error != NULL && self->error == NULL)
    self->error = g_error_copy (error);
  if (error != NULL && !self->collect && !self->is_over)
    {
      self->is_over = TRUE;
      cancel_rest = !task_group_is_late_locked (self);
    }
  g_mutex_unlock (&self->lock);

  return cancel_rest;
}

static void
task_group_take_end (AgentTaskGroup  *self,
                     AgentTaskMember *member)
{
  if (task_group_note_end (self, member, agent_task_get_error (member->task)))
    _agent_task_group_cancel_open (self, "Another task of the group has failed");

  /* Names come from strangers, so no quark is made for them: a name that somebody listens to has one. */
  g_signal_emit (self, signals[RESULT], g_quark_try_string (member->name), member->task);
  if (task_group_end_work (self))
    task_group_finish (self);
}

/* An AgentTaskEndFunc. */
static void
task_group_on_task_ended (AgentTask *task,
                          gpointer   data)
{
  TaskLink       *link = data;
  AgentTaskGroup *self = g_weak_ref_get (&link->group);

  if (self == NULL)
    return;

  task_group_take_end (self, link->member);
  g_object_unref (self);
}

static void
task_group_free_link (gpointer data)
{
  TaskLink *link = data;

  g_weak_ref_clear (&link->group);
  g_free (link);
}

/* An AgentAppointmentFunc: takes the ends of tasks that had ended before they were added. */
static void
task_group_take_late (gpointer object)
{
  AgentTaskGroup *self = object;
  g_autoptr (GSList) late = NULL;

  g_mutex_lock (&self->lock);
  late = g_slist_reverse (g_steal_pointer (&self->late));
  g_mutex_unlock (&self->lock);

  for (GSList *l = late; l != NULL; l = l->next)
    task_group_take_end (self, l->data);
}

/* --- The deadline --- */

/* How long a task may take, so that it ends with the group: ms since its request. */
static guint
task_group_limit (AgentTaskGroup  *self,
                  AgentTaskMember *member,
                  guint            timeout)
{
  gint64 limit;

  if (timeout == 0)
    return member->own_timeout;

  limit = self->made_at + timeout * G_GINT64_CONSTANT (1000) - _agent_task_get_made_at (member->task);
  limit = CLAMP ((limit + 999) / 1000, 1, G_MAXUINT);
  return member->own_timeout != 0 ? MIN (member->own_timeout, (guint) limit) : (guint) limit;
}

static guint
task_group_get_timeout (AgentTaskGroup *self)
{
  guint timeout;

  g_mutex_lock (&self->lock);
  timeout = self->timeout;
  g_mutex_unlock (&self->lock);

  return timeout;
}

/* Another thread may set another timeout meanwhile, and what was set last has to hold for all. */
static void
task_group_set_limit (AgentTaskGroup  *self,
                      AgentTaskMember *member)
{
  guint timeout;

  do
    {
      timeout = task_group_get_timeout (self);
      agent_task_set_timeout (member->task, task_group_limit (self, member, timeout));
    }
  while (timeout != task_group_get_timeout (self));
}

/* The timeout has changed. */
void
_agent_task_group_limit_all (AgentTaskGroup *self)
{
  g_autoptr (GPtrArray) open = task_group_list_open (self);

  for (guint i = 0; i < open->len; i++)
    task_group_set_limit (self, open->pdata[i]);
}

/* ms; 0 for any time */
guint
_agent_task_group_get_time_left (AgentTaskGroup *self)
{
  guint  timeout = task_group_get_timeout (self);
  gint64 left = timeout - (_agent_clock_now () - self->made_at) / 1000;

  return timeout != 0 ? (guint) CLAMP (left, 1, G_MAXUINT) : 0;
}

/* --- Adding --- */

/* The name of a task in the group: (nullable) NULL if it is in the group already. */
static const char *
task_group_choose_name_locked (AgentTaskGroup *self,
                               AgentTask      *task)
{
  const char *const names[] = { agent_task_get_target (task), agent_task_get_task_name (task), agent_task_get_id (task) };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      AgentTaskMember *other = names[i] != NULL ? g_hash_table_lookup (self->names, names[i]) : NULL;

      if (names[i] != NULL && other == NULL)
        return names[i];
      if (other != NULL && other->task == task)
        return NULL;
    }

  return NULL;
}

/* @is_over: (out): whether the task is to be cancelled
 *
 * NULL: it is in the group already. */
static AgentTaskMember *
task_group_insert (AgentTaskGroup *self,
                   AgentTask      *task,
                   guint           own_timeout,
                   gboolean       *is_over)
{
  AgentTaskMember *member = NULL;
  const char      *name;

  g_mutex_lock (&self->lock);
  name = task_group_choose_name_locked (self, task);
  if (name != NULL)
    {
      member = g_new0 (AgentTaskMember, 1);
      member->task = g_object_ref (task);
      member->name = name;
      member->own_timeout = own_timeout;
      g_ptr_array_add (self->members, member);
      g_hash_table_insert (self->names, (gpointer) name, member);
      self->n_open++;
      self->is_busy = TRUE;
    }
  *is_over = self->is_over;
  g_mutex_unlock (&self->lock);

  return member;
}

static void
task_group_watch (AgentTaskGroup  *self,
                  AgentTaskMember *member)
{
  TaskLink *link = g_new0 (TaskLink, 1);

  g_weak_ref_init (&link->group, self);
  link->member = member;
  if (_agent_task_watch_end (member->task, task_group_on_task_ended, link, task_group_free_link))
    return;

  task_group_free_link (link);
  g_mutex_lock (&self->lock);
  self->late = g_slist_prepend (self->late, member);
  g_mutex_unlock (&self->lock);
  _agent_agenda_add (_agent_actor_get_core (self->actor)->agenda,
                     &self->appointment,
                     self,
                     task_group_take_late,
                     AGENT_AGENDA_NOW);
}

/* FALSE: it is in the group already. */
gboolean
_agent_task_group_take (AgentTaskGroup *self,
                        AgentTask      *task,
                        guint           own_timeout)
{
  gboolean         is_over;
  AgentTaskMember *member = task_group_insert (self, task, own_timeout, &is_over);

  if (member == NULL)
    return FALSE;

  task_group_watch (self, member);
  task_group_set_limit (self, member);
  if (is_over)
    agent_task_cancel (task, "The group of the task has ended before");
  return TRUE;
}

/* --- For the class, and the beginning and the end of the instance --- */

void
_agent_task_group_install_signals (GType type)
{
  /**
   * AgentTaskGroup::result:
   * @self: the group
   * @task: the task, which has ended
   *
   * One of the tasks has ended, in whichever way. The detail is its name in the group.
   *
   * Comes once for each task, after its own [signal@AgentBus.Task::finished].
   *
   * Since: 0.1
   */
  signals[RESULT] = g_signal_new ("result",
                                  type,
                                  G_SIGNAL_RUN_LAST | G_SIGNAL_DETAILED,
                                  0,
                                  NULL,
                                  NULL,
                                  g_cclosure_marshal_VOID__OBJECT,
                                  G_TYPE_NONE,
                                  1,
                                  AGENT_TYPE_TASK);
  g_signal_set_va_marshaller (signals[RESULT], type, g_cclosure_marshal_VOID__OBJECTv);

  /**
   * AgentTaskGroup::finished:
   * @self: the group
   *
   * No task of the group is open any more. Comes again when tasks that were added after that have ended.
   *
   * Since: 0.1
   */
  signals[FINISHED] = g_signal_new ("finished",
                                    type,
                                    G_SIGNAL_RUN_LAST,
                                    0,
                                    NULL,
                                    NULL,
                                    g_cclosure_marshal_VOID__VOID,
                                    G_TYPE_NONE,
                                    0);
  g_signal_set_va_marshaller (signals[FINISHED], type, g_cclosure_marshal_VOID__VOIDv);
}

void
_agent_task_group_init_members (AgentTaskGroup *self)
{
  self->members = g_ptr_array_new_with_free_func (task_group_free_member);
  self->names = g_hash_table_new (_agent_string_hash_func, g_str_equal);
}

void
_agent_task_group_clear_members (AgentTaskGroup *self)
{
  g_assert (self->late == NULL);

  /* Who waits keeps the group, so all of these were cancelled. */
  for (GSList *l = self->waiting; l != NULL; l = l->next)
    {
      GTask *task = _agent_patient_end (l->data);

      g_assert (task == NULL);
    }
  g_slist_free (self->waiting);

  g_clear_pointer (&self->names, g_hash_table_unref);
  g_clear_pointer (&self->members, g_ptr_array_unref);
}
