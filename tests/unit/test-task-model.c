/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/agent-clock-private.h"
#include "test-tools.h"

/*
 * The state machine of a task, in all orders of events.
 *
 * A requester and a worker live in contexts of their own, which stand still until the test iterates them, and so does the
 * clock. All sequences of events up to a length are played, but for those with an event that does nothing. After each event,
 * and when all has come to rest, the rules are checked that hold whatever happens:
 *
 * - a task ends once, and its end never changes;
 * - `finished` is emitted once, in the context of the requester, outside of all functions that it calls, and last;
 * - chunks come in their order, without gaps, and all of them if the task is completed;
 * - no handler begins after the end of the task, or after a cancel that has returned;
 * - no job and no task is left, and all ledgers are balanced.
 *
 * AGENTBUS_SOAK makes the sequences longer. AGENTBUS_SEQUENCE has one of them played: its events, as they are written below.
 */

#define MAX_REQUESTS 2
#define MAX_CHUNKS 2
#define TIMEOUT 100 /* ms */
#define MAX_LENGTH 12

/* --- The table --- */

typedef enum
{
  REQUEST,
  REQUESTER_RUNS,
  WORKER_RUNS,
  CHUNK,
  UPDATE,
  CANCEL,
  COMPLETE,
  FAIL,
  DROP,
  WORKER_LEAVES,
  WORKER_DRAINS,
  REQUESTER_LEAVES,
  STOP,
  DEADLINE,
  ADVANCE,
  N_EVENTS
} Event;

/* How each of them is written. */
static const char letters[] = "rbwcuxafdlLqstv";

G_STATIC_ASSERT (sizeof letters == N_EVENTS + 1);

/* Which ends there are, and which event has to have come for each. */
static const struct
{
  AgentTaskStatus status;
  gint            code; /* of AGENT_BUS_ERROR, or -1 for none */
  const char     *events;
} ends[] = {
  { AGENT_TASK_STATUS_COMPLETED, -1, "a" },
  { AGENT_TASK_STATUS_FAILED, AGENT_BUS_ERROR_DISPATCH, "f" }, /* the handler's own */
  { AGENT_TASK_STATUS_FAILED, AGENT_BUS_ERROR_FAILED, "d" },
  { AGENT_TASK_STATUS_FAILED, AGENT_BUS_ERROR_TIMED_OUT, "t" },
  { AGENT_TASK_STATUS_FAILED, AGENT_BUS_ERROR_NOT_FOUND, "lL" },
  { AGENT_TASK_STATUS_FAILED, AGENT_BUS_ERROR_CLOSED, "lLqs" },
  { AGENT_TASK_STATUS_CANCELLED, AGENT_BUS_ERROR_CANCELLED, "x" },
  { AGENT_TASK_STATUS_CANCELLED, AGENT_BUS_ERROR_STALE, "v" },
};

/* --- One play --- */

typedef struct
{
  AgentTask      *task;
  AgentTaskStatus status; /* as it was at the end */
  gboolean        ended;
  gboolean        cancelled;
  gboolean        stale;
  gint64          due;
  guint           n_finished;
  guint           n_chunks; /* how many have come */
  guint           n_sent;   /* how many were sent */
} Request;

typedef struct
{
  GMainContext      *contexts[2]; /* of the requester and of the worker */
  AgentBus          *bus;
  AgentActor        *boss;
  AgentActor        *worker;
  AgentConversation *conversation;
  GQueue             jobs; /* of AgentJob (owned): those that the worker has begun with */
  Request            requests[MAX_REQUESTS];
  guint              n_requests;
  guint              n_deadlines;
  gboolean           in_call;
  gboolean           worker_left;
  gboolean           boss_left;
  gboolean           stopped;
  char               played[MAX_LENGTH + 1];
} Play;

static Play  play;
static guint n_stories;

/* An assertion has failed: by which sequence? */
static void
on_abort (int number)
{
  const char text[] = "Events played: ";
  gssize     n;

  n = write (STDERR_FILENO, text, strlen (text));
  n = write (STDERR_FILENO, play.played, strlen (play.played));
  n = write (STDERR_FILENO, "\n", 1);
  (void) n;
}

static Request *
play_get_request (const char *id)
{
  for (guint i = 0; i < play.n_requests; i++)
    if (g_str_equal (agent_task_get_id (play.requests[i].task), id))
      return &play.requests[i];
  g_assert_not_reached ();
}

/* (nullable) */
static Request *
play_get_open_request (void)
{
  for (guint i = 0; i < play.n_requests; i++)
    if (!agent_task_has_finished (play.requests[i].task))
      return &play.requests[i];
  return NULL;
}

