/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>
#include <stddef.h>

/* The struct of @type whose @member is at @pointer. The cast by way of a gpointer says that the alignment is right. */
#define AGENT_CONTAINER_OF(pointer, type, member) \
  ((type *) (gpointer) ((char *) (pointer) - offsetof (type, member)))
