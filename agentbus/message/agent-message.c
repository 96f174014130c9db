/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-enums-private.h"
#include "message/agent-message-private.h"
#include "message/agent-message.h"

#include "message/agent-message-pool-private.h"

#include "base/agent-string-hash-private.h"
#include "base/agent-utf8-private.h"
#include "message/agent-frame.h"
#include "message/agent-info.h"

#include <string.h>

/**
 * AgentMessage:
 *
 * A message that one agent sends to others over a [class@AgentBus.Bus].
 *
 * A message has a type, a source, and maybe a target. Without a target, it is for everybody but the
 * source. Its other fields depend on its type; a getter that does not apply to a type returns %NULL, 0
 * or the first value of an enumeration.
 *
 * ```c
 * GVariant *payload = g_variant_new_string ("half done");
 * AgentMessage *message =
 *   agent_message_new_task_update ("worker", "ui", "42", payload);
 *
 * agent_message_set_ttl (message, 500);
 * g_print ("%s\n", agent_message_get_name (message)); // prints: task-update
 * agent_bus_send (bus, message);
 * ```
 *
 * A message belongs to one thread until it is sent. From then on it is immutable: any number of
 * threads may read it, and the functions that change a message must not be called any more. A message
 * has an atomic reference count, and a receiver may keep it for any time.
 *
 * All strings of a message are UTF-8. To pass another string to a constructor is a programmer error: the
 * constructor logs it and returns %NULL.
 *
 * A payload is a `GVariant`, or JSON text. A message that was given one of them makes the other one when a receiver asks
 * for it: see [method@AgentBus.Message.set_payload_json].
 *
 * ## From Python
 *
 * ```python
 * payload = AgentBus.payload_from_json('{"numbers": [1, 2, 39]}')
 * message = AgentBus.Message.new_task_request(
 *     'ui', 'worker', '42', 'sum', payload)
 * message.set_ttl(500)
 * print(message.get_payload().unpack())  # prints: {'numbers': [1, 2, 39]}
 * bus.send(message)
 * ```
 *
 * With the [overrides](overrides.html) each type has a constructor of its name, with options, and each getter is an
 * attribute:
 *
 * ```python
 * # With the overrides.
 * payload = {'numbers': [1, 2, 39]}
 * message = AgentBus.Message.task_request(
 *     'ui', 'worker', '42', 'sum', payload, ttl=500)
 * print(message.task_name, sum(message.payload['numbers']))  # prints: sum 42
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const payload = AgentBus.payload_from_json('{"numbers": [1, 2, 39]}');
 * const message = AgentBus.Message.new_task_request(
 *     'ui', 'worker', '42', 'sum', payload);
 *
 * message.set_ttl(500);
 * print(message.dup_payload_json()); // prints: {"numbers":[1,2,39]}
 * bus.send(message);
 * ```
 *
 * With the overrides:
 *
 * ```js
 * // With the overrides.
 * const message = AgentBus.Message.task_request('ui', 'worker', '42',
 *     {name: 'sum', payload: {numbers: [1, 2, 39]}, ttl: 500});
 *
 * print(message.task_name, message.payload.numbers.length); // prints: sum 3
 * ```
 *
 * ## From Vala
 *
 * The bus takes a message over when it sends it, so a variable that holds the message gives it up:
 *
 * ```vala
 * var payload = new Variant.string ("half done");
 * var message =
 *   new AgentBus.Message.task_update ("worker", "ui", "42", payload);
 *
 * message.set_ttl (500);
 * print ("%s\n", message.get_name ()); // prints: task-update
 * bus.send ((owned) message);
 * ```
 *
 * Since: 0.1
 */

G_DEFINE_BOXED_TYPE (AgentMessage, agent_message, agent_message_ref, agent_message_unref)

/*
 * The content is an AgentFrame for FRAME, an AgentInfo for AGENT_READY, a GPtrArray of AgentInfo
 * for AGENT_REGISTRY, and for all other types a payload or NULL: see agent-payload-text-private.h.
 */
static void
message_free_content (AgentMessageType type,
                      gpointer         content)
{
  if (type == AGENT_MESSAGE_TYPE_FRAME)
    agent_frame_unref (content);
  else if (type == AGENT_MESSAGE_TYPE_AGENT_READY)
    agent_info_unref (content);
  else if (type == AGENT_MESSAGE_TYPE_AGENT_REGISTRY)
    g_ptr_array_unref (content);
  else
    _agent_message_payload_free (content);
}

