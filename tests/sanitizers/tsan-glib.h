/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

/*
 * Included before everything else with -Db_sanitize=thread, by the compiler's -include.
 *
 * ThreadSanitizer follows what is compiled with it, and the functions of the C library. The GLib of the system is
 * neither: its locks are futexes of its own, its counts are atomics that nobody sees, and what it hands from one
 * thread to another seems to appear there from nowhere. So each of its functions that orders two threads is
 * covered here by one that does the same and says so. Nothing is announced that GLib does not promise.
 *
 * What GLib does to memory of its own, below its own locks, is passed over by tsan.supp.
 */

/* Before GLib's headers, whose inline functions unref arrays too: what they declare is defined below. */
#define g_ptr_array_unref tsan_ptr_array_unref

#include <glib.h>
#include <sanitizer/tsan_interface.h>
#include <stdlib.h>
#include <string.h>

/* --- Memory --- */

/* tsan.supp has it look away from what GLib does with memory, but not from what we do: to free what another thread
 * still uses is a race. GLib's own does nothing else. */
static inline void
tsan_free (gpointer memory)
{
  free (memory);
}

#define g_free tsan_free

/* --- Reference counts --- */

/* The functions of GLib are atomic where nobody sees it; these do the same here. */
#undef g_atomic_ref_count_init
#undef g_atomic_ref_count_inc
#undef g_atomic_ref_count_dec
#undef g_atomic_ref_count_compare
#define g_atomic_ref_count_init(count) g_atomic_int_set (count, 1)
#define g_atomic_ref_count_inc(count) g_atomic_int_inc (count)
#define g_atomic_ref_count_dec(count) g_atomic_int_dec_and_test (count)
#define g_atomic_ref_count_compare(count, value) (g_atomic_int_get (count) == (value))

/* Whoever drops a reference on an array is done with its elements, and the last one to do so frees them. */
void tsan_real_ptr_array_unref (GPtrArray *array) __asm__("g_ptr_array_unref");

__attribute__ ((weak)) void
tsan_ptr_array_unref (GPtrArray *array)
{
  __tsan_release (array);
  __tsan_acquire (array);
  tsan_real_ptr_array_unref (array);
}

/* --- Counted blocks --- */

/* GLib counts references where nobody sees it: so the block is counted here, in front of what the caller gets. It is freed
 * by the same functions, and never handed to GLib. A reference string is such a block. */
typedef struct
{
  gint  ref_count;
  gsize size;
} __attribute__ ((aligned (16))) TsanBox;

static inline gpointer
tsan_box_alloc (gsize size)
{
  TsanBox *box = (TsanBox *) g_malloc0 (sizeof (TsanBox) + size);

  box->ref_count = 1;
  box->size = size;
  return box + 1;
}

static inline gpointer
tsan_box_acquire (gpointer block)
{
  g_atomic_int_inc (&((TsanBox *) block - 1)->ref_count);
  return block;
}

static inline void
tsan_box_release (gpointer       block,
                  GDestroyNotify clear)
{
  TsanBox *box = (TsanBox *) block - 1;

  if (!g_atomic_int_dec_and_test (&box->ref_count))
    return;

  if (clear != NULL)
    clear (block);
  g_free (box);
}

static inline char *
tsan_ref_string_new (const char *text)
{
  gsize size = strlen (text) + 1;

  return (char *) memcpy (tsan_box_alloc (size), text, size);
}

#undef g_atomic_rc_box_new
#undef g_atomic_rc_box_new0
#undef g_atomic_rc_box_acquire
#define g_atomic_rc_box_alloc tsan_box_alloc
#define g_atomic_rc_box_alloc0 tsan_box_alloc
#define g_atomic_rc_box_new(Type) ((Type *) tsan_box_alloc (sizeof (Type)))
#define g_atomic_rc_box_new0(Type) ((Type *) tsan_box_alloc (sizeof (Type)))
#define g_atomic_rc_box_acquire(block) ((__typeof__ (block)) tsan_box_acquire (block))
#define g_atomic_rc_box_release(block) tsan_box_release (block, NULL)
#define g_atomic_rc_box_release_full(block, clear) tsan_box_release (block, clear)
#define g_ref_string_new tsan_ref_string_new
#define g_ref_string_acquire(string) ((char *) tsan_box_acquire (string))
#define g_ref_string_release(string) tsan_box_release (string, NULL)

