/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-registry.h"

#include "actor/agent-peer-list-private.h"
#include "actor/agent-registry-inbox-private.h"
#include "actor/agent-registry-waits-private.h"
#include "agent-bus-error.h"
#include "base/agent-utf8-private.h"
#include "bus/agent-bus-private.h"

/**
 * AgentRegistry:
 *
 * The agents that are there.
 *
 * A registry is a [iface@Gio.ListModel] of [class@AgentBus.Peer], in the order in which they appeared. One that is made late
 * lists those who are there already.
 *
 * It knows the agents of its bus from when they are subscribed until they begin to leave. Of agents elsewhere it knows what
 * comes by the bus: an `agent-ready` of an agent, or an `agent-registry` of its runner. Such an agent vanishes when an
 * `agent-registry` of its runner does not list it any more, and when a subscriber that has its name, or that of its runner,
 * begins to leave. When the bus stops, all vanish.
 *
 * An agent that comes later under the same name is another peer with a higher [property@AgentBus.Peer:generation]: the old
 * one vanishes before the new one appears, and what the old one has said is not taken for what the new one says.
 *
 * ```c
 * static void
 * on_appeared (AgentRegistry *registry, AgentPeer *peer, gpointer user_data)
 * {
 *   g_print ("%s\n", agent_peer_get_runner (peer)); // prints: runner-1
 * }
 *
 * g_autoptr (AgentRegistry) registry = agent_registry_new (bus);
 * g_autoptr (AgentInfo) info =
 *   agent_info_new ("ear", "runner-1", NULL, TRUE, FALSE, 0);
 *
 * g_signal_connect (registry, "appeared::ear", G_CALLBACK (on_appeared), NULL);
 * agent_bus_send (bus, agent_message_new_agent_ready (info));
 * ```
 *
 * Everything happens in one context, the one that was the thread default where the registry was made: use the registry and
 * its peers only there, and iterate it. Agents may come and go in any thread.
 *
 * A registry keeps its bus, and is a subscriber of it, under a name that begins with `:registry-`.
 *
 * ## From Python
 *
 * ```python
 * registry = AgentBus.Registry.new(bus)
 *
 * def on_there(registry, result):
 *     registry.wait_for_finish(result)
 *     print(registry.lookup('ear').props.runner)  # prints: runner-1
 *
 * registry.wait_for_async(['ear'], 5000, None, on_there)
 * info = AgentBus.Info.new('ear', 'runner-1', None, True, False, 0)
 * bus.send(AgentBus.Message.new_agent_ready(info))
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const registry = AgentBus.Registry.new(bus);
 *
 * registry.connect('appeared::ear', (_registry, peer) => {
 *     print(peer.runner, registry.get_n_items()); // prints: runner-1 1
 * });
 * bus.send(AgentBus.Message.new_agent_ready(
 *     AgentBus.Info.new('ear', 'runner-1', null, true, false, 0)));
 * ```
 *
 * Since: 0.1
 */
struct _AgentRegistry
{
  GObject parent_instance;

  AgentBus           *bus;        /* (owned) (nullable) */
  AgentPeerList      *peers;      /* (owned) */
  AgentRegistryWaits *waits;      /* (owned) */
  AgentRegistryInbox *inbox;      /* (owned) (nullable) NULL once it is disposed of */
  AgentSubscriber    *subscriber; /* (owned) (nullable) of @inbox; NULL while the bus is stopped */
};

enum
{
  PROP_0,
  PROP_BUS,
  N_PROPS
};

enum
{
  APPEARED,
  VANISHED,
  N_SIGNALS
};

static GParamSpec *props[N_PROPS];
static guint       signals[N_SIGNALS];

static void registry_list_model_init (GListModelInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (AgentRegistry,
                               agent_registry,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL, registry_list_model_init))

/* --- The list --- */

static GType
registry_get_item_type (GListModel *model)
{
  return AGENT_TYPE_PEER;
}