/* --- What the requester hears --- */

static void
on_chunk (AgentTask *task,
          guint      index,
          GVariant  *payload,
          gpointer   user_data)
{
  Request *request = play_get_request (agent_task_get_id (task));

  g_assert_cmpuint (request->n_finished, ==, 0);
  g_assert_cmpuint (index, ==, request->n_chunks);
  g_assert_cmpuint (g_variant_get_uint32 (payload), ==, index);
  request->n_chunks++;
}

static void
on_update (AgentTask *task,
           GVariant  *update,
           gpointer   user_data)
{
  g_assert_cmpuint (play_get_request (agent_task_get_id (task))->n_finished, ==, 0);
}

static void
on_finished (AgentTask *task,
             gpointer   user_data)
{
  Request *request = play_get_request (agent_task_get_id (task));

  g_assert_false (play.in_call);
  g_assert_true (g_main_context_is_owner (play.contexts[0]));
  g_assert_true (agent_task_has_finished (task));
  g_assert_cmpuint (request->n_finished++, ==, 0);
  if (agent_task_get_status (task) == AGENT_TASK_STATUS_COMPLETED)
    g_assert_cmpuint (request->n_chunks, ==, request->n_sent);
}

/* --- What the worker hears --- */

static void
on_request (AgentActor *worker,
            AgentJob   *job,
            gpointer    user_data)
{
  Request *request = play_get_request (agent_job_get_id (job));

  g_assert_false (agent_task_has_finished (request->task));
  g_assert_false (request->cancelled);
  g_assert_false (request->stale);
  g_assert_cmpint (_agent_clock_now (), <, request->due);
  g_queue_push_tail (&play.jobs, g_object_ref (job));
}

/* --- Events: FALSE if it does nothing now --- */

static gboolean
play_request (void)
{
  Request      *request = &play.requests[play.n_requests];
  AgentMessage *message;

  if (play.n_requests == MAX_REQUESTS)
    return FALSE;

  message = agent_message_new_task_request ("boss", "worker", "?", NULL, NULL);
  agent_message_set_ttl (message, TIMEOUT);
  agent_message_set_conversation (message, play.conversation);
  *request = (Request){ .task = agent_actor_request_full (play.boss, message, NULL),
                        .due = _agent_clock_now () + TIMEOUT * 1000 };
  play.n_requests++;
  g_signal_connect (request->task, "chunk", G_CALLBACK (on_chunk), NULL);
  g_signal_connect (request->task, "update", G_CALLBACK (on_update), NULL);
  g_signal_connect (request->task, "finished", G_CALLBACK (on_finished), NULL);
  return TRUE;
}

static gboolean
play_run (GMainContext *context)
{
  gboolean in_call = play.in_call;
  gboolean any;

  play.in_call = FALSE;
  any = g_main_context_iteration (context, FALSE);
  play.in_call = in_call;
  return any;
}

/* The oldest job that is not answered: (nullable). */
static AgentJob *
play_get_job (void)
{
  for (GList *l = play.jobs.head; l != NULL; l = l->next)
    if (!agent_job_has_ended (l->data))
      return l->data;
  return NULL;
}

static gboolean
play_send_chunk (void)
{
  AgentJob *job = play_get_job ();
  Request  *request = job != NULL ? play_get_request (agent_job_get_id (job)) : NULL;

  if (request == NULL || request->n_sent == MAX_CHUNKS)
    return FALSE;

  g_assert_true (agent_job_send_chunk (job, g_variant_new_uint32 (request->n_sent++)));
  return TRUE;
}

static gboolean
play_cancel (void)
{
  Request *request = play_get_open_request ();

  if (request == NULL)
    return FALSE;

  agent_task_cancel (request->task, "enough");
  request->cancelled = TRUE;
  g_assert_cmpint (agent_task_get_status (request->task), ==, AGENT_TASK_STATUS_CANCELLED);
  return TRUE;
}

static gboolean
play_answer (Event event)
{
  AgentJob *job = play_get_job ();

  if (job == NULL)
    return FALSE;

  if (event == UPDATE)
    return agent_job_update (job, NULL);
  if (event == COMPLETE)
    return agent_job_complete (job, NULL);
  if (event == FAIL)
    {
      g_autoptr (GError) error =
          g_error_new_literal (AGENT_BUS_ERROR, AGENT_BUS_ERROR_DISPATCH, "On purpose");

      return agent_job_fail (job, error);
    }

  g_queue_remove (&play.jobs, job);
  g_object_unref (job);
  return TRUE;
}

