// SPDX-License-Identifier: LGPL-2.1-or-later
// Actors, and the tasks that they do for one another. A part of AgentBus.js.

const {GLib, GObject} = imports.gi;

let AgentBus, tools; // the namespace, and what is of use from AgentBus.js

const STREAM = Symbol('stream');
const HANDLERS = Symbol('handlers');

// How many chunks a generator sends before it asks whether those are read.
const CHUNKS_AT_ONCE = 16;

// --- Errors ---

const isGError = error => error instanceof GLib.Error;

// What can be in a payload.
const clean = text => `${text}`.replace(/[\ud800-\udfff]/gu, '\ufffd').replace(/\0/g, '');

// The error of a task, with the `type` and the text of what the worker has thrown, if it has.
function describeError(task) {
    const error = task.get_error();

    if (error === null)
        return null;

    const details = readResponse(task);

    error.type = null;
    if (typeof details?.type === 'string' && details.error === error.message) {
        error.type = details.type;
        if (typeof details.message === 'string')
            Object.defineProperty(error, 'message', {value: details.message});
    }
    return error;
}

function failJob(job, error) {
    if (isGError(error) && typeof error.type !== 'string')
        return failByHand.call(job, error);

    const type = isGError(error) ? error.type : error?.name ?? typeof error;
    const message = error?.message ?? error;

    return job.fail_details(tools.pack({
        error: clean(isGError(error) ? `${type}: ${message}` : error),
        type: clean(type),
        message: clean(message),
    }));
}

let failByHand; // what introspection gives

// --- The requester's side ---

const unpack = variant => variant === null ? null : JSON.parse(AgentBus.payload_to_json(variant));

// What was given as text is read as text.
function readResponse(task) {
    const text = task.get_response_json();

    return text === null ? unpack(task.get_response()) : JSON.parse(text);
}

// What comes of a task until it is looked at. Chunks are kept until somebody wants only the answer.
class Stream {
    constructor(task) {
        this.chunks = [];
        this.keeps = true;
        this.waiting = [];
        this.hearsEnd = false;
        task.connect('chunk', (_task, _index, payload) => {
            if (this.keeps)
                this.chunks.push(payload);
            this.wake();
        });
    }

    wake() {
        for (const resolve of this.waiting.splice(0))
            resolve();
    }

    // A promise of the next change.
    wait(task) {
        if (!this.hearsEnd) {
            this.hearsEnd = true;
            task.connect('finished', () => this.wake());
        }
        return new Promise(resolve => this.waiting.push(resolve));
    }
}

// await task
async function wait(task) {
    const stream = task[STREAM] ??= new Stream(task);

    if (stream.keeps) {
        stream.keeps = false;
        stream.chunks = [];
        task.set_reads_by_hand(false);
    }
    while (!task.has_finished())
        await stream.wait(task);

    const error = describeError(task);

    if (error !== null)
        throw error;
    return readResponse(task);
}

// for await (const chunk of task): who leaves the loop before its end cancels the task.
async function* iterate() {
    const stream = this[STREAM] ??= new Stream(this);
    let nRead = stream.chunks.length; // what came before the loop has been taken for read

    stream.keeps = true;
    this.set_reads_by_hand(true);
    try {
        for (;;) {
            while (stream.chunks.length > 0) {
                if (nRead > 0)
                    nRead--;
                else
                    this.mark_read(1);
                yield unpack(stream.chunks.shift());
            }
            if (this.has_finished())
                break;
            await stream.wait(this);
        }
    } finally {
        if (!this.has_finished())
            this.cancel('Nobody reads the answer any more');
    }

    const error = describeError(this);

    if (error !== null)
        throw error;
}

// A task that a signal or a cancellable cancels.
function follow(task, source) {
    if (source === null)
        return;

    const {cancellable, leave, getReason} = tools.listen(source);
    const cancel = () => {
        const reason = getReason();

        task.cancel(reason === undefined ? null : clean(reason?.message ?? reason));
    };

    if (cancellable === null)
        return;
    if (cancellable.is_cancelled()) {
        cancel();
        return;
    }

    const id = GObject.Object.prototype.connect.call(cancellable, 'cancelled', cancel);

    task.connect('finished', () => {
        leave();
        // Not disconnect() of the cancellable, which waits for the handler that this may be called by.
        GObject.signal_handler_disconnect(cancellable, id);
    });
}