static guint
registry_get_n_items (GListModel *model)
{
  return _agent_peer_list_get_size (AGENT_REGISTRY (model)->peers);
}

static gpointer
registry_get_item (GListModel *model,
                   guint       position)
{
  AgentPeer *peer = _agent_peer_list_get (AGENT_REGISTRY (model)->peers, position);

  return peer != NULL ? g_object_ref (peer) : NULL;
}

static void
registry_list_model_init (GListModelInterface *iface)
{
  iface->get_item_type = registry_get_item_type;
  iface->get_n_items = registry_get_n_items;
  iface->get_item = registry_get_item;
}

/* --- Who comes and goes --- */

/* Quarks are never freed, so a name for which no handler is connected must not become a quark. */
static void
registry_emit (AgentRegistry *self,
               guint          signal,
               AgentPeer     *peer)
{
  g_signal_emit (self, signals[signal], g_quark_try_string (agent_peer_get_name (peer)), peer);
}

static void
registry_add (AgentRegistry *self,
              AgentInfo     *info,
              guint64        generation,
              gboolean       told)
{
  g_autoptr (AgentPeer) peer = _agent_peer_new (info, generation, told);
  guint      position = _agent_peer_list_add (self->peers, g_object_ref (peer));
  GPtrArray *done = _agent_registry_waits_appeared (self->waits, agent_peer_get_name (peer));

  g_list_model_items_changed (G_LIST_MODEL (self), position, 0, 1);
  registry_emit (self, APPEARED, peer);
  _agent_registry_waits_return (done);
}

static void
registry_remove (AgentRegistry *self,
                 AgentPeer     *peer)
{
  guint position;

  g_object_ref (peer);
  position = _agent_peer_list_remove (self->peers, peer);
  _agent_registry_waits_vanished (self->waits, agent_peer_get_name (peer));
  g_list_model_items_changed (G_LIST_MODEL (self), position, 1, 0);
  _agent_peer_end (peer);
  registry_emit (self, VANISHED, peer);
  g_object_unref (peer);
}

/* --- What the directory tells --- */

static void
registry_on_joined (AgentRegistry *self,
                    guint64        generation,
                    AgentInfo     *info)
{
  AgentPeer *peer = _agent_peer_list_lookup (self->peers, agent_info_get_name (info));

  if (peer != NULL && agent_peer_get_generation (peer) == generation)
    {
      _agent_peer_update (peer, info);
      return;
    }

  if (peer != NULL)
    registry_remove (self, peer);
  registry_add (self, info, generation, FALSE);
}

/* @names: (nullable): who stays */
static void
registry_remove_told (AgentRegistry *self,
                      const char    *runner,
                      GHashTable    *names)
{
  g_autoptr (GPtrArray) peers = _agent_peer_list_list_told (self->peers, runner);

  for (guint i = 0; i < peers->len; i++)
    {
      AgentPeer *peer = peers->pdata[i];

      if (names == NULL || !g_hash_table_contains (names, agent_peer_get_name (peer)))
        registry_remove (self, peer);
    }
}

/* @generation: of the one that has left, or 0 if it was no agent of the bus: then it may have told of itself */
static void
registry_on_left (AgentRegistry *self,
                  const char    *name,
                  guint64        generation)
{
  AgentPeer *peer = _agent_peer_list_lookup (self->peers, name);

  if (peer != NULL && (agent_peer_get_generation (peer) == generation || (generation == 0 && _agent_peer_is_told (peer))))
    registry_remove (self, peer);
  registry_remove_told (self, name, NULL);
}

static void
registry_on_closed (AgentRegistry *self)
{
  AgentPeer *peer;

  g_clear_object (&self->subscriber);
  while ((peer = _agent_peer_list_get (self->peers, 0)) != NULL)
    registry_remove (self, peer);
  _agent_registry_waits_close (self->waits);
}

