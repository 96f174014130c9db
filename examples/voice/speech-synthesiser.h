/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * Turns text into speech: eSpeak NG. The library keeps its state in global variables, so there can be one
 * synthesiser in a process, used from one thread.
 */
typedef struct _SpeechSynthesiser SpeechSynthesiser;

/* Takes some samples. Returns FALSE to end the synthesis. */
typedef gboolean (*SpeechSynthesiserFunc) (const gint16 *samples,
                                           gsize         n_samples,
                                           gpointer      user_data);

SpeechSynthesiser *speech_synthesiser_new      (GError              **error) G_GNUC_WARN_UNUSED_RESULT;
void               speech_synthesiser_free     (SpeechSynthesiser    *self);
guint              speech_synthesiser_get_rate (SpeechSynthesiser    *self);
void               speech_synthesiser_speak    (SpeechSynthesiser    *self,
                                                const char           *text,
                                                SpeechSynthesiserFunc func,
                                                gpointer              user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (SpeechSynthesiser, speech_synthesiser_free)

G_END_DECLS
