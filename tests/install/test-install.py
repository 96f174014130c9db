# SPDX-License-Identifier: LGPL-2.1-or-later
"""The library in the hands of others: as a subproject of Meson, installed, and with the version that they ask for.

Usage: test-install.py SOURCE_ROOT BUILD_ROOT COMPILER…
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'bindings'))
import tap

SOURCE = pathlib.Path(sys.argv[1]).resolve()
BUILD = pathlib.Path(sys.argv[2]).resolve()
COMPILER = sys.argv[3:]
MESON = shutil.which('meson')

PROGRAM = '''
#include <agentbus/agentbus.h>

int
main (void)
{
  g_autoptr (AgentBus) bus = agent_bus_new ();

  g_print ("%s\\n", G_OBJECT_TYPE_NAME (bus));
  return 0;
}
'''

# What nobody else can include, though it is there. One of them is public, but has to be asked for through agentbus.h.
HIDDEN = ['<agentbus/bus/agent-bus-private.h>', '<bus/agent-bus-private.h>', '<agent-enums.h>', '<config.h>']

PROJECT = '''
project('consumer', 'c')
agentbus = dependency('agentbus-1', fallback: 'agentbus')
executable('program', 'program.c', dependencies: agentbus)
foreach i : [{hidden}]
  executable('hidden-@0@'.format(i), 'hidden-@0@.c'.format(i), dependencies: agentbus, build_by_default: false)
endforeach
'''


def run(command, **options):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def pkg_config(*arguments, path=''):
    environment = {**os.environ, 'PKG_CONFIG_PATH': os.pathsep.join([str(path), os.environ.get('PKG_CONFIG_PATH', '')])}
    return subprocess.run(['pkg-config', *arguments], check=True, text=True, stdout=subprocess.PIPE,
                          env=environment).stdout.split()


class Consumer:
    """A project that has the library as a subproject. Each class below builds it in another way."""

    options: list[str]

    @classmethod
    def setUpClass(cls):
        if MESON is None:
            raise unittest.SkipTest('there is no meson')
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = pathlib.Path(folder.name).resolve()
        cls.build = cls.root / 'build'
        cls.prefix = cls.root / 'prefix'
        cls.write_project()
        cls.must('setup', '--wrap-mode=forcefallback', '--buildtype=plain', f'--prefix={cls.prefix}', '--libdir=lib',
                 *cls.options, cls.build, cls.root)
        cls.must('compile', '-C', cls.build)

    @classmethod
    def write_project(cls):
        (cls.root / 'subprojects').mkdir()
        (cls.root / 'subprojects' / 'agentbus').symlink_to(SOURCE)
        (cls.root / 'program.c').write_text(PROGRAM)
        for i, header in enumerate(HIDDEN):
            (cls.root / f'hidden-{i}.c').write_text(f'#define AGENT_COMPILATION\n#include {header}\n{PROGRAM}')
        (cls.root / 'meson.build').write_text(PROJECT.format(hidden=', '.join(map(str, range(len(HIDDEN))))))

    @classmethod
    def must(cls, *arguments):
        done = run([MESON, *arguments], env={**os.environ, 'CC': ' '.join(COMPILER)})
        if done.returncode != 0:
            raise AssertionError(done.stdout)

    def introspect(self, what):
        return json.loads(run([MESON, 'introspect', what, self.build]).stdout)

    def test_runs(self):
        self.assertEqual(run([self.build / 'program']).stdout, 'AgentBus\n')

    def test_only_public_headers_can_be_included(self):
        for i, header in enumerate(HIDDEN):
            done = run([MESON, 'compile', '-C', self.build, f'hidden-{i}'])
            self.assertNotEqual(done.returncode, 0, header)
            # As gcc and clang say it.
            self.assertRegex(done.stdout, re.escape(header[1:-1]) + "(: No such file|' file not found)")

    def test_only_the_library_is_built(self):
        folders = {pathlib.Path(target['defined_in']).resolve().relative_to(SOURCE).parts[0]
                   for target in self.introspect('--targets') if target['subproject']}
        self.assertEqual(folders, {'agentbus'})
        self.assertEqual(self.introspect('--tests'), [])

    def test_works_when_it_is_installed(self):
        self.must('install', '-C', self.build, '--no-rebuild')
        # The installed library must need nothing of the folder that it was built in.
        away = self.build.rename(self.root / 'away')
        self.addCleanup(away.rename, self.build)
        flags = pkg_config('--cflags', '--libs', *self.pkg_config_options, 'agentbus-1',
                           path=self.prefix / 'lib' / 'pkgconfig')
        program = self.root / 'installed'
        done = run([*COMPILER, self.root / 'program.c', '-o', program, *flags])
        self.assertEqual(done.returncode, 0, done.stdout)
        done = run([program], env={**os.environ, 'LD_LIBRARY_PATH': str(self.prefix / 'lib')})
        self.assertEqual(done.stdout, 'AgentBus\n')
        self.assertEqual(sorted(path.name for path in (self.prefix / 'lib').glob('libagentbus*')), self.libraries)

    def test_installs_the_public_headers(self):
        self.must('install', '-C', self.build, '--no-rebuild')
        installed = self.prefix / 'include' / 'agentbus-1'
        copied = BUILD / 'agentbus' / 'include'
        self.assertEqual({path.relative_to(installed) for path in installed.rglob('*.h')},
                         {path.relative_to(copied) for path in copied.rglob('*.h')})


class Shared(Consumer, unittest.TestCase):
    options = []
    pkg_config_options = []
    libraries = ['libagentbus-1.so', 'libagentbus-1.so.0']


class Static(Consumer, unittest.TestCase):
    options = ['-Ddefault_library=static']
    pkg_config_options = ['--static']
    libraries = ['libagentbus-1.a']


# What each language has to find, beside the interpreter and what it needs itself.
LANGUAGES = {
    'python': (['/usr/bin/python3', '-c'], """
