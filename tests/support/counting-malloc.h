/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Counts all memory that a program allocates which is linked with this file. */

/* Returns FALSE if something else has replaced malloc(): all counts are then 0. */
gboolean counting_malloc_can_count     (void);

/* Returns how often memory was allocated, or changed its size. */
guint64  counting_malloc_n_allocations (void);

/* Returns the memory that is not freed, in bytes. */
gint64   counting_malloc_live          (void);

G_END_DECLS