/* Not covered, and not used. An interned string is let go of with no lock that keeps others from finding it. */
#pragma GCC poison g_ref_string_new_intern

/* --- Counts --- */

/* GLib counts in functions of its own, where nobody sees what the last reference is ordered after. */
#undef g_atomic_ref_count_init
#undef g_atomic_ref_count_inc
#undef g_atomic_ref_count_dec
#define g_atomic_ref_count_init(count) g_atomic_int_set (count, 1)
#define g_atomic_ref_count_inc(count) g_atomic_int_inc (count)
#define g_atomic_ref_count_dec(count) g_atomic_int_dec_and_test (count)

/* --- Objects --- */

/* Whoever drops a reference is done with the object, and the last one to do so disposes and finalizes it: by the
 * virtual functions that begin with a cast. It is defined before GObject's headers, whose inline functions drop
 * references too. */
void tsan_real_object_unref (gpointer object) __asm__("g_object_unref");

static inline void
tsan_object_unref (gpointer object)
{
  __tsan_release (object);
  tsan_real_object_unref (object);
}

#define g_object_unref tsan_object_unref

#include <gio/gio.h>

G_BEGIN_DECLS

static inline GTypeInstance *
tsan_check_instance_cast (gpointer instance,
                          GType    type)
{
  __tsan_acquire (instance);
  return g_type_check_instance_cast ((GTypeInstance *) instance, type);
}

#undef _G_TYPE_CIC
#define _G_TYPE_CIC(instance, type, CType) ((CType *) (void *) tsan_check_instance_cast (instance, type))

/* --- Locks --- */

static inline void
tsan_mutex_init (GMutex *mutex)
{
  g_mutex_init (mutex);
  __tsan_mutex_create (mutex, 0);
}

static inline void
tsan_mutex_clear (GMutex *mutex)
{
  __tsan_mutex_destroy (mutex, 0);
  g_mutex_clear (mutex);
}

static inline void
tsan_mutex_lock (GMutex *mutex)
{
  __tsan_mutex_pre_lock (mutex, 0);
  g_mutex_lock (mutex);
  __tsan_mutex_post_lock (mutex, 0, 0);
}

static inline gboolean
tsan_mutex_trylock (GMutex *mutex)
{
  gboolean locked;

  __tsan_mutex_pre_lock (mutex, __tsan_mutex_try_lock);
  locked = g_mutex_trylock (mutex);
  __tsan_mutex_post_lock (mutex, __tsan_mutex_try_lock | (locked ? 0 : __tsan_mutex_try_lock_failed), 0);
  return locked;
}

static inline void
tsan_mutex_unlock (GMutex *mutex)
{
  __tsan_mutex_pre_unlock (mutex, 0);
  g_mutex_unlock (mutex);
  __tsan_mutex_post_unlock (mutex, 0);
}

/* One that the thread which holds it may lock again. */
static inline void
tsan_rec_mutex_init (GRecMutex *mutex)
{
  g_rec_mutex_init (mutex);
  __tsan_mutex_create (mutex, __tsan_mutex_write_reentrant);
}

static inline void
tsan_rec_mutex_clear (GRecMutex *mutex)
{
  __tsan_mutex_destroy (mutex, 0);
  g_rec_mutex_clear (mutex);
}

static inline void
tsan_rec_mutex_lock (GRecMutex *mutex)
{
  __tsan_mutex_pre_lock (mutex, __tsan_mutex_write_reentrant);
  g_rec_mutex_lock (mutex);
  __tsan_mutex_post_lock (mutex, __tsan_mutex_write_reentrant, 0);
}

static inline void
tsan_rec_mutex_unlock (GRecMutex *mutex)
{
  __tsan_mutex_pre_unlock (mutex, 0);
  g_rec_mutex_unlock (mutex);
  __tsan_mutex_post_unlock (mutex, 0);
}

/* To wait is to unlock and to lock again. */
static inline void
tsan_before_wait (gpointer mutex)
{
  __tsan_mutex_pre_unlock (mutex, 0);
  __tsan_mutex_post_unlock (mutex, 0);
}

static inline void
tsan_after_wait (gpointer mutex)
{
  __tsan_mutex_pre_lock (mutex, 0);
  __tsan_mutex_post_lock (mutex, 0, 0);
}

static inline void
tsan_cond_wait (GCond  *cond,
                GMutex *mutex)
{
  tsan_before_wait (mutex);
  g_cond_wait (cond, mutex);
  tsan_after_wait (mutex);
}

