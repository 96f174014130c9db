// SPDX-License-Identifier: LGPL-2.1-or-later
// The story in Vala. Each language has the same, case by case and word by word; see story.txt.

// The handlers that are connected come before the virtual function.
void test_subscribe (Story story) throws Error {
  var worker = story.add_worker ("worker");
  var other = new AgentBus.Subscriber ("other");

  worker.message.connect ((message) => tell (@"any $(word (message))"));
  worker.message["cancel"].connect ((message) => tell (@"stops $(message.get_reason ())"));
  story.bus.subscribe (other);
  tell (@"$(story.bus.send (update ("worker", 1))) of $(story.bus.n_subscribers)");
  expect ("1 of 2, any 1, worker 1", "");
  tell (@"$(story.bus.send (new AgentBus.Message.cancel ("ui", null, "enough"))) of 2");
  expect ("2 of 2, any cancel, stops enough, worker cancel", "");
  tell (@"$(story.bus.send (new AgentBus.Message.end ("worker", null, null))) of 2");
  tell (@"$(story.bus.send (update ("stranger", 2))) of 2");
  tell (@"$(worker.n_delivered) $(other.n_delivered)");
  expect ("1 of 2, 0 of 2, 2 1", "nobody lost 1 no-target 2");
}

void test_priority (Story story) throws Error {
  story.add_worker ("a");
  story.add_worker ("b");
  story.send_updates ("a", 1, 3);
  story.bus.send (new AgentBus.Message.cancel ("ui", "a", null));
  expect ("a cancel, a 1, a 2, a 3", "");
  story.send_updates ("a", 4, 6);
  story.bus.send (new AgentBus.Message.cancel ("ui", "b", null));
  expect ("b cancel, a 4, a 5, a 6", "");
}

void test_drops (Story story) throws Error {
  var kept = update ("new", 6);
  uint64 n_dropped;

  story.add_worker ("new", 2);
  story.add_worker ("old", 2, AgentBus.Overflow.DROP_OLDEST);
  story.send_updates ("new", 1, 5);
  kept.set_reliable (true);
  story.bus.send ((owned) kept);
  expect ("new 1, new 2, new 6", "new lost 3 full 5");
  story.send_updates ("old", 1, 5);
  expect ("old 4, old 5", "old lost 3 full 3");
  tell (story.bus.get_dropped ("stranger", null) ? "found" : "unknown");
  tell (story.bus.get_dropped ("old", out n_dropped) ? "found" : "unknown");
  tell (@"$n_dropped dropped");
  expect ("unknown, found, 3 dropped", "");
}

void test_defer (Story story) throws Error {
  var slow = new AgentBus.Subscriber ("slow");
  var deliveries = new GenericArray<AgentBus.Delivery> ();

  slow.message.connect ((message) => {
    tell (@"slow $(word (message))");
    deliveries.add (slow.defer ());
  });
  story.bus.subscribe (slow);
  story.send_updates ("slow", 1, 3);
  expect ("slow 1", "");
  deliveries[0].complete ();
  expect ("slow 2", "");
  deliveries[1].fail_message ("no luck");
  expect ("slow 3", "slow failed 2 no luck");
  story.bus.send (new AgentBus.Message.task_cancel ("ui", "slow", "3", null));
  var third = deliveries[2];
  tell (word (third.get_message ()) + (third.is_cancelled () ? " cancelled" : " on"));
  expect ("3 cancelled", "");
  third.fail_message ("cancelled");
  expect ("slow task-cancel", "slow failed 3 cancelled");
  deliveries[3].complete ();
  tell (@"$(slow.n_delivered) delivered");
  expect ("4 delivered", "");
}

void test_missed (Story story) throws Error {
  var slow = new AgentBus.Subscriber ("slow");
  var deliveries = new GenericArray<AgentBus.Delivery> ();

  slow.capacity = 2;
  slow.message.connect ((message) => {
    tell (@"$(word (message)) missed $(slow.get_n_missed ())");
    deliveries.add (slow.defer ());
  });
  story.bus.subscribe (slow);
  story.send_updates ("slow", 1, 4);
  expect ("1 missed 0", "slow lost 2 full 4");
  story.send_updates ("slow", 5, 5);
  deliveries[0].complete ();
  expect ("2 missed 0", "");
  deliveries[1].complete ();
  expect ("5 missed 2", "");
  tell (@"$(deliveries[1].n_missed) before 2");
  tell (@"$(deliveries[2].n_missed) before 5");
  deliveries[2].complete ();
  expect ("0 before 2, 2 before 5", "");
}

