/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "base/agent-debug-private.h"
#include "base/agent-log-rule-private.h"
#include "base/agent-plural-private.h"
#include "base/agent-signal-private.h"
#include "base/agent-signal-queue-private.h"
#include "base/agent-timer-source-private.h"
#include "bus/agent-bus-loss-private.h"
#include "bus/agent-bus-show-private.h"
#include "router/agent-router-drain-private.h"
#include "router/agent-router-report-private.h"
#include "router/agent-router-stop-private.h"

struct _AgentRouterReport
{
  gatomicrefcount    ref_count;
  _Atomic guint64    n_expired;
  GMainContext      *context;
  AgentBus          *bus;
  AgentSignalQueue  *signals;
  AgentRouterStop   *stop;
  AgentRouterDrains *drains;

  GMutex            lock;
  AgentParking     *parking; /* (lock) (owned) (nullable) NULL once closed */
  AgentTimerSource *timer;   /* (lock) (owned) (nullable) NULL once closed */
};

enum
{
  EXPIRED,
  DROPPED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

/* A message that was accepted and then given up. */
typedef struct
{
  guint           signal;  /* EXPIRED or DROPPED */
  AgentMessage   *message; /* (owned) */
  AgentDropReason reason;
  guint           waited; /* ms */
  guint           n_attempts;
} ReportEvent;

AgentRouterReport *
_agent_router_report_ref (AgentRouterReport *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_router_report_unref (AgentRouterReport *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_assert (self->parking == NULL && self->timer == NULL);

  g_clear_pointer (&self->signals, _agent_signal_queue_unref);
  g_clear_pointer (&self->stop, _agent_router_stop_unref);
  g_clear_pointer (&self->drains, _agent_router_drains_unref);
  g_main_context_unref (self->context);
  g_object_unref (self->bus);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* --- Signals --- */

/* The doc comments of the dispatcher's signals stand here, since this file alone emits them. */
void
_agent_router_report_install_signals (AgentRouterDispatcherClass *klass)
{
  /**
   * AgentRouterDispatcher::expired:
   * @self: a dispatcher
   * @message: a message
   * @waited_ms: how long it waited, in milliseconds
   * @n_attempts: how often it was tried, the first time included; what it waited for room is no attempt
   *
   * Tells of a message that was parked for too long. Emitted once for each.
   *
   * Since: 0.1
   */
  signals[EXPIRED] = g_signal_new ("expired",
                                   G_TYPE_FROM_CLASS (klass),
                                   G_SIGNAL_RUN_LAST,
                                   0,
                                   NULL,
                                   NULL,
                                   NULL,
                                   G_TYPE_NONE,
                                   3,
                                   AGENT_TYPE_MESSAGE,
                                   G_TYPE_UINT,
                                   G_TYPE_UINT);

  /**
   * AgentRouterDispatcher::dropped:
   * @self: a dispatcher
   * @message: a message
   * @reason: why it was dropped
   *
   * Tells of a message that was accepted but will not be handed over, for another reason than its age:
   * %AGENT_DROP_REASON_CLOSED when the dispatcher was stopped, %AGENT_DROP_REASON_NO_TARGET when its actor was removed
   * from the route table, %AGENT_DROP_REASON_STALE when its conversation has gone on. Emitted once for each.
   *
   * Since: 0.1
   */
  signals[DROPPED] = g_signal_new ("dropped",
                                   G_TYPE_FROM_CLASS (klass),
                                   G_SIGNAL_RUN_LAST,
                                   0,
                                   NULL,
                                   NULL,
                                   NULL,
                                   G_TYPE_NONE,
                                   2,
                                   AGENT_TYPE_MESSAGE,
                                   AGENT_TYPE_DROP_REASON);
}

static void
report_free_event (gpointer data)
{
  ReportEvent *event = data;

  agent_message_unref (event->message);
  g_free (event);
}

static void
router_report_emit (GObject *dispatcher,
                    gpointer data)
{
  ReportEvent *event = data;

  if (event->signal == EXPIRED)
    g_signal_emit (dispatcher, signals[EXPIRED], 0, event->message, event->waited, event->n_attempts);
  else
    g_signal_emit (dispatcher, signals[DROPPED], 0, event->message, event->reason);
}

/* An event that nobody hears is not queued: in a context that is not iterated the queue would only grow. */
static void
report_add_event (AgentRouterReport *self,
                  const ReportEvent *event)
{
  g_autoptr (GObject) dispatcher = _agent_signal_queue_dup_object (self->signals);

  if (dispatcher == NULL || !_agent_signal_is_heard (dispatcher, signals[event->signal]))
    return;

  agent_message_ref (event->message);
  _agent_signal_queue_add (self->signals, g_memdup2 (event, sizeof *event));
}

/* --- Losses --- */

static void
report_log_expired (AgentRouterReport *self,
                    AgentMessage      *message,
                    guint              waited,
                    guint              n_attempts)
{
  guint64 n_before = atomic_fetch_add (&self->n_expired, 1);

  if (_agent_log_rule_passes (n_before, n_before + 1))
    g_warning ("A message for actor '%s' expired after %u ms and %u %s: %" G_GUINT64_FORMAT " so far",
               agent_message_get_target (message),
               waited,
               n_attempts,
               _agent_plural (n_attempts, "attempt", "attempts"),
               n_before + 1);
}

static void
report_on_expired (gpointer      owner,
                   AgentMessage *message,
                   guint         waited,
                   guint         n_attempts)
{
  AgentRouterReport *self = owner;
  g_autoptr (GError) error = g_error_new (AGENT_BUS_ERROR,
                                          AGENT_BUS_ERROR_TIMED_OUT,
                                          "The message '%s' to '%s' expired after %u ms",
                                          agent_message_get_name (message),
                                          agent_message_get_target (message),
                                          waited);

  if (_agent_debug_is_on (AGENT_DEBUG_DROPS))
    _agent_message_trace (message, "has expired in the dispatcher", NULL);
  report_log_expired (self, message, waited, n_attempts);
  report_add_event (
      self,
      &(ReportEvent){ .signal = EXPIRED, .message = message, .waited = waited, .n_attempts = n_attempts });
  _agent_bus_show_loss (self->bus, message, AGENT_DROP_REASON_EXPIRED);
  _agent_bus_send_loss (self->bus, message, NULL, error);
  agent_message_unref (message);
}

static void
report_on_dropped (gpointer        owner,
                   AgentMessage   *message,
                   AgentDropReason reason)
{
  AgentRouterReport *self = owner;
  g_autoptr (GError) error = _agent_mailbox_owner_new_loss_error (message, NULL, reason);

  g_debug ("%s", error->message);
  if (_agent_debug_is_on (AGENT_DEBUG_DROPS))
    _agent_message_trace (message, "is given up by the dispatcher", NULL);
  report_add_event (self, &(ReportEvent){ .signal = DROPPED, .message = message, .reason = reason });
  _agent_bus_show_loss (self->bus, message, reason);
  _agent_bus_send_loss (self->bus, message, NULL, error);
  agent_message_unref (message);
}

/* --- The timer --- */

/* (transfer full) (nullable) */
static AgentParking *
report_dup_parking (AgentRouterReport *self)
{
  AgentParking *parking;

  g_mutex_lock (&self->lock);
  parking = self->parking != NULL ? _agent_parking_ref (self->parking) : NULL;
  g_mutex_unlock (&self->lock);

  return parking;
}

static void
report_on_timer (gpointer data,
                 gint64   now)
{
  AgentParking *parking = report_dup_parking (data);

  if (parking == NULL)
    return;

  _agent_parking_run_due (parking, now);
  _agent_parking_unref (parking);
}

static void
report_on_deadline (gpointer owner,
                    gint64   time)
{
  AgentRouterReport *self = owner;

  g_mutex_lock (&self->lock);
  if (self->timer != NULL)
    _agent_timer_source_set_time (self->timer, time);
  g_mutex_unlock (&self->lock);
}

/* --- Routers that are drained --- */

static void
report_on_progressed (gpointer      owner,
                      AgentMailbox *mailbox)
{
  AgentRouterReport *self = owner;

  _agent_router_drains_progressed (self->drains, mailbox);
}

/*
 * @mailbox: (nullable): that of a router, or NULL if it is not there
 * @timeout: milliseconds
 * @task: (transfer full): who waits until the router is through with what it has
 */
void
_agent_router_report_drain (AgentRouterReport *self,
                            AgentMailbox      *mailbox,
                            guint              timeout,
                            GTask             *task)
{
  if (mailbox != NULL)
    {
      _agent_router_drains_begin (self->drains, mailbox, timeout, task);
      return;
    }

  g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

/* --- The end --- */

static void
report_on_drained (gpointer owner)
{
  AgentRouterReport *self = owner;

  _agent_router_stop_end (self->stop);
}

/*
 * @timeout: milliseconds until what is parked is dropped
 * @task: (transfer full): who waits until the dispatcher has stopped
 */
void
_agent_router_report_stop (AgentRouterReport *self,
                           guint              timeout,
                           GTask             *task)
{
  _agent_router_stop_begin (self->stop, timeout, task);
}

const AgentParkingFuncs _agent_router_report_funcs = {
  .losses = { .expired = report_on_expired, .dropped = report_on_dropped },
  .deadline = report_on_deadline,
  .progressed = report_on_progressed,
  .drained = report_on_drained,
};

/* --- Life --- */

AgentRouterReport *
_agent_router_report_new (AgentRouterDispatcher *dispatcher,
                          AgentBus              *bus,
                          GMainContext          *context)
{
  AgentRouterReport *self = g_new0 (AgentRouterReport, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->context = g_main_context_ref (context);
  self->bus = g_object_ref (bus);
  self->signals = _agent_signal_queue_new (G_OBJECT (dispatcher), context, "[agentbus] router", router_report_emit, report_free_event);
  self->stop = _agent_router_stop_new (context);
  self->drains = _agent_router_drains_new (context);
  g_mutex_init (&self->lock);

  return self;
}

void
_agent_router_report_start (AgentRouterReport *self,
                            AgentParking      *parking)
{
  self->parking = _agent_parking_ref (parking);
  _agent_router_stop_set_parking (self->stop, parking);
  self->timer = _agent_timer_source_new (self->context,
                                         "[agentbus] retry",
                                         report_on_timer,
                                         _agent_router_report_ref (self),
                                         (GDestroyNotify) _agent_router_report_unref);
}

/* The dispatcher goes. There are no signals any more, but the sources of messages still hear what becomes of these. */
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

  _agent_router_stop_close (self->stop);
  _agent_router_drains_close (self->drains);
  g_clear_pointer (&timer, _agent_timer_source_free);
  g_clear_pointer (&parking, _agent_parking_unref);
}
