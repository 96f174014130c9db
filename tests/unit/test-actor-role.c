/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "bus/agent-bus-private.h"
#include "bus/agent-group-private.h"
#include "test-tools.h"

/*
 * Who takes part: what becomes of frames while an actor is not active, which member of a group gets what is for the group, and
 * how a role is handed over.
 */

/* --- Actors that record --- */

/* What has happened to all actors of a test, in order, as one line: "a1" for a message that "a" has handled, "+a", "-a" and "!a" for
 * one that was activated, deactivated, or has ended. */
typedef struct
{
  GMutex      lock;
  GString    *story;      /* (lock) */
  GHashTable *active;     /* (lock) of names */
  guint       max_active; /* (lock) */
} Record;

typedef struct
{
  AgentActor    *actor; /* (owned) */
  Record        *record;
  guint          keep;     /* the number of the message that is deferred, or 0 */
  AgentDelivery *delivery; /* (owned) (nullable) */
  AgentJob      *job;      /* (owned) (nullable) */
  void (*on_deactivated) (gpointer data);
  void (*on_activated) (gpointer data);
  gpointer data;
} Player;

static void
record_init (Record *self)
{
  g_mutex_init (&self->lock);
  self->story = g_string_new (NULL);
  self->active = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->max_active = 0;
}

static void
record_clear (Record *self)
{
  g_hash_table_unref (self->active);
  g_string_free (self->story, TRUE);
  g_mutex_clear (&self->lock);
}

static void
record_add (Record     *self,
            const char *before,
            const char *name,
            const char *after)
{
  g_mutex_lock (&self->lock);
  g_string_append_printf (self->story, "%s%s%s%s", self->story->len > 0 ? " " : "", before, name, after);
  g_mutex_unlock (&self->lock);
}

/* The check of each emission: nobody else is active. */
static void
record_set_active (Record     *self,
                   const char *name,
                   gboolean    active)
{
  g_mutex_lock (&self->lock);
  if (active)
    g_hash_table_add (self->active, g_strdup (name));
  else
    g_hash_table_remove (self->active, name);
  self->max_active = MAX (self->max_active, g_hash_table_size (self->active));
  g_mutex_unlock (&self->lock);
}

static const char *
player_get_name (Player *self)
{
  return agent_subscriber_get_name (AGENT_SUBSCRIBER (self->actor));
}

static void
on_activated (AgentActor *actor,
              GVariant   *args,
              Player     *self)
{
  record_set_active (self->record, player_get_name (self), TRUE);
  g_assert_true (agent_actor_is_active (actor));
  record_add (self->record, "+", player_get_name (self), args != NULL ? g_variant_get_string (args, NULL) : "");
  if (self->on_activated != NULL)
    self->on_activated (self->data);
}

static void
on_deactivated (AgentActor *actor,
                Player     *self)
{
  record_set_active (self->record, player_get_name (self), FALSE);
  record_add (self->record, "-", player_get_name (self), "");
  if (self->on_deactivated != NULL)
    self->on_deactivated (self->data);
}

static void
on_ended (AgentActor *actor,
          const char *reason,
          Player     *self)
{
  record_set_active (self->record, player_get_name (self), FALSE);
  record_add (self->record, "!", player_get_name (self), "");
}

static guint
get_number (AgentMessage *message)
{
  if (agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_FRAME)
    return (guint) g_ascii_strtoull (agent_frame_get_kind (agent_message_get_frame (message)), NULL, 10);
  return test_number (message);
}

static void
on_message (AgentActor   *actor,
            AgentMessage *message,
            Player       *self)
{
  guint            number = get_number (message);
  g_autofree char *text = g_strdup_printf ("%u", number);

  if (g_strcmp0 (agent_message_get_target (message), "role") == 0)
    g_assert_true (agent_actor_is_active (actor));
  record_add (self->record, "", player_get_name (self), text);
  if (number == self->keep)
    self->delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (actor));
}

static void
on_request (AgentActor *actor,
            AgentJob   *job,
            Player     *self)
{
  self->job = g_object_ref (job);
}

/* @group: (nullable) */
static Player *
player_new (TestFixture *f,
            Record      *record,
            const char  *name,
            const char  *group,
            gboolean     active,
            gboolean     keeps)
{
  Player *self = g_new0 (Player, 1);
  g_autoptr (GError) error = NULL;

  self->record = record;
  self->actor =
      g_object_new (AGENT_TYPE_ACTOR, "name", name, "group", group, "active", active, "keep-frames", keeps, NULL);
  if (active)
    record_set_active (record, name, TRUE);
  g_signal_connect (self->actor, "message", G_CALLBACK (on_message), self);
  g_signal_connect (self->actor, "activated", G_CALLBACK (on_activated), self);
  g_signal_connect (self->actor, "deactivated", G_CALLBACK (on_deactivated), self);
  g_signal_connect (self->actor, "ended", G_CALLBACK (on_ended), self);
  g_signal_connect (self->actor, "task-request", G_CALLBACK (on_request), self);
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (self->actor), &error);
  g_assert_no_error (error);

  return self;
}

static void
player_complete (Player *self)
{
  if (self->delivery != NULL)
    agent_delivery_complete (self->delivery);
  g_clear_object (&self->delivery);
  if (self->job != NULL)
    agent_job_complete (self->job, NULL);
  g_clear_object (&self->job);
}

/* The bus is stopped. */
static void
player_free (Player *self)
{
  g_assert_null (self->delivery);
  g_assert_null (self->job);
  g_signal_handlers_disconnect_by_data (self->actor, self);
  g_assert_finalize_object (self->actor);
  g_free (self);
}

static void
assert_story (TestFixture *f,
              Record      *record,
              const char  *expected)
{
  test_drain (f);
  g_assert_cmpstr (record->story->str, ==, expected);
}

static void
send_frame (TestFixture *f,
            const char  *target,
            guint        number)
{
  g_autofree char *kind = g_strdup_printf ("%u", number);
  g_autoptr (AgentFrame) frame = agent_frame_new_copy (kind, "", 0, NULL);

  agent_bus_send (f->bus, agent_message_new_frame ("test", target, frame, AGENT_FRAME_DIRECTION_DOWNSTREAM));
}

