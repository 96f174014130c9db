/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-private.h"
#include "bus/agent-directory-private.h"
#include "mailbox/agent-mailbox-private.h"
#include "test-ruled.h"
#include "test-tools.h"

/* How a subscriber that has an inbox leaves. */

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  return g_test_run ();
}
