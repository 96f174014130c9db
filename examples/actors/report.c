/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "report.h"

#include "../voice/ledger.h"

#include <stdio.h>

/* Prints what became of every request, and whether the counts of the arena, the dispatcher and the bus agree. */

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
  GVariant *ledger = self->dispatcher;

  printf ("\nRequests\n");
  print_count ("asked", ledger_get_count (self->requests, "requests"), "by the actors");
  print_count ("dispatched", ledger_get_count (ledger, "dispatched"), "handed over to a worker");
  print_count ("waited", ledger_get_count (ledger, "waited"), "parked: nobody assigned, or no room");
  print_count ("returned", ledger_get_count (ledger, "returned"), "from a worker that left before their turn");
  print_count ("retried", ledger_get_count (ledger, "retries"), "by the dispatcher's timer");
  print_count ("expired", ledger_get_count (ledger, "expired"), "waited for too long");
  print_count ("dropped", ledger_get_n_dropped (ledger), "given up by the dispatcher");
  print_count ("refused", ledger_get_count (ledger, "refused"), "not accepted");
  print_count ("closed", ledger_get_count (self->requests, "closed"), "given up by a worker that left at once");
  print_count ("asked again", self->arena->n_again, "after one of the last four");
  print_count ("answered", ledger_get_count (self->requests, "completed"), "");
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

/* What the dispatcher has handed over was answered, or given up by a worker that left. */
static gboolean
agrees_with_dispatcher (const Report *self)
{
  GVariant *ledger = self->dispatcher;
  guint64   accepted = ledger_get_count (ledger, "accepted");
  guint64   dispatched = ledger_get_count (ledger, "dispatched");

  return accepted == dispatched + ledger_get_count (ledger, "parked") + ledger_get_count (ledger, "expired") +
                         ledger_get_n_dropped (ledger) &&
         accepted + ledger_get_count (ledger, "refused") == ledger_get_count (self->requests, "requests") &&
         dispatched == ledger_get_count (self->requests, "completed") + ledger_get_count (self->requests, "closed");
}

/* The bus has delivered each request that was dispatched, an answer to each, and the models. */
static gboolean
is_bus_clean (const Report        *self,
              const WorkerFigures *workers)
{
  guint64 delivered = ledger_get_count (self->bus, "delivered");

  return ledger_get_count (self->bus, "offered") == delivered && ledger_get_count (self->bus, "queued") == 0 &&
         ledger_get_n_dropped (self->bus) == 0 &&
         delivered == 2 * ledger_get_count (self->dispatcher, "dispatched") + workers->n_updates;
}

/* The workers, and the answers to requests, are in other processes. */
static gboolean
does_bus_balance (const Report *self)
{
  GVariant *bus = self->bus;

  return ledger_get_count (bus, "offered") ==
         ledger_get_count (bus, "delivered") + ledger_get_n_queued (bus) + ledger_get_n_dropped (bus);
}

/* Only the workers themselves know how often they have answered, and what they have overtaken. */
static gboolean
print_workers_checks (const Report *self)
{
  WorkerFigures workers = add_workers (self->workers);
  gboolean      holds;

  holds = print_check (workers.n_answered == self->n_steps, "each answer of a worker has arrived");
  holds &= print_check (workers.n_unprepared == 0, "no request came to a worker before its model");
  holds &= print_check (agrees_with_dispatcher (self), "the dispatcher's ledger balances, and says the same");
  holds &= print_check (is_bus_clean (self, &workers), "the bus's ledger balances, and says the same");

  printf ("\n%u model updates overtook %" G_GUINT64_FORMAT " requests that were sent before them.\n",
          workers.n_overtaking,
          workers.n_overtaken);

  return holds;
}

static gboolean
print_checks (const Report *self)
{
  guint64  n_requests = ledger_get_count (self->requests, "requests");
  guint64  n_answered = ledger_get_count (self->requests, "completed");
  guint64  n_open = ledger_get_count (self->requests, "open");
  gboolean holds;

  printf ("\n");
  holds = print_check (self->complete, "all generations were played");
  holds &= print_check (n_open == 0 && n_requests == n_answered + self->arena->n_again,
                        "each request was answered, or given up and asked again");
  holds &= print_check (n_answered == self->n_steps,
                        "each step of each episode was answered exactly once");
  holds &= print_check (self->arena->n_unexpected == 0, "each actor got its answers in order");
  if (self->alone)
    holds &= print_workers_checks (self);
  else
    holds &= print_check (does_bus_balance (self), "the ledger of the bus balances");

  return holds;
}

/* Returns whether nothing is missing. */
gboolean
report_print (const Report *self)
{
  gboolean holds;

  print_requests (self);
  if (self->alone)
    print_workers (self->workers);
  printf ("\n");
  ledger_print_header ();
  ledger_print_bus ("bus", self->bus);
  holds = print_checks (self);
  printf ("Nothing is missing: %s\n", holds ? "yes" : "NO");

  return holds;
}
