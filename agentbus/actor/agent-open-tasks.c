/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-open-tasks-private.h"
#include "base/agent-container-private.h"
#include "message/agent-task-id-private.h"

/* Threads that request at the same time seldom meet at one shard, since the numbers of tasks go up by one. */
#define N_SHARDS 8

typedef struct
{
  GMutex      lock;
  GHashTable *tasks; /* (lock) of the numbers in the tasks: a set takes less memory than numbers with tasks */
} Shard;

static Shard shards[N_SHARDS];

static Shard *
open_tasks_get_shard (guint64 number)
{
  static gsize is_made = FALSE;

  if (g_once_init_enter (&is_made))
    {
      for (guint i = 0; i < N_SHARDS; i++)
        shards[i].tasks = g_hash_table_new (g_int64_hash, g_int64_equal);
      g_once_init_leave (&is_made, TRUE);
    }

  return &shards[number % N_SHARDS];
}

void
_agent_open_tasks_add (AgentRequester *requester)
{
  Shard *shard = open_tasks_get_shard (requester->number);

  g_mutex_lock (&shard->lock);
  g_hash_table_add (shard->tasks, &requester->number);
  g_mutex_unlock (&shard->lock);
}

void
_agent_open_tasks_remove (AgentRequester *requester)
{
  Shard *shard = open_tasks_get_shard (requester->number);

  g_mutex_lock (&shard->lock);
  g_hash_table_remove (shard->tasks, &requester->number);
  g_mutex_unlock (&shard->lock);
}

/* The open task with this id: (transfer full) (nullable). */
AgentRequester *
_agent_open_tasks_lookup (const char *id)
{
  AgentRequester *requester = NULL;
  guint64         number = _agent_task_id_get_number (id);
  guint64        *found;
  Shard          *shard;

  if (number == 0)
    return NULL;

  shard = open_tasks_get_shard (number);
  g_mutex_lock (&shard->lock);
  found = g_hash_table_lookup (shard->tasks, &number);
  if (found != NULL)
    requester = _agent_requester_ref (AGENT_CONTAINER_OF (found, AgentRequester, number));
  g_mutex_unlock (&shard->lock);

  return requester;
}
