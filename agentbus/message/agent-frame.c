/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-utf8-private.h"
#include "message/agent-frame-private.h"
#include "message/agent-frame.h"
#include "message/agent-message-pool-private.h"

#include <string.h>

/**
 * AgentFrame:
 *
 * A unit of the data that flows through a pipeline: some audio, a picture, a piece of text.
 *
 * A frame has a kind that says what its data is, the data itself, and metadata. All receivers, in all
 * threads, read the same bytes. A frame that is made by [ctor@AgentBus.Frame.new] refers to bytes that are
 * there already. For a few bytes, such as some milliseconds of sound, [ctor@AgentBus.Frame.new_copy] is
 * faster: the frame then holds a copy of them.
 *
 * ```c
 * g_autoptr (GBytes) pcm = g_bytes_new_take (g_malloc0 (640), 640);
 * g_autoptr (AgentFrame) frame = agent_frame_new ("audio/raw", pcm, NULL);
 *
 * agent_frame_set_pts (frame, 20000);
 * g_print ("%s\n", agent_frame_get_kind (frame)); // prints: audio/raw
 * agent_bus_send (bus,
 *                 agent_message_new_frame ("microphone", "recognizer", frame,
 *                                          AGENT_FRAME_DIRECTION_DOWNSTREAM));
 * ```
 *
 * A frame has an atomic reference count and may be read in any number of threads at once. Only
 * [method@AgentBus.Frame.set_pts] changes a frame, and may be called only before the frame is shared.
 *
 * ## From Python
 *
 * ```python
 * def on_frame(recognizer, message):
 *     frame = message.get_frame()
 *     print(frame.get_kind())  # prints: audio/raw
 *     print(frame.get_data().get_size())  # prints: 640
 *
 * recognizer = AgentBus.Subscriber(name='recognizer')
 * recognizer.connect('message::frame', on_frame)
 * bus.subscribe(recognizer)
 * frame = AgentBus.Frame.new('audio/raw', GLib.Bytes.new(bytes(640)), None)
 * bus.send(AgentBus.Message.new_frame('microphone', 'recognizer', frame,
 *                                     AgentBus.FrameDirection.DOWNSTREAM))
 * ```
 *
 * With the [overrides](overrides.html) the direction has a default, and `pack()` makes a `GVariant` of plain values:
 *
 * ```python
 * # With the overrides.
 * metadata = AgentBus.pack({'lang': 'en'})
 * frame = AgentBus.Frame.new('text', None, metadata)
 * message = AgentBus.Message.frame('recognizer', 'ui', frame)
 * print(message.frame.get_metadata()['lang'])  # prints: en
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const data = new GLib.Bytes(new Uint8Array(640));
 * const frame = AgentBus.Frame.new('audio/raw', data, null);
 * const message = AgentBus.Message.new_frame('microphone', 'recognizer', frame,
 *     AgentBus.FrameDirection.DOWNSTREAM);
 *
 * print(message.get_frame().get_data().toArray().length); // prints: 640
 * ```
 *
 * With the overrides the message makes the frame:
 *
 * ```js
 * // With the overrides.
 * const data = new Uint8Array(640);
 * const message = AgentBus.Message.frame('microphone', 'recognizer',
 *     {kind: 'audio/raw', data});
 *
 * print(message.frame.get_kind()); // prints: audio/raw
 * ```
 *
 * Since: 0.1
 */
struct _AgentFrame
{
  gatomicrefcount ref_count;
  guint8          pooled;   /* for _agent_message_pool_free() */
  guint8          has_copy; /* whether @block begins with the data */
  guint16         size;     /* of the data in @block */
  guint64         id;
  GBytes         *data;     /* (atomic) (owned) (nullable) if @has_copy, NULL until somebody asks for it */
  GVariant       *metadata; /* (owned) (nullable) */
  gint64          pts;      /* microseconds, or -1 */
  const char     *kind;     /* in @block, after the data */

  /* Aligned as memory from malloc() is, since the data may be of any type. */
  guint8 block[] __attribute__ ((aligned (16)));
};

/* More data than this does not lie in the frame itself. */
#define COPY_SIZE_MAX 1024

G_STATIC_ASSERT (sizeof (AgentFrame) + COPY_SIZE_MAX + 64 <= AGENT_MESSAGE_POOL_BLOCK_SIZE_MAX);

G_DEFINE_BOXED_TYPE (AgentFrame, agent_frame, agent_frame_ref, agent_frame_unref)

static guint64
frame_next_id (void)
{
  /* The atomic functions of GLib are no wider than a pointer, which may have only 32 bits. */
  static guint64 last_id; /* (atomic) */

  return __atomic_add_fetch (&last_id, 1, __ATOMIC_RELAXED);
}

