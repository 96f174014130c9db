/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport-nats/agent-nats-transport.h"

#include "transport-nats/agent-nats-session-private.h"
#include "transport-nats/agent-nats-token-private.h"

#define NATS_TRANSPORT_URL "nats://127.0.0.1:4222"

/* How large a packet may be before a server has said so, in bytes. */
#define NATS_TRANSPORT_MAX_PACKET (64 * 1024)

/**
 * AgentNatsTransport:
 *
 * Carries the messages of a bus over NATS, between machines.
 *
 * All nodes connect to the same NATS server, or to servers of one cluster. Data goes over core NATS. Control is stored
 * by JetStream in a stream on disk, so that it survives when a server is killed: each server needs JetStream.
 *
 * <!-- complete program: prints "nats://b.example:4222" -->
 *
 * ```c
 * #include <agentbus/agentbus.h>
 * #include <agentbus/agent-nats-transport.h>
 *
 * int
 * main (void)
 * {
 *   const char *const urls[] = {
 *     "nats://a.example:4222", "nats://b.example:4222", NULL
 *   };
 *   g_autoptr (AgentNatsTransport) transport = agent_nats_transport_new (urls);
 *   g_auto (GStrv) servers = NULL;
 *
 *   g_object_get (transport, "urls", &servers, NULL);
 *   g_print ("%s\n", servers[1]);
 *   return 0;
 * }
 * ```
 *
 * It fails to open if no server can be reached, if the server has no JetStream, or if it does not let the node in. If
 * another process is the node already, it fails with `AGENT_BUS_ERROR_EXISTS`. A process that has died does not count,
 * but if its server does not know that yet, opening takes a second longer. So it does if anybody else at the server
 * listens to all subjects. Nodes that have lost each other, such as one whose connection is lost while another one takes
 * its id, or that open at once at two servers of a cluster, are both told by [signal@AgentBus.Transport::refused] when
 * they meet.
 *
 * Once it is open, it connects again by itself whenever the connection is lost: to the same server, to another one of
 * [property@AgentBusNats.NatsTransport:urls], or to one that a server has told of. A server that does not answer any
 * more is noticed after 1.5 seconds.
 *
 * Its properties may be read in any thread. Its signals are emitted in the context that was the thread default where it
 * was made. Of its own, it uses the thread of the transport and three of libnats, one more with TLS, and one more while it
 * connects or closes.
 *
 * ## From Python
 *
 * ```python
 * gi.require_version('AgentBusNats', '1')
 * from gi.repository import AgentBusNats
 *
 * transport = AgentBusNats.NatsTransport(user='planner', password='secret')
 * print(transport.get_property('urls'))  # prints: ['nats://127.0.0.1:4222']
 * ```
 *
 * ## From JavaScript
 *
 * <!-- complete program: prints "nats://a.example:4222" -->
 *
 * ```js
 * import AgentBusNats from 'gi://AgentBusNats?version=1';
 *
 * const transport = AgentBusNats.NatsTransport.new(['nats://a.example:4222']);
 * print(transport.urls[0]);
 * ```
 *
 * ## Who may say what
 *
 * The subject of each packet names the node that has sent it: `agentbus.BUS.from.NODE.…`. If the configuration of the
 * server allows each user to publish only below its own node, nobody can speak as another node. The transport then has
 * %AGENT_TRANSPORT_CAPABILITIES_VERIFIED_SOURCE. What a server refuses is told by [signal@AgentBus.Transport::refused].
 * The file
 * `nats-server.conf` in the examples shows such a configuration.
 *
 * In a subject, letters, digits, `_` and `-` of a name stay as they are, and each other byte is `%` and two hexadecimal
 * digits. A token that would be longer than 128 bytes is `%%` and the first 40 digits of the SHA-256 of the name.
 *
 * ## The stream
 *
 * The stream is named `AB_` and the token of the bus, with `=` instead of `%`. The first node makes it, with
 * [property@AgentBusNats.NatsTransport:stream-max-bytes], [property@AgentBusNats.NatsTransport:stream-max-age] and
 * [property@AgentBusNats.NatsTransport:stream-replicas]; later ones take it as it is. When it is full, it takes nothing
 * more until what is old has been dropped: control then waits at its senders. A packet is stored once if it is sent
 * again within two minutes.
 *
 * Since: 0.2
 */
