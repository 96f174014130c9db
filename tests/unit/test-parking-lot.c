/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-private.h"
#include "router/agent-parking-lot-private.h"
#include "router/agent-route-index-private.h"
#include "test-support.h"

/*
 * The plain data of a dispatcher, without a bus, a main loop or a clock: what is parked and in which order it goes and
 * expires, where lanes wait, what is lost, and the index of routes. The times are numbers that the tests make up.
 */

typedef struct
{
  AgentParkingLot lot;
  AgentLosses     losses;
  AgentLane      *lanes[2];
  GString        *text; /* what was told */
} Lot;

static AgentMessage *
number_message (guint number)
{
  g_autofree char *id = g_strdup_printf ("%u", number);

  return agent_message_new_task_request ("test", "x", id, NULL, NULL);
}

static Lot *
lot_new (void)
{
  static const char *const actors[] = { "x", "y" };
  Lot                     *self = g_new0 (Lot, 1);

  _agent_parking_lot_init (&self->lot);
  for (guint i = 0; i < G_N_ELEMENTS (actors); i++)
    self->lanes[i] = _agent_lane_new (&(AgentLaneKey){ i, actors[i], AGENT_CHANNEL_DATA });
  self->text = g_string_new (NULL);
  return self;
}

static void
lot_add (Lot   *self,
         guint  lane,
         guint  number,
         gint64 deadline)
{
  _agent_parking_lot_add (&self->lot, self->lanes[lane], number_message (number), deadline, FALSE);
}

static void
tell_expired (gpointer      owner,
              AgentMessage *message,
              guint         waited,
              guint         n_attempts)
{
  g_string_append_printf (owner, "%s:%u ", agent_message_get_task_id (message), n_attempts);
  agent_message_unref (message);
}

static void
tell_dropped (gpointer        owner,
              AgentMessage   *message,
              AgentDropReason reason)
{
  g_string_append_printf (owner, "%s=%s ", agent_message_get_task_id (message), agent_drop_reason_to_string (reason));
  agent_message_unref (message);
}

static const AgentLossFuncs loss_funcs = { .expired = tell_expired, .dropped = tell_dropped };

static void
assert_lost (Lot        *self,
             const char *expected)
{
  _agent_losses_tell (&self->losses, &loss_funcs, self->text);
  g_assert_cmpstr (self->text->str, ==, expected);
  g_string_truncate (self->text, 0);
}

/* The number of the next message of the lane, which is taken. */
static void
assert_next (Lot        *self,
             guint       lane,
             const char *number)
{
  AgentMessage *message = _agent_parking_lot_take (&self->lot, _agent_lane_get_first (self->lanes[lane]));

  g_assert_cmpstr (agent_message_get_task_id (message), ==, number);
  agent_message_unref (message);
}

static void
lot_free (Lot *self)
{
  AgentParked *parked;

  for (guint i = 0; i < G_N_ELEMENTS (self->lanes); i++)
    {
      while ((parked = _agent_lane_get_first (self->lanes[i])) != NULL)
        agent_message_unref (_agent_parking_lot_take (&self->lot, parked));
      _agent_lane_unref (self->lanes[i]);
    }
  g_assert_cmpint (self->lot.n_parked, ==, 0);
  g_assert_cmpint (_agent_parking_lot_get_first_time (&self->lot), ==, AGENT_PARKING_LOT_NEVER);
  _agent_parking_lot_clear (&self->lot);
  g_string_free (self->text, TRUE);
  g_free (self);
}

/* --- The lot --- */

static void
test_order (void)
{
  Lot *self = lot_new ();

  lot_add (self, 0, 2, 30);
  lot_add (self, 0, 3, 10);
  _agent_parking_lot_add (&self->lot, self->lanes[0], number_message (1), 20, TRUE);
  g_assert_cmpint (self->lot.n_parked, ==, 3);
  g_assert_cmpint (self->lanes[0]->n_parked, ==, 3);
  g_assert_cmpint (_agent_parking_lot_get_first_time (&self->lot), ==, 10);
  assert_next (self, 0, "1");
  assert_next (self, 0, "2");
  assert_next (self, 0, "3");
  g_assert_cmpint (self->lanes[0]->n_parked, ==, 0);
  lot_free (self);
}