/* Has no data yet, and room for @size bytes before the kind. */
static inline AgentFrame *
frame_alloc (const char *kind,
             gsize       size,
             GVariant   *metadata)
{
  gsize       kind_size = strlen (kind) + 1;
  guint8      pooled;
  AgentFrame *self = _agent_message_pool_alloc (sizeof (AgentFrame) + size + kind_size, &pooled);

  g_atomic_ref_count_init (&self->ref_count);
  self->pooled = pooled;
  self->has_copy = FALSE;
  self->size = 0;
  self->id = frame_next_id ();
  self->data = NULL;
  self->metadata = metadata != NULL ? g_variant_ref_sink (metadata) : NULL;
  self->pts = -1;
  self->kind = memcpy (self->block + size, kind, kind_size);

  return self;
}

AgentFrame *
_agent_frame_new_with_id (
    guint64 id, const char *kind, GBytes *data, GVariant *metadata, gint64 pts)
{
  AgentFrame *self = frame_alloc (kind, 0, metadata);

  if (id != 0)
    self->id = id;
  if (data != NULL)
    self->data = g_bytes_ref (data);
  self->pts = pts;

  return self;
}

static inline gboolean
frame_is_metadata (GVariant *metadata)
{
  return metadata == NULL || g_variant_is_of_type (metadata, G_VARIANT_TYPE_VARDICT);
}

/**
 * agent_frame_new:
 * @kind: What the data is, not empty; such as `audio/raw`.
 * @data: (transfer none) (nullable): The data.
 * @metadata: (transfer none) (nullable): More about the data, of type `a{sv}`; a floating reference
 * is sunk.
 *
 * Creates a frame with a new id.
 *
 * The frame takes a reference on the data and on the metadata. It copies neither of them.
 *
 * Returns: (transfer full): a new frame
 *
 * Since: 0.1
 */
AgentFrame *
agent_frame_new (const char *kind,
                 GBytes     *data,
                 GVariant   *metadata)
{
  g_return_val_if_fail (kind != NULL && *kind != '\0', NULL);
  g_return_val_if_fail (_agent_utf8_is_string (kind), NULL);
  g_return_val_if_fail (frame_is_metadata (metadata), NULL);

  return _agent_frame_new_with_id (0, kind, data, metadata, -1);
}

/**
 * agent_frame_new_copy:
 * @kind: What the data is, not empty; such as `audio/raw`.
 * @data: (array length=size) (element-type guint8) (nullable): The data, or %NULL for none.
 * @size: How many bytes @data has.
 * @metadata: (transfer none) (nullable): More about the data, of type `a{sv}`; a floating reference
 * is sunk.
 *
 * Creates a frame with a new id and a copy of the data.
 *
 * Up to a kilobyte of data lies in the memory of the frame itself, and nothing else is allocated for it.
 * So this is the faster way to send small frames; for large ones, or for bytes that are shared already,
 * use [ctor@AgentBus.Frame.new].
 *
 * ```c
 * const gint16 pcm[80] = { 0 };
 * g_autoptr (AgentFrame) frame =
 *   agent_frame_new_copy ("audio/raw", pcm, sizeof pcm, NULL);
 * gsize size;
 *
 * agent_frame_get_contents (frame, &size);
 * g_print ("%zu bytes\n", size); // prints: 160 bytes
 * ```
 *
 * Returns: (transfer full): a new frame
 *
 * Since: 0.1
 */
AgentFrame *
agent_frame_new_copy (const char   *kind,
                      gconstpointer data,
                      gsize         size,
                      GVariant     *metadata)
{
  AgentFrame *self;

  g_return_val_if_fail (kind != NULL && *kind != '\0', NULL);
  g_return_val_if_fail (_agent_utf8_is_string (kind), NULL);
  g_return_val_if_fail (data != NULL || size == 0, NULL);
  g_return_val_if_fail (frame_is_metadata (metadata), NULL);

  if (data == NULL || size > COPY_SIZE_MAX)
    {
      self = frame_alloc (kind, 0, metadata);
      self->data = data != NULL ? g_bytes_new (data, size) : NULL;
      return self;
    }

  self = frame_alloc (kind, size, metadata);
  self->has_copy = TRUE;
  self->size = (guint16) size;
  memcpy (self->block, data, size);

  return self;
}

AgentFrame *
_agent_frame_new_copy_with_id (
    guint64 id, const char *kind, gconstpointer data, gsize size, GVariant *metadata, gint64 pts)
{
  AgentFrame *self = agent_frame_new_copy (kind, data, size, metadata);

  if (id != 0)
    self->id = id;
  self->pts = pts;

  return self;
}

/**
 * agent_frame_ref:
 * @self: A frame.
 *
 * Adds a reference to a frame.
 *
 * This may be called from any thread.
 *
 * Returns: (transfer full): the same frame
 *
 * Since: 0.1
 */