void test_receive (Story story) throws Error {
  var inbox = story.add_worker ("inbox");

  inbox.paused = true;
  story.send_updates ("inbox", 1, 2);
  story.bus.send (new AgentBus.Message.cancel ("ui", "inbox", null));
  for (int i = 0; i < 2; i++)
    tell (word (inbox.receive (0)));
  inbox.paused = false;
  expect ("cancel, 1, inbox 2", "");
  attempt ("nothing", AgentBus.BusError.TIMED_OUT, () => inbox.receive (0));
  expect ("nothing", "");
}

void test_dispatch (Story story) throws Error {
  story.dispatcher.capacity = 3;
  story.dispatch (update ("actor", 1));
  story.dispatch (update ("actor", 2));
  story.routes.assign ("actor", "router");
  story.dispatch (update ("actor", 3));
  attempt ("full", AgentBus.BusError.FULL, () => story.dispatcher.dispatch (update ("actor", 4)));
  tell (@"$(story.dispatcher.n_parked) held");
  expect ("parked 1, parked 2, parked 3, full, 3 held", "");
  story.add_worker ("router");
  expect ("router 1, router 2, router 3", "");
  story.dispatch (update ("actor", 5));
  expect ("delivered 5, router 5", "");
}

void test_expiry (Story story) throws Error {
  var brief = update ("ghost", 1);

  brief.set_ttl (5);
  story.dispatch ((owned) brief);
  wait_report ();
  expect ("parked 1", "1 expired late");
  story.routes.unassign ("actor");
  story.dispatch (update ("actor", 2));
  tell (story.routes.remove ("actor") ? "removed" : "unknown");
  expect ("parked 2, removed", "2 lost no-target");
}

void test_scale (Story story) throws Error {
  story.dispatcher.hand_off = true;
  story.add_worker ("old");
  story.add_worker ("new");
  tell (@"$(story.routes.assign_many ({ "x", "y" }, "old")) assigned");
  story.dispatch (update ("x", 1));
  story.routes.rename ("y", "z");
  attempt ("no actor", AgentBus.BusError.NOT_FOUND, () => story.routes.rename ("y", "z"));
  tell (@"$(story.routes.rebalance ({ "new" }, null).n_children ()) moved");
  story.dispatch (update ("x", 2));
  tell (string.joinv (" ", story.routes.list_actors ("new")));
  expect ("2 assigned, delivered 1, no actor, 2 moved, parked 2, x z, old 1, old hand-off, new 2", "");
  story.dispatcher.drain_router_async.begin ("new", null, story.keep_result);
  tell (story.dispatcher.drain_router_async.end (story.wait_result ()) ? "drained" : "late");
  tell (story.routes.lookup ("x") ?? "nobody");
  attempt ("no snapshot", AgentBus.BusError.INVALID_MESSAGE, () => story.routes.restore (new Variant.string ("text")));
  story.routes.restore (story.routes.snapshot ());
  tell (@"$(story.routes.n_actors) known");
  story.bus.send (update ("old", 3).copy_full ("me", "new"));
  expect ("new hand-off, drained, nobody, no snapshot, 2 known, new 3", "");
}

void test_room (Story story) throws Error {
  var worker = story.add_worker ("room", 4);

  story.bus.slow.connect ((subscriber, n) => report (@"$(subscriber.name) slow $n"));
  story.bus.recovered.connect ((subscriber, n) => report (@"$(subscriber.name) recovered $n"));
  worker.paused = true;
  story.send_updates ("room", 1, 4);
  expect ("", "room slow 4");
  attempt ("full", AgentBus.BusError.FULL, () => story.bus.try_send (update ("room", 5)));
  attempt ("unknown", AgentBus.BusError.NOT_FOUND, () => story.bus.try_send (update ("stranger", 5)));
  story.bus.send_async.begin (update ("room", 5), null, story.keep_result);
  tell (@"$(worker.n_queued) queued");
  worker.capacity = 5;
  tell (story.bus.send_async.end (story.wait_result ()) ? "sent" : "lost");
  tell (@"$(worker.n_queued) queued");
  expect ("full, unknown, 4 queued, sent, 5 queued", "");
  worker.paused = false;
  expect ("room 1, room 2, room 3, room 4, room 5", "room recovered 0");
}

