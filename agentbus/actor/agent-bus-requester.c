/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "actor/agent-bus-requester-private.h"
#include "agent-bus-error.h"
#include "bus/agent-subscriber-private.h"
#include "message/agent-task-id-private.h"

struct _AgentBusRequester
{
  AgentBus     *bus;     /* (unowned): its open requests keep it */
  GMainContext *context; /* (unowned): the actor keeps it */
  AgentActor   *actor;   /* (owned) */
  guint         n_open;  /* (requesters) */
};

G_LOCK_DEFINE_STATIC (requesters);
static GHashTable *requesters; /* (requesters) a set of unowned AgentBusRequesters that have open requests */

static guint
requester_hash (gconstpointer key)
{
  const AgentBusRequester *self = key;

  return g_direct_hash (self->bus) * 31 + g_direct_hash (self->context);
}

static gboolean
requester_equal (gconstpointer a,
                 gconstpointer b)
{
  const AgentBusRequester *one = a;
  const AgentBusRequester *other = b;

  return one->bus == other->bus && one->context == other->context;
}

/* (transfer none) (nullable): has one more open request */
static AgentBusRequester *
requester_find (AgentBus     *bus,
                GMainContext *context)
{
  AgentBusRequester  key = { .bus = bus, .context = context };
  AgentBusRequester *found;

  G_LOCK (requesters);
  found = requesters != NULL ? g_hash_table_lookup (requesters, &key) : NULL;
  if (found != NULL)
    found->n_open++;
  G_UNLOCK (requesters);

  return found;
}

/* Another thread may have added one for the same context meanwhile. That one goes on until its requests have ended. */
static void
requester_add (AgentBusRequester *self)
{
  G_LOCK (requesters);
  if (requesters == NULL)
    requesters = g_hash_table_new (requester_hash, requester_equal);
  g_hash_table_replace (requesters, self, self);
  G_UNLOCK (requesters);
}

static AgentActor *
requester_make_actor (GMainContext *context)
{
  static const char *const no_names[] = { NULL };
  static _Atomic guint     last_number;
  g_autofree char         *name = _agent_task_id_dup_name ("requests", atomic_fetch_add (&last_number, 1) + 1);
  AgentActor              *actor =
      g_object_new (AGENT_TYPE_ACTOR, "name", name, "main-context", context, "accepts", no_names, NULL);

  _agent_subscriber_set_info (AGENT_SUBSCRIBER (actor), NULL);
  return actor;
}

/* (transfer full) (nullable): on the bus. NULL if that is stopped. */
static AgentActor *
requester_subscribe_actor (AgentBus     *bus,
                           GMainContext *context,
                           GError      **error)
{
  AgentActor *actor = NULL;
  GError     *local_error = NULL;

  /* Somebody else may have the name. */
  do
    {
      g_clear_error (&local_error);
      g_clear_object (&actor);
      actor = requester_make_actor (context);
      agent_bus_subscribe (bus, AGENT_SUBSCRIBER (actor), &local_error);
    }
  while (g_error_matches (local_error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS));

  if (local_error == NULL)
    return actor;

  g_propagate_error (error, local_error);
  g_object_unref (actor);
  return NULL;
}

/* The requester of @context for one more request: (transfer none) (nullable). NULL if the bus is stopped. Somebody may have told
 * the actor of the one that is there to end; then another one takes its place. */
AgentBusRequester *
_agent_bus_requester_get (AgentBus     *bus,
                          GMainContext *context,
                          GError      **error)
{
  AgentBusRequester *self = requester_find (bus, context);
  AgentActor        *actor;

  if (self != NULL && agent_actor_get_state (self->actor) == AGENT_ACTOR_STATE_READY)
    return self;
  if (self != NULL && _agent_bus_requester_put (self))
    _agent_bus_requester_free (self);

  actor = requester_subscribe_actor (bus, context, error);
  if (actor == NULL)
    return NULL;

  self = g_new0 (AgentBusRequester, 1);
  self->bus = bus;
  self->context = context;
  self->actor = actor;
  self->n_open = 1;
  requester_add (self);
  return self;
}

AgentActor *
_agent_bus_requester_get_actor (AgentBusRequester *self)
{
  return self->actor;
}

gboolean
_agent_bus_requester_put (AgentBusRequester *self)
{
  gboolean last;

  G_LOCK (requesters);
  last = --self->n_open == 0;
  if (last && g_hash_table_lookup (requesters, self) == self)
    g_hash_table_remove (requesters, self);
  G_UNLOCK (requesters);

  return last;
}

void
_agent_bus_requester_free (AgentBusRequester *self)
{
  g_object_unref (self->actor);
  g_free (self);
}
