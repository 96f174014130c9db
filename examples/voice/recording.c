/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "recording.h"

#include "frame-clock.h"
#include "speech-detector.h"
#include "wav-reader.h"

#include <string.h>

G_STATIC_ASSERT (RECORDING_FRAME_SIZE ==
                 (gsize) WAV_READER_RATE / 1000 * FRAME_CLOCK_DURATION / 1000 * sizeof (gint16));

/* How much silence is kept before and after the speech: 300 ms and 200 ms. */
#define LEAD_IN 15
#define LEAD_OUT 10

/* A line is "<s> the words </s> (name)"; the name is that of the recording, without ".wav". */
static char *
find_line (const char *transcripts,
           const char *name)
{
  g_autofree char *ending = g_strdup_printf ("</s> (%s)", name);
  g_auto (GStrv) lines = g_strsplit (transcripts, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *start = strstr (lines[i], "<s>");
      char *end = strstr (lines[i], ending);

      if (start != NULL && end != NULL && start < end)
        return g_strstrip (g_strndup (start + strlen ("<s>"), end - start - strlen ("<s>")));
    }

  return NULL;
}

static gboolean
is_transcript_file (const char *file_name)
{
  return g_str_equal (file_name, "transcription") || g_str_has_suffix (file_name, ".transcription");
}

/* Recordings for testing recognisers come with a file of all their transcripts in the same folder. */
static char *
find_transcript (const char *path,
                 const char *name)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autofree char *transcript = NULL;
  const char      *file_name;

  while (dir != NULL && transcript == NULL && (file_name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (folder, file_name, NULL);
      g_autofree char *contents = NULL;

      if (is_transcript_file (file_name) && g_file_get_contents (file, &contents, NULL, NULL))
        transcript = find_line (contents, name);
    }

  return g_steal_pointer (&transcript);
}

/* The speech has to begin as soon as a recording starts, so that it does not come after the end of an answer. */
static gboolean
trim_silence (Recording *self)
{
  gsize          n_frames = recording_get_n_frames (self);
  gsize          first = n_frames, last = 0;
  SpeechDetector detector;
  g_autoptr (GBytes) whole = NULL;

  speech_detector_init (&detector);
  for (gsize i = 0; i < n_frames; i++)
    {
      g_autoptr (GBytes) frame = recording_dup_frame (self, i);
      gsize         size;
      const gint16 *samples = g_bytes_get_data (frame, &size);

      speech_detector_feed (&detector, samples, size / sizeof (gint16));
      if (detector.speaking && detector.n_quiet == 0)
        {
          first = MIN (first, i);
          last = i;
        }
    }

  if (first == n_frames)
    return FALSE;

  first -= MIN (first, LEAD_IN + SPEECH_DETECTOR_ONSET - 1);
  last = MIN (last + LEAD_OUT, n_frames - 1);

  whole = g_steal_pointer (&self->audio);
  self->audio = g_bytes_new_from_bytes (
      whole, first * RECORDING_FRAME_SIZE, (last + 1 - first) * RECORDING_FRAME_SIZE);

  return TRUE;
}

Recording *
recording_load (const char *path,
                GError    **error)
{
  g_autoptr (Recording) self = g_new0 (Recording, 1);
  g_autofree char *stem = NULL;

  self->audio = wav_reader_load (path, error);
  if (self->audio == NULL)
    return NULL;

  if (!trim_silence (self))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "Nobody speaks in “%s”", path);
      return NULL;
    }

  self->name = g_path_get_basename (path);
  stem = g_strdup (self->name);
  if (g_str_has_suffix (stem, ".wav"))
    stem[strlen (stem) - strlen (".wav")] = '\0';
  self->transcript = find_transcript (path, stem);

  return g_steal_pointer (&self);
}

void
recording_free (Recording *self)
{
  g_free (self->name);
  g_free (self->transcript);
  g_clear_pointer (&self->audio, g_bytes_unref);
  g_free (self);
}

/* Returns how many whole frames there are. */
gsize
recording_get_n_frames (Recording *self)
{
  return g_bytes_get_size (self->audio) / RECORDING_FRAME_SIZE;
}

/* Returns one frame's samples: a view into the recording, nothing is copied. */
GBytes *
recording_dup_frame (Recording *self,
                     gsize      n)
{
  return g_bytes_new_from_bytes (self->audio, n * RECORDING_FRAME_SIZE, RECORDING_FRAME_SIZE);
}

double
recording_get_seconds (Recording *self)
{
  return recording_get_n_frames (self) * (FRAME_CLOCK_DURATION / 1e6);
}
