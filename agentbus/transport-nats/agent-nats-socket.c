/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-socket-private.h"

#include <stdatomic.h>
#include <sys/socket.h>

/* How much the kernel is asked to keep of what is written. With TLS, a write blocks if it does not fit, see
 * socket_wants_poll(). */
#define SOCKET_SEND_BUFFER (1024 * 1024)

struct _AgentNatsSocket
{
  GSource                     base;
  GMainContext               *context; /* (owned) */
  natsConnection             *connection;
  const AgentNatsSocketOwner *owner;
  gpointer                    data;
  gboolean                    is_encrypted;
  gboolean                    is_forgotten; /* only in the thread of the context */
  gboolean                    is_full;      /* only in the thread of the context: the last write did not write all */
  gboolean                    has_read;     /* only in the thread of the context: see take_activity() */
  atomic_bool                 is_polled;
  _Atomic gint64              reading_since; /* when the read has begun that goes on now, or 0; only with TLS */
  atomic_bool                 has_data;      /* there is something to write */
  GPollFD                     poll;

  /* Held while the descriptor is shut down, so that it is not closed meanwhile. */
  GMutex lock;

  /* Held while nats.c reads or writes. Detaching waits for it, so that the connection is not freed meanwhile. It is
   * recursive, since reading the end of the connection detaches. */
  GRecMutex busy;
  gboolean  is_detached; /* (mutex busy) */
};

/* --- The source --- */

/* With TLS, a write waits until all of it is written. So it is tried only when the kernel has said that there is room.
 * Without TLS, a write never waits, and may be tried at once. */
static gboolean
socket_wants_poll (AgentNatsSocket *self)
{
  return self->is_full || self->is_encrypted;
}

static gboolean
socket_has_data (AgentNatsSocket *self)
{
  return atomic_load (&self->is_polled) && atomic_load (&self->has_data);
}

static gboolean
socket_prepare (GSource *source,
                gint    *timeout)
{
  AgentNatsSocket *self = (AgentNatsSocket *) source;
  gboolean         has_data = socket_has_data (self);

  *timeout = -1;
  if (!has_data)
    self->is_full = FALSE;
  self->poll.events = G_IO_IN | G_IO_HUP | G_IO_ERR | (has_data && socket_wants_poll (self) ? G_IO_OUT : 0);
  return has_data && !socket_wants_poll (self);
}

static gboolean
socket_check (GSource *source)
{
  AgentNatsSocket *self = (AgentNatsSocket *) source;

  return atomic_load (&self->is_polled) && (self->poll.revents != 0 || (socket_has_data (self) && !socket_wants_poll (self)));
}

/* Returns whether it has read. */
static gboolean
socket_read (AgentNatsSocket *self)
{
  gboolean is_ready = (self->poll.revents & (G_IO_IN | G_IO_HUP | G_IO_ERR | G_IO_NVAL)) != 0;

  if (!is_ready || self->is_detached || !atomic_load (&self->is_polled))
    return FALSE;

  self->has_read = TRUE;
  if (self->is_encrypted)
    atomic_store (&self->reading_since, g_get_monotonic_time ());
  natsConnection_ProcessReadEvent (self->connection);
  if (self->is_encrypted)
    atomic_store (&self->reading_since, 0);
  return TRUE;
}

/* Returns whether it has written. */
static gboolean
socket_write (AgentNatsSocket *self)
{
  gboolean is_ready = !socket_wants_poll (self) || (self->poll.revents & G_IO_OUT) != 0;

  if (!is_ready || self->is_detached || !socket_has_data (self))
    return FALSE;

  natsConnection_ProcessWriteEvent (self->connection);
  self->is_full = socket_has_data (self);
  return TRUE;
}

static gboolean
socket_dispatch (GSource    *source,
                 GSourceFunc callback,
                 gpointer    user_data)
{
  AgentNatsSocket *self = (AgentNatsSocket *) source;
  gboolean         has_read;
  gboolean         has_written;

  g_rec_mutex_lock (&self->busy);
  has_read = socket_read (self);
  has_written = socket_write (self);
  self->poll.revents = 0;
  g_rec_mutex_unlock (&self->busy);

  if (has_read && !self->is_forgotten)
    self->owner->readable (self->data);
  if (has_written && !self->is_forgotten)
    self->owner->writable (self->data);
  return G_SOURCE_CONTINUE;
}

static void
socket_finalize (GSource *source)
{
  AgentNatsSocket *self = (AgentNatsSocket *) source;

  g_rec_mutex_clear (&self->busy);
  g_mutex_clear (&self->lock);
  g_main_context_unref (self->context);
}

static GSourceFuncs socket_funcs = {
  .prepare = socket_prepare,
  .check = socket_check,
  .dispatch = socket_dispatch,
  .finalize = socket_finalize,
};

/* --- What nats.c calls --- */

