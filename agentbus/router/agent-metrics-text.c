/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "router/agent-metrics-text-private.h"

/* What the formats call a metric, by AgentMetricKind. */
static const char *const type_names[] = { "counter", "gauge", "counter", "histogram" };

static void
text_write_escaped (GString    *text,
                    const char *value)
{
  for (const char *c = value; *c != '\0'; c++)
    {
      if (*c == '\n')
        g_string_append (text, "\\n");
      else if (*c == '\\' || *c == '"')
        g_string_append_printf (text, "\\%c", *c);
      else
        g_string_append_c (text, *c);
    }
}

/* Writes the name and the labels of one value. @extra: (nullable): one more label */
static void
text_write_sample (GString           *text,
                   const AgentMetric *metric,
                   const char        *suffix,
                   const AgentSample *sample,
                   const char        *extra,
                   const char        *extra_value)
{
  g_string_append_printf (text, "%s%s{%s=\"", metric->name, suffix, _agent_subject_get_label (sample->kind));
  text_write_escaped (text, sample->name);
  if (sample->part != NULL)
    {
      g_string_append_printf (text, "\",%s=\"", sample->part_label);
      text_write_escaped (text, sample->part);
    }
  g_string_append_c (text, '"');
  if (extra != NULL)
    g_string_append_printf (text, ",%s=\"%s\"", extra, extra_value);
  g_string_append (text, "} ");
}

static void
text_write_count (GString *text,
                  guint64  count)
{
  g_string_append_printf (text, "%" G_GUINT64_FORMAT "\n", count);
}

/* Writes a number as the C locale does, and always with a point or an exponent, so that readers see that it is no integer. */
static const char *
text_format_double (double value,
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
text_write_histogram (GString           *text,
                      const AgentMetric *metric,
                      const AgentSample *sample)
{
  char    buffer[G_ASCII_DTOSTR_BUF_SIZE];
  guint64 count = 0;

  for (guint i = 0; i < AGENT_HISTOGRAM_N_BUCKETS; i++)
    {
      count += sample->figures.latency[i];
      text_write_sample (text, metric, "_bucket", sample, "le", text_format_double (_agent_histogram_get_bound (i), buffer));
      text_write_count (text, count);
    }

  text_write_sample (text, metric, "_count", sample, NULL, NULL);
  text_write_count (text, count);
  text_write_sample (text, metric, "_sum", sample, NULL, NULL);
  g_string_append_printf (text, "%s\n", text_format_double (sample->figures.latency_sum, buffer));
}

static void
text_write_values (GString           *text,
                   const AgentMetric *metric,
                   const AgentSample *sample)
{
  const guint64 *figure = _agent_sample_get (sample, metric);

  switch (metric->kind)
    {
    case AGENT_METRIC_COUNTER:
    case AGENT_METRIC_GAUGE:
      text_write_sample (text, metric, metric->kind == AGENT_METRIC_COUNTER ? "_total" : "", sample, NULL, NULL);
      text_write_count (text, *figure);
      break;
    case AGENT_METRIC_COUNTERS:
      for (guint i = 0; i < metric->label->n_values; i++)
        {
          text_write_sample (text, metric, "_total", sample, metric->label->name, metric->label->get_value (i));
          text_write_count (text, figure[i]);
        }
      break;
    case AGENT_METRIC_HISTOGRAM:
      text_write_histogram (text, metric, sample);
      break;
    default:
      g_assert_not_reached ();
    }
}

/* The description of a counter has the name of the counter in OpenMetrics, and the name of its values, which ends in
 * "_total", in the older format. */
static void
text_write_metric (GString           *text,
                   const AgentMetric *metric,
                   GPtrArray         *samples,
                   gboolean           open_metrics)
{
  gboolean    counts = metric->kind == AGENT_METRIC_COUNTER || metric->kind == AGENT_METRIC_COUNTERS;
  const char *suffix = counts && !open_metrics ? "_total" : "";

  g_string_append_printf (text, "# HELP %s%s %s\n", metric->name, suffix, metric->help);
  g_string_append_printf (text, "# TYPE %s%s %s\n", metric->name, suffix, type_names[metric->kind]);
  for (guint i = 0; i < samples->len; i++)
    {
      AgentSample *sample = samples->pdata[i];

      if (sample->kind == metric->subject)
        text_write_values (text, metric, sample);
    }
}

/*
 * @samples: (element-type AgentSample)
 * @open_metrics: whether to write the OpenMetrics format, and not the older one of Prometheus
 *
 * Returns: (transfer full)
 */
char *
_agent_metrics_text_new (GPtrArray *samples,
                         gboolean   open_metrics)
{
  GString           *text = g_string_new (NULL);
  const AgentMetric *metric;

  for (guint i = 0; (metric = _agent_metric_get (i)) != NULL; i++)
    {
      if (_agent_samples_have_subject (samples, metric->subject))
        text_write_metric (text, metric, samples, open_metrics);
    }
  if (open_metrics)
    g_string_append (text, "# EOF\n");

  return g_string_free (text, FALSE);
}
