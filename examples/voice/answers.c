/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "answers.h"

static const char *const suits[] = { "clubs", "diamonds", "hearts", "spades", NULL };

static const struct
{
  const char *name;
  guint       points;
} ranks[] = {
  { "ace", 11 },
  { "two", 2 },
  { "three", 3 },
  { "four", 4 },
  { "five", 5 },
  { "six", 6 },
  { "seven", 7 },
  { "eight", 8 },
  { "nine", 9 },
  { "ten", 10 },
  { "jack", 10 },
  { "queen", 10 },
  { "king", 10 },
};

static guint
get_points (const char *word)
{
  for (guint i = 0; i < G_N_ELEMENTS (ranks); i++)
    if (g_str_equal (word, ranks[i].name))
      return ranks[i].points;

  return 0;
}

/* Looks for "eight of spades" and the like. */
static char *
answer_cards (char **words)
{
  g_autoptr (GString) cards = g_string_new (NULL);
  guint n_cards = 0, points = 0;
  guint n_words = g_strv_length (words);

  for (guint i = 0; i + 2 < n_words; i++)
    if (get_points (words[i]) > 0 && g_str_equal (words[i + 1], "of") &&
        g_strv_contains (suits, words[i + 2]))
      {
        g_string_append_printf (
            cards, "%sthe %s of %s", n_cards > 0 ? ", " : "", words[i], words[i + 2]);
        points += get_points (words[i]);
        n_cards++;
      }

  if (n_cards == 0)
    return NULL;

  return g_strdup_printf ("You hold %s. That is %u %s, worth %u points.",
                          cards->str,
                          n_cards,
                          n_cards == 1 ? "card" : "cards",
                          points);
}

static char *
answer_words (const char *heard,
              char      **words)
{
  guint n_words = g_strv_length (words);

  return g_strdup_printf ("You said: %s. I have counted %u %s in that.",
                          heard,
                          n_words,
                          n_words == 1 ? "word" : "words");
}

static char *
answer (const char *heard)
{
  g_auto (GStrv) words = g_strsplit (heard, " ", -1);
  g_autofree char *cards = answer_cards (words);

  if (heard[0] == '\0')
    return g_strdup ("Sorry, I have not understood a word of what you just said to me.");

  if (cards != NULL)
    return g_steal_pointer (&cards);

  return answer_words (heard, words);
}

/* Returns the answer to a user who said @heard. The @first answer is a long explanation. */
char *
answers_compose (const char *heard,
                 gboolean    first)
{
  g_autofree char *text = answer (heard);

  if (!first)
    return g_steal_pointer (&text);

  return g_strconcat (text,
                      " You may interrupt me at any time:"
                      " the cancel message overtakes all the audio that I have queued.",
                      NULL);
}
