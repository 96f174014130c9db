/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>
#include <nats/nats.h>

G_BEGIN_DECLS

/* How often a server is asked for an answer, in milliseconds. */
#define AGENT_NATS_SETTINGS_PING_INTERVAL 500

/*
 * How a transport reaches its servers, and what it asks of them. It does not change once the transport is made, so it
 * may be read in any thread.
 */
typedef struct
{
  char  **urls;             /* (owned): in the order in which they are tried */
  char   *name;             /* (owned): what the server calls the connection */
  char   *user;             /* (owned) (nullable) */
  char   *password;         /* (owned) (nullable) */
  char   *token;            /* (owned) (nullable) */
  char   *nkey;             /* (owned) (nullable) */
  char   *nkey_seed_file;   /* (owned) (nullable) */
  char   *credentials_file; /* (owned) (nullable) */
  char   *ca_file;          /* (owned) (nullable) */
  char   *certificate_file; /* (owned) (nullable) */
  char   *key_file;         /* (owned) (nullable) */
  gboolean use_tls;
  guint64 stream_max_bytes;
  guint   stream_max_age;   /* s */
  guint   stream_replicas;
} AgentNatsSettings;

void       _agent_nats_settings_clear        (AgentNatsSettings        *self);
gboolean   _agent_nats_settings_is_encrypted (const AgentNatsSettings  *self,
                                              const char               *url);
gboolean   _agent_nats_settings_has_identity (const AgentNatsSettings  *self);
gboolean   _agent_nats_settings_has_signature
                                             (const AgentNatsSettings  *self);
gboolean   _agent_nats_settings_check_files  (const AgentNatsSettings  *self,
                                              GError                  **error);
natsStatus _agent_nats_settings_make_options (const AgentNatsSettings  *self,
                                              const char               *url,
                                              natsOptions             **options);

G_END_DECLS
