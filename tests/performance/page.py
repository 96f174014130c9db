#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the figures that report.py has measured into doc/performance.md, between two marks: page.py [TSV [PAGE]]"""

import csv
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TSV = ROOT / 'build' / 'performance.tsv'
PAGE = ROOT / 'doc' / 'performance.md'

# The programs that compare with peers. In their rows, the figure is the name of the peer.
PEERS = ('bench-peers', 'bench-tokio')

# The text between a mark and its end is replaced.
MARKS = ('figures', 'peers')

# The figures by group: a text, and the scenario and figure in the report.
GROUPS = {
    'Throughput': [
        ('one sender, one subscriber', 'bus_1to1', 'delivered_per_s'),
        ('four senders, one subscriber', 'bus_4to1', 'delivered_per_s'),
        ('two senders, two subscribers, a thread each', 'bus_senders_2to2', 'delivered_per_s'),
        ('four senders, four subscribers, a thread each', 'bus_senders_4to4', 'delivered_per_s'),
        ('a broadcast to 16', 'bus_fanout_16', 'deliveries_per_s'),
        ('a broadcast to 1,024', 'bus_fanout_1024', 'deliveries_per_s'),
        ('1,000 subscribers, one after the other', 'bus_targeted_1000', 'delivered_per_s'),
        ('10,000 subscribers, one after the other', 'bus_targeted_10000', 'delivered_per_s'),
        ('a broadcast with a topic to 1 of 10,000', 'bus_topic_10000', 'exact_per_s'),
        ('a broadcast with a name that 1 of 10,000 accepts', 'bus_accepts_10000', 'delivered_per_s'),
        ('in one context, one at a time', 'bus_own_context_1', 'delivered_per_s'),
        ('in one context, a hundred at a time', 'bus_own_context_100', 'delivered_per_s'),
        ('received in a thread without a main loop', 'bus_receive', 'received_per_s'),
        ('a deferred handler, completed at once', 'bus_deferred', 'delivered_per_s_completed_at_once'),
        ('a deferred handler, completed by another source', 'bus_deferred', 'delivered_per_s_completed_later'),
        ('frames of 160 bytes, each copied', 'bus_payload_160', 'delivered_per_s_copied'),
        ('frames of 640 bytes, each copied', 'bus_payload_640', 'delivered_per_s_copied'),
        ('frames of 64 KiB, all the same bytes', 'bus_payload_65536', 'delivered_per_s_shared'),
        ('frames of 64 KiB, each copied', 'bus_payload_65536', 'delivered_per_s_copied'),
        ('dispatching to an assigned actor', 'disp_assigned', 'delivered_per_s'),
        ('dispatching to 10,000 actors over 16 routers', 'disp_assigned_many', 'delivered_per_s'),
    ],
    'Latency': [
        ('there and back within one context', 'bus_pingpong', 'rtt_p50'),
        ('99 per cent of them', 'bus_pingpong', 'rtt_p99'),
        ('there and back between two sleeping threads', 'bus_pingpong_ext', 'rtt_p50'),
        ('99 per cent of them', 'bus_pingpong_ext', 'rtt_p99'),
        ('a cancel, a full data channel ahead of it', 'bus_priority', 'cancel_p50'),
        ('from an assignment to the delivery of what was parked', 'disp_assign_latency', 'latency_p50'),
        ('a message that expires, after its deadline', 'timer_exact', 'late_p50'),
    ],
    'Calls': [
        ('a send', 'bus_1to1_send', 'ns_per_send'),
        ('a send into a full channel', 'bus_overload', 'ns_per_send'),
        ('a send that waits for room, more than a send', 'bus_room', 'ns_more_to_wait_than_to_send'),
        ('a send and its delivery in one context', 'bus_room', 'ns_per_send'),
        ('the same with try_send', 'bus_room', 'ns_per_try_send'),
        ('a try_send that is refused, with its error', 'bus_room', 'ns_per_refusal'),
        ('a stale message, passed over', 'bus_stale', 'ns_per_message'),
        ('an expired one', 'bus_expired', 'ns_per_message'),
        ('a subscription', 'bus_subscribe', 'us_per_subscribe'),
        ('its end', 'bus_subscribe', 'us_per_unsubscribe'),
        ('a handler in Python', 'py_handler', 'us_per_handler'),
        ('a handler in Python that reads three fields', 'py_read', 'us_per_handler'),
        ('a dict of four keys, made and sent in Python', 'py_dict', 'us_per_send'),
        ('its handler, which reads it', 'py_dict', 'us_per_handler'),
        ('a handler in JavaScript', 'js_handler', 'us_per_handler'),
        ('a handler in JavaScript that reads three fields', 'js_read', 'us_per_handler'),
        ('an object of four keys, made and sent in JavaScript', 'js_dict', 'us_per_send'),
        ('its handler, which reads it', 'js_dict', 'us_per_handler'),
    ],
    'Tasks': [
        ('a request and its answer, in one context', 'task_request_1', 'rtt_p50'),
        ('99 per cent of them', 'task_request_1', 'rtt_p99'),
        ('a request and its answer, between two threads', 'task_request_2', 'rtt_p50'),
        ('99 per cent of them', 'task_request_2', 'rtt_p99'),
        ('two bare messages, in one context', 'task_messages_1', 'rtt_p50'),
        ('two bare messages, between two threads', 'task_messages_2', 'rtt_p50'),
        ('a GTask with an idle source, in one context', 'task_gtask_1', 'rtt_p50'),
        ('a GTask with an idle source, between two threads', 'task_gtask_2', 'rtt_p50'),
        ('a call of GDBus, peer to peer, in one context', 'task_gdbus_1', 'rtt_p50'),
        ('a call of GDBus, peer to peer, between two threads', 'task_gdbus_2', 'rtt_p50'),
        ('a oneshot of tokio over a bus, in one runtime', 'request_p50', 'tokio'),
        ('a oneshot of tokio over a bus, between two runtimes', 'request_threads_p50', 'tokio'),
        ('a request and its answer in Python, under asyncio', 'py_request', 'us_request'),
        ('the same by hand: messages, futures and a timeout', 'py_request', 'us_by_hand'),
        ('a future of asyncio that the loop resolves', 'py_request', 'us_future'),
        ('an open task with its message, heap', 'mem_task', 'heap_per_task'),
        ('100,000 actors and a registry, until all are known', 'bus_announce_100000', 's_to_start'),
    ],
    'Wakeups': [
        ('for a message to a sleeping thread', 'bus_wakeups_paced', 'wakeups_per_burst'),
        ('for a thousand at once', 'bus_wakeups_burst', 'wakeups_per_burst'),
        ('for a thousand to a busy thread', 'bus_wakeups_held', 'wakeups_per_burst'),
        ('in three seconds without messages', 'disp_idle_wakeups', 'wakeups_in_3s'),
    ],
    'Memory': [
        ('an idle subscriber, whole process', 'bus_idle_memory', 'rss_per_subscriber'),
        ('a queued message, heap', 'mem_queued', 'heap_per_message'),
        ('a parked message, heap', 'mem_parked', 'heap_per_message'),
        ('allocations per send', 'mem_allocations', 'per_send'),
        ('allocations per send with a payload', 'mem_allocations', 'per_send_with_payload'),
        ('allocations per send with the same as text', 'mem_allocations', 'per_send_with_text'),
        ('allocations for that payload alone', 'mem_allocations', 'per_payload'),
        ('what a message leaves behind', 'mem_growth', 'heap_growth_per_message'),
    ],
    'Two threads and one lock': [
        ('a push under the spin lock', 'lock_2_threads', 'ns_per_round_spin_lock'),
        ('the same under a GMutex', 'lock_2_threads', 'ns_per_round_mutex'),
        ('eight threads under the spin lock', 'lock_8_threads', 'ns_per_round_spin_lock'),
        ('the same under a GMutex', 'lock_8_threads', 'ns_per_round_mutex'),
    ],
    'Across processes': [
        ('128 bytes that nobody reads, over NATS', 'tp_nats_opaque', 'delivered_per_s'),
        ('of what nats.c does alone', 'tp_nats_opaque', 'of_raw'),
        ('frames of 128 bytes, over NATS', 'tp_nats_frame', 'delivered_per_s'),
        ('of what nats.c does alone', 'tp_nats_frame', 'of_raw'),
        ('five fields, made and read, over NATS', 'tp_nats_fields', 'delivered_per_s'),
        ('of what nats.c does with the same fields', 'tp_nats_fields', 'of_raw'),
        ('there and back, over NATS', 'tp_nats_rtt', 'rtt_p50'),
        ('of what it takes nats.c alone', 'tp_nats_rtt', 'rtt_p50_of_raw'),
        ('control, stored and delivered', 'tp_nats_control', 'delivered_per_s'),
        ('of what nats.c has stored', 'tp_nats_control', 'of_raw'),
        ('data is silent, more than the server is away', 'tp_nats_resume', 'silent_more'),
        ('control is silent, more than the server is away', 'tp_nats_resume_control', 'silent_more'),
        ('the longest iteration of a loop that sends, the server stopped', 'tp_nats_hold', 'longest_with_processor'),
        ('the same of a loop without a bus', 'tp_nats_hold', 'without_bus_with_processor'),
        ('threads of a bus over NATS, with those of GLib and nats.c', 'tp_nats_threads', 'later'),
        ('128 bytes that nobody reads, over D-Bus', 'tp_dbus_signals', 'delivered_per_s'),
        ('of what signals of GDBus do', 'tp_dbus_signals', 'of_raw'),
        ('there and back, over D-Bus', 'tp_dbus_rtt', 'rtt_p50'),
        ('of what it takes signals of GDBus', 'tp_dbus_rtt', 'rtt_p50_of_raw'),
    ],
    'Waiting': [
        ('100,000 parked messages, processor', 'disp_pending_cpu_100000', 'cpu_percent'),
        ('a dispatch past 100,000 parked messages', 'disp_growth_parked_100000', 'ns_per_dispatch_beside'),
        ('a send where there are 100,000 subscribers', 'bus_growth_100000', 'ns_per_send'),
    ],
}

