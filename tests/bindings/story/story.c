/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The story in C. Each language has the same, case by case and word by word; see story.txt. */

#include "teller.h"

static void
on_any (AgentSubscriber *subscriber, AgentMessage *message)
{
  tell ("any %s", word (message));
}

static void
on_cancel (AgentSubscriber *subscriber, AgentMessage *message)
{
  tell ("stops %s", agent_message_get_reason (message));
}

/* The handlers that are connected come before the virtual function. */
static void
test_subscribe (Story *story)
{
  AgentSubscriber *worker = add_worker (story, "worker", 0, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (AgentSubscriber) other = agent_subscriber_new ("other");

  g_signal_connect (worker, "message", G_CALLBACK (on_any), NULL);
  g_signal_connect (worker, "message::cancel", G_CALLBACK (on_cancel), NULL);
  agent_bus_subscribe (story->bus, other, NULL);
  tell ("%u of %u", agent_bus_send (story->bus, update ("worker", 1)), agent_bus_get_n_subscribers (story->bus));
  expect ("1 of 2, any 1, worker 1", "");
  tell ("%u of 2", agent_bus_send (story->bus, agent_message_new_cancel ("ui", NULL, "enough")));
  expect ("2 of 2, any cancel, stops enough, worker cancel", "");
  tell ("%u of 2", agent_bus_send (story->bus, agent_message_new_end ("worker", NULL, NULL)));
  tell ("%u of 2", agent_bus_send (story->bus, update ("stranger", 2)));
  tell ("%u %u", (guint) agent_subscriber_get_n_delivered (worker), (guint) agent_subscriber_get_n_delivered (other));
  expect ("1 of 2, 0 of 2, 2 1", "nobody lost 1 no-target 2");
}

static void
test_priority (Story *story)
{
  add_worker (story, "a", 0, AGENT_OVERFLOW_DROP_NEWEST);
  add_worker (story, "b", 0, AGENT_OVERFLOW_DROP_NEWEST);
  send_updates (story, "a", 1, 3);
  agent_bus_send (story->bus, agent_message_new_cancel ("ui", "a", NULL));
  expect ("a cancel, a 1, a 2, a 3", "");
  send_updates (story, "a", 4, 6);
  agent_bus_send (story->bus, agent_message_new_cancel ("ui", "b", NULL));
  expect ("b cancel, a 4, a 5, a 6", "");
}

static void
test_drops (Story *story)
{
  AgentMessage *kept = update ("new", 6);
  guint64       n_dropped = 0;

  add_worker (story, "new", 2, AGENT_OVERFLOW_DROP_NEWEST);
  add_worker (story, "old", 2, AGENT_OVERFLOW_DROP_OLDEST);
  send_updates (story, "new", 1, 5);
  agent_message_set_reliable (kept, TRUE);
  agent_bus_send (story->bus, kept);
  expect ("new 1, new 2, new 6", "new lost 3 full 5");
  send_updates (story, "old", 1, 5);
  expect ("old 4, old 5", "old lost 3 full 3");
  tell (agent_bus_get_dropped (story->bus, "stranger", NULL) ? "found" : "unknown");
  tell (agent_bus_get_dropped (story->bus, "old", &n_dropped) ? "found" : "unknown");
  tell ("%u dropped", (guint) n_dropped);
  expect ("unknown, found, 3 dropped", "");
}

static void
on_slow (AgentSubscriber *slow, AgentMessage *message, GPtrArray *deliveries)
{
  tell ("slow %s", word (message));
  g_ptr_array_add (deliveries, agent_subscriber_defer (slow));
}

static void
test_defer (Story *story)
{
  g_autoptr (AgentSubscriber) slow = agent_subscriber_new ("slow");
  g_autoptr (GPtrArray) deliveries = g_ptr_array_new_with_free_func (g_object_unref);
  AgentDelivery *third;

  g_signal_connect (slow, "message", G_CALLBACK (on_slow), deliveries);
  agent_bus_subscribe (story->bus, slow, NULL);
  send_updates (story, "slow", 1, 3);
  expect ("slow 1", "");
  agent_delivery_complete (deliveries->pdata[0]);
  expect ("slow 2", "");
  agent_delivery_fail_message (deliveries->pdata[1], "no luck");
  expect ("slow 3", "slow failed 2 no luck");
  agent_bus_send (story->bus, agent_message_new_task_cancel ("ui", "slow", "3", NULL));
  third = deliveries->pdata[2];
  tell ("%s %s", word (agent_delivery_get_message (third)), agent_delivery_is_cancelled (third) ? "cancelled" : "on");
  expect ("3 cancelled", "");
  agent_delivery_fail_message (third, "cancelled");
  expect ("slow task-cancel", "slow failed 3 cancelled");
  agent_delivery_complete (deliveries->pdata[3]);
  tell ("%u delivered", (guint) agent_subscriber_get_n_delivered (slow));
  expect ("4 delivered", "");
}

static void
on_missed (AgentSubscriber *slow, AgentMessage *message, GPtrArray *deliveries)
{
  tell ("%s missed %u", word (message), (guint) agent_subscriber_get_n_missed (slow));
  g_ptr_array_add (deliveries, agent_subscriber_defer (slow));
}

static void
tell_missed (AgentDelivery *delivery)
{
  guint64 n_missed;

  g_object_get (delivery, "n-missed", &n_missed, NULL);
  tell ("%u before %s", (guint) n_missed, word (agent_delivery_get_message (delivery)));
}

static void
test_missed (Story *story)
{
  g_autoptr (AgentSubscriber) slow = agent_subscriber_new ("slow");
  g_autoptr (GPtrArray) deliveries = g_ptr_array_new_with_free_func (g_object_unref);

  agent_subscriber_set_capacity (slow, 2);
  g_signal_connect (slow, "message", G_CALLBACK (on_missed), deliveries);
  agent_bus_subscribe (story->bus, slow, NULL);
  send_updates (story, "slow", 1, 4);
  expect ("1 missed 0", "slow lost 2 full 4");
  send_updates (story, "slow", 5, 5);
  agent_delivery_complete (deliveries->pdata[0]);
  expect ("2 missed 0", "");
  agent_delivery_complete (deliveries->pdata[1]);
  expect ("5 missed 2", "");
  tell_missed (deliveries->pdata[1]);
  tell_missed (deliveries->pdata[2]);
  agent_delivery_complete (deliveries->pdata[2]);
  expect ("0 before 2, 2 before 5", "");
}

static void
test_receive (Story *story)
{
  g_autoptr (GError) error = NULL;
  AgentSubscriber *inbox = add_worker (story, "inbox", 0, AGENT_OVERFLOW_DROP_NEWEST);

  agent_subscriber_set_paused (inbox, TRUE);
  send_updates (story, "inbox", 1, 2);
  agent_bus_send (story->bus, agent_message_new_cancel ("ui", "inbox", NULL));
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (AgentMessage) message = agent_subscriber_receive (inbox, 0, NULL, NULL);

      tell ("%s", word (message));
    }
  agent_subscriber_set_paused (inbox, FALSE);
  expect ("cancel, 1, inbox 2", "");
  attempt ("nothing", AGENT_BUS_ERROR_TIMED_OUT, agent_subscriber_receive (inbox, 0, NULL, &error) != NULL, &error);
  expect ("nothing", "");
}

