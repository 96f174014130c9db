#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The scenes of the other examples, spread over several processes that are nodes of one bus.

    assistant ◄──► nats-server ◄──► recogniser          the voice assistant, and its ears
    arena     ◄──►             ◄──► worker-0, -1, -2    the actors that learn, and who decides for them
    conductor ◄──►                                      this program

It starts a nats-server, in which each node is a user that can speak only as itself, and all nodes. In the middle it kills a
worker and the server, with SIGKILL, and starts them again. In the end it looks whether anything is missing, and ends all that it
has started. Each node has a clerk, an actor that says what the node has sent, received and lost.
"""

import argparse
import asyncio
import os
import pathlib
import signal
import sys
import tempfile

import gi

gi.require_version('AgentBus', '1')
gi.require_version('AgentBusNats', '1')
from gi.repository import AgentBus, AgentBusNats

import server as nats
import table

EXAMPLES = pathlib.Path(sys.path[0]).parent
CARDS = pathlib.Path('/usr/share/pocketsphinx/test/data/cards')
WORKERS = ['worker-0', 'worker-1', 'worker-2']

# Seconds
PATIENCE = 120   # for the scenes
SETTLING = 20    # until what was sent has arrived or is known to be lost
FAREWELL = 15    # for a node that is to end
DOWN = 0.5       # how long there is no server


class Node:
    """One process, and what is known of it."""

    def __init__(self, name, command, password):
        self.name, self.command, self.password = name, command, password
        self.state, self.says, self.pid = 'off', '', None
        self.process, self.reading = None, None
        self.lines, self.pids = [], []
        self.figures = {}
        self.on_line = lambda line: None

    async def start(self):
        self.state = 'started'
        self.process = await asyncio.create_subprocess_exec(
            *nats.orphaned(), *self.command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, 'AGENTBUS_PASSWORD': self.password})
        self.pid = self.process.pid
        self.pids.append(self.pid)
        self.reading = asyncio.gather(self.read(self.process.stdout), self.read(self.process.stderr))

    async def read(self, stream):
        async for line in stream:
            self.lines.append(line.decode(errors='replace').rstrip())
            if stream is self.process.stdout and self.lines[-1]:
                self.says = self.lines[-1].strip()
                self.on_line(self.lines[-1])

    async def end(self, with_signal=signal.SIGTERM):
        """Returns whether it has ended as it should."""
        if self.process is None:
            return True
        if self.process.returncode is None:
            self.process.send_signal(with_signal)
        try:
            await asyncio.wait_for(self.process.wait(), FAREWELL)
        except asyncio.TimeoutError:
            self.process.kill()
            await self.process.wait()
        await self.reading
        self.state = 'ended' if with_signal == signal.SIGTERM else 'killed'
        return self.process.returncode == 0

    @property
    def verdicts(self):
        return [line for line in self.lines if line.startswith(('  yes  ', '  NO   '))]


class Conductor:
    def __init__(self, options):
        self.options = options
        self.folder = tempfile.TemporaryDirectory(prefix='agentbus-distributed-')
        self.actors = ['--actors', str(options.actors), '--generations', str(options.generations), '--seed', str(options.seed)]
        self.voice = (options.build / 'voice-assistant').exists() and CARDS.is_dir()
        names = WORKERS + ['arena'] + (['recogniser', 'assistant'] if self.voice else [])
        self.server = nats.Server(['conductor', *names], registrar='conductor')
        self.nodes = {name: Node(name, self.command(name), self.server.passwords[name]) for name in names}
        self.table = table.Table(list(self.nodes.values()))
        self.results = {}
        self.changed = asyncio.Event()
        self.troubles = []
        self.heard, self.closing = False, False
        self.killing = asyncio.Lock()

    def command(self, name):
        node = ['--node', name, '--connect', self.server.url]
        if name in ('recogniser', 'assistant'):
            # One of the interruptions has to overtake something: see the test of the voice assistant.
            spoken = [CARDS / '002.wav', CARDS / '005.wav'] * (3 if self.options.fast else 2)
            rest = ['--output', f'{self.folder.name}/answers.wav', *(['--fast'] if self.options.fast else []), *spoken]
            return [self.options.build / 'voice-assistant', *node, *(rest if name == 'assistant' else [])]
        rest = ['--workers', str(len(WORKERS)), '--output', f'{self.folder.name}/curve.svg', *self.actors]
        return [self.options.build / 'actors', *node, *(rest if name == 'arena' else [])]

    # --- The bus ---

    async def open(self):
        await self.server.start()
        self.transport = AgentBusNats.NatsTransport(
            node_id='conductor', urls=[self.server.url], user='conductor', password=self.server.passwords['conductor'])
        self.transport.connect('appeared', lambda transport, name: self.set_state(name, 'there'))
        self.transport.connect('vanished', lambda transport, name, reason: self.set_state(name, 'gone'))
        self.bus = AgentBus.Bus(transport=self.transport)
        await self.bus.start()
        self.actor = AgentBus.Actor('conductor')
        self.actor.on('done', self.on_done)
        self.bus.subscribe(self.actor)

    def set_state(self, name, state):
        node = self.nodes.get(name)
        if node is not None and not self.closing:
            node.state = state
            self.table.tell(f'{name} is {state}')
            self.changed.set()

    def on_done(self, message):
        name = message.source[len('clerk-'):]
        self.results[name] = message.payload
        self.table.tell(f'{name} is done: {"all is well" if message.payload == 0 else "NOT as it should be"}')
        self.changed.set()

    async def until(self, condition):
        while not condition():
            self.changed.clear()
            await self.changed.wait()
            for trouble in self.troubles:
                if trouble.done():
                    trouble.result()

    async def ask(self, node):
        """What the node has sent, received and lost. If it is not there, what is known stays."""
        if node.state == 'there':
            try:
                node.figures = await self.actor.request(f'clerk-{node.name}', 'figures', None, timeout=3)
            except AgentBus.TaskError:
                pass

    async def watch(self):
        while True:
            await asyncio.gather(*map(self.ask, self.nodes.values()))
            self.table.draw()
            await asyncio.sleep(0.25)

    # --- What goes wrong ---

    def run(self, trouble):
        """What it raises is raised by who waits for the scenes."""
        task = asyncio.ensure_future(trouble)
        task.add_done_callback(lambda task: self.changed.set())
        self.troubles.append(task)

    async def kill_worker(self, node):
        async with self.killing:
            await node.end(signal.SIGKILL)
            self.table.tell(f'{node.name} is killed')
            await self.until(lambda: node.state == 'gone')
            await node.start()
            await self.until(lambda: node.state == 'there')

    async def kill_server(self):
        async with self.killing:
            await self.server.kill()
            self.table.tell('nats-server is killed')
            await asyncio.sleep(DOWN)
            await self.server.start()
            self.table.tell('nats-server is back')

    def on_arena(self, line):
        """It prints a line when a generation has been played."""
        generation = line.split()[0]
        if generation == str(self.options.generations // 4):
            self.run(self.kill_worker(self.nodes['worker-1']))
        elif generation == str(self.options.generations // 2):
            self.run(self.kill_server())

    def on_assistant(self, line):
        if 'heard “' in line and not self.heard:
            self.heard = True
            self.run(self.kill_server())

    # --- The run ---

    async def play(self):
        self.nodes['arena'].on_line = self.on_arena
        for node in self.nodes.values():
            await node.start()
        scenes = [name for name in ('arena', 'assistant') if name in self.nodes]
        if self.voice:
            self.nodes['assistant'].on_line = self.on_assistant
        await self.until(lambda: all(name in self.results for name in scenes))
        await asyncio.gather(*self.troubles)

    def compare(self, one, other):
        """Whether the second node has got what the first one has sent it, but what it counts as lost."""
        sent = one.figures['transport']['nodes'].get(other.name)
        got = other.figures['transport']['nodes'].get(one.name)
        return sent is not None and got is not None and (
            sent['data-sent'] == got['data-received'] + got['data-lost'] and sent['control-sent'] == got['control-received'])

    def balance(self):
        """What does not fit together: nothing, when all has arrived or is known to be lost."""
        nodes = self.nodes.values()
        wrong = [f'{node.name} says nothing' for node in nodes if not node.figures]
        if wrong:
            return wrong
        wrong = [f'{one.name} → {other.name}: {one.figures["transport"]}, {other.figures["transport"]}'
                 for one in nodes for other in nodes if one is not other and not self.compare(one, other)]
        for node in nodes:
            figures = node.figures
            if figures['offered'] != figures['delivered'] + figures['queued'] + sum(figures['dropped'].values()):
                wrong.append(f'the bus of {node.name}: {figures}')
        return wrong

    async def settle(self):
        loop = asyncio.get_running_loop()
        by = loop.time() + SETTLING
        while True:
            await asyncio.gather(*map(self.ask, self.nodes.values()))
            wrong = self.balance()
            if not wrong or loop.time() > by:
                return wrong
            await asyncio.sleep(0.1)

    async def learn_alone(self):
        """The same scene in one process. Returns whether it draws the same curve."""
        curve = f'{self.folder.name}/alone.svg'
        alone = await asyncio.create_subprocess_exec(
            *nats.orphaned(), self.options.build / 'actors', '--output', curve, *self.actors,
            stdout=asyncio.subprocess.DEVNULL)
        await alone.wait()
        return pathlib.Path(curve).read_bytes() == pathlib.Path(f'{self.folder.name}/curve.svg').read_bytes()

    async def close(self):
        """Ends all. Returns whether all have ended as they should, and none is left."""
        self.closing = True
        well = all(await asyncio.gather(*(node.end() for node in self.nodes.values())))
        if hasattr(self, 'bus'):
            await self.bus.stop()
        await self.server.close()
        self.folder.cleanup()
        pids = self.server.pids + [pid for node in self.nodes.values() for pid in node.pids]
        return well and not any(pathlib.Path('/proc', str(pid)).exists() for pid in pids)

    async def conduct(self):
        watching = None
        good, finished = [], False
        try:
            await self.open()
            watching = asyncio.ensure_future(self.watch())
            await asyncio.wait_for(self.play(), PATIENCE)
            watching.cancel()
            finished = True
            wrong = await self.settle()
            good.append((not wrong, 'the ledger balances: each node has received what the others have sent it, but what is counted as lost'))
            good.append((await self.learn_alone(), 'the actors have learnt the same as in one process'))
            self.table.close()
            for line in wrong:
                print(line)
        except asyncio.TimeoutError:
            pass
        finally:
            if watching is not None:
                watching.cancel()
            ended = await self.close()
        good.insert(0, (finished, 'all scenes were played'))
        good.append((ended, f'all {len(self.nodes)} nodes have ended well, and no process is left'))
        return self.judge(good)

    def judge(self, good):
        for name in self.results:
            print(f'\n{name}:', *self.nodes[name].verdicts, sep='\n')
        print('\nVerdict')
        for holds, text in good:
            print(f'  {"yes" if holds else "NO":<3}  {text}')
        holds = all(holds for holds, _ in good) and not any(self.results.values())
        if not holds:
            for node in self.nodes.values():
                print(f'\n{node.name}:', *node.lines[-40:], sep='\n')
        print(f'Nothing is missing: {"yes" if holds else "NO"}', flush=True)
        return 0 if holds else 1


async def main(options):
    me = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, me.cancel)
    return await Conductor(options).conduct()


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', type=pathlib.Path, required=True, help='where the examples were built')
    parser.add_argument('--fast', action='store_true', help='as fast as possible, and less of everything')
    parser.add_argument('--actors', type=int, help='how many learn')
    parser.add_argument('--generations', type=int, help='how often they learn')
    parser.add_argument('--seed', type=int, default=1, help='what all chance comes from')
    options = parser.parse_args()
    options.actors = options.actors or (40 if options.fast else 300)
    options.generations = options.generations or (8 if options.fast else 12)
    return options


if __name__ == '__main__':
    options = parse()
    if nats.find() is None:
        print('There is no nats-server: install the Debian package nats-server')
        sys.exit(77)
    try:
        sys.exit(asyncio.run(main(options)))
    except asyncio.CancelledError:
        sys.exit(130)
