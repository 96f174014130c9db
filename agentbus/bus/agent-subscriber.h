/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/message/agent-message.h>

G_BEGIN_DECLS

#define AGENT_TYPE_SUBSCRIBER (agent_subscriber_get_type ())

AGENT_AVAILABLE_IN_0_1
G_DECLARE_DERIVABLE_TYPE (AgentSubscriber, agent_subscriber, AGENT, SUBSCRIBER, GObject)

/**
 * AgentSubscriberClass:
 * @parent_class: The parent class.
 * @message: Handles one message; see [signal@AgentBus.Subscriber::message].
 *
 * The class of [class@AgentBus.Subscriber].
 *
 * Since: 0.1
 */
struct _AgentSubscriberClass
{
  GObjectClass parent_class;

  void (*message) (AgentSubscriber *self,
                   AgentMessage    *message);

  /*< private >*/
  gpointer _reserved[8];
};

AGENT_AVAILABLE_IN_0_1
AgentSubscriber *agent_subscriber_new              (const char      *name) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
const char      *agent_subscriber_get_name         (AgentSubscriber *self);
AGENT_AVAILABLE_IN_0_1
const char      *agent_subscriber_get_group        (AgentSubscriber *self);
AGENT_AVAILABLE_IN_0_1
GMainContext    *agent_subscriber_get_main_context (AgentSubscriber *self);
AGENT_AVAILABLE_IN_0_1
guint            agent_subscriber_get_capacity     (AgentSubscriber *self);
AGENT_AVAILABLE_IN_0_1
void             agent_subscriber_set_capacity     (AgentSubscriber *self,
                                                    guint            capacity);
AGENT_AVAILABLE_IN_0_1
guint64          agent_subscriber_get_max_bytes    (AgentSubscriber *self);
AGENT_AVAILABLE_IN_0_1
void             agent_subscriber_set_max_bytes    (AgentSubscriber *self,
                                                    guint64          max_bytes);
AGENT_AVAILABLE_IN_0_1
guint            agent_subscriber_get_max_age      (AgentSubscriber *self);
AGENT_AVAILABLE_IN_0_1
void             agent_subscriber_set_max_age      (AgentSubscriber *self,
                                                    guint            max_age);
AGENT_AVAILABLE_IN_0_1
AgentOverflow    agent_subscriber_get_overflow     (AgentSubscriber *self);
AGENT_AVAILABLE_IN_0_1
gint             agent_subscriber_get_priority     (AgentSubscriber *self);
AGENT_AVAILABLE_IN_0_1
char           **agent_subscriber_dup_accepts      (AgentSubscriber *self) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
void             agent_subscriber_set_accepts      (AgentSubscriber *self,
                                                    const char * const
                                                                    *accepts);
AGENT_AVAILABLE_IN_0_1
gboolean         agent_subscriber_accepts_all      (AgentSubscriber *self);
AGENT_AVAILABLE_IN_0_1
guint64          agent_subscriber_get_n_queued     (AgentSubscriber *self);
AGENT_AVAILABLE_IN_0_1
guint64          agent_subscriber_get_n_delivered  (AgentSubscriber *self);
AGENT_AVAILABLE_IN_0_1
guint64          agent_subscriber_get_n_dropped    (AgentSubscriber *self);
AGENT_AVAILABLE_IN_0_1
guint64          agent_subscriber_get_n_missed     (AgentSubscriber *self);
AGENT_AVAILABLE_IN_0_1
AgentBus        *agent_subscriber_dup_bus          (AgentSubscriber *self);
AGENT_AVAILABLE_IN_0_1
AgentDelivery   *agent_subscriber_defer            (AgentSubscriber *self) G_GNUC_WARN_UNUSED_RESULT;

AGENT_AVAILABLE_IN_0_1
gboolean         agent_subscriber_add_topic               (AgentSubscriber    *self,
                                                           const char         *pattern,
                                                           GError            **error);
AGENT_AVAILABLE_IN_0_1
gboolean         agent_subscriber_remove_topic            (AgentSubscriber    *self,
                                                           const char         *pattern);
AGENT_AVAILABLE_IN_0_1
char           **agent_subscriber_list_topics             (AgentSubscriber    *self) G_GNUC_WARN_UNUSED_RESULT;

AGENT_AVAILABLE_IN_0_1
gboolean         agent_subscriber_get_paused              (AgentSubscriber    *self);
AGENT_AVAILABLE_IN_0_1
void             agent_subscriber_set_paused              (AgentSubscriber    *self,
                                                           gboolean            paused);

AGENT_AVAILABLE_IN_0_1
void             agent_subscriber_receive_async           (AgentSubscriber    *self,
                                                           GCancellable       *cancellable,
                                                           GAsyncReadyCallback callback,
                                                           gpointer            user_data);
AGENT_AVAILABLE_IN_0_1
AgentMessage    *agent_subscriber_receive_finish          (AgentSubscriber    *self,
                                                           GAsyncResult       *result,
                                                           GError            **error) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
void             agent_subscriber_receive_delivery_async  (AgentSubscriber    *self,
                                                           GCancellable       *cancellable,
                                                           GAsyncReadyCallback callback,
                                                           gpointer            user_data);
AGENT_AVAILABLE_IN_0_1
AgentDelivery   *agent_subscriber_receive_delivery_finish (AgentSubscriber    *self,
                                                           GAsyncResult       *result,
                                                           GError            **error) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage    *agent_subscriber_receive                 (AgentSubscriber    *self,
                                                           gint                timeout_ms,
                                                           GCancellable       *cancellable,
                                                           GError            **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
