/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-message-private.h"

G_BEGIN_DECLS

/* Threads that ask for the forms of the payload of one message at the same time. */

typedef struct
{
  gconstpointer text;
  gconstpointer value;
} TestForms;

/* Asks @message for its forms in an order of its own. */
typedef TestForms (*TestRaceFunc) (AgentMessage *message,
                                   guint         thread,
                                   guint         round);

void test_race_forms (GPtrArray   *messages,
                      guint        n_threads,
                      TestRaceFunc func);

G_END_DECLS
