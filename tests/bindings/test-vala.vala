// SPDX-License-Identifier: LGPL-2.1-or-later
// The bus from Vala, against the vapi: what is not in the story of all languages.

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
  stop_now (bus);
}

async void stop (AgentBus.Bus bus, MainLoop loop) {
  try {
    assert (yield bus.stop_async ());
  } catch (Error e) {
    assert_not_reached ();
  }
  assert (!bus.running);
  loop.quit ();
}

void stop_now (AgentBus.Bus bus) {
  var loop = new MainLoop ();

  stop.begin (bus, loop);
  loop.run ();
}

void test_async () {
  var bus = new AgentBus.Bus.with_capacity (2);

  try {
    bus.subscribe (new Worker ("worker"));
  } catch (Error e) {
    assert_not_reached ();
  }
  stop_now (bus);
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
  var message = new AgentBus.Message.task_update ("ui", "actor", "1", null);

  message.set_error_reply (true);
  routes.unassign ("actor");
  try {
    bus.subscribe (ui);
    dispatcher.dispatch ((owned) message);
  } catch (Error e) {
    assert_not_reached ();
  }
  routes.remove ("actor");
  drain ();
  assert (ui.got.length == 1 && ui.got[0] == "agent-error");
  stop_now (bus);
}

async void cross (AgentBus.Bus here, AgentBus.Bus there, MainLoop loop) {
  try {
    assert (yield here.start_async ());
    assert (yield there.start_async ());
  } catch (Error e) {
    assert_not_reached ();
  }
  loop.quit ();
}

void test_transport () {
  var address = "unix:abstract=agentbus-vala-" + Uuid.string_random ();
  var server = new AgentBus.DBusTransport.for_peers (address, true);
  var here = (AgentBus.Bus) Object.new (typeof (AgentBus.Bus), "transport", server);
  var there = (AgentBus.Bus) Object.new (
    typeof (AgentBus.Bus), "transport", new AgentBus.DBusTransport.for_peers (address, false));
  var worker = new Worker ("worker");
  var loop = new MainLoop ();
  bool vanished = false;

  server.vanished.connect ((node, reason) => vanished = true);
  cross.begin (here, there, loop);
  loop.run ();
  try {
    there.subscribe (worker);
  } catch (Error e) {
    assert_not_reached ();
  }
  while (here.lookup ("worker") == null)
    MainContext.default ().iteration (false);
  here.send (new AgentBus.Message.task_update ("ui", "worker", "1", null));
  while (worker.got.length == 0)
    MainContext.default ().iteration (true);
  assert (worker.got[0] == "task-update");
  stop_now (there);
  while (!vanished)
    MainContext.default ().iteration (true);
  stop_now (here);
}

int main (string[] args) {
  Test.init (ref args);
  Test.add_func ("/agentbus/vala/errors", test_errors);
  Test.add_func ("/agentbus/vala/async", test_async);
  Test.add_func ("/agentbus/vala/routes", test_routes);
  Test.add_func ("/agentbus/vala/retry-policy", test_retry_policy);
  Test.add_func ("/agentbus/vala/error-reply", test_error_reply);
  Test.add_func ("/agentbus/vala/transport", test_transport);
  return Test.run ();
}
