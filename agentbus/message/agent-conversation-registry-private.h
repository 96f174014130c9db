/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/*
 * Which conversations live in this process, by id. The registry keeps none of them alive.
 *
 * To get a reference on an object runs code of its scripting language, so it is got with no lock held. A thread that finds an
 * object that is being finalised forgets it, and goes on as if there had been none.
 *
 * All functions may be called in any thread.
 */

gpointer _agent_conversation_registry_get    (const char *id);
gboolean _agent_conversation_registry_add    (const char *id,
                                              gpointer    conversation);
void     _agent_conversation_registry_remove (const char *id,
                                              gpointer    conversation);

G_END_DECLS
