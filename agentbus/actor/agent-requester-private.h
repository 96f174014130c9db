/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

/*
 * What those know of a task that stand below it: the table of open tasks, and a work, which answers a task of the same process,
 * or in which others were requested. It lies in the task.
 *
 * The functions may be called in any thread, with no lock held.
 */
typedef struct _AgentRequester AgentRequester;
typedef struct _AgentWork      AgentWork;

typedef struct
{
  gsize      offset; /* of the requester in the task */

  /* @worker begins to work on the task, and is cancelled with it. FALSE: the task has ended. */
  gboolean (*set_worker)    (AgentRequester *self,
                             AgentWork      *worker);

  /* From now on @writer is told when chunks are read: returns how many are. G_MAXUINT: the task has ended. */
  guint    (*watch_reading) (AgentRequester *self,
                             AgentWork      *writer);

  void     (*cancel)        (AgentRequester *self,
                             const char     *reason);
} AgentRequesterFuncs;

struct _AgentRequester
{
  const AgentRequesterFuncs *funcs;
  guint64                    number; /* in the id of the task */
  AgentMailbox              *mailbox; /* (owned) (nullable) the subscription in which it was requested; set before others see it */
};

/* The task: (transfer none). */
static inline gpointer
_agent_requester_get_object (AgentRequester *self)
{
  return (char *) self - self->funcs->offset;
}

static inline AgentRequester *
_agent_requester_ref (AgentRequester *self)
{
  g_object_ref (_agent_requester_get_object (self));
  return self;
}

static inline void
_agent_requester_unref (AgentRequester *self)
{
  g_object_unref (_agent_requester_get_object (self));
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgentRequester, _agent_requester_unref)

G_END_DECLS
