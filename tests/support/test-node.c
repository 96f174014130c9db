/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-transport-private.h"
#include "test-node.h"

/* --- What is written down --- */

static void
test_node_write (TestNode   *self,
                 const char *format,
                 ...) G_GNUC_PRINTF (2, 3);

static void
test_node_write (TestNode   *self,
                 const char *format,
                 ...)
{
  va_list args;

  va_start (args, format);
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->lines, g_strdup_vprintf (format, args));
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  va_end (args);
}

static const char *
test_node_get_nick (GType type,
                    int   value)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (type);

  return g_enum_get_value (klass, value)->value_nick;
}

static void
test_node_on_received (gpointer     data,
                       const char  *node,
                       AgentTraffic traffic,
                       GBytes      *packet)
{
  TestNode   *self = data;
  gsize       size;
  const char *bytes = g_bytes_get_data (packet, &size);

  g_assert_true (g_main_context_is_owner (self->thread->context));
  g_atomic_int_inc (&self->n_packets);
  if (!g_atomic_int_get (&self->is_quiet))
    test_node_write (self, "%s %s %.*s", test_node_get_nick (AGENT_TYPE_TRAFFIC, traffic), node, (int) MIN (size, 64), bytes);
}

static void
test_node_on_ready (gpointer data)
{
  test_node_write (data, "ready");
}

static void
test_node_on_control_done (gpointer      data,
                           const char   *node,
                           guint64       session,
                           guint64       number,
                           const GError *error)
{
  TestNode *self = data;

  if (error == NULL)
    test_node_write (self, "done %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, node, session, number);
  else
    test_node_write (self, "failed %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, node, session, number);
}

static void
test_node_on_gone (gpointer    data,
                   const char *node,
                   const char *reason)
{
  g_assert_cmpstr (reason, !=, "");
  test_node_write (data, "gone %s", node);
}

static void
test_node_on_state (gpointer            data,
                    AgentTransportState state)
{
  test_node_write (data, "state %s", test_node_get_nick (AGENT_TYPE_TRANSPORT_STATE, state));
}

static const AgentTransportSink test_node_sink = {
  .received = test_node_on_received,
  .ready = test_node_on_ready,
  .control_done = test_node_on_control_done,
  .node_gone = test_node_on_gone,
  .state_changed = test_node_on_state,
};

static void
test_node_on_refused (AgentTransport *transport,
                      const char     *node,
                      const char     *text,
                      TestNode       *self)
{
  g_ptr_array_add (self->refusals, g_strdup_printf ("%s %s", node, text));
}

/* --- In the thread of the node --- */

typedef void (*TestNodeFunc) (TestNode *self,
                              gpointer  call);

typedef struct
{
  TestNode     *self;
  TestNodeFunc  func;
  const char   *target;
  GBytes       *packet;
  AgentTraffic  traffic;
  guint64       number;
  GCancellable *cancellable;
  gboolean      ok;
  GError      **error;
  gboolean      over; /* (lock of the node) */
} TestNodeCall;

static void
test_node_end (TestNodeCall *call)
{
  g_mutex_lock (&call->self->lock);
  call->over = TRUE;
  g_cond_broadcast (&call->self->cond);
  g_mutex_unlock (&call->self->lock);
}

static gboolean
test_node_on_call (gpointer data)
{
  TestNodeCall *call = data;

  call->func (call->self, call);
  return G_SOURCE_REMOVE;
}

/* Waits until the function has called test_node_end(). */
static void
test_node_call (TestNode     *self,
                TestNodeFunc  func,
                TestNodeCall *call)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  call->self = self;
  call->func = func;
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, test_node_on_call, call, NULL);
  g_source_attach (source, self->thread->context);

  g_mutex_lock (&self->lock);
  while (!call->over)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);
}

static void
test_node_on_opened (GObject      *object,
                     GAsyncResult *result,
                     gpointer      user_data)
{
  TestNodeCall *call = user_data;

  call->ok = _agent_transport_open_finish (AGENT_TRANSPORT (object), result, call->error);
  test_node_end (call);
}

static void
test_node_do_open (TestNode *self,
                   gpointer  call)
{
  _agent_transport_open_async (self->transport, NULL, test_node_on_opened, call);
}

static void
test_node_on_closed (GObject      *object,
                     GAsyncResult *result,
                     gpointer      user_data)
{
  g_assert_true (_agent_transport_close_finish (AGENT_TRANSPORT (object), result, NULL));
  test_node_end (user_data);
}

static void
test_node_do_close (TestNode *self,
                    gpointer  data)
{
  TestNodeCall *call = data;

  _agent_transport_close_async (self->transport, call->cancellable, test_node_on_closed, call);
}

static void
test_node_do_send (TestNode *self,
                   gpointer  data)
{
  TestNodeCall *call = data;

  switch (call->traffic)
    {
    case AGENT_TRAFFIC_DATA:
      call->ok = _agent_transport_send_data (self->transport, call->target, call->packet, call->error);
      break;
    case AGENT_TRAFFIC_CONTROL:
      _agent_transport_send_control (self->transport, call->target, 7, call->number, call->packet);
      break;
    case AGENT_TRAFFIC_PRESENCE:
      _agent_transport_send_presence (self->transport, call->target, call->packet);
      break;
    }
  test_node_end (call);
}

/* --- For the test --- */

