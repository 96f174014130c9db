/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-sender-private.h"

typedef struct
{
  AgentMailboxOwner *owner;   /* (owned) (nullable) NULL for a hint */
  AgentMessage      *message; /* (owned) (nullable) */
  char              *name;    /* (owned) (nullable) the subscriber, or the text of the hint */
  AgentDropReason    reason;
  GLogLevelFlags     level; /* of a hint */
} Loss;

/* The sender of the calling thread, which each send reads. With this model, it is found without a call, and takes some
 * bytes of the room that the loader keeps for such variables. */
static __thread AgentSender *own_sender __attribute__ ((tls_model ("initial-exec")));

static void
sender_free (gpointer data)
{
  AgentSender *self = data;

  for (guint i = 0; i < AGENT_SENDER_N_SLOTS; i++)
    _agent_sender_set_slot (self, i, NULL, NULL);
  _agent_sender_collect (self);
  own_sender = NULL;
  g_free (self->garbage);
  g_free (self);
}

/* This variable is there only for its destroy notify. */
static GPrivate current_sender = G_PRIVATE_INIT (sender_free);

static AgentSender *
sender_new (void)
{
  own_sender = g_new0 (AgentSender, 1);
  g_private_set (&current_sender, own_sender);
  return own_sender;
}

/* The sender of the calling thread. */
AgentSender *
_agent_sender_get (void)
{
  AgentSender *self = own_sender;

  return G_LIKELY (self != NULL) ? self : sender_new ();
}

static void
sender_replace (AgentSender     *self,
                AgentSenderSlot *old)
{
  if (self->replaced == NULL)
    self->replaced = g_array_new (FALSE, FALSE, sizeof (AgentSenderSlot));
  g_array_append_val (self->replaced, *old);
}

/* Takes @data, and frees it when the send is over. */
void
_agent_sender_free_later (AgentSender   *self,
                          gpointer       data,
                          GDestroyNotify destroy)
{
  AgentSenderSlot old = { data, destroy };

  sender_replace (self, &old);
}

/* Takes @data: (nullable). What was in the slot before is freed when the send is over. */
void
_agent_sender_set_slot (AgentSender   *self,
                        guint          slot,
                        gpointer       data,
                        GDestroyNotify destroy)
{
  AgentSenderSlot *place = &self->slots[slot];

  if (place->data != NULL)
    sender_replace (self, place);

  place->data = data;
  place->destroy = destroy;
}

void
_agent_sender_free_replaced (AgentSender *self)
{
  g_autoptr (GArray) replaced = g_steal_pointer (&self->replaced);

  for (guint i = 0; i < replaced->len; i++)
    {
      AgentSenderSlot *old = &g_array_index (replaced, AgentSenderSlot, i);

      old->destroy (old->data);
    }
}

void
_agent_sender_grow_garbage (AgentSender *self)
{
  self->garbage_size = MAX (16, 2 * self->garbage_size);
  self->garbage = g_renew (AgentMessage *, self->garbage, self->garbage_size);
}

void
_agent_sender_add_loss (AgentSender       *self,
                        AgentMailboxOwner *owner,
                        AgentMessage      *message,
                        const char        *name,
                        AgentDropReason    reason)
{
  Loss *loss = g_new (Loss, 1);

  loss->owner = _agent_mailbox_owner_ref (owner);
  loss->message = agent_message_ref (message);
  loss->name = g_strdup (name);
  loss->reason = reason;
  self->losses = g_slist_prepend (self->losses, loss);
}

/* Logs @text when the send is over, with no lock held: the writer of the log may belong to the application, and may send.
 *
 * @text: (transfer full) */
void
_agent_sender_add_hint (AgentSender   *self,
                        GLogLevelFlags level,
                        char          *text)
{
  Loss *hint = g_new0 (Loss, 1);

  hint->name = text;
  hint->level = level;
  self->losses = g_slist_prepend (self->losses, hint);
}

static void
sender_tell_loss (AgentSender *self,
                  Loss        *loss)
{
  _agent_mailbox_owner_tell_loss (loss->owner, loss->message, loss->name, loss->reason);
  _agent_sender_unref_later (self, loss->message);
  _agent_mailbox_owner_unref (loss->owner);
}

/* Tells the sources of the losses that were noted. Each news is a send of its own. */
void
_agent_sender_tell_losses (AgentSender *self)
{
  GSList *losses = g_slist_reverse (g_steal_pointer (&self->losses));

  for (GSList *l = losses; l != NULL; l = l->next)
    {
      Loss *loss = l->data;

      if (loss->owner != NULL)
        sender_tell_loss (self, loss);
      else
        g_log (G_LOG_DOMAIN, loss->level, "%s", loss->name);
      g_free (loss->name);
      g_free (loss);
    }
  g_slist_free (losses);
}
