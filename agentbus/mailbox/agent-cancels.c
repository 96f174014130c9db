/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "mailbox/agent-cancels-private.h"

#include <string.h>

typedef struct
{
  const char *source;
  const char *task_id;
  const char *actor; /* "" for any */
  guint64     seq;
  gint64      added_at;
  GList       link; /* in @by_age */
  char        strings[];
} Cancel;

struct _AgentCancels
{
  AgentSpinLock lock;
  GHashTable   *by_task; /* (lock) of Cancel (owned) */
  GQueue        by_age;  /* (lock) the same, the oldest one first */
};

static guint
cancels_hash (gconstpointer key)
{
  const Cancel *self = key;

  return g_str_hash (self->task_id) * 31 + g_str_hash (self->source);
}

static gboolean
cancels_equal (gconstpointer a,
               gconstpointer b)
{
  const Cancel *one = a;
  const Cancel *other = b;

  return strcmp (one->task_id, other->task_id) == 0 && strcmp (one->source, other->source) == 0 &&
         strcmp (one->actor, other->actor) == 0;
}

AgentCancels *
_agent_cancels_new (void)
{
  AgentCancels *self = g_new0 (AgentCancels, 1);

  self->by_task = g_hash_table_new_full (cancels_hash, cancels_equal, NULL, g_free);

  return self;
}

/* @self: (nullable) */
void
_agent_cancels_free (AgentCancels *self)
{
  if (self == NULL)
    return;

  g_hash_table_unref (self->by_task);
  g_free (self);
}

/* The strings of a message would keep its conversation, which belongs to the application. */
static Cancel *
cancels_new_entry (const Cancel *key)
{
  gsize   source_size = strlen (key->source) + 1;
  gsize   task_id_size = strlen (key->task_id) + 1;
  gsize   actor_size = strlen (key->actor) + 1;
  Cancel *self = g_malloc (sizeof (Cancel) + source_size + task_id_size + actor_size);

  *self = *key;
  self->source = memcpy (self->strings, key->source, source_size);
  self->task_id = memcpy (self->strings + source_size, key->task_id, task_id_size);
  self->actor = memcpy (self->strings + source_size + task_id_size, key->actor, actor_size);
  self->link = (GList){ .data = self };

  return self;
}

static void
cancels_remove_locked (AgentCancels *self,
                       Cancel       *cancel)
{
  g_queue_unlink (&self->by_age, &cancel->link);
  g_hash_table_remove (self->by_task, cancel);
}

static gboolean
cancels_is_over (const Cancel *cancel,
                 gint64        now)
{
  return now - cancel->added_at >= AGENT_CANCELS_TIME;
}

/* Makes room for one more. */
static void
cancels_forget_locked (AgentCancels *self,
                       gint64        now)
{
  Cancel *oldest;

  while ((oldest = g_queue_peek_head (&self->by_age)) != NULL &&
         (self->by_age.length >= AGENT_CANCELS_MAX || cancels_is_over (oldest, now)))
    cancels_remove_locked (self, oldest);
}

static void
cancels_add_locked (AgentCancels *self,
                    const Cancel *key,
                    gint64        now)
{
  Cancel *known = g_hash_table_lookup (self->by_task, key);
  Cancel *added;
  guint64 seq = key->seq;

  if (known != NULL)
    {
      seq = MAX (seq, known->seq);
      cancels_remove_locked (self, known);
    }
  cancels_forget_locked (self, now);

  added = cancels_new_entry (key);
  added->seq = seq;
  g_queue_push_tail_link (&self->by_age, &added->link);
  g_hash_table_add (self->by_task, added);
}

static Cancel
cancels_get_key (AgentMessage *message,
                 const char   *actor)
{
  return (Cancel){ .source = agent_message_get_source (message),
                   .task_id = agent_message_get_task_id (message),
                   .actor = actor != NULL ? actor : "",
                   .seq = agent_message_get_seq (message) };
}

/* Remembers @cancel, a TASK_CANCEL that was sent.
 *
 * @actor: (nullable): the only one whose task it cancels */
void
_agent_cancels_add (AgentCancels *self,
                    AgentMessage *cancel,
                    const char   *actor)
{
  Cancel key = cancels_get_key (cancel, actor);

  key.added_at = _agent_clock_now ();
  _agent_spin_lock_lock (&self->lock);
  cancels_add_locked (self, &key, key.added_at);
  _agent_spin_lock_unlock (&self->lock);
}

static gboolean
cancels_contains_locked (AgentCancels *self,
                         const Cancel *key)
{
  const Cancel *cancel = g_hash_table_lookup (self->by_task, key);

  return cancel != NULL && cancel->seq > key->seq && !cancels_is_over (cancel, _agent_clock_now ());
}

/* Whether @message is a TASK_REQUEST that was cancelled.
 *
 * @actor: (nullable): the actor that it is for */
gboolean
_agent_cancels_matches (AgentCancels *self,
                        AgentMessage *message,
                        const char   *actor)
{
  Cancel   key;
  Cancel   key_of_actor;
  gboolean matches;

  if (message->type != AGENT_MESSAGE_TYPE_TASK_REQUEST || _agent_message_has_fate (message))
    return FALSE;

  key = cancels_get_key (message, NULL);
  key_of_actor = cancels_get_key (message, actor);
  _agent_spin_lock_lock (&self->lock);
  matches = cancels_contains_locked (self, &key) || (actor != NULL && cancels_contains_locked (self, &key_of_actor));
  _agent_spin_lock_unlock (&self->lock);

  return matches;
}

/* Takes over all that @other remembers. No other thread uses that any more. */
void
_agent_cancels_merge (AgentCancels *self,
                      AgentCancels *other)
{
  gint64 now = _agent_clock_now ();

  _agent_spin_lock_lock (&self->lock);
  for (GList *l = other->by_age.head; l != NULL; l = l->next)
    cancels_add_locked (self, l->data, now);
  _agent_spin_lock_unlock (&self->lock);
}
