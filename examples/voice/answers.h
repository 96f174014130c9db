/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

char *answers_compose (const char *heard,
                       gboolean    first) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
