/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

/*
 * An engine for tests: the transports of one hub are connected with one another in this process, each in the thread that opens
 * it. A plan of faults says what becomes of the packets on their way, from a seed, so that each run can be repeated.
 */
typedef struct _TestHub TestHub;

/* How many packets of 1000 suffer it. */
typedef struct
{
  guint lose;      /* it does not arrive; for control, the sender is told so, or is not told although it has arrived */
  guint duplicate; /* it arrives twice */
  guint reorder;   /* it arrives after the next ones */
} TestFaults;

TestHub        *test_hub_new        (guint32           seed);
void            test_hub_free       (TestHub          *self);
AgentTransport *test_hub_add        (TestHub          *self,
                                     const char       *node);
void            test_hub_set_faults (TestHub          *self,
                                     AgentTraffic      traffic,
                                     const TestFaults *faults);

/* Nothing comes and goes at @node, which knows it: its engine is not reachable. */
void            test_hub_cut        (TestHub          *self,
                                     const char       *node,
                                     gboolean          cut);
/* The process of @node is stopped: what is sent to it waits, and it sends nothing. */
void            test_hub_freeze     (TestHub          *self,
                                     const char       *node,
                                     gboolean          frozen);
/* The process of @node has ended at once: nobody is told. */
void            test_hub_kill       (TestHub          *self,
                                     const char       *node);
/* The engine takes no data of @node. */
void            test_hub_block      (TestHub          *self,
                                     const char       *node,
                                     gboolean          blocked);
/* @node gets a packet of presence from a node that the hub does not know. */
void            test_hub_inject     (TestHub          *self,
                                     const char       *node,
                                     const char       *from,
                                     GBytes           *packet);
/* The engine takes control of @node, and does not answer until it is told to. */
void            test_hub_hold       (TestHub          *self,
                                     const char       *node,
                                     gboolean          held);
/* Answers the oldest packets that are held: that they were taken, or not. */
void            test_hub_answer     (TestHub          *self,
                                     const char       *node,
                                     guint             n,
                                     gboolean          good);
/* The most packets of control of @node that were not answered at a time. */
guint           test_hub_get_max_open
                                    (TestHub          *self,
                                     const char       *node);
/* Whether opening fails. */
void            test_hub_refuse     (TestHub          *self,
                                     gboolean          refuses);
guint           test_hub_count_ports
                                    (TestHub          *self);
guint           test_hub_count_sent (TestHub          *self,
                                     const char       *node,
                                     AgentTraffic      traffic);
/* The window of control of the transports that are added from now on. */
void            test_hub_set_window (TestHub          *self,
                                     guint             window);
/* No packet may be larger. Before the transports are opened. */
void            test_hub_limit      (TestHub          *self,
                                     gsize             max_packet);

G_END_DECLS
