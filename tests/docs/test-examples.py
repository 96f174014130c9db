#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every fenced block in the documentation is a program that runs, and prints what it says.

Usage: test-examples.py SOURCE_ROOT BUILD_ROOT

Looked at are the doc comments of agentbus/, README.md and the pages of doc/. There are three kinds of blocks:

- A short example. What OPENINGS says goes before it, and the main context is iterated after it. Its lines end in
  comments such as "# prints: 5", and it has to print just that.
- A complete program, behind a line such as <!-- complete program: prints "the sum is 5" -->. It has to end by itself,
  and to have said that.
- One behind <!-- example: prints "the sum is 5" -->. It is a short example without the comments, or a program that
  never ends: see forever().

One that begins with a comment "With the overrides." runs with them, and so does <!-- complete program with the overrides:
…; everything else runs without. What is not there for one, such as GStreamer or GTK, makes its test a skipped one.
"""

import collections
import concurrent.futures
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import typing
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'bindings'))
import tap

SOURCE = pathlib.Path(sys.argv[1]).resolve()
BUILD = pathlib.Path(sys.argv[2]).resolve()
INTROSPECTION = SOURCE / 'introspection'

# Columns: what the reference shows in a window of 1200 pixels without scrolling.
WIDTH = 78

# Seconds. A program that hangs has failed.
PATIENCE = 60

COMMENT = re.compile(r'^ */\*\*\n(.*?)^ *\*/$', re.MULTILINE | re.DOTALL)
FENCE = re.compile(r'^(?:<!-- (?P<kind>complete program(?: with the overrides)?|example): prints '
                   r'"(?P<said>[^"]+)" -->\n+)?'
                   r'```(?P<language>\w*)\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)
PRINTS = re.compile(r'(?:#|//|--) prints: (.+)$', re.MULTILINE)
TITLE = re.compile(r'(\S+):(?:\s|$)')
HEADING = re.compile(r'^#+ (.+)$', re.MULTILINE)
OVERRIDES = re.compile(r'(?:#|//|--) With the overrides\.\n')


class Example(typing.NamedTuple):
    path: str
    line: int
    about: str
    kind: str
    said: str
    language: str
    text: str

    @property
    def name(self):
        return f'{self.path} {self.about}: {self.language}'

    @property
    def place(self):
        return f'{self.path}:{self.line}'

    @property
    def complete(self):
        return self.kind is not None and self.kind.startswith('complete program')

    @property
    def has_overrides(self):
        return OVERRIDES.match(self.text) is not None or self.kind == 'complete program with the overrides'


# What a short example stands on, and how it ends. In doc/bindings.md the reader is told.
OPENINGS = {
    'c': '''#include <agentbus/agentbus.h>
#include <gio/gio.h>
%s
int
main (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AgentBus) bus = agent_bus_new ();
  g_autoptr (AgentRouteTable) route_table = agent_route_table_new ();
  g_autoptr (AgentRouterDispatcher) dispatcher = agent_router_dispatcher_new (bus, route_table);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  {
%s
    while (g_main_context_iteration (NULL, FALSE))
      continue;
    agent_bus_stop_async (bus, NULL, NULL, NULL);
    while (g_main_context_iteration (NULL, FALSE))
      continue;
  }
  g_assert_no_error (error);
  return 0;
}
''',
    'vala': '''%s
int main () {
  var bus = new AgentBus.Bus ();
  try {
%s
    while (MainContext.@default ().iteration (false));
    bus.stop_async.begin (null);
    while (MainContext.@default ().iteration (false));
  } catch (Error e) {
    error ("%%s", e.message);
  }
  return 0;
}
''',
    'python': '''import gi
gi.require_version('AgentBus', '1')
from gi.repository import AgentBus, Gio, GLib
bus = AgentBus.Bus()
dispatcher = AgentBus.RouterDispatcher(bus=bus, route_table=AgentBus.RouteTable())
%s
while GLib.MainContext.default().iteration(False):
    pass
bus.stop_async(None, lambda *_: None)
while GLib.MainContext.default().iteration(False):
    pass
''',
    'js': '''import AgentBus from 'gi://AgentBus?version=1';
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
const bus = new AgentBus.Bus();
const dispatcher = new AgentBus.RouterDispatcher({bus, route_table: new AgentBus.RouteTable()});
{
%s
while (GLib.MainContext.default().iteration(false));
bus.stop_async(null, () => {});
while (GLib.MainContext.default().iteration(false));
}
''',
    'lua': '''local lgi = require 'lgi'
local AgentBus = lgi.require('AgentBus', '1')
local bus = AgentBus.Bus()
%s
while lgi.GLib.MainContext.default():iteration(false) do end
bus:stop_async()
while lgi.GLib.MainContext.default():iteration(false) do end
''',
}

# In C and Vala these stand outside main(), up to a line that begins with a brace.
OUTSIDE = {
    'c': re.compile(r'^static .*?^\}\n', re.MULTILINE | re.DOTALL),
    'vala': re.compile(r'^(?:async|class) .*?^\}\n', re.MULTILINE | re.DOTALL),
}

# An example that is only handlers is driven by this.
DRIVERS = {
    # The update comes when both deliveries are over.
    'doc/asynchronous-handlers.md c': '''
g_autoptr (AgentSubscriber) loader = agent_subscriber_new ("loader");
g_autoptr (GVariant) statistics = NULL;
guint64 n_failed = 0;

g_signal_connect (loader, "message::task-request", G_CALLBACK (on_request), NULL);
g_signal_connect_swapped (loader, "message::task-update", G_CALLBACK (g_main_loop_quit), loop);
agent_bus_subscribe (bus, loader, &error);
agent_bus_send (bus, agent_message_new_task_request ("ui", "loader", "1", "/dev/null", NULL));
agent_bus_send (bus, agent_message_new_task_request ("ui", "loader", "2", "/nowhere", NULL));
agent_bus_send (bus, agent_message_new_task_update ("ui", "loader", "2", NULL));
g_main_loop_run (loop);
statistics = agent_bus_get_statistics (bus);
g_variant_lookup (statistics, "failed", "t", &n_failed);
g_print ("failed: %d\\n", (int) n_failed);
''',
}


def find_examples_in(path, text, line, title=None):
    """The fenced blocks of a text that begins in that line of the file. Without a title, they go by the headings."""
    # A comment in a block may look like a heading.
    prose = FENCE.sub(lambda match: re.sub(r'.', ' ', match[0]), text)
    for match in FENCE.finditer(text):
        about = title or HEADING.findall(prose, 0, match.start())[-1]
        yield Example(path, line + text.count('\n', 0, match.start('language')), about, **match.groupdict())


def uncomment(text):
    return re.sub(r'^ *\* ?', '', text, flags=re.MULTILINE)


def find_comments(path):
    """The doc comments of a file, each with what it is about and the line it begins in."""
    source = path.read_text(encoding='utf-8')
    for match in COMMENT.finditer(source):
        text = uncomment(match[1])
        title = TITLE.match(text)
        yield title and title[1], text, 1 + source.count('\n', 0, match.start(1))


def find_examples():
    for path in sorted((SOURCE / 'agentbus').rglob('*.[ch]')):
        for title, text, line in find_comments(path):
            yield from find_examples_in(str(path.relative_to(SOURCE)), text, line, title)
    for path in [SOURCE / 'README.md', *sorted((SOURCE / 'doc').glob('*.md'))]:
        yield from find_examples_in(str(path.relative_to(SOURCE)), path.read_text(encoding='utf-8'), 1)


def environment(overrides):
    def before(name, path):
        return os.pathsep.join([str(path), *filter(None, [os.environ.get(name)])])

    env = {name: value for name, value in os.environ.items() if name not in ('PYTHONPATH', 'GJS_PATH', 'LUA_PATH')}
    env |= {
        'G_DEBUG': 'fatal-criticals',
        'GI_TYPELIB_PATH': before('GI_TYPELIB_PATH', BUILD / 'introspection'),
        'LD_LIBRARY_PATH': before('LD_LIBRARY_PATH', f'{BUILD}/agentbus{os.pathsep}{BUILD}/agentbus/transport-nats'),
        'PKG_CONFIG_PATH': before('PKG_CONFIG_PATH', BUILD / 'meson-uninstalled'),
        'PYTHONDONTWRITEBYTECODE': '1',
    }
    if overrides:
        env |= {
            'PYTHONPATH': str(INTROSPECTION / 'python'),
            'GJS_PATH': str(INTROSPECTION / 'gjs'),
            'LUA_PATH': f'{INTROSPECTION}/lua/?.lua;;',
        }
    return env


def run(*command, cwd=None, overrides=False):
    result = subprocess.run(command, cwd=cwd, env=environment(overrides), timeout=PATIENCE, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode != 0:
        raise AssertionError(f'{shlex.join(map(str, command))} ended with {result.returncode}:\n{result.stdout}')
    return result.stdout


# What else a program includes or imports, what has to be there for it, and how the test asks for it.
GSTREAMER = '#include <gst/'
NATS = re.compile(r'agent-nats-|AgentBusNats')
GTK = "gi.require_version('Gtk', '4.0')"


def is_there(*command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def split_flags(*modules):
    return run('pkg-config', '--cflags', '--libs', 'agentbus-1', *modules).split()


def run_c(source, _overrides):
    executable = source.with_suffix('')
    text = source.read_text(encoding='utf-8')
    modules = ['gstreamer-1.0'] if GSTREAMER in text else []
    if modules and not is_there('pkg-config', *modules):
        raise unittest.SkipTest('there is no GStreamer')
    modules += ['agentbus-nats-1'] if NATS.search(text) else []
    run('cc', '-Wall', '-Werror', source, '-o', executable, *split_flags(*modules), cwd=source.parent)
    return run(executable)


def run_vala(source, _overrides):
    executable = source.with_suffix('')
    flags = [word for flag in split_flags() for word in ('-X', flag)]
    run('valac', '--quiet', '--vapidir', BUILD / 'introspection', '--pkg', 'gio-2.0', '--pkg', 'agentbus-1',
        '-X', '-w', *flags, source, '-o', executable, cwd=source.parent)
    return run(executable)


def run_python(source, overrides):
    if GTK not in source.read_text(encoding='utf-8'):
        return run(sys.executable, source, overrides=overrides)
    if not is_there(sys.executable, '-c', f'import gi; {GTK}') or shutil.which('xvfb-run') is None:
        raise unittest.SkipTest('there is no GTK, or no screen for it')
    # There is neither a graphics card nor a session.
    return run('xvfb-run', '--auto-servernum', 'env', 'GSK_RENDERER=cairo', 'GTK_A11Y=none', sys.executable, source,
               overrides=overrides)


def run_unit(source, _overrides):
    """A unit of systemd."""
    unit = source.with_name('agents.service')
    # The program that it starts is not there.
    unit.write_text(re.sub(r'^ExecStart=\S+ ', 'ExecStart=/bin/true ', source.read_text(encoding='utf-8'),
                           flags=re.MULTILINE), encoding='utf-8')
    said = run('systemd-analyze', 'verify', unit)
    return said or 'the unit has no errors\n'


def run_configuration(source, _overrides):
    """A configuration of nats-server."""
    users = (SOURCE / 'examples/distributed/nats-users.conf').read_text(encoding='utf-8')
    source.with_name('nats-users.conf').write_text(re.sub(r'\$\w+_PASSWORD', '"secret"', users), encoding='utf-8')
    text = source.read_text(encoding='utf-8').replace('/var/lib/nats', str(source.parent))
    source.write_text(text, encoding='utf-8')
    run('nats-server', '-t', '-c', source)
    return 'the configuration has no errors\n'


def run_js(source, overrides):
    return run('gjs', '-m', source, overrides=overrides)


def run_lua(source, overrides):
    if subprocess.run(['lua5.3', '-e', 'require "lgi"'], stderr=subprocess.DEVNULL).returncode != 0:
        raise unittest.SkipTest('there is no lgi')
    return run('lua5.3', source, overrides=overrides)


# How to run a program, and what has to be there for it: programs, and files of the build.
LANGUAGES = {
    'c': (run_c, ['cc', 'pkg-config'], []),
    'python': (run_python, [], ['introspection/AgentBus-1.typelib']),
    'js': (run_js, ['gjs'], ['introspection/AgentBus-1.typelib']),
    'vala': (run_vala, ['valac', 'cc', 'pkg-config'], ['introspection/agentbus-1.vapi']),
    'lua': (run_lua, ['lua5.3'], ['introspection/AgentBus-1.typelib']),
    'ini': (run_unit, ['systemd-analyze'], []),
    'conf': (run_configuration, ['nats-server'], []),
}


def forever(text):
    """A program with a main loop that nobody quits ends here when there is nothing left to do."""
    text = text.replace('g_main_loop_run (loop);\n', '')
    return text.replace('GLib.MainLoop().run()', 'while GLib.MainContext.default().iteration(False): pass')


def complete(example):
    """The whole program of an example."""
    if example.complete or example.language in ('ini', 'conf'):
        return example.text

    driver = DRIVERS.get(f'{example.path} {example.language}')
    text = forever(example.text) if example.kind == 'example' else example.text
    if driver is not None:
        text += driver
    outside = OUTSIDE.get(example.language)
    if outside is None:
        return OPENINGS[example.language] % text
    return OPENINGS[example.language] % ('\n'.join(outside.findall(text)), outside.sub('', text))


def run_program(example):
    if example.language not in LANGUAGES:
        raise AssertionError(f'nobody runs {example.language or "this"}')

    run_source, programs, files = LANGUAGES[example.language]
    missing = [name for name in programs if shutil.which(name) is None]
    files = files + (['introspection/AgentBusNats-1.typelib'] if NATS.search(example.text) else [])
    missing += [name for name in files if not (BUILD / name).exists()]
    if missing:
        raise unittest.SkipTest(f'there is no {missing[0]}')

    with tempfile.TemporaryDirectory() as directory:
        source = pathlib.Path(directory) / f'example.{"py" if example.language == "python" else example.language}'
        source.write_text(complete(example), encoding='utf-8')
        return run_source(source, example.has_overrides)


class Examples(unittest.TestCase):
    """One test for each, see add_examples()."""

    def check(self, example, output):
        self.assertNotIn('A bus was dropped while it was running', output)
        if example.said:
            self.assertIn(example.said, output.splitlines())
            return

        expected = PRINTS.findall(example.text)
        self.assertTrue(expected, 'it does not say what it prints')
        # A handler stands before what calls it, so the order says nothing.
        self.assertEqual(sorted(expected), sorted(output.splitlines()))


def add_examples():
    names = collections.Counter()
    pool = concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    for example in EXAMPLES:
        def test(self, example=example, program=pool.submit(run_program, example)):
            with self.subTest(place=example.place):
                self.check(example, program.result())

        names[example.name] += 1
        setattr(Examples, f'test_{example.name} {names[example.name]}', test)


class Coverage(unittest.TestCase):
    def test_every_fence_is_found(self):
        files = [*(SOURCE / 'agentbus').rglob('*.[ch]'), SOURCE / 'README.md', *(SOURCE / 'doc').glob('*.md')]
        n_marks = sum(len(re.findall(r'^ *(?:\* )? *```', path.read_text(encoding='utf-8'), re.MULTILINE))
                      for path in files)
        self.assertEqual(n_marks, 2 * len(EXAMPLES))

    def test_every_class_in_c_python_and_js(self):
        titles = []
        for path in sorted((SOURCE / 'agentbus').rglob('*.c')):
            for title, text, line in find_comments(path):
                if title and re.fullmatch(r'Agent\w+', title):
                    languages = {example.language for example in find_examples_in(str(path), text, line, title)}
                    self.assertLessEqual({'c', 'python', 'js'}, languages, title)
                    titles.append(title)
        self.assertIn('AgentBus', titles)
        self.assertIn('AgentMessage', titles)

    def test_nothing_is_too_wide(self):
        for example in EXAMPLES:
            for line in example.text.splitlines():
                self.assertLessEqual(len(line), WIDTH, f'{example.place}: {line}')

    def test_getting_started_in_every_language(self):
        languages = [example.language for example in EXAMPLES if example.path == 'doc/getting-started.md']
        self.assertEqual(languages, ['c', 'python', 'js', 'vala', 'lua'])


EXAMPLES = list(find_examples())
add_examples()
tap.main()
