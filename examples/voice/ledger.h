/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

void     ledger_print_header      (void);
gboolean ledger_print_subscribers (GVariant   *statistics);
gboolean ledger_print_bus         (const char *title,
                                   GVariant   *statistics);
guint64  ledger_get_count         (GVariant   *entry,
                                   const char *key);
guint64  ledger_get_n_dropped     (GVariant   *statistics);
guint64  ledger_get_n_queued      (GVariant   *statistics);

G_END_DECLS
