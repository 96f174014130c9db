/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-source-private.h"
#include "link/agent-advances-private.h"

#include <string.h>

/* How many conversations are kept, so that messages of their old epochs are known as stale, and the next epoch is one more. The one
 * that was not heard of for longest is forgotten first. */
#define MAX_KEPT 1000

/* How long their ids may be together, in bytes. */
#define MAX_KEPT_BYTES (4 * 1024 * 1024)

typedef struct
{
  char   *id; /* (owned) */
  guint64 epoch;
} Advance;

struct _AgentAdvances
{
  AgentAdvancesFunc func;
  gpointer          data;
  GSource          *source; /* (owned) */
  GQueue            kept;   /* of AgentConversation (owned), the one heard of last at the end */
  gsize             kept_bytes;
  GHashTable       *behind; /* (owned) set of AgentConversation (owned): another node does not know where they are */

  GMutex lock;
  GQueue advances; /* (lock) of Advance (owned): what is not told yet */
};

static void
advance_free (gpointer data)
{
  Advance *self = data;

  g_free (self->id);
  g_free (self);
}

static GHashTable *
advances_new_set (void)
{
  return g_hash_table_new_full (NULL, NULL, g_object_unref, NULL);
}

/* (transfer full) (nullable) */
static Advance *
advances_take_advance (AgentAdvances *self)
{
  Advance *advance;

  g_mutex_lock (&self->lock);
  advance = g_queue_pop_head (&self->advances);
  g_mutex_unlock (&self->lock);

  return advance;
}

/* Takes @conversation. */
static void
advances_keep (AgentAdvances     *self,
               AgentConversation *conversation)
{
  if (g_queue_remove (&self->kept, conversation))
    g_object_unref (conversation);
  else
    self->kept_bytes += strlen (agent_conversation_get_id (conversation));
  g_queue_push_tail (&self->kept, conversation);

  while (self->kept.length > MAX_KEPT || (self->kept_bytes > MAX_KEPT_BYTES && self->kept.length > 1))
    {
      g_autoptr (AgentConversation) oldest = g_queue_pop_head (&self->kept);

      self->kept_bytes -= strlen (agent_conversation_get_id (oldest));
    }
}

/* The conversation is kept, so that it is known where it has come to, also if nobody here has it. Returns its epoch. */
static guint64
advances_note (AgentAdvances *self,
               const char    *id,
               guint64        epoch)
{
  AgentConversation *conversation = agent_conversation_new (id);
  guint64            current;

  _agent_epoch_unref (_agent_epoch_enter_at (conversation, epoch));
  current = agent_conversation_get_epoch (conversation);
  advances_keep (self, conversation);
  return current;
}

/* A node may say very often what is behind. The answer goes to all nodes, so it is given once for all that was heard. */
static void
advances_tell_behind (AgentAdvances *self)
{
  g_autoptr (GHashTable) behind = g_steal_pointer (&self->behind);
  GHashTableIter iter;
  gpointer       conversation;

  self->behind = advances_new_set ();
  g_hash_table_iter_init (&iter, behind);
  while (g_hash_table_iter_next (&iter, &conversation, NULL))
    self->func (self->data, agent_conversation_get_id (conversation), agent_conversation_get_epoch (conversation));
}

static gboolean
advances_tell (gpointer data)
{
  AgentAdvances *self = data;
  Advance       *advance;

  g_source_set_ready_time (self->source, -1);
  while ((advance = advances_take_advance (self)) != NULL)
    {
      advances_note (self, advance->id, advance->epoch);
      self->func (self->data, advance->id, advance->epoch);
      advance_free (advance);
    }
  advances_tell_behind (self);

  return G_SOURCE_CONTINUE;
}

static gboolean
advances_dispatch (GSource    *source,
                   GSourceFunc callback,
                   gpointer    user_data)
{
  return callback (user_data);
}

static GSourceFuncs advances_source_funcs = { .dispatch = advances_dispatch };

/* An AgentAdvanceFunc, in any thread. */
static void
advances_on_advance (gpointer    data,
                     const char *id,
                     guint64     epoch)
{
  AgentAdvances *self = data;
  Advance       *advance = g_new (Advance, 1);

  advance->id = g_strdup (id);
  advance->epoch = epoch;
  g_mutex_lock (&self->lock);
  g_queue_push_tail (&self->advances, advance);
  g_mutex_unlock (&self->lock);

  g_source_set_ready_time (self->source, 0);
}

AgentAdvances *
_agent_advances_new (GMainContext     *context,
                     AgentAdvancesFunc func,
                     gpointer          data)
{
  AgentAdvances *self = g_new0 (AgentAdvances, 1);

  self->func = func;
  self->data = data;
  self->behind = advances_new_set ();
  g_mutex_init (&self->lock);
  self->source = g_source_new (&advances_source_funcs, sizeof (GSource));
  g_source_set_static_name (self->source, "[agentbus] advances");
  g_source_set_callback (self->source, advances_tell, self, NULL);
  g_source_attach (self->source, context);
  _agent_conversation_watch_advances (advances_on_advance, self);

  return self;
}

void
_agent_advances_free (AgentAdvances *self)
{
  _agent_conversation_unwatch_advances (advances_on_advance, self);
  _agent_source_clear (&self->source);
  g_queue_clear_full (&self->kept, g_object_unref);
  g_hash_table_unref (self->behind);
  g_queue_clear_full (&self->advances, advance_free);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* Another node says that a conversation has come to an epoch. If that is behind, it is told so: who joins late and interrupts has
 * to know from where. */
void
_agent_advances_hear (AgentAdvances *self,
                      const char    *id,
                      guint64        epoch)
{
  if (advances_note (self, id, epoch) <= epoch)
    return;

  g_hash_table_add (self->behind, agent_conversation_new (id));
  g_source_set_ready_time (self->source, 0);
}

/* Tells all that is kept, for a node that has just come. */
void
_agent_advances_list (AgentAdvances    *self,
                      AgentAdvancesFunc func,
                      gpointer          data)
{
  for (GList *l = self->kept.head; l != NULL; l = l->next)
    func (data, agent_conversation_get_id (l->data), agent_conversation_get_epoch (l->data));
}
