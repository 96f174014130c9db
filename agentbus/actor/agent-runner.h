/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/actor/agent-actor.h>
#include <agentbus/bus/agent-bus.h>

G_BEGIN_DECLS

#define AGENT_TYPE_RUNNER (agent_runner_get_type ())

AGENT_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AgentRunner, agent_runner, AGENT, RUNNER, GObject)

AGENT_AVAILABLE_IN_0_1
AgentRunner  *agent_runner_new              (const char         *name) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
const char   *agent_runner_get_name         (AgentRunner        *self);
AGENT_AVAILABLE_IN_0_1
AgentBus     *agent_runner_get_bus          (AgentRunner        *self);
AGENT_AVAILABLE_IN_0_1
GMainContext *agent_runner_get_main_context (AgentRunner        *self);

AGENT_AVAILABLE_IN_0_1
gboolean      agent_runner_add              (AgentRunner        *self,
                                             AgentActor         *actor,
                                             GError            **error);
AGENT_AVAILABLE_IN_0_1
GPtrArray    *agent_runner_list_actors      (AgentRunner        *self) G_GNUC_WARN_UNUSED_RESULT;

AGENT_AVAILABLE_IN_0_1
int           agent_runner_run              (AgentRunner        *self);
AGENT_AVAILABLE_IN_0_1
void          agent_runner_quit             (AgentRunner        *self,
                                             int                 exit_status);
AGENT_AVAILABLE_IN_0_1
void          agent_runner_end_async        (AgentRunner        *self,
                                             const char         *reason,
                                             GCancellable       *cancellable,
                                             GAsyncReadyCallback callback,
                                             gpointer            user_data);
AGENT_AVAILABLE_IN_0_1
gboolean      agent_runner_end_finish       (AgentRunner        *self,
                                             GAsyncResult       *result,
                                             GError            **error);

G_END_DECLS
