/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "speech-decoder.h"

#include <pocketsphinx.h>

#define MODEL_DIR "/usr/share/pocketsphinx/model/en-us"

struct _SpeechDecoder
{
  ps_decoder_t *decoder;
};

static cmd_ln_t *
make_config (void)
{
  return cmd_ln_init (NULL,
                      ps_args (),
                      TRUE,
                      "-hmm",
                      MODEL_DIR "/en-us",
                      "-lm",
                      MODEL_DIR "/en-us.lm.bin",
                      "-dict",
                      MODEL_DIR "/cmudict-en-us.dict",
                      "-logfn",
                      "/dev/null",
                      NULL);
}

/* Reads the model, which takes half a second or more. */
SpeechDecoder *
speech_decoder_new (GError **error)
{
  SpeechDecoder *self;
  cmd_ln_t      *config;
  ps_decoder_t  *decoder;

  if (!g_file_test (MODEL_DIR "/en-us.lm.bin", G_FILE_TEST_EXISTS))
    {
      g_set_error (error,
                   G_IO_ERROR,
                   G_IO_ERROR_NOT_FOUND,
                   "There is no speech model in %s: install the Debian package pocketsphinx-en-us",
                   MODEL_DIR);
      return NULL;
    }

  config = make_config ();
  decoder = config != NULL ? ps_init (config) : NULL;
  if (config != NULL)
    cmd_ln_free_r (config);

  if (decoder == NULL)
    {
      g_set_error (error,
                   G_IO_ERROR,
                   G_IO_ERROR_FAILED,
                   "PocketSphinx cannot use the speech model in %s",
                   MODEL_DIR);
      return NULL;
    }

  ps_start_stream (decoder);

  self = g_new0 (SpeechDecoder, 1);
  self->decoder = decoder;

  return self;
}

void
speech_decoder_free (SpeechDecoder *self)
{
  ps_free (self->decoder);
  g_free (self);
}

/* Starts an utterance. */
void
speech_decoder_begin (SpeechDecoder *self)
{
  ps_start_utt (self->decoder);
}

void
speech_decoder_feed (SpeechDecoder *self,
                     const gint16  *samples,
                     gsize          n_samples)
{
  ps_process_raw (self->decoder, samples, n_samples, FALSE, FALSE);
}

/* Ends the utterance and returns its text. The text is empty if the decoder has recognised nothing. */
char *
speech_decoder_finish (SpeechDecoder *self)
{
  const char *text;

  ps_end_utt (self->decoder);
  text = ps_get_hyp (self->decoder, NULL);

  return g_strdup (text != NULL ? text : "");
}
