/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

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

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/actor-role/frames/dropped", test_drops_frames);
  test_add ("/actor-role/frames/kept", test_keeps_frames);
  test_add ("/actor-role/frames/kept-beside-pause", test_keeps_beside_pause);
  test_add ("/actor-role/frames/kept-within-capacity", test_keeps_within_capacity);
  test_add ("/actor-role/frames/kept-from-receivers", test_keeps_from_receivers);
  test_add ("/actor-role/frames/kept-until-it-leaves", test_keeps_until_it_leaves);
  test_add ("/actor-role/group/skips-inactive", test_skips_inactive);
  test_add ("/actor-role/group/nobody-active", test_nobody_active);
  test_add ("/actor-role/hand-over/in-hand", test_hand);
  test_add ("/actor-role/hand-over/job", test_job);
  test_add ("/actor-role/hand-over/deactivated", test_deactivated);
  test_add ("/actor-role/hand-over/activated", test_activated);
  test_add ("/actor-role/hand-over/done", test_done);

  return g_test_run ();
}
