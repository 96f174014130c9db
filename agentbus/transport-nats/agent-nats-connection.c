/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-connection-private.h"

#include <stdlib.h>

#include "transport-nats/agent-nats-guard-private.h"
#include "transport-nats/agent-nats-socket-private.h"
#include "transport-nats/agent-nats-timer-private.h"

/* How long a thread waits before it looks whether the close was cancelled, in milliseconds. */
#define CONNECTION_FLUSH_STEP 100
/* A server answers a ping that is sent so often, in milliseconds. After so many intervals in which nothing has come in
 * at all, it is given up. nats.c itself would wait for the answers alone, which may be far behind when much else comes
 * in. */
#define CONNECTION_INTERVAL AGENT_NATS_SETTINGS_PING_INTERVAL
#define CONNECTION_MAX_SILENT 3
/* What the server counts beside the packet: the header with the id, and the name of the node. */
#define CONNECTION_OVERHEAD 1024

struct _AgentNatsConnection
{
  gatomicrefcount                 ref_count;
  GMainContext                   *context;  /* (owned) */
  const AgentNatsSettings        *settings; /* (unowned): outlives the closing */
  const AgentNatsConnectionOwner *owner;
  gpointer                        data;
  GPtrArray                      *urls; /* (owned) */
  guint                           url;  /* the index of the one that is used */
  natsConnection                 *nats;
  AgentNatsSocket                *socket;       /* (owned) (nullable) */
  gboolean                        is_encrypted; /* TLS */
  AgentNatsGuard                 *guard;        /* (owned) (nullable): only with TLS */
  gsize                           max_payload;  /* in bytes */
  char                          **discovered;   /* (owned) (nullable): more servers of the cluster */
  gboolean                        is_open;      /* opened() was called without an error */
  gboolean                        is_closing;   /* close() was called */
  AgentNatsTimer                 *watch;        /* (owned) */
  guint                           n_silent;     /* intervals */
  gboolean                        is_through;   /* the thread that closes has ended */
  gboolean                        all_is_sent;

  /* What nats.c tells in its own thread. */
  AgentNatsTimer *news; /* (owned) */
  GMutex          lock;
  GPtrArray      *refused;   /* (mutex lock) (owned): texts */
  gboolean        has_ended; /* (mutex lock): it tells nothing any more */
};

static AgentNatsConnection *
connection_ref (AgentNatsConnection *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/* Any thread. */
void
_agent_nats_connection_unref (AgentNatsConnection *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_clear_pointer (&self->socket, _agent_nats_socket_unref);
  _agent_nats_timer_free (self->news);
  _agent_nats_timer_free (self->watch);
  g_clear_pointer (&self->urls, g_ptr_array_unref);
  g_strfreev (self->discovered);
  g_ptr_array_unref (self->refused);
  g_mutex_clear (&self->lock);
  g_main_context_unref (self->context);
  g_free (self);
}

/* --- What nats.c tells, in its thread --- */

static void
connection_on_error (natsConnection   *nats,
                     natsSubscription *subscription,
                     natsStatus        status,
                     void             *user_data)
{
  AgentNatsConnection *self = user_data;
  const char          *text = NULL;

  /* A slow reader is known from the numbers of the packets. */
  if (status != NATS_NOT_PERMITTED)
    return;

  natsConnection_GetLastError (nats, &text);
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->refused, g_strdup (text != NULL && *text != '\0' ? text : natsStatus_GetText (status)));
  g_mutex_unlock (&self->lock);
  _agent_nats_timer_fire (self->news);
}

/* The last that nats.c tells. */
static void
connection_on_ended (natsConnection *nats,
                     void           *user_data)
{
  AgentNatsConnection *self = user_data;

  g_mutex_lock (&self->lock);
  self->has_ended = TRUE;
  g_mutex_unlock (&self->lock);
  _agent_nats_timer_fire (self->news);
  _agent_nats_connection_unref (self);
}

/* --- The same, in the thread of the context --- */

