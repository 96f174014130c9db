/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stddef.h>

#include "message/agent-message-pool-private.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ALWAYS_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define ALWAYS_MALLOC 1
#endif
#endif

/* On some 32-bit machines, malloc() aligns to 8 bytes only. */
#define MALLOC_IS_ALIGNED (G_ALIGNOF (max_align_t) >= AGENT_MESSAGE_ALIGNMENT)

static gpointer
pool_malloc (gsize size)
{
  return MALLOC_IS_ALIGNED ? g_malloc (size) : g_aligned_alloc (1, size, AGENT_MESSAGE_ALIGNMENT);
}

static void
pool_free (gpointer memory)
{
  if (MALLOC_IS_ALIGNED)
    g_free (memory);
  else
    g_aligned_free (memory);
}

#ifdef ALWAYS_MALLOC

gpointer
_agent_message_pool_take (void)
{
  return pool_malloc (AGENT_MESSAGE_POOL_BLOCK_SIZE);
}

void
_agent_message_pool_give (gpointer block)
{
  pool_free (block);
}

gpointer
_agent_message_pool_alloc_large (gsize   size,
                                 guint8 *pooled)
{
  *pooled = 0;
  return pool_malloc (size);
}

void
_agent_message_pool_free_large (gpointer memory,
                                guint8   pooled)
{
  pool_free (memory);
}

#else

/* The size of messages. */
#define SMALLEST 0

#define N_SIZES 5

/* @max_full: the most full magazines in the depot: a quarter of a megabyte of blocks. */
static const struct
{
  guint block_size;
  guint n_blocks; /* in a full magazine */
  guint max_full;
} sizes[N_SIZES] = {
  { AGENT_MESSAGE_POOL_BLOCK_SIZE, 64, 24 },
  { 256, 32, 32 },
  { 448, 32, 18 },
  { 768, 32, 10 },
  { AGENT_MESSAGE_POOL_BLOCK_SIZE_MAX, 32, 8 },
};

#define MAGAZINE_SIZE 64

/* The most empty magazines in the depot. A thread takes one when it gives a full magazine to the depot. */
#define MAX_EMPTY 8

/* A block was last used by another core, so its memory is fetched this many blocks before the block is taken. */
#define PREFETCH 4

typedef struct _Magazine Magazine;

struct _Magazine
{
  Magazine *next; /* in the depot */
  guint     n_blocks;
  gpointer  blocks[MAGAZINE_SIZE];
};

typedef struct
{
  Magazine *current;
  Magazine *previous;
} Magazines;

static struct
{
  GMutex    lock;
  Magazine *full;    /* (lock) */
  Magazine *empty;   /* (lock) */
  guint     n_full;  /* (lock) */
  guint     n_empty; /* (lock) */
} depots[N_SIZES];

/* For the TLS model see agent-sender.c. */
static __thread Magazines *own_magazines[N_SIZES] __attribute__ ((tls_model ("initial-exec")));

static void
magazine_free (Magazine *magazine)
{
  for (guint i = 0; i < magazine->n_blocks; i++)
    pool_free (magazine->blocks[i]);
  g_free (magazine);
}

static void
magazine_push (Magazine **stack,
               guint     *n,
               Magazine  *magazine)
{
  magazine->next = *stack;
  *stack = magazine;
  (*n)++;
}

static Magazine *
magazine_pop (Magazine **stack,
              guint     *n)
{
  Magazine *magazine = *stack;

  if (magazine != NULL)
    {
      *stack = magazine->next;
      (*n)--;
    }

  return magazine;
}

/* @full: (transfer full): a full magazine. Returns: (transfer full): an empty one. */
static Magazine *
depot_put (guint     size,
           Magazine *full)
{
  Magazine *empty;

  g_mutex_lock (&depots[size].lock);
  empty = magazine_pop (&depots[size].empty, &depots[size].n_empty);
  if (depots[size].n_full < sizes[size].max_full)
    magazine_push (&depots[size].full, &depots[size].n_full, g_steal_pointer (&full));
  g_mutex_unlock (&depots[size].lock);

  g_clear_pointer (&full, magazine_free);
  return empty != NULL ? empty : g_new0 (Magazine, 1);
}

