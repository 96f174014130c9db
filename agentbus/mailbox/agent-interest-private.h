/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Which broadcasts a subscriber takes: the names of messages, and the patterns for topics. It has no lock: who owns it says
 * which lock guards it.
 */
typedef struct
{
  GStrv       accepts;  /* (owned) (nullable) names of messages, each once; NULL for all */
  GHashTable *patterns; /* (owned) (nullable) set of char * (owned) */
} AgentInterest;

AgentInterest *_agent_interest_new            (void);
void           _agent_interest_free           (AgentInterest      *self);
gboolean       _agent_interest_set_accepts    (AgentInterest      *self,
                                               const char * const *accepts);
gboolean       _agent_interest_add_pattern    (AgentInterest      *self,
                                               const char         *pattern);
gboolean       _agent_interest_remove_pattern (AgentInterest      *self,
                                               const char         *pattern);
GStrv          _agent_interest_list_patterns  (AgentInterest      *self);

G_END_DECLS
