/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-private.h"
#include "message/agent-message.h"

#include <gio/gio.h>
#include <string.h>

/* How a message carries an error: that of a task, or the loss of another message.
 *
 * The label of a TASK_RESPONSE has the domain and the code of its error, as in "agent-bus-error-quark/7", and its reason has
 * the text. */

#define TEXT_OF_NO_ERROR "The task failed"

static char *
error_dup_label (const GError *error)
{
  return g_strdup_printf ("%s/%d", g_quark_to_string (error->domain), error->code);
}

/* Quarks are never freed, so a domain that is not known here must not become one: a peer could fill the memory with domains
 * that it makes up. Returns: the quark, or 0 */
static GQuark
error_find_domain (const char *label,
                   gsize       length)
{
  g_autofree char *name = g_strndup (label, length);

  /* These two are known as soon as somebody has asked for them. */
  (void) AGENT_BUS_ERROR;
  (void) G_IO_ERROR;

  return g_quark_try_string (name);
}

/* FALSE: the label does not say an error that this process knows. */
static gboolean
error_read_label (const char *label,
                  GQuark     *domain,
                  int        *code)
{
  const char *slash = strrchr (label, '/');
  gint64      number;

  if (slash == NULL || !g_ascii_string_to_signed (slash + 1, 10, G_MININT, G_MAXINT, &number, NULL))
    return FALSE;

  *domain = error_find_domain (label, (gsize) (slash - label));
  *code = (int) number;
  return *domain != 0;
}

/* (nullable): what the payload says of a failure */
static const char *
error_peek_text (GVariant *payload)
{
  const char *text = NULL;

  if (payload == NULL)
    return NULL;
  if (g_variant_is_of_type (payload, G_VARIANT_TYPE_STRING))
    return g_variant_get_string (payload, NULL);
  if (!g_variant_is_of_type (payload, G_VARIANT_TYPE_VARDICT))
    return NULL;

  if (!g_variant_lookup (payload, "error", "&s", &text))
    g_variant_lookup (payload, "message", "&s", &text);
  return text;
}

/* The error of a response that carries none. */
static GError *
error_new_from_payload (AgentMessage *self)
{
  const char *text = error_peek_text (agent_message_get_payload (self));

  if (self->status == AGENT_TASK_STATUS_CANCELLED)
    return g_error_new_literal (
        AGENT_BUS_ERROR, AGENT_BUS_ERROR_CANCELLED, text != NULL ? text : "The task was cancelled");

  return g_error_new_literal (AGENT_BUS_ERROR, AGENT_BUS_ERROR_FAILED, text != NULL ? text : TEXT_OF_NO_ERROR);
}

static gboolean
error_is_response (AgentMessage *self)
{
  return self->type == AGENT_MESSAGE_TYPE_TASK_RESPONSE || self->type == AGENT_MESSAGE_TYPE_TASK_RESPONSE_URGENT;
}

/**
 * agent_message_dup_error:
 * @self: A message.
 *
 * Gets the error that ended a task, from a `TASK_RESPONSE` or `TASK_RESPONSE_URGENT` message whose status is failed or
 * cancelled.
 *
 * A response may carry the error of the one who did the task, with its domain and its code. Else the error is
 * `AGENT_BUS_ERROR_FAILED` or `AGENT_BUS_ERROR_CANCELLED`, and its text is the payload, if that is a string, or the value of
 * the key `error` or `message`, if the payload is an `a{sv}`.
 *
 * An error of a domain that this process does not know is an `AGENT_BUS_ERROR_FAILED` with the same text.
 *
 * Returns: (transfer full) (nullable): the error, or %NULL if the message is no such response
 *
 * Since: 0.1
 */
GError *
agent_message_dup_error (AgentMessage *self)
{
  GQuark domain = AGENT_BUS_ERROR;
  int    code = AGENT_BUS_ERROR_FAILED;

  g_return_val_if_fail (self != NULL, NULL);

  if (!error_is_response (self) || self->status < AGENT_TASK_STATUS_FAILED)
    return NULL;
  if (self->reason == 0)
    return error_new_from_payload (self);

  if (self->label != 0 && !error_read_label (_agent_message_string (self, self->label), &domain, &code))
    {
      domain = AGENT_BUS_ERROR;
      code = AGENT_BUS_ERROR_FAILED;
    }
  return g_error_new_literal (domain, code, _agent_message_string (self, self->reason));
}