/* @empty: an empty magazine, which is taken if a full one is returned. Returns: (transfer full) (nullable) */
static Magazine *
depot_take (guint     size,
            Magazine *empty)
{
  Magazine *full;
  gboolean  kept = TRUE;

  g_mutex_lock (&depots[size].lock);
  full = magazine_pop (&depots[size].full, &depots[size].n_full);
  if (full != NULL && (kept = depots[size].n_empty < MAX_EMPTY))
    magazine_push (&depots[size].empty, &depots[size].n_empty, empty);
  g_mutex_unlock (&depots[size].lock);

  if (!kept)
    g_free (empty);
  return full;
}

static void
magazines_free (gpointer data)
{
  Magazines **all = data;

  for (guint size = 0; size < N_SIZES; size++)
    {
      Magazines *self = g_steal_pointer (&all[size]);

      if (self == NULL)
        continue;
      magazine_free (self->current);
      magazine_free (self->previous);
      g_free (self);
    }
}

static GPrivate magazines_private = G_PRIVATE_INIT (magazines_free);

static inline Magazines *
magazines_get_own (guint size)
{
  if (G_UNLIKELY (own_magazines[size] == NULL))
    {
      own_magazines[size] = g_new0 (Magazines, 1);
      own_magazines[size]->current = g_new0 (Magazine, 1);
      own_magazines[size]->previous = g_new0 (Magazine, 1);
      g_private_set (&magazines_private, own_magazines);
    }

  return own_magazines[size];
}

static void
magazines_swap (Magazines *self)
{
  Magazine *current = self->current;

  self->current = self->previous;
  self->previous = current;
}

/* Makes a magazine with blocks the current one. If neither the thread nor the depot has one, nothing changes. */
static void
magazines_reload (Magazines *self,
                  guint      size)
{
  Magazine *full;

  if (self->previous->n_blocks > 0)
    {
      magazines_swap (self);
      return;
    }

  full = depot_take (size, self->previous);
  if (full != NULL)
    {
      self->previous = self->current;
      self->current = full;
    }
}

/* Makes a magazine with room the current one. */
static void
magazines_unload (Magazines *self,
                  guint      size)
{
  if (self->previous->n_blocks == sizes[size].n_blocks)
    self->previous = depot_put (size, self->previous);

  magazines_swap (self);
}

/* For x86-64, compilers fetch the memory for reading only, unless an option says that the processor is a newer one.
 * Older processors accept the instruction too, and do nothing. */
static inline void
pool_prefetch_for_writing (const char *memory)
{
#if defined(__x86_64__)
  __asm__ volatile("prefetchw %0"
                   :
                   : "m"(*memory));
#else
  __builtin_prefetch (memory, 1);
#endif
}

static inline gpointer
pool_take (guint size)
{
  Magazines *self = magazines_get_own (size);
  Magazine  *current;

  if (G_UNLIKELY (self->current->n_blocks == 0))
    magazines_reload (self, size);

  current = self->current;
  if (G_UNLIKELY (current->n_blocks == 0))
    return pool_malloc (sizes[size].block_size);

  if (current->n_blocks > PREFETCH)
    {
      const char *soon = current->blocks[current->n_blocks - 1 - PREFETCH];

      pool_prefetch_for_writing (soon);
      pool_prefetch_for_writing (soon + 64);
    }
  return current->blocks[--current->n_blocks];
}

static inline void
pool_give (gpointer block,
           guint    size)
{
  Magazines *self = magazines_get_own (size);

  if (G_UNLIKELY (self->current->n_blocks == sizes[size].n_blocks))
    magazines_unload (self, size);

  self->current->blocks[self->current->n_blocks++] = block;
}

gpointer
_agent_message_pool_take (void)
{
  return pool_take (SMALLEST);
}

void
_agent_message_pool_give (gpointer block)
{
  pool_give (block, SMALLEST);
}

gpointer
_agent_message_pool_alloc_large (gsize   size,
                                 guint8 *pooled)
{
  for (guint i = 0; i < N_SIZES; i++)
    if (size <= sizes[i].block_size)
      {
        *pooled = i + 1;
        return pool_take (i);
      }

  *pooled = 0;
  return pool_malloc (size);
}

void
_agent_message_pool_free_large (gpointer memory,
                                guint8   pooled)
{
  if (pooled > 0)
    pool_give (memory, pooled - 1u);
  else
    pool_free (memory);
}

#endif
