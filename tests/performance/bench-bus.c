/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bus: how fast, how late, how large. Subscribers run in a thread with a context of its own, senders in the
 * main thread where nothing else is said. Messages are TASK_UPDATEs without payload, made inside the timed loop. */

#include "config.h"

#include "bench-bus.h"

#define N_IDLE 10000

static const BenchScenario scenarios[] = {
  { "bus_1to1", bench_bus_one_to_one, 1000000 },
  { "bus_1to1_send", bench_bus_one_to_one_send, 1000000 },
  { "bus_overload", bench_bus_overload, 2000000 },
  { "bus_fanout_1", bench_bus_fan_out, 1 },
  { "bus_fanout_16", bench_bus_fan_out, 16 },
  { "bus_fanout_128", bench_bus_fan_out, 128 },
  { "bus_fanout_1024", bench_bus_fan_out, 1024 },
  { "bus_4to1", bench_bus_four_to_one, 1000000 },
  { "bus_4to1_threads", bench_bus_four_to_one, 1000000 },
  { "bus_targeted_10", bench_bus_targeted, 10 },
  { "bus_targeted_1000", bench_bus_targeted, 1000 },
  { "bus_targeted_10000", bench_bus_targeted, 10000 },

  /* A broadcast to one of so many. */
  { "bus_topic_10000", bench_bus_topic, 10000 },
  { "bus_accepts_10000", bench_bus_accepts, 10000 },

  { "bus_pingpong", bench_bus_ping_pong, 100000 },
  { "bus_pingpong_ext", bench_bus_ping_pong_ext, 20000 },
  { "bus_priority", bench_bus_priority, 500 },
  { "bus_subscribe", bench_bus_subscribing, 10000 },
  { "bus_idle_memory", bench_bus_idle_memory, N_IDLE },
  { "bus_seq_order", bench_bus_seq_order, 1000000 },

  /* Sent, then handled in the same thread: how many at a time. */
  { "bus_own_context_1", bench_bus_own_context, 1 },
  { "bus_own_context_100", bench_bus_own_context, 100 },

  { "bus_deferred", bench_bus_deferred, 200000 },
  { "bus_receive", bench_bus_receive, 1000000 },

  /* Refused, and waiting for room. */
  { "bus_room", bench_bus_room, 200000 },

  /* What is queued, and not delivered any more. */
  { "bus_stale", bench_bus_stale, 500000 },
  { "bus_expired", bench_bus_expired, 500000 },

  /* Bytes of a frame. */
  { "bus_payload_0", bench_bus_payload, 0 },
  { "bus_payload_160", bench_bus_payload, 160 },
  { "bus_payload_640", bench_bus_payload, 640 },
  { "bus_payload_65536", bench_bus_payload, 65536 },

  /* Senders and subscribers, each with a thread of its own. */
  { "bus_senders_1to1", bench_bus_many_to_many, 11 },
  { "bus_senders_1to2", bench_bus_many_to_many, 12 },
  { "bus_senders_1to4", bench_bus_many_to_many, 14 },
  { "bus_senders_2to1", bench_bus_many_to_many, 21 },
  { "bus_senders_2to2", bench_bus_many_to_many, 22 },
  { "bus_senders_2to4", bench_bus_many_to_many, 24 },
  { "bus_senders_4to1", bench_bus_many_to_many, 41 },
  { "bus_senders_4to2", bench_bus_many_to_many, 42 },
  { "bus_senders_4to4", bench_bus_many_to_many, 44 },

  /* Messages in one go to a thread that sleeps, or is busy while they come. */
  { "bus_wakeups_paced", bench_bus_wakeups, 1 },
  { "bus_wakeups_burst", bench_bus_wakeups, 1000 },
  { "bus_wakeups_held", bench_bus_wakeups_held, 1000 },
  { "bus_wakeups_stream", bench_bus_wakeups, 500000 },

  /* Subscribers. */
  { "bus_growth_10", bench_bus_growth, 10 },
  { "bus_growth_100", bench_bus_growth, 100 },
  { "bus_growth_1000", bench_bus_growth, 1000 },
  { "bus_growth_10000", bench_bus_growth, 10000 },
  { "bus_growth_100000", bench_bus_growth, 100000 },
};

int
main (int   argc,
      char *argv[])
{
  if (argc == 3 && g_str_equal (argv[1], "--child"))
    {
      bench_bus_idle_child (N_IDLE);
      return 0;
    }

  return bench_main (argc, argv, scenarios, G_N_ELEMENTS (scenarios));
}