static gboolean
connection_take_news (AgentNatsConnection *self,
                      GPtrArray          **refused)
{
  gboolean has_ended;

  g_mutex_lock (&self->lock);
  *refused = self->refused;
  self->refused = g_ptr_array_new_with_free_func (g_free);
  has_ended = self->has_ended;
  g_mutex_unlock (&self->lock);
  return has_ended;
}

static void
connection_destroy (AgentNatsConnection *self)
{
  g_clear_pointer (&self->guard, _agent_nats_guard_free);
  if (self->socket != NULL)
    _agent_nats_socket_forget (self->socket);
  g_clear_pointer (&self->socket, _agent_nats_socket_unref);
  g_clear_pointer (&self->nats, natsConnection_Destroy);
}

/* A thread that was busy for long finds that something has come in. */
static void
connection_on_interval (gpointer data)
{
  AgentNatsConnection *self = data;

  if (_agent_nats_socket_take_activity (self->socket))
    self->n_silent = 0;
  else if (++self->n_silent >= CONNECTION_MAX_SILENT)
    _agent_nats_socket_hang_up (self->socket);
  _agent_nats_timer_set_in (self->watch, CONNECTION_INTERVAL);
}

/* The owner may drop its reference in any of its functions. */
static void
connection_tell_end (AgentNatsConnection *self)
{
  if (self->is_closing && self->is_through)
    {
      /* nats.c may drop the last reference at any time, in its thread. */
      _agent_nats_timer_end (self->news);
      _agent_nats_timer_end (self->watch);
      connection_destroy (self);
      self->owner->closed (self->data, self->all_is_sent);
    }
  else if (!self->is_closing && self->is_open)
    {
      self->is_open = FALSE;
      self->owner->lost (self->data);
    }
}

static void
connection_on_news (gpointer data)
{
  AgentNatsConnection *self = data;
  g_autoptr (GPtrArray) refused = NULL;
  gboolean has_ended = connection_take_news (self, &refused);

  connection_ref (self);
  for (guint i = 0; i < refused->len; i++)
    self->owner->refused (self->data, refused->pdata[i]);
  if (has_ended)
    connection_tell_end (self);
  _agent_nats_connection_unref (self);
}

static void
connection_on_readable (gpointer data)
{
  AgentNatsConnection *self = data;

  if (self->is_open)
    self->owner->readable (self->data);
}

static void
connection_on_writable (gpointer data)
{
  AgentNatsConnection *self = data;

  if (self->is_open)
    self->owner->writable (self->data);
}

static const AgentNatsSocketOwner connection_socket_owner = { connection_on_readable, connection_on_writable };

/* --- To connect --- */

