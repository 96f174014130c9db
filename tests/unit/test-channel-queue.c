/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-channel-queue-private.h"
#include "test-support.h"

/*
 * The queue by itself, on one thread: what it gives out and in which order, what it counts, and what it does with
 * its blocks.
 */

typedef struct
{
  AgentChannelQueue queue;
} Fixture;

#define CAPACITY 1000
#define MAX_BYTES 100

static void
set_up (Fixture      *self,
        gconstpointer data)
{
  _agent_channel_queue_init (&self->queue, CAPACITY, GPOINTER_TO_UINT (data));
}

static void
tear_down (Fixture      *self,
           gconstpointer data)
{
  AgentMessage *message;

  while ((message = _agent_channel_queue_pop (&self->queue)) != NULL)
    agent_message_unref (message);
  _agent_channel_queue_clear (&self->queue);
}

/* --- The queue with its lock --- */

static void
push (AgentChannelQueue *queue,
      AgentMessage      *message)
{
  _agent_channel_queue_lock (queue);
  _agent_channel_queue_push_locked (queue, message, _agent_channel_queue_measure (queue, message), FALSE);
  _agent_channel_queue_unlock (queue);
}

static void
push_number (AgentChannelQueue *queue,
             guint              number)
{
  push (queue, test_data ("test", NULL, number));
}

static void
push_reliable (AgentChannelQueue *queue,
               guint              number)
{
  AgentMessage *message = test_data ("test", NULL, number);

  agent_message_set_reliable (message, TRUE);
  push (queue, message);
}

static void
push_range (AgentChannelQueue *queue,
            guint              first,
            guint              last)
{
  for (guint i = first; i <= last; i++)
    push_number (queue, i);
}

static AgentMessage *
new_with_size (gsize size)
{
  g_autoptr (GBytes) data = g_bytes_new_take (g_malloc0 (size), size);
  g_autoptr (AgentFrame) frame = agent_frame_new ("test", data, NULL);

  return agent_message_new_frame ("test", NULL, frame, AGENT_FRAME_DIRECTION_DOWNSTREAM);
}

static gboolean
has_room (AgentChannelQueue *queue,
          gsize              size)
{
  gboolean room;

  _agent_channel_queue_lock (queue);
  room = _agent_channel_queue_has_room_locked (queue, size);
  _agent_channel_queue_unlock (queue);

  return room;
}

static guint64
get_length (AgentChannelQueue *queue)
{
  guint64 length;

  _agent_channel_queue_lock (queue);
  length = _agent_channel_queue_get_length_locked (queue);
  _agent_channel_queue_unlock (queue);

  return length;
}

static AgentMessage *
evict (AgentChannelQueue *queue)
{
  AgentMessage *message;
  AgentMessage *next;
  gboolean      gap;

  _agent_channel_queue_lock (queue);
  message = _agent_channel_queue_evict_locked (queue, &gap, &next);
  _agent_channel_queue_unlock (queue);

  return message;
}

/* 0: none. */
static guint
take_number (AgentMessage *message)
{
  guint number = message != NULL ? test_number (message) : 0;

  g_clear_pointer (&message, agent_message_unref);
  return number;
}

static guint
pop_number (AgentChannelQueue *queue)
{
  return take_number (_agent_channel_queue_pop (queue));
}

static guint
evict_number (AgentChannelQueue *queue)
{
  return take_number (evict (queue));
}

static void
assert_pops (AgentChannelQueue *queue,
             guint              first,
             guint              last)
{
  for (guint i = first; i <= last; i++)
    g_assert_cmpuint (pop_number (queue), ==, i);
}

static guint
close_and_take_all (AgentChannelQueue *queue,
                    GPtrArray         *messages)
{
  guint n;

  _agent_channel_queue_lock (queue);
  _agent_channel_queue_close_locked (queue);
  n = _agent_channel_queue_take_all_locked (queue, messages);
  _agent_channel_queue_unlock (queue);

  return n;
}

static GPtrArray *
new_array (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);
}

/* --- First in, first out --- */

static void
test_empty (Fixture      *f,
            gconstpointer data)
{
  g_assert_cmpuint (get_length (&f->queue), ==, 0);
  g_assert_null (_agent_channel_queue_pop (&f->queue));
  g_assert_null (evict (&f->queue));
  g_assert_null (_agent_channel_queue_pop (&f->queue));
}

