/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-actor-core-private.h"

G_BEGIN_DECLS

/* Any thread, with no lock held */
void            _agent_actor_on_prepare   (gpointer            subscriber,
                                           AgentMailbox       *mailbox);
void            _agent_actor_on_subscribed
                                          (gpointer            subscriber,
                                           AgentBus           *bus);
void            _agent_actor_on_closing   (gpointer            subscriber,
                                           AgentMailbox       *mailbox,
                                           gboolean            drain);
void            _agent_actor_on_inbox_closing
                                          (gpointer            subscriber,
                                           AgentMailbox       *inbox);
void            _agent_actor_close_jobs   (AgentActor         *self,
                                           AgentMailbox       *mailbox);
void            _agent_actor_close_tasks  (AgentActor         *self,
                                           AgentMailbox       *mailbox);
void            _agent_actor_set_runner   (AgentActor         *self,
                                           const char         *runner);
gboolean        _agent_actor_is_stuck     (AgentActor         *self);
void            _agent_actor_cancel       (AgentActor         *self,
                                           const char         *reason);

/* The actor's context */
void            _agent_actor_take_request (AgentActor         *self,
                                           AgentMessage       *request);
void            _agent_actor_begin_jobs   (AgentActor         *self);
void            _agent_actor_trip_jobs    (AgentActor         *self);
void            _agent_actor_cancel_job   (AgentActor         *self,
                                           AgentMessage       *cancel);
void            _agent_actor_ask_job      (AgentActor         *self,
                                           AgentMessage       *message);
void            _agent_actor_do_chores    (gpointer            object);
void            _agent_actor_begin_activity
                                          (AgentActor         *self,
                                           GVariant           *args);
void            _agent_actor_pause        (AgentActor         *self);
void            _agent_actor_resume       (AgentActor         *self);
void            _agent_actor_end_activity (AgentActor         *self);
void            _agent_actor_activate     (AgentActor         *self,
                                           GVariant           *args);
void            _agent_actor_deactivate   (AgentActor         *self);
void            _agent_actor_begin_end    (AgentActor         *self,
                                           const char         *reason);
void            _agent_actor_begin_cancel (AgentActor         *self,
                                           const char         *reason);
void            _agent_actor_cancel_now   (AgentActor         *self);

/* Handing over a role: any thread, with no lock held */
AgentStanding   _agent_actor_get_standing (AgentActor         *self);
void            _agent_actor_close_role   (AgentActor         *self,
                                           AgentMailbox       *mailbox);

/* The same, in the actor's context */
void            _agent_actor_go_on_with_role
                                          (AgentActor         *self);

/* For the instance's beginning */
void            _agent_actor_set_rules    (AgentActor         *self);

G_END_DECLS
