/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "router/agent-metrics.h"
#include "router/agent-router-dispatcher-private.h"

/**
 * AgentMetrics:
 *
 * The figures of buses and dispatchers, for whoever watches them.
 *
 * ```c
 * g_autoptr (AgentMetrics) metrics = agent_metrics_new ();
 *
 * agent_metrics_add_bus (metrics, "main", bus);
 * agent_metrics_add_dispatcher (metrics, "main", dispatcher);
 *
 * g_autofree char *text = agent_metrics_to_open_metrics (metrics);
 * g_print ("%.29s\n", text); // prints: # HELP agentbus_messages_sent
 * ```
 *
 * Nothing is measured for the sake of the metrics: they read the ledgers that buses and dispatchers keep anyway, at the
 * moment they are asked. A bus or a dispatcher that is gone is left out.
 *
 * | metric | type | labels |
 * |---|---|---|
 * | `agentbus_messages_sent` | counter | `bus` |
 * | `agentbus_messages_delivered` | counter | `bus` |
 * | `agentbus_messages_failed` | counter | `bus` |
 * | `agentbus_messages_dropped` | counter | `bus`, `reason` |
 * | `agentbus_messages_waiting` | gauge | `bus` |
 * | `agentbus_subscribers` | gauge | `bus` |
 * | `router_messages_accepted` | counter | `dispatcher` |
 * | `router_messages_dispatched` | counter | `dispatcher` |
 * | `router_messages_queued` | counter | `dispatcher` |
 * | `router_messages_expired` | counter | `dispatcher` |
 * | `router_messages_dropped` | counter | `dispatcher`, `reason` |
 * | `router_messages_refused` | counter | `dispatcher` |
 * | `router_messages_returned` | counter | `dispatcher` |
 * | `router_retries` | counter | `dispatcher` |
 * | `router_messages_parked` | gauge | `dispatcher` |
 * | `router_dispatch_latency` | histogram | `dispatcher` |
 *
 * `router_messages_queued` counts the messages that were parked when they came. `router_dispatch_latency` is what a
 * message waited from when it was dispatched until its router had it, in seconds; one that was handed over at once
 * counts as 0. A message that came back and was handed over again counts in `router_messages_dispatched` twice.
 *
 * All functions may be called from any thread.
 *
 * ## From Python
 *
 * ```python
 * metrics = AgentBus.Metrics()
 * metrics.add_bus('main', bus)
 * metrics.add_dispatcher('main', dispatcher)
 * bus.send(AgentBus.Message.new_activate('main', 'worker', None))
 *
 * figures = metrics.to_variant().unpack()
 * print(figures['agentbus_messages_sent'])  # prints: [({'bus': 'main'}, 1)]
 * print(metrics.to_open_metrics().splitlines()[-1])  # prints: # EOF
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const metrics = new AgentBus.Metrics();
 *
 * metrics.add_bus('main', bus);
 * bus.send(AgentBus.Message.new_activate('main', 'worker', null));
 *
 * const figures = metrics.to_variant().recursiveUnpack();
 * const [[labels, value]] = figures.agentbus_messages_sent;
 *
 * print(labels.bus, value); // prints: main 1
 * ```
 *
 * Since: 0.1
 */

struct _AgentMetrics
{
  GObject parent_instance;

  GMutex     lock;
  GPtrArray *subjects; /* (lock) of Subject (owned) */
};

typedef enum
{
  SUBJECT_BUS,
  SUBJECT_DISPATCHER,
  N_SUBJECTS,
} SubjectKind;

/* What figures are taken of. */
typedef struct
{
  gint        ref_count; /* (atomic) */
  SubjectKind kind;
  char       *name;
  GWeakRef    object;
} Subject;

/* The figures themselves: what a subject does not have is 0. */
typedef struct
{
  guint64 sent;
  guint64 delivered;
  guint64 failed;
  guint64 waiting;
  guint64 n_subscribers;
  guint64 accepted;
  guint64 dispatched;
  guint64 queued;
  guint64 expired;
  guint64 refused;
  guint64 returned;
  guint64 retries;
  guint64 parked;
  guint64 dropped[AGENT_N_DROP_REASONS];
  guint64 latency[AGENT_HISTOGRAM_N_BUCKETS]; /* not cumulative */
  double  latency_sum;                        /* seconds */
} Figures;

typedef enum
{
  METRIC_COUNTER,
  METRIC_GAUGE,
  METRIC_DROPS,
  METRIC_HISTOGRAM,
} MetricKind;