// A request that is not sent yet.
function makeRequest(actor, target, name, payload, timeout, others) {
    return AgentBus.Message.task_request(actor.get_name(), target, '-', {name, payload, ttl: timeout, ...others});
}

function checkRequest(target, timeout) {
    if (typeof target !== 'string' || target === '')
        throw new TypeError('request() wants the name of somebody');
    tools.toInteger('timeout', timeout);
}

// What request() returns.
function track(task, signal) {
    tools.count(tools.OBJECT_WEIGHT);
    task[STREAM] = new Stream(task);
    follow(task, signal);
    return task;
}

function addTasks() {
    const {Actor, Task} = AgentBus;
    const {request, request_full} = Actor.prototype;

    // actor.request(TARGET, NAME, PAYLOAD, {timeout, signal, job, trace…}): a task, which is a promise of the answer too
    Actor.prototype.request = function (target, name = null, payload = null, options = {}) {
        const {timeout = 0, signal = null, job = null, ...others} = options ?? {};
        let task;

        checkRequest(target, timeout);
        if (timeout === 0 && job === null && Object.keys(others).length === 0) {
            task = request.call(this, target, name, tools.pack(payload));
        } else {
            const message = makeRequest(this, target, name, payload, timeout, others);

            task = request_full.call(this, message, job?.has_ended() ? null : job);
        }
        return track(task, signal);
    };

    Task.prototype.then = function (resolved, rejected) {
        return wait(this).then(resolved, rejected);
    };
    Task.prototype.catch = function (rejected) {
        return wait(this).catch(rejected);
    };
    Task.prototype.finally = function (settled) {
        return wait(this).finally(settled);
    };
    Task.prototype[Symbol.asyncIterator] = iterate;
    const {cancel, set_timeout} = Task.prototype;

    Task.prototype.cancel = function (reason = null) {
        cancel.call(this, reason);
    };
    Task.prototype.set_timeout = function (timeout) {
        set_timeout.call(this, tools.toInteger('timeout', timeout));
    };
    tools.addGetter(Task, 'response', function () {
        return readResponse(this);
    });
    tools.addGetter(Task, 'error', function () {
        return describeError(this);
    });
    Task.prototype.toString = function () {
        return `[AgentBus.Task ${this.task_name} of ${this.target}]`;
    };
}

// --- The worker's side ---

const isGenerator = value => typeof value?.next === 'function' &&
    (typeof value[Symbol.asyncIterator] === 'function' || typeof value[Symbol.iterator] === 'function');

// Each value that a generator yields is a chunk. Ends the generator when nobody wants more.
async function sendChunks(job, generator) {
    let nSent = 0;

    try {
        while (!job.has_ended() && !job.is_cancelled()) {
            const {value, done} = await generator.next();

            if (done)
                return value;
            if (++nSent % CHUNKS_AT_ONCE === 0)
                await job.send_chunk_async(value).catch(() => {}); // the job has ended
            else
                job.send_chunk(value);
        }
    } finally {
        await generator.return?.();
    }
    throw new GLib.Error(AgentBus.BusError, AgentBus.BusError.CANCELLED, 'Nobody wants more chunks');
}

// False if the job has ended already.
function completeWithText(job, response) {
    const text = tools.packText(response);

    try {
        return job.complete_json(text);
    } catch (error) {
        if (error.matches(AgentBus.BusError, AgentBus.BusError.CLOSED))
            return false;
        return tools.refuse(error, response, 'payload');
    }
}

// Ends a job with what its handler returned, if it has not done so itself.
function answer(worker, job, value) {
    if (job.has_ended())
        return;
    try {
        job.complete(value ?? null);
    } catch (error) {
        fail(worker, job, error);
    }
}

function fail(worker, job, error) {
    if (!isGError(error))
        console.warn(`'${worker.name}' failed to do a task: ${error}\n${error?.stack ?? ''}`);
    failJob(job, error);
}

// Calls a handler. @answers: what it returns is the answer; else it may keep the job.
function doJob(worker, job, handler, args, answers) {
    tools.count(tools.OBJECT_WEIGHT);
    try {
        let result = handler.apply(worker, args);

        if (isGenerator(result))
            result = sendChunks(job, result);
        if (typeof result?.then === 'function')
            result.then(value => answer(worker, job, value), error => fail(worker, job, error));
        else if (answers)
            answer(worker, job, result);
    } catch (error) {
        fail(worker, job, error);
    }
}

