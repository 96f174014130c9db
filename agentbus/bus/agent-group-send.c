/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-string-hash-private.h"
#include "bus/agent-group-send-private.h"
#include "mailbox/agent-mailbox-private.h"

static const char *
group_get_target (AgentMessage *message)
{
  return _agent_message_string (message, message->target);
}

static const char *
group_get_source (AgentMessage *message)
{
  return _agent_message_string (message, message->source);
}

/* What controls work goes to all, for nobody knows who has the work. */
gboolean
_agent_group_is_for_all (AgentMessage *message)
{
  return message->channel == AGENT_CHANNEL_SYSTEM || message->type == AGENT_MESSAGE_TYPE_TASK_UPDATE_REQUEST;
}

/* (transfer full) (nullable) */
static AgentMailbox *
group_choose_for (AgentGroups  *groups,
                  const char   *name,
                  AgentMessage *message)
{
  const char *source = group_get_source (message);

  return message->remote ? _agent_groups_choose_here (groups, name, source) : _agent_groups_choose (groups, name, source);
}

/* Sends to one member. FALSE: there is none that may get it, and @message is still the caller's. */
gboolean
_agent_group_send_one (AgentGroups  *groups,
                       AgentMessage *message,
                       AgentSender  *sender,
                       guint        *n_accepted)
{
  AgentMailbox *member = group_choose_for (groups, group_get_target (message), message);

  if (member == NULL)
    return FALSE;

  message->grouped = TRUE;
  *n_accepted = _agent_mailbox_push (member, message, sender);
  _agent_mailbox_unref (member);
  return TRUE;
}

/* Adds the references of all addressees in one step. */
static gboolean
group_send_to_members (AgentMailbox **members,
                       guint          n_members,
                       AgentMessage  *message,
                       AgentSender   *sender,
                       guint         *n_accepted)
{
  const char *source = group_get_source (message);
  guint       n_addressed = 0;

  for (guint i = 0; i < n_members; i++)
    {
      if (!_agent_string_equal (_agent_mailbox_get_name (members[i]), source))
        members[n_addressed++] = members[i];
    }
  if (n_addressed == 0)
    return FALSE;

  *n_accepted = 0;
  _agent_message_add_refs (message, n_addressed - 1);
  for (guint i = 0; i < n_addressed; i++)
    *n_accepted += _agent_mailbox_push (members[i], message, sender);
  return TRUE;
}

static gboolean
group_send_to_all (AgentGroups  *groups,
                   AgentMessage *message,
                   AgentSender  *sender,
                   guint        *n_accepted)
{
  guint                     n_members;
  AgentMailboxTrie         *trie = _agent_groups_ref_members (groups, group_get_target (message), &n_members);
  g_autofree AgentMailbox **members = g_new (AgentMailbox *, n_members);
  gboolean                  sent;

  _agent_mailbox_trie_list (trie, members);
  sent = group_send_to_members (members, n_members, message, sender, n_accepted);
  _agent_mailbox_trie_unref (trie);
  return sent;
}

/* Sends a message to the group that is its target. FALSE: there is no such group, or nobody in it may get the message, which
 * is still the caller's.
 *
 * @n_accepted: (out): how many members accepted it */
gboolean
_agent_group_send (AgentGroups  *groups,
                   AgentMessage *message,
                   AgentSender  *sender,
                   guint        *n_accepted)
{
  if (!_agent_groups_has_any (groups))
    return FALSE;
  if (_agent_group_is_for_all (message))
    return group_send_to_all (groups, message, sender, n_accepted);

  return _agent_group_send_one (groups, message, sender, n_accepted);
}

/* --- From a member that leaves --- */

/* Moves the messages that have come from other processes from @messages to @taken, in their order. */
static void
group_take_remote (GPtrArray *messages,
                   GPtrArray *taken)
{
  guint n_left = 0;

  for (guint i = 0; i < messages->len; i++)
    {
      AgentMessage *message = messages->pdata[i];

      if (message->remote)
        g_ptr_array_add (taken, message);
      else
        messages->pdata[n_left++] = message;
    }

  /* Not with g_ptr_array_set_size(), which would free them. */
  messages->len = n_left;
}

/* Moves the messages of @source, or all others, from @messages to @taken, in their order. */
static void
group_take (GPtrArray  *messages,
            const char *source,
            gboolean    others,
            GPtrArray  *taken)
{
  guint n_left = 0;

  for (guint i = 0; i < messages->len; i++)
    {
      AgentMessage *message = messages->pdata[i];

      if (_agent_string_equal (group_get_source (message), source) != others)
        g_ptr_array_add (taken, message);
      else
        messages->pdata[n_left++] = message;
    }

  /* Not with g_ptr_array_set_size(), which would free them. */
  messages->len = n_left;
}

/* How many messages get new numbers while the order lock is held once. */
#define MAX_RENUMBERED 256

/* Each of @messages gets a number anew, since its place is behind what the heir has.
 *
 * @old: gets the messages that are to be unreffed */
