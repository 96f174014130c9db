/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Every WAV file is converted to one channel of 16-bit samples, with this many samples a second. */
#define WAV_READER_RATE 16000

GBytes *wav_reader_load (const char *path,
                         GError    **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