/* The third message is due first, but one before it is due as well: that goes first, as it came first. */
static void
test_expiry (void)
{
  Lot *self = lot_new ();

  lot_add (self, 0, 1, 15);
  lot_add (self, 0, 2, 40);
  lot_add (self, 0, 3, 10);
  lot_add (self, 1, 4, 12);
  g_assert_cmpuint (_agent_parking_lot_expire (&self->lot, 9, 100, &self->losses), ==, 0);
  g_assert_true (_agent_losses_are_none (&self->losses));
  g_assert_cmpuint (_agent_parking_lot_expire (&self->lot, 20, 100, &self->losses), ==, 3);
  assert_lost (self, "1:1 3:1 4:1 ");
  g_assert_cmpuint (self->lot.n_expired, ==, 3);
  assert_next (self, 0, "2");
  lot_free (self);
}

static void
test_expiry_in_pieces (void)
{
  Lot *self = lot_new ();

  for (guint i = 1; i <= 5; i++)
    lot_add (self, 0, i, 10);
  g_assert_cmpuint (_agent_parking_lot_expire (&self->lot, 10, 2, &self->losses), ==, 2);
  assert_lost (self, "1:1 2:1 ");
  g_assert_cmpuint (_agent_parking_lot_expire (&self->lot, 10, 100, &self->losses), ==, 3);
  assert_lost (self, "3:1 4:1 5:1 ");
  lot_free (self);
}

/* A message that is dropped after its deadline counts as expired. */
static void
test_losses (void)
{
  Lot       *self = lot_new ();
  guint      place = 0;
  AgentLane *lane;

  lot_add (self, 0, 1, 10);
  lot_add (self, 0, 2, 30);
  lot_add (self, 1, 3, AGENT_PARKING_LOT_NEVER);
  for (guint i = 0; i < 3; i++)
    _agent_parking_lot_lose (&self->lot,
                             _agent_lane_get_first (self->lanes[i / 2]),
                             20,
                             AGENT_DROP_REASON_CLOSED,
                             &self->losses);

  lane = _agent_losses_get_lane (&self->losses, &place);
  g_assert_true (lane == self->lanes[0]);
  lane = _agent_losses_get_lane (&self->losses, &place);
  g_assert_true (lane == self->lanes[1]);
  g_assert_null (_agent_losses_get_lane (&self->losses, &place));
  assert_lost (self, "1:1 2=closed 3=closed ");
  g_assert_cmpuint (self->lot.n_expired, ==, 1);
  g_assert_cmpuint (self->lot.n_dropped[AGENT_DROP_REASON_CLOSED], ==, 2);
  lot_free (self);
}

/* Goes on until the batch has its next deadline. Returns how many steps that took. */
static guint
make_attempt (Lot   *self,
              gint64 now)
{
  guint n = 1;

  while (!_agent_parking_lot_count_attempts (&self->lot, now, 1))
    n++;
  return n;
}

