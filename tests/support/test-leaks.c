/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-pool-private.h"
#include "counting-malloc.h"
#include "test-leaks.h"

/* A run may leave memory behind without a leak: a hash table or an array may grow, a thread keeps a cache for the last
 * four buses, and malloc() may give a little more in one run than in another. But not each run does. */
#define MAX_RUNS 16

static gint     n_blocks; /* (atomic) messages, frames and payloads as text that are not freed */
static gint     use_pool; /* (atomic) */
static gboolean is_excused;

gpointer __real__agent_message_pool_take (void);
void     __real__agent_message_pool_give (gpointer block);
gpointer __wrap__agent_message_pool_take (void);
void     __wrap__agent_message_pool_give (gpointer block);
gpointer __real__agent_message_pool_alloc_large (gsize size, guint8 *pooled);
void     __real__agent_message_pool_free_large (gpointer memory, guint8 pooled);
gpointer __wrap__agent_message_pool_alloc_large (gsize size, guint8 *pooled);
void     __wrap__agent_message_pool_free_large (gpointer memory, guint8 pooled);

gpointer
__wrap__agent_message_pool_take (void)
{
  g_atomic_int_inc (&n_blocks);
  return g_atomic_int_get (&use_pool) ? __real__agent_message_pool_take () : g_malloc (AGENT_MESSAGE_POOL_BLOCK_SIZE);
}

void
__wrap__agent_message_pool_give (gpointer block)
{
  g_atomic_int_add (&n_blocks, -1);
  if (g_atomic_int_get (&use_pool))
    __real__agent_message_pool_give (block);
  else
    g_free (block);
}

gpointer
__wrap__agent_message_pool_alloc_large (gsize   size,
                                        guint8 *pooled)
{
  g_atomic_int_inc (&n_blocks);
  if (g_atomic_int_get (&use_pool))
    return __real__agent_message_pool_alloc_large (size, pooled);

  *pooled = 0;
  return g_malloc (size);
}

void
__wrap__agent_message_pool_free_large (gpointer memory,
                                       guint8   pooled)
{
  g_atomic_int_add (&n_blocks, -1);
  __real__agent_message_pool_free_large (memory, pooled);
}

static void
leaks_run_and_count_blocks (TestLeaksFunc func,
                            gconstpointer data)
{
  gint n_before = g_atomic_int_get (&n_blocks);

  func (data);
  g_assert_cmpint (g_atomic_int_get (&n_blocks), ==, n_before);
}

/* Returns how many bytes the run has allocated and not freed. */
static gint64
leaks_run_and_measure (TestLeaksFunc func,
                       gconstpointer data)
{
  gint64 live = counting_malloc_live ();

  leaks_run_and_count_blocks (func, data);
  return counting_malloc_live () - live;
}

/* For cases that are too slow to be run twice. Only messages and frames are counted. */
void
test_leaks_run_once (TestLeaksFunc func,
                     gconstpointer data)
{
  g_atomic_int_set (&use_pool, TRUE);
  leaks_run_and_count_blocks (func, data);
}

/* Runs @func until a run leaves no memory behind, and fails if each of MAX_RUNS runs does. After the first run, the
 * pool is not used, as threads leave blocks in it. Where malloc() cannot be counted, @func is run twice. */
void
test_leaks_run (TestLeaksFunc func,
                gconstpointer data)
{
  gint64 leaked = G_MAXINT64;

  is_excused = FALSE;
  test_leaks_run_once (func, data);
  g_atomic_int_set (&use_pool, FALSE);
  for (guint i = 1; i < MAX_RUNS && leaked > 0 && !is_excused; i++)
    leaked = leaks_run_and_measure (func, data);
  if (!is_excused)
    g_assert_cmpint (leaked, <=, 0);
}

/* Called by a case that leaves memory behind which the C library keeps: only messages and frames are then counted. */
void
test_leaks_excuse (void)
{
  is_excused = TRUE;
}
