/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-held-private.h"

AgentHeld *
_agent_held_new (void)
{
  AgentHeld *self = g_new0 (AgentHeld, 1);

  g_queue_init (&self->older);
  g_queue_init (&self->newer);

  return self;
}

/* @self: (nullable)
 *
 * Precondition: nothing is held. */
void
_agent_held_free (AgentHeld *self)
{
  g_assert (_agent_held_get_length (self) == 0);

  g_free (self);
}

/* @self: (nullable) */
guint
_agent_held_get_length (AgentHeld *self)
{
  return self != NULL ? self->older.length + self->newer.length : 0;
}

/* Takes @message. */
void
_agent_held_add (AgentHeld    *self,
                 AgentMessage *message,
                 gsize         size)
{
  g_queue_push_tail (&self->newer, message);
  self->bytes += size;
}

/* Takes @message, which another member had. */
void
_agent_held_add_older (AgentHeld    *self,
                       AgentMessage *message,
                       gsize         size)
{
  g_queue_push_tail (&self->older, message);
  self->bytes += size;
}

static gsize
held_get_size (AgentHeld    *self,
               AgentMessage *message)
{
  return self->bytes > 0 ? _agent_message_get_size (message) : 0;
}

/* The first message: (transfer full) (nullable). */
AgentMessage *
_agent_held_take (AgentHeld *self)
{
  AgentMessage *message = g_queue_pop_head (&self->older);

  if (message == NULL)
    message = g_queue_pop_head (&self->newer);
  if (message != NULL)
    self->bytes -= MIN (self->bytes, held_get_size (self, message));

  return message;
}

static AgentMessage *
held_evict_from (AgentHeld *self,
                 GQueue    *queue)
{
  for (GList *l = queue->head; l != NULL; l = l->next)
    {
      AgentMessage *message = l->data;

      if (_agent_message_is_kept (message))
        continue;
      g_queue_delete_link (queue, l);
      self->bytes -= MIN (self->bytes, held_get_size (self, message));
      return message;
    }

  return NULL;
}

/* The first message that may give way: (transfer full) (nullable). */
AgentMessage *
_agent_held_evict (AgentHeld *self)
{
  AgentMessage *message = held_evict_from (self, &self->older);

  return message != NULL ? message : held_evict_from (self, &self->newer);
}