static void
test_dispatch (Story *story)
{
  g_autoptr (GError) error = NULL;

  agent_router_dispatcher_set_capacity (story->dispatcher, 3);
  dispatch (story, update ("actor", 1));
  dispatch (story, update ("actor", 2));
  agent_route_table_assign (story->routes, "actor", "router");
  dispatch (story, update ("actor", 3));
  attempt ("full", AGENT_BUS_ERROR_FULL, try_dispatch (story, update ("actor", 4), &error), &error);
  tell ("%u held", agent_router_dispatcher_get_n_parked (story->dispatcher));
  expect ("parked 1, parked 2, parked 3, full, 3 held", "");
  add_worker (story, "router", 0, AGENT_OVERFLOW_DROP_NEWEST);
  expect ("router 1, router 2, router 3", "");
  dispatch (story, update ("actor", 5));
  expect ("delivered 5, router 5", "");
}

static void
test_expiry (Story *story)
{
  AgentMessage *brief = update ("ghost", 1);

  agent_message_set_ttl (brief, 5);
  dispatch (story, brief);
  wait_report ();
  expect ("parked 1", "1 expired late");
  agent_route_table_unassign (story->routes, "actor");
  dispatch (story, update ("actor", 2));
  tell (agent_route_table_remove (story->routes, "actor") ? "removed" : "unknown");
  expect ("parked 2, removed", "2 lost no-target");
}

