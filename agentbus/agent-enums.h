/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/agent-types.h>

G_BEGIN_DECLS

#define AGENT_TYPE_ACTOR_STATE     (agent_actor_state_get_type ())
#define AGENT_TYPE_CHANNEL         (agent_channel_get_type ())
#define AGENT_TYPE_DBUS_ROLE       (agent_dbus_role_get_type ())
#define AGENT_TYPE_DISPATCH_RESULT (agent_dispatch_result_get_type ())
#define AGENT_TYPE_DROP_REASON     (agent_drop_reason_get_type ())
#define AGENT_TYPE_FRAME_DIRECTION (agent_frame_direction_get_type ())
#define AGENT_TYPE_LEAVE_FLAGS     (agent_leave_flags_get_type ())
#define AGENT_TYPE_MESSAGE_TYPE    (agent_message_type_get_type ())
#define AGENT_TYPE_OVERFLOW        (agent_overflow_get_type ())
#define AGENT_TYPE_TASK_STATUS     (agent_task_status_get_type ())
#define AGENT_TYPE_TRAFFIC         (agent_traffic_get_type ())
#define AGENT_TYPE_TRANSPORT_CAPABILITIES \
                                   (agent_transport_capabilities_get_type ())
#define AGENT_TYPE_TRANSPORT_STATE (agent_transport_state_get_type ())

/**
 * AgentMessageType:
 * @AGENT_MESSAGE_TYPE_FRAME: A frame of a pipeline, and its direction.
 * @AGENT_MESSAGE_TYPE_ACTIVATE: The target starts to take part.
 * @AGENT_MESSAGE_TYPE_DEACTIVATE: The target stops taking part.
 * @AGENT_MESSAGE_TYPE_END: Asks the target for a graceful end.
 * @AGENT_MESSAGE_TYPE_CANCEL: Ends the current work of the target at once.
 * @AGENT_MESSAGE_TYPE_AGENT_READY: An agent is set up and runs.
 * @AGENT_MESSAGE_TYPE_AGENT_REGISTRY: Lists all agents of a runner.
 * @AGENT_MESSAGE_TYPE_AGENT_ERROR: An agent reports an error that it cannot repair.
 * @AGENT_MESSAGE_TYPE_TASK_REQUEST: Asks the target to do a task.
 * @AGENT_MESSAGE_TYPE_TASK_RESPONSE: Tells how a task ended.
 * @AGENT_MESSAGE_TYPE_TASK_RESPONSE_URGENT: The same on the system channel.
 * @AGENT_MESSAGE_TYPE_TASK_UPDATE: Tells the progress of a task.
 * @AGENT_MESSAGE_TYPE_TASK_UPDATE_URGENT: The same on the system channel.
 * @AGENT_MESSAGE_TYPE_TASK_UPDATE_REQUEST: Asks for the progress of a task.
 * @AGENT_MESSAGE_TYPE_TASK_CANCEL: Cancels a task.
 * @AGENT_MESSAGE_TYPE_TASK_STREAM_START: The first part of a streamed answer.
 * @AGENT_MESSAGE_TYPE_TASK_STREAM_DATA: A further part of a streamed answer.
 * @AGENT_MESSAGE_TYPE_TASK_STREAM_END: The last part of a streamed answer.
 * @AGENT_MESSAGE_TYPE_REQUEST_INFERENCE: An actor asks its router for an inference.
 * @AGENT_MESSAGE_TYPE_REQUEST_INFERENCE_BATCH: The same for several observations at once.
 * @AGENT_MESSAGE_TYPE_FLAG_LAST_INFERENCE: Marks an actor's last inference of an episode.
 * @AGENT_MESSAGE_TYPE_MODEL_HANDSHAKE: Agrees on a model.
 * @AGENT_MESSAGE_TYPE_MODEL_VERSION: Tells or asks for a model's version.
 * @AGENT_MESSAGE_TYPE_MODEL_UPDATE: Brings a new model.
 * @AGENT_MESSAGE_TYPE_SEND_TRAJECTORY: Brings a finished trajectory.
 * @AGENT_MESSAGE_TYPE_SHUTDOWN: The actor is to shut down.
 * @AGENT_MESSAGE_TYPE_CUSTOM: A type that the application defines, with a name and a channel of its choice.
 * @AGENT_MESSAGE_TYPE_HAND_OFF: A router loses an actor: see [property@AgentBus.RouterDispatcher:hand-off].
 *
 * The types of messages.
 *
 * `ACTIVATE`, `DEACTIVATE`, `END`, `CANCEL`, the three `AGENT_` types, the two `URGENT` types, `TASK_CANCEL`,
 * the three `MODEL_` types and `SHUTDOWN` travel the system channel; all others travel the data channel.
 *
 * Since: 0.1
 */
