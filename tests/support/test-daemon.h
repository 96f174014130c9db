/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Processes that a test starts, by their ids: a message bus of D-Bus of its own, and the program of the test itself again. All
 * of them die with the test.
 */

/* A process that the test has started, and that says a line on its standard output when it is ready. */
typedef struct
{
  GPid  pid;
  char *line; /* what it has said, without the end of the line */
} TestProcess;

TestProcess *test_process_new  (const char *const *argv) G_GNUC_WARN_UNUSED_RESULT;
void         test_process_stop (TestProcess       *self);
void         test_process_cont (TestProcess       *self);
void         test_process_kill (TestProcess       *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestProcess, test_process_kill)

/* A message bus whose address stays the same when it is started again. */
typedef struct
{
  char        *folder;
  char        *address;
  TestProcess *process; /* (nullable) */
} TestDaemon;

gboolean    test_daemon_is_there (void);
TestDaemon *test_daemon_new      (void) G_GNUC_WARN_UNUSED_RESULT;
void        test_daemon_start    (TestDaemon *self);
void        test_daemon_kill     (TestDaemon *self);
void        test_daemon_free     (TestDaemon *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestDaemon, test_daemon_free)

G_END_DECLS