# The scenarios that compare the peers, in tables that fit the width of a page.
PEER_GROUPS = {
    'million/s': {
        'stream_1to1': 'one to one',
        'stream_1to1_payload': 'with 160 bytes',
        'stream_1to1_640': 'with 640',
        'fanout_16': 'one to 16',
        'senders_4to1': 'four to one',
        'targeted_1000': 'one of 1,000',
    },
    'latency, µs': {
        'latency_ext_p50': 'both sleep',
        'latency_ext_p99': '99 %',
        'latency_busy_p50': 'sender busy',
        'latency_busy_p99': '99 %',
    },
    'there and back, µs': {
        'pingpong_p50': 'one thread',
        'pingpong_p99': '99 %',
        'pingpong_threads_p50': 'two threads',
        'pingpong_threads_p99': '99 %',
    },
    'full channel, µs': {
        'overload': 'the newest goes',
        'overload_oldest': 'the oldest goes',
    },
}
SCALES = {'msg/s': 1e-6, 'ns': 1e-3, 'us': 1}

TIMES = {'ns': 1, 'us': 1e3, 'ms': 1e6, 's': 1e9}
# The text of the figure has these words already.
SILENT_UNITS = {'allocations', 'calls', 'wakeups'}


def show_number(value):
    return f'{value:,.0f}' if abs(value) >= 100 else f'{value:.3g}'


