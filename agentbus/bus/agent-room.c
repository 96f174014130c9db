/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-cancel-source-private.h"
#include "base/agent-clock-private.h"
#include "base/agent-container-private.h"
#include "base/agent-source-private.h"
#include "bus/agent-room-private.h"

struct _AgentRoom
{
  gatomicrefcount ref_count;
  guint           watch;
  GMutex          lock;
  GHashTable     *lines; /* (lock) AgentMailbox → RoomLine (owned); none is empty */
};

typedef struct
{
  AgentMailbox *mailbox; /* (owned) */
  GQueue        waits;   /* of RoomWait (owned) */
} RoomLine;

typedef enum
{
  ROOM_WAITS,
  ROOM_ACCEPTED,
  ROOM_CLOSED,
  ROOM_EXPIRED,
  ROOM_STALE,
  ROOM_CANCELLED,
} RoomFate;

typedef struct
{
  gatomicrefcount ref_count;
  AgentRoom      *room;      /* (owned) */
  AgentMailbox   *mailbox;   /* (owned) */
  GTask          *task;      /* (owned) its source object is the bus */
  AgentMessage   *offered;   /* (owned) */
  GList           link;      /* (lock) in the line while @fate is ROOM_WAITS */
  RoomFate        fate;      /* (lock) the thread that changes it ends the wait */
  AgentOffer      offer;     /* of an accepted message */
  AgentChannel    channel;   /* the same */
  GSource        *cancelled; /* (owned) (nullable) */
  GSource        *expired;   /* (owned) (nullable) */
  GSource        *stale;     /* (conversation's lock while @epoch watches) (owned) (nullable) */
  AgentEpochWatch epoch;     /* watches that of @offered, if it has one */
} RoomWait;

/* How many messages go in while the lock is held once. */
#define BATCH 64

