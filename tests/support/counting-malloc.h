/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A program that links this has all that is allocated in it counted. */

/* FALSE: something else has taken the place of malloc(), and all is 0. */
gboolean counting_malloc_can_count     (void);

/* How often memory was allocated, or changed its size. */
guint64  counting_malloc_n_allocations (void);

/* What has not been freed, in bytes. */
gint64   counting_malloc_live          (void);

G_END_DECLS
