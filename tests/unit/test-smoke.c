#include "test-support.h"
static void
test_one (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autofree char *ids = NULL;
  for (guint i = 0; i < 300; i++)
    agent_bus_send (f->bus, test_data ("a", NULL, i));
  agent_bus_send (f->bus, test_cancel ("a", NULL));
  agent_bus_send (f->bus, test_data ("b", "a", 7));
  agent_bus_send (f->bus, test_data ("b", "zz", 7));
  test_drain (f);
  ids = test_recorder_dup_task_ids (a);
  g_assert_cmpstr (ids, ==, "7");
  g_assert_cmpuint (test_recorder_count (b), ==, 257);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_FULL], ==, 44);
  test_assert_balanced (f->bus);
  test_expect_log (f, "44 message(s)");
  test_stop (f);
  test_assert_balanced (f->bus);
}
int
main (int argc, char *argv[])
{
  test_init (&argc, &argv);
  test_add ("/agentbus/smoke/one", test_one);
  return g_test_run ();
}