/* An attempt takes a step for each run, not for each message. It does not count for what waits for room. */
static void
test_attempts (void)
{
  Lot   *self = lot_new ();
  gint64 due;

  for (guint i = 1; i <= 10; i++)
    lot_add (self, 0, i, AGENT_PARKING_LOT_NEVER);
  lot_add (self, 1, 11, AGENT_PARKING_LOT_NEVER);
  _agent_stations_enter (&self->lot.stations, self->lanes[0], AGENT_WAIT_ROUTER, "a", FALSE);
  _agent_stations_enter (&self->lot.stations, self->lanes[1], AGENT_WAIT_ROOM, "b", FALSE);

  due = _agent_parking_lot_get_first_time (&self->lot);
  g_assert_false (_agent_parking_lot_count_attempts (&self->lot, due - 1, 100));
  g_assert_cmpuint (make_attempt (self, due), ==, 3);
  g_assert_cmpuint (self->lot.n_retries, ==, 10);
  g_assert_cmpint (_agent_parking_lot_get_first_time (&self->lot), >, due);

  _agent_parking_lot_lose (&self->lot,
                           _agent_lane_get_first (self->lanes[0]),
                           due,
                           AGENT_DROP_REASON_EXPIRED,
                           &self->losses);
  _agent_parking_lot_lose (&self->lot,
                           _agent_lane_get_first (self->lanes[1]),
                           due,
                           AGENT_DROP_REASON_EXPIRED,
                           &self->losses);
  assert_lost (self, "1:2 11:1 ");
  lot_free (self);
}

static void
test_rounds (void)
{
  Lot  *self = lot_new ();
  guint round;

  lot_add (self, 0, 1, AGENT_PARKING_LOT_NEVER);
  round = _agent_parking_lot_begin_round (&self->lot);
  lot_add (self, 1, 2, AGENT_PARKING_LOT_NEVER);
  g_assert_true (_agent_parking_lot_get_next (&self->lot, round) == self->lanes[0]);
  g_assert_null (_agent_parking_lot_get_next (&self->lot, round));
  round = _agent_parking_lot_begin_round (&self->lot);
  g_assert_true (_agent_parking_lot_get_next (&self->lot, round) == self->lanes[1]);
  g_assert_true (_agent_parking_lot_get_next (&self->lot, round) == self->lanes[0]);
  g_assert_null (_agent_parking_lot_get_next (&self->lot, round));
  lot_free (self);
}

/* --- Stations --- */

static AgentLane *
first_at (Lot        *self,
          const char *name,
          AgentWait   wait)
{
  return _agent_stations_get_first (&self->lot.stations, name, wait, AGENT_CHANNEL_DATA);
}

static void
test_stations (void)
{
  Lot           *self = lot_new ();
  AgentStations *stations = &self->lot.stations;

  g_assert_true (_agent_stations_enter (stations, self->lanes[0], AGENT_WAIT_ROUTER, "a", FALSE));
  g_assert_true (_agent_stations_enter (stations, self->lanes[1], AGENT_WAIT_ROOM, "a", FALSE));
  g_assert_false (_agent_stations_enter (stations, self->lanes[0], AGENT_WAIT_ROOM, "a", FALSE));
  g_assert_true (first_at (self, "a", AGENT_WAIT_ROUTER) == self->lanes[0]);
  g_assert_false (_agent_stations_enter (stations, self->lanes[0], AGENT_WAIT_NONE, "a", TRUE));
  g_assert_true (first_at (self, "a", AGENT_WAIT_ROUTER) == self->lanes[1]);

  g_assert_true (_agent_stations_go_behind (stations, self->lanes[1], AGENT_WAIT_ROUTER, "a"));
  g_assert_true (first_at (self, "a", AGENT_WAIT_ROUTER) == self->lanes[0]);
  g_assert_false (_agent_stations_go_behind (stations, self->lanes[1], AGENT_WAIT_ROUTER, "b"));
  g_assert_false (_agent_stations_go_behind (stations, self->lanes[1], AGENT_WAIT_PREVIOUS, "a"));

  _agent_stations_leave (stations, self->lanes[0]);
  _agent_stations_leave (stations, self->lanes[1]);
  g_assert_cmpuint (g_hash_table_size (stations->by_name), ==, 0);
  g_assert_cmpuint (stations->list.length, ==, 0);
  lot_free (self);
}