typedef struct
{
  const char *name;
  const char *help;
  SubjectKind subject;
  MetricKind  kind;
  gsize       offset; /* in the figures */
} Metric;

static const char *const label_names[N_SUBJECTS] = { "bus", "dispatcher" };

static const char *const type_names[] = { "counter", "gauge", "counter", "histogram" };

#define OF(field) G_STRUCT_OFFSET (Figures, field)

/* clang-format off */

static const Metric all_metrics[] = {
  { "agentbus_messages_sent", "Messages given to the bus.", SUBJECT_BUS, METRIC_COUNTER, OF (sent) },
  { "agentbus_messages_delivered", "Messages given to a handler.", SUBJECT_BUS, METRIC_COUNTER, OF (delivered) },
  { "agentbus_messages_failed", "Messages that a handler failed to handle.", SUBJECT_BUS, METRIC_COUNTER, OF (failed) },
  { "agentbus_messages_dropped", "Messages that were not delivered.", SUBJECT_BUS, METRIC_DROPS, OF (dropped) },
  { "agentbus_messages_waiting", "Messages in the channels of subscribers.", SUBJECT_BUS, METRIC_GAUGE, OF (waiting) },
  { "agentbus_subscribers", "Subscribers on the bus.", SUBJECT_BUS, METRIC_GAUGE, OF (n_subscribers) },
  { "router_messages_accepted", "Messages that were dispatched or parked.", SUBJECT_DISPATCHER, METRIC_COUNTER, OF (accepted) },
  { "router_messages_dispatched", "Messages handed over to a router.", SUBJECT_DISPATCHER, METRIC_COUNTER, OF (dispatched) },
  { "router_messages_queued", "Messages parked when they came.", SUBJECT_DISPATCHER, METRIC_COUNTER, OF (queued) },
  { "router_messages_expired", "Messages parked for too long.", SUBJECT_DISPATCHER, METRIC_COUNTER, OF (expired) },
  { "router_messages_dropped", "Messages given up for another reason.", SUBJECT_DISPATCHER, METRIC_DROPS, OF (dropped) },
  { "router_messages_refused", "Messages that were not accepted.", SUBJECT_DISPATCHER, METRIC_COUNTER, OF (refused) },
  { "router_messages_returned", "Messages that came back from a router.", SUBJECT_DISPATCHER, METRIC_COUNTER, OF (returned) },
  { "router_retries", "Retries of parked messages.", SUBJECT_DISPATCHER, METRIC_COUNTER, OF (retries) },
  { "router_messages_parked", "Messages that are parked.", SUBJECT_DISPATCHER, METRIC_GAUGE, OF (parked) },
  { "router_dispatch_latency", "Seconds from dispatch to router.", SUBJECT_DISPATCHER, METRIC_HISTOGRAM, OF (latency) },
};

/* clang-format on */

G_DEFINE_FINAL_TYPE (AgentMetrics, agent_metrics, G_TYPE_OBJECT)

static Subject *
subject_ref (Subject *subject)
{
  g_atomic_int_inc (&subject->ref_count);
  return subject;
}

static void
subject_unref (gpointer data)
{
  Subject *subject = data;

  if (!g_atomic_int_dec_and_test (&subject->ref_count))
    return;

  g_weak_ref_clear (&subject->object);
  g_free (subject->name);
  g_free (subject);
}

/* --- Reading figures --- */

static void
read_bus (AgentBus *bus,
          Figures  *figures)
{
  AgentLedger ledger;

  figures->sent = _agent_bus_get_ledger (bus, &ledger, NULL);
  figures->delivered = ledger.delivered;
  figures->failed = ledger.failed;
  figures->waiting = ledger.queued;
  figures->n_subscribers = agent_bus_get_n_subscribers (bus);
  memcpy (figures->dropped, ledger.dropped, sizeof ledger.dropped);
}

static void
read_dispatcher (AgentRouterDispatcher *dispatcher,
                 Figures               *figures)
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

/* A subject at one moment. */
typedef struct
{
  SubjectKind kind;
  char       *name;
  Figures     figures;
} Sample;

static void
sample_free (gpointer data)
{
  Sample *sample = data;

  g_free (sample->name);
  g_free (sample);
}

/* (transfer full) (nullable) */
static Sample *
sample_new (Subject *subject)
{
  g_autoptr (GObject) object = g_weak_ref_get (&subject->object);
  Sample *sample;

  if (object == NULL)
    return NULL;

  sample = g_new0 (Sample, 1);
  sample->kind = subject->kind;
  sample->name = g_strdup (subject->name);
  if (subject->kind == SUBJECT_BUS)
    read_bus (AGENT_BUS (object), &sample->figures);
  else
    read_dispatcher (AGENT_ROUTER_DISPATCHER (object), &sample->figures);

  return sample;
}

