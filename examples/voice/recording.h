/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* One frame: 20 ms of 16-bit samples at 16 kHz. */
#define RECORDING_FRAME_SIZE ((gsize) 640)

/* One recording of a human voice, with the words that are really said in it. */
typedef struct
{
  char   *name;
  char   *transcript; /* (nullable) */
  GBytes *audio;      /* as wav_reader_load () makes it, without the silence around the speech */
} Recording;

Recording *recording_load         (const char *path,
                                   GError    **error) G_GNUC_WARN_UNUSED_RESULT;
void       recording_free         (Recording  *self);
gsize      recording_get_n_frames (Recording *self);
GBytes    *recording_dup_frame    (Recording  *self,
                                   gsize       n) G_GNUC_WARN_UNUSED_RESULT;
double     recording_get_seconds  (Recording  *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Recording, recording_free)

G_END_DECLS