static void
test_fifo_over_many_blocks (Fixture      *f,
                            gconstpointer data)
{
  push_range (&f->queue, 1, 500);
  g_assert_cmpuint (get_length (&f->queue), ==, 500);
  assert_pops (&f->queue, 1, 500);
  g_assert_cmpuint (pop_number (&f->queue), ==, 0);
  g_assert_cmpuint (get_length (&f->queue), ==, 0);
}

/* Every distance between the two ends, over the edges of all sizes of block. */
static void
test_fifo_at_every_distance (Fixture      *f,
                             gconstpointer data)
{
  guint n_pushed = 0;
  guint n_popped = 0;

  for (guint distance = 0; distance < 130; distance++)
    {
      push_number (&f->queue, ++n_pushed);
      for (guint i = 0; i < 70; i++)
        {
          push_number (&f->queue, ++n_pushed);
          g_assert_cmpuint (pop_number (&f->queue), ==, ++n_popped);
        }
      g_assert_cmpuint (get_length (&f->queue), ==, distance + 1);
    }
}

static void
test_one_at_a_time (Fixture      *f,
                    gconstpointer data)
{
  for (guint i = 1; i <= 300; i++)
    {
      push_number (&f->queue, i);
      g_assert_cmpuint (get_length (&f->queue), ==, 1);
      g_assert_cmpuint (pop_number (&f->queue), ==, i);
      g_assert_cmpuint (pop_number (&f->queue), ==, 0);
    }
}

/* --- Blocks --- */

static void
test_blocks_grow (Fixture      *f,
                  gconstpointer data)
{
  static const guint capacities[] = { 6, 14, 30, 62, 126, 126 };

  for (guint i = 0; i < G_N_ELEMENTS (capacities); i++)
    for (guint n = 0; n < capacities[i]; n++)
      {
        push_number (&f->queue, n + 1);
        g_assert_cmpuint (f->queue.tail->size, ==, capacities[i]);
      }
}

/* Only a full block makes another one necessary. */
static void
test_blocks_are_filled (Fixture      *f,
                        gconstpointer data)
{
  push_range (&f->queue, 1, 6);
  g_assert_cmpint (g_async_queue_length (f->queue.blocks), ==, 1);
  push_number (&f->queue, 7);
  g_assert_cmpint (g_async_queue_length (f->queue.blocks), ==, 2);
  push_range (&f->queue, 8, 20);
  g_assert_cmpint (g_async_queue_length (f->queue.blocks), ==, 2);
}

static void
test_emptied_block_is_used_again (Fixture      *f,
                                  gconstpointer data)
{
  AgentBlock *emptied;

  push_range (&f->queue, 1, 7);
  assert_pops (&f->queue, 1, 6);
  g_assert_null (f->queue.spare);
  emptied = f->queue.head;

  assert_pops (&f->queue, 7, 7);
  g_assert_true (f->queue.spare == emptied);

  push_range (&f->queue, 8, 20);
  g_assert_true (f->queue.spare == emptied);
  push_number (&f->queue, 21);
  g_assert_null (f->queue.spare);
  g_assert_true (f->queue.tail == emptied);
  assert_pops (&f->queue, 8, 21);
}

static void
test_larger_block_is_kept (Fixture      *f,
                           gconstpointer data)
{
  push_range (&f->queue, 1, 6 + 14 + 30 + 1);
  assert_pops (&f->queue, 1, 6 + 1);
  g_assert_cmpuint (f->queue.spare->size, ==, 6);
  assert_pops (&f->queue, 8, 6 + 14 + 1);
  g_assert_cmpuint (f->queue.spare->size, ==, 14);
  assert_pops (&f->queue, 22, 6 + 14 + 30 + 1);
  g_assert_cmpuint (f->queue.spare->size, ==, 30);
}

/* The spare block of 6 comes between two of 14. */
static void
test_smaller_block_is_not_kept (Fixture      *f,
                                gconstpointer data)
{
  push_range (&f->queue, 1, 7);
  assert_pops (&f->queue, 1, 7);
  push_range (&f->queue, 8, 6 + 14 + 6 + 1);
  g_assert_cmpuint (f->queue.tail->size, ==, 14);

  assert_pops (&f->queue, 8, 6 + 14 + 6 + 1);
  g_assert_cmpuint (f->queue.spare->size, ==, 14);
}

/* --- Limits --- */

