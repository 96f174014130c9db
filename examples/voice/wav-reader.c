/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wav-reader.h"

#include <glib/gstdio.h>

#include <errno.h>
#include <string.h>

#define MAX_FILE_SIZE (64 * 1024 * 1024)
#define MIN_RATE 8000
#define MAX_RATE 192000
#define MAX_CHANNELS 8

#define FORMAT_PCM 0x0001
#define FORMAT_EXTENSIBLE 0xfffe

/* A piece of the file. The reader never reads past its end. */
typedef struct
{
  const guint8 *data;
  gsize         size;
} Chunk;

typedef struct
{
  guint n_channels;
  guint rate;
} Format;

static guint
read_u16 (const guint8 *data)
{
  return data[0] | data[1] << 8;
}

static guint32
read_u32 (const guint8 *data)
{
  return read_u16 (data) | (guint32) read_u16 (data + 2) << 16;
}

static gint16
read_sample (const guint8 *data)
{
  return (gint16) read_u16 (data);
}

/* A chunk that claims to be longer than the file, as in one that was cut off, ends with the file. */
static gboolean
find_chunk (const Chunk *file,
            const char  *id,
            Chunk       *chunk)
{
  gsize position = strlen ("RIFF....WAVE");

  while (file->size - position >= 8)
    {
      const guint8 *header = file->data + position;
      gsize         available = file->size - position - 8;
      guint64       claimed = read_u32 (header + 4);

      if (memcmp (header, id, 4) == 0)
        {
          *chunk = (Chunk){ header + 8, MIN (claimed, available) };
          return TRUE;
        }

      /* Chunks start at even positions. */
      if (claimed + (claimed & 1) > available)
        return FALSE;

      position += 8 + claimed + (claimed & 1);
    }

  return FALSE;
}

static gboolean
check_codec (const Chunk *chunk,
             GError     **error)
{
  guint codec = read_u16 (chunk->data);
  guint bits = read_u16 (chunk->data + 14);

  if (codec == FORMAT_EXTENSIBLE && chunk->size >= 26)
    codec = read_u16 (chunk->data + 24);

  if (codec == FORMAT_PCM && bits == 16)
    return TRUE;

  g_set_error (error,
               G_IO_ERROR,
               G_IO_ERROR_NOT_SUPPORTED,
               "it has %u-bit samples of codec %u, and only 16-bit PCM is understood; "
               "“ffmpeg -i IN -c:a pcm_s16le OUT.wav” converts it",
               bits,
               codec);

  return FALSE;
}

static gboolean
parse_format (const Chunk *chunk,
              Format      *format,
              GError     **error)
{
  if (chunk->size < 16)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "its format is cut off");
      return FALSE;
    }

  if (!check_codec (chunk, error))
    return FALSE;

  format->n_channels = read_u16 (chunk->data + 2);
  format->rate = read_u32 (chunk->data + 4);

  if (format->n_channels < 1 || format->n_channels > MAX_CHANNELS || format->rate < MIN_RATE ||
      format->rate > MAX_RATE)
    {
      g_set_error (error,
                   G_IO_ERROR,
                   G_IO_ERROR_NOT_SUPPORTED,
                   "it has %u channels at %u Hz; 1 to %u channels at %u to %u Hz are understood",
                   format->n_channels,
                   format->rate,
                   MAX_CHANNELS,
                   MIN_RATE,
                   MAX_RATE);
      return FALSE;
    }

  return TRUE;
}

static int
mix_channels (const guint8 *moment,
              guint         n_channels)
{
  int sum = 0;

  for (guint i = 0; i < n_channels; i++)
    sum += read_sample (moment + 2 * i);

  return sum / (int) n_channels;
}

/* Mixes the channels and resamples with linear interpolation, which is good enough for speech. */
static GBytes *
convert (const Chunk  *audio,
         const Format *format)
{
  gsize   stride = 2 * format->n_channels;
  gsize   n_in = audio->size / stride;
  gsize   n_out = (guint64) n_in * WAV_READER_RATE / format->rate;
  gint16 *samples = g_new (gint16, MAX (n_out, 1));

  for (gsize i = 0; i < n_out; i++)
    {
      guint64 position = (guint64) i * format->rate;
      gsize   left = position / WAV_READER_RATE;
      gsize   right = MIN (left + 1, n_in - 1);
      gint64  weight = position % WAV_READER_RATE;
      int     a = mix_channels (audio->data + left * stride, format->n_channels);
      int     b = mix_channels (audio->data + right * stride, format->n_channels);

      samples[i] = a + (b - a) * weight / WAV_READER_RATE;
    }

  return g_bytes_new_take (samples, n_out * sizeof (gint16));
}

static GBytes *
parse (const Chunk *file,
       GError     **error)
{
  Chunk  format_chunk, audio;
  Format format;

  if (file->size < 12 || memcmp (file->data, "RIFF", 4) != 0 ||
      memcmp (file->data + 8, "WAVE", 4) != 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "it is not a WAV file");
      return NULL;
    }

  if (!find_chunk (file, "fmt ", &format_chunk) || !find_chunk (file, "data", &audio))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "it has no format, or no audio");
      return NULL;
    }

  if (!parse_format (&format_chunk, &format, error))
    return NULL;

  return convert (&audio, &format);
}

/* A device or a pipe would never end, and a huge file would fill the memory. */
static gboolean
check_file (const char *path,
            GError    **error)
{
  GStatBuf status;

  if (g_stat (path, &status) != 0)
    {
      int code = errno;

      g_set_error_literal (
          error, G_IO_ERROR, g_io_error_from_errno (code), g_strerror (code));
      return FALSE;
    }

  if (!S_ISREG (status.st_mode) || status.st_size > MAX_FILE_SIZE)
    {
      g_set_error (error,
                   G_IO_ERROR,
                   G_IO_ERROR_NOT_SUPPORTED,
                   "it is not a regular file of %d MiB at most",
                   MAX_FILE_SIZE / (1024 * 1024));
      return FALSE;
    }

  return TRUE;
}

GBytes *
wav_reader_load (const char *path,
                 GError    **error)
{
  g_autofree char *contents = NULL;
  g_autoptr (GBytes) audio = NULL;
  gsize size;

  if (check_file (path, error) && g_file_get_contents (path, &contents, &size, error))
    audio = parse (&(Chunk){ (const guint8 *) contents, size }, error);

  if (audio == NULL)
    g_prefix_error (error, "Cannot read “%s”: ", path);

  return g_steal_pointer (&audio);
}
