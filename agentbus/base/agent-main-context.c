/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-main-context.h"

#define POLLED_GUESS 8

static GPollFD *
main_context_get_polled (GMainContext *context,
                         gint          priority,
                         gint         *timeout,
                         gint         *n_polled)
{
  GPollFD *polled = NULL;
  gint n_room = 0;

  *n_polled = POLLED_GUESS;
  while (*n_polled > n_room)
    {
      n_room = *n_polled;
      polled = g_renew (GPollFD, polled, n_room);
      *n_polled = g_main_context_query (context, priority, timeout, polled, n_room);
    }

  return polled;
}

/**
 * agent_main_context_query:
 * @context: a main context that the calling thread has acquired
 * @timeout: (out): milliseconds until a source of @context is due: 0 if one is ready, -1 if none has a time
 * @n_words: (out): number of elements in the returned array
 *
 * Prepares the sources of a main context, and gets what a loop of another kind has to wait for on their behalf.
 *
 * This is for overrides: languages whose loop is not GLib's, and in which [method@GLib.MainContext.query] cannot be
 * called. Such a loop calls it before each of its waits, and iterates @context once without blocking when @timeout has
 * passed or one of the descriptors is ready. The context has to stay acquired in between.
 *
 * Returns: (array length=n_words) (transfer full): a file descriptor and its conditions, as in `poll()`, for each
 *   descriptor in turn
 *
 * Since: 0.1
 */
gint *
agent_main_context_query (GMainContext *context,
                          gint         *timeout,
                          gsize        *n_words)
{
  g_autofree GPollFD *polled = NULL;
  gint *words;
  gint priority;
  gint n_polled;
  gboolean ready;

  g_return_val_if_fail (context != NULL, NULL);
  g_return_val_if_fail (g_main_context_is_owner (context), NULL);
  g_return_val_if_fail (timeout != NULL && n_words != NULL, NULL);

  ready = g_main_context_prepare (context, &priority);
  polled = main_context_get_polled (context, priority, timeout, &n_polled);
  if (ready)
    *timeout = 0;

  *n_words = 2 * (gsize) n_polled;
  words = g_new (gint, *n_words + 1);
  for (gint i = 0; i < n_polled; i++)
    {
      words[2 * i] = polled[i].fd;
      words[2 * i + 1] = polled[i].events;
    }

  return words;
}
