/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <gio/gio.h>

#include "base/agent-clock-private.h"
#include "base/agent-plural-private.h"
#include "base/agent-signal-queue-private.h"
#include "base/agent-yielding-source-private.h"

/* The most events of one dispatch. The other sources of the context are dispatched before the next batch. */
#define BATCH_SIZE 256

struct _AgentSignalQueue
{
  gatomicrefcount ref_count;
  const char     *name;
  GWeakRef        object;
  GMainContext   *context; /* (owned) until the queue is closed */
  AgentSignalFunc func;
  GDestroyNotify  event_free;

  GMutex               lock;
  AgentYieldingSource *source;        /* (lock) (nullable) NULL once the queue is closed */
  GQueue               events;        /* (lock) */
  gboolean             dispatching;   /* (lock) a dispatch is under way */
  gint64               waiting_since; /* (lock) when the last dispatch began, or, if later, the first event was added */
  guint64              n_missed;      /* (lock) how many events have been refused since the last dispatch */
};

/* Returns: (transfer full) (nullable) */
static gpointer
signal_queue_take_event (AgentSignalQueue *self)
{
  gpointer event;

  g_mutex_lock (&self->lock);
  event = g_queue_pop_head (&self->events);
  g_mutex_unlock (&self->lock);

  return event;
}

/* Returns the size of the batch. */
static guint
signal_queue_begin (AgentSignalQueue *self)
{
  guint   n_events;
  guint64 n_missed;

  g_mutex_lock (&self->lock);
  n_events = MIN (self->events.length, BATCH_SIZE);
  self->dispatching = TRUE;
  self->waiting_since = _agent_clock_now ();
  n_missed = self->n_missed;
  self->n_missed = 0;
  if (self->source != NULL)
    _agent_yielding_source_begin (self->source);
  g_mutex_unlock (&self->lock);

  if (n_missed > 0)
    g_warning ("%s: %" G_GUINT64_FORMAT " %s not kept while the context was not iterated",
               self->name,
               n_missed,
               _agent_plural (n_missed, "signal was", "signals were"));
  return n_events;
}

static void
signal_queue_end (AgentSignalQueue *self)
{
  g_mutex_lock (&self->lock);
  self->dispatching = FALSE;
  if (self->source != NULL && self->events.length > 0)
    _agent_yielding_source_be_polite (self->source);
  else if (self->source != NULL)
    _agent_yielding_source_rest (self->source);
  g_mutex_unlock (&self->lock);
}

static void
signal_queue_dispatch (gpointer data)
{
  AgentSignalQueue *self = data;
  g_autoptr (GObject) object = g_weak_ref_get (&self->object);

  for (guint n_left = signal_queue_begin (self); n_left > 0; n_left--)
    {
      gpointer event = signal_queue_take_event (self);

      /* A handler, or another thread, has closed the queue. */
      if (event == NULL)
        break;
      if (object != NULL)
        self->func (object, event);
      self->event_free (event);
    }
  signal_queue_end (self);
}

/* @name: a static string. The queue must be closed before its last reference is dropped. */
AgentSignalQueue *
_agent_signal_queue_new (GObject        *object,
                         GMainContext   *context,
                         const char     *name,
                         AgentSignalFunc func,
                         GDestroyNotify  event_free)
{
  AgentSignalQueue *self = g_new0 (AgentSignalQueue, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->name = name;
  self->context = g_main_context_ref (context);
  self->func = func;
  self->event_free = event_free;
  g_weak_ref_init (&self->object, object);
  g_mutex_init (&self->lock);
  g_queue_init (&self->events);
  self->source = _agent_yielding_source_new (context,
                                             name,
                                             G_PRIORITY_DEFAULT,
                                             signal_queue_dispatch,
                                             NULL,
                                             NULL,
                                             _agent_signal_queue_ref (self),
                                             (GDestroyNotify) _agent_signal_queue_unref);

  return self;
}

AgentSignalQueue *
_agent_signal_queue_ref (AgentSignalQueue *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_signal_queue_unref (AgentSignalQueue *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_assert (self->source == NULL && self->events.length == 0);

  g_weak_ref_clear (&self->object);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* Frees the events that wait. No function is called for an event any more, except for one that is called now. */
void
_agent_signal_queue_close (AgentSignalQueue *self)
{
  AgentYieldingSource *source;

  g_mutex_lock (&self->lock);
  source = g_steal_pointer (&self->source);
  g_mutex_unlock (&self->lock);

  for (gpointer event; (event = signal_queue_take_event (self)) != NULL;)
    self->event_free (event);

  if (source != NULL)
    {
      _agent_yielding_source_free (source);
      g_main_context_unref (self->context);
    }
}

static gboolean
signal_queue_is_asleep_locked (AgentSignalQueue *self)
{
  return self->events.length > 0 && _agent_clock_now () - self->waiting_since >= AGENT_SIGNAL_QUEUE_PATIENCE;
}

/* Whether events have waited for so long that the context may never be iterated again. */
gboolean
_agent_signal_queue_is_asleep (AgentSignalQueue *self)
{
  gboolean asleep;

  g_mutex_lock (&self->lock);
  asleep = signal_queue_is_asleep_locked (self);
  g_mutex_unlock (&self->lock);

  return asleep;
}

static void
signal_queue_add_locked (AgentSignalQueue *self,
                         gpointer          event)
{
  if (self->events.length == 0 && !self->dispatching)
    {
      self->waiting_since = _agent_clock_now ();
      _agent_yielding_source_be_polite (self->source);
    }

  g_queue_push_tail (&self->events, event);
}

/* @event: (transfer full). Returns FALSE if the queue is closed, or if its context is asleep and the queue is full. */
gboolean
_agent_signal_queue_add (AgentSignalQueue *self,
                         gpointer          event)
{
  gboolean added;

  g_mutex_lock (&self->lock);
  added = self->source != NULL && (self->events.length < AGENT_SIGNAL_QUEUE_MAX || !signal_queue_is_asleep_locked (self));
  if (added)
    signal_queue_add_locked (self, event);
  else if (self->source != NULL)
    self->n_missed++;
  g_mutex_unlock (&self->lock);

  if (!added)
    self->event_free (event);
  return added;
}

/* @event: (transfer full). For events whose number the caller limits. Returns FALSE only if the queue is closed. */
gboolean
_agent_signal_queue_add_always (AgentSignalQueue *self,
                                gpointer          event)
{
  gboolean added;

  g_mutex_lock (&self->lock);
  added = self->source != NULL;
  if (added)
    signal_queue_add_locked (self, event);
  g_mutex_unlock (&self->lock);

  if (!added)
    self->event_free (event);
  return added;
}

/* Returns: (transfer full) (nullable) */
GObject *
_agent_signal_queue_dup_object (AgentSignalQueue *self)
{
  return g_weak_ref_get (&self->object);
}
