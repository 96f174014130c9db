/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-enums-private.h"

#include <string.h>

/* clang-format off */

/* Each row has the nick and the channel of a message type, so that no type can be forgotten in one of the two tables. */
#define MESSAGE_TYPES(X)                                            \
  X (FRAME,                   "frame",                   DATA),     \
  X (ACTIVATE,                "activate",                SYSTEM),   \
  X (DEACTIVATE,              "deactivate",              SYSTEM),   \
  X (END,                     "end",                     SYSTEM),   \
  X (CANCEL,                  "cancel",                  SYSTEM),   \
  X (AGENT_READY,             "agent-ready",             SYSTEM),   \
  X (AGENT_REGISTRY,          "agent-registry",          SYSTEM),   \
  X (AGENT_ERROR,             "agent-error",             SYSTEM),   \
  X (TASK_REQUEST,            "task-request",            DATA),     \
  X (TASK_RESPONSE,           "task-response",           DATA),     \
  X (TASK_RESPONSE_URGENT,    "task-response-urgent",    SYSTEM),   \
  X (TASK_UPDATE,             "task-update",             DATA),     \
  X (TASK_UPDATE_URGENT,      "task-update-urgent",      SYSTEM),   \
  X (TASK_UPDATE_REQUEST,     "task-update-request",     DATA),     \
  X (TASK_CANCEL,             "task-cancel",             SYSTEM),   \
  X (TASK_STREAM_START,       "task-stream-start",       DATA),     \
  X (TASK_STREAM_DATA,        "task-stream-data",        DATA),     \
  X (TASK_STREAM_END,         "task-stream-end",         DATA),     \
  X (REQUEST_INFERENCE,       "request-inference",       DATA),     \
  X (REQUEST_INFERENCE_BATCH, "request-inference-batch", DATA),     \
  X (FLAG_LAST_INFERENCE,     "flag-last-inference",     DATA),     \
  X (MODEL_HANDSHAKE,         "model-handshake",         SYSTEM),   \
  X (MODEL_VERSION,           "model-version",           SYSTEM),   \
  X (MODEL_UPDATE,            "model-update",            SYSTEM),   \
  X (SEND_TRAJECTORY,         "send-trajectory",         DATA),     \
  X (SHUTDOWN,                "shutdown",                SYSTEM),   \
  X (CUSTOM,                  "custom",                  DATA),     \
  X (HAND_OFF,                "hand-off",                DATA)

#define AS_ENUM_VALUE(NAME, nick, channel) G_DEFINE_ENUM_VALUE (AGENT_MESSAGE_TYPE_##NAME, nick)
#define AS_TABLE_ROW(NAME, nick, channel) [AGENT_MESSAGE_TYPE_##NAME] = { nick, AGENT_CHANNEL_##channel }

/* The same for drop reasons. */
#define DROP_REASONS(X)           \
  X (FULL,      "full"),          \
  X (EXPIRED,   "expired"),       \
  X (NO_TARGET, "no-target"),     \
  X (CLOSED,    "closed"),        \
  X (DISCARDED, "discarded"),     \
  X (STALE,     "stale"),         \
  X (CANCELLED, "cancelled"),     \
  X (INACTIVE,  "inactive")

#define AS_REASON_VALUE(NAME, nick) G_DEFINE_ENUM_VALUE (AGENT_DROP_REASON_##NAME, nick)
#define AS_REASON_NICK(NAME, nick) [AGENT_DROP_REASON_##NAME] = nick

G_DEFINE_ENUM_TYPE (AgentActorState, agent_actor_state,
                    G_DEFINE_ENUM_VALUE (AGENT_ACTOR_STATE_NEW, "new"),
                    G_DEFINE_ENUM_VALUE (AGENT_ACTOR_STATE_READY, "ready"),
                    G_DEFINE_ENUM_VALUE (AGENT_ACTOR_STATE_ENDING, "ending"),
                    G_DEFINE_ENUM_VALUE (AGENT_ACTOR_STATE_ENDED, "ended"))

G_DEFINE_ENUM_TYPE (AgentDispatchResult, agent_dispatch_result,
                    G_DEFINE_ENUM_VALUE (AGENT_DISPATCH_RESULT_DELIVERED, "delivered"),
                    G_DEFINE_ENUM_VALUE (AGENT_DISPATCH_RESULT_PARKED, "parked"),
                    G_DEFINE_ENUM_VALUE (AGENT_DISPATCH_RESULT_REFUSED, "refused"))

G_DEFINE_ENUM_TYPE (AgentChannel, agent_channel,
                    G_DEFINE_ENUM_VALUE (AGENT_CHANNEL_SYSTEM, "system"),
                    G_DEFINE_ENUM_VALUE (AGENT_CHANNEL_DATA, "data"))

G_DEFINE_ENUM_TYPE (AgentDropReason, agent_drop_reason,
                    DROP_REASONS (AS_REASON_VALUE))

G_DEFINE_ENUM_TYPE (AgentFrameDirection, agent_frame_direction,
                    G_DEFINE_ENUM_VALUE (AGENT_FRAME_DIRECTION_DOWNSTREAM, "downstream"),
                    G_DEFINE_ENUM_VALUE (AGENT_FRAME_DIRECTION_UPSTREAM, "upstream"))

G_DEFINE_FLAGS_TYPE (AgentLeaveFlags, agent_leave_flags,
                     G_DEFINE_ENUM_VALUE (AGENT_LEAVE_FLAGS_NONE, "none"),
                     G_DEFINE_ENUM_VALUE (AGENT_LEAVE_FLAGS_DRAIN, "drain"))

G_DEFINE_ENUM_TYPE (AgentMessageType, agent_message_type,
                    MESSAGE_TYPES (AS_ENUM_VALUE))