static inline gboolean
tsan_cond_wait_until (GCond  *cond,
                      GMutex *mutex,
                      gint64  end_time)
{
  gboolean signalled;

  tsan_before_wait (mutex);
  signalled = g_cond_wait_until (cond, mutex, end_time);
  tsan_after_wait (mutex);
  return signalled;
}

typedef struct
{
  GMutex *mutex;
} TsanMutexLocker;

static inline TsanMutexLocker *
tsan_mutex_locker_new (GMutex *mutex)
{
  tsan_mutex_lock (mutex);
  return (TsanMutexLocker *) mutex;
}

static inline void
tsan_mutex_locker_free (TsanMutexLocker *locker)
{
  tsan_mutex_unlock ((GMutex *) locker);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TsanMutexLocker, tsan_mutex_locker_free)

#define g_mutex_init tsan_mutex_init
#define g_mutex_clear tsan_mutex_clear
#define g_mutex_lock tsan_mutex_lock
#define g_mutex_trylock tsan_mutex_trylock
#define g_mutex_unlock tsan_mutex_unlock
#define g_rec_mutex_init tsan_rec_mutex_init
#define g_rec_mutex_clear tsan_rec_mutex_clear
#define g_rec_mutex_lock tsan_rec_mutex_lock
#define g_rec_mutex_unlock tsan_rec_mutex_unlock
#define g_cond_wait tsan_cond_wait
#define g_cond_wait_until tsan_cond_wait_until
#define GMutexLocker TsanMutexLocker
#define g_mutex_locker_new tsan_mutex_locker_new
#define g_mutex_locker_free tsan_mutex_locker_free

/* Not covered, and not used: whoever wants one covers it first. */
#pragma GCC poison g_rw_lock_reader_lock g_rw_lock_writer_lock

/* --- Queues: the lock has the address of the queue --- */

static inline void
tsan_async_queue_lock (GAsyncQueue *queue)
{
  __tsan_mutex_pre_lock (queue, 0);
  g_async_queue_lock (queue);
  __tsan_mutex_post_lock (queue, 0, 0);
}

static inline void
tsan_async_queue_unlock (GAsyncQueue *queue)
{
  __tsan_mutex_pre_unlock (queue, 0);
  g_async_queue_unlock (queue);
  __tsan_mutex_post_unlock (queue, 0);
}

static inline void
tsan_async_queue_push (GAsyncQueue *queue,
                       gpointer     data)
{
  tsan_async_queue_lock (queue);
  g_async_queue_push_unlocked (queue, data);
  tsan_async_queue_unlock (queue);
}

static inline gpointer
tsan_async_queue_try_pop (GAsyncQueue *queue)
{
  gpointer data;

  tsan_async_queue_lock (queue);
  data = g_async_queue_try_pop_unlocked (queue);
  tsan_async_queue_unlock (queue);
  return data;
}

/* The queue's own would free what it has popped before we could say that it has the lock again. */
static inline gpointer
tsan_async_queue_pop (GAsyncQueue *queue)
{
  gpointer data;

  while ((data = tsan_async_queue_try_pop (queue)) == NULL)
    g_usleep (50);

  return data;
}

#define g_async_queue_lock tsan_async_queue_lock
#define g_async_queue_unlock tsan_async_queue_unlock
#define g_async_queue_push tsan_async_queue_push
#define g_async_queue_try_pop tsan_async_queue_try_pop
#define g_async_queue_pop tsan_async_queue_pop

/* --- Once --- */

static inline gboolean
tsan_once_init_enter (gpointer location)
{
  gboolean first = (g_once_init_enter) (location);

  if (!first)
    __tsan_acquire (location);
  return first;
}

static inline void
tsan_once_init_leave (gpointer location,
                      gsize    result)
{
  __tsan_release (location);
  (g_once_init_leave) (location, result);
}

#undef g_once_init_enter
#undef g_once_init_leave
#define g_once_init_enter(location) tsan_once_init_enter (location)
#define g_once_init_leave(location, result) tsan_once_init_leave (location, result)

