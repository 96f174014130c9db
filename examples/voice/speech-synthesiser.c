/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "speech-synthesiser.h"

#include <espeak-ng/speak_lib.h>
#include <string.h>

struct _SpeechSynthesiser
{
  guint                 rate;
  SpeechSynthesiserFunc func;
  gpointer              user_data;
};

/* eSpeak NG calls this function with each piece of sound, and with NULL at the end. It returns 0 to go on. */
static int
on_sound (short        *samples,
          int           n_samples,
          espeak_EVENT *events)
{
  SpeechSynthesiser *self = events->user_data;

  if (samples == NULL || n_samples <= 0)
    return 0;

  return self->func (samples, n_samples, self->user_data) ? 0 : 1;
}

SpeechSynthesiser *
speech_synthesiser_new (GError **error)
{
  SpeechSynthesiser *self;
  int                rate;

  rate = espeak_Initialize (AUDIO_OUTPUT_SYNCHRONOUS, 0, NULL, espeakINITIALIZE_DONT_EXIT);
  if (rate <= 0 || espeak_SetVoiceByName ("en") != EE_OK)
    {
      g_set_error (error,
                   G_IO_ERROR,
                   G_IO_ERROR_NOT_FOUND,
                   "eSpeak NG has no English voice: install the Debian package espeak-ng-data");
      return NULL;
    }

  espeak_SetSynthCallback (on_sound);

  self = g_new0 (SpeechSynthesiser, 1);
  self->rate = rate;

  return self;
}

void
speech_synthesiser_free (SpeechSynthesiser *self)
{
  espeak_Terminate ();
  g_free (self);
}

guint
speech_synthesiser_get_rate (SpeechSynthesiser *self)
{
  return self->rate;
}

/* Returns when the whole text is synthesised, much faster than real time, or when @func has returned FALSE. */
void
speech_synthesiser_speak (SpeechSynthesiser    *self,
                          const char           *text,
                          SpeechSynthesiserFunc func,
                          gpointer              user_data)
{
  self->func = func;
  self->user_data = user_data;

  espeak_Synth (text, strlen (text) + 1, 0, POS_CHARACTER, 0, espeakCHARS_UTF8, NULL, self);
}
