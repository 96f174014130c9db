/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-conversation-registry-private.h"

#include "base/agent-string-hash-private.h"

typedef struct
{
  GWeakRef      object;
  gconstpointer address; /* of the object; only compared */
} Entry;

/* Guards the table, and nothing else. */
static GMutex      registry_lock;
static GHashTable *registry_entries; /* (lock) (nullable) id → Entry; NULL while it is empty */

static void
registry_clear_entry (gpointer data)
{
  Entry *entry = data;

  g_weak_ref_clear (&entry->object);
}

static void
registry_unref_entry (gpointer data)
{
  g_atomic_rc_box_release_full (data, registry_clear_entry);
}

static Entry *
registry_new_entry (gpointer conversation)
{
  Entry *entry = g_atomic_rc_box_new0 (Entry);

  g_weak_ref_init (&entry->object, conversation);
  entry->address = conversation;
  return entry;
}

/* Returns the entry of @id, which is not in the table any more: (transfer full) (nullable). */
static Entry *
registry_steal_locked (const char   *id,
                       gconstpointer address,
                       char        **key)
{
  Entry *entry = registry_entries != NULL ? g_hash_table_lookup (registry_entries, id) : NULL;

  if (entry == NULL || entry->address != address)
    return NULL;

  g_hash_table_steal_extended (registry_entries, id, (gpointer *) key, NULL);
  if (g_hash_table_size (registry_entries) == 0)
    g_clear_pointer (&registry_entries, g_hash_table_unref);
  return entry;
}

/* Does nothing if another conversation has taken the place. */
static void
registry_forget (const char   *id,
                 gconstpointer address)
{
  g_autofree char *key = NULL;
  Entry           *entry;

  g_mutex_lock (&registry_lock);
  entry = registry_steal_locked (id, address, &key);
  g_mutex_unlock (&registry_lock);

  g_clear_pointer (&entry, registry_unref_entry);
}

/* (transfer full) (nullable) */
static Entry *
registry_ref_entry (const char *id)
{
  Entry *entry;

  g_mutex_lock (&registry_lock);
  entry = registry_entries != NULL ? g_hash_table_lookup (registry_entries, id) : NULL;
  if (entry != NULL)
    g_atomic_rc_box_acquire (entry);
  g_mutex_unlock (&registry_lock);

  return entry;
}

/* The conversation of @id: (transfer full) (nullable). */
gpointer
_agent_conversation_registry_get (const char *id)
{
  Entry   *entry = registry_ref_entry (id);
  gpointer conversation;

  if (entry == NULL)
    return NULL;

  conversation = g_weak_ref_get (&entry->object);
  if (conversation == NULL)
    registry_forget (id, entry->address);

  registry_unref_entry (entry);
  return conversation;
}

/* FALSE: there is another one with this id. */
gboolean
_agent_conversation_registry_add (const char *id,
                                  gpointer    conversation)
{
  Entry   *entry = registry_new_entry (conversation);
  gboolean added;

  g_mutex_lock (&registry_lock);
  if (registry_entries == NULL)
    registry_entries = g_hash_table_new_full (_agent_string_hash_func, g_str_equal, g_free, registry_unref_entry);
  added = !g_hash_table_contains (registry_entries, id);
  if (added)
    g_hash_table_insert (registry_entries, g_strdup (id), g_steal_pointer (&entry));
  g_mutex_unlock (&registry_lock);

  g_clear_pointer (&entry, registry_unref_entry);
  return added;
}

/* For a conversation that is being finalised: no thread can get it any more. */
void
_agent_conversation_registry_remove (const char *id,
                                     gpointer    conversation)
{
  registry_forget (id, conversation);
}
