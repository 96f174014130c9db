/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-message-private.h"

G_BEGIN_DECLS

/*
 * The wire form of a message, as tables: a row for each field says its key, its type, which types of message have it,
 * and where its value stands in a record. What writes, what reads and what tests the form goes through the same rows,
 * so that no field can be missing from one of them. A record is what a message is copied into before it is written, and
 * what it is read into before it is made.
 *
 * Everything here is constant, and may be used from any thread.
 */

typedef struct _AgentWireField AgentWireField;

/* How the values of a field are written and read. */
typedef struct
{
  const char *type; /* of the GVariant */

  /* (transfer full) (nullable): may be floating; %NULL for a default, which is not written */
  GVariant *(*write) (const AgentWireField *field,
                      gconstpointer         place);

  /* @where: (nullable): the field that this one is a part of */
  gboolean  (*read)  (const AgentWireField *field,
                      const char           *where,
                      GVariant             *value,
                      gpointer              place,
                      GError              **error);
} AgentWireKind;

struct _AgentWireField
{
  const char          *key;
  const AgentWireKind *kind;
  gsize                offset;             /* of its place in the record */
  guint32              required;           /* types of message that must have it: a bit for each */
  guint32              optional;           /* types of message that may have it */
  gboolean             filled;             /* whether an empty string is refused */
  gint64               unset;              /* a time: the default, and the least it may be */
  GType              (*get_type)   (void); /* an enumeration: its type */
};

typedef struct
{
  const AgentWireField *fields;
  guint                 n_fields;
} AgentWireTable;

#define AGENT_WIRE_VERSION 1
#define AGENT_WIRE_TYPE G_VARIANT_TYPE ("(ysa{sv})")

#define AGENT_WIRE_N_FIELDS_MAX 24

/* Of no message, but of something in one. */
#define AGENT_WIRE_PART 1u

typedef struct
{
  AgentMessageParts parts;
  guint64           seq;
  gint64            sent_at;
  guint             ttl;
  gboolean          reliable;
  gboolean          error_reply;
  guint64           cause;
  const char       *trace;       /* (nullable) */
} AgentMessageRecord;

typedef struct
{
  const char *kind;
  guint64     id;
  gint64      pts;
  GVariant   *metadata; /* (nullable) */
  GBytes     *data;     /* (nullable) owned by whoever has read it */
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

/* What a record was read from, which holds its strings. All zero at first. */
typedef struct
{
  GVariant *of_field[AGENT_WIRE_N_FIELDS_MAX]; /* (owned) (nullable) */
} AgentWireValues;

extern const AgentWireTable _agent_wire_message;
extern const AgentWireTable _agent_wire_frame;
extern const AgentWireTable _agent_wire_info;

extern const AgentWireKind  _agent_wire_string;
extern const AgentWireKind  _agent_wire_custom_name;
extern const AgentWireKind  _agent_wire_enum;
extern const AgentWireKind  _agent_wire_channel;
extern const AgentWireKind  _agent_wire_uint64;
extern const AgentWireKind  _agent_wire_uint32;
extern const AgentWireKind  _agent_wire_time;
extern const AgentWireKind  _agent_wire_boolean;
extern const AgentWireKind  _agent_wire_payload;
extern const AgentWireKind  _agent_wire_metadata;
extern const AgentWireKind  _agent_wire_data;
extern const AgentWireKind  _agent_wire_content_frame;
extern const AgentWireKind  _agent_wire_content_info;
extern const AgentWireKind  _agent_wire_content_infos;

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
