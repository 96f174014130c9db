/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>
#include <stdio.h>

#include "mailbox/agent-mailbox-private.h"
#include "test-ruled.h"
#include "test-tools.h"

/*
 * Threads that send to the main mailboxes and the inboxes of subscribers that come and go. Some deliveries are deferred and
 * some requests are worked on, and another thread completes them; it also ends what the rules do when a mailbox closes. In the
 * end each message is in the ledger once, and each answer came in its sender's order.
 */

#define N_SENDERS 4
#define N_NAMES 2
#define N_MESSAGES 6000 /* of each sender, if AGENTBUS_SOAK is not set */
#define N_LEAVES 60

static const char *names[N_NAMES] = { "a", "b" };

typedef struct
{
  TestFixture    *fixture;
  AgentBus       *bus;
  GAsyncQueue    *open;      /* of Open (owned): what the completer ends */
  gint            n_senders; /* (atomic) that still send */
  _Atomic guint64 n_sent;
  _Atomic guint64 n_handled;   /* by subscribers that have left */
  _Atomic guint64 n_cancelled; /* deliveries that were */
  guint64         dropped[G_N_ELEMENTS (((TestFixture *) NULL)->dropped)];
} Hammer;

/* One of the three. */
typedef struct
{
  AgentDelivery *delivery; /* (owned) (nullable) */
  AgentMailbox  *work;     /* (owned) (nullable) */
  AgentMailbox  *closing;  /* (owned) (nullable) */
} Open;

/* What a handler knows. */
typedef struct
{
  Hammer *hammer;
  guint   n;               /* how many messages it was given */
  guint   last[N_SENDERS]; /* the number of the last answer of each */
} Probe;

static guint
get_rounds (guint n)
{
  const char *soak = g_getenv ("AGENTBUS_SOAK");

  return n * (soak != NULL ? MAX (1, (guint) g_ascii_strtoull (soak, NULL, 10)) : 1);
}

/* --- The completer --- */

static void
push_open (Hammer        *hammer,
           AgentDelivery *delivery,
           AgentMailbox  *work,
           AgentMailbox  *closing)
{
  Open *open = g_new0 (Open, 1);

  open->delivery = delivery;
  open->work = work;
  open->closing = closing;
  g_async_queue_push (hammer->open, open);
}

static void
end_open (Hammer *hammer,
          Open   *open)
{
  if (open->delivery != NULL)
    {
      hammer->n_cancelled += agent_delivery_is_cancelled (open->delivery);
      agent_delivery_complete (open->delivery);
    }
  if (open->work != NULL)
    _agent_mailbox_end_work (open->work);
  if (open->closing != NULL)
    _agent_mailbox_end_closing (open->closing);

  g_clear_object (&open->delivery);
  g_clear_pointer (&open->work, _agent_mailbox_unref);
  g_clear_pointer (&open->closing, _agent_mailbox_unref);
}

/* A GThreadFunc. Ends when it gets one that has nothing open. */
static gpointer
complete_in_thread (gpointer data)
{
  Hammer  *hammer = data;
  gboolean over = FALSE;

  while (!over)
    {
      Open *open = g_async_queue_pop (hammer->open);

      over = open->delivery == NULL && open->work == NULL && open->closing == NULL;
      end_open (hammer, open);
      g_free (open);
    }

  return NULL;
}

/* --- The subscribers --- */

static void
on_main (TestRuled    *ruled,
         AgentMessage *message,
         gpointer      user_data)
{
  Probe      *probe = user_data;
  const char *task_name = agent_message_get_task_name (message);

  if (g_strcmp0 (task_name, "take") == 0)
    {
      AgentMailbox *mailbox = test_ruled_ref_mailbox (ruled);

      _agent_mailbox_begin_work (mailbox);
      push_open (probe->hammer, NULL, mailbox, NULL);
    }
  else if (probe->n++ % 5 == 0)
    {
      push_open (probe->hammer, agent_subscriber_defer (AGENT_SUBSCRIBER (ruled)), NULL, NULL);
    }
}

/* Answers are named "ours.sender.number". */
static void
on_inbox (TestRuled    *ruled,
          AgentMessage *message,
          gpointer      user_data)
{
  Probe      *probe = user_data;
  const char *task_id = agent_message_get_task_id (message);
  guint       sender;
  guint       number;

  if (task_id == NULL || sscanf (task_id, "ours.%u.%u", &sender, &number) != 2)
    return;

  g_assert_cmpuint (number, >, probe->last[sender]);
  probe->last[sender] = number;
}

