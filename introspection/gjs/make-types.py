#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the type definitions for TypeScript, of a GIR and of what the overrides add.

Usage: make-types.py GIR [OVERRIDES] > agentbus-1.d.ts
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as ET

CORE = '{http://www.gtk.org/introspection/core/1.0}'
GLIB = '{http://www.gtk.org/introspection/glib/1.0}'

PLAIN = {'GObject.Closure': '((...args: any[]) => any)',
         'none': 'void', 'utf8': 'string', 'filename': 'string', 'gboolean': 'boolean', 'gpointer': 'never',
         'GLib.Quark': 'number', 'GLib.Bytes': 'GLib.Bytes | Uint8Array', 'GType': 'GObject.GType'}
NUMBERS = re.compile(r'g(u?int(8|16|32|64)?|u?long|u?short|float|double|size|ssize)$')
ENUMS = set()
# The properties, by class and name, for which the overrides have another type.
OVERRIDDEN = set()

# Names that cannot be those of parameters.
RESERVED = {'function', 'in', 'new', 'default', 'with', 'class', 'this', 'var'}


def camel(name):
    return re.sub(r'[-_](.)', lambda match: match[1].upper(), name)


def snake(name):
    return name.replace('-', '_')


def type_of(element, given=False):
    """The type of what has a type in the GIR. @given: it is what a caller gives, not what he gets."""
    array = element.find(f'{CORE}array')
    if array is not None:
        return 'Uint8Array' if array.find(f'{CORE}type').get('name') == 'guint8' else f'{type_of(array)}[]'
    kind = element.find(f'{CORE}type')
    name = 'none' if kind is None else kind.get('name')
    if NUMBERS.match(name):
        return 'number'
    if name == 'GLib.Bytes' and not given:
        return name
    if name == 'GLib.PtrArray':
        return f'{type_of(kind)}[]'
    return PLAIN.get(name, name)


def may_be_null(element):
    return element.get('nullable') == '1' or element.get('allow-none') == '1' and element.get('direction') != 'out'


def get_parameters(function):
    parameters = function.find(f'{CORE}parameters')
    return [] if parameters is None else parameters.findall(f'{CORE}parameter')


def split_parameters(function):
    """What a caller gives, and what he gets: without the data of callbacks, and the lengths of arrays."""
    parameters = get_parameters(function)
    hidden = {int(p.get('closure')) for p in parameters if p.get('closure')}
    arrays = [holder.find(f'{CORE}array') for holder in [*parameters, function.find(f'{CORE}return-value')]]
    hidden |= {int(array.get('length')) for array in arrays if array is not None and array.get('length')}
    shown = [p for i, p in enumerate(parameters) if i not in hidden]
    return ([p for p in shown if p.get('direction') != 'out'], [p for p in shown if p.get('direction') == 'out'])


def write_parameter(parameter, owner):
    name = parameter.get('name')
    text = type_of(parameter, given=True)
    if text == 'Gio.AsyncReadyCallback':
        text = f'Gio.AsyncReadyCallback<{owner}>'
    return f'{name}_' * (name in RESERVED) or name, text + ' | null' * may_be_null(parameter)


def write_result(function, outs):
    result = function.find(f'{CORE}return-value')
    text = type_of(result) + ' | null' * may_be_null(result)
    if not outs:
        return text
    parts = [type_of(out) + ' | null' * may_be_null(out) for out in outs]
    return f'[{", ".join(([] if text == "void" else [text]) + parts)}]'


def write_function(function, owner, name=None, result=None):
    given, outs = split_parameters(function)
    parameters = ', '.join(': '.join(write_parameter(p, owner)) for p in given)
    return f'{name or function.get("shadows") or function.get("name")}({parameters}): {result or write_result(function, outs)};'


def is_seen(element):
    return element.get('introspectable') != '0' and not element.get('shadowed-by') and not element.get('moved-to')


def find(element, *kinds):
    return [child for kind in kinds for child in element.findall(kind) if is_seen(child)]


def write_comment(element, indent):
    doc = element.find(f'{CORE}doc')
    if doc is None:
        return []
    first = ' '.join(doc.text.split('\n\n')[0].split()).replace('*/', '* /')
    return [f'{indent}/** {first} */']


def write_enum(enum):
    yield from write_comment(enum, '    ')
    yield f'    enum {enum.get("name")} {{'
    for member in enum.findall(f'{CORE}member'):
        yield f'        {member.get("name").upper()} = {member.get("value")},'
    yield '    }'
    yield f'    namespace {enum.get("name")} {{'
    yield '        const $gtype: GObject.GType;'
    for function in find(enum, f'{CORE}function'):
        yield f'        function {write_function(function, "")}'
    yield '    }'


def write_error(enum):
    yield from write_comment(enum, '    ')
    yield f'    class {enum.get("name")} extends GLib.Error {{'
    for member in enum.findall(f'{CORE}member'):
        yield f'        static readonly {member.get("name").upper()}: number;'
    yield '        static quark(): number;'
    yield '    }'


def write_methods(element, name):
    for function in find(element, f'{CORE}constructor'):
        yield from write_comment(function, '        ')
        yield f'        static {write_function(function, name, result=name)}'
    for function in find(element, f'{CORE}function'):
        yield f'        static {write_function(function, name)}'
    for method in find(element, f'{CORE}method'):
        yield from write_comment(method, '        ')
        yield f'        {write_function(method, name)}'


