/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "agent-bus-error.h"
#include "base/agent-log-rule-private.h"
#include "base/agent-signal-queue-private.h"
#include "base/agent-source-private.h"
#include "base/agent-timer-source-private.h"
#include "bus/agent-bus-loss-private.h"
#include "bus/agent-bus-private.h"
#include "bus/agent-directory-private.h"
#include "router/agent-router-report-private.h"

struct _AgentRouterReport
{
  gint              ref_count; /* (atomic) */
  _Atomic guint64   n_expired;
  GMainContext     *context;
  AgentBus         *bus;
  AgentSignalQueue *signals;

  GMutex            lock;
  AgentParking     *parking; /* (lock) (owned) (nullable) NULL once closed */
  AgentTimerSource *timer;   /* (lock) (owned) (nullable) the same */
  GSList           *stops;   /* (lock) of Stop (owned) */
};

/* A stop that waits until nothing is parked: an atomic box. */
typedef struct
{
  AgentRouterReport *report;  /* (owned) */
  GTask             *task;    /* (lock) (owned) (nullable) who wants to know */
  GSource           *timer;   /* (owned) the deadline */
  GSource           *waiting; /* (owned) (nullable) whether somebody still wants to know */
  guint              timeout; /* ms */
  guint64            n_lost;  /* how many messages had expired or been dropped when it began */
} Stop;

typedef struct
{
  AgentRouterSignal signal;
  AgentMessage     *message; /* (owned) */
  AgentDropReason   reason;
  guint             waited;
  guint             n_attempts;
} Event;

