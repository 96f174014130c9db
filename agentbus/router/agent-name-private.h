/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

/*
 * The name of a router, shared by the route table and the lanes of all dispatchers. It is not interned: another thread may
 * let go of the last reference at any time, with no lock held.
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
