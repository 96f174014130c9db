/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "mailbox/agent-mailbox-watch-private.h"

/* The watch that is told first can take the room that there is. So a different one is told first each time, by steps of the
 * golden ratio: of any sequence of events, each watch is told first of an equal share. */
static guint
watches_choose_first (guint n_watches)
{
  static _Atomic guint32 n_events;
  guint32                part = atomic_fetch_add_explicit (&n_events, 1, memory_order_relaxed) * 2654435769u;

  return (guint) (((guint64) part * n_watches) >> 32);
}

void
_agent_mailbox_watches_tell (AgentWatchList   *watches,
                             AgentMailbox     *mailbox,
                             AgentMailboxEvent event)
{
  g_autoptr (GPtrArray) array = _agent_watch_list_ref (watches);
  guint n_watches = array != NULL ? array->len : 0;
  guint first = n_watches > 1 ? watches_choose_first (n_watches) : 0;

  for (guint i = 0; i < n_watches; i++)
    {
      AgentWatch                   *watch = array->pdata[(first + i) % n_watches];
      const AgentMailboxWatchFuncs *funcs = watch->funcs;

      funcs->happened (watch->data, mailbox, event);
    }
}

/* Moves the messages of one origin from @messages to @picked, in their order. */
static void
watches_pick_origin (GPtrArray *messages,
                     guint      origin,
                     GPtrArray *picked)
{
  guint n_left = 0;

  for (guint i = 0; i < messages->len; i++)
    {
      AgentMessage *message = messages->pdata[i];

      if (message->origin == origin)
        g_ptr_array_add (picked, message);
      else
        messages->pdata[n_left++] = message;
    }

  /* Not with g_ptr_array_set_size(), which would free them. */
  messages->len = n_left;
}

/* Picks out of @messages the ones that go back to a watch. Returns one array for each watch, with its messages in their
 * order: (transfer full). May be called with a lock held.
 *
 * @watches: (nullable): of AgentWatch */
GPtrArray *
_agent_mailbox_watches_pick (GPtrArray *watches,
                             GPtrArray *messages)
{
  GPtrArray *picked = g_ptr_array_new_with_free_func ((GDestroyNotify) g_ptr_array_unref);

  for (guint i = 0; watches != NULL && i < watches->len; i++)
    {
      AgentWatch *watch = watches->pdata[i];

      g_ptr_array_add (picked, g_ptr_array_new ());
      watches_pick_origin (messages, watch->id, picked->pdata[i]);
    }

  return picked;
}

/* Gives each watch the messages that were picked for it. With no lock held. */
void
_agent_mailbox_watches_give_back (GPtrArray    *watches,
                                  AgentMailbox *mailbox,
                                  GPtrArray    *picked)
{
  for (guint i = 0; i < picked->len; i++)
    {
      AgentWatch                   *watch = watches->pdata[i];
      const AgentMailboxWatchFuncs *funcs = watch->funcs;
      GPtrArray                    *messages = picked->pdata[i];

      if (messages->len > 0)
        funcs->give_back (watch->data, mailbox, messages);
    }
}