static void
test_capacity_is_exact (Fixture      *f,
                        gconstpointer data)
{
  push_range (&f->queue, 1, CAPACITY - 1);
  g_assert_true (has_room (&f->queue, 0));
  g_assert_false (_agent_channel_queue_is_full (&f->queue));

  push_number (&f->queue, CAPACITY);
  g_assert_false (has_room (&f->queue, 0));
  g_assert_true (_agent_channel_queue_is_full (&f->queue));
}

static void
test_capacity_comes_back_with_pop (Fixture      *f,
                                   gconstpointer data)
{
  push_range (&f->queue, 1, CAPACITY);
  for (guint i = 1; i <= 200; i++)
    {
      g_assert_false (has_room (&f->queue, 0));
      g_assert_cmpuint (pop_number (&f->queue), ==, i);
      g_assert_false (_agent_channel_queue_is_full (&f->queue));
      g_assert_true (has_room (&f->queue, 0));
      push_number (&f->queue, CAPACITY + i);
    }
}

static void
test_capacity_comes_back_with_eviction (Fixture      *f,
                                        gconstpointer data)
{
  push_range (&f->queue, 1, CAPACITY);
  g_assert_false (has_room (&f->queue, 0));
  g_assert_cmpuint (evict_number (&f->queue), ==, 1);
  g_assert_true (has_room (&f->queue, 0));
  g_assert_false (_agent_channel_queue_is_full (&f->queue));
}

/* Whoever pushes without asking, as for reliable messages, has to see that much taken before there is room. */
static void
test_beyond_capacity (Fixture      *f,
                      gconstpointer data)
{
  push_range (&f->queue, 1, CAPACITY + 2);
  g_assert_cmpuint (get_length (&f->queue), ==, CAPACITY + 2);

  for (guint i = 1; i <= 2; i++)
    {
      g_assert_cmpuint (pop_number (&f->queue), ==, i);
      g_assert_false (has_room (&f->queue, 0));
      g_assert_true (_agent_channel_queue_is_full (&f->queue));
    }
  g_assert_cmpuint (pop_number (&f->queue), ==, 3);
  g_assert_true (has_room (&f->queue, 0));
}

static gboolean
will_have_room (AgentChannelQueue *queue)
{
  gboolean room;

  _agent_channel_queue_lock (queue);
  room = _agent_channel_queue_will_have_room_locked (queue, 0);
  _agent_channel_queue_unlock (queue);

  return room;
}

/* The receiver stands still where it has taken a message and has not counted it yet. */
static void
test_room_while_the_receiver_takes (Fixture      *f,
                                    gconstpointer data)
{
  push_range (&f->queue, 1, CAPACITY);
  g_assert_false (will_have_room (&f->queue));

  f->queue.claiming = TRUE;
  g_assert_true (will_have_room (&f->queue));
  push_number (&f->queue, CAPACITY + 1);
  g_assert_false (will_have_room (&f->queue));

  f->queue.claiming = FALSE;
  g_assert_cmpuint (pop_number (&f->queue), ==, 1);
  g_assert_false (f->queue.claiming);
  g_assert_false (will_have_room (&f->queue));
  g_assert_cmpuint (pop_number (&f->queue), ==, 2);
  g_assert_true (will_have_room (&f->queue));
}

static void
test_bytes_are_exact (Fixture      *f,
                      gconstpointer data)
{
  g_assert_true (has_room (&f->queue, MAX_BYTES));
  g_assert_false (has_room (&f->queue, MAX_BYTES + 1));

  push (&f->queue, new_with_size (60));
  g_assert_true (has_room (&f->queue, 40));
  g_assert_false (has_room (&f->queue, 41));

  push (&f->queue, new_with_size (40));
  g_assert_true (has_room (&f->queue, 0));
  g_assert_false (has_room (&f->queue, 1));
}

static void
test_bytes_come_back (Fixture      *f,
                      gconstpointer data)
{
  for (guint i = 0; i < 3; i++)
    push (&f->queue, new_with_size (30));

  agent_message_unref (_agent_channel_queue_pop (&f->queue));
  g_assert_true (has_room (&f->queue, 40));
  g_assert_false (has_room (&f->queue, 41));

  agent_message_unref (evict (&f->queue));
  g_assert_true (has_room (&f->queue, 70));
  g_assert_false (has_room (&f->queue, 71));

  agent_message_unref (_agent_channel_queue_pop (&f->queue));
  g_assert_true (has_room (&f->queue, 100));
  g_assert_false (has_room (&f->queue, 101));
}

