/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#define AGENT_INSIDE

#include "agent-version.h"
#include "agent-types.h"
#include "agent-enums.h"
#include "agent-bus-error.h"
#include "agent-bus.h"
#include "agent-delivery.h"
#include "agent-frame.h"
#include "agent-info.h"
#include "agent-message.h"
#include "agent-payload.h"
#include "agent-metrics.h"
#include "agent-retry-policy.h"
#include "agent-route-table.h"
#include "agent-router-dispatcher.h"
#include "agent-subscriber.h"

#undef AGENT_INSIDE