static void
test_scale (Story *story)
{
  const char *actors[] = { "x", "y", NULL };
  const char *routers[] = { "new", NULL };
  g_autoptr (GVariant) text = g_variant_ref_sink (g_variant_new_string ("text"));
  g_autoptr (GVariant) moves = NULL;
  g_autoptr (GVariant) snapshot = NULL;
  g_autoptr (AgentMessage) message = update ("old", 3);
  g_auto (GStrv) listed = NULL;
  g_autofree char *joined = NULL;
  g_autofree char *router = NULL;
  g_autoptr (GError) error = NULL;
  gboolean done;

  agent_router_dispatcher_set_hand_off (story->dispatcher, TRUE);
  add_worker (story, "old", 0, AGENT_OVERFLOW_DROP_NEWEST);
  add_worker (story, "new", 0, AGENT_OVERFLOW_DROP_NEWEST);
  tell ("%u assigned", agent_route_table_assign_many (story->routes, actors, "old"));
  dispatch (story, update ("x", 1));
  agent_route_table_rename (story->routes, "y", "z", NULL);
  done = agent_route_table_rename (story->routes, "y", "z", &error);
  attempt ("no actor", AGENT_BUS_ERROR_NOT_FOUND, done, &error);
  moves = agent_route_table_rebalance (story->routes, routers, NULL);
  tell ("%u moved", (guint) g_variant_n_children (moves));
  dispatch (story, update ("x", 2));
  listed = agent_route_table_list_actors (story->routes, "new");
  joined = g_strjoinv (" ", listed);
  tell ("%s", joined);
  expect ("2 assigned, delivered 1, no actor, 2 moved, parked 2, x z, old 1, old hand-off, new 2", "");
  agent_router_dispatcher_drain_router_async (story->dispatcher, "new", NULL, keep_result, story);
  done = agent_router_dispatcher_drain_router_finish (story->dispatcher, wait_result (story), &error);
  tell (done ? "drained" : "late");
  router = agent_route_table_lookup (story->routes, "x");
  tell ("%s", router != NULL ? router : "nobody");
  attempt (
      "no snapshot", AGENT_BUS_ERROR_INVALID_MESSAGE, agent_route_table_restore (story->routes, text, &error), &error);
  snapshot = agent_route_table_snapshot (story->routes);
  agent_route_table_restore (story->routes, snapshot, NULL);
  tell ("%u known", agent_route_table_get_n_actors (story->routes));
  agent_bus_send (story->bus, agent_message_copy_full (message, "me", "new"));
  expect ("new hand-off, drained, nobody, no snapshot, 2 known, new 3", "");
}

static void
on_lagging (AgentBus *bus, AgentSubscriber *subscriber, guint64 n_queued)
{
  report ("%s slow %u", agent_subscriber_get_name (subscriber), (guint) n_queued);
}

static void
on_recovered (AgentBus *bus, AgentSubscriber *subscriber, guint64 n_dropped)
{
  report ("%s recovered %u", agent_subscriber_get_name (subscriber), (guint) n_dropped);
}

