/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/*
 * What the metrics tell of tasks: how they have ended, how many are open and worked on, how long it took, by their names, of which
 * only so many have figures of their own.
 */

#define MSEC 1000
#define MAX_NAMES 100

typedef struct
{
  TestFixture  *f;
  AgentActor   *boss;
  AgentActor   *worker;
  GPtrArray    *jobs;
  AgentMetrics *metrics;
} Office;

static void
on_keep (AgentActor *actor,
         AgentJob   *job,
         gpointer    user_data)
{
  g_ptr_array_add (user_data, g_object_ref (job));
}

static void
subscribe (AgentBus   *bus,
           AgentActor *actor)
{
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (bus, AGENT_SUBSCRIBER (actor), &error);
  g_assert_no_error (error);
}

static Office
office_new (TestFixture *f)
{
  Office self = {
    f,
    agent_actor_new ("boss"),
    agent_actor_new ("worker"),
    g_ptr_array_new_with_free_func (g_object_unref),
    agent_metrics_new (),
  };

  test_clock_freeze ();
  agent_actor_set_max_jobs (self.worker, 0);
  g_signal_connect (self.worker, "task-request", G_CALLBACK (on_keep), self.jobs);
  subscribe (f->bus, self.boss);
  subscribe (f->bus, self.worker);
  agent_metrics_add_bus (self.metrics, "main", f->bus);
  return self;
}

static void
office_clear (Office *self)
{
  test_stop (self->f);
  g_ptr_array_unref (self->jobs);
  g_object_unref (self->metrics);
  g_assert_finalize_object (self->boss);
  g_assert_finalize_object (self->worker);
}

static AgentTask *
request (Office     *office,
         const char *target,
         const char *task_name)
{
  AgentTask *task = agent_actor_request (office->boss, target, task_name, NULL);

  test_drain (office->f);
  return task;
}

static void
request_and_forget (Office     *office,
                    const char *target,
                    const char *task_name)
{
  g_object_unref (request (office, target, task_name));
}

/* The line that begins with @name and the labels says @value; "": there is none. */
static void
assert_line (Office     *office,
             const char *name,
             const char *value)
{
  g_autofree char *text = agent_metrics_to_open_metrics (office->metrics);
  g_autofree char *begin = g_strdup_printf ("\n%s ", name);
  const char      *line = strstr (text, begin);
  g_autofree char *found = NULL;

  if (line != NULL)
    found = g_strndup (line + strlen (begin), strcspn (line + strlen (begin), "\n"));
  g_assert_cmpstr (found != NULL ? found : "", ==, value);
}

static guint
count_series (AgentMetrics *metrics,
              const char   *name)
{
  g_autoptr (GVariant) variant = agent_metrics_to_variant (metrics);
  g_autoptr (GVariant) values = g_variant_lookup_value (variant, name, NULL);

  return values != NULL ? (guint) g_variant_n_children (values) : 0;
}

/* --- */

/* Actors that have neither requested nor done anything have no figures. */
static void
test_nothing (TestFixture *f)
{
  Office office = office_new (f);

  test_drain (f);
  g_assert_cmpuint (count_series (office.metrics, "agentbus_messages_sent"), ==, 1);
  g_assert_cmpuint (count_series (office.metrics, "agentbus_tasks"), ==, 0);
  g_assert_cmpuint (count_series (office.metrics, "agentbus_jobs"), ==, 0);
  office_clear (&office);
}

static void
test_outcomes (TestFixture *f)
{
  Office     office = office_new (f);
  AgentTask *cancelled = request (&office, "worker", "sum");
  AgentTask *late = request (&office, "worker", "sum");

  request_and_forget (&office, "worker", "sum");
  request_and_forget (&office, "worker", "sum");
  request_and_forget (&office, "nobody", "sum");
  request_and_forget (&office, "worker", "sum");
  agent_task_cancel (cancelled, NULL);
  agent_task_set_timeout (late, 100);
  test_clock_advance (100 * MSEC);
  agent_job_complete (office.jobs->pdata[2], NULL);
  agent_job_fail_message (office.jobs->pdata[3], "No");
  test_drain (f);

  assert_line (&office, "agentbus_tasks_total{bus=\"main\",task=\"sum\",outcome=\"completed\"}", "1");
  assert_line (&office, "agentbus_tasks_total{bus=\"main\",task=\"sum\",outcome=\"failed\"}", "1");
  assert_line (&office, "agentbus_tasks_total{bus=\"main\",task=\"sum\",outcome=\"cancelled\"}", "1");
  assert_line (&office, "agentbus_tasks_total{bus=\"main\",task=\"sum\",outcome=\"timed-out\"}", "1");
  assert_line (&office, "agentbus_tasks_total{bus=\"main\",task=\"sum\",outcome=\"not-found\"}", "1");
  assert_line (&office, "agentbus_tasks_total{bus=\"main\",task=\"sum\",outcome=\"full\"}", "0");
  assert_line (&office, "agentbus_tasks_total{bus=\"main\",task=\"sum\",outcome=\"closed\"}", "0");
  assert_line (&office, "agentbus_tasks_open{bus=\"main\",task=\"sum\"}", "1");

  g_assert_true (test_unsubscribe (f, "worker", NULL));
  test_drain (f);
  assert_line (&office, "agentbus_tasks_total{bus=\"main\",task=\"sum\",outcome=\"closed\"}", "1");
  assert_line (&office, "agentbus_tasks_open{bus=\"main\",task=\"sum\"}", "0");
  assert_line (&office, "agentbus_jobs{bus=\"main\",task=\"sum\"}", "0");
  g_object_unref (cancelled);
  g_object_unref (late);
  office_clear (&office);
}

