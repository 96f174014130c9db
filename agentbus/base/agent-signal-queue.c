/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <gio/gio.h>

#include "base/agent-clock-private.h"
#include "base/agent-signal-queue-private.h"
#include "base/agent-yielding-source-private.h"

/* How many events one dispatch tells of, so that the application's other sources have their turn. */
#define TURN 256

struct _AgentSignalQueue
{
  gint            ref_count; /* (atomic) */
  const char     *name;
  GWeakRef        object;
  GMainContext   *context; /* (owned) until it is closed */
  AgentSignalFunc func;
  GDestroyNotify  event_free;

  GMutex               lock;
  AgentYieldingSource *source;        /* (lock) (nullable) NULL once closed */
  GQueue               events;        /* (lock) of what the object knows */
  gboolean             telling;       /* (lock) a dispatch is under way */
  gint64               waiting_since; /* (lock) when the first of the events came, or the last dispatch was */
  guint64              n_missed;      /* (lock) events since then that were not kept */
};

/* (nullable) */
static gpointer
take_event (AgentSignalQueue *self)
{
  gpointer event;

  g_mutex_lock (&self->lock);
  event = g_queue_pop_head (&self->events);
  g_mutex_unlock (&self->lock);

  return event;
}

/* Returns how many events there are to tell of. */
static guint
begin (AgentSignalQueue *self)
{
  guint   n_events;
  guint64 n_missed;

  g_mutex_lock (&self->lock);
  n_events = MIN (self->events.length, TURN);
  self->telling = TRUE;
  self->waiting_since = _agent_clock_now ();
  n_missed = self->n_missed;
  self->n_missed = 0;
  if (self->source != NULL)
    _agent_yielding_source_begin (self->source);
  g_mutex_unlock (&self->lock);

  if (n_missed > 0)
    g_warning ("%s: %" G_GUINT64_FORMAT " signal(s) were not kept while the context was not iterated",
               self->name,
               n_missed);
  return n_events;
}

static void
end (AgentSignalQueue *self)
{
  g_mutex_lock (&self->lock);
  self->telling = FALSE;
  if (self->source != NULL && self->events.length > 0)
    _agent_yielding_source_be_polite (self->source);
  else if (self->source != NULL)
    _agent_yielding_source_rest (self->source);
  g_mutex_unlock (&self->lock);
}

static void
dispatch (gpointer data)
{
  AgentSignalQueue *self = data;
  g_autoptr (GObject) object = g_weak_ref_get (&self->object);

  for (guint n_left = begin (self); n_left > 0; n_left--)
    {
      gpointer event = take_event (self);

      /* The object has closed the queue. */
      if (event == NULL)
        break;
      if (object != NULL)
        self->func (object, event);
      self->event_free (event);
    }
  end (self);
}

/* @name is static. Has to be closed before the last reference goes. */
AgentSignalQueue *
_agent_signal_queue_new (GObject        *object,
                         GMainContext   *context,
                         const char     *name,
                         AgentSignalFunc func,
                         GDestroyNotify  event_free)
{
  AgentSignalQueue *self = g_new0 (AgentSignalQueue, 1);

  self->ref_count = 1;
  self->name = name;
  self->context = g_main_context_ref (context);
  self->func = func;
  self->event_free = event_free;
  g_weak_ref_init (&self->object, object);
  g_mutex_init (&self->lock);
  g_queue_init (&self->events);
  self->source = _agent_yielding_source_new (context,
                                             name,
                                             dispatch,
                                             NULL,
                                             _agent_signal_queue_ref (self),
                                             (GDestroyNotify) _agent_signal_queue_unref);

  return self;
}

AgentSignalQueue *
_agent_signal_queue_ref (AgentSignalQueue *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
_agent_signal_queue_unref (AgentSignalQueue *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;

  g_assert (self->source == NULL && self->events.length == 0);

  g_weak_ref_clear (&self->object);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* Nobody is told anything any more. */
void
_agent_signal_queue_close (AgentSignalQueue *self)
{
  AgentYieldingSource *source;

  g_mutex_lock (&self->lock);
  source = g_steal_pointer (&self->source);
  g_mutex_unlock (&self->lock);

  for (gpointer event; (event = take_event (self)) != NULL;)
    self->event_free (event);

  if (source != NULL)
    {
      _agent_yielding_source_free (source);
      g_main_context_unref (self->context);
    }
}

static gboolean
is_asleep_locked (AgentSignalQueue *self)
{
  return self->events.length > 0 && _agent_clock_now () - self->waiting_since >= AGENT_SIGNAL_QUEUE_PATIENCE;
}

/* Whether events have waited for so long that the context may never come round. */
gboolean
_agent_signal_queue_is_asleep (AgentSignalQueue *self)
{
  gboolean asleep;

  g_mutex_lock (&self->lock);
  asleep = is_asleep_locked (self);
  g_mutex_unlock (&self->lock);

  return asleep;
}

static void
add_locked (AgentSignalQueue *self,
            gpointer          event)
{
  if (self->events.length == 0 && !self->telling)
    {
      self->waiting_since = _agent_clock_now ();
      _agent_yielding_source_be_polite (self->source);
    }

  g_queue_push_tail (&self->events, event);
}

/* Takes @event. Any thread. FALSE: the queue is closed, or its context sleeps. */
gboolean
_agent_signal_queue_add (AgentSignalQueue *self,
                         gpointer          event)
{
  gboolean added;

  g_mutex_lock (&self->lock);
  added = self->source != NULL && (self->events.length < AGENT_SIGNAL_QUEUE_MAX || !is_asleep_locked (self));
  if (added)
    add_locked (self, event);
  else if (self->source != NULL)
    self->n_missed++;
  g_mutex_unlock (&self->lock);

  if (!added)
    self->event_free (event);
  return added;
}

/* The same for events whose number the caller bounds. FALSE: the queue is closed. */
gboolean
_agent_signal_queue_add_always (AgentSignalQueue *self,
                                gpointer          event)
{
  gboolean added;

  g_mutex_lock (&self->lock);
  added = self->source != NULL;
  if (added)
    add_locked (self, event);
  g_mutex_unlock (&self->lock);

  if (!added)
    self->event_free (event);
  return added;
}

/* (transfer full) (nullable) */
GObject *
_agent_signal_queue_dup_object (AgentSignalQueue *self)
{
  return g_weak_ref_get (&self->object);
}
