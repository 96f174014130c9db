/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "nats-keys.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

/* What a seed begins with, beside the kind of its key. */
#define KEYS_SEED 18

gboolean
test_nats_openssl (const char *folder,
                   const char *arguments)
{
  g_autofree char *line = g_strconcat ("openssl ", arguments, NULL);
  g_auto (GStrv) argv = NULL;
  gint status = 1;

  g_assert_true (g_shell_parse_argv (line, NULL, &argv, NULL));
  return g_spawn_sync (folder,
                       argv,
                       NULL,
                       G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                       NULL,
                       NULL,
                       NULL,
                       NULL,
                       &status,
                       NULL) &&
         status == 0;
}

void
test_nats_remove_folder (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      g_remove (child);
    }
  g_rmdir (path);
}

char *
test_nats_path (const char *folder,
                const char *name)
{
  return g_build_filename (folder, name, NULL);
}

/* --- Keys --- */

static guint16
keys_sum (const GByteArray *bytes)
{
  guint16 sum = 0;

  for (guint i = 0; i < bytes->len; i++)
    {
      sum ^= bytes->data[i] << 8;
      for (guint j = 0; j < 8; j++)
        sum = (sum & 0x8000) != 0 ? (sum << 1) ^ 0x1021 : sum << 1;
    }

  return sum;
}

/* An NKey is text of a prefix, 32 bytes, and a checksum. */
static char *
keys_encode (const guint8 *prefix,
             gsize         n_prefix,
             const guint8 *key)
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  GString *text = g_string_new (NULL);
  guint16  sum;
  guint    bits = 0, n_bits = 0;

  g_byte_array_append (bytes, prefix, n_prefix);
  g_byte_array_append (bytes, key, 32);
  sum = keys_sum (bytes);
  g_byte_array_append (bytes, (guint8[]){ sum & 0xff, sum >> 8 }, 2);

  for (guint i = 0; i < bytes->len; i++)
    {
      bits = (bits << 8) | bytes->data[i];
      for (n_bits += 8; n_bits >= 5; n_bits -= 5)
        g_string_append_c (text, digits[(bits >> (n_bits - 5)) & 31]);
    }
  if (n_bits > 0)
    g_string_append_c (text, digits[(bits << (5 - n_bits)) & 31]);
  return g_string_free (text, FALSE);
}

/* Returns the last 32 bytes of a file: in DER, there is the key. */
static guint8 *
keys_read (const char *folder,
           const char *name)
{
  g_autofree char *path = test_nats_path (folder, name);
  g_autofree char *der = NULL;
  gsize            size;

  g_assert_true (g_file_get_contents (path, &der, &size, NULL));
  return g_memdup2 (der + size - 32, 32);
}

/* Writes NAME.pem and NAME.seed, and returns the public key, or NULL if there is no openssl that can. */
char *
test_nats_key_new (const char     *folder,
                   const char     *name,
                   TestNatsKeyKind kind)
{
  const guint8       public_prefix[] = { kind << 3 };
  const guint8       seed_prefix[] = { (KEYS_SEED << 3) | (kind >> 2), ((kind << 3) & 31) << 3 };
  g_autofree char   *make = g_strdup_printf ("genpkey -algorithm ed25519 -out %s.pem", name);
  g_autofree char   *convert = g_strdup_printf ("pkey -in %s.pem -outform DER -out key.der", name);
  g_autofree char   *publish = g_strdup_printf ("pkey -in %s.pem -pubout -outform DER -out public.der", name);
  g_autofree char   *seed_name = g_strconcat (name, ".seed", NULL);
  g_autofree char   *path = test_nats_path (folder, seed_name);
  g_autofree char   *seed = NULL;
  g_autofree guint8 *secret = NULL;
  g_autofree guint8 *public = NULL;

  if (!test_nats_openssl (folder, make) || !test_nats_openssl (folder, convert) || !test_nats_openssl (folder, publish))
    return NULL;

  secret = keys_read (folder, "key.der");
  public = keys_read (folder, "public.der");
  seed = keys_encode (seed_prefix, 2, secret);
  g_assert_true (g_file_set_contents (path, seed, -1, NULL));
  return keys_encode (public_prefix, 1, public);
}

/* --- JWTs --- */

/* (transfer full) */
static char *
jwt_encode (const void *data,
            gsize       size)
{
  char *text = g_base64_encode (data, size);

  g_strdelimit (text, "+", '-');
  g_strdelimit (text, "/", '_');
  text[strcspn (text, "=")] = '\0';
  return text;
}

/* @signer: the name of a key. @claims: JSON. Returns NULL if there is no openssl that can. */
char *
test_nats_jwt_new (const char *folder,
                   const char *signer,
                   const char *claims)
{
  static const char header[] = "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}";
  g_autofree char  *first = jwt_encode (header, strlen (header));
  g_autofree char  *second = jwt_encode (claims, strlen (claims));
  g_autofree char  *text = g_strconcat (first, ".", second, NULL);
  g_autofree char  *text_path = test_nats_path (folder, "jwt");
  g_autofree char  *signature_path = test_nats_path (folder, "signature");
  g_autofree char  *sign = g_strdup_printf ("pkeyutl -sign -rawin -inkey %s.pem -in jwt -out signature", signer);
  g_autofree char  *signature = NULL;
  g_autofree char  *third = NULL;
  gsize             size;

  g_assert_true (g_file_set_contents (text_path, text, -1, NULL));
  if (!test_nats_openssl (folder, sign) || !g_file_get_contents (signature_path, &signature, &size, NULL))
    return NULL;

  third = jwt_encode (signature, size);
  return g_strconcat (text, ".", third, NULL);
}
