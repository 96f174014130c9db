# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads the structure of agentbus/: who includes whom, who calls whom, and how long everything is.

A file is named by its path in agentbus/, such as bus/agent-bus.c. A unit is a .c file with the headers of its name; it is
named like them, without an ending: bus/agent-bus.
"""

import collections
import pathlib
import re
import statistics
import typing

# From the lowest to the highest. The files directly in agentbus/ are below all of them.
FLOORS = ['base', 'message', 'mailbox', 'bus', 'link', 'transport', 'router', 'actor', 'transport-nats']

# The folders that become libraries of their own. Of the others, they know only what programs include.
LIBRARIES = ['transport-nats']

# What programs include: it includes everything there is.
EXEMPT = {'agentbus.h'}

CODE_LINES_MAX = 450
BODY_LINES_MAX = 60
BODY_MEDIAN_MAX = 8
BODY_SHORT = 20
BODY_SHORT_SHARE_MIN = 0.9

COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'', re.DOTALL)
DIRECTIVE = re.compile(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', re.MULTILINE)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(["<])([^">]+)[">]', re.MULTILINE)


class Function(typing.NamedTuple):
    path: str
    name: str
    is_static: bool
    n_lines: int  # between its outer braces, without those that are comments alone


def read_files(folder):
    return {path.relative_to(folder).as_posix(): path.read_text(encoding='utf-8')
            for path in sorted(pathlib.Path(folder).rglob('*.[ch]'))}


def level(name):
    floor, slash, rest = name.partition('/')
    return FLOORS.index(floor) + 1 if slash else 0


def strip_comments(text):
    """Every line keeps its number."""
    def blank(match):
        return match[0] if match[0][0] in '"\'' else ' ' + '\n' * match[0].count('\n')
    return COMMENT_OR_STRING.sub(blank, text)


# Includes

def includes(files):
    """Yields (path, what it includes) for what is of the library. Headers say agentbus/bus/agent-bus.h, all others
    bus/agent-bus.h."""
    for path, text in files.items():
        if path in EXEMPT:
            continue
        for mark, name in INCLUDE.findall(strip_comments(text)):
            if mark == '"' or name.startswith('agentbus/'):
                yield path, name.removeprefix('agentbus/')


def includes_that_go_up(files):
    return [f'{path} includes {included}' for path, included in includes(files)
            if included in files and level(included) > level(path)]


def includes_of_other_libraries(files):
    return [f'{path} includes {included}' for path, included in includes(files)
            for library in LIBRARIES
            if path.startswith(library + '/') and included not in EXEMPT and not included.startswith(library + '/')
            and included != 'config.h']


def includes_without_folder(files):
    """The compiler finds a header of the same folder also by its bare name, but then nobody sees its floor."""
    return [f'{path} includes {included}' for path, included in includes(files)
            if included not in files and (pathlib.PurePosixPath(path).parent / included).as_posix() in files]


# Calls

def unit_of_object(name):
    """Meson makes bus_agent-bus.c.o of bus/agent-bus.c."""
    stem = name.removesuffix('.o').removesuffix('.c')
    floor, mark, rest = stem.partition('_')
    return f'{floor}/{rest}' if mark and floor in FLOORS else stem


def read_symbols(output, folder=None):
    """Reads what nm -P -A says of an archive: {unit: (defined symbols, undefined symbols)}. @folder: where its files are, if the
    names of the objects do not say it"""
    symbols = collections.defaultdict(lambda: (set(), set()))
    for line in output.splitlines():
        match = re.match(r'.*\[(?:.*/)?([^/\]]+)\]: (\S+) (\S)', line)
        if match is None:
            continue
        unit, symbol, kind = unit_of_object(match[1]), match[2], match[3]
        unit = f'{folder}/{unit}' if folder else unit
        if kind == 'U':
            symbols[unit][1].add(symbol)
        elif kind.isupper():
            symbols[unit][0].add(symbol)
    return dict(symbols)


def calls(symbols):
    """{(unit, unit that it calls): symbols that it calls there}. Naming a type, as for a property or the argument of a
    signal, is no call: it asks nothing of the code behind the type."""
    owners = {symbol: unit for unit, (defined, undefined) in symbols.items() for symbol in defined}
    found = collections.defaultdict(set)
    for unit, (defined, undefined) in symbols.items():
        for symbol in undefined - defined:
            owner = owners.get(symbol, unit)
            if owner != unit and not symbol.endswith('_get_type'):
                found[unit, owner].add(symbol)
    return dict(found)


def describe_call(call, symbols):
    return f'{call[0]} calls {call[1]}: {", ".join(sorted(symbols))}'


def calls_that_go_up(symbols):
    return [describe_call(call, called) for call, called in sorted(calls(symbols).items())
            if level(call[1]) > level(call[0])]


def reachable(start, neighbours):
    seen, waiting = set(), [start]
    while waiting:
        for neighbour in neighbours[waiting.pop()] - seen:
            seen.add(neighbour)
            waiting.append(neighbour)
    return seen


def circles(symbols):
    """The sets of units that all reach one another, with the calls between them."""
    found = calls(symbols)
    neighbours = collections.defaultdict(set)
    for caller, called in found:
        neighbours[caller].add(called)
    reach = {unit: reachable(unit, neighbours) for unit in list(neighbours)}
    members = {unit: frozenset(other for other in reach[unit] if unit in reach.get(other, ())) for unit in reach}
    lines = []
    for circle in sorted({circle for circle in members.values() if len(circle) > 1}, key=sorted):
        lines.append(f'{len(circle)} units: {", ".join(sorted(circle))}')
        lines += [f'  {describe_call(call, called)}' for call, called in sorted(found.items()) if set(call) <= circle]
    return lines


# Lengths

def count_code(text):
    return sum(1 for line in strip_comments(text).splitlines() if line.strip())


def long_files(files):
    return [f'{path}: {n} lines of code' for path, n in ((path, count_code(text)) for path, text in files.items())
            if n > CODE_LINES_MAX]


def functions(files):
    return [function for path, text in files.items() for function in functions_of(path, text)]


def drop_comments(text):
    """The lines that are not comments alone. Those that were empty before stay."""
    pairs = zip(strip_comments(text).split('\n'), text.split('\n'))
    return '\n'.join(stripped for stripped, line in pairs if stripped.strip() or not line.strip())


def functions_of(path, text):
    """In the style of GNU: return type, name and outer braces begin their lines."""
    lines = DIRECTIVE.sub(lambda match: '\n' * match[0].count('\n'), drop_comments(text)).splitlines()
    for start, line in enumerate(lines):
        if line.rstrip() != '{':
            continue
        head = head_of(lines, start)
        names = [(i, match[1]) for i, match in ((i, re.match(r'(\w+) ?\(', part)) for i, part in enumerate(head)) if match]
        if not names:
            continue
        end = next(i for i in range(start + 1, len(lines)) if lines[i].startswith('}'))
        at, name = names[0]
        yield Function(path, name, 'static' in ' '.join(head[:at]).split(), end - start - 1)


def head_of(lines, start):
    """What stands before the opening brace of a function, back to an empty line or the end of something else."""
    head = []
    for line in reversed(lines[:start]):
        if not line.strip() or line.rstrip().endswith((';', '}')):
            break
        head.insert(0, line)
    return head


def long_functions(found):
    return [f'{function.path}: {function.name}(): {function.n_lines} lines' for function in found
            if function.n_lines > BODY_LINES_MAX]


def describe_lengths(found):
    """What is wrong with most of the functions, if anything is."""
    lengths = [function.n_lines for function in found]
    median = statistics.median(lengths)
    share = sum(1 for length in lengths if length < BODY_SHORT) / len(lengths)
    said = []
    if median > BODY_MEDIAN_MAX:
        said.append(f'the median is {median} lines')
    if share < BODY_SHORT_SHARE_MIN:
        said.append(f'{share:.1%} have less than {BODY_SHORT} lines')
    return said


# Names

def short_names(found):
    return [f'{function.path}: {function.name}()' for function in found
            if function.is_static and '_' not in function.name.strip('_')]


def shared_names(found):
    paths = collections.defaultdict(set)
    for function in found:
        if function.is_static:
            paths[function.name].add(function.path)
    return [f'{name}(): {", ".join(sorted(where))}' for name, where in sorted(paths.items()) if len(where) > 1]
