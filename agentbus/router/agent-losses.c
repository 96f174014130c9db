/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "router/agent-losses-private.h"

static void
losses_clear_one (gpointer data)
{
  AgentLoss *loss = data;

  _agent_lane_unref (loss->lane);
}

/* Takes the references of @loss. */
void
_agent_losses_add (AgentLosses     *self,
                   const AgentLoss *loss)
{
  if (self->array == NULL)
    {
      self->array = g_array_new (FALSE, FALSE, sizeof (AgentLoss));
      g_array_set_clear_func (self->array, losses_clear_one);
    }

  g_array_append_val (self->array, *loss);
}

/*
 * @place: (inout): 0 at the beginning
 *
 * Goes through the lanes that have lost something: (transfer none) (nullable): the next one. A lane comes again if another
 * one has lost something in between.
 */
AgentLane *
_agent_losses_get_lane (AgentLosses *self,
                        guint       *place)
{
  guint      n = self->array != NULL ? self->array->len : 0;
  AgentLane *before = *place > 0 ? g_array_index (self->array, AgentLoss, *place - 1).lane : NULL;

  for (; *place < n; (*place)++)
    {
      AgentLane *lane = g_array_index (self->array, AgentLoss, *place).lane;

      if (lane != before)
        {
          (*place)++;
          return lane;
        }
    }

  return NULL;
}

/* Tells of each loss, in the order in which they were noted. There are none after that. */
void
_agent_losses_tell (AgentLosses          *self,
                    const AgentLossFuncs *funcs,
                    gpointer              owner)
{
  GArray *array = g_steal_pointer (&self->array);

  for (guint i = 0; array != NULL && i < array->len; i++)
    {
      AgentLoss *loss = &g_array_index (array, AgentLoss, i);

      if (loss->reason == AGENT_DROP_REASON_EXPIRED)
        funcs->expired (owner, loss->message, loss->waited, loss->n_attempts);
      else
        funcs->dropped (owner, loss->message, loss->reason);
    }

  g_clear_pointer (&array, g_array_unref);
}
