/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-info.h"

G_BEGIN_DECLS

/* For who has made @info, before anybody else knows it. */
void _agent_info_set_node (AgentInfo  *info,
                           const char *node);

G_END_DECLS
