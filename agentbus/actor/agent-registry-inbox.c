/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "actor/agent-registry-inbox-private.h"

#include "agent-bus-error.h"
#include "base/agent-source-private.h"
#include "bus/agent-bus.h"
#include "message/agent-task-id-private.h"

/* The most news of one dispatch. The other sources of the context are dispatched before the next batch. */
#define BATCH_SIZE 256

/* The subscriber is served before the inbox. */
#define MAIL_PRIORITY (G_PRIORITY_DEFAULT - 1)
#define INBOX_PRIORITY G_PRIORITY_DEFAULT

struct _AgentRegistryInbox
{
  gatomicrefcount       ref_count;
  GWeakRef              registry;
  GMainContext         *context; /* (owned) */
  AgentRegistryNewsFunc func;

  GMutex   lock;
  gboolean closed;   /* (lock) */
  GQueue   events;   /* (lock) of AgentRegistryNews (owned): what the directory has told */
  GQueue   messages; /* (lock) of AgentRegistryNews (owned): what the subscriber has handled */
  GSource *source;   /* (lock) (owned) (nullable) NULL if there is nothing to tell */

  /* These belong to the context. */
  AgentSubscriber *subscriber; /* (owned) (nullable) the last one */
  guint64          last_seq;   /* of the last message that was handled */
};

static void
news_free (gpointer data)
{
  AgentRegistryNews *self = data;

  g_free (self->name);
  g_clear_pointer (&self->info, agent_info_unref);
  g_clear_pointer (&self->message, agent_message_unref);
  g_free (self);
}