gpointer
_agent_message_ref_content (AgentMessageType type,
                            gpointer         content)
{
  if (content == NULL)
    return NULL;

  if (type == AGENT_MESSAGE_TYPE_FRAME)
    return agent_frame_ref (content);
  if (type == AGENT_MESSAGE_TYPE_AGENT_READY)
    return agent_info_ref (content);
  if (type == AGENT_MESSAGE_TYPE_AGENT_REGISTRY)
    return g_ptr_array_ref (content);

  return _agent_message_payload_ref (content);
}

static gpointer
message_get_content (const AgentMessage *self,
                     AgentMessageType    type)
{
  return self->type == type ? self->content : NULL;
}

static inline gsize
message_size_string (const char *string)
{
  return string != NULL ? strlen (string) + 1 : 0;
}

/* As message_size_string(). Also ORs the bytes into @bits, which then tell whether all strings are ASCII. */
static inline gsize
message_measure_string (const char *string,
                        guint64    *bits)
{
  gsize length;

  if (string == NULL)
    return 0;

  length = strlen (string);
  *bits |= _agent_utf8_get_bits (string, length);

  return length + 1;
}

/* Hashes the target, or the source if there is no target. The sizes include the final 0. */
static inline guint64
message_hash_address (const AgentMessageParts *parts,
                      gsize                    source,
                      gsize                    target)
{
  return target > 0 ? _agent_string_hash (parts->target, target - 1) : _agent_string_hash (parts->source, source - 1);
}

/* @size includes the final 0, so it is at least 1. Most strings of a message are so short that a call of memcpy() would
 * cost more than the copy: these are copied in two or three steps, which may overlap. */
static inline void
message_copy_string (char       *to,
                     const char *string,
                     gsize       size)
{
  if (size > 16)
    {
      memcpy (to, string, size);
    }
  else if (size >= 8)
    {
      memcpy (to, string, 8);
      memcpy (to + size - 8, string + size - 8, 8);
    }
  else if (size >= 4)
    {
      memcpy (to, string, 4);
      memcpy (to + size - 4, string + size - 4, 4);
    }
  else
    {
      to[0] = string[0];
      to[size / 2] = string[size / 2];
      to[size - 1] = '\0';
    }
}

static inline guint
message_put_string (AgentMessage *self,
                    gsize        *end,
                    const char   *string,
                    gsize         size)
{
  gsize offset = *end;

  if (size == 0)
    return 0;

  message_copy_string ((char *) self + offset, string, size);
  *end += size;

  return offset;
}

static gboolean
message_parts_are_valid (const AgentMessageParts *parts)
{
  const char *strings[] = { parts->source, parts->target, parts->label, parts->task_id, parts->reason };

  for (guint i = 0; i < G_N_ELEMENTS (strings); i++)
    if (strings[i] != NULL && !g_utf8_validate (strings[i], -1, NULL))
      return FALSE;

  return TRUE;
}

/* Logs a programmer error. Always returns NULL. */
static AgentMessage *
message_refuse_parts (const AgentMessageParts *parts)
{
  g_autofree char *source = g_utf8_make_valid (parts->source, -1);

  g_critical ("A message of type %s from '%s' has a string that is not valid UTF-8",
              agent_message_type_to_string (parts->type),
              source);
  if (parts->content != NULL)
    message_free_content (parts->type, parts->content);

  return NULL;
}

/* Clears the struct. Compilers clear it in one step with an instruction that repeats itself, and takes longer to start than all
 * of the stores that two steps take. */
static inline void
message_clear (AgentMessage *self)
{
  const gsize half = sizeof *self / 2;

  memset (self, 0, half);
  memset ((char *) self + half, 0, sizeof *self - half);
}

/* The caller has checked @parts, except for UTF-8: this is checked here, where it costs less. The message takes the
 * content. */
