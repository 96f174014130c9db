#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The metrics from Python, and what those who watch by them make of the texts."""

import http.server
import json
import math
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import gi
import tap

gi.require_version('AgentBus', '1')
from gi.repository import AgentBus, GLib

try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
    from prometheus_client.parser import text_string_to_metric_families as parse_prometheus
except ImportError:
    parse_open_metrics = parse_prometheus = None

OPEN_METRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8'
PATIENCE = 30

FAMILIES = {
    'agentbus_messages_sent': 'counter',
    'agentbus_messages_delivered': 'counter',
    'agentbus_messages_failed': 'counter',
    'agentbus_messages_dropped': 'counter',
    'agentbus_messages_waiting': 'gauge',
    'agentbus_subscribers': 'gauge',
    'router_messages_accepted': 'counter',
    'router_messages_dispatched': 'counter',
    'router_messages_queued': 'counter',
    'router_messages_expired': 'counter',
    'router_messages_dropped': 'counter',
    'router_messages_refused': 'counter',
    'router_messages_returned': 'counter',
    'router_retries': 'counter',
    'router_messages_parked': 'gauge',
    'router_dispatch_latency': 'histogram',
}


def with_suffix(name):
    return f'{name}_total' if FAMILIES[name] == 'counter' else name


def key(name, labels):
    return name, tuple(sorted(labels.items()))


def samples_of_histogram(name, labels, buckets, count, total):
    samples = {key(f'{name}_bucket', labels | {'le': bound}): value for bound, value in buckets}
    return samples | {key(f'{name}_count', labels): count, key(f'{name}_sum', labels): total}


def samples_of_variant(figures):
    """What a parser has to find, by name and labels."""
    samples = {}
    for name, values in figures.items():
        for labels, *value in values:
            if FAMILIES[name] == 'histogram':
                samples |= samples_of_histogram(name, labels, *value)
            else:
                samples[key(with_suffix(name), labels)] = value[0]
    return samples


def samples_of_families(families):
    samples = {}
    for family in families:
        for sample in family.samples:
            labels = dict(sample.labels)
            if 'le' in labels:
                labels['le'] = float(labels['le'])
            assert key(sample.name, labels) not in samples
            samples[key(sample.name, labels)] = sample.value
    return samples


def get_free_port():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


class MetricsHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = self.server.metrics.to_open_metrics().encode()
        self.send_response(200)
        self.send_header('Content-Type', OPEN_METRICS)
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


class StoryTest(unittest.TestCase):
    def setUp(self):
        self.bus = AgentBus.Bus()
        self.routes = AgentBus.RouteTable()
        self.dispatcher = AgentBus.RouterDispatcher(bus=self.bus, route_table=self.routes)
        self.worker = AgentBus.Subscriber(name='worker')
        self.metrics = AgentBus.Metrics()
        self.metrics.add_bus('a "main" \\ bus\n', self.bus)
        self.metrics.add_dispatcher('main', self.dispatcher)
        self.context = GLib.MainContext.default()
        self.play()

    def dispatch(self, actor, ttl=0):
        message = AgentBus.Message.new_task_update('ui', actor, '1')
        message.set_ttl(ttl)
        return self.dispatcher.dispatch(message)

    def play(self):
        """Two messages go at once, one later, two wait, one expires, and one has nobody."""
        expired = []
        self.dispatcher.connect('expired', lambda *args: expired.append(args))
        self.worker.connect('message', lambda *_: None)
        self.bus.subscribe(self.worker)
        self.routes.assign('first', 'worker')
        for actor in ('first', 'first', 'later', 'nobody', 'nobody'):
            self.dispatch(actor)
        self.dispatch('late', ttl=5)
        self.bus.send(AgentBus.Message.new_end('ui', 'nobody', None))
        while not expired:
            self.context.iteration(True)
        self.routes.assign('later', 'worker')
        while self.context.iteration(False):
            pass

    def figures(self):
        """They stay: nothing is tried again or expires while the context is not iterated."""
        return self.metrics.to_variant().unpack()

    def figure(self, name, **labels):
        values = [value for own, value in self.figures()[name] if labels.items() <= own.items()]
        self.assertEqual(len(values), 1)
        return values[0]


