/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-peer-private.h"

/**
 * AgentPeer:
 *
 * An agent that others can see, in an [class@AgentBus.Registry].
 *
 * A peer stands for one agent from when it appears until it vanishes, and keeps what the agent said last of itself. An agent
 * that comes later under the same name is another peer with another [property@AgentBus.Peer:generation].
 *
 * ```c
 * static void
 * on_vanished (AgentRegistry *registry, AgentPeer *peer, gpointer user_data)
 * {
 *   g_assert (agent_peer_get_state (peer) == AGENT_ACTOR_STATE_ENDED);
 *   // prints: ear is gone
 *   g_print ("%s is gone\n", agent_peer_get_name (peer));
 * }
 *
 * g_autoptr (AgentRegistry) registry = agent_registry_new (bus);
 * g_autoptr (AgentSubscriber) ear = agent_subscriber_new ("ear");
 * g_autoptr (AgentInfo) info =
 *   agent_info_new ("ear", "runner-1", NULL, TRUE, FALSE, 0);
 *
 * g_signal_connect (registry, "vanished", G_CALLBACK (on_vanished), NULL);
 * agent_bus_subscribe (bus, ear, &error);
 * agent_bus_send (bus, agent_message_new_agent_ready (info));
 * agent_bus_unsubscribe (bus, "ear");
 * ```
 *
 * A peer belongs to the context of its registry: use it only there. Its properties change there, and tell so by notify.
 *
 * ## From Python
 *
 * ```python
 * def on_appeared(registry, peer):
 *     print(peer.props.name, peer.props.active)  # prints: ear True
 *
 * registry = AgentBus.Registry.new(bus)
 * registry.connect('appeared', on_appeared)
 * info = AgentBus.Info.new('ear', 'runner-1', None, True, False, 0)
 * bus.send(AgentBus.Message.new_agent_ready(info))
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const registry = AgentBus.Registry.new(bus);
 *
 * registry.connect('appeared', (_registry, peer) => {
 *     print(peer.name, peer.active); // prints: ear true
 * });
 * bus.send(AgentBus.Message.new_agent_ready(
 *     AgentBus.Info.new('ear', 'runner-1', null, true, false, 0)));
 * ```
 *
 * Since: 0.1
 */
struct _AgentPeer
{
  GObject parent_instance;

  AgentInfo      *info; /* (owned) */
  guint64         generation;
  AgentActorState state;
  gboolean        told; /* it is known by what it, or its runner, sent, not as a subscriber of the bus */
};

enum
{
  PROP_0,
  PROP_NAME,
  PROP_RUNNER,
  PROP_PARENT,
  PROP_ACTIVE,
  PROP_BRIDGED,
  PROP_STATE,
  PROP_GENERATION,
  PROP_STARTED_AT,
  PROP_NODE,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (AgentPeer, agent_peer, G_TYPE_OBJECT)

/* --- For the registry --- */

AgentPeer *
_agent_peer_new (AgentInfo *info,
                 guint64    generation,
                 gboolean   told)
{
  AgentPeer *self = g_object_new (AGENT_TYPE_PEER, NULL);

  self->info = agent_info_ref (info);
  self->generation = generation;
  self->state = AGENT_ACTOR_STATE_READY;
  self->told = told;

  return self;
}

/* What it said last of itself: (transfer none). */
AgentInfo *
_agent_peer_get_info (AgentPeer *self)
{
  return self->info;
}

gboolean
_agent_peer_is_told (AgentPeer *self)
{
  return self->told;
}

static void
peer_notify_if (AgentPeer *self,
                gboolean   changed,
                guint      prop_id)
{
  if (changed)
    g_object_notify_by_pspec (G_OBJECT (self), props[prop_id]);
}

/* Precondition: @info has the same name. */
void
_agent_peer_update (AgentPeer *self,
                    AgentInfo *info)
{
  g_autoptr (AgentInfo) old = self->info;
  g_autoptr (AgentInfo) new = agent_info_ref (info);

  self->info = agent_info_ref (info);
  g_object_freeze_notify (G_OBJECT (self));
  peer_notify_if (self, g_strcmp0 (agent_info_get_runner (old), agent_info_get_runner (new)) != 0, PROP_RUNNER);
  peer_notify_if (self, g_strcmp0 (agent_info_get_parent (old), agent_info_get_parent (new)) != 0, PROP_PARENT);
  peer_notify_if (self, agent_info_is_active (old) != agent_info_is_active (new), PROP_ACTIVE);
  peer_notify_if (self, agent_info_is_bridged (old) != agent_info_is_bridged (new), PROP_BRIDGED);
  peer_notify_if (self, agent_info_get_started_at (old) != agent_info_get_started_at (new), PROP_STARTED_AT);
  g_object_thaw_notify (G_OBJECT (self));
}

void
_agent_peer_end (AgentPeer *self)
{
  self->state = AGENT_ACTOR_STATE_ENDED;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_STATE]);
}

