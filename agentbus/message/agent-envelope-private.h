/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-message-private.h"

G_BEGIN_DECLS

/*
 * The envelope: the binary form of one message between processes. Several envelopes may stand in one packet, one after the
 * other; whoever makes the packet says where each begins and how long it is.
 *
 *   version     1 byte   the major version in the upper four bits, the minor version in the lower four
 *   type        1 byte   an AgentMessageType
 *   status      1 byte   an AgentTaskStatus
 *   padding     1 byte   how many bytes stand before the content, so that it is aligned to 8 in the packet
 *   fields      4 bytes  which fields there are: bits of AgentEnvelopeField, and of AgentEnvelopeForm
 *   ttl         4 bytes  what is left of it, in milliseconds; this and all below only if its bit is set
 *   cause       8 bytes
 *   epoch       8 bytes  of the conversation
 *   size        4 bytes  of the content
 *   strings     each with a final 0: source, target, label, task id, reason, trace, topic, id of the conversation; and if the
 *               content has a name, that: the type of a payload, or the kind of a frame
 *   content     a payload or a description: the bytes of a GVariant, in the byte order that the form says
 *               a payload as JSON: the text, with a final 0
 *               a frame: its id (8 bytes), its pts (8 bytes), the size of its metadata (4 bytes), AgentEnvelopeFrame (4 bytes);
 *               then its metadata, padded to a multiple of 8, and its data up to the end
 *   extensions  up to the end of the envelope, each: a tag (1 byte), a size (4 bytes), and as many bytes
 *
 * All numbers are little-endian, and not aligned. A message has neither its sequence number nor the time of its sending: both
 * come from the bus that it is sent on next.
 *
 * Other versions rely on this form. A later minor version adds extensions, and nothing else. A reader passes over an extension
 * that it does not know, unless its tag is AGENT_ENVELOPE_TAG_REQUIRED or more: then it refuses the message, as it does for
 * another major version, and for a bit that it does not know.
 *
 * All functions may be called in any thread.
 */

#define AGENT_ENVELOPE_MAJOR 1
#define AGENT_ENVELOPE_MINOR 0

#define AGENT_ENVELOPE_HEADER_SIZE 8
#define AGENT_ENVELOPE_FRAME_SIZE 24
#define AGENT_ENVELOPE_TAG_REQUIRED 0x80

/* The longest envelope. No engine carries more in one packet. */
#define AGENT_ENVELOPE_SIZE_MAX (128 * 1024 * 1024)

/* The number of the bit. The first ones are strings, in the order in which they stand. */
typedef enum
{
  AGENT_ENVELOPE_SOURCE,
  AGENT_ENVELOPE_TARGET,
  AGENT_ENVELOPE_LABEL,
  AGENT_ENVELOPE_TASK_ID,
  AGENT_ENVELOPE_REASON,
  AGENT_ENVELOPE_TRACE,
  AGENT_ENVELOPE_TOPIC,
  AGENT_ENVELOPE_CONVERSATION,
  AGENT_ENVELOPE_TTL,
  AGENT_ENVELOPE_CAUSE,
  AGENT_ENVELOPE_RELIABLE,
  AGENT_ENVELOPE_ERROR_REPLY,
  AGENT_ENVELOPE_REQUEST,
  AGENT_ENVELOPE_RETAINED,
  AGENT_ENVELOPE_CHANNEL,   /* the channel of a custom message is the system channel */
  AGENT_ENVELOPE_DIRECTION, /* the direction of a frame is upstream */
  AGENT_ENVELOPE_STATUS,
  AGENT_ENVELOPE_CONTENT,
  AGENT_ENVELOPE_JSON,      /* the content is a payload as JSON */
  AGENT_ENVELOPE_N_FIELDS,
} AgentEnvelopeField;

typedef enum /*< flags >*/
{
  AGENT_ENVELOPE_FORM_BIG_ENDIAN = 1 << 29, /* the byte order of each GVariant */
  AGENT_ENVELOPE_FORM_EXTENDED = 1 << 30,   /* there are extensions */
} AgentEnvelopeForm;

typedef enum /*< flags >*/
{
  AGENT_ENVELOPE_FRAME_METADATA = 1 << 0,
  AGENT_ENVELOPE_FRAME_DATA = 1 << 1,
} AgentEnvelopeFrame;

#define AGENT_ENVELOPE_BIT(FIELD) (1u << AGENT_ENVELOPE_##FIELD)

gboolean      _agent_envelope_append (GByteArray   *packet,
                                      AgentMessage *message,
                                      const char   *source,
                                      GError      **error);
AgentMessage *_agent_envelope_read   (GBytes       *packet,
                                      gsize         offset,
                                      gsize         length,
                                      GError      **error);

G_END_DECLS
