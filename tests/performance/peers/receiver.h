/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _BenchReceiver BenchReceiver;

/* Those that are waited for together. */
typedef struct
{
  GMutex lock;
  GCond  cond;
  guint  n_unfinished; /* (lock) */
  gint64 finished_at;  /* (lock) ns */
} BenchCrowd;

/*
 * What a message has come to when a peer has delivered it. All peers count here, and nowhere else: whoever loses a
 * message, or delivers one twice, is found out. While messages are under way it belongs to the thread that delivers
 * them; before and after, to the main thread.
 */
struct _BenchReceiver
{
  BenchCrowd *crowd;
  void      (*handle) (BenchReceiver *self); /* (nullable) */
  gpointer    user_data;                     /* for @handle */
  guint64     n_wanted;
  guint64     n;
  guint64     n_bytes;
  char        padding[64]; /* the next one may belong to another thread */
};

gint64 bench_now            (void); /* ns */

/* For peers: a message with a payload of this size was delivered to @self. */
void   bench_receiver_take  (BenchReceiver *self,
                             gsize          payload);

/* For scenarios */
void   bench_crowd_init     (BenchCrowd    *self);
void   bench_crowd_clear    (BenchCrowd    *self);
void   bench_crowd_expect   (BenchCrowd    *self,
                             guint          n_receivers);
gint64 bench_crowd_wait     (BenchCrowd    *self);

G_END_DECLS
