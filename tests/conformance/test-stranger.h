/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "link/agent-packet-private.h"
#include "test-world.h"

G_BEGIN_DECLS

/*
 * A node that the test plays itself, packet by packet, beside node "a", which has a bus. It keeps the form of all packets, is silent
 * unless the test has it say something, and has a subscriber "s".
 */
typedef struct
{
  TestFixture    *f;
  TestWorld      *world;
  TestRecorder   *x;            /* at node "a" */
  AgentTransport *transport;
  guint64         session;
  guint64         peer_session; /* 0 until it is known */
  guint64         next_control; /* of what it sends; a test may leave numbers out */
  guint64         next_data;    /* the same */
  guint64         after;        /* the number of the control that comes before data */
  guint32         age;          /* of packets, in ms */
  guint64         seen;         /* the number after the last control that has come */
  guint           n_messages;   /* of control that have come */
  guint           n_questions;
} TestStranger;

TestStranger *test_stranger_new         (TestFixture       *f);
void          test_stranger_free        (TestStranger      *self);
void          test_stranger_send        (TestStranger      *self,
                                         AgentTraffic       traffic,
                                         AgentPacketWriter *writer);
void          test_stranger_say         (TestStranger      *self,
                                         AgentRecordKind    kind,
                                         GVariant          *value);
void          test_stranger_confirm     (TestStranger      *self);
void          test_stranger_sync        (TestStranger      *self);

/* What packets have */
void          test_stranger_add_name    (AgentPacketWriter *writer,
                                         const char        *name);
void          test_stranger_add_message (AgentPacketWriter *writer,
                                         AgentMessage      *message);

G_END_DECLS