/* GLib's own keeps the quark in a plain variable that any thread may set: a race, if one without consequences. */
#undef G_DEFINE_QUARK
#define G_DEFINE_QUARK(QN, q_n)                 \
  GQuark q_n##_quark (void)                     \
  {                                             \
    return g_quark_from_static_string (#QN);    \
  }

/* --- What a main context hands over --- */

#define TSAN_CALLBACK_MAGIC G_GUINT64_CONSTANT (0x7473616e2d676c69)

typedef struct
{
  guint64        magic;
  GSourceFunc    func;
  gpointer       data;
  GDestroyNotify notify;
} TsanCallback;

static inline TsanCallback *
tsan_callback_new (GSourceFunc    func,
                   gpointer       data,
                   GDestroyNotify notify)
{
  TsanCallback *self = g_new0 (TsanCallback, 1);

  self->magic = TSAN_CALLBACK_MAGIC;
  self->func = func;
  self->data = data;
  self->notify = notify;
  __tsan_release (self);
  return self;
}

/* The callback of a source has one argument, its data, or as with GCancellable an object before it: whichever is ours
 * tells which it is. */
static gboolean
tsan_callback_run (gpointer first,
                   gpointer second)
{
  TsanCallback *self = (TsanCallback *) first;
  gboolean      more;

  __tsan_acquire (first);
  if (self->magic == TSAN_CALLBACK_MAGIC)
    {
      more = self->func (self->data);
    }
  else
    {
      self = (TsanCallback *) second;
      __tsan_acquire (self);
      more = ((gboolean (*) (gpointer, gpointer)) G_CALLBACK (self->func)) (first, self->data);
    }
  __tsan_release (self);
  return more;
}

static void
tsan_callback_free (gpointer data)
{
  TsanCallback *self = (TsanCallback *) data;

  __tsan_acquire (self);
  if (self->notify != NULL)
    self->notify (self->data);
  g_free (self);
}

static inline void
tsan_source_set_callback (GSource       *source,
                          GSourceFunc    func,
                          gpointer       data,
                          GDestroyNotify notify)
{
  g_source_set_callback (source,
                         G_SOURCE_FUNC (tsan_callback_run),
                         tsan_callback_new (func, data, notify),
                         tsan_callback_free);
}

static inline void
tsan_main_context_invoke (GMainContext *context,
                          GSourceFunc   func,
                          gpointer      data)
{
  g_main_context_invoke_full (context,
                              G_PRIORITY_DEFAULT,
                              G_SOURCE_FUNC (tsan_callback_run),
                              tsan_callback_new (func, data, NULL),
                              tsan_callback_free);
}

#define g_source_set_callback tsan_source_set_callback
#define g_main_context_invoke tsan_main_context_invoke

/* A source of our own is made by one thread and dispatched by another: attaching it hands it over, and so does
 * the last unref(). */
typedef struct
{
  GSourceFuncs        base;
  const GSourceFuncs *real;
} TsanSourceFuncs;

static const GSourceFuncs *
tsan_source_begin (GSource *source)
{
  __tsan_acquire (source);
  return ((const TsanSourceFuncs *) source->source_funcs)->real;
}

static gboolean
tsan_source_end (GSource *source,
                 gboolean result)
{
  __tsan_release (source);
  return result;
}

static gboolean
tsan_source_prepare (GSource *source,
                     gint    *timeout)
{
  return tsan_source_end (source, tsan_source_begin (source)->prepare (source, timeout));
}

static gboolean
tsan_source_check (GSource *source)
{
  return tsan_source_end (source, tsan_source_begin (source)->check (source));
}

static gboolean
tsan_source_dispatch (GSource    *source,
                      GSourceFunc callback,
                      gpointer    user_data)
{
  return tsan_source_end (source, tsan_source_begin (source)->dispatch (source, callback, user_data));
}

static void
tsan_source_finalize (GSource *source)
{
  TsanSourceFuncs *funcs;

  __tsan_acquire (source);
  funcs = (TsanSourceFuncs *) source->source_funcs;
  if (funcs->real->finalize != NULL)
    funcs->real->finalize (source);
  g_free (funcs);
}

static inline GSource *
tsan_source_new (GSourceFuncs *real,
                 guint         size)
{
  TsanSourceFuncs *funcs = g_new0 (TsanSourceFuncs, 1);

  funcs->base = *real;
  funcs->base.prepare = real->prepare != NULL ? tsan_source_prepare : NULL;
  funcs->base.check = real->check != NULL ? tsan_source_check : NULL;
  funcs->base.dispatch = tsan_source_dispatch;
  funcs->base.finalize = tsan_source_finalize;
  funcs->real = real;
  return g_source_new (&funcs->base, size);
}

static inline guint
tsan_source_attach (GSource      *source,
                    GMainContext *context)
{
  __tsan_release (source);
  return g_source_attach (source, context);
}

static inline void
tsan_source_destroy (GSource *source)
{
  __tsan_release (source);
  g_source_destroy (source);
}

static inline void
tsan_source_unref (GSource *source)
{
  __tsan_release (source);
  g_source_unref (source);
}

#define g_source_new tsan_source_new
#define g_source_attach tsan_source_attach
#define g_source_destroy tsan_source_destroy
#define g_source_unref tsan_source_unref

/* --- Tasks --- */

typedef struct
{
  GAsyncReadyCallback callback;
  gpointer            data;
} TsanReady;

static void
tsan_ready (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  TsanReady ready = *(TsanReady *) user_data;

  __tsan_acquire (result);
  g_free (user_data);
  ready.callback (object, result, ready.data);
}

static inline GTask *
tsan_task_new (gpointer            object,
               GCancellable       *cancellable,
               GAsyncReadyCallback callback,
               gpointer            data)
{
  TsanReady *ready;

  if (callback == NULL)
    return g_task_new (object, cancellable, NULL, NULL);

  ready = g_new0 (TsanReady, 1);
  ready->callback = callback;
  ready->data = data;
  return g_task_new (object, cancellable, tsan_ready, ready);
}

static inline void
tsan_task_return_boolean (GTask   *task,
                          gboolean result)
{
  __tsan_release (task);
  g_task_return_boolean (task, result);
}

static inline void
tsan_task_return_pointer (GTask         *task,
                          gpointer       result,
                          GDestroyNotify notify)
{
  __tsan_release (task);
  g_task_return_pointer (task, result, notify);
}

static inline void
tsan_task_return_error (GTask  *task,
                        GError *error)
{
  __tsan_release (task);
  g_task_return_error (task, error);
}

/* The pool of threads takes a task out of a queue. */
static inline void
tsan_task_in_thread (GTask        *task,
                     gpointer      source_object,
                     gpointer      task_data,
                     GCancellable *cancellable)
{
  GTaskThreadFunc func = (GTaskThreadFunc) g_object_get_data (G_OBJECT (task), "tsan-func");

  __tsan_acquire (task);
  func (task, source_object, task_data, cancellable);
}

static inline void
tsan_task_run_in_thread (GTask          *task,
                         GTaskThreadFunc func)
{
  g_object_set_data (G_OBJECT (task), "tsan-func", (gpointer) func);
  __tsan_release (task);
  g_task_run_in_thread (task, tsan_task_in_thread);
}

/* The thread of GDBus calls the filters that were added before. */
typedef struct
{
  GDBusMessageFilterFunction func;
  gpointer                   user_data;
  GDestroyNotify             destroy;
} TsanFilter;

static inline GDBusMessage *
tsan_filter_run (GDBusConnection *connection,
                 GDBusMessage    *message,
                 gboolean         incoming,
                 gpointer         user_data)
{
  TsanFilter   *filter = (TsanFilter *) user_data;
  GDBusMessage *left;

  __tsan_acquire (filter);
  left = filter->func (connection, message, incoming, filter->user_data);
  __tsan_release (filter);
  return left;
}

static inline void
tsan_filter_free (gpointer data)
{
  TsanFilter *filter = (TsanFilter *) data;

  __tsan_acquire (filter);
  if (filter->destroy != NULL)
    filter->destroy (filter->user_data);
  g_free (filter);
}

static inline guint
tsan_connection_add_filter (GDBusConnection           *connection,
                            GDBusMessageFilterFunction func,
                            gpointer                   user_data,
                            GDestroyNotify             destroy)
{
  TsanFilter *filter = g_new (TsanFilter, 1);

  filter->func = func;
  filter->user_data = user_data;
  filter->destroy = destroy;
  __tsan_release (filter);
  return g_dbus_connection_add_filter (connection, tsan_filter_run, filter, tsan_filter_free);
}

#define g_task_run_in_thread tsan_task_run_in_thread
#define g_dbus_connection_add_filter tsan_connection_add_filter
#define g_task_new tsan_task_new
#define g_task_return_boolean tsan_task_return_boolean
#define g_task_return_pointer tsan_task_return_pointer
#define g_task_return_error tsan_task_return_error
#define g_task_return_new_error(task, ...) (__tsan_release (task), (g_task_return_new_error) (task, __VA_ARGS__))

G_END_DECLS
