/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-settings-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* nats.c gives a server up only if it answers none of these, see agent-nats-connection.c. */
#define SETTINGS_MAX_PINGS 20
/* For one server, until it has accepted the connection. */
#define SETTINGS_CONNECT_TIMEOUT 2000
/* Only TLS writes wait, see agent-nats-socket.c. */
#define SETTINGS_WRITE_DEADLINE 2000

void
_agent_nats_settings_clear (AgentNatsSettings *self)
{
  g_strfreev (self->urls);
  g_free (self->name);
  g_free (self->user);
  g_free (self->password);
  g_free (self->token);
  g_free (self->nkey);
  g_free (self->nkey_seed_file);
  g_free (self->credentials_file);
  g_free (self->ca_file);
  g_free (self->certificate_file);
  g_free (self->key_file);
}

gboolean
_agent_nats_settings_is_encrypted (const AgentNatsSettings *self,
                                   const char              *url)
{
  return self->use_tls || self->ca_file != NULL || self->certificate_file != NULL || g_str_has_prefix (url, "tls://");
}

/* Whether the server knows who this is. A token is known to all who may connect. */
gboolean
_agent_nats_settings_has_identity (const AgentNatsSettings *self)
{
  return self->user != NULL || self->nkey != NULL || self->credentials_file != NULL || self->certificate_file != NULL;
}

/* Whether the node signs what a server sends it. */
gboolean
_agent_nats_settings_has_signature (const AgentNatsSettings *self)
{
  return self->nkey != NULL || self->credentials_file != NULL;
}

/* nats.c has one status for all that goes wrong with a file. This waits for the disk. */
gboolean
_agent_nats_settings_check_files (const AgentNatsSettings *self,
                                  GError                 **error)
{
  const char *const files[] = {
    self->credentials_file,
    self->nkey_seed_file,
    self->ca_file,
    self->certificate_file,
    self->key_file,
  };

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      int saved;

      if (files[i] == NULL || g_access (files[i], R_OK) == 0)
        continue;

      saved = errno;
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved), "File “%s” for NATS: %s", files[i], g_strerror (saved));
      return FALSE;
    }

  return TRUE;
}

/* nats.c must never connect again by itself: while it does, it holds the lock of the connection for as long as a server
 * takes to answer. So each connection lives once, see agent-nats-session.c. */
static natsStatus
settings_apply_life (const AgentNatsSettings *self,
                     const char              *url,
                     natsOptions             *options)
{
  natsStatus status = natsOptions_SetURL (options, url);

  if (status == NATS_OK)
    status = natsOptions_SetName (options, self->name);
  if (status == NATS_OK)
    status = natsOptions_SetAllowReconnect (options, false);
  if (status == NATS_OK)
    status = natsOptions_SetTimeout (options, SETTINGS_CONNECT_TIMEOUT);
  if (status == NATS_OK)
    status = natsOptions_SetPingInterval (options, AGENT_NATS_SETTINGS_PING_INTERVAL);
  if (status == NATS_OK)
    status = natsOptions_SetMaxPingsOut (options, SETTINGS_MAX_PINGS);
  if (status == NATS_OK)
    status = natsOptions_SetNoEcho (options, true);
  if (status == NATS_OK)
    status = natsOptions_SetSendAsap (options, true);

  return status;
}

static natsStatus
settings_apply_identity (const AgentNatsSettings *self,
                         natsOptions             *options)
{
  natsStatus status = NATS_OK;

  if (self->user != NULL)
    status = natsOptions_SetUserInfo (options, self->user, self->password != NULL ? self->password : "");
  if (status == NATS_OK && self->token != NULL)
    status = natsOptions_SetToken (options, self->token);
  if (status == NATS_OK && self->nkey != NULL && self->nkey_seed_file != NULL)
    status = natsOptions_SetNKeyFromSeed (options, self->nkey, self->nkey_seed_file);
  if (status == NATS_OK && self->credentials_file != NULL)
    status = natsOptions_SetUserCredentialsFromFiles (options, self->credentials_file, NULL);

  return status;
}

static natsStatus
settings_apply_tls (const AgentNatsSettings *self,
                    const char              *url,
                    natsOptions             *options)
{
  natsStatus status;

  if (!_agent_nats_settings_is_encrypted (self, url))
    return NATS_OK;

  status = natsOptions_SetSecure (options, true);
  if (status == NATS_OK)
    status = natsOptions_SetWriteDeadline (options, SETTINGS_WRITE_DEADLINE);
  if (status == NATS_OK && self->ca_file != NULL)
    status = natsOptions_LoadCATrustedCertificates (options, self->ca_file);
  if (status == NATS_OK && self->certificate_file != NULL)
    status = natsOptions_LoadCertificatesChain (options, self->certificate_file, self->key_file);

  return status;
}

/* Reads files. @options: (out): also if this fails; to be destroyed */
natsStatus
_agent_nats_settings_make_options (const AgentNatsSettings *self,
                                   const char              *url,
                                   natsOptions            **options)
{
  natsStatus status = natsOptions_Create (options);

  if (status == NATS_OK)
    status = settings_apply_life (self, url, *options);
  if (status == NATS_OK)
    status = settings_apply_identity (self, *options);
  if (status == NATS_OK)
    status = settings_apply_tls (self, url, *options);

  return status;
}
