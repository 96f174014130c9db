/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* These functions replace those of the C library, for the program and all libraries. */

#include "config.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "counting-malloc.h"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CAN_COUNT 1
#else
#define CAN_COUNT 0
#endif

static _Atomic guint64 n_allocations;
static _Atomic gint64  live;

gboolean
counting_malloc_can_count (void)
{
  return CAN_COUNT;
}

guint64
counting_malloc_n_allocations (void)
{
  return atomic_load (&n_allocations);
}

gint64
counting_malloc_live (void)
{
  return atomic_load (&live);
}

#if CAN_COUNT
void *__libc_malloc (size_t size);
void *__libc_calloc (size_t n, size_t size);
void *__libc_realloc (void *memory, size_t size);
void *__libc_memalign (size_t alignment, size_t size);
void  __libc_free (void *memory);

static void *
counting_malloc_add (void *memory)
{
  atomic_fetch_add_explicit (&n_allocations, 1, memory_order_relaxed);
  atomic_fetch_add_explicit (&live, malloc_usable_size (memory), memory_order_relaxed);
  return memory;
}

static void
counting_malloc_remove (void *memory)
{
  atomic_fetch_sub_explicit (&live, malloc_usable_size (memory), memory_order_relaxed);
}

void *
malloc (size_t size)
{
  return counting_malloc_add (__libc_malloc (size));
}

void *
calloc (size_t n,
        size_t size)
{
  return counting_malloc_add (__libc_calloc (n, size));
}

void *
realloc (void  *memory,
         size_t size)
{
  counting_malloc_remove (memory);
  return counting_malloc_add (__libc_realloc (memory, size));
}

void *
memalign (size_t alignment,
          size_t size)
{
  return counting_malloc_add (__libc_memalign (alignment, size));
}

void *
aligned_alloc (size_t alignment,
               size_t size)
{
  return memalign (alignment, size);
}

int
posix_memalign (void **memory,
                size_t alignment,
                size_t size)
{
  *memory = memalign (alignment, size);
  return *memory != NULL ? 0 : ENOMEM;
}

void
free (void *memory)
{
  counting_malloc_remove (memory);
  __libc_free (memory);
}
#endif