struct _AgentNatsTransport
{
  AgentTransport    parent_instance;
  AgentNatsSettings settings;
  AgentNatsSession *session; /* (owned) (nullable): only in the thread of the transport */
};

enum
{
  PROP_0,
  PROP_URLS,
  PROP_USER,
  PROP_PASSWORD,
  PROP_TOKEN,
  PROP_NKEY,
  PROP_NKEY_SEED_FILE,
  PROP_CREDENTIALS_FILE,
  PROP_CA_FILE,
  PROP_CERTIFICATE_FILE,
  PROP_KEY_FILE,
  PROP_USE_TLS,
  PROP_STREAM_MAX_BYTES,
  PROP_STREAM_MAX_AGE,
  PROP_STREAM_REPLICAS,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (AgentNatsTransport, agent_nats_transport, AGENT_TYPE_TRANSPORT)

/* --- The engine --- */

static AgentTransportCapabilities
nats_transport_get_capabilities (AgentTransport *transport)
{
  AgentNatsTransport        *self = AGENT_NATS_TRANSPORT (transport);
  AgentTransportCapabilities capabilities = AGENT_TRANSPORT_CAPABILITIES_REMOTE |
                                            AGENT_TRANSPORT_CAPABILITIES_DURABLE_CONTROL;

  if (_agent_nats_settings_has_identity (&self->settings))
    capabilities |= AGENT_TRANSPORT_CAPABILITIES_VERIFIED_SOURCE;
  return capabilities;
}

static gsize
nats_transport_get_max_packet (AgentTransport *transport)
{
  AgentNatsTransport *self = AGENT_NATS_TRANSPORT (transport);
  gsize               size = self->session != NULL ? _agent_nats_session_get_max_packet (self->session) : 0;

  return size > 0 ? size : NATS_TRANSPORT_MAX_PACKET;
}

/* Returns the task of the attempt, after which there is no session if it has failed. */
static void
nats_transport_on_opened (GObject      *object,
                          GAsyncResult *result,
                          gpointer      user_data)
{
  AgentNatsTransport *self = AGENT_NATS_TRANSPORT (object);
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_task_return_boolean (task, TRUE);
      return;
    }

  g_clear_pointer (&self->session, _agent_nats_session_free);
  g_task_return_error (task, error);
}

static void
nats_transport_open (AgentTransport *transport,
                     GTask          *task)
{
  AgentNatsTransport *self = AGENT_NATS_TRANSPORT (transport);
  g_autoptr (GTask) attempt =
      g_task_new (self, g_task_get_cancellable (task), nats_transport_on_opened, g_object_ref (task));

  g_task_set_source_tag (attempt, nats_transport_open);
  self->session = _agent_nats_session_new (transport, &self->settings);
  _agent_nats_session_open (self->session, attempt);
}

