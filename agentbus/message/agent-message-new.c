/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-private.h"
#include "message/agent-message.h"

#include "agent-enums-private.h"
#include "message/agent-frame.h"
#include "message/agent-info.h"

/* The variable arguments initialize further fields of AgentMessageParts. */
#define message_new(type_, source_, target_, ...)                              \
  _agent_message_new_from_parts (                                              \
      &(AgentMessageParts){ .type = (type_),                                   \
                            .channel = agent_message_type_get_channel (type_), \
                            .source = (source_),                               \
                            .target = (target_),                               \
                            ##__VA_ARGS__ })

static inline gboolean
message_new_is_name (const char *name)
{
  return name != NULL && *name != '\0';
}

static inline gboolean
message_new_is_target (const char *target)
{
  return target == NULL || *target != '\0';
}

static inline GVariant *
message_new_sink_payload (GVariant *payload)
{
  return payload != NULL ? g_variant_ref_sink (payload) : NULL;
}

static gpointer
message_new_copy_info (gconstpointer info,
                       gpointer      data)
{
  return agent_info_ref ((AgentInfo *) info);
}

/* The caller may change its array later, and the array may have no free function. */
static GPtrArray *
message_new_copy_infos (GPtrArray *infos)
{
  GPtrArray *copy = g_ptr_array_copy (infos, message_new_copy_info, NULL);

  g_ptr_array_set_free_func (copy, (GDestroyNotify) agent_info_unref);

  return copy;
}

/**
 * agent_message_new_frame:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @frame: (transfer none): The frame.
 * @direction: Which way the frame goes through the pipeline of a receiver.
 *
 * Creates a message that carries a frame.
 *
 * The frame is shared, not copied. Frames travel the data channel.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_frame (const char         *source,
                         const char         *target,
                         AgentFrame         *frame,
                         AgentFrameDirection direction)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);
  g_return_val_if_fail (frame != NULL, NULL);
  g_return_val_if_fail ((guint) direction <= AGENT_FRAME_DIRECTION_UPSTREAM, NULL);

  return message_new (AGENT_MESSAGE_TYPE_FRAME,
                      source,
                      target,
                      .direction = direction,
                      .content = agent_frame_ref (frame));
}

/**
 * agent_message_new_activate:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @args: (transfer none) (nullable): What to start with, of any type, such as `a{sv}`, or %NULL; a
 * floating reference is sunk.
 *
 * Creates a message that makes its target take part.
 *
 * The arguments are the payload of the message, which travels the system channel.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_activate (const char *source,
                            const char *target,
                            GVariant   *args)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);

  return message_new (AGENT_MESSAGE_TYPE_ACTIVATE, source, target, .content = message_new_sink_payload (args));
}

/**
 * agent_message_new_deactivate:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 *
 * Creates a message that makes its target stop taking part.
 *
 * The message travels the system channel.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_deactivate (const char *source,
                              const char *target)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);

  return message_new (AGENT_MESSAGE_TYPE_DEACTIVATE, source, target);
}

/**
 * agent_message_new_end:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @reason: (nullable): The reason, or %NULL for none.
 *
 * Creates a message that asks for a graceful end.
 *
 * The message travels the system channel.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_end (const char *source,
                       const char *target,
                       const char *reason)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);

  return message_new (AGENT_MESSAGE_TYPE_END, source, target, .reason = reason);
}

/**
 * agent_message_new_cancel:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @reason: (nullable): The reason, or %NULL for none.
 *
 * Creates a message that ends the current work of its target at once.
 *
 * The message travels the system channel.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_cancel (const char *source,
                          const char *target,
                          const char *reason)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);

  return message_new (AGENT_MESSAGE_TYPE_CANCEL, source, target, .reason = reason);
}

/**
 * agent_message_new_agent_ready:
 * @info: (transfer none): The agent that is ready.
 *
 * Creates a message that tells everybody that an agent is set up and runs.
 *
 * The agent itself is the source. The message travels the system channel.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_agent_ready (AgentInfo *info)
{
  g_return_val_if_fail (info != NULL, NULL);

  return message_new (AGENT_MESSAGE_TYPE_AGENT_READY,
                      agent_info_get_name (info),
                      NULL,
                      .content = agent_info_ref (info));
}

/**
 * agent_message_new_agent_registry:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @runner: The runner that the agents belong to; may be empty.
 * @infos: (element-type AgentInfo) (transfer none): The runner's agents, each an
 * [struct@AgentBus.Info]; may be empty.
 *
 * Creates a message that lists all agents of a runner.
 *
 * The array is copied; the descriptions in it are shared. The message travels the system channel.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_agent_registry (const char *source,
                                  const char *target,
                                  const char *runner,
                                  GPtrArray  *infos)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);
  g_return_val_if_fail (runner != NULL, NULL);
  g_return_val_if_fail (infos != NULL, NULL);
  g_return_val_if_fail (!g_ptr_array_find (infos, NULL, NULL), NULL);

  return message_new (AGENT_MESSAGE_TYPE_AGENT_REGISTRY,
                      source,
                      target,
                      .label = runner,
                      .content = message_new_copy_infos (infos));
}

/**
 * agent_message_new_agent_error:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @error: What went wrong.
 *
 * Creates a message that reports an error which an agent cannot repair.
 *
 * The text is the reason of the message, which travels the system channel.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_agent_error (const char *source,
                               const char *target,
                               const char *error)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);
  g_return_val_if_fail (error != NULL, NULL);

  return message_new (AGENT_MESSAGE_TYPE_AGENT_ERROR, source, target, .reason = error);
}

/**
 * agent_message_new_task_request:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @task_id: The id of the task, not empty.
 * @task_name: (nullable): What to do, or %NULL if the target knows only one task.
 * @payload: (transfer none) (nullable): The input of the task, of any type, such as `a{sv}`, or
 * %NULL; a floating reference is sunk.
 *
 * Creates a message that asks its target to do a task.
 *
 * All other messages about the task carry the same id. The message travels the data channel.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_task_request (const char *source,
                                const char *target,
                                const char *task_id,
                                const char *task_name,
                                GVariant   *payload)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);
  g_return_val_if_fail (message_new_is_name (task_id), NULL);

  return message_new (AGENT_MESSAGE_TYPE_TASK_REQUEST,
                      source,
                      target,
                      .label = task_name,
                      .task_id = task_id,
                      .content = message_new_sink_payload (payload));
}

/**
 * agent_message_new_task_response:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @task_id: The id of the task, not empty.
 * @status: How the task ended.
 * @response: (transfer none) (nullable): The result, of any type, such as `a{sv}`, or %NULL; a
 * floating reference is sunk.
 *
 * Creates a message that tells how a task ended.
 *
 * The response is the payload of the message, which travels the data channel.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_task_response (const char     *source,
                                 const char     *target,
                                 const char     *task_id,
                                 AgentTaskStatus status,
                                 GVariant       *response)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);
  g_return_val_if_fail (message_new_is_name (task_id), NULL);
  g_return_val_if_fail ((guint) status <= AGENT_TASK_STATUS_CANCELLED, NULL);

  return message_new (AGENT_MESSAGE_TYPE_TASK_RESPONSE,
                      source,
                      target,
                      .task_id = task_id,
                      .status = status,
                      .content = message_new_sink_payload (response));
}

/**
 * agent_message_new_task_response_urgent:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @task_id: The id of the task, not empty.
 * @status: How the task ended.
 * @response: (transfer none) (nullable): The result, of any type, such as `a{sv}`, or %NULL; a
 * floating reference is sunk.
 *
 * Creates an urgent message that tells how a task ended.
 *
 * The response is the payload of the message, which travels the system channel.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_task_response_urgent (const char     *source,
                                        const char     *target,
                                        const char     *task_id,
                                        AgentTaskStatus status,
                                        GVariant       *response)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);
  g_return_val_if_fail (message_new_is_name (task_id), NULL);
  g_return_val_if_fail ((guint) status <= AGENT_TASK_STATUS_CANCELLED, NULL);

  return message_new (AGENT_MESSAGE_TYPE_TASK_RESPONSE_URGENT,
                      source,
                      target,
                      .task_id = task_id,
                      .status = status,
                      .content = message_new_sink_payload (response));
}

/**
 * agent_message_new_task_update:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @task_id: The id of the task, not empty.
 * @update: (transfer none) (nullable): The progress, of any type, such as `a{sv}`, or %NULL; a
 * floating reference is sunk.
 *
 * Creates a message that tells the progress of a task.
 *
 * The update is the payload of the message, which travels the data channel.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_task_update (const char *source,
                               const char *target,
                               const char *task_id,
                               GVariant   *update)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);
  g_return_val_if_fail (message_new_is_name (task_id), NULL);

  return message_new (AGENT_MESSAGE_TYPE_TASK_UPDATE,
                      source,
                      target,
                      .task_id = task_id,
                      .content = message_new_sink_payload (update));
}

/**
 * agent_message_new_task_update_urgent:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @task_id: The id of the task, not empty.
 * @update: (transfer none) (nullable): The progress, of any type, such as `a{sv}`, or %NULL; a
 * floating reference is sunk.
 *
 * Creates an urgent message that tells the progress of a task.
 *
 * The update is the payload of the message, which travels the system channel.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_task_update_urgent (const char *source,
                                      const char *target,
                                      const char *task_id,
                                      GVariant   *update)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);
  g_return_val_if_fail (message_new_is_name (task_id), NULL);

  return message_new (AGENT_MESSAGE_TYPE_TASK_UPDATE_URGENT,
                      source,
                      target,
                      .task_id = task_id,
                      .content = message_new_sink_payload (update));
}

/**
 * agent_message_new_task_update_request:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @task_id: The id of the task, not empty.
 *
 * Creates a message that asks for the progress of a task.
 *
 * The message travels the data channel.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_task_update_request (const char *source,
                                       const char *target,
                                       const char *task_id)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);
  g_return_val_if_fail (message_new_is_name (task_id), NULL);

  return message_new (AGENT_MESSAGE_TYPE_TASK_UPDATE_REQUEST, source, target, .task_id = task_id);
}

/**
 * agent_message_new_task_cancel:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @task_id: The id of the task, not empty.
 * @reason: (nullable): The reason, or %NULL for none.
 *
 * Creates a message that cancels a task.
 *
 * The message travels the system channel.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_task_cancel (const char *source,
                               const char *target,
                               const char *task_id,
                               const char *reason)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);
  g_return_val_if_fail (message_new_is_name (task_id), NULL);

  return message_new (
      AGENT_MESSAGE_TYPE_TASK_CANCEL, source, target, .task_id = task_id, .reason = reason);
}

/**
 * agent_message_new_task_stream_start:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @task_id: The id of the task, not empty.
 * @data: (transfer none) (nullable): The data of this part, of any type, such as `a{sv}`, or
 * %NULL; a floating reference is sunk.
 *
 * Creates a message with the first part of an answer that comes in parts.
 *
 * The message travels the data channel, and stays in order with the other parts.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_task_stream_start (const char *source,
                                     const char *target,
                                     const char *task_id,
                                     GVariant   *data)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);
  g_return_val_if_fail (message_new_is_name (task_id), NULL);

  return message_new (AGENT_MESSAGE_TYPE_TASK_STREAM_START,
                      source,
                      target,
                      .task_id = task_id,
                      .content = message_new_sink_payload (data));
}

/**
 * agent_message_new_task_stream_data:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @task_id: The id of the task, not empty.
 * @data: (transfer none) (nullable): The data of this part, of any type, such as `a{sv}`, or
 * %NULL; a floating reference is sunk.
 *
 * Creates a message with the next part of an answer that comes in parts.
 *
 * The message travels the data channel, and stays in order with the other parts.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_task_stream_data (const char *source,
                                    const char *target,
                                    const char *task_id,
                                    GVariant   *data)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);
  g_return_val_if_fail (message_new_is_name (task_id), NULL);

  return message_new (AGENT_MESSAGE_TYPE_TASK_STREAM_DATA,
                      source,
                      target,
                      .task_id = task_id,
                      .content = message_new_sink_payload (data));
}

/**
 * agent_message_new_task_stream_end:
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @task_id: The id of the task, not empty.
 * @data: (transfer none) (nullable): The data of this part, of any type, such as `a{sv}`, or
 * %NULL; a floating reference is sunk.
 *
 * Creates a message with the last part of an answer that comes in parts.
 *
 * The message travels the data channel, and stays in order with the other parts.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_task_stream_end (const char *source,
                                   const char *target,
                                   const char *task_id,
                                   GVariant   *data)
{
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);
  g_return_val_if_fail (message_new_is_name (task_id), NULL);

  return message_new (AGENT_MESSAGE_TYPE_TASK_STREAM_END,
                      source,
                      target,
                      .task_id = task_id,
                      .content = message_new_sink_payload (data));
}

static gboolean
message_new_is_routed (AgentMessageType type)
{
  return (type >= AGENT_MESSAGE_TYPE_REQUEST_INFERENCE && type <= AGENT_MESSAGE_TYPE_SHUTDOWN) ||
         type == AGENT_MESSAGE_TYPE_HAND_OFF;
}

/**
 * agent_message_new_routed:
 * @type: One of the eight routing protocols, from `REQUEST_INFERENCE` to `SHUTDOWN`, or `HAND_OFF`.
 * @source: The name of the sender, not empty.
 * @actor_id: The id of the actor that the message is for, or comes from, not empty.
 * @payload: (transfer none) (nullable): The data of the protocol, of any type, such as `a{sv}`, or
 * %NULL; a floating reference is sunk.
 *
 * Creates a message of a routing protocol.
 *
 * The actor is the target of the message. The type decides which channel the message travels.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_routed (AgentMessageType type,
                          const char      *source,
                          const char      *actor_id,
                          GVariant        *payload)
{
  g_return_val_if_fail (message_new_is_routed (type), NULL);
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_name (actor_id), NULL);

  return _agent_message_new_from_parts (
      &(AgentMessageParts){ .type = type,
                            .channel = agent_message_type_get_channel (type),
                            .source = source,
                            .target = actor_id,
                            .content = message_new_sink_payload (payload) });
}

/**
 * agent_message_new_custom:
 * @name: The message's name, not empty and not the nick of a [enum@AgentBus.MessageType].
 * @channel: The channel to travel.
 * @source: The name of the sender, not empty.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 * @payload: (transfer none) (nullable): The payload, of any type, such as `a{sv}`, or %NULL; a
 * floating reference is sunk.
 *
 * Creates a message of a type that the application defines.
 *
 * A handler connects to the name: `message::my-name`. The name of a built-in type is refused, as a
 * handler would take the message for one of that type.
 *
 * ```c
 * static void
 * on_volume (AgentSubscriber *speaker,
 *            AgentMessage    *message,
 *            gpointer         user_data)
 * {
 *   GVariant *volume = agent_message_get_payload (message);
 *
 *   g_print ("%.1f\n", g_variant_get_double (volume)); // prints: 0.5
 * }
 *
 * g_autoptr (AgentSubscriber) speaker = agent_subscriber_new ("speaker");
 *
 * g_signal_connect (speaker, "message::volume", G_CALLBACK (on_volume), NULL);
 * agent_bus_subscribe (bus, speaker, &error);
 * agent_bus_send (bus, agent_message_new_custom ("volume", AGENT_CHANNEL_DATA,
 *                                                "ui", "speaker",
 *                                                g_variant_new_double (0.5)));
 * ```
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_custom (const char  *name,
                          AgentChannel channel,
                          const char  *source,
                          const char  *target,
                          GVariant    *payload)
{
  g_return_val_if_fail (message_new_is_name (name), NULL);
  g_return_val_if_fail (!_agent_message_is_builtin_name (name), NULL);
  g_return_val_if_fail ((guint) channel <= AGENT_CHANNEL_DATA, NULL);
  g_return_val_if_fail (message_new_is_name (source), NULL);
  g_return_val_if_fail (message_new_is_target (target), NULL);

  return _agent_message_new_from_parts (&(AgentMessageParts){ .type = AGENT_MESSAGE_TYPE_CUSTOM,
                                                              .channel = channel,
                                                              .source = source,
                                                              .target = target,
                                                              .label = name,
                                                              .content = message_new_sink_payload (payload) });
}
