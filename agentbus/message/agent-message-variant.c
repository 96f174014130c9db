/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message.h"
#include "message/agent-wire-private.h"

static AgentEpochRecord
to_variant_make_epoch_record (AgentEpoch *epoch)
{
  if (epoch == NULL)
    return (AgentEpochRecord){ .id = NULL };

  return (AgentEpochRecord){ .id = agent_conversation_get_id (epoch->conversation), .epoch = epoch->number };
}

/* A payload is written in the form that the application gave it. */
static AgentMessageRecord
to_variant_make_record (AgentMessage *self)
{
  const char         *json = _agent_message_get_given_json (self);
  GVariant           *payload = json == NULL ? agent_message_get_payload (self) : NULL;
  AgentMessageParts   parts = _agent_message_get_parts (self);
  AgentMessageOptions options = _agent_message_get_options (self);

  if (json != NULL || payload != NULL)
    parts.content = payload;

  return (AgentMessageRecord){
    .parts = parts,
    .seq = self->seq,
    .sent_at = self->sent_at,
    .ttl = options.ttl,
    .reliable = options.reliable,
    .error_reply = (options.error_reply & AGENT_ERROR_REPLY_ERROR) != 0,
    .request = (options.error_reply & AGENT_ERROR_REPLY_TASK) != 0,
    .cause = self->cause,
    .trace = self->trace,
    .topic = self->topic,
    .retained = self->retained,
    .json = json,
    .conversation = to_variant_make_epoch_record (self->epoch),
  };
}

/**
 * agent_message_to_variant:
 * @self: A message.
 *
 * Converts a message to its wire form, for other processes.
 *
 * The wire form is of type `(ysa{sv})`: the version of the form; the nick of the message's type;
 * and the fields of the message. A field that is absent has its default. Which fields a message can
 * have depends on its type. The version is 2 if there is a `payload-json`, and otherwise 1. Both versions
 * are read.
 *
 * - `source` (`s`): required, not empty.
 * - `target` (`s`): everybody if absent; not empty; required for the routing protocols.
 * - `name` (`s`), `channel` (`s`): of a custom message; the name is required and no nick of a
 *   message type, the channel is the nick of an [enum@AgentBus.Channel], `data` if absent.
 * - `seq` (`t`), `cause` (`t`): 0 if absent.
 * - `sent-at` (`x`): microseconds of the sender's monotonic clock, 0 if absent.
 * - `ttl` (`u`): milliseconds, 0 if absent.
 * - `reliable`, `error-reply` (`b`): false if absent.
 * - `trace` (`s`).
 * - `retained` (`b`): false if absent.
 * - `topic` (`s`): see [func@AgentBus.topic_is_valid].
 * - `conversation` (`(st)`): the id of the conversation that the message belongs to, not empty, and the epoch, less than
 *   2⁶³; in none if absent.
 * - `task-id` (`s`): required for tasks, and `agent-error` may have it; not empty.
 * - `task-name` (`s`).
 * - `request` (`b`): of a `task-request` that is answered even if it is lost; false if absent.
 * - `reason` (`s`): required for `agent-error`.
 * - `status` (`s`): the nick of an [enum@AgentBus.TaskStatus], `pending` if absent.
 * - `error` (`s`), `error-text` (`s`): of a response that carries an error, see [method@AgentBus.Message.dup_error]: its domain
 *   and its code with a slash between them, and its text.
 * - `payload` (`v`); or `payload-json` (`s`), the text of [method@AgentBus.Message.set_payload_json].
 * - `frame` (`a{sv}`): required for `frame`, with `kind` (`s`, required, not empty), `id` (`t`),
 *   `pts` (`x`), `metadata` (`a{sv}`) and `data` (`ay`).
 * - `direction` (`s`): the nick of an [enum@AgentBus.FrameDirection], `downstream` if absent.
 * - `runner` (`s`), `infos` (`aa{sv}`): required for `agent-registry`.
 * - `info` (`a{sv}`): required for `agent-ready`. This and each of `infos` has `name` (`s`,
 *   required, not empty), `runner` (`s`, required), `parent` (`s`), `active` (`b`), `bridged` (`b`)
 *   and `started-at` (`x`).
 *
 * The wire form holds everything that the message has. The data of a frame is not copied here.
 *
 * A `GVariant` has the byte order of the machine. An application that writes the bytes to a peer with
 * another byte order must convert them, as D-Bus does. GLib reads no more than 128 levels of nesting,
 * and the wire form itself needs five of them.
 *
 * Returns: (transfer full): the wire form, of type `(ysa{sv})`; not floating
 *
 * Since: 0.1
 */
GVariant *
agent_message_to_variant (AgentMessage *self)
{
  AgentMessageRecord record;

  g_return_val_if_fail (self != NULL, NULL);

  record = to_variant_make_record (self);

  return g_variant_ref_sink (
      g_variant_new ("(ys@a{sv})",
                     record.json != NULL ? AGENT_WIRE_VERSION_JSON : AGENT_WIRE_VERSION,
                     agent_message_type_to_string (self->type),
                     _agent_wire_write (&_agent_wire_message, 1u << self->type, &record)));
}