/* A TASK_RESPONSE that carries @error. Its text comes from the application, and so may be no UTF-8. */
AgentMessage *
_agent_message_new_task_failure (const char     *source,
                                 const char     *target,
                                 const char     *task_id,
                                 AgentTaskStatus status,
                                 const GError   *error)
{
  g_autofree char *label = error_dup_label (error);
  g_autofree char *text = g_utf8_make_valid (error->message, -1);

  return _agent_message_new_from_parts (
      &(AgentMessageParts){ .type = AGENT_MESSAGE_TYPE_TASK_RESPONSE,
                            .channel = agent_message_type_get_channel (AGENT_MESSAGE_TYPE_TASK_RESPONSE),
                            .source = source,
                            .target = target,
                            .task_id = task_id,
                            .label = label,
                            .reason = text,
                            .status = status });
}

/* --- The loss of a message --- */

/* The code of the error that tells the source of a message of its loss. */
AgentBusError
_agent_message_get_loss_code (AgentDropReason reason)
{
  switch (reason)
    {
    case AGENT_DROP_REASON_FULL:
      return AGENT_BUS_ERROR_FULL;
    case AGENT_DROP_REASON_EXPIRED:
      return AGENT_BUS_ERROR_TIMED_OUT;
    case AGENT_DROP_REASON_NO_TARGET:
      return AGENT_BUS_ERROR_NOT_FOUND;
    case AGENT_DROP_REASON_CLOSED:
    case AGENT_DROP_REASON_DISCARDED:
      return AGENT_BUS_ERROR_CLOSED;
    case AGENT_DROP_REASON_STALE:
      return AGENT_BUS_ERROR_STALE;
    case AGENT_DROP_REASON_CANCELLED:
      return AGENT_BUS_ERROR_CANCELLED;
    case AGENT_DROP_REASON_INACTIVE:
      return AGENT_BUS_ERROR_FAILED;
    default:
      g_assert_not_reached ();
    }
}

/* Who asked for a task, and does not want it any more, has cancelled it. */
static AgentTaskStatus
loss_get_status (const GError *error)
{
  if (g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CANCELLED) ||
      g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_STALE))
    return AGENT_TASK_STATUS_CANCELLED;

  return AGENT_TASK_STATUS_FAILED;
}

static AgentMessage *
loss_new_error (AgentMessage *lost,
                const char   *source,
                const GError *error)
{
  g_autofree char *text = g_utf8_make_valid (error->message, -1);

  return _agent_message_new_from_parts (
      &(AgentMessageParts){ .type = AGENT_MESSAGE_TYPE_AGENT_ERROR,
                            .channel = agent_message_type_get_channel (AGENT_MESSAGE_TYPE_AGENT_ERROR),
                            .source = source,
                            .target = agent_message_get_source (lost),
                            .task_id = agent_message_get_task_id (lost),
                            .reason = text });
}

/* The answer always finds room, and belongs to no conversation: it would be stale if the request was lost for that. */
static AgentMessage *
loss_new_response (AgentMessage *lost,
                   const char   *source,
                   const GError *error)
{
  AgentMessage *response = _agent_message_new_task_failure (
      source, agent_message_get_source (lost), agent_message_get_task_id (lost), loss_get_status (error), error);

  response->reliable = TRUE;
  response->own_epoch = TRUE;
  return response;
}

/* Creates what tells the source of @lost that it was lost: from @source, with the task id of @lost, and @lost as the cause.
 * This is a TASK_RESPONSE for a request, and an AGENT_ERROR for all others. */
AgentMessage *
_agent_message_new_loss (AgentMessage *lost,
                         const char   *source,
                         const GError *error)
{
  AgentMessage *loss = _agent_message_is_request (lost) ? loss_new_response (lost, source, error)
                                                        : loss_new_error (lost, source, error);

  agent_message_set_cause (loss, lost);
  return loss;
}
