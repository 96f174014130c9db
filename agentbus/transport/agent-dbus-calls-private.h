/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * The method calls that have no reply yet, by their serial numbers. All of a table have the same patience.
 *
 * In one thread, which iterates the context.
 */
typedef struct _AgentDBusCalls AgentDBusCalls;

/* @reply: (nullable): NULL if there is an error. @error: (nullable). Called once for each call, never within add(). */
typedef void (*AgentDBusReplyFunc) (gpointer      data,
                                    GDBusMessage *reply,
                                    const GError *error);

AgentDBusCalls *_agent_dbus_calls_new    (GMainContext       *context,
                                          guint               patience);
void            _agent_dbus_calls_free   (AgentDBusCalls     *self);
void            _agent_dbus_calls_add    (AgentDBusCalls     *self,
                                          guint32             serial,
                                          AgentDBusReplyFunc  func,
                                          gpointer            data);
void            _agent_dbus_calls_answer (AgentDBusCalls     *self,
                                          GDBusMessage       *reply);
void            _agent_dbus_calls_fail   (AgentDBusCalls     *self,
                                          const GError       *error);

G_END_DECLS
