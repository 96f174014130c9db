/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The word that stands behind @n in a text: "1 message", "2 messages". */
static inline const char *
_agent_plural (guint64     n,
               const char *one,
               const char *many)
{
  return n == 1 ? one : many;
}

G_END_DECLS