void test_statistics (Story story) throws Error {
  var worker = story.add_worker ("worker", 2);

  story.send_updates ("worker", 1, 3);
  expect ("worker 1, worker 2", "worker lost 1 full 3");
  story.send_updates ("worker", 4, 4);
  story.send_updates ("stranger", 5, 5);
  story.dispatch (update ("ghost", 6));
  var of_bus = story.bus.get_statistics ();
  var of_dispatcher = story.dispatcher.get_statistics ();
  var of_worker = of_bus.lookup_value ("subscribers", null).lookup_value ("worker", null);
  tell (@"$(worker.n_queued) queued");
  tell_balance (of_worker, OFFERED);
  tell_balance (of_bus, OFFERED);
  tell_balance (of_dispatcher, ACCEPTED);
  expect ("parked 6, 1 queued, 4 2 1 1, 5 2 1 2, 1 0 1 0 0, worker 4", "nobody lost 1 no-target 5");
}

AgentBus.Message on_topic (string topic, uint number) {
  var message = update (null, number);

  message.set_topic (topic);
  return message;
}

void test_topics (Story story) throws Error {
  var worker = story.add_worker ("worker");

  attempt ("no pattern", AgentBus.BusError.INVALID_TOPIC, () => worker.add_topic ("audio..1"));
  worker.add_topic ("audio.*.>");
  tell (@"$(story.bus.send (on_topic ("audio.mic.1", 1))) of 1");
  tell (@"$(story.bus.send (on_topic ("audio.mic", 2))) of 1");
  tell (@"$(worker.list_topics ()[0]) of $(worker.list_topics ().length)");
  expect ("no pattern, 1 of 1, 0 of 1, audio.*.> of 1, worker 1", "nobody lost 1 no-target 2");
  worker.accepts = { "cancel" };
  tell (@"$(story.bus.send (on_topic ("audio.mic.1", 3))) of 1");
  tell (@"$(story.bus.send (new AgentBus.Message.cancel ("ui", null, null))) of 1");
  expect ("0 of 1, 1 of 1, worker cancel", "nobody lost 1 no-target 3");
  worker.accepts = null;
  tell (worker.remove_topic ("audio.*.>") ? "removed" : "unknown");

  var kept = on_topic ("audio.mic.1", 4);

  kept.set_retained (true);
  tell (@"$(story.bus.send ((owned) kept)) of 1");
  worker.add_topic (">");
  expect ("removed, 0 of 1, worker 4", "nobody lost 1 no-target 4");
}

void on_seen (AgentBus.Message message) {
  AgentBus.DropReason reason;
  uint n_accepted;

  message.get_fate (out n_accepted, out reason);
  tell (n_accepted > 0 ? @"seen $(word (message)) by $n_accepted" : @"seen $(word (message)) $reason");
}

void test_monitor (Story story) throws Error {
  var worker = story.add_worker ("worker");
  var monitor = new AgentBus.Subscriber ("worker");

  monitor.message.connect ((message) => on_seen (message));
  story.bus.add_monitor (monitor, null);
  attempt ("taken", AgentBus.BusError.EXISTS, () => story.bus.add_monitor (worker, null));
  story.send_updates ("worker", 1, 1);
  story.send_updates ("nobody", 2, 2);
  story.bus.send (new AgentBus.Message.cancel ("ui", null, null));
  expect ("taken, worker cancel, worker 1, seen 1 by 1, seen 2 no-target, seen cancel by 1", "nobody lost 1 no-target 2");
  story.bus.remove_monitor (monitor);
  story.send_updates ("worker", 3, 3);
  expect ("worker 3", "");
  story.bus.add_monitor (monitor, { "cancel" });
  story.send_updates ("worker", 4, 4);
  story.bus.send (new AgentBus.Message.cancel ("ui", "nobody", null));
  expect ("worker 4, seen cancel no-target", "nobody lost 1 no-target cancel");
}

void test_errors (Story story) throws Error {
  var twin = new AgentBus.Subscriber ("worker");
  var text = new Variant.string ("text");

  story.add_worker ("worker");
  attempt ("exists", AgentBus.BusError.EXISTS, () => story.bus.subscribe (twin));
  story.bus.unsubscribe_async.begin ("stranger", null, story.keep_result);
  attempt ("unknown", AgentBus.BusError.NOT_FOUND, () => story.bus.unsubscribe_async.end (story.wait_result ()));
  attempt ("no JSON", AgentBus.BusError.INVALID_MESSAGE, () => AgentBus.payload_from_json ("{\"numbers\": [1,"));
  attempt ("no message", AgentBus.BusError.INVALID_MESSAGE, () => new AgentBus.Message.from_variant (text));
  attempt ("no actor", AgentBus.BusError.INVALID_MESSAGE, () => {
    story.dispatcher.dispatch (new AgentBus.Message.cancel ("ui", null, null));
  });
  expect ("exists, unknown, no JSON, no message, no actor", "");
  story.dispatch (update ("ghost", 1));
  story.dispatcher.park_unknown = false;
  attempt ("unassigned", AgentBus.BusError.ACTOR_NOT_ASSIGNED, () => {
    story.dispatcher.dispatch (update ("stranger", 2));
  });
  story.bus.shutdown_timeout = 1;
  story.dispatcher.stop_async.begin (null, story.keep_result);
  attempt ("timed out", AgentBus.BusError.TIMED_OUT, () => story.dispatcher.stop_async.end (story.wait_result ()));
  attempt ("closed", AgentBus.BusError.CLOSED, () => story.dispatcher.dispatch (update ("ghost", 3)));
  expect ("parked 1, unassigned, timed out, closed", "1 lost closed");
}

