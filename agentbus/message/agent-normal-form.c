/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-normal-form-private.h"

#include "base/agent-utf8-private.h"

/* The form itself is described in the specification of GVariant: https://docs.gtk.org/glib/gvariant-specification-1.0.html */

#define MAX_DEPTH 16

/* A type is read again for each value of it, so only short ones are read. */
#define MAX_TYPE_LENGTH 32

/* How a type lies in memory. */
typedef struct
{
  gsize alignment;  /* less 1: a mask */
  gsize fixed_size; /* 0: it varies */
} TypeShape;

/* Bytes of a value. */
typedef struct
{
  const guint8 *data;
  gsize         size;
} ValueSlice;

static gboolean form_check (const char **type,
                            ValueSlice   slice,
                            guint        depth);

/* --- Types --- */

static TypeShape form_measure (const char **type);

static gsize
form_round_up (gsize offset,
               gsize alignment)
{
  return (offset + alignment) & ~alignment;
}

/* @type: behind the bracket that opens it */
static TypeShape
form_measure_tuple (const char **type)
{
  TypeShape shape = { 0, 0 };
  gsize     size = 0;
  gboolean  is_fixed = TRUE;

  while (**type != ')' && **type != '}')
    {
      TypeShape member = form_measure (type);

      shape.alignment |= member.alignment;
      size = form_round_up (size, member.alignment) + member.fixed_size;
      is_fixed = is_fixed && member.fixed_size > 0;
    }
  (*type)++;

  shape.fixed_size = is_fixed ? form_round_up (size, shape.alignment) : 0;
  return shape;
}

/* Moves @type behind the type that it is at. */
static TypeShape
form_measure (const char **type)
{
  TypeShape element;

  switch (*(*type)++)
    {
    case 'y':
    case 'b':
      return (TypeShape){ 0, 1 };
    case 'n':
    case 'q':
      return (TypeShape){ 1, 2 };
    case 'i':
    case 'u':
    case 'h':
      return (TypeShape){ 3, 4 };
    case 'x':
    case 't':
    case 'd':
      return (TypeShape){ 7, 8 };
    case 'v':
      return (TypeShape){ 7, 0 };
    case 'a':
    case 'm':
      element = form_measure (type);
      return (TypeShape){ element.alignment, 0 };
    case '(':
    case '{':
      return form_measure_tuple (type);
    default:
      return (TypeShape){ 0, 0 };
    }
}

static gboolean
form_is_number (char type)
{
  return type != '\0' && strchr ("ynqiuxtd", type) != NULL;
}

/* --- Offsets --- */

/* How many bytes an offset takes in a container of @size bytes. */
static gsize
form_get_offset_size (gsize size)
{
  if (size <= G_MAXUINT8)
    return 1;
  if (size <= G_MAXUINT16)
    return 2;
  return (guint64) size <= G_MAXUINT32 ? 4 : 8;
}

static gsize
form_read_offset (const guint8 *place,
                  gsize         offset_size)
{
  guint64 offset = 0;

  for (gsize i = offset_size; i > 0; i--)
    offset = offset << 8 | place[i - 1];
  return (gsize) MIN (offset, (guint64) G_MAXSIZE);
}

/* Skips the zeroes before a member. FALSE: they are not zeroes, or do not end before @limit. */
static gboolean
form_skip_padding (ValueSlice slice,
                   gsize      alignment,
                   gsize      limit,
                   gsize     *offset)
{
  for (; (*offset & alignment) != 0; (*offset)++)
    {
      if (*offset >= limit || slice.data[*offset] != 0)
        return FALSE;
    }

  return *offset <= limit;
}

/* --- Values --- */

static gboolean
form_check_string (ValueSlice slice)
{
  return slice.size > 0 && memchr (slice.data, '\0', slice.size) == slice.data + slice.size - 1 &&
         _agent_utf8_is_valid ((const char *) slice.data, slice.size - 1);
}

/* The value, a zero, and its type. */
static gboolean
form_check_variant (ValueSlice slice,
                    guint      depth)
{
  gsize       place = slice.size;
  const char *type;
  const char *end;

  while (place > 0 && slice.data[place - 1] != '\0')
    place--;
  if (place == 0)
    return FALSE;

  type = (const char *) slice.data + place;
  if (!g_variant_type_string_scan (type, (const char *) slice.data + slice.size, &end) ||
      end != (const char *) slice.data + slice.size || end - type > MAX_TYPE_LENGTH)
    return FALSE;

  return form_check (&type, (ValueSlice){ slice.data, place - 1 }, depth + 1);
}

