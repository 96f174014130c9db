/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "nats-proxy.h"

#include <gio/gio.h>

/* How often a connection looks whether it is to stall or to end, in microseconds. */
#define PROXY_STEP 2000

struct _TestNatsProxy
{
  GSocketService *service;
  GThread        *thread;
  GMainContext   *context;
  GMainLoop      *loop;
  char           *url;
  gint            port;        /* (atomic): of the server */
  gint            is_stalling; /* (atomic): the next connection that has something to pass on stalls */
  gint            is_ending;   /* (atomic) */
  gint            n_running;   /* (atomic): connections */
};

/* Passes on what there is now. Returns FALSE when the connection has ended. */
static gboolean
proxy_pass (GSocket  *from,
            GSocket  *to,
            gint     *is_stalling,
            gboolean *has_stalled)
{
  char   bytes[65536];
  gssize n = g_socket_receive (from, bytes, sizeof bytes, NULL, NULL);

  if (n <= 0)
    return FALSE;

  if (is_stalling != NULL && g_atomic_int_compare_and_exchange (is_stalling, TRUE, FALSE))
    {
      *has_stalled = TRUE;
      n--;
    }
  for (gssize sent = 0; sent < n;)
    {
      gssize m = g_socket_send (to, bytes + sent, n - sent, NULL, NULL);

      if (m < 0)
        return FALSE;
      sent += m;
    }
  return TRUE;
}

static gboolean
proxy_on_run (GThreadedSocketService *service,
              GSocketConnection      *client,
              GObject                *source,
              gpointer                data)
{
  TestNatsProxy *self = data;
  g_autoptr (GSocketClient) connector = g_socket_client_new ();
  g_autoptr (GSocketConnection) server = g_socket_client_connect_to_host (connector, "127.0.0.1", (guint16) g_atomic_int_get (&self->port), NULL, NULL);
  GSocket *to_client = g_socket_connection_get_socket (client);
  GSocket *to_server = server != NULL ? g_socket_connection_get_socket (server) : NULL;
  gboolean is_there = server != NULL;
  gboolean has_stalled = FALSE;

  g_atomic_int_inc (&self->n_running);
  while (is_there && !g_atomic_int_get (&self->is_ending))
    {
      if (has_stalled)
        {
          g_usleep (PROXY_STEP);
          continue;
        }
      if (g_socket_condition_timed_wait (to_server, G_IO_IN, PROXY_STEP, NULL, NULL))
        is_there = proxy_pass (to_server, to_client, &self->is_stalling, &has_stalled);
      if (!has_stalled && (g_socket_condition_check (to_client, G_IO_IN) & (G_IO_IN | G_IO_HUP)))
        is_there = is_there && proxy_pass (to_client, to_server, NULL, NULL);
    }
  g_atomic_int_add (&self->n_running, -1);
  return TRUE;
}

static gpointer
proxy_run (gpointer data)
{
  TestNatsProxy *self = data;

  g_main_loop_run (self->loop);
  return NULL;
}

/* @port: of the server, which need not be there yet */
TestNatsProxy *
test_nats_proxy_new (guint port)
{
  TestNatsProxy *self = g_new0 (TestNatsProxy, 1);
  guint          own;

  g_atomic_int_set (&self->port, (gint) port);
  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  g_main_context_push_thread_default (self->context);
  self->service = g_threaded_socket_service_new (16);
  own = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (self->service), NULL, NULL);
  g_assert_cmpuint (own, >, 0);
  g_signal_connect (self->service, "run", G_CALLBACK (proxy_on_run), self);
  g_socket_service_start (self->service);
  g_main_context_pop_thread_default (self->context);
  self->url = g_strdup_printf ("nats://127.0.0.1:%u", own);
  self->thread = g_thread_new ("proxy", proxy_run, self);
  return self;
}

/* The node has gone. */
void
test_nats_proxy_free (TestNatsProxy *self)
{
  g_atomic_int_set (&self->is_ending, TRUE);
  g_socket_service_stop (self->service);
  g_socket_listener_close (G_SOCKET_LISTENER (self->service));
  g_main_loop_quit (self->loop);
  g_thread_join (self->thread);
  while (g_main_context_iteration (self->context, FALSE))
    ;

  /* Each connection has a reference while it is passed on. */
  while (g_atomic_int_get (&G_OBJECT (self->service)->ref_count) > 1 || g_atomic_int_get (&self->n_running) > 0)
    g_usleep (PROXY_STEP);
  g_object_unref (self->service);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_free (self->url);
  g_free (self);
}

const char *
test_nats_proxy_get_url (TestNatsProxy *self)
{
  return self->url;
}

void
test_nats_proxy_stall (TestNatsProxy *self)
{
  g_atomic_int_set (&self->is_stalling, TRUE);
}
