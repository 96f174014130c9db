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

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'bindings'))
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
        cls.programs = {test['name']: test['cmd'] for test in tests
                        if {suite.rpartition(':')[2] for suite in test['suite']} & {'unit', 'threads'}}
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
        text = (DOC / 'reliability.md').read_text(encoding='utf-8')
        cells = [line.split('|')[2].strip() for line in text.splitlines() if line.startswith('| ')]
        proofs = [cell for cell in cells if cell != 'proof']
        self.assertTrue(proofs)
        for proof in proofs:
            match = re.fullmatch(r'`test-([a-z0-9-]+)`: `([a-z0-9-]+)`', proof)
            self.assertIsNotNone(match, proof)
            yield match[1], match[2]


tap.main()
