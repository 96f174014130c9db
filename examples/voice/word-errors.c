/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "word-errors.h"

#include <string.h>

static char **
split_words (const char *text)
{
  g_autofree char *lower = g_ascii_strdown (text, -1);
  g_auto (GStrv) pieces = g_strsplit_set (lower, " \t.,;:!?", -1);
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();

  for (guint i = 0; pieces[i] != NULL; i++)
    if (pieces[i][0] != '\0')
      g_strv_builder_add (words, pieces[i]);

  return g_strv_builder_end (words);
}

/*
 * Returns how many words must be inserted, removed or replaced to get from one text to the other:
 * the edit distance, row by row. Divided by @n_words, the number of words that were said, it is
 * the word error rate.
 */
guint
word_errors_count (const char *said,
                   const char *heard,
                   guint      *n_words)
{
  g_auto (GStrv) said_words = split_words (said);
  g_auto (GStrv) heard_words = split_words (heard);
  guint             n_said = g_strv_length (said_words);
  guint             n_heard = g_strv_length (heard_words);
  g_autofree guint *row = g_new (guint, n_heard + 1);

  for (guint j = 0; j <= n_heard; j++)
    row[j] = j;

  for (guint i = 0; i < n_said; i++)
    {
      guint diagonal = row[0]++;

      for (guint j = 0; j < n_heard; j++)
        {
          guint replaced = diagonal + !g_str_equal (said_words[i], heard_words[j]);
          guint moved = MIN (row[j], row[j + 1]) + 1;

          diagonal = row[j + 1];
          row[j + 1] = MIN (replaced, moved);
        }
    }

  *n_words = n_said;

  return row[n_heard];
}
