/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-transport-private.h"

G_BEGIN_DECLS

/* What a node that the test plays does with the reports of its transport: nothing. It says itself what it does with packets. */

static inline void
test_ignore_ready (gpointer data)
{
}

static inline void
test_ignore_control_done (gpointer      data,
                          const char   *node,
                          guint64       session,
                          guint64       number,
                          const GError *error)
{
}

static inline void
test_ignore_node_gone (gpointer    data,
                       const char *node,
                       const char *reason)
{
}

static inline void
test_ignore_state (gpointer            data,
                   AgentTransportState state)
{
}

#define TEST_SINK_IGNORE \
  .ready = test_ignore_ready, .control_done = test_ignore_control_done, .node_gone = test_ignore_node_gone, \
  .state_changed = test_ignore_state

G_END_DECLS
