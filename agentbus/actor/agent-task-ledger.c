/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "actor/agent-task-ledger-private.h"
#include "base/agent-string-hash-private.h"
#include "router/agent-figures-private.h"

/* The counters are relaxed: nobody concludes anything from one of them for another. */
struct _AgentTaskSeries
{
  gatomicrefcount ref_count;
  char           *name;
  _Atomic guint64 n_open;
  _Atomic gint64  n_jobs; /* for a moment below 0: a job that has just begun may be counted after its end */
  _Atomic guint64 n_ended[AGENT_N_OUTCOMES];
  AgentHistogram  run_time;
};

struct _AgentTaskLedger
{
  gatomicrefcount ref_count;
  GMutex          lock;
  GHashTable     *by_name; /* (lock) name of the series → AgentTaskSeries (unowned) */
  GPtrArray      *series;  /* (lock) of AgentTaskSeries (owned), in the order in which they were made */
};

/* The figures of a part, and where its metrics find them. */
typedef enum
{
  FIGURE_OPEN,
  FIGURE_JOBS,
  FIGURE_ENDED,
  N_FIGURES = FIGURE_ENDED + AGENT_N_OUTCOMES,
} Figure;

G_STATIC_ASSERT (N_FIGURES <= AGENT_N_PART_FIGURES);

#define PART(figure) (G_STRUCT_OFFSET (AgentFigures, part) + (figure) * sizeof (guint64))

/* The series of all names for which there is no other one. */
#define OTHER "other"

G_LOCK_DEFINE_STATIC (ledgers);

