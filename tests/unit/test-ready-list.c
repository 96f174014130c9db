/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-ready-list-private.h"
#include "test-support.h"

/* The ready list by itself: in which order it gives out what was added, and the stack of the incoming ones. */

#define N_ITEMS 4

typedef struct
{
  AgentReadyList    list;
  AgentReadyItem    items[N_ITEMS];
  AgentIncomingItem incoming[N_ITEMS];
} Fixture;

static void
set_up (Fixture      *self,
        gconstpointer data)
{
  for (guint i = 0; i < N_ITEMS; i++)
    _agent_ready_item_init (&self->items[i]);
}

static void
tear_down (Fixture      *self,
           gconstpointer data)
{
}

static void
assert_next (Fixture     *self,
             guint        index,
             AgentChannel expected)
{
  AgentChannel    channel;
  AgentReadyItem *item = _agent_ready_list_take (&self->list, &channel);

  g_assert_true (item == &self->items[index]);
  g_assert_cmpint (channel, ==, expected);
}

static void
assert_empty (Fixture *self)
{
  AgentChannel channel;

  g_assert_true (_agent_ready_list_is_empty (&self->list));
  g_assert_false (_agent_ready_list_has_system (&self->list));
  g_assert_null (_agent_ready_list_take (&self->list, &channel));
}

static void
test_order (Fixture      *self,
            gconstpointer data)
{
  _agent_ready_list_add (&self->list, &self->items[0], AGENT_CHANNEL_DATA);
  _agent_ready_list_add (&self->list, &self->items[1], AGENT_CHANNEL_DATA);
  _agent_ready_list_add (&self->list, &self->items[1], AGENT_CHANNEL_SYSTEM);
  _agent_ready_list_add (&self->list, &self->items[2], AGENT_CHANNEL_SYSTEM);
  g_assert_true (_agent_ready_list_has_system (&self->list));

  assert_next (self, 1, AGENT_CHANNEL_SYSTEM);
  assert_next (self, 2, AGENT_CHANNEL_SYSTEM);
  g_assert_false (_agent_ready_list_has_system (&self->list));
  g_assert_false (_agent_ready_list_is_empty (&self->list));
  assert_next (self, 0, AGENT_CHANNEL_DATA);
  assert_next (self, 1, AGENT_CHANNEL_DATA);
  assert_empty (self);
}

/* What is in a list already keeps its place there. */
static void
test_twice (Fixture      *self,
            gconstpointer data)
{
  _agent_ready_list_add (&self->list, &self->items[0], AGENT_CHANNEL_SYSTEM);
  _agent_ready_list_add (&self->list, &self->items[1], AGENT_CHANNEL_SYSTEM);
  _agent_ready_list_add (&self->list, &self->items[0], AGENT_CHANNEL_SYSTEM);

  assert_next (self, 0, AGENT_CHANNEL_SYSTEM);
  assert_next (self, 1, AGENT_CHANNEL_SYSTEM);
  assert_empty (self);
}

static void
test_remove (Fixture      *self,
             gconstpointer data)
{
  for (guint i = 0; i < 3; i++)
    _agent_ready_list_add (&self->list, &self->items[i], AGENT_CHANNEL_SYSTEM);

  _agent_ready_list_remove (&self->list, &self->items[1], AGENT_CHANNEL_SYSTEM);
  _agent_ready_list_remove (&self->list, &self->items[1], AGENT_CHANNEL_SYSTEM);
  _agent_ready_list_remove (&self->list, &self->items[0], AGENT_CHANNEL_DATA);

  assert_next (self, 0, AGENT_CHANNEL_SYSTEM);
  g_assert_true (_agent_ready_list_has_system (&self->list));
  assert_next (self, 2, AGENT_CHANNEL_SYSTEM);
  assert_empty (self);
}

static void
test_incoming (Fixture      *self,
               gconstpointer data)
{
  AgentIncomingItem *item;

  g_assert_null (_agent_ready_list_take_incoming (&self->list));
  g_assert_false (_agent_ready_list_may_have_incoming (&self->list));

  for (guint i = 0; i < N_ITEMS; i++)
    {
      _agent_ready_list_push_incoming (&self->list, &self->incoming[i]);
      _agent_ready_list_push_incoming (&self->list, &self->incoming[0]);
    }
  g_assert_true (_agent_ready_list_may_have_incoming (&self->list));

  item = _agent_ready_list_take_incoming (&self->list);
  for (guint i = 0; i < N_ITEMS; i++)
    {
      g_assert_true (item == &self->incoming[i]);
      item = _agent_ready_list_leave_incoming (item);
    }
  g_assert_null (item);
  g_assert_null (_agent_ready_list_take_incoming (&self->list));
}

/* An item that was taken can be pushed again as soon as it has left, and not before. */
static void
test_incoming_again (Fixture      *self,
                     gconstpointer data)
{
  AgentIncomingItem *item;

  _agent_ready_list_push_incoming (&self->list, &self->incoming[0]);
  item = _agent_ready_list_take_incoming (&self->list);
  _agent_ready_list_push_incoming (&self->list, item);
  g_assert_false (_agent_ready_list_may_have_incoming (&self->list));

  g_assert_null (_agent_ready_list_leave_incoming (item));
  _agent_ready_list_push_incoming (&self->list, item);
  g_assert_true (_agent_ready_list_take_incoming (&self->list) == item);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(path, function) \
  g_test_add ("/agentbus/ready-list/" path, Fixture, NULL, set_up, function, tear_down)

  ADD ("order", test_order);
  ADD ("twice", test_twice);
  ADD ("remove", test_remove);
  ADD ("incoming", test_incoming);
  ADD ("incoming-again", test_incoming_again);

#undef ADD

  return g_test_run ();
}
