#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a message costs in Python: one context sends, then handles. Some scenarios want the overrides.

Usage: bench-bindings.py all | list | SCENARIO...
"""

import os
import statistics
import sys
import time

import gi

gi.require_version('AgentBus', '1')
from gi.repository import AgentBus, GLib

N = 20000
REPEATS = min(5, max(1, int(os.environ.get('AGENTBUS_BENCH_REPEATS', 5))))

context = GLib.MainContext.default()


class Counter(AgentBus.Subscriber):
    n = 0

    def do_message(self, message):
        self.n += 1


class Reader(AgentBus.Subscriber):
    n = 0

    def do_message(self, message):
        self.n += 1
        if (message.get_source(), message.get_task_id(), message.get_payload().unpack()) != ('producer', 't', 7):
            raise ValueError(message.to_string())


class PayloadReader(AgentBus.Subscriber):
    n = 0

    def do_message(self, message):
        self.n += 1
        if message.payload['id'] != 17:
            raise ValueError(message.to_string())


class Listener(AgentBus.Subscriber):
    n = 0

    def count(self, *arguments):
        self.n += 1

    async def count_later(self, message):
        self.n += 1


def make_connected():
    listener = Listener(name='agent-0', capacity=N)
    listener.connect('message', listener.count)
    return listener


def make_on():
    listener = Listener(name='agent-0', capacity=N)
    listener.on(listener.count)
    return listener


def make_async():
    listener = Listener(name='agent-0', capacity=N)
    listener.on(listener.count_later)
    return listener


ORDER = {'id': 17, 'price': 1.5, 'name': 'order', 'ok': True}


def make_order(_payload):
    return AgentBus.Message.task_update('producer', 'agent-0', 't', ORDER)


def make_update(payload):
    return AgentBus.Message.new_task_update('producer', 'agent-0', 't', payload)


def run_once(make, payload, make_message=make_update):
    """Returns the seconds of all sends, and of all handlers."""
    bus = AgentBus.Bus()
    subscriber = make()
    bus.subscribe(subscriber)

    start = time.perf_counter()
    for _ in range(N):
        bus.send(make_message(payload))
    sent = time.perf_counter()
    while subscriber.n < N:
        context.iteration(True)
    handled = time.perf_counter()

    if subscriber.get_property('n-dropped'):
        raise AssertionError('messages were dropped')
    return sent - start, handled - sent


def report(scenario, figure, values, unit):
    for suffix, value in ('', statistics.median(values)), ('_min', min(values)), ('_max', max(values)):
        print(f'{scenario}\t{figure}{suffix}\t{value:.4g}\t{unit}', flush=True)


def run(scenario):
    times = [run_once(*SCENARIOS[scenario]) for _ in range(REPEATS)]
    report(scenario, 'us_per_send', [send / N * 1e6 for send, _ in times], 'us')
    report(scenario, 'us_per_handler', [handle / N * 1e6 for _, handle in times], 'us')


SCENARIOS = {
    'py_handler': (lambda: Counter(name='agent-0', capacity=N), None),
    'py_connect': (make_connected, None),
    'py_read': (lambda: Reader(name='agent-0', capacity=N), GLib.Variant('i', 7)),
}
if hasattr(AgentBus.Subscriber, 'on'):
    SCENARIOS |= {
        'py_on': (make_on, None),
        'py_async': (make_async, None),
        'py_dict': (lambda: PayloadReader(name='agent-0', capacity=N), None, make_order),
    }


def main():
    names = sys.argv[1:]
    if names == ['list']:
        print(*SCENARIOS, sep='\n')
        return 0
    if not names or (names != ['all'] and not set(names) <= set(SCENARIOS)):
        print(__doc__, file=sys.stderr)
        return 2

    for scenario in SCENARIOS if names == ['all'] else names:
        run(scenario)
    return 0


if __name__ == '__main__':
    sys.exit(main())