import gi
gi.require_version('AgentBus', '1')
from gi.repository import AgentBus
print(AgentBus.Message.cancel('ui', 'worker').name)
"""),
    'js': (['gjs', '-c'], """
imports.gi.versions.AgentBus = '1';
print(imports.gi.AgentBus.Message.cancel('ui', 'worker').name);
"""),
    'lua': (['lua5.3', '-e'], """
print(require('lgi').require('AgentBus', '1').Message.cancel('ui', 'worker').name)
"""),
}


class Elsewhere(unittest.TestCase):
    """Installed where nobody looks. What the summary of Meson says is to be run has to be enough."""

    @classmethod
    def setUpClass(cls):
        if MESON is None or not (BUILD / 'introspection' / 'AgentBus-1.typelib').exists():
            raise unittest.SkipTest('there is no meson, or no introspection')
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = pathlib.Path(folder.name).resolve()
        said = cls.must([MESON, 'setup', '--buildtype=plain', f'--prefix={cls.root}/prefix', '-Dintrospection=enabled',
                         '-Dtests=disabled', '-Dexamples=disabled', '-Ddocs=disabled', '-Dvapi=disabled',
                         cls.root / 'build', SOURCE], env={**os.environ, 'CC': ' '.join(COMPILER)})
        cls.must([MESON, 'install', '-C', cls.root / 'build'])
        (cls.root / 'build').rename(cls.root / 'away')
        cls.steps = re.findall(r'(export \S+)$', said[said.index('After the installation'):], re.MULTILINE)

    @staticmethod
    def must(command, **options):
        done = run(command, **options)
        if done.returncode != 0:
            raise AssertionError(done.stdout)
        return done.stdout

    def run_there(self, *command):
        # As a stranger: with nothing of this build.
        told = {'LD_LIBRARY_PATH', 'PKG_CONFIG_PATH', 'GI_TYPELIB_PATH', 'GJS_PATH', 'PYTHONPATH', 'LUA_PATH',
                'XDG_DATA_DIRS'}
        env = {name: value for name, value in os.environ.items() if name not in told}
        done = run(['sh', '-euc', '; '.join([*self.steps, '"$@"']), 'sh', *command], env=env, cwd=self.root)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_c(self):
        flags = self.run_there('pkg-config', '--cflags', '--libs', 'agentbus-1').split()
        (self.root / 'program.c').write_text(PROGRAM)
        self.must([*COMPILER, self.root / 'program.c', '-o', self.root / 'program', *flags])
        self.assertEqual(self.run_there(self.root / 'program'), 'AgentBus\n')

    def test_nothing_is_beside_the_folders_of_a_prefix(self):
        folders = {path.name for path in (self.root / 'prefix').iterdir()}
        self.assertLessEqual(folders, {'include', 'lib', 'lib64', 'share'})

    def test_other_languages_find_it_and_the_overrides(self):
        for language, (command, text) in LANGUAGES.items():
            with self.subTest(language):
                if shutil.which(command[0]) is None:
                    self.skipTest(f'there is no {command[0]}')
                self.assertEqual(self.run_there(*command, text), 'cancel\n')


class Versions(unittest.TestCase):
    """What the macros of agent-version.h and agent-visibility.h make the compiler say."""

    declarations = '''
#include <agentbus/agentbus.h>
AGENT_AVAILABLE_IN_0_1 void test_added (void);
AGENT_DEPRECATED_IN_0_1 void test_outdated (void);
AGENT_DEPRECATED_IN_0_1_FOR (test_added) void test_replaced (void);
'''
    # A version before the first one.
    BEFORE = '1'

    def compile(self, call, *macros):
        text = f'{self.declarations}int main (void) {{ {call}; return 0; }}'
        done = run([*COMPILER, '-x', 'c', '-fsyntax-only', '-Werror=deprecated-declarations',
                    *(f'-D{macro}' for macro in macros), f'-I{BUILD / "agentbus" / "include"}',
                    *pkg_config('--cflags', 'gio-2.0'), '-'], input=text)
        return 'ok' if done.returncode == 0 else done.stdout

    def range(self, required, allowed):
        return f'AGENT_VERSION_MIN_REQUIRED={required}', f'AGENT_VERSION_MAX_ALLOWED={allowed}'

    def test_a_program_that_says_nothing(self):
        self.assertEqual(self.compile('test_added ()'), 'ok')
        self.assertEqual(self.compile('agent_bus_new ()'), 'ok')
        self.assertIn('deprecated', self.compile('test_outdated ()'))
        self.assertIn("Use 'test_added' instead", self.compile('test_replaced ()'))

    def test_what_was_deprecated_after_the_version_that_is_required(self):
        macros = self.range(self.BEFORE, 'AGENT_VERSION_0_1')
        self.assertEqual(self.compile('test_outdated (); test_replaced (); test_added ()', *macros), 'ok')

    def test_what_was_added_after_the_version_that_is_allowed(self):
        macros = self.range(self.BEFORE, self.BEFORE)
        self.assertIn('Not available before 0.1', self.compile('test_added ()', *macros))
        self.assertIn('Not available before 0.1', self.compile('agent_bus_new ()', *macros))

    def test_who_wants_no_warnings(self):
        macros = [*self.range(self.BEFORE, self.BEFORE), 'AGENT_DISABLE_DEPRECATION_WARNINGS']
        self.assertEqual(self.compile('test_outdated (); test_replaced (); test_added ()', *macros), 'ok')

    def test_versions_that_cannot_be(self):
        self.assertIn('MIN_REQUIRED is no version',
                      self.compile('', 'AGENT_VERSION_MIN_REQUIRED=AGENT_VERSION_1000_0'))
        self.assertIn('MAX_ALLOWED is no version',
                      self.compile('', 'AGENT_VERSION_MAX_ALLOWED=AGENT_VERSION_1000_0'))
        self.assertIn('is older than', self.compile('', *self.range('AGENT_VERSION_0_1', self.BEFORE)))


tap.main()