AgentMessage *
_agent_message_new_from_parts (const AgentMessageParts *parts)
{
  guint64       bits = 0;
  gsize         source = message_measure_string (parts->source, &bits);
  gsize         target = message_measure_string (parts->target, &bits);
  gsize         label = message_measure_string (parts->label, &bits);
  gsize         task_id = message_measure_string (parts->task_id, &bits);
  gsize         reason = message_measure_string (parts->reason, &bits);
  gsize         end = sizeof (AgentMessage) + parts->room;
  gsize         size = end + source + target + label + task_id + reason;
  guint8        pooled;
  AgentMessage *self;

  if (!_agent_utf8_is_ascii (bits) && !message_parts_are_valid (parts))
    return message_refuse_parts (parts);
  if (G_UNLIKELY (size > G_MAXUINT))
    g_error ("The strings of a message take %" G_GSIZE_FORMAT " bytes", size);

  self = _agent_message_pool_alloc (size, &pooled);
  message_clear (self);
  self->pooled = pooled;
  self->ref_count = 1;
  self->type = parts->type;
  self->channel = parts->channel;
  self->direction = parts->direction;
  self->status = parts->status;
  self->content = parts->content;
  self->hash = message_hash_address (parts, source, target);
  self->source = message_put_string (self, &end, parts->source, source);
  self->target = message_put_string (self, &end, parts->target, target);
  self->label = message_put_string (self, &end, parts->label, label);
  self->task_id = message_put_string (self, &end, parts->task_id, task_id);
  self->reason = message_put_string (self, &end, parts->reason, reason);

  return self;
}

/* The parts that @self was made from. The message still owns all of them, and the content too. */
AgentMessageParts
_agent_message_get_parts (AgentMessage *self)
{
  return (AgentMessageParts){
    .type = self->type,
    .channel = self->channel,
    .source = _agent_message_string (self, self->source),
    .target = _agent_message_string (self, self->target),
    .label = _agent_message_string (self, self->label),
    .task_id = _agent_message_string (self, self->task_id),
    .reason = _agent_message_string (self, self->reason),
    .direction = self->direction,
    .status = self->status,
    .content = g_atomic_pointer_get (&self->content),
  };
}

/* Adds the references for all receivers of a broadcast by one atomic operation. */
void
_agent_message_add_refs (AgentMessage *self,
                         guint         n)
{
  g_atomic_int_add (&self->ref_count, (gint) n);
}

static void
message_free_texts (AgentMessage *self)
{
  g_free (self->trace);
  g_free (self->topic);
}

void
_agent_message_drop_refs (AgentMessage *self,
                          guint         n)
{
  /* Usually the caller holds all references, and needs no locked instruction to see that. */
  if (g_atomic_int_get (&self->ref_count) != (gint) n &&
      g_atomic_int_add (&self->ref_count, -(gint) n) != (gint) n)
    return;

  if (self->content != NULL)
    message_free_content (self->type, self->content);
  if (G_UNLIKELY (self->epoch != NULL))
    _agent_epoch_unref (self->epoch);
  if (G_UNLIKELY (self->trace != NULL || self->topic != NULL))
    message_free_texts (self);
  _agent_message_pool_free (self, self->pooled);
}

static gsize
message_size_frame (AgentFrame *frame)
{
  GVariant *metadata = agent_frame_get_metadata (frame);
  gsize     size;

  agent_frame_get_contents (frame, &size);

  return size + (metadata != NULL ? g_variant_get_size (metadata) : 0);
}

static gsize
message_size_info (AgentInfo *info)
{
  return message_size_string (agent_info_get_name (info)) + message_size_string (agent_info_get_runner (info)) +
         message_size_string (agent_info_get_parent (info));
}

static gsize
message_size_infos (GPtrArray *infos)
{
  gsize size = 0;

  for (guint i = 0; i < infos->len; i++)
    size += message_size_info (g_ptr_array_index (infos, i));

  return size;
}

/* The size of the content, for limits in bytes, which does not change after the message is sent. The message and its
 * strings are small in comparison, and not counted. */
gsize
_agent_message_get_size (AgentMessage *self)
{
  gpointer content = g_atomic_pointer_get (&self->content);

  if (content == NULL)
    return 0;

  if (self->type == AGENT_MESSAGE_TYPE_FRAME)
    return message_size_frame (content);
  if (self->type == AGENT_MESSAGE_TYPE_AGENT_READY)
    return message_size_info (content);
  if (self->type == AGENT_MESSAGE_TYPE_AGENT_REGISTRY)
    return message_size_infos (content);

  return _agent_message_payload_get_size (content);
}

