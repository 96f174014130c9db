/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "agent-enums.h"

G_BEGIN_DECLS

/*
 * A packet is what a transport carries: a head and records, in little-endian order. Each record begins at a multiple of 8
 * bytes, so that a payload in it can be used where it lies.
 *
 *   head    magic "AGB", version, number of records (u32), session of the sender (u64), session of the receiver (u64),
 *           number of the first record (u64), number of the control that comes before (u64), age (u32), 0 (u32)
 *   record  length of the body (u32), kind (u16), length of a name (u16), name, padding, body, padding
 *
 * Readers check everything: a packet may be damaged, and it may come from somebody who wishes us ill. Records of unknown kinds
 * are skipped, so that a later version can add kinds. Another version of the head is refused.
 */
#define AGENT_PACKET_VERSION 1
#define AGENT_PACKET_HEAD_SIZE 48
#define AGENT_PACKET_RECORD_SIZE 8

/* A record is padded to a multiple of this. */
#define AGENT_PACKET_ALIGNMENT 8

/* The longest name in the head of a record, in bytes. */
#define AGENT_PACKET_NAME_MAX G_MAXUINT16

/* The kinds of records. The numbers are part of the form. */
typedef enum
{
  /* Data and control */
  AGENT_RECORD_MESSAGE = 1,      /* an envelope; if there is a name, it is the subscriber that gets it, a member of the target */
  AGENT_RECORD_GROUPED = 10,     /* the same, for one member of a group: the name is that of the member */

  /* Control */
  AGENT_RECORD_NAME = 2,         /* AGENT_RECORD_TYPE_NAME: a subscriber of the sender is there, or says something else of itself */
  AGENT_RECORD_GONE = 3,         /* (s): it has left */
  AGENT_RECORD_INTEREST = 4,     /* (ybs): what is taken, see AgentInterestKind; whether it is taken; its name or pattern */
  AGENT_RECORD_CONVERSATION = 5, /* (st): a conversation has come to an epoch */

  /* Presence */
  AGENT_RECORD_BEACON = 6,       /* (u): the sender is there; its interval in ms */
  AGENT_RECORD_HELLO = 7,        /* (u): the same, to one node: the sessions of the head are agreed */
  AGENT_RECORD_STATUS = 8,       /* (ttt): the numbers of the data that is sent next, and of the data and the control expected */
  AGENT_RECORD_GOODBYE = 9,      /* (s): the sender leaves, and why */
  AGENT_RECORD_QUESTION = 11,    /* (): the sender wants a STATUS now */
} AgentRecordKind;

/* What a node takes of broadcasts. */
typedef enum
{
  AGENT_INTEREST_ALL = 'a',     /* all without a topic; the text is empty */
  AGENT_INTEREST_NAME = 'n',    /* those of a name, without a topic */
  AGENT_INTEREST_PATTERN = 'p', /* those whose topic matches a pattern */
} AgentInterestKind;

/* A name: the subscriber, its group or empty, whether it is an agent, and then: its runner, its parent or empty, whether it is
 * active and bridged, and when it was started. */
#define AGENT_RECORD_TYPE_NAME         G_VARIANT_TYPE ("(ssbssbbx)")
#define AGENT_RECORD_TYPE_GONE         G_VARIANT_TYPE ("(s)")
#define AGENT_RECORD_TYPE_INTEREST     G_VARIANT_TYPE ("(ybs)")
#define AGENT_RECORD_TYPE_CONVERSATION G_VARIANT_TYPE ("(st)")
#define AGENT_RECORD_TYPE_BEACON       G_VARIANT_TYPE ("(u)")
#define AGENT_RECORD_TYPE_HELLO        G_VARIANT_TYPE ("(u)")
#define AGENT_RECORD_TYPE_STATUS       G_VARIANT_TYPE ("(ttt)")
#define AGENT_RECORD_TYPE_GOODBYE      G_VARIANT_TYPE ("(s)")
#define AGENT_RECORD_TYPE_QUESTION     G_VARIANT_TYPE ("()")

typedef struct
{
  guint32 n_records;
  guint64 from_session;
  guint64 to_session; /* 0: not known yet, or the packet is for everybody */
  guint64 number;     /* of the first record; 0 for presence */
  guint64 after;      /* for data: it is read when all control before this number was read, so that its sources are known */
  guint32 age;        /* how long it waited before it was sent, in ms: what is left of the ttl of its messages is less by that */
} AgentPacketHead;

/* --- Writing --- */

typedef struct
{
  GByteArray *bytes;     /* (owned) (nullable) NULL while there is no record */
  guint       n_records;
  gsize       record;    /* where the record begins that is being written */
  gsize       body;      /* where its body begins */
} AgentPacketWriter;

GByteArray *_agent_packet_writer_begin       (AgentPacketWriter     *self,
                                              AgentRecordKind        kind,
                                              const char            *name);
void        _agent_packet_writer_end         (AgentPacketWriter     *self);
void        _agent_packet_writer_cancel      (AgentPacketWriter     *self);
void        _agent_packet_writer_add         (AgentPacketWriter     *self,
                                              AgentRecordKind        kind,
                                              GVariant              *value);
GBytes     *_agent_packet_writer_finish      (AgentPacketWriter     *self,
                                              const AgentPacketHead *head);
GBytes     *_agent_packet_copy_with_age      (GBytes                *packet,
                                              guint32                age);
void        _agent_packet_writer_clear       (AgentPacketWriter     *self);

static inline gsize
_agent_packet_writer_get_size (const AgentPacketWriter *self)
{
  return self->bytes != NULL ? self->bytes->len : 0;
}

/* --- Reading --- */

typedef struct
{
  GBytes       *packet; /* (unowned) */
  const guint8 *data;
  gsize         size;
  gsize         next;   /* where the next record begins */
  guint         n_left;
} AgentPacketReader;

typedef struct
{
  AgentRecordKind kind;
  const char     *name;   /* not terminated */
  gsize           name_length;
  gsize           offset; /* of the body in the packet */
  gsize           length; /* of the body */
} AgentRecord;

gboolean    _agent_packet_reader_init        (AgentPacketReader     *self,
                                              GBytes                *packet,
                                              AgentPacketHead       *head,
                                              GError               **error);
gboolean    _agent_packet_reader_next        (AgentPacketReader     *self,
                                              AgentRecord           *record,
                                              GError               **error);
GVariant   *_agent_packet_reader_get_value   (AgentPacketReader     *self,
                                              const AgentRecord     *record,
                                              const GVariantType    *type,
                                              GError               **error);

G_END_DECLS
