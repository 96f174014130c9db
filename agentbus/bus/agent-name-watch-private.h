/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * The watches of names: functions to call when a name appears on the bus, and when it vanishes.
 *
 * A watch is called in the main context that was the thread default when it was added, with the state of that moment first.
 * After that the two functions are called in turn: so what is still to be told is only a number, and a context that sleeps
 * keeps nothing else.
 *
 * The directory calls appeared(), vanished() and all_vanished() with its own lock held, so that no change falls between two
 * others. Nothing of the application runs there. All functions may be called in any thread.
 */
typedef struct _AgentNameWatches AgentNameWatches;

typedef void (*AgentNameFunc) (gpointer    data,
                               const char *name,
                               gboolean    appeared);

AgentNameWatches *_agent_name_watches_new          (void);
AgentNameWatches *_agent_name_watches_ref          (AgentNameWatches *self);
void              _agent_name_watches_unref        (AgentNameWatches *self);
guint             _agent_name_watches_add          (AgentNameWatches *self,
                                                    const char       *name,
                                                    gboolean          is_there,
                                                    AgentNameFunc     func,
                                                    gpointer          data,
                                                    GDestroyNotify    destroy);
gboolean          _agent_name_watches_remove       (AgentNameWatches *self,
                                                    guint             id);
void              _agent_name_watches_appeared     (AgentNameWatches *self,
                                                    const char       *name);
void              _agent_name_watches_vanished     (AgentNameWatches *self,
                                                    const char       *name);
void              _agent_name_watches_all_vanished (AgentNameWatches *self);
void              _agent_name_watches_close        (AgentNameWatches *self);

G_END_DECLS
