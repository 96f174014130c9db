/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/agent-types.h>

G_BEGIN_DECLS

#define AGENT_BUS_ERROR      (agent_bus_error_quark ())
#define AGENT_TYPE_BUS_ERROR (agent_bus_error_get_type ())

/**
 * AgentBusError:
 * @AGENT_BUS_ERROR_FAILED: A failure that has no other code.
 * @AGENT_BUS_ERROR_EXISTS: The name is in use, or the subscriber is still subscribed.
 * @AGENT_BUS_ERROR_CLOSED: The bus, or the dispatcher, is stopped.
 * @AGENT_BUS_ERROR_NOT_FOUND: There is no subscriber of that name.
 * @AGENT_BUS_ERROR_FULL: There is no room for the message.
 * @AGENT_BUS_ERROR_ROUTER_NOT_FOUND: The router that an actor is assigned to is not on the bus. For applications: the
 *   library does not use it, as a dispatcher parks such a message.
 * @AGENT_BUS_ERROR_ACTOR_NOT_ASSIGNED: The actor has no router.
 * @AGENT_BUS_ERROR_DISPATCH: The message could not be passed to a router. For applications: the library does not use it.
 * @AGENT_BUS_ERROR_INVALID_MESSAGE: A payload or a wire form is not valid.
 * @AGENT_BUS_ERROR_TIMED_OUT: The deadline passed before the operation was done.
 * @AGENT_BUS_ERROR_INVALID_TOPIC: A pattern for topics is not valid.
 * @AGENT_BUS_ERROR_STALE: The conversation of the message has gone on.
 * @AGENT_BUS_ERROR_CANCELLED: The task was cancelled.
 *
 * The errors that can happen at run time.
 *
 * Since: 0.1
 */
typedef enum
{
  AGENT_BUS_ERROR_FAILED,
  AGENT_BUS_ERROR_EXISTS,
  AGENT_BUS_ERROR_CLOSED,
  AGENT_BUS_ERROR_NOT_FOUND,
  AGENT_BUS_ERROR_FULL,
  AGENT_BUS_ERROR_ROUTER_NOT_FOUND,
  AGENT_BUS_ERROR_ACTOR_NOT_ASSIGNED,
  AGENT_BUS_ERROR_DISPATCH,
  AGENT_BUS_ERROR_INVALID_MESSAGE,
  AGENT_BUS_ERROR_TIMED_OUT,
  AGENT_BUS_ERROR_INVALID_TOPIC,
  AGENT_BUS_ERROR_STALE,
  AGENT_BUS_ERROR_CANCELLED,
} AgentBusError;

AGENT_AVAILABLE_IN_0_1
GType  agent_bus_error_get_type (void);
AGENT_AVAILABLE_IN_0_1
GQuark agent_bus_error_quark    (void);

G_END_DECLS
