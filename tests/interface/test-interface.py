# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the library shows to the outside: the same as is written down, and nothing that a language stumbles over.

After a change that is meant, AGENTBUS_UPDATE=1 writes it down anew.
"""

import difflib
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent
sys.path[:0] = [str(SOURCE), str(SOURCE.parent / 'bindings')]

import gir
import tap

GIR, LIBRARY = sys.argv[1:3]
del sys.argv[1:]


def parameters_with_owner():
    """Yields (full name, tag of the callable, parameter or return value)."""
    for tag, name, element in gir.walk(gir.read(GIR)):
        if tag not in gir.CALLABLES and tag != 'signal':
            continue
        for parameter in gir.parameters_of(element):
            yield f'{name}({parameter.get("name")})', tag, parameter
        yield f'{name}()', tag, element.find(gir.CORE + 'return-value')


# In words: of which type a variant is, what an array or a list is of.
CONTAINERS = ('GLib.Variant', 'GLib.HashTable', 'GLib.List', 'GLib.SList', 'GLib.PtrArray')
ELEMENTS = re.compile(r'\bof any type\b|\bof the type that\b|`[a-z(){}]*[({a][a-z(){}]*`|\beach an? \[(?:struct|class)@')


class Written(unittest.TestCase):
    maxDiff = None

    def compare(self, name, lines):
        path = SOURCE / name
        if os.environ.get('AGENTBUS_UPDATE') == '1':
            path.write_text('\n'.join(lines) + '\n')
        written = path.read_text().splitlines()
        difference = list(difflib.unified_diff(written, lines, name, 'now', lineterm='', n=0))
        self.assertEqual(difference, [], '\n' + '\n'.join(difference))

    def test_interface(self):
        self.compare('interface.txt', gir.describe(GIR))

    def test_exported_symbols(self):
        output = subprocess.run(['nm', '--dynamic', '--defined-only', LIBRARY],
                                check=True, capture_output=True, text=True).stdout
        self.compare('symbols.txt', sorted(line.split()[-1] for line in output.splitlines()))

    def test_headers_declare_what_is_exported(self):
        headers = '\n'.join(path.read_text() for path in (SOURCE.parent.parent / 'agentbus').glob('**/*.h')
                            if not path.stem.endswith('-private'))
        declared = set(re.findall(r'\b(agent_[a-z0-9_]+)\s*\(', headers))
        types = re.findall(r'G_DECLARE_\w+_TYPE \(\w+, (agent_\w+),', headers)
        declared |= {f'{name}_get_type' for name in types}
        exported = set((SOURCE / 'symbols.txt').read_text().split())
        self.assertEqual(exported - declared, set())


class Lint(unittest.TestCase):
    def test_nothing_private(self):
        for line in gir.describe(GIR):
            self.assertNotRegex(line.split(' ', 2)[1], r'(^|\.)_')

    def test_everything_is_introspectable(self):
        allowed = {'Message.unref', 'Frame.unref', 'Info.unref'}
        # The preprocessor's macros are for C alone.
        hidden = {name for tag, name, element in gir.walk(gir.read(GIR))
                  if element.get('introspectable') == '0' and tag != 'function-macro'}
        self.assertLessEqual({name for name in hidden if not name.endswith(('.unref', '.ref'))} - allowed, set())

    def test_values_are_annotated(self):
        for name, tag, value in parameters_with_owner():
            with self.subTest(name):
                self.assertIsNotNone(value.get('transfer-ownership'))
                self.assertNotIn(gir.type_of(value), ('?', '...', 'gpointer[]'))

    def test_types_within_are_said(self):
        for name, tag, value in parameters_with_owner():
            if gir.type_of(value).startswith(CONTAINERS):
                with self.subTest(name):
                    self.assertRegex(' '.join(value.find(gir.CORE + 'doc').text.split()), ELEMENTS)

    # Python and GJS free the elements of a full transfer, and then the array's own function does again.
    def test_no_array_of_pointers_is_given_away(self):
        for name, tag, value in parameters_with_owner():
            if name.endswith('()') and gir.type_of(value).startswith('GLib.PtrArray'):
                with self.subTest(name):
                    self.assertNotEqual(value.get('transfer-ownership'), 'full')

    # What a function gets only for the call is not alive after it in JavaScript.
    def test_no_boxed_value_for_callbacks(self):
        boxed = {name for tag, name, element in gir.walk(gir.read(GIR)) if tag == 'record'}
        for name, tag, value in parameters_with_owner():
            if tag == 'callback' and not name.endswith('()'):
                with self.subTest(name):
                    self.assertNotIn(gir.type_of(value), boxed)

    # JavaScript cannot implement it.
    def test_no_callback_for_virtual_functions(self):
        for name, tag, value in parameters_with_owner():
            if tag == 'virtual-method':
                with self.subTest(name):
                    self.assertIsNone(value.get('scope'))

    # The other languages give closures for those of watch_name().
    def test_callbacks_are_asynchronous(self):
        for name, tag, value in parameters_with_owner():
            if value.get('scope') is not None and not name.startswith('Bus.watch_name'):
                with self.subTest(name):
                    self.assertEqual(value.get('scope'), 'async')

    # Values without a common beginning keep all of it.
    def test_members_are_called_by_their_nicks(self):
        for tag, name, element in gir.walk(gir.read(GIR)):
            if tag == 'member':
                with self.subTest(name):
                    self.assertEqual(name.rsplit('.', 1)[1], element.get(gir.GLIB + 'nick').replace('-', '_'))

    def test_everything_has_a_version(self):
        for tag, name, element in gir.walk(gir.read(GIR)):
            if tag in gir.CALLABLES + ('function-macro', 'class', 'record', 'enumeration', 'bitfield', 'property', 'constant'):
                if tag == 'virtual-method':
                    continue
                with self.subTest(name):
                    self.assertIsNotNone(element.get('version'), f'{name} has no Since:')

    # All others change by their setters only, which notify.
    def test_whether_changes_are_notified_is_said(self):
        for tag, name, element in gir.walk(gir.read(GIR)):
            if tag == 'property' and element.get('writable') != '1':
                with self.subTest(name):
                    text = ' '.join(element.find(gir.CORE + 'doc').text.split())
                    self.assertRegex(text, '[Cc]hanges are (not )?notified|It never changes|It is always the same')

    def test_everything_is_documented(self):
        for tag, name, element in gir.walk(gir.read(GIR)):
            # The signal of the same name has it.
            if tag == 'virtual-method':
                continue
            with self.subTest(f'{tag} {name}'):
                self.assertIsNotNone(element.find(gir.CORE + 'doc'), f'{tag} {name} has no doc comment')


if __name__ == '__main__':
    tap.main()