static void
send_activate (TestFixture *f,
               const char  *target)
{
  agent_bus_send (f->bus, agent_message_new_activate ("test", target, NULL));
}

static void
send_deactivate (TestFixture *f,
                 const char  *target)
{
  agent_bus_send (f->bus, agent_message_new_deactivate ("test", target));
}

static guint64
count_inactive (TestFixture *f,
                const char  *name)
{
  return test_ledger_of (f->bus, name).dropped[AGENT_DROP_REASON_INACTIVE];
}

/* --- Frames --- */

static void
test_drops_frames (TestFixture *f)
{
  Record  record;
  Player *a;

  record_init (&record);
  a = player_new (f, &record, "a", NULL, FALSE, FALSE);
  send_frame (f, "a", 1);
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  assert_story (f, &record, "a2");
  g_assert_cmpuint (count_inactive (f, "a"), ==, 1);
  send_activate (f, "a");
  send_frame (f, "a", 3);
  assert_story (f, &record, "a2 +a a3");
  send_deactivate (f, "a");
  send_frame (f, "a", 4);
  assert_story (f, &record, "a2 +a a3 -a");
  g_assert_cmpuint (count_inactive (f, "a"), ==, 2);
  test_assert_balanced (f->bus);
  test_stop (f);
  player_free (a);
  record_clear (&record);
}

static void
test_keeps_frames (TestFixture *f)
{
  Record  record;
  Player *a;

  record_init (&record);
  a = player_new (f, &record, "a", NULL, FALSE, TRUE);
  send_frame (f, "a", 1);
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  assert_story (f, &record, "");
  g_assert_cmpuint (test_ledger_of (f->bus, "a").queued, ==, 2);
  send_activate (f, "a");
  assert_story (f, &record, "+a a1 a2");
  send_deactivate (f, "a");
  test_drain (f);
  send_frame (f, "a", 3);
  assert_story (f, &record, "+a a1 a2 -a");
  send_activate (f, "a");
  assert_story (f, &record, "+a a1 a2 -a +a a3");
  g_assert_cmpuint (count_inactive (f, "a"), ==, 0);
  test_assert_balanced (f->bus);
  test_stop (f);
  player_free (a);
  record_clear (&record);
}

/* The user's pause and the inactivity do not end each other. */
static void
test_keeps_beside_pause (TestFixture *f)
{
  Record  record;
  Player *a;

  record_init (&record);
  a = player_new (f, &record, "a", NULL, FALSE, TRUE);
  agent_subscriber_set_paused (AGENT_SUBSCRIBER (a->actor), TRUE);
  send_frame (f, "a", 1);
  agent_subscriber_set_paused (AGENT_SUBSCRIBER (a->actor), FALSE);
  assert_story (f, &record, "");
  agent_subscriber_set_paused (AGENT_SUBSCRIBER (a->actor), TRUE);
  send_activate (f, "a");
  assert_story (f, &record, "+a");
  agent_subscriber_set_paused (AGENT_SUBSCRIBER (a->actor), FALSE);
  assert_story (f, &record, "+a a1");
  test_stop (f);
  player_free (a);
  record_clear (&record);
}

static void
test_keeps_within_capacity (TestFixture *f)
{
  Record  record;
  Player *a;

  record_init (&record);
  a = player_new (f, &record, "a", NULL, FALSE, TRUE);
  agent_subscriber_set_capacity (AGENT_SUBSCRIBER (a->actor), 2);
  for (guint i = 1; i <= 4; i++)
    send_frame (f, "a", i);
  send_activate (f, "a");
  assert_story (f, &record, "+a a1 a2");
  g_assert_cmpuint (test_ledger_of (f->bus, "a").dropped[AGENT_DROP_REASON_FULL], ==, 2);
  test_expect_log (f, "Data channel of 'a' is full");
  test_assert_balanced (f->bus);
  test_stop (f);
  player_free (a);
  record_clear (&record);
}

/* Who receives waits, too: nobody gets what an actor keeps. */
static void
test_keeps_from_receivers (TestFixture *f)
{
  GAsyncResult *result = NULL;
  Record        record;
  Player       *a;

  record_init (&record);
  a = player_new (f, &record, "a", NULL, FALSE, TRUE);
  agent_subscriber_receive_async (AGENT_SUBSCRIBER (a->actor), NULL, test_keep_result, &result);
  send_frame (f, "a", 1);
  test_drain (f);
  g_assert_null (result);
  send_activate (f, "a");
  test_wait_result (f, &result);
  g_clear_object (&result);
  test_stop (f);
  player_free (a);
  record_clear (&record);
}

/* An actor that leaves does not keep anything. */
static void
test_keeps_until_it_leaves (TestFixture *f)
{
  Record  record;
  Player *a;

  record_init (&record);
  a = player_new (f, &record, "a", NULL, FALSE, TRUE);
  send_frame (f, "a", 1);
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_unsubscribe_full_async (f->bus, "a", AGENT_LEAVE_FLAGS_DRAIN, NULL, NULL, NULL);
  assert_story (f, &record, "a2 !a");
  test_assert_balanced (f->bus);
  test_stop (f);
  player_free (a);
  record_clear (&record);
}

/* --- Groups --- */

static void
test_skips_inactive (TestFixture *f)
{
  Record  record;
  Player *players[4];

  record_init (&record);
  for (guint i = 0; i < 4; i++)
    players[i] = player_new (
        f, &record, (const char *[]){ "a", "b", "c", "d" }[i], "role", i == 2, (i & 1) != 0);
  for (guint i = 1; i <= 6; i++)
    g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "role", i)), ==, 1);
  assert_story (f, &record, "c1 c2 c3 c4 c5 c6");
  g_string_truncate (record.story, 0);

  send_activate (f, "a");
  send_deactivate (f, "c");
  test_drain (f);
  g_string_truncate (record.story, 0);
  for (guint i = 1; i <= 3; i++)
    agent_bus_send (f->bus, test_data ("test", "role", i));
  assert_story (f, &record, "a1 a2 a3");
  test_assert_balanced (f->bus);
  test_stop (f);
  for (guint i = 0; i < 4; i++)
    player_free (players[i]);
  record_clear (&record);
}

