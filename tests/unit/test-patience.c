/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-patience-private.h"
#include "test-support.h"

/* How a context waits for more before it sleeps: what makes it look, and what makes it give up. */

#define MANY 1000

typedef struct
{
  AgentPatience     patience;
  AgentReadyList    list;
  AgentReadyItem    item;
  AgentIncomingItem incoming;
} Fixture;

static void
set_up (Fixture      *self,
        gconstpointer data)
{
  _agent_ready_item_init (&self->item);
}

static void
tear_down (Fixture      *self,
           gconstpointer data)
{
}

static gboolean
wait_after (Fixture *self,
            guint    n_handled)
{
  return _agent_patience_wait (&self->patience, &self->list, n_handled);
}

static void
test_finds_system (Fixture      *self,
                   gconstpointer data)
{
  g_assert_false (wait_after (self, 1));

  self->patience = (AgentPatience){ 0 };
  _agent_ready_list_add (&self->list, &self->item, AGENT_CHANNEL_SYSTEM);
  g_assert_true (wait_after (self, 1));
}

static void
test_finds_incoming (Fixture      *self,
                     gconstpointer data)
{
  _agent_ready_list_push_incoming (&self->list, &self->incoming);
  g_assert_true (wait_after (self, 1));
}

/* Where looks bring nothing, it stops to look, and tries again later. */
static void
test_gives_up (Fixture      *self,
               gconstpointer data)
{
  guint n_blind = 0;

  g_assert_false (wait_after (self, 1));
  g_assert_cmpint (self->patience.luck.value, <, 0);

  _agent_ready_list_push_incoming (&self->list, &self->incoming);
  while (!wait_after (self, 1))
    g_assert_cmpuint (++n_blind, <, MANY);
  g_assert_cmpuint (n_blind, >, 1);
}

/* Luck that it had carries it over a few looks in vain. */
static void
test_luck_lasts (Fixture      *self,
                 gconstpointer data)
{
  _agent_ready_list_push_incoming (&self->list, &self->incoming);
  for (guint i = 0; i < MANY; i++)
    g_assert_true (wait_after (self, 1));

  _agent_ready_list_leave_incoming (_agent_ready_list_take_incoming (&self->list));
  g_assert_false (wait_after (self, 1));
  _agent_ready_list_push_incoming (&self->list, &self->incoming);
  g_assert_true (wait_after (self, 1));
}

/* The more messages a look brings, the sooner the next one comes. With few of them it waits longer, up to a bound. */
static void
test_learns (Fixture      *self,
             gconstpointer data)
{
  guint most;

  /* System messages are found at once, however many looks there may be. */
  _agent_ready_list_add (&self->list, &self->item, AGENT_CHANNEL_SYSTEM);
  for (guint i = 0; i < MANY; i++)
    g_assert_true (wait_after (self, 8));
  most = self->patience.n_looks;
  g_assert_cmpuint (most, >, 0);
  wait_after (self, 8);
  g_assert_cmpuint (self->patience.n_looks, ==, most);

  wait_after (self, 50);
  g_assert_cmpuint (self->patience.n_looks, ==, most);
  wait_after (self, 200);
  g_assert_cmpuint (self->patience.n_looks, <, most);
  for (guint i = 0; i < MANY; i++)
    wait_after (self, 1);
  g_assert_cmpuint (self->patience.n_looks, ==, 0);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(path, function) \
  g_test_add ("/agentbus/patience/" path, Fixture, NULL, set_up, function, tear_down)

  ADD ("finds-system", test_finds_system);
  ADD ("finds-incoming", test_finds_incoming);
  ADD ("gives-up", test_gives_up);
  ADD ("luck-lasts", test_luck_lasts);
  ADD ("learns", test_learns);

#undef ADD

  return g_test_run ();
}