G_DEFINE_ENUM_TYPE (AgentOverflow, agent_overflow,
                    G_DEFINE_ENUM_VALUE (AGENT_OVERFLOW_DROP_NEWEST, "drop-newest"),
                    G_DEFINE_ENUM_VALUE (AGENT_OVERFLOW_DROP_OLDEST, "drop-oldest"))

G_DEFINE_ENUM_TYPE (AgentTaskStatus, agent_task_status,
                    G_DEFINE_ENUM_VALUE (AGENT_TASK_STATUS_PENDING, "pending"),
                    G_DEFINE_ENUM_VALUE (AGENT_TASK_STATUS_RUNNING, "running"),
                    G_DEFINE_ENUM_VALUE (AGENT_TASK_STATUS_COMPLETED, "completed"),
                    G_DEFINE_ENUM_VALUE (AGENT_TASK_STATUS_FAILED, "failed"),
                    G_DEFINE_ENUM_VALUE (AGENT_TASK_STATUS_CANCELLED, "cancelled"))

G_DEFINE_ENUM_TYPE (AgentTraffic, agent_traffic,
                    G_DEFINE_ENUM_VALUE (AGENT_TRAFFIC_DATA, "data"),
                    G_DEFINE_ENUM_VALUE (AGENT_TRAFFIC_CONTROL, "control"),
                    G_DEFINE_ENUM_VALUE (AGENT_TRAFFIC_PRESENCE, "presence"))

G_DEFINE_ENUM_TYPE (AgentDBusRole, agent_dbus_role,
                    G_DEFINE_ENUM_VALUE (AGENT_DBUS_ROLE_MEMBER, "member"),
                    G_DEFINE_ENUM_VALUE (AGENT_DBUS_ROLE_SERVER, "server"),
                    G_DEFINE_ENUM_VALUE (AGENT_DBUS_ROLE_CLIENT, "client"))

G_DEFINE_FLAGS_TYPE (AgentTransportCapabilities, agent_transport_capabilities,
                     G_DEFINE_ENUM_VALUE (AGENT_TRANSPORT_CAPABILITIES_NONE, "none"),
                     G_DEFINE_ENUM_VALUE (AGENT_TRANSPORT_CAPABILITIES_REMOTE, "remote"),
                     G_DEFINE_ENUM_VALUE (AGENT_TRANSPORT_CAPABILITIES_DURABLE_CONTROL, "durable-control"),
                     G_DEFINE_ENUM_VALUE (AGENT_TRANSPORT_CAPABILITIES_VERIFIED_SOURCE, "verified-source"),
                     G_DEFINE_ENUM_VALUE (AGENT_TRANSPORT_CAPABILITIES_PRESENCE_EVENTS, "presence-events"))

G_DEFINE_ENUM_TYPE (AgentTransportState, agent_transport_state,
                    G_DEFINE_ENUM_VALUE (AGENT_TRANSPORT_STATE_CLOSED, "closed"),
                    G_DEFINE_ENUM_VALUE (AGENT_TRANSPORT_STATE_CONNECTING, "connecting"),
                    G_DEFINE_ENUM_VALUE (AGENT_TRANSPORT_STATE_CONNECTED, "connected"),
                    G_DEFINE_ENUM_VALUE (AGENT_TRANSPORT_STATE_LOST, "lost"),
                    G_DEFINE_ENUM_VALUE (AGENT_TRANSPORT_STATE_CLOSING, "closing"))

static const struct
{
  const char  *nick;
  AgentChannel channel;
} message_types[] = { MESSAGE_TYPES (AS_TABLE_ROW) };

static const char *const drop_reason_nicks[] = { DROP_REASONS (AS_REASON_NICK) };

/* clang-format on */

/* Called for each new custom message, so this searches the table, which is faster than the enum class. */
gboolean
_agent_message_is_builtin_name (const char *name)
{
  for (guint type = 0; type < G_N_ELEMENTS (message_types); type++)
    {
      const char *nick = message_types[type].nick;

      if (*nick == *name && strcmp (nick, name) == 0)
        return TRUE;
    }

  return FALSE;
}

/**
 * agent_drop_reason_to_string:
 * @reason: A drop reason.
 *
 * Gets the nick of a drop reason, such as `no-target`.
 *
 * The statistics of a bus use the same nicks.
 *
 * Returns: (transfer none): the nick
 *
 * Since: 0.1
 */
const char *
agent_drop_reason_to_string (AgentDropReason reason)
{
  g_return_val_if_fail ((guint) reason < G_N_ELEMENTS (drop_reason_nicks), NULL);

  return drop_reason_nicks[reason];
}

/**
 * agent_message_type_to_string:
 * @type: A message type.
 *
 * Gets the nick of a message type, such as `task-update`.
 *
 * Returns: (transfer none): the nick
 *
 * Since: 0.1
 */
const char *
agent_message_type_to_string (AgentMessageType type)
{
  g_return_val_if_fail ((guint) type < G_N_ELEMENTS (message_types), NULL);

  return message_types[type].nick;
}

/**
 * agent_message_type_get_channel:
 * @type: A message type.
 *
 * Gets the channel that messages of a type travel.
 *
 * For `AGENT_MESSAGE_TYPE_CUSTOM` this is the data channel, though each custom message has a
 * channel of its own, see [method@AgentBus.Message.get_channel].
 *
 * Returns: the channel
 *
 * Since: 0.1
 */
AgentChannel
agent_message_type_get_channel (AgentMessageType type)
{
  g_return_val_if_fail ((guint) type < G_N_ELEMENTS (message_types), AGENT_CHANNEL_DATA);

  return message_types[type].channel;
}
