/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "bus/agent-monitor-private.h"
#include "bus/agent-monitors-private.h"

struct _AgentMonitors
{
  AgentMailboxOwner *owner; /* (owned) */
  AgentWatchList     list;  /* of AgentMonitor */
};

/* @owner: (transfer full): that of their mailboxes */
AgentMonitors *
_agent_monitors_new (AgentMailboxOwner *owner)
{
  AgentMonitors *self = g_new0 (AgentMonitors, 1);

  self->owner = owner;
  _agent_watch_list_init (&self->list);

  return self;
}

/* Mailboxes that have not left keep their owner alive. */
void
_agent_monitors_free (AgentMonitors *self)
{
  _agent_watch_list_clear (&self->list);
  _agent_mailbox_owner_unref (self->owner);
  g_free (self);
}

AgentMailboxOwner *
_agent_monitors_get_owner (AgentMonitors *self)
{
  return self->owner;
}

/* --- The list --- */

/* @names: (nullable): NULL for all */
void
_agent_monitors_add (AgentMonitors     *self,
                     AgentMailbox      *mailbox,
                     gconstpointer      subscriber,
                     const char *const *names)
{
  AgentMonitor *monitor = _agent_monitor_new (mailbox, subscriber, names);

  _agent_watch_list_add (&self->list, NULL, monitor, (GDestroyNotify) _agent_monitor_free);
}

/* (transfer none) (nullable) */
static AgentWatch *
monitors_find (GPtrArray    *watches,
               gconstpointer subscriber)
{
  for (guint i = 0; watches != NULL && i < watches->len; i++)
    {
      AgentWatch *watch = watches->pdata[i];

      if (_agent_monitor_is_of (watch->data, subscriber))
        return watch;
    }

  return NULL;
}

/* Returns the mailbox, which the caller ends: (transfer full) (nullable). NULL: it is no monitor of this bus. */
AgentMailbox *
_agent_monitors_remove (AgentMonitors *self,
                        gconstpointer  subscriber)
{
  g_autoptr (GPtrArray) watches = _agent_watch_list_ref (&self->list);
  AgentWatch *watch = monitors_find (watches, subscriber);

  if (watch == NULL || !_agent_monitor_remove (watch->data))
    return NULL;

  _agent_watch_list_remove (&self->list, watch->id);
  return _agent_mailbox_ref (_agent_monitor_get_mailbox (watch->data));
}

/* The bus is gone: from now on nothing is delivered. */
void
_agent_monitors_abandon (AgentMonitors *self)
{
  g_autoptr (GPtrArray) watches = _agent_watch_list_ref (&self->list);

  for (guint i = 0; watches != NULL && i < watches->len; i++)
    {
      AgentWatch *watch = watches->pdata[i];

      _agent_watch_list_remove (&self->list, watch->id);
      if (_agent_monitor_remove (watch->data))
        _agent_mailbox_abandon (_agent_monitor_get_mailbox (watch->data));
    }
}

/* --- Showing --- */

/* For the age limit of a monitor, which counts from now. */
static AgentMessage *
monitors_copy (AgentMessage   *message,
               guint           n_accepted,
               AgentDropReason reason,
               gint64          now)
{
  AgentMessage *copy = _agent_message_copy_with_fate (message, n_accepted, reason);
  gint64        delay = (now - message->sent_at + 999) / 1000;

  copy->delay = (guint) CLAMP (delay, 0, G_MAXUINT);
  return copy;
}

/* Gives a copy of @message to each monitor that wants it. All of them get the same one. */
void
_agent_monitors_show (AgentMonitors  *self,
                      AgentMessage   *message,
                      guint           n_accepted,
                      AgentDropReason reason,
                      AgentSender    *sender)
{
  GPtrArray    *watches = _agent_watch_list_ref (&self->list);
  AgentMessage *copy = NULL;
  gint64        now = _agent_clock_now ();

  if (watches == NULL)
    return;

  for (guint i = 0; i < watches->len; i++)
    {
      AgentMonitor *monitor = ((AgentWatch *) watches->pdata[i])->data;

      if (!_agent_monitor_wants (monitor, message))
        continue;
      if (copy == NULL)
        copy = monitors_copy (message, n_accepted, reason, now);
      _agent_mailbox_push_copy (_agent_monitor_get_mailbox (monitor), agent_message_ref (copy), now, sender);
    }

  _agent_sender_unref_later (sender, copy);
  /* This may be the last reference to monitors that were removed meanwhile. */
  _agent_sender_free_later (sender, watches, (GDestroyNotify) g_ptr_array_unref);
}
