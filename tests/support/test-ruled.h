/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-subscriber-private.h"
#include "test-support.h"

G_BEGIN_DECLS

/*
 * A subscriber with rules, the smallest that uses all of them: what controls it goes to its inbox, and so do the answers whose
 * task id begins with "ours". Requests named "take" and "drop" are intercepted. What comes to the inbox, and what is taken, is
 * kept in @inbox as text.
 */

#define TEST_TYPE_RULED (test_ruled_get_type ())
G_DECLARE_FINAL_TYPE (TestRuled, test_ruled, TEST, RULED, AgentSubscriber)

typedef void (*TestRuledHandler) (TestRuled    *ruled,
                                  AgentMessage *message,
                                  gpointer      user_data);

/* In any thread. Calls _agent_mailbox_end_closing (@mailbox), or sees to that. */
typedef void (*TestRuledClosing) (TestRuled    *ruled,
                                  AgentMailbox *mailbox,
                                  gpointer      user_data);

struct _TestRuled
{
  AgentSubscriber  parent_instance;

  GString         *main;            /* what the handler got */
  GString         *inbox;           /* what the rules got */
  GString         *told;            /* subscribed, closing, inbox-closing */
  TestRuledHandler handler;         /* (nullable) */
  TestRuledHandler inbox_handler;   /* (nullable) */
  TestRuledClosing closing_handler; /* (nullable) */
  gpointer         user_data;
  gboolean         silent;          /* keep no texts */
  gboolean         holds;           /* the test calls end_closing() on @closing and @inbox_closing */
  AgentMailbox    *closing;         /* (owned) (nullable) */
  AgentMailbox    *inbox_closing;   /* (owned) (nullable) */
  GThread         *thread;          /* in which the last message was handled */
  gint             in_inbox;        /* (atomic) the inbox's handler is running */
  _Atomic guint64  n_handled;       /* by any of the handlers */
};

TestRuled    *test_ruled_new           (const char       *name,
                                        const char       *group,
                                        GMainContext     *context);
TestRuled    *test_ruled_subscribe     (TestFixture      *fixture,
                                        const char       *name);
void          test_ruled_end_closing   (AgentMailbox    **place);
AgentMailbox *test_ruled_ref_mailbox   (TestRuled        *self);

G_END_DECLS
