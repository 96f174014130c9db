#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The built reference: every link and every anchor leads somewhere, and nothing is left blank. See doc/reference.py.

Usage: test-reference.py SOURCE_ROOT REFERENCE
"""

import collections
import html.parser
import pathlib
import re
import sys
import tomllib
import unittest
import urllib.parse
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'bindings'))
import tap

DOC = pathlib.Path(sys.argv[1]).resolve() / 'doc'
REFERENCE = pathlib.Path(sys.argv[2]).resolve()

class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.anchors, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors += [attributes[name] for name in ('id', 'name') if name in attributes and tag != 'meta']
        self.links += [attributes[name] for name in ('href', 'src') if attributes.get(name) is not None]


def find_dead_links(pages, files):
    """Yields (page, link) for each link of one page to a file or an anchor that is not there."""
    for name, page in pages.items():
        for link in page.links:
            url = urllib.parse.urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = urllib.parse.unquote(url.path) or name
            anchor = urllib.parse.unquote(url.fragment)
            if not link or target not in files or anchor and target in pages and anchor not in pages[target].anchors:
                yield name, link


def find_colours(style, scheme):
    """What the style calls its colours, in the light or the dark scheme: the last one of a name is the one that holds."""
    colours = {}
    for dark, block in re.findall(r'(@media \(prefers-color-scheme: dark\) \{\s*)?:root \{(.*?)\}', style, re.DOTALL):
        if not dark or scheme == 'dark':
            colours.update(re.findall(r'--([\w-]+): (#\w+|rgb\([^)]*\));', block))
    return colours


def get_luminance(colour):
    if colour.startswith('#'):
        digits = colour[1:] if len(colour) == 7 else ''.join(2 * digit for digit in colour[1:])
        parts = [int(digits[i:i + 2], 16) for i in (0, 2, 4)]
    else:
        parts = [int(part) for part in re.findall(r'\d+', colour)]
    red, green, blue = (part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def get_contrast(one, other):
    """From 1, for the same colour, to 21, for black and white."""
    dark, light = sorted([get_luminance(one), get_luminance(other)])
    return (light + 0.05) / (dark + 0.05)


class Reference(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.texts = {path.name: path.read_text(encoding='utf-8') for path in sorted(REFERENCE.glob('*.html'))}
        cls.pages = {name: Page(text) for name, text in cls.texts.items()}
        cls.files = {path.name for path in REFERENCE.iterdir()}
        cls.topics = [pathlib.Path(name).stem + '.html' for name in tomllib.loads(
            (DOC / 'agentbus.toml.in').read_text(encoding='utf-8'))['extra']['content_files']]

    def grep(self, pattern):
        return [f'{name}: {match[0]}' for name, text in self.texts.items() for match in re.finditer(pattern, text)]

    def test_every_link_leads_somewhere(self):
        self.assertGreater(len(self.pages), 200)
        self.assertEqual(list(find_dead_links(self.pages, self.files)), [])

    def test_every_link_of_devhelp_leads_somewhere(self):
        book = ElementTree.parse(REFERENCE / 'agentbus-1.devhelp2')
        page = Page('')
        page.links = [element.get('link') for element in book.iter() if element.get('link')]
        self.assertGreater(len(page.links), 100)
        self.assertEqual(list(find_dead_links({'': page, **self.pages}, self.files)), [])

    def test_every_anchor_is_there_once(self):
        for name, page in self.pages.items():
            twice = [anchor for anchor, n in collections.Counter(page.anchors).items() if n > 1]
            self.assertEqual(twice, [], name)

    def test_nothing_is_left_blank(self):
        self.assertEqual(self.grep('No description available'), [])
        self.assertEqual(self.grep(r'<a[^>]* href=""[^>]*>'), [])

    def test_types_are_called_as_in_c(self):
        glued = r'\bAgentBus(?!Error\b)(?:Bus|Channel|Delivery|DispatchResult|DropReason|Frame|Info|Message|Metrics|' \
                r'Overflow|Peer|Registry|RetryPolicy|Route|Router|Subscriber|Task)\w*'
        # The names of files in the pages about the inside are no types.
        found = [line for line in self.grep(glued) if line.partition(':')[0] not in self.topics]
        self.assertEqual(found, [])
        self.assertEqual(self.grep(r'\bAgentBus\.\w+Class\.'), [])

    def test_no_mark_is_left_over(self):
        self.assertEqual(self.grep(r'\[(?:id|func|class|struct|method|ctor|signal|property|enum|error|const)@[^\]]*\]'), [])

    def test_one_page_leads_to_the_next(self):
        for i, name in enumerate(self.topics):
            turner = re.search(r'<nav class="page-turner">(.*?)</nav>', self.texts[name], re.DOTALL)
            self.assertIsNotNone(turner, name)
            # What comes after it is hidden.
            self.assertLess(turner.start(), self.texts[name].index('id="search"'))
            self.assertEqual(re.findall(r'href="([^"]+)"', turner[1]),
                             self.topics[max(i - 1, 0):i] + self.topics[i + 1:i + 2])

    def test_every_page_lists_all(self):
        for name in [*self.topics, 'index.html']:
            pages = re.search(r'<div class="section pages">(.*?)</div>\s*</div>', self.texts[name], re.DOTALL)
            self.assertIsNotNone(pages, name)
            self.assertEqual(re.findall(r'href="([^"]+)"', pages[1]), self.topics)
            self.assertEqual(re.findall(r'class="current" href="([^"]+)"', pages[1]), [name] * (name in self.topics))

    def test_groups_are_in_order(self):
        groups = tomllib.loads((DOC / 'groups.toml').read_text(encoding='utf-8'))
        for page, lists in groups.items():
            text = self.texts[f'{page}.html']
            titles = [section['title'] for sections in lists.values() for section in sections]
            self.assertEqual(re.findall(r'<h5 class="group"[^>]*>(.*?)</h5>', text), titles)

    def test_colours_can_be_read(self):
        style = (REFERENCE / 'style.css').read_text(encoding='utf-8')
        for scheme in ('light', 'dark'):
            colours = find_colours(style, scheme)
            texts = [name for name in colours if name.startswith('code-') and name != 'code-bg']
            self.assertGreaterEqual(len(texts), 5)
            pairs = [(text, box) for box in ('body-bg', 'code-bg') for text in [
                *texts, 'text-color', 'text-color-muted', 'heading-docblock-color', 'primary', 'box-text-color']]
            pairs += [('accent-fg-color', 'accent-bg-color'), ('sidebar-primary', 'sidebar-bg')]
            weak = [pair for pair in pairs if get_contrast(*(colours[name] for name in pair)) < 4.5]
            self.assertEqual(weak, [], scheme)

    def test_index_names_each_dependency(self):
        names = re.findall(r'<td><strong>(\w+)</strong>&mdash;', self.texts['index.html'])
        self.assertCountEqual(names, ['GLib', 'GObject', 'Gio'])

    def test_what_is_a_dead_link(self):
        pages = {'a.html': Page('<p id="one"></p><a href="#one"></a><a href="#two"></a><a href="b.html"></a>'
                                '<a href="b.html#one"></a><a href="c.html"></a><img src="a.svg"><img src="b.svg">'
                                '<a href="https://example.org/d.html"></a>'),
                 'b.html': Page('')}
        dead = [link for _, link in find_dead_links(pages, {'a.html', 'b.html', 'a.svg'})]
        self.assertEqual(dead, ['#two', 'b.html#one', 'c.html', 'b.svg'])

    def test_what_is_contrast(self):
        self.assertAlmostEqual(get_contrast('#000', 'rgb(255, 255, 255)'), 21)
        self.assertAlmostEqual(get_contrast('#767676', '#ffffff'), 4.54, places=2)


tap.main()
