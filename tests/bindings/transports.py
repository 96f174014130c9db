# SPDX-License-Identifier: LGPL-2.1-or-later
"""The transport of a node, in a test that with-server.py runs, or in another process of that test."""

import os

import gi

gi.require_version('AgentBus', '1')
from gi.repository import AgentBus

KIND, ADDRESS = os.environ['AGENTBUS_TEST_KIND'], os.environ['AGENTBUS_TEST_ADDRESS']


def make(node):
    if KIND == 'nats':
        gi.require_version('AgentBusNats', '1')
        from gi.repository import AgentBusNats
        return AgentBusNats.NatsTransport(node_id=node, urls=[ADDRESS], user=node,
                                          password=os.environ[f'AGENTBUS_TEST_PASSWORD_{node}'])
    role = AgentBus.DBusRole.MEMBER
    if KIND == 'peers':
        role = AgentBus.DBusRole.SERVER if node == 'here' else AgentBus.DBusRole.CLIENT
    return AgentBus.DBusTransport(node_id=node, address=ADDRESS, role=role)
