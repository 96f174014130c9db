/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "nats-server.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Debian has it in /usr/sbin, which is not in the path of everybody. */
char *
test_nats_find (void)
{
  char *path = g_find_program_in_path ("nats-server");

  if (path == NULL && g_file_test ("/usr/sbin/nats-server", G_FILE_TEST_IS_EXECUTABLE))
    path = g_strdup ("/usr/sbin/nats-server");
  return path;
}

static guint
server_find_port (void)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  guint port = g_socket_listener_add_any_inet_port (listener, NULL, NULL);

  g_socket_listener_close (listener);
  g_assert_cmpuint (port, >, 0);
  return port;
}

static void
server_write_configuration (TestNatsServer *self,
                            const char     *more)
{
  g_autofree char *path = g_build_filename (self->folder, "server.conf", NULL);
  g_autofree char *text = g_strdup_printf ("listen: \"127.0.0.1:%u\"\n%s\n", self->port, more);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static TestNatsServer *
server_new (void)
{
  TestNatsServer *self = g_new0 (TestNatsServer, 1);

  self->folder = g_dir_make_tmp ("agentbus-nats-XXXXXX", NULL);
  g_assert_nonnull (self->folder);
  self->port = server_find_port ();
  self->url = g_strdup_printf ("nats://127.0.0.1:%u", self->port);
  return self;
}

/* With JetStream, and with what is given. */
TestNatsServer *
test_nats_server_new (const char *more_configuration)
{
  TestNatsServer  *self = server_new ();
  g_autofree char *configuration = g_strdup_printf ("jetstream { store_dir: \"%s/store\", max_mem: 64MB, max_file: 2GB }\n%s",
                                                    self->folder,
                                                    more_configuration != NULL ? more_configuration : "");

  server_write_configuration (self, configuration);
  test_nats_server_start (self);
  return self;
}

TestNatsServer *
test_nats_server_new_without_jetstream (void)
{
  TestNatsServer *self = server_new ();

  server_write_configuration (self, "");
  test_nats_server_start (self);
  return self;
}

/* With JetStream. They are there, but may not have agreed yet on who leads them.
 *
 * @servers: (out): an array for @n servers */
void
test_nats_server_new_cluster (TestNatsServer *servers[],
                              guint           n)
{
  g_autofree guint *ports = g_new (guint, n);
  g_autoptr (GString) routes = g_string_new (NULL);

  for (guint i = 0; i < n; i++)
    {
      ports[i] = server_find_port ();
      g_string_append_printf (routes, "%s\"nats://127.0.0.1:%u\"", i > 0 ? ", " : "", ports[i]);
    }

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *configuration = NULL;

      servers[i] = server_new ();
      configuration = g_strdup_printf ("server_name: \"%c\"\n"
                                       "jetstream { store_dir: \"%s/store\", max_mem: 64MB, max_file: 2GB }\n"
                                       "cluster { name: \"test\", listen: \"127.0.0.1:%u\", routes: [ %s ] }\n",
                                       'a' + i,
                                       servers[i]->folder,
                                       ports[i],
                                       routes->str);
      server_write_configuration (servers[i], configuration);
      test_nats_server_start (servers[i]);
    }
}

static void
server_remove (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      server_remove (child);
    }
  g_remove (path);
}

void
test_nats_server_free (TestNatsServer *self)
{
  test_nats_server_kill (self);
  server_remove (self->folder);
  g_free (self->folder);
  g_free (self->url);
  g_free (self);
}

/* In the new process. */
static void
server_set_up (gpointer data)
{
  const char *log = data;
  int         fd = open (log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  dup2 (fd, STDOUT_FILENO);
  dup2 (fd, STDERR_FILENO);
}

/* Whether it accepts connections: then it greets. */
static gboolean
server_is_ready (TestNatsServer *self)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection = g_socket_client_connect_to_host (client, "127.0.0.1", self->port, NULL, NULL);
  char greeting[5];

  return connection != NULL &&
         g_input_stream_read_all (g_io_stream_get_input_stream (G_IO_STREAM (connection)), greeting, 5, NULL, NULL, NULL) &&
         memcmp (greeting, "INFO ", 5) == 0;
}

/* Returns when it is ready. It may be started again after it was killed. */
void
test_nats_server_start (TestNatsServer *self)
{
  g_autofree char *program = test_nats_find ();
  g_autofree char *configuration = g_build_filename (self->folder, "server.conf", NULL);
  g_autofree char *log = g_build_filename (self->folder, "server.log", NULL);
  char            *argv[] = { program, (char *) "-c", configuration, NULL };
  GError          *error = NULL;

  g_spawn_async (NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, server_set_up, log, &self->pid, &error);
  g_assert_no_error (error);

  while (!server_is_ready (self))
    {
      g_assert_cmpint (waitpid (self->pid, NULL, WNOHANG), ==, 0);
      g_usleep (1000);
    }
}

void
test_nats_server_signal (TestNatsServer *self,
                         int             signal_number)
{
  g_assert_cmpint (kill (self->pid, signal_number), ==, 0);

  /* Its threads may go on for a moment. */
  if (signal_number == SIGSTOP)
    g_assert_cmpint (waitpid (self->pid, NULL, WUNTRACED), ==, self->pid);
}

void
test_nats_server_kill (TestNatsServer *self)
{
  if (self->pid == 0)
    return;

  kill (self->pid, SIGKILL);
  while (waitpid (self->pid, NULL, 0) < 0 && errno == EINTR)
    ;
  self->pid = 0;
}
