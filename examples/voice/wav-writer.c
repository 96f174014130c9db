/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wav-writer.h"

#include <glib/gstdio.h>

#include <errno.h>
#include <stdio.h>

struct _WavWriter
{
  char   *path;
  FILE   *file;
  guint   rate;
  guint32 n_bytes;
};

static void
write_u16 (WavWriter *self,
           guint16    value)
{
  guint16 little_endian = GUINT16_TO_LE (value);

  fwrite (&little_endian, sizeof little_endian, 1, self->file);
}

static void
write_u32 (WavWriter *self,
           guint32    value)
{
  guint32 little_endian = GUINT32_TO_LE (value);

  fwrite (&little_endian, sizeof little_endian, 1, self->file);
}

static void
write_header (WavWriter *self)
{
  fputs ("RIFF", self->file);
  write_u32 (self, 36 + self->n_bytes);
  fputs ("WAVEfmt ", self->file);
  write_u32 (self, 16);
  write_u16 (self, 1);
  write_u16 (self, 1);
  write_u32 (self, self->rate);
  write_u32 (self, self->rate * 2);
  write_u16 (self, 2);
  write_u16 (self, 16);
  fputs ("data", self->file);
  write_u32 (self, self->n_bytes);
}

static void
set_error (WavWriter *self,
           GError   **error)
{
  int code = errno;

  g_set_error (error,
               G_IO_ERROR,
               g_io_error_from_errno (code),
               "Cannot write “%s”: %s",
               self->path,
               g_strerror (code));
}

static void
wav_writer_free (WavWriter *self)
{
  g_free (self->path);
  g_free (self);
}

WavWriter *
wav_writer_new (const char *path,
                guint       rate,
                GError    **error)
{
  WavWriter *self = g_new0 (WavWriter, 1);

  self->path = g_strdup (path);
  self->rate = rate;
  self->file = g_fopen (path, "wbe");

  if (self->file == NULL)
    {
      set_error (self, error);
      wav_writer_free (self);
      return NULL;
    }

  write_header (self);

  return self;
}

void
wav_writer_append (WavWriter *self,
                   GBytes    *audio)
{
  gsize         size;
  const gint16 *samples = g_bytes_get_data (audio, &size);

  for (gsize i = 0; i < size / sizeof (gint16); i++)
    write_u16 (self, samples[i]);

  self->n_bytes += size;
}

/* Frees @self in any case. Returns whether all appended samples are in the file. */
gboolean
wav_writer_close (WavWriter *self,
                  GError   **error)
{
  gboolean written;

  /* The header has the size of the file, which is known only now. */
  written = fseek (self->file, 0, SEEK_SET) == 0;
  if (written)
    write_header (self);

  written = written && !ferror (self->file);
  written = fclose (self->file) == 0 && written;
  if (!written)
    set_error (self, error);

  wav_writer_free (self);

  return written;
}
