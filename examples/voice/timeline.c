/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "timeline.h"

#include <stdio.h>
#include <unistd.h>

#define DIM "\033[2m"
#define EMPHASIS "\033[1;33m"
#define PLAIN "\033[0m"

struct _Timeline
{
  AgentSubscriber parent_instance;

  gint64   started_at;
  gboolean in_colour;
};

G_DEFINE_FINAL_TYPE (Timeline, timeline, AGENT_TYPE_SUBSCRIBER)

static void
print_line (Timeline   *self,
            gint64      time,
            const char *from,
            const char *to,
            const char *lane,
            const char *text)
{
  const char *dim = self->in_colour ? DIM : "";
  const char *plain = self->in_colour ? PLAIN : "";
  const char *colour = self->in_colour && g_str_equal (lane, "system") ? EMPHASIS : "";

  printf ("%s%7.3f%s  %s%-11s %s %-11s  %-6s  %s%s\n",
          dim,
          (time - self->started_at) / 1e6,
          plain,
          colour,
          from,
          to[0] != '\0' ? "→" : " ",
          to,
          lane,
          text,
          plain);
  fflush (stdout);
}

static void
timeline_message (AgentSubscriber *subscriber,
                  AgentMessage    *message)
{
  Timeline   *self = VOICE_TIMELINE (subscriber);
  const char *from = agent_message_get_source (message);
  const char *to, *lane, *text;

  if (!g_str_equal (agent_message_get_name (message), "note"))
    return;

  g_variant_get (agent_message_get_payload (message), "(&s&s&s)", &to, &lane, &text);
  print_line (self, agent_message_get_sent_at (message), from, to, lane, text);
}

static void
timeline_class_init (TimelineClass *klass)
{
  AGENT_SUBSCRIBER_CLASS (klass)->message = timeline_message;
}

static void
timeline_init (Timeline *self)
{
  self->started_at = g_get_monotonic_time ();
  self->in_colour = isatty (STDOUT_FILENO);
}

AgentSubscriber *
timeline_new (GMainContext *context)
{
  return g_object_new (VOICE_TYPE_TIMELINE, "name", "timeline", "main-context", context, NULL);
}
