#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documentation: every page is in the book, every link leads somewhere, every complete program runs.

Usage: test-docs.py SOURCE_ROOT BUILD_ROOT

A complete program is a fenced block behind a line such as <!-- complete program: prints "the sum is 5" -->. It has to
end by itself, and to have said that.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'bindings'))
import tap

SOURCE = pathlib.Path(sys.argv[1]).resolve()
BUILD = pathlib.Path(sys.argv[2]).resolve()
DOC = SOURCE / 'doc'
PAGES = sorted(DOC.glob('*.md'))

# Seconds. A program that hangs has failed.
PATIENCE = 60

PROGRAM = re.compile(r'^<!-- complete program: prints "([^"]+)" -->\n+```(\w+)\n(.*?)^```$',
                     re.MULTILINE | re.DOTALL)
FENCE = re.compile(r'^```.*?^```$', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\]\(([^)\s]+)\)')


def run(*command, cwd=None):
    result = subprocess.run(command, cwd=cwd, env=environment(), timeout=PATIENCE, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode != 0:
        raise AssertionError(f'{shlex.join(map(str, command))} ended with {result.returncode}:\n{result.stdout}')
    return result.stdout


def environment():
    def before(name, path):
        return os.pathsep.join([str(path), *filter(None, [os.environ.get(name)])])

    return {
        **os.environ,
        'G_DEBUG': 'fatal-criticals',
        'GI_TYPELIB_PATH': before('GI_TYPELIB_PATH', BUILD / 'introspection'),
        'LD_LIBRARY_PATH': before('LD_LIBRARY_PATH', BUILD / 'agentbus'),
        'PKG_CONFIG_PATH': before('PKG_CONFIG_PATH', BUILD / 'meson-uninstalled'),
    }


def split_flags():
    return run('pkg-config', '--cflags', '--libs', 'agentbus-1').split()


def run_c(source):
    executable = source.with_suffix('')
    run('cc', '-Wall', '-Werror', source, '-o', executable, *split_flags(), cwd=source.parent)
    return run(executable)


def run_python(source):
    return run(sys.executable, source)


def run_js(source):
    return run('gjs', '-m', source)


def run_vala(source):
    executable = source.with_suffix('')
    flags = [word for flag in split_flags() for word in ('-X', flag)]
    run('valac', '--quiet', '--vapidir', BUILD / 'introspection', '--pkg', 'gio-2.0', '--pkg', 'agentbus-1',
        '-X', '-w', *flags,
        source, '-o', executable, cwd=source.parent)
    return run(executable)


# How to run a program, and what has to be there for it: programs, and files of the build.
LANGUAGES = {
    'c': (run_c, ['cc', 'pkg-config'], []),
    'python': (run_python, [], ['introspection/AgentBus-1.typelib']),
    'js': (run_js, ['gjs'], ['introspection/AgentBus-1.typelib']),
    'vala': (run_vala, ['valac', 'cc', 'pkg-config'], ['introspection/agentbus-1.vapi']),
}


def run_program(language, text):
    run_source, programs, files = LANGUAGES[language]
    missing = [name for name in programs if shutil.which(name) is None]
    missing += [name for name in files if not (BUILD / name).exists()]
    if missing:
        raise unittest.SkipTest(f'there is no {missing[0]}')

    with tempfile.TemporaryDirectory() as directory:
        source = pathlib.Path(directory) / f'program.{"py" if language == "python" else language}'
        source.write_text(text, encoding='utf-8')
        return run_source(source)


class Pages(unittest.TestCase):
    def test_every_page_is_in_the_book(self):
        book = tomllib.loads((DOC / 'agentbus.toml.in').read_text(encoding='utf-8'))['extra']
        self.assertEqual(sorted(book['content_files']), [page.name for page in PAGES])
        built = re.findall(r"^    '([a-z-]+)',$", (DOC / 'meson.build').read_text(encoding='utf-8'), re.MULTILINE)
        self.assertEqual(built, [page.stem for page in PAGES])
        self.assertEqual(sorted(book['content_images']),
                         [f'images/{image.name}' for image in sorted((DOC / 'images').glob('*'))])

    def test_every_page_has_a_title(self):
        for page in PAGES:
            text = page.read_text(encoding='utf-8')
            title = re.match(r'Title: (.+)\nSlug: (.+)\n\n# (.+)\n', text)
            self.assertIsNotNone(title, page.name)
            self.assertEqual((title[1], title[2]), (title[3], page.stem))

    def test_every_link_leads_somewhere(self):
        for page in [*PAGES, SOURCE / 'README.md', SOURCE / 'CONTRIBUTING.md']:
            for link in LINK.findall(FENCE.sub('', page.read_text(encoding='utf-8'))):
                if not re.match(r'[a-z]+:', link):
                    self.assertTrue((page.parent / link.partition('#')[0]).exists(), f'{page.name}: {link}')

    def test_every_test_that_is_named_exists(self):
        text = (DOC / 'reliability.md').read_text(encoding='utf-8')
        named = re.findall(r'`test-([a-z-]+)`: `([a-z0-9-]+)`', text)
        self.assertTrue(named)
        for program, case in named:
            source, = (SOURCE / 'tests').glob(f'*/test-{program}.c')
            self.assertRegex(source.read_text(encoding='utf-8'), f'["/]{case}"', f'{source.name}: {case}')


class Programs(unittest.TestCase):
    """One test for each page and language, see add_programs()."""

    def run_all(self, page, language):
        for output, name, text in PROGRAM.findall(page.read_text(encoding='utf-8')):
            if name == language:
                self.assertIn(output, run_program(language, text))


def add_programs():
    for page in PAGES:
        for language in {name for _, name, _ in PROGRAM.findall(page.read_text(encoding='utf-8'))}:
            def test(self, page=page, language=language):
                self.run_all(page, language)

            setattr(Programs, f'test_{page.stem}_{language}'.replace('-', '_'), test)


class GettingStarted(unittest.TestCase):
    def test_every_language(self):
        programs = PROGRAM.findall((DOC / 'getting-started.md').read_text(encoding='utf-8'))
        self.assertEqual([name for _, name, _ in programs], list(LANGUAGES))


class Readme(unittest.TestCase):
    def test_python(self):
        text = (SOURCE / 'README.md').read_text(encoding='utf-8')
        program, = re.findall(r'^```python\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
        forever = 'GLib.MainLoop().run()'
        # As it stands it never ends.
        self.assertIn(forever, program)
        program = program.replace(forever, 'while GLib.MainContext.default().iteration(False): pass')
        self.assertIn('ui asks for sum', run_program('python', program))


add_programs()
tap.main()
