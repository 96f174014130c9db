// SPDX-License-Identifier: LGPL-2.1-or-later
// What makes the bus feel at home in JavaScript. GJS loads it by itself. What introspection gives is there as before.

const {GLib, GObject} = imports.gi;
const System = imports.system;

let AgentBus; // the namespace, once it is loaded

// GJS sees an object of some bytes where a message holds megabytes, so nothing makes it collect in time. What passes
// by is added up here: all but what comes to handlers that were connected with connect(). A delivery is a GObject,
// which is slow to make while many others wait to be collected.
const COLLECT_AT = 32 * 1024 * 1024;
const MESSAGE_WEIGHT = 1024;
const DELIVERY_WEIGHT = 8 * 1024;
const SAMPLE = 16;
let uncollected = 0;

function count(bytes) {
    uncollected += bytes;
    if (uncollected >= COLLECT_AT) {
        uncollected = 0;
        System.gc();
    }
}

// Not GLib.Bytes.get_size(), which leaks a reference in GJS 1.74.
const weigh = content => content?.byteLength ?? content?.toArray?.().length ?? content?.get_size() ?? 0;

// To ask for a size costs more than the rest of a plain handler, so a few messages stand for all.
function countMessage(message) {
    if (Math.random() * SAMPLE < 1)
        count(SAMPLE * (MESSAGE_WEIGHT + weigh(message.get_payload() ?? message.get_frame()?.get_data())));
}

function pack(value) {
    if (value === null || value instanceof GLib.Variant)
        return value;
    if (value instanceof Uint8Array)
        return GLib.Variant.new_from_bytes(new GLib.VariantType('ay'), new GLib.Bytes(value), true);

    const json = JSON.stringify(value);

    if (json === undefined)
        throw new TypeError(`A ${typeof value} cannot be a payload`);
    return AgentBus.payload_from_json(json);
}

const toNumber = type => value => {
    const number = typeof value === 'number' ? value : AgentBus[type][`${value}`.toUpperCase()];

    if (number === undefined)
        throw new TypeError(`AgentBus.${type} has no '${value}'`);
    return number;
};

function addGetter(klass, name, get) {
    Object.defineProperty(klass.prototype, name, {get});
}

// --- Messages ---

// How many arguments each constructor has, and its options with their defaults, in the order of Message.new_NAME().
const [PAYLOAD, REASON, RESPONSE] = [{payload: null}, {reason: null}, {status: 'completed', payload: null}];
const constructors = {
    activate: [2, PAYLOAD], deactivate: [2, {}], end: [2, REASON], cancel: [2, REASON], agent_ready: [1, {}],
    agent_error: [2, {reason: ''}], task_request: [3, {name: null, ...PAYLOAD}],
    task_response: [3, RESPONSE], task_response_urgent: [3, RESPONSE],
    task_update: [3, PAYLOAD], task_update_urgent: [3, PAYLOAD], task_update_request: [3, {}], task_cancel: [3, REASON],
    task_stream_start: [3, PAYLOAD], task_stream_data: [3, PAYLOAD], task_stream_end: [3, PAYLOAD],
};
const settings = ['ttl', 'reliable', 'error_reply', 'cause', 'trace'];

const convert = {
    payload: pack, metadata: pack,
    status: toNumber('TaskStatus'), direction: toNumber('FrameDirection'), channel: toNumber('Channel'),
};

// Message.NAME(...arguments, {options})
function addConstructor(name, nArgs, defaults, make) {
    AgentBus.Message[name] = (...args) => {
        const options = args.length > nArgs ? args.pop() ?? {} : {};
        const unknown = Object.keys(options).find(key => !(key in defaults) && !settings.includes(key));
        const values = {};

        if (unknown !== undefined)
            throw new TypeError(`Message.${name}() has no option '${unknown}'`);
        while (args.length < nArgs)
            args.push(null);
        for (const key in defaults) {
            const value = options[key] ?? defaults[key];

            values[key] = convert[key]?.(value) ?? value;
        }

        const message = make(args, values);

        for (const key of settings.filter(setting => options[setting] !== undefined))
            message[`set_${key}`](options[key]);
        count(MESSAGE_WEIGHT + weigh(values.payload ?? values.data));
        return message;
    };
}

function addMessages() {
    const {Frame, Message, MessageType} = AgentBus;

    for (const [name, [nArgs, defaults]] of Object.entries(constructors)) {
        addConstructor(name, nArgs, defaults,
            (args, values) => Message[`new_${name}`](...args, ...Object.values(values)));
    }
    for (let type = MessageType.REQUEST_INFERENCE; type <= MessageType.SHUTDOWN; type++) {
        addConstructor(MessageType.to_string(type).replace(/-/g, '_'), 2, {payload: null},
            (args, {payload}) => Message.new_routed(type, ...args, payload));
    }
    // An array of boxed values does not arrive in C, so the agents are given as objects, in the wire form.
    addConstructor('agent_registry', 2, {runner: '', infos: []}, ([source, target], {runner, infos}) => {
        const content = pack({source, runner, ...target === null ? {} : {target}}).deepUnpack();

        content.infos = new GLib.Variant('aa{sv}', infos.map(info => pack(info).deepUnpack()));
        return Message.new_from_variant(new GLib.Variant('(ysa{sv})', [1, 'agent-registry', content]));
    });
    addConstructor('custom', 3, {channel: 'data', payload: null},
        ([name, ...args], {channel, payload}) => Message.new_custom(name, channel, ...args, payload));
    addConstructor('frame', 2, {frame: null, kind: null, data: null, metadata: null, direction: 'downstream'},
        (args, {frame, kind, data, metadata, direction}) =>
            Message.new_frame(...args, frame ?? Frame.new(kind, data, metadata), direction));

    for (const name of ['name', 'source', 'target', 'seq', 'task_id', 'task_name', 'status', 'reason', 'frame']) {
        addGetter(Message, name, function () {
            return this[`get_${name}`]();
        });
    }
    addGetter(Message, 'payload', function () {
        return JSON.parse(this.dup_payload_json());
    });
    Message.prototype.toString = Message.prototype.to_string;
}

