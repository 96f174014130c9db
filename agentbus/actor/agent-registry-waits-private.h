/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * Who waits until peers of some names are all there. Everything happens in the context of the registry. An end of a wait
 * may call the application.
 */
typedef struct _AgentRegistryWaits AgentRegistryWaits;

typedef gboolean (*AgentRegistryHasFunc) (gpointer    registry,
                                          const char *name);

AgentRegistryWaits *_agent_registry_waits_new      (GMainContext         *context,
                                                    AgentRegistryHasFunc  has);
void                _agent_registry_waits_free     (AgentRegistryWaits   *self);
void                _agent_registry_waits_add      (AgentRegistryWaits   *self,
                                                    const char * const   *names,
                                                    guint                 timeout,
                                                    GTask                *task);
GPtrArray *         _agent_registry_waits_appeared (AgentRegistryWaits   *self,
                                                    const char           *name);
void                _agent_registry_waits_return   (GPtrArray            *done);
void                _agent_registry_waits_vanished (AgentRegistryWaits   *self,
                                                    const char           *name);
void                _agent_registry_waits_close    (AgentRegistryWaits   *self);

G_END_DECLS