static void
nats_transport_on_closed (GObject      *object,
                          GAsyncResult *result,
                          gpointer      user_data)
{
  AgentNatsTransport *self = AGENT_NATS_TRANSPORT (object);
  g_autoptr (GTask) task = user_data;
  GError  *error = NULL;
  gboolean clean = g_task_propagate_boolean (G_TASK (result), &error);

  g_clear_pointer (&self->session, _agent_nats_session_free);
  if (clean)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
nats_transport_close (AgentTransport *transport,
                      GTask          *task)
{
  AgentNatsTransport *self = AGENT_NATS_TRANSPORT (transport);
  g_autoptr (GTask) closing =
      g_task_new (self, g_task_get_cancellable (task), nats_transport_on_closed, g_object_ref (task));

  g_task_set_source_tag (closing, nats_transport_close);
  g_task_set_check_cancellable (closing, FALSE);
  if (self->session != NULL)
    _agent_nats_session_close (self->session, closing);
  else
    g_task_return_boolean (closing, TRUE);
}

static gboolean
nats_transport_send_data (AgentTransport *transport,
                          const char     *node,
                          GBytes         *packet,
                          GError        **error)
{
  AgentNatsTransport *self = AGENT_NATS_TRANSPORT (transport);

  return _agent_nats_outlet_send_data (_agent_nats_session_get_outlet (self->session), node, packet, error);
}

static void
nats_transport_send_control (AgentTransport *transport,
                             const char     *node,
                             guint64         session,
                             guint64         number,
                             GBytes         *packet)
{
  AgentNatsTransport *self = AGENT_NATS_TRANSPORT (transport);

  _agent_nats_outlet_send_control (_agent_nats_session_get_outlet (self->session), node, session, number, packet);
}

static void
nats_transport_send_presence (AgentTransport *transport,
                              const char     *node,
                              GBytes         *packet)
{
  AgentNatsTransport *self = AGENT_NATS_TRANSPORT (transport);

  _agent_nats_outlet_send_presence (_agent_nats_session_get_outlet (self->session), node, packet);
}

/* --- The type --- */

static void
agent_nats_transport_constructed (GObject *object)
{
  AgentNatsTransport *self = AGENT_NATS_TRANSPORT (object);
  AgentNatsSettings  *settings = &self->settings;
  const char *const   urls[] = { NATS_TRANSPORT_URL, NULL };

  G_OBJECT_CLASS (agent_nats_transport_parent_class)->constructed (object);

  if (settings->urls == NULL || settings->urls[0] == NULL)
    {
      g_strfreev (settings->urls);
      settings->urls = g_strdupv ((char **) urls);
    }
  settings->name = _agent_nats_token_new (agent_transport_get_node_id (AGENT_TRANSPORT (self)));
}

static void
agent_nats_transport_finalize (GObject *object)
{
  _agent_nats_settings_clear (&AGENT_NATS_TRANSPORT (object)->settings);

  G_OBJECT_CLASS (agent_nats_transport_parent_class)->finalize (object);
}

/* Returns where a property of text is kept, or NULL if it is another property. */
static char **
nats_transport_get_text (AgentNatsTransport *self,
                         guint               prop_id)
{
  switch (prop_id)
    {
    case PROP_USER:
      return &self->settings.user;
    case PROP_PASSWORD:
      return &self->settings.password;
    case PROP_TOKEN:
      return &self->settings.token;
    case PROP_NKEY:
      return &self->settings.nkey;
    case PROP_NKEY_SEED_FILE:
      return &self->settings.nkey_seed_file;
    case PROP_CREDENTIALS_FILE:
      return &self->settings.credentials_file;
    case PROP_CA_FILE:
      return &self->settings.ca_file;
    case PROP_CERTIFICATE_FILE:
      return &self->settings.certificate_file;
    case PROP_KEY_FILE:
      return &self->settings.key_file;
    default:
      return NULL;
    }
}

static void
agent_nats_transport_get_property (GObject    *object,
                                   guint       prop_id,
                                   GValue     *value,
                                   GParamSpec *pspec)
{
  AgentNatsTransport *self = AGENT_NATS_TRANSPORT (object);
  char              **text = nats_transport_get_text (self, prop_id);

  if (text != NULL)
    g_value_set_string (value, *text);
  else if (prop_id == PROP_URLS)
    g_value_set_boxed (value, self->settings.urls);
  else if (prop_id == PROP_USE_TLS)
    g_value_set_boolean (value, self->settings.use_tls);
  else if (prop_id == PROP_STREAM_MAX_BYTES)
    g_value_set_uint64 (value, self->settings.stream_max_bytes);
  else if (prop_id == PROP_STREAM_MAX_AGE)
    g_value_set_uint (value, self->settings.stream_max_age);
  else if (prop_id == PROP_STREAM_REPLICAS)
    g_value_set_uint (value, self->settings.stream_replicas);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
}

static void
agent_nats_transport_set_property (GObject      *object,
                                   guint         prop_id,
                                   const GValue *value,
                                   GParamSpec   *pspec)
{
  AgentNatsTransport *self = AGENT_NATS_TRANSPORT (object);
  char              **text = nats_transport_get_text (self, prop_id);

  if (text != NULL)
    *text = g_value_dup_string (value);
  else if (prop_id == PROP_URLS)
    self->settings.urls = g_value_dup_boxed (value);
  else if (prop_id == PROP_USE_TLS)
    self->settings.use_tls = g_value_get_boolean (value);
  else if (prop_id == PROP_STREAM_MAX_BYTES)
    self->settings.stream_max_bytes = g_value_get_uint64 (value);
  else if (prop_id == PROP_STREAM_MAX_AGE)
    self->settings.stream_max_age = g_value_get_uint (value);
  else if (prop_id == PROP_STREAM_REPLICAS)
    self->settings.stream_replicas = g_value_get_uint (value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
}

#define NATS_TRANSPORT_PARAM (G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS)

/* A secret can be set, but not read. */
#define NATS_TRANSPORT_SECRET (G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS)

static void
nats_transport_install_identity (void)
{
  /**
   * AgentNatsTransport:user:
   *
   * The name of the user, for a server that asks for one.
   *
   * Since: 0.2
   */
  props[PROP_USER] = g_param_spec_string ("user", NULL, NULL, NULL, NATS_TRANSPORT_PARAM);

  /**
   * AgentNatsTransport:password:
   *
   * The password of the user. It cannot be read.
   *
   * Since: 0.2
   */
  props[PROP_PASSWORD] = g_param_spec_string ("password", NULL, NULL, NULL, NATS_TRANSPORT_SECRET);

  /**
   * AgentNatsTransport:token:
   *
   * The token, for a server that lets in who knows it. It does not tell the server which node this is. It cannot be read.
   *
   * Since: 0.2
   */
  props[PROP_TOKEN] = g_param_spec_string ("token", NULL, NULL, NULL, NATS_TRANSPORT_SECRET);

  /**
   * AgentNatsTransport:nkey:
   *
   * The public NKey of the user, which begins with `U`. It needs [property@AgentBusNats.NatsTransport:nkey-seed-file].
   *
   * Since: 0.2
   */
  props[PROP_NKEY] = g_param_spec_string ("nkey", NULL, NULL, NULL, NATS_TRANSPORT_PARAM);

  /**
   * AgentNatsTransport:nkey-seed-file:
   *
   * The file with the seed of [property@AgentBusNats.NatsTransport:nkey], which begins with `SU`. It is read whenever
   * the transport connects.
   *
   * Since: 0.2
   */
  props[PROP_NKEY_SEED_FILE] = g_param_spec_string ("nkey-seed-file", NULL, NULL, NULL, NATS_TRANSPORT_PARAM);

  /**
   * AgentNatsTransport:credentials-file:
   *
   * The file with the JWT and the seed of the user, as the tool `nsc` writes it. It is read whenever the transport
   * connects. Opening fails with `G_IO_ERROR_NOT_FOUND` if there is no such file, and with
   * `G_IO_ERROR_PERMISSION_DENIED` if the server does not trust who has signed it, or if it has expired. A server ends the
   * connection of a user that expires: then the transport is `LOST` until the file has been replaced.
   *
   * Since: 0.2
   */
  props[PROP_CREDENTIALS_FILE] = g_param_spec_string ("credentials-file", NULL, NULL, NULL, NATS_TRANSPORT_PARAM);
}

static void
nats_transport_install_tls (void)
{
  /**
   * AgentNatsTransport:ca-file:
   *
   * The file with the certificates of the authorities that may have signed the certificate of a server, in PEM format.
   * If it is set, TLS is used.
   *
   * Since: 0.2
   */
  props[PROP_CA_FILE] = g_param_spec_string ("ca-file", NULL, NULL, NULL, NATS_TRANSPORT_PARAM);

  /**
   * AgentNatsTransport:certificate-file:
   *
   * The file with the certificate of this node, in PEM format. If it is set, TLS is used. It needs
   * [property@AgentBusNats.NatsTransport:key-file].
   *
   * Since: 0.2
   */
  props[PROP_CERTIFICATE_FILE] = g_param_spec_string ("certificate-file", NULL, NULL, NULL, NATS_TRANSPORT_PARAM);

  /**
   * AgentNatsTransport:key-file:
   *
   * The file with the private key of [property@AgentBusNats.NatsTransport:certificate-file], in PEM format.
   *
   * Since: 0.2
   */
  props[PROP_KEY_FILE] = g_param_spec_string ("key-file", NULL, NULL, NULL, NATS_TRANSPORT_PARAM);

  /**
   * AgentNatsTransport:use-tls:
   *
   * Whether to use TLS also if no file is set. A URL that begins with `tls://` does the same.
   *
   * Since: 0.2
   */
  props[PROP_USE_TLS] = g_param_spec_boolean ("use-tls", NULL, NULL, FALSE, NATS_TRANSPORT_PARAM);
}

static void
nats_transport_install_stream (void)
{
  /**
   * AgentNatsTransport:stream-max-bytes:
   *
   * How much control the stream stores, in bytes, or 0 for as much as the server allows. Only the node that makes the
   * stream says so.
   *
   * Since: 0.2
   */
  props[PROP_STREAM_MAX_BYTES] = g_param_spec_uint64 (
      "stream-max-bytes", NULL, NULL, 0, G_MAXINT64, 1024 * 1024 * 1024, NATS_TRANSPORT_PARAM);

  /**
   * AgentNatsTransport:stream-max-age:
   *
   * How long the stream stores control, in seconds, or 0 for ever. A node that is away for longer than this loses what
   * was sent to it before. Only the node that makes the stream says so.
   *
   * Since: 0.2
   */
  props[PROP_STREAM_MAX_AGE] = g_param_spec_uint ("stream-max-age", NULL, NULL, 0, G_MAXINT, 120, NATS_TRANSPORT_PARAM);

  /**
   * AgentNatsTransport:stream-replicas:
   *
   * On how many servers of a cluster the stream is stored. With 3, control survives the loss of a server and its disk.
   * Only the node that makes the stream says so.
   *
   * Since: 0.2
   */
  props[PROP_STREAM_REPLICAS] = g_param_spec_uint ("stream-replicas", NULL, NULL, 1, 5, 1, NATS_TRANSPORT_PARAM);
}

static void
nats_transport_install_properties (GObjectClass *object_class)
{
  /**
   * AgentNatsTransport:urls:
   *
   * The servers, such as `nats://a.example:4222`, in the order in which they are tried. If there is none, it is
   * `nats://127.0.0.1:4222`.
   *
   * Since: 0.2
   */
  props[PROP_URLS] = g_param_spec_boxed ("urls", NULL, NULL, G_TYPE_STRV, NATS_TRANSPORT_PARAM);

  nats_transport_install_identity ();
  nats_transport_install_tls ();
  nats_transport_install_stream ();
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
agent_nats_transport_class_init (AgentNatsTransportClass *klass)
{
  GObjectClass        *object_class = G_OBJECT_CLASS (klass);
  AgentTransportClass *transport_class = AGENT_TRANSPORT_CLASS (klass);

  object_class->constructed = agent_nats_transport_constructed;
  object_class->finalize = agent_nats_transport_finalize;
  object_class->get_property = agent_nats_transport_get_property;
  object_class->set_property = agent_nats_transport_set_property;

  transport_class->get_capabilities = nats_transport_get_capabilities;
  transport_class->get_max_packet = nats_transport_get_max_packet;
  transport_class->open = nats_transport_open;
  transport_class->close = nats_transport_close;
  transport_class->send_data = nats_transport_send_data;
  transport_class->send_control = nats_transport_send_control;
  transport_class->send_presence = nats_transport_send_presence;

  nats_transport_install_properties (object_class);
}

static void
agent_nats_transport_init (AgentNatsTransport *self)
{
}

/**
 * agent_nats_transport_new:
 * @urls: (nullable) (array zero-terminated=1) (transfer none): the servers, or %NULL for `nats://127.0.0.1:4222`
 *
 * Makes a transport that reaches the servers without a password and without TLS, with the default properties. For
 * anything else, set properties when the object is made.
 *
 * May be called in any thread. The signals of the transport are emitted in the context that is the thread default here.
 *
 * Returns: (transfer full): a transport
 *
 * Since: 0.2
 */
AgentNatsTransport *
agent_nats_transport_new (const char *const *urls)
{
  return g_object_new (AGENT_TYPE_NATS_TRANSPORT, "urls", urls, NULL);
}
