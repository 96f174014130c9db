/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-conversation-private.h"

#include "base/agent-container-private.h"
#include "base/agent-utf8-private.h"
#include "message/agent-conversation-registry-private.h"

/**
 * AgentConversation:
 *
 * What belongs together, and becomes worthless together: a dialogue with a user, a game, a request with all that it sets off.
 *
 * A conversation is in one epoch at a time. [method@AgentBus.Message.set_conversation] stamps a message with the current
 * epoch, and a message that has a cause gets the conversation and the epoch of its cause. When the user interrupts,
 * [method@AgentBus.Conversation.advance] begins the next epoch. From then on, no data message of an older epoch is delivered
 * anywhere: not what is queued, not what a dispatcher has parked, and not what is sent later by who did not know. See the
 * page [Conversations](conversations.html).
 *
 * ```c
 * g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);
 * AgentMessage *message =
 *   agent_message_new_task_request ("ui", "planner", "1", "answer", NULL);
 *
 * agent_message_set_conversation (message, conversation);
 * agent_bus_send (bus, message); // it will be stale when its turn comes
 *
 * guint64 epoch = agent_conversation_advance (conversation);
 * g_print ("epoch %u\n", (guint) epoch); // prints: epoch 1
 * ```
 *
 * All functions may be called from any thread. There is one living conversation for each id in a process. It lives as long as
 * somebody has a reference on it, or a message of its current epoch is around.
 *
 * ## From Python
 *
 * ```python
 * conversation = AgentBus.Conversation.new(None)
 * message = AgentBus.Message.new_task_request(
 *     'ui', 'planner', '1', 'answer', None)
 * message.set_conversation(conversation)
 * bus.send(message)
 * print(conversation.advance())  # prints: 1
 * ```
 *
 * With the [overrides](overrides.html):
 *
 * ```python
 * # With the overrides.
 * conversation = AgentBus.Conversation()
 * bus.send(AgentBus.Message.task_request(
 *     'ui', 'planner', '1', 'answer', conversation=conversation))
 * print(conversation.advance())  # prints: 1
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const conversation = AgentBus.Conversation.new(null);
 * const message = AgentBus.Message.new_task_request(
 *     'ui', 'planner', '1', 'answer', null);
 *
 * message.set_conversation(conversation);
 * bus.send(message);
 * print(conversation.advance()); // prints: 1
 * ```
 *
 * With the overrides:
 *
 * ```js
 * // With the overrides.
 * const conversation = AgentBus.Conversation.new(null);
 *
 * bus.send(AgentBus.Message.task_request('ui', 'planner', '1',
 *     {name: 'answer', conversation}));
 * print(conversation.advance()); // prints: 1
 * ```
 *
 * Since: 0.1
 */

struct _AgentConversation
{
  GObject parent_instance;

  char       *id; /* (atomic) (owned) (nullable) NULL until somebody asks */
  GMutex      lock;
  AgentEpoch *current; /* (lock) (owned) */
};

