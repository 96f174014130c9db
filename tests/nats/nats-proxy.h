/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Stands between a node and a server, and passes on all bytes, in a thread of its own. When it stalls, it keeps back the last
 * byte of what the server says next, and all that follows on that connection, both ways; so what has come to the node ends
 * in the middle of a record of TLS. Later connections are passed on as before.
 */
typedef struct _TestNatsProxy TestNatsProxy;

TestNatsProxy *test_nats_proxy_new      (guint          port);
void           test_nats_proxy_free     (TestNatsProxy *self);
const char    *test_nats_proxy_get_url  (TestNatsProxy *self);
void           test_nats_proxy_stall    (TestNatsProxy *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestNatsProxy, test_nats_proxy_free)

G_END_DECLS
