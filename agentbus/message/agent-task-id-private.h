/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * The ids of the tasks that this process asks for. They have the form of a UUID: the first 20 hexadecimal digits are random,
 * and the same for all ids of the process; the last 12 are a counter. So whoever gets an answer sees from the id alone whether
 * the task was asked for here, and which one it was.
 *
 * All functions may be called in any thread.
 */

/* With the final 0. */
#define AGENT_TASK_ID_SIZE 37

void     _agent_task_id_next       (char        buffer[AGENT_TASK_ID_SIZE]);
char    *_agent_task_id_dup_name    (const char *kind,
                                     guint       number);
gboolean _agent_task_id_is_ours    (const char *id);
guint64  _agent_task_id_get_number (const char *id);

G_END_DECLS