static void
test_bytes_are_not_measured_without_limit (Fixture      *f,
                                           gconstpointer data)
{
  AgentMessage *message = new_with_size (1000);

  g_assert_cmpuint (_agent_channel_queue_measure (&f->queue, message), ==, 0);
  push (&f->queue, message);
  g_assert_true (has_room (&f->queue, G_MAXSIZE));
}

/* --- Eviction --- */

static void
test_evict_takes_the_oldest (Fixture      *f,
                             gconstpointer data)
{
  push_range (&f->queue, 1, 100);
  for (guint i = 1; i <= 40; i++)
    g_assert_cmpuint (evict_number (&f->queue), ==, i);
  g_assert_cmpuint (get_length (&f->queue), ==, 60);
  assert_pops (&f->queue, 41, 100);
  g_assert_cmpuint (pop_number (&f->queue), ==, 0);
}

static void
test_evict_all (Fixture      *f,
                gconstpointer data)
{
  push_range (&f->queue, 1, 100);
  for (guint i = 1; i <= 100; i++)
    g_assert_cmpuint (evict_number (&f->queue), ==, i);
  g_assert_cmpuint (evict_number (&f->queue), ==, 0);
  g_assert_cmpuint (get_length (&f->queue), ==, 0);

  push_number (&f->queue, 101);
  g_assert_cmpuint (pop_number (&f->queue), ==, 101);
  push_number (&f->queue, 102);
  g_assert_cmpuint (evict_number (&f->queue), ==, 102);
}

static void
test_evict_from_the_block_in_hand (Fixture      *f,
                                   gconstpointer data)
{
  push_range (&f->queue, 1, 6);
  assert_pops (&f->queue, 1, 2);
  g_assert_nonnull (f->queue.head);

  g_assert_cmpuint (evict_number (&f->queue), ==, 3);
  g_assert_cmpuint (evict_number (&f->queue), ==, 4);
  g_assert_cmpuint (get_length (&f->queue), ==, 2);
  assert_pops (&f->queue, 5, 6);
  g_assert_cmpuint (pop_number (&f->queue), ==, 0);
}

/* Nothing of what was popped since the last eviction may be looked at again. */
static void
test_evict_after_the_receiver_went_by (Fixture      *f,
                                       gconstpointer data)
{
  push_range (&f->queue, 1, 60);
  g_assert_cmpuint (evict_number (&f->queue), ==, 1);
  assert_pops (&f->queue, 2, 40);
  g_assert_cmpuint (evict_number (&f->queue), ==, 41);
  assert_pops (&f->queue, 42, 60);
  g_assert_cmpuint (evict_number (&f->queue), ==, 0);
}

static void
test_evict_from_a_block_used_again (Fixture      *f,
                                    gconstpointer data)
{
  push_range (&f->queue, 1, 7);
  g_assert_cmpuint (evict_number (&f->queue), ==, 1);
  assert_pops (&f->queue, 2, 7);

  push_range (&f->queue, 8, 22);
  assert_pops (&f->queue, 8, 20);
  for (guint i = 21; i <= 22; i++)
    g_assert_cmpuint (evict_number (&f->queue), ==, i);
  g_assert_cmpuint (evict_number (&f->queue), ==, 0);
}

static void
test_evict_passes_over_the_reliable (Fixture      *f,
                                     gconstpointer data)
{
  push_reliable (&f->queue, 1);
  push_number (&f->queue, 2);
  push_reliable (&f->queue, 3);
  push_number (&f->queue, 4);
  push_reliable (&f->queue, 5);

  g_assert_cmpuint (evict_number (&f->queue), ==, 2);
  g_assert_cmpuint (evict_number (&f->queue), ==, 4);
  g_assert_cmpuint (evict_number (&f->queue), ==, 0);
  g_assert_cmpuint (get_length (&f->queue), ==, 3);
  push_number (&f->queue, 6);
  g_assert_cmpuint (evict_number (&f->queue), ==, 6);

  g_assert_cmpuint (pop_number (&f->queue), ==, 1);
  g_assert_cmpuint (pop_number (&f->queue), ==, 3);
  g_assert_cmpuint (pop_number (&f->queue), ==, 5);
  g_assert_cmpuint (pop_number (&f->queue), ==, 0);
}