static G_DEFINE_QUARK (agent - task - ledger, task_ledger)

    /* --- Series --- */

    static AgentTaskSeries *task_series_new (const char *name)
{
  AgentTaskSeries *self = g_new0 (AgentTaskSeries, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->name = g_strdup (name);

  return self;
}

AgentTaskSeries *
_agent_task_series_ref (AgentTaskSeries *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_task_series_unref (AgentTaskSeries *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_free (self->name);
  g_free (self);
}

/* @task_name: (nullable) */
gboolean
_agent_task_series_is_called (AgentTaskSeries *self,
                              const char      *task_name)
{
  return g_str_equal (self->name, task_name != NULL ? task_name : "");
}

void
_agent_task_series_begin_task (AgentTaskSeries *self)
{
  atomic_fetch_add_explicit (&self->n_open, 1, memory_order_relaxed);
}

void
_agent_task_series_end_task (AgentTaskSeries *self,
                             AgentOutcome     outcome)
{
  atomic_fetch_sub_explicit (&self->n_open, 1, memory_order_relaxed);
  atomic_fetch_add_explicit (&self->n_ended[outcome], 1, memory_order_relaxed);
}

void
_agent_task_series_begin_job (AgentTaskSeries *self)
{
  atomic_fetch_add_explicit (&self->n_jobs, 1, memory_order_relaxed);
}

/* @usec: how long the job took */
void
_agent_task_series_end_job (AgentTaskSeries *self,
                            gint64           usec)
{
  atomic_fetch_sub_explicit (&self->n_jobs, 1, memory_order_relaxed);
  _agent_histogram_add (&self->run_time, MAX (usec, 0));
}

/* --- The ledger --- */

static AgentTaskLedger *
task_ledger_new (void)
{
  AgentTaskLedger *self = g_new0 (AgentTaskLedger, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  self->by_name = g_hash_table_new (_agent_string_hash_func, g_str_equal);
  self->series = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_task_series_unref);

  return self;
}

AgentTaskLedger *
_agent_task_ledger_ref (AgentTaskLedger *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_task_ledger_unref (AgentTaskLedger *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_hash_table_unref (self->by_name);
  g_ptr_array_unref (self->series);
  g_mutex_clear (&self->lock);
  g_free (self);
}

static gpointer
task_ledger_dup (gpointer data,
                 gpointer unused)
{
  return data != NULL ? _agent_task_ledger_ref (data) : NULL;
}

/* (transfer full) (nullable) */
static AgentTaskLedger *
task_ledger_find (AgentBus *bus)
{
  return g_object_dup_qdata (G_OBJECT (bus), task_ledger_quark (), task_ledger_dup, NULL);
}

/* The ledger of @bus, which is made at first use: (transfer full). */
AgentTaskLedger *
_agent_task_ledger_get (AgentBus *bus)
{
  AgentTaskLedger *self;

  G_LOCK (ledgers);
  self = task_ledger_find (bus);
  if (self == NULL)
    {
      self = task_ledger_new ();
      g_object_set_qdata_full (G_OBJECT (bus),
                               task_ledger_quark (),
                               _agent_task_ledger_ref (self),
                               (GDestroyNotify) _agent_task_ledger_unref);
    }
  G_UNLOCK (ledgers);

  return self;
}

static AgentTaskSeries *
task_ledger_make_locked (AgentTaskLedger *self,
                         const char      *name)
{
  AgentTaskSeries *series = task_series_new (name);

  g_hash_table_insert (self->by_name, series->name, series);
  g_ptr_array_add (self->series, series);

  return series;
}

/* There is room for the names, and for the others. */
static AgentTaskSeries *
task_ledger_add_locked (AgentTaskLedger *self,
                        const char      *name)
{
  guint            n_others = g_hash_table_contains (self->by_name, OTHER) ? 1 : 0;
  gboolean         has_room = self->series->len - n_others < AGENT_TASK_LEDGER_MAX_NAMES;
  AgentTaskSeries *other;

  if (has_room && strlen (name) <= AGENT_TASK_LEDGER_MAX_LENGTH)
    return task_ledger_make_locked (self, name);

  other = g_hash_table_lookup (self->by_name, OTHER);
  return other != NULL ? other : task_ledger_make_locked (self, OTHER);
}

/* The series for tasks of a name: (transfer full). @task_name: (nullable) */
AgentTaskSeries *
_agent_task_ledger_get_series (AgentTaskLedger *self,
                               const char      *task_name)
{
  const char      *name = task_name != NULL ? task_name : "";
  AgentTaskSeries *series;

  g_mutex_lock (&self->lock);
  series = g_hash_table_lookup (self->by_name, name);
  if (series == NULL)
    series = task_ledger_add_locked (self, name);
  _agent_task_series_ref (series);
  g_mutex_unlock (&self->lock);

  return series;
}

/* --- Metrics --- */

static void
task_series_read (AgentTaskSeries *self,
                  AgentFigures    *figures)
{
  guint64 usec;

  figures->part[FIGURE_OPEN] = atomic_load_explicit (&self->n_open, memory_order_relaxed);
  figures->part[FIGURE_JOBS] = (guint64) MAX (atomic_load_explicit (&self->n_jobs, memory_order_relaxed), 0);
  for (guint i = 0; i < AGENT_N_OUTCOMES; i++)
    figures->part[FIGURE_ENDED + i] = atomic_load_explicit (&self->n_ended[i], memory_order_relaxed);
  _agent_histogram_read (&self->run_time, figures->latency, &usec);
  figures->latency_sum = (double) usec / (double) G_USEC_PER_SEC;
}

/* The read() of the source. */
static void
task_ledger_read (AgentBus   *bus,
                  const char *name,
                  GPtrArray  *samples)
{
  AgentTaskLedger *self = task_ledger_find (bus);

  if (self == NULL)
    return;

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->series->len; i++)
    {
      AgentTaskSeries *series = self->series->pdata[i];
      AgentSample     *sample = _agent_sample_new_part (name, "task", series->name);

      task_series_read (series, &sample->figures);
      g_ptr_array_add (samples, sample);
    }
  g_mutex_unlock (&self->lock);
  _agent_task_ledger_unref (self);
}

/* Has all metrics tell of tasks. */
void
_agent_task_ledger_add_metrics (void)
{
  static const AgentMetricLabel outcome_label = { "outcome", AGENT_N_OUTCOMES, _agent_outcome_to_string };

  /* clang-format off */
  static const AgentMetric metrics[] = {
    { "agentbus_tasks", "Requests that have ended.", AGENT_SUBJECT_PART, AGENT_METRIC_COUNTERS, PART (FIGURE_ENDED), &outcome_label },
    { "agentbus_tasks_open", "Requests that have not ended.", AGENT_SUBJECT_PART, AGENT_METRIC_GAUGE, PART (FIGURE_OPEN) },
    { "agentbus_jobs", "Jobs that are worked on.", AGENT_SUBJECT_PART, AGENT_METRIC_GAUGE, PART (FIGURE_JOBS) },
    { "agentbus_task_run_time", "Seconds that a job took.", AGENT_SUBJECT_PART, AGENT_METRIC_HISTOGRAM, G_STRUCT_OFFSET (AgentFigures, latency) },
  };
  /* clang-format on */
  static const AgentMetricSource source = { metrics, G_N_ELEMENTS (metrics), task_ledger_read };

  _agent_metric_set_source (&source);
}