/* A request that waits for a place is no job yet. */
static void
test_jobs (TestFixture *f)
{
  Office office = office_new (f);

  agent_actor_set_max_jobs (office.worker, 2);
  for (guint i = 0; i < 3; i++)
    request_and_forget (&office, "worker", NULL);
  assert_line (&office, "agentbus_jobs{bus=\"main\",task=\"\"}", "2");
  assert_line (&office, "agentbus_tasks_open{bus=\"main\",task=\"\"}", "3");
  assert_line (&office, "agentbus_task_run_time_count{bus=\"main\",task=\"\"}", "0");

  test_clock_advance (300 * MSEC);
  agent_job_complete (office.jobs->pdata[0], NULL);
  test_drain (f);
  assert_line (&office, "agentbus_jobs{bus=\"main\",task=\"\"}", "2");
  test_clock_advance (500 * MSEC);
  agent_job_complete (office.jobs->pdata[1], NULL);
  agent_job_complete (office.jobs->pdata[2], NULL);
  test_drain (f);
  assert_line (&office, "agentbus_jobs{bus=\"main\",task=\"\"}", "0");
  assert_line (&office, "agentbus_task_run_time_bucket{bus=\"main\",task=\"\",le=\"0.25\"}", "0");
  assert_line (&office, "agentbus_task_run_time_bucket{bus=\"main\",task=\"\",le=\"0.5\"}", "2");
  assert_line (&office, "agentbus_task_run_time_bucket{bus=\"main\",task=\"\",le=\"1.0\"}", "3");
  assert_line (&office, "agentbus_task_run_time_count{bus=\"main\",task=\"\"}", "3");
  assert_line (&office, "agentbus_task_run_time_sum{bus=\"main\",task=\"\"}", "1.6");
  office_clear (&office);
}

/* Whoever makes up names gets one series for all of them. */
static void
test_many_names (TestFixture *f)
{
  Office           office = office_new (f);
  g_autofree char *longest = g_strnfill (100, 'a');
  g_autofree char *longer = g_strnfill (101, 'a');

  request_and_forget (&office, "nobody", longer);
  assert_line (&office, "agentbus_tasks_total{bus=\"main\",task=\"other\",outcome=\"not-found\"}", "1");
  request_and_forget (&office, "nobody", longest);
  for (guint i = 1; i < MAX_NAMES + 50; i++)
    {
      g_autofree char *name = g_strdup_printf ("task-%u", i);

      request_and_forget (&office, "nobody", name);
    }

  g_assert_cmpuint (count_series (office.metrics, "agentbus_tasks_open"), ==, MAX_NAMES + 1);
  assert_line (&office, "agentbus_tasks_total{bus=\"main\",task=\"task-99\",outcome=\"not-found\"}", "1");
  assert_line (&office, "agentbus_tasks_total{bus=\"main\",task=\"task-100\",outcome=\"not-found\"}", "");
  assert_line (&office, "agentbus_tasks_total{bus=\"main\",task=\"other\",outcome=\"not-found\"}", "51");
  request_and_forget (&office, "nobody", "other");
  assert_line (&office, "agentbus_tasks_total{bus=\"main\",task=\"other\",outcome=\"not-found\"}", "52");
  office_clear (&office);
}

/* The texts and the variant tell the same. */
static void
test_forms (TestFixture *f)
{
  Office           office = office_new (f);
  g_autofree char *prometheus = NULL;
  g_autofree char *printed = NULL;
  g_autoptr (GVariant) variant = NULL;
  g_autoptr (GVariant) values = NULL;

  request_and_forget (&office, "worker", "a \"b\"");
  variant = agent_metrics_to_variant (office.metrics);
  values = g_variant_lookup_value (variant, "agentbus_tasks_open", NULL);
  printed = g_variant_print (values, TRUE);
  g_assert_cmpstr (printed, ==, "[({'bus': 'main', 'task': 'a \"b\"'}, uint64 1)]");
  g_assert_cmpuint (count_series (office.metrics, "agentbus_tasks"), ==, 7);

  assert_line (&office, "agentbus_tasks_open{bus=\"main\",task=\"a \\\"b\\\"\"}", "1");
  prometheus = agent_metrics_to_prometheus (office.metrics);
  g_assert_nonnull (strstr (prometheus, "# TYPE agentbus_tasks_total counter\n"));
  g_assert_nonnull (strstr (prometheus, "# TYPE agentbus_task_run_time histogram\n"));
  office_clear (&office);
}

/* An actor that goes to another bus is counted there. */
static void
test_two_buses (TestFixture *f)
{
  Office office = office_new (f);
  g_autoptr (AgentBus) other = agent_bus_new ();

  agent_metrics_add_bus (office.metrics, "other", other);
  request_and_forget (&office, "nobody", "sum");
  g_assert_true (test_unsubscribe (f, "boss", NULL));
  test_drain (f);
  subscribe (other, office.boss);
  request_and_forget (&office, "nobody", "sum");
  request_and_forget (&office, "nobody", "sum");
  assert_line (&office, "agentbus_tasks_total{bus=\"main\",task=\"sum\",outcome=\"not-found\"}", "1");
  assert_line (&office, "agentbus_tasks_total{bus=\"other\",task=\"sum\",outcome=\"not-found\"}", "2");
  agent_bus_unsubscribe (other, "boss");
  test_drain (f);
  office_clear (&office);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);
  test_add ("/agentbus/task-metrics/nothing", test_nothing);
  test_add ("/agentbus/task-metrics/outcomes", test_outcomes);
  test_add ("/agentbus/task-metrics/jobs", test_jobs);
  test_add ("/agentbus/task-metrics/many-names", test_many_names);
  test_add ("/agentbus/task-metrics/forms", test_forms);
  test_add ("/agentbus/task-metrics/two-buses", test_two_buses);

  return g_test_run ();
}
