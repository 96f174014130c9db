# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a GIR: what scripting languages see of the library, a line for each symbol."""

import xml.etree.ElementTree as ElementTree

CORE = '{http://www.gtk.org/introspection/core/1.0}'
C = '{http://www.gtk.org/introspection/c/1.0}'
GLIB = '{http://www.gtk.org/introspection/glib/1.0}'

CALLABLES = ('constructor', 'function', 'method', 'virtual-method', 'callback')


def tag_of(element):
    return element.tag.rsplit('}', 1)[-1]


def type_of(element):
    for child in element:
        tag = tag_of(child)
        if tag == 'varargs':
            return '...'
        if tag in ('type', 'array'):
            inner = [type_of([part]) for part in child if tag_of(part) in ('type', 'array')]
            if tag == 'array' and child.get('name') is None:
                return f'{inner[0]}[]'
            return child.get('name', '?') + (f'<{", ".join(inner)}>' if inner else '')
    return '?'


def notes_of(element):
    """Everything about a value that a language goes by, besides its type."""
    notes = []
    if element.get('direction', 'in') != 'in':
        notes.append(element.get('direction'))
    if element.get('transfer-ownership') is not None:
        notes.append('transfer ' + element.get('transfer-ownership'))
    for name in ('nullable', 'optional', 'caller-allocates'):
        if element.get(name) == '1':
            notes.append(name)
    for name in ('scope', 'closure', 'destroy'):
        if element.get(name) is not None:
            notes.append(f'{name} {element.get(name)}')
    return f' ({", ".join(notes)})' if notes else ''


def parameters_of(element):
    found = element.find(CORE + 'parameters')
    return [] if found is None else [child for child in found if tag_of(child) == 'parameter']


def describe_callable(element):
    parameters = [f'{p.get("name")}: {type_of(p)}{notes_of(p)}' for p in parameters_of(element)]
    returned = element.find(CORE + 'return-value')
    line = f'({", ".join(parameters)}) -> {type_of(returned)}{notes_of(returned)}'
    if element.get('throws') == '1':
        line += ' throws'
    if element.get('introspectable') == '0':
        line += ' [not introspectable]'
    return line


def describe_property(element):
    flags = [name for name in ('writable', 'construct', 'construct-only') if element.get(name) == '1']
    if element.get('readable', '1') == '0':
        flags.append('write-only')
    return f': {type_of(element)}{notes_of(element)} {" ".join(flags)}'.rstrip()


def walk(element, prefix=''):
    """Yields (kind, full name, element) for all that has a name."""
    for child in element:
        tag = tag_of(child)
        name = child.get('name') or child.get(GLIB + 'name')
        if name is None or tag in ('type', 'doc', 'field', 'parameter', 'instance-parameter', 'implements'):
            continue
        if child.get(GLIB + 'is-gtype-struct-for') is not None:
            continue
        yield tag, prefix + name, child
        yield from walk(child, f'{prefix}{name}.')


def read(path):
    return ElementTree.parse(path).getroot().find(CORE + 'namespace')


def describe(path):
    lines = []
    for tag, name, element in walk(read(path)):
        if tag in CALLABLES or tag == 'signal':
            lines.append(f'{tag} {name} {describe_callable(element)}')
        elif tag == 'property':
            lines.append(f'{tag} {name}{describe_property(element)}')
        elif tag in ('member', 'constant'):
            lines.append(f'{tag} {name} = {element.get("value")}')
        else:
            domain = element.get(GLIB + 'error-domain')
            lines.append(f'{tag} {name}' + (f' (error domain {domain})' if domain is not None else ''))
    return sorted(lines)
