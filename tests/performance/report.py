#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the performance programs, each scenario in a process of its own, and prints one table.

The other program of --beside, or of AGENTBUS_BENCH_BESIDE, takes the names of scenarios and prints the same lines. It
is run after each of ours, in pairs. A ratio above 1 means that agentbus is better.
"""

import argparse
import collections
import dataclasses
import fnmatch
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import page
import plot
from page import PEERS

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

N_PAIRS = 3
# Seconds. A scenario that hangs has failed.
PATIENCE = 120
# Those that wait by the clock, or are many: fewer repeats are enough.
BRIEF = ['disp_pending_*', 'disp_idle_*', 'disp_assign_latency*', '*_growth_*', 'bus_senders_*', 'bus_fanout_1',
         'timer_*', 'py_*', 'js_*', 'tp_*']
BRIEF_REPEATS = '3'

# What a peer takes that may not be there.
WANTS = {'bench-tokio': 'it takes cargo and crates that are installed, see tests/performance/peers/README.md'}

LOWER_IS_BETTER = {'ns', 'us', 'ms', 's', 'bytes', 'allocations', 'calls', 'wakeups', '% of one core'}

COLUMNS = ['program', 'scenario', 'figure', 'value', 'unit', 'min', 'max', 'beside', 'ratio']
WIDTHS = [27, 38, 14, 15, 31, 14, 8]
# Columns of the terminal, and of a cell of the matrix.
MATRIX_WIDTH = 130
CELL_WIDTH = 17


@dataclasses.dataclass
class Figure:
    value: float
    unit: str
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass
class Program:
    name: str
    command: list


@dataclasses.dataclass
class Run:
    programs: list
    beside: str | None
    only: str
    environment: dict
    rows: list = dataclasses.field(default_factory=list)
    failures: list = dataclasses.field(default_factory=list)
    skipped: list = dataclasses.field(default_factory=list)
    times: list = dataclasses.field(default_factory=list)


# --- Running ---

def find_programs(build):
    """Those that can be run."""
    folder = build / 'tests' / 'performance'
    programs = [Program(name, [str(folder / name)])
                for name in ('bench-bus', 'bench-tasks', 'bench-presence', 'bench-dispatcher', 'bench-timers',
                             'bench-memory', 'bench-lock', 'bench-envelope', 'bench-dbus', 'bench-transport')]
    if (build / 'introspection' / 'AgentBus-1.typelib').exists():
        programs += [
            Program('bench-bindings.py', [sys.executable, str(HERE / 'bench-bindings.py')]),
            Program('bench-bindings.js', ['gjs', str(HERE / 'bench-bindings.js')]),
            Program('bench-tasks.py', [sys.executable, str(HERE / 'bench-tasks.py')]),
        ]
    programs += [Program(name, [str(folder / 'peers' / name)]) for name in PEERS]
    return [program for program in programs if shutil.which(program.command[0])]


def build_tokio(build):
    """It is no part of a build of all, since it takes long. Without cargo or its crates there is no such target."""
    subprocess.run(['ninja', '-C', str(build), 'bench-tokio'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   check=False)


def find_missing(programs):
    """The peers that are not there, and why."""
    names = {program.name for program in programs}
    return [f'{name}: {WANTS.get(name, "it is not built")}' for name in PEERS if name not in names]


def make_environment(build):
    paths = {
        'GI_TYPELIB_PATH': build / 'introspection',
        'LD_LIBRARY_PATH': build / 'agentbus',
        'PYTHONPATH': ROOT / 'introspection' / 'python',
        'GJS_PATH': ROOT / 'introspection' / 'gjs',
    }
    environment = {**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'}
    for name, path in paths.items():
        environment[name] = os.pathsep.join([str(path), *filter(None, [os.environ.get(name)])])
    return environment


def call(run, command, scenario):
    """The output, or None, and what was said besides."""
    environment = dict(run.environment)
    if any(fnmatch.fnmatch(scenario, pattern) for pattern in BRIEF):
        environment.setdefault('AGENTBUS_BENCH_REPEATS', BRIEF_REPEATS)
    try:
        result = subprocess.run([*command, scenario], env=environment, timeout=PATIENCE, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    return (result.stdout if result.returncode == 0 else None), result.stderr


def list_scenarios(run, program):
    """Those of the peers are in lines of their own kind."""
    if program.name not in PEERS:
        output, said = call(run, program.command, 'list')
        return (None, said) if output is None else (output.split(), said)

    output, said = call(run, program.command, '--list')
    if output is None:
        return None, said
    lines = [line.split('\t') for line in output.splitlines()]
    return [fields[1] for fields in lines if fields[0] == 'scenario'], said


def parse_line(fields):
    """Scenario, figure, value, unit, and from the peers the spread."""
    figure = Figure(float(fields[2]), fields[3])
    if len(fields) == 5:
        figure.low, figure.high = map(float, fields[4].split('..'))
    return figure


def parse(output):
    """Figures by scenario and figure. The _min and _max of a figure are its spread."""
    figures = {}
    for line in output.splitlines():
        fields = line.split('\t')
        if len(fields) in {4, 5}:
            figures[fields[0], fields[1]] = parse_line(fields)

    for (scenario, name), figure in list(figures.items()):
        base = figures.get((scenario, name[:-4]))
        if base is None:
            continue
        if name.endswith('_min'):
            base.low = figures.pop((scenario, name)).value
        elif name.endswith('_max'):
            base.high = figures.pop((scenario, name)).value
    return figures


def merge(runs):
    """One set of figures of several: medians, and the whole spread."""
    merged = {}
    for key, first in runs[0].items():
        figures = [figures[key] for figures in runs if key in figures]
        lows = [f.value if f.low is None else f.low for f in figures]
        highs = [f.value if f.high is None else f.high for f in figures]
        spread = (min(lows), max(highs)) if first.low is not None or len(figures) > 1 else (None, None)
        merged[key] = Figure(statistics.median(f.value for f in figures), first.unit, *spread)
    return merged


def measure(run, program, scenario):
    """Ours, and those of the other program, which may have none."""
    beside = run.beside if program.name != PEERS else None
    ours = []
    theirs = []
    for _ in range(N_PAIRS if beside else 1):
        output, said = call(run, program.command, scenario)
        if output is None:
            run.failures.append(f'{scenario}: {said.strip()}')
            return {}, {}
        ours.append(parse(output))

        other = call(run, [beside], scenario)[0] if beside else None
        if other is None:
            break
        theirs.append(parse(other))
    return merge(ours), merge(theirs) if theirs else {}


# --- Showing ---

def compare(unit, ours, theirs):
    """How many times as good ours is, or None."""
    if unit.endswith('/s'):
        return ours / theirs if theirs else None
    if unit in LOWER_IS_BETTER:
        return theirs / ours if ours else None
    return None


def show(value):
    if value is None:
        return ''
    if value == int(value) or abs(value) >= 1000:
        return f'{value:,.0f}'
    return f'{value:.4g}'


def show_short(value):
    for limit, suffix in (1e9, 'G'), (1e6, 'M'), (1e3, 'k'):
        if abs(value) >= limit:
            return f'{value / limit:.3g} {suffix}'
    return f'{value:.3g}'


def show_ratio(ratio):
    return '' if ratio is None else f'{ratio:.2f}×'


def print_row(cells):
    left = {0, 1, 3}
    line = '  '.join(f'{cell:<{width}}' if i in left else f'{cell:>{width}}'
                     for i, (cell, width) in enumerate(zip(cells, WIDTHS)))
    print(line.rstrip(), flush=True)


def print_header(run):
    cells = ['scenario', 'figure', 'value', 'unit', 'spread']
    if run.beside:
        cells += [pathlib.Path(run.beside).name[:WIDTHS[5]], 'ratio']
    print_row(cells)


def print_figure(run, program, key, figure, other):
    ratio = compare(figure.unit, figure.value, other.value) if other else None
    run.rows.append([program, *key, figure.value, figure.unit, figure.low, figure.high,
                     other.value if other else None, ratio])
    if program not in PEERS:
        spread = f'{show(figure.low)} – {show(figure.high)}' if figure.low is not None else ''
        print_row([*key, show(figure.value), figure.unit, spread, show(other.value) if other else '',
                   show_ratio(ratio)])


def print_matrix(rows):
    """Scenarios from left to right, peers from top to bottom."""
    values = collections.defaultdict(dict)
    units = {}
    for _, scenario, peer, value, unit, *_ in rows:
        values[scenario][peer] = value
        units[scenario] = unit
    peers = dict.fromkeys(['agentbus', *(row[2] for row in rows)])

    per_line = (MATRIX_WIDTH - WIDTHS[0]) // (CELL_WIDTH + 2)
    scenarios = list(values)
    for first in range(0, len(scenarios), per_line):
        chosen = scenarios[first:first + per_line]
        print()
        print_matrix_line('', chosen)
        print_matrix_line('', [units[scenario] for scenario in chosen])
        for peer in peers:
            print_matrix_line(peer, [show_cell(values[scenario], peer, units[scenario]) for scenario in chosen])


def print_matrix_line(name, cells):
    print(f'{name:<{WIDTHS[0]}}' + ''.join(f'  {cell:>{CELL_WIDTH}}' for cell in cells))


def show_cell(values, peer, unit):
    if peer not in values:
        return '-'
    ours = values.get('agentbus')
    ratio = None if peer == 'agentbus' or ours is None else compare(unit, ours, values[peer])
    return f'{show_short(values[peer])} {show_ratio(ratio):>7}'


# --- All of it ---

def run_program(run, program):
    start = time.monotonic()
    names, said = list_scenarios(run, program)
    if names is None:
        run.failures.append(f'{program.name}: {said.strip()}')
        return
    run.skipped += [line for line in said.splitlines() if line.startswith('skipped: ')]
    chosen = [scenario for scenario in names if fnmatch.fnmatch(scenario, run.only)]
    for scenario in chosen:
        ours, theirs = measure(run, program, scenario)
        for key, figure in ours.items():
            print_figure(run, program.name, key, figure, theirs.get(key))
    if chosen:
        run.times.append(f'{program.name} {time.monotonic() - start:.0f} s')


def write_tsv(path, rows):
    def text(cell):
        return '' if cell is None else f'{cell:.6g}' if isinstance(cell, float) else str(cell)

    lines = ['\t'.join(COLUMNS)] + ['\t'.join(map(text, row)) for row in rows]
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--build', type=pathlib.Path, default=ROOT / 'build', help='the build folder')
    parser.add_argument('--tsv', type=pathlib.Path,
                        help='where the figures go (performance.tsv in the build folder, if it is all of them)')
    parser.add_argument('--only', default='*', help='scenarios of this pattern only')
    parser.add_argument('--markdown', action='store_true',
                        help='write the table and the plots of doc/performance.md too')
    parser.add_argument('--beside', default=os.environ.get('AGENTBUS_BENCH_BESIDE') or None,
                        help='another program, which is run beside')
    arguments = parser.parse_args()
    if arguments.markdown and arguments.only != '*':
        parser.error('the page wants all figures')
    arguments.build = arguments.build.resolve()
    # Some figures do not take the place of all.
    if arguments.tsv is None and arguments.only == '*':
        arguments.tsv = arguments.build / 'performance.tsv'
    return arguments


def main():
    arguments = parse_arguments()
    start = time.monotonic()
    build_tokio(arguments.build)
    run = Run(find_programs(arguments.build), arguments.beside, arguments.only, make_environment(arguments.build))

    print_header(run)
    for program in run.programs:
        run_program(run, program)
    peers = [row for row in run.rows if row[0] in PEERS]
    if peers:
        print_matrix(peers)

    print(f'\n{len(run.rows)} figures in {time.monotonic() - start:.0f} s ({", ".join(run.times)})')
    if arguments.tsv:
        write_tsv(arguments.tsv, run.rows)
        print(f'They are in {os.path.relpath(arguments.tsv)} too')
    if arguments.markdown and not run.failures:
        page.write(arguments.tsv)
        plot.write(arguments.tsv)
    for skipped in run.skipped + [f'skipped: {missing}' for missing in find_missing(run.programs)]:
        print(skipped)
    for failure in run.failures:
        print(f'failed: {failure}')
    return 1 if run.failures or not run.rows else 0


if __name__ == '__main__':
    sys.exit(main())