/* With nobody active, the one that keeps gets it; and if there is none, the group is like one without members. */
static void
test_nobody_active (TestFixture *f)
{
  g_autoptr (AgentMessage) message = test_data ("test", "role", 2);
  g_autoptr (GError) error = NULL;
  Record  record;
  Player *a;
  Player *b;

  record_init (&record);
  a = player_new (f, &record, "a", "role", FALSE, FALSE);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "role", 1)), ==, 0);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1);
  g_assert_false (agent_bus_try_send (f->bus, message, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND);

  b = player_new (f, &record, "b", "role", FALSE, TRUE);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "role", 3)), ==, 1);
  assert_story (f, &record, "");
  send_activate (f, "b");
  assert_story (f, &record, "+b b3");
  test_assert_balanced (f->bus);
  test_stop (f);
  player_free (a);
  player_free (b);
  record_clear (&record);
}

/* --- Handing over --- */

typedef enum
{
  STEP_HAND,        /* the holder has a message in hand, and others queued */
  STEP_JOB,         /* its channels are empty, and a job is open */
  STEP_DEACTIVATED, /* in its handler */
  STEP_ACTIVATED,   /* in the handler of the successor */
  STEP_DONE,
  N_STEPS,
} Step;

typedef struct _Scene Scene;

struct _Scene
{
  TestFixture  *f;
  Record        record;
  Player       *a;
  Player       *b;
  AgentActor   *boss;
  AgentTask    *task;
  GCancellable *cancellable;
  GAsyncResult *result;
  Step          step;
  void (*disturb) (Scene *self);
  guint n_sent;
  guint n_accepted;
};

static void
scene_send (Scene *self)
{
  self->n_accepted += agent_bus_send (self->f->bus, test_data ("test", "role", ++self->n_sent));
}

static void
scene_reach (Scene *self,
             Step   step)
{
  void (*disturb) (Scene * self) = self->step == step ? g_steal_pointer (&self->disturb) : NULL;

  if (disturb != NULL)
    disturb (self);
  scene_send (self);
}

static void
scene_on_deactivated (gpointer data)
{
  scene_reach (data, STEP_DEACTIVATED);
}

static void
scene_on_activated (gpointer data)
{
  scene_reach (data, STEP_ACTIVATED);
}

static void
scene_init (Scene       *self,
            TestFixture *f,
            Step         step,
            void (*disturb) (Scene *self))
{
  *self = (Scene){ .f = f, .step = step, .disturb = disturb };
  record_init (&self->record);
  self->a = player_new (f, &self->record, "a", "role", TRUE, FALSE);
  self->b = player_new (f, &self->record, "b", "role", FALSE, FALSE);
  self->boss = agent_actor_new ("boss");
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (self->boss), NULL));
  self->cancellable = g_cancellable_new ();
  self->a->keep = 2;
  self->a->on_deactivated = scene_on_deactivated;
  self->b->on_activated = scene_on_activated;
  self->a->data = self->b->data = self;
}

/* Who is the holder of the role at the end, or NULL. */
static const char *
scene_find_holder (Scene *self)
{
  g_autofree char *number = NULL;

  if (agent_bus_send (self->f->bus, test_data ("test", "role", ++self->n_sent)) == 0)
    return NULL;
  self->n_accepted++;
  test_drain (self->f);
  number = g_strdup_printf ("a%u", self->n_sent);
  return g_str_has_suffix (self->record.story->str, number) ? "a" : "b";
}

static void
scene_run (Scene *self)
{
  TestFixture *f = self->f;

  scene_send (self);
  self->task = agent_actor_request (self->boss, "role", "work", NULL);
  scene_send (self);
  scene_send (self);
  test_drain (f);
  g_assert_nonnull (self->a->delivery);
  agent_actor_hand_over_async (
      self->a->actor, self->b->actor, g_variant_new_string ("!"), self->cancellable, test_keep_result, &self->result);
  scene_send (self);
  test_drain (f);
  scene_reach (self, STEP_HAND);
  test_drain (f);
  if (self->a->delivery != NULL)
    agent_delivery_complete (self->a->delivery);
  g_clear_object (&self->a->delivery);
  test_drain (f);
  scene_reach (self, STEP_JOB);
  test_drain (f);
  player_complete (self->a);
  test_drain (f);
  scene_reach (self, STEP_DONE);
  test_drain (f);
}

/* All numbers that were handled, in their order. */
static guint
scene_assert_order (Scene *self)
{
  g_auto (GStrv) words = g_strsplit (self->record.story->str, " ", 0);
  guint last = 0;
  guint n = 0;

  for (guint i = 0; words[i] != NULL; i++)
    {
      guint number = (guint) g_ascii_strtoull (words[i] + 1, NULL, 10);

      if (strchr ("+-!", words[i][0]) != NULL)
        continue;
      g_assert_cmpuint (number, >, last);
      last = number;
      n++;
    }

  return n;
}

static void
scene_clear (Scene *self)
{
  test_assert_balanced (self->f->bus);
  player_complete (self->a);
  player_complete (self->b);
  test_stop (self->f);
  g_assert_nonnull (self->result);
  g_clear_object (&self->result);
  g_clear_object (&self->task);
  g_clear_object (&self->cancellable);
  g_assert_finalize_object (self->boss);
  player_free (self->a);
  player_free (self->b);
  record_clear (&self->record);
}

static void
disturb_cancel (Scene *self)
{
  g_cancellable_cancel (self->cancellable);
}

static void
disturb_time (Scene *self)
{
  test_clock_advance (agent_bus_get_shutdown_timeout (self->f->bus) * G_TIME_SPAN_MILLISECOND);
}

static void
disturb_a_leaves (Scene *self)
{
  agent_bus_unsubscribe (self->f->bus, "a");
}

static void
disturb_b_leaves (Scene *self)
{
  agent_bus_unsubscribe (self->f->bus, "b");
}

