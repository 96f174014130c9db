/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "nats-init.h"
#include "nats-server.h"
#include "test-support.h"

/* The beginning of a program that takes a nats-server. FALSE: there is none, and the program is skipped. */
gboolean
test_nats_init (int    *argc,
                char ***argv)
{
  g_autofree char *program = test_nats_find ();

  test_init_slow (argc, argv);
  if (program == NULL)
    g_print ("1..0 # SKIP nats-server is not installed\n");

  return program != NULL;
}
