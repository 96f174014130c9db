/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

#include "test-thread.h"

G_BEGIN_DECLS

/*
 * A transport with a thread of its own, and a sink that writes down what is reported, a line for each report:
 *
 *   data NODE TEXT, control NODE TEXT, presence NODE TEXT, ready, done NODE SESSION NUMBER (or: failed …), gone NODE,
 *   state NICK
 *
 * The test calls all functions in its own thread and waits for what is written down, or for the signals of the transport, which
 * come in the context that was the thread default when the node was made.
 */
typedef struct
{
  AgentTransport *transport; /* (owned) */
  TestThread     *thread;    /* (owned) */
  gboolean        is_open;
  gboolean        is_quiet;  /* (atomic) packets are counted only */
  gint            n_packets; /* (atomic) */

  GMutex          lock;
  GCond           cond;
  GPtrArray      *lines;     /* (lock) of char * (owned) */
  guint           n_read;    /* (lock) lines that were waited for */

  GMainContext   *context;   /* (owned) of the signals */
  GPtrArray      *refusals;  /* of char * (owned): NODE, a space, and the text */
} TestNode;

TestNode   *test_node_new          (AgentTransport *transport) G_GNUC_WARN_UNUSED_RESULT;
void        test_node_free         (TestNode       *self);
gboolean    test_node_open         (TestNode       *self,
                                    GError        **error);
void        test_node_close        (TestNode       *self,
                                    GCancellable   *cancellable);

gboolean    test_node_send         (TestNode       *self,
                                    const char     *target,
                                    const char     *text,
                                    GError        **error);
gboolean    test_node_send_bytes   (TestNode       *self,
                                    const char     *target,
                                    GBytes         *packet,
                                    GError        **error);
void        test_node_send_control (TestNode       *self,
                                    const char     *target,
                                    guint64         number,
                                    const char     *text);
void        test_node_presence     (TestNode       *self,
                                    const char     *target,
                                    const char     *text);

void        test_node_expect       (TestNode       *self,
                                    const char     *line);
void        test_node_wait         (TestNode       *self,
                                    const char     *line);
void        test_node_wait_part    (TestNode       *self,
                                    const char     *part);
gboolean    test_node_has          (TestNode       *self,
                                    const char     *line);
void        test_node_expect_refusal
                                   (TestNode       *self,
                                    const char     *part);
void        test_node_sync         (TestNode       *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestNode, test_node_free)

G_END_DECLS
