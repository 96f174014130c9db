/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "payloads.h"

#define QUESTION_TYPE "(uuuu(dddd)(dddd))"
#define ANSWER_TYPE "(uuuu)"
#define MODEL_TYPE "(uu(dddd)(dddd))"

G_STATIC_ASSERT (sizeof (Question) == 4 * sizeof (guint32) + 8 * sizeof (double));
G_STATIC_ASSERT (sizeof (Answer) == 4 * sizeof (guint32));
G_STATIC_ASSERT (sizeof (Model) == 2 * sizeof (guint32) + 8 * sizeof (double));

static gconstpointer
get_only_element (GVariant   *payload,
                  const char *type,
                  gsize       size)
{
  gconstpointer element;
  gsize         n_elements;

  if (payload == NULL || !g_variant_is_of_type (payload, G_VARIANT_TYPE (type)))
    return NULL;

  element = g_variant_get_fixed_array (payload, &n_elements, size);

  return n_elements == 1 ? element : NULL;
}

GVariant *
payload_new_question (const Question *question)
{
  return g_variant_new_fixed_array (G_VARIANT_TYPE (QUESTION_TYPE), question, 1, sizeof *question);
}

GVariant *
payload_new_answer (const Answer *answer)
{
  return g_variant_new_fixed_array (G_VARIANT_TYPE (ANSWER_TYPE), answer, 1, sizeof *answer);
}

GVariant *
payload_new_model (const Model *model)
{
  return g_variant_new_fixed_array (G_VARIANT_TYPE (MODEL_TYPE), model, 1, sizeof *model);
}

const Question *
payload_get_question (GVariant *payload)
{
  return get_only_element (payload, "a" QUESTION_TYPE, sizeof (Question));
}

const Answer *
payload_get_answer (GVariant *payload)
{
  return get_only_element (payload, "a" ANSWER_TYPE, sizeof (Answer));
}

const Model *
payload_get_model (GVariant *payload)
{
  return get_only_element (payload, "a" MODEL_TYPE, sizeof (Model));
}
