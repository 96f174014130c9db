/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-envelope-rules-private.h"

G_BEGIN_DECLS

/* Messages that go through an envelope, and what is the same of them after that. */

/* All that the type can have, which an envelope carries; JSON: with the payload as text. (transfer full) */
AgentMessage *test_envelope_make_full    (AgentMessageType  type,
                                          gboolean          json);

/* As long as it can be read from the wire form. (transfer full) */
AgentMessage *test_envelope_from_wire    (GVariant         *wire);

/* A packet with nothing else in it. (transfer full) */
GByteArray   *test_envelope_write        (AgentMessage     *message);
AgentMessage *test_envelope_read         (const GByteArray *packet,
                                          GError          **error);

void          test_envelope_assert_same  (AgentMessage     *one,
                                          AgentMessage     *two);

/* The message says nothing that the wire form forbids, and stays the same in another envelope. */
void          test_envelope_assert_sound (AgentMessage     *message);

G_END_DECLS