AgentNatsConnection *
_agent_nats_connection_new (GMainContext                   *context,
                            const AgentNatsSettings        *settings,
                            const AgentNatsConnectionOwner *owner,
                            gpointer                        data)
{
  AgentNatsConnection *self = g_new0 (AgentNatsConnection, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  self->context = g_main_context_ref (context);
  self->settings = settings;
  self->owner = owner;
  self->data = data;
  self->refused = g_ptr_array_new_with_free_func (g_free);
  self->news = _agent_nats_timer_new (context, "[agentbus] NATS news", connection_on_news, self);
  self->watch = _agent_nats_timer_new (context, "[agentbus] NATS watch", connection_on_interval, self);
  return self;
}

static natsStatus
connection_configure (AgentNatsConnection *self,
                      natsOptions         *options)
{
  natsStatus status = _agent_nats_socket_configure (self->socket, options);

  if (status == NATS_OK)
    status = natsOptions_SetErrorHandler (options, connection_on_error, self);
  if (status == NATS_OK)
    status = natsOptions_SetClosedCB (options, connection_on_ended, self);

  return status;
}

/* In another thread. After a failure, nats.c does not tell the end, so its reference is dropped here. */
static natsStatus
connection_connect (AgentNatsConnection *self,
                    natsOptions         *options)
{
  natsStatus status = connection_configure (self, options);

  if (status != NATS_OK)
    return status;

  connection_ref (self);
  status = natsConnection_Connect (&self->nats, options);
  if (status != NATS_OK)
    {
      self->nats = NULL;
      _agent_nats_connection_unref (self);
    }

  return status;
}

/* In another thread. */
static natsStatus
connection_try (AgentNatsConnection *self,
                const char          *url)
{
  natsOptions *options = NULL;
  natsStatus   status = _agent_nats_settings_make_options (self->settings, url, &options);

  g_clear_pointer (&self->socket, _agent_nats_socket_unref);
  self->is_encrypted = _agent_nats_settings_is_encrypted (self->settings, url);
  self->socket = _agent_nats_socket_new (self->context, self->is_encrypted, &connection_socket_owner, self);

  if (status == NATS_OK)
    status = connection_connect (self, options);

  natsOptions_Destroy (options);
  return status;
}

/* libnats before 3.8 sends no signature at all if the signature begins with a zero, as one in 256 does. The server sends
 * other text to sign with each connection. */
static natsStatus
connection_try_signed (AgentNatsConnection *self,
                       const char          *url)
{
  natsStatus status = connection_try (self, url);

#if NATS_VERSION_NUMBER < 0x030800
  if (status == NATS_CONNECTION_AUTH_FAILED && _agent_nats_settings_has_signature (self->settings))
    status = connection_try (self, url);
#endif

  return status;
}

static GError *
connection_new_error (const char *url,
                      natsStatus  status)
{
  const char *host = strstr (url, "://");
  const char *text = nats_GetLastError (NULL);
  int         code = G_IO_ERROR_FAILED;

  if (status == NATS_CONNECTION_AUTH_FAILED || status == NATS_NOT_PERMITTED)
    code = G_IO_ERROR_PERMISSION_DENIED;
  else if (status == NATS_NO_SERVER)
    code = G_IO_ERROR_CONNECTION_REFUSED;
  else if (status == NATS_TIMEOUT)
    code = G_IO_ERROR_TIMED_OUT;

  /* What stands before the '@' is secret. */
  host = strchr (url, '@') != NULL ? strchr (url, '@') + 1 : host != NULL ? host + 3
                                                                          : url;
  return g_error_new (G_IO_ERROR, code, "NATS server %s: %s", host, text != NULL && *text != '\0' ? text : natsStatus_GetText (status));
}

/* In another thread. */
static void
connection_learn (AgentNatsConnection *self)
{
  char **servers = NULL;
  int    n = 0;

  self->max_payload = (gsize) natsConnection_GetMaxPayload (self->nats);
  if (natsConnection_GetDiscoveredServers (self->nats, &servers, &n) != NATS_OK)
    return;

  self->discovered = g_new0 (char *, n + 1);
  for (int i = 0; i < n; i++)
    {
      self->discovered[i] = g_strdup (servers[i]);
      free (servers[i]);
    }
  free (servers);
}

static void
connection_open_in_thread (GTask        *task,
                           gpointer      source,
                           gpointer      task_data,
                           GCancellable *cancellable)
{
  AgentNatsConnection *self = task_data;
  const guint          first = self->url;
  natsStatus           status = NATS_NO_SERVER;
  GError              *error = NULL;

  if (!_agent_nats_settings_check_files (self->settings, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  for (guint i = 0; i < self->urls->len && status != NATS_OK; i++)
    {
      self->url = (first + i) % self->urls->len;
      status = connection_try_signed (self, self->urls->pdata[self->url]);
    }

  if (status != NATS_OK)
    {
      g_task_return_error (task, connection_new_error (self->urls->pdata[self->url], status));
      return;
    }

  connection_learn (self);
  g_task_return_boolean (task, TRUE);
}

static void
connection_on_opened (GObject      *object,
                      GAsyncResult *result,
                      gpointer      user_data)
{
  AgentNatsConnection *self = user_data;
  g_autoptr (GError) error = NULL;

  self->is_open = g_task_propagate_boolean (G_TASK (result), &error);
  if (self->is_open)
    {
      _agent_nats_timer_set_in (self->watch, CONNECTION_INTERVAL);
      if (self->is_encrypted)
        self->guard = _agent_nats_guard_new (self->socket, CONNECTION_INTERVAL, CONNECTION_MAX_SILENT * CONNECTION_INTERVAL);
    }
  self->owner->opened (self->data, error);

  /* It may have ended already. */
  if (self->is_open)
    _agent_nats_timer_fire (self->news);
  _agent_nats_connection_unref (self);
}

/* @urls: each is tried once, from the one with the index @first on */
void
_agent_nats_connection_open (AgentNatsConnection *self,
                             GPtrArray           *urls,
                             guint                first)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, connection_on_opened, connection_ref (self));

  self->urls = g_ptr_array_ref (urls);
  self->url = first % urls->len;
  g_task_set_source_tag (task, _agent_nats_connection_open);
  g_task_set_task_data (task, self, NULL);
  g_task_run_in_thread (task, connection_open_in_thread);
}

/* --- To close --- */

/* In another thread. Waits until the server has everything: then nothing of it gets lost when the socket is closed. */
static gboolean
connection_flush (AgentNatsConnection *self,
                  GCancellable        *cancellable)
{
  natsStatus status = NATS_TIMEOUT;

  while (status == NATS_TIMEOUT && !g_cancellable_is_cancelled (cancellable))
    status = natsConnection_FlushTimeout (self->nats, CONNECTION_FLUSH_STEP);

  return status == NATS_OK;
}

static void
connection_close_in_thread (GTask        *task,
                            gpointer      source,
                            gpointer      task_data,
                            GCancellable *cancellable)
{
  AgentNatsConnection *self = task_data;
  gboolean             all_is_sent = connection_flush (self, cancellable);

  natsConnection_Close (self->nats);
  g_task_return_boolean (task, all_is_sent);
}

static void
connection_on_closed (GObject      *object,
                      GAsyncResult *result,
                      gpointer      user_data)
{
  AgentNatsConnection *self = user_data;

  self->all_is_sent = g_task_propagate_boolean (G_TASK (result), NULL);
  self->is_through = TRUE;
  _agent_nats_timer_fire (self->news);
  _agent_nats_connection_unref (self);
}

/* Not while it is being opened. */
void
_agent_nats_connection_close (AgentNatsConnection *self,
                              GCancellable        *cancellable)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, connection_on_closed, connection_ref (self));

  self->is_closing = TRUE;
  g_task_set_source_tag (task, _agent_nats_connection_close);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, self, NULL);
  g_task_run_in_thread (task, connection_close_in_thread);
}