static void
disturb_a_drains (Scene *self)
{
  agent_bus_unsubscribe_full_async (self->f->bus, "a", AGENT_LEAVE_FLAGS_DRAIN, NULL, NULL, NULL);
}

static void
disturb_b_drains (Scene *self)
{
  agent_bus_unsubscribe_full_async (self->f->bus, "b", AGENT_LEAVE_FLAGS_DRAIN, NULL, NULL, NULL);
}

static void
disturb_both_leave (Scene *self)
{
  disturb_a_leaves (self);
  disturb_b_leaves (self);
}

static void
disturb_a_deactivated (Scene *self)
{
  send_deactivate (self->f, "a");
}

static void
disturb_b_activated (Scene *self)
{
  send_activate (self->f, "b");
}

static void
disturb_again (Scene *self)
{
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;

  agent_actor_hand_over_async (self->a->actor, self->b->actor, NULL, NULL, test_keep_result, &result);
  test_wait_result (self->f, &result);
  g_assert_false (agent_actor_hand_over_finish (self->a->actor, result, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS);
  g_object_unref (result);
}

static const struct
{
  const char *name;
  void (*disturb) (Scene *self);
  const char *holders[N_STEPS]; /* who holds the role at the end: for each step in which that happens */
  gboolean    loses;            /* nobody is left in the end, so that messages may be discarded */
} disturbances[] = {
  { "nothing", NULL, { "b", "b", "b", "b", "b" }, FALSE },
  { "cancel", disturb_cancel, { "a", "a", "b", "b", "b" }, FALSE },
  { "time", disturb_time, { "a", "a", "b", "b", "b" }, FALSE },
  { "a-leaves", disturb_a_leaves, { "b", "b", "b", "b", "b" }, FALSE },
  { "a-drains", disturb_a_drains, { "b", "b", "b", "b", "b" }, FALSE },
  { "b-leaves", disturb_b_leaves, { "a", "a", "a", NULL, NULL }, TRUE },
  { "b-drains", disturb_b_drains, { "a", "a", "a", NULL, NULL }, FALSE },
  { "both-leave", disturb_both_leave, { NULL, NULL, NULL, NULL, NULL }, TRUE },
  { "a-deactivated", disturb_a_deactivated, { "b", "b", "b", "b", "b" }, FALSE },
  { "b-activated", disturb_b_activated, { "b", "b", "b", "b", "b" }, FALSE },
  { "again", disturb_again, { "b", "b", "b", "b", "b" }, FALSE },
};

static void
run_scene (TestFixture *f,
           guint        i,
           Step         step)
{
  const char *expected = disturbances[i].holders[step];
  const char *holder;
  Scene       scene;
  guint       n_handled;

  g_test_message ("%s at step %d", disturbances[i].name, step);
  scene_init (&scene, f, step, disturbances[i].disturb);
  scene_run (&scene);
  holder = scene_find_holder (&scene);
  g_test_message ("%s; then %s", scene.record.story->str, holder != NULL ? holder : "nobody");
  g_assert_cmpstr (holder, ==, expected);
  g_assert_cmpuint (scene.record.max_active, ==, 1);
  g_assert_cmpuint (g_hash_table_size (scene.record.active), ==, holder != NULL);
  n_handled = scene_assert_order (&scene);
  if (!disturbances[i].loses || expected != NULL)
    g_assert_cmpuint (n_handled, ==, scene.n_accepted);
  scene_clear (&scene);
}

#define SCENE(step, function)                               \
  static void function (TestFixture *f)                     \
  {                                                         \
    test_clock_freeze ();                                   \
    for (guint i = 0; i < G_N_ELEMENTS (disturbances); i++) \
      {                                                     \
        if (i > 0)                                          \
          {                                                 \
            g_object_unref (f->bus);                        \
            f->bus = agent_bus_new ();                      \
          }                                                 \
        run_scene (f, i, step);                             \
      }                                                     \
    test_clock_release ();                                  \
  }

SCENE (STEP_HAND, test_hand)
SCENE (STEP_JOB, test_job)
SCENE (STEP_DEACTIVATED, test_deactivated)
SCENE (STEP_ACTIVATED, test_activated)
SCENE (STEP_DONE, test_done)

/* --- What waits --- */

typedef struct
{
  TestFixture  *f;
  Record        record;
  Player       *a;
  Player       *b;
  GCancellable *cancellable;
  GAsyncResult *result;
} Pair;

/* A hand-over is under way, and "a" has message 1 in hand. */
static void
pair_init (Pair        *self,
           TestFixture *f,
           guint        capacity)
{
  *self = (Pair){ .f = f, .cancellable = g_cancellable_new () };
  record_init (&self->record);
  self->a = player_new (f, &self->record, "a", "role", TRUE, FALSE);
  self->b = player_new (f, &self->record, "b", "role", FALSE, FALSE);
  self->a->keep = 1;
  if (capacity > 0)
    agent_subscriber_set_capacity (AGENT_SUBSCRIBER (self->b->actor), capacity);
  agent_bus_send (f->bus, test_data ("test", "role", 1));
  test_drain (f);
  agent_actor_hand_over_async (
      self->a->actor, self->b->actor, NULL, self->cancellable, test_keep_result, &self->result);
  test_drain (f);
}

/* Frees @expected_error: (nullable). */
static void
pair_finish (Pair *self,
             int   expected_code)
{
  g_autoptr (GError) error = NULL;

  test_wait_result (self->f, &self->result);
  if (expected_code < 0)
    g_assert_true (agent_actor_hand_over_finish (self->a->actor, self->result, &error));
  else
    g_assert_false (agent_actor_hand_over_finish (self->a->actor, self->result, &error));
  if (expected_code < 0)
    g_assert_no_error (error);
  else
    g_assert_cmpint (error->code, ==, expected_code);
  test_assert_balanced (self->f->bus);
  test_stop (self->f);
  g_clear_object (&self->result);
  g_clear_object (&self->cancellable);
  player_free (self->a);
  player_free (self->b);
  record_clear (&self->record);
}

/* What waits is bounded by the capacity of who gets it. */
static void
test_bounded (TestFixture *f)
{
  g_autoptr (AgentMessage) message = test_data ("test", "role", 6);
  g_autoptr (GError) error = NULL;
  Pair pair;

  pair_init (&pair, f, 2);
  for (guint i = 2; i <= 5; i++)
    agent_bus_send (f->bus, test_data ("test", "role", i));
  g_assert_cmpuint (test_ledger_of (f->bus, "b").queued, ==, 2);
  g_assert_cmpuint (test_ledger_of (f->bus, "b").dropped[AGENT_DROP_REASON_FULL], ==, 2);
  g_assert_false (agent_bus_try_send (f->bus, message, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_FULL);
  player_complete (pair.a);
  assert_story (f, &pair.record, "a1 -a +b b2 b3");
  test_expect_log (f, "Data channel of 'b' is full");
  pair_finish (&pair, -1);
}

/* Who waits for room at the successor gets it there, or at the holder if the hand-over is undone. */
static void
run_waiting_sender (TestFixture *f,
                    gboolean     undone)
{
  g_autoptr (AgentMessage) message = test_data ("test", "role", 3);
  g_autoptr (GError) error = NULL;
  GAsyncResult *sent = NULL;
  Pair          pair;

  pair_init (&pair, f, 1);
  agent_bus_send (f->bus, test_data ("test", "role", 2));
  agent_bus_send_async (f->bus, message, NULL, test_keep_result, &sent);
  test_drain (f);
  g_assert_null (sent);
  if (undone)
    g_cancellable_cancel (pair.cancellable);
  test_drain (f);
  player_complete (pair.a);
  test_wait_result (f, &sent);
  g_assert_true (agent_bus_send_finish (f->bus, sent, &error));
  g_clear_object (&sent);
  assert_story (f, &pair.record, undone ? "a1 a2 a3" : "a1 -a +b b2 b3");
  pair_finish (&pair, undone ? G_IO_ERROR_CANCELLED : -1);
}

static void
test_waiting_sender (TestFixture *f)
{
  run_waiting_sender (f, FALSE);
}

static void
test_waiting_sender_undone (TestFixture *f)
{
  run_waiting_sender (f, TRUE);
}

/* With AGENT_OVERFLOW_DROP_OLDEST, the older ones of those that wait give way. */
static void
test_drops_oldest (TestFixture *f)
{
  g_autoptr (AgentActor) b = g_object_new (AGENT_TYPE_ACTOR,
                                           "name",
                                           "b",
                                           "group",
                                           "role",
                                           "active",
                                           FALSE,
                                           "capacity",
                                           2,
                                           "overflow",
                                           AGENT_OVERFLOW_DROP_OLDEST,
                                           NULL);
  GAsyncResult *result = NULL;
  Record        record;
  Player       *a;
  Player        other = { b, &record };

  record_init (&record);
  a = player_new (f, &record, "a", "role", TRUE, FALSE);
  a->keep = 1;
  g_signal_connect (b, "message", G_CALLBACK (on_message), &other);
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (b), NULL);
  agent_bus_send (f->bus, test_data ("test", "role", 1));
  test_drain (f);
  agent_actor_hand_over_async (a->actor, b, NULL, NULL, test_keep_result, &result);
  for (guint i = 2; i <= 5; i++)
    agent_bus_send (f->bus, test_data ("test", "role", i));
  player_complete (a);
  test_wait_result (f, &result);
  g_object_unref (result);
  assert_story (f, &record, "a1 -a b4 b5");
  test_expect_log (f, "Data channel of 'b' is full");
  test_assert_balanced (f->bus);
  test_stop (f);
  player_free (a);
  record_clear (&record);
}

/* A flush of the role waits for what waits at the successor. */
static void
test_flush (TestFixture *f)
{
  GAsyncResult *flushed = NULL;
  Pair          pair;

  pair_init (&pair, f, 0);
  agent_bus_send (f->bus, test_data ("test", "role", 2));
  agent_bus_flush_async (f->bus, "b", NULL, test_keep_result, &flushed);
  test_drain (f);
  g_assert_null (flushed);
  player_complete (pair.a);
  test_wait_result (f, &flushed);
  g_assert_true (agent_bus_flush_finish (f->bus, flushed, NULL));
  g_clear_object (&flushed);
  assert_story (f, &pair.record, "a1 -a +b b2");
  pair_finish (&pair, -1);
}

/* A request for the role that waits, and one that is taken by the holder, both have one end. */
static void
test_requests (TestFixture *f)
{
  g_autoptr (AgentTask) task = NULL;
  AgentActor *boss = agent_actor_new ("boss");
  Pair        pair;

  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (boss), NULL);
  pair_init (&pair, f, 0);
  task = agent_actor_request (boss, "role", "work", NULL);
  test_drain (f);
  g_assert_null (pair.a->job);
  g_assert_null (pair.b->job);
  player_complete (pair.a);
  test_drain (f);
  g_assert_nonnull (pair.b->job);
  player_complete (pair.b);
  test_drain (f);
  g_assert_cmpint (agent_task_get_status (task), ==, AGENT_TASK_STATUS_COMPLETED);
  g_clear_object (&task);
  pair_finish (&pair, -1);
  g_assert_finalize_object (boss);
}