class MetricsTest(StoryTest):
    def test_values(self):
        self.assertEqual(self.figures().keys(), FAMILIES.keys())
        self.assertEqual(self.figure('agentbus_messages_sent'), 7)
        self.assertEqual(self.figure('agentbus_messages_delivered'), 3)
        self.assertEqual(self.figure('agentbus_messages_dropped', reason='no-target'), 1)
        self.assertEqual(self.figure('agentbus_messages_dropped', reason='full'), 0)
        self.assertEqual(self.figure('agentbus_subscribers'), 1)
        self.assertEqual(self.figure('router_messages_accepted'), 6)
        self.assertEqual(self.figure('router_messages_dispatched'), 3)
        self.assertEqual(self.figure('router_messages_queued'), 4)
        self.assertEqual(self.figure('router_messages_expired'), 1)
        self.assertEqual(self.figure('router_messages_parked'), 2)
        (labels, buckets, count, total), = self.figures()['router_dispatch_latency']
        self.assertEqual((labels, len(buckets), count), ({'dispatcher': 'main'}, 14, 3))
        self.assertEqual(buckets[-1], (math.inf, 3))
        self.assertGreaterEqual(total, 0.005)

    @unittest.skipIf(parse_open_metrics is None, 'prometheus_client is missing')
    def test_open_metrics(self):
        families = list(parse_open_metrics(self.metrics.to_open_metrics()))
        self.assertEqual([(family.name, family.type) for family in families], list(FAMILIES.items()))
        self.assertTrue(all(family.documentation for family in families))
        self.assert_samples(families)

    @unittest.skipIf(parse_open_metrics is None, 'prometheus_client is missing')
    def test_open_metrics_of_nothing(self):
        self.assertEqual(list(parse_open_metrics(AgentBus.Metrics().to_open_metrics())), [])

    @unittest.skipIf(parse_prometheus is None, 'prometheus_client is missing')
    def test_prometheus(self):
        families = list(parse_prometheus(self.metrics.to_prometheus()))
        self.assertEqual({family.name: family.type for family in families}, FAMILIES)
        self.assertTrue(all(family.documentation for family in families))
        self.assert_samples(families)

    def assert_samples(self, families):
        found = samples_of_families(families)
        expected = samples_of_variant(self.figures())
        self.assertEqual(found.keys(), expected.keys())
        for sample, value in expected.items():
            self.assertAlmostEqual(found[sample], value, msg=sample)

    @unittest.skipUnless(shutil.which('promtool'), 'promtool is missing')
    def test_promtool(self):
        check = subprocess.run(['promtool', 'check', 'metrics'], input=self.metrics.to_prometheus(), text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE)
        self.assertEqual((check.returncode, check.stdout), (0, ''))


@unittest.skipUnless(shutil.which('prometheus'), 'prometheus is missing')
class ServerTest(StoryTest):
    """A server scrapes the metrics, and is asked what it knows."""

    def setUp(self):
        super().setUp()
        target = http.server.ThreadingHTTPServer(('127.0.0.1', 0), MetricsHandler)
        target.metrics = self.metrics
        self.addCleanup(target.server_close)
        thread = threading.Thread(target=target.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(target.shutdown)
        self.target = target
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def write_config(self, folder):
        config = {
            'global': {'scrape_interval': '1s', 'scrape_timeout': '1s'},
            'scrape_configs': [{
                'job_name': 'agentbus',
                'static_configs': [{'targets': [f'127.0.0.1:{self.target.server_port}']}],
            }],
        }
        path = pathlib.Path(folder, 'prometheus.yml')
        path.write_text(json.dumps(config))
        return path

    def query(self, expression):
        """What the server answers by now: nothing while it is not there, or does not know yet."""
        url = f'{self.url}/api/v1/query?' + urllib.parse.urlencode({'query': expression})
        try:
            with self.opener.open(url, timeout=5) as response:
                answer = json.load(response)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return []
        return [(sample['metric'], float(sample['value'][1])) for sample in answer['data']['result']]

    def wait_for(self, server, expression):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.assertIsNone(server.poll(), 'the server has ended')
            samples = self.query(expression)
            if samples:
                return samples
            time.sleep(0.1)
        self.fail(f'{expression} did not come within {PATIENCE} s')

    def assert_query(self, server, expression, expected, **labels):
        (own, value), = self.wait_for(server, expression)
        self.assertEqual(value, expected, expression)
        self.assertLessEqual(labels.items(), own.items())

    def test_server(self):
        with tempfile.TemporaryDirectory(prefix='agentbus-') as folder:
            address = f'127.0.0.1:{get_free_port()}'
            self.url = f'http://{address}'
            log = pathlib.Path(folder, 'log')
            with log.open('wb') as output:
                server = subprocess.Popen(['prometheus', f'--config.file={self.write_config(folder)}',
                                           f'--storage.tsdb.path={folder}/data', f'--web.listen-address={address}'],
                                          stdout=output, stderr=output)
            try:
                self.ask(server)
            except AssertionError:
                print(log.read_text(), file=sys.stderr)
                raise
            finally:
                server.terminate()
                try:
                    server.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    server.kill()
                    server.wait()

    def ask(self, server):
        self.wait_for(server, 'router_messages_accepted_total')
        self.assert_query(server, 'up{job="agentbus"}', 1)
        self.assert_query(server, 'router_messages_accepted_total', 6, dispatcher='main')
        self.assert_query(server, 'router_messages_parked', 2, dispatcher='main')
        self.assert_query(server, 'agentbus_messages_sent_total', 7, bus='a "main" \\ bus\n')
        self.assert_query(server, 'agentbus_messages_dropped_total{reason="no-target"}', 1)
        self.assert_query(server, 'router_dispatch_latency_bucket{le="+Inf"}', 3)
        self.assert_query(server, 'router_dispatch_latency_count', 3)

        # What goes on is seen at the next scrape.
        self.dispatch('nobody')
        self.wait_for(server, 'router_messages_parked == 3')
        self.assertEqual(self.query('router_messages_accepted_total')[0][1], 7)


if __name__ == '__main__':
    tap.main()
