// SPDX-License-Identifier: LGPL-2.1-or-later
// A client asks a worker for a sum.

int main () {
    var loop = new MainLoop ();
    var bus = new AgentBus.Bus ();
    var worker = new AgentBus.Subscriber ("worker");
    var client = new AgentBus.Subscriber ("client");

    worker.message["task-request"].connect (message => {
        int sum = 0;

        foreach (var number in message.get_payload ())
            sum += number.get_int32 ();
        bus.send (new AgentBus.Message.task_response ("worker", message.get_source (), message.get_task_id (),
                                                      AgentBus.TaskStatus.COMPLETED, sum));
    });
    client.message["task-response"].connect (message => {
        print ("The sum is %d\n", message.get_payload ().get_int32 ());
        loop.quit ();
    });

    try {
        bus.subscribe (worker);
        bus.subscribe (client);
    } catch (Error e) {
        error ("%s", e.message);
    }
    int[] numbers = {1, 2, 3};
    bus.send (new AgentBus.Message.task_request ("client", "worker", "1", "sum", numbers));
    loop.run ();

    bus.stop_async.begin (null, () => loop.quit ());
    loop.run ();
    return 0;
}
