/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

/*
 * An engine around another one, which speaks as another version of the library would: what the node sends is written anew, and
 * what it gets may be, too. So two nodes of different versions meet over each engine.
 */

/* (transfer full): what goes on in the place of @packet, in the thread of the transport */
typedef GBytes *(*TestDialectFunc) (GBytes      *packet,
                                    AgentTraffic traffic);

typedef struct
{
  TestDialectFunc send;
  TestDialectFunc receive; /* (nullable) NULL to leave what comes as it is */
} TestDialect;

/* A version with another number of the packet. Those who speak it understand each other. */
extern const TestDialect test_dialect_other_packet;

/* A later version with the same number of the packet. All it sends has something that is new: a record of an unknown kind with
 * its presence, a number where there is none today, and an extension in each message, which may be left out. A message or a task
 * with one of these names is written as that says:
 *
 *   later-kind        a record of another kind than that of a message
 *   later-interest    that a kind of broadcasts is taken which is not known
 *   later-major       a later major version of the envelope
 *   earlier-major     an earlier one
 *   later-extension   an extension that must be understood
 *   later-field       a field that is not known
 *   later-type        a type of messages that is not known
 */
extern const TestDialect test_dialect_later;

AgentTransport *test_dialect_new (AgentTransport    *engine,
                                  const TestDialect *dialect);

G_END_DECLS