/* On a bus with total order, what has waited comes with numbers that are higher than those of what has come meanwhile. */
static void
on_ordered (AgentActor   *actor,
            AgentMessage *message,
            guint64      *last_seq)
{
  g_assert_cmpuint (agent_message_get_seq (message), >, *last_seq);
  *last_seq = agent_message_get_seq (message);
}

static void
test_total_order (TestFixture *f)
{
  guint64 last_seq = 0;
  Pair    pair;

  g_object_unref (f->bus);
  f->bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  pair_init (&pair, f, 0);
  g_signal_connect (pair.b->actor, "message", G_CALLBACK (on_ordered), &last_seq);
  agent_bus_send (f->bus, test_data ("test", "role", 2));
  agent_bus_send (f->bus, test_data ("test", "b", 3));
  test_drain (f);
  player_complete (pair.a);
  assert_story (f, &pair.record, "a1 b3 -a +b b2");
  g_signal_handlers_disconnect_by_data (pair.b->actor, &last_seq);
  pair_finish (&pair, -1);
}

/* A sender may have chosen the holder before the hand-over, and push its message later. */
static void
test_late_sender (TestFixture *f)
{
  AgentGroups  *groups = _agent_directory_get_groups (f->bus->directory);
  AgentMessage *message = test_data ("test", "role", 2);
  AgentMailbox *chosen;
  Record        record;
  Player       *a;
  Player       *b;

  record_init (&record);
  a = player_new (f, &record, "a", "role", TRUE, FALSE);
  b = player_new (f, &record, "b", "role", FALSE, FALSE);
  chosen = _agent_groups_choose (groups, "role", "test");
  agent_actor_hand_over_async (a->actor, b->actor, NULL, NULL, NULL, NULL);
  assert_story (f, &record, "-a +b");
  message->grouped = TRUE;
  g_assert_true (_agent_mailbox_push (chosen, message, _agent_sender_get ()));
  _agent_sender_collect (_agent_sender_get ());
  _agent_mailbox_unref (chosen);
  assert_story (f, &record, "-a +b b2");
  test_stop (f);
  player_free (a);
  player_free (b);
  record_clear (&record);
}