typedef enum
{
  AGENT_MESSAGE_TYPE_FRAME,
  AGENT_MESSAGE_TYPE_ACTIVATE,
  AGENT_MESSAGE_TYPE_DEACTIVATE,
  AGENT_MESSAGE_TYPE_END,
  AGENT_MESSAGE_TYPE_CANCEL,
  AGENT_MESSAGE_TYPE_AGENT_READY,
  AGENT_MESSAGE_TYPE_AGENT_REGISTRY,
  AGENT_MESSAGE_TYPE_AGENT_ERROR,
  AGENT_MESSAGE_TYPE_TASK_REQUEST,
  AGENT_MESSAGE_TYPE_TASK_RESPONSE,
  AGENT_MESSAGE_TYPE_TASK_RESPONSE_URGENT,
  AGENT_MESSAGE_TYPE_TASK_UPDATE,
  AGENT_MESSAGE_TYPE_TASK_UPDATE_URGENT,
  AGENT_MESSAGE_TYPE_TASK_UPDATE_REQUEST,
  AGENT_MESSAGE_TYPE_TASK_CANCEL,
  AGENT_MESSAGE_TYPE_TASK_STREAM_START,
  AGENT_MESSAGE_TYPE_TASK_STREAM_DATA,
  AGENT_MESSAGE_TYPE_TASK_STREAM_END,
  AGENT_MESSAGE_TYPE_REQUEST_INFERENCE,
  AGENT_MESSAGE_TYPE_REQUEST_INFERENCE_BATCH,
  AGENT_MESSAGE_TYPE_FLAG_LAST_INFERENCE,
  AGENT_MESSAGE_TYPE_MODEL_HANDSHAKE,
  AGENT_MESSAGE_TYPE_MODEL_VERSION,
  AGENT_MESSAGE_TYPE_MODEL_UPDATE,
  AGENT_MESSAGE_TYPE_SEND_TRAJECTORY,
  AGENT_MESSAGE_TYPE_SHUTDOWN,
  AGENT_MESSAGE_TYPE_CUSTOM,
  AGENT_MESSAGE_TYPE_HAND_OFF,
} AgentMessageType;

/**
 * AgentChannel:
 * @AGENT_CHANNEL_SYSTEM: For control messages: never dropped for lack of room, always delivered first.
 * @AGENT_CHANNEL_DATA: For all other messages: it has a limit, so that a slow subscriber never blocks a sender.
 *
 * The two queues that each subscriber has.
 *
 * Since: 0.1
 */
typedef enum
{
  AGENT_CHANNEL_SYSTEM,
  AGENT_CHANNEL_DATA,
} AgentChannel;

/**
 * AgentOverflow:
 * @AGENT_OVERFLOW_DROP_NEWEST: The new message is dropped.
 * @AGENT_OVERFLOW_DROP_OLDEST: The message that has waited longest is dropped to make room, which is right for live
 *   audio and video. Reliable messages are never dropped.
 *
 * What a full data channel does when a new message arrives.
 *
 * Since: 0.1
 */
typedef enum
{
  AGENT_OVERFLOW_DROP_NEWEST,
  AGENT_OVERFLOW_DROP_OLDEST,
} AgentOverflow;

/**
 * AgentDropReason:
 * @AGENT_DROP_REASON_FULL: The data channel was full.
 * @AGENT_DROP_REASON_EXPIRED: The message was too old when it was first in its channel.
 * @AGENT_DROP_REASON_NO_TARGET: There was no subscriber that the message was for.
 * @AGENT_DROP_REASON_CLOSED: The bus was stopped, or the subscriber was leaving the bus.
 * @AGENT_DROP_REASON_DISCARDED: The message was still queued when its subscriber left the bus.
 * @AGENT_DROP_REASON_STALE: The message was of an older epoch of its conversation.
 * @AGENT_DROP_REASON_CANCELLED: The message was a `TASK_REQUEST`, and a `TASK_CANCEL` had come before its turn.
 * @AGENT_DROP_REASON_INACTIVE: The message was data, and its receiver did not take part when its turn came.
 *
 * Why a message was not delivered.
 *
 * Since: 0.1
 */