// --- Handlers ---

const TURN = Symbol('turn');

// The delivery of the message in hand. All its handlers share it, and the last one that settles ends it, after they all
// have returned. The subscriber does not hold it longer than that: one that nobody settles must be seen as dropped.
function takeDelivery(subscriber) {
    const turn = subscriber[TURN] ??= {nPending: 0, failure: null, delivery: null};
    const settle = (failure = null) => {
        turn.failure ??= failure;
        if (--turn.nPending > 0)
            return;
        if (turn.failure === null)
            turn.delivery?.complete();
        else
            turn.delivery?.fail_message(turn.failure);
    };

    if (turn.nPending++ === 0) {
        turn.nPending++;
        turn.delivery = subscriber.defer();
        Promise.resolve().then(() => {
            subscriber[TURN] = null;
            settle();
        });
        count(DELIVERY_WEIGHT);
    }
    return settle;
}

// subscriber.on([name,] handler): an id for disconnect()
function on(...args) {
    const handler = args.pop();

    return this.connect(['message', ...args].join('::'), (subscriber, message) => {
        const fail = error => {
            console.warn(`'${subscriber.name}' failed to handle ${message}: ${error}\n${error?.stack ?? ''}`);
            return `${error?.message ?? error}`;
        };

        countMessage(message);
        try {
            const result = handler.call(subscriber, message);

            if (typeof result?.then === 'function') {
                const settle = takeDelivery(subscriber);

                result.then(() => settle(), error => settle(fail(error)));
            }
        } catch (error) {
            takeDelivery(subscriber)(fail(error));
        }
    });
}

// The loop has the message it asked for, until it asks for the next one or leaves. One that comes before it asks waits.
function iterate() {
    let settle = null, waiting = null, asking = null, ended = false, bus = null, leaving = 0;

    const end = () => {
        ended = true;
        this.disconnect(id);
        if (leaving)
            bus.disconnect(leaving);
        settle?.();
        asking?.({done: true});
        settle = waiting = asking = bus = null;
    };
    const watch = () => {
        if (leaving || !(bus = this.bus))
            return;
        leaving = bus.connect('unsubscribed', (_bus, name) => {
            if (name === this.name)
                end();
        });
    };
    const id = this.connect('message', (subscriber, message) => {
        countMessage(message);
        watch();
        settle = takeDelivery(subscriber);
        if (asking === null)
            waiting = message;
        else
            asking({value: message, done: false});
        asking = null;
    });

    return {
        async next() {
            watch();
            if (waiting === null) {
                settle?.();
                settle = null;
                return ended ? {done: true} : new Promise(resolve => {
                    asking = resolve;
                });
            }

            const value = waiting;

            waiting = null;
            return {value, done: false};
        },
        async return() {
            if (!ended)
                end();
            return {done: true};
        },
    };
}

// GJS hands a virtual function its message without a reference: one that is kept would be dangling.
function guardHandlers(klass) {
    for (const name of ['vfunc_message', 'on_message']) {
        const handler = Object.getOwnPropertyDescriptor(klass.prototype, name)?.value;

        if (handler === undefined)
            continue;
        klass.prototype[name] = function (message) {
            countMessage(message);
            return handler.call(this, name === 'vfunc_message' ? message.ref() : message);
        };
    }
}

// --- Endings ---

// Without a callback, NAME_async() returns a promise; all but the @nNeeded first arguments may be left out.
function addPromise(klass, name, nNeeded) {
    const {[`${name}_async`]: start, [`${name}_finish`]: finish} = klass.prototype;

    klass.prototype[`${name}_async`] = function (...args) {
        if (args.length > nNeeded + 1)
            return start.apply(this, args);
        while (args.length < nNeeded + 1)
            args.push(null);
        return new Promise((resolve, reject) => start.call(this, ...args, (self, result) => {
            try {
                resolve(finish.call(self, result));
            } catch (error) {
                reject(error);
            }
        }));
    };
}

function _init() {
    AgentBus = this;

    const {Bus, RouterDispatcher, Subscriber} = AgentBus;

    addMessages();

    Subscriber.prototype.on = on;
    Subscriber.prototype[Symbol.asyncIterator] = iterate;
    Subscriber._classInit = function (klass) {
        guardHandlers(klass);
        return GObject.Object._classInit.call(this, klass);
    };

    addPromise(Bus, 'start', 0);
    addPromise(Bus, 'stop', 0);
    addPromise(Bus, 'unsubscribe', 1);
    addPromise(RouterDispatcher, 'stop', 0);
    Bus.prototype.start = Bus.prototype.start_async;
    for (const klass of [Bus, RouterDispatcher]) {
        klass.prototype.stop = function (cancellable = null) {
            return this.stop_async(cancellable);
        };
        addGetter(klass, 'statistics', function () {
            return this.get_statistics().recursiveUnpack();
        });
    }
    Bus.prototype.toString = function () {
        const {sent, delivered, queued} = this.statistics;

        return `[AgentBus.Bus subscribers=${this.n_subscribers} sent=${sent} delivered=${delivered} queued=${queued}]`;
    };
}
