/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-stream-private.h"

#include "transport-nats/agent-nats-reply-private.h"

/* For how long the server knows the ids of packets, in seconds. A stream that forgets packets earlier cannot know them
 * longer. */
#define STREAM_DEDUP_WINDOW 120

#define STREAM_NS G_GUINT64_CONSTANT (1000000000)

struct _AgentNatsStream
{
  const AgentNatsSettings *settings;
  AgentNatsSubjects       *subjects;
  AgentNatsRequests       *requests;
  AgentNatsStreamFunc      found;
  gpointer                 data;
};

AgentNatsStream *
_agent_nats_stream_new (const AgentNatsSettings *settings,
                        AgentNatsSubjects       *subjects,
                        AgentNatsRequests       *requests,
                        AgentNatsStreamFunc      found,
                        gpointer                 data)
{
  AgentNatsStream *self = g_new0 (AgentNatsStream, 1);

  self->settings = settings;
  self->subjects = subjects;
  self->requests = requests;
  self->found = found;
  self->data = data;
  return self;
}

/* After the requests have ended. */
void
_agent_nats_stream_free (AgentNatsStream *self)
{
  g_free (self);
}

/* Both replies say the same of a stream. */
static void
stream_tell (AgentNatsStream *self,
             GVariant        *reply)
{
  g_autoptr (GVariant) numbers = g_variant_lookup_value (reply, "state", G_VARIANT_TYPE_VARDICT);
  const GError         error = { G_IO_ERROR, G_IO_ERROR_INVALID_DATA, (char *) "JetStream has not told the state of the stream" };
  AgentNatsStreamState state = { 0, "" };
  gint64               last = 0;

  if (numbers == NULL || !g_variant_lookup (numbers, "last_seq", "x", &last))
    {
      self->found (self->data, NULL, &error);
      return;
    }

  g_variant_lookup (reply, "created", "&s", &state.created);
  state.last = (guint64) last;
  self->found (self->data, &state, NULL);
}

/* No name needs escaping in JSON: the tokens have none of its characters. */
static char *
stream_describe (AgentNatsStream *self)
{
  const AgentNatsSettings *settings = self->settings;
  const guint              age = settings->stream_max_age;
  const guint              window = age != 0 ? MIN (age, STREAM_DEDUP_WINDOW) : STREAM_DEDUP_WINDOW;
  g_autofree char         *subject = _agent_nats_subjects_make_from_all (self->subjects, "*.c.>");

  return g_strdup_printf ("{\"name\":\"%s\",\"subjects\":[\"%s\"],\"retention\":\"limits\",\"storage\":\"file\",\"discard\":\"new\","
                          "\"max_consumers\":-1,\"max_msgs\":-1,\"max_msg_size\":-1,\"max_bytes\":%" G_GINT64_FORMAT ","
                          "\"max_age\":%" G_GUINT64_FORMAT ",\"duplicate_window\":%" G_GUINT64_FORMAT ",\"num_replicas\":%u}",
                          _agent_nats_subjects_get_stream (self->subjects),
                          subject,
                          settings->stream_max_bytes > 0 ? (gint64) settings->stream_max_bytes : -1,
                          age * STREAM_NS,
                          window * STREAM_NS,
                          settings->stream_replicas);
}

static void
stream_ask (AgentNatsStream   *self,
            const char        *verb,
            const char        *text,
            AgentNatsReplyFunc func)
{
  g_autofree char *subject = g_strconcat ("$JS.API.STREAM.", verb, ".", _agent_nats_subjects_get_stream (self->subjects), NULL);

  _agent_nats_requests_ask (self->requests, subject, text, func, self);
}

static void
stream_on_created (gpointer      data,
                   natsMsg      *reply,
                   const GError *error)
{
  AgentNatsStream *self = data;
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GVariant) read = NULL;
  gint64 code = 0;

  if (reply != NULL)
    read = _agent_nats_reply_read (reply, &code, &local_error);

  if (read != NULL)
    stream_tell (self, read);
  else if (code == AGENT_NATS_REPLY_STREAM_IN_USE) /* another node was faster, with other limits */
    _agent_nats_stream_find (self);
  else
    self->found (self->data, NULL, error != NULL ? error : local_error);
}

static void
stream_on_info (gpointer      data,
                natsMsg      *reply,
                const GError *error)
{
  AgentNatsStream *self = data;
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GVariant) read = NULL;
  gint64 code = 0;

  if (reply != NULL)
    read = _agent_nats_reply_read (reply, &code, &local_error);

  if (read != NULL)
    {
      stream_tell (self, read);
    }
  else if (code == AGENT_NATS_REPLY_STREAM_NOT_FOUND)
    {
      g_autofree char *text = stream_describe (self);

      stream_ask (self, "CREATE", text, stream_on_created);
    }
  else
    {
      self->found (self->data, NULL, error != NULL ? error : local_error);
    }
}

void
_agent_nats_stream_find (AgentNatsStream *self)
{
  stream_ask (self, "INFO", "", stream_on_info);
}
