/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "test-support.h"
#include "transport-nats/agent-nats-transport.h"

G_BEGIN_DECLS

/*
 * A transport in a thread of its own, and what it has reported. The functions are called in the main thread. Those that
 * wait fail when it takes more than a minute.
 */
typedef struct
{
  char         *node;
  AgentTraffic  traffic;
  GBytes       *packet;
} TestNatsPacket;

typedef struct _TestNatsNode TestNatsNode;

/* Called in the thread of the node, before the packet is kept. Returns whether it is kept. */
typedef gboolean (*TestNatsFilter) (gpointer      data,
                                    const char   *node,
                                    AgentTraffic  traffic,
                                    GBytes       *packet);

struct _TestNatsNode
{
  TestThread     *thread;
  AgentTransport *transport;
  TestNatsFilter  filter; /* (nullable) */
  gpointer        filter_data;
  void          (*pump) (gpointer data); /* (nullable): called in the thread when there is room for data again */
  gpointer        pump_data;

  GMutex          lock;
  GCond           changed;
  GPtrArray      *packets;   /* (mutex lock) of TestNatsPacket */
  GPtrArray      *refusals;  /* (mutex lock) texts */
  GArray         *done;      /* (mutex lock) of gint: for each packet of control -1, or the code of its error */
  GHashTable     *stored;    /* (mutex lock) numbers that control_done() has told without an error */
  GHashTable     *failed;    /* only in the thread: numbers that must be sent again */
  guint           n_ready;   /* (mutex lock) */
  guint           n_states[AGENT_TRANSPORT_STATE_CLOSING + 1]; /* (mutex lock) how often each was reached */
  AgentTransportState state; /* (mutex lock) */
};

typedef void     (*TestNatsFunc)      (TestNatsNode *self,
                                       gpointer      data);
typedef gboolean (*TestNatsCondition) (TestNatsNode *self,
                                       gpointer      data);

TestNatsNode *test_nats_node_new           (const char           *node_id,
                                            const char           *first_property,
                                            ...) G_GNUC_NULL_TERMINATED;
TestNatsNode *test_nats_node_new_open      (const char           *node_id,
                                            const char           *url);
gboolean      test_nats_node_open          (TestNatsNode         *self,
                                            GError              **error);
gboolean      test_nats_node_close         (TestNatsNode         *self,
                                            GError              **error);
void          test_nats_node_free          (TestNatsNode         *self);
void          test_nats_node_run           (TestNatsNode         *self,
                                            TestNatsFunc          func,
                                            gpointer              data);
void          test_nats_node_wait          (TestNatsNode         *self,
                                            TestNatsCondition     condition,
                                            gpointer              data);
void          test_nats_node_wait_packets  (TestNatsNode         *self,
                                            guint                 n);
void          test_nats_node_wait_state    (TestNatsNode         *self,
                                            AgentTransportState   state,
                                            guint                 times);
char         *test_nats_node_wait_refusal  (TestNatsNode         *self,
                                            const char           *part) G_GNUC_WARN_UNUSED_RESULT;
char         *test_nats_node_dup_text      (TestNatsNode         *self,
                                            guint                 i) G_GNUC_WARN_UNUSED_RESULT;
void          test_nats_node_send_data     (TestNatsNode         *self,
                                            const char           *node,
                                            const char           *text);
void          test_nats_node_send_presence (TestNatsNode         *self,
                                            const char           *node,
                                            const char           *text);
void          test_nats_node_send_control  (TestNatsNode         *self,
                                            const char           *node,
                                            guint64               number,
                                            const char           *text);
gint          test_nats_node_wait_done     (TestNatsNode         *self,
                                            guint                 i);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestNatsNode, test_nats_node_free)

G_END_DECLS
