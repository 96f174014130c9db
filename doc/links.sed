# SPDX-License-Identifier: LGPL-2.1-or-later
# The pages are read as they are, too, so they name things as C does. In the book each name is a link; one that
# leads nowhere is an error.

# The pages and pictures are in one folder there.
s,\(([a-z-]+)\.md(#[a-z-]*)?\),(\1.html\2),g
s,\(images/,(,g

s,`agent_message_type_([a-z_]+)\(\)`,[func@AgentBus.MessageType.\1],g
s,`agent_drop_reason_([a-z_]+)\(\)`,[func@AgentBus.DropReason.\1],g
# As id, it would be taken for a method.
s,`agent_message_(new_[a-z_]+)\(\)`,[ctor@AgentBus.Message.\1],g
s,`agent_frame_(new(_[a-z_]+)?)\(\)`,[ctor@AgentBus.Frame.\1],g
s,`agent_conversation_new\(\)`,[ctor@AgentBus.Conversation.new],g
s,`agent_bus_(new_[a-z_]+)\(\)`,[ctor@AgentBus.Bus.\1],g
s,`(agent_[a-z_]+)\(\)`,[id@\1],g
s,`Agent([A-Z][A-Za-z]+)::([a-z-]+)`,[signal@AgentBus.\1::\2],g
s,`Agent([A-Z][A-Za-z]+):([a-z-]+)`,[property@AgentBus.\1:\2],g
s,`Agent(Bus|Conversation|Delivery|Metrics|RouteTable|RouterDispatcher|Subscriber)`,[class@AgentBus.\1],g
s,`Agent(Frame|Info|Message|RetryPolicy)`,[struct@AgentBus.\1],g
