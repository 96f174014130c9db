/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "trainer.h"

G_BEGIN_DECLS

gboolean curve_save (Trainer   **trainers,
                     guint       n_trainers,
                     const char *file,
                     GError    **error);

G_END_DECLS