static void
test_room (Story *story)
{
  AgentSubscriber *worker = add_worker (story, "room", 4, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (AgentMessage) fifth = update ("room", 5);
  g_autoptr (AgentMessage) strange = update ("stranger", 5);
  g_autoptr (GError) error = NULL;
  gboolean done;

  g_signal_connect (story->bus, "slow", G_CALLBACK (on_lagging), NULL);
  g_signal_connect (story->bus, "recovered", G_CALLBACK (on_recovered), NULL);
  agent_subscriber_set_paused (worker, TRUE);
  send_updates (story, "room", 1, 4);
  expect ("", "room slow 4");
  attempt ("full", AGENT_BUS_ERROR_FULL, agent_bus_try_send (story->bus, fifth, &error), &error);
  attempt ("unknown", AGENT_BUS_ERROR_NOT_FOUND, agent_bus_try_send (story->bus, strange, &error), &error);
  agent_bus_send_async (story->bus, fifth, NULL, keep_result, story);
  tell ("%u queued", (guint) agent_subscriber_get_n_queued (worker));
  agent_subscriber_set_capacity (worker, 5);
  done = agent_bus_send_finish (story->bus, wait_result (story), NULL);
  tell (done ? "sent" : "lost");
  tell ("%u queued", (guint) agent_subscriber_get_n_queued (worker));
  expect ("full, unknown, 4 queued, sent, 5 queued", "");
  agent_subscriber_set_paused (worker, FALSE);
  expect ("room 1, room 2, room 3, room 4, room 5", "room recovered 0");
}

static void
test_statistics (Story *story)
{
  AgentSubscriber *worker = add_worker (story, "worker", 2, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GVariant) of_bus = NULL;
  g_autoptr (GVariant) of_dispatcher = NULL;
  g_autoptr (GVariant) subscribers = NULL;
  g_autoptr (GVariant) of_worker = NULL;

  send_updates (story, "worker", 1, 3);
  expect ("worker 1, worker 2", "worker lost 1 full 3");
  send_updates (story, "worker", 4, 4);
  send_updates (story, "stranger", 5, 5);
  dispatch (story, update ("ghost", 6));
  of_bus = agent_bus_get_statistics (story->bus);
  of_dispatcher = agent_router_dispatcher_get_statistics (story->dispatcher);
  subscribers = g_variant_lookup_value (of_bus, "subscribers", NULL);
  of_worker = g_variant_lookup_value (subscribers, "worker", NULL);
  tell ("%u queued", (guint) agent_subscriber_get_n_queued (worker));
  tell_balance (of_worker, OFFERED);
  tell_balance (of_bus, OFFERED);
  tell_balance (of_dispatcher, ACCEPTED);
  expect ("parked 6, 1 queued, 4 2 1 1, 5 2 1 2, 1 0 1 0 0, worker 4", "nobody lost 1 no-target 5");
}

static AgentMessage *
on_topic (const char *topic, guint number)
{
  AgentMessage *message = update (NULL, number);

  agent_message_set_topic (message, topic);
  return message;
}

static void
test_topics (Story *story)
{
  AgentSubscriber *worker = add_worker (story, "worker", 0, AGENT_OVERFLOW_DROP_NEWEST);
  AgentMessage    *kept = on_topic ("audio.mic.1", 4);
  g_auto (GStrv) topics = NULL;
  g_autoptr (GError) error = NULL;

  attempt ("no pattern", AGENT_BUS_ERROR_INVALID_TOPIC, agent_subscriber_add_topic (worker, "audio..1", &error), &error);
  agent_subscriber_add_topic (worker, "audio.*.>", NULL);
  tell ("%u of 1", agent_bus_send (story->bus, on_topic ("audio.mic.1", 1)));
  tell ("%u of 1", agent_bus_send (story->bus, on_topic ("audio.mic", 2)));
  topics = agent_subscriber_list_topics (worker);
  tell ("%s of %u", topics[0], g_strv_length (topics));
  expect ("no pattern, 1 of 1, 0 of 1, audio.*.> of 1, worker 1", "nobody lost 1 no-target 2");
  agent_subscriber_set_accepts (worker, (const char *const[]){ "cancel", NULL });
  tell ("%u of 1", agent_bus_send (story->bus, on_topic ("audio.mic.1", 3)));
  tell ("%u of 1", agent_bus_send (story->bus, agent_message_new_cancel ("ui", NULL, NULL)));
  expect ("0 of 1, 1 of 1, worker cancel", "nobody lost 1 no-target 3");
  agent_subscriber_set_accepts (worker, NULL);
  tell (agent_subscriber_remove_topic (worker, "audio.*.>") ? "removed" : "unknown");
  agent_message_set_retained (kept, TRUE);
  tell ("%u of 1", agent_bus_send (story->bus, kept));
  agent_subscriber_add_topic (worker, ">", NULL);
  expect ("removed, 0 of 1, worker 4", "nobody lost 1 no-target 4");
}

static void
on_seen (AgentSubscriber *monitor, AgentMessage *message)
{
  AgentDropReason reason;
  guint           n_accepted;

  agent_message_get_fate (message, &n_accepted, &reason);
  if (n_accepted > 0)
    tell ("seen %s by %u", word (message), n_accepted);
  else
    tell ("seen %s %s", word (message), agent_drop_reason_to_string (reason));
}

static void
test_monitor (Story *story)
{
  AgentSubscriber *worker = add_worker (story, "worker", 0, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (AgentSubscriber) monitor = agent_subscriber_new ("worker");
  g_autoptr (GError) error = NULL;

  g_signal_connect (monitor, "message", G_CALLBACK (on_seen), NULL);
  agent_bus_add_monitor (story->bus, monitor, NULL, NULL);
  attempt ("taken", AGENT_BUS_ERROR_EXISTS, agent_bus_add_monitor (story->bus, worker, NULL, &error), &error);
  agent_bus_send (story->bus, update ("worker", 1));
  agent_bus_send (story->bus, update ("nobody", 2));
  agent_bus_send (story->bus, agent_message_new_cancel ("ui", NULL, NULL));
  expect ("taken, worker cancel, worker 1, seen 1 by 1, seen 2 no-target, seen cancel by 1", "nobody lost 1 no-target 2");
  agent_bus_remove_monitor (story->bus, monitor);
  agent_bus_send (story->bus, update ("worker", 3));
  expect ("worker 3", "");
  agent_bus_add_monitor (story->bus, monitor, (const char * const[]){ "cancel", NULL }, NULL);
  agent_bus_send (story->bus, update ("worker", 4));
  agent_bus_send (story->bus, agent_message_new_cancel ("ui", "nobody", NULL));
  expect ("worker 4, seen cancel no-target", "nobody lost 1 no-target cancel");
}

static void
test_errors (Story *story)
{
  g_autoptr (AgentSubscriber) twin = agent_subscriber_new ("worker");
  g_autoptr (GVariant) text = g_variant_ref_sink (g_variant_new_string ("text"));
  AgentMessage *message = agent_message_new_cancel ("ui", NULL, NULL);
  g_autoptr (GError) error = NULL;
  gboolean done;

  add_worker (story, "worker", 0, AGENT_OVERFLOW_DROP_NEWEST);
  attempt ("exists", AGENT_BUS_ERROR_EXISTS, agent_bus_subscribe (story->bus, twin, &error), &error);
  agent_bus_unsubscribe_async (story->bus, "stranger", NULL, keep_result, story);
  done = agent_bus_unsubscribe_finish (story->bus, wait_result (story), &error);
  attempt ("unknown", AGENT_BUS_ERROR_NOT_FOUND, done, &error);
  done = agent_payload_from_json ("{\"numbers\": [1,", &error) != NULL;
  attempt ("no JSON", AGENT_BUS_ERROR_INVALID_MESSAGE, done, &error);
  done = agent_message_new_from_variant (text, &error) != NULL;
  attempt ("no message", AGENT_BUS_ERROR_INVALID_MESSAGE, done, &error);
  attempt ("no actor", AGENT_BUS_ERROR_INVALID_MESSAGE, try_dispatch (story, message, &error), &error);
  expect ("exists, unknown, no JSON, no message, no actor", "");
  dispatch (story, update ("ghost", 1));
  agent_router_dispatcher_set_park_unknown (story->dispatcher, FALSE);
  done = try_dispatch (story, update ("stranger", 2), &error);
  attempt ("unassigned", AGENT_BUS_ERROR_ACTOR_NOT_ASSIGNED, done, &error);
  agent_bus_set_shutdown_timeout (story->bus, 1);
  agent_router_dispatcher_stop_async (story->dispatcher, NULL, keep_result, story);
  done = agent_router_dispatcher_stop_finish (story->dispatcher, wait_result (story), &error);
  attempt ("timed out", AGENT_BUS_ERROR_TIMED_OUT, done, &error);
  attempt ("closed", AGENT_BUS_ERROR_CLOSED, try_dispatch (story, update ("ghost", 3), &error), &error);
  expect ("parked 1, unassigned, timed out, closed", "1 lost closed");
}

static void
test_stop (Story *story)
{
  g_autoptr (AgentSubscriber) worker = g_object_ref (add_worker (story, "worker", 0, AGENT_OVERFLOW_DROP_NEWEST));
  g_autoptr (GError) error = NULL;

  send_updates (story, "worker", 1, 2);
  agent_bus_send (story->bus, agent_message_new_end ("ui", "worker", NULL));
  agent_bus_unsubscribe_async (story->bus, "worker", NULL, keep_result, story);
  agent_bus_unsubscribe_finish (story->bus, wait_result (story), NULL);
  expect ("worker end", "worker lost 2 discarded 2");
  agent_bus_subscribe (story->bus, worker, NULL);
  for (guint i = 0; i < 2; i++)
    {
      agent_bus_stop_async (story->bus, NULL, keep_result, story);
      tell (agent_bus_stop_finish (story->bus, wait_result (story), NULL) ? "stopped" : "running");
    }
  tell (agent_bus_is_running (story->bus) ? "running" : "idle");
  attempt ("closed", AGENT_BUS_ERROR_CLOSED, agent_bus_subscribe (story->bus, worker, &error), &error);
  send_updates (story, "worker", 3, 3);
  expect ("stopped, stopped, idle, closed", "nobody lost 1 closed 3");
  agent_bus_start_async (story->bus, NULL, keep_result, story);
  tell (agent_bus_start_finish (story->bus, wait_result (story), NULL) ? "started" : "stopped");
  tell (agent_bus_is_running (story->bus) ? "running" : "idle");
  agent_bus_subscribe (story->bus, worker, NULL);
  send_updates (story, "worker", 4, 4);
  expect ("started, running, worker 4", "");
}

static void
test_text (Story *story)
{
  g_autoptr (AgentMessage) message = agent_message_new_task_request ("ui", "worker", "42", "sum", NULL);
  g_autoptr (GVariant) seven = agent_payload_from_json ("[ 7 ]", NULL);
  g_autoptr (AgentMessage) made = agent_message_new_task_update ("ui", "worker", "42", seven);
  g_autoptr (AgentMessage) again = NULL;
  g_autoptr (GVariant) variant = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *meant = NULL;

  attempt ("refused", AGENT_BUS_ERROR_INVALID_MESSAGE, agent_message_set_payload_json (message, "{\"n\": 1", &error), &error);
  agent_message_set_payload_json (message, "{\"n\": 1.50, \"n\": [2]}", NULL);
  variant = agent_message_to_variant (message);
  again = agent_message_new_from_variant (variant, NULL);
  meant = agent_payload_to_json (agent_message_get_payload (again));
  tell ("%s %s", agent_message_has_payload_json (again) ? "given" : "made", agent_message_get_payload_json (again));
  tell ("meant %s", meant);
  tell ("%s %s", agent_message_has_payload_json (made) ? "given" : "made", agent_message_get_payload_json (made));
  expect ("refused, given {\"n\": 1.50, \"n\": [2]}, meant {\"n\":[2]}, made [7]", "");
}

static void
test_leave (Story *story)
{
  g_autoptr (AgentSubscriber) worker = g_object_ref (add_worker (story, "worker", 0, AGENT_OVERFLOW_DROP_NEWEST));
  g_autoptr (GError) error = NULL;
  gboolean done;

  send_updates (story, "worker", 1, 2);
  agent_bus_flush_async (story->bus, "worker", NULL, keep_result, story);
  agent_bus_flush_finish (story->bus, wait_result (story), NULL);
  tell ("flushed");
  expect ("worker 1, worker 2, flushed", "");
  send_updates (story, "worker", 3, 3);
  agent_bus_unsubscribe_full_async (story->bus, "worker", AGENT_LEAVE_FLAGS_DRAIN, NULL, keep_result, story);
  agent_bus_unsubscribe_full_finish (story->bus, wait_result (story), NULL);
  tell ("drained");
  expect ("worker 3, drained", "");
  agent_bus_subscribe (story->bus, worker, NULL);
  send_updates (story, "worker", 4, 4);
  agent_bus_stop_full_async (story->bus, AGENT_LEAVE_FLAGS_DRAIN, NULL, keep_result, story);
  tell (agent_bus_stop_full_finish (story->bus, wait_result (story), NULL) ? "stopped" : "running");
  agent_bus_flush_async (story->bus, NULL, NULL, keep_result, story);
  done = agent_bus_flush_finish (story->bus, wait_result (story), &error);
  attempt ("closed", AGENT_BUS_ERROR_CLOSED, done, &error);
  expect ("worker 4, stopped, closed", "");
}

static void
on_appeared (AgentBus *bus, const char *name, gpointer user_data)
{
  tell ("%s appeared", name);
}

static void
on_vanished (AgentBus *bus, const char *name, gpointer user_data)
{
  tell ("%s vanished", name);
}

static void
tell_names (AgentBus *bus)
{
  g_auto (GStrv) names = agent_bus_list_names (bus);
  g_autofree char *text = g_strjoinv (" ", names);

  tell ("%s", text);
}

static void
test_names (Story *story)
{
  guint watch = agent_bus_watch_name (story->bus, "worker", on_appeared, on_vanished, NULL, NULL);

  expect ("worker vanished", "");
  add_worker (story, "worker", 0, AGENT_OVERFLOW_DROP_NEWEST);
  tell_names (story->bus);
  expect ("worker, worker appeared", "");
  agent_bus_unsubscribe (story->bus, "worker");
  expect ("worker vanished", "");
  agent_bus_unwatch_name (story->bus, watch);
}

static void
test_group (Story *story)
{
  g_autoptr (AgentSubscriber) twin = agent_subscriber_new ("pool");
  g_autoptr (GError) error = NULL;

  add_member (story, "a", "pool");
  send_updates (story, "pool", 1, 2);
  expect ("a 1, a 2", "");
  attempt ("exists", AGENT_BUS_ERROR_EXISTS, agent_bus_subscribe (story->bus, twin, &error), &error);
  send_updates (story, "pool", 3, 4);
  add_member (story, "b", "pool");
  agent_bus_unsubscribe (story->bus, "a");
  tell_names (story->bus);
  expect ("exists, b pool, b 3, b 4", "");
}

static void
test_conversation (Story *story)
{
  g_autoptr (AgentConversation) talk = agent_conversation_new (NULL);
  g_autoptr (AgentConversation) again = agent_conversation_new (agent_conversation_get_id (talk));
  AgentMessage *question = update ("worker", 1);
  AgentMessage *answer = update ("worker", 2);
  AgentMessage *fresh = update ("worker", 3);
  g_autoptr (AgentMessage) late = update ("worker", 4);
  g_autoptr (GVariant) variant = NULL;
  AgentMessage *read;

  add_worker (story, "worker", 0, AGENT_OVERFLOW_DROP_NEWEST);
  agent_message_set_conversation (question, talk);
  agent_message_set_cause (answer, question);
  agent_bus_send (story->bus, question);
  agent_bus_send (story->bus, answer);
  tell ("epoch %u", (guint) agent_conversation_advance (talk));
  agent_message_set_conversation (fresh, talk);
  agent_bus_send (story->bus, fresh);
  expect ("epoch 1, worker 3", "worker lost 2 stale 2");
  tell ("%u", (guint) agent_conversation_get_epoch (again));
  agent_message_set_conversation (late, talk);
  agent_conversation_advance (talk);
  variant = agent_message_to_variant (late);
  read = agent_message_new_from_variant (variant, NULL);
  tell ("%u of %u",
        (guint) agent_message_get_epoch (read),
        (guint) agent_conversation_get_epoch (agent_message_get_conversation (read)));
  agent_bus_send (story->bus, read);
  expect ("1, 1 of 2", "worker lost 1 stale 4");
}

static void
test_task (Story *story)
{
  add_actors (story);
  request (story, "worker", "sum", 1);
  expect ("worker sum 1", "");
  agent_job_update (story->job, g_variant_new_int32 (2));
  agent_job_complete (story->job, g_variant_new_int32 (3));
  expect ("update 2, completed 3", "");
}

static void
test_task_fails (Story *story)
{
  add_actors (story);
  request (story, "worker", "sum", 1);
  wait_turn ();
  agent_job_fail_message (story->job, "no luck");
  expect ("worker sum 1, failed no luck", "");
  request (story, "worker", "sum", 2);
  wait_turn ();
  tell ("%s", agent_job_fail_details (story->job, g_variant_new_string ("not today")) ? "answered" : "late");
  tell ("%s", agent_job_has_ended (story->job) && !agent_job_complete (story->job, NULL) ? "ended" : "open");
  expect ("worker sum 2, answered, ended, failed not today", "");
}

static void
test_task_chunks (Story *story)
{
  add_actors (story);
  request (story, "worker", "count", 2);
  wait_turn ();
  for (gint number = 1; number <= 2; number++)
    agent_job_send_chunk (story->job, g_variant_new_int32 (number));
  agent_job_complete (story->job, NULL);
  expect ("worker count 2, chunk 0 1, chunk 1 2, completed nothing", "");
}

static void
test_task_cancel (Story *story)
{
  AgentTask *task;

  add_actors (story);
  task = request (story, "worker", "sum", 1);
  wait_turn ();
  agent_task_cancel (task, "enough");
  expect ("worker sum 1, cancelled enough", "");
  tell ("%s",
        agent_job_is_cancelled (story->job) && g_cancellable_is_cancelled (agent_job_get_cancellable (story->job))
            ? "stopped"
            : "on");
  agent_job_complete (story->job, g_variant_new_int32 (3));
  expect ("stopped", "");
}

static void
test_task_nobody (Story *story)
{
  g_autoptr (GVariant) statistics = NULL;

  add_actors (story);
  request (story, "nobody", "sum", 1);
  expect ("failed There is no 'nobody' to do the task", "");
  request (story, "worker", "sum", 1);
  wait_turn ();
  agent_bus_unsubscribe (story->bus, "worker");
  expect ("worker sum 1, failed 'worker' has left the bus", "");
  statistics = agent_actor_get_statistics (story->boss);
  tell ("%u %u %u %u",
        (guint) lookup (statistics, "requests"),
        (guint) lookup (statistics, "not-found"),
        (guint) lookup (statistics, "closed"),
        (guint) lookup (statistics, "open"));
  expect ("2 1 1 0", "");
}

static void
test_round_trip (Story *story)
{
  g_autoptr (GVariant) payload = agent_payload_from_json ("{\"numbers\": [1, 2.5], \"text\": \"ä\"}", NULL);
  g_autoptr (AgentMessage) message = agent_message_new_task_request ("ui", "worker", "42", "sum", payload);
  g_autoptr (GVariant) variant = agent_message_to_variant (message);
  g_autoptr (AgentMessage) again = agent_message_new_from_variant (variant, NULL);
  g_autofree char *json = agent_message_dup_payload_json (again);

  tell ("%s %s %s", word (again), agent_message_get_source (again), agent_message_get_target (again));
  tell ("%s %s %s", agent_message_get_task_id (again), agent_message_get_task_name (again), json);
  expect ("task-request ui worker, 42 sum {\"numbers\":[1,2.5],\"text\":\"ä\"}", "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* The library warns of what is lost here. */
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
  add_case ("/story/subscribe", test_subscribe);
  add_case ("/story/priority", test_priority);
  add_case ("/story/drops", test_drops);
  add_case ("/story/defer", test_defer);
  add_case ("/story/missed", test_missed);
  add_case ("/story/receive", test_receive);
  add_case ("/story/dispatch", test_dispatch);
  add_case ("/story/expiry", test_expiry);
  add_case ("/story/scale", test_scale);
  add_case ("/story/room", test_room);
  add_case ("/story/statistics", test_statistics);
  add_case ("/story/topics", test_topics);
  add_case ("/story/monitor", test_monitor);
  add_case ("/story/errors", test_errors);
  add_case ("/story/stop", test_stop);
  add_case ("/story/text", test_text);
  add_case ("/story/leave", test_leave);
  add_case ("/story/names", test_names);
  add_case ("/story/group", test_group);
  add_case ("/story/conversation", test_conversation);
  add_case ("/story/task", test_task);
  add_case ("/story/task-fails", test_task_fails);
  add_case ("/story/task-chunks", test_task_chunks);
  add_case ("/story/task-cancel", test_task_cancel);
  add_case ("/story/task-nobody", test_task_nobody);
  add_case ("/story/round-trip", test_round_trip);
  return g_test_run ();
}
