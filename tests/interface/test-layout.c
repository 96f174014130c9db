/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What subclasses have compiled into them. No function takes the class, so that libabigail does not look at it.
 */

#include "config.h"

#include <agentbus/agentbus.h>

static void
test_subscriber (void)
{
  g_assert_cmpuint (sizeof (AgentSubscriber), ==, sizeof (GObject));
  g_assert_cmpuint (G_STRUCT_OFFSET (AgentSubscriberClass, message), ==, sizeof (GObjectClass));
  /* One virtual function, and room for eight more: a new one takes the place of one that is reserved. */
  g_assert_cmpuint (sizeof (AgentSubscriberClass), ==, sizeof (GObjectClass) + 9 * sizeof (gpointer));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/agentbus/layout/subscriber", test_subscriber);
  return g_test_run ();
}
