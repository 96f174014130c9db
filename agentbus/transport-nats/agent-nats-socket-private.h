/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>
#include <nats/nats.h>

G_BEGIN_DECLS

/*
 * The socket of a NATS connection, as a source in a GMainContext: what nats.c calls an event loop.
 *
 * A socket serves one connection, from its beginning to its end. nats.c says in any thread what it wants, while it
 * holds the lock of the connection, and the source reads and writes in the thread of the context. The functions of the
 * owner are called in that thread: readable() after something was read, and writable() after something was written. No
 * function is called after forget().
 *
 * is_usable() tells in any thread whether the socket is connected.
 */
typedef struct _AgentNatsSocket AgentNatsSocket;

typedef struct
{
  void (*readable) (gpointer data);
  void (*writable) (gpointer data);
} AgentNatsSocketOwner;

AgentNatsSocket *_agent_nats_socket_new       (GMainContext               *context,
                                               gboolean                    is_encrypted,
                                               const AgentNatsSocketOwner *owner,
                                               gpointer                    data);
void             _agent_nats_socket_unref     (AgentNatsSocket            *self);
void             _agent_nats_socket_forget    (AgentNatsSocket            *self);
natsStatus       _agent_nats_socket_configure (AgentNatsSocket            *self,
                                               natsOptions                *options);
gboolean         _agent_nats_socket_is_usable (AgentNatsSocket            *self);
void             _agent_nats_socket_write     (AgentNatsSocket            *self);
gboolean         _agent_nats_socket_take_activity
                                              (AgentNatsSocket            *self);
gint64           _agent_nats_socket_get_read_time (AgentNatsSocket *self);
void             _agent_nats_socket_hang_up   (AgentNatsSocket            *self);

G_END_DECLS
