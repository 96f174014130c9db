/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

/*
 * What the cases of story.c are told with. Each gets a bus and a dispatcher of its own. What handlers and calls tell is
 * compared, and what signals report.
 */

#define OFFERED "offered delivered queued"
#define ACCEPTED "accepted dispatched parked expired"

/* As printf() does. */
#define tell(...) add_words (told, __VA_ARGS__)
#define report(...) add_words (reported, __VA_ARGS__)

extern GString *told, *reported;

typedef struct
{
  AgentBus              *bus;
  AgentRouteTable       *routes;
  AgentRouterDispatcher *dispatcher;
  GAsyncResult          *result;
  AgentActor            *boss;
  AgentActor            *worker;
  AgentJob              *job;
} Story;

void             add_case     (const char      *path,
                               void           (*func) (Story *story));
void             add_words    (GString         *text,
                               const char      *format,
                               ...) G_GNUC_PRINTF (2, 3);
void             wait_turn    (void);
void             expect       (const char      *words,
                               const char      *reports);
void             wait_report  (void);
void             keep_result  (GObject         *object,
                               GAsyncResult    *result,
                               gpointer         story);
GAsyncResult    *wait_result  (Story           *story);
void             attempt      (const char      *words,
                               AgentBusError    code,
                               gboolean         done,
                               GError         **error);
const char      *word         (AgentMessage    *message);
AgentMessage    *update       (const char      *target,
                               guint            number);
AgentSubscriber *add_worker   (Story           *story,
                               const char      *name,
                               guint            capacity,
                               AgentOverflow    overflow);
void             add_member   (Story           *story,
                               const char      *name,
                               const char      *group);
void             send_updates (Story           *story,
                               const char      *target,
                               guint            first,
                               guint            last);
void             dispatch     (Story           *story,
                               AgentMessage    *message);
gboolean         try_dispatch (Story           *story,
                               AgentMessage    *message,
                               GError         **error);
void             add_actors   (Story           *story);
AgentTask       *request      (Story           *story,
                               const char      *target,
                               const char      *name,
                               gint             number);
guint64          lookup       (GVariant        *statistics,
                               const char      *key);
void             tell_balance (GVariant        *statistics,
                               const char      *keys);

G_END_DECLS
