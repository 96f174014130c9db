/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "peer.h"

const guint8 bench_payload[BENCH_PAYLOAD_MAX] = "what one agent has to tell another";

/* --- Message --- */

void
bench_message_fill (BenchMessage *self,
                    guint64       source,
                    gsize         size)
{
  self->source = source;
  self->type = BENCH_MESSAGE_TYPE;
  self->size = size;
  memcpy (self->payload, bench_payload, size);
}

BenchMessage *
bench_message_new (guint64 source,
                   gsize   size)
{
  BenchMessage *self = g_atomic_rc_box_alloc (sizeof *self + size);

  bench_message_fill (self, source, size);
  return self;
}

/* Returns the size of the payload. */
gsize
bench_message_read (const BenchMessage *self)
{
  g_assert (self->type == BENCH_MESSAGE_TYPE);
  return self->size;
}
