/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * A GSource that is ready when a GCancellable is cancelled. Its callback is a plain GSourceFunc.
 *
 * There is g_cancellable_source_new() for that, but its source is never freed if one thread destroys it while another one
 * cancels.
 *
 * The owner has to call clear() in the end, in any thread, also if the source has been dispatched or its context is gone.
 */

GSource *_agent_cancel_source_new   (GCancellable *cancellable);
void     _agent_cancel_source_clear (GSource     **source);

G_END_DECLS
