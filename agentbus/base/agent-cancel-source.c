/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-cancel-source-private.h"
#include "base/agent-source-private.h"

typedef struct
{
  GSource       base;
  GCancellable *cancellable; /* (owned) */
  gulong        handler;     /* it has a reference on the source, so that a cancellation that is under way finds it */
} CancelSource;

static gboolean
cancel_source_dispatch (GSource    *source,
                        GSourceFunc callback,
                        gpointer    user_data)
{
  return callback (user_data);
}

static void
cancel_source_finalize (GSource *source)
{
  CancelSource *self = (CancelSource *) source;

  g_object_unref (self->cancellable);
}

static GSourceFuncs cancel_source_funcs = {
  .dispatch = cancel_source_dispatch,
  .finalize = cancel_source_finalize,
};

static void
cancel_source_on_cancelled (GCancellable *cancellable,
                            gpointer      source)
{
  g_source_set_ready_time (source, 0);
}

static void
cancel_source_unref_data (gpointer  source,
                          GClosure *closure)
{
  g_source_unref (source);
}

/* (transfer full) */
GSource *
_agent_cancel_source_new (GCancellable *cancellable)
{
  GSource      *source = g_source_new (&cancel_source_funcs, sizeof (CancelSource));
  CancelSource *self = (CancelSource *) source;

  self->cancellable = g_object_ref (cancellable);
  self->handler = g_signal_connect_data (cancellable,
                                         "cancelled",
                                         G_CALLBACK (cancel_source_on_cancelled),
                                         g_source_ref (source),
                                         cancel_source_unref_data,
                                         0);
  if (g_cancellable_is_cancelled (cancellable))
    g_source_set_ready_time (source, 0);

  return source;
}

/* Destroys *@source and sets it to NULL. It may be NULL already. */
void
_agent_cancel_source_clear (GSource **source)
{
  CancelSource *self = (CancelSource *) *source;

  if (self == NULL)
    return;

  g_signal_handler_disconnect (self->cancellable, self->handler);
  _agent_source_clear (source);
}
