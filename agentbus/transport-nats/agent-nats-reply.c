/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-reply-private.h"

#include <string.h>

#include <agentbus/agentbus.h>

static gboolean
reply_contains (natsMsg    *reply,
                const char *text)
{
  const char *data = natsMsg_GetData (reply);

  return data != NULL && g_strstr_len (data, natsMsg_GetDataLength (reply), text) != NULL;
}

/* Takes the error out of what was read. Returns FALSE if there is none. */
static gboolean
reply_take_error (GVariant *reply,
                  gint64   *code,
                  GError  **error)
{
  g_autoptr (GVariant) problem = g_variant_lookup_value (reply, "error", G_VARIANT_TYPE_VARDICT);
  const char *text = "no reason given";
  gboolean    is_full;

  if (problem == NULL)
    return FALSE;

  *code = 0;
  g_variant_lookup (problem, "err_code", "x", code);
  g_variant_lookup (problem, "description", "&s", &text);
  is_full = *code == AGENT_NATS_REPLY_STREAM_FULL;
  g_set_error (error, G_IO_ERROR, is_full ? G_IO_ERROR_NO_SPACE : G_IO_ERROR_FAILED, "JetStream: %s (%" G_GINT64_FORMAT ")", text, *code);
  return TRUE;
}

/* @code: (out): of JetStream, or 0 if the error is another one */
GVariant *
_agent_nats_reply_read (natsMsg *reply,
                        gint64  *code,
                        GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (GVariant) read = NULL;

  *code = 0;
  text = g_strndup (natsMsg_GetData (reply), natsMsg_GetDataLength (reply));
  read = agent_payload_from_json (text, error);
  if (read == NULL)
    return NULL;

  g_variant_take_ref (read);
  if (!g_variant_is_of_type (read, G_VARIANT_TYPE_VARDICT))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "JetStream has replied with something else");
      return NULL;
    }

  return reply_take_error (read, code, error) ? NULL : g_steal_pointer (&read);
}

/* Whether JetStream has stored what was sent. A quote within a string would have a backslash before it, so this cannot
 * be text of somebody else. */
gboolean
_agent_nats_reply_check (natsMsg *reply,
                         GError **error)
{
  g_autoptr (GVariant) read = NULL;
  gint64 code;

  if (reply_contains (reply, "\"seq\":") && !reply_contains (reply, "\"error\":"))
    return TRUE;

  read = _agent_nats_reply_read (reply, &code, error);
  if (read != NULL)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "JetStream has not acknowledged");
  return FALSE;
}
