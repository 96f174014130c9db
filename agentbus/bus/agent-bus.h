/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/agent-bus-error.h>
#include <agentbus/bus/agent-subscriber.h>

G_BEGIN_DECLS

#define AGENT_TYPE_BUS (agent_bus_get_type ())

/**
 * AGENT_BUS_DEFAULT_CAPACITY:
 *
 * How many data messages may wait for a subscriber when nothing else is said.
 *
 * Since: 0.1
 */
#define AGENT_BUS_DEFAULT_CAPACITY 256

/**
 * AGENT_BUS_DEFAULT_SHUTDOWN_TIMEOUT:
 *
 * How long subscribers may take to leave when nothing else is said, in milliseconds.
 *
 * Since: 0.1
 */
#define AGENT_BUS_DEFAULT_SHUTDOWN_TIMEOUT 2000

AGENT_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AgentBus, agent_bus, AGENT, BUS, GObject)

/**
 * AgentBusNameFunc:
 * @bus: a bus
 * @name: a name
 * @user_data: what was given to [method@AgentBus.Bus.watch_name]
 *
 * What [method@AgentBus.Bus.watch_name] calls when a name appears or vanishes.
 *
 * Since: 0.1
 */
typedef void (*AgentBusNameFunc) (AgentBus   *bus,
                                  const char *name,
                                  gpointer    user_data);

AGENT_AVAILABLE_IN_0_1
AgentBus        *agent_bus_new                  (void) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentBus        *agent_bus_new_with_capacity    (guint                capacity) G_GNUC_WARN_UNUSED_RESULT;

AGENT_AVAILABLE_IN_0_1
guint            agent_bus_get_capacity         (AgentBus            *self);
AGENT_AVAILABLE_IN_0_1
gboolean         agent_bus_get_total_order      (AgentBus            *self);
AGENT_AVAILABLE_IN_0_2
AgentTransport  *agent_bus_get_transport        (AgentBus            *self);
AGENT_AVAILABLE_IN_0_1
guint            agent_bus_get_shutdown_timeout (AgentBus            *self);
AGENT_AVAILABLE_IN_0_1
void             agent_bus_set_shutdown_timeout (AgentBus            *self,
                                                 guint                timeout);
AGENT_AVAILABLE_IN_0_1
gboolean         agent_bus_is_running           (AgentBus            *self);
AGENT_AVAILABLE_IN_0_1
guint            agent_bus_get_n_subscribers    (AgentBus            *self);

AGENT_AVAILABLE_IN_0_1
gboolean         agent_bus_subscribe            (AgentBus            *self,
                                                 AgentSubscriber     *subscriber,
                                                 GError             **error);
AGENT_AVAILABLE_IN_0_1
void             agent_bus_unsubscribe          (AgentBus            *self,
                                                 const char          *name);
AGENT_AVAILABLE_IN_0_1
void             agent_bus_unsubscribe_async    (AgentBus            *self,
                                                 const char          *name,
                                                 GCancellable        *cancellable,
                                                 GAsyncReadyCallback  callback,
                                                 gpointer             user_data);
AGENT_AVAILABLE_IN_0_1
gboolean         agent_bus_unsubscribe_finish   (AgentBus            *self,
                                                 GAsyncResult        *result,
                                                 GError             **error);
AGENT_AVAILABLE_IN_0_1
gboolean         agent_bus_add_monitor          (AgentBus            *self,
                                                 AgentSubscriber     *subscriber,
                                                 const char * const  *filter,
                                                 GError             **error);
AGENT_AVAILABLE_IN_0_1
void             agent_bus_remove_monitor       (AgentBus            *self,
                                                 AgentSubscriber     *subscriber);
AGENT_AVAILABLE_IN_0_1
AgentSubscriber *agent_bus_lookup               (AgentBus            *self,
                                                 const char          *name) G_GNUC_WARN_UNUSED_RESULT;

AGENT_AVAILABLE_IN_0_1
guint            agent_bus_send                 (AgentBus            *self,
                                                 AgentMessage        *message);
AGENT_AVAILABLE_IN_0_1
gboolean         agent_bus_try_send             (AgentBus            *self,
                                                 AgentMessage        *message,
                                                 GError             **error);