/* A bus that stops ends the hand-over, too. */
static void
test_stopped (TestFixture *f)
{
  Pair pair;

  pair_init (&pair, f, 0);
  agent_bus_send (f->bus, test_data ("test", "role", 2));
  agent_bus_stop_async (f->bus, NULL, NULL, NULL);
  player_complete (pair.a);
  pair_finish (&pair, AGENT_BUS_ERROR_CLOSED);
}

static void
assert_refused (TestFixture  *f,
                AgentActor   *from,
                AgentActor   *to,
                AgentBusError code)
{
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;

  agent_actor_hand_over_async (from, to, g_variant_new_string ("unused"), NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  g_assert_false (agent_actor_hand_over_finish (from, result, &error));
  g_assert_error (error, AGENT_BUS_ERROR, (int) code);
  g_object_unref (result);
}

static void
test_refused (TestFixture *f)
{
  AgentActor *nowhere = g_object_new (AGENT_TYPE_ACTOR, "name", "nowhere", "group", "role", "active", FALSE, NULL);
  Record      record;
  Player     *a;
  Player     *b;
  Player     *other;
  Player     *lonely;

  record_init (&record);
  a = player_new (f, &record, "a", "role", TRUE, FALSE);
  b = player_new (f, &record, "b", "role", FALSE, FALSE);
  other = player_new (f, &record, "other", "else", FALSE, FALSE);
  lonely = player_new (f, &record, "lonely", NULL, FALSE, FALSE);
  assert_refused (f, a->actor, nowhere, AGENT_BUS_ERROR_CLOSED);
  assert_refused (f, nowhere, a->actor, AGENT_BUS_ERROR_CLOSED);
  assert_refused (f, a->actor, other->actor, AGENT_BUS_ERROR_NOT_FOUND);
  assert_refused (f, a->actor, lonely->actor, AGENT_BUS_ERROR_NOT_FOUND);
  assert_refused (f, lonely->actor, a->actor, AGENT_BUS_ERROR_NOT_FOUND);
  assert_refused (f, b->actor, a->actor, AGENT_BUS_ERROR_EXISTS);
  agent_bus_send (f->bus, test_data ("test", "role", 1));
  assert_story (f, &record, "a1");
  test_stop (f);
  player_free (a);
  player_free (b);
  player_free (other);
  player_free (lonely);
  g_assert_finalize_object (nowhere);
  record_clear (&record);
}

/* --- Threads --- */

/*
 * The two actors live in a thread each, and senders send from two more while the role goes to and fro, and hand-overs are
 * cancelled at any moment. Numbers of one sender come in their order, nothing is lost, and nobody is active beside another one.
 */

#define N_HAND_OVERS 400
#define N_SENDERS 2

typedef struct
{
  TestFixture  *f;
  _Atomic gint  n_active;
  _Atomic guint n_handled;
  _Atomic guint last[N_SENDERS];
  _Atomic gint  over;
  _Atomic guint n_sent;
  AgentActor   *actors[2];
} Crowd;

static void
crowd_on_message (AgentActor   *actor,
                  AgentMessage *message,
                  Crowd        *self)
{
  guint sender = (guint) (agent_message_get_source (message)[0] - '0');
  guint number = test_number (message);

  g_assert_true (agent_actor_is_active (actor));
  g_assert_cmpuint (atomic_exchange (&self->last[sender], number), <, number);
  atomic_fetch_add (&self->n_handled, 1);
}

static void
crowd_on_activated (AgentActor *actor,
                    GVariant   *args,
                    Crowd      *self)
{
  g_assert_cmpint (atomic_fetch_add (&self->n_active, 1), ==, 0);
}

static void
crowd_on_deactivated (AgentActor *actor,
                      Crowd      *self)
{
  g_assert_cmpint (atomic_fetch_add (&self->n_active, -1), ==, 1);
}

static void
crowd_on_ended (AgentActor *actor,
                const char *reason,
                Crowd      *self)
{
  if (agent_actor_is_active (actor))
    crowd_on_deactivated (actor, self);
}

typedef struct
{
  Crowd *crowd;
  guint  index;
} Sender;

/* No more than a few hundred wait, so that the test ends soon. */
static gpointer
crowd_send (gpointer data)
{
  Sender          *self = data;
  Crowd           *crowd = self->crowd;
  g_autofree char *name = g_strdup_printf ("%u", self->index);

  for (guint number = 1; !atomic_load (&crowd->over); number++)
    {
      while (atomic_load (&crowd->n_sent) - atomic_load (&crowd->n_handled) > 500 && !atomic_load (&crowd->over))
        g_thread_yield ();
      g_assert_cmpuint (agent_bus_send (crowd->f->bus, test_data (name, "role", number)), ==, 1);
      atomic_fetch_add (&crowd->n_sent, 1);
    }

  return NULL;
}

static void
crowd_add_actor (Crowd      *self,
                 guint       index,
                 TestThread *thread)
{
  self->actors[index] = g_object_new (AGENT_TYPE_ACTOR,
                                      "name",
                                      index == 0 ? "a" : "b",
                                      "group",
                                      "role",
                                      "active",
                                      index == 0,
                                      "capacity",
                                      10000,
                                      "main-context",
                                      thread->context,
                                      NULL);
  g_signal_connect (self->actors[index], "message", G_CALLBACK (crowd_on_message), self);
  g_signal_connect (self->actors[index], "activated", G_CALLBACK (crowd_on_activated), self);
  g_signal_connect (self->actors[index], "deactivated", G_CALLBACK (crowd_on_deactivated), self);
  g_signal_connect (self->actors[index], "ended", G_CALLBACK (crowd_on_ended), self);
  g_assert_true (agent_bus_subscribe (self->f->bus, AGENT_SUBSCRIBER (self->actors[index]), NULL));
}

/* Returns who holds the role after that. */
static guint
crowd_hand_over (Crowd   *self,
                 guint    holder,
                 gboolean cancels)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  gboolean done;

  agent_actor_hand_over_async (
      self->actors[holder], self->actors[1 - holder], NULL, cancellable, test_keep_result, &result);
  for (gint i = g_test_rand_int_range (0, 3); cancels && i > 0; i--)
    g_main_context_iteration (self->f->context, FALSE);
  if (cancels)
    g_cancellable_cancel (cancellable);
  test_wait_result (self->f, &result);
  done = agent_actor_hand_over_finish (self->actors[holder], result, &error);
  if (!done)
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  return done ? 1 - holder : holder;
}

