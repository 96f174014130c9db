/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * The names that nodes own on a message bus of D-Bus: org.agentbus.Bus.BUS.NODE.
 *
 * An element of such a name has letters, digits, "-" and "_", and no digit at its start. Other bytes become "_" and two
 * hexadecimal digits. What gets too long in that way, for a name has 255 bytes at most, is written in base64 if it is the id of a
 * node, and as a hash if it is the name of a bus, which all know. So each node has one name, and from the name everybody knows
 * the id.
 *
 * All functions may be called in any thread.
 */

/* Returns: (transfer full): what the names of all nodes of a bus begin with, without the last dot */
char *_agent_dbus_name_new_namespace (const char *bus_name);

/* Returns: (transfer full): where a bus is found in each process */
char *_agent_dbus_name_new_path      (const char *bus_name);

/* Returns: (transfer full): the name of a node */
char *_agent_dbus_name_new           (const char *name_space,
                                      const char *node);

gboolean
      _agent_dbus_name_is_in         (const char *name_space,
                                      const char *name);

/* Returns: (transfer full) (nullable): the id of the node that has the name, or NULL if no node can have it */
char *_agent_dbus_name_dup_node      (const char *name_space,
                                      const char *name);

/* Whether a peer may call its node so. */
gboolean
      _agent_dbus_name_is_node       (const char *node);

G_END_DECLS
