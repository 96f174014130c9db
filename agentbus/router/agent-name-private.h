/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

/*
 * The name of a router: a counted string, shared by the route table and the lanes of all dispatchers.
 *
 * It is no GRefString, though it looks like one: the last g_ref_string_release() takes a lock of the whole process, and
 * takes an equal string of the application's out of the table of interned ones.
 */
typedef char AgentName;

static inline AgentName *
_agent_name_new (const char *text)
{
  gsize      size = strlen (text) + 1;
  AgentName *self = g_atomic_rc_box_alloc (size);

  memcpy (self, text, size);
  return self;
}

static inline AgentName *
_agent_name_ref (AgentName *self)
{
  return g_atomic_rc_box_acquire (self);
}

static inline void
_agent_name_unref (AgentName *self)
{
  g_atomic_rc_box_release (self);
}

G_END_DECLS
