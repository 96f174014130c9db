/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-audience-private.h"

/* Up to this many mailboxes are compared with one another; more of them go through a table. */
#define N_COMPARED 8

void
_agent_audience_init (AgentAudience *self)
{
  self->mailboxes = self->few;
  self->n = 0;
  self->size = AGENT_AUDIENCE_N_FEW;
  self->n_sets = 0;
}

void
_agent_audience_clear (AgentAudience *self)
{
  if (self->mailboxes != self->few)
    g_free (self->mailboxes);
}

static void
audience_grow (AgentAudience *self,
               guint          n)
{
  AgentMailbox **mailboxes;

  self->size = MAX (2 * self->size, n);
  mailboxes = g_new (AgentMailbox *, self->size);
  for (guint i = 0; i < self->n; i++)
    mailboxes[i] = self->mailboxes[i];
  _agent_audience_clear (self);
  self->mailboxes = mailboxes;
}

static inline void
audience_reserve (AgentAudience *self,
                  guint          n)
{
  if (self->n + n > self->size)
    audience_grow (self, self->n + n);
}

/* Adds @n mailboxes, which are not there yet. */
void
_agent_audience_add_list (AgentAudience *self,
                          AgentMailbox **mailboxes,
                          guint          n)
{
  audience_reserve (self, n);
  for (guint i = 0; i < n; i++)
    self->mailboxes[self->n++] = mailboxes[i];
}

/* Adds all @n mailboxes of @set. */
void
_agent_audience_add (AgentAudience    *self,
                     AgentMailboxTrie *set,
                     guint             n)
{
  if (n == 0)
    return;

  audience_reserve (self, n);
  self->n += _agent_mailbox_trie_list (set, self->mailboxes + self->n);
  self->n_sets++;
}

static gboolean
audience_has_before (AgentAudience *self,
                     guint          end,
                     AgentMailbox  *mailbox)
{
  for (guint i = 0; i < end; i++)
    {
      if (self->mailboxes[i] == mailbox)
        return TRUE;
    }

  return FALSE;
}

static void
audience_compare (AgentAudience *self)
{
  guint n = 0;

  for (guint i = 0; i < self->n; i++)
    {
      if (!audience_has_before (self, n, self->mailboxes[i]))
        self->mailboxes[n++] = self->mailboxes[i];
    }
  self->n = n;
}

/* Whether @mailbox was not in @table, and is now. @mask: the size of the table, which is a power of two, minus one */
static gboolean
audience_put (AgentMailbox **table,
              guint          mask,
              AgentMailbox  *mailbox)
{
  guint i = (guint) mailbox->hash & mask;

  while (table[i] != NULL && table[i] != mailbox)
    i = (i + 1) & mask;
  if (table[i] == mailbox)
    return FALSE;

  table[i] = mailbox;
  return TRUE;
}

static void
audience_sift (AgentAudience *self)
{
  guint                     mask = (2u << g_bit_storage (self->n)) - 1;
  g_autofree AgentMailbox **table = g_new0 (AgentMailbox *, (gsize) mask + 1);
  guint                     n = 0;

  for (guint i = 0; i < self->n; i++)
    {
      if (audience_put (table, mask, self->mailboxes[i]))
        self->mailboxes[n++] = self->mailboxes[i];
    }
  self->n = n;
}

/* Each mailbox stays once. */
void
_agent_audience_make_unique (AgentAudience *self)
{
  if (self->n_sets <= 1)
    return;

  if (self->n <= N_COMPARED)
    audience_compare (self);
  else
    audience_sift (self);
  self->n_sets = 1;
}

/* The mailboxes for which @func returns TRUE stay. */
void
_agent_audience_filter (AgentAudience    *self,
                        AgentAudienceFunc func,
                        gconstpointer     data)
{
  guint n = 0;

  for (guint i = 0; i < self->n; i++)
    {
      if (func (self->mailboxes[i], data))
        self->mailboxes[n++] = self->mailboxes[i];
    }
  self->n = n;
}