/* (transfer full) (element-type Sample) */
static GPtrArray *
take_samples (AgentMetrics *self)
{
  GPtrArray *samples = g_ptr_array_new_with_free_func (sample_free);
  g_autoptr (GPtrArray) subjects = g_ptr_array_new_with_free_func (subject_unref);

  /* The last reference to a bus may go below: not with the lock held. */
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->subjects->len; i++)
    g_ptr_array_add (subjects, subject_ref (self->subjects->pdata[i]));
  g_mutex_unlock (&self->lock);

  for (guint i = 0; i < subjects->len; i++)
    {
      Sample *sample = sample_new (subjects->pdata[i]);

      if (sample != NULL)
        g_ptr_array_add (samples, sample);
    }

  return samples;
}

static gconstpointer
get_figure (const Sample *sample,
            const Metric *metric)
{
  return (const char *) &sample->figures + metric->offset;
}

/* --- As a variant --- */

static GVariant *
labels_to_variant (const Sample *sample,
                   const char   *reason)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{ss}"));
  g_variant_builder_add (&builder, "{ss}", label_names[sample->kind], sample->name);
  if (reason != NULL)
    g_variant_builder_add (&builder, "{ss}", "reason", reason);

  return g_variant_builder_end (&builder);
}

static GVariant *
histogram_to_variant (const Sample *sample)
{
  GVariantBuilder buckets;
  guint64         count = 0;

  g_variant_builder_init (&buckets, G_VARIANT_TYPE ("a(dt)"));
  for (guint i = 0; i < AGENT_HISTOGRAM_N_BUCKETS; i++)
    {
      count += sample->figures.latency[i];
      g_variant_builder_add (&buckets, "(dt)", _agent_histogram_get_bound (i), count);
    }

  return g_variant_new ("(@a{ss}a(dt)td)", labels_to_variant (sample, NULL), &buckets, count, sample->figures.latency_sum);
}

static void
add_values (GVariantBuilder *builder,
            const Sample    *sample,
            const Metric    *metric)
{
  const guint64 *figure = get_figure (sample, metric);

  if (metric->kind == METRIC_HISTOGRAM)
    {
      g_variant_builder_add_value (builder, histogram_to_variant (sample));
      return;
    }
  if (metric->kind != METRIC_DROPS)
    {
      g_variant_builder_add (builder, "(@a{ss}t)", labels_to_variant (sample, NULL), *figure);
      return;
    }

  for (guint reason = 0; reason < AGENT_N_DROP_REASONS; reason++)
    g_variant_builder_add (builder,
                           "(@a{ss}t)",
                           labels_to_variant (sample, agent_drop_reason_to_string (reason)),
                           figure[reason]);
}

static GVariant *
metric_to_variant (const Metric *metric,
                   GPtrArray    *samples)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder,
                          metric->kind == METRIC_HISTOGRAM ? G_VARIANT_TYPE ("a(a{ss}a(dt)td)")
                                                           : G_VARIANT_TYPE ("a(a{ss}t)"));
  for (guint i = 0; i < samples->len; i++)
    {
      Sample *sample = samples->pdata[i];

      if (sample->kind == metric->subject)
        add_values (&builder, sample, metric);
    }

  return g_variant_builder_end (&builder);
}

/* --- As text --- */

/* @extra: (nullable), one more label. */
static void
write_sample (GString      *text,
              const Metric *metric,
              const char   *suffix,
              const Sample *sample,
              const char   *extra,
              const char   *extra_value)
{
  g_string_append_printf (text, "%s%s{%s=\"", metric->name, suffix, label_names[sample->kind]);
  for (const char *c = sample->name; *c != '\0'; c++)
    {
      if (*c == '\n')
        g_string_append (text, "\\n");
      else if (*c == '\\' || *c == '"')
        g_string_append_printf (text, "\\%c", *c);
      else
        g_string_append_c (text, *c);
    }
  g_string_append_c (text, '"');
  if (extra != NULL)
    g_string_append_printf (text, ",%s=\"%s\"", extra, extra_value);
  g_string_append (text, "} ");
}

static void
write_count (GString *text,
             guint64  count)
{
  g_string_append_printf (text, "%" G_GUINT64_FORMAT "\n", count);
}

