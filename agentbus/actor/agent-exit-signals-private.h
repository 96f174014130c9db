/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * SIGINT and SIGTERM, as long as a program is to end itself when they come. What they did before, they do again after that, and
 * after the second one.
 * One that the program ignores stays ignored. Where there is no Unix, nothing comes.
 *
 * All functions belong to the thread that owns the context.
 */
typedef struct _AgentExitSignals AgentExitSignals;

/* @n: how many have come, with this one */
typedef void (*AgentExitSignalFunc) (const char *name,
                                     guint       n,
                                     gpointer    user_data);

AgentExitSignals *_agent_exit_signals_new  (GMainContext       *context,
                                            AgentExitSignalFunc func,
                                            gpointer            user_data);
void              _agent_exit_signals_free (AgentExitSignals   *self);

G_END_DECLS
