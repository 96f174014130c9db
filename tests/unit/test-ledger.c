/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "test-tools.h"

/*
 * The loss ledger against a model of its own, at random: sends to anybody and nobody, from outside and from within
 * handlers, data with and without a ttl, in a conversation that goes on now and then, requests that are cancelled, while subscribers come and go and the context is iterated a little. After each
 * step the figures of the bus and of each subscriber have to be those of the model, and each message that is handled
 * has to be the one that the model says is next.
 */

#define N_STEPS 2000

/* A walk that has not met everything yet goes on. One step in 330 stops the bus, so one walk in 400 has no such step in N_STEPS. */
#define N_STEPS_MAX (50 * N_STEPS)

#define N_NAMES 5

static const char *const names[N_NAMES] = { "a", "b", "c", "d", "nobody" };

typedef struct
{
  guint    number;
  gboolean reliable;
  gint64   expires_at; /* G_MAXINT64 for never */
  guint64  epoch;      /* G_MAXUINT64 for no conversation */
  guint    source;
  gboolean request;
  gboolean cancelled;
} Item;

typedef struct _World World;

/* One subscription. */
typedef struct
{
  World        *world;
  TestRecorder *recorder;
  guint         capacity;
  AgentOverflow overflow;
  guint         max_age;
  GQueue        queues[2]; /* of Item, by AgentChannel */
  gboolean      iterating; /* its handler iterates the context: what is queued waits */
  TestLedger    ledger;
} Peer;

struct _World
{
  TestFixture *f;
  GPtrArray   *peers;            /* of Peer, all that may still get something */
  GPtrArray   *past;             /* of Peer, those that have left */
  Peer        *current[N_NAMES]; /* (nullable) */
  TestLedger   nowhere;          /* what never came to anybody */
  TestLedger   gone;             /* what those that have left got */
  guint64      n_sent;
  gboolean     stopped;
  guint        last_number;
  guint        n_handled;
  guint        n_nested; /* among them, within another handler */
  guint        depth;    /* how many handlers are under way */

  AgentConversation *conversation;
  guint64            epoch;
  AgentMessage      *said;  /* (owned) (nullable) a message of the conversation, maybe of an older epoch */
  Item               asked; /* one of the last requests */
};

static guint
choose (guint n)
{
  return g_test_rand_int_range (0, n);
}

static gboolean
chance (guint percent)
{
  return choose (100) < percent;
}

/* --- The model of one subscription --- */

static void
peer_free (gpointer data)
{
  Peer *self = data;

  for (guint channel = 0; channel < G_N_ELEMENTS (self->queues); channel++)
    g_queue_clear_full (&self->queues[channel], g_free);
  g_object_unref (self->recorder);
  g_free (self);
}

static void
peer_drop (Peer           *self,
           AgentDropReason reason,
           GQueue         *queue,
           GList          *link)
{
  g_free (link->data);
  g_queue_delete_link (queue, link);
  self->ledger.dropped[reason]++;
}

/* FALSE: there is nobody who could give way. */
static gboolean
peer_evict (Peer *self)
{
  GQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  for (GList *l = queue->head; l != NULL; l = l->next)
    {
      const Item *item = l->data;

      if (!item->reliable)
        {
          peer_drop (self, AGENT_DROP_REASON_FULL, queue, l);
          return TRUE;
        }
    }

  return FALSE;
}

static guint
peer_count_reliable (Peer *self)
{
  guint n = 0;

  for (GList *l = self->queues[AGENT_CHANNEL_DATA].head; l != NULL; l = l->next)
    n += ((const Item *) l->data)->reliable;

  return n;
}

/* Nobody gives way in vain. */
static gboolean
peer_make_room (Peer *self)
{
  GQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  while (queue->length >= self->capacity)
    {
      if (self->overflow == AGENT_OVERFLOW_DROP_NEWEST ||
          peer_count_reliable (self) >= self->capacity ||
          !peer_evict (self))
        return FALSE;
    }

  return TRUE;
}

static gboolean
peer_is_stale (Peer       *self,
               const Item *item)
{
  return item->epoch < self->world->epoch;
}

