# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the cases of story.py are told with.

Each gets a bus and a dispatcher of its own. What handlers and calls tell is compared, and what signals report.
"""

import os
import sys
import traceback

import gi

gi.require_version('AgentBus', '1')
from gi.repository import AgentBus, GLib

OFFERED = 'offered delivered queued'
ACCEPTED = 'accepted dispatched parked expired'
REASONS = 'full expired no-target closed discarded stale cancelled inactive'

context = GLib.MainContext.default()
told = []
reported = []


# --- What is said ---

def tell(words):
    told.append(words)


def report(words):
    reported.append(words)


# Signals have sources of their own, so nothing is said of their order and that of the handlers.
def expect(words, reports):
    wait_turn()
    texts = ', '.join(told), ', '.join(reported)
    print('# told: {} | {}'.format(*texts), flush=True)
    assert texts == (words, reports), f'Not {words} | {reports}'
    told.clear()
    reported.clear()


def wait_turn():
    while context.iteration(False):
        pass


def wait_report():
    while not reported:
        context.iteration(True)


def wait_result(results):
    while not results:
        context.iteration(True)
    return results[0]


def finish(target, operation, *args):
    results = []
    getattr(target, operation + '_async')(*args, None, lambda source, result: results.append(result))
    return getattr(target, operation + '_finish')(wait_result(results))


def attempt(words, code, func, *args):
    try:
        func(*args)
        tell(f'not {words}')
    except GLib.Error as error:
        tell(words if error.matches(AgentBus.BusError.quark(), code) else error.message)


# --- Messages ---

def word(message):
    is_update = message.get_message_type() == AgentBus.MessageType.TASK_UPDATE
    return message.get_task_id() if is_update else message.get_name()


def update(target, number):
    return AgentBus.Message.new_task_update('ui', target, str(number), None)


# --- Workers ---

class Worker(AgentBus.Subscriber):
    def do_message(self, message):
        tell(f'{self.props.name} {word(message)}')


def lookup(statistics, key):
    return statistics.lookup_value(key, GLib.VariantType('t')).get_uint64()


def tell_balance(statistics, keys):
    dropped = statistics.lookup_value('dropped', None)
    parts = [lookup(statistics, key) for key in keys.split()]
    parts.append(sum(lookup(dropped, reason) for reason in REASONS.split()))
    tell(' '.join(map(str, parts)))


# --- Signals ---

def on_dropped(bus, subscriber, reason, n, last):
    report(f'{subscriber.props.name if subscriber else "nobody"} lost {n} {reason.value_nick} {word(last)}')


def on_failed(bus, subscriber, message, error):
    report(f'{subscriber.props.name} failed {word(message)} {error.message}')


def on_expired(dispatcher, message, waited, n_attempts):
    report(f'{word(message)} expired {"late" if waited >= message.get_ttl() and n_attempts > 0 else "early"}')


def on_lost(dispatcher, message, reason):
    report(f'{word(message)} lost {reason.value_nick}')


# --- Tasks ---

def on_finished(task):
    response, error = task.get_response(), task.get_error()
    words = error.message if error else response.get_int32() if response else 'nothing'
    tell(f'{task.get_status().value_nick} {words}')


# --- Cases ---

class Story:
    def __init__(self):
        self.bus = AgentBus.Bus.new()
        self.routes = AgentBus.RouteTable.new()
        self.dispatcher = AgentBus.RouterDispatcher.new(self.bus, self.routes)
        self.bus.connect('dropped', on_dropped)
        self.bus.connect('failed', on_failed)
        self.dispatcher.connect('expired', on_expired)
        self.dispatcher.connect('dropped', on_lost)

    def add_worker(self, name, capacity=0, overflow=AgentBus.Overflow.DROP_NEWEST):
        worker = Worker(name=name, capacity=capacity, overflow=overflow)
        self.bus.subscribe(worker)
        return worker

    def add_member(self, name, group):
        self.bus.subscribe(Worker(name=name, group=group))

    def send_updates(self, target, first, last):
        for number in range(first, last + 1):
            self.bus.send(update(target, number))

    def dispatch(self, message):
        number = message.get_task_id()
        tell(f'{self.dispatcher.dispatch(message).value_nick} {number}')


    def add_actors(self):
        self.boss, self.worker = AgentBus.Actor.new('boss'), AgentBus.Actor.new('worker')
        for actor in self.boss, self.worker:
            self.bus.subscribe(actor)
        self.worker.connect('task-request', self.on_request)

    def on_request(self, worker, job):
        self.job = job
        tell(f'{worker.props.name} {job.get_task_name()} {job.get_payload().get_int32()}')

    def request(self, target, name, number):
        task = self.boss.request(target, name, GLib.Variant('i', number))
        task.connect('update', lambda task, payload: tell(f'update {payload.get_int32()}'))
        task.connect('chunk', lambda task, index, payload: tell(f'chunk {index} {payload.get_int32()}'))
        task.connect('finished', on_finished)
        return task


def on_hang():
    print('Bail out! It hangs', flush=True)
    os._exit(1)


def run(cases):
    n_failed = 0
    GLib.timeout_add_seconds(30, on_hang)
    print(f'1..{len(cases)}')
    for n, (path, case) in enumerate(cases.items(), 1):
        verdict = 'ok'
        told.clear()
        reported.clear()
        try:
            case(Story())
        except Exception:
            traceback.print_exc()
            verdict = 'not ok'
            n_failed += 1
        print(f'{verdict} {n} {path}', flush=True)
    sys.exit(n_failed)
