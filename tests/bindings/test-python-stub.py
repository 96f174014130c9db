#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What type checkers are told of the overrides: the same as the interpreter finds, and of use.

Usage: test-python-stub.py SOURCE_ROOT GIR STUB
"""

import ast
import inspect
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import tap
from override_case import AgentBus

SOURCE, GIR, STUB = map(pathlib.Path, sys.argv[1:4])
OVERRIDES = sorted((SOURCE / 'introspection/python/gi/overrides').glob('*.py'))
EXAMPLES = [SOURCE / 'examples' / name for name in ('async-workers.py', 'hello-bus.py')]

ANYTHING = 'import typing\ndef __getattr__(name: str) -> typing.Any: ...\n'
GOBJECT = '''
import typing
GType = typing.Any
class GBoxed: ...
class GEnum(int):
    __enum_values__: typing.Dict[int, typing.Any]
class GFlags(int):
    __flags_values__: typing.Dict[int, typing.Any]
class Object:
    def __init__(self, **properties: typing.Any) -> None: ...
    def connect(self, name: str, handler: typing.Callable[..., object], *data: typing.Any) -> int: ...
    def disconnect(self, handler: int) -> None: ...
    @property
    def props(self) -> typing.Any: ...
'''
# What stands in for stubs of PyGObject, which Debian does not have.
PACKAGE = {
    'gi/__init__.pyi': 'def require_version(namespace: str, version: str) -> None: ...\n',
    'gi/repository/__init__.pyi': '',
    'gi/repository/Gio.pyi': ANYTHING,
    'gi/repository/GLib.pyi': ANYTHING,
    'gi/repository/GObject.pyi': GOBJECT,
    'gi/module.pyi': ANYTHING,
    'gi/_ossighelper.pyi': ANYTHING,
    'gi/overrides/__init__.pyi': 'import typing\ndef override(kind: typing.Any) -> typing.Any: ...\n',
}

HEAD = '''
import asyncio
import typing
import gi
gi.require_version('AgentBus', '1')
from gi.repository import AgentBus, AgentBusNats
Message = AgentBus.Message
bus = AgentBus.Bus(capacity=3)
worker = AgentBus.Subscriber('worker')
async def main() -> None:
'''
RIGHT = '''
    name: str = worker.name
    n: int = bus.send(Message.task_request('ui', 'worker', '1', 'sum', {'x': 1}, ttl=5))
    async for message in worker:
        bus.send(Message.task_response('worker', message.source, message.task_id, status='failed'))
    stopped: bool = await bus.stop()
    sent: bool = bus.try_send(message) and await bus.send_async(message)
    worker.capacity = worker.max_bytes + worker.max_age + worker.priority
    first: Message = await worker.receive(timeout=1.5)
    second: Message = worker.receive(1500, None)
    data = AgentBus.Frame('audio', b'12', {'rate': 1}).data
    assert data is not None and data.startswith(b'1')
    @worker.on('cancel')
    async def handler(message: Message) -> None: ...
    worker.on(handler).disconnect()
    result: int = await AgentBus.spawn(work())
    transport = AgentBus.DBusTransport(bus_name='kitchen', node_id='oven')
    remote: AgentBus.Transport = AgentBus.Bus(transport=transport).transport or transport
    node: str = transport.node_id + remote.state.value_nick
    transport.allow('hob', ['cook-*'], None)
    n_lost: int = transport.statistics['data-lost']
    nats: AgentBus.Transport = AgentBusNats.NatsTransport(urls=['nats://127.0.0.1:4222'])
    conversation = AgentBus.Conversation('talk')
    bus.send(Message.end('ui', conversation=conversation))
    epoch: int = conversation.advance() + conversation.epoch
    bus.add_monitor(worker, ['cancel'])
    fate = first.fate
    n_accepted: int = fate.n_accepted if fate else 0
    async with AgentBus.Bus() as other:
        other.subscribe(worker)
    boss, busy = AgentBus.Actor('boss', max_jobs=0), AgentBus.Actor('busy')
    @busy.task('sum')
    def add(payload: typing.List[int]) -> int:
        return sum(payload)
    @busy.task
    async def greet(payload: str, job: AgentBus.Job) -> str:
        return f'{job.task_name} {job.payload} {job.remaining_time}'
    busy.task('count', lambda n: range(n)).disconnect()
    task: AgentBus.Task = boss.request('busy', 'sum', [1, 2], timeout=2, trace='x')
    answer = await task
    async for chunk in boss.request('busy', 'count', 3):
        print(chunk)
    error: typing.Optional[AgentBus.TaskError] = task.error
    if error and error.type is None or task.status == AgentBus.TaskStatus.COMPLETED:
        task.cancel('enough')
    registry = AgentBus.Registry(bus)
    there: bool = await registry.wait_for(['busy'], timeout=2) and 'busy' in registry
    names: typing.List[typing.Optional[str]] = [peer.name for peer in registry]
    ended: bool = await busy.end('done')
class Adder(AgentBus.Actor):
    @AgentBus.task('sum')
    def add(self, payload: typing.List[int]) -> int:
        return sum(payload)
async def work() -> int:
    return 1
'''
WRONG = ['AgentBus.DBusTransport().nodeid', 'n: str = worker.name.upper().size', 'bus.send("text")', 'bus.subcribe(worker)', 'bus.subscribe("worker")',
         'Message.task_request("ui", "worker")', 'x: str = await bus.stop()', 'x: str = await bus.send_async(Message.activate("a", "b"))', 'bus.try_send("text")',
         'worker.capacity = "5"', 'worker.priority = 5', 'worker.on(5)',
         'm: Message = worker.receive(1)', 'AgentBus.Frame(5)', 'AgentBus.run(bus)', 'AgentBus.Tusk', 'AgentBus.Actor("a").request(1)',
         'AgentBus.Actor("a").request("b").update', 'await AgentBus.Actor("a").wait_for(["b"])',
         'name: int = AgentBus.Registry(bus)["a"].name', 'AgentBus.Actor("a").task(3)']


class StubTest(unittest.TestCase):
    def test_everything_is_there(self):
        module = ast.parse(STUB.read_text(encoding='utf-8'))
        known = {node.name: node for node in module.body if isinstance(node, (ast.ClassDef, ast.FunctionDef,
                                                                             ast.AsyncFunctionDef))}
        self.assertIn('Bus', known)
        for name, node in known.items():
            if name.startswith('_'):
                continue
            self.assertTrue(hasattr(AgentBus, name), name)
            for member in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    self.assertTrue(hasattr(getattr(AgentBus, name), member.name), f'{name}.{member.name}')
        overrides = {name for name in dir(sys.modules['gi.overrides.AgentBus']) if not name.startswith('_')}
        for name in set(sys.modules['gi.overrides.AgentBus'].__all__) & overrides:
            self.assertIn(name, known)

    def test_everything_public_is_documented(self):
        for name in sys.modules['gi.overrides.AgentBus'].__all__:
            thing = getattr(AgentBus, name)
            self.assertTrue(thing.__doc__, name)
            for member, value in vars(thing).items() if inspect.isclass(thing) else ():
                if inspect.isfunction(value) and not member.startswith('_'):
                    self.assertTrue(value.__doc__, f'{name}.{member}')


@unittest.skipUnless(shutil.which('mypy', path='/usr/bin'), 'there is no mypy')
class MypyTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = pathlib.Path(directory.name)
        for name, text in PACKAGE.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding='utf-8')
        self.stub = self.folder / 'gi/repository/AgentBus.pyi'
        shutil.copy(STUB, self.stub)
        nats = STUB.with_name('AgentBusNats.pyi')
        self.has_nats = nats.exists()
        if self.has_nats:
            shutil.copy(nats, self.stub.parent)
        else:
            (self.stub.parent / nats.name).write_text(ANYTHING, encoding='utf-8')

    def check(self, *paths):
        command = ['/usr/bin/mypy', '--cache-dir', self.folder / 'cache', '--check-untyped-defs', *paths]
        result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=280)
        return [line for line in result.stdout.splitlines() if ': error:' in line] + result.stderr.splitlines()

    def test_examples(self):
        for path in EXAMPLES:
            shutil.copy(path, self.folder)
        stubs = [self.stub, *([self.stub.with_name('AgentBusNats.pyi')] if self.has_nats else [])]
        self.assertEqual(self.check(*stubs, *(path.name for path in EXAMPLES)), [])

    maxDiff = None

    def test_overrides(self):
        """Against the library without them."""
        maker = SOURCE / 'introspection/python/make-stub.py'
        subprocess.run([sys.executable, maker, GIR, self.stub], check=True)
        for path in OVERRIDES:
            shutil.copy(path, self.folder / 'gi/overrides')
        self.assertEqual(self.check(*(f'gi/overrides/{path.name}' for path in OVERRIDES)), [])

    def test_right_and_wrong(self):
        program = self.folder / 'program.py'
        program.write_text(HEAD + RIGHT, encoding='utf-8')
        self.assertEqual(self.check(program), [])
        program.write_text(HEAD + ''.join(f'    {line}\n' for line in WRONG), encoding='utf-8')
        n_before = HEAD.count('\n')
        lines = {int(line.split(':')[1]) for line in self.check(program)}
        self.assertEqual([line for n, line in enumerate(WRONG, n_before + 1) if n not in lines], [])


if __name__ == '__main__':
    del sys.argv[1:]
    tap.main()