def show_scaled(value, scales):
    for scale, unit in scales:
        if abs(value) >= scale:
            return f'{show_number(value / scale)} {unit}'.strip()
    return f'{show_number(value)} {scales[-1][1]}'.strip()


def show(value, unit):
    if unit in TIMES:
        return show_scaled(value * TIMES[unit], [(1e6, 'ms'), (1e3, 'µs'), (1, 'ns')])
    if unit.endswith('/s'):
        return show_scaled(value, [(1e6, 'million/s'), (1e3, 'thousand/s'), (1, '/s')])
    return show_number(value) if unit in SILENT_UNITS else f'{show_number(value)} {unit}'


def show_spread(row):
    """Returns the spread: empty if there is none, and with one unit if both ends have the same."""
    if not row['min'] or float(row['min']) == float(row['max']):
        return ''
    low, high = (show(float(row[end]), row['unit']) for end in ('min', 'max'))
    low_number, _, low_unit = low.partition(' ')
    return f'{low_number if low_unit == high.partition(" ")[2] else low} – {high}'


def make_table(head, rows):
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines) + '\n'


def make_figures(rows):
    measured = {(row['scenario'], row['figure']): row for row in rows}
    lines = []
    for group, figures in GROUPS.items():
        chosen = [(what, measured[scenario, figure]) for what, scenario, figure in figures
                  if (scenario, figure) in measured]
        if chosen:
            lines.append([f'**{group}**', '', ''])
        lines += [[what, show(float(row['value']), row['unit']), show_spread(row)] for what, row in chosen]
    return make_table(['what', 'median', 'spread'], lines)


def make_peers(rows):
    """Returns a table for each group, with a row for each peer. Empty if no peer was measured."""
    values = {(row['scenario'], row['figure']): float(row['value']) * SCALES[row['unit']]
              for row in rows if row['program'] in PEERS}
    if not values:
        return ''
    return '\n'.join(make_matrix(title, scenarios, values) for title, scenarios in PEER_GROUPS.items())


def show_plain(value):
    if value is None:
        return '–'
    return f'{value:,.0f}' if value >= 1000 else f'{value:.3g}'


def make_matrix(title, scenarios, values):
    peers = dict.fromkeys(peer for scenario, peer in values if scenario in scenarios)
    lines = [[peer, *(show_plain(values.get((scenario, peer))) for scenario in scenarios)] for peer in peers]
    return make_table([title, *scenarios.values()], lines)


def replace(text, mark, table):
    before, first, rest = text.partition(f'<!-- {mark} -->\n')
    _, last, after = rest.partition(f'<!-- end of {mark} -->')
    if not first or not last:
        sys.exit(f'there is no mark for {mark}')
    return f'{before}{first}\n{table}\n{last}{after}'


def write(tsv, page=PAGE):
    with open(tsv, encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file, delimiter='\t'))

    text = page.read_text(encoding='utf-8')
    for mark, table in zip(MARKS, (make_figures(rows), make_peers(rows))):
        # If no peer was measured, the table of the last time stays.
        text = replace(text, mark, table) if table else text
    page.write_text(text, encoding='utf-8')
    print(page)


if __name__ == '__main__':
    arguments = [pathlib.Path(argument) for argument in sys.argv[1:]]
    write(*arguments or [TSV])
