/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "nats-node.h"

#include <string.h>

#include "bus/agent-transport-private.h"

#define NODE_PATIENCE (60 * G_TIME_SPAN_SECOND)

/* --- What is reported --- */

static void
node_free_packet (gpointer data)
{
  TestNatsPacket *packet = data;

  g_free (packet->node);
  g_bytes_unref (packet->packet);
  g_free (packet);
}

static void
node_on_received (gpointer     data,
                  const char  *node,
                  AgentTraffic traffic,
                  GBytes      *packet)
{
  TestNatsNode   *self = data;
  TestNatsPacket *kept;

  if (self->filter != NULL && !self->filter (self->filter_data, node, traffic, packet))
    return;

  kept = g_new0 (TestNatsPacket, 1);
  kept->node = g_strdup (node);
  kept->traffic = traffic;
  kept->packet = g_bytes_ref (packet);
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->packets, kept);
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

static void
node_on_ready (gpointer data)
{
  TestNatsNode *self = data;

  g_mutex_lock (&self->lock);
  self->n_ready++;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  if (self->pump != NULL)
    self->pump (self->pump_data);
}

static void
node_on_control_done (gpointer      data,
                      const char   *node,
                      guint64       session,
                      guint64       number,
                      const GError *error)
{
  TestNatsNode *self = data;
  gint          code = error != NULL ? error->code : -1;

  g_mutex_lock (&self->lock);
  g_array_append_val (self->done, code);
  if (error == NULL)
    g_hash_table_add (self->stored, GUINT_TO_POINTER (number));
  else
    g_hash_table_add (self->failed, GUINT_TO_POINTER (number));
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

static void
node_on_node_gone (gpointer    data,
                   const char *node,
                   const char *reason)
{
}

static void
node_on_state (gpointer            data,
               AgentTransportState state)
{
  TestNatsNode *self = data;

  g_mutex_lock (&self->lock);
  self->state = state;
  self->n_states[state]++;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

static void
node_on_refused (AgentTransport *transport,
                 const char     *node,
                 const char     *text,
                 gpointer        data)
{
  TestNatsNode *self = data;

  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->refusals, g_strdup (text));
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

static const AgentTransportSink node_sink = {
  .received = node_on_received,
  .ready = node_on_ready,
  .control_done = node_on_control_done,
  .node_gone = node_on_node_gone,
  .state_changed = node_on_state,
};

/* --- Calls in the thread --- */

typedef struct
{
  TestNatsNode *node;
  TestNatsFunc  func;
  gpointer      data;
} NodeCall;

static gboolean
node_call (gpointer data)
{
  NodeCall *call = data;

  call->func (call->node, call->data);
  return G_SOURCE_REMOVE;
}

/* Returns when it has run. */
void
test_nats_node_run (TestNatsNode *self,
                    TestNatsFunc  func,
                    gpointer      data)
{
  NodeCall call = { self, func, data };
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_HIGH);
  g_source_set_callback (source, node_call, &call, NULL);
  g_source_attach (source, self->thread->context);
  test_thread_sync (self->thread);
  while (!g_source_is_destroyed (source))
    test_thread_sync (self->thread);
}

/* Waits until the condition holds, with the lock held. */
void
test_nats_node_wait (TestNatsNode     *self,
                     TestNatsCondition condition,
                     gpointer          data)
{
  gint64 deadline = g_get_monotonic_time () + NODE_PATIENCE;

  g_mutex_lock (&self->lock);
  while (!condition (self, data))
    {
      if (!g_cond_wait_until (&self->changed, &self->lock, deadline))
        g_error ("It takes too long");
    }
  g_mutex_unlock (&self->lock);
}

/* --- Its life --- */

typedef struct
{
  const char *first_property;
  va_list    *properties;
  const char *node_id;
} NodeProperties;

static void
node_make (TestNatsNode *self,
           gpointer      data)
{
  NodeProperties *properties = data;

  self->transport =
      AGENT_TRANSPORT (g_object_new_valist (AGENT_TYPE_NATS_TRANSPORT, properties->first_property, *properties->properties));
  g_signal_connect (self->transport, "refused", G_CALLBACK (node_on_refused), self);
  g_assert_true (_agent_transport_set_sink (self->transport, &node_sink, self));
}

static TestNatsNode *
node_new (NodeProperties *properties)
{
  TestNatsNode *self = g_new0 (TestNatsNode, 1);

  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->packets = g_ptr_array_new_with_free_func (node_free_packet);
  self->refusals = g_ptr_array_new_with_free_func (g_free);
  self->done = g_array_new (FALSE, FALSE, sizeof (gint));
  self->stored = g_hash_table_new (NULL, NULL);
  self->failed = g_hash_table_new (NULL, NULL);
  self->thread = test_thread_new ();
  test_nats_node_run (self, node_make, properties);
  return self;
}

static TestNatsNode *
node_new_with (const char *first_property,
               ...)
{
  NodeProperties properties = { .first_property = first_property };
  TestNatsNode  *self;
  va_list        list;

  va_start (list, first_property);
  properties.properties = &list;
  self = node_new (&properties);
  va_end (list);
  return self;
}

/* @first_property: and others, for g_object_new() */
TestNatsNode *
test_nats_node_new (const char *node_id,
                    const char *first_property,
                    ...)
{
  NodeProperties properties = { .first_property = first_property, .node_id = node_id };
  TestNatsNode  *self;
  va_list        list;

  va_start (list, first_property);
  properties.properties = &list;
  self = node_new (&properties);
  va_end (list);
  g_assert_cmpstr (agent_transport_get_node_id (self->transport), ==, node_id);
  return self;
}

TestNatsNode *
test_nats_node_new_open (const char *node_id,
                         const char *url)
{
  const char *const urls[] = { url, NULL };
  TestNatsNode     *self = node_new_with ("node-id", node_id, "urls", urls, NULL);
  GError           *error = NULL;

  test_nats_node_open (self, &error);
  g_assert_no_error (error);
  return self;
}

typedef struct
{
  TestNatsNode *node;
  GError       *error;
  gboolean      is_done; /* (mutex lock of the node) */
} NodeChange;

static void
node_on_changed (GObject      *object,
                 GAsyncResult *result,
                 gpointer      data)
{
  NodeChange   *change = data;
  TestNatsNode *self = change->node;

  g_task_propagate_boolean (G_TASK (result), &change->error);
  g_mutex_lock (&self->lock);
  change->is_done = TRUE;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

static gboolean
node_has_changed (TestNatsNode *self,
                  gpointer      data)
{
  return ((NodeChange *) data)->is_done;
}

static void
node_open (TestNatsNode *self,
           gpointer      data)
{
  _agent_transport_open_async (self->transport, NULL, node_on_changed, data);
}

static void
node_close (TestNatsNode *self,
            gpointer      data)
{
  _agent_transport_close_async (self->transport, NULL, node_on_changed, data);
}

static gboolean
node_change (TestNatsNode *self,
             TestNatsFunc  func,
             GError      **error)
{
  NodeChange change = { .node = self };

  test_nats_node_run (self, func, &change);
  test_nats_node_wait (self, node_has_changed, &change);
  if (change.error == NULL)
    return TRUE;

  g_propagate_error (error, change.error);
  return FALSE;
}

gboolean
test_nats_node_open (TestNatsNode *self,
                     GError      **error)
{
  return node_change (self, node_open, error);
}

gboolean
test_nats_node_close (TestNatsNode *self,
                      GError      **error)
{
  return node_change (self, node_close, error);
}

static void
node_dispose (TestNatsNode *self,
              gpointer      data)
{
  g_signal_handlers_disconnect_by_data (self->transport, self);
  _agent_transport_set_sink (self->transport, NULL, NULL);
  g_assert_finalize_object (self->transport);
}

/* Closes it if it is open. */
void
test_nats_node_free (TestNatsNode *self)
{
  if (agent_transport_get_state (self->transport) != AGENT_TRANSPORT_STATE_CLOSED)
    test_nats_node_close (self, NULL);
  test_nats_node_run (self, node_dispose, NULL);
  test_thread_free (self->thread);
  g_ptr_array_unref (self->packets);
  g_ptr_array_unref (self->refusals);
  g_array_unref (self->done);
  g_hash_table_unref (self->stored);
  g_hash_table_unref (self->failed);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  g_free (self);
}

/* --- To wait --- */

static gboolean
node_has_packets (TestNatsNode *self,
                  gpointer      data)
{
  return self->packets->len >= GPOINTER_TO_UINT (data);
}

void
test_nats_node_wait_packets (TestNatsNode *self,
                             guint         n)
{
  test_nats_node_wait (self, node_has_packets, GUINT_TO_POINTER (n));
}

typedef struct
{
  AgentTransportState state;
  guint               times;
} NodeState;

static gboolean
node_has_state (TestNatsNode *self,
                gpointer      data)
{
  NodeState *wanted = data;

  return self->n_states[wanted->state] >= wanted->times;
}

/* Waits until the state was reached so many times. */
void
test_nats_node_wait_state (TestNatsNode       *self,
                           AgentTransportState state,
                           guint               times)
{
  NodeState wanted = { state, times };

  test_nats_node_wait (self, node_has_state, &wanted);
}

static const char *
node_find_refusal (TestNatsNode *self,
                   const char   *part)
{
  for (guint i = 0; i < self->refusals->len; i++)
    {
      if (strstr (self->refusals->pdata[i], part) != NULL)
        return self->refusals->pdata[i];
    }

  return NULL;
}

static gboolean
node_has_refusal (TestNatsNode *self,
                  gpointer      data)
{
  return node_find_refusal (self, data) != NULL;
}

char *
test_nats_node_wait_refusal (TestNatsNode *self,
                             const char   *part)
{
  char *text;

  test_nats_node_wait (self, node_has_refusal, (gpointer) part);
  g_mutex_lock (&self->lock);
  text = g_strdup (node_find_refusal (self, part));
  g_mutex_unlock (&self->lock);
  return text;
}

static gboolean
node_has_done (TestNatsNode *self,
               gpointer      data)
{
  return self->done->len > GPOINTER_TO_UINT (data);
}

/* Waits for the end of a packet of control, and returns -1 or the code of the error. */
gint
test_nats_node_wait_done (TestNatsNode *self,
                          guint         i)
{
  gint code;

  test_nats_node_wait (self, node_has_done, GUINT_TO_POINTER (i));
  g_mutex_lock (&self->lock);
  code = g_array_index (self->done, gint, i);
  g_mutex_unlock (&self->lock);
  return code;
}

/* What came, as in "node data text". */
char *
test_nats_node_dup_text (TestNatsNode *self,
                         guint         i)
{
  static const char *const traffics[] = { "data", "control", "presence" };
  TestNatsPacket          *packet;
  gsize                    size;
  const char              *text;
  char                    *whole;

  test_nats_node_wait_packets (self, i + 1);
  g_mutex_lock (&self->lock);
  packet = self->packets->pdata[i];
  text = g_bytes_get_data (packet->packet, &size);
  whole = g_strdup_printf ("%s %s %.*s", packet->node, traffics[packet->traffic], (int) size, text);
  g_mutex_unlock (&self->lock);
  return whole;
}

/* --- To send --- */

typedef struct
{
  AgentTraffic traffic;
  const char  *node;
  guint64      number;
  const char  *text;
} NodeSending;

static void
node_send (TestNatsNode *self,
           gpointer      data)
{
  NodeSending *sending = data;
  g_autoptr (GBytes) packet = g_bytes_new (sending->text, strlen (sending->text));
  GError *error = NULL;

  if (sending->traffic == AGENT_TRAFFIC_DATA)
    _agent_transport_send_data (self->transport, sending->node, packet, &error);
  else if (sending->traffic == AGENT_TRAFFIC_PRESENCE)
    _agent_transport_send_presence (self->transport, sending->node, packet);
  else
    _agent_transport_send_control (self->transport, sending->node, 7, sending->number, packet);
  g_assert_no_error (error);
}

void
test_nats_node_send_data (TestNatsNode *self,
                          const char   *node,
                          const char   *text)
{
  NodeSending sending = { AGENT_TRAFFIC_DATA, node, 0, text };

  test_nats_node_run (self, node_send, &sending);
}

void
test_nats_node_send_presence (TestNatsNode *self,
                              const char   *node,
                              const char   *text)
{
  NodeSending sending = { AGENT_TRAFFIC_PRESENCE, node, 0, text };

  test_nats_node_run (self, node_send, &sending);
}

void
test_nats_node_send_control (TestNatsNode *self,
                             const char   *node,
                             guint64       number,
                             const char   *text)
{
  NodeSending sending = { AGENT_TRAFFIC_CONTROL, node, number, text };

  test_nats_node_run (self, node_send, &sending);
}
