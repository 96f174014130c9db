/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "router/agent-figures-private.h"
#include "router/agent-metrics-text-private.h"
#include "router/agent-metrics.h"

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
 * | `agentbus_tasks` | counter | `bus`, `task`, `outcome` |
 * | `agentbus_tasks_open` | gauge | `bus`, `task` |
 * | `agentbus_jobs` | gauge | `bus`, `task` |
 * | `agentbus_task_run_time` | histogram | `bus`, `task` |
 *
 * `router_messages_queued` counts the messages that were parked when they came. `router_dispatch_latency` is what a
 * message waited from when it was dispatched until its router had it, in seconds; one that was handed over at once
 * counts as 0. A message that came back and was handed over again counts in `router_messages_dispatched` twice.
 *
 * `agentbus_tasks` counts the requests of [actors](actors.html) that have ended, by [how they ended](tasks.html): `completed`,
 * `failed`, `cancelled`, `timed-out`, `not-found`, `full` or `closed`. `agentbus_tasks_open` are those that have not.
 * `agentbus_jobs` are the jobs that the actors of the bus work on, and `agentbus_task_run_time` is how long those took that are
 * answered, in seconds. `task` is the name of the task, which is empty if it has none. Of each bus the first 100 names have
 * figures of their own; all others, and names of more than 100 bytes, count as `other`. These metrics are left out as long as no
 * actor of the bus has requested or done anything.
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

/* A bus or a dispatcher whose figures are read. */
typedef struct
{
  gatomicrefcount  ref_count;
  AgentSubjectKind kind;
  char            *name;
  GWeakRef         object; /* an AgentBus or an AgentRouterDispatcher, as @kind says */
} Subject;

G_DEFINE_FINAL_TYPE (AgentMetrics, agent_metrics, G_TYPE_OBJECT)

static Subject *
subject_ref (Subject *subject)
{
  g_atomic_ref_count_inc (&subject->ref_count);
  return subject;
}

static void
subject_unref (gpointer data)
{
  Subject *subject = data;

  if (!g_atomic_ref_count_dec (&subject->ref_count))
    return;

  g_weak_ref_clear (&subject->object);
  g_free (subject->name);
  g_free (subject);
}

/* A subject that is gone is left out. */
static void
metrics_add_sample (GPtrArray *samples,
                    Subject   *subject)
{
  g_autoptr (GObject) object = g_weak_ref_get (&subject->object);

  if (object == NULL)
    return;

  g_ptr_array_add (samples, _agent_sample_new (subject->kind, subject->name, object));
  if (subject->kind == AGENT_SUBJECT_BUS)
    _agent_metric_read_parts (AGENT_BUS (object), subject->name, samples);
}

/* Reads the figures of all subjects: (transfer full) (element-type AgentSample) */
static GPtrArray *
metrics_take_samples (AgentMetrics *self)
{
  GPtrArray *samples = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_sample_free);
  g_autoptr (GPtrArray) subjects = g_ptr_array_new_with_free_func (subject_unref);

  /* Below, the last reference to a bus may go, which must not happen with the lock held. */
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->subjects->len; i++)
    g_ptr_array_add (subjects, subject_ref (self->subjects->pdata[i]));
  g_mutex_unlock (&self->lock);

  for (guint i = 0; i < subjects->len; i++)
    metrics_add_sample (samples, subjects->pdata[i]);

  return samples;
}

/* --- As a variant --- */

/* @label: (nullable): one more label */
static GVariant *
metrics_labels_to_variant (const AgentSample *sample,
                           const char        *label,
                           const char        *value)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{ss}"));
  g_variant_builder_add (&builder, "{ss}", _agent_subject_get_label (sample->kind), sample->name);
  if (sample->part != NULL)
    g_variant_builder_add (&builder, "{ss}", sample->part_label, sample->part);
  if (label != NULL)
    g_variant_builder_add (&builder, "{ss}", label, value);

  return g_variant_builder_end (&builder);
}

