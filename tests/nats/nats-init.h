/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

gboolean test_nats_init (int    *argc,
                         char ***argv);

G_END_DECLS