AgentRouterReport *
_agent_router_report_ref (AgentRouterReport *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
_agent_router_report_unref (AgentRouterReport *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;

  g_assert (self->parking == NULL && self->timer == NULL && self->stops == NULL);

  g_clear_pointer (&self->signals, _agent_signal_queue_unref);
  g_main_context_unref (self->context);
  g_object_unref (self->bus);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* --- Signals --- */

static void
event_free (gpointer data)
{
  Event *event = data;

  agent_message_unref (event->message);
  g_free (event);
}

static void
report_emit (GObject *object,
             gpointer data)
{
  AgentRouterDispatcher *dispatcher = AGENT_ROUTER_DISPATCHER (object);
  Event                 *event = data;

  if (event->signal == AGENT_ROUTER_SIGNAL_EXPIRED)
    _agent_router_dispatcher_emit (dispatcher, event->signal, event->message, event->waited, event->n_attempts);
  else
    _agent_router_dispatcher_emit (dispatcher, event->signal, event->message, event->reason);
}

/* Without anybody to hear it, news would only pile up where the context is not iterated. */
static void
add_event (AgentRouterReport *self,
           const Event       *event)
{
  g_autoptr (AgentRouterDispatcher) dispatcher =
      (AgentRouterDispatcher *) _agent_signal_queue_dup_object (self->signals);

  if (dispatcher == NULL || !_agent_router_dispatcher_has_handlers (dispatcher, event->signal))
    return;

  agent_message_ref (event->message);
  _agent_signal_queue_add (self->signals, g_memdup2 (event, sizeof *event));
}

/* --- Losses --- */

static void
log_expired (AgentRouterReport *self,
             AgentMessage      *message,
             guint              waited,
             guint              n_attempts)
{
  guint64 n_before = atomic_fetch_add (&self->n_expired, 1);

  if (_agent_log_rule_passes (n_before, n_before + 1))
    g_warning ("A message for actor '%s' expired after %u ms and %u attempt(s), the %" G_GUINT64_FORMAT ". so far",
               agent_message_get_target (message),
               waited,
               n_attempts,
               n_before + 1);
}

static void
on_expired (gpointer      owner,
            AgentMessage *message,
            guint         waited,
            guint         n_attempts)
{
  AgentRouterReport *self = owner;
  g_autofree char   *text = g_strdup_printf ("The message '%s' to '%s' expired after %u ms",
                                           agent_message_get_name (message),
                                           agent_message_get_target (message),
                                           waited);

  log_expired (self, message, waited, n_attempts);
  add_event (self,
             &(Event){ .signal = AGENT_ROUTER_SIGNAL_EXPIRED,
                       .message = message,
                       .waited = waited,
                       .n_attempts = n_attempts });
  _agent_bus_send_loss (self->bus, message, NULL, text);
  agent_message_unref (message);
}

static void
on_dropped (gpointer        owner,
            AgentMessage   *message,
            AgentDropReason reason)
{
  AgentRouterReport *self = owner;
  g_autofree char   *text = _agent_bus_dup_drop_text (message, NULL, reason);

  g_debug ("%s", text);
  add_event (self, &(Event){ .signal = AGENT_ROUTER_SIGNAL_DROPPED, .message = message, .reason = reason });
  _agent_bus_send_loss (self->bus, message, NULL, text);
  agent_message_unref (message);
}

/* --- The timer --- */

/* (transfer full) (nullable) */
static AgentParking *
ref_parking (AgentRouterReport *self)
{
  AgentParking *parking;

  g_mutex_lock (&self->lock);
  parking = self->parking != NULL ? _agent_parking_ref (self->parking) : NULL;
  g_mutex_unlock (&self->lock);

  return parking;
}

static void
on_timer (gpointer data,
          gint64   now)
{
  AgentParking *parking = ref_parking (data);

  if (parking == NULL)
    return;

  _agent_parking_run_due (parking, now);
  _agent_parking_unref (parking);
}

static void
on_deadline (gpointer owner,
             gint64   time)
{
  AgentRouterReport *self = owner;

  g_mutex_lock (&self->lock);
  if (self->timer != NULL)
    _agent_timer_source_set_time (self->timer, time);
  g_mutex_unlock (&self->lock);
}

/* --- The end --- */

static void
stop_clear (gpointer data)
{
  Stop *stop = data;

  g_assert (stop->timer == NULL && stop->waiting == NULL && stop->task == NULL);

  _agent_router_report_unref (stop->report);
}

static void
stop_unref (gpointer stop)
{
  g_atomic_rc_box_release_full (stop, stop_clear);
}

/* (transfer full) (nullable) Nobody waits any more. */
static GTask *
take_task (Stop *stop)
{
  GTask *task;

  g_mutex_lock (&stop->report->lock);
  task = g_steal_pointer (&stop->task);
  g_mutex_unlock (&stop->report->lock);

  return task;
}

/* Takes the reference. @error: (transfer full) (nullable). */
static void
end_stop (Stop   *stop,
          GError *error)
{
  g_autoptr (GTask) task = take_task (stop);

  _agent_source_clear (&stop->timer);
  _agent_source_clear (&stop->waiting);
  if (task != NULL && error != NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else if (task != NULL)
    g_task_return_boolean (task, TRUE);

  g_clear_error (&error);
  stop_unref (stop);
}

static guint64
count_lost (AgentParking *parking)
{
  AgentParkingCounts counts;
  guint64            n_lost;

  _agent_parking_get_counts (parking, &counts);
  n_lost = counts.expired;
  for (guint reason = 0; reason < AGENT_N_DROP_REASONS; reason++)
    n_lost += counts.dropped[reason];

  return n_lost;
}

/* (transfer full) */
static GSList *
take_stops (AgentRouterReport *self)
{
  GSList *stops;

  g_mutex_lock (&self->lock);
  stops = g_steal_pointer (&self->stops);
  g_mutex_unlock (&self->lock);

  return stops;
}

/* All of them, since there is only one end. What comes back from a router from now on has nowhere to go. */
static void
end_stops (AgentRouterReport *self)
{
  GSList       *stops = take_stops (self);
  AgentParking *parking = ref_parking (self);

  if (stops != NULL && parking != NULL)
    _agent_parking_drop_all (parking, AGENT_DROP_REASON_CLOSED);

  for (GSList *l = stops; l != NULL; l = l->next)
    {
      Stop   *stop = l->data;
      guint64 n_lost = parking != NULL ? count_lost (parking) - stop->n_lost : 0;
      GError *error = NULL;

      if (n_lost > 0)
        error = g_error_new (AGENT_BUS_ERROR,
                             AGENT_BUS_ERROR_TIMED_OUT,
                             "%" G_GUINT64_FORMAT " message(s) could not be handed over in time, or within %u ms",
                             n_lost,
                             stop->timeout);
      end_stop (stop, error);
    }

  g_slist_free (stops);
  g_clear_pointer (&parking, _agent_parking_unref);
}

static gboolean
on_stop_timeout (gpointer user_data)
{
  Stop *stop = user_data;

  end_stops (stop->report);
  return G_SOURCE_REMOVE;
}

/* Nobody wants to know any more, which does not keep the dispatcher from stopping. */
static gboolean
on_stop_cancelled (GCancellable *cancellable,
                   gpointer      user_data)
{
  g_autoptr (GTask) task = take_task (user_data);

  if (task != NULL)
    g_task_return_error_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

static void
on_drained (gpointer owner)
{
  end_stops (owner);
}

static GSource *
report_attach (Stop       *stop,
               GSource    *source,
               const char *name,
               GSourceFunc callback)
{
  g_source_set_static_name (source, name);
  g_source_set_callback (source, callback, g_atomic_rc_box_acquire (stop), stop_unref);
  g_source_attach (source, g_main_context_get_thread_default ());
  return source;
}

/* Takes @task. The deadline is kept in the calling thread's default context. */
void
_agent_router_report_stop (AgentRouterReport *self,
                           guint              timeout,
                           GTask             *task)
{
  AgentParking *parking = ref_parking (self);
  GCancellable *cancellable = g_task_get_cancellable (task);
  Stop         *stop = g_atomic_rc_box_new0 (Stop);

  stop->report = _agent_router_report_ref (self);
  stop->task = task;
  stop->timeout = timeout;
  stop->n_lost = count_lost (parking);

  g_mutex_lock (&self->lock);
  stop->timer = report_attach (stop, g_timeout_source_new (timeout), "[agentbus] stop", on_stop_timeout);
  if (cancellable != NULL)
    stop->waiting = report_attach (stop,
                                   g_cancellable_source_new (cancellable),
                                   "[agentbus] waiting",
                                   G_SOURCE_FUNC (on_stop_cancelled));
  self->stops = g_slist_prepend (self->stops, stop);
  g_mutex_unlock (&self->lock);

  if (_agent_parking_close (parking))
    on_drained (self);
  _agent_parking_unref (parking);
}

const AgentParkingFuncs _agent_router_report_funcs = {
  .expired = on_expired,
  .dropped = on_dropped,
  .deadline = on_deadline,
  .drained = on_drained,
};

/* --- Life --- */

AgentRouterReport *
_agent_router_report_new (AgentRouterDispatcher *dispatcher,
                          AgentBus              *bus,
                          GMainContext          *context)
{
  AgentRouterReport *self = g_new0 (AgentRouterReport, 1);

  self->ref_count = 1;
  self->context = g_main_context_ref (context);
  self->bus = g_object_ref (bus);
  self->signals = _agent_signal_queue_new (G_OBJECT (dispatcher), context, "[agentbus] router", report_emit, event_free);
  g_mutex_init (&self->lock);

  return self;
}

void
_agent_router_report_start (AgentRouterReport *self,
                            AgentParking      *parking)
{
  self->parking = _agent_parking_ref (parking);
  self->timer = _agent_timer_source_new (self->context,
                                         "[agentbus] retry",
                                         on_timer,
                                         _agent_router_report_ref (self),
                                         (GDestroyNotify) _agent_router_report_unref);
}

/* The dispatcher goes: there are no signals any more. Sources still hear what becomes of their messages. */
void
_agent_router_report_close (AgentRouterReport *self)
{
  AgentParking     *parking;
  AgentTimerSource *timer;

  _agent_signal_queue_close (self->signals);

  g_mutex_lock (&self->lock);
  parking = g_steal_pointer (&self->parking);
  timer = g_steal_pointer (&self->timer);
  g_mutex_unlock (&self->lock);

  /* Nobody waits for these any more: who does keeps the dispatcher. */
  end_stops (self);

  g_clear_pointer (&timer, _agent_timer_source_free);
  g_clear_pointer (&parking, _agent_parking_unref);
}