/* The oldest data that is not reliable. FALSE: it is fresh, or there is none. */
static gboolean
peer_purge_one (Peer *self)
{
  GQueue *queue = &self->queues[AGENT_CHANNEL_DATA];
  GList  *l = queue->head;
  Item   *item;

  while (l != NULL && ((Item *) l->data)->reliable)
    l = l->next;
  if (l == NULL)
    return FALSE;

  item = l->data;
  if (peer_is_stale (self, item))
    peer_drop (self, AGENT_DROP_REASON_STALE, queue, l);
  else if (item->expires_at <= _agent_clock_now ())
    peer_drop (self, AGENT_DROP_REASON_EXPIRED, queue, l);
  else
    return FALSE;

  return TRUE;
}

/* What is stale or expired gives way before anything fresh is dropped. */
static void
peer_purge (Peer *self)
{
  while (self->queues[AGENT_CHANNEL_DATA].length >= self->capacity && peer_purge_one (self))
    ;
}

/* @cancel has come: the request that it cancels is dropped at its turn. */
static void
peer_cancel (Peer       *self,
             const Item *cancel)
{
  for (GList *l = self->queues[AGENT_CHANNEL_DATA].head; l != NULL; l = l->next)
    {
      Item *item = l->data;

      if (item->request && item->source == cancel->source && item->number == cancel->number)
        item->cancelled = TRUE;
    }
}

/* Whether the subscriber accepts it. */
static gboolean
peer_push (Peer        *self,
           AgentChannel channel,
           const Item  *item,
           gint64       sent_at)
{
  Item *copy;

  self->ledger.offered++;
  if (channel == AGENT_CHANNEL_DATA && !item->reliable)
    peer_purge (self);
  if (channel == AGENT_CHANNEL_DATA && !item->reliable && !peer_make_room (self))
    {
      self->ledger.dropped[AGENT_DROP_REASON_FULL]++;
      return FALSE;
    }

  copy = g_memdup2 (item, sizeof *item);
  if (channel == AGENT_CHANNEL_DATA && self->max_age != 0)
    copy->expires_at = MIN (copy->expires_at, sent_at + self->max_age * 1000);
  g_queue_push_tail (&self->queues[channel], copy);
  if (channel == AGENT_CHANNEL_SYSTEM && item->cancelled)
    peer_cancel (self, item);
  return TRUE;
}

/* The oldest data has been found too old, stale or cancelled. */
static void
peer_expire (Peer *self)
{
  GQueue     *queue = &self->queues[AGENT_CHANNEL_DATA];
  const Item *item = g_queue_peek_head (queue);

  g_assert_nonnull (item);
  if (peer_is_stale (self, item))
    {
      peer_drop (self, AGENT_DROP_REASON_STALE, queue, queue->head);
      return;
    }

  if (item->expires_at > _agent_clock_now ())
    {
      g_assert_true (item->cancelled);
      peer_drop (self, AGENT_DROP_REASON_CANCELLED, queue, queue->head);
      return;
    }

  peer_drop (self, AGENT_DROP_REASON_EXPIRED, queue, queue->head);
}

/* All before it have been seen to expire. */
static void
peer_handle (Peer        *self,
             AgentChannel channel,
             guint        number)
{
  Item *item = g_queue_pop_head (&self->queues[channel]);

  g_assert_nonnull (item);
  g_assert_cmpuint (item->number, ==, number);
  g_assert_cmpint (item->expires_at, >, _agent_clock_now ());
  g_assert_false (peer_is_stale (self, item));
  g_assert_false (item->request && item->cancelled);
  g_free (item);
  self->ledger.delivered++;
}

/* What was dropped at its turn is known by its number only: it has to be the oldest, and too old, stale or cancelled. */
static void
peer_catch_up (Peer *self)
{
  guint64 n_dropped = agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (self->recorder));
  guint64 n_lost = n_dropped - self->ledger.dropped[AGENT_DROP_REASON_FULL] -
                   self->ledger.dropped[AGENT_DROP_REASON_DISCARDED];

  while (self->ledger.dropped[AGENT_DROP_REASON_EXPIRED] + self->ledger.dropped[AGENT_DROP_REASON_STALE] +
             self->ledger.dropped[AGENT_DROP_REASON_CANCELLED] <
         n_lost)
    peer_expire (self);
}

/* What is reliable stays, and with a drain all does. */
static void
peer_leave (Peer    *self,
            gboolean drain)
{
  GQueue *queue = &self->queues[AGENT_CHANNEL_DATA];
  GList  *next;

  for (GList *l = queue->head; l != NULL && !drain; l = next)
    {
      const Item *item = l->data;

      next = l->next;
      if (!item->reliable)
        peer_drop (self, AGENT_DROP_REASON_DISCARDED, queue, l);
    }
}

