/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "report.h"

#include "../voice/ledger.h"

#include <stdio.h>

/* Prints what became of every request, and whether the counts of the arena, the dispatcher and the bus agree. */

static guint64
get_count (GVariant   *ledger,
           const char *key)
{
  guint64 count = 0;

  g_variant_lookup (ledger, key, "t", &count);

  return count;
}

static void
print_count (const char *what,
             guint64     count,
             const char *comment)
{
  printf ("  %-12s %10" G_GUINT64_FORMAT "  %s\n", what, count, comment);
}

static void
print_requests (const Report *self)
{
  const ArenaFigures *arena = self->arena;

  printf ("\nRequests\n");
  print_count ("asked", arena->n_asked, "by the actors");
  print_count ("dispatched", get_count (self->dispatcher, "dispatched"), "handed over to a worker");
  print_count ("waited", arena->n_parked, "parked: nobody assigned, or no room");
  print_count ("returned", get_count (self->dispatcher, "returned"), "from a worker that left before their turn");
  print_count ("retried", get_count (self->dispatcher, "retries"), "by the dispatcher's timer");
  print_count ("expired", arena->n_expired, "waited for too long");
  print_count ("dropped", arena->n_dropped, "given up by the dispatcher");
  print_count ("refused", arena->n_refused, "not accepted");
  print_count ("asked again", arena->n_again, "after one of the last three");
  print_count ("answered", arena->n_answered, "");
}

static void
print_workers (GPtrArray *workers)
{
  printf ("\n%-12s %10s %8s %11s %10s\n", "Workers", "answered", "updates", "overtaking", "overtaken");

  for (guint i = 0; i < workers->len; i++)
    {
      AgentSubscriber     *worker = g_ptr_array_index (workers, i);
      const WorkerFigures *figures = worker_get_figures (ACTORS_WORKER (worker));

      printf ("  %-10s %10" G_GUINT64_FORMAT " %8u %11u %10" G_GUINT64_FORMAT "\n",
              agent_subscriber_get_name (worker),
              figures->n_answered,
              figures->n_updates,
              figures->n_overtaking,
              figures->n_overtaken);
    }
}

static WorkerFigures
add_workers (GPtrArray *workers)
{
  WorkerFigures sum = { 0 };

  for (guint i = 0; i < workers->len; i++)
    {
      const WorkerFigures *figures = worker_get_figures (g_ptr_array_index (workers, i));

      sum.n_answered += figures->n_answered;
      sum.n_updates += figures->n_updates;
      sum.n_overtaking += figures->n_overtaking;
      sum.n_overtaken += figures->n_overtaken;
      sum.n_unprepared += figures->n_unprepared;
    }

  return sum;
}

static gboolean
print_check (gboolean    holds,
             const char *what)
{
  printf ("  %-3s  %s\n", holds ? "yes" : "NO", what);

  return holds;
}

static gboolean
agrees_with_dispatcher (const ArenaFigures *arena,
                        GVariant           *ledger)
{
  guint64 accepted = get_count (ledger, "accepted");
  guint64 dispatched = get_count (ledger, "dispatched");
  guint64 expired = get_count (ledger, "expired");
  guint64 dropped = ledger_get_n_dropped (ledger);

  return accepted == dispatched + get_count (ledger, "parked") + expired + dropped &&
         accepted == arena->n_asked - arena->n_refused && dispatched == arena->n_answered &&
         expired == arena->n_expired && dropped == arena->n_dropped &&
         get_count (ledger, "refused") == arena->n_refused;
}

static gboolean
is_bus_clean (const Report        *self,
              const WorkerFigures *workers)
{
  guint64 delivered = get_count (self->bus, "delivered");

  return get_count (self->bus, "offered") == delivered && get_count (self->bus, "queued") == 0 &&
         ledger_get_n_dropped (self->bus) == 0 &&
         delivered == workers->n_answered + workers->n_updates + self->arena->n_answered;
}

static gboolean
print_checks (const Report *self)
{
  const ArenaFigures *arena = self->arena;
  guint64             n_lost = arena->n_expired + arena->n_dropped + arena->n_refused;
  WorkerFigures       workers = add_workers (self->workers);
  gboolean            holds;

  printf ("\n");
  holds = print_check (self->complete, "all generations were played");
  holds &= print_check (arena->n_asked == arena->n_answered + n_lost && arena->n_again == n_lost,
                        "each request was answered, or given up and asked again");
  holds &= print_check (arena->n_answered == self->n_steps && arena->n_answered == workers.n_answered,
                        "each step of each episode was answered exactly once");
  holds &= print_check (arena->n_unexpected == 0, "each actor got its answers in order");
  holds &= print_check (workers.n_unprepared == 0, "no request came to a worker before its model");
  holds &= print_check (agrees_with_dispatcher (arena, self->dispatcher),
                        "the dispatcher's ledger balances, and says the same");
  holds &= print_check (is_bus_clean (self, &workers), "the bus's ledger balances, and says the same");

  printf ("\n%u model updates overtook %" G_GUINT64_FORMAT " requests that were sent before them.\n",
          workers.n_overtaking,
          workers.n_overtaken);

  return holds;
}

/* Returns whether nothing is missing. */
gboolean
report_print (const Report *self)
{
  gboolean holds;

  print_requests (self);
  print_workers (self->workers);
  printf ("\n");
  ledger_print_header ();
  ledger_print_bus ("bus", self->bus);
  holds = print_checks (self);
  printf ("Nothing is missing: %s\n", holds ? "yes" : "NO");

  return holds;
}
