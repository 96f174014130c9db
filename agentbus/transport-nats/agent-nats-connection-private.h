/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport-nats/agent-nats-settings-private.h"

G_BEGIN_DECLS

/*
 * One connection to one server, from its beginning to its end. A connection that is lost does not come back: its owner
 * makes another one.
 *
 * What waits for a server is done in another thread: to connect, and to close. Everything else, and all functions of
 * the owner, are in the thread of the context. opened() is called once after open(). If it was given no error, lost()
 * may follow once. After close(), only closed() is called, once: then no thread uses the connection any more, and the
 * owner unrefs it.
 *
 * get_nats() may be used in the thread of the context while is_usable().
 */
typedef struct _AgentNatsConnection AgentNatsConnection;

typedef struct
{
  void (*opened)   (gpointer      data,
                    const GError *error);
  void (*readable) (gpointer      data);
  void (*writable) (gpointer      data);
  void (*refused)  (gpointer      data,
                    const char   *text);
  void (*lost)     (gpointer      data);
  void (*closed)   (gpointer      data,
                    gboolean      all_is_sent);
} AgentNatsConnectionOwner;

AgentNatsConnection *_agent_nats_connection_new            (GMainContext                   *context,
                                                            const AgentNatsSettings        *settings,
                                                            const AgentNatsConnectionOwner *owner,
                                                            gpointer                        data);
void                 _agent_nats_connection_unref          (AgentNatsConnection            *self);
void                 _agent_nats_connection_open           (AgentNatsConnection            *self,
                                                            GPtrArray                      *urls,
                                                            guint                           first);
void                 _agent_nats_connection_close          (AgentNatsConnection            *self,
                                                            GCancellable                   *cancellable);
natsConnection      *_agent_nats_connection_get_nats       (AgentNatsConnection            *self);
gboolean             _agent_nats_connection_is_usable      (AgentNatsConnection            *self);
gsize                _agent_nats_connection_get_buffered   (AgentNatsConnection            *self);
void                 _agent_nats_connection_write          (AgentNatsConnection            *self);
gboolean             _agent_nats_connection_is_encrypted   (AgentNatsConnection            *self);
guint                _agent_nats_connection_get_url        (AgentNatsConnection            *self);
gsize                _agent_nats_connection_get_max_packet (AgentNatsConnection            *self);
char               **_agent_nats_connection_get_discovered (AgentNatsConnection            *self);

G_END_DECLS
