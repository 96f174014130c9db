/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ledger.h"

#include <stdio.h>

/*
 * Prints the result of agent_bus_get_statistics () as a table. In every row, offered is the sum of delivered,
 * queued and dropped, for all reasons together: no message is lost without being counted.
 */

static const char *const reasons[] = { "full", "expired", "no-target", "closed", "discarded", "stale", "cancelled", "inactive" };

guint64
ledger_get_count (GVariant   *entry,
                  const char *key)
{
  guint64 count = 0;

  g_variant_lookup (entry, key, "t", &count);

  return count;
}

guint64
ledger_get_n_queued (GVariant *statistics)
{
  return ledger_get_count (statistics, "queued");
}

guint64
ledger_get_n_dropped (GVariant *statistics)
{
  g_autoptr (GVariant) dropped =
      g_variant_lookup_value (statistics, "dropped", G_VARIANT_TYPE ("a{st}"));
  guint64 n_dropped = 0;

  for (guint i = 0; dropped != NULL && i < G_N_ELEMENTS (reasons); i++)
    n_dropped += ledger_get_count (dropped, reasons[i]);

  return n_dropped;
}

void
ledger_print_header (void)
{
  printf ("  %-16s %8s %9s %7s %7s ", "", "offered", "delivered", "queued", "failed");
  for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
    printf (" %9s", reasons[i]);
  printf ("   balances\n");
}

static gboolean
print_row (const char *title,
           GVariant   *entry)
{
  g_autoptr (GVariant) dropped =
      g_variant_lookup_value (entry, "dropped", G_VARIANT_TYPE ("a{st}"));
  guint64  offered = ledger_get_count (entry, "offered");
  guint64  delivered = ledger_get_count (entry, "delivered");
  guint64  queued = ledger_get_count (entry, "queued");
  gboolean balances = offered == delivered + queued + ledger_get_n_dropped (entry);

  printf ("  %-16s %8" G_GUINT64_FORMAT " %9" G_GUINT64_FORMAT " %7" G_GUINT64_FORMAT
          " %7" G_GUINT64_FORMAT " ",
          title,
          offered,
          delivered,
          queued,
          ledger_get_count (entry, "failed"));
  for (guint i = 0; dropped != NULL && i < G_N_ELEMENTS (reasons); i++)
    printf (" %9" G_GUINT64_FORMAT, ledger_get_count (dropped, reasons[i]));
  printf ("   %s\n", balances ? "yes" : "NO");

  return balances;
}

/* Returns whether the row of every subscriber balances. */
gboolean
ledger_print_subscribers (GVariant *statistics)
{
  g_autoptr (GVariant) subscribers = NULL;
  GVariantIter iter;
  const char  *name;
  GVariant    *value;
  gboolean     balances = TRUE;

  subscribers = g_variant_lookup_value (statistics, "subscribers", G_VARIANT_TYPE_VARDICT);
  if (subscribers == NULL)
    return FALSE;

  g_variant_iter_init (&iter, subscribers);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      balances = print_row (name, value) && balances;
      g_variant_unref (value);
    }

  return balances;
}

/* Returns whether the row of the bus balances. */
gboolean
ledger_print_bus (const char *title,
                  GVariant   *statistics)
{
  return print_row (title, statistics);
}