/* In the way of the C locale, and recognisable as what is no whole number. */
static const char *
format_double (double value,
               char   buffer[G_ASCII_DTOSTR_BUF_SIZE])
{
  if (value > G_MAXDOUBLE)
    return "+Inf";

  g_ascii_formatd (buffer, G_ASCII_DTOSTR_BUF_SIZE, "%.15g", value);
  if (strpbrk (buffer, ".e") == NULL)
    g_strlcat (buffer, ".0", G_ASCII_DTOSTR_BUF_SIZE);
  return buffer;
}

static void
write_histogram (GString      *text,
                 const Metric *metric,
                 const Sample *sample)
{
  char    buffer[G_ASCII_DTOSTR_BUF_SIZE];
  guint64 count = 0;

  for (guint i = 0; i < AGENT_HISTOGRAM_N_BUCKETS; i++)
    {
      count += sample->figures.latency[i];
      write_sample (text, metric, "_bucket", sample, "le", format_double (_agent_histogram_get_bound (i), buffer));
      write_count (text, count);
    }

  write_sample (text, metric, "_count", sample, NULL, NULL);
  write_count (text, count);
  write_sample (text, metric, "_sum", sample, NULL, NULL);
  g_string_append_printf (text, "%s\n", format_double (sample->figures.latency_sum, buffer));
}

static void
write_values (GString      *text,
              const Metric *metric,
              const Sample *sample)
{
  const guint64 *figure = get_figure (sample, metric);

  switch (metric->kind)
    {
    case METRIC_COUNTER:
    case METRIC_GAUGE:
      write_sample (text, metric, metric->kind == METRIC_COUNTER ? "_total" : "", sample, NULL, NULL);
      write_count (text, *figure);
      break;
    case METRIC_DROPS:
      for (guint reason = 0; reason < AGENT_N_DROP_REASONS; reason++)
        {
          write_sample (text, metric, "_total", sample, "reason", agent_drop_reason_to_string (reason));
          write_count (text, figure[reason]);
        }
      break;
    case METRIC_HISTOGRAM:
      write_histogram (text, metric, sample);
      break;
    default:
      g_assert_not_reached ();
    }
}

/* What describes a counter goes by the name of the counter in one format, and by that of its samples in the other. */
static void
write_metric (GString      *text,
              const Metric *metric,
              GPtrArray    *samples,
              gboolean      open_metrics)
{
  gboolean    counts = metric->kind == METRIC_COUNTER || metric->kind == METRIC_DROPS;
  const char *suffix = counts && !open_metrics ? "_total" : "";

  g_string_append_printf (text, "# HELP %s%s %s\n", metric->name, suffix, metric->help);
  g_string_append_printf (text, "# TYPE %s%s %s\n", metric->name, suffix, type_names[metric->kind]);
  for (guint i = 0; i < samples->len; i++)
    {
      Sample *sample = samples->pdata[i];

      if (sample->kind == metric->subject)
        write_values (text, metric, sample);
    }
}

static gboolean
has_subject (GPtrArray  *samples,
             SubjectKind kind)
{
  for (guint i = 0; i < samples->len; i++)
    {
      if (((Sample *) samples->pdata[i])->kind == kind)
        return TRUE;
    }

  return FALSE;
}

static char *
write_text (AgentMetrics *self,
            gboolean      open_metrics)
{
  g_autoptr (GPtrArray) samples = take_samples (self);
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (all_metrics); i++)
    {
      if (has_subject (samples, all_metrics[i].subject))
        write_metric (text, &all_metrics[i], samples, open_metrics);
    }
  if (open_metrics)
    g_string_append (text, "# EOF\n");

  return g_string_free (text, FALSE);
}

/* --- GObject --- */

static void
agent_metrics_finalize (GObject *object)
{
  AgentMetrics *self = AGENT_METRICS (object);

  g_clear_pointer (&self->subjects, g_ptr_array_unref);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (agent_metrics_parent_class)->finalize (object);
}

static void
agent_metrics_class_init (AgentMetricsClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = agent_metrics_finalize;
}

static void
agent_metrics_init (AgentMetrics *self)
{
  g_mutex_init (&self->lock);
  self->subjects = g_ptr_array_new_with_free_func (subject_unref);
}

/* --- API --- */

/**
 * agent_metrics_new:
 *
 * Creates metrics of nothing yet.
 *
 * Returns: (transfer full): metrics
 *
 * Since: 0.1
 */
AgentMetrics *
agent_metrics_new (void)
{
  return g_object_new (AGENT_TYPE_METRICS, NULL);
}

