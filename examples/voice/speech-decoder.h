/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Turns speech into text: PocketSphinx with its model of US English. Use it from one thread at a time. */
typedef struct _SpeechDecoder SpeechDecoder;

SpeechDecoder *speech_decoder_new    (GError       **error) G_GNUC_WARN_UNUSED_RESULT;
void           speech_decoder_free   (SpeechDecoder *self);
void           speech_decoder_begin  (SpeechDecoder *self);
void           speech_decoder_feed   (SpeechDecoder *self,
                                      const gint16  *samples,
                                      gsize          n_samples);
char          *speech_decoder_finish (SpeechDecoder *self) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (SpeechDecoder, speech_decoder_free)

G_END_DECLS
