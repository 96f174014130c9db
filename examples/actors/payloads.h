/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "model.h"

G_BEGIN_DECLS

/*
 * The payloads of the messages: arrays of one structure, whose layout in memory is that of its GVariant type. So a
 * payload is written with one copy and read with none.
 */

/* Of the request "decide": everything that the action depends on, except the model. */
typedef struct
{
  guint32 actor;
  guint32 team;
  guint32 generation;
  guint32 step;
  double  state[CART_POLE_N_STATE];
  double  curiosity[CART_POLE_N_STATE];
} Question;

/* The answer to it: the action */
typedef struct
{
  guint32 actor;
  guint32 generation;
  guint32 step;
  guint32 push_right;
} Answer;

/* Floating references */
GVariant       *payload_new_question (const Question *question) G_GNUC_WARN_UNUSED_RESULT;
GVariant       *payload_new_answer   (const Answer   *answer) G_GNUC_WARN_UNUSED_RESULT;
GVariant       *payload_new_model    (const Model    *model) G_GNUC_WARN_UNUSED_RESULT;

/* Valid as long as the payload is; NULL if it is something else. */
const Question *payload_get_question (GVariant       *payload);
const Answer   *payload_get_answer   (GVariant       *payload);
const Model    *payload_get_model    (GVariant       *payload);

G_END_DECLS
