// SPDX-License-Identifier: LGPL-2.1-or-later
// What the cases of story.vala are told with. Each gets a bus and a dispatcher of its own. What handlers and calls tell
// is compared, and what signals report.

const string OFFERED = "offered delivered queued";
const string ACCEPTED = "accepted dispatched parked expired";
const string REASONS = "full expired no-target closed discarded stale cancelled inactive";

string[] told;
string[] reported;

delegate void Attempt () throws Error;

[CCode (has_target = false)]
delegate void Case (Story story) throws Error;

// --- What is said ---

void tell (string words) {
  told += words;
}

void report (string words) {
  reported += words;
}

void wait_turn () {
  while (MainContext.default ().iteration (false));
}

// Signals have sources of their own, so nothing is said of their order and that of the handlers.
void expect (string words, string reports) {
  wait_turn ();
  var told_text = string.joinv (", ", told);
  var reported_text = string.joinv (", ", reported);
  stdout.printf ("# told: %s | %s\n", told_text, reported_text);
  assert_cmpstr (told_text, CompareOperator.EQ, words);
  assert_cmpstr (reported_text, CompareOperator.EQ, reports);
  told = {};
  reported = {};
}

void wait_report () {
  while (reported.length == 0)
    MainContext.default ().iteration (true);
}

void attempt (string words, int code, Attempt func) {
  try {
    func ();
    tell ("not " + words);
  } catch (Error e) {
    tell (e.matches (AgentBus.BusError.quark (), code) ? words : e.message);
  }
}

// --- Messages ---

unowned string word (AgentBus.Message message) {
  var is_update = message.get_message_type () == AgentBus.MessageType.TASK_UPDATE;

  return is_update ? message.get_task_id () : message.get_name ();
}

AgentBus.Message update (string? target, uint number) {
  return new AgentBus.Message.task_update ("ui", target, number.to_string (), null);
}

// --- Workers ---

class Worker : AgentBus.Subscriber {
  public Worker (string name, uint capacity, AgentBus.Overflow overflow) {
    Object (name: name, capacity: capacity, overflow: overflow);
  }

  public Worker.in_group (string name, string group) {
    Object (name: name, group: group);
  }

  public override void message (AgentBus.Message message) {
    tell (@"$name $(word (message))");
  }
}

uint64 lookup (Variant statistics, string key) {
  return statistics.lookup_value (key, VariantType.UINT64).get_uint64 ();
}

void tell_balance (Variant statistics, string keys) {
  var dropped = statistics.lookup_value ("dropped", null);
  uint64 n_dropped = 0;
  string line = "";

  foreach (var key in keys.split (" "))
    line += @"$(lookup (statistics, key)) ";
  foreach (var reason in REASONS.split (" "))
    n_dropped += lookup (dropped, reason);
  tell (@"$line$n_dropped");
}

// --- Signals ---

void on_dropped (AgentBus.Subscriber? subscriber, AgentBus.DropReason reason, uint64 n, AgentBus.Message last) {
  var name = subscriber != null ? subscriber.name : "nobody";

  report (@"$name lost $n $reason $(word (last))");
}

void on_failed (AgentBus.Subscriber subscriber, AgentBus.Message message, Error error) {
  report (@"$(subscriber.name) failed $(word (message)) $(error.message)");
}

void on_expired (AgentBus.Message message, uint waited, uint n_attempts) {
  var verdict = waited >= message.get_ttl () && n_attempts > 0 ? "late" : "early";

  report (@"$(word (message)) expired $verdict");
}

void on_lost (AgentBus.Message message, AgentBus.DropReason reason) {
  report (@"$(word (message)) lost $reason");
}

// --- Tasks ---

void on_finished (AgentBus.Task task) {
  const string[] statuses = { "pending", "running", "completed", "failed", "cancelled" };
  var status = statuses[task.get_status ()];
  var response = task.get_response ();
  var error = task.get_error ();

  if (error != null)
    tell (@"$status $(error.message)");
  else if (response != null)
    tell (@"$status $(response.get_int32 ())");
  else
    tell (@"$status nothing");
}

// --- Cases ---

class Story {
  public AgentBus.Bus bus = new AgentBus.Bus ();
  public AgentBus.RouteTable routes = new AgentBus.RouteTable ();
  public AgentBus.RouterDispatcher dispatcher;
  AsyncResult? result;

  public Story () {
    dispatcher = new AgentBus.RouterDispatcher (bus, routes);
    bus.dropped.connect ((subscriber, reason, n, last) => on_dropped (subscriber, reason, n, last));
    bus.failed.connect ((subscriber, message, error) => on_failed (subscriber, message, error));
    dispatcher.expired.connect ((message, waited, n_attempts) => on_expired (message, waited, n_attempts));
    dispatcher.dropped.connect ((message, reason) => on_lost (message, reason));
  }

  public AgentBus.Subscriber add_worker (string name, uint capacity = 0,
                                         AgentBus.Overflow overflow = AgentBus.Overflow.DROP_NEWEST) throws Error {
    var worker = new Worker (name, capacity, overflow);

    bus.subscribe (worker);
    return worker;
  }

  public void add_member (string name, string group) throws Error {
    bus.subscribe (new Worker.in_group (name, group));
  }

  public void send_updates (string target, uint first, uint last) {
    for (uint number = first; number <= last; number++)
      bus.send (update (target, number));
  }

  public void dispatch (owned AgentBus.Message message) throws Error {
    const string[] names = { "delivered", "parked", "refused" };
    string number = message.get_task_id ();

    tell (@"$(names[dispatcher.dispatch ((owned) message)]) $number");
  }

  public AgentBus.Actor boss;
  public AgentBus.Actor worker;
  public AgentBus.Job? job;

  public void add_actors () throws Error {
    boss = new AgentBus.Actor ("boss");
    worker = new AgentBus.Actor ("worker");
    bus.subscribe (boss);
    bus.subscribe (worker);
    worker.task_request.connect ((job) => {
      this.job = job;
      tell (@"worker $(job.get_task_name ()) $(job.get_payload ().get_int32 ())");
    });
  }

  public AgentBus.Task request (string target, string name, int number) {
    var task = boss.request (target, name, number);

    task.update.connect ((payload) => tell (@"update $(payload.get_int32 ())"));
    task.chunk.connect ((index, payload) => tell (@"chunk $index $(payload.get_int32 ())"));
    task.finished.connect (on_finished);
    return task;
  }

  public void keep_result (Object? object, AsyncResult result) {
    this.result = result;
  }

  public AsyncResult wait_result () {
    result = null;
    while (result == null)
      MainContext.default ().iteration (true);
    return result;
  }
}

bool on_hang () {
  error ("It hangs");
}

void add_case (string path, Case func) {
  Test.add_data_func (path, () => {
    uint watchdog = Timeout.add_seconds (30, on_hang);

    told = {};
    reported = {};
    try {
      func (new Story ());
    } catch (Error e) {
      error ("%s", e.message);
    }
    Source.remove (watchdog);
  });
}
