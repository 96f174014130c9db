// SPDX-License-Identifier: LGPL-2.1-or-later
// The bus from Vala, against the vapi.

class Worker : AgentBus.Subscriber {
  public string[] got = {};

  public Worker (string name) {
    Object (name: name);
  }

  public override void message (AgentBus.Message message) {
    got += message.get_name ();
  }
}

void drain () {
  while (MainContext.default ().iteration (false));
}

void test_override () {
  var bus = new AgentBus.Bus ();
  var worker = new Worker ("worker");
  uint n = 0;

  try {
    bus.subscribe (worker);
  } catch (Error e) {
    assert_not_reached ();
  }
  worker.message["cancel"].connect ((message) => {
    assert (message.get_reason () == "enough");
    n++;
  });
  assert (bus.send (new AgentBus.Message.task_update ("ui", "worker", "1", new Variant ("i", 7))) == 1);
  bus.send (new AgentBus.Message.cancel ("ui", null, "enough"));
  drain ();
  assert (n == 1);
  assert (worker.got.length == 2 && worker.got[0] == "cancel" && worker.got[1] == "task-update");
}

void test_errors () {
  var bus = new AgentBus.Bus ();
  bool caught = false;

  try {
    bus.subscribe (new Worker ("worker"));
    bus.subscribe (new Worker ("worker"));
  } catch (AgentBus.BusError.EXISTS e) {
    caught = true;
  } catch (Error e) {
    assert_not_reached ();
  }
  assert (caught);
}

async void stop (AgentBus.Bus bus, MainLoop loop) {
  try {
    assert (yield bus.stop_async (null));
  } catch (Error e) {
    assert_not_reached ();
  }
  assert (!bus.running);
  loop.quit ();
}

void test_async () {
  var bus = new AgentBus.Bus.with_capacity (2);
  var loop = new MainLoop ();

  try {
    bus.subscribe (new Worker ("worker"));
  } catch (Error e) {
    assert_not_reached ();
  }
  stop.begin (bus, loop);
  loop.run ();
}

AgentBus.Message update (string actor, string id = "1") {
  return new AgentBus.Message.task_update ("ui", actor, id, null);
}

AgentBus.DispatchResult dispatch (AgentBus.RouterDispatcher dispatcher, owned AgentBus.Message message) {
  try {
    return dispatcher.dispatch ((owned) message);
  } catch (Error e) {
    assert_not_reached ();
  }
}

void test_dispatch () {
  var bus = new AgentBus.Bus ();
  var routes = new AgentBus.RouteTable ();
  var dispatcher = new AgentBus.RouterDispatcher (bus, routes);
  var worker = new Worker ("worker");

  try {
    bus.subscribe (worker);
  } catch (Error e) {
    assert_not_reached ();
  }
  assert (dispatch (dispatcher, update ("actor")) == AgentBus.DispatchResult.PARKED);
  assert (dispatcher.n_parked == 1);
  routes.assign ("actor", "worker");
  assert (dispatch (dispatcher, new AgentBus.Message.cancel ("ui", "actor", null)) == AgentBus.DispatchResult.DELIVERED);
  drain ();
  assert (worker.got.length == 2);
}

void test_dispatch_refused () {
  var dispatcher = new AgentBus.RouterDispatcher (new AgentBus.Bus (), new AgentBus.RouteTable ());
  bool caught = false;

  dispatcher.park_unknown = false;
  try {
    dispatcher.dispatch (update ("actor"));
  } catch (AgentBus.BusError.ACTOR_NOT_ASSIGNED e) {
    caught = true;
  } catch (Error e) {
    assert_not_reached ();
  }
  assert (caught);
}

void test_dispatch_expired () {
  var dispatcher = new AgentBus.RouterDispatcher (new AgentBus.Bus (), new AgentBus.RouteTable ());
  var loop = new MainLoop ();
  var message = update ("actor", "7");

  Test.expect_message ("AgentBus", LogLevelFlags.LEVEL_WARNING, "*'actor' expired*");
  dispatcher.expired.connect ((lost, waited, n_attempts) => {
    assert (lost.get_task_id () == "7" && waited >= 5 && n_attempts == 1);
    loop.quit ();
  });
  message.set_ttl (5);
  dispatch (dispatcher, (owned) message);
  loop.run ();
  Test.assert_expected_messages ();
}