enum
{
  PROP_0,
  PROP_ID,
  PROP_EPOCH,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (AgentConversation, agent_conversation, G_TYPE_OBJECT)

/* --- Epochs --- */

static AgentEpoch *
epoch_new (AgentConversation *conversation,
           guint64            number)
{
  AgentEpoch *self = g_new0 (AgentEpoch, 1);

  self->conversation = conversation;
  self->number = number;

  return self;
}

static void
epoch_free (AgentEpoch *self)
{
  g_assert (self->watches.length == 0);

  g_free (self);
}

/* Enters the current epoch if its number is at least @number: (transfer full) (nullable). */
static AgentEpoch *
epoch_enter_current (AgentConversation *conversation,
                     guint64            number)
{
  AgentEpoch *self;
  gboolean    first = FALSE;

  g_mutex_lock (&conversation->lock);
  self = conversation->current->number >= number ? conversation->current : NULL;
  if (self != NULL)
    first = g_atomic_int_add (&self->n_messages, 1) == 0;
  g_mutex_unlock (&conversation->lock);

  /* The caller's reference on the conversation does until here. */
  if (first)
    g_object_ref (conversation);
  return self;
}

/* The current epoch, for one more message: (transfer full). */
AgentEpoch *
_agent_epoch_enter (AgentConversation *conversation)
{
  return epoch_enter_current (conversation, 0);
}

static AgentEpoch *
epoch_new_over (AgentConversation *conversation,
                guint64            number)
{
  AgentEpoch *self = epoch_new (g_object_ref (conversation), number);

  self->n_messages = 1;
  self->is_over = TRUE;
  return self;
}

/* Another message has got into the same epoch: (transfer full). */
AgentEpoch *
_agent_epoch_ref (AgentEpoch *self)
{
  g_atomic_int_inc (&self->n_messages);
  return self;
}

static void
epoch_unref_slowly (AgentEpoch *self)
{
  AgentConversation *conversation = self->conversation;
  gboolean           last;
  gboolean           unused;

  g_mutex_lock (&conversation->lock);
  last = g_atomic_int_dec_and_test (&self->n_messages);
  unused = last && conversation->current != self;
  g_mutex_unlock (&conversation->lock);

  if (unused)
    epoch_free (self);
  if (last)
    g_object_unref (conversation);
}

/* With no lock held: this may be the end of the conversation. */
void
_agent_epoch_unref (AgentEpoch *self)
{
  gint n = g_atomic_int_get (&self->n_messages);

  for (; n > 1; n = g_atomic_int_get (&self->n_messages))
    if (g_atomic_int_compare_and_exchange (&self->n_messages, n, n - 1))
      return;

  epoch_unref_slowly (self);
}

/* --- Watching an epoch --- */

/* Call unwatch() in any case. FALSE: the epoch is over already, and @over will not be called. */
gboolean
_agent_epoch_watch (AgentEpoch        *self,
                    AgentEpochWatch   *watch,
                    AgentEpochOverFunc over)
{
  AgentConversation *conversation = self->conversation;
  gboolean           is_over;

  watch->of = _agent_epoch_ref (self);
  watch->over = over;
  g_mutex_lock (&conversation->lock);
  is_over = _agent_epoch_is_over (self);
  if (!is_over)
    {
      watch->link.data = watch;
      g_queue_push_tail_link (&self->watches, &watch->link);
    }
  g_mutex_unlock (&conversation->lock);

  return !is_over;
}

/* After this, @watch is not called any more. */
void
_agent_epoch_unwatch (AgentEpochWatch *watch)
{
  AgentEpoch        *epoch = g_steal_pointer (&watch->of);
  AgentConversation *conversation = epoch->conversation;

  g_mutex_lock (&conversation->lock);
  if (watch->link.data != NULL)
    g_queue_unlink (&epoch->watches, &watch->link);
  watch->link.data = NULL;
  g_mutex_unlock (&conversation->lock);

  _agent_epoch_unref (epoch);
}

/* Tells one of those who watch. FALSE: there is none. */
static gboolean
epoch_tell_one (AgentEpoch *self)
{
  AgentConversation *conversation = self->conversation;
  GList             *link;

  g_mutex_lock (&conversation->lock);
  link = g_queue_pop_head_link (&self->watches);
  if (link != NULL)
    {
      AgentEpochWatch *watch = g_steal_pointer (&link->data);

      watch->over (watch);
    }
  g_mutex_unlock (&conversation->lock);

  return link != NULL;
}

/* --- Going on --- */

/* Takes @next as the current epoch. Returns the one before: (transfer full) (nullable): NULL if it is freed already, as nothing
 * was in it. */
static AgentEpoch *
conversation_replace_locked (AgentConversation *self,
                             AgentEpoch        *next)
{
  AgentEpoch *previous = self->current;

  self->current = next;
  g_atomic_int_set (&previous->is_over, TRUE);
  if (g_atomic_int_get (&previous->n_messages) > 0)
    return _agent_epoch_ref (previous);

  epoch_free (previous);
  return NULL;
}

/* Begins the epoch @number, or if that is 0, the next one. Does nothing if the conversation is there already. Returns the
 * current epoch. */
static guint64
conversation_go_on (AgentConversation *self,
                    guint64            number)
{
  AgentEpoch *next = epoch_new (self, number);
  AgentEpoch *previous = NULL;
  guint64     current;

  g_mutex_lock (&self->lock);
  current = self->current->number;
  if (number == 0)
    next->number = current + 1;
  if (next->number > current)
    {
      current = next->number;
      previous = conversation_replace_locked (self, g_steal_pointer (&next));
    }
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&next, epoch_free);
  if (previous != NULL)
    {
      while (epoch_tell_one (previous))
        ;
      _agent_epoch_unref (previous);
    }
  return current;
}

/* The epoch that a message from another process is in: (transfer full). The newest epoch wins: if it is newer than the current
 * one, the conversation goes on to it. */
AgentEpoch *
_agent_epoch_enter_at (AgentConversation *conversation,
                       guint64            number)
{
  AgentEpoch *self;

  if (number > 0)
    conversation_go_on (conversation, number);

  self = epoch_enter_current (conversation, 0);
  if (self->number == number)
    return self;

  _agent_epoch_unref (self);
  return epoch_new_over (conversation, number);
}

/* --- The object --- */

static void
agent_conversation_finalize (GObject *object)
{
  AgentConversation *self = AGENT_CONVERSATION (object);

  if (self->id != NULL)
    _agent_conversation_registry_remove (self->id, self);
  epoch_free (self->current);
  g_mutex_clear (&self->lock);
  g_free (self->id);

  G_OBJECT_CLASS (agent_conversation_parent_class)->finalize (object);
}

