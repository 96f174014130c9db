/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"

/**
 * agent_bus_error_quark:
 *
 * Gets the error domain of the library.
 *
 * Returns: the quark of `AGENT_BUS_ERROR`
 *
 * Since: 0.1
 */
/* clang-format off */
G_DEFINE_QUARK (agent-bus-error-quark, agent_bus_error)

G_DEFINE_ENUM_TYPE (AgentBusError, agent_bus_error,
                    G_DEFINE_ENUM_VALUE (AGENT_BUS_ERROR_FAILED, "failed"),
                    G_DEFINE_ENUM_VALUE (AGENT_BUS_ERROR_EXISTS, "exists"),
                    G_DEFINE_ENUM_VALUE (AGENT_BUS_ERROR_CLOSED, "closed"),
                    G_DEFINE_ENUM_VALUE (AGENT_BUS_ERROR_NOT_FOUND, "not-found"),
                    G_DEFINE_ENUM_VALUE (AGENT_BUS_ERROR_FULL, "full"),
                    G_DEFINE_ENUM_VALUE (AGENT_BUS_ERROR_ROUTER_NOT_FOUND, "router-not-found"),
                    G_DEFINE_ENUM_VALUE (AGENT_BUS_ERROR_ACTOR_NOT_ASSIGNED, "actor-not-assigned"),
                    G_DEFINE_ENUM_VALUE (AGENT_BUS_ERROR_DISPATCH, "dispatch"),
                    G_DEFINE_ENUM_VALUE (AGENT_BUS_ERROR_INVALID_MESSAGE, "invalid-message"),
                    G_DEFINE_ENUM_VALUE (AGENT_BUS_ERROR_TIMED_OUT, "timed-out"),
                    G_DEFINE_ENUM_VALUE (AGENT_BUS_ERROR_INVALID_TOPIC, "invalid-topic"),
                    G_DEFINE_ENUM_VALUE (AGENT_BUS_ERROR_STALE, "stale"),
                    G_DEFINE_ENUM_VALUE (AGENT_BUS_ERROR_CANCELLED, "cancelled"))
/* clang-format on */
