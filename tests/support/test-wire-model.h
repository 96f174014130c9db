/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * The rules of the wire form, written down a second time. So the tests can compare what the library accepts and refuses
 * with rules that do not come from the tables of the library.
 */

typedef struct
{
  const char *key;    /* for a part: the key of the whole, a dot, and the key of the part */
  const char *type;
  gboolean    filled; /* whether an empty string is refused */
  gint64      least;  /* for a time: the minimum */
  gboolean    topic;  /* whether only a topic is taken */
  gboolean    json;   /* whether a string must be JSON text */
  const char *words;  /* (nullable) the allowed values of a string */
  const char *parts;  /* (nullable) the parts that the value may have; those with “!” are required */
} TestWireKey;

const char        *test_wire_model_get_carried (const char *nick);
const TestWireKey *test_wire_model_get_key     (const char *where,
                                                const char *name);
gboolean           test_wire_model_carries     (const char *carried,
                                                const char *name,
                                                gboolean   *required);
guint              test_wire_model_get_n_keys  (const char *where);
gboolean           test_wire_model_accepts     (GVariant   *variant);

/* Returns: (transfer full): @variant with one or two changes: not of its bytes, but of its fields. */
GVariant          *test_wire_model_mutate      (GVariant   *variant,
                                                GRand      *rand);

G_END_DECLS