static void
on_closing (TestRuled    *ruled,
            AgentMailbox *mailbox,
            gpointer      user_data)
{
  Probe *probe = user_data;

  push_open (probe->hammer, NULL, NULL, _agent_mailbox_ref (mailbox));
}

static TestRuled *
subscribe (Hammer       *hammer,
           const char   *name,
           GMainContext *context)
{
  TestRuled *ruled = test_ruled_new (name, "group", context);
  Probe     *probe = g_new0 (Probe, 1);
  g_autoptr (GError) error = NULL;

  probe->hammer = hammer;
  ruled->silent = TRUE;
  ruled->handler = on_main;
  ruled->inbox_handler = on_inbox;
  ruled->closing_handler = on_closing;
  ruled->user_data = probe;
  agent_subscriber_set_capacity (AGENT_SUBSCRIBER (ruled), 100);
  agent_bus_subscribe (hammer->bus, AGENT_SUBSCRIBER (ruled), &error);
  g_assert_no_error (error);
  return ruled;
}

/* @ruled has left. Takes it. */
static void
account (Hammer    *hammer,
         TestRuled *ruled)
{
  g_assert_false (g_atomic_int_get (&ruled->in_inbox));
  hammer->n_handled += ruled->n_handled;
  g_free (ruled->user_data);
  g_object_unref (ruled);
}

/* --- The senders --- */

static AgentMessage *
make_answer (guint       sender,
             const char *source,
             const char *target,
             guint       number)
{
  g_autofree char *task_id = g_strdup_printf ("ours.%u.%u", sender, number);

  switch (number % 3)
    {
    case 0:
      return agent_message_new_task_stream_data (source, target, task_id, NULL);
    case 1:
      return agent_message_new_task_update_urgent (source, target, task_id, NULL);
    default:
      return agent_message_new_task_response (source, target, task_id, AGENT_TASK_STATUS_COMPLETED, NULL);
    }
}

static AgentMessage *
make_message (GRand      *rand,
              guint       sender,
              const char *source,
              const char *target,
              guint       number)
{
  switch (g_rand_int_range (rand, 0, 10))
    {
    case 0:
      return test_cancel (source, target);
    case 1:
      return agent_message_new_task_cancel (source, target, "r", NULL);
    case 2:
      return agent_message_new_task_request (source, target, "r", "take", NULL);
    case 3:
      return agent_message_new_task_request (source, target, "r", "drop", NULL);
    case 4:
      return agent_message_new_task_request (source, target, "r", "sum", NULL);
    case 5:
      return agent_message_new_task_update_request (source, target, "r");
    case 6:
      return agent_message_new_custom ("alarm", AGENT_CHANNEL_SYSTEM, source, target, NULL);
    case 7:
    case 8:
      return make_answer (sender, source, target, number);
    default:
      return agent_message_new_task_update (source, target, "theirs", NULL);
    }
}

static const char *
choose_target (GRand *rand)
{
  guint n = g_rand_int_range (rand, 0, 20);

  return n == 0 ? "group" : n == 1 ? NULL
                                   : names[n % N_NAMES];
}

static void
send_one (Hammer       *hammer,
          GRand        *rand,
          AgentMessage *message)
{
  if (g_rand_int_range (rand, 0, 10) == 0)
    agent_message_set_ttl (message, 1);
  if (agent_message_get_target (message) != NULL && g_rand_int_range (rand, 0, 4) == 0)
    {
      hammer->n_sent += agent_bus_try_send (hammer->bus, message, NULL);
      agent_message_unref (message);
    }
  else
    {
      hammer->n_sent++;
      agent_bus_send (hammer->bus, message);
    }
}

typedef struct
{
  Hammer *hammer;
  guint   index;
} SenderData;

/* A GThreadFunc. */
static gpointer
send_in_thread (gpointer data)
{
  SenderData      *self = data;
  Hammer          *hammer = self->hammer;
  g_autofree char *source = g_strdup_printf ("sender-%u", self->index);
  GRand           *rand = g_rand_new_with_seed (self->index);
  guint            n_messages = get_rounds (N_MESSAGES);

  for (guint i = 1; i <= n_messages; i++)
    send_one (hammer, rand, make_message (rand, self->index, source, choose_target (rand), i));

  g_rand_free (rand);
  g_atomic_int_add (&hammer->n_senders, -1);
  return NULL;
}

/* --- The run --- */

static void
on_dropped (AgentBus        *bus,
            AgentSubscriber *subscriber,
            AgentDropReason  reason,
            guint64          n,
            AgentMessage    *last,
            gpointer         user_data)
{
  Hammer *hammer = user_data;

  hammer->dropped[reason] += n;
}

