/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

#include "test-thread.h"

G_BEGIN_DECLS

/*
 * The functions that all test programs share: a fixture that owns a context, a subscriber that keeps the messages it
 * receives, and the loss ledger as numbers. No test uses the default context. No test relies on a sleep: it iterates
 * until a condition is true. A watchdog ends a test that hangs.
 */

/* For arrays with one element for each reason. */
#define TEST_N_DROP_REASONS (AGENT_DROP_REASON_INACTIVE + 1)

/* --- The fixture --- */

typedef struct
{
  GMainContext *context;    /* the thread default while the test runs */
  AgentBus     *bus;
  guint64       dropped[TEST_N_DROP_REASONS]; /* how many drops the signal has told, by AgentDropReason */
  guint         n_dropped_emissions;
  GString      *log;        /* warnings of the library, a line each */
  GString      *last_words; /* the warnings about buses that were dropped while they were running, a line each */
  guint         log_handler;
} TestFixture;

typedef void (*TestDataFunc) (TestFixture  *fixture,
                              gconstpointer data);

void  test_init             (int               *argc,
                             char            ***argv);
void  test_init_slow        (int               *argc,
                             char            ***argv);
void  test_add              (const char        *path,
                             void             (*func) (TestFixture *fixture));
void  test_add_data         (const char        *path,
                             TestDataFunc       func,
                             gconstpointer      data);
void  test_add_func         (const char        *path,
                             void             (*func) (void));
void  test_iterate          (TestFixture       *self);
void  test_drain            (TestFixture       *self);
void  test_stop             (TestFixture       *self);
void  test_run_until        (TestFixture       *self,
                             const gboolean    *done);
gboolean
      test_unsubscribe      (TestFixture       *self,
                             const char        *name,
                             GError           **error);
void  test_expect_log       (TestFixture       *self,
                             const char        *part);

/* --- A subscriber that keeps its messages --- */

#define TEST_TYPE_RECORDER (test_recorder_get_type ())
G_DECLARE_FINAL_TYPE (TestRecorder, test_recorder, TEST, RECORDER, AgentSubscriber)

typedef void (*TestHandler) (TestRecorder *recorder,
                             AgentMessage *message,
                             gpointer      user_data);

struct _TestRecorder
{
  AgentSubscriber parent_instance;

  GPtrArray      *messages;  /* of AgentMessage (owned), in the order of delivery */
  GThread        *thread;    /* in which the last message was delivered */
  gboolean        in_handler;
  TestHandler     handler;   /* (nullable) */
  gpointer        user_data;
};

TestRecorder *test_recorder_new           (const char       *name,
                                           TestHandler       handler,
                                           gpointer          user_data);
TestRecorder *test_recorder_new_full      (TestHandler       handler,
                                           gpointer          user_data,
                                           const char       *first_property,
                                           ...) G_GNUC_NULL_TERMINATED;
TestRecorder *test_recorder_subscribe     (TestFixture      *fixture,
                                           const char       *name,
                                           TestHandler       handler,
                                           gpointer          user_data);
guint         test_recorder_count         (TestRecorder     *self);
char         *test_recorder_dup_task_ids  (TestRecorder     *self);

/* --- Messages --- */

/* Connects a handler that does nothing. And a subscriber that has one. */
void          test_listen           (AgentSubscriber  *subscriber);
AgentSubscriber *
              test_listener_new     (const char       *name);
AgentMessage *test_data                   (const char       *source,
                                           const char       *target,
                                           guint             number);
guint         test_number                 (AgentMessage     *message);
AgentMessage *test_cancel                 (const char       *source,
                                           const char       *target);

/* --- The loss ledger --- */

typedef struct
{
  guint64 sent;
  guint64 offered;
  guint64 delivered;
  guint64 queued;
  guint64 failed;
  guint64 moved;
  guint64 dropped[TEST_N_DROP_REASONS];
} TestLedger;

TestLedger test_ledger            (AgentBus         *bus);
TestLedger test_ledger_of         (AgentBus         *bus,
                                   const char       *name);
void       test_assert_balanced   (AgentBus         *bus);

/* --- A clock that stands still --- */

void       test_clock_freeze      (void);
void       test_clock_run         (void);
void       test_clock_advance     (gint64            usec);
void       test_clock_release     (void);

G_END_DECLS
