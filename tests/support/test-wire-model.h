/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * What the wire form promises, written down a second time: so that what the library takes and refuses can be compared
 * with something that is not the library's own table.
 */

typedef struct
{
  const char *key;    /* of a part: with that of the whole and a dot */
  const char *type;
  gboolean    filled; /* an empty string is refused */
  gint64      least;  /* a time is not less */
  const char *words;  /* (nullable) the only values of a string */
  const char *parts;  /* (nullable) which parts the value has; with “!” those that it must have */
} TestWireKey;

const char        *test_wire_model_get_carried (const char *nick);
const TestWireKey *test_wire_model_get_key     (const char *where,
                                                const char *name);
gboolean           test_wire_model_carries     (const char *carried,
                                                const char *name,
                                                gboolean   *required);
guint              test_wire_model_get_n_keys  (const char *where);
gboolean           test_wire_model_accepts     (GVariant   *variant);

/* (transfer full): @variant with a change or two: not of its bytes, but of what they mean. */
GVariant          *test_wire_model_mutate      (GVariant   *variant,
                                                GRand      *rand);

G_END_DECLS
