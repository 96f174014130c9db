/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-exports-private.h"

#include "base/agent-source-private.h"
#include "link/agent-remote-private.h"

/* What was told of one subscriber. */
typedef struct
{
  AgentMailbox    *mailbox; /* (owned) */
  AgentMemberState state;   /* (owned) as it was told */
} Export;

struct _AgentExports
{
  AgentMailboxOwner *owner;     /* (owned) keeps the directory, also when the bus is gone */
  AgentDirectory    *directory; /* (unowned) */
  AgentExportsFunc   func;
  gpointer           data;
  GHashTable        *exports;  /* (owned) AgentMailbox → Export (owned) */
  GHashTable        *names;    /* (owned) char * (owned) → how many subscribers take broadcasts of this name */
  GHashTable        *patterns; /* (owned) char * (owned) → how many subscribers have this pattern */
  guint              n_all;    /* how many subscribers take all broadcasts */

  GMutex      lock;
  GHashTable *changed;     /* (lock) (owned) set of AgentMailbox (owned) */
  gint        has_changed; /* (atomic) */
  GSource    *source;      /* (owned) */
};

static void
export_free (gpointer data)
{
  Export *self = data;

  _agent_mailbox_unref (self->mailbox);
  _agent_member_state_clear (&self->state);
  g_free (self);
}

/* --- Names --- */

/* (transfer floating) */
static GVariant *
export_to_variant (const Export *self)
{
  const char *group = _agent_mailbox_get_group (self->mailbox);
  AgentInfo  *info = self->state.info;
  const char *parent = info != NULL ? agent_info_get_parent (info) : NULL;

  return g_variant_new ("(ssbssbbx)",
                        _agent_mailbox_get_name (self->mailbox),
                        group != NULL ? group : "",
                        info != NULL,
                        info != NULL ? agent_info_get_runner (info) : "",
                        parent != NULL ? parent : "",
                        info != NULL && agent_info_is_active (info),
                        info != NULL && agent_info_is_bridged (info),
                        info != NULL ? agent_info_get_started_at (info) : 0);
}

/* --- Which broadcasts are taken --- */

static void
exports_tell_interest (AgentExports     *self,
                       AgentInterestKind kind,
                       gboolean          taken,
                       const char       *text)
{
  self->func (self->data, AGENT_RECORD_INTEREST, g_variant_new ("(ybs)", (guint8) kind, taken, text));
}

static void
exports_count_all (AgentExports *self,
                   gint          change)
{
  guint before = self->n_all;

  self->n_all += change;
  if ((before == 0) != (self->n_all == 0))
    exports_tell_interest (self, AGENT_INTEREST_ALL, self->n_all > 0, "");
}

static void
exports_count (AgentExports     *self,
               GHashTable       *counts,
               AgentInterestKind kind,
               const char       *text,
               gint              change)
{
  gint before = GPOINTER_TO_INT (g_hash_table_lookup (counts, text));

  if (before + change == 0)
    g_hash_table_remove (counts, text);
  else
    g_hash_table_insert (counts, g_strdup (text), GINT_TO_POINTER (before + change));
  if ((before == 0) != (before + change == 0))
    exports_tell_interest (self, kind, before == 0, text);
}

/* @texts: (nullable) */
static void
exports_count_each (AgentExports     *self,
                    GHashTable       *counts,
                    AgentInterestKind kind,
                    GStrv             texts,
                    gint              change)
{
  for (guint i = 0; texts != NULL && texts[i] != NULL; i++)
    exports_count (self, counts, kind, texts[i], change);
}

static void
exports_count_state (AgentExports           *self,
                     const AgentMemberState *state,
                     gint                    change)
{
  if (!state->present)
    return;

  if (state->accepts == NULL)
    exports_count_all (self, change);
  exports_count_each (self, self->names, AGENT_INTEREST_NAME, state->accepts, change);
  exports_count_each (self, self->patterns, AGENT_INTEREST_PATTERN, state->patterns, change);
}

/* --- Changes --- */

static void
exports_remove (AgentExports *self,
                Export       *found)
{
  self->func (self->data, AGENT_RECORD_GONE, g_variant_new ("(s)", _agent_mailbox_get_name (found->mailbox)));
  exports_count_state (self, &found->state, -1);
  g_hash_table_remove (self->exports, found->mailbox);
}

/* Takes what is in @state. */
static void
exports_set (AgentExports     *self,
             AgentMailbox     *mailbox,
             AgentMemberState *state)
{
  Export          *found = g_hash_table_lookup (self->exports, mailbox);
  AgentMemberState before = { 0 };
  gboolean         is_new = found == NULL;

  if (is_new)
    {
      found = g_new0 (Export, 1);
      found->mailbox = _agent_mailbox_ref (mailbox);
      g_hash_table_insert (self->exports, mailbox, found);
    }
  before = found->state;
  found->state = *state;
  memset (state, 0, sizeof *state);

  if (is_new || before.info != found->state.info)
    self->func (self->data, AGENT_RECORD_NAME, export_to_variant (found));
  /* What is new comes first, so that nothing is told to be over that goes on. */
  exports_count_state (self, &found->state, 1);
  exports_count_state (self, &before, -1);
  _agent_member_state_clear (&before);
}

/* Subscribers of other nodes are told of by those. */
static gboolean
exports_is_local (AgentMailbox *mailbox)
{
  g_autoptr (GObject) subscriber = _agent_mailbox_dup_subscriber (mailbox);

  return subscriber != NULL && !AGENT_IS_REMOTE (subscriber);
}