/* --- GObject --- */

static void
agent_peer_finalize (GObject *object)
{
  AgentPeer *self = AGENT_PEER (object);

  g_clear_pointer (&self->info, agent_info_unref);

  G_OBJECT_CLASS (agent_peer_parent_class)->finalize (object);
}

static void
agent_peer_get_property (GObject    *object,
                         guint       prop_id,
                         GValue     *value,
                         GParamSpec *pspec)
{
  AgentPeer *self = AGENT_PEER (object);

  switch (prop_id)
    {
    case PROP_NAME:
      g_value_set_string (value, agent_peer_get_name (self));
      break;
    case PROP_RUNNER:
      g_value_set_string (value, agent_peer_get_runner (self));
      break;
    case PROP_PARENT:
      g_value_set_string (value, agent_peer_get_parent (self));
      break;
    case PROP_ACTIVE:
      g_value_set_boolean (value, agent_peer_is_active (self));
      break;
    case PROP_BRIDGED:
      g_value_set_boolean (value, agent_peer_is_bridged (self));
      break;
    case PROP_STATE:
      g_value_set_enum (value, agent_peer_get_state (self));
      break;
    case PROP_GENERATION:
      g_value_set_uint64 (value, agent_peer_get_generation (self));
      break;
    case PROP_NODE:
      g_value_set_string (value, agent_peer_get_node (self));
      break;
    case PROP_STARTED_AT:
      g_value_set_int64 (value, agent_peer_get_started_at (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

#define READABLE (G_PARAM_READABLE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS)

static void
peer_make_names (void)
{
  /**
   * AgentPeer:name: (getter get_name)
   *
   * The name of the agent on the bus. It never changes.
   *
   * Since: 0.1
   */
  props[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, READABLE);

  /**
   * AgentPeer:runner: (getter get_runner)
   *
   * The name of the runner, which runs the agent; may be empty. Changes are notified.
   *
   * Since: 0.1
   */
  props[PROP_RUNNER] = g_param_spec_string ("runner", NULL, NULL, NULL, READABLE);

  /**
   * AgentPeer:parent: (getter get_parent)
   *
   * The name of the agent that this one belongs to, or %NULL for none. Changes are notified.
   *
   * Since: 0.1
   */
  props[PROP_PARENT] = g_param_spec_string ("parent", NULL, NULL, NULL, READABLE);

  /**
   * AgentPeer:started-at: (getter get_started_at)
   *
   * When the agent started, in microseconds since the Unix epoch, or 0 if that is not known. Changes are notified.
   *
   * Since: 0.1
   */
  props[PROP_STARTED_AT] =
      g_param_spec_int64 ("started-at", NULL, NULL, 0, G_MAXINT64, 0, READABLE);
}

static void
peer_make_states (void)
{
  /**
   * AgentPeer:active: (getter is_active)
   *
   * Whether the agent takes part. Changes are notified.
   *
   * Since: 0.1
   */
  props[PROP_ACTIVE] = g_param_spec_boolean ("active", NULL, NULL, FALSE, READABLE);

  /**
   * AgentPeer:bridged: (getter is_bridged)
   *
   * Whether the agent carries frames between the bus and a pipeline. Changes are notified.
   *
   * Since: 0.1
   */
  props[PROP_BRIDGED] = g_param_spec_boolean ("bridged", NULL, NULL, FALSE, READABLE);

  /**
   * AgentPeer:state: (getter get_state)
   *
   * How far the life of the agent has come: %AGENT_ACTOR_STATE_READY while it is in the registry, and
   * %AGENT_ACTOR_STATE_ENDED when it has vanished. Changes are notified.
   *
   * Since: 0.1
   */
  props[PROP_STATE] =
      g_param_spec_enum ("state", NULL, NULL, AGENT_TYPE_ACTOR_STATE, AGENT_ACTOR_STATE_NEW, READABLE);

  /**
   * AgentPeer:generation: (getter get_generation)
   *
   * A number that no other peer of this registry has; an agent that comes later has a higher one. It never changes.
   *
   * Since: 0.1
   */
  props[PROP_GENERATION] = g_param_spec_uint64 ("generation", NULL, NULL, 0, G_MAXUINT64, 0, READABLE);
}

static void
agent_peer_class_init (AgentPeerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = agent_peer_finalize;
  object_class->get_property = agent_peer_get_property;

  peer_make_names ();
  peer_make_states ();
  /**
   * AgentPeer:node: (getter get_node)
   *
   * The node that the agent is at, or %NULL for an agent of this process. It never changes.
   *
   * Since: 0.2
   */
  props[PROP_NODE] = g_param_spec_string ("node", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
agent_peer_init (AgentPeer *self)
{
}

/* --- Getters --- */

/* A peer that was made with g_object_new() says nothing. */

/**
 * agent_peer_get_name: (get-property name)
 * @self: a peer
 *
 * Gets the name of the agent on the bus.
 *
 * Returns: (nullable): the name; %NULL for a peer that no registry has made
 *
 * Since: 0.1
 */
const char *
agent_peer_get_name (AgentPeer *self)
{
  g_return_val_if_fail (AGENT_IS_PEER (self), NULL);

  return self->info != NULL ? agent_info_get_name (self->info) : NULL;
}

/**
 * agent_peer_get_runner: (get-property runner)
 * @self: a peer
 *
 * Gets the name of the runner, which runs the agent.
 *
 * Returns: (nullable): the name, which may be empty, until it changes; %NULL for a peer that no registry has made
 *
 * Since: 0.1
 */
const char *
agent_peer_get_runner (AgentPeer *self)
{
  g_return_val_if_fail (AGENT_IS_PEER (self), NULL);

  return self->info != NULL ? agent_info_get_runner (self->info) : NULL;
}

/**
 * agent_peer_get_parent: (get-property parent)
 * @self: a peer
 *
 * Gets the name of the agent that this one belongs to.
 *
 * Returns: (nullable): the name, until it changes, or %NULL for none
 *
 * Since: 0.1
 */
const char *
agent_peer_get_parent (AgentPeer *self)
{
  g_return_val_if_fail (AGENT_IS_PEER (self), NULL);

  return self->info != NULL ? agent_info_get_parent (self->info) : NULL;
}

/**
 * agent_peer_is_active: (get-property active)
 * @self: a peer
 *
 * Gets whether the agent takes part.
 *
 * Returns: whether it is active
 *
 * Since: 0.1
 */
gboolean
agent_peer_is_active (AgentPeer *self)
{
  g_return_val_if_fail (AGENT_IS_PEER (self), FALSE);

  return self->info != NULL && agent_info_is_active (self->info);
}

/**
 * agent_peer_is_bridged: (get-property bridged)
 * @self: a peer
 *
 * Gets whether the agent carries frames between the bus and a pipeline.
 *
 * Returns: whether it is bridged
 *
 * Since: 0.1
 */
gboolean
agent_peer_is_bridged (AgentPeer *self)
{
  g_return_val_if_fail (AGENT_IS_PEER (self), FALSE);

  return self->info != NULL && agent_info_is_bridged (self->info);
}

/**
 * agent_peer_get_state: (get-property state)
 * @self: a peer
 *
 * Gets how far the life of the agent has come.
 *
 * Returns: the state
 *
 * Since: 0.1
 */
AgentActorState
agent_peer_get_state (AgentPeer *self)
{
  g_return_val_if_fail (AGENT_IS_PEER (self), AGENT_ACTOR_STATE_NEW);

  return self->state;
}

/**
 * agent_peer_get_generation: (get-property generation)
 * @self: a peer
 *
 * Gets the number of the peer, see [property@AgentBus.Peer:generation].
 *
 * Returns: the number
 *
 * Since: 0.1
 */
guint64
agent_peer_get_generation (AgentPeer *self)
{
  g_return_val_if_fail (AGENT_IS_PEER (self), 0);

  return self->generation;
}

/**
 * agent_peer_get_started_at: (get-property started-at)
 * @self: a peer
 *
 * Gets when the agent started.
 *
 * Returns: microseconds since the Unix epoch, or 0 if that is not known
 *
 * Since: 0.1
 */
gint64
agent_peer_get_started_at (AgentPeer *self)
{
  g_return_val_if_fail (AGENT_IS_PEER (self), 0);

  return self->info != NULL ? agent_info_get_started_at (self->info) : 0;
}

/**
 * agent_peer_get_node:
 * @self: a peer
 *
 * Gets the node that the agent is at, if it is in another process: see [class@AgentBus.Transport].
 *
 * Returns: (transfer none) (nullable): the id of the node, or %NULL for an agent of this process
 *
 * Since: 0.2
 */
const char *
agent_peer_get_node (AgentPeer *self)
{
  g_return_val_if_fail (AGENT_IS_PEER (self), NULL);

  return agent_info_get_node (self->info);
}