static void
catch_up (World *self)
{
  for (guint i = 0; i < self->peers->len; i++)
    peer_catch_up (self->peers->pdata[i]);
}

/* --- Steps --- */

/* What a subscriber accepts of it is not counted where it is dropped for nobody. */
static guint
expect_send (World       *self,
             guint        source,
             guint        target,
             AgentChannel channel,
             const Item  *item)
{
  guint n_accepted = 0;
  guint n_addressed = 0;

  self->n_sent++;
  if (self->stopped)
    {
      self->nowhere.dropped[AGENT_DROP_REASON_CLOSED]++;
      return 0;
    }

  for (guint i = 0; i < N_NAMES; i++)
    {
      if (self->current[i] == NULL || i == source || (target != N_NAMES && i != target))
        continue;
      n_addressed++;
      n_accepted += peer_push (self->current[i], channel, item, _agent_clock_now ());
    }
  if (n_addressed == 0)
    self->nowhere.dropped[AGENT_DROP_REASON_NO_TARGET]++;

  return n_accepted;
}

static void
go_on (World *self)
{
  self->epoch = agent_conversation_advance (self->conversation);
}

/* Puts a message into the conversation: into the epoch of now, or into that of another message, which may be over. Returns
 * the epoch that matters to its delivery. */
static guint64
put_into_conversation (World        *self,
                       AgentMessage *message)
{
  if (chance (60))
    return G_MAXUINT64;

  if (self->said != NULL && chance (50))
    {
      agent_message_set_cause (message, self->said);
    }
  else
    {
      agent_message_set_conversation (message, self->conversation);
      g_clear_pointer (&self->said, agent_message_unref);
      self->said = agent_message_ref (message);
    }

  return agent_message_get_channel (message) == AGENT_CHANNEL_DATA ? agent_message_get_epoch (message) : G_MAXUINT64;
}

/* A request now and then, and then maybe its cancellation. */
static AgentMessage *
new_message (World       *self,
             AgentChannel channel,
             const char  *target,
             Item        *item)
{
  char task_id[16];

  item->request = channel == AGENT_CHANNEL_DATA && chance (40);
  if (channel == AGENT_CHANNEL_SYSTEM && self->asked.number != 0 && chance (60))
    {
      *item = self->asked;
      item->request = FALSE;
      item->cancelled = TRUE;
      item->expires_at = G_MAXINT64;
    }

  g_snprintf (task_id, sizeof task_id, "%u", item->number);
  if (item->cancelled)
    return agent_message_new_task_cancel (names[item->source], target, task_id, NULL);
  if (item->request)
    return agent_message_new_task_request (names[item->source], target, task_id, NULL, NULL);
  return channel == AGENT_CHANNEL_DATA
             ? agent_message_new_task_update (names[item->source], target, task_id, NULL)
             : agent_message_new_task_update_urgent (names[item->source], target, task_id, NULL);
}

/* To everybody now and then. */
static void
send (World *self)
{
  guint         source = choose (N_NAMES);
  guint         target = chance (20) ? N_NAMES : choose (N_NAMES);
  AgentChannel  channel = chance (20) ? AGENT_CHANNEL_SYSTEM : AGENT_CHANNEL_DATA;
  guint         ttl = channel == AGENT_CHANNEL_DATA && chance (20) ? 1 + choose (3) : 0;
  Item          item = { ++self->last_number, channel == AGENT_CHANNEL_DATA && chance (15), G_MAXINT64, G_MAXUINT64 };
  const char   *target_name = target != N_NAMES ? names[target] : NULL;
  AgentMessage *message;

  item.source = source;
  message = new_message (self, channel, target_name, &item);
  agent_message_set_reliable (message, item.reliable);
  if (ttl != 0)
    {
      agent_message_set_ttl (message, ttl);
      item.expires_at = _agent_clock_now () + ttl * 1000;
    }

  item.epoch = put_into_conversation (self, message);

  g_assert_cmpuint (agent_bus_send (self->f->bus, message),
                    ==,
                    expect_send (self, item.source, target, channel, &item));
  if (item.request && chance (50))
    self->asked = item;
}

/* Who does not iterate gets system messages first, and so does everybody who is called from within. */
static void
assert_no_system_waits (World *self)
{
  for (guint i = 0; i < self->peers->len; i++)
    {
      Peer *peer = self->peers->pdata[i];

      if (!peer->iterating)
        g_assert_cmpuint (peer->queues[AGENT_CHANNEL_SYSTEM].length, ==, 0);
    }
}

