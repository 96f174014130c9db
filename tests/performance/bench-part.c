/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench-part.h"

/* Seconds after which a part ends, whatever it waits for. */
#define PART_PATIENCE 110

/* --- In the program --- */

/* In the new process. */
static void
part_die_with_program (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != GPOINTER_TO_INT (data))
    _exit (1);
}

/* @kind: what the part makes of it */
BenchPart *
bench_part_new (const char *name,
                const char *address,
                guint       n,
                const char *kind)
{
  BenchPart       *self = g_new0 (BenchPart, 1);
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *count = g_strdup_printf ("%u", n);
  const char      *argv[] = { program, "--part", name, address, count, kind, NULL };
  int              to;
  int              from;
  g_autoptr (GError) error = NULL;

  if (!g_spawn_async_with_pipes (NULL,
                                 (char **) argv,
                                 NULL,
                                 G_SPAWN_DO_NOT_REAP_CHILD,
                                 part_die_with_program,
                                 GINT_TO_POINTER (getpid ()),
                                 &self->pid,
                                 &to,
                                 &from,
                                 NULL,
                                 &error))
    g_error ("%s", error->message);

  self->to = fdopen (to, "w");
  self->from = fdopen (from, "r");
  return self;
}

void
bench_part_say (BenchPart  *self,
                const char *text)
{
  fprintf (self->to, "%s\n", text);
  fflush (self->to);
}

/* Waits for the next line. */
char *
bench_part_hear (BenchPart *self)
{
  char   *line = NULL;
  size_t  size = 0;
  ssize_t length = getline (&line, &size, self->from);
  char   *copy;

  if (length <= 0)
    g_error ("A part of the measurement has ended too early");

  copy = g_strndup (line, length - 1);
  free (line);
  return copy;
}

void
bench_part_kill (BenchPart *self)
{
  kill (self->pid, SIGKILL);
  waitpid (self->pid, NULL, 0);
  g_spawn_close_pid (self->pid);
  fclose (self->to);
  fclose (self->from);
  g_free (self);
}

/* --- In the part --- */

gboolean
bench_part_is_asked (int    argc,
                     char **argv)
{
  return argc == 6 && g_str_equal (argv[1], "--part");
}

int
bench_part_main (char                **argv,
                 const BenchPartEntry *entries,
                 guint                 n_entries)
{
  alarm (PART_PATIENCE);
  for (guint i = 0; i < n_entries; i++)
    {
      if (!g_str_equal (entries[i].name, argv[2]))
        continue;

      entries[i].run (argv[3], (guint) atoi (argv[4]), argv[5]);
      return 0;
    }

  return 2;
}

/* Says a line to the program. */
void
bench_part_tell (const char *format,
                 ...)
{
  va_list args;

  va_start (args, format);
  vprintf (format, args);
  va_end (args);
  putchar ('\n');
  fflush (stdout);
}

/* Waits until the program says a line, and ends if it is gone. */
void
bench_part_wait (void)
{
  int c;

  while ((c = getchar ()) != '\n')
    {
      if (c == EOF)
        _exit (1);
    }
}
