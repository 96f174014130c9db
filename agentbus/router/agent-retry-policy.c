/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "router/agent-retry-policy.h"

/**
 * AgentRetryPolicy:
 *
 * How often a [class@AgentBus.RouterDispatcher] tries again to hand over what it has parked.
 *
 * The first retry comes [method@AgentBus.RetryPolicy.get_initial_delay] after the message was parked, each further one
 * after a delay that is longer by the multiplier, up to [method@AgentBus.RetryPolicy.get_max_delay]: 100, 200, 400, 800,
 * 800 … ms with the defaults, each measured from the attempt before. The dispatcher makes each delay shorter by a random
 * part, up to the jitter, so that many dispatchers do not try at the same moment.
 *
 * Parked messages leave as soon as something changes for them; retries are the safety net.
 *
 * A policy is a plain value: a dispatcher takes a copy.
 *
 * ```c
 * g_autoptr (AgentRetryPolicy) policy = agent_retry_policy_new ();
 *
 * agent_retry_policy_set_initial_delay (policy, 50);
 * agent_retry_policy_set_multiplier (policy, 3.0);
 * g_print ("%u\n", agent_retry_policy_get_delay (policy, 1)); // prints: 150
 * agent_router_dispatcher_set_retry_policy (dispatcher, policy);
 * ```
 *
 * ## From Python
 *
 * A dispatcher gives a copy, too: what is changed in it has to be set.
 *
 * ```python
 * policy = dispatcher.get_retry_policy()
 * policy.set_max_delay(400)
 * policy.set_jitter(0.0)
 * print([policy.get_delay(n) for n in range(4)])  # prints: [100, 200, 400, 400]
 * dispatcher.set_retry_policy(policy)
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const policy = new AgentBus.RetryPolicy();
 *
 * policy.set_initial_delay(50);
 * policy.set_multiplier(3);
 * print([0, 1, 2].map(n => policy.get_delay(n))); // prints: 50,150,450
 * dispatcher.set_retry_policy(policy);
 * ```
 *
 * Since: 0.1
 */
struct _AgentRetryPolicy
{
  guint   initial_delay;
  guint   max_delay;
  double  multiplier;
  double  jitter;
  guint32 seed;
};

G_DEFINE_BOXED_TYPE (AgentRetryPolicy, agent_retry_policy, agent_retry_policy_copy, agent_retry_policy_free)

/**
 * agent_retry_policy_new:
 *
 * Creates a policy with the defaults: 100 ms, 800 ms, a multiplier of 2, a jitter of 0.1 and a random seed.
 *
 * Returns: (transfer full): a policy
 *
 * Since: 0.1
 */
AgentRetryPolicy *
agent_retry_policy_new (void)
{
  AgentRetryPolicy *self = g_new0 (AgentRetryPolicy, 1);

  self->initial_delay = 100;
  self->max_delay = 800;
  self->multiplier = 2;
  self->jitter = 0.1;

  return self;
}

/**
 * agent_retry_policy_copy:
 * @self: a policy
 *
 * Copies a policy.
 *
 * Returns: (transfer full): the copy
 *
 * Since: 0.1
 */
AgentRetryPolicy *
agent_retry_policy_copy (AgentRetryPolicy *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return g_memdup2 (self, sizeof *self);
}

/**
 * agent_retry_policy_free:
 * @self: (transfer full): a policy
 *
 * Frees a policy.
 *
 * Since: 0.1
 */
void
agent_retry_policy_free (AgentRetryPolicy *self)
{
  g_free (self);
}

/**
 * agent_retry_policy_get_initial_delay:
 * @self: a policy
 *
 * Gets the delay before the first retry.
 *
 * Returns: milliseconds
 *
 * Since: 0.1
 */
guint
agent_retry_policy_get_initial_delay (AgentRetryPolicy *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->initial_delay;
}

