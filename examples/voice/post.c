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

/* Sends @message (transfer full), which gets through even to a full data channel. */
void
post_reliably (AgentSubscriber *from,
               AgentMessage    *message)
{
  agent_message_set_reliable (message, TRUE);
  post (from, message);
}

/* Sends a frame. It is dropped if there is no room for it.
 *
 * @cause: (nullable): the message that made @from send it, whose conversation it belongs to */
void
post_frame (AgentSubscriber *from,
            const char      *to,
            AgentFrame      *frame,
            AgentMessage    *cause)
{
  const char   *source = agent_subscriber_get_name (from);
  AgentMessage *message = agent_message_new_frame (source, to, frame, AGENT_FRAME_DIRECTION_DOWNSTREAM);

  if (cause != NULL)
    agent_message_set_cause (message, cause);
  post (from, message);
}

/* Sends a mark, which keeps its place between the frames, and is not lost among them. */
void
post_mark (AgentSubscriber *from,
           const char      *to,
           const char      *name)
{
  const char *source = agent_subscriber_get_name (from);

  post_reliably (from, agent_message_new_custom (name, AGENT_CHANNEL_DATA, source, to, NULL));
}

/* Tells the timeline. The line is a message too, so that the lines of all threads are printed whole and in order. */
void
post_line (AgentSubscriber *from,
           const char      *to,
           const char      *lane,
           const char      *format,
           ...)
{
  const char      *source = agent_subscriber_get_name (from);
  g_autofree char *text = NULL;
  GVariant        *note;
  va_list          arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);

  note = g_variant_new ("(sss)", to, lane, text);
  post_reliably (
      from, agent_message_new_custom ("note", AGENT_CHANNEL_DATA, source, "timeline", note));
}

static void
on_task_ended (GObject      *task,
               GAsyncResult *result,
               gpointer      user_data)
{
  g_autoptr (AgentJob) job = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) response = agent_task_wait_finish (AGENT_TASK (task), result, &error);

  if (error != NULL)
    agent_job_fail (job, error);
  else
    agent_job_complete (job, response);
}

/* The answer to @task, when it comes, is that to @job. */
void
post_answer (AgentTask *task,
             AgentJob  *job)
{
  agent_task_wait_async (task, NULL, on_task_ended, g_object_ref (job));
}
