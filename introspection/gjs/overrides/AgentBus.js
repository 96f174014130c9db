// SPDX-License-Identifier: LGPL-2.1-or-later
// What makes the bus feel at home in JavaScript. GJS loads it by itself. What introspection gives is there as before.

const {Gio, GLib, GObject} = imports.gi;
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

// --- Arguments ---

// What JSON.stringify() would leave out, or make something else of without a word.
function describe(value, original) {
    switch (typeof value) {
    case 'function': case 'symbol': case 'bigint': case 'undefined':
        return `of type ${typeof value}`;
    case 'number':
        return Number.isFinite(value) ? null : `${value}`;
    case 'object':
        break;
    default:
        return null;
    }
    if (value === null) // also what Date.prototype.toJSON() makes of an invalid date
        return original instanceof Date ? 'an invalid Date' : null;
    if (Array.isArray(value))
        return null;

    const prototype = Object.getPrototypeOf(value);

    if (prototype === null || prototype === Object.prototype)
        return null;
    return value instanceof Promise ? 'a Promise (is there an await missing?)' : `of class ${value.constructor?.name}`;
}

// A property that is undefined is left out, as everywhere in JavaScript; in an array it would become null.
function check(key, value) {
    if (value === undefined && key !== '' && !Array.isArray(this))
        return value;
    if (describe(value, this[key]) !== null)
        throw new TypeError('not for JSON');
    return value;
}