static Subject *
subject_new (SubjectKind kind,
             const char *name,
             gpointer    object)
{
  Subject *subject = g_new0 (Subject, 1);

  subject->ref_count = 1;
  subject->kind = kind;
  subject->name = g_strdup (name);
  g_weak_ref_init (&subject->object, object);
  return subject;
}

static gboolean
is_called (Subject    *subject,
           SubjectKind kind,
           const char *name)
{
  return subject->kind == kind && g_str_equal (subject->name, name);
}

static void
add_subject (AgentMetrics *self,
             SubjectKind   kind,
             const char   *name,
             gpointer      object)
{
  Subject *old = NULL;

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->subjects->len && old == NULL; i++)
    {
      if (is_called (self->subjects->pdata[i], kind, name))
        old = g_ptr_array_steal_index (self->subjects, i);
    }
  g_ptr_array_add (self->subjects, subject_new (kind, name, object));
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&old, subject_unref);
}

/**
 * agent_metrics_add_bus:
 * @self: metrics
 * @name: what to call it, as the label `bus`
 * @bus: a bus, which is not kept alive
 *
 * Adds the figures of a bus. A bus that was added under the same name before is replaced.
 *
 * Since: 0.1
 */
void
agent_metrics_add_bus (AgentMetrics *self,
                       const char   *name,
                       AgentBus     *bus)
{
  g_return_if_fail (AGENT_IS_METRICS (self));
  g_return_if_fail (name != NULL && g_utf8_validate (name, -1, NULL));
  g_return_if_fail (AGENT_IS_BUS (bus));

  add_subject (self, SUBJECT_BUS, name, bus);
}

/**
 * agent_metrics_add_dispatcher:
 * @self: metrics
 * @name: what to call it, as the label `dispatcher`
 * @dispatcher: a dispatcher, which is not kept alive
 *
 * Adds the figures of a dispatcher. A dispatcher that was added under the same name before is replaced.
 *
 * Since: 0.1
 */
void
agent_metrics_add_dispatcher (AgentMetrics          *self,
                              const char            *name,
                              AgentRouterDispatcher *dispatcher)
{
  g_return_if_fail (AGENT_IS_METRICS (self));
  g_return_if_fail (name != NULL && g_utf8_validate (name, -1, NULL));
  g_return_if_fail (AGENT_IS_ROUTER_DISPATCHER (dispatcher));

  add_subject (self, SUBJECT_DISPATCHER, name, dispatcher);
}

/**
 * agent_metrics_to_variant:
 * @self: metrics
 *
 * Gets the figures as they are now, by the name of the metric.
 *
 * A counter or gauge is an `a(a{ss}t)`: labels and value. A histogram is an `a(a{ss}a(dt)td)`: labels, the buckets with
 * their upper bound and the number of all that is not above it, the number in all, and the sum.
 *
 * Returns: (transfer full): an `a{sv}`, not floating
 *
 * Since: 0.1
 */
GVariant *
agent_metrics_to_variant (AgentMetrics *self)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GPtrArray) samples = NULL;

  g_return_val_if_fail (AGENT_IS_METRICS (self), NULL);

  samples = take_samples (self);
  for (guint i = 0; i < G_N_ELEMENTS (all_metrics); i++)
    {
      if (has_subject (samples, all_metrics[i].subject))
        g_variant_dict_insert_value (&dict, all_metrics[i].name, metric_to_variant (&all_metrics[i], samples));
    }

  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

/**
 * agent_metrics_to_open_metrics:
 * @self: metrics
 *
 * Gets the figures as they are now in the OpenMetrics text format.
 *
 * Its media type is `application/openmetrics-text; version=1.0.0; charset=utf-8`.
 *
 * Returns: (transfer full): the text
 *
 * Since: 0.1
 */
char *
agent_metrics_to_open_metrics (AgentMetrics *self)
{
  g_return_val_if_fail (AGENT_IS_METRICS (self), NULL);

  return write_text (self, TRUE);
}

/**
 * agent_metrics_to_prometheus:
 * @self: metrics
 *
 * Gets the figures as they are now in the older text format of Prometheus.
 *
 * Its media type is `text/plain; version=0.0.4`.
 *
 * Returns: (transfer full): the text
 *
 * Since: 0.1
 */
char *
agent_metrics_to_prometheus (AgentMetrics *self)
{
  g_return_val_if_fail (AGENT_IS_METRICS (self), NULL);

  return write_text (self, FALSE);
}