AgentFrame *
agent_frame_ref (AgentFrame *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

/**
 * agent_frame_unref: (skip)
 * @self: (transfer full): A frame.
 *
 * Drops a reference to a frame. The last one frees the frame.
 *
 * This may be called from any thread.
 *
 * Since: 0.1
 */
void
agent_frame_unref (AgentFrame *self)
{
  g_return_if_fail (self != NULL);

  /* The holder of the only reference needs no locked instruction to see that it is the only one. */
  if (!g_atomic_ref_count_compare (&self->ref_count, 1) && !g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_clear_pointer (&self->data, g_bytes_unref);
  g_clear_pointer (&self->metadata, g_variant_unref);
  _agent_message_pool_free (self, self->pooled);
}

/**
 * agent_frame_get_id:
 * @self: A frame.
 *
 * Gets the id of a frame.
 *
 * Ids count up from 1, and each frame that a process creates has another one. A frame that came from
 * another process keeps the id that it got there.
 *
 * Returns: the id, never 0
 *
 * Since: 0.1
 */
guint64
agent_frame_get_id (AgentFrame *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->id;
}

/**
 * agent_frame_get_kind:
 * @self: A frame.
 *
 * Gets the kind of a frame, which says what its data is.
 *
 * Returns: (transfer none): the kind
 *
 * Since: 0.1
 */
const char *
agent_frame_get_kind (AgentFrame *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->kind;
}

/**
 * agent_frame_get_data:
 * @self: A frame.
 *
 * Gets the data of a frame.
 *
 * These are the bytes that the frame was created with, not a copy. If the frame itself holds the data,
 * because it came from [ctor@AgentBus.Frame.new_copy], the first call copies it, and all calls in all
 * threads return the same copy. [method@AgentBus.Frame.get_contents] copies nothing.
 *
 * This may be called from any thread.
 *
 * Returns: (transfer none) (nullable): the data, or %NULL if the frame has none
 *
 * Since: 0.1
 */
GBytes *
agent_frame_get_data (AgentFrame *self)
{
  GBytes *data;
  GBytes *made;

  g_return_val_if_fail (self != NULL, NULL);

  data = g_atomic_pointer_get (&self->data);
  if (data != NULL || !self->has_copy)
    return data;

  made = g_bytes_new (self->block, self->size);
  if (g_atomic_pointer_compare_and_exchange (&self->data, NULL, made))
    return made;

  /* Another thread was first. */
  g_bytes_unref (made);

  return g_atomic_pointer_get (&self->data);
}

/**
 * agent_frame_get_contents:
 * @self: A frame.
 * @size: (out): Return location for the number of bytes.
 *
 * Gets the bytes of a frame where they are.
 *
 * They are valid for as long as the frame is, and must not be changed. They are aligned for any type if
 * the frame itself holds them.
 *
 * This may be called from any thread.
 *
 * Returns: (transfer none) (array length=size) (element-type guint8) (nullable): the bytes, or %NULL if
 *   there are none
 *
 * Since: 0.1
 */
gconstpointer
agent_frame_get_contents (AgentFrame *self,
                          gsize      *size)
{
  GBytes *data;

  g_return_val_if_fail (size != NULL, NULL);

  *size = 0;
  g_return_val_if_fail (self != NULL, NULL);

  if (self->has_copy)
    {
      *size = self->size;
      return self->size > 0 ? self->block : NULL;
    }

  data = self->data;

  return data != NULL ? g_bytes_get_data (data, size) : NULL;
}

/**
 * agent_frame_get_metadata:
 * @self: A frame.
 *
 * Gets the metadata of a frame.
 *
 * Returns: (transfer none) (nullable): an `a{sv}`, or %NULL if the frame has none
 *
 * Since: 0.1
 */
GVariant *
agent_frame_get_metadata (AgentFrame *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->metadata;
}

/**
 * agent_frame_get_pts:
 * @self: A frame.
 *
 * Gets the presentation time of a frame.
 *
 * Returns: microseconds on the clock of the pipeline, or -1 if the frame has none
 *
 * Since: 0.1
 */
gint64
agent_frame_get_pts (AgentFrame *self)
{
  g_return_val_if_fail (self != NULL, -1);

  return self->pts;
}

/**
 * agent_frame_set_pts:
 * @self: A frame.
 * @pts: Microseconds on the clock of the pipeline, or -1 for none.
 *
 * Sets the presentation time of a frame.
 *
 * Call this before the frame is put into a message: from then on, other threads may read it without a
 * lock.
 *
 * Since: 0.1
 */
void
agent_frame_set_pts (AgentFrame *self,
                     gint64      pts)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (pts >= -1);

  self->pts = pts;
}