void test_dispatch_dropped () {
  var routes = new AgentBus.RouteTable ();
  var dispatcher = new AgentBus.RouterDispatcher (new AgentBus.Bus (), routes);
  uint n = 0;

  dispatcher.dropped.connect ((message, reason) => {
    assert (message.get_task_id () == "7" && reason == AgentBus.DropReason.NO_TARGET);
    n++;
  });
  routes.unassign ("actor");
  dispatch (dispatcher, update ("actor", "7"));
  assert (routes.remove ("actor"));
  drain ();
  assert (n == 1);
}

void test_dispatch_statistics () {
  var dispatcher = new AgentBus.RouterDispatcher (new AgentBus.Bus (), new AgentBus.RouteTable ());
  uint64 accepted;
  uint64 parked;

  dispatch (dispatcher, update ("a"));
  dispatch (dispatcher, update ("b"));
  var ledger = dispatcher.get_statistics ();
  assert (ledger.lookup ("accepted", "t", out accepted) && accepted == 2);
  assert (ledger.lookup ("parked", "t", out parked) && parked == 2);
}

async void stop_dispatcher (AgentBus.RouterDispatcher dispatcher, MainLoop loop) {
  bool caught = false;

  try {
    yield dispatcher.stop_async (null);
  } catch (AgentBus.BusError.TIMED_OUT e) {
    caught = true;
  } catch (Error e) {
    assert_not_reached ();
  }
  assert (caught && dispatcher.n_parked == 0);
  loop.quit ();
}

void test_dispatch_stop () {
  var bus = new AgentBus.Bus ();
  var dispatcher = new AgentBus.RouterDispatcher (bus, new AgentBus.RouteTable ());
  var loop = new MainLoop ();

  bus.shutdown_timeout = 5;
  dispatch (dispatcher, update ("actor"));
  stop_dispatcher.begin (dispatcher, loop);
  loop.run ();
}

void test_routes () {
  var routes = new AgentBus.RouteTable ();
  string[] changes = {};

  routes.changed.connect ((actor, router) => {
    changes += "%s %s".printf (actor, router ?? "none");
  });
  routes.assign ("actor", "worker");
  assert (routes.lookup ("actor") == "worker" && routes.n_actors == 1);
  routes.unassign ("actor");
  drain ();
  assert (changes.length == 2 && changes[0] == "actor worker" && changes[1] == "actor none");
}

void test_retry_policy () {
  var dispatcher = new AgentBus.RouterDispatcher (new AgentBus.Bus (), new AgentBus.RouteTable ());
  var policy = new AgentBus.RetryPolicy ();

  policy.set_initial_delay (10);
  policy.set_max_delay (50);
  policy.set_multiplier (3);
  policy.set_jitter (0.5);
  policy.set_seed (7);
  dispatcher.retry_policy = policy;
  var copy = dispatcher.get_retry_policy ();
  assert (copy.get_delay (1) == 30 && copy.get_delay (2) == 50);
  assert (copy.get_jitter () == 0.5 && copy.get_seed () == 7);
}

void test_error_reply () {
  var bus = new AgentBus.Bus ();
  var routes = new AgentBus.RouteTable ();
  var dispatcher = new AgentBus.RouterDispatcher (bus, routes);
  var ui = new Worker ("ui");
  var message = update ("actor");

  try {
    bus.subscribe (ui);
  } catch (Error e) {
    assert_not_reached ();
  }
  message.set_error_reply (true);
  routes.unassign ("actor");
  dispatch (dispatcher, (owned) message);
  routes.remove ("actor");
  drain ();
  assert (ui.got.length == 1 && ui.got[0] == "agent-error");
}

int main (string[] args) {
  Test.init (ref args);
  Test.add_func ("/agentbus/vala/override", test_override);
  Test.add_func ("/agentbus/vala/errors", test_errors);
  Test.add_func ("/agentbus/vala/async", test_async);
  Test.add_func ("/agentbus/vala/dispatch", test_dispatch);
  Test.add_func ("/agentbus/vala/dispatch-refused", test_dispatch_refused);
  Test.add_func ("/agentbus/vala/dispatch-expired", test_dispatch_expired);
  Test.add_func ("/agentbus/vala/dispatch-dropped", test_dispatch_dropped);
  Test.add_func ("/agentbus/vala/dispatch-statistics", test_dispatch_statistics);
  Test.add_func ("/agentbus/vala/dispatch-stop", test_dispatch_stop);
  Test.add_func ("/agentbus/vala/routes", test_routes);
  Test.add_func ("/agentbus/vala/retry-policy", test_retry_policy);
  Test.add_func ("/agentbus/vala/error-reply", test_error_reply);
  return Test.run ();
}
