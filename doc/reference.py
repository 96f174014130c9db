#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the reference: runs gi-docgen, and then mends what that leaves undone in its pages.

- Types without a C name in the GIR get the namespace instead of its prefix: AgentBusDropReason for AgentDropReason.
- Class structures without documentation say so, and rows without a value stand empty.
- The pages of doc/ have neither a list of all pages nor a way to the next one.
- Long names in the tables are broken anywhere.
- Some colours are hard to read, and a narrow window cuts off what is wide. doc/reference.css says it better.
- The functions of a large type come in one long list. doc/groups.toml puts them in order.

Usage: reference.py GI-DOCGEN CONFIG GROUPS STYLE GIR OUTPUT CONTENT-DIR…
"""

import html
import pathlib
import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree

CORE = '{http://www.gtk.org/introspection/core/1.0}'
C = '{http://www.gtk.org/introspection/c/1.0}'

class Names:
    """What C calls the types of the namespace, by the names that gi-docgen makes up."""

    def __init__(self, gir):
        namespace = ElementTree.parse(gir).getroot().find(CORE + 'namespace')
        c_names = {element.get('name'): element.get(C + 'type') for element in namespace if element.get(C + 'type')}
        self.namespace = namespace.get('name')
        self.c_names = c_names
        glued = {namespace.get('name') + name: c_name for name, c_name in c_names.items()}
        self.wrong = {name: c_name for name, c_name in glued.items() if name not in c_names.values()}
        self.values = {c_name for element in namespace if element.tag in (CORE + 'enumeration', CORE + 'bitfield')
                       for c_name in [element.get(C + 'type')]}

    def mend(self, text):
        def replace(match):
            name = self.wrong.get(match[1])
            if name is None:
                return match[0]
            # A value is not passed by a pointer.
            return name + match[2] + ('' if name in self.values else match[3])

        text = re.sub(r'(?<![\w])(\w+?)((?:Class)?</span>)(<span class="o">\*</span>)', replace, text)
        text = re.sub(r'(?<=struct )(\w+?)((?:Class)?)(?= \{)()', replace, text)
        # The name of a virtual function.
        return re.sub(rf'\b{self.namespace}\.(\w+)(?=Class\.\w)', lambda match: self.c_names.get(match[1], match[0]), text)


# Newer versions make a paragraph of it.
GAP = r'(?:<p>)?No description available\.(?:</p>)?'


def mend_gaps(text):
    # A member that is a virtual function has a page of its own.
    text = re.sub(r'(<dt><code>\w+: \w[^<]*\(\* \w+\)[^<]*</code></dt>\s*)<dd>' + GAP + '</dd>',
                  r'\1<dd>See <a href="#virtual-methods">the virtual methods</a>.</dd>', text)
    text = re.sub('<dd>' + GAP + '</dd>', '', text)
    text = re.sub(r'<div class="docblock">\s*' + GAP + r'\s*</div>', '', text)
    # A row of the index whose address nobody has filled in.
    return re.sub(r'\s*<tr><td><em>\w+</em></td><td><a href="" class="external"></a></td></tr>', '', text)


def mend_tables(text):
    """Says where a long name in a narrow column may be broken."""
    def mend_code(match):
        return '<code>' + re.sub(r'(?<=\w)([_/:.(]+)(?=\w)', r'\1<wbr>', match[1]) + '</code>'

    return re.sub(r'<table>.*?</table>', lambda table: re.sub(r'<code>([^<>]{16,})</code>', mend_code, table[0]), text,
                  flags=re.DOTALL)


# What the last section of the list at the side begins with.
END_OF_LIST = '      <div class="section generator">'

# The headings of the page, where there are any, and what was found.
AFTER_PAGE = ['<div id="toc"', '<section id="search"']


class Pages:
    """The pages of doc/, in the order in which one reads them."""

    def __init__(self, config, folders):
        self.pages = []
        for name in config['extra']['content_files']:
            source = next(folder / name for folder in folders if (folder / name).exists())
            title = re.match(r'Title: (.+)\n', source.read_text(encoding='utf-8'))[1]
            self.pages.append((pathlib.Path(name).with_suffix('.html').name, title))

    def mend(self, name, text):
        names = [page for page, _ in self.pages]
        if name != 'index.html' and name not in names:
            return text
        text = text.replace(END_OF_LIST, self.list(name) + END_OF_LIST, 1)
        if name == 'index.html':
            return text.replace('Additional documentation', 'Pages', 1)
        # What comes after the page is shown elsewhere, or not at all.
        after = min(text.find(mark) for mark in AFTER_PAGE if mark in text)
        end = text.rindex('</section>', 0, after)
        return text[:end] + self.turner(names.index(name)) + text[end:]

    def list(self, current):
        links = ''.join(f'    <a{mark} href="{name}">{html.escape(title)}</a>\n' for name, title in self.pages
                        for mark in [' class="current"' if name == current else ''])
        return f'<div class="section pages">\n  <h5>Pages</h5>\n  <div class="links">\n{links}  </div>\n</div>\n'

    def turner(self, i):
        def link(kind, word, j):
            if not 0 <= j < len(self.pages):
                return ''
            name, title = self.pages[j]
            return (f'    <a class="{kind}" rel="{"prev" if kind == "previous" else kind}" href="{name}">'
                    f'<small>{word}</small>{html.escape(title)}</a>\n')

        return ('  <nav class="page-turner">\n' + link('previous', 'Previous', i - 1) + link('next', 'Next', i + 1)
                + '  </nav>\n')


def mend_groups(name, text, groups):
    """Puts the entries of each list into the order of its groups. Each entry has to be in one."""
    for anchor, sections in groups.get(name.removesuffix('.html'), {}).items():
        begin = text.index('<div class="docblock">', text.index(f'<h4 id="{anchor}">'))
        begin += len('<div class="docblock">')
        entries = list(re.compile(r'\s*<div class="(?:deprecated)?">\s*<h6><a href="[^"]*\.(\w+)\.html">.*?</div>\s*'
                                  r'</div>(?=\s*(?:<div class="(?:deprecated)?">\s*<h6>|</div>))',
                                  re.DOTALL).finditer(text, begin))
        # What follows without a gap belongs to this list.
        mine, end = {}, begin
        for entry in entries:
            if entry.start() != end:
                break
            mine[entry[1]], end = entry[0], entry.end()
        listed = [entry for section in sections for entry in section['members']]
        if sorted(listed) != sorted(mine):
            sys.exit(f'{name}: {anchor}: not in one group of groups.toml: {sorted(set(listed) ^ set(mine))}')
        text = text[:begin] + ''.join(
            f'\n      <h5 class="group" id="{anchor}-{i}">{html.escape(section["title"])}</h5>\n'
            + ''.join(mine[entry] for entry in section['members'])
            for i, section in enumerate(sections, 1)) + text[end:]
    return text


def main(gi_docgen, config_path, groups_path, style_path, gir, output, *folders):
    config = tomllib.loads(pathlib.Path(config_path).read_text(encoding='utf-8'))
    groups = tomllib.loads(pathlib.Path(groups_path).read_text(encoding='utf-8'))
    subprocess.run([gi_docgen, 'generate', '--quiet', '--fatal-warnings', '--no-namespace-dir',
                    f'--config={config_path}', *(f'--content-dir={folder}' for folder in folders),
                    f'--output-dir={output}', gir], check=True)

    output = pathlib.Path(output)
    types = Names(gir)
    pages = Pages(config, [pathlib.Path(folder) for folder in folders])
    for path in sorted(output.glob('*.html')):
        old = path.read_text(encoding='utf-8')
        new = mend_gaps(types.mend(old))
        new = mend_groups(path.name, pages.mend(path.name, mend_tables(new)), groups)
        if new != old:
            path.write_text(new, encoding='utf-8')
    with (output / 'style.css').open('a', encoding='utf-8') as style:
        style.write(pathlib.Path(style_path).read_text(encoding='utf-8'))


main(*sys.argv[1:])
