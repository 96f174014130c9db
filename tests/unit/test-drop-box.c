/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-drop-box-private.h"
#include "test-support.h"

/* The drop box of a mailbox by itself: what it counts, what it gives out, and when it wants to be reported. */

typedef struct
{
  AgentDropBox box;
  GObject     *subscriber;
} Fixture;

static void
set_up (Fixture      *self,
        gconstpointer data)
{
  self->subscriber = g_object_new (G_TYPE_OBJECT, NULL);
  _agent_drop_box_init (&self->box, self->subscriber);
}

static void
forget_records (Fixture *self)
{
  guint64                     totals[AGENT_N_DROP_REASONS];
  g_autofree AgentDropRecord *records = _agent_drop_box_take (&self->box, totals);

  if (records != NULL)
    _agent_drop_records_clear (records);
}

static void
tear_down (Fixture      *self,
           gconstpointer data)
{
  forget_records (self);
  _agent_drop_box_clear (&self->box);
  g_assert_finalize_object (self->subscriber);
}

/* Whether the drops have to be reported. */
static gboolean
add_drops (Fixture        *self,
           AgentDropReason reason,
           guint64         n,
           guint           number)
{
  AgentMessage *previous = NULL;
  gboolean      to_report;

  g_assert_true (_agent_drop_box_add (&self->box, reason, n, test_data ("test", NULL, number), &previous, &to_report));
  g_clear_pointer (&previous, agent_message_unref);
  return to_report;
}

static void
test_adds_up (Fixture      *self,
              gconstpointer data)
{
  g_autofree AgentDropRecord *records = NULL;
  guint64                     totals[AGENT_N_DROP_REASONS];

  g_assert_true (add_drops (self, AGENT_DROP_REASON_FULL, 1, 1));
  g_assert_false (add_drops (self, AGENT_DROP_REASON_FULL, 4, 5));
  g_assert_false (add_drops (self, AGENT_DROP_REASON_EXPIRED, 1, 6));

  records = _agent_drop_box_take (&self->box, totals);
  g_assert_cmpuint (records[AGENT_DROP_REASON_FULL].n, ==, 5);
  g_assert_cmpuint (test_number (records[AGENT_DROP_REASON_FULL].last), ==, 5);
  g_assert_cmpuint (records[AGENT_DROP_REASON_EXPIRED].n, ==, 1);
  g_assert_cmpuint (records[AGENT_DROP_REASON_CLOSED].n, ==, 0);
  g_assert_null (records[AGENT_DROP_REASON_CLOSED].last);
  g_assert_cmpuint (totals[AGENT_DROP_REASON_FULL], ==, 5);
  _agent_drop_records_clear (records);
}

/* After the records were taken, the next drop has to be reported, and the totals go on. */
static void
test_takes_turns (Fixture      *self,
                  gconstpointer data)
{
  guint64 totals[AGENT_N_DROP_REASONS];

  add_drops (self, AGENT_DROP_REASON_FULL, 3, 1);
  forget_records (self);
  g_assert_null (_agent_drop_box_take (&self->box, totals));

  g_assert_true (add_drops (self, AGENT_DROP_REASON_FULL, 1, 2));
  _agent_drop_box_read (&self->box, totals);
  g_assert_cmpuint (totals[AGENT_DROP_REASON_FULL], ==, 4);
}

static void
assert_closes (Fixture *self,
               gboolean expected)
{
  gboolean has_drops;
  gpointer subscriber = _agent_drop_box_close (&self->box, &has_drops);

  g_assert_true (subscriber == self->subscriber);
  g_assert_cmpint (has_drops, ==, expected);
  g_object_unref (subscriber);
}

/* A closed box counts nothing, and the message stays the caller's. */
static void
test_close (Fixture      *self,
            gconstpointer data)
{
  g_autoptr (AgentMessage) message = test_data ("test", NULL, 1);
  g_autoptr (GObject) subscriber = _agent_drop_box_dup_subscriber (&self->box);
  AgentMessage *previous = NULL;
  gboolean      to_report;
  guint64       totals[AGENT_N_DROP_REASONS];

  g_assert_true (subscriber == self->subscriber);
  g_assert_false (_agent_drop_box_is_closed (&self->box));
  assert_closes (self, FALSE);
  g_assert_true (_agent_drop_box_is_closed (&self->box));
  g_assert_null (_agent_drop_box_dup_subscriber (&self->box));

  g_assert_false (_agent_drop_box_add (&self->box, AGENT_DROP_REASON_FULL, 1, message, &previous, &to_report));
  g_assert_false (to_report);
  _agent_drop_box_read (&self->box, totals);
  g_assert_cmpuint (totals[AGENT_DROP_REASON_FULL], ==, 0);
}

/* Drops that were not told when the box is closed are there still. */
static void
test_close_with_drops (Fixture      *self,
                       gconstpointer data)
{
  add_drops (self, AGENT_DROP_REASON_DISCARDED, 2, 1);
  assert_closes (self, TRUE);
  forget_records (self);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(path, function) \
  g_test_add ("/agentbus/drop-box/" path, Fixture, NULL, set_up, function, tear_down)

  ADD ("adds-up", test_adds_up);
  ADD ("takes-turns", test_takes_turns);
  ADD ("close", test_close);
  ADD ("close-with-drops", test_close_with_drops);

#undef ADD

  return g_test_run ();
}