/* What one lane finds out about the router holds for the other. */
static void
test_router_is_there (void)
{
  Lot           *self = lot_new ();
  AgentStations *stations = &self->lot.stations;

  _agent_stations_enter (stations, self->lanes[0], AGENT_WAIT_ROUTER, "a", FALSE);
  g_assert_false (_agent_stations_lack_room (self->lanes[0]));
  _agent_stations_enter (stations, self->lanes[1], AGENT_WAIT_ROOM, "a", FALSE);
  g_assert_true (_agent_stations_lack_room (self->lanes[0]));
  _agent_stations_enter (stations, self->lanes[0], AGENT_WAIT_ROUTER, "a", FALSE);
  g_assert_false (_agent_stations_lack_room (self->lanes[1]));

  _agent_stations_enter (stations, self->lanes[0], AGENT_WAIT_ROUTE, NULL, FALSE);
  g_assert_true (self->lanes[0]->station == &stations->nowhere);
  g_assert_false (_agent_stations_lack_room (self->lanes[0]));
  _agent_stations_leave (stations, self->lanes[0]);
  _agent_stations_leave (stations, self->lanes[1]);
  lot_free (self);
}

/* Lanes that have another router already wait in a list of their own. */
static void
test_leaving (void)
{
  Lot           *self = lot_new ();
  AgentStations *stations = &self->lot.stations;

  _agent_stations_enter (stations, self->lanes[0], AGENT_WAIT_PREVIOUS, "a", FALSE);
  _agent_stations_enter (stations, self->lanes[1], AGENT_WAIT_ROUTER, "a", FALSE);
  g_assert_cmpuint (_agent_stations_count_leaving (stations, "a"), ==, 1);
  g_assert_cmpuint (_agent_stations_count_leaving (stations, "b"), ==, 0);
  g_assert_true (first_at (self, "a", AGENT_WAIT_PREVIOUS) == self->lanes[0]);
  g_assert_true (first_at (self, "a", AGENT_WAIT_ROUTER) == self->lanes[1]);
  _agent_stations_leave (stations, self->lanes[0]);
  _agent_stations_leave (stations, self->lanes[1]);
  lot_free (self);
}

/* --- The index of routes --- */

static void
test_route_index (void)
{
  AgentRouteIndex index;
  AgentRoute     *x;
  AgentRoute     *y;

  _agent_route_index_init (&index);
  x = _agent_route_index_add (&index, "x");
  y = _agent_route_index_add (&index, "y");
  g_assert_null (_agent_route_get_router (x));
  _agent_route_index_set_router (&index, x, "a");
  _agent_route_index_set_router (&index, y, "a");
  g_assert_true (_agent_route_get_router (x) == _agent_route_get_router (y));
  g_assert_true (_agent_route_index_get_first (&index, "a") == x);

  _agent_route_index_set_router (&index, x, "b");
  g_assert_cmpstr (_agent_route_get_router (x), ==, "b");
  g_assert_true (_agent_route_index_get_first (&index, "a") == y);
  _agent_route_index_set_router (&index, y, NULL);
  g_assert_null (_agent_route_get_router (y));
  g_assert_null (_agent_route_index_get_first (&index, "a"));
  g_assert_cmpuint (g_hash_table_size (index.routers), ==, 1);

  _agent_route_index_remove (&index, x);
  g_assert_null (_agent_route_index_lookup (&index, "x"));
  g_assert_cmpuint (g_hash_table_size (index.routers), ==, 0);
  g_assert_cmpuint (_agent_route_index_get_size (&index), ==, 1);
  _agent_route_index_set_router (&index, y, "c");
  _agent_route_index_clear (&index);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add_func ("/agentbus/parking-lot/" name, func)
  ADD ("order", test_order);
  ADD ("expiry", test_expiry);
  ADD ("expiry-in-pieces", test_expiry_in_pieces);
  ADD ("losses", test_losses);
  ADD ("attempts", test_attempts);
  ADD ("rounds", test_rounds);
  ADD ("stations", test_stations);
  ADD ("router-is-there", test_router_is_there);
  ADD ("leaving", test_leaving);
  ADD ("route-index", test_route_index);
#undef ADD

  return g_test_run ();
}
