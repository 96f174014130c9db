/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-private.h"
#include "router/agent-figures-private.h"
#include "router/agent-parking-private.h"
#include "router/agent-router-dispatcher-private.h"

#define OF(field) G_STRUCT_OFFSET (AgentFigures, field)

static const char *
figures_get_reason (guint index)
{
  return agent_drop_reason_to_string (index);
}

static const AgentMetricLabel reason_label = { "reason", AGENT_N_DROP_REASONS, figures_get_reason };

/* clang-format off */

static const AgentMetric all_metrics[] = {
  { "agentbus_messages_sent", "Messages given to the bus.", AGENT_SUBJECT_BUS, AGENT_METRIC_COUNTER, OF (sent) },
  { "agentbus_messages_delivered", "Messages given to a handler.", AGENT_SUBJECT_BUS, AGENT_METRIC_COUNTER, OF (delivered) },
  { "agentbus_messages_failed", "Messages that a handler failed to handle.", AGENT_SUBJECT_BUS, AGENT_METRIC_COUNTER, OF (failed) },
  { "agentbus_messages_dropped", "Messages that were not delivered.", AGENT_SUBJECT_BUS, AGENT_METRIC_COUNTERS, OF (dropped), &reason_label },
  { "agentbus_messages_waiting", "Messages in the channels of subscribers.", AGENT_SUBJECT_BUS, AGENT_METRIC_GAUGE, OF (waiting) },
  { "agentbus_subscribers", "Subscribers on the bus.", AGENT_SUBJECT_BUS, AGENT_METRIC_GAUGE, OF (n_subscribers) },
  { "router_messages_accepted", "Messages that were dispatched or parked.", AGENT_SUBJECT_DISPATCHER, AGENT_METRIC_COUNTER, OF (accepted) },
  { "router_messages_dispatched", "Messages handed over to a router.", AGENT_SUBJECT_DISPATCHER, AGENT_METRIC_COUNTER, OF (dispatched) },
  { "router_messages_queued", "Messages parked when they came.", AGENT_SUBJECT_DISPATCHER, AGENT_METRIC_COUNTER, OF (queued) },
  { "router_messages_expired", "Messages parked for too long.", AGENT_SUBJECT_DISPATCHER, AGENT_METRIC_COUNTER, OF (expired) },
  { "router_messages_dropped", "Messages given up for another reason.", AGENT_SUBJECT_DISPATCHER, AGENT_METRIC_COUNTERS, OF (dropped), &reason_label },
  { "router_messages_refused", "Messages that were not accepted.", AGENT_SUBJECT_DISPATCHER, AGENT_METRIC_COUNTER, OF (refused) },
  { "router_messages_returned", "Messages that came back from a router.", AGENT_SUBJECT_DISPATCHER, AGENT_METRIC_COUNTER, OF (returned) },
  { "router_retries", "Retries of parked messages.", AGENT_SUBJECT_DISPATCHER, AGENT_METRIC_COUNTER, OF (retries) },
  { "router_messages_parked", "Messages that are parked.", AGENT_SUBJECT_DISPATCHER, AGENT_METRIC_GAUGE, OF (parked) },
  { "router_dispatch_latency", "Seconds from dispatch to router.", AGENT_SUBJECT_DISPATCHER, AGENT_METRIC_HISTOGRAM, OF (latency) },
};

/* clang-format on */

static const AgentMetricSource *part_source; /* (atomic) (nullable) */

/* @source: lives as long as the process */
void
_agent_metric_set_source (const AgentMetricSource *source)
{
  g_atomic_pointer_set (&part_source, source);
}

void
_agent_metric_read_parts (AgentBus   *bus,
                          const char *name,
                          GPtrArray  *samples)
{
  const AgentMetricSource *source = g_atomic_pointer_get (&part_source);

  if (source != NULL)
    source->read (bus, name, samples);
}

/* (transfer none) (nullable): one metric, in the order in which they are written. NULL: there are no more. */
const AgentMetric *
_agent_metric_get (guint index)
{
  const AgentMetricSource *source = g_atomic_pointer_get (&part_source);

  if (index < G_N_ELEMENTS (all_metrics))
    return &all_metrics[index];

  index -= G_N_ELEMENTS (all_metrics);
  return source != NULL && index < source->n_metrics ? &source->metrics[index] : NULL;
}

/* (transfer none): the name of the label that says which bus or which dispatcher it is */
const char *
_agent_subject_get_label (AgentSubjectKind kind)
{
  return kind == AGENT_SUBJECT_DISPATCHER ? "dispatcher" : "bus";
}

static void
figures_read_bus (AgentBus     *bus,
                  AgentFigures *figures)
{
  AgentLedger ledger;
  AgentLedger remote;

  figures->sent = _agent_bus_get_ledger (bus, &ledger, &remote, NULL);
  figures->delivered = ledger.delivered;
  figures->failed = ledger.failed;
  figures->waiting = ledger.queued;
  figures->n_subscribers = agent_bus_get_n_subscribers (bus);
  memcpy (figures->dropped, ledger.dropped, sizeof ledger.dropped);
}

static void
figures_read_dispatcher (AgentRouterDispatcher *dispatcher,
                         AgentFigures          *figures)
{
  AgentParkingCounts counts;

  _agent_parking_get_counts (_agent_router_dispatcher_get_parking (dispatcher), &counts);
  figures->accepted = counts.accepted;
  figures->dispatched = counts.dispatched + counts.returned;
  figures->queued = counts.accepted - counts.direct;
  figures->expired = counts.expired;
  figures->refused = counts.refused;
  figures->returned = counts.returned;
  figures->retries = counts.retries;
  figures->parked = counts.parked;
  memcpy (figures->dropped, counts.dropped, sizeof counts.dropped);
  memcpy (figures->latency, counts.latency, sizeof counts.latency);
  figures->latency_sum = counts.latency_sum / (double) G_USEC_PER_SEC;
}

void
_agent_sample_free (AgentSample *self)
{
  g_free (self->name);
  g_free (self->part);
  g_free (self);
}

/* @object: an AgentBus or an AgentRouterDispatcher, as @kind says. (transfer full) */
AgentSample *
_agent_sample_new (AgentSubjectKind kind,
                   const char      *name,
                   gpointer         object)
{
  AgentSample *self = g_new0 (AgentSample, 1);

  self->kind = kind;
  self->name = g_strdup (name);
  if (kind == AGENT_SUBJECT_BUS)
    figures_read_bus (object, &self->figures);
  else
    figures_read_dispatcher (object, &self->figures);

  return self;
}

/* A part of the bus that is called @name: (transfer full). The caller sets the figures. @part_label: a static string */
AgentSample *
_agent_sample_new_part (const char *name,
                        const char *part_label,
                        const char *part)
{
  AgentSample *self = g_new0 (AgentSample, 1);

  self->kind = AGENT_SUBJECT_PART;
  self->name = g_strdup (name);
  self->part_label = part_label;
  self->part = g_strdup (part);

  return self;
}

/* (transfer none): the figure of @metric. There are more behind it if it has a label or buckets. */
const guint64 *
_agent_sample_get (const AgentSample *self,
                   const AgentMetric *metric)
{
  return G_STRUCT_MEMBER_P (&self->figures, metric->offset);
}

/* Whether a subject of @kind is among @samples: (element-type AgentSample) */
gboolean
_agent_samples_have_subject (GPtrArray       *samples,
                             AgentSubjectKind kind)
{
  for (guint i = 0; i < samples->len; i++)
    {
      if (((AgentSample *) samples->pdata[i])->kind == kind)
        return TRUE;
    }

  return FALSE;
}
