/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib-object.h>

#include "router/agent-deadline-heap-private.h"

G_BEGIN_DECLS

/*
 * What has to be done in a context, and when: the appointments of all actors and tasks of that context. All of them share one
 * timer, since a main loop walks all its sources in each iteration.
 *
 * An appointment lies in an object, and the agenda holds a reference to the object as long as the appointment is in it. When
 * the time has come, the agenda takes the appointment out and calls its function, in the context.
 *
 * All functions may be called in any thread, with no lock held, if nothing else is said.
 */
typedef struct _AgentAgenda      AgentAgenda;
typedef struct _AgentAppointment AgentAppointment;

/* As soon as the context is iterated. */
#define AGENT_AGENDA_NOW   G_GINT64_CONSTANT (0)
#define AGENT_AGENDA_NEVER G_MAXINT64

typedef void (*AgentAppointmentFunc) (gpointer object);

struct _AgentAppointment
{
  AgentDeadline        deadline; /* (agenda's lock) */
  gpointer             object;   /* (agenda's lock) (owned) (nullable) NULL while the appointment is in no agenda */
  AgentAppointmentFunc func;     /* (agenda's lock) */
};

AgentAgenda *_agent_agenda_get    (GMainContext        *context);
void         _agent_agenda_put    (AgentAgenda         *self);
void         _agent_agenda_add    (AgentAgenda         *self,
                                   AgentAppointment    *appointment,
                                   gpointer             object,
                                   AgentAppointmentFunc func,
                                   gint64               time);
gboolean     _agent_agenda_remove (AgentAgenda         *self,
                                   AgentAppointment    *appointment);

/* May be called with locks held. */
gboolean     _agent_agenda_move   (AgentAgenda         *self,
                                   AgentAppointment    *appointment,
                                   gint64               time);

G_END_DECLS
