#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of doc/messages.md: it has each type of message, with its channel, and what it says of it is so.

Usage: test-messages.py SOURCE_ROOT
"""

import pathlib
import re
import sys
import unittest

import gi

gi.require_version('AgentBus', '1')
from gi.repository import AgentBus, GLib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'bindings'))
import tap

SOURCE = pathlib.Path(sys.argv[1]).resolve()

# What the table calls the arguments.
ARGUMENTS = {
    'task_id': '42',
    'task_name': 'sum',
    'payload': {'numbers': [1, 2]},
    'reason': 'because',
    'runner': 'local',
    'frame': AgentBus.Frame.new('audio/raw', None, None),
    'info': AgentBus.Info.new('ui', 'local', None, True, False, 0),
    'infos': [AgentBus.Info.new('ui', 'local', None, True, False, 0)],
}

# What the table calls that which a message carries, by what returns it.
GETTERS = {
    'frame': AgentBus.Message.get_frame,
    'payload': AgentBus.Message.get_payload,
    'reason': AgentBus.Message.get_reason,
    'info': AgentBus.Message.get_info,
    'infos': AgentBus.Message.get_infos,
    'runner': AgentBus.Message.get_runner,
    'task_id': AgentBus.Message.get_task_id,
    'task_name': AgentBus.Message.get_task_name,
}


def iterate():
    while GLib.MainContext.default().iteration(False):
        pass


def read_rows():
    text = (SOURCE / 'doc' / 'messages.md').read_text(encoding='utf-8')
    section = text[text.index('## All types'):text.index('## What cancelling does')]
    lines = [line for line in section.splitlines() if line.startswith('| `')]
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
    return {row[0].strip('`'): row[1:] for row in rows}


class Messages(unittest.TestCase):
    rows = read_rows()
    types = {AgentBus.MessageType.to_string(AgentBus.MessageType(i)): AgentBus.MessageType(i)
             for i in range(AgentBus.MessageType.HAND_OFF + 1)}

    def make(self, nick):
        """As the page says: the source, the target, and then what the message carries."""
        new = getattr(AgentBus.Message, re.search(r'`Message\.(\w+)\(\)`', self.rows[nick][1])[1])
        carried = [ARGUMENTS[name] for name in re.findall(r'`(\w+)`', self.rows[nick][2])]
        first = {'agent-ready': [], 'custom': ['volume', 'ui', 'worker']}.get(nick, ['ui', 'worker'])
        return new(*first, *carried)

    def test_every_type_is_there(self):
        self.assertEqual(list(self.rows), list(self.types))

    def test_each_has_its_channel(self):
        for nick, value in self.types.items():
            with self.subTest(nick):
                self.assertEqual(self.rows[nick][0], AgentBus.MessageType.get_channel(value).value_nick)

    def test_each_is_made_as_it_says(self):
        for nick in self.rows:
            with self.subTest(nick):
                self.assertEqual(self.make(nick).get_message_type(), self.types[nick])

    def test_each_constructor_is_in_the_headers(self):
        header = (SOURCE / 'agentbus' / 'message' / 'agent-message.h').read_text(encoding='utf-8')
        for nick, row in self.rows.items():
            with self.subTest(nick):
                name = re.match(r'`(agent_message_new_\w+)\(\)`', row[1])[1]
                self.assertRegex(header, rf'\b{name}\s*\(')

    def test_each_carries_what_it_says(self):
        for nick, row in self.rows.items():
            message = self.make(nick)
            said = set(re.findall(r'\w+', row[2]))
            for word, get in GETTERS.items():
                with self.subTest(nick, carries=word):
                    self.assertEqual(word in said, bool(get(message)))

    def test_each_that_cancels(self):
        cancels = [nick for nick, row in self.rows.items() if row[3] != '–']
        self.assertEqual(cancels, [nick for nick in self.rows if self.is_cancelled_by(nick)])

    def is_cancelled_by(self, nick):
        """Whether a message of that type cancels a delivery of the task that it names."""
        deliveries = []
        bus, worker = AgentBus.Bus(), AgentBus.Subscriber(name='worker')

        def on_request(worker, message):
            if not deliveries:
                deliveries.append(worker.defer())

        worker.connect('message::task-request', on_request)
        bus.subscribe(worker)
        bus.send(AgentBus.Message.task_request('ui', 'worker', '42', 'sum'))
        iterate()
        bus.send(self.make(nick))
        cancelled = deliveries[0].is_cancelled()
        deliveries[0].complete()
        iterate()
        return cancelled


tap.main()
