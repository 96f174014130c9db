/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The parts that watch the clock: how long a main loop is held while its thread sends, and how long nothing comes. */

#include "config.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <unistd.h>

#include "bench-transport-node.h"
#include "bench-transport.h"

/* A thousand messages a second. */
#define LOOP_INTERVAL 1 /* ms */

/* The longest of the times between two looks at the clock. */
typedef struct
{
  double last; /* seconds; 0 for none */
  double longest;
  double last_delay;
  double longest_own; /* without the time in which the thread was ready, and had no processor */
} Gaps;

/* How long this thread has waited for a processor so far, in seconds, or 0 if the kernel does not say so. */
static double
gaps_get_delay (void)
{
  static int file = -1;
  char       text[128];
  ssize_t    size;
  char      *rest = text;

  if (file < 0)
    file = open ("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  size = pread (file, text, sizeof text - 1, 0);
  if (size <= 0)
    return 0;

  text[size] = '\0';
  g_ascii_strtoull (text, &rest, 10);
  return g_ascii_strtoull (rest, NULL, 10) / 1e9;
}

static void
gaps_look (Gaps *self)
{
  double now = bench_now ();
  double delay = gaps_get_delay ();

  if (self->last > 0)
    {
      self->longest = MAX (self->longest, now - self->last);
      self->longest_own = MAX (self->longest_own, now - self->last - (delay - self->last_delay));
    }
  self->last = now;
  self->last_delay = delay;
}

static guint
loop_count_threads (void)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc/self/task", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (folder) != NULL)
    n++;
  return n;
}

/* A line from the program. */
static gboolean
loop_on_asked (int          fd,
               GIOCondition condition,
               gpointer     user_data)
{
  Gaps *gaps = user_data;

  bench_part_wait ();
  bench_part_tell ("%.9f %.9f %u", gaps->longest, gaps->longest_own, loop_count_threads ());
  *gaps = (Gaps){ 0 };
  return G_SOURCE_CONTINUE;
}

/* --- A loop that sends --- */

typedef struct
{
  AgentBus   *bus; /* (nullable) */
  const char *kind;
  GVariant   *opaque;
} LoopSender;

static gboolean
loop_on_tick (gpointer user_data)
{
  LoopSender   *self = user_data;
  AgentMessage *message = agent_message_new_custom ("tick", AGENT_CHANNEL_DATA, "sender", "receiver", self->opaque);

  agent_message_set_reliable (message, g_str_equal (self->kind, "control"));
  if (self->bus != NULL)
    agent_bus_send (self->bus, message);
  else
    agent_message_unref (message);
  return G_SOURCE_CONTINUE;
}

static void
loop_connect (LoopSender *self,
              const char *address)
{
  self->bus = bench_node_open (address, "one");
  bench_node_add (self->bus, "sender", 1000, NULL, NULL);
  bench_node_find (self->bus, "receiver");
}

/* Sends a thousand messages in a second. When it is asked, it says the longest time between two iterations since the last time, and
 * without the time in which there was no processor, both in seconds; and how many threads there are.
 *
 * @kind: `data`, `control`, or `none` for no bus */
void
bench_loop_part (const char *address,
                 guint       n,
                 const char *kind)
{
  LoopSender self = { .kind = kind, .opaque = bench_payload_new_opaque () };
  Gaps       gaps = { 0 };

  if (!g_str_equal (kind, "none"))
    loop_connect (&self, address);
  g_timeout_add (LOOP_INTERVAL, loop_on_tick, &self);
  g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP, loop_on_asked, &gaps);
  bench_part_tell ("ready");
  while (TRUE)
    {
      g_main_context_iteration (NULL, TRUE);
      gaps_look (&gaps);
    }
}

/* --- A receiver that watches --- */

static void
watch_on_message (AgentSubscriber *subscriber,
                  AgentMessage    *message,
                  gpointer         gaps)
{
  gaps_look (gaps);
}

/* When it is asked, it says the same of the times between two messages. */
void
bench_watch_part (const char *address,
                  guint       n,
                  const char *kind)
{
  Gaps      gaps = { 0 };
  AgentBus *bus = bench_node_open (address, "two");

  bench_node_add (bus, "receiver", 10000, G_CALLBACK (watch_on_message), &gaps);
  g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP, loop_on_asked, &gaps);
  bench_part_tell ("ready");
  bench_node_run ();
}
