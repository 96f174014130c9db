/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-info-private.h"

#include "base/agent-utf8-private.h"

/**
 * AgentInfo:
 *
 * A description of an agent, for the others on the bus.
 *
 * An agent describes itself with [ctor@AgentBus.Message.new_agent_ready]. A runner describes all its
 * agents with [ctor@AgentBus.Message.new_agent_registry].
 *
 * ```c
 * g_autoptr (AgentInfo) info =
 *   agent_info_new ("recognizer", "runner-1", NULL, TRUE, FALSE,
 *                   g_get_real_time ());
 *
 * g_print ("%s\n", agent_info_get_runner (info)); // prints: runner-1
 *
 * agent_bus_send (bus, agent_message_new_agent_ready (info));
 * ```
 *
 * A description never changes and has an atomic reference count, so it may be read in any number of
 * threads at once.
 *
 * ## From Python
 *
 * ```python
 * def on_ready(ui, message):
 *     info = message.get_info()
 *     print(info.get_name())  # prints: recognizer
 *     print(info.get_runner())  # prints: runner-1
 *
 * ui = AgentBus.Subscriber(name='ui')
 * ui.connect('message::agent-ready', on_ready)
 * bus.subscribe(ui)
 * now = GLib.get_real_time()
 * info = AgentBus.Info.new('recognizer', 'runner-1', None, True, False, now)
 * bus.send(AgentBus.Message.new_agent_ready(info))
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const now = GLib.get_real_time();
 * const info = AgentBus.Info.new(
 *     'recognizer', 'runner-1', null, true, false, now);
 * const message = AgentBus.Message.new_agent_ready(info);
 *
 * print(message.get_source()); // prints: recognizer
 * print(message.get_info().is_active()); // prints: true
 * ```
 *
 * GJS cannot pass an array of infos to C, so a registry needs the [overrides](overrides.html):
 *
 * ```js
 * // With the overrides.
 * const registry = AgentBus.Message.agent_registry('runner-1', null, {
 *     runner: 'runner-1',
 *     infos: [{name: 'recognizer', runner: 'runner-1', active: true}],
 * });
 *
 * print(registry.get_infos().length); // prints: 1
 * ```
 *
 * Since: 0.1
 */
struct _AgentInfo
{
  gatomicrefcount ref_count;
  guint           active : 1;
  guint           bridged : 1;
  char           *name;
  char           *runner;
  char           *parent;     /* (nullable) */
  gint64          started_at; /* microseconds since the Unix epoch, or 0 */
  char           *node;       /* (nullable) */
};

G_DEFINE_BOXED_TYPE (AgentInfo, agent_info, agent_info_ref, agent_info_unref)

/**
 * agent_info_new:
 * @name: The agent's name on the bus, not empty.
 * @runner: The name of the runner, which runs the agent; may be empty.
 * @parent: (nullable): The name of the agent that this one belongs to, or %NULL for none.
 * @active: Whether the agent takes part at once, without being activated.
 * @bridged: Whether the agent carries frames between the bus and a pipeline.
 * @started_at: When the agent started, in microseconds since the Unix epoch as of
 * [func@GLib.get_real_time], or 0 if unknown.
 *
 * Creates a description of an agent.
 *
 * Returns: (transfer full): a new description
 *
 * Since: 0.1
 */
AgentInfo *
agent_info_new (const char *name,
                const char *runner,
                const char *parent,
                gboolean    active,
                gboolean    bridged,
                gint64      started_at)
{
  AgentInfo *self;

  g_return_val_if_fail (name != NULL && *name != '\0', NULL);
  g_return_val_if_fail (runner != NULL, NULL);
  g_return_val_if_fail (_agent_utf8_is_string (name), NULL);
  g_return_val_if_fail (_agent_utf8_is_string (runner), NULL);
  g_return_val_if_fail (parent == NULL || _agent_utf8_is_string (parent), NULL);
  g_return_val_if_fail (started_at >= 0, NULL);

  self = g_new (AgentInfo, 1);
  g_atomic_ref_count_init (&self->ref_count);
  self->active = active != FALSE;
  self->bridged = bridged != FALSE;
  self->name = g_strdup (name);
  self->runner = g_strdup (runner);
  self->parent = g_strdup (parent);
  self->started_at = started_at;
  self->node = NULL;

  return self;
}

void
_agent_info_set_node (AgentInfo  *info,
                      const char *node)
{
  g_assert (info->node == NULL);

  info->node = g_strdup (node);
}

/**
 * agent_info_ref:
 * @self: A description of an agent.
 *
 * Adds a reference to a description.
 *
 * This may be called from any thread.
 *
 * Returns: (transfer full): the same description
 *
 * Since: 0.1
 */
AgentInfo *
agent_info_ref (AgentInfo *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

/**
 * agent_info_unref: (skip)
 * @self: (transfer full): A description of an agent.
 *
 * Drops a reference to a description. The last one frees the description.
 *
 * This may be called from any thread.
 *
 * Since: 0.1
 */
void
agent_info_unref (AgentInfo *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_free (self->name);
  g_free (self->runner);
  g_free (self->parent);
  g_free (self->node);
  g_free (self);
}

/**
 * agent_info_get_name:
 * @self: A description of an agent.
 *
 * Gets the agent's name on the bus.
 *
 * Returns: (transfer none): the name
 *
 * Since: 0.1
 */
const char *
agent_info_get_name (AgentInfo *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->name;
}

/**
 * agent_info_get_runner:
 * @self: A description of an agent.
 *
 * Gets the name of the runner, which runs the agent.
 *
 * Returns: (transfer none): the runner's name
 *
 * Since: 0.1
 */
const char *
agent_info_get_runner (AgentInfo *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->runner;
}

/**
 * agent_info_get_parent:
 * @self: A description of an agent.
 *
 * Gets the name of the agent that this one belongs to.
 *
 * Returns: (transfer none) (nullable): the parent's name, or %NULL if the agent has none
 *
 * Since: 0.1
 */
const char *
agent_info_get_parent (AgentInfo *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->parent;
}

/**
 * agent_info_is_active:
 * @self: A description of an agent.
 *
 * Tells whether the agent takes part at once, without being activated.
 *
 * Returns: %TRUE if it does
 *
 * Since: 0.1
 */
gboolean
agent_info_is_active (AgentInfo *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->active;
}

/**
 * agent_info_is_bridged:
 * @self: A description of an agent.
 *
 * Tells whether the agent carries frames between the bus and a pipeline.
 *
 * Returns: %TRUE if it does
 *
 * Since: 0.1
 */
gboolean
agent_info_is_bridged (AgentInfo *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->bridged;
}

/**
 * agent_info_get_started_at:
 * @self: A description of an agent.
 *
 * Gets when the agent started.
 *
 * Returns: microseconds since the Unix epoch, or 0 if unknown
 *
 * Since: 0.1
 */
gint64
agent_info_get_started_at (AgentInfo *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->started_at;
}

/**
 * agent_info_get_node:
 * @self: A description of an agent.
 *
 * Gets the node that the agent is at, if it is in another process: see [class@AgentBus.Transport].
 *
 * This may be called from any thread.
 *
 * Returns: (transfer none) (nullable): the id of the node, or %NULL for an agent of this process
 *
 * Since: 0.2
 */
const char *
agent_info_get_node (AgentInfo *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->node;
}