static void
agent_conversation_get_property (GObject    *object,
                                 guint       prop_id,
                                 GValue     *value,
                                 GParamSpec *pspec)
{
  AgentConversation *self = AGENT_CONVERSATION (object);

  switch (prop_id)
    {
    case PROP_ID:
      g_value_set_string (value, agent_conversation_get_id (self));
      break;
    case PROP_EPOCH:
      g_value_set_uint64 (value, agent_conversation_get_epoch (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
agent_conversation_class_init (AgentConversationClass *klass)
{
  GObjectClass     *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->finalize = agent_conversation_finalize;
  object_class->get_property = agent_conversation_get_property;

  /**
   * AgentConversation:id: (getter get_id)
   *
   * What the conversation is called, in all processes. It never changes.
   *
   * Since: 0.1
   */
  props[PROP_ID] = g_param_spec_string ("id", NULL, NULL, NULL, flags);

  /**
   * AgentConversation:epoch: (getter get_epoch)
   *
   * How often the conversation has gone on. Changes are not notified, since they come from any thread.
   *
   * Since: 0.1
   */
  props[PROP_EPOCH] = g_param_spec_uint64 ("epoch", NULL, NULL, 0, G_MAXUINT64, 0, flags);

  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
agent_conversation_init (AgentConversation *self)
{
  g_mutex_init (&self->lock);
  self->current = epoch_new (self, 0);
}

/* The living conversation of @id: (transfer full). Two threads may make one at the same time: the one that comes second takes
 * that of the other. */
static AgentConversation *
conversation_find_or_make (const char *id)
{
  g_autoptr (AgentConversation) made = NULL;
  AgentConversation *found;

  while ((found = _agent_conversation_registry_get (id)) == NULL)
    {
      if (made == NULL)
        {
          made = g_object_new (AGENT_TYPE_CONVERSATION, NULL);
          made->id = g_strdup (id);
        }
      if (_agent_conversation_registry_add (id, made))
        return g_steal_pointer (&made);
    }

  return found;
}

/**
 * agent_conversation_new:
 * @id: (nullable): The id, valid UTF-8 and not empty, or %NULL for a new UUID.
 *
 * Gets the living conversation of an id, or begins a conversation.
 *
 * While a conversation lives, this returns the same object for the same id, in any thread of the process. A conversation that
 * nobody refers to any more is forgotten, also its epoch. So hold on to it for as long as late messages may come.
 *
 * This may be called from any thread.
 *
 * Returns: (transfer full): the conversation
 *
 * Since: 0.1
 */
AgentConversation *
agent_conversation_new (const char *id)
{
  g_return_val_if_fail (id == NULL || (*id != '\0' && _agent_utf8_is_string (id)), NULL);

  return id != NULL ? conversation_find_or_make (id) : g_object_new (AGENT_TYPE_CONVERSATION, NULL);
}

/* The id can be looked up before another thread gets to know it. */
static void
conversation_make_id (AgentConversation *self)
{
  char *id = g_uuid_string_random ();

  _agent_conversation_registry_add (id, self);
  if (g_atomic_pointer_compare_and_exchange (&self->id, NULL, id))
    return;

  _agent_conversation_registry_remove (id, self);
  g_free (id);
}

/**
 * agent_conversation_get_id: (get-property id)
 * @self: A conversation.
 *
 * Gets the id of a conversation.
 *
 * This may be called from any thread.
 *
 * Returns: (transfer none): the id
 *
 * Since: 0.1
 */
const char *
agent_conversation_get_id (AgentConversation *self)
{
  g_return_val_if_fail (AGENT_IS_CONVERSATION (self), NULL);

  if (g_atomic_pointer_get (&self->id) == NULL)
    conversation_make_id (self);

  return g_atomic_pointer_get (&self->id);
}

/**
 * agent_conversation_get_epoch: (get-property epoch)
 * @self: A conversation.
 *
 * Gets the current epoch of a conversation.
 *
 * This may be called from any thread.
 *
 * Returns: the epoch; the first one is 0
 *
 * Since: 0.1
 */
guint64
agent_conversation_get_epoch (AgentConversation *self)
{
  guint64 number;

  g_return_val_if_fail (AGENT_IS_CONVERSATION (self), 0);

  g_mutex_lock (&self->lock);
  number = self->current->number;
  g_mutex_unlock (&self->lock);

  return number;
}

/**
 * agent_conversation_advance:
 * @self: A conversation.
 *
 * Begins the next epoch: what was said until now is not worth anything any more.
 *
 * From now on, no data message of an older epoch is delivered on any bus of the process. Each one is dropped when its turn
 * comes, with the reason %AGENT_DROP_REASON_STALE, even if it is reliable. System messages, such as errors and cancellations,
 * are delivered whatever their epoch.
 *
 * A handler that another thread is about to call at the same moment may still get its message. A handler that is running goes
 * on. If it has deferred its message, or defers it later, the [property@AgentBus.Delivery:cancellable] of the delivery is
 * cancelled, in the subscriber's context; [method@AgentBus.Delivery.is_cancelled] is true at once.
 *
 * This may be called from any thread. It does not wait for anybody.
 *
 * Returns: the new epoch
 *
 * Since: 0.1
 */
guint64
agent_conversation_advance (AgentConversation *self)
{
  guint64 epoch;

  g_return_val_if_fail (AGENT_IS_CONVERSATION (self), 0);

  epoch = conversation_go_on (self, 0);
  _agent_conversation_tell_advance (g_atomic_pointer_get (&self->id), epoch);
  return epoch;
}