/* As a dialog does: the others may get something meanwhile. */
static void
iterate_in_handler (Peer *self)
{
  self->iterating = TRUE;
  test_iterate (self->world->f);
  catch_up (self->world);
  self->iterating = FALSE;
}

/* The clock moves only here, so that an iteration ends now and then with something left to do. */
static void
on_message (TestRecorder *recorder,
            AgentMessage *message,
            gpointer      user_data)
{
  Peer        *self = user_data;
  World       *world = self->world;
  AgentChannel channel = agent_message_get_channel (message);

  catch_up (world);
  if (channel == AGENT_CHANNEL_DATA)
    assert_no_system_waits (world);
  peer_handle (self, channel, test_number (message));
  world->n_handled++;
  world->n_nested += world->depth > 0;

  world->depth++;
  test_clock_advance (choose (600));
  if (chance (20))
    send (world);
  if (chance (3))
    go_on (world);
  if (chance (10))
    iterate_in_handler (self);
  world->depth--;
}

static void
subscribe (World *self,
           guint  name)
{
  Peer *peer = g_new0 (Peer, 1);
  g_autoptr (GError) error = NULL;

  peer->world = self;
  peer->capacity = 1 + choose (12);
  peer->overflow = choose (2);
  peer->max_age = chance (25) ? 1 + choose (4) : 0;
  peer->recorder = test_recorder_new_full (on_message,
                                           peer,
                                           "name",
                                           names[name],
                                           "capacity",
                                           peer->capacity,
                                           "overflow",
                                           peer->overflow,
                                           "max-age",
                                           peer->max_age,
                                           NULL);

  agent_bus_subscribe (self->f->bus, AGENT_SUBSCRIBER (peer->recorder), &error);
  if (self->stopped || self->current[name] != NULL)
    {
      const gint code = self->stopped ? AGENT_BUS_ERROR_CLOSED : AGENT_BUS_ERROR_EXISTS;

      g_assert_error (error, AGENT_BUS_ERROR, code);
      peer_free (peer);
      return;
    }

  g_assert_no_error (error);
  g_ptr_array_add (self->peers, peer);
  self->current[name] = peer;
}

static void
unsubscribe (World *self,
             guint  name)
{
  gboolean drain = chance (50);

  if (drain)
    agent_bus_unsubscribe_full_async (self->f->bus, names[name], AGENT_LEAVE_FLAGS_DRAIN, NULL, NULL, NULL);
  else
    agent_bus_unsubscribe (self->f->bus, names[name]);
  if (self->current[name] != NULL)
    peer_leave (self->current[name], drain);
  self->current[name] = NULL;
}

/* A stop goes for those that are leaving, too. */
static void
stop_or_start (World *self)
{
  gboolean drain = chance (50);

  if (self->stopped)
    agent_bus_start_async (self->f->bus, NULL, NULL, NULL);
  else
    agent_bus_stop_full_async (
        self->f->bus, drain ? AGENT_LEAVE_FLAGS_DRAIN : AGENT_LEAVE_FLAGS_NONE, NULL, NULL, NULL);
  self->stopped = !self->stopped;
  if (!self->stopped)
    return;

  for (guint i = 0; i < self->peers->len; i++)
    peer_leave (self->peers->pdata[i], drain);
  for (guint i = 0; i < N_NAMES; i++)
    self->current[i] = NULL;
}

static void
iterate (World *self)
{
  test_iterate (self->f);
  catch_up (self);
}

/* "nobody" never comes. */
static void
step (World *self)
{
  guint kind = choose (1000);

  if (kind < (self->stopped ? 60 : 3))
    stop_or_start (self);
  else if (kind < 70)
    unsubscribe (self, choose (N_NAMES));
  else if (kind < 150)
    subscribe (self, choose (N_NAMES - 1));
  else if (kind < 160)
    go_on (self);
  else if (kind < 190)
    test_clock_advance (choose (2000));
  else if (kind < 300)
    iterate (self);
  else
    send (self);
}

/* --- Checks --- */

static void
add_ledger (TestLedger       *self,
            const TestLedger *other)
{
  self->offered += other->offered;
  self->delivered += other->delivered;
  self->queued += other->queued;
  for (guint i = 0; i < G_N_ELEMENTS (self->dropped); i++)
    self->dropped[i] += other->dropped[i];
}