// Whether a function of task() does tasks of this name; null for all that have no other one.
function hasHandler(actor, name) {
    const id = actor[HANDLERS]?.get(name);

    return id !== undefined && GObject.signal_handler_is_connected(actor, id);
}

// worker.task([NAME,] handler): an id for disconnect(). The handler is called with the payload and the job.
function addTaskHandler(...args) {
    const handler = args.pop();
    const name = args.length === 0 ? null : args[0];

    if (typeof handler !== 'function')
        throw new TypeError(`task() wants a function, not ${handler}`);
    if (name !== null && (typeof name !== 'string' || name === ''))
        throw new TypeError(`task() wants the name of a task, not '${name}'`);
    if (hasHandler(this, name))
        throw new TypeError(`'${name}' has a handler already`);

    const id = this.connect(name === null ? 'task-request' : `task-request::${name}`, (worker, job) => {
        if (name !== null || job.task_name === null || !hasHandler(worker, job.task_name))
            doJob(worker, job, handler, [job.payload, job], true);
    });

    this[HANDLERS] ??= new Map();
    this[HANDLERS].set(name, id);
    return id;
}

// GJS does not wait for the promise of a virtual function, or for that of a handler of a class.
function guardTasks(klass) {
    for (const name of ['vfunc_task_request', 'on_task_request']) {
        const handler = Object.getOwnPropertyDescriptor(klass.prototype, name)?.value;

        if (handler === undefined)
            continue;
        klass.prototype[name] = function guarded(job) {
            if (this.constructor.prototype[name] !== guarded)
                return handler.call(this, job); // from the method of a subclass
            if (!hasHandler(this, job.task_name) && !hasHandler(this, null))
                doJob(this, job, handler, [job], false);
            return undefined;
        };
    }
}

function addJobs() {
    const {Actor, Job} = AgentBus;
    const {complete, send_chunk, send_chunk_async, update} = Job.prototype;
    const packChunk = payload => {
        if (payload === null || payload === undefined)
            throw new TypeError('A chunk cannot be null');
        return tools.pack(payload);
    };

    failByHand = Job.prototype.fail;
    Job.prototype.fail = function (error) {
        return failJob(this, error);
    };
    Job.prototype.complete = function (response = null) {
        return tools.isJson(response) ? completeWithText(this, response) : complete.call(this, tools.pack(response));
    };
    Job.prototype.update = function (payload = null) {
        return update.call(this, tools.pack(payload));
    };
    Job.prototype.send_chunk = function (payload) {
        return send_chunk.call(this, packChunk(payload));
    };
    Job.prototype.send_chunk_async = function (payload, ...rest) {
        return send_chunk_async.call(this, packChunk(payload), ...rest);
    };
    tools.addPromise(Job, 'send_chunk', 1);
    tools.addGetter(Job, 'payload', function () {
        return this.get_message().payload;
    });
    // Milliseconds, or null for any time.
    tools.addGetter(Job, 'remaining_time', function () {
        const left = this.get_remaining_time();

        return left < 0 ? null : left;
    });
    Actor.prototype.task = addTaskHandler;
}

// --- Who is there ---

function addRegistry() {
    const {Registry} = AgentBus;
    const {wait_for_async: start, wait_for_finish: finish} = Registry.prototype;

    // registry.wait_for(NAMES, {timeout, signal}): a promise; milliseconds
    Registry.prototype.wait_for = function (names, options = null) {
        const {timeout = 0, ...others} = tools.isSourceOfCancel(options) ? {} : options;

        tools.toInteger('timeout', timeout);
        return tools.promise(tools.isSourceOfCancel(options) ? options : others,
            (...rest) => start.call(this, names, timeout, ...rest), result => finish.call(this, result));
    };
    Registry.prototype[Symbol.iterator] = function* () {
        for (let i = 0; i < this.get_n_items(); i++)
            yield this.get_item(i);
    };
}

function addLife() {
    const {Actor} = AgentBus;

    tools.addPromise(Actor, 'end', 1);
    Actor.prototype.end = function (reason = null, options = null) {
        return this.end_async(reason, options);
    };
    tools.addPromise(Actor, 'hand_over', 2);
    Actor.prototype.hand_over = function (to, args = null, options = null) {
        return this.hand_over_async(to, tools.pack(args), options);
    };
    tools.addGetter(Actor, 'statistics', function () {
        return this.get_statistics().recursiveUnpack();
    });
    for (const name of ['max_jobs', 'max_pending', 'wait_for_target']) {
        tools.checkArguments(Actor, `set_${name}`, name);
        tools.checkProperty(Actor, name);
    }
}