typedef enum
{
  AGENT_DROP_REASON_FULL,
  AGENT_DROP_REASON_EXPIRED,
  AGENT_DROP_REASON_NO_TARGET,
  AGENT_DROP_REASON_CLOSED,
  AGENT_DROP_REASON_DISCARDED,
  AGENT_DROP_REASON_STALE,
  AGENT_DROP_REASON_CANCELLED,
  AGENT_DROP_REASON_INACTIVE,
} AgentDropReason;

/**
 * AgentLeaveFlags:
 * @AGENT_LEAVE_FLAGS_NONE: Queued data that is not reliable is discarded.
 * @AGENT_LEAVE_FLAGS_DRAIN: All that is queued is handled, or received, before the end.
 *
 * How a subscriber leaves a bus.
 *
 * Since: 0.1
 */
typedef enum /*< flags >*/
{
  AGENT_LEAVE_FLAGS_NONE = 0,
  AGENT_LEAVE_FLAGS_DRAIN = 1 << 0,
} AgentLeaveFlags;

/**
 * AgentDispatchResult:
 * @AGENT_DISPATCH_RESULT_DELIVERED: The message was passed to the router of the actor.
 * @AGENT_DISPATCH_RESULT_PARKED: The message waits until it can be passed to a router, or expires.
 * @AGENT_DISPATCH_RESULT_REFUSED: The message was not accepted, and the error says why.
 *
 * What a dispatcher did with a message.
 *
 * Since: 0.1
 */
typedef enum
{
  AGENT_DISPATCH_RESULT_DELIVERED,
  AGENT_DISPATCH_RESULT_PARKED,
  AGENT_DISPATCH_RESULT_REFUSED,
} AgentDispatchResult;

/**
 * AgentFrameDirection:
 * @AGENT_FRAME_DIRECTION_DOWNSTREAM: From the source of a pipeline to its sink.
 * @AGENT_FRAME_DIRECTION_UPSTREAM: From the sink of a pipeline to its source.
 *
 * Which way a frame travels through a pipeline.
 *
 * Since: 0.1
 */
typedef enum
{
  AGENT_FRAME_DIRECTION_DOWNSTREAM,
  AGENT_FRAME_DIRECTION_UPSTREAM,
} AgentFrameDirection;

/**
 * AgentTaskStatus:
 * @AGENT_TASK_STATUS_PENDING: Not started yet.
 * @AGENT_TASK_STATUS_RUNNING: Started, and not ended yet.
 * @AGENT_TASK_STATUS_COMPLETED: Done.
 * @AGENT_TASK_STATUS_FAILED: Ended by an error.
 * @AGENT_TASK_STATUS_CANCELLED: Ended by a cancellation.
 *
 * The state of a task.
 *
 * Since: 0.1
 */
typedef enum
{
  AGENT_TASK_STATUS_PENDING,
  AGENT_TASK_STATUS_RUNNING,
  AGENT_TASK_STATUS_COMPLETED,
  AGENT_TASK_STATUS_FAILED,
  AGENT_TASK_STATUS_CANCELLED,
} AgentTaskStatus;

/**
 * AgentActorState:
 * @AGENT_ACTOR_STATE_NEW: It has not been on a bus yet.
 * @AGENT_ACTOR_STATE_READY: It is on a bus, and takes messages.
 * @AGENT_ACTOR_STATE_ENDING: It ends: what it has begun goes on, nothing new is taken.
 * @AGENT_ACTOR_STATE_ENDED: It has left.
 *
 * How far the life of an agent has come.
 *
 * Since: 0.1
 */
typedef enum
{
  AGENT_ACTOR_STATE_NEW,
  AGENT_ACTOR_STATE_READY,
  AGENT_ACTOR_STATE_ENDING,
  AGENT_ACTOR_STATE_ENDED,
} AgentActorState;

/**
 * AgentTraffic:
 * @AGENT_TRAFFIC_DATA: Data: it arrives at most once, in order, and each loss is counted.
 * @AGENT_TRAFFIC_CONTROL: What must not get lost: it arrives exactly once, in order, at a node that lives.
 * @AGENT_TRAFFIC_PRESENCE: What nodes say of themselves, so that each knows of the others.
 *
 * What a packet between two nodes carries.
 *
 * Since: 0.2
 */
typedef enum
{
  AGENT_TRAFFIC_DATA,
  AGENT_TRAFFIC_CONTROL,
  AGENT_TRAFFIC_PRESENCE,
} AgentTraffic;