/* Subscribers leave and others come in their place, until no message is sent any more. */
static void
come_and_go (Hammer     *hammer,
             TestRuled **ruled)
{
  for (guint i = 0; i < get_rounds (N_LEAVES) || g_atomic_int_get (&hammer->n_senders) > 0; i++)
    {
      guint           n = i % N_NAMES;
      AgentLeaveFlags flags = i % 3 == 0 ? AGENT_LEAVE_FLAGS_DRAIN : AGENT_LEAVE_FLAGS_NONE;
      GMainContext   *context = agent_subscriber_get_main_context (AGENT_SUBSCRIBER (ruled[n]));
      TestRuled      *successor;
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GError) error = NULL;

      agent_bus_unsubscribe_full_async (hammer->bus, names[n], flags, NULL, test_keep_result, &result);
      successor = subscribe (hammer, names[n], context);
      test_wait_result (hammer->fixture, &result);
      agent_bus_unsubscribe_full_finish (hammer->bus, result, &error);
      g_assert_no_error (error);
      account (hammer, ruled[n]);
      ruled[n] = successor;
    }
}

static void
stop (Hammer     *hammer,
      TestRuled **ruled)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_stop_full_async (hammer->bus, AGENT_LEAVE_FLAGS_DRAIN, NULL, test_keep_result, &result);
  test_wait_result (hammer->fixture, &result);
  agent_bus_stop_full_finish (hammer->bus, result, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < N_NAMES; i++)
    account (hammer, ruled[i]);
  test_drain (hammer->fixture);
}

static void
check_ledger (Hammer *hammer)
{
  TestLedger ledger = test_ledger (hammer->bus);

  test_assert_balanced (hammer->bus);
  g_assert_cmpuint (ledger.sent, ==, hammer->n_sent);
  g_assert_cmpuint (ledger.delivered, ==, hammer->n_handled);
  g_assert_cmpuint (ledger.queued, ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (ledger.dropped); i++)
    g_assert_cmpuint (ledger.dropped[i], ==, hammer->dropped[i]);
  g_test_message ("%" G_GUINT64_FORMAT " sent, %" G_GUINT64_FORMAT " handled, %" G_GUINT64_FORMAT " cancelled",
                  ledger.sent,
                  ledger.delivered,
                  hammer->n_cancelled);
}

/* Full channels are no news here. */
static void
be_silent (const char    *domain,
           GLogLevelFlags level,
           const char    *text,
           gpointer       data)
{
}

static void
test_come_and_go (TestFixture *f)
{
  Hammer      hammer = { .fixture = f, .bus = f->bus };
  SenderData  senders[N_SENDERS];
  GThread    *threads[N_SENDERS];
  GThread    *completer;
  TestThread *homes[N_NAMES];
  TestRuled  *ruled[N_NAMES];
  guint       log_handler = g_log_set_handler ("AgentBus", G_LOG_LEVEL_WARNING, be_silent, NULL);

  hammer.open = g_async_queue_new ();
  hammer.n_senders = N_SENDERS;
  agent_bus_set_shutdown_timeout (f->bus, 100 * 1000);
  g_signal_connect (f->bus, "dropped", G_CALLBACK (on_dropped), &hammer);
  completer = g_thread_new ("completer", complete_in_thread, &hammer);
  for (guint i = 0; i < N_NAMES; i++)
    {
      homes[i] = test_thread_new ();
      ruled[i] = subscribe (&hammer, names[i], homes[i]->context);
    }
  for (guint i = 0; i < N_SENDERS; i++)
    {
      senders[i] = (SenderData){ &hammer, i };
      threads[i] = g_thread_new ("sender", send_in_thread, &senders[i]);
    }

  come_and_go (&hammer, ruled);
  for (guint i = 0; i < N_SENDERS; i++)
    g_thread_join (threads[i]);
  stop (&hammer, ruled);
  push_open (&hammer, NULL, NULL, NULL);
  g_thread_join (completer);
  check_ledger (&hammer);

  for (guint i = 0; i < N_NAMES; i++)
    test_thread_free (homes[i]);
  g_signal_handlers_disconnect_by_data (f->bus, &hammer);
  g_async_queue_unref (hammer.open);
  g_log_remove_handler ("AgentBus", log_handler);
}

int
main (int    argc,
      char **argv)
{
  test_init_slow (&argc, &argv);

  test_add ("/agentbus/inbox-hammer/come-and-go", test_come_and_go);

  return g_test_run ();
}