static void
registry_subscribe (AgentRegistry *self)
{
  if (self->inbox != NULL && self->subscriber == NULL)
    g_set_object (&self->subscriber, _agent_registry_inbox_subscribe (self->inbox, self->bus));
}

/* --- What messages tell --- */

/* Whether @info is of an agent that began earlier than that of @old (-1), of the same one (0), or of a later one (1). */
static int
registry_compare (AgentInfo *info,
                  AgentInfo *old)
{
  gint64 started_at = agent_info_get_started_at (info);
  gint64 old_started_at = agent_info_get_started_at (old);

  if (started_at != old_started_at)
    return started_at < old_started_at ? -1 : 1;
  return !g_str_equal (agent_info_get_runner (info), agent_info_get_runner (old));
}

/* What messages say of an agent of this bus is nothing new, and may be old. */
static void
registry_on_told (AgentRegistry *self,
                  AgentInfo     *info)
{
  AgentPeer *peer = _agent_peer_list_lookup (self->peers, agent_info_get_name (info));
  int        order = peer != NULL ? registry_compare (info, _agent_peer_get_info (peer)) : 1;

  if (order < 0 || (peer != NULL && !_agent_peer_is_told (peer)))
    return;

  if (order == 0)
    {
      _agent_peer_update (peer, info);
      return;
    }

  if (peer != NULL)
    registry_remove (self, peer);
  registry_add (self, info, _agent_presence_next_generation (), TRUE);
}

static void
registry_on_listed (AgentRegistry *self,
                    AgentMessage  *message)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  GPtrArray *infos = agent_message_get_infos (message);

  for (guint i = 0; i < infos->len; i++)
    g_hash_table_add (names, (gpointer) agent_info_get_name (infos->pdata[i]));
  registry_remove_told (self, agent_message_get_runner (message), names);
  for (guint i = 0; i < infos->len; i++)
    registry_on_told (self, infos->pdata[i]);
}

static void
registry_on_message (AgentRegistry *self,
                     AgentMessage  *message)
{
  if (agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_AGENT_READY)
    registry_on_told (self, agent_message_get_info (message));
  else
    registry_on_listed (self, message);
}

/* An AgentRegistryNewsFunc. */
static void
registry_on_news (gpointer           registry,
                  AgentRegistryNews *news)
{
  AgentRegistry *self = registry;

  if (news->message != NULL)
    {
      registry_on_message (self, news->message);
      return;
    }

  switch (news->kind)
    {
    case AGENT_PRESENCE_JOINED:
      registry_on_joined (self, news->generation, news->info);
      break;
    case AGENT_PRESENCE_LEFT:
      registry_on_left (self, news->name, news->generation);
      break;
    case AGENT_PRESENCE_OPENED:
      registry_subscribe (self);
      break;
    case AGENT_PRESENCE_CLOSED:
      registry_on_closed (self);
      break;
    default:
      g_assert_not_reached ();
    }
}

/* --- GObject --- */

static gboolean
registry_has (gpointer    registry,
              const char *name)
{
  return _agent_peer_list_lookup (AGENT_REGISTRY (registry)->peers, name) != NULL;
}

/* Nobody has connected a handler yet, so no signal is emitted. */
static void
registry_add_present (AgentRegistry *self,
                      GArray        *present)
{
  for (guint i = 0; i < present->len; i++)
    {
      AgentPresent *one = &g_array_index (present, AgentPresent, i);

      _agent_peer_list_add (self->peers, _agent_peer_new (one->info, one->generation, FALSE));
    }
}

static void
agent_registry_constructed (GObject *object)
{
  AgentRegistry *self = AGENT_REGISTRY (object);
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();
  g_autoptr (GArray) present = NULL;

  G_OBJECT_CLASS (agent_registry_parent_class)->constructed (object);

  self->waits = _agent_registry_waits_new (context, registry_has);
  if (self->bus == NULL)
    {
      g_critical ("A registry wants a bus");
      return;
    }

  self->inbox = _agent_registry_inbox_new (object, context, registry_on_news);
  present = _agent_directory_watch_presence (self->bus->directory, _agent_registry_inbox_add_event, self->inbox);
  registry_add_present (self, present);
  registry_subscribe (self);
}

