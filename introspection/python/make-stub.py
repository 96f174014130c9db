# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes AgentBus.pyi: what type checkers and editors know of the library, with its overrides.

Usage: make-stub.py GIR OUTPUT [OVERRIDES…]

What the overrides define is taken from them, with its annotations and docstrings. All else is taken from the GIR.
"""

import ast
import sys
import textwrap
import xml.etree.ElementTree as ElementTree

CORE = '{http://www.gtk.org/introspection/core/1.0}'
GLIB = '{http://www.gtk.org/introspection/glib/1.0}'

BASIC = {'utf8': 'str', 'filename': 'str', 'gboolean': 'bool', 'gdouble': 'float', 'gfloat': 'float', 'none': 'None',
         'gpointer': 'typing.Any', 'GType': 'GObject.GType'}

HEAD = '''\
# SPDX-License-Identifier: LGPL-2.1-or-later
# Made by make-stub.py.

import asyncio
import typing

from gi.repository import Gio, GLib, GObject
'''


def find(element, *path):
    for name in path:
        element = element.find(CORE + name) if element is not None else None
    return element


def type_of(element):
    """A type in Python's words, of something that has one."""
    array = find(element, 'array')
    if array is not None:
        return 'bytes' if find(array, 'type').get('name') == 'guint8' else f'typing.List[{type_of(array)}]'
    name = find(element, 'type').get('name')
    if name in BASIC:
        return BASIC[name]
    if name.startswith('g') and name[1:].startswith(('int', 'uint', 'size', 'ssize', 'long', 'ulong')):
        return 'int'
    if name in ('Gio.AsyncReadyCallback', 'GObject.Closure'):
        return 'typing.Callable[..., object]'
    return name


def nullable(element, name):
    return f'typing.Optional[{name}]' if element.get('nullable') == '1' and name != 'typing.Any' else name


def is_out(parameter):
    return parameter.get('direction') == 'out'


def describe_parameters(element, first):
    parameters = [*(find(element, 'parameters') or [])]
    parameters = [parameter for parameter in parameters if parameter.tag == CORE + 'parameter']
    hidden = {find(holder, 'array').get('length') for holder in [*parameters, find(element, 'return-value')]
              if find(holder, 'array') is not None}
    shown, returned, rest = [], [], ''
    for number, parameter in enumerate(parameters):
        if str(number) in hidden:
            continue
        if is_out(parameter):
            returned.append(type_of(parameter))
        elif parameter.get('name') == 'user_data':
            rest = '*user_data: typing.Any'
        else:
            shown.append(parameter)
    words, optional = [], True
    for parameter in reversed(shown):
        optional = optional and parameter.get('nullable') == '1'
        words.insert(0, f'{parameter.get("name")}: {nullable(parameter, type_of(parameter))}'
                     + (' = None' if optional else ''))
    return ', '.join(filter(None, [first, *words, rest])), returned


def describe_callable(element, name, first='', decorator=''):
    parameters, out = describe_parameters(element, first)
    returned = find(element, 'return-value')
    own = nullable(returned, type_of(returned))
    if out:
        results = [*([] if own == 'None' else [own]), *out]
        own = results[0] if len(results) == 1 else f'typing.Tuple[{", ".join(results)}]'
    return f'{decorator}def {name}({parameters}) -> {own}: ...'


def is_introspectable(element):
    return element.get('introspectable') != '0' and element.get('shadowed-by') is None


def members_of(element):
    """What a class has in the GIR: name → text."""
    found = {}
    for child in element:
        name = child.get('shadows') or child.get('name')
        if not is_introspectable(child):
            continue
        if child.tag == CORE + 'constructor':
            found[name] = describe_callable(child, name, 'cls', '@classmethod\n')
        elif child.tag == CORE + 'method':
            found[name] = describe_callable(child, name, 'self')
        elif child.tag == CORE + 'function':
            found[name] = describe_callable(child, name, '', '@staticmethod\n')
        elif child.tag == CORE + 'virtual-method':
            found[f'do_{name}'] = describe_callable(child, f'do_{name}', 'self')
    return found