static AgentRoom *
room_ref (AgentRoom *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

static void
room_unref (gpointer data)
{
  AgentRoom *self = data;

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_hash_table_unref (self->lines);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* --- Lines --- */

static void
room_free_line (gpointer data)
{
  RoomLine *line = data;

  g_assert (line->waits.length == 0);

  _agent_mailbox_unref (line->mailbox);
  g_free (line);
}

static RoomLine *
room_get_line_locked (AgentRoom    *self,
                      AgentMailbox *mailbox)
{
  RoomLine *line = g_hash_table_lookup (self->lines, mailbox);

  if (line != NULL)
    return line;

  line = g_new0 (RoomLine, 1);
  line->mailbox = _agent_mailbox_ref (mailbox);
  g_hash_table_insert (self->lines, mailbox, line);
  _agent_mailbox_reserve_room (mailbox, TRUE);
  return line;
}

/* The wait is over: its line loses it. The caller gets the line's reference. */
static void
room_leave_line_locked (AgentRoom *self,
                        RoomWait  *wait,
                        RoomFate   fate)
{
  RoomLine *line = g_hash_table_lookup (self->lines, wait->mailbox);

  wait->fate = fate;
  g_queue_unlink (&line->waits, &wait->link);
  if (line->waits.length > 0)
    return;

  _agent_mailbox_reserve_room (line->mailbox, FALSE);
  g_hash_table_remove (self->lines, line->mailbox);
}

/* --- The end of a wait --- */

static void
room_unref_wait (gpointer data)
{
  RoomWait *wait = data;

  if (!g_atomic_ref_count_dec (&wait->ref_count))
    return;

  g_object_unref (wait->task);
  _agent_mailbox_unref (wait->mailbox);
  room_unref (wait->room);
  g_free (wait);
}

static GError *
room_new_error (RoomWait *wait,
                RoomFate  fate)
{
  const char *name = _agent_mailbox_get_name (wait->mailbox);

  switch (fate)
    {
    case ROOM_EXPIRED:
      return g_error_new (AGENT_BUS_ERROR,
                          AGENT_BUS_ERROR_TIMED_OUT,
                          "There was no room at '%s' for a message before it expired",
                          name);
    case ROOM_STALE:
      return g_error_new (AGENT_BUS_ERROR,
                          AGENT_BUS_ERROR_STALE,
                          "There was no room at '%s' for a message before its conversation went on",
                          name);
    case ROOM_CANCELLED:
      return g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, "A message to '%s' was cancelled before there was room", name);
    case ROOM_CLOSED:
      return _agent_bus_new_offer_error (wait->mailbox, AGENT_OFFER_CLOSED);
    case ROOM_WAITS:
    case ROOM_ACCEPTED:
    default:
      g_assert_not_reached ();
    }
}

/* Why the message is not to be sent any more: ROOM_WAITS if it is. The sources of the wait may come later than the room, or never,
 * if nobody iterates their context. */
static RoomFate
room_look (RoomWait *wait)
{
  if (g_cancellable_is_cancelled (g_task_get_cancellable (wait->task)))
    return ROOM_CANCELLED;
  if (_agent_message_is_stale (wait->offered))
    return ROOM_STALE;
  if (_agent_message_has_expired (wait->offered, _agent_clock_now ()))
    return ROOM_EXPIRED;

  return ROOM_WAITS;
}

/* Offers the message to another member of its group. Returns the one that has taken it, or has no room for it: (transfer full)
 * (nullable). A member that closes is not in the group any more, so it is not chosen twice. */
static AgentMailbox *
room_offer_to_group (RoomWait         *wait,
                     AgentOfferResult *result)
{
  AgentBus     *bus = g_task_get_source_object (wait->task);
  AgentMessage *offered = wait->offered;
  AgentMailbox *member;

  while ((member = _agent_groups_choose (_agent_directory_get_groups (bus->directory),
                                         _agent_message_string (offered, offered->target),
                                         _agent_message_string (offered, offered->source))) != NULL)
    {
      *result = _agent_bus_offer_now (bus, member, offered, _agent_sender_get ());
      if (*result != AGENT_OFFER_CLOSED)
        break;
      _agent_mailbox_unref (member);
    }

  return member;
}

/* A member of a group has left while a message waited for room at it. The next one is treated as in a new send, so an older
 * message may give way there. FALSE: there is no other one, and @offered is still the caller's. */
static gboolean
room_go_to_another (RoomWait *wait)
{
  AgentOfferResult result;
  AgentMailbox    *member;

  member = room_offer_to_group (wait, &result);
  if (member == NULL)
    return FALSE;

  if (result == AGENT_OFFER_ACCEPTED)
    g_task_return_boolean (wait->task, TRUE);
  else
    _agent_room_wait (wait->room, member, wait->offered, g_object_ref (wait->task));
  _agent_mailbox_unref (member);
  return TRUE;
}

/* The message was not accepted where it has waited. */
static void
room_end_in_vain (RoomWait *wait)
{
  RoomFate fate = wait->fate;

  if (fate == ROOM_CLOSED && wait->offered->grouped)
    {
      RoomFate now = room_look (wait);

      if (now == ROOM_WAITS && room_go_to_another (wait))
        return;
      if (now != ROOM_WAITS)
        fate = now;
    }

  _agent_bus_cancel_offer (wait->offered);
  g_task_return_error (wait->task, room_new_error (wait, fate));
}

/* Takes the reference that the line had on @wait. With no lock held. */
static void
room_end_wait (RoomWait *wait)
{
  _agent_cancel_source_clear (&wait->cancelled);
  _agent_source_clear (&wait->expired);
  if (wait->epoch.of != NULL)
    _agent_epoch_unwatch (&wait->epoch);
  _agent_source_clear (&wait->stale);
  if (wait->fate == ROOM_ACCEPTED)
    {
      _agent_mailbox_end_offer (wait->mailbox, wait->channel, &wait->offer);
      g_task_return_boolean (wait->task, TRUE);
    }
  else
    {
      room_end_in_vain (wait);
    }
  room_unref_wait (wait);
}

/* --- Going on --- */

static RoomFate
room_offer_locked (RoomWait *wait)
{
  AgentBus *bus = g_task_get_source_object (wait->task);
  RoomFate  fate = room_look (wait);

  if (fate != ROOM_WAITS)
    return fate;

  switch (_agent_bus_offer_unnumbered (bus, wait->mailbox, wait->offered, AGENT_OFFER_FIRST, &wait->offer))
    {
    case AGENT_OFFER_ACCEPTED:
      return ROOM_ACCEPTED;
    case AGENT_OFFER_CLOSED:
      return ROOM_CLOSED;
    case AGENT_OFFER_FULL:
    default:
      return ROOM_WAITS;
    }
}

/* Moves what need not wait any more from the line of @mailbox to @over. TRUE: there may be more. */
static gboolean
room_go_on_locked (AgentRoom    *self,
                   AgentMailbox *mailbox,
                   GQueue       *over)
{
  RoomLine *line;
  RoomFate  fate;

  while (over->length < BATCH && (line = g_hash_table_lookup (self->lines, mailbox)) != NULL)
    {
      RoomWait *wait = g_queue_peek_head (&line->waits);

      fate = room_offer_locked (wait);
      if (fate == ROOM_WAITS)
        return FALSE;

      room_leave_line_locked (self, wait, fate);
      g_queue_push_tail_link (over, &wait->link);
    }

  return over->length == BATCH;
}

static void
room_go_on (AgentRoom    *self,
            AgentMailbox *mailbox)
{
  gboolean more;

  do
    {
      GQueue over = G_QUEUE_INIT;
      GList *link;

      g_mutex_lock (&self->lock);
      more = room_go_on_locked (self, mailbox, &over);
      g_mutex_unlock (&self->lock);

      while ((link = g_queue_pop_head_link (&over)) != NULL)
        room_end_wait (link->data);
      _agent_sender_collect (_agent_sender_get ());
    }
  while (more);
}

/* Part of an AgentMailboxWatchFuncs. */
static void
room_on_happened (gpointer          data,
                  AgentMailbox     *mailbox,
                  AgentMailboxEvent event)
{
  if (event != AGENT_MAILBOX_SUBSCRIBED)
    room_go_on (data, mailbox);
}

/* Part of an AgentMailboxWatchFuncs: no message has this watch as its origin. */
static void
room_on_give_back (gpointer      data,
                   AgentMailbox *mailbox,
                   GPtrArray    *messages)
{
  g_assert_not_reached ();
}

static const AgentMailboxWatchFuncs room_watch_funcs = {
  .happened = room_on_happened,
  .give_back = room_on_give_back,
};

/* --- Waiting --- */

/* The wait is over unless something else was quicker. The message behind it may find room. */
static void
room_give_up (RoomWait *wait,
              RoomFate  fate)
{
  AgentRoom *self = wait->room;
  gboolean   first;

  g_mutex_lock (&self->lock);
  first = wait->fate == ROOM_WAITS;
  if (first)
    room_leave_line_locked (self, wait, fate);
  g_mutex_unlock (&self->lock);

  if (!first)
    return;

  room_go_on (self, wait->mailbox);
  room_end_wait (wait);
}

static gboolean
room_on_cancelled (gpointer user_data)
{
  room_give_up (user_data, ROOM_CANCELLED);
  return G_SOURCE_REMOVE;
}

static gboolean
room_on_expired (gpointer user_data)
{
  room_give_up (user_data, ROOM_EXPIRED);
  return G_SOURCE_REMOVE;
}

/* (transfer full) */
static GSource *
room_attach (RoomWait   *wait,
             GSource    *source,
             GSourceFunc callback)
{
  g_atomic_ref_count_inc (&wait->ref_count);
  g_source_set_static_name (source, "[agentbus] wait for room");
  g_source_set_callback (source, callback, wait, room_unref_wait);
  g_source_attach (source, g_task_get_context (wait->task));
  return source;
}

static gboolean
room_on_stale (gpointer user_data)
{
  room_give_up (user_data, ROOM_STALE);
  return G_SOURCE_REMOVE;
}

/* An AgentEpochOverFunc: the wait ends in its own context. */
static void
room_on_epoch_over (AgentEpochWatch *watch)
{
  RoomWait *wait = AGENT_CONTAINER_OF (watch, RoomWait, epoch);

  wait->stale = room_attach (wait, g_timeout_source_new (0), room_on_stale);
}

static RoomWait *
room_new_wait (AgentRoom    *self,
               AgentMailbox *mailbox,
               AgentMessage *offered,
               GTask        *task)
{
  RoomWait *wait = g_new0 (RoomWait, 1);

  g_atomic_ref_count_init (&wait->ref_count);
  wait->room = room_ref (self);
  wait->mailbox = _agent_mailbox_ref (mailbox);
  wait->task = task;
  wait->offered = offered;
  wait->channel = offered->channel;
  wait->link.data = wait;

  return wait;
}

/* How many milliseconds a message has left that has waited already. */
static guint
room_get_rest (AgentMessage *message)
{
  gint64 age = (_agent_clock_now () - message->sent_at) / 1000;

  return (guint) CLAMP (message->ttl - age, 0, (gint64) message->ttl);
}

/* A callback of one of the sources blocks until the lock is free. */
static void
room_attach_sources_locked (RoomWait *wait)
{
  GCancellable *cancellable = g_task_get_cancellable (wait->task);
  guint         ttl = wait->offered->ttl;
  AgentEpoch   *epoch = wait->offered->epoch;

  if (cancellable != NULL)
    wait->cancelled = room_attach (wait, _agent_cancel_source_new (cancellable), room_on_cancelled);
  if (ttl != 0)
    wait->expired = room_attach (wait, g_timeout_source_new (room_get_rest (wait->offered)), room_on_expired);
  if (epoch != NULL)
    _agent_epoch_watch (epoch, &wait->epoch, room_on_epoch_over);
}

/* Takes @offered and @task. If others wait for room at @mailbox, the message gets in line behind them. */
void
_agent_room_wait (AgentRoom    *self,
                  AgentMailbox *mailbox,
                  AgentMessage *offered,
                  GTask        *task)
{
  RoomWait *wait = room_new_wait (self, mailbox, offered, task);
  RoomLine *line;

  g_mutex_lock (&self->lock);
  line = room_get_line_locked (self, mailbox);
  g_queue_push_tail_link (&line->waits, &wait->link);
  room_attach_sources_locked (wait);
  g_mutex_unlock (&self->lock);

  /* There may be room by now. If there is none, the offer has the room watched. */
  room_go_on (self, mailbox);
}

/* --- Life --- */

AgentRoom *
_agent_room_new (AgentBus *bus)
{
  AgentRoom *self = g_new0 (AgentRoom, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  self->lines = g_hash_table_new_full (NULL, NULL, NULL, room_free_line);
  self->watch = _agent_bus_add_watch (bus, &room_watch_funcs, room_ref (self), room_unref);

  return self;
}

/* Nobody waits any more, since a task keeps its bus. */
void
_agent_room_free (AgentRoom *self,
                  AgentBus  *bus)
{
  _agent_bus_remove_watch (bus, self->watch);
  room_unref (self);
}