static natsStatus
socket_attach (void          **user_data,
               void           *loop,
               natsConnection *connection,
               natsSock        fd)
{
  AgentNatsSocket *self = loop;
  const int        size = SOCKET_SEND_BUFFER;

  /* The kernel may give less, which is no error. */
  if (self->is_encrypted)
    setsockopt (fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);

  *user_data = g_source_ref ((GSource *) self);
  self->connection = connection;
  self->poll.fd = fd;
  g_source_add_poll ((GSource *) self, &self->poll);
  atomic_store (&self->is_polled, TRUE);
  g_source_attach ((GSource *) self, self->context);
  return NATS_OK;
}

/* nats.c closes the descriptor when this has returned, or this closes it, depending on the version. A thread that still
 * waits in a read of TLS is woken up by the end of the connection, but not by the closing. */
static void
socket_stop_polling (AgentNatsSocket *self)
{
  g_mutex_lock (&self->lock);
  if (atomic_exchange (&self->is_polled, FALSE))
    {
      g_source_remove_poll ((GSource *) self, &self->poll);
      shutdown (self->poll.fd, SHUT_RDWR);
#if NATS_VERSION_NUMBER >= 0x030902
      natsConnection_ProcessCloseEvent (&self->poll.fd);
#endif
    }
  g_mutex_unlock (&self->lock);
}

/* Reading ends only with the connection. */
static natsStatus
socket_want_read (void *user_data,
                  bool  add)
{
  if (!add)
    socket_stop_polling (user_data);
  return NATS_OK;
}

static natsStatus
socket_want_write (void *user_data,
                   bool  add)
{
  AgentNatsSocket *self = user_data;

  atomic_store (&self->has_data, add);
  if (add && !g_main_context_is_owner (self->context))
    g_main_context_wakeup (self->context);
  return NATS_OK;
}

static natsStatus
socket_detach (void *user_data)
{
  AgentNatsSocket              *self = user_data;
  G_GNUC_UNUSED natsConnection *connection = self->connection;

  socket_stop_polling (self);
  g_rec_mutex_lock (&self->busy);
  self->is_detached = TRUE;
  g_rec_mutex_unlock (&self->busy);

  g_source_destroy ((GSource *) self);
  g_source_unref ((GSource *) self);
#if NATS_VERSION_NUMBER >= 0x030b00
  natsConnection_ProcessDetachedEvent (connection);
#endif
  return NATS_OK;
}

/* --- For the owner --- */

AgentNatsSocket *
_agent_nats_socket_new (GMainContext               *context,
                        gboolean                    is_encrypted,
                        const AgentNatsSocketOwner *owner,
                        gpointer                    data)
{
  GSource         *source = g_source_new (&socket_funcs, sizeof (AgentNatsSocket));
  AgentNatsSocket *self = (AgentNatsSocket *) source;

  g_source_set_static_name (source, "[agentbus] NATS socket");
  /* Else GLib takes the descriptor out of the context for each dispatch, and wakes the context twice. Nobody iterates the context
   * within a dispatch. */
  g_source_set_can_recurse (source, TRUE);
  self->context = g_main_context_ref (context);
  self->is_encrypted = is_encrypted;
  self->owner = owner;
  self->data = data;
  g_rec_mutex_init (&self->busy);
  g_mutex_init (&self->lock);
  return self;
}

void
_agent_nats_socket_unref (AgentNatsSocket *self)
{
  g_source_unref ((GSource *) self);
}

/* In the thread of the context. The connection may live on. */
void
_agent_nats_socket_forget (AgentNatsSocket *self)
{
  self->is_forgotten = TRUE;
}

natsStatus
_agent_nats_socket_configure (AgentNatsSocket *self,
                              natsOptions     *options)
{
  return natsOptions_SetEventLoop (options, self, socket_attach, socket_want_read, socket_want_write, socket_detach);
}

gboolean
_agent_nats_socket_is_usable (AgentNatsSocket *self)
{
  return atomic_load (&self->is_polled);
}

/* Writes what there is, if the kernel may have room. A write waits for the next iteration otherwise. In the thread of the context. */
void
_agent_nats_socket_write (AgentNatsSocket *self)
{
  if (socket_wants_poll (self))
    return;

  g_rec_mutex_lock (&self->busy);
  socket_write (self);
  g_rec_mutex_unlock (&self->busy);
}

/* Whether anything has come in since the last call. */
gboolean
_agent_nats_socket_take_activity (AgentNatsSocket *self)
{
  gboolean has_read = self->has_read;

  self->has_read = FALSE;
  return has_read;
}

/* For how long the read goes on that the thread is in now, in microseconds, or 0 if it is in none. In any thread. */
gint64
_agent_nats_socket_get_read_time (AgentNatsSocket *self)
{
  const gint64 since = atomic_load (&self->reading_since);

  return since != 0 ? g_get_monotonic_time () - since : 0;
}

/* Ends the connection: nats.c reads the end of it, as if the server had ended it. In any thread. */
void
_agent_nats_socket_hang_up (AgentNatsSocket *self)
{
  g_mutex_lock (&self->lock);
  if (atomic_load (&self->is_polled))
    shutdown (self->poll.fd, SHUT_RDWR);
  g_mutex_unlock (&self->lock);
}