void test_stop (Story story) throws Error {
  var worker = story.add_worker ("worker");

  story.send_updates ("worker", 1, 2);
  story.bus.send (new AgentBus.Message.end ("ui", "worker", null));
  story.bus.unsubscribe_async.begin ("worker", null, story.keep_result);
  story.bus.unsubscribe_async.end (story.wait_result ());
  expect ("worker end", "worker lost 2 discarded 2");
  story.bus.subscribe (worker);
  for (int i = 0; i < 2; i++) {
    story.bus.stop_async.begin (null, story.keep_result);
    tell (story.bus.stop_async.end (story.wait_result ()) ? "stopped" : "running");
  }
  tell (story.bus.running ? "running" : "idle");
  attempt ("closed", AgentBus.BusError.CLOSED, () => story.bus.subscribe (worker));
  story.send_updates ("worker", 3, 3);
  expect ("stopped, stopped, idle, closed", "nobody lost 1 closed 3");
  story.bus.start_async.begin (null, story.keep_result);
  tell (story.bus.start_async.end (story.wait_result ()) ? "started" : "stopped");
  tell (story.bus.running ? "running" : "idle");
  story.bus.subscribe (worker);
  story.send_updates ("worker", 4, 4);
  expect ("started, running, worker 4", "");
}

void test_text (Story story) throws Error {
  var message = new AgentBus.Message.task_request ("ui", "worker", "42", "sum", null);
  attempt ("refused", AgentBus.BusError.INVALID_MESSAGE, () => message.set_payload_json ("{\"n\": 1"));
  message.set_payload_json ("{\"n\": 1.50, \"n\": [2]}");
  var again = new AgentBus.Message.from_variant (message.to_variant ());
  var made = new AgentBus.Message.task_update ("ui", "worker", "42", AgentBus.payload_from_json ("[ 7 ]"));

  tell ((again.has_payload_json () ? "given " : "made ") + again.get_payload_json ());
  tell ("meant " + AgentBus.payload_to_json (again.get_payload ()));
  tell ((made.has_payload_json () ? "given " : "made ") + made.get_payload_json ());
  expect ("refused, given {\"n\": 1.50, \"n\": [2]}, meant {\"n\":[2]}, made [7]", "");
}

void test_leave (Story story) throws Error {
  var worker = story.add_worker ("worker");

  story.send_updates ("worker", 1, 2);
  story.bus.flush_async.begin ("worker", null, story.keep_result);
  story.bus.flush_async.end (story.wait_result ());
  tell ("flushed");
  expect ("worker 1, worker 2, flushed", "");
  story.send_updates ("worker", 3, 3);
  story.bus.unsubscribe_full_async.begin ("worker", AgentBus.LeaveFlags.DRAIN, null, story.keep_result);
  story.bus.unsubscribe_full_async.end (story.wait_result ());
  tell ("drained");
  expect ("worker 3, drained", "");
  story.bus.subscribe (worker);
  story.send_updates ("worker", 4, 4);
  story.bus.stop_full_async.begin (AgentBus.LeaveFlags.DRAIN, null, story.keep_result);
  tell (story.bus.stop_full_async.end (story.wait_result ()) ? "stopped" : "running");
  story.bus.flush_async.begin (null, null, story.keep_result);
  attempt ("closed", AgentBus.BusError.CLOSED, () => story.bus.flush_async.end (story.wait_result ()));
  expect ("worker 4, stopped, closed", "");
}

void test_names (Story story) throws Error {
  uint watch = story.bus.watch_name ("worker", (bus, name) => tell (name + " appeared"),
                                     (bus, name) => tell (name + " vanished"));

  expect ("worker vanished", "");
  story.add_worker ("worker");
  tell (string.joinv (" ", story.bus.list_names ()));
  expect ("worker, worker appeared", "");
  story.bus.unsubscribe ("worker");
  expect ("worker vanished", "");
  story.bus.unwatch_name (watch);
}

