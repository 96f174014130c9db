/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * A nats-server of the test, on a free port of the loopback device, with a store in a temporary folder. It ends with
 * the test. All functions are called in the main thread.
 */
typedef struct
{
  char  *folder; /* of its configuration, its log and its store */
  char  *url;
  guint  port;
  GPid   pid; /* 0 if it does not run */
} TestNatsServer;

char           *test_nats_find          (void);
TestNatsServer *test_nats_server_new    (const char     *more_configuration);
TestNatsServer *test_nats_server_new_without_jetstream
                                        (void);
void            test_nats_server_new_cluster
                                        (TestNatsServer *servers[],
                                         guint           n);
void            test_nats_server_free   (TestNatsServer *self);
void            test_nats_server_start  (TestNatsServer *self);
void            test_nats_server_signal (TestNatsServer *self,
                                         int             signal_number);
void            test_nats_server_kill   (TestNatsServer *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestNatsServer, test_nats_server_free)

G_END_DECLS
