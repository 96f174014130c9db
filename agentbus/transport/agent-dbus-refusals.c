/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport/agent-dbus-refusals-private.h"

#include "base/agent-clock-private.h"

#define TOLD_PER_SECOND 16

static gboolean
dbus_refusals_may_tell (AgentDBusRefusals *self)
{
  gint64 now = _agent_clock_now ();

  if (self->since == 0 || now - self->since >= G_TIME_SPAN_SECOND)
    {
      self->since = now;
      self->n_told = 0;
    }
  if (self->n_told == TOLD_PER_SECOND)
    return FALSE;

  self->n_told++;
  return TRUE;
}

/* @source: (nullable): who has sent it */
void
_agent_dbus_refusals_tell (AgentDBusRefusals *self,
                           AgentTransport    *transport,
                           const char        *source,
                           const char        *text)
{
  g_autofree char *with_others = NULL;

  if (!dbus_refusals_may_tell (self))
    {
      self->n_hidden++;
      return;
    }

  if (self->n_hidden > 0)
    with_others = g_strdup_printf ("%s; %" G_GUINT64_FORMAT " more were refused before", text, self->n_hidden);
  self->n_hidden = 0;
  agent_transport_refused (transport, source, with_others != NULL ? with_others : text);
}
