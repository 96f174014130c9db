/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "trainer.h"
#include "worker.h"

G_BEGIN_DECLS

/*
 * Hires and dismisses workers while the actors go on asking, and says which worker serves an actor. Or it takes workers of
 * other processes as they come and go.
 */
typedef struct _Staff Staff;

Staff     *staff_new           (AgentRunner           *runner,
                                AgentRouterDispatcher *dispatcher,
                                Trainer              **trainers,
                                guint                  n_actors) G_GNUC_WARN_UNUSED_RESULT;
void       staff_free          (Staff                 *self);
gboolean   staff_open          (Staff                 *self,
                                guint                  n_workers,
                                GError               **error);
gboolean   staff_await         (Staff                 *self,
                                guint                  n_workers,
                                GError               **error);
void       staff_publish       (Staff                 *self,
                                guint                  team);
void       staff_change        (Staff                 *self,
                                guint                  occasion);
guint      staff_get_n_present (Staff                 *self);
GPtrArray *staff_get_workers   (Staff                 *self);
void       staff_close         (Staff                 *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Staff, staff_free)

G_END_DECLS
