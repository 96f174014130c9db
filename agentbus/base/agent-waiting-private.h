/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * A GTask that waits for something, with a deadline and a cancellable.
 *
 * A type that waits has an AgentWaiting as its first member. It may be told in any thread that the waiting is over, and its
 * deadline may come at the same time: end() returns TRUE for one of the two only.
 *
 * A cancellable ends the task, but not what the task has waited for: that goes on under the same deadline. The deadline
 * is kept in the context of the task as long as there is a task, for the caller has to iterate that. When the task is
 * cancelled, or if there is none from the start, the deadline is kept in the fallback context.
 *
 * All functions may be called in any thread, with no lock held that a callback of a GTask or the functions below want.
 */
typedef struct _AgentWaiting AgentWaiting;

typedef struct
{
  /* The deadline has come. In the context that keeps it, with no lock held, once. The function has to call end(), which says
   * whether something else was quicker. */
  void (*timed_out) (AgentWaiting *self);

  /* The last reference is gone: frees what the type has added, but not the struct. */
  void (*clear)     (AgentWaiting *self);
} AgentWaitingFuncs;

struct _AgentWaiting
{
  gatomicrefcount          ref_count;
  const AgentWaitingFuncs *funcs;
  const char              *name;      /* static: of the timer's source */
  guint                    timeout;   /* ms */
  gint64                   due;       /* µs of the monotonic time that GLib's timers go by */
  GMainContext            *fallback;  /* (owned) */

  GMutex                   lock;
  GSource                 *timer;     /* (lock) (owned) (nullable) the deadline */
  GMainContext            *context;   /* (lock) (owned) (nullable) of @timer, which may be touched as long as that lives */
  GSource                 *cancelled; /* (lock) (owned) (nullable) whether the task is cancelled */
  GTask                   *task;      /* (lock) (owned) (nullable) NULL once somebody has taken it to return from it */
  gboolean                 over;      /* (lock) */
};

void          _agent_waiting_init  (AgentWaiting            *self,
                                    const AgentWaitingFuncs *funcs,
                                    const char              *name,
                                    guint                    timeout,
                                    GMainContext            *fallback,
                                    GTask                   *task);
AgentWaiting *_agent_waiting_ref   (AgentWaiting            *self);
void          _agent_waiting_unref (AgentWaiting            *self);
void          _agent_waiting_start (AgentWaiting            *self);
gboolean      _agent_waiting_end   (AgentWaiting            *self,
                                    GTask                  **task);

G_END_DECLS