static void
test_threads (TestFixture *f)
{
  g_autoptr (GPtrArray) threads = test_threads_new (2);
  Crowd    crowd = { .f = f, .n_active = 1 };
  Sender   senders[N_SENDERS];
  GThread *sending[N_SENDERS];
  guint    holder = 0;
  guint    n_done = 0;

  for (guint i = 0; i < 2; i++)
    crowd_add_actor (&crowd, i, threads->pdata[i]);
  for (guint i = 0; i < N_SENDERS; i++)
    {
      senders[i] = (Sender){ &crowd, i };
      sending[i] = g_thread_new ("sender", crowd_send, &senders[i]);
    }
  for (guint i = 0; i < N_HAND_OVERS; i++)
    {
      guint before = holder;

      holder = crowd_hand_over (&crowd, holder, (i & 1) != 0);
      n_done += holder != before;
    }
  atomic_store (&crowd.over, TRUE);
  for (guint i = 0; i < N_SENDERS; i++)
    g_thread_join (sending[i]);
  while (atomic_load (&crowd.n_handled) < atomic_load (&crowd.n_sent))
    g_thread_yield ();

  g_test_message ("%u of %u hand-overs, %u messages", n_done, N_HAND_OVERS, atomic_load (&crowd.n_sent));
  g_assert_cmpint (agent_actor_is_active (crowd.actors[0]) + agent_actor_is_active (crowd.actors[1]), ==, 1);
  test_assert_balanced (f->bus);
  test_stop (f);
  for (guint i = 0; i < 2; i++)
    {
      test_thread_sync (threads->pdata[i]);
      g_signal_handlers_disconnect_by_data (crowd.actors[i], &crowd);
    }
  g_clear_pointer (&threads, g_ptr_array_unref);
  for (guint i = 0; i < 2; i++)
    g_assert_finalize_object (crowd.actors[i]);
}

#define N_LEAVERS 150

/* Successors that leave at any moment: the holder goes on, or is activated again, or the next one is subscribed too late. */
static void
crowd_try_leaver (Crowd      *self,
                  TestThread *thread)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) left = NULL;
  g_autoptr (GError) error = NULL;

  crowd_add_actor (self, 1, thread);
  agent_actor_hand_over_async (self->actors[0], self->actors[1], NULL, NULL, test_keep_result, &result);
  for (gint i = g_test_rand_int_range (0, 50); i > 0; i--)
    g_thread_yield ();
  agent_bus_unsubscribe_full_async (
      self->f->bus, "b", AGENT_LEAVE_FLAGS_DRAIN, NULL, test_keep_result, &left);
  test_wait_result (self->f, &result);
  test_wait_result (self->f, &left);
  if (agent_actor_hand_over_finish (self->actors[0], result, &error))
    agent_bus_send (self->f->bus, agent_message_new_activate ("test", "a", NULL));
  else
    g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);

  test_thread_sync (thread);
  g_signal_handlers_disconnect_by_data (self->actors[1], self);
  g_object_unref (self->actors[1]);
}

/* While "b" holds the role and leaves, and "a" is not active again yet, nobody gets what is sent. So senders count what was taken. */
static gpointer
crowd_send_to_anybody (gpointer data)
{
  Sender          *self = data;
  Crowd           *crowd = self->crowd;
  g_autofree char *name = g_strdup_printf ("%u", self->index);

  for (guint number = 1; !atomic_load (&crowd->over); number++)
    {
      while ((gint) (atomic_load (&crowd->n_sent) - atomic_load (&crowd->n_handled)) > 500 && !atomic_load (&crowd->over))
        g_thread_yield ();
      atomic_fetch_add (&crowd->n_sent, agent_bus_send (crowd->f->bus, test_data (name, "role", number)));
    }

  return NULL;
}

static void
test_threads_leaving (TestFixture *f)
{
  g_autoptr (GPtrArray) threads = test_threads_new (2);
  Crowd    crowd = { .f = f, .n_active = 1 };
  Sender   senders[N_SENDERS];
  GThread *sending[N_SENDERS];

  crowd_add_actor (&crowd, 0, threads->pdata[0]);
  for (guint i = 0; i < N_SENDERS; i++)
    {
      senders[i] = (Sender){ &crowd, i };
      sending[i] = g_thread_new ("sender", crowd_send_to_anybody, &senders[i]);
    }
  for (guint i = 0; i < N_LEAVERS; i++)
    crowd_try_leaver (&crowd, threads->pdata[1]);
  atomic_store (&crowd.over, TRUE);
  for (guint i = 0; i < N_SENDERS; i++)
    g_thread_join (sending[i]);
  while (atomic_load (&crowd.n_handled) < atomic_load (&crowd.n_sent))
    g_thread_yield ();

  g_test_message ("%u messages", atomic_load (&crowd.n_sent));
  test_assert_balanced (f->bus);
  test_stop (f);
  test_thread_sync (threads->pdata[0]);
  g_signal_handlers_disconnect_by_data (crowd.actors[0], &crowd);
  g_clear_pointer (&threads, g_ptr_array_unref);
  g_assert_finalize_object (crowd.actors[0]);
}