static void
agent_registry_dispose (GObject *object)
{
  AgentRegistry *self = AGENT_REGISTRY (object);

  if (self->inbox != NULL)
    {
      _agent_directory_unwatch_presence (self->bus->directory, self->inbox);
      _agent_registry_inbox_close (self->inbox);
      g_clear_pointer (&self->inbox, _agent_registry_inbox_unref);
    }
  if (self->subscriber != NULL)
    agent_bus_unsubscribe (self->bus, agent_subscriber_get_name (self->subscriber));
  g_clear_object (&self->subscriber);

  G_OBJECT_CLASS (agent_registry_parent_class)->dispose (object);
}

static void
agent_registry_finalize (GObject *object)
{
  AgentRegistry *self = AGENT_REGISTRY (object);

  _agent_registry_waits_free (self->waits);
  _agent_peer_list_free (self->peers);
  g_clear_object (&self->bus);

  G_OBJECT_CLASS (agent_registry_parent_class)->finalize (object);
}

static void
agent_registry_get_property (GObject    *object,
                             guint       prop_id,
                             GValue     *value,
                             GParamSpec *pspec)
{
  AgentRegistry *self = AGENT_REGISTRY (object);

  switch (prop_id)
    {
    case PROP_BUS:
      g_value_set_object (value, self->bus);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
agent_registry_set_property (GObject      *object,
                             guint         prop_id,
                             const GValue *value,
                             GParamSpec   *pspec)
{
  AgentRegistry *self = AGENT_REGISTRY (object);

  switch (prop_id)
    {
    case PROP_BUS:
      self->bus = g_value_dup_object (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
registry_install_signals (GType type)
{
  /**
   * AgentRegistry::appeared:
   * @self: the registry
   * @peer: who is there now
   *
   * An agent has appeared, and is in the list. The detail is its name.
   *
   * Since: 0.1
   */
  signals[APPEARED] = g_signal_new (
      "appeared", type, G_SIGNAL_RUN_LAST | G_SIGNAL_DETAILED, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, AGENT_TYPE_PEER);

  /**
   * AgentRegistry::vanished:
   * @self: the registry
   * @peer: who is gone
   *
   * An agent has vanished, and is not in the list any more. The detail is its name.
   *
   * Since: 0.1
   */
  signals[VANISHED] = g_signal_new (
      "vanished", type, G_SIGNAL_RUN_LAST | G_SIGNAL_DETAILED, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, AGENT_TYPE_PEER);
}

static void
agent_registry_class_init (AgentRegistryClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = agent_registry_constructed;
  object_class->dispose = agent_registry_dispose;
  object_class->finalize = agent_registry_finalize;
  object_class->get_property = agent_registry_get_property;
  object_class->set_property = agent_registry_set_property;

  /**
   * AgentRegistry:bus: (getter get_bus)
   *
   * The bus. A registry that is made without one logs that, and stays empty.
   *
   * Since: 0.1
   */
  props[PROP_BUS] = g_param_spec_object ("bus",
                                         NULL,
                                         NULL,
                                         AGENT_TYPE_BUS,
                                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, props);
  registry_install_signals (G_TYPE_FROM_CLASS (klass));
}

static void
agent_registry_init (AgentRegistry *self)
{
  self->peers = _agent_peer_list_new ();
}

/* --- What it can be asked --- */

/**
 * agent_registry_new:
 * @bus: a bus
 *
 * Makes a registry of the agents on a bus, and of those that tell of themselves by it. Its context is the one that is the
 * thread default now.
 *
 * Returns: (transfer full): a new registry
 *
 * Since: 0.1
 */
AgentRegistry *
agent_registry_new (AgentBus *bus)
{
  g_return_val_if_fail (AGENT_IS_BUS (bus), NULL);

  return g_object_new (AGENT_TYPE_REGISTRY, "bus", bus, NULL);
}

/**
 * agent_registry_get_bus: (get-property bus)
 * @self: a registry
 *
 * Gets the bus.
 *
 * Returns: (transfer none) (nullable): the bus, or %NULL if the registry was made without one
 *
 * Since: 0.1
 */
AgentBus *
agent_registry_get_bus (AgentRegistry *self)
{
  g_return_val_if_fail (AGENT_IS_REGISTRY (self), NULL);

  return self->bus;
}

/**
 * agent_registry_lookup:
 * @self: a registry
 * @name: the name of an agent
 *
 * Finds an agent.
 *
 * Returns: (transfer none) (nullable): the agent, or %NULL if it is not there
 *
 * Since: 0.1
 */
AgentPeer *
agent_registry_lookup (AgentRegistry *self,
                       const char    *name)
{
  g_return_val_if_fail (AGENT_IS_REGISTRY (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);

  return _agent_peer_list_lookup (self->peers, name);
}

/**
 * agent_registry_wait_for_async:
 * @self: a registry
 * @names: (array zero-terminated=1): names of agents; may be empty
 * @timeout: how long to wait for them, in milliseconds, or 0 for ever
 * @cancellable: (nullable): ends the operation
 * @callback: (scope async) (nullable): called when all are there
 * @user_data: data for @callback
 *
 * Waits until agents of all these names are there at the same time.
 *
 * Call it in the registry's context, in which the deadline is kept, too. Whoever waits keeps the registry.
 *
 * ```c
 * static void
 * on_there (GObject *registry, GAsyncResult *result, gpointer user_data)
 * {
 *   g_autoptr (GError) error = NULL;
 *
 *   if (agent_registry_wait_for_finish (AGENT_REGISTRY (registry), result,
 *                                       &error))
 *     g_print ("the ear is there\n"); // prints: the ear is there
 *   else
 *     g_warning ("%s", error->message);
 * }
 *
 * g_autoptr (AgentRegistry) registry = agent_registry_new (bus);
 * g_autoptr (AgentInfo) info =
 *   agent_info_new ("ear", "runner-1", NULL, TRUE, FALSE, 0);
 *
 * agent_registry_wait_for_async (
 *   registry, (const char *const[]){ "ear", NULL }, 5000, NULL, on_there,
 *   NULL);
 * agent_bus_send (bus, agent_message_new_agent_ready (info));
 * ```
 *
 * Since: 0.1
 */
void
agent_registry_wait_for_async (AgentRegistry      *self,
                               const char *const  *names,
                               guint               timeout,
                               GCancellable       *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer            user_data)
{
  GTask *task;

  g_return_if_fail (AGENT_IS_REGISTRY (self));
  g_return_if_fail (names != NULL && _agent_utf8_are_names (names));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, agent_registry_wait_for_async);
  if (self->bus != NULL && _agent_directory_is_open (self->bus->directory))
    {
      _agent_registry_waits_add (self->waits, names, timeout, task);
      return;
    }

  g_task_return_new_error (task, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED, "The bus is stopped");
  g_object_unref (task);
}

/**
 * agent_registry_wait_for_finish:
 * @self: a registry
 * @result: the result that the callback got
 * @error: return location for an error
 *
 * Ends [method@AgentBus.Registry.wait_for_async].
 *
 * Fails with %AGENT_BUS_ERROR_TIMED_OUT if they were not there in time, with %AGENT_BUS_ERROR_CLOSED if the bus is stopped,
 * and with %G_IO_ERROR_CANCELLED if the operation was cancelled.
 *
 * Returns: whether all are there
 *
 * Since: 0.1
 */
gboolean
agent_registry_wait_for_finish (AgentRegistry *self,
                                GAsyncResult  *result,
                                GError       **error)
{
  g_return_val_if_fail (AGENT_IS_REGISTRY (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