/* --- Getters --- */

natsConnection *
_agent_nats_connection_get_nats (AgentNatsConnection *self)
{
  return self->nats;
}

gboolean
_agent_nats_connection_is_usable (AgentNatsConnection *self)
{
  return self->is_open && _agent_nats_socket_is_usable (self->socket);
}

/* How many bytes wait to be written. */
gsize
_agent_nats_connection_get_buffered (AgentNatsConnection *self)
{
  int n = natsConnection_Buffered (self->nats);

  return n > 0 ? (gsize) n : 0;
}

/* What was published is written now, and not in the next iteration, unless that could wait. */
void
_agent_nats_connection_write (AgentNatsConnection *self)
{
  _agent_nats_socket_write (self->socket);
}

gboolean
_agent_nats_connection_is_encrypted (AgentNatsConnection *self)
{
  return self->is_encrypted;
}

/* The index of the URL. */
guint
_agent_nats_connection_get_url (AgentNatsConnection *self)
{
  return self->url;
}

gsize
_agent_nats_connection_get_max_packet (AgentNatsConnection *self)
{
  return self->max_payload > 2 * CONNECTION_OVERHEAD ? self->max_payload - CONNECTION_OVERHEAD : self->max_payload / 2;
}

/* (nullable) */
char **
_agent_nats_connection_get_discovered (AgentNatsConnection *self)
{
  return self->discovered;
}