AgentRegistryInbox *
_agent_registry_inbox_new (GObject              *registry,
                           GMainContext         *context,
                           AgentRegistryNewsFunc func)
{
  AgentRegistryInbox *self = g_new0 (AgentRegistryInbox, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_weak_ref_init (&self->registry, registry);
  self->context = g_main_context_ref (context);
  self->func = func;
  g_mutex_init (&self->lock);

  return self;
}

AgentRegistryInbox *
_agent_registry_inbox_ref (AgentRegistryInbox *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_registry_inbox_unref (AgentRegistryInbox *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_assert (self->source == NULL);

  g_clear_object (&self->subscriber);
  g_queue_clear_full (&self->events, news_free);
  g_queue_clear_full (&self->messages, news_free);
  g_weak_ref_clear (&self->registry);
  g_main_context_unref (self->context);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* The registry is being disposed of: it hears nothing any more. The subscriber keeps the inbox as long as it is on the bus. */
void
_agent_registry_inbox_close (AgentRegistryInbox *self)
{
  GSource *source;

  g_mutex_lock (&self->lock);
  self->closed = TRUE;
  source = g_steal_pointer (&self->source);
  g_mutex_unlock (&self->lock);

  _agent_source_clear (&source);
  g_clear_object (&self->subscriber);
}

/* --- What comes out --- */

/* What happened first, if it may be told: (transfer full) (nullable). An event may not as long as a message that was sent
 * before it may not have been handled yet.
 *
 * @n_events: (inout): how many events may be told
 * @all_handled: whether the subscriber has handled all messages that were sent before these events */
static AgentRegistryNews *
inbox_take_locked (AgentRegistryInbox *self,
                   guint              *n_events,
                   gboolean            all_handled)
{
  AgentRegistryNews *event = *n_events > 0 ? g_queue_peek_head (&self->events) : NULL;
  AgentRegistryNews *message = g_queue_peek_head (&self->messages);

  if (message != NULL && (event == NULL || message->seq <= event->seq))
    return g_queue_pop_head (&self->messages);
  if (event == NULL || !(all_handled || event->seq < self->last_seq))
    return NULL;

  (*n_events)--;
  return g_queue_pop_head (&self->events);
}

static AgentRegistryNews *
inbox_take (AgentRegistryInbox *self,
            guint              *n_events,
            gboolean            all_handled)
{
  AgentRegistryNews *news;

  g_mutex_lock (&self->lock);
  news = inbox_take_locked (self, n_events, all_handled);
  g_mutex_unlock (&self->lock);

  return news;
}

static void
inbox_tell (AgentRegistryInbox *self,
            gpointer            registry)
{
  AgentRegistryNews *news;
  guint              n_events;
  gboolean           all_handled;

  g_mutex_lock (&self->lock);
  n_events = self->events.length;
  g_mutex_unlock (&self->lock);
  all_handled = self->subscriber == NULL || agent_subscriber_get_n_queued (self->subscriber) == 0;

  for (guint i = 0; i < BATCH_SIZE && (news = inbox_take (self, &n_events, all_handled)) != NULL; i++)
    {
      self->func (registry, news);
      news_free (news);
    }
}

/* Returns whether there is more to tell. */
static gboolean
inbox_end_batch (AgentRegistryInbox *self)
{
  GSource *source = NULL;
  gboolean more;

  g_mutex_lock (&self->lock);
  more = self->source != NULL && (self->events.length > 0 || self->messages.length > 0);
  if (!more)
    source = g_steal_pointer (&self->source);
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&source, g_source_unref);
  return more;
}

static gboolean
inbox_dispatch (gpointer data)
{
  AgentRegistryInbox *self = data;
  g_autoptr (GObject) registry = g_weak_ref_get (&self->registry);

  if (registry != NULL)
    inbox_tell (self, registry);
  return inbox_end_batch (self);
}

/* --- What goes in --- */

static GSource *
inbox_attach (AgentRegistryInbox *self)
{
  GSource *source = g_idle_source_new ();

  g_source_set_priority (source, INBOX_PRIORITY);
  g_source_set_static_name (source, "[agentbus] registry");
  g_source_set_callback (
      source, inbox_dispatch, _agent_registry_inbox_ref (self), (GDestroyNotify) _agent_registry_inbox_unref);
  g_source_attach (source, self->context);
  return source;
}

/* Takes @news. */
static void
inbox_add (AgentRegistryInbox *self,
           GQueue             *queue,
           AgentRegistryNews  *news)
{
  g_mutex_lock (&self->lock);
  if (!self->closed)
    {
      g_queue_push_tail (queue, g_steal_pointer (&news));
      if (self->source == NULL)
        self->source = inbox_attach (self);
    }
  g_mutex_unlock (&self->lock);

  if (news != NULL)
    news_free (news);
}

/* An AgentPresenceFunc. */
void
_agent_registry_inbox_add_event (gpointer                  inbox,
                                 const AgentPresenceEvent *event)
{
  AgentRegistryInbox *self = inbox;
  AgentRegistryNews  *news = g_new0 (AgentRegistryNews, 1);

  news->kind = event->kind;
  news->seq = event->seq;
  news->generation = event->generation;
  news->name = g_strdup (event->name);
  news->info = event->info != NULL ? agent_info_ref (event->info) : NULL;
  inbox_add (self, &self->events, news);
}

static void
inbox_on_message (AgentSubscriber *subscriber,
                  AgentMessage    *message,
                  gpointer         user_data)
{
  AgentRegistryInbox *self = user_data;
  AgentRegistryNews  *news;

  self->last_seq = message->seq;
  if (message->announced ||
      (message->type != AGENT_MESSAGE_TYPE_AGENT_READY && message->type != AGENT_MESSAGE_TYPE_AGENT_REGISTRY))
    return;

  news = g_new0 (AgentRegistryNews, 1);
  news->seq = message->seq;
  news->message = agent_message_ref (message);
  inbox_add (self, &self->messages, news);
}

/* --- The subscriber --- */

static void
inbox_release_for_closure (gpointer  data,
                           GClosure *closure)
{
  _agent_registry_inbox_unref (data);
}

static AgentSubscriber *
inbox_make_subscriber (AgentRegistryInbox *self)
{
  static const char *const accepts[] = { "agent-ready", "agent-registry", NULL };
  static _Atomic guint     last_number;
  g_autofree char         *name = _agent_task_id_dup_name ("registry", atomic_fetch_add (&last_number, 1) + 1);
  AgentSubscriber         *subscriber = g_object_new (AGENT_TYPE_SUBSCRIBER,
                                              "name",
                                              name,
                                              "main-context",
                                              self->context,
                                              "priority",
                                              MAIL_PRIORITY,
                                              "accepts",
                                              accepts,
                                              NULL);

  g_signal_connect_data (subscriber,
                         "message",
                         G_CALLBACK (inbox_on_message),
                         _agent_registry_inbox_ref (self),
                         inbox_release_for_closure,
                         0);
  return subscriber;
}

/* Puts a subscriber on the bus: (transfer none) (nullable). NULL if the bus is stopped. */
AgentSubscriber *
_agent_registry_inbox_subscribe (AgentRegistryInbox *self,
                                 AgentBus           *bus)
{
  g_autoptr (AgentSubscriber) subscriber = NULL;
  g_autoptr (GError) error = NULL;

  /* Somebody else may have the name. */
  do
    {
      g_clear_error (&error);
      g_clear_object (&subscriber);
      subscriber = inbox_make_subscriber (self);
      agent_bus_subscribe (bus, subscriber, &error);
    }
  while (g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS));

  g_clear_object (&self->subscriber);
  if (error == NULL)
    self->subscriber = g_steal_pointer (&subscriber);
  return self->subscriber;
}
