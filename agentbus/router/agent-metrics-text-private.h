/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "router/agent-figures-private.h"

G_BEGIN_DECLS

/* Writes figures in the text formats that Prometheus reads. Knows no object and no lock. */
char *_agent_metrics_text_new (GPtrArray *samples,
                               gboolean   open_metrics);

G_END_DECLS
