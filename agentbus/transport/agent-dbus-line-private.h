/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport/agent-dbus-calls-private.h"

G_BEGIN_DECLS

/*
 * One connection, to a message bus or to a peer, in the thread of the transport: messages come and go, method calls get
 * their replies, and the end is told. GDBus reads and writes in a thread of its own; nothing here waits.
 *
 * All functions are called in the thread of the context that was the thread default when the line was made.
 */
typedef struct _AgentDBusLine AgentDBusLine;

/* Each function may close the line. */
typedef struct
{
  void (*message) (gpointer       data,
                   AgentDBusLine *line,
                   GDBusMessage  *message);
  void (*room)    (gpointer       data);
  void (*closed)  (gpointer       data,
                   AgentDBusLine *line,
                   const char    *reason);
} AgentDBusLineFuncs;

typedef void (*AgentDBusDoneFunc) (gpointer data);

AgentDBusLine *_agent_dbus_line_new            (GDBusConnection           *connection,
                                                const char                *path,
                                                gboolean                   is_shared,
                                                const AgentDBusLineFuncs  *funcs,
                                                gpointer                   data);
void           _agent_dbus_line_close          (AgentDBusLine             *self,
                                                GCancellable              *cancellable,
                                                AgentDBusDoneFunc          done,
                                                gpointer                   data);
const char    *_agent_dbus_line_get_name       (AgentDBusLine             *self);
const char    *_agent_dbus_line_get_path       (AgentDBusLine             *self);
gboolean       _agent_dbus_line_is_on_bus      (AgentDBusLine             *self);
gboolean       _agent_dbus_line_is_shared      (AgentDBusLine             *self);

gboolean       _agent_dbus_line_send           (AgentDBusLine             *self,
                                                GDBusMessage              *message,
                                                GError                   **error);
void           _agent_dbus_line_call           (AgentDBusLine             *self,
                                                GDBusMessage              *message,
                                                AgentDBusReplyFunc         func,
                                                gpointer                   data);
void           _agent_dbus_line_reply          (AgentDBusLine             *self,
                                                GDBusMessage              *message,
                                                const char                *error_name,
                                                const char                *text);
gboolean       _agent_dbus_line_is_full        (AgentDBusLine             *self);
gboolean       _agent_dbus_line_has_room       (AgentDBusLine             *self);
gboolean       _agent_dbus_line_is_stalled     (AgentDBusLine             *self);

G_END_DECLS