/* --- Refused while one of the two leaves --- */

#define N_QUITTERS 1000
#define PATIENCE (60 * 1000) /* ms */

typedef struct
{
  AgentBus     *bus;
  GPtrArray    *names;   /* (owned) of char * (owned) */
  _Atomic guint n_asked; /* for how many a hand-over is being asked for, or was */
  _Atomic guint n_left;
  guint         n_told;
} Quitters;

static gpointer
quitters_quit (gpointer data)
{
  Quitters *self = data;

  for (guint i = 0; i < self->names->len; i++)
    {
      while (atomic_load (&self->n_asked) <= i)
        g_thread_yield ();
      agent_bus_unsubscribe (self->bus, self->names->pdata[i]);
      atomic_store (&self->n_left, i + 1);
    }
  return NULL;
}

static void
quitters_on_refused (GObject      *actor,
                     GAsyncResult *result,
                     gpointer      data)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (agent_actor_hand_over_finish (AGENT_ACTOR (actor), result, &error));
  g_assert_nonnull (error);
  ((Quitters *) data)->n_told++;
}

/* Asks for a hand-over to a quitter somewhat later than the quitter begins to leave, each time by another time. */
static void
quitters_ask (Quitters   *self,
              AgentActor *from,
              AgentActor *to,
              guint       i)
{
  volatile guint wait;

  while (atomic_load (&self->n_left) < i)
    g_thread_yield ();
  atomic_store (&self->n_asked, i + 1);
  for (wait = i % 100 * 50; wait > 0; wait--)
    ;
  agent_actor_hand_over_async (from, to, NULL, NULL, quitters_on_refused, self);
}

static AgentActor *
quitters_add (TestFixture *f,
              const char  *name,
              gboolean     active)
{
  AgentActor *actor = g_object_new (AGENT_TYPE_ACTOR, "name", name, "group", "role", "active", active, NULL);

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (actor), NULL));
  return actor;
}

/* Each hand-over is refused, as it is not from the holder, and the other one leaves in that moment. It is told of once. */
static void
test_refused_and_left (TestFixture *f)
{
  g_autoptr (AgentActor) holder = quitters_add (f, "holder", TRUE);
  g_autoptr (AgentActor) other = quitters_add (f, "other", FALSE);
  g_autoptr (GPtrArray) actors = g_ptr_array_new_with_free_func (g_object_unref);
  Quitters quitters = { f->bus, g_ptr_array_new_with_free_func (g_free), 0, 0, 0 };
  GThread *thread;

  for (guint i = 0; i < N_QUITTERS; i++)
    {
      g_ptr_array_add (quitters.names, g_strdup_printf ("quitter-%u", i));
      g_ptr_array_add (actors, quitters_add (f, quitters.names->pdata[i], FALSE));
    }

  /* Nobody leaves before the context is iterated, however long the rest takes on a busy machine. */
  agent_bus_set_shutdown_timeout (f->bus, PATIENCE);
  thread = g_thread_new ("quits", quitters_quit, &quitters);
  for (guint i = 0; i < actors->len; i++)
    quitters_ask (&quitters, other, actors->pdata[i], i);
  g_thread_join (thread);
  test_drain (f);
  g_assert_cmpuint (quitters.n_told, ==, N_QUITTERS);
  g_ptr_array_unref (quitters.names);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/agentbus/actor-role/frames-dropped", test_drops_frames);
  test_add ("/agentbus/actor-role/frames-kept", test_keeps_frames);
  test_add ("/agentbus/actor-role/frames-kept-beside-pause", test_keeps_beside_pause);
  test_add ("/agentbus/actor-role/frames-kept-within-capacity", test_keeps_within_capacity);
  test_add ("/agentbus/actor-role/frames-kept-from-receivers", test_keeps_from_receivers);
  test_add ("/agentbus/actor-role/frames-kept-until-it-leaves", test_keeps_until_it_leaves);
  test_add ("/agentbus/actor-role/group-skips-inactive", test_skips_inactive);
  test_add ("/agentbus/actor-role/group-nobody-active", test_nobody_active);
  test_add ("/agentbus/actor-role/hand-over-in-hand", test_hand);
  test_add ("/agentbus/actor-role/hand-over-job", test_job);
  test_add ("/agentbus/actor-role/hand-over-deactivated", test_deactivated);
  test_add ("/agentbus/actor-role/hand-over-activated", test_activated);
  test_add ("/agentbus/actor-role/hand-over-done", test_done);
  test_add ("/agentbus/actor-role/waiting-bounded", test_bounded);
  test_add ("/agentbus/actor-role/waiting-drops-oldest", test_drops_oldest);
  test_add ("/agentbus/actor-role/waiting-sender", test_waiting_sender);
  test_add ("/agentbus/actor-role/waiting-sender-undone", test_waiting_sender_undone);
  test_add ("/agentbus/actor-role/waiting-flush", test_flush);
  test_add ("/agentbus/actor-role/waiting-requests", test_requests);
  test_add ("/agentbus/actor-role/waiting-total-order", test_total_order);
  test_add ("/agentbus/actor-role/waiting-late-sender", test_late_sender);
  test_add ("/agentbus/actor-role/threads-to-and-fro", test_threads);
  test_add ("/agentbus/actor-role/threads-leaving", test_threads_leaving);
  test_add ("/agentbus/actor-role/stopped", test_stopped);
  test_add ("/agentbus/actor-role/refused", test_refused);
  test_add ("/agentbus/actor-role/threads-refused-and-left", test_refused_and_left);

  return g_test_run ();
}
