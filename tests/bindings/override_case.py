# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the overrides for Python begin with."""

import logging
import os
import unittest

import gi

gi.require_version('AgentBus', '1')
from gi.repository import AgentBus, GLib

Message = AgentBus.Message


def rss():
    with open('/proc/self/statm') as statm:
        return int(statm.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


class TestCase(unittest.TestCase):
    def setUp(self):
        logging.disable()
        self.bus = AgentBus.Bus()
        self.context = GLib.MainContext.default()
        self.failures = []
        self.bus.connect('failed', lambda bus, sub, message, error: self.failures.append((message.task_id, error.message)))
        self.worker = AgentBus.Subscriber(name='worker')
        self.got = []

    def drain(self):
        while self.context.iteration(False):
            pass

    def send(self, *ids):
        for task_id in ids:
            self.bus.send(Message.task_update('ui', 'worker', task_id))
