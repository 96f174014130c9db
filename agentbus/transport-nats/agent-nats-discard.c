/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-discard-private.h"

#define DISCARD_COUNT 64

/* Larger ones are freed at once, so that a thread keeps no more than 64 KiB. */
#define DISCARD_MAX_SIZE 1024

/* What a thread keeps. */
typedef struct
{
  guint    n;
  natsMsg *messages[DISCARD_COUNT]; /* (owned) */
} Discards;

static void
discard_empty (Discards *self)
{
  for (guint i = 0; i < self->n; i++)
    natsMsg_Destroy (self->messages[i]);
  self->n = 0;
}

/* The thread ends. */
static void
discard_free (gpointer data)
{
  discard_empty (data);
  g_free (data);
}

static GPrivate discard_private = G_PRIVATE_INIT (discard_free);

static Discards *
discard_get (void)
{
  Discards *self = g_private_get (&discard_private);

  if (self == NULL)
    {
      self = g_new0 (Discards, 1);
      g_private_set (&discard_private, self);
    }
  return self;
}

/* @message: (transfer full) */
void
_agent_nats_discard (natsMsg *message)
{
  Discards *self;

  if (natsMsg_GetDataLength (message) > DISCARD_MAX_SIZE)
    {
      natsMsg_Destroy (message);
      return;
    }

  self = discard_get ();
  self->messages[self->n++] = message;
  if (self->n == DISCARD_COUNT)
    discard_empty (self);
}
