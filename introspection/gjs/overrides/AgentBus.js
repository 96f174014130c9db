// SPDX-License-Identifier: LGPL-2.1-or-later
// What makes the bus feel at home in JavaScript. GJS loads it by itself. What introspection gives is there as before.

const {Gio, GLib, GObject} = imports.gi;
const {addActors, guardTasks} = imports.overrides.AgentBusActors;
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
        count(SAMPLE * (MESSAGE_WEIGHT + weighMessage(message)));
}

// Nothing is built of a text for this.
function weighMessage(message) {
    if (message.has_payload_json())
        return message.dup_payload_json().length;
    return weigh(message.get_payload() ?? message.get_frame()?.get_contents());
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

// Whether JSON.stringify() says all of a value. Then nobody has to check what it comes by, which takes longer than all
// the rest.
function isSimple(value, depth = 0) {
    switch (typeof value) {
    case 'string': case 'boolean':
        return true;
    case 'number':
        return Number.isFinite(value);
    case 'object':
        break;
    default:
        return false;
    }
    if (value === null)
        return true;
    if (depth > 32 || value.toJSON !== undefined)
        return false;
    if (Object.getPrototypeOf(value) === Object.prototype) {
        for (const key in value) {
            const item = value[key];

            if (typeof item !== 'string' && item !== undefined && !isSimple(item, depth + 1))
                return false;
        }
        return true;
    }
    if (!Array.isArray(value))
        return false;
    for (let i = 0; i < value.length; i++) {
        if (!isSimple(value[i], depth + 1))
            return false;
    }
    return true;
}

function toJson(value) {
    return isSimple(value) ? JSON.stringify(value) : JSON.stringify(value, check);
}

// Throws what says best why a value cannot be packed.
function refuse(error, value, path) {
    if (error instanceof InternalError)
        throw new TypeError(`${path} is nested too deeply`);
    explain(value, path);
    throw error;
}

// Variants and bytes travel as they are, all else as text.
function isJson(value) {
    if (typeof value !== 'object' || value === null)
        return value !== null;
    return Object.getPrototypeOf(value) === Object.prototype ||
        !(value instanceof GLib.Variant || value instanceof Uint8Array);
}

function pack(value, path = 'payload') {
    if (value === null || value instanceof GLib.Variant)
        return value;
    if (value instanceof Uint8Array)
        return GLib.Variant.new_from_bytes(new GLib.VariantType('ay'), new GLib.Bytes(value), true);
    try {
        return AgentBus.payload_from_json(toJson(value));
    } catch (error) {
        return refuse(error, value, path);
    }
}

// The text of a payload. Nothing is built of it.
function packText(value) {
    try {
        return toJson(value);
    } catch (error) {
        return refuse(error, value, 'payload');
    }
}

function setText(message, text, value) {
    try {
        message.set_payload_json(text);
    } catch (error) {
        refuse(error, value, 'payload');
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

function checkTopic(klass) {
    const original = klass.prototype.set_topic;

    klass.prototype.set_topic = function (topic) {
        if (topic !== null && !AgentBus.topic_is_valid(topic))
            throw new TypeError(`'${topic}' is no topic`);
        return original.call(this, topic);
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
            else if (/capacity$|timeout$|^max[-_]?[abjp]|^wait[-_]?for/i.test(key))
                checked[key] = toInteger(key, checked[key]);
        }
        return GObject.Object.prototype._init.call(this, checked, ...rest);
    };
}

function addChecks() {
    const {Bus, Message, RetryPolicy, RouterDispatcher, Subscriber} = AgentBus;

    [Bus, RouterDispatcher, Subscriber].forEach(checkConstruction);
    checkArguments(Message, 'set_ttl', 'ttl');
    checkTopic(Message);
    checkArguments(Bus, 'set_shutdown_timeout', 'timeout');
    checkArguments(RouterDispatcher, 'set_capacity', 'capacity');
    checkArguments(RouterDispatcher, 'get_timeout', 'MessageType');
    checkArguments(RouterDispatcher, 'set_timeout', 'MessageType', 'timeout');
    checkArguments(RetryPolicy, 'set_initial_delay', 'delay');
    checkArguments(RetryPolicy, 'set_max_delay', 'delay');
    checkArguments(Subscriber, 'set_capacity', 'capacity');
    checkArguments(Subscriber, 'set_max_age', 'max_age');
    checkArguments(Subscriber, 'set_max_bytes', 'max_bytes');
    checkProperty(Bus, 'shutdown_timeout');
    checkProperty(Subscriber, 'capacity');
    checkProperty(Subscriber, 'max_age');
    checkProperty(Subscriber, 'max_bytes');
    // GJS makes an empty array of NULL.
    Object.defineProperty(Subscriber.prototype, 'accepts', {
        get() {
            return this.accepts_all() ? null : this.dup_accepts();
        },
        set(value) {
            this.set_accepts(value);
        },
    });
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
const settings = ['ttl', 'reliable', 'error_reply', 'cause', 'trace', 'topic', 'retained', 'conversation'];

const convert = {
    payload: pack, metadata: value => pack(value, 'metadata'),
    status: value => toNumber('TaskStatus', value), direction: value => toNumber('FrameDirection', value),
    channel: value => toNumber('Channel', value),
};

// Message.NAME(...arguments, {options})
//
// @make: makes the message of the arguments and of the options that have defaults, in this order
function addConstructor(name, nArgs, defaults, make) {
    const keys = Object.keys(defaults);
    const known = new Set([...keys, ...settings]);

    AgentBus.Message[name] = (...args) => {
        const options = (args.length > nArgs ? args.pop() : null) ?? {};
        let hasSettings = false, text = null, weight = 0;

        if (typeof options !== 'object')
            throw new TypeError(`Message.${name}() wants its options as an object, not ${options}`);

        for (const key in options) {
            if (!known.has(key))
                throw new TypeError(`Message.${name}() has no option '${key}'`);
            hasSettings ||= !(key in defaults);
        }
        while (args.length < nArgs)
            args.push(null);
        for (let i = 0; i < keys.length; i++) {
            const key = keys[i];
            let value = options[key] ?? defaults[key];

            if (key === 'payload' && isJson(value)) {
                text = packText(value);
                value = null;
            } else if (key in convert) {
                value = convert[key](value);
            }
            if (key === 'payload' || key === 'data')
                weight = text?.length ?? weigh(value);
            args.push(value);
        }

        const message = make(...args);

        if (text !== null)
            setText(message, text, options.payload);
        if (hasSettings)
            applySettings(message, options);
        count(MESSAGE_WEIGHT + weight);
        return message;
    };
}

function applySettings(message, options) {
    for (const key of settings) {
        if (options[key] !== undefined)
            message[`set_${key}`](options[key]);
    }
}

function addMessages() {
    const {Frame, Message, MessageType} = AgentBus;

    for (const [name, [nArgs, defaults]] of Object.entries(constructors)) {
        addConstructor(name, nArgs, defaults, Message[`new_${name}`].bind(Message));
    }
    for (let type = MessageType.REQUEST_INFERENCE; type <= MessageType.HAND_OFF; type++) {
        if (type === MessageType.CUSTOM)
            continue;
        addConstructor(MessageType.to_string(type).replace(/-/g, '_'), 2, {payload: null},
            (...args) => Message.new_routed(type, ...args));
    }
    // An array of boxed values does not arrive in C, so the agents are given as objects, in the wire form.
    addConstructor('agent_registry', 2, {runner: '', infos: []}, (source, target, runner, infos) => {
        const content = pack({source, runner, ...target === null ? {} : {target}}).deepUnpack();

        content.infos = new GLib.Variant('aa{sv}', infos.map(info => pack(info).deepUnpack()));
        return Message.new_from_variant(new GLib.Variant('(ysa{sv})', [1, 'agent-registry', content]));
    });
    addConstructor('custom', 3, {channel: 'data', payload: null},
        (name, source, target, channel, payload) => Message.new_custom(name, channel, source, target, payload));
    addConstructor('frame', 2, {frame: null, kind: null, data: null, metadata: null, direction: 'downstream'},
        (source, target, frame, kind, data, metadata, direction) =>
            Message.new_frame(source, target, frame ?? Frame.new(kind, data, metadata), direction));

    for (const name of ['name', 'channel', 'source', 'target', 'seq', 'sent_at', 'direction', 'reason', 'task_id',
        'task_name', 'status', 'frame', 'info', 'infos', 'runner', 'ttl', 'cause', 'trace',
        'topic', 'conversation', 'epoch']) {
        addGetter(Message, name, function () {
            return this[`get_${name}`]();
        });
    }
    for (const [name, get] of [['type', 'get_message_type'], ['reliable', 'is_reliable'],
        ['error_reply', 'wants_error_reply'], ['retained', 'is_retained']]) {
        addGetter(Message, name, function () {
            return this[get]();
        });
    }
    // Of the copy of a monitor, else null. The reason is null if anybody has accepted the message.
    addGetter(Message, 'fate', function () {
        const [known, n_accepted, reason] = this.get_fate();

        return known ? {n_accepted, reason: n_accepted > 0 ? null : reason} : null;
    });
    addGetter(Message, 'payload', function () {
        return JSON.parse(this.dup_payload_json());
    });
    Message.prototype.toString = Message.prototype.to_string;
    // message.copy({source, target, options}): target null for everybody
    Message.prototype.copy = function ({source = null, target = this.target, ...options} = {}) {
        const unknown = Object.keys(options).find(key => !settings.includes(key));

        if (unknown !== undefined)
            throw new TypeError(`message.copy() has no option '${unknown}'`);

        const copy = this.copy_full(source, target);

        for (const key in options)
            copy[`set_${key}`](options[key]);
        return copy;
    };
}

// --- Routes ---

// Objects in place of variants; an actor without a router has null.
function addRoutes() {
    const {prototype} = AgentBus.RouteTable;
    const {rebalance, restore, snapshot} = prototype;

    prototype[Symbol.iterator] = function () {
        return this.list_actors(null)[Symbol.iterator]();
    };
    prototype.snapshot = function () {
        const routes = snapshot.call(this).deepUnpack();

        return Object.fromEntries(Object.entries(routes).map(([actor, router]) => [actor, router || null]));
    };
    prototype.restore = function (routes) {
        if (!(routes instanceof GLib.Variant)) {
            const entries = Object.entries(routes).map(([actor, router]) => [actor, router ?? '']);

            routes = new GLib.Variant('a{ss}', Object.fromEntries(entries));
        }
        return restore.call(this, routes);
    };
    prototype.rebalance = function (routers, weights = null) {
        if (weights !== null && !(weights instanceof GLib.Variant)) {
            if (!Object.values(weights).every(weight => weight >= 0 && weight < Infinity))
                throw new RangeError('a weight has to be 0 or more');
            weights = new GLib.Variant('a{sd}', weights);
        }

        const moves = rebalance.call(this, routers, weights).deepUnpack();

        return moves.map(([actor, before, now]) => [actor, before || null, now]);
    };
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

const isSourceOfCancel = options => options === null || options instanceof Gio.Cancellable || isSignal(options);

// A cancellable for one operation, of a Gio.Cancellable, of {signal}, where either will do, or of nothing. @leave ends
// the listening, @getReason is what a signal was aborted with.
function listen(options) {
    const isSource = isSourceOfCancel(options);
    const unknown = isSource ? undefined : Object.keys(options).find(key => key !== 'signal');
    const source = isSource ? options : options.signal ?? null;

    if (unknown !== undefined)
        throw new TypeError(`Waiting has no option '${unknown}', only signal`);
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
    // The flags, and what remains for listen().
    const split = options => {
        const {drain = false, ...others} = isSourceOfCancel(options) ? {} : options;

        return [drain ? DRAIN : NONE, isSourceOfCancel(options) ? options : others];
    };

    Bus.prototype.stop = function (options = null) {
        return this.stop_full_async(...split(options));
    };
    // Without options nobody waits, as from C.
    Bus.prototype.unsubscribe = function (name, options = null) {
        return options === null ? unsubscribeByHand.call(this, name)
            : this.unsubscribe_full_async(name, ...split(options));
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

// A call of next(). One whose promise was raced with another one may have been given up, which nobody tells: only what it
// resolves to is then looked at, or is not. What is awaited is never given up. So each of two calls at once gets a message.
class Next {
    constructor(number) {
        this.number = number;
        this.lastBefore = Infinity; // number of the last call before the promise was raced
        this.unseen = false;
        this.promise = new Promise((resolve, reject) => Object.assign(this, {resolve, reject}));
    }

    // Promise.race() and the like call then(), which await does not. @getNumber: the number of the last call so far
    watch(getNumber) {
        const value = (...args) => {
            Promise.resolve().then(() => (this.lastBefore = Math.min(this.lastBefore, getNumber())));
            return Promise.prototype.then.apply(this.promise, args);
        };

        Object.defineProperty(this.promise, 'then', {value});
        return this;
    }

    isGivenUpFor(call) {
        return this.unseen && call.number > this.lastBefore;
    }

    settle(value) {
        if (this.lastBefore === Infinity) {
            this.resolve({value, done: false});
            return;
        }

        const see = result => {
            this.unseen = false;
            return result;
        };

        // What wins a race is asked whether it is a promise.
        this.resolve(Object.create({get then() {
            return see(undefined);
        }}, {
            value: {get: () => see(value), enumerable: true},
            done: {get: () => see(false), enumerable: true},
        }));
        this.unseen = true;
    }
}

// for await (const message of subscriber): the message is in hand until the loop asks for the next one or leaves. Calls
// of next() are served one after the other; what one of them got after it had been given up, the following one gets. The
// loop ends when its subscriber is on no bus.
function iterate() {
    const cancellable = new Gio.Cancellable();
    const calls = [];
    let inHand = null, holder = null, left = false, serving = false, number = 0;

    const complete = () => {
        inHand?.complete();
        inHand = holder = null;
    };
    const receive = async () => {
        complete();
        inHand = await this.receive_delivery_async(cancellable);
        count(DELIVERY_WEIGHT);
        countMessage(inHand.message);
    };
    const serve = async () => {
        serving = true;
        while (calls.length > 0) {
            let failure = null;

            try {
                if (holder?.isGivenUpFor(calls[0]))
                    await null; // who got it now looks at it first
                if (!left && !holder?.isGivenUpFor(calls[0]))
                    await receive();
            } catch (error) {
                left ||= isClosed(error);
                failure = left ? null : error;
            }

            const call = calls.shift();

            if (failure !== null) {
                call.reject(failure);
            } else if (inHand === null) {
                call.resolve({done: true});
            } else {
                holder = call;
                call.settle(inHand.message);
            }
            if (left)
                complete();
        }
        serving = false;
    };

    this.paused = true;
    return {
        next() {
            const call = new Next(++number).watch(() => number);

            calls.push(call);
            if (!serving)
                serve(); // at once, so that it is served if the subscriber leaves now
            return call.promise;
        },
        async return() {
            left = true;
            cancellable.cancel();
            if (holder?.unseen) {
                inHand.fail_message('Nobody looked at what next() gave');
                inHand = null;
            }
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
    addRoutes();

    deferByHand = Subscriber.prototype.defer;
    Subscriber.prototype.defer = defer;
    Subscriber.prototype.on = on;
    receiveByHand = Subscriber.prototype.receive;
    Subscriber.prototype.receive = receive;
    Subscriber.prototype[Symbol.asyncIterator] = iterate;
    Subscriber._classInit = function (klass) {
        guardHandlers(klass);
        guardTasks(klass);
        return GObject.Object._classInit.call(this, klass);
    };

    addPromise(Bus, 'start', 0);
    addPromise(Bus, 'stop', 0);
    addPromise(Bus, 'stop_full', 1);
    addPromise(Bus, 'unsubscribe', 1);
    addPromise(Bus, 'unsubscribe_full', 2);
    addPromise(Bus, 'flush', 1);
    addPromise(Bus, 'send', 1);
    addPromise(RouterDispatcher, 'stop', 0);
    addPromise(RouterDispatcher, 'drain_router', 1);
    RouterDispatcher.prototype.drain_router = RouterDispatcher.prototype.drain_router_async;
    addPromise(Subscriber, 'receive', 0);
    addPromise(Subscriber, 'receive_delivery', 0);
    Bus.prototype.start = Bus.prototype.start_async;
    const addMonitor = Bus.prototype.add_monitor;

    Bus.prototype.add_monitor = function (subscriber, filter = null) {
        return addMonitor.call(this, subscriber, filter);
    };
    for (const klass of [Bus, RouterDispatcher]) {
        klass.prototype.stop = function (options = null) {
            return this.stop_async(options);
        };
        addGetter(klass, 'statistics', function () {
            return this.get_statistics().recursiveUnpack();
        });
    }
    addGetter(AgentBus.Transport, 'statistics', function () {
        return this.get_statistics().recursiveUnpack();
    });
    addLeaving(Bus);
    addActors(AgentBus, {
        OBJECT_WEIGHT: DELIVERY_WEIGHT, addGetter, addPromise, checkArguments, checkProperty, count, isJson, isSourceOfCancel,
        listen, pack, packText, promise, refuse, toInteger,
    });
    Bus.prototype.toString = function () {
        const {sent, delivered, queued} = this.statistics;

        return `[AgentBus.Bus subscribers=${this.n_subscribers} sent=${sent} delivered=${delivered} queued=${queued}]`;
    };
}