static void
test_evict_behind_blocks_of_reliable (Fixture      *f,
                                      gconstpointer data)
{
  for (guint i = 1; i <= 100; i++)
    push_reliable (&f->queue, i);
  g_assert_cmpuint (evict_number (&f->queue), ==, 0);

  push_range (&f->queue, 101, 102);
  g_assert_cmpuint (evict_number (&f->queue), ==, 101);
  assert_pops (&f->queue, 1, 100);
  assert_pops (&f->queue, 102, 102);
}

static guint
count_blocks (AgentChannelQueue *queue)
{
  return g_async_queue_length (queue->blocks) + (queue->head != NULL);
}

/* The receiver does not come while ten thousand times the capacity go through. */
static void
check_memory (Fixture *f,
              guint    first)
{
  for (guint i = first; i < first + 16; i++)
    push_number (&f->queue, i);
  for (guint i = first + 16; i < 160000; i++)
    {
      g_assert_cmpuint (evict_number (&f->queue), ==, i - 16);
      push_number (&f->queue, i);
      g_assert_cmpuint (count_blocks (&f->queue), <=, 4);
    }
  for (guint i = 160000 - 16; i < 160000; i++)
    g_assert_cmpuint (pop_number (&f->queue), ==, i);
  g_assert_cmpuint (pop_number (&f->queue), ==, 0);
}

static void
test_evict_frees_memory (Fixture      *f,
                         gconstpointer data)
{
  check_memory (f, 1);
}

static void
test_evict_frees_memory_behind_the_receiver (Fixture      *f,
                                             gconstpointer data)
{
  push_number (&f->queue, 1);
  g_assert_cmpuint (pop_number (&f->queue), ==, 1);
  check_memory (f, 2);
}

/* Reliable messages stay, each behind a thousand that were evicted, and lie side by side at the end. */
static void
check_reliable_side_by_side (Fixture *f,
                             guint    n_reliable)
{
  for (guint i = 1; i <= n_reliable; i++)
    {
      push_reliable (&f->queue, i);
      for (guint k = 0; k < 1000; k++)
        {
          push_number (&f->queue, 1000000);
          g_assert_cmpuint (evict_number (&f->queue), ==, 1000000);
        }
      g_assert_cmpuint (count_blocks (&f->queue), <=, 8 + i / 6);
    }
  for (guint i = 1; i <= n_reliable; i++)
    g_assert_cmpuint (pop_number (&f->queue), ==, i);
  g_assert_cmpuint (pop_number (&f->queue), ==, 0);
}

static void
test_evict_moves_the_reliable_together (Fixture      *f,
                                        gconstpointer data)
{
  check_reliable_side_by_side (f, 400);
  /* And once more, with blocks that were used before and one in hand. */
  push_number (&f->queue, 1);
  g_assert_cmpuint (pop_number (&f->queue), ==, 1);
  check_reliable_side_by_side (f, 400);
}

/* --- The end --- */

static void
test_take_all (Fixture      *f,
               gconstpointer data)
{
  g_autoptr (GPtrArray) messages = new_array ();

  push_range (&f->queue, 1, 100);
  g_assert_cmpuint (close_and_take_all (&f->queue, messages), ==, 100);

  g_assert_true (f->queue.closed);
  g_assert_cmpuint (messages->len, ==, 100);
  for (guint i = 0; i < messages->len; i++)
    g_assert_cmpuint (test_number (messages->pdata[i]), ==, i + 1);
  g_assert_cmpuint (get_length (&f->queue), ==, 0);
  g_assert_null (_agent_channel_queue_pop (&f->queue));
}

static void
test_take_all_with_a_block_in_hand (Fixture      *f,
                                    gconstpointer data)
{
  g_autoptr (GPtrArray) messages = new_array ();

  push_range (&f->queue, 1, 3);
  push_reliable (&f->queue, 4);
  push_range (&f->queue, 5, 50);
  assert_pops (&f->queue, 1, 2);
  g_assert_cmpuint (evict_number (&f->queue), ==, 3);

  g_assert_cmpuint (close_and_take_all (&f->queue, messages), ==, 47);
  for (guint i = 0; i < messages->len; i++)
    g_assert_cmpuint (test_number (messages->pdata[i]), ==, i + 4);
  g_assert_null (_agent_channel_queue_pop (&f->queue));
  g_assert_cmpuint (get_length (&f->queue), ==, 0);
}

