/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "speech-detector.h"

#include <math.h>

/* Loudness is the root mean square of 16-bit samples. */
#define INITIAL_NOISE 100.0
#define QUIETEST_NOISE 50.0
#define LEAST_SPEECH 300.0
#define SPEECH_OVER_NOISE 3.0

/* A quiet frame shows the background at once. A loud frame may be speech, so the level rises slowly, 28 % a second. */
#define NOISE_FALL 0.3
#define NOISE_RISE 1.005

static double
measure_loudness (const gint16 *samples,
                  gsize         n_samples)
{
  double sum = 0;

  for (gsize i = 0; i < n_samples; i++)
    sum += (double) samples[i] * samples[i];

  return n_samples > 0 ? sqrt (sum / n_samples) : 0;
}

static void
follow_noise (SpeechDetector *self,
              double          loudness)
{
  if (loudness < self->noise)
    self->noise += NOISE_FALL * (loudness - self->noise);
  else
    self->noise *= NOISE_RISE;

  self->noise = MAX (self->noise, QUIETEST_NOISE);
}

void
speech_detector_init (SpeechDetector *self)
{
  *self = (SpeechDetector){ .noise = INITIAL_NOISE };
}

/* Takes the samples of one frame. */
SpeechState
speech_detector_feed (SpeechDetector *self,
                      const gint16   *samples,
                      gsize           n_samples)
{
  double   loudness = measure_loudness (samples, n_samples);
  gboolean loud = loudness > MAX (LEAST_SPEECH, SPEECH_OVER_NOISE * self->noise);
  gboolean was_speaking = self->speaking;

  follow_noise (self, loudness);

  self->n_loud = loud ? self->n_loud + 1 : 0;
  self->n_quiet = loud ? 0 : self->n_quiet + 1;

  if (was_speaking)
    self->speaking = self->n_quiet < SPEECH_DETECTOR_HANGOVER;
  else
    self->speaking = self->n_loud >= SPEECH_DETECTOR_ONSET;

  if (self->speaking)
    return was_speaking ? SPEECH_PRESENT : SPEECH_STARTED;

  return was_speaking ? SPEECH_ENDED : SPEECH_ABSENT;
}
