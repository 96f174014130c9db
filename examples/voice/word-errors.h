/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

guint word_errors_count (const char *said,
                         const char *heard,
                         guint      *n_words);

G_END_DECLS
