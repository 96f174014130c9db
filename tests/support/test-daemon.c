/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test-daemon.h"

/* --- A process --- */

static void
test_process_die_with_test (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static char *
test_process_read_line (int fd)
{
  FILE            *file = fdopen (fd, "r");
  g_autofree char *line = NULL;
  size_t           size = 0;
  ssize_t          length = getline (&line, &size, file);
  char            *copy;

  g_assert_cmpint (length, >, 0);
  copy = g_strndup (line, length - 1);
  fclose (file);
  return copy;
}

/* Waits for the first line that the process says. */
TestProcess *
test_process_new (const char *const *argv)
{
  TestProcess *self = g_new0 (TestProcess, 1);
  g_autoptr (GError) error = NULL;
  int output;

  g_spawn_async_with_pipes (NULL,
                            (char **) argv,
                            NULL,
                            G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL,
                            test_process_die_with_test,
                            NULL,
                            &self->pid,
                            NULL,
                            &output,
                            NULL,
                            &error);
  g_assert_no_error (error);
  self->line = test_process_read_line (output);
  return self;
}

void
test_process_stop (TestProcess *self)
{
  int status;

  kill (self->pid, SIGSTOP);
  g_assert_cmpint (waitpid (self->pid, &status, WUNTRACED), ==, self->pid);
  g_assert_true (WIFSTOPPED (status));
}

void
test_process_cont (TestProcess *self)
{
  kill (self->pid, SIGCONT);
}

void
test_process_kill (TestProcess *self)
{
  kill (self->pid, SIGKILL);
  waitpid (self->pid, NULL, 0);
  g_spawn_close_pid (self->pid);
  g_free (self->line);
  g_free (self);
}

/* --- A message bus --- */

gboolean
test_daemon_is_there (void)
{
  g_autofree char *program = g_find_program_in_path ("dbus-daemon");

  if (program == NULL)
    g_test_skip ("there is no dbus-daemon");
  return program != NULL;
}

static char *
test_daemon_get_config (TestDaemon *self)
{
  return g_build_filename (self->folder, "bus.conf", NULL);
}

static void
test_daemon_write_config (TestDaemon *self)
{
  g_autofree char *path = test_daemon_get_config (self);
  g_autofree char *text = g_strdup_printf ("<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\""
                                           " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
                                           "<busconfig>\n"
                                           "  <type>session</type>\n"
                                           "  <listen>%s</listen>\n"
                                           "  <policy context=\"default\">\n"
                                           "    <allow send_destination=\"*\" eavesdrop=\"true\"/>\n"
                                           "    <allow eavesdrop=\"true\"/>\n"
                                           "    <allow own=\"*\"/>\n"
                                           "  </policy>\n"
                                           "  <limit name=\"max_replies_per_connection\">50000</limit>\n"
                                           "</busconfig>\n",
                                           self->address);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

TestDaemon *
test_daemon_new (void)
{
  TestDaemon *self = g_new0 (TestDaemon, 1);

  self->folder = g_dir_make_tmp ("agentbus-XXXXXX", NULL);
  self->address = g_strdup_printf ("unix:path=%s/bus", self->folder);
  test_daemon_write_config (self);
  test_daemon_start (self);
  return self;
}

void
test_daemon_start (TestDaemon *self)
{
  g_autofree char *path = test_daemon_get_config (self);
  g_autofree char *config = g_strconcat ("--config-file=", path, NULL);
  const char      *argv[] = { "dbus-daemon", config, "--nofork", "--nopidfile", "--print-address", NULL };

  g_assert_null (self->process);
  self->process = test_process_new (argv);
}

void
test_daemon_kill (TestDaemon *self)
{
  g_clear_pointer (&self->process, test_process_kill);
}

void
test_daemon_free (TestDaemon *self)
{
  g_autofree char *path = test_daemon_get_config (self);
  g_autofree char *socket = g_build_filename (self->folder, "bus", NULL);

  test_daemon_kill (self);
  g_unlink (socket);
  g_unlink (path);
  g_rmdir (self->folder);
  g_free (self->folder);
  g_free (self->address);
  g_free (self);
}
