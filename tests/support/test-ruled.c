/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-ruled.h"

struct _TestRuledClass
{
  AgentSubscriberClass parent_class;
};

G_DEFINE_FINAL_TYPE (TestRuled, test_ruled, AGENT_TYPE_SUBSCRIBER)

static void
ruled_note (TestRuled  *self,
            GString    *text,
            const char *word)
{
  if (!self->silent)
    g_string_append_printf (text, "%s%s", text->len > 0 ? " " : "", word);
}

static const char *
ruled_get_word (AgentMessage *message)
{
  const char *task_id = agent_message_get_task_id (message);

  return task_id != NULL ? task_id : agent_message_get_name (message);
}

/* --- The rules --- */

static gboolean
ruled_diverts (AgentMessage *message)
{
  switch (agent_message_get_message_type (message))
    {
    case AGENT_MESSAGE_TYPE_ACTIVATE:
    case AGENT_MESSAGE_TYPE_DEACTIVATE:
    case AGENT_MESSAGE_TYPE_END:
    case AGENT_MESSAGE_TYPE_CANCEL:
    case AGENT_MESSAGE_TYPE_TASK_CANCEL:
    case AGENT_MESSAGE_TYPE_TASK_UPDATE_REQUEST:
      return TRUE;
    case AGENT_MESSAGE_TYPE_TASK_RESPONSE:
    case AGENT_MESSAGE_TYPE_TASK_RESPONSE_URGENT:
    case AGENT_MESSAGE_TYPE_TASK_UPDATE:
    case AGENT_MESSAGE_TYPE_TASK_UPDATE_URGENT:
    case AGENT_MESSAGE_TYPE_TASK_STREAM_START:
    case AGENT_MESSAGE_TYPE_TASK_STREAM_DATA:
    case AGENT_MESSAGE_TYPE_TASK_STREAM_END:
      return g_str_has_prefix (agent_message_get_task_id (message), "ours");
    default:
      return FALSE;
    }
}

static void
ruled_inbox_handle (gpointer      subscriber,
                    AgentMessage *message)
{
  TestRuled *self = subscriber;

  g_assert_true (g_main_context_is_owner (agent_subscriber_get_main_context (subscriber)));
  g_assert_true (g_atomic_int_compare_and_exchange (&self->in_inbox, FALSE, TRUE));
  self->thread = g_thread_self ();
  ruled_note (self, self->inbox, ruled_get_word (message));
  self->n_handled++;
  if (self->inbox_handler != NULL)
    self->inbox_handler (self, message, self->user_data);
  g_atomic_int_set (&self->in_inbox, FALSE);
}

static AgentIntercept
ruled_intercept (gpointer      subscriber,
                 AgentMessage *message)
{
  TestRuled  *self = subscriber;
  const char *name = agent_message_get_task_name (message);

  g_assert_true (g_main_context_is_owner (agent_subscriber_get_main_context (subscriber)));
  if (g_strcmp0 (name, "drop") == 0)
    return AGENT_INTERCEPT_DROP;
  if (g_strcmp0 (name, "take") != 0)
    return AGENT_INTERCEPT_PASS;

  ruled_note (self, self->inbox, "taken");
  self->n_handled++;
  if (self->handler != NULL)
    self->handler (self, message, self->user_data);
  return AGENT_INTERCEPT_TAKEN;
}

static void
ruled_note_closing (TestRuled     *self,
                    AgentMailbox  *mailbox,
                    AgentMailbox **place,
                    const char    *word)
{
  ruled_note (self, self->told, word);
  if (self->closing_handler != NULL)
    self->closing_handler (self, mailbox, self->user_data);
  else if (self->holds)
    *place = _agent_mailbox_ref (mailbox);
  else
    _agent_mailbox_end_closing (mailbox);
}

static void
ruled_closing (gpointer      subscriber,
               AgentMailbox *mailbox,
               gboolean      drain)
{
  TestRuled *self = subscriber;

  ruled_note_closing (self, mailbox, &self->closing, drain ? "drains" : "closes");
}

static void
ruled_inbox_closing (gpointer      subscriber,
                     AgentMailbox *inbox)
{
  TestRuled *self = subscriber;

  ruled_note_closing (self, inbox, &self->inbox_closing, "inbox-closes");
}

static void
ruled_subscribed (gpointer  subscriber,
                  AgentBus *bus)
{
  TestRuled *self = subscriber;
  g_autoptr (AgentBus) own_bus = agent_subscriber_dup_bus (subscriber);

  g_assert_true (own_bus == bus);
  ruled_note (self, self->told, "subscribed");
}

static const AgentSubscriberRules ruled_rules = {
  .mailbox = {
      .diverts = ruled_diverts,
      .inbox_handle = ruled_inbox_handle,
      .intercept = ruled_intercept,
      .closing = ruled_closing,
      .inbox_closing = ruled_inbox_closing,
  },
  .subscribed = ruled_subscribed,
};

/* --- The type --- */

static void
test_ruled_message (AgentSubscriber *subscriber,
                    AgentMessage    *message)
{
  TestRuled *self = TEST_RULED (subscriber);

  self->thread = g_thread_self ();
  ruled_note (self, self->main, ruled_get_word (message));
  self->n_handled++;
  if (self->handler != NULL)
    self->handler (self, message, self->user_data);
}

static void
test_ruled_finalize (GObject *object)
{
  TestRuled *self = TEST_RULED (object);

  g_assert_null (self->closing);
  g_assert_null (self->inbox_closing);
  g_string_free (self->main, TRUE);
  g_string_free (self->inbox, TRUE);
  g_string_free (self->told, TRUE);

  G_OBJECT_CLASS (test_ruled_parent_class)->finalize (object);
}

static void
test_ruled_class_init (TestRuledClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = test_ruled_finalize;
  AGENT_SUBSCRIBER_CLASS (klass)->message = test_ruled_message;
}

static void
test_ruled_init (TestRuled *self)
{
  self->main = g_string_new (NULL);
  self->inbox = g_string_new (NULL);
  self->told = g_string_new (NULL);
  _agent_subscriber_set_rules (AGENT_SUBSCRIBER (self), &ruled_rules);
}

/* @group: (nullable)
 * @context: (nullable): NULL for the thread's default */
TestRuled *
test_ruled_new (const char   *name,
                const char   *group,
                GMainContext *context)
{
  return g_object_new (TEST_TYPE_RULED, "name", name, "group", group, "main-context", context, NULL);
}

TestRuled *
test_ruled_subscribe (TestFixture *fixture,
                      const char  *name)
{
  TestRuled *self = test_ruled_new (name, NULL, NULL);
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (fixture->bus, AGENT_SUBSCRIBER (self), &error);
  g_assert_no_error (error);
  return self;
}

/* Ends the closing of the mailbox in @place, which is cleared. */
void
test_ruled_end_closing (AgentMailbox **place)
{
  AgentMailbox *mailbox = g_steal_pointer (place);

  g_assert_nonnull (mailbox);
  _agent_mailbox_end_closing (mailbox);
  _agent_mailbox_unref (mailbox);
}

/* (transfer full) */
AgentMailbox *
test_ruled_ref_mailbox (TestRuled *self)
{
  return _agent_subscription_ref_last_mailbox (_agent_subscriber_get_subscription (AGENT_SUBSCRIBER (self)));
}