static gboolean
form_check_fixed_elements (const char *type,
                           ValueSlice  slice,
                           gsize       element_size,
                           guint       depth)
{
  if (slice.size % element_size != 0)
    return FALSE;

  for (gsize offset = 0; !form_is_number (*type) && offset < slice.size; offset += element_size)
    {
      const char *element = type;

      if (!form_check (&element, (ValueSlice){ slice.data + offset, element_size }, depth + 1))
        return FALSE;
    }

  return TRUE;
}

/* The elements, and where each of them ends. */
static gboolean
form_check_varying_elements (const char *type,
                             ValueSlice  slice,
                             gsize       alignment,
                             guint       depth)
{
  gsize offset_size = form_get_offset_size (slice.size);
  gsize offsets = slice.size > 0 ? form_read_offset (slice.data + slice.size - offset_size, offset_size) : 0;
  gsize begin = 0;

  if (slice.size == 0)
    return TRUE;
  if (offsets >= slice.size || (slice.size - offsets) % offset_size != 0)
    return FALSE;

  for (gsize place = offsets; place < slice.size; place += offset_size)
    {
      const char *element = type;
      gsize       end = form_read_offset (slice.data + place, offset_size);

      if (end > offsets || !form_skip_padding (slice, alignment, end, &begin) ||
          !form_check (&element, (ValueSlice){ slice.data + begin, end - begin }, depth + 1))
        return FALSE;
      begin = end;
    }

  return TRUE;
}

/* @type: behind the `a` */
static gboolean
form_check_array (const char **type,
                  ValueSlice   slice,
                  guint        depth)
{
  const char *element = *type;
  TypeShape   shape = form_measure (type);

  if (shape.fixed_size > 0)
    return form_check_fixed_elements (element, slice, shape.fixed_size, depth);
  return form_check_varying_elements (element, slice, shape.alignment, depth);
}

/* Where the next member of a tuple lies. @offsets: (inout): where the offsets begin, which are written from the end */
static gboolean
form_find_member (const char *type,
                  ValueSlice  slice,
                  gsize      *begin,
                  gsize      *end,
                  gsize      *offsets)
{
  TypeShape shape = form_measure (&type);
  gsize     offset_size = form_get_offset_size (slice.size);

  if (!form_skip_padding (slice, shape.alignment, *offsets, begin))
    return FALSE;

  if (shape.fixed_size > 0)
    {
      *end = *begin + shape.fixed_size;
    }
  else if (*type == ')' || *type == '}')
    {
      *end = *offsets;
    }
  else
    {
      if (*offsets < offset_size || *offsets - offset_size < *begin)
        return FALSE;
      *offsets -= offset_size;
      *end = form_read_offset (slice.data + *offsets, offset_size);
    }

  return *end >= *begin && *end <= *offsets;
}

/* @type: behind the bracket that opens it. A tuple without members is not known here. */
static gboolean
form_check_tuple (const char **type,
                  ValueSlice   slice,
                  guint        depth)
{
  const char *members = *type;
  TypeShape   shape = form_measure_tuple (&members);
  gsize       begin = 0;
  gsize       end = 0;
  gsize       offsets = slice.size;

  if (**type == ')' || (shape.fixed_size > 0 && slice.size != shape.fixed_size))
    return FALSE;

  while (**type != ')' && **type != '}')
    {
      if (!form_find_member (*type, slice, &begin, &end, &offsets) ||
          !form_check (type, (ValueSlice){ slice.data + begin, end - begin }, depth + 1))
        return FALSE;
      begin = end;
    }
  (*type)++;

  if (shape.fixed_size > 0 && !form_skip_padding (slice, shape.alignment, slice.size, &begin))
    return FALSE;
  return begin == offsets;
}

/* Moves @type behind the type that it is at, if the value is in normal form. */
static gboolean
form_check (const char **type,
            ValueSlice   slice,
            guint        depth)
{
  const char *start = *type;

  if (depth > MAX_DEPTH)
    return FALSE;
  if (form_is_number (*start))
    return slice.size == form_measure (type).fixed_size;

  (*type)++;
  switch (*start)
    {
    case 'b':
      return slice.size == 1 && *slice.data <= 1;
    case 's':
      return form_check_string (slice);
    case 'v':
      return form_check_variant (slice, depth);
    case 'a':
      return form_check_array (type, slice, depth);
    case '(':
    case '{':
      return form_check_tuple (type, slice, depth);
    default:
      return FALSE;
    }
}

/* @type: of a value, which was checked */
gboolean
_agent_normal_form_is_certain (const char   *type,
                               gconstpointer data,
                               gsize         size)
{
  return strlen (type) <= MAX_TYPE_LENGTH && form_check (&type, (ValueSlice){ data, size }, 0);
}
