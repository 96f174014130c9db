/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "test-daemon.h"
#include "test-world.h"

G_BEGIN_DECLS

/*
 * A node in a process of its own, which a case can stop, continue and kill. It is the program of the test itself, which is started
 * once more. On its bus there are, for the node "p":
 *
 *   p-echo   sends each "number" and "news" that it gets back to "x", on the same channel. It takes the topic "news"
 *   p-bulk   takes anything
 *   p-actor  does the tasks "echo", which answers with what it has got; "hold", which has no answer; "ask", which has it ask
 *            "worker" for so many tasks; and "report", whose answer is a TestPeerReport
 */
typedef struct
{
  TestWorld   *world;
  char        *id;      /* (owned) */
  TestProcess *process; /* (owned) (nullable) NULL after it was killed */
} TestPeer;

/* What is in a report, which is of TEST_PEER_REPORT_TYPE. The first ones are the numbers that it has got, in the order of their
 * arrival, and the others are counts. */
typedef enum
{
  TEST_PEER_REPORT_CONTROL,        /* of "p-echo" */
  TEST_PEER_REPORT_DATA,           /* the same */
  TEST_PEER_REPORT_JOBS,           /* "echo" */
  TEST_PEER_REPORT_BULK_CONTROL,   /* messages of "p-bulk" */
  TEST_PEER_REPORT_BULK_DATA,      /* the same */
  TEST_PEER_REPORT_LOST,           /* data, as its transport has told */
  TEST_PEER_REPORT_DROPPED,        /* as its bus has told */
  TEST_PEER_REPORT_HELD,           /* jobs that have no answer */
  TEST_PEER_REPORT_HELD_CANCELLED, /* how many of these were cancelled */
  TEST_PEER_REPORT_ENDED,          /* how often a task that it has asked for has ended */
  TEST_PEER_REPORT_CLOSED,         /* how many of these have failed with CLOSED */
} TestPeerReport;

#define TEST_PEER_REPORT_TYPE "(auauautttttttt)"

void      test_peer_run        (int                       argc,
                                char                    **argv,
                                const TestEngine * const *engines);

TestPeer *test_peer_new        (TestWorld                *world,
                                const char               *id);
void      test_peer_free       (TestPeer                 *self);
void      test_peer_wait_names (TestPeer                 *self);
void      test_peer_stop       (TestPeer                 *self);
void      test_peer_continue   (TestPeer                 *self);
void      test_peer_kill       (TestPeer                 *self);
void      test_peer_restart    (TestPeer                 *self);

guint64   test_peer_get_count  (GVariant                 *report,
                                TestPeerReport            what);
GArray   *test_peer_dup_numbers
                               (GVariant                 *report,
                                TestPeerReport            what);

G_END_DECLS
