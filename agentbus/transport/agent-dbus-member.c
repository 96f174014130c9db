/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport/agent-dbus-member-private.h"

#include "agent-bus-error.h"
#include "transport/agent-dbus-name-private.h"
#include "transport/agent-dbus-packet-private.h"
#include "transport/agent-dbus-uplink-private.h"

#define DAEMON_NAME "org.freedesktop.DBus"
#define DAEMON_PATH "/org/freedesktop/DBus"

/* What the specification of D-Bus calls DBUS_NAME_FLAG_DO_NOT_QUEUE, and DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER. */
#define DO_NOT_QUEUE 4
#define PRIMARY_OWNER 1

typedef struct
{
  AgentDBusPort    port;       /* first */
  AgentDBusHub    *hub;        /* (not owned) */
  AgentDBusUplink *uplink;     /* (owned) */
  char            *name_space; /* of all nodes of the bus */
  char            *name;       /* of this node */
  char            *rule;       /* which changes of owners the daemon is to tell */
  AgentDBusLine   *line;       /* (nullable) (not owned) since join() */
} AgentDBusMember;

/* A call that asks for the owner of a name. */
typedef struct
{
  AgentDBusMember *self;
  char            *name;
} MemberQuestion;

/* --- Other nodes --- */

static void
dbus_member_add (AgentDBusMember *self,
                 const char      *name,
                 const char      *owner)
{
  g_autofree char *node = _agent_dbus_name_dup_node (self->name_space, name);
  g_autofree char *text = NULL;

  if (node != NULL && _agent_dbus_nodes_add (_agent_dbus_hub_get_nodes (self->hub), node, owner, self->line))
    return;

  text = g_strdup_printf ("name “%s” of D-Bus: %s",
                          name,
                          node == NULL ? "no node is called so" : "its owner has another one, or the node another owner");
  _agent_dbus_hub_refuse (self->hub, owner, text);
}

static void
dbus_member_remove (AgentDBusMember *self,
                    const char      *name,
                    const char      *owner)
{
  g_autofree char     *id = _agent_dbus_name_dup_node (self->name_space, name);
  const AgentDBusNode *node = id != NULL ? _agent_dbus_nodes_find (_agent_dbus_hub_get_nodes (self->hub), id) : NULL;

  if (node != NULL && strcmp (node->source, owner) == 0)
    _agent_dbus_hub_remove (self->hub, id, "it has left the message bus");
}

static void
dbus_member_on_owner_changed (AgentDBusMember *self,
                              GDBusMessage    *message)
{
  GVariant   *body = g_dbus_message_get_body (message);
  const char *name, *before, *after;

  if (body == NULL || !g_variant_is_of_type (body, G_VARIANT_TYPE ("(sss)")))
    return;

  g_variant_get (body, "(&s&s&s)", &name, &before, &after);
  if (!_agent_dbus_name_is_in (self->name_space, name) || strcmp (name, self->name) == 0)
    return;

  if (*before != '\0')
    dbus_member_remove (self, name, before);
  if (*after != '\0')
    dbus_member_add (self, name, after);
}

static void
dbus_member_on_message (gpointer       data,
                        AgentDBusLine *line,
                        GDBusMessage  *message)
{
  AgentDBusMember *self = data;

  if (_agent_dbus_packet_is_ours (message, _agent_dbus_hub_get_path (self->hub)))
    _agent_dbus_hub_take (self->hub, line, message);
  else
    dbus_member_on_owner_changed (self, message);
}

/* --- To join --- */

/* @body: (nullable) */
static GDBusMessage *
dbus_member_new_call (const char *member,
                      GVariant   *body)
{
  GDBusMessage *message = g_dbus_message_new_method_call (DAEMON_NAME, DAEMON_PATH, DAEMON_NAME, member);

  if (body != NULL)
    g_dbus_message_set_body (message, body);
  return message;
}

