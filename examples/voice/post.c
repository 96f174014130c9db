/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "post.h"

/* Sends @message (transfer full). */
void
post (AgentSubscriber *from,
      AgentMessage    *message)
{
  g_autoptr (AgentBus) bus = agent_subscriber_dup_bus (from);

  /* A clock may tick once more after its agent has left the bus. */
  if (bus != NULL)
    agent_bus_send (bus, message);
  else
    agent_message_unref (message);
}

/* Sends @message (transfer full), which must get through even if the data channel of its target is full. */
void
post_reliably (AgentSubscriber *from,
               AgentMessage    *message)
{
  agent_message_set_reliable (message, TRUE);
  post (from, message);
}

/*
 * Tells the timeline what was just said to @to on the channel @lane; without @to, what happened at @from.
 * Even the printed line is a message: so the lines of all threads come out whole and in order.
 */
void
post_note (AgentSubscriber *from,
           const char      *to,
           AgentChannel     lane,
           const char      *format,
           ...)
{
  g_autofree char *text = NULL;
  va_list          arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);

  post_reliably (from,
                 agent_message_new_custom ("note",
                                           AGENT_CHANNEL_DATA,
                                           agent_subscriber_get_name (from),
                                           "timeline",
                                           g_variant_new ("(mssu)", to, text, lane)));
}
