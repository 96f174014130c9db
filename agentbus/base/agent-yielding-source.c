/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-source-private.h"
#include "base/agent-yielding-source-private.h"

/* Whether the main source takes the iteration to come, though its ready time does not say so. */
typedef enum
{
  TURN_NONE,
  TURN_PASS, /* the polite source may have it */
  TURN_TAKE, /* it did not get it */
} Turn;

/* What both sources share, and outlives neither. */
typedef struct
{
  gint                ref_count; /* (atomic) */
  gint                turn;      /* (atomic) */
  gint                urgent;    /* (atomic) */
  guint               depth;     /* (the context's thread) how many calls of @func are under way */
  AgentYieldingFunc   func;
  AgentYieldingNested nested; /* (nullable) */
  gpointer            data;
  GDestroyNotify      destroy;
} Shared;

typedef struct
{
  GSource base;
  Shared *shared;
} YieldingGSource;

struct _AgentYieldingSource
{
  GMainContext *context;
  const char   *name;
  Shared       *shared;
  GSource      *main_source;
  GSource      *polite_source; /* (nullable) */
};

static void
shared_unref (Shared *shared)
{
  if (!g_atomic_int_dec_and_test (&shared->ref_count))
    return;

  shared->destroy (shared->data);
  g_free (shared);
}

/* Whether the application iterates the context from within the callback, and that has nothing to do there. */
static gboolean
is_nested_in_vain (Shared *shared)
{
  return shared->depth > 0 && (shared->nested == NULL || !shared->nested (shared->data));
}

/* GLib asks here at the start of each iteration. */
static gboolean
main_source_prepare (GSource *source,
                     gint    *timeout)
{
  Shared *shared = ((YieldingGSource *) source)->shared;
  gint    turn;

  *timeout = -1;
  if (is_nested_in_vain (shared))
    return FALSE;

  turn = g_atomic_int_get (&shared->turn);
  if (g_atomic_int_get (&shared->urgent) || turn == TURN_TAKE || (shared->depth > 0 && turn == TURN_NONE))
    return TRUE;

  g_atomic_int_compare_and_exchange (&shared->turn, TURN_PASS, TURN_TAKE);
  return FALSE;
}

/* And here when the context has slept. What nested() found to do was said before; since then, only urgent things come. */
static gboolean
main_source_check (GSource *source)
{
  Shared *shared = ((YieldingGSource *) source)->shared;

  return g_atomic_int_get (&shared->urgent) && (shared->depth == 0 || shared->nested != NULL);
}

static gboolean
yielding_source_dispatch (GSource    *source,
                          GSourceFunc callback,
                          gpointer    user_data)
{
  Shared *shared = ((YieldingGSource *) source)->shared;

  shared->depth++;
  shared->func (shared->data);
  shared->depth--;
  return G_SOURCE_CONTINUE;
}

static void
yielding_source_finalize (GSource *source)
{
  shared_unref (((YieldingGSource *) source)->shared);
}

static GSourceFuncs main_source_funcs = {
  .prepare = main_source_prepare,
  .check = main_source_check,
  .dispatch = yielding_source_dispatch,
  .finalize = yielding_source_finalize,
};

static GSourceFuncs polite_source_funcs = {
  .dispatch = yielding_source_dispatch,
  .finalize = yielding_source_finalize,
};

static GSource *
add_source (AgentYieldingSource *self,
            GSourceFuncs        *funcs,
            gint                 priority,
            gint64               ready_time)
{
  GSource *source = g_source_new (funcs, sizeof (YieldingGSource));

  g_atomic_int_inc (&self->shared->ref_count);
  ((YieldingGSource *) source)->shared = self->shared;
  g_source_set_static_name (source, self->name);
  g_source_set_priority (source, priority);
  g_source_set_ready_time (source, ready_time);
  g_source_set_can_recurse (source, self->shared->nested != NULL);
  g_source_attach (source, self->context);

  return source;
}

/* @name is static. @nested: (nullable) see AgentYieldingNested. Who calls this keeps @context until free(): no GSource may
 * be touched after its context is gone. @destroy may be called later than free() returns, when a dispatch is over. */
AgentYieldingSource *
_agent_yielding_source_new (GMainContext       *context,
                            const char         *name,
                            AgentYieldingFunc   func,
                            AgentYieldingNested nested,
                            gpointer            data,
                            GDestroyNotify      destroy)
{
  AgentYieldingSource *self = g_new0 (AgentYieldingSource, 1);

  self->context = context;
  self->name = name;
  self->shared = g_new0 (Shared, 1);
  self->shared->ref_count = 1;
  self->shared->func = func;
  self->shared->nested = nested;
  self->shared->data = data;
  self->shared->destroy = destroy;
  self->main_source = add_source (self, &main_source_funcs, G_PRIORITY_DEFAULT, -1);

  return self;
}

/* With no lock of the owner held. */
void
_agent_yielding_source_free (AgentYieldingSource *self)
{
  _agent_source_clear (&self->main_source);
  _agent_source_clear (&self->polite_source);
  shared_unref (self->shared);
  g_free (self);
}

/* The callback runs, and has taken notice: it is called again when one of the other functions says so. */
void
_agent_yielding_source_begin (AgentYieldingSource *self)
{
  g_atomic_int_set (&self->shared->turn, TURN_NONE);
  g_atomic_int_set (&self->shared->urgent, FALSE);
  _agent_source_clear (&self->polite_source);
}

/* The flag is set before the wakeup: a context that sleeps looks at it afterwards, and one that does not sleep looks at it
 * before it does. It is woken up even if the flag was set: who set it may have been stopped before the wakeup. */
void
_agent_yielding_source_be_urgent (AgentYieldingSource *self)
{
  g_atomic_int_set (&self->shared->urgent, TRUE);
  g_main_context_wakeup (self->context);
}

void
_agent_yielding_source_be_polite (AgentYieldingSource *self)
{
  g_atomic_int_set (&self->shared->turn, TURN_PASS);
  g_atomic_int_set (&self->shared->urgent, FALSE);
  if (self->polite_source == NULL)
    self->polite_source = add_source (self, &polite_source_funcs, G_PRIORITY_DEFAULT_IDLE, 0);
}

void
_agent_yielding_source_rest (AgentYieldingSource *self)
{
  _agent_yielding_source_begin (self);
}
