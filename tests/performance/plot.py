#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws what report.py has measured: plot.py [TSV [FOLDER]]

The pictures have no background. Their colours fit a light page, and change on a dark one.
"""

import csv
import dataclasses
import math
import pathlib
import sys
from xml.sax.saxutils import escape

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TSV = ROOT / 'build' / 'performance.tsv'
FOLDER = ROOT / 'doc' / 'images'

WIDTH = 760
HEIGHT = 380
LEFT = 70
RIGHT = 210
TOP = 44
BOTTOM = 54
# The distance between two names at the ends of their lines.
NAME_STEP = 18

STYLE = '''  <style>
    text { font-family: system-ui, "Cantarell", "DejaVu Sans", sans-serif; font-size: 14px; fill: #24292f; }
    .small { font-size: 12px; fill: #57606a; }
    .head { font-weight: bold; }
    .middle { text-anchor: middle; }
    .end { text-anchor: end; }
    .axis { fill: none; stroke: #57606a; stroke-width: 1.5; }
    .grid { fill: none; stroke: #8c959f; stroke-width: 1; stroke-opacity: 0.35; }
    .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
    .spread { stroke: none; fill-opacity: 0.15; }
    .s0 { stroke: #0969da; fill: #0969da; }
    .s1 { stroke: #d1242f; fill: #d1242f; }
    .s2 { stroke: #1a7f37; fill: #1a7f37; }
    .s3 { stroke: #8250df; fill: #8250df; }
    .s4 { stroke: #9a6700; fill: #9a6700; }
    .line.s0, .line.s1, .line.s2, .line.s3, .line.s4 { fill: none; }
    .spread.s0, .spread.s1, .spread.s2, .spread.s3, .spread.s4 { stroke: none; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .small { fill: #9da7b3; }
      .axis { stroke: #9da7b3; }
      .grid { stroke: #6e7681; }
      .s0 { stroke: #58a6ff; fill: #58a6ff; }
      .s1 { stroke: #ff7b72; fill: #ff7b72; }
      .s2 { stroke: #3fb950; fill: #3fb950; }
      .s3 { stroke: #bc8cff; fill: #bc8cff; }
      .s4 { stroke: #d29922; fill: #d29922; }
    }
  </style>
'''


@dataclasses.dataclass
class Point:
    x: float
    y: float
    low: float
    high: float


@dataclasses.dataclass
class Series:
    name: str
    points: list


@dataclasses.dataclass
class Axis:
    """An axis from first to last. scale() is monotonic and says where a value is placed."""
    label: str
    first: float
    last: float
    ticks: list
    scale: object

    def place(self, value):
        start, end = self.scale(self.first), self.scale(self.last)
        return (self.scale(min(max(value, self.first), self.last)) - start) / (end - start)


@dataclasses.dataclass
class Chart:
    title: str
    description: str
    x: Axis
    y: Axis
    series: list


# --- Measured figures ---

def read_figures(path):
    """Returns the points, by scenario and figure. Their x is not set yet."""
    figures = {}
    with open(path, encoding='utf-8', newline='') as file:
        for row in csv.DictReader(file, delimiter='\t'):
            value = float(row['value'])
            figures[row['scenario'], row['figure']] = Point(0, value, float(row['min'] or value),
                                                            float(row['max'] or value))
    return figures


def pick(figures, name, keys, factor):
    """Makes a series. Each key is a pair: x, and the scenario and figure. Keys that were not measured are left out."""
    points = []
    for x, key in keys:
        if key in figures:
            point = figures[key]
            points.append(Point(x, point.y * factor, point.low * factor, point.high * factor))
    return Series(name, points)


# --- Axes ---

def show_amount(value):
    for limit, suffix in (1e6, 'M'), (1e3, 'k'):
        if value >= limit:
            return f'{value / limit:g} {suffix}'
    return f'{value:g}'


def show_time(nanoseconds):
    for limit, unit in (1e6, 'ms'), (1e3, 'µs'):
        if nanoseconds >= limit:
            return f'{nanoseconds / limit:g} {unit}'
    return f'{nanoseconds:g} ns'


def make_log_axis(label, low, high, show):
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    last = max(last, first + 1)
    ticks = [(10.0 ** i, show(10.0 ** i)) for i in range(first, last + 1)]
    return Axis(label, 10.0 ** first, 10.0 ** last, ticks, math.log10)


def make_linear_axis(label, high):
    """Makes an axis from 0 to a round number that is not below high."""
    step = 10 ** math.floor(math.log10(high))
    step = next(s for s in (step / 5, step / 2, step, step * 2) if high / s <= 6)
    n = math.ceil(high / step)
    return Axis(label, 0, n * step, [(i * step, f'{i * step:g}') for i in range(n + 1)], float)


def make_percent_axis(label, percents):
    """Makes an axis that gets wider towards both ends, so that 99 and 99.9 per cent can be told apart."""
    return Axis(label, percents[0], percents[-1], [(p, f'{p:g}') for p in percents],
                lambda percent: math.log(percent / (100 - percent)))


def get_low(point):
    return point.low


def get_high(point):
    return point.high


def get_middle(point):
    return point.y


def get_ends(series, low, high):
    points = [point for one in series for point in one.points]
    return min(low(point) for point in points), max(high(point) for point in points)


# --- Charts ---

def chart_throughput(figures):
    sizes = [1, 16, 128, 1024]
    series = [
        pick(figures, 'broadcast', [(n, (f'bus_fanout_{n}', 'deliveries_per_s')) for n in sizes], 1e-6),
        pick(figures, 'one after the other',
             [(1, ('bus_1to1', 'delivered_per_s')),
              *((n, (f'bus_targeted_{n}', 'delivered_per_s')) for n in (10, 1000, 10000))], 1e-6),
    ]
    return Chart('Throughput', 'Million deliveries a second against the number of subscribers.',
                 make_log_axis('subscribers', 1, 10000, show_amount),
                 make_linear_axis('million deliveries a second', get_ends(series, get_low, get_high)[1]), series)


def chart_latency(figures):
    percents = [1, 10, 50, 90, 99, 99.9]
    series = [
        pick(figures, name, [(p, (scenario, f'{figure}_p{p:g}')) for p in percents], factor)
        for name, scenario, figure, factor in (
            ('there and back, one context', 'bus_pingpong', 'rtt', 1),
            ('there and back, two threads', 'bus_pingpong_ext', 'rtt', 1),
            ('cancel, full data channel', 'bus_priority', 'cancel', 1000),
        )
    ]
    return Chart('Latency', 'How many per cent of all messages have come within which time.',
                 make_percent_axis('per cent of all messages', percents),
                 make_log_axis('within', *get_ends(series, get_low, get_high), show_time), series)


def chart_growth(figures):
    sizes = [10, 100, 1000, 10000, 100000]

    def get(name, prefix, figure):
        return pick(figures, name, [(n, (f'{prefix}_{n}', figure)) for n in sizes], 1)

    series = [
        get('targeted send', 'bus_growth', 'ns_per_send'),
        get('delivery of a broadcast', 'bus_growth', 'ns_per_broadcast_delivery'),
        get('dispatch to an actor', 'disp_growth_actors', 'ns_per_dispatch'),
        get('dispatch past the parked', 'disp_growth_parked', 'ns_per_dispatch_beside'),
        get('parking', 'disp_growth_parked', 'ns_per_park'),
    ]
    return Chart('Cost against size',
                 'The time of one call against the number of subscribers, actors or parked messages.',
                 make_log_axis('subscribers, actors or parked messages', sizes[0], sizes[-1], show_amount),
                 make_log_axis('each', *get_ends(series, get_middle, get_middle), show_time), series)


# --- Drawing ---

def get_x(chart, value):
    return LEFT + chart.x.place(value) * (WIDTH - LEFT - RIGHT)


def get_y(chart, value):
    return HEIGHT - BOTTOM - chart.y.place(value) * (HEIGHT - TOP - BOTTOM)


def draw_text(x, y, text, kind):
    return f'  <text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>\n'


def draw_axes(chart):
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for value, text in chart.x.ticks:
        x = get_x(chart, value)
        parts.append(f'  <path class="grid" d="M{x:.1f} {TOP} V{bottom}"/>\n')
        parts.append(draw_text(x, bottom + 18, text, 'small middle'))
    for value, text in chart.y.ticks:
        y = get_y(chart, value)
        parts.append(f'  <path class="grid" d="M{LEFT} {y:.1f} H{right}"/>\n')
        parts.append(draw_text(LEFT - 8, y + 4, text, 'small end'))
    parts.append(f'  <path class="axis" d="M{LEFT} {TOP} V{bottom} H{right}"/>\n')
    parts.append(draw_text((LEFT + right) / 2, bottom + 40, chart.x.label, 'small middle'))
    parts.append(draw_text(LEFT - 50, TOP - 12, chart.y.label, 'small'))
    parts.append(draw_text((LEFT + right) / 2, 20, chart.title, 'head middle'))
    return ''.join(parts)


def draw_series(chart, i, series):
    def path(points):
        return ' L'.join(f'{get_x(chart, x):.1f} {get_y(chart, y):.1f}' for x, y in points)

    there = [(p.x, p.high) for p in series.points]
    back = [(p.x, p.low) for p in reversed(series.points)]
    parts = [f'  <path class="spread s{i}" d="M{path(there + back)} z"/>\n',
             f'  <path class="line s{i}" d="M{path([(p.x, p.y) for p in series.points])}"/>\n']
    for point in series.points:
        x, y = get_x(chart, point.x), get_y(chart, point.y)
        parts.append(f'  <circle class="s{i}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>\n')
    return ''.join(parts)


def place_names(chart):
    """Returns the heights of the names: each is near the end of its line, and no two overlap."""
    wanted = sorted((get_y(chart, series.points[-1].y), i) for i, series in enumerate(chart.series) if series.points)
    places = {}
    last = -math.inf
    for y, i in wanted:
        last = places[i] = max(y, last + NAME_STEP)
    overhang = max(0, last - (HEIGHT - BOTTOM))
    return {i: y - overhang for i, y in places.items()}


def draw_names(chart):
    parts = []
    for i, y in place_names(chart).items():
        end = chart.series[i].points[-1]
        start = get_x(chart, end.x) + 6
        parts.append(f'  <path class="line s{i}" style="stroke-width: 1; stroke-dasharray: 2 3" '
                     f'd="M{start:.1f} {get_y(chart, end.y):.1f} L{WIDTH - RIGHT + 22} {y:.1f}"/>\n')
        parts.append(draw_text(WIDTH - RIGHT + 28, y + 4, chart.series[i].name, 'small'))
    return ''.join(parts)


def draw(chart):
    lines = ''.join(draw_series(chart, i, series) for i, series in enumerate(chart.series) if series.points)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'role="img" aria-labelledby="title desc">\n'
        f'  <title id="title">{escape(chart.title)}</title>\n'
        f'  <desc id="desc">{escape(chart.description)}</desc>\n'
        f'{STYLE}{draw_axes(chart)}{lines}{draw_names(chart)}</svg>\n')


CHARTS = {
    'throughput': chart_throughput,
    'latency': chart_latency,
    'growth': chart_growth,
}


def write(tsv, folder=FOLDER):
    figures = read_figures(tsv)
    for name, make_chart in CHARTS.items():
        try:
            chart = make_chart(figures)
        except ValueError:
            sys.exit(f'{tsv} has no figures for {name}')
        (folder / f'{name}.svg').write_text(draw(chart), encoding='utf-8')
        print(folder / f'{name}.svg')


if __name__ == '__main__':
    arguments = [pathlib.Path(argument) for argument in sys.argv[1:]]
    write(*arguments or [TSV])