static void
group_renumber_locked (AgentBus  *ordered,
                       GPtrArray *messages,
                       GPtrArray *old)
{
  for (guint i = 0; i < messages->len; i++)
    {
      AgentMessage *message = messages->pdata[i];
      guint64       seq = atomic_fetch_add_explicit (&ordered->last_seq, 1, memory_order_relaxed) + 1;

      messages->pdata[i] = _agent_message_copy_numbered (message, seq);
      ordered->n_restamped++;
      g_ptr_array_add (old, message);
    }
}

/* Gives the first of @messages to @heir, and leaves there what @heir does not take. TRUE: it has taken all of them. */
static gboolean
group_adopt_some (AgentBus     *ordered,
                  AgentMailbox *heir,
                  GPtrArray    *messages)
{
  g_autoptr (GPtrArray) old = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);
  g_autoptr (GPtrArray) some = g_ptr_array_new ();
  guint n = MIN (messages->len, MAX_RENUMBERED);

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (some, messages->pdata[i]);
  g_mutex_lock (&ordered->order_lock);
  group_renumber_locked (ordered, some, old);
  _agent_mailbox_adopt (heir, some);
  g_mutex_unlock (&ordered->order_lock);

  for (guint i = 0; i < some->len; i++)
    messages->pdata[n - some->len + i] = some->pdata[i];
  if (n > some->len)
    g_ptr_array_remove_range (messages, 0, n - some->len);
  return some->len == 0;
}

/* Leaves in @messages what @heir does not take, because it closes.
 *
 * @ordered: (nullable): the bus, if all subscribers see messages in the order of their numbers */
static void
group_adopt (AgentBus     *ordered,
             AgentMailbox *heir,
             GPtrArray    *messages)
{
  if (ordered == NULL)
    {
      _agent_mailbox_adopt (heir, messages);
      return;
    }

  while (messages->len > 0 && group_adopt_some (ordered, heir, messages))
    continue;
}

/* Gives messages to other members of the group, in their order and above the capacity of who gets them. All messages of one
 * source go the same way. What nobody may get stays in @messages.
 *
 * @ordered: as for group_adopt()
 *
 * A member that closes in the meantime is not in the group any more, so it is not chosen twice. */
static void
group_move_each (AgentGroups *groups,
                 const char  *name,
                 AgentBus    *ordered,
                 GPtrArray   *messages)
{
  g_autoptr (GPtrArray) nobodys = g_ptr_array_new ();

  while (messages->len > 0)
    {
      const char   *source = group_get_source (messages->pdata[0]);
      AgentMailbox *heir = group_choose_for (groups, name, messages->pdata[0]);
      g_autoptr (GPtrArray) taken = g_ptr_array_new ();

      if (heir == NULL)
        {
          group_take (messages, source, FALSE, nobodys);
          continue;
        }
      group_take (messages, _agent_mailbox_get_name (heir), TRUE, taken);
      group_adopt (ordered, heir, taken);
      _agent_mailbox_unref (heir);
      g_ptr_array_extend (taken, messages, NULL, NULL);
      messages->len = 0;
      g_ptr_array_extend (messages, taken, NULL, NULL);
    }

  g_ptr_array_extend (messages, nobodys, NULL, NULL);
}

/* The same for all of @messages. Those that have come from other processes stay in this one. */
void
_agent_group_move (AgentGroups *groups,
                   const char  *name,
                   AgentBus    *ordered,
                   GPtrArray   *messages)
{
  g_autoptr (GPtrArray) remote = g_ptr_array_new ();

  group_take_remote (messages, remote);
  group_move_each (groups, name, ordered, remote);
  group_move_each (groups, name, ordered, messages);
  g_ptr_array_extend (messages, remote, NULL, NULL);
}

/* --- To the successor --- */

/* What is held back has numbers that are lower than those of what @member has got meanwhile. Returns what @member does not take,
 * since it closes: (transfer full). */
static GPtrArray *
group_renumber_held_locked (AgentBus     *ordered,
                            AgentMailbox *member,
                            GPtrArray    *old)
{
  GPtrArray *messages = _agent_mailbox_take_held (member, NULL);
  GPtrArray *left;

  /* Without the free function, since @member takes what it adopts. */
  g_ptr_array_set_free_func (messages, NULL);
  group_renumber_locked (ordered, messages, old);
  _agent_mailbox_adopt (member, messages);

  left = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);
  g_ptr_array_extend_and_steal (left, messages);
  return left;
}

/* @member handles from now on what it has held back.
 *
 * @ordered: as for group_adopt() */
void
_agent_group_release (AgentBus     *ordered,
                      AgentMailbox *member)
{
  g_autoptr (GPtrArray) old = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);
  g_autoptr (GPtrArray) left = NULL;

  if (ordered == NULL)
    {
      _agent_mailbox_release_held (member);
      return;
    }

  g_mutex_lock (&ordered->order_lock);
  left = group_renumber_held_locked (ordered, member, old);
  _agent_mailbox_release_held (member);
  g_mutex_unlock (&ordered->order_lock);

  _agent_mailbox_move_taken (member, left);
}
