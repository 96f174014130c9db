/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport/agent-dbus-name-private.h"

#include "base/agent-utf8-private.h"
#include "bus/agent-transport-private.h"

#define NAME_PREFIX "org.agentbus.Bus."
#define PATH_PREFIX "/org/agentbus/Bus/"

/* The longest elements that are escaped. With the prefix and a dot, they and the longest ones in base64 make 255 bytes. */
#define BUS_ELEMENT_MAX 64
#define NODE_ELEMENT_MAX 172

/* No escaped byte begins so, for its digits are in lower case. */
#define MARK_BASE64 "_B"
#define MARK_HASH "_H"

static gboolean
dbus_name_is_plain (char     c,
                    gboolean at_start)
{
  return g_ascii_isalpha (c) || c == '-' || (g_ascii_isdigit (c) && !at_start);
}

static char *
dbus_name_escape (const char *text)
{
  GString *element = g_string_new (NULL);

  for (const char *at = text; *at != '\0'; at++)
    {
      if (dbus_name_is_plain (*at, at == text))
        g_string_append_c (element, *at);
      else
        g_string_append_printf (element, "_%02x", (guchar) *at);
    }

  return g_string_free (element, FALSE);
}

/* Base64 in the alphabet that a name may have. */
static char *
dbus_name_encode (const char   *mark,
                  const guchar *bytes,
                  gsize         length)
{
  g_autofree char *text = g_base64_encode (bytes, length);

  g_strdelimit (text, "+", '-');
  g_strdelimit (text, "/", '_');
  g_strdelimit (text, "=", '\0');
  return g_strconcat (mark, text, NULL);
}

static char *
dbus_name_hash (const char *text)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  guchar digest[32];
  gsize  length = sizeof digest;

  g_checksum_update (checksum, (const guchar *) text, -1);
  g_checksum_get_digest (checksum, digest, &length);
  return dbus_name_encode (MARK_HASH, digest, length);
}

static char *
dbus_name_new_bus_element (const char *bus_name)
{
  g_autofree char *element = dbus_name_escape (bus_name);

  return strlen (element) <= BUS_ELEMENT_MAX ? g_steal_pointer (&element) : dbus_name_hash (bus_name);
}

static char *
dbus_name_new_node_element (const char *node)
{
  g_autofree char *element = dbus_name_escape (node);

  if (strlen (element) <= NODE_ELEMENT_MAX)
    return g_steal_pointer (&element);

  return dbus_name_encode (MARK_BASE64, (const guchar *) node, strlen (node));
}

char *
_agent_dbus_name_new_namespace (const char *bus_name)
{
  g_autofree char *element = dbus_name_new_bus_element (bus_name);

  return g_strconcat (NAME_PREFIX, element, NULL);
}

/* An object path may not have a "-". */
char *
_agent_dbus_name_new_path (const char *bus_name)
{
  g_autofree char *element = dbus_name_new_bus_element (bus_name);
  GString         *path = g_string_new (PATH_PREFIX);

  g_string_append (path, element);
  g_string_replace (path, "-", "_2d", 0);
  return g_string_free (path, FALSE);
}

char *
_agent_dbus_name_new (const char *name_space,
                      const char *node)
{
  g_autofree char *element = dbus_name_new_node_element (node);

  return g_strconcat (name_space, ".", element, NULL);
}

gboolean
_agent_dbus_name_is_in (const char *name_space,
                        const char *name)
{
  gsize length = strlen (name_space);

  return strncmp (name, name_space, length) == 0 && name[length] == '.';
}

static char *
dbus_name_unescape (const char *element)
{
  GString *text = g_string_new (NULL);

  for (const char *at = element; *at != '\0'; at++)
    {
      if (*at == '_' && g_ascii_isxdigit (at[1]) && g_ascii_isxdigit (at[2]))
        {
          g_string_append_c (text, (char) (g_ascii_xdigit_value (at[1]) << 4 | g_ascii_xdigit_value (at[2])));
          at += 2;
        }
      else
        g_string_append_c (text, *at);
    }

  return g_string_free (text, FALSE);
}

static char *
dbus_name_decode (const char *element)
{
  g_autofree char *text = g_strdup (element);
  g_autofree char *padded = NULL;
  g_autofree char *bytes = NULL;
  gsize            length;

  g_strdelimit (text, "-", '+');
  g_strdelimit (text, "_", '/');
  padded = g_strconcat (text, &"==="[3 - (4 - strlen (text) % 4) % 4], NULL);
  bytes = (char *) g_base64_decode (padded, &length);
  return g_strndup (bytes, length);
}

gboolean
_agent_dbus_name_is_node (const char *node)
{
  return *node != '\0' && strlen (node) <= AGENT_TRANSPORT_NAME_MAX && _agent_utf8_is_string (node);
}

/* An id could be written in several ways, of which only one is right: else a stranger could own the name of a node that is
 * there. */
char *
_agent_dbus_name_dup_node (const char *name_space,
                           const char *name)
{
  g_autofree char *node = NULL;
  g_autofree char *right = NULL;
  const char      *element;

  if (!_agent_dbus_name_is_in (name_space, name))
    return NULL;

  element = name + strlen (name_space) + 1;
  if (g_str_has_prefix (element, MARK_BASE64))
    node = dbus_name_decode (element + strlen (MARK_BASE64));
  else
    node = dbus_name_unescape (element);

  if (!_agent_dbus_name_is_node (node))
    return NULL;

  right = _agent_dbus_name_new (name_space, node);
  return strcmp (right, name) == 0 ? g_steal_pointer (&node) : NULL;
}