/**
 * AgentDBusRole:
 * @AGENT_DBUS_ROLE_MEMBER: It is on a message bus.
 * @AGENT_DBUS_ROLE_SERVER: It listens at an address, and others connect to it.
 * @AGENT_DBUS_ROLE_CLIENT: It connects to one that listens.
 *
 * How a [class@AgentBus.DBusTransport] is connected to the other nodes.
 *
 * Since: 0.2
 */
typedef enum
{
  AGENT_DBUS_ROLE_MEMBER,
  AGENT_DBUS_ROLE_SERVER,
  AGENT_DBUS_ROLE_CLIENT,
} AgentDBusRole;

/**
 * AgentTransportState:
 * @AGENT_TRANSPORT_STATE_CLOSED: It is not open.
 * @AGENT_TRANSPORT_STATE_CONNECTING: It is being opened.
 * @AGENT_TRANSPORT_STATE_CONNECTED: Packets come and go.
 * @AGENT_TRANSPORT_STATE_LOST: The engine is not reachable; the transport tries again by itself.
 * @AGENT_TRANSPORT_STATE_CLOSING: It is being closed.
 *
 * How far a transport has come.
 *
 * Since: 0.2
 */
typedef enum
{
  AGENT_TRANSPORT_STATE_CLOSED,
  AGENT_TRANSPORT_STATE_CONNECTING,
  AGENT_TRANSPORT_STATE_CONNECTED,
  AGENT_TRANSPORT_STATE_LOST,
  AGENT_TRANSPORT_STATE_CLOSING,
} AgentTransportState;

/**
 * AgentTransportCapabilities:
 * @AGENT_TRANSPORT_CAPABILITIES_NONE: Nothing of what follows.
 * @AGENT_TRANSPORT_CAPABILITIES_REMOTE: It reaches other machines.
 * @AGENT_TRANSPORT_CAPABILITIES_DURABLE_CONTROL: The engine stores control: it survives the end of the engine's process.
 * @AGENT_TRANSPORT_CAPABILITIES_VERIFIED_SOURCE: The engine proves which node a packet is from.
 * @AGENT_TRANSPORT_CAPABILITIES_PRESENCE_EVENTS: The engine tells at once when the process of a node ends.
 *
 * What the engine of a transport does.
 *
 * Since: 0.2
 */
typedef enum /*< flags >*/
{
  AGENT_TRANSPORT_CAPABILITIES_NONE = 0,
  AGENT_TRANSPORT_CAPABILITIES_REMOTE = 1 << 0,
  AGENT_TRANSPORT_CAPABILITIES_DURABLE_CONTROL = 1 << 1,
  AGENT_TRANSPORT_CAPABILITIES_VERIFIED_SOURCE = 1 << 2,
  AGENT_TRANSPORT_CAPABILITIES_PRESENCE_EVENTS = 1 << 3,
} AgentTransportCapabilities;

AGENT_AVAILABLE_IN_0_1
GType        agent_actor_state_get_type     (void);
AGENT_AVAILABLE_IN_0_1
GType        agent_channel_get_type         (void);
AGENT_AVAILABLE_IN_0_2
GType        agent_dbus_role_get_type       (void);
AGENT_AVAILABLE_IN_0_1
GType        agent_dispatch_result_get_type (void);
AGENT_AVAILABLE_IN_0_1
GType        agent_drop_reason_get_type     (void);
AGENT_AVAILABLE_IN_0_1
GType        agent_frame_direction_get_type (void);
AGENT_AVAILABLE_IN_0_1
GType        agent_leave_flags_get_type     (void);
AGENT_AVAILABLE_IN_0_1
GType        agent_message_type_get_type    (void);
AGENT_AVAILABLE_IN_0_1
GType        agent_overflow_get_type        (void);
AGENT_AVAILABLE_IN_0_1
GType        agent_task_status_get_type     (void);
AGENT_AVAILABLE_IN_0_2
GType        agent_traffic_get_type         (void);
AGENT_AVAILABLE_IN_0_2
GType        agent_transport_capabilities_get_type
                                            (void);
AGENT_AVAILABLE_IN_0_2
GType        agent_transport_state_get_type (void);

AGENT_AVAILABLE_IN_0_1
const char  *agent_drop_reason_to_string    (AgentDropReason  reason);
AGENT_AVAILABLE_IN_0_1
const char  *agent_message_type_to_string   (AgentMessageType type);
AGENT_AVAILABLE_IN_0_1
AgentChannel agent_message_type_get_channel (AgentMessageType type);

G_END_DECLS