static GVariant *
metrics_histogram_to_variant (const AgentSample *sample)
{
  GVariantBuilder buckets;
  guint64         count = 0;

  g_variant_builder_init (&buckets, G_VARIANT_TYPE ("a(dt)"));
  for (guint i = 0; i < AGENT_HISTOGRAM_N_BUCKETS; i++)
    {
      count += sample->figures.latency[i];
      g_variant_builder_add (&buckets, "(dt)", _agent_histogram_get_bound (i), count);
    }

  return g_variant_new ("(@a{ss}a(dt)td)", metrics_labels_to_variant (sample, NULL, NULL), &buckets, count, sample->figures.latency_sum);
}

static void
metrics_add_values (GVariantBuilder   *builder,
                    const AgentSample *sample,
                    const AgentMetric *metric)
{
  const guint64 *figure = _agent_sample_get (sample, metric);

  if (metric->kind == AGENT_METRIC_HISTOGRAM)
    {
      g_variant_builder_add_value (builder, metrics_histogram_to_variant (sample));
      return;
    }
  if (metric->kind != AGENT_METRIC_COUNTERS)
    {
      g_variant_builder_add (builder, "(@a{ss}t)", metrics_labels_to_variant (sample, NULL, NULL), *figure);
      return;
    }

  for (guint i = 0; i < metric->label->n_values; i++)
    g_variant_builder_add (builder,
                           "(@a{ss}t)",
                           metrics_labels_to_variant (sample, metric->label->name, metric->label->get_value (i)),
                           figure[i]);
}

static GVariant *
metrics_figure_to_variant (const AgentMetric *metric,
                           GPtrArray         *samples)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder,
                          metric->kind == AGENT_METRIC_HISTOGRAM ? G_VARIANT_TYPE ("a(a{ss}a(dt)td)")
                                                                 : G_VARIANT_TYPE ("a(a{ss}t)"));
  for (guint i = 0; i < samples->len; i++)
    {
      AgentSample *sample = samples->pdata[i];

      if (sample->kind == metric->subject)
        metrics_add_values (&builder, sample, metric);
    }

  return g_variant_builder_end (&builder);
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
subject_new (AgentSubjectKind kind,
             const char      *name,
             gpointer         object)
{
  Subject *subject = g_new0 (Subject, 1);

  g_atomic_ref_count_init (&subject->ref_count);
  subject->kind = kind;
  subject->name = g_strdup (name);
  g_weak_ref_init (&subject->object, object);
  return subject;
}

static gboolean
subject_is_called (Subject         *subject,
                   AgentSubjectKind kind,
                   const char      *name)
{
  return subject->kind == kind && g_str_equal (subject->name, name);
}

static void
metrics_add_subject (AgentMetrics    *self,
                     AgentSubjectKind kind,
                     const char      *name,
                     gpointer         object)
{
  Subject *old = NULL;

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->subjects->len && old == NULL; i++)
    {
      if (subject_is_called (self->subjects->pdata[i], kind, name))
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

  metrics_add_subject (self, AGENT_SUBJECT_BUS, name, bus);
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

  metrics_add_subject (self, AGENT_SUBJECT_DISPATCHER, name, dispatcher);
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
  const AgentMetric *metric;

  g_return_val_if_fail (AGENT_IS_METRICS (self), NULL);

  samples = metrics_take_samples (self);
  for (guint i = 0; (metric = _agent_metric_get (i)) != NULL; i++)
    {
      if (_agent_samples_have_subject (samples, metric->subject))
        g_variant_dict_insert_value (&dict, metric->name, metrics_figure_to_variant (metric, samples));
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
  g_autoptr (GPtrArray) samples = NULL;

  g_return_val_if_fail (AGENT_IS_METRICS (self), NULL);

  samples = metrics_take_samples (self);
  return _agent_metrics_text_new (samples, TRUE);
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
  g_autoptr (GPtrArray) samples = NULL;

  g_return_val_if_fail (AGENT_IS_METRICS (self), NULL);

  samples = metrics_take_samples (self);
  return _agent_metrics_text_new (samples, FALSE);
}
