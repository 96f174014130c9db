/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-agenda-private.h"
#include "base/agent-container-private.h"
#include "base/agent-timer-source-private.h"

/* How many appointments are kept in one dispatch. The other sources of the context are dispatched before the next ones. */
#define BATCH 256

struct _AgentAgenda
{
  gatomicrefcount   ref_count;
  guint             n_users; /* (agendas) */
  GMainContext     *context;
  GMutex            lock;
  AgentTimerSource *timer;     /* (lock) (nullable) NULL once the last user has gone */
  gint64            timer_due; /* (lock) for when it is set */
  guint64           n_now;     /* (lock) how many appointments were made for AGENT_AGENDA_NOW */
  AgentDeadlineHeap heap;      /* (lock) */
};

/* The agendas by context. */
G_LOCK_DEFINE_STATIC (agendas);
static GHashTable *agendas;

static void
agenda_unref (gpointer data)
{
  AgentAgenda *self = data;

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  _agent_deadline_heap_clear (&self->heap);
  g_mutex_clear (&self->lock);
  g_free (self);
}

static void
agenda_set_timer_locked (AgentAgenda *self)
{
  AgentDeadline *first = _agent_deadline_heap_peek (&self->heap);
  gint64         due = first != NULL ? first->time : AGENT_AGENDA_NEVER;

  if (due == self->timer_due || self->timer == NULL)
    return;

  self->timer_due = due;
  _agent_timer_source_set_time (self->timer, due == AGENT_AGENDA_NEVER ? -1 : MAX (due, 0));
}

/* What is to be done as soon as possible is done in the order in which it was asked for, and the heap keeps no order among
 * equal times. So each of these gets a time of its own, which is long over. */
static void
agenda_insert_locked (AgentAgenda      *self,
                      AgentAppointment *appointment,
                      gint64            time)
{
  appointment->deadline.time = time == AGENT_AGENDA_NOW ? G_MININT64 + (gint64) self->n_now++ : time;
  _agent_deadline_heap_add (&self->heap, &appointment->deadline);
  agenda_set_timer_locked (self);
}

/* Takes out an appointment that is due. Another thread may make it anew as soon as it is out. FALSE: there is none.
 *
 * @object: (out) (transfer full) */
static gboolean
agenda_take_due (AgentAgenda          *self,
                 gint64                now,
                 gpointer             *object,
                 AgentAppointmentFunc *func)
{
  AgentAppointment *due;
  AgentDeadline    *first;
  gboolean          found;

  g_mutex_lock (&self->lock);
  first = _agent_deadline_heap_peek (&self->heap);
  found = first != NULL && first->time <= now;
  if (found)
    {
      due = AGENT_CONTAINER_OF (first, AgentAppointment, deadline);
      _agent_deadline_heap_remove (&self->heap, first);
      *object = g_steal_pointer (&due->object);
      *func = due->func;
    }
  agenda_set_timer_locked (self);
  g_mutex_unlock (&self->lock);

  return found;
}

static void
agenda_dispatch (gpointer data,
                 gint64   now)
{
  AgentAgenda         *self = data;
  AgentAppointmentFunc func;
  gpointer             object;

  for (guint i = 0; i < BATCH && agenda_take_due (self, now, &object, &func); i++)
    {
      func (object);
      g_object_unref (object);
    }
}

static AgentAgenda *
agenda_new (GMainContext *context)
{
  AgentAgenda *self = g_new0 (AgentAgenda, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->context = context;
  g_mutex_init (&self->lock);
  _agent_deadline_heap_init (&self->heap);
  self->timer_due = AGENT_AGENDA_NEVER;
  self->timer = _agent_timer_source_new (context, "[agentbus] actors", agenda_dispatch, self, agenda_unref);

  /* A handler may iterate the context until another task has ended. */
  _agent_timer_source_allow_nesting (self->timer);

  return self;
}

/* Returns the agenda of @context for one more user, who calls put() at the end. */
AgentAgenda *
_agent_agenda_get (GMainContext *context)
{
  AgentAgenda *self;

  G_LOCK (agendas);
  if (agendas == NULL)
    agendas = g_hash_table_new (NULL, NULL);
  self = g_hash_table_lookup (agendas, context);
  if (self == NULL)
    {
      self = agenda_new (context);
      g_hash_table_insert (agendas, context, self);
    }
  self->n_users++;
  G_UNLOCK (agendas);

  return self;
}

/* @self has one user less. Precondition: the user has no appointment in it. */
void
_agent_agenda_put (AgentAgenda *self)
{
  AgentTimerSource *timer = NULL;

  G_LOCK (agendas);
  if (--self->n_users == 0)
    {
      g_hash_table_remove (agendas, self->context);
      g_mutex_lock (&self->lock);
      timer = g_steal_pointer (&self->timer);
      g_mutex_unlock (&self->lock);
    }
  G_UNLOCK (agendas);

  if (timer != NULL)
    _agent_timer_source_free (timer);
}

/* Adds an appointment, or changes the time of one that is in the agenda. */
void
_agent_agenda_add (AgentAgenda         *self,
                   AgentAppointment    *appointment,
                   gpointer             object,
                   AgentAppointmentFunc func,
                   gint64               time)
{
  gpointer unused = NULL;

  g_object_ref (object);
  g_mutex_lock (&self->lock);
  if (appointment->object != NULL)
    {
      _agent_deadline_heap_remove (&self->heap, &appointment->deadline);
      unused = object;
    }
  appointment->object = object;
  appointment->func = func;
  agenda_insert_locked (self, appointment, time);
  g_mutex_unlock (&self->lock);

  g_clear_object (&unused);
}

/* Changes the time of an appointment. FALSE: it is not in the agenda. */
gboolean
_agent_agenda_move (AgentAgenda      *self,
                    AgentAppointment *appointment,
                    gint64            time)
{
  gboolean moved;

  g_mutex_lock (&self->lock);
  moved = appointment->object != NULL;
  if (moved)
    {
      _agent_deadline_heap_remove (&self->heap, &appointment->deadline);
      agenda_insert_locked (self, appointment, time);
    }
  g_mutex_unlock (&self->lock);

  return moved;
}

/* Takes an appointment out. FALSE: it is not in the agenda, or its function is being called. */
gboolean
_agent_agenda_remove (AgentAgenda      *self,
                      AgentAppointment *appointment)
{
  gpointer object;

  g_mutex_lock (&self->lock);
  object = g_steal_pointer (&appointment->object);
  if (object != NULL)
    {
      _agent_deadline_heap_remove (&self->heap, &appointment->deadline);
      agenda_set_timer_locked (self);
    }
  g_mutex_unlock (&self->lock);

  if (object != NULL)
    g_object_unref (object);
  return object != NULL;
}