static gboolean
play_leave (AgentActor     *actor,
            AgentLeaveFlags flags,
            gboolean       *left)
{
  if (*left)
    return FALSE;

  *left = TRUE;
  agent_bus_unsubscribe_full_async (
      play.bus, agent_subscriber_get_name (AGENT_SUBSCRIBER (actor)), flags, NULL, NULL, NULL);
  return TRUE;
}

static gboolean
play_stop (void)
{
  if (play.stopped)
    return FALSE;

  play.stopped = play.worker_left = play.boss_left = TRUE;
  agent_bus_stop_async (play.bus, NULL, NULL, NULL);
  return TRUE;
}

static gboolean
play_deadline (void)
{
  if (play_get_open_request () == NULL || play.n_deadlines == 2)
    return FALSE;

  play.n_deadlines++;
  test_clock_advance (TIMEOUT * 1000);
  return TRUE;
}

static gboolean
play_advance (void)
{
  if (play_get_open_request () == NULL)
    return FALSE;

  agent_conversation_advance (play.conversation);
  for (guint i = 0; i < play.n_requests; i++)
    play.requests[i].stale = TRUE;
  return TRUE;
}

static gboolean
play_event (Event event)
{
  switch (event)
    {
    case REQUEST:
      return play_request ();
    case REQUESTER_RUNS:
    case WORKER_RUNS:
      return play_run (play.contexts[event - REQUESTER_RUNS]);
    case CHUNK:
      return play_send_chunk ();
    case CANCEL:
      return play_cancel ();
    case UPDATE:
    case COMPLETE:
    case FAIL:
    case DROP:
      return play_answer (event);
    case WORKER_LEAVES:
      return play_leave (play.worker, AGENT_LEAVE_FLAGS_NONE, &play.worker_left);
    case WORKER_DRAINS:
      return play_leave (play.worker, AGENT_LEAVE_FLAGS_DRAIN, &play.worker_left);
    case REQUESTER_LEAVES:
      return play_leave (play.boss, AGENT_LEAVE_FLAGS_NONE, &play.boss_left);
    case STOP:
      return play_stop ();
    case DEADLINE:
      return play_deadline ();
    case ADVANCE:
      return play_advance ();
    case N_EVENTS:
    default:
      g_assert_not_reached ();
    }
}

/* --- What holds after each event --- */

static void
assert_statistics (void)
{
  g_autoptr (GVariant) statistics = agent_actor_get_statistics (play.boss);
  const char *const ways[] = { "open", "completed", "failed", "cancelled", "timed-out", "not-found", "full", "closed" };
  guint64           sum = 0;
  guint64           n;

  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      g_assert_true (g_variant_lookup (statistics, ways[i], "t", &n));
      sum += n;
    }
  g_assert_true (g_variant_lookup (statistics, "requests", "t", &n));
  g_assert_cmpuint (n, ==, sum);
  g_assert_cmpuint (n, ==, play.n_requests);
}

static void
assert_end (Request *request)
{
  const GError *error = agent_task_get_error (request->task);
  gint          code = error != NULL ? error->code : -1;

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++)
    {
      if (ends[i].status == request->status && ends[i].code == code)
        {
          g_assert_nonnull (strpbrk (play.played, ends[i].events));
          return;
        }
    }
  g_error ("No such end: %d, %s", request->status, error != NULL ? error->message : "no error");
}

static void
assert_request (Request *request)
{
  if (!agent_task_has_finished (request->task))
    {
      g_assert_false (request->ended);
      g_assert_cmpuint (request->n_finished, ==, 0);
      return;
    }

  if (!request->ended)
    {
      request->ended = TRUE;
      request->status = agent_task_get_status (request->task);
      assert_end (request);
    }
  g_assert_cmpint (agent_task_get_status (request->task), ==, request->status);
}

static void
assert_rules (void)
{
  for (guint i = 0; i < play.n_requests; i++)
    assert_request (&play.requests[i]);
  assert_statistics ();
}

/* --- The beginning and the end of a play --- */

static AgentActor *
play_new_actor (const char   *name,
                GMainContext *context)
{
  AgentActor *actor = g_object_new (AGENT_TYPE_ACTOR, "name", name, "main-context", context, NULL);
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (play.bus, AGENT_SUBSCRIBER (actor), &error);
  g_assert_no_error (error);
  return actor;
}

static void
play_settle (TestFixture *f)
{
  gboolean any = TRUE;

  while (any)
    {
      any = g_main_context_iteration (f->context, FALSE);
      any = play_run (play.contexts[0]) || any;
      any = play_run (play.contexts[1]) || any;
    }
}

