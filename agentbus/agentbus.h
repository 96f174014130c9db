/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#define AGENT_INSIDE

#include <agentbus/agent-bus-error.h>
#include <agentbus/agent-enums.h>
#include <agentbus/agent-types.h>
#include <agentbus/agent-version.h>
#include <agentbus/agent-visibility.h>
#include <agentbus/actor/agent-actor.h>
#include <agentbus/actor/agent-bus-request.h>
#include <agentbus/actor/agent-job.h>
#include <agentbus/actor/agent-peer.h>
#include <agentbus/actor/agent-registry.h>
#include <agentbus/actor/agent-runner.h>
#include <agentbus/actor/agent-task-group.h>
#include <agentbus/actor/agent-task.h>
#include <agentbus/base/agent-main-context.h>
#include <agentbus/bus/agent-bus.h>
#include <agentbus/bus/agent-delivery.h>
#include <agentbus/bus/agent-subscriber.h>
#include <agentbus/bus/agent-transport.h>
#include <agentbus/message/agent-conversation.h>
#include <agentbus/message/agent-frame.h>
#include <agentbus/message/agent-info.h>
#include <agentbus/message/agent-message.h>
#include <agentbus/message/agent-payload.h>
#include <agentbus/router/agent-metrics.h>
#include <agentbus/router/agent-retry-policy.h>
#include <agentbus/router/agent-route-table.h>
#include <agentbus/router/agent-router-dispatcher.h>
#include <agentbus/transport/agent-dbus-transport.h>

#undef AGENT_INSIDE
