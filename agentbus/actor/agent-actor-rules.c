/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-actor-private.h"
#include "actor/agent-open-tasks-private.h"
#include "actor/agent-task-private.h"
#include "bus/agent-subscriber-private.h"
#include "message/agent-task-id-private.h"

/* Which messages are for the rules of an actor, and to whom they go. */

/* Whether @message is for the inbox of the actor that it comes to. Called in any thread. */
static gboolean
rules_divert (AgentMessage *message)
{
  switch (agent_message_get_message_type (message))
    {
    case AGENT_MESSAGE_TYPE_ACTIVATE:
    case AGENT_MESSAGE_TYPE_DEACTIVATE:
    case AGENT_MESSAGE_TYPE_END:
    case AGENT_MESSAGE_TYPE_CANCEL:
    case AGENT_MESSAGE_TYPE_TASK_CANCEL:
    case AGENT_MESSAGE_TYPE_TASK_UPDATE_REQUEST:
      return TRUE;
    default:
      return _agent_message_is_answer (message) && _agent_task_id_is_ours (agent_message_get_task_id (message));
    }
}

/* An answer that comes after the end of its task is not heard. Neither is one that was sent to somebody else than the requester,
 * whose context this is not. */
static void
rules_take_answer (AgentActor   *self,
                   AgentMessage *answer)
{
  AgentRequester *requester = _agent_open_tasks_lookup (agent_message_get_task_id (answer));
  AgentTask      *task = requester != NULL ? _agent_requester_get_object (requester) : NULL;

  if (task == NULL)
    return;

  if (_agent_task_get_actor (task) == self)
    _agent_task_take_answer (task, answer);
  g_object_unref (task);
}

static void
rules_handle (gpointer      subscriber,
              AgentMessage *message)
{
  AgentActor *self = subscriber;

  switch (agent_message_get_message_type (message))
    {
    case AGENT_MESSAGE_TYPE_ACTIVATE:
      _agent_actor_activate (self, agent_message_get_payload (message));
      break;
    case AGENT_MESSAGE_TYPE_DEACTIVATE:
      _agent_actor_deactivate (self);
      break;
    case AGENT_MESSAGE_TYPE_END:
      _agent_actor_begin_end (self, agent_message_get_reason (message));
      break;
    case AGENT_MESSAGE_TYPE_CANCEL:
      _agent_actor_begin_cancel (self, agent_message_get_reason (message));
      break;
    case AGENT_MESSAGE_TYPE_TASK_CANCEL:
      _agent_actor_cancel_job (self, message);
      break;
    case AGENT_MESSAGE_TYPE_TASK_UPDATE_REQUEST:
      _agent_actor_ask_job (self, message);
      break;
    default:
      rules_take_answer (self, message);
    }
}

static AgentIntercept
rules_intercept (gpointer      subscriber,
                 AgentMessage *message)
{
  AgentActor *self = subscriber;

  switch (agent_message_get_message_type (message))
    {
    case AGENT_MESSAGE_TYPE_TASK_REQUEST:
      _agent_actor_take_request (self, message);
      return AGENT_INTERCEPT_TAKEN;
    case AGENT_MESSAGE_TYPE_FRAME:
      return _agent_actor_takes_part (self) ? AGENT_INTERCEPT_PASS : AGENT_INTERCEPT_DROP;
    default:
      return AGENT_INTERCEPT_PASS;
    }
}

static const AgentSubscriberRules rules = {
  .mailbox = {
      .diverts = rules_divert,
      .inbox_handle = rules_handle,
      .intercept = rules_intercept,
      .closing = _agent_actor_on_closing,
      .inbox_closing = _agent_actor_on_inbox_closing,
  },
  .prepare = _agent_actor_on_prepare,
  .subscribed = _agent_actor_on_subscribed,
};

void
_agent_actor_set_rules (AgentActor *self)
{
  _agent_subscriber_set_rules (AGENT_SUBSCRIBER (self), &rules);
}
