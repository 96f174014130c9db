/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * A GTask that waits for something that has no deadline of its own, such as the end of a task. A GTask alone returns only when
 * that has come, also if its cancellable is cancelled before.
 *
 * The one who has it calls end() once. All functions may be called in any thread, with no lock held, if nothing else is said.
 */
typedef struct _AgentPatient AgentPatient;

AgentPatient *_agent_patient_new (GTask        *task);
GTask        *_agent_patient_end (AgentPatient *self);

G_END_DECLS