def returned_by(element, getter):
    for child in element:
        if child.tag == CORE + 'method' and child.get('name') == getter:
            returned = find(child, 'return-value')
            return nullable(returned, type_of(returned))
    raise SystemExit(f'{element.get("name")} has no {getter}')


class Overrides:
    """What the files of the overrides define."""

    def __init__(self, paths):
        self.classes, self.functions, self.aliases, self.public = {}, {}, [], []
        for path in paths:
            with open(path, encoding='utf-8') as file:
                self.read(ast.parse(file.read()))

    def read(self, module):
        for node in module.body:
            if isinstance(node, ast.ClassDef):
                self.classes[node.name] = node
            elif isinstance(node, ast.FunctionDef) or isinstance(node, ast.AsyncFunctionDef):
                self.functions[node.name] = node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                text = ast.unparse(node)
                if node.targets[0].id == '__all__':
                    self.public = ast.literal_eval(node.value)
                elif '= typing.' in text and text not in self.aliases:
                    self.aliases.append(text)


def shorten(node):
    """A function without what it does."""
    docstring = ast.get_docstring(node)
    body = [ast.Expr(ast.Constant(docstring.replace('\n', '\n    ')))] if docstring else []
    # An async generator is called, not awaited, and only its body tells that it is one.
    is_generator = any(isinstance(inner, (ast.Yield, ast.YieldFrom)) for inner in ast.walk(node))
    kind = ast.FunctionDef if is_generator else type(node)
    short = kind(**{field: getattr(node, field) for field in node._fields if field != 'body'},
                 body=[*body, ast.Expr(ast.Constant(...))])
    return ast.unparse(ast.fix_missing_locations(short)).replace('@attribute\n', '@property\n')


def is_overload(node):
    return any(ast.unparse(decorator) == 'typing.overload' for decorator in node.decorator_list)


def describe_property(element, name, call):
    getter, *setter = [argument.attr for argument in call.args]
    kind = returned_by(element, getter)
    text = f'@property\ndef {name}(self) -> {kind}: ...'
    if setter:
        text += f'\n@{name}.setter\ndef {name}(self, value: {kind}) -> None: ...'
    return text


def members_in(node, element):
    """What an override has, besides what is private: name → text."""
    found, overloaded = {}, set()
    for child in node.body:
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            name = child.name
            if name.startswith('_') and not name.startswith('__') or name == '__init_subclass__':
                continue
            if is_overload(child):
                found[name] = found[name] + '\n' + shorten(child) if name in overloaded else shorten(child)
                overloaded.add(name)
            elif name not in overloaded:
                has_setter = any(ast.unparse(decorator) == f'{name}.setter' for decorator in child.decorator_list)
                found[name] = found[name] + '\n' + shorten(child) if has_setter else shorten(child)
        elif isinstance(child, ast.AnnAssign) and not child.target.id.startswith('_'):
            found[child.target.id] = ast.unparse(child)
        elif isinstance(child, ast.Assign):
            name, value = child.targets[0].id, child.value
            if name.startswith('_'):
                if name == '__iter__':
                    found[name] = '__iter__: None'
            elif isinstance(value, ast.Call) and ast.unparse(value.func) in ('property', 'attribute', 'number'):
                found[name] = describe_property(element, name, value)
            else:
                found[name] = ast.unparse(child)
    return found


def describe_class(name, bases, docstring, members):
    head = f'class {name}({", ".join(bases)}):' if bases else f'class {name}:'
    body = ([f'"""{docstring}"""'] if docstring else []) + [*members.values()]
    return head + '\n' + textwrap.indent('\n'.join(body or ['...']), '    ')