def write_record(record):
    name = record.get('name')
    yield from write_comment(record, '    ')
    yield f'    class {name} {{'
    yield f'        static $gtype: GObject.GType<{name}>;'
    # Two that look the same are not the same.
    yield f'        readonly $is{name}: true;'
    yield from write_methods(record, name)
    yield '    }'


def write_signals(element, name):
    yield f'        interface SignalSignatures extends {element.get("parent")}.SignalSignatures {{'
    for signal in find(element, f'{GLIB}signal'):
        given = ', '.join(': '.join(write_parameter(p, name)) for p in get_parameters(signal))
        yield f'            \'{signal.get("name")}\': ({given}) => void;'
        if signal.get('detailed') == '1':
            yield f'            [detail: `{signal.get("name")}::${{string}}`]: ({given}) => void;'
    yield '        }'


def write_properties(element, writable):
    for prop in find(element, f'{CORE}property'):
        if not writable or prop.get('writable') == '1':
            for name in dict.fromkeys([snake(prop.get('name')), camel(prop.get('name'))]):
                yield name, prop, type_of(prop)


def write_class(element):
    name = element.get('name')
    yield from write_comment(element, '    ')
    yield f'    class {name} extends {element.get("parent")} {{'
    yield f'        static $gtype: GObject.GType<{name}>;'
    yield f'        $signals: {name}.SignalSignatures;'
    yield f'        constructor(properties?: Partial<{name}.ConstructorProps>);'
    for prop, given, text in write_properties(element, False):
        constant = given.get('writable') != '1' or given.get('construct-only') == '1'
        null = ' | null' * (text not in ('number', 'boolean', 'string') and given.get('construct-only') != '1')
        if (name, prop) in OVERRIDDEN:
            continue
        yield f'        {"get " if constant else ""}{prop}{"()" if constant else ""}: {text}{null};'
    for method in find(element, f'{CORE}virtual-method'):
        yield f'        vfunc_{write_function(method, name)}'
    yield from write_methods(element, name)
    yield f'        connect<K extends keyof {name}.SignalSignatures>(signal: K, ' \
        f'callback: GObject.SignalCallback<this, {name}.SignalSignatures[K]>): number;'
    yield '        connect(signal: string, callback: (...args: any[]) => any): number;'
    yield '    }'
    yield f'    namespace {name} {{'
    yield from write_signals(element, name)
    yield f'        interface ConstructorProps extends {element.get("parent")}.ConstructorProps {{'
    for prop, _given, text in write_properties(element, True):
        yield f'            {prop}: {f"NameOf<{text}>" if text in ENUMS else text};'
    yield '        }'
    yield '    }'


def write(namespace):
    for enum in find(namespace, f'{CORE}enumeration'):
        yield from (write_error if enum.get(f'{GLIB}error-domain') else write_enum)(enum)
    for flags in find(namespace, f'{CORE}bitfield'):
        yield from write_enum(flags)
    for record in find(namespace, f'{CORE}record'):
        if not record.get(f'{GLIB}is-gtype-struct-for'):
            yield from write_record(record)
    for element in find(namespace, f'{CORE}class'):
        yield from write_class(element)
    for constant in find(namespace, f'{CORE}constant'):
        yield f'    const {constant.get("name")}: {type_of(constant)};'
    for function in find(namespace, f'{CORE}function'):
        yield from write_comment(function, '    ')
        yield f'    function {write_function(function, "")}'


def find_overridden(text):
    """The properties in the interfaces of the overrides."""
    owner = None
    for line in text.splitlines():
        if match := re.match(r'    interface (\w+)', line):
            owner = match[1]
        elif match := re.match(r'        readonly (\w+):', line):
            yield owner, match[1]


def main(gir, overrides=None):
    text = pathlib.Path(overrides).read_text(encoding='utf-8') if overrides is not None else ''
    OVERRIDDEN.update(find_overridden(text))
    root = ET.parse(gir).getroot()
    namespace = root.find(f'{CORE}namespace')
    name = namespace.get('name')
    includes = {include.get('name') for include in root.iter(f'{CORE}include')}
    global ENUMS
    ENUMS = {enum.get('name') for enum in namespace.iter(f'{CORE}enumeration')}
    print('// Made of the GIR and of the types of the overrides. See doc/overrides.md.\n')
    print(f"declare module 'gi://{name}?version=1' {{")
    for library in ('Gio', 'GLib', 'GObject'):
        print(f"    import type {library} from 'gi://{library}?version=2.0';")
    if 'AgentBus' in includes:
        print("    import type AgentBus from 'gi://AgentBus?version=1';")
    print(f'\n    namespace {name} {{')
    print('\n'.join(write(namespace)))
    print(text.rstrip())
    print('    }\n')
    print(f'    export default {name};')
    print('}\n')
    print(f"declare module 'gi://{name}' {{")
    print(f"    import {name} from 'gi://{name}?version=1';")
    print(f'    export default {name};')
    print('}\n')
    print(f"interface GjsGiImports {{\n    {name}: typeof import('gi://{name}?version=1').default;\n}}")


main(*sys.argv[1:])
