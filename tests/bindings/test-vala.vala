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

int main (string[] args) {
  Test.init (ref args);
  Test.add_func ("/agentbus/vala/override", test_override);
  Test.add_func ("/agentbus/vala/errors", test_errors);
  Test.add_func ("/agentbus/vala/async", test_async);
  return Test.run ();
}
