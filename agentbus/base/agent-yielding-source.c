/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-source-private.h"
#include "base/agent-yielding-source-private.h"

/* What the main source knows of the polite source at the start of an iteration. */
typedef enum
{
  POLITE_NONE,   /* there is no polite source */
  POLITE_WAITS,  /* it is new, and may be dispatched in this iteration */
  POLITE_MISSED, /* it was not dispatched in an iteration, so the main source takes this one */
} YieldingPolite;

/* What both sources share. Each of them holds a reference, and so does the AgentYieldingSource. */
typedef struct
{
  gatomicrefcount     ref_count;
  gint                polite; /* (atomic) a YieldingPolite */
  gint                urgent; /* (atomic) */
  guint               depth;  /* (the context's thread) how many calls of @func are under way */
  AgentYieldingFunc   func;
  AgentYieldingNested nested; /* (nullable) */
  AgentYieldingFunc   look;   /* (nullable) */
  gint                looks;  /* (atomic) whether to call @look before each sleep */
  gpointer            data;
  GDestroyNotify      destroy;
} YieldingShared;

typedef struct
{
  GSource         base;
  YieldingShared *shared;
} YieldingGSource;

struct _AgentYieldingSource
{
  GMainContext   *context;
  const char     *name;
  gint            priority;
  YieldingShared *shared;
  GSource        *main_source;
  GSource        *polite_source; /* (nullable) */
};

static void
yielding_shared_unref (YieldingShared *shared)
{
  if (!g_atomic_ref_count_dec (&shared->ref_count))
    return;

  shared->destroy (shared->data);
  g_free (shared);
}

/* Whether the application iterates the context from within the callback, and the callback has nothing to do in that. */
static gboolean
yielding_shared_is_nested_in_vain (YieldingShared *shared)
{
  return shared->depth > 0 && (shared->nested == NULL || !shared->nested (shared->data));
}

/* GLib calls this at the start of each iteration, before the context sleeps. */
static gboolean
yielding_main_prepare (GSource *source,
                       gint    *timeout)
{
  YieldingShared *shared = ((YieldingGSource *) source)->shared;
  gint            polite;

  *timeout = -1;
  if (G_UNLIKELY (g_atomic_int_get (&shared->looks)))
    shared->look (shared->data);
  if (yielding_shared_is_nested_in_vain (shared))
    return FALSE;

  /* While the callback runs, begin() has reset both flags, and only nested() has told that there is work. */
  polite = g_atomic_int_get (&shared->polite);
  if (g_atomic_int_get (&shared->urgent) || polite == POLITE_MISSED || (shared->depth > 0 && polite == POLITE_NONE))
    return TRUE;

  g_atomic_int_compare_and_exchange (&shared->polite, POLITE_WAITS, POLITE_MISSED);
  return FALSE;
}

/* GLib calls this after the context has slept. prepare() has called nested() already, so this only looks whether
 * be_urgent() was called during the sleep. */
static gboolean
yielding_main_check (GSource *source)
{
  YieldingShared *shared = ((YieldingGSource *) source)->shared;

  return g_atomic_int_get (&shared->urgent) && (shared->depth == 0 || shared->nested != NULL);
}

static gboolean
yielding_source_dispatch (GSource    *source,
                          GSourceFunc callback,
                          gpointer    user_data)
{
  YieldingShared *shared = ((YieldingGSource *) source)->shared;

  shared->depth++;
  shared->func (shared->data);
  shared->depth--;
  return G_SOURCE_CONTINUE;
}

static void
yielding_source_finalize (GSource *source)
{
  yielding_shared_unref (((YieldingGSource *) source)->shared);
}

static GSourceFuncs yielding_main_funcs = {
  .prepare = yielding_main_prepare,
  .check = yielding_main_check,
  .dispatch = yielding_source_dispatch,
  .finalize = yielding_source_finalize,
};

static GSourceFuncs yielding_polite_funcs = {
  .dispatch = yielding_source_dispatch,
  .finalize = yielding_source_finalize,
};

static GSource *
yielding_source_add (AgentYieldingSource *self,
                     GSourceFuncs        *funcs,
                     gint                 priority,
                     gint64               ready_time)
{
  GSource *source = g_source_new (funcs, sizeof (YieldingGSource));

  g_atomic_ref_count_inc (&self->shared->ref_count);
  ((YieldingGSource *) source)->shared = self->shared;
  g_source_set_static_name (source, self->name);
  g_source_set_priority (source, priority);
  g_source_set_ready_time (source, ready_time);
  g_source_set_can_recurse (source, self->shared->nested != NULL);
  g_source_attach (source, self->context);

  return source;
}

/* @context: the caller holds a reference until it has called free(), as a GSource must not be used after its context is
 * freed. @name: a static string. @nested: (nullable): see AgentYieldingNested. @look: (nullable):
 * see set_looks(). @destroy: called by free(), or at the
 * end of the dispatch if one is under way. */
AgentYieldingSource *
_agent_yielding_source_new (GMainContext       *context,
                            const char         *name,
                            gint                priority,
                            AgentYieldingFunc   func,
                            AgentYieldingNested nested,
                            AgentYieldingFunc   look,
                            gpointer            data,
                            GDestroyNotify      destroy)
{
  AgentYieldingSource *self = g_new0 (AgentYieldingSource, 1);

  self->context = context;
  self->name = name;
  self->priority = priority;
  self->shared = g_new0 (YieldingShared, 1);
  g_atomic_ref_count_init (&self->shared->ref_count);
  self->shared->func = func;
  self->shared->nested = nested;
  self->shared->look = look;
  self->shared->data = data;
  self->shared->destroy = destroy;
  self->main_source = yielding_source_add (self, &yielding_main_funcs, priority, -1);

  return self;
}

/* Must be called with no lock of the owner held, as @destroy may be called here. */
void
_agent_yielding_source_free (AgentYieldingSource *self)
{
  _agent_source_clear (&self->main_source);
  _agent_source_clear (&self->polite_source);
  yielding_shared_unref (self->shared);
  g_free (self);
}

/* Called by the callback at its start. It is not called again until be_urgent() or be_polite() is called. */
void
_agent_yielding_source_begin (AgentYieldingSource *self)
{
  g_atomic_int_set (&self->shared->polite, POLITE_NONE);
  g_atomic_int_set (&self->shared->urgent, FALSE);
  _agent_source_clear (&self->polite_source);
}

/* The flag is set before the wakeup. A context that sleeps wakes up and then reads the flag; a context that does not
 * sleep reads the flag before it sleeps. The wakeup is needed even if the flag is set already: the thread that set it
 * may have been stopped before its own wakeup. */
void
_agent_yielding_source_be_urgent (AgentYieldingSource *self)
{
  g_atomic_int_set (&self->shared->urgent, TRUE);
  g_main_context_wakeup (self->context);
}

void
_agent_yielding_source_be_polite (AgentYieldingSource *self)
{
  g_atomic_int_set (&self->shared->polite, POLITE_WAITS);
  g_atomic_int_set (&self->shared->urgent, FALSE);
  if (self->polite_source == NULL)
    self->polite_source = yielding_source_add (self, &yielding_polite_funcs, MAX (self->priority, G_PRIORITY_DEFAULT_IDLE), 0);
}

/* From now on the look function is called at the start of each iteration of the context, or is not. */
void
_agent_yielding_source_set_looks (AgentYieldingSource *self,
                                  gboolean             looks)
{
  g_atomic_int_set (&self->shared->looks, looks);
}

void
_agent_yielding_source_rest (AgentYieldingSource *self)
{
  _agent_yielding_source_begin (self);
}
