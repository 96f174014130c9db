/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <agentbus/agentbus.h>

#define MAJOR AGENT_MAJOR_VERSION
#define MINOR AGENT_MINOR_VERSION
#define MICRO AGENT_MICRO_VERSION

G_STATIC_ASSERT (AGENT_CHECK_VERSION (0, 1, 0));
G_STATIC_ASSERT (AGENT_CHECK_VERSION (MAJOR, MINOR, MICRO));
G_STATIC_ASSERT (AGENT_CHECK_VERSION (MAJOR, MINOR, MICRO - 1));
G_STATIC_ASSERT (AGENT_CHECK_VERSION (MAJOR, MINOR - 1, MICRO + 1));
G_STATIC_ASSERT (AGENT_CHECK_VERSION (MAJOR - 1, MINOR + 1, MICRO + 1));

G_STATIC_ASSERT (!AGENT_CHECK_VERSION (MAJOR, MINOR, MICRO + 1));
G_STATIC_ASSERT (!AGENT_CHECK_VERSION (MAJOR, MINOR + 1, MICRO - 1));
G_STATIC_ASSERT (!AGENT_CHECK_VERSION (MAJOR + 1, MINOR - 1, MICRO - 1));

G_STATIC_ASSERT (AGENT_VERSION_0_1 == G_ENCODE_VERSION (0, 1));

/* A program that says nothing is warned of everything that is deprecated, and may use everything there is. */
G_STATIC_ASSERT (AGENT_VERSION_MIN_REQUIRED == G_ENCODE_VERSION (MAJOR, MINOR));
G_STATIC_ASSERT (AGENT_VERSION_MAX_ALLOWED == G_ENCODE_VERSION (MAJOR, MINOR));

/* The preprocessor has to understand it too. */
#if !AGENT_CHECK_VERSION(0, 1, 0) || AGENT_CHECK_VERSION(1000, 0, 0)
#error "AGENT_CHECK_VERSION() is wrong for the preprocessor."
#endif

static void
test_numbers (void)
{
  g_autofree char *version = g_strdup_printf ("%d.%d.%d", MAJOR, MINOR, MICRO);

  g_assert_cmpstr (version, ==, PACKAGE_VERSION);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/agentbus/version/numbers", test_numbers);

  return g_test_run ();
}