/**
 * agent_retry_policy_set_initial_delay:
 * @self: a policy
 * @delay: milliseconds, at least 1
 *
 * Sets the delay before the first retry.
 *
 * Since: 0.1
 */
void
agent_retry_policy_set_initial_delay (AgentRetryPolicy *self,
                                      guint             delay)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (delay > 0);

  self->initial_delay = delay;
}

/**
 * agent_retry_policy_get_max_delay:
 * @self: a policy
 *
 * Gets the longest delay between two attempts.
 *
 * Returns: milliseconds
 *
 * Since: 0.1
 */
guint
agent_retry_policy_get_max_delay (AgentRetryPolicy *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->max_delay;
}

/**
 * agent_retry_policy_set_max_delay:
 * @self: a policy
 * @delay: milliseconds, at least 1
 *
 * Sets the longest delay between two attempts. It also limits the first one.
 *
 * Since: 0.1
 */
void
agent_retry_policy_set_max_delay (AgentRetryPolicy *self,
                                  guint             delay)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (delay > 0);

  self->max_delay = delay;
}

/**
 * agent_retry_policy_get_multiplier:
 * @self: a policy
 *
 * Gets by what each delay is longer than the one before.
 *
 * Returns: a factor
 *
 * Since: 0.1
 */
double
agent_retry_policy_get_multiplier (AgentRetryPolicy *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->multiplier;
}

/**
 * agent_retry_policy_set_multiplier:
 * @self: a policy
 * @multiplier: a factor, at least 1
 *
 * Sets by what each delay is longer than the one before.
 *
 * Since: 0.1
 */
void
agent_retry_policy_set_multiplier (AgentRetryPolicy *self,
                                   double            multiplier)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (multiplier >= 1);

  self->multiplier = multiplier;
}

/**
 * agent_retry_policy_get_jitter:
 * @self: a policy
 *
 * Gets by what part of it a delay may be shortened at random.
 *
 * Returns: from 0 to 1
 *
 * Since: 0.1
 */
double
agent_retry_policy_get_jitter (AgentRetryPolicy *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->jitter;
}

/**
 * agent_retry_policy_set_jitter:
 * @self: a policy
 * @jitter: from 0, each delay is as it is, to 1, it may be anything up to that
 *
 * Sets by what part of it a delay may be shortened at random.
 *
 * Since: 0.1
 */
void
agent_retry_policy_set_jitter (AgentRetryPolicy *self,
                               double            jitter)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (jitter >= 0 && jitter <= 1);

  self->jitter = jitter;
}

/**
 * agent_retry_policy_get_seed:
 * @self: a policy
 *
 * Gets where the random numbers of the jitter start.
 *
 * Returns: a seed, or 0 for a random one
 *
 * Since: 0.1
 */
guint32
agent_retry_policy_get_seed (AgentRetryPolicy *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->seed;
}

/**
 * agent_retry_policy_set_seed:
 * @self: a policy
 * @seed: a seed, or 0 for a random one
 *
 * Sets where the random numbers of the jitter start, for runs that are to be the same each time.
 *
 * Since: 0.1
 */
void
agent_retry_policy_set_seed (AgentRetryPolicy *self,
                             guint32           seed)
{
  g_return_if_fail (self != NULL);

  self->seed = seed;
}

/**
 * agent_retry_policy_get_delay:
 * @self: a policy
 * @attempt: how many retries there were before
 *
 * Gets the delay before a retry, without jitter.
 *
 * Returns: milliseconds
 *
 * Since: 0.1
 */
guint
agent_retry_policy_get_delay (AgentRetryPolicy *self,
                              guint             attempt)
{
  double delay;

  g_return_val_if_fail (self != NULL, 0);

  delay = self->initial_delay;
  for (guint i = 0; i < attempt && delay < self->max_delay && self->multiplier > 1; i++)
    delay *= self->multiplier;

  return (guint) MIN (delay, self->max_delay);
}