static const GQuark *
message_get_builtin_quarks (void)
{
  static GQuark quarks[AGENT_N_MESSAGE_TYPES];
  static gsize  ready; /* (atomic) */

  if (g_once_init_enter (&ready))
    {
      for (guint type = 0; type < G_N_ELEMENTS (quarks); type++)
        quarks[type] = g_quark_from_static_string (agent_message_type_to_string (type));

      g_once_init_leave (&ready, 1);
    }

  return quarks;
}

/* The detail of the message signal. Quarks are never freed, so a custom name without a handler must not become a quark:
 * a peer could fill the memory with names that it makes up. Returns: the quark, or 0 if the name is not one. */
GQuark
_agent_message_get_detail (AgentMessage *self)
{
  if (self->type != AGENT_MESSAGE_TYPE_CUSTOM)
    return message_get_builtin_quarks ()[self->type];

  return g_quark_try_string (_agent_message_string (self, self->label));
}

/**
 * agent_message_ref:
 * @self: A message.
 *
 * Adds a reference to a message.
 *
 * This may be called from any thread.
 *
 * Returns: (transfer full): the same message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_ref (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_int_inc (&self->ref_count);

  return self;
}

/**
 * agent_message_unref: (skip)
 * @self: (transfer full): A message.
 *
 * Drops a reference to a message. The last one frees the message.
 *
 * This may be called from any thread. The payload is freed in the thread that drops the last
 * reference.
 *
 * Since: 0.1
 */
void
agent_message_unref (AgentMessage *self)
{
  g_return_if_fail (self != NULL);

  _agent_message_drop_refs (self, 1);
}

/**
 * agent_message_get_message_type:
 * @self: A message.
 *
 * Gets the type of a message.
 *
 * Returns: the type
 *
 * Since: 0.1
 */
AgentMessageType
agent_message_get_message_type (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, AGENT_MESSAGE_TYPE_CUSTOM);

  return self->type;
}

/**
 * agent_message_get_name:
 * @self: A message.
 *
 * Gets the name of a message: the nick of its type, such as `task-update`, or the name of a custom
 * message.
 *
 * The name is also the detail of [signal@AgentBus.Subscriber::message].
 *
 * Returns: (transfer none): the name
 *
 * Since: 0.1
 */
const char *
agent_message_get_name (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  if (self->type == AGENT_MESSAGE_TYPE_CUSTOM)
    return _agent_message_string (self, self->label);

  return agent_message_type_to_string (self->type);
}

/**
 * agent_message_get_channel:
 * @self: A message.
 *
 * Gets the channel that a message travels.
 *
 * Returns: the channel
 *
 * Since: 0.1
 */
AgentChannel
agent_message_get_channel (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, AGENT_CHANNEL_DATA);

  return self->channel;
}

/**
 * agent_message_get_source:
 * @self: A message.
 *
 * Gets the name of the sender of a message.
 *
 * A message is never delivered to its own source.
 *
 * Returns: (transfer none): the source's name
 *
 * Since: 0.1
 */
const char *
agent_message_get_source (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return _agent_message_string (self, self->source);
}

/**
 * agent_message_get_target:
 * @self: A message.
 *
 * Gets the name of the receiver of a message.
 *
 * For the routing protocols this is the id of an actor.
 *
 * Returns: (transfer none) (nullable): the target's name, or %NULL if the message is for everybody
 *
 * Since: 0.1
 */
const char *
agent_message_get_target (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return _agent_message_string (self, self->target);
}

/**
 * agent_message_get_seq:
 * @self: A message.
 *
 * Gets the sequence number that the bus gave a message.
 *
 * The number is unique on one bus and rises with each message of a sender. All receivers of a message
 * see the same number.
 *
 * Returns: the sequence number, or 0 before sending
 *
 * Since: 0.1
 */
guint64
agent_message_get_seq (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->seq;
}

/**
 * agent_message_get_sent_at:
 * @self: A message.
 *
 * Gets when a message was sent.
 *
 * Returns: monotonic time in microseconds, as of [func@GLib.get_monotonic_time], or 0 before
 * sending
 *
 * Since: 0.1
 */
