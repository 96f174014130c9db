/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The functions here take the place of those of the C library, for GLib too. */

#include "config.h"

#include <dlfcn.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench-syscalls.h"

/* What is written to an eventfd; GLib reads with a little more room. */
#define WAKEUP_SIZE 8
#define WAKEUP_ROOM 16

static _Atomic guint64 n_writes;
static _Atomic guint64 n_reads;
static _Atomic guint64 n_polls;
static _Atomic guint64 n_futexes;
static _Atomic gint    n_asleep;

BenchSyscalls
bench_syscalls_get (void)
{
  return (BenchSyscalls){
    .n_writes = atomic_load (&n_writes),
    .n_reads = atomic_load (&n_reads),
    .n_polls = atomic_load (&n_polls),
    .n_futexes = atomic_load (&n_futexes),
  };
}

BenchSyscalls
bench_syscalls_since (const BenchSyscalls *before)
{
  BenchSyscalls now = bench_syscalls_get ();

  return (BenchSyscalls){
    .n_writes = now.n_writes - before->n_writes,
    .n_reads = now.n_reads - before->n_reads,
    .n_polls = now.n_polls - before->n_polls,
    .n_futexes = now.n_futexes - before->n_futexes,
  };
}

guint64
bench_syscalls_sum (const BenchSyscalls *calls)
{
  return calls->n_writes + calls->n_reads + calls->n_polls + calls->n_futexes;
}

gint
bench_syscalls_n_asleep (void)
{
  return atomic_load (&n_asleep);
}

static void
count (_Atomic guint64 *counter)
{
  atomic_fetch_add_explicit (counter, 1, memory_order_relaxed);
}

/* --- In place of the C library's --- */

/* @place: a pointer to a function. Any thread may find it first: all find the same. */
static void
find_next (const char *name,
           void       *place)
{
  void **next = place;

  if (__atomic_load_n (next, __ATOMIC_ACQUIRE) == NULL)
    __atomic_store_n (next, dlsym (RTLD_NEXT, name), __ATOMIC_RELEASE);
}

ssize_t
write (int         fd,
       const void *data,
       size_t      size)
{
  static ssize_t (*next) (int, const void *, size_t);

  find_next ("write", &next);
  if (size == WAKEUP_SIZE)
    count (&n_writes);
  return next (fd, data, size);
}

ssize_t
read (int    fd,
      void  *data,
      size_t size)
{
  static ssize_t (*next) (int, void *, size_t);

  find_next ("read", &next);
  if (size <= WAKEUP_ROOM)
    count (&n_reads);
  return next (fd, data, size);
}

int
poll (struct pollfd *fds,
      nfds_t         n_fds,
      int            timeout)
{
  static int (*next) (struct pollfd *, nfds_t, int);
  int n;

  find_next ("poll", &next);
  count (&n_polls);
  atomic_fetch_add (&n_asleep, timeout != 0);
  n = next (fds, n_fds, timeout);
  atomic_fetch_add (&n_asleep, -(timeout != 0));
  return n;
}

int
ppoll (struct pollfd         *fds,
       nfds_t                 n_fds,
       const struct timespec *timeout,
       const sigset_t        *mask)
{
  static int (*next) (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
  gboolean waits = timeout == NULL || timeout->tv_sec > 0 || timeout->tv_nsec > 0;
  int      n;

  find_next ("ppoll", &next);
  count (&n_polls);
  atomic_fetch_add (&n_asleep, waits);
  n = next (fds, n_fds, timeout, mask);
  atomic_fetch_add (&n_asleep, -waits);
  return n;
}

/* This is how GLib comes to its locks. No call has more than six arguments. */
long
syscall (long number,
         ...)
{
  static long (*next) (long, ...);
  long    arguments[6];
  va_list list;

  va_start (list, number);
  for (guint i = 0; i < G_N_ELEMENTS (arguments); i++)
    arguments[i] = va_arg (list, long);
  va_end (list);

  find_next ("syscall", &next);
  if (number == SYS_futex)
    count (&n_futexes);
  return next (number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}