static void
play_begin (TestFixture *f)
{
  play.bus = agent_bus_new ();
  play.boss = play_new_actor ("boss", play.contexts[0]);
  play.worker = play_new_actor ("worker", play.contexts[1]);
  play.conversation = agent_conversation_new (NULL);
  g_signal_connect (play.worker, "task-request", G_CALLBACK (on_request), NULL);
  play_settle (f);
}

/* The worker is not interested any more. */
static void
play_drop_jobs (TestFixture *f)
{
  AgentJob *job;

  while ((job = g_queue_pop_head (&play.jobs)) != NULL)
    {
      g_object_unref (job);
      play_settle (f);
    }
}

static void
play_end (TestFixture *f)
{
  play_settle (f);
  assert_rules ();
  strcat (play.played, "d");
  play_drop_jobs (f);
  strcat (play.played, "s");
  agent_bus_stop_async (play.bus, NULL, NULL, NULL);
  play_settle (f);
  assert_rules ();

  for (guint i = 0; i < play.n_requests; i++)
    {
      g_assert_cmpuint (play.requests[i].n_finished, ==, 1);
      g_assert_finalize_object (play.requests[i].task);
    }
  g_assert_cmpuint (agent_actor_get_n_tasks (play.boss), ==, 0);
  g_assert_cmpuint (agent_actor_get_n_jobs (play.worker), ==, 0);
  test_assert_balanced (play.bus);
  g_assert_finalize_object (play.conversation);
  g_assert_finalize_object (play.boss);
  g_assert_finalize_object (play.worker);
  g_assert_finalize_object (play.bus);
}

/* Plays @events. Returns which of them does nothing, or @length. */
static guint
play_story (TestFixture *f,
            const guint *events,
            guint        length)
{
  GMainContext *contexts[2] = { play.contexts[0], play.contexts[1] };
  guint         i;

  play = (Play){ .contexts = { contexts[0], contexts[1] } };
  play_begin (f);
  for (i = 0; i < length; i++)
    {
      gboolean any;

      play.played[i] = letters[events[i]];
      play.in_call = TRUE;
      any = play_event (events[i]);
      play.in_call = FALSE;
      if (!any)
        break;
      assert_rules ();
    }
  play_end (f);
  n_stories += i == length;

  return i;
}

/* --- All of them --- */

/* The next sequence that differs from @events at @at, or before. FALSE: that was the last one. */
static gboolean
story_next (guint *events,
            guint  length,
            guint  at)
{
  for (guint i = at + 1; i < length; i++)
    events[i] = 0;
  for (;; at--)
    {
      if (++events[at] < N_EVENTS)
        return TRUE;
      events[at] = 0;
      if (at == 0)
        return FALSE;
    }
}

static void
play_all (TestFixture *f,
          guint        length)
{
  guint events[MAX_LENGTH] = { 0 };
  guint done;

  do
    done = play_story (f, events, length);
  while (story_next (events, length, MIN (done, length - 1)) && events[0] == REQUEST);
  g_test_message ("%u sequences of %u events", n_stories, length);
}

static void
play_one (TestFixture *f,
          const char  *story)
{
  guint events[MAX_LENGTH];
  guint length = strlen (story);

  g_assert_cmpuint (length, <=, MAX_LENGTH - 2);
  for (guint i = 0; i < length; i++)
    {
      g_assert_nonnull (strchr (letters, story[i]));
      events[i] = strchr (letters, story[i]) - letters;
    }
  play_story (f, events, length);
}

static void
test_all_orders (TestFixture *f)
{
  const char *story = g_getenv ("AGENTBUS_SEQUENCE");
  const char *soak = g_getenv ("AGENTBUS_SOAK");
  double      factor = soak != NULL ? g_ascii_strtod (soak, NULL) : 1.0;

  signal (SIGABRT, on_abort);
  test_clock_freeze ();
  for (guint i = 0; i < 2; i++)
    play.contexts[i] = g_main_context_new ();

  if (story != NULL)
    play_one (f, story);
  else
    play_all (f, factor >= 10 ? 7 : factor >= 1 ? 5
                                                : 4);

  for (guint i = 0; i < 2; i++)
    g_main_context_unref (play.contexts[i]);
  signal (SIGABRT, SIG_DFL);
}

int
main (int   argc,
      char *argv[])
{
  test_init_slow (&argc, &argv);
  test_add ("/agentbus/task-model/all-orders", test_all_orders);

  return g_test_run ();
}