typedef struct
{
  AgentChannelQueue *queue;
  guint              last; /* that the receiver got */
  gint               go;   /* (atomic) */
} Receiver;

static gpointer
receive_all (gpointer data)
{
  Receiver *self = data;
  guint     number;

  g_atomic_int_set (&self->go, TRUE);
  while ((number = pop_number (self->queue)) != 0)
    {
      g_assert_cmpuint (number, ==, self->last + 1);
      self->last = number;
    }

  return NULL;
}

/* The receiver goes on while all is taken back: it must not get anything that is newer than what is. */
static void
test_take_all_behind_the_receiver (Fixture      *f,
                                   gconstpointer data)
{
  for (guint round = 0; round < 300; round++)
    {
      g_autoptr (GPtrArray) messages = new_array ();
      AgentChannelQueue queue;
      Receiver          receiver = { .queue = &queue };
      GThread          *thread;

      _agent_channel_queue_init (&queue, CAPACITY, 0);
      push_range (&queue, 1, 400);
      thread = g_thread_new ("receiver", receive_all, &receiver);
      while (!g_atomic_int_get (&receiver.go))
        g_thread_yield ();
      _agent_channel_queue_lock (&queue);
      _agent_channel_queue_close_locked (&queue);
      _agent_channel_queue_take_all_locked (&queue, messages);
      _agent_channel_queue_unlock (&queue);
      g_thread_join (thread);

      g_assert_cmpuint (receiver.last + messages->len, ==, 400);
      for (guint i = 0; i < messages->len; i++)
        g_assert_cmpuint (test_number (messages->pdata[i]), ==, receiver.last + 1 + i);
      _agent_channel_queue_clear (&queue);
    }
}

static void
test_take_all_adds (Fixture      *f,
                    gconstpointer data)
{
  g_autoptr (GPtrArray) messages = new_array ();

  g_ptr_array_add (messages, test_data ("test", NULL, 1));
  push_range (&f->queue, 2, 3);
  g_assert_cmpuint (close_and_take_all (&f->queue, messages), ==, 2);
  g_assert_cmpuint (messages->len, ==, 3);
  g_assert_cmpuint (test_number (messages->pdata[2]), ==, 3);
}

static void
test_take_all_of_nothing (Fixture      *f,
                          gconstpointer data)
{
  g_autoptr (GPtrArray) messages = new_array ();

  push_range (&f->queue, 1, 6);
  assert_pops (&f->queue, 1, 6);
  g_assert_cmpuint (close_and_take_all (&f->queue, messages), ==, 0);
  g_assert_cmpuint (close_and_take_all (&f->queue, messages), ==, 0);
}

/* To close is not to take back: what is queued is still given out. */
static void
test_close_keeps (Fixture      *f,
                  gconstpointer data)
{
  push_range (&f->queue, 1, 10);
  _agent_channel_queue_lock (&f->queue);
  _agent_channel_queue_close_locked (&f->queue);
  _agent_channel_queue_unlock (&f->queue);
  assert_pops (&f->queue, 1, 10);
}

/* --- The token --- */

static void
claim_token (AgentChannelQueue *queue)
{
  _agent_channel_queue_lock (queue);
  queue->scheduled = TRUE;
  _agent_channel_queue_unlock (queue);
}

static void
assert_token_comes_back_with_null (AgentChannelQueue *queue,
                                   guint              n)
{
  claim_token (queue);
  for (guint i = 0; i < n; i++)
    {
      g_assert_cmpuint (pop_number (queue), !=, 0);
      g_assert_true (queue->scheduled);
    }
  g_assert_cmpuint (pop_number (queue), ==, 0);
  g_assert_false (queue->scheduled);
}

static void
test_token (Fixture      *f,
            gconstpointer data)
{
  g_assert_false (f->queue.scheduled);
  push_range (&f->queue, 1, 3);
  assert_token_comes_back_with_null (&f->queue, 3);
}

static void
test_token_at_the_end_of_a_block (Fixture      *f,
                                  gconstpointer data)
{
  push_range (&f->queue, 1, 6);
  assert_token_comes_back_with_null (&f->queue, 6);
  push_range (&f->queue, 7, 20);
  assert_token_comes_back_with_null (&f->queue, 14);
}

static void
test_token_after_eviction (Fixture      *f,
                           gconstpointer data)
{
  push_range (&f->queue, 1, 30);
  for (guint i = 1; i <= 30; i++)
    g_assert_cmpuint (evict_number (&f->queue), ==, i);
  assert_token_comes_back_with_null (&f->queue, 0);
}

