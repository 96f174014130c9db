/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport/agent-dbus-hub-private.h"

G_BEGIN_DECLS

/*
 * How a transport is connected: it is on a message bus, or listens, or has called another node. The struct is the first member
 * of those three types.
 *
 * In the thread of the transport, whose context is the thread default.
 */
typedef struct _AgentDBusPort AgentDBusPort;

typedef struct
{
  /* Returns from the task, later. If it fails, nothing is left of what it did. */
  void (*open)  (AgentDBusPort     *self,
                 GTask             *task);
  /* What was sent is still written, as long as the cancellable allows. @done is called later. */
  void (*close) (AgentDBusPort     *self,
                 GCancellable      *cancellable,
                 AgentDBusDoneFunc  done,
                 gpointer           data);
  /* After it has failed to open, or was closed. */
  void (*free)  (AgentDBusPort     *self);
} AgentDBusPortFuncs;

struct _AgentDBusPort
{
  const AgentDBusPortFuncs *funcs;
};

G_END_DECLS