gint64
agent_message_get_sent_at (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->sent_at;
}

/**
 * agent_message_get_frame:
 * @self: A message.
 *
 * Gets the frame of a `FRAME` message.
 *
 * Returns: (transfer none) (nullable): the frame, or %NULL for all other types
 *
 * Since: 0.1
 */
AgentFrame *
agent_message_get_frame (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return message_get_content (self, AGENT_MESSAGE_TYPE_FRAME);
}

/**
 * agent_message_get_direction:
 * @self: A message.
 *
 * Gets the direction of the frame of a `FRAME` message.
 *
 * Returns: the direction; downstream for all other types
 *
 * Since: 0.1
 */
AgentFrameDirection
agent_message_get_direction (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, AGENT_FRAME_DIRECTION_DOWNSTREAM);

  return self->direction;
}

/**
 * agent_message_get_reason:
 * @self: A message.
 *
 * Gets the reason of an `END`, `CANCEL` or `TASK_CANCEL` message, the text of an `AGENT_ERROR`, or the text of the error
 * that a `TASK_RESPONSE` or `TASK_RESPONSE_URGENT` carries: see [method@AgentBus.Message.dup_error].
 *
 * Returns: (transfer none) (nullable): the reason, or %NULL if the message has none
 *
 * Since: 0.1
 */
const char *
agent_message_get_reason (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return _agent_message_string (self, self->reason);
}

/**
 * agent_message_get_task_id:
 * @self: A message.
 *
 * Gets the id of the task that one of the `TASK_` messages is about.
 *
 * An `AGENT_ERROR` message that answers one of them has the same id.
 *
 * Returns: (transfer none) (nullable): the task's id, or %NULL if the message has none
 *
 * Since: 0.1
 */
const char *
agent_message_get_task_id (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return _agent_message_string (self, self->task_id);
}

/**
 * agent_message_get_task_name:
 * @self: A message.
 *
 * Gets the name of the task that a `TASK_REQUEST` message asks for.
 *
 * Returns: (transfer none) (nullable): the task's name, or %NULL if the message has none
 *
 * Since: 0.1
 */
const char *
agent_message_get_task_name (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  if (self->type != AGENT_MESSAGE_TYPE_TASK_REQUEST)
    return NULL;

  return _agent_message_string (self, self->label);
}

/**
 * agent_message_get_status:
 * @self: A message.
 *
 * Gets how the task of a `TASK_RESPONSE` or `TASK_RESPONSE_URGENT` message ended.
 *
 * Returns: the status; pending for all other types
 *
 * Since: 0.1
 */
AgentTaskStatus
agent_message_get_status (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, AGENT_TASK_STATUS_PENDING);

  return self->status;
}

/**
 * agent_message_get_info:
 * @self: A message.
 *
 * Gets the agent that an `AGENT_READY` message is about.
 *
 * Returns: (transfer none) (nullable): the agent, or %NULL for all other types
 *
 * Since: 0.1
 */
AgentInfo *
agent_message_get_info (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return message_get_content (self, AGENT_MESSAGE_TYPE_AGENT_READY);
}

/**
 * agent_message_get_infos:
 * @self: A message.
 *
 * Gets the agents that an `AGENT_REGISTRY` message lists.
 *
 * The array belongs to the message and must not be changed.
 *
 * Returns: (transfer none) (nullable) (element-type AgentInfo): the agents, each an
 * [struct@AgentBus.Info], or %NULL for all other types
 *
 * Since: 0.1
 */
GPtrArray *
agent_message_get_infos (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return message_get_content (self, AGENT_MESSAGE_TYPE_AGENT_REGISTRY);
}

/**
 * agent_message_get_runner:
 * @self: A message.
 *
 * Gets the runner whose agents an `AGENT_REGISTRY` message lists, or that runs the agent of an
 * `AGENT_READY` message.
 *
 * Returns: (transfer none) (nullable): the runner's name, or %NULL for all other types
 *
 * Since: 0.1
 */
const char *
agent_message_get_runner (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  if (self->type == AGENT_MESSAGE_TYPE_AGENT_READY)
    return agent_info_get_runner (self->content);
  if (self->type == AGENT_MESSAGE_TYPE_AGENT_REGISTRY)
    return _agent_message_string (self, self->label);

  return NULL;
}
