/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-actor-private.h"
#include "actor/agent-task-group.h"

G_BEGIN_DECLS

/*
 * The tasks of a group: how they come in, what their deadline is, and what their ends do.
 *
 * All functions may be called in any thread, with no lock held, if nothing else is said.
 */
typedef struct
{
  AgentTask  *task;        /* (owned) */
  const char *name;        /* a string of @task */
  guint       own_timeout; /* ms: what the task has without the group, or 0 for none */
  gboolean    ended;       /* (lock) the group has taken notice of its end */
} AgentTaskMember;

struct _AgentTaskGroup
{
  GObject parent_instance;

  AgentActor      *actor;   /* (owned) constant */
  gint64           made_at; /* µs */
  AgentAppointment appointment;

  GMutex      lock;
  GPtrArray  *members; /* (lock) of AgentTaskMember (owned), which stay until the group is finalized */
  GHashTable *names;   /* (lock) const char * of the member → AgentTaskMember */
  GSList     *late;    /* (lock) the members that had ended before they were added */
  GSList     *waiting; /* (lock) of AgentPatient (owned) */
  GError     *error;   /* (lock) (owned) (nullable) never changes once it is set */
  guint       timeout; /* (lock) ms since @made_at, or 0 for none */
  guint       n_open;  /* (lock) */
  gboolean    collect; /* (lock) */
  gboolean    is_busy; /* (lock) since `finished` was emitted, or from the start, a task has been added */
  gboolean    is_over; /* (lock) it has failed or was cancelled: whatever is added is cancelled */
};

/* For the class, and the beginning and the end of the instance */
void     _agent_task_group_install_signals (GType           type);
void     _agent_task_group_init_members    (AgentTaskGroup *self);
void     _agent_task_group_clear_members   (AgentTaskGroup *self);

gboolean _agent_task_group_take            (AgentTaskGroup *self,
                                            AgentTask      *task,
                                            guint           own_timeout);
void     _agent_task_group_limit_all       (AgentTaskGroup *self);
guint    _agent_task_group_get_time_left   (AgentTaskGroup *self);
void     _agent_task_group_cancel_open     (AgentTaskGroup *self,
                                            const char     *reason);
void     _agent_task_group_return          (AgentTaskGroup *self,
                                            GTask          *task);

G_END_DECLS