static void
test_token_after_take_all (Fixture      *f,
                           gconstpointer data)
{
  g_autoptr (GPtrArray) messages = new_array ();

  push_range (&f->queue, 1, 30);
  assert_pops (&f->queue, 1, 3);
  claim_token (&f->queue);
  close_and_take_all (&f->queue, messages);
  g_assert_true (f->queue.scheduled);
  assert_token_comes_back_with_null (&f->queue, 0);
}

/* One thread reads the clock, another one does, too, and sets the token, and then the first one looks. */
static void
test_token_is_not_forgotten_at_once (Fixture      *f,
                                     gconstpointer data)
{
  const gint64 now = G_GINT64_CONSTANT (1) << 33;

  push_number (&f->queue, 1);
  _agent_channel_queue_lock (&f->queue);
  g_assert_true (_agent_channel_queue_claim_token_locked (&f->queue, now));
  g_assert_false (_agent_channel_queue_is_forgotten (&f->queue, now - 1, 1000));
  g_assert_false (_agent_channel_queue_is_forgotten (&f->queue, now + 999, 1000));
  g_assert_true (_agent_channel_queue_is_forgotten (&f->queue, now + 1000, 1000));
  _agent_channel_queue_unlock (&f->queue);
}

/* --- Against a model --- */

#define N_STEPS 100000
#define PHASE 700
#define MODEL_LENGTH 150
#define MODEL_BYTES 5000
#define MOST_BYTES 99

typedef struct
{
  AgentChannelQueue queue;
  GQueue            model; /* of AgentMessage (unowned) */
  guint64           bytes;
  gboolean          scheduled;
} Model;

static void
model_init (Model *self)
{
  _agent_channel_queue_init (&self->queue, MODEL_LENGTH, MODEL_BYTES);
  g_queue_init (&self->model);
  self->bytes = 0;
  self->scheduled = FALSE;
}

static guint
get_size (AgentMessage *message)
{
  return g_bytes_get_size (agent_frame_get_data (agent_message_get_frame (message)));
}

static gboolean
model_has_room (Model *self,
                guint  size)
{
  return self->model.length < MODEL_LENGTH && self->bytes + size <= MODEL_BYTES;
}

/* As a sender does: what is reliable needs no room. */
static void
model_push (Model *self)
{
  AgentMessage *message = new_with_size (g_test_rand_int_range (1, MOST_BYTES + 1));

  agent_message_set_reliable (message, g_test_rand_int_range (0, 4) == 0);
  if (!agent_message_is_reliable (message) && !has_room (&self->queue, get_size (message)))
    {
      agent_message_unref (message);
      return;
    }

  push (&self->queue, message);
  claim_token (&self->queue);
  g_queue_push_tail (&self->model, message);
  self->bytes += get_size (message);
  self->scheduled = TRUE;
}

static void
model_check_taken (Model        *self,
                   AgentMessage *taken,
                   GList        *expected)
{
  g_assert_true (taken == (expected != NULL ? expected->data : NULL));
  if (taken == NULL)
    return;

  self->bytes -= get_size (taken);
  g_queue_delete_link (&self->model, expected);
  agent_message_unref (taken);
}

static void
model_pop (Model *self)
{
  if (self->model.length == 0)
    self->scheduled = FALSE;
  model_check_taken (self, _agent_channel_queue_pop (&self->queue), self->model.head);
}

static void
model_evict (Model *self)
{
  GList *oldest = self->model.head;

  while (oldest != NULL && agent_message_is_reliable (oldest->data))
    oldest = oldest->next;
  model_check_taken (self, evict (&self->queue), oldest);
}

static void
model_end (Model *self)
{
  g_autoptr (GPtrArray) messages = new_array ();

  g_assert_cmpuint (close_and_take_all (&self->queue, messages), ==, self->model.length);
  for (guint i = 0; i < messages->len; i++)
    g_assert_true (messages->pdata[i] == g_queue_pop_head (&self->model));
  g_assert_null (_agent_channel_queue_pop (&self->queue));
  _agent_channel_queue_clear (&self->queue);
}

static void
model_step (Model   *self,
            gboolean fills)
{
  guint kind = g_test_rand_int_range (0, 1000);

  if (kind == 0)
    {
      model_end (self);
      model_init (self);
    }
  else if (kind < 100)
    model_evict (self);
  else if (kind < (fills ? 700 : 400))
    model_push (self);
  else
    model_pop (self);
}

