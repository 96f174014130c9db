/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "agent-enums.h"

G_BEGIN_DECLS

/* How many values the enumerations have, for arrays with one element for each of them. */
#define AGENT_N_CHANNELS      2
#define AGENT_N_DROP_REASONS  8
#define AGENT_N_MESSAGE_TYPES (AGENT_MESSAGE_TYPE_HAND_OFF + 1)

/* Whether one of the message types has this nick. Any thread may call it. */
gboolean _agent_message_is_builtin_name (const char *name);

G_END_DECLS