void test_group (Story story) throws Error {
  story.add_member ("a", "pool");
  story.send_updates ("pool", 1, 2);
  expect ("a 1, a 2", "");
  attempt ("exists", AgentBus.BusError.EXISTS, () => story.bus.subscribe (new AgentBus.Subscriber ("pool")));
  story.send_updates ("pool", 3, 4);
  story.add_member ("b", "pool");
  story.bus.unsubscribe ("a");
  tell (string.joinv (" ", story.bus.list_names ()));
  expect ("exists, b pool, b 3, b 4", "");
}

void test_conversation (Story story) throws Error {
  var talk = new AgentBus.Conversation (null);
  var question = update ("worker", 1);
  var answer = update ("worker", 2);
  var fresh = update ("worker", 3);
  var late = update ("worker", 4);

  story.add_worker ("worker");
  question.set_conversation (talk);
  answer.set_cause (question);
  story.bus.send ((owned) question);
  story.bus.send ((owned) answer);
  tell (@"epoch $(talk.advance ())");
  fresh.set_conversation (talk);
  story.bus.send ((owned) fresh);
  expect ("epoch 1, worker 3", "worker lost 2 stale 2");
  tell (@"$(new AgentBus.Conversation (talk.get_id ()).get_epoch ())");
  late.set_conversation (talk);
  talk.advance ();
  var read = new AgentBus.Message.from_variant (late.to_variant ());
  tell (@"$(read.get_epoch ()) of $(read.get_conversation ().get_epoch ())");
  story.bus.send ((owned) read);
  expect ("1, 1 of 2", "worker lost 1 stale 4");
}

void test_task (Story story) throws Error {
  story.add_actors ();
  story.request ("worker", "sum", 1);
  expect ("worker sum 1", "");
  story.job.update (2);
  story.job.complete (3);
  expect ("update 2, completed 3", "");
}

void test_task_fails (Story story) throws Error {
  story.add_actors ();
  story.request ("worker", "sum", 1);
  wait_turn ();
  story.job.fail_message ("no luck");
  expect ("worker sum 1, failed no luck", "");
  story.request ("worker", "sum", 2);
  wait_turn ();
  tell (story.job.fail_details ("not today") ? "answered" : "late");
  tell (story.job.has_ended () && !story.job.complete (null) ? "ended" : "open");
  expect ("worker sum 2, answered, ended, failed not today", "");
}

void test_task_chunks (Story story) throws Error {
  story.add_actors ();
  story.request ("worker", "count", 2);
  wait_turn ();
  for (int number = 1; number <= 2; number++)
    story.job.send_chunk (number);
  story.job.complete (null);
  expect ("worker count 2, chunk 0 1, chunk 1 2, completed nothing", "");
}

void test_task_cancel (Story story) throws Error {
  story.add_actors ();
  var task = story.request ("worker", "sum", 1);
  wait_turn ();
  task.cancel ("enough");
  expect ("worker sum 1, cancelled enough", "");
  tell (story.job.is_cancelled () && story.job.get_cancellable ().is_cancelled () ? "stopped" : "on");
  story.job.complete (3);
  expect ("stopped", "");
}

void test_task_nobody (Story story) throws Error {
  story.add_actors ();
  story.request ("nobody", "sum", 1);
  expect ("failed There is no 'nobody' to do the task", "");
  story.request ("worker", "sum", 1);
  wait_turn ();
  story.bus.unsubscribe ("worker");
  expect ("worker sum 1, failed 'worker' has left the bus", "");
  var statistics = story.boss.get_statistics ();
  string[] counts = {};

  foreach (var key in "requests not-found closed open".split (" "))
    counts += lookup (statistics, key).to_string ();
  tell (string.joinv (" ", counts));
  expect ("2 1 1 0", "");
}

void test_round_trip (Story story) throws Error {
  var payload = AgentBus.payload_from_json ("{\"numbers\": [1, 2.5], \"text\": \"ä\"}");
  var message = new AgentBus.Message.task_request ("ui", "worker", "42", "sum", payload);
  var again = new AgentBus.Message.from_variant (message.to_variant ());

  tell (@"$(word (again)) $(again.get_source ()) $(again.get_target ())");
  tell (@"$(again.get_task_id ()) $(again.get_task_name ()) $(again.dup_payload_json ())");
  expect ("task-request ui worker, 42 sum {\"numbers\":[1,2.5],\"text\":\"ä\"}", "");
}

int main (string[] args) {
  Test.init (ref args);
  // The library warns of what is lost here.
  Log.set_always_fatal (LogLevelFlags.LEVEL_ERROR | LogLevelFlags.LEVEL_CRITICAL);
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
  return Test.run ();
}
