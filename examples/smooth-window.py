#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A flood of messages, a slow agent, and a window that stays responsive.

    smooth-window.py [SECONDS]

A thread sends readings as fast as it can to two agents. The window shows the last reading it got, in the main context;
the logger takes 5 ms for each reading, in a context of its own. The bus drops the readings that they have no room for,
the oldest first, and counts them. The window is drawn all the time; at the end it says how late the latest frame was.
"""

import sys
import threading
import time

import gi

gi.require_version('AgentBus', '1')
gi.require_version('Gtk', '4.0')
from gi.repository import AgentBus, GLib, Gtk

# The bus logs every hundredth drop. This program drops messages on purpose, so it hides the log.
GLib.log_set_handler('AgentBus', GLib.LogLevelFlags.LEVEL_WARNING, lambda *arguments: None)

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 10


class Flood(threading.Thread):
    """Sends until it is told to stop."""

    def __init__(self, bus):
        super().__init__(daemon=True)
        self.bus, self.stopping = bus, threading.Event()

    def run(self):
        n = 0
        while not self.stopping.is_set():
            self.bus.send(AgentBus.Message.new_task_update('sensor', None, 'reading', GLib.Variant('t', n)))
            n += 1
            if n % 100 == 0:
                time.sleep(0)  # releases Python's own lock, so that the window's thread gets it, too


class Logger(threading.Thread):
    """A slow agent in a thread and a context of its own."""

    def __init__(self, bus):
        super().__init__(daemon=True)
        self.context = GLib.MainContext.new()
        self.loop = GLib.MainLoop.new(self.context, False)
        self.agent = AgentBus.Subscriber(name='logger', main_context=self.context, capacity=64,
                                         overflow=AgentBus.Overflow.DROP_OLDEST)
        self.agent.connect('message', lambda agent, message: time.sleep(0.005))
        bus.subscribe(self.agent)

    def run(self):
        self.context.push_thread_default()
        self.loop.run()
        self.context.pop_thread_default()


class Window(Gtk.ApplicationWindow):
    def __init__(self, application, bus):
        super().__init__(application=application, title='A smooth window', default_width=420, default_height=300)
        self.bus, self.last_frame, self.n_frames, self.latest, self.worst = bus, 0, 0, 0, 0
        self.agent = AgentBus.Subscriber(name='window', capacity=64, overflow=AgentBus.Overflow.DROP_OLDEST)
        self.agent.connect('message', self.on_message)
        bus.subscribe(self.agent)

        spinner = Gtk.Spinner(spinning=True, width_request=160, height_request=160, vexpand=True,
                              halign=Gtk.Align.CENTER, valign=Gtk.Align.CENTER)
        self.add_tick_callback(self.on_frame)
        self.label = Gtk.Label(margin_bottom=12, justify=Gtk.Justification.CENTER)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12)
        box.append(spinner)
        box.append(self.label)
        self.set_child(box)

    def on_message(self, agent, message):
        self.latest = message.get_payload().get_uint64()

    def on_frame(self, window, clock):
        now = clock.get_frame_time()
        if self.last_frame:
            self.worst = max(self.worst, now - self.last_frame)
        self.last_frame, self.n_frames = now, self.n_frames + 1
        _, lost = self.bus.get_dropped('logger')
        self.label.set_label(f'reading {self.latest:,}\nthe logger has lost {lost:,}')
        return GLib.SOURCE_CONTINUE


def on_activate(application):
    bus = AgentBus.Bus()
    window = Window(application, bus)
    logger, flood = Logger(bus), Flood(bus)

    def stop():
        flood.stopping.set()
        flood.join()
        bus.stop_async(None, on_stopped)
        return GLib.SOURCE_REMOVE

    def on_stopped(bus, result):
        bus.stop_finish(result)
        figures = bus.get_statistics().unpack()
        logger.loop.quit()
        print(f'{figures["sent"]} sent, {figures["delivered"]} delivered, {sum(figures["dropped"].values())} dropped')
        print(f'{window.n_frames} frames, the latest one after {window.worst / 1000:.0f} ms')
        application.quit()

    window.present()
    logger.start()
    flood.start()
    GLib.timeout_add(int(SECONDS * 1000), stop)


application = Gtk.Application()
application.connect('activate', on_activate)
sys.exit(application.run())
