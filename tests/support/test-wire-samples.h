/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-wire-private.h"

G_BEGIN_DECLS

/*
 * Messages of each type with each field that the tables of the wire form have. A field without a sample fails the test that asks
 * for it, so a test that is driven by the tables notices each new row.
 */

GVariant *test_wire_make_sample (const char           *where,
                                 const char           *key);
GVariant *test_wire_make_fields (const AgentWireTable *table,
                                 guint32               type,
                                 const char           *where,
                                 gboolean              full,
                                 const AgentWireField *more);
GVariant *test_wire_make        (const char           *nick,
                                 GVariant             *fields);

G_END_DECLS
