/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-message-record-private.h"

G_BEGIN_DECLS

/*
 * The wire form of a message, described by tables. Each row describes a field: its key, its type, the types of message
 * that have it, and the place of its value in a record. The writer, the reader and the tests use the same rows, so that
 * none of them can forget a field.
 *
 * The writer copies a message into a record and writes the record. The reader reads a record and makes a message from
 * it.
 *
 * The tables are constant. All functions may be called in any thread.
 */

typedef struct _AgentWireField AgentWireField;

/* How the values of a field are written and read. */
typedef struct
{
  const char *type; /* the type of the GVariant */

  /* Returns: (transfer full) (nullable): the value, which may be floating; NULL for the default, which is not written */
  GVariant *(*write) (const AgentWireField *field,
                      gconstpointer         place);

  /* @where: (nullable): the key of the field that this one is a part of. @place: (out): where the value is stored */
  gboolean  (*read)  (const AgentWireField *field,
                      const char           *where,
                      GVariant             *value,
                      gpointer              place,
                      GError              **error);

  /* (nullable): for strings, whether @text may be the value. @length: of @text, which ends with a 0 after it */
  gboolean  (*check) (const AgentWireField *field,
                      const char           *where,
                      const char           *text,
                      gsize                 length,
                      GError              **error);
} AgentWireKind;

struct _AgentWireField
{
  const char          *key;
  const AgentWireKind *kind;
  gsize                offset;             /* of the value in the record */
  guint32              required;           /* types of message that must have the field: a bit for each */
  guint32              optional;           /* types of message that may have the field */
  gboolean             filled;             /* whether an empty string is refused */
  gint64               unset;              /* for a time: the default, which is also the minimum */
  GType              (*get_type)   (void); /* for an enumeration: its GType */
};

typedef struct
{
  const AgentWireField *fields;
  guint                 n_fields;
} AgentWireTable;

/* Version 2 added payloads as JSON text: a reader of version 1 would take no notice of the text, and lose the payload. Both
 * are read. Both are written too: what version 1 can say is written in version 1, so that older peers can read it. */
#define AGENT_WIRE_VERSION 1
#define AGENT_WIRE_VERSION_JSON 2
#define AGENT_WIRE_TYPE G_VARIANT_TYPE ("(ysa{sv})")

#define AGENT_WIRE_N_FIELDS_MAX 29

/* The type of a part, such as a frame, which is not a message. */
#define AGENT_WIRE_PART 1u

typedef struct
{
  const char *kind;
  guint64     id;
  gint64      pts;
  GVariant   *metadata; /* (nullable) */
  GBytes     *data;     /* (nullable); the reader owns a reference, the writer does not */
} AgentFrameRecord;

typedef struct
{
  const char *name;
  const char *runner;
  const char *parent;     /* (nullable) */
  gboolean    active;
  gboolean    bridged;
  gint64      started_at;
} AgentInfoRecord;

/* The values that a record was read from. The strings of the record point into them. All NULL at first. */
typedef struct
{
  GVariant *of_field[AGENT_WIRE_N_FIELDS_MAX]; /* (owned) (nullable) */
} AgentWireValues;

extern const AgentWireTable _agent_wire_message;
extern const AgentWireTable _agent_wire_frame;
extern const AgentWireTable _agent_wire_info;

extern const AgentWireKind  _agent_wire_string;
extern const AgentWireKind  _agent_wire_custom_name;
extern const AgentWireKind  _agent_wire_topic;
extern const AgentWireKind  _agent_wire_enum;
extern const AgentWireKind  _agent_wire_channel;
extern const AgentWireKind  _agent_wire_uint64;
extern const AgentWireKind  _agent_wire_uint32;
extern const AgentWireKind  _agent_wire_time;
extern const AgentWireKind  _agent_wire_boolean;
extern const AgentWireKind  _agent_wire_json;
extern const AgentWireKind  _agent_wire_conversation;
extern const AgentWireKind  _agent_wire_payload;
extern const AgentWireKind  _agent_wire_metadata;
extern const AgentWireKind  _agent_wire_data;
extern const AgentWireKind  _agent_wire_content_frame;
extern const AgentWireKind  _agent_wire_content_info;
extern const AgentWireKind  _agent_wire_content_infos;

const AgentWireField *
          _agent_wire_find_field   (const AgentWireTable *table,
                                    guint32               type,
                                    gsize                 offset);
GVariant *_agent_wire_write        (const AgentWireTable *table,
                                    guint32               type,
                                    gconstpointer         record);
gboolean  _agent_wire_read         (const AgentWireTable *table,
                                    guint32               type,
                                    const char           *where,
                                    GVariant             *dict,
                                    AgentWireValues      *values,
                                    gpointer              record,
                                    GError              **error);

/* The rules for the values. The envelope has the same ones. */
gboolean  _agent_wire_check_presence
                                   (const AgentWireField *field,
                                    const char           *where,
                                    guint32               type,
                                    gboolean              present,
                                    GError              **error);
gboolean  _agent_wire_check_time   (const AgentWireField *field,
                                    const char           *where,
                                    gint64                time,
                                    GError              **error);
gboolean  _agent_wire_check_conversation
                                   (const AgentWireField *field,
                                    const char           *where,
                                    const AgentEpochRecord *record,
                                    GError              **error);
gboolean  _agent_wire_refuse       (GError              **error,
                                    const char           *format,
                                    ...) G_GNUC_PRINTF (2, 3);
gboolean  _agent_wire_refuse_field (const AgentWireField *field,
                                    const char           *where,
                                    const char           *problem,
                                    GError              **error);

void      _agent_wire_values_clear (AgentWireValues      *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgentWireValues, _agent_wire_values_clear)

G_END_DECLS