static void
exports_look_at (AgentExports *self,
                 AgentMailbox *mailbox)
{
  AgentMemberState state;
  Export          *found = g_hash_table_lookup (self->exports, mailbox);

  _agent_directory_get_state (self->directory, mailbox, &state);
  if (state.present && (found != NULL || exports_is_local (mailbox)))
    exports_set (self, mailbox, &state);
  else if (found != NULL)
    exports_remove (self, found);
  _agent_member_state_clear (&state);
}

static GHashTable *
exports_new_set (void)
{
  return g_hash_table_new_full (NULL, NULL, (GDestroyNotify) _agent_mailbox_unref, NULL);
}

/* Those that have left come first, since another one may have the name now. */
static void
exports_look_at_all (AgentExports *self,
                     GHashTable   *changed)
{
  GHashTableIter iter;
  gpointer       mailbox;

  g_hash_table_iter_init (&iter, changed);
  while (g_hash_table_iter_next (&iter, &mailbox, NULL))
    {
      if (!g_hash_table_contains (self->exports, mailbox))
        continue;
      exports_look_at (self, mailbox);
      g_hash_table_iter_remove (&iter);
    }

  g_hash_table_iter_init (&iter, changed);
  while (g_hash_table_iter_next (&iter, &mailbox, NULL))
    exports_look_at (self, mailbox);
}

static gboolean
exports_dispatch (gpointer data)
{
  AgentExports *self = data;
  g_autoptr (GHashTable) changed = NULL;

  g_source_set_ready_time (self->source, -1);
  g_mutex_lock (&self->lock);
  changed = g_steal_pointer (&self->changed);
  g_atomic_int_set (&self->has_changed, FALSE);
  g_mutex_unlock (&self->lock);

  if (changed != NULL)
    exports_look_at_all (self, changed);
  return G_SOURCE_CONTINUE;
}

/* An AgentDirectoryFunc. */
static void
exports_on_changed (gpointer      data,
                    AgentMailbox *mailbox)
{
  AgentExports *self = data;

  g_mutex_lock (&self->lock);
  if (self->changed == NULL)
    self->changed = exports_new_set ();
  g_hash_table_add (self->changed, _agent_mailbox_ref (mailbox));
  g_atomic_int_set (&self->has_changed, TRUE);
  g_mutex_unlock (&self->lock);

  g_source_set_ready_time (self->source, 0);
}

/* --- The whole --- */

static gboolean
exports_source_dispatch (GSource    *source,
                         GSourceFunc callback,
                         gpointer    user_data)
{
  return callback (user_data);
}

static GSourceFuncs exports_source_funcs = { .dispatch = exports_source_dispatch };

AgentExports *
_agent_exports_new (GMainContext      *context,
                    AgentMailboxOwner *owner,
                    AgentExportsFunc   func,
                    gpointer           data)
{
  AgentExports *self = g_new0 (AgentExports, 1);

  self->owner = _agent_mailbox_owner_ref (owner);
  self->directory = owner->funcs->get_directory (owner);
  self->func = func;
  self->data = data;
  self->exports = g_hash_table_new_full (NULL, NULL, NULL, export_free);
  self->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->patterns = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_mutex_init (&self->lock);
  self->source = g_source_new (&exports_source_funcs, sizeof (GSource));
  g_source_set_static_name (self->source, "[agentbus] exports");
  g_source_set_callback (self->source, exports_dispatch, self, NULL);
  g_source_attach (self->source, context);

  return self;
}

void
_agent_exports_free (AgentExports *self)
{
  _agent_source_clear (&self->source);
  g_clear_pointer (&self->changed, g_hash_table_unref);
  g_hash_table_unref (self->exports);
  g_hash_table_unref (self->names);
  g_hash_table_unref (self->patterns);
  g_mutex_clear (&self->lock);
  _agent_mailbox_owner_unref (self->owner);
  g_free (self);
}

/* FALSE: somebody else tells of the directory. */
gboolean
_agent_exports_start (AgentExports *self)
{
  if (!_agent_directory_observe (self->directory, exports_on_changed, self))
    return FALSE;

  exports_dispatch (self);
  return TRUE;
}

/* Nothing is told any more. */
void
_agent_exports_stop (AgentExports *self)
{
  _agent_directory_unobserve (self->directory);
  g_source_set_ready_time (self->source, -1);
}

/* Tells of all changes up to now, before a message is sent whose source may have just come. */
void
_agent_exports_flush (AgentExports *self)
{
  if (G_UNLIKELY (g_atomic_int_get (&self->has_changed)))
    exports_dispatch (self);
}

static void
exports_list_counts (GHashTable       *counts,
                     AgentInterestKind kind,
                     AgentExportsFunc  func,
                     gpointer          data)
{
  GHashTableIter iter;
  gpointer       text;

  g_hash_table_iter_init (&iter, counts);
  while (g_hash_table_iter_next (&iter, &text, NULL))
    func (data, AGENT_RECORD_INTEREST, g_variant_new ("(ybs)", (guint8) kind, TRUE, text));
}

/* Tells everything that was told before, for a node that has just come. */
void
_agent_exports_list (AgentExports    *self,
                     AgentExportsFunc func,
                     gpointer         data)
{
  GHashTableIter iter;
  gpointer export;

  g_hash_table_iter_init (&iter, self->exports);
  while (g_hash_table_iter_next (&iter, NULL, &export))
    func (data, AGENT_RECORD_NAME, export_to_variant (export));

  if (self->n_all > 0)
    func (data, AGENT_RECORD_INTEREST, g_variant_new ("(ybs)", (guint8) AGENT_INTEREST_ALL, TRUE, ""));
  exports_list_counts (self->names, AGENT_INTEREST_NAME, func, data);
  exports_list_counts (self->patterns, AGENT_INTEREST_PATTERN, func, data);
}
