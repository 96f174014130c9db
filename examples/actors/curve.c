/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "curve.h"

/*
 * Draws the learning curves as an SVG that can be read on a light and on a dark background. The file contains nothing
 * but the curves, so that equal curves give equal files.
 */

#define WIDTH 720
#define HEIGHT 420
#define LEFT 64
#define RIGHT 24
#define TOP 56
#define BOTTOM 56

#define X_MAX (WIDTH - RIGHT)
#define Y_MAX (HEIGHT - BOTTOM)

#define LINE_EVERY 100 /* steps */
#define MAX_LABELS 15  /* of generations */

static const char *const style =
    "  <style>\n"
    "    svg { color: #1f2328; font: 13px sans-serif; }\n"
    "    text { fill: currentColor; }\n"
    "    .title { font-size: 17px; font-weight: bold; }\n"
    "    .axis { stroke: currentColor; fill: none; }\n"
    "    .grid { stroke: currentColor; stroke-opacity: 0.15; }\n"
    "    .team { fill: none; stroke-width: 2.5; stroke-linejoin: round; }\n"
    "    .team-0 { stroke: #0969da; }\n"
    "    .team-1 { stroke: #bc4c00; }\n"
    "    @media (prefers-color-scheme: dark) {\n"
    "      svg { color: #e6edf3; }\n"
    "      .team-0 { stroke: #58a6ff; }\n"
    "      .team-1 { stroke: #f0883e; }\n"
    "    }\n"
    "  </style>\n";

/* A number with one decimal, and a decimal point in every locale. */
static void
append_number (GString    *svg,
               const char *before,
               double      number,
               const char *after)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  g_ascii_formatd (text, sizeof text, "%.1f", number);
  g_string_append_printf (svg, "%s%s%s", before, text, after);
}

static double
get_x (guint generation,
       guint n_generations)
{
  if (n_generations < 2)
    return LEFT;

  return LEFT + (double) (X_MAX - LEFT) * generation / (n_generations - 1);
}

static double
get_y (double n_steps)
{
  return Y_MAX - (Y_MAX - TOP) * n_steps / CART_POLE_MAX_STEPS;
}

static void
draw_y_axis (GString *svg)
{
  for (guint n_steps = 0; n_steps <= CART_POLE_MAX_STEPS; n_steps += LINE_EVERY)
    {
      append_number (svg, "  <path class=\"grid\" d=\"M" G_STRINGIFY (LEFT) " ", get_y (n_steps), "");
      g_string_append_printf (svg, "H%d\"/>\n", X_MAX);
      append_number (svg, "  <text text-anchor=\"end\" x=\"56\" y=\"", get_y (n_steps) + 4.5, "\">");
      g_string_append_printf (svg, "%u</text>\n", n_steps);
    }

  g_string_append_printf (svg,
                          "  <text text-anchor=\"middle\" transform=\"translate(18 %d) rotate(-90)\">"
                          "mean length of an episode (steps)</text>\n",
                          (TOP + Y_MAX) / 2);
}

static void
draw_x_axis (GString *svg,
             guint    n_generations)
{
  guint every = (n_generations + MAX_LABELS - 1) / MAX_LABELS;

  for (guint generation = 0; generation < n_generations; generation += every)
    {
      append_number (svg, "  <text text-anchor=\"middle\" x=\"", get_x (generation, n_generations), "\"");
      g_string_append_printf (svg, " y=\"%d\">%u</text>\n", Y_MAX + 20, generation + 1);
    }

  g_string_append_printf (svg,
                          "  <text text-anchor=\"middle\" x=\"%d\" y=\"%d\">generation</text>\n",
                          (LEFT + X_MAX) / 2,
                          HEIGHT - 14);
  g_string_append_printf (svg, "  <path class=\"axis\" d=\"M%d %dV%dH%d\"/>\n", LEFT, TOP, Y_MAX, X_MAX);
}

static void
draw_team (GString *svg,
           guint    team,
           GArray  *curve)
{
  g_string_append_printf (svg, "  <polyline class=\"team team-%u\" points=\"", team);
  for (guint i = 0; i < curve->len; i++)
    {
      append_number (svg, i > 0 ? " " : "", get_x (i, curve->len), ",");
      append_number (svg, "", get_y (g_array_index (curve, double, i)), "");
    }
  g_string_append (svg, "\"/>\n");
}

static void
draw_legend (GString *svg,
             guint    team)
{
  int y = Y_MAX - 40 + 20 * (int) team;

  g_string_append_printf (svg, "  <path class=\"team team-%u\" d=\"M%d %dh28\"/>\n", team, X_MAX - 100, y);
  g_string_append_printf (svg, "  <text x=\"%d\" y=\"%d\">team %u</text>\n", X_MAX - 64, y + 4, team + 1);
}

static void
draw_title (GString *svg,
            guint    n_actors)
{
  g_string_append_printf (svg,
                          "  <text class=\"title\" text-anchor=\"middle\" x=\"%d\" y=\"30\">"
                          "%u actors learn to keep a pole upright</text>\n",
                          WIDTH / 2,
                          n_actors);
}

gboolean
curve_save (Trainer   **trainers,
            guint       n_trainers,
            const char *file,
            GError    **error)
{
  g_autoptr (GString) svg = g_string_new (NULL);
  guint n_actors = 0;

  for (guint i = 0; i < n_trainers; i++)
    n_actors += trainer_get_n_players (trainers[i]);

  g_string_append_printf (svg,
                          "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\">\n"
                          "  <title>Learning curve</title>\n"
                          "%s",
                          WIDTH,
                          HEIGHT,
                          style);
  draw_title (svg, n_actors);
  draw_y_axis (svg);
  draw_x_axis (svg, trainer_get_curve (trainers[0])->len);
  for (guint i = 0; i < n_trainers; i++)
    {
      draw_team (svg, i, trainer_get_curve (trainers[i]));
      draw_legend (svg, i);
    }
  g_string_append (svg, "</svg>\n");

  return g_file_set_contents (file, svg->str, svg->len, error);
}