def mark_methods(members, node, parent):
    """Of an override whose method stands in place of an attribute of its parent's override, a type checker has to be told."""
    attributes = {child.targets[0].id for child in (parent.body if parent is not None else [])
                  if isinstance(child, ast.Assign)}
    for child in node.body:
        if isinstance(child, ast.FunctionDef) and child.name in attributes and child.name in members:
            members[child.name] = members[child.name].replace(':\n', ':  # type: ignore[override]\n', 1)


def describe_type(element, overrides):
    name = element.get('name')
    parent = element.get('parent')
    members = members_of(element)
    node = overrides.classes.get(name)
    docstring = None
    if node is not None:
        docstring = ast.get_docstring(node)
        own = members_in(node, element)
        mark_methods(own, node, overrides.classes.get(parent))
        members = {name: text for name, text in members.items() if name not in own} | own
    elif element.tag == CORE + 'class':
        members = {'__init__': 'def __init__(self, **properties: typing.Any) -> None: ...', **members}
    elif 'new' in members:
        new = members['new'].replace('@classmethod\ndef new(cls', 'def __init__(self').rsplit(' -> ', 1)[0]
        members = {'__init__': f'{new} -> None: ...', **members}
    interfaces = [child.get('name') for child in element if child.tag == CORE + 'implements']
    return describe_class(name, [parent or 'GObject.GBoxed', *interfaces], docstring, members)


def describe_enum(element):
    members = {child.get('name'): f'{child.get("name").upper()}: {element.get("name")}'
               for child in element if child.tag == CORE + 'member'}
    if element.get(GLIB + 'error-domain') is not None:
        members['quark'] = '@staticmethod\ndef quark() -> int: ...'
    for child in element:
        if child.tag == CORE + 'function' and is_introspectable(child) and child.get('name') != 'quark':
            members[child.get('name')] = describe_callable(child, child.get('name'), '', '@staticmethod\n')
    is_flags = element.tag == CORE + 'bitfield'
    if is_flags:
        members |= {'first': 'first_value_nick: str', 'first_': 'first_value_name: str'}
    else:
        members |= {'nick': 'value_nick: str', 'name_': 'value_name: str'}
    return describe_class(element.get('name'), ['GObject.GFlags' if is_flags else 'GObject.GEnum'], None, members)


def main(gir, output, *paths):
    overrides = Overrides(paths)
    root = ElementTree.parse(gir).getroot()
    includes = {include.get('name') for include in root.iter(CORE + 'include')}
    head = HEAD.replace('import Gio', 'import AgentBus, Gio') if 'AgentBus' in includes else HEAD
    parts, known = [head, '\n'.join(overrides.aliases)], set()
    for element in find(root, 'namespace'):
        name, tag = element.get('name'), element.tag.rsplit('}', 1)[-1]
        if not is_introspectable(element) or element.get(GLIB + 'is-gtype-struct-for') is not None \
                or element.get('disguised') == '1' and element.get(GLIB + 'get-type') is None:
            continue
        known.add(name)
        if tag in ('class', 'record'):
            parts.append(describe_type(element, overrides))
        elif tag in ('enumeration', 'bitfield'):
            parts.append(describe_enum(element))
        elif tag == 'constant':
            parts.append(f'{name}: {type_of(element)}')
        elif tag == 'function' and element.get('moved-to') is None:
            parts.append(describe_callable(element, name))
    for name in overrides.public:
        if name in overrides.functions:
            parts.append(shorten(overrides.functions[name]))
        elif name not in known:
            node = overrides.classes[name]
            parts.append(describe_class(name, [ast.unparse(base) for base in node.bases],
                                        ast.get_docstring(node), members_in(node, None)))
    parts += [describe_class(name, [], None, members_in(node, None)) for name, node in overrides.classes.items()
              if any(f'{name}()' in part for part in parts)]
    with open(output, 'w', encoding='utf-8') as file:
        file.write('\n\n'.join(filter(None, parts)) + '\n')


main(*sys.argv[1:])