/* @transport: (transfer full) */
TestNode *
test_node_new (AgentTransport *transport)
{
  TestNode *self = g_new0 (TestNode, 1);

  self->transport = transport;
  self->thread = test_thread_new ();
  self->lines = g_ptr_array_new_with_free_func (g_free);
  self->refusals = g_ptr_array_new_with_free_func (g_free);
  self->context = g_main_context_ref_thread_default ();
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  g_assert_true (_agent_transport_set_sink (transport, &test_node_sink, self));
  g_signal_connect (transport, "refused", G_CALLBACK (test_node_on_refused), self);
  return self;
}

/* Nothing of the transport may be left in the context of its thread. */
void
test_node_free (TestNode *self)
{
  gpointer transport = self->transport;

  if (self->is_open)
    test_node_close (self, NULL);
  test_thread_sync (self->thread);
  g_assert_true (_agent_transport_set_sink (self->transport, NULL, NULL));
  g_object_add_weak_pointer (transport, &transport);
  g_object_unref (self->transport);
  while (g_main_context_iteration (self->context, FALSE))
    ;
  g_assert_null (transport);
  test_thread_free (self->thread);
  g_main_context_unref (self->context);
  g_ptr_array_unref (self->lines);
  g_ptr_array_unref (self->refusals);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  g_free (self);
}

gboolean
test_node_open (TestNode *self,
                GError  **error)
{
  TestNodeCall call = { .error = error };

  test_node_call (self, test_node_do_open, &call);
  self->is_open = call.ok;
  return call.ok;
}

/* @cancellable: (nullable) */
void
test_node_close (TestNode     *self,
                 GCancellable *cancellable)
{
  TestNodeCall call = { .cancellable = cancellable };

  test_node_call (self, test_node_do_close, &call);
  self->is_open = FALSE;
}

gboolean
test_node_send_bytes (TestNode   *self,
                      const char *target,
                      GBytes     *packet,
                      GError    **error)
{
  TestNodeCall call = { .traffic = AGENT_TRAFFIC_DATA, .target = target, .packet = packet, .error = error };

  test_node_call (self, test_node_do_send, &call);
  return call.ok;
}

gboolean
test_node_send (TestNode   *self,
                const char *target,
                const char *text,
                GError    **error)
{
  g_autoptr (GBytes) packet = g_bytes_new (text, strlen (text));

  return test_node_send_bytes (self, target, packet, error);
}

void
test_node_send_control (TestNode   *self,
                        const char *target,
                        guint64     number,
                        const char *text)
{
  g_autoptr (GBytes) packet = g_bytes_new (text, strlen (text));
  TestNodeCall call = { .traffic = AGENT_TRAFFIC_CONTROL, .target = target, .packet = packet, .number = number };

  test_node_call (self, test_node_do_send, &call);
}

void
test_node_presence (TestNode   *self,
                    const char *target,
                    const char *text)
{
  g_autoptr (GBytes) packet = g_bytes_new (text, strlen (text));
  TestNodeCall call = { .traffic = AGENT_TRAFFIC_PRESENCE, .target = target, .packet = packet };

  test_node_call (self, test_node_do_send, &call);
}

/* Waits for the next line, which has to be this one. */
void
test_node_expect (TestNode   *self,
                  const char *line)
{
  g_mutex_lock (&self->lock);
  while (self->lines->len <= self->n_read)
    g_cond_wait (&self->cond, &self->lock);
  g_assert_cmpstr (self->lines->pdata[self->n_read], ==, line);
  self->n_read++;
  g_mutex_unlock (&self->lock);
}

/* Called with the lock held. */
static gboolean
test_node_find (TestNode   *self,
                const char *line,
                gboolean    is_part)
{
  for (guint i = self->n_read; i < self->lines->len; i++)
    {
      const char *found = self->lines->pdata[i];

      if (is_part ? strstr (found, line) != NULL : strcmp (found, line) == 0)
        {
          self->n_read = i + 1;
          return TRUE;
        }
    }

  return FALSE;
}

/* Waits until the line is written down, and passes over those before it. */
void
test_node_wait (TestNode   *self,
                const char *line)
{
  g_mutex_lock (&self->lock);
  while (!test_node_find (self, line, FALSE))
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);
}

/* The same with a part of the line. */
void
test_node_wait_part (TestNode   *self,
                     const char *part)
{
  g_mutex_lock (&self->lock);
  while (!test_node_find (self, part, TRUE))
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);
}

/* Whether the line has been written down, and was not waited for. */
gboolean
test_node_has (TestNode   *self,
               const char *line)
{
  gboolean found;

  g_mutex_lock (&self->lock);
  found = test_node_find (self, line, FALSE);
  g_mutex_unlock (&self->lock);
  return found;
}

/* Waits until the next refusal is told, which has to contain the text. */
void
test_node_expect_refusal (TestNode   *self,
                          const char *part)
{
  while (self->refusals->len == 0)
    g_main_context_iteration (self->context, TRUE);
  if (strstr (self->refusals->pdata[0], part) == NULL)
    g_error ("\"%s\" is not in \"%s\"", part, (char *) self->refusals->pdata[0]);
  g_ptr_array_remove_index (self->refusals, 0);
}

/* Waits until the thread has dispatched what was ready. */
void
test_node_sync (TestNode *self)
{
  test_thread_sync (self->thread);
}
