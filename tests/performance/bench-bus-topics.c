/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Broadcasts that only one of many subscribers takes. */

#include "config.h"

#include "bench-bus.h"

#define N_MESSAGES 1000000
#define SHOWN 7 /* any of the subscribers */

typedef void (*ChooseFunc) (AgentSubscriber *subscriber,
                            guint            i);

static void
choose_topic (AgentSubscriber *subscriber,
              guint            i)
{
  g_autofree char *exact = g_strdup_printf ("audio.mic.%u", i);
  g_autofree char *wild = g_strdup_printf ("video.*.%u.>", i);

  agent_subscriber_add_topic (subscriber, i % 2 == 1 ? exact : wild, NULL);
}

static void
choose_name (AgentSubscriber *subscriber,
             guint            i)
{
  g_autofree char *name = g_strdup_printf ("name-%u", i);

  agent_subscriber_set_accepts (subscriber, (const char *const[]){ name, NULL });
}

static AgentMessage *
new_with_topic (guint i)
{
  AgentMessage *message = bench_data ("producer", NULL);

  agent_message_set_topic (message, "audio.mic.7");
  return message;
}

static AgentMessage *
new_with_wild_topic (guint i)
{
  AgentMessage *message = bench_data ("producer", NULL);

  agent_message_set_topic (message, "video.cam.8.frame");
  return message;
}

static AgentMessage *
new_with_name (guint i)
{
  return agent_message_new_custom ("name-7", AGENT_CHANNEL_DATA, "producer", NULL, NULL);
}

/* Returns messages per second. */
static double
time_broadcasts (guint      n,
                 ChooseFunc choose,
                 AgentMessage *(*make) (guint i))
{
  BenchSetup *setup = bench_setup_new (BENCH_ROOM, n, 0);
  double      start;
  double      end;

  bench_setup_warm_up (setup);
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (AgentSubscriber) subscriber = agent_bus_lookup (setup->bus, bench_setup_get_name (setup, i));

      choose (subscriber, i);
    }

  start = bench_now ();
  for (guint i = 0; i < N_MESSAGES; i++)
    agent_bus_send (setup->bus, make (i));
  end = bench_setup_wait (setup, N_MESSAGES);
  bench_setup_free (setup);

  return N_MESSAGES / (end - start);
}

static void
print_broadcasts (const char *name,
                  const char *what,
                  guint       n,
                  ChooseFunc  choose,
                  AgentMessage *(*make) (guint i))
{
  double per_s[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    per_s[r] = time_broadcasts (n, choose, make);
  bench_print_median (name, what, per_s, bench_repeats (), "1/s");
}

/* One of @n has a pattern for the topic. */
void
bench_bus_topic (const char *name,
                 guint       n)
{
  print_broadcasts (name, "exact_per_s", n, choose_topic, new_with_topic);
  print_broadcasts (name, "wildcard_per_s", n, choose_topic, new_with_wild_topic);
}

/* One of @n takes the name. */
void
bench_bus_accepts (const char *name,
                   guint       n)
{
  print_broadcasts (name, "delivered_per_s", n, choose_name, new_with_name);
}
