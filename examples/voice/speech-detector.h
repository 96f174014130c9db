/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  SPEECH_ABSENT,
  SPEECH_STARTED,
  SPEECH_PRESENT,
  SPEECH_ENDED,
} SpeechState;

/*
 * Tells speech from noise by its energy. It measures how loud the background is. Speech begins when it has
 * lasted for a moment, and ends when there is a pause.
 */
typedef struct
{
  double   noise;
  guint    n_loud;
  guint    n_quiet;
  gboolean speaking;
} SpeechDetector;

/* Speech is noticed this many frames after it started. */
#define SPEECH_DETECTOR_ONSET    3
/* A pause of this many frames ends it: 600 ms, more than the pauses between words. */
#define SPEECH_DETECTOR_HANGOVER 30

void        speech_detector_init (SpeechDetector *self);
SpeechState speech_detector_feed (SpeechDetector *self,
                                  const gint16   *samples,
                                  gsize           n_samples);

G_END_DECLS
