#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documentation: every page is in the book, every link leads somewhere. test-examples.py runs what is in it.

Usage: test-docs.py SOURCE_ROOT BUILD_ROOT
"""

import json
import pathlib
import re
import subprocess
import sys
import tomllib
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / 'bindings'), str(TESTS / 'house')]

import house
import tap

SOURCE = pathlib.Path(sys.argv[1]).resolve()
BUILD = pathlib.Path(sys.argv[2]).resolve()
DOC = SOURCE / 'doc'
PAGES = sorted(DOC.glob('*.md'))

FENCE = re.compile(r'^```.*?^```$', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\]\(([^)\s]+)\)')


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

    def test_every_link_of_a_doc_comment_to_a_page_leads_somewhere(self):
        links = [(path.name, link) for path in (SOURCE / 'agentbus').rglob('*.[ch]')
                 for link in re.findall(r'\]\(([a-z-]+)\.html', path.read_text(encoding='utf-8'))]
        self.assertTrue(links)
        for name, link in links:
            self.assertTrue((DOC / f'{link}.md').exists(), f'{name}: {link}.html')


def list_cases(command, *options):
    lines = subprocess.run([*command, *options, '-l'], check=True, stdout=subprocess.PIPE, text=True).stdout
    # Newer versions of GLib make comments of them.
    paths = [line.removeprefix('# ') for line in lines.splitlines()]
    return [path for path in paths if path.startswith('/')]


class Proofs(unittest.TestCase):
    """The rule at the top of reliability.md. GLib takes a path that selects no case for one that passes, so that a rule that
    is wrong would be seen nowhere else."""

    @classmethod
    def setUpClass(cls):
        tests = json.loads((BUILD / 'meson-info' / 'intro-tests.json').read_text(encoding='utf-8'))
        # The program of the conformance suite has the same cases for each world, which it gets as an argument.
        cls.programs = {test['name']: test['cmd'] for test in tests
                        if {suite.rpartition(':')[2] for suite in test['suite']} & {'unit', 'threads', 'transport', 'conformance'}
                        and len(test['cmd']) == 1}
        cls.cases = {name: list_cases(command) for name, command in cls.programs.items()}

    def test_the_name_of_a_program_is_that_of_its_test(self):
        for name, command in self.programs.items():
            self.assertEqual(pathlib.Path(command[0]).stem, f'test-{name}')

    def test_every_case_is_where_the_rule_says(self):
        for name, cases in self.cases.items():
            self.assertTrue(cases, name)
            for case in cases:
                self.assertRegex(case, f'^/agentbus/{name}/[a-z0-9-]+$')

    def test_every_proof_exists(self):
        for program, case in self.read_proofs():
            self.assertIn(program, self.programs)
            path = f'/agentbus/{program}/{case}'
            self.assertEqual(list_cases(self.programs[program], '-p', path), [path])

    def read_proofs(self):
        """The second column of each table. What is no proof there is a mistake, and not left out."""
        for promise, proof, *others in read_promises((DOC / 'reliability.md').read_text(encoding='utf-8')):
            match = re.fullmatch(r'`test-([a-z0-9-]+)`: `([a-z0-9-]+)`', proof)
            self.assertIsNotNone(match, proof)
            yield match[1], match[2]


def read_promises(text):
    """The rows of all tables, without their heads."""
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if line.startswith('| ')]
    promises = [row for row in rows if row[0] != 'promise']
    assert promises
    return promises


def find_wrong_places(promises, defined):
    """The third column says where in the code a promise is kept: `folder/file.c:function`, or several with commas between
    them. Yields what does not."""
    for promise, proof, *others in promises:
        for place in (others[0] if others else '').split(','):
            match = re.fullmatch(r'`([a-z0-9/-]+\.[ch]):(\w+)`', place.strip())
            if match is None:
                yield f'{promise}: "{place}" is no place'
            elif match.groups() not in defined:
                yield f'{promise}: {match[2]}() is not defined in {match[1]}'


class Places(unittest.TestCase):
    def test_every_promise_has_a_place_in_the_code(self):
        functions = house.functions(house.read_files(SOURCE / 'agentbus'))
        promises = read_promises((DOC / 'reliability.md').read_text(encoding='utf-8'))
        wrong = list(find_wrong_places(promises, {(function.path, function.name) for function in functions}))
        if wrong:
            self.fail('\n' + '\n'.join(wrong))

    def test_every_step_of_a_walk_is_in_the_code(self):
        functions = house.functions(house.read_files(SOURCE / 'agentbus'))
        defined = {(function.path, function.name) for function in functions}
        for picture in sorted((DOC / 'images').glob('walk-*.svg')):
            steps = re.findall(r'class="code">([^<:]*):([^<]*)<', picture.read_text(encoding='utf-8'))
            self.assertGreater(len(steps), 10)
            self.assertEqual([step for step in steps if step not in defined], [])

    def test_what_is_no_place(self):
        text = '''
| promise | proof | where |
|---|---|---|
| one | `test-bus`: `one` | `bus/agent-bus.c:bus_take` |
| two | `test-bus`: `two` | `bus/agent-bus.c:bus_take`, `base/agent-lock.h:_agent_lock` |
| none | `test-bus`: `none` |
| empty | `test-bus`: `empty` | |
| half | `test-bus`: `half` | `bus/agent-bus.c:bus_take`, the lock |
| gone | `test-bus`: `gone` | `bus/agent-bus.c:bus_give` |
| elsewhere | `test-bus`: `elsewhere` | `base/agent-lock.h:bus_take` |
'''
        defined = {('bus/agent-bus.c', 'bus_take'), ('base/agent-lock.h', '_agent_lock')}
        self.assertEqual(list(find_wrong_places(read_promises(text), defined)), [
            'none: "" is no place',
            'empty: "" is no place',
            'half: " the lock" is no place',
            'gone: bus_give() is not defined in bus/agent-bus.c',
            'elsewhere: bus_take() is not defined in base/agent-lock.h',
        ])


tap.main()