AGENT_AVAILABLE_IN_0_1
void             agent_bus_send_async           (AgentBus            *self,
                                                 AgentMessage        *message,
                                                 GCancellable        *cancellable,
                                                 GAsyncReadyCallback  callback,
                                                 gpointer             user_data);
AGENT_AVAILABLE_IN_0_1
gboolean         agent_bus_send_finish          (AgentBus            *self,
                                                 GAsyncResult        *result,
                                                 GError             **error);

AGENT_AVAILABLE_IN_0_1
void             agent_bus_clear_retained       (AgentBus            *self,
                                                 const char          *topic);

AGENT_AVAILABLE_IN_0_1
void             agent_bus_start_async          (AgentBus            *self,
                                                 GCancellable        *cancellable,
                                                 GAsyncReadyCallback  callback,
                                                 gpointer             user_data);
AGENT_AVAILABLE_IN_0_1
gboolean         agent_bus_start_finish         (AgentBus            *self,
                                                 GAsyncResult        *result,
                                                 GError             **error);
AGENT_AVAILABLE_IN_0_1
void             agent_bus_stop_async           (AgentBus            *self,
                                                 GCancellable        *cancellable,
                                                 GAsyncReadyCallback  callback,
                                                 gpointer             user_data);
AGENT_AVAILABLE_IN_0_1
gboolean         agent_bus_stop_finish          (AgentBus            *self,
                                                 GAsyncResult        *result,
                                                 GError             **error);

AGENT_AVAILABLE_IN_0_1
gboolean         agent_bus_get_dropped          (AgentBus            *self,
                                                 const char          *name,
                                                 guint64             *n_dropped);
AGENT_AVAILABLE_IN_0_1
GVariant        *agent_bus_get_statistics       (AgentBus            *self) G_GNUC_WARN_UNUSED_RESULT;

/* How to leave without loss, and to wait until all is handled */
AGENT_AVAILABLE_IN_0_1
void     agent_bus_unsubscribe_full_async  (AgentBus           *self,
                                            const char         *name,
                                            AgentLeaveFlags     flags,
                                            GCancellable       *cancellable,
                                            GAsyncReadyCallback callback,
                                            gpointer            user_data);
AGENT_AVAILABLE_IN_0_1
gboolean agent_bus_unsubscribe_full_finish (AgentBus           *self,
                                            GAsyncResult       *result,
                                            GError            **error);
AGENT_AVAILABLE_IN_0_1
void     agent_bus_stop_full_async         (AgentBus           *self,
                                            AgentLeaveFlags     flags,
                                            GCancellable       *cancellable,
                                            GAsyncReadyCallback callback,
                                            gpointer            user_data);
AGENT_AVAILABLE_IN_0_1
gboolean agent_bus_stop_full_finish        (AgentBus           *self,
                                            GAsyncResult       *result,
                                            GError            **error);
AGENT_AVAILABLE_IN_0_1
void     agent_bus_flush_async             (AgentBus           *self,
                                            const char         *name,
                                            GCancellable       *cancellable,
                                            GAsyncReadyCallback callback,
                                            gpointer            user_data);
AGENT_AVAILABLE_IN_0_1
gboolean agent_bus_flush_finish            (AgentBus           *self,
                                            GAsyncResult       *result,
                                            GError            **error);

/* Names */
AGENT_AVAILABLE_IN_0_1
GStrv    agent_bus_list_names               (AgentBus        *self) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
guint    agent_bus_watch_name               (AgentBus        *self,
                                             const char      *name,
                                             AgentBusNameFunc appeared,
                                             AgentBusNameFunc vanished,
                                             gpointer         user_data,
                                             GDestroyNotify   destroy);
AGENT_AVAILABLE_IN_0_1
guint    agent_bus_watch_name_with_closures (AgentBus        *self,
                                             const char      *name,
                                             GClosure        *appeared,
                                             GClosure        *vanished);
AGENT_AVAILABLE_IN_0_1
void     agent_bus_unwatch_name             (AgentBus        *self,
                                             guint            id);

G_END_DECLS