static void
assert_same_ledger (const TestLedger *actual,
                    const TestLedger *expected)
{
  g_assert_cmpuint (actual->offered, ==, expected->offered);
  g_assert_cmpuint (actual->delivered, ==, expected->delivered);
  g_assert_cmpuint (actual->queued, ==, expected->queued);
  g_assert_cmpuint (actual->failed, ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (actual->dropped); i++)
    g_assert_cmpuint (actual->dropped[i], ==, expected->dropped[i]);
}

static void
check_peer (Peer *self)
{
  AgentSubscriber *subscriber = AGENT_SUBSCRIBER (self->recorder);

  self->ledger.queued = self->queues[0].length + self->queues[1].length;
  g_assert_cmpuint (agent_subscriber_get_n_delivered (subscriber), ==, self->ledger.delivered);
  g_assert_cmpuint (agent_subscriber_get_n_queued (subscriber), ==, self->ledger.queued);
}

static gboolean
is_current (World *self,
            Peer  *peer)
{
  for (guint i = 0; i < N_NAMES; i++)
    if (self->current[i] == peer)
      return TRUE;
  return FALSE;
}

static TestLedger
sum_up (World *self)
{
  TestLedger total = self->nowhere;

  for (guint i = 0; i < G_N_ELEMENTS (total.dropped); i++)
    total.offered += self->nowhere.dropped[i];
  add_ledger (&total, &self->gone);
  for (guint i = 0; i < self->peers->len; i++)
    {
      Peer *peer = self->peers->pdata[i];

      check_peer (peer);
      add_ledger (&total, &peer->ledger);
    }

  return total;
}

/* Those that have left are looked at again at the end. */
static void
retire (World *self)
{
  for (guint i = self->peers->len; i > 0; i--)
    {
      Peer *peer = self->peers->pdata[i - 1];

      if (is_current (self, peer) || peer->ledger.queued > 0)
        continue;
      add_ledger (&self->gone, &peer->ledger);
      g_ptr_array_add (self->past, g_ptr_array_steal_index (self->peers, i - 1));
    }
}

static void
check (World *self)
{
  TestLedger expected = sum_up (self);
  TestLedger actual = test_ledger (self->f->bus);

  assert_same_ledger (&actual, &expected);
  g_assert_cmpuint (actual.sent, ==, self->n_sent);

  for (guint i = 0; i < N_NAMES; i++)
    {
      if (self->current[i] == NULL)
        {
          g_assert_false (agent_bus_get_dropped (self->f->bus, names[i], NULL));
          continue;
        }
      actual = test_ledger_of (self->f->bus, names[i]);
      assert_same_ledger (&actual, &self->current[i]->ledger);
    }
}

/* All that the signal told is all there is, and all that is left is in nobody's queue. */
static void
check_end (World *self)
{
  TestLedger actual;

  if (!self->stopped)
    stop_or_start (self);
  while (g_main_context_pending (self->f->context))
    iterate (self);
  check (self);
  for (guint i = 0; i < self->past->len; i++)
    check_peer (self->past->pdata[i]);

  actual = test_ledger (self->f->bus);
  g_assert_cmpuint (actual.queued, ==, 0);
  g_assert_cmpmem (actual.dropped, sizeof actual.dropped, self->f->dropped, sizeof self->f->dropped);
}

/* Whether each reason to drop, and each way to be handled, was met: a test that never got to something would pass as well. */
static gboolean
is_covered (World *self)
{
  for (guint i = 0; i <= AGENT_DROP_REASON_CANCELLED; i++)
    {
      if (self->f->dropped[i] == 0)
        return FALSE;
    }

  return self->n_handled > N_STEPS / 20 && self->n_nested > 0;
}

static void
test_random (TestFixture *f)
{
  World world = {
    .f = f,
    .peers = g_ptr_array_new_with_free_func (peer_free),
    .past = g_ptr_array_new_with_free_func (peer_free),
    .conversation = agent_conversation_new (NULL),
  };

  test_clock_freeze ();
  agent_bus_set_shutdown_timeout (f->bus, G_MAXINT);
  for (guint i = 0; i < N_STEPS || (i < N_STEPS_MAX && !is_covered (&world)); i++)
    {
      step (&world);
      check (&world);
      retire (&world);
    }
  check_end (&world);
  g_assert_true (is_covered (&world));

  g_string_truncate (f->log, 0);
  g_ptr_array_unref (world.peers);
  g_ptr_array_unref (world.past);
  g_clear_pointer (&world.said, agent_message_unref);
  test_assert_dies (world.conversation);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);
  test_add ("/agentbus/ledger/random", test_random);
  return g_test_run ();
}
