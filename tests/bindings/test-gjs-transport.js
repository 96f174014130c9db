// SPDX-License-Identifier: LGPL-2.1-or-later
// One bus in two processes, from JavaScript; the other process speaks Python. Run by with-server.py.

imports.gi.versions.AgentBus = '1';
const {AgentBus, Gio, GLib} = imports.gi;
const {Actor, Bus, BusError, Message} = AgentBus;
const {assertEqual, rejection, run, test, until} = imports.tap;

const N_NUMBERS = 100;
const [PYTHON, OTHER_NODE] = ARGV;
const kind = GLib.getenv('AGENTBUS_TEST_KIND');
const address = GLib.getenv('AGENTBUS_TEST_ADDRESS');

function makeTransport() {
    if (kind === 'nats') {
        imports.gi.versions.AgentBusNats = '1';
        return new imports.gi.AgentBusNats.NatsTransport({
            nodeId: 'here', urls: [address], user: 'here', password: GLib.getenv('AGENTBUS_TEST_PASSWORD_here'),
        });
    }
    return new AgentBus.DBusTransport({
        nodeId: 'here', address, role: kind === 'peers' ? AgentBus.DBusRole.SERVER : AgentBus.DBusRole.MEMBER,
    });
}

class World {
    constructor() {
        this.appeared = [];
        this.vanished = [];
        this.transport = makeTransport();
        this.transport.connect('appeared', (_transport, node) => this.appeared.push(node));
        this.transport.connect('vanished', (_transport, node, _reason) => this.vanished.push(node));
        this.bus = new Bus({transport: this.transport});
        this.boss = new Actor({name: 'boss', wait_for_target: 60000});
    }

    async run(func) {
        await this.bus.start();
        this.bus.subscribe(this.boss);
        this.other = Gio.Subprocess.new([PYTHON, OTHER_NODE], Gio.SubprocessFlags.NONE);
        try {
            await func(this);
        } finally {
            this.other.force_exit();
            this.other.wait(null);
            await this.bus.stop();
        }
    }
}

const inTwoProcesses = (name, func) => test(name, () => new World().run(func));

inTwoProcesses('requests', async ({boss, transport, appeared, bus}) => {
    assertEqual(await boss.request('adder', 'sum', [1, 2, 3]), 6);
    await until(() => appeared.length > 0);
    assertEqual(appeared, ['there']);
    assertEqual([transport.state, transport.node_id], [AgentBus.TransportState.CONNECTED, 'here']);

    const registry = new AgentBus.Registry({bus});

    await registry.wait_for(['adder']);
    assertEqual(registry.lookup('adder').node, 'there');
});

inTwoProcesses('data', async ({boss, transport, bus}) => {
    const numbers = [...Array(N_NUMBERS).keys()];

    await boss.request('adder', 'sum', []);
    for (const payload of numbers)
        assertEqual(bus.send(Message.custom('number', 'boss', 'adder', {payload})), 1);
    for (let got = []; got.length < N_NUMBERS;) {
        got = await boss.request('adder', 'numbers');
        assertEqual(got, numbers.slice(0, got.length));
    }

    const ofNode = bus.statistics.transport.nodes.there;

    assertEqual([ofNode['data-sent'], ofNode['data-lost']], [N_NUMBERS, 0]);
    assertEqual(transport.statistics['data-sent'], N_NUMBERS);
});

inTwoProcesses('the other process is killed', async world => {
    const {boss, bus, vanished} = world;
    const gone = [];

    await boss.request('adder', 'sum', []);
    bus.watch_name('adder', null, (_bus, name) => gone.push(name));

    const task = boss.request('adder', 'hang');

    task.connect('update', () => world.other.force_exit());

    const error = await rejection(task);

    assertEqual(error.matches(BusError, BusError.CLOSED), true);
    await until(() => vanished.length > 0 && gone.length > 0);
    assertEqual([vanished, gone], [['there'], ['adder']]);
});

test('what cannot be opened', async () => {
    const bus = new Bus({transport: new AgentBus.DBusTransport({address: 'unix:path=/nowhere'})});

    assertEqual(await rejection(bus.start()) instanceof GLib.Error, true);
    await bus.stop();
});

run('/gjs-transport/', func => func());
