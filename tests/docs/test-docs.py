#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documentation: every page is in the book, every link leads somewhere. test-examples.py runs what is in it.

Usage: test-docs.py SOURCE_ROOT
"""

import pathlib
import re
import sys
import tomllib
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'bindings'))
import tap

SOURCE = pathlib.Path(sys.argv[1]).resolve()
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

    def test_every_test_that_is_named_exists(self):
        text = (DOC / 'reliability.md').read_text(encoding='utf-8')
        named = re.findall(r'`test-([a-z-]+)`: `([a-z0-9-]+)`', text)
        self.assertTrue(named)
        for program, case in named:
            source, = (SOURCE / 'tests').glob(f'*/test-{program}.c')
            self.assertRegex(source.read_text(encoding='utf-8'), f'["/]{case}"', f'{source.name}: {case}')


tap.main()
