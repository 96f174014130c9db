/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-pool-private.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ALWAYS_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define ALWAYS_MALLOC 1
#endif
#endif

#ifdef ALWAYS_MALLOC

gpointer
_agent_message_pool_take (void)
{
  return g_malloc (AGENT_MESSAGE_POOL_BLOCK_SIZE);
}

void
_agent_message_pool_give (gpointer block)
{
  g_free (block);
}

#else

#define MAGAZINE_SIZE 64

/* What the depot keeps at the most: a quarter of a megabyte of blocks. */
#define MAX_FULL 24

/* And this, for those who bring a full one and want to go on. */
#define MAX_EMPTY 8

/* So many blocks ahead, memory is asked for that another core has just used. */
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
} depot;

/* As in agent-sender.c. */
static __thread Magazines *own_magazines __attribute__ ((tls_model ("initial-exec")));

static void
magazine_free (Magazine *magazine)
{
  for (guint i = 0; i < magazine->n_blocks; i++)
    g_free (magazine->blocks[i]);
  g_free (magazine);
}

static void
push (Magazine **stack,
      guint     *n,
      Magazine  *magazine)
{
  magazine->next = *stack;
  *stack = magazine;
  (*n)++;
}

static Magazine *
pop (Magazine **stack,
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

/* Takes a full magazine and returns an empty one: (transfer full). */
static Magazine *
depot_put (Magazine *full)
{
  Magazine *empty;

  g_mutex_lock (&depot.lock);
  empty = pop (&depot.empty, &depot.n_empty);
  if (depot.n_full < MAX_FULL)
    push (&depot.full, &depot.n_full, g_steal_pointer (&full));
  g_mutex_unlock (&depot.lock);

  g_clear_pointer (&full, magazine_free);
  return empty != NULL ? empty : g_new0 (Magazine, 1);
}

/* If there is a full magazine, takes an empty one for it. (transfer full) (nullable) */
static Magazine *
depot_take (Magazine *empty)
{
  Magazine *full;
  gboolean  kept = TRUE;

  g_mutex_lock (&depot.lock);
  full = pop (&depot.full, &depot.n_full);
  if (full != NULL && (kept = depot.n_empty < MAX_EMPTY))
    push (&depot.empty, &depot.n_empty, empty);
  g_mutex_unlock (&depot.lock);

  if (!kept)
    g_free (empty);
  return full;
}

static void
magazines_free (gpointer data)
{
  Magazines *self = data;

  own_magazines = NULL;
  magazine_free (self->current);
  magazine_free (self->previous);
  g_free (self);
}

static GPrivate magazines_private = G_PRIVATE_INIT (magazines_free);

static Magazines *
get_magazines (void)
{
  if (G_UNLIKELY (own_magazines == NULL))
    {
      own_magazines = g_new0 (Magazines, 1);
      own_magazines->current = g_new0 (Magazine, 1);
      own_magazines->previous = g_new0 (Magazine, 1);
      g_private_set (&magazines_private, own_magazines);
    }

  return own_magazines;
}

static void
swap (Magazines *self)
{
  Magazine *current = self->current;

  self->current = self->previous;
  self->previous = current;
}

/* Gets blocks into the current magazine, if there are any to be had. */
static void
reload (Magazines *self)
{
  Magazine *full;

  if (self->previous->n_blocks > 0)
    {
      swap (self);
      return;
    }

  full = depot_take (self->previous);
  if (full != NULL)
    {
      self->previous = self->current;
      self->current = full;
    }
}

/* Gets room into the current magazine. */
static void
unload (Magazines *self)
{
  if (self->previous->n_blocks == MAGAZINE_SIZE)
    self->previous = depot_put (self->previous);

  swap (self);
}

/* For x86-64, compilers only ask for a copy to read, unless they are told that the processor is not an old one. Old ones
 * take the instruction too, and do nothing. */
static inline void
prefetch_for_writing (const char *memory)
{
#if defined(__x86_64__)
  __asm__ volatile("prefetchw %0"
                   :
                   : "m"(*memory));
#else
  __builtin_prefetch (memory, 1);
#endif
}

gpointer
_agent_message_pool_take (void)
{
  Magazines *self = get_magazines ();
  Magazine  *current;

  if (G_UNLIKELY (self->current->n_blocks == 0))
    reload (self);

  current = self->current;
  if (G_UNLIKELY (current->n_blocks == 0))
    return g_malloc (AGENT_MESSAGE_POOL_BLOCK_SIZE);

  if (current->n_blocks > PREFETCH)
    {
      const char *soon = current->blocks[current->n_blocks - 1 - PREFETCH];

      prefetch_for_writing (soon);
      prefetch_for_writing (soon + 64);
    }
  return current->blocks[--current->n_blocks];
}

void
_agent_message_pool_give (gpointer block)
{
  Magazines *self = get_magazines ();

  if (G_UNLIKELY (self->current->n_blocks == MAGAZINE_SIZE))
    unload (self);

  self->current->blocks[self->current->n_blocks++] = block;
}

#endif