// --- Tasks that belong together ---

const namesAndTasks = group => {
    const tasks = group.list_tasks();

    return group.list_names().map((name, i) => [name, tasks[i]]);
};

// The error of the first task that was not completed, or that of cancel().
function describeGroupError(group) {
    const error = group.get_error();

    if (error === null)
        return null;
    for (const task of group.list_tasks()) {
        const own = task.get_error();

        if (own?.matches(error.domain, error.code) && own.message === error.message)
            return describeError(task);
    }
    error.type = null;
    return error;
}

const next = (group, signal) => new Promise(resolve => {
    const id = group.connect(signal, () => {
        group.disconnect(id);
        resolve();
    });
});

// group.wait(): a promise of the results by name, when no task is open. It rejects with the first failure, unless failures are
// collected.
async function waitForGroup() {
    while (this.n_open > 0)
        await next(this, 'finished');
    if (this.has_failed())
        throw describeGroupError(this);
    return this.results;
}

// for await (const task of group): the tasks as they end, until none is open.
async function* iterateGroup() {
    const seen = new Set();

    for (;;) {
        const ended = this.list_tasks().filter(task => task.has_finished() && !seen.has(task.id));

        for (const task of ended) {
            seen.add(task.id);
            yield {task}; // a task is a promise, which yield would wait for
        }
        if (ended.length === 0 && this.n_open === 0)
            return;
        if (ended.length === 0)
            await next(this, 'result');
    }
}

// actor.group({timeout, collect}): a group. actor.group([OPTIONS,] async group => …): a promise of its results, after the tasks
// that the function has requested; what it throws cancels them.
function group(...args) {
    const block = typeof args[args.length - 1] === 'function' ? args.pop() : null;
    const {timeout = 0, collect = false} = args[0] ?? {};
    const made = new AgentBus.TaskGroup({actor: this, timeout: tools.toInteger('timeout', timeout), collect});

    return block === null ? made : runBlock(made, block);
}

async function runBlock(made, block) {
    try {
        await block(made);
    } catch (error) {
        const failure = made.has_failed() ? describeGroupError(made) : null;

        made.cancel('The block of the group has failed');
        throw failure ?? error;
    }
    return made.wait();
}

function addGroups() {
    const {Actor, Runner, TaskGroup} = AgentBus;
    const {cancel, request_full} = TaskGroup.prototype;

    // In place of the property of a subscriber, which get_group() still has.
    Object.defineProperty(Actor.prototype, 'group', {value: group, configurable: true, writable: true});
    TaskGroup.prototype.request = function (target, name = null, payload = null, options = {}) {
        const {timeout = 0, signal = null, job = null, ...others} = options ?? {};

        checkRequest(target, timeout);

        const message = makeRequest(this.actor, target, name, payload, timeout, others);

        return track(request_full.call(this, message, job?.has_ended() ? null : job), signal);
    };
    TaskGroup.prototype.request_many = function (targets, ...rest) {
        return targets.map(target => this.request(target, ...rest));
    };
    TaskGroup.prototype.cancel = function (reason = null) {
        cancel.call(this, reason);
    };
    TaskGroup.prototype.wait = waitForGroup;
    TaskGroup.prototype[Symbol.asyncIterator] = iterateGroup;
    tools.addGetter(TaskGroup, 'results', function () {
        return Object.fromEntries(namesAndTasks(this).filter(([, task]) =>
            task.status === AgentBus.TaskStatus.COMPLETED).map(([name, task]) => [name, task.response]));
    });
    tools.addGetter(TaskGroup, 'errors', function () {
        return Object.fromEntries(namesAndTasks(this).filter(([, task]) =>
            task.get_error() !== null).map(([name, task]) => [name, task.error]));
    });
    tools.addGetter(TaskGroup, 'error', function () {
        return describeGroupError(this);
    });
    tools.checkArguments(TaskGroup, 'set_timeout', 'timeout');
    tools.checkProperty(TaskGroup, 'timeout');

    tools.addPromise(Runner, 'end', 1);
    Runner.prototype.end = function (reason = null, options = null) {
        return this.end_async(reason, options);
    };
}

// What AgentBus.js calls when the namespace is there.
function addActors(namespace, ofBus) {
    AgentBus = namespace;
    tools = ofBus;
    addTasks();
    addJobs();
    addRegistry();
    addLife();
    addGroups();
}
