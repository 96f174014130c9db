# SPDX-License-Identifier: LGPL-2.1-or-later
"""The structure of agentbus/: no arrow points up, no units call one another in a circle, and everything stays short.

CONTRIBUTING.md says what the floors are. Each rule is tried on made-up files that break it, too.

Usage: test-house.py SOURCE_ROOT ARCHIVE [FOLDER ARCHIVE]..., where the first ARCHIVE has the objects of the library, and each
further one those of a library of its own, which is not built everywhere, from a FOLDER of agentbus/
"""

import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'bindings')]

import house
import tap

SOURCE = pathlib.Path(sys.argv[1]).resolve()
ARCHIVE = sys.argv[2]
LIBRARIES = dict(zip(sys.argv[3::2], sys.argv[4::2]))


def run_nm(archive):
    return subprocess.run(['nm', '-P', '-A', archive], check=True, stdout=subprocess.PIPE, text=True).stdout


class House(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = house.read_files(SOURCE / 'agentbus')
        cls.functions = house.functions(cls.files)
        cls.symbols = house.read_symbols(run_nm(ARCHIVE))
        for folder, archive in LIBRARIES.items():
            cls.symbols.update(house.read_symbols(run_nm(archive), folder))

    def assert_none(self, lines):
        if lines:
            self.fail('\n' + '\n'.join(lines))

    def test_every_file_is_on_a_floor(self):
        folders = {pathlib.PurePosixPath(path).parent.as_posix() for path in self.files}
        self.assertLessEqual(folders, {'.', *house.FLOORS})

    def test_every_unit_is_seen(self):
        not_built = tuple(f'{folder}/' for folder in house.LIBRARIES if folder not in LIBRARIES)
        self.assertEqual(set(self.symbols), {path.removesuffix('.c') for path in self.files
                                             if path.endswith('.c') and not path.startswith(not_built)})
        self.assertTrue(house.calls(self.symbols))
        self.assertTrue(list(house.includes(self.files)))

    def test_no_include_goes_up(self):
        self.assert_none(house.includes_that_go_up(self.files))

    def test_a_library_of_its_own_includes_what_programs_include(self):
        self.assert_none(house.includes_of_other_libraries(self.files))

    def test_every_include_carries_its_folder(self):
        self.assert_none(house.includes_without_folder(self.files))

    def test_no_call_goes_up(self):
        self.assert_none(house.calls_that_go_up(self.symbols))

    def test_no_units_call_one_another_in_a_circle(self):
        self.assert_none(house.circles(self.symbols))

    def test_no_file_is_long(self):
        self.assert_none(house.long_files(self.files))

    def test_no_function_is_long(self):
        self.assert_none(house.long_functions(self.functions))

    def test_most_functions_are_short(self):
        self.assert_none(house.describe_lengths(self.functions))

    def test_every_static_function_carries_a_word_of_its_file(self):
        self.assert_none(house.short_names(self.functions))

    def test_no_static_function_stands_in_two_files(self):
        self.assert_none(house.shared_names(self.functions))


def nm(*symbols):
    """What nm says, from triples such as ('bus_agent-bus.c.o', 'agent_bus_new', 'T')."""
    return '\n'.join(f'lib.a[lib.a.p/{name}]: {symbol} {kind} 0' for name, symbol, kind in symbols)


def function_of(n_lines, name='lane_take', kind='static void'):
    return f'{kind}\n{name} (int   a,\n           char *b)\n{{\n' + '  a++;\n' * n_lines + '}\n\n'


class MadeUp(unittest.TestCase):
    """That each rule fails when it should, and only then."""

    def functions(self, text, path='bus/agent-lane.c'):
        return house.functions({path: text})

    def test_includes(self):
        files = {
            'agent-enums.h': '',
            'agentbus.h': '#include <agentbus/bus/agent-bus.h>\n',
            'agent-enums.c': '#include "message/agent-message.h"\n',
            'message/agent-message.h': '#include <agentbus/bus/agent-bus.h>\n#include <agentbus/agent-enums.h>\n',
            'mailbox/agent-ledger.c': '/* #include "bus/agent-bus.h" */\n#include <glib.h>\n#include "config.h"\n',
            'bus/agent-bus.h': '#include <agentbus/message/agent-message.h>\n',
            'bus/agent-bus.c': '#include "agent-bus.h"\n#  include "router/agent-lane.h"\n#include "agent-enums.h"\n',
            'router/agent-lane.h': '#include "bus/agent-bus.h"\n#include "router/agent-lane.h"\n',
        }
        self.assertEqual(house.includes_that_go_up(files), [
            'agent-enums.c includes message/agent-message.h',
            'message/agent-message.h includes bus/agent-bus.h',
            'bus/agent-bus.c includes router/agent-lane.h',
        ])
        self.assertEqual(house.includes_without_folder(files), ['bus/agent-bus.c includes agent-bus.h'])

    def test_includes_of_other_libraries(self):
        files = {
            'agentbus.h': '',
            'bus/agent-bus-private.h': '',
            'bus/agent-bus.c': '#include "bus/agent-bus-private.h"\n',
            'transport-nats/agent-a.c': '#include "config.h"\n#include <glib.h>\n#include <agentbus/agentbus.h>\n'
                                        '#include "transport-nats/agent-a.h"\n#include "bus/agent-bus-private.h"\n',
        }
        self.assertEqual(house.includes_of_other_libraries(files),
                         ['transport-nats/agent-a.c includes bus/agent-bus-private.h'])

    def test_folder_of_a_library(self):
        symbols = house.read_symbols(nm(('agent-a.c.o', 'agent_a_new', 'T')), 'transport-nats')
        self.assertEqual(symbols, {'transport-nats/agent-a': ({'agent_a_new'}, set())})

    def test_calls(self):
        symbols = house.read_symbols(nm(
            ('agent-enums.c.o', 'agent_enums_name', 'T'),
            ('base_agent-clock.c.o', '_agent_clock_now', 'T'),
            ('base_agent-clock.c.o', 'agent_bus_get_type', 'U'),
            ('base_agent-clock.c.o', 'agent_enums_name', 'U'),
            ('bus_agent-bus.c.o', 'agent_bus_get_type', 'T'),
            ('bus_agent-bus.c.o', 'agent_bus_new', 'T'),
            ('bus_agent-bus.c.o', 'malloc', 'U'),
            ('bus_agent-bus.c.o', 'lane_take', 't'),
            ('bus_agent-bus.c.o', '_agent_clock_now', 'U'),
            ('mailbox_agent-ledger.c.o', 'agent_bus_new', 'U'),
            ('mailbox_agent-ledger.c.o', 'lane_take', 'U'),
        ))
        self.assertEqual(house.calls_that_go_up(symbols), ['mailbox/agent-ledger calls bus/agent-bus: agent_bus_new'])
        self.assertEqual(house.circles(symbols), [])

    def test_circles(self):
        symbols = house.read_symbols(nm(
            ('bus_agent-a.c.o', 'a', 'T'), ('bus_agent-a.c.o', 'b', 'U'),
            ('bus_agent-b.c.o', 'b', 'D'), ('bus_agent-b.c.o', 'c', 'U'),
            ('bus_agent-c.c.o', 'c', 'T'), ('bus_agent-c.c.o', 'a', 'U'),
            ('bus_agent-d.c.o', 'd', 'T'), ('bus_agent-d.c.o', 'a', 'U'),
        ))
        self.assertEqual(house.circles(symbols), [
            '3 units: bus/agent-a, bus/agent-b, bus/agent-c',
            '  bus/agent-a calls bus/agent-b: b',
            '  bus/agent-b calls bus/agent-c: c',
            '  bus/agent-c calls bus/agent-a: a',
        ])

    def test_circle_of_two(self):
        symbols = house.read_symbols(nm(
            ('bus_agent-a.c.o', 'a', 'T'), ('bus_agent-a.c.o', 'b', 'U'),
            ('bus_agent-b.c.o', 'b', 'T'), ('bus_agent-b.c.o', 'a', 'U'),
        ))
        self.assertEqual(house.circles(symbols)[0], '2 units: bus/agent-a, bus/agent-b')

    def test_lines_of_code(self):
        self.assertEqual(house.count_code('/* one\n * two\n */\n\nint a; // three\n  /* four */\nchar *b = "/*";\nint c;\n'), 3)
        files = {'a.c': 'int a;\n' * 450 + '\n/* a comment */\n' * 9, 'b.c': 'int a;\n' * 451}
        self.assertEqual(house.long_files(files), ['b.c: 451 lines of code'])

    def test_what_is_a_function(self):
        text = '''
typedef struct
{
  int a;
} Lane;

#define LANE(a) \\
static void \\
lane_ ## a (void) \\
{ \\
}

static const char *const names[] =
{
  "a",
};

void lane_declared (void);

/* A comment. */
static inline G_GNUC_PURE gboolean
_lane_is_empty (const Lane *self)
{
  /* Two lines
   * that are no code. */
  if (self->a)
    {
      return FALSE; /* a line of code */
    }

  return TRUE;
}
AgentLane *
agent_lane_new (void)
{
}
'''
        self.assertEqual(self.functions(text), [
            house.Function('bus/agent-lane.c', '_lane_is_empty', True, 6),
            house.Function('bus/agent-lane.c', 'agent_lane_new', False, 0),
        ])

    def test_long_functions(self):
        found = self.functions(function_of(60) + function_of(61, 'lane_give', 'int'))
        self.assertEqual(house.long_functions(found), ['bus/agent-lane.c: lane_give(): 61 lines'])

    def test_lengths(self):
        self.assertEqual(house.describe_lengths(self.functions(function_of(8) * 9 + function_of(20))), [])
        self.assertEqual(house.describe_lengths(self.functions(function_of(9))), ['the median is 9 lines'])
        self.assertEqual(house.describe_lengths(self.functions(function_of(8) * 8 + function_of(20))),
                         ['88.9% have less than 20 lines'])

    def test_names(self):
        text = function_of(1, 'take') + function_of(1, '_take') + function_of(1, 'take', 'void') + function_of(1)
        self.assertEqual(house.short_names(self.functions(text)),
                         ['bus/agent-lane.c: take()', 'bus/agent-lane.c: _take()'])

    def test_shared_names(self):
        found = house.functions({'bus/a.c': function_of(1) + function_of(1, 'lane_give', 'void'),
                                 'bus/b.c': function_of(1, 'lane_give', 'void'),
                                 'router/c.c': function_of(2)})
        self.assertEqual(house.shared_names(found), ['lane_take(): bus/a.c, router/c.c'])


tap.main()
