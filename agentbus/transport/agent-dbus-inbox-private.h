/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * What has come in over a connection, on its way from the thread of GDBus to the thread of the transport: in the order in which
 * it came, be it a signal, a method call or a reply. GDBus alone would bring each of them by a source of its own, and a
 * reply before the signals that came before it.
 *
 * It also counts what waits in the connection to be written, for GDBus keeps any amount.
 *
 * Both are bounded. If the context is not iterated for long, data and presence are dropped, and control is refused, so that it
 * is sent again. If the connection does not take what is sent, has_room() says so.
 */
typedef struct _AgentDBusInbox AgentDBusInbox;

#define AGENT_DBUS_INBOX_MAX  (32 * 1024 * 1024) /* bytes that have come in */
#define AGENT_DBUS_OUTBOX_MAX (1024 * 1024)      /* bytes that wait to be written */

/* In the context of the inbox. Each function may close the inbox: then no other one is called. */
typedef struct
{
  void (*message) (gpointer      data,
                   GDBusMessage *message);
  void (*room)    (gpointer      data);
  void (*closed)  (gpointer      data,
                   const char   *reason);
} AgentDBusInboxFuncs;

/* In the thread of the context */
AgentDBusInbox *_agent_dbus_inbox_new          (GMainContext              *context,
                                                const char                *path,
                                                gboolean                   is_shared,
                                                const AgentDBusInboxFuncs *funcs,
                                                gpointer                   data);
void            _agent_dbus_inbox_close        (AgentDBusInbox            *self);
gboolean        _agent_dbus_inbox_has_room     (AgentDBusInbox            *self);

/* Any thread */
AgentDBusInbox *_agent_dbus_inbox_ref          (AgentDBusInbox            *self);
void            _agent_dbus_inbox_unref        (AgentDBusInbox            *self);
void            _agent_dbus_inbox_add_closed   (AgentDBusInbox            *self,
                                                const char                *reason);
void            _agent_dbus_inbox_add_sent     (AgentDBusInbox            *self,
                                                GDBusMessage              *message);
void            _agent_dbus_inbox_take_back    (AgentDBusInbox            *self,
                                                GDBusMessage              *message);
gboolean        _agent_dbus_inbox_is_full      (AgentDBusInbox            *self);
gint64          _agent_dbus_inbox_get_progress (AgentDBusInbox            *self);

/* A GDBusMessageFilterFunction whose data is the inbox */
GDBusMessage   *_agent_dbus_inbox_filter       (GDBusConnection           *connection,
                                                GDBusMessage              *message,
                                                gboolean                   incoming,
                                                gpointer                   inbox);

G_END_DECLS
