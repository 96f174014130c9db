/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A WAV file with one channel of 16-bit samples that grows while it is open. */
typedef struct _WavWriter WavWriter;

WavWriter *wav_writer_new    (const char *path,
                              guint       rate,
                              GError    **error) G_GNUC_WARN_UNUSED_RESULT;
void       wav_writer_append (WavWriter  *self,
                              GBytes     *audio);
gboolean   wav_writer_close  (WavWriter  *self,
                              GError    **error);

G_END_DECLS
