# SPDX-License-Identifier: LGPL-2.1-or-later
"""A nats-server of our own, on a free port, with a store that is removed in the end."""

import asyncio
import os
import pathlib
import secrets
import shutil
import signal
import socket
import tempfile

CONFIGURATION = '''
listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{folder}/store", max_mem: 64MB, max_file: 1GB }}
write_deadline: "2s"
authorization: {{ users: [
{users}
] }}
'''

# A node may publish below its own name only, and read what is for it or for all: see the class AgentNatsTransport.
USER = '''
  {{ user: {node}, password: {password}, permissions: {{
    publish: {{ allow: [
      "agentbus.default.from.{node}.>"
      "$JS.API.STREAM.INFO.AB_default"{more}
      "$JS.API.CONSUMER.CREATE.AB_default.*.agentbus.default.from.*.c.to.{node}"
      "$JS.FC.AB_default.>"
    ] }}
    subscribe: {{ allow: [
      "agentbus.default.from.*.d.to.{node}"
      "agentbus.default.from.*.p.to.{node}", "agentbus.default.from.*.p.all"
      "_INBOX_{node}.>"
    ] }}
  }} }}
'''


def find():
    """Debian has it in /usr/sbin, which is not in the path of everybody."""
    return shutil.which('nats-server', path=os.environ.get('PATH', '') + ':/usr/sbin')


def free_port():
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        return taken.getsockname()[1]


def orphaned():
    """What begins a command that is to end with us, however we end."""
    return ['setpriv', '--pdeathsig', 'KILL'] if shutil.which('setpriv') else []


class Server:
    """`registrar` is the node that may make the stream: it has to be the first one."""

    def __init__(self, nodes, registrar):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='agentbus-server-'))
        self.port = free_port()
        self.url = f'nats://127.0.0.1:{self.port}'
        self.passwords = {node: secrets.token_hex(16) for node in nodes}
        self.process = None
        self.pids = []
        more = {registrar: '\n      "$JS.API.STREAM.CREATE.AB_default"'}
        users = ''.join(USER.format(node=node, password=f'"{word}"', more=more.get(node, ''))
                        for node, word in self.passwords.items())
        self.configuration = self.folder / 'nats-server.conf'
        self.configuration.touch(mode=0o600)
        self.configuration.write_text(CONFIGURATION.format(port=self.port, folder=self.folder, users=users))

    async def start(self):
        """Returns when it greets those that connect."""
        with open(self.folder / 'log', 'ab') as log:
            self.process = await asyncio.create_subprocess_exec(
                *orphaned(), find(), '-c', self.configuration, stdout=log, stderr=log)
        self.pids.append(self.process.pid)
        while not await self.greets():
            if self.process.returncode is not None:
                raise RuntimeError((self.folder / 'log').read_text())
            await asyncio.sleep(0.01)

    async def greets(self):
        try:
            reader, writer = await asyncio.open_connection('127.0.0.1', self.port)
        except OSError:
            return False
        greeting = await reader.read(5)
        writer.close()
        return greeting == b'INFO '

    async def kill(self, with_signal=signal.SIGKILL):
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(with_signal)
            await self.process.wait()

    async def close(self):
        await self.kill(signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)
