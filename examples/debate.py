#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A debate: a moderator gives the floor to one speaker after the other, who stream what they say.

One speaker is too slow and is cancelled, one raises, and in the middle the chair goes from one to the other. The program
prints who is there as it goes, and at the end what has become of all tasks.
"""

import asyncio

import gi

gi.require_version('AgentBus', '1')
from gi.repository import AgentBus

SPEAKERS = {
    'anna': (0.02, ['Messages get lost.', 'So count them.', 'Then tell who has lost them.']),
    'bert': (0.02, ['Counting costs time.', 'But less than looking for a message that nobody has seen.']),
    'carl': (5.00, ['Let me', 'think']),
    'dora': (0.02, None),
}


class Speaker(AgentBus.Actor):
    """Says a sentence at a time. Who is cancelled stops in the middle."""

    def __init__(self, name, pause, sentences):
        super().__init__(name, parent='moderator')
        self.pause, self.sentences = pause, sentences

    @AgentBus.task('speak')
    async def speak(self, topic):
        if self.sentences is None:
            raise ValueError(f'I have nothing to say about {topic}')
        for sentence in self.sentences:
            await asyncio.sleep(self.pause)
            yield sentence


class Chair(AgentBus.Actor):
    """Keeps the minutes. One of the group 'chair' is active at a time; the minutes go along with the chair."""

    def __init__(self, name, active):
        super().__init__(name, parent='moderator', group='chair', active=active, keep_frames=True)
        self.minutes = []
        self.connect('activated', self.on_activated)

    def on_activated(self, _chair, args):
        self.minutes = args.unpack() if args is not None else []
        print(f'  {self.name} takes the chair, with {len(self.minutes)} lines')

    @AgentBus.task('note')
    def note(self, line):
        self.minutes.append(line)
        return f'{self.name} has line {len(self.minutes)}'


async def give_the_floor(moderator, name, topic):
    """Returns what was said, or why nothing was."""
    said = []
    try:
        async for sentence in moderator.request(name, 'speak', topic, timeout=0.5):
            print(f'  {name}: {sentence}')
            said.append(sentence)
    except AgentBus.TaskError as error:
        return f'{name} was stopped: {error}'
    return f'{name} said {len(said)} sentences'


def print_tree(registry, name='moderator', depth=0):
    """Who is there, below whom."""
    peers = [registry.get_item(i) for i in range(registry.get_n_items())]
    for peer in peers:
        if peer.get_name() == name:
            active = '' if peer.is_active() else ', stands by'
            print(f'{"  " * depth}{name}{active}')
    for peer in peers:
        if peer.get_parent() == name:
            print_tree(registry, peer.get_name(), depth + 1)


async def main():
    async with AgentBus.Bus() as bus:
        registry = AgentBus.Registry.new(bus)
        moderator = AgentBus.Actor('moderator', wait_for_target=1000)
        old, new = Chair('chair-1', True), Chair('chair-2', False)
        actors = [moderator, old, new, *(Speaker(name, *rest) for name, rest in SPEAKERS.items())]
        for actor in actors:
            bus.subscribe(actor)
        await registry.wait_for([actor.name for actor in actors], timeout=2)
        print_tree(registry)

        for n, name in enumerate([*SPEAKERS, 'emil']):
            if n == 2:
                await old.hand_over(new, old.minutes)
            print(f'{name} has the floor')
            moderator.wait_for_target = 100
            line = await give_the_floor(moderator, name, 'lost messages')
            print(f'  {line}; {await moderator.request("chair", "note", line)}')

        await moderator.end('the debate is over')
        print('left:', registry.get_n_items())
        print(', '.join(f'{key}: {value}' for key, value in sorted(moderator.statistics.items()) if value))


asyncio.run(main())