// Throws what says where in a payload the reason is for which it cannot be packed; returns if none is seen.
function explain(original, path, within = []) {
    const value = typeof original?.toJSON === 'function' ? original.toJSON() : original;
    const what = describe(value, original);

    if (what !== null)
        throw new TypeError(`${path} is ${what}, which cannot be in a payload`);
    if (typeof value === 'string' && /\0|[\ud800-\udfff]/u.test(value))
        throw new TypeError(`${path} has a NUL character or half of a surrogate pair`);
    if (typeof value !== 'object' || value === null)
        return;
    if (within.includes(value))
        throw new TypeError(`${path} contains itself`);
    within.push(value);
    if (Array.isArray(value)) {
        for (let i = 0; i < value.length; i++)
            explain(value[i], `${path}[${i}]`, within);
    } else {
        for (const [key, item] of Object.entries(value).filter(([, one]) => one !== undefined)) {
            explain(key, `a key of ${path}`);
            explain(item, `${path}${/^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`}`, within);
        }
    }
    within.pop();
}

function pack(value, path = 'payload') {
    if (value === null || value instanceof GLib.Variant)
        return value;
    if (value instanceof Uint8Array)
        return GLib.Variant.new_from_bytes(new GLib.VariantType('ay'), new GLib.Bytes(value), true);

    try {
        return AgentBus.payload_from_json(JSON.stringify(value, check));
    } catch (error) {
        if (error instanceof InternalError)
            throw new TypeError(`${path} is nested too deeply`);
        explain(value, path);
        throw error;
    }
}

// The value of an enumeration, of itself or of its nick.
function toNumber(type, value) {
    const values = AgentBus[type];
    const number = typeof value === 'string' ? values[value.toUpperCase().replace(/-/g, '_')] : value;

    if (typeof number !== 'number' || !Object.values(values).includes(number))
        throw new TypeError(`AgentBus.${type} has no '${value}'`);
    return number;
}

// Of a number with a fraction GJS makes another one, and 0 of NaN.
function toInteger(name, value) {
    if (!Number.isSafeInteger(value) || value < 0)
        throw new RangeError(`${name} is ${value}, but has to be a whole number`);
    return value;
}

function addGetter(klass, name, get) {
    Object.defineProperty(klass.prototype, name, {get});
}

// @places: for each argument of a method the name of an enumeration, or of what has to be a whole number
function checkArguments(klass, name, ...places) {
    const original = klass.prototype[name];

    klass.prototype[name] = function (...args) {
        places.forEach((place, i) => {
            args[i] = place in AgentBus ? toNumber(place, args[i]) : toInteger(place, args[i]);
        });
        return original.apply(this, args);
    };
}

// A property that has a setter whose arguments are checked, in the three ways to write it.
function checkProperty(klass, name) {
    const spellings = [name, name.replace(/_/g, '-'), name.replace(/_./g, part => part[1].toUpperCase())];

    for (const spelling of new Set(spellings)) {
        Object.defineProperty(klass.prototype, spelling, {
            get() {
                return this[`get_${name}`]();
            },
            set(value) {
                this[`set_${name}`](value);
            },
        });
    }
}

// What new KLASS({...}) is given.
function checkConstruction(klass) {
    klass.prototype._init = function (properties = {}, ...rest) {
        const checked = {...properties};

        for (const key in checked) {
            if (key === 'overflow')
                checked[key] = toNumber('Overflow', checked[key]);
            else if (/capacity$|timeout$|^max[-_]?[aAbB]/i.test(key))
                checked[key] = toInteger(key, checked[key]);
        }
        return GObject.Object.prototype._init.call(this, checked, ...rest);
    };
}

function addChecks() {
    const {Bus, Message, RetryPolicy, RouterDispatcher, Subscriber} = AgentBus;

    [Bus, RouterDispatcher, Subscriber].forEach(checkConstruction);
    checkArguments(Message, 'set_ttl', 'ttl');
    checkArguments(Bus, 'set_shutdown_timeout', 'timeout');
    checkArguments(RouterDispatcher, 'set_capacity', 'capacity');
    checkArguments(RouterDispatcher, 'get_timeout', 'MessageType');
    checkArguments(RouterDispatcher, 'set_timeout', 'MessageType', 'timeout');
    checkArguments(RetryPolicy, 'set_initial_delay', 'delay');
    checkArguments(RetryPolicy, 'set_max_delay', 'delay');
    checkProperty(Bus, 'shutdown_timeout');
    checkProperty(RouterDispatcher, 'capacity');
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
    payload: pack, metadata: value => pack(value, 'metadata'),
    status: value => toNumber('TaskStatus', value), direction: value => toNumber('FrameDirection', value),
    channel: value => toNumber('Channel', value),
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

            values[key] = key in convert ? convert[key](value) : value;
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

    for (const name of ['name', 'channel', 'source', 'target', 'seq', 'sent_at', 'direction', 'reason', 'task_id',
        'task_name', 'status', 'frame', 'info', 'infos', 'runner', 'ttl', 'cause', 'trace']) {
        addGetter(Message, name, function () {
            return this[`get_${name}`]();
        });
    }
    for (const [name, get] of [['type', 'get_message_type'], ['reliable', 'is_reliable'],
        ['error_reply', 'wants_error_reply']]) {
        addGetter(Message, name, function () {
            return this[get]();
        });
    }
    addGetter(Message, 'payload', function () {
        return JSON.parse(this.dup_payload_json());
    });
    Message.prototype.toString = Message.prototype.to_string;
}

// --- Handlers ---

const TURN = Symbol('turn');

const identify = message => `${message.get_seq()}/${message.get_sent_at()}`;

// The delivery of the message in hand. All its async handlers share it, and the last one that settles ends it, after they
// all have returned. The subscriber does not hold it longer than that: one that nobody settles must be seen as dropped.
function takeDelivery(subscriber, message) {
    const id = identify(message);

    if (subscriber[TURN]?.id !== id)
        subscriber[TURN] = {id, nPending: 0, failure: null, delivery: null, byHand: false};

    const turn = subscriber[TURN];
    const settle = (failure = null) => {
        turn.failure ??= failure;
        if (--turn.nPending > 0)
            return;
        if (turn.failure === null)
            turn.delivery?.complete();
        else
            turn.delivery?.fail_message(turn.failure);
    };

    if (turn.byHand)
        return () => {};
    if (turn.nPending++ === 0) {
        turn.nPending++;
        turn.delivery = deferByHand.call(subscriber);
        Promise.resolve().then(() => {
            if (subscriber[TURN] === turn)
                subscriber[TURN] = null;
            settle();
        });
        count(DELIVERY_WEIGHT);
    }
    return settle;
}

let deferByHand; // what introspection gives

// subscriber.defer(): async handlers then do not hold the subscriber for this message.
function defer() {
    if (this[TURN]?.delivery)
        throw new Error('The message in hand belongs to an async handler: its delivery is its own');

    const delivery = deferByHand.call(this);

    if (delivery === null)
        throw new Error('defer() wants to be called in a handler, once for a message');
    this[TURN] = {id: identify(delivery.get_message()), byHand: true};
    return delivery;
}

// Calls a handler, plain or async.
function handle(subscriber, message, handler, owned = message) {
    const fail = error => {
        console.warn(`'${subscriber.name}' failed to handle ${message}: ${error}\n${error?.stack ?? ''}`);
        return `${error?.message ?? error}`;
    };

    countMessage(message);
    try {
        const result = handler.call(subscriber, owned);

        if (typeof result?.then === 'function') {
            const settle = takeDelivery(subscriber, message);

            result.then(() => settle(), error => settle(fail(error)));
        }
    } catch (error) {
        takeDelivery(subscriber, message)(fail(error));
    }
}

// The detail of the signal for a type of MessageType, its nick in any spelling, or the name of a custom message.
function toDetail(name) {
    const {MessageType} = AgentBus;

    if (typeof name === 'number' && name !== MessageType.CUSTOM)
        return MessageType.to_string(toNumber('MessageType', name));
    if (typeof name !== 'string' || name === '')
        throw new TypeError(`on() wants a type or a name of messages, not ${name === '' ? 'an empty one' : name}`);

    const type = MessageType[name.toUpperCase().replace(/-/g, '_')];

    if (typeof type === 'number')
        return MessageType.to_string(type);
    if (name.includes('_'))
        console.warn(`on('${name}'): no type of messages has this name, so only custom ones of this name are heard`);
    return name;
}

// subscriber.on([name,] handler): an id for disconnect()
function on(...args) {
    const handler = args.pop();
    const signal = args.length === 0 ? 'message' : `message::${toDetail(args[0])}`;

    if (typeof handler !== 'function')
        throw new TypeError(`on() wants a function, not ${handler}`);
    return this.connect(signal, (subscriber, message) => handle(subscriber, message, handler));
}

// GJS hands a virtual function its message without a reference: one that is kept would be dangling. And it does not
// wait for a promise.
function guardHandlers(klass) {
    for (const name of ['vfunc_message', 'on_message']) {
        const handler = Object.getOwnPropertyDescriptor(klass.prototype, name)?.value;

        if (handler === undefined)
            continue;
        klass.prototype[name] = function guarded(message) {
            if (this.constructor.prototype[name] !== guarded)
                return handler.call(this, message); // from the method of a subclass
            handle(this, message, handler, name === 'vfunc_message' ? message.ref() : message);
            return undefined;
        };
    }
}

// --- Endings ---

const isSignal = value => typeof value?.addEventListener === 'function' && 'aborted' in value;

// A cancellable for one operation, of a Gio.Cancellable, of {signal}, where either will do, or of nothing. @leave ends
// the listening, @getReason is what a signal was aborted with.
function listen(options) {
    const source = options === null || options instanceof Gio.Cancellable || isSignal(options) ? options
        : options.signal ?? null;

    if (source === null || source instanceof Gio.Cancellable)
        return {cancellable: source, leave() {}, getReason() {}};
    if (!isSignal(source))
        throw new TypeError(`The signal is neither a Gio.Cancellable nor like an AbortSignal, but ${source}`);

    const cancellable = new Gio.Cancellable();
    const cancel = () => cancellable.cancel();

    if (source.aborted)
        cancel();
    else
        source.addEventListener('abort', cancel);
    return {
        cancellable,
        leave: () => source.removeEventListener?.('abort', cancel),
        getReason: () => source.aborted ? source.reason : undefined,
    };
}

// A promise of what start(cancellable, callback) and finish(result) give.
function promise(options, start, finish) {
    const {cancellable, leave, getReason} = listen(options);

    return new Promise((resolve, reject) => start(cancellable, (_object, result) => {
        leave();
        try {
            resolve(finish(result));
        } catch (error) {
            const isCancelled = error instanceof GLib.Error &&
                error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED);

            reject(isCancelled ? getReason() ?? error : error);
        }
    }));
}

// Without a callback, NAME_async() returns a promise; all but the @nNeeded first arguments may be left out.
function addPromise(klass, name, nNeeded) {
    const {[`${name}_async`]: start, [`${name}_finish`]: finish} = klass.prototype;

    klass.prototype[`${name}_async`] = function (...args) {
        if (args.length > nNeeded + 1)
            return start.apply(this, args);
        while (args.length < nNeeded)
            args.push(null);

        const options = args[nNeeded] ?? null;

        return promise(options, (...rest) => start.call(this, ...args.slice(0, nNeeded), ...rest),
            result => finish.call(this, result));
    };
}

// bus.stop({drain: true}), bus.unsubscribe(NAME, {drain: true}), bus.flush(NAME)
function addLeaving(Bus) {
    const unsubscribeByHand = Bus.prototype.unsubscribe;
    const {DRAIN, NONE} = AgentBus.LeaveFlags;
    const toFlags = options => options?.drain ? DRAIN : NONE;

    Bus.prototype.stop = function (options = null) {
        return this.stop_full_async(toFlags(options), options);
    };
    // Without options nobody waits, as from C.
    Bus.prototype.unsubscribe = function (name, options = null) {
        return options === null ? unsubscribeByHand.call(this, name)
            : this.unsubscribe_full_async(name, toFlags(options), options);
    };
    Bus.prototype.flush = function (name = null, options = null) {
        return this.flush_async(name, options);
    };
}

// --- Receiving ---

let receiveByHand; // what introspection gives

// subscriber.receive({signal}): a promise of the next message. The subscriber is paused from then on, so that what
// comes between two calls waits for the next one. With a number it is what introspection gives, and blocks.
function receive(...args) {
    if (typeof args[0] === 'number')
        return receiveByHand.apply(this, args);
    this.paused = true;
    return this.receive_async(args[0]).then(message => {
        countMessage(message);
        return message;
    });
}

const isClosed = error => error instanceof GLib.Error && error.matches(AgentBus.BusError, AgentBus.BusError.CLOSED);

// for await (const message of subscriber): the message is in hand until the loop asks for the next one or leaves. Calls
// of next() are served one after the other. The loop ends when its subscriber is on no bus.
function iterate() {
    const cancellable = new Gio.Cancellable();
    let inHand = null, left = false, nWaiting = 0, last = null;

    const complete = () => {
        inHand?.complete();
        inHand = null;
    };
    const take = async () => {
        complete();
        if (left)
            return {done: true};
        try {
            inHand = await this.receive_delivery_async(cancellable);
        } catch (error) {
            if (!left && !isClosed(error))
                throw error;
            left = true;
            return {done: true};
        }

        const value = inHand.message;

        count(DELIVERY_WEIGHT);
        countMessage(value);
        if (left)
            complete();
        return {value, done: false};
    };

    this.paused = true;
    return {
        next() {
            // At once, if it can be, so that it is served if the subscriber leaves now.
            const result = nWaiting++ === 0 ? take() : last.then(take);

            last = result.catch(() => {}).finally(() => nWaiting--);
            return result;
        },
        async return() {
            left = true;
            cancellable.cancel();
            complete();
            return {done: true};
        },
    };
}

function _init() {
    AgentBus = this;

    const {Bus, RouterDispatcher, Subscriber} = AgentBus;

    addChecks();
    addMessages();

    deferByHand = Subscriber.prototype.defer;
    Subscriber.prototype.defer = defer;
    Subscriber.prototype.on = on;
    receiveByHand = Subscriber.prototype.receive;
    Subscriber.prototype.receive = receive;
    Subscriber.prototype[Symbol.asyncIterator] = iterate;
    Subscriber._classInit = function (klass) {
        guardHandlers(klass);
        return GObject.Object._classInit.call(this, klass);
    };

    addPromise(Bus, 'start', 0);
    addPromise(Bus, 'stop', 0);
    addPromise(Bus, 'stop_full', 1);
    addPromise(Bus, 'unsubscribe', 1);
    addPromise(Bus, 'unsubscribe_full', 2);
    addPromise(Bus, 'flush', 1);
    addPromise(RouterDispatcher, 'stop', 0);
    addPromise(Subscriber, 'receive', 0);
    addPromise(Subscriber, 'receive_delivery', 0);
    Bus.prototype.start = Bus.prototype.start_async;
    for (const klass of [Bus, RouterDispatcher]) {
        klass.prototype.stop = function (options = null) {
            return this.stop_async(options);
        };
        addGetter(klass, 'statistics', function () {
            return this.get_statistics().recursiveUnpack();
        });
    }
    addLeaving(Bus);
    Bus.prototype.toString = function () {
        const {sent, delivered, queued} = this.statistics;

        return `[AgentBus.Bus subscribers=${this.n_subscribers} sent=${sent} delivered=${delivered} queued=${queued}]`;
    };
}
