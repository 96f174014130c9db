/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "test-support.h"
#include "wakeup-model.h"

/* All that can happen between two senders and a context, and what must not: see wakeup-model.h. */

/* --- What has to be so in each state --- */

static guint
count_links (const Model *self,
             guint8       first,
             guint8       mailbox)
{
  guint n = 0;

  for (guint8 i = first; i != NONE; i = self->mailboxes[i].next)
    n += i == mailbox;

  return n;
}

/* The token of @mailbox is on the stack, in the ready list, with a thread, or in what a thread has taken. */
static guint
count_tokens (const Model *self,
              guint8       mailbox)
{
  guint n = count_links (self, self->incoming, mailbox);

  for (guint i = 0; i < self->n_ready; i++)
    n += self->ready[i] == mailbox;
  for (guint i = 0; i < N_THREADS; i++)
    n += (self->threads[i].mailbox == mailbox) + count_links (self, self->threads[i].taken, mailbox);

  return n;
}

/* A sender that has taken on a wakeup may be stopped for as long as we look. */
static gboolean
is_stopped (const Thread *sender)
{
  return sender->step == STEP_SET_URGENT || sender->step == STEP_WAKE_UP || sender->step == STEP_END_ARMING;
}

/* Nobody does anything any more. */
static gboolean
is_quiet (const Model *self)
{
  for (guint i = 0; i < N_SENDERS; i++)
    {
      if (self->threads[i].step != STEP_DONE && !is_stopped (&self->threads[i]))
        return FALSE;
    }

  return self->threads[RECEIVER].step == STEP_POLL && !self->woken_up;
}

/* Who sends to the same mailbox as a sender that is stopped may rely on that one: it has the token. All others are not to
 * wait for it. */
static gboolean
is_held_up (const Model *self,
            guint8       message)
{
  for (guint i = 0; i < N_SENDERS; i++)
    {
      const Thread *sender = &self->threads[i];

      if (is_stopped (sender) && self->targets[model_get_message (self, sender)] == self->targets[message])
        return TRUE;
    }

  return FALSE;
}

static gboolean
is_left (const Model *self,
         guint8       message)
{
  gboolean is_sent = message % N_EACH < self->threads[message / N_EACH].n_sent;

  return is_sent && !self->handled[message] && !is_held_up (self, message);
}

/* (nullable) */
static const char *
find_fault (const Model *self)
{
  if (self->is_wrong)
    return "a message comes twice, or in the wrong order";

  for (guint8 i = 0; i < N_MAILBOXES; i++)
    {
      if (count_tokens (self, i) != self->mailboxes[i].scheduled)
        return "a token is lost, or two have it";
    }

  for (guint8 i = 0; i < N_MESSAGES && is_quiet (self); i++)
    {
      if (is_left (self, i))
        return "a message is left while the context sleeps";
    }

  return NULL;
}

/* --- The search --- */

typedef struct
{
  GHashTable *seen;   /* set of Model (owned) */
  GString    *path;   /* the steps so far */
  guint       n_ends; /* states in which all threads are done */
  const char *fault;  /* (nullable) the first that was found: @path leads to it */
} Search;

static guint
hash_model (gconstpointer model)
{
  const guint8 *bytes = model;
  guint         hash = 0;

  for (gsize i = 0; i < sizeof (Model); i++)
    hash = (hash ^ bytes[i]) * 16777619;

  return hash;
}

static gboolean
models_are_equal (gconstpointer a,
                  gconstpointer b)
{
  return memcmp (a, b, sizeof (Model)) == 0;
}

static void
search (Search      *self,
        const Model *model)
{
  gboolean is_end = TRUE;

  if (!g_hash_table_add (self->seen, g_memdup2 (model, sizeof *model)))
    return;

  self->fault = find_fault (model);
  for (guint i = 0; i < N_THREADS && self->fault == NULL; i++)
    {
      Model next = *model;
      gsize length = self->path->len;

      if (!model_go_on (&next, i))
        continue;

      is_end = FALSE;
      g_string_append_printf (self->path, " %u:%s", i, model_get_step_name (model, i));
      search (self, &next);
      if (self->fault == NULL)
        g_string_truncate (self->path, length);
    }

  if (is_end && self->fault == NULL && !is_quiet (model))
    self->fault = "the threads wait for one another";
  self->n_ends += is_end && self->fault == NULL;
}

/* (nullable) By symmetry, the first message goes to the first mailbox. */
static const char *
find_fault_of (Flaw flaw)
{
  g_autoptr (GString) path = g_string_new (NULL);
  Search search_state = { .path = path };
  guint  n_states = 0;

  for (guint plan = 0; plan < 1 << N_MESSAGES && search_state.fault == NULL; plan += 2)
    {
      Model model;

      model_init (&model, flaw, plan);
      search_state.seen = g_hash_table_new_full (hash_model, models_are_equal, g_free, NULL);
      search (&search_state, &model);
      n_states += g_hash_table_size (search_state.seen);
      g_hash_table_unref (search_state.seen);
      g_assert_true (search_state.fault != NULL || search_state.n_ends > 0);
    }

  g_test_message ("%u states, %u ends", n_states, search_state.n_ends);
  if (search_state.fault != NULL)
    g_test_message ("%s:%s", search_state.fault, path->str);
  return search_state.fault;
}

static void
test_nothing_is_lost (void)
{
  g_assert_cmpstr (find_fault_of (FLAW_NONE), ==, NULL);
}

static void
test_flaw (gconstpointer flaw)
{
  g_assert_cmpstr (find_fault_of (GPOINTER_TO_UINT (flaw)), ==, "a message is left while the context sleeps");
}

#define ADD_FLAW(name, NAME) \
  g_test_add_data_func ("/agentbus/wakeup-model/" name, GUINT_TO_POINTER (FLAW_##NAME), test_flaw)

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  g_test_add_func ("/agentbus/wakeup-model/nothing-is-lost", test_nothing_is_lost);
  ADD_FLAW ("sees-a-rest-that-loads-first", REST_LOADS_FIRST);
  ADD_FLAW ("sees-a-sender-that-looks-first", SENDER_LOOKS_FIRST);
  ADD_FLAW ("sees-a-token-that-comes-late", TOKEN_COMES_LATE);
  ADD_FLAW ("sees-a-wakeup-without-a-cause", WAKES_UP_FIRST);
  ADD_FLAW ("sees-a-rest-that-consumes-afterwards", CONSUMES_AFTERWARDS);
  ADD_FLAW ("sees-what-is-armed-at-once", ARMED_AT_ONCE);
  ADD_FLAW ("sees-a-sender-that-wakes-up-for-its-own-only", FOR_ITS_OWN_ONLY);
  ADD_FLAW ("sees-that-there-are-no-rounds", NO_ROUNDS);

  return g_test_run ();
}
