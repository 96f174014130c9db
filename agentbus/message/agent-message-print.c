/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-debug-private.h"
#include "message/agent-message-private.h"
#include "message/agent-message.h"

#include "message/agent-frame.h"
#include "message/agent-info.h"

#include <string.h>

/* The text of a payload is cut after so many bytes. A payload that is larger than PRINTABLE_BYTES_MAX is not printed,
 * as that would be slow. */
#define PRINTED_BYTES_MAX 200
#define PRINTABLE_BYTES_MAX (64 * 1024)

static void
print_string (GString    *out,
              const char *key,
              const char *value)
{
  if (value != NULL)
    g_string_append_printf (out, " %s=%s", key, value);
}

static void
print_enum (GString    *out,
            const char *key,
            GType       type,
            int         value)
{
  g_autoptr (GEnumClass) enum_class = g_type_class_ref (type);

  print_string (out, key, g_enum_get_value (enum_class, value)->value_nick);
}

static void
print_cut (GString    *out,
           const char *text)
{
  const char *end;

  if (strlen (text) <= PRINTED_BYTES_MAX)
    {
      g_string_append_printf (out, " %s", text);
      return;
    }

  end = g_utf8_find_prev_char (text, text + PRINTED_BYTES_MAX + 1);
  g_string_append_c (out, ' ');
  g_string_append_len (out, text, end - text);
  g_string_append (out, "...");
}

static void
print_variant (GString  *out,
               GVariant *payload)
{
  g_autofree char *text = NULL;

  if (g_variant_get_size (payload) > PRINTABLE_BYTES_MAX)
    {
      g_string_append_printf (out,
                              " %s of %" G_GSIZE_FORMAT " bytes",
                              g_variant_get_type_string (payload),
                              g_variant_get_size (payload));
      return;
    }

  text = g_variant_print (payload, FALSE);
  print_cut (out, text);
}

/* A payload that was given as text is printed as it is, and no GVariant is made of it. */
static void
print_payload (GString      *out,
               AgentMessage *self)
{
  const char *json = _agent_message_get_given_json (self);
  GVariant   *payload = json == NULL ? agent_message_get_payload (self) : NULL;

  if (json != NULL)
    print_cut (out, json);
  else if (payload != NULL)
    print_variant (out, payload);
}

static void
print_frame (GString    *out,
             AgentFrame *frame)
{
  gsize size;

  agent_frame_get_contents (frame, &size);
  g_string_append_printf (out,
                          " frame=%" G_GUINT64_FORMAT " kind=%s bytes=%" G_GSIZE_FORMAT,
                          agent_frame_get_id (frame),
                          agent_frame_get_kind (frame),
                          size);
}

static void
print_epoch (GString    *out,
             AgentEpoch *epoch)
{
  if (epoch == NULL)
    return;

  print_string (out, "conversation", agent_conversation_get_id (epoch->conversation));
  g_string_append_printf (out, " epoch=%" G_GUINT64_FORMAT, epoch->number);
}

static void
print_content (GString      *out,
               AgentMessage *self)
{
  print_payload (out, self);

  if (self->type == AGENT_MESSAGE_TYPE_FRAME)
    {
      print_enum (out, "direction", AGENT_TYPE_FRAME_DIRECTION, self->direction);
      print_frame (out, self->content);
    }
  else if (self->type == AGENT_MESSAGE_TYPE_AGENT_REGISTRY)
    g_string_append_printf (out, " agents=%u", agent_message_get_infos (self)->len);
}

static void
print_fate (GString      *out,
            AgentMessage *self)
{
  AgentDropReason reason;
  guint           n_accepted;

  if (!agent_message_get_fate (self, &n_accepted, &reason))
    return;

  if (n_accepted > 0)
    g_string_append_printf (out, " accepted=%u", n_accepted);
  else
    print_string (out, "dropped", agent_drop_reason_to_string (reason));
}

/* Names may come from peers, and a line break or an escape sequence in a name must not be written to a log. */
static char *
print_clean_line (const char *line)
{
  char *clean = g_utf8_make_valid (line, -1);

  for (char *at = clean; *at != '\0'; at++)
    if (g_ascii_iscntrl (*at))
      *at = ' ';

  return clean;
}

/**
 * agent_message_to_string:
 * @self: A message.
 *
 * Describes a message in one line, for debugging.
 *
 * A line looks like `#17 task-update worker -> ui task=42 {'n': <1>}`, with `*` for the target of a broadcast. It is
 * ASCII, but for what names and payloads bring along. Long payloads are cut. The copy for a monitor ends with its fate, such as
 * `accepted=2` or `dropped=no-target`. The format may change, so programs should not
 * parse it.
 *
 * Returns: (transfer full): the line
 *
 * Since: 0.1
 */
char *
agent_message_to_string (AgentMessage *self)
{
  g_autoptr (GString) out = NULL;
  const char *target;

  g_return_val_if_fail (self != NULL, NULL);

  out = g_string_new (NULL);
  target = agent_message_get_target (self);
  g_string_append_printf (out,
                          "#%" G_GUINT64_FORMAT " %s %s -> %s",
                          self->seq,
                          agent_message_get_name (self),
                          agent_message_get_source (self),
                          target != NULL ? target : "*");

  print_string (out, "topic", self->topic);
  print_string (out, "task", agent_message_get_task_id (self));
  print_string (out, "name", agent_message_get_task_name (self));
  print_string (out, "runner", agent_message_get_runner (self));
  print_string (out, "reason", agent_message_get_reason (self));
  if (self->type == AGENT_MESSAGE_TYPE_TASK_RESPONSE ||
      self->type == AGENT_MESSAGE_TYPE_TASK_RESPONSE_URGENT)
    print_enum (out, "status", AGENT_TYPE_TASK_STATUS, self->status);
  print_epoch (out, self->epoch);
  print_content (out, self);
  print_fate (out, self);

  return print_clean_line (out->str);
}

/* Prints what happens to a message. For AGENTBUS_DEBUG.
 *
 * @what: for example "is put into the channel of"
 * @name: (nullable): the subscriber it happens with */
void
_agent_message_trace (AgentMessage *self,
                      const char   *what,
                      const char   *name)
{
  g_autofree char *line = agent_message_to_string (self);

  if (name != NULL)
    _agent_debug_print ("%s: %s '%s'", line, what, name);
  else
    _agent_debug_print ("%s: %s", line, what);
}