static void
model_check (Model *self)
{
  guint size = g_test_rand_int_range (1, MOST_BYTES + 1);

  g_assert_cmpuint (get_length (&self->queue), ==, self->model.length);
  g_assert_cmpint (has_room (&self->queue, size), ==, model_has_room (self, size));
  g_assert_cmpint (_agent_channel_queue_is_full (&self->queue), ==, self->model.length >= MODEL_LENGTH);
  g_assert_cmpint (self->queue.scheduled, ==, self->scheduled);
}

/* The queue gets long and short by turns, so that both ends meet in blocks of all sizes. */
static void
test_model (void)
{
  Model model;

  model_init (&model);
  for (guint i = 0; i < N_STEPS; i++)
    {
      model_step (&model, i / PHASE % 2 == 0);
      model_check (&model);
    }
  model_end (&model);
}

#define ADD_LIMITED(name, func, max_bytes)     \
  g_test_add ("/agentbus/channel-queue/" name, \
              Fixture,                         \
              GUINT_TO_POINTER (max_bytes),    \
              set_up,                          \
              func,                            \
              tear_down)
#define ADD(name, func) ADD_LIMITED (name, func, 0)

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  ADD ("empty", test_empty);
  ADD ("fifo-over-many-blocks", test_fifo_over_many_blocks);
  ADD ("fifo-at-every-distance", test_fifo_at_every_distance);
  ADD ("one-at-a-time", test_one_at_a_time);
  ADD ("blocks-grow", test_blocks_grow);
  ADD ("blocks-are-filled", test_blocks_are_filled);
  ADD ("emptied-block-is-used-again", test_emptied_block_is_used_again);
  ADD ("larger-block-is-kept", test_larger_block_is_kept);
  ADD ("smaller-block-is-not-kept", test_smaller_block_is_not_kept);
  ADD ("capacity-is-exact", test_capacity_is_exact);
  ADD ("capacity-comes-back-with-pop", test_capacity_comes_back_with_pop);
  ADD ("capacity-comes-back-with-eviction", test_capacity_comes_back_with_eviction);
  ADD ("beyond-capacity", test_beyond_capacity);
  ADD ("room-while-the-receiver-takes", test_room_while_the_receiver_takes);
  ADD_LIMITED ("bytes-are-exact", test_bytes_are_exact, MAX_BYTES);
  ADD_LIMITED ("bytes-come-back", test_bytes_come_back, MAX_BYTES);
  ADD ("bytes-are-not-measured-without-limit", test_bytes_are_not_measured_without_limit);
  ADD ("evict-takes-the-oldest", test_evict_takes_the_oldest);
  ADD ("evict-all", test_evict_all);
  ADD ("evict-from-the-block-in-hand", test_evict_from_the_block_in_hand);
  ADD ("evict-after-the-receiver-went-by", test_evict_after_the_receiver_went_by);
  ADD ("evict-from-a-block-used-again", test_evict_from_a_block_used_again);
  ADD ("evict-passes-over-the-reliable", test_evict_passes_over_the_reliable);
  ADD ("evict-behind-blocks-of-reliable", test_evict_behind_blocks_of_reliable);
  ADD ("evict-frees-memory", test_evict_frees_memory);
  ADD ("evict-frees-memory-behind-the-receiver", test_evict_frees_memory_behind_the_receiver);
  ADD ("evict-moves-the-reliable-together", test_evict_moves_the_reliable_together);
  ADD ("take-all", test_take_all);
  ADD ("take-all-with-a-block-in-hand", test_take_all_with_a_block_in_hand);
  ADD ("take-all-behind-the-receiver", test_take_all_behind_the_receiver);
  ADD ("take-all-adds", test_take_all_adds);
  ADD ("take-all-of-nothing", test_take_all_of_nothing);
  ADD ("close-keeps", test_close_keeps);
  ADD ("token", test_token);
  ADD ("token-at-the-end-of-a-block", test_token_at_the_end_of_a_block);
  ADD ("token-after-eviction", test_token_after_eviction);
  ADD ("token-after-take-all", test_token_after_take_all);
  ADD ("token-is-not-forgotten-at-once", test_token_is_not_forgotten_at_once);
  g_test_add_func ("/agentbus/channel-queue/model", test_model);

  return g_test_run ();
}