/* @body: (nullable) */
static void
dbus_member_call (AgentDBusMember   *self,
                  const char        *member,
                  GVariant          *body,
                  AgentDBusReplyFunc func,
                  gpointer           data)
{
  g_autoptr (GDBusMessage) message = dbus_member_new_call (member, body);

  _agent_dbus_line_call (self->line, message, func, data);
}

static void
dbus_member_tell (AgentDBusMember *self,
                  const char      *member,
                  const char      *argument)
{
  g_autoptr (GDBusMessage) message = dbus_member_new_call (member, g_variant_new ("(s)", argument));

  g_dbus_message_set_flags (message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  _agent_dbus_line_send (self->line, message, NULL);
}

static void
dbus_member_on_owner (gpointer      data,
                      GDBusMessage *reply,
                      const GError *error)
{
  MemberQuestion *question = data;
  GVariant       *body = reply != NULL ? g_dbus_message_get_body (reply) : NULL;
  const char     *owner;

  /* It may have gone since the daemon has listed it. */
  if (body != NULL && g_variant_is_of_type (body, G_VARIANT_TYPE ("(s)")))
    {
      g_variant_get (body, "(&s)", &owner);
      if (_agent_dbus_nodes_find_source (_agent_dbus_hub_get_nodes (question->self->hub), owner) == NULL)
        dbus_member_add (question->self, question->name, owner);
    }
  g_free (question->name);
  g_free (question);
}

static void
dbus_member_ask (AgentDBusMember *self,
                 const char      *name)
{
  MemberQuestion *question;

  if (!_agent_dbus_name_is_in (self->name_space, name) || strcmp (name, self->name) == 0)
    return;

  question = g_new0 (MemberQuestion, 1);
  question->self = self;
  question->name = g_strdup (name);
  dbus_member_call (self, "GetNameOwner", g_variant_new ("(s)", name), dbus_member_on_owner, question);
}

/* What is known belongs to the connection, which is given up. */
static void
dbus_member_fail (AgentDBusMember *self,
                  const GError    *error)
{
  self->line = NULL;
  _agent_dbus_nodes_clear (_agent_dbus_hub_get_nodes (self->hub));
  _agent_dbus_uplink_joined (self->uplink, error);
}

static void
dbus_member_on_name (gpointer      data,
                     GDBusMessage *reply,
                     const GError *error)
{
  AgentDBusMember *self = data;
  GVariant        *body = reply != NULL ? g_dbus_message_get_body (reply) : NULL;
  guint            result = 0;
  g_autoptr (GError) in_use = NULL;

  if (body != NULL && g_variant_is_of_type (body, G_VARIANT_TYPE ("(u)")))
    g_variant_get (body, "(u)", &result);
  if (error == NULL && result != PRIMARY_OWNER)
    in_use = g_error_new (AGENT_BUS_ERROR,
                          AGENT_BUS_ERROR_EXISTS,
                          "Node “%s” is on the message bus already, as “%s”",
                          agent_transport_get_node_id (_agent_dbus_hub_get_transport (self->hub)),
                          self->name);

  if (error != NULL || in_use != NULL)
    dbus_member_fail (self, error != NULL ? error : in_use);
  else
    _agent_dbus_uplink_joined (self->uplink, NULL);
}

/* The daemon answers in the order of the calls. The name is asked for at last: as long as this node has no name, nobody sends to
 * it, and when it has one, it knows all the others. */
static void
dbus_member_on_names (gpointer      data,
                      GDBusMessage *reply,
                      const GError *error)
{
  AgentDBusMember        *self = data;
  GVariant               *body = reply != NULL ? g_dbus_message_get_body (reply) : NULL;
  g_autofree const char **names = NULL;

  if (error != NULL)
    {
      dbus_member_fail (self, error);
      return;
    }

  if (body != NULL && g_variant_is_of_type (body, G_VARIANT_TYPE ("(as)")))
    g_variant_get (body, "(^a&s)", &names);
  for (guint i = 0; names != NULL && names[i] != NULL; i++)
    dbus_member_ask (self, names[i]);
  dbus_member_call (
      self, "RequestName", g_variant_new ("(su)", self->name, (guint32) DO_NOT_QUEUE), dbus_member_on_name, self);
}

static void
dbus_member_on_watching (gpointer      data,
                         GDBusMessage *reply,
                         const GError *error)
{
  AgentDBusMember *self = data;

  if (error != NULL)
    dbus_member_fail (self, error);
}

static void
dbus_member_join (gpointer       owner,
                  AgentDBusLine *line)
{
  AgentDBusMember *self = owner;
  g_autoptr (GError) error = NULL;

  self->line = line;
  if (!_agent_dbus_line_is_on_bus (line))
    {
      g_set_error_literal (&error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "The connection is not one to a message bus");
      dbus_member_fail (self, error);
      return;
    }

  dbus_member_call (self, "AddMatch", g_variant_new ("(s)", self->rule), dbus_member_on_watching, self);
  dbus_member_call (self, "ListNames", NULL, dbus_member_on_names, self);
}

/* Nothing is known of the other nodes now. They find one another again, or their silence tells that they have gone. */
static void
dbus_member_on_lost (gpointer    owner,
                     const char *reason)
{
  AgentDBusMember *self = owner;

  self->line = NULL;
  _agent_dbus_nodes_clear (_agent_dbus_hub_get_nodes (self->hub));
}

static const AgentDBusUplinkFuncs member_uplink_funcs = {
  .join = dbus_member_join,
  .message = dbus_member_on_message,
  .lost = dbus_member_on_lost,
};

/* --- Its life --- */

static char *
dbus_member_new_rule (const char *name_space)
{
  return g_strdup_printf ("type='signal',sender='" DAEMON_NAME "',path='" DAEMON_PATH "',interface='" DAEMON_NAME "',"
                          "member='NameOwnerChanged',arg0namespace='%s'",
                          name_space);
}

static void
dbus_member_free (AgentDBusPort *port)
{
  AgentDBusMember *self = (AgentDBusMember *) port;

  _agent_dbus_uplink_free (self->uplink);
  g_free (self->name_space);
  g_free (self->name);
  g_free (self->rule);
  g_free (self);
}

static void
dbus_member_open (AgentDBusPort *port,
                  GTask         *task)
{
  AgentDBusMember *self = (AgentDBusMember *) port;

  _agent_dbus_uplink_open (self->uplink, task);
}

/* A connection that is left open must not keep the name. */
static void
dbus_member_close (AgentDBusPort    *port,
                   GCancellable     *cancellable,
                   AgentDBusDoneFunc done,
                   gpointer          data)
{
  AgentDBusMember *self = (AgentDBusMember *) port;

  if (self->line != NULL && _agent_dbus_line_is_shared (self->line))
    {
      dbus_member_tell (self, "ReleaseName", self->name);
      dbus_member_tell (self, "RemoveMatch", self->rule);
    }
  _agent_dbus_uplink_close (self->uplink, cancellable, done, data);
}

static const AgentDBusPortFuncs member_port_funcs = {
  .open = dbus_member_open,
  .close = dbus_member_close,
  .free = dbus_member_free,
};

/* @connection: (nullable). @address: (nullable): NULL for the session bus, if there is no connection. */
AgentDBusPort *
_agent_dbus_member_new (AgentDBusHub    *hub,
                        GDBusConnection *connection,
                        const char      *address)
{
  AgentDBusMember            *self = g_new0 (AgentDBusMember, 1);
  AgentTransport             *transport = _agent_dbus_hub_get_transport (hub);
  const AgentDBusUplinkTarget target = {
    .connection = connection,
    .address = address,
    .flags = G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
  };

  self->port.funcs = &member_port_funcs;
  self->hub = hub;
  self->name_space = _agent_dbus_name_new_namespace (agent_transport_get_bus_name (transport));
  self->name = _agent_dbus_name_new (self->name_space, agent_transport_get_node_id (transport));
  self->rule = dbus_member_new_rule (self->name_space);
  self->uplink = _agent_dbus_uplink_new (hub, &target, &member_uplink_funcs, self);
  return &self->port;
}
