/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-retained-private.h"

#include <string.h>

#include "base/agent-string-hash-private.h"

/* A token of a topic. A node is there as long as it has a message or a child. */
typedef struct _Node Node;

struct _Node
{
  Node         *parent;   /* (nullable) */
  GHashTable   *children; /* (owned) (nullable) the token of a node → Node (owned) */
  AgentMessage *message;  /* (owned) (nullable) */
  GList         link;     /* in the order of sending, if there is a message */
  char          token[];
};

struct _AgentRetained
{
  GMutex      lock;
  Node       *root;
  GHashTable *by_topic; /* the topic of a message → its Node (unowned) */
  GQueue      order;    /* of Node (unowned), the one with the oldest message first */
};

static void
node_free (gpointer data)
{
  Node *node = data;

  g_assert (node->message == NULL);

  g_clear_pointer (&node->children, g_hash_table_unref);
  g_free (node);
}

static Node *
node_new (Node             *parent,
          const AgentToken *token)
{
  Node *node = g_malloc0 (sizeof *node + token->length + 1);

  memcpy (node->token, token->text, token->length);
  node->parent = parent;
  node->link.data = node;
  return node;
}

/* (transfer none) (nullable) */
static Node *
node_find_child (Node             *node,
                 const AgentToken *token)
{
  g_autofree char *text = g_strndup (token->text, token->length);

  return node->children != NULL ? g_hash_table_lookup (node->children, text) : NULL;
}

static Node *
node_need_child (Node             *node,
                 const AgentToken *token)
{
  Node *child = node_find_child (node, token);

  if (child != NULL)
    return child;

  if (node->children == NULL)
    node->children = g_hash_table_new_full (_agent_string_hash_func, g_str_equal, NULL, node_free);
  child = node_new (node, token);
  g_hash_table_insert (node->children, child->token, child);
  return child;
}

static gboolean
node_is_bare (Node *node)
{
  return node->message == NULL && (node->children == NULL || g_hash_table_size (node->children) == 0);
}

/* Removes @node, and those above it that are of no use any more. The root stays. */
static void
node_prune (Node *node)
{
  while (node->parent != NULL && node_is_bare (node))
    {
      Node *parent = node->parent;

      g_hash_table_remove (parent->children, node->token);
      node = parent;
    }
}

AgentRetained *
_agent_retained_new (void)
{
  AgentRetained *self = g_new0 (AgentRetained, 1);

  g_mutex_init (&self->lock);
  self->root = g_new0 (Node, 1);
  self->by_topic = g_hash_table_new (_agent_string_hash_func, g_str_equal);
  g_queue_init (&self->order);

  return self;
}

/* Precondition: there are no messages, since unreffing them may run code of the application. */
void
_agent_retained_free (AgentRetained *self)
{
  g_assert (self->order.length == 0);

  g_hash_table_unref (self->by_topic);
  node_free (self->root);
  g_mutex_clear (&self->lock);
  g_free (self);
}

void
_agent_retained_lock (AgentRetained *self)
{
  g_mutex_lock (&self->lock);
}

void
_agent_retained_unlock (AgentRetained *self)
{
  g_mutex_unlock (&self->lock);
}

static Node *
retained_need_node (AgentRetained *self,
                    const char    *text)
{
  Node       *node = g_hash_table_lookup (self->by_topic, text);
  AgentTopic  topic;
  const char *problem;

  if (node != NULL)
    return node;

  problem = _agent_topic_split (&topic, text);
  g_assert (problem == NULL);
  node = self->root;
  for (guint i = 0; i < topic.n_tokens; i++)
    node = node_need_child (node, &topic.tokens[i]);

  return node;
}

/* Returns the message: (transfer full). The node stays. */
static AgentMessage *
retained_empty_node (AgentRetained *self,
                     Node          *node)
{
  g_queue_unlink (&self->order, &node->link);
  g_hash_table_remove (self->by_topic, node->message->topic);

  return g_steal_pointer (&node->message);
}

static AgentMessage *
retained_remove_node (AgentRetained *self,
                      Node          *node)
{
  AgentMessage *message = retained_empty_node (self, node);

  node_prune (node);
  return message;
}

/* Takes @message, which has a topic. Returns the one that gives way to it: (transfer full) (nullable). */
AgentMessage *
_agent_retained_keep_locked (AgentRetained *self,
                             AgentMessage  *message)
{
  Node         *node = retained_need_node (self, message->topic);
  AgentMessage *old = node->message != NULL ? retained_empty_node (self, node) : NULL;

  node->message = message;
  g_hash_table_insert (self->by_topic, message->topic, node);
  g_queue_push_tail_link (&self->order, &node->link);
  if (self->order.length > AGENT_RETAINED_MAX_TOPICS)
    old = retained_remove_node (self, g_queue_peek_head (&self->order));

  return old;
}

/* Returns the message of @topic: (transfer full) (nullable). */
AgentMessage *
_agent_retained_remove_locked (AgentRetained *self,
                               const char    *topic)
{
  Node *node = g_hash_table_lookup (self->by_topic, topic);

  return node != NULL ? retained_remove_node (self, node) : NULL;
}

/* Adds the messages of @node, and with @deep those of all nodes below it. */
static void
retained_collect (Node      *node,
                  gboolean   deep,
                  GPtrArray *messages)
{
  GHashTableIter iter;
  gpointer       child;

  if (node->message != NULL)
    g_ptr_array_add (messages, agent_message_ref (node->message));
  if (!deep || node->children == NULL)
    return;

  g_hash_table_iter_init (&iter, node->children);
  while (g_hash_table_iter_next (&iter, NULL, &child))
    retained_collect (child, TRUE, messages);
}

static void
retained_find (Node             *node,
               const AgentToken *tokens,
               guint             n_tokens,
               GPtrArray        *messages)
{
  GHashTableIter iter;
  gpointer       child;

  if (n_tokens == 0)
    {
      retained_collect (node, FALSE, messages);
      return;
    }
  if (node->children == NULL)
    return;

  if (tokens->wildcard == 0)
    {
      child = node_find_child (node, tokens);
      if (child != NULL)
        retained_find (child, tokens + 1, n_tokens - 1, messages);
      return;
    }

  g_hash_table_iter_init (&iter, node->children);
  while (g_hash_table_iter_next (&iter, NULL, &child))
    {
      if (tokens->wildcard == '>')
        retained_collect (child, TRUE, messages);
      else
        retained_find (child, tokens + 1, n_tokens - 1, messages);
    }
}

/* Adds references to the messages whose topics match @pattern, in no order. */
void
_agent_retained_find_locked (AgentRetained    *self,
                             const AgentTopic *pattern,
                             GPtrArray        *messages)
{
  retained_find (self->root, pattern->tokens, pattern->n_tokens, messages);
}

/* Forgets all messages, and returns them: (transfer full). */
GPtrArray *
_agent_retained_clear (AgentRetained *self)
{
  GPtrArray *messages = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);

  g_mutex_lock (&self->lock);
  while (self->order.length > 0)
    g_ptr_array_add (messages, retained_remove_node (self, g_queue_peek_head (&self->order)));
  g_mutex_unlock (&self->lock);

  return messages;
}
