/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "test-dialect.h"
#include "test-tools.h"

G_BEGIN_DECLS

/*
 * Some nodes, each with a bus, which an engine connects. A case that is written for a world runs with every engine, and in the
 * world of one process, where all nodes share a bus: what it finds there is what it has to find everywhere.
 *
 * All subscribers of a case are in the context of its fixture, so their handlers need no lock. A case iterates until
 * something is true; a tick in the context has it look again when something has changed in another thread.
 */

typedef struct _TestWorld TestWorld;

/* What connects the nodes. All functions are called in the thread of the case. Those that are NULL are what it cannot do. */
typedef struct
{
  const char *name;

  /* Why it cannot be used here: (nullable) (transfer none) */
  const char     *(*get_problem) (void);

  gpointer        (*start)       (void);
  void            (*stop)        (gpointer    engine);
  AgentTransport *(*make)        (gpointer    engine,
                                  const char *node,
                                  guint       heartbeat);

  /* For a node in a process of its own: what that has to know, and its transport, which is made there */
  char           *(*dup_address) (gpointer    engine);
  AgentTransport *(*make_at)     (const char *address,
                                  const char *node,
                                  guint       heartbeat);

  /* Its server: ends it at once, has it begin again, and stops it without ending it */
  void            (*kill)        (gpointer    engine);
  void            (*restart)     (gpointer    engine);
  void            (*freeze)      (gpointer    engine,
                                  gboolean    frozen);
} TestEngine;

typedef struct
{
  AgentBus       *bus;       /* (owned) (nullable) NULL after it was stopped by the case */
  AgentTransport *transport; /* (owned) (nullable) NULL in the world of one process */
  char           *id;        /* (owned) */
  GString        *refused;   /* what it has refused, a line each */
  guint64         lost[3];   /* what it has told to be lost, by AgentTraffic */
  GString        *events;    /* "+b" for a node that has appeared, and "-b" for one that has vanished */
  guint64         dropped[TEST_N_DROP_REASONS]; /* as the bus has told */

  /* (nullable) What it speaks from when it begins again; NULL for what this version speaks */
  const TestDialect *dialect;
} TestWorldNode;

#define TEST_WORLD_MAX 4

struct _TestWorld
{
  TestFixture      *fixture;
  const TestEngine *engine;
  gpointer          of_engine; /* what start() has returned */
  TestWorldNode     nodes[TEST_WORLD_MAX];
  guint             n_nodes;
  guint             capacity;  /* of the buses */
  guint             heartbeat; /* of the transports, in ms */
  GSource          *tick;      /* (owned) */
};

typedef struct
{
  const char *path;
  guint       n_nodes;
  void      (*func) (TestWorld *world);
} TestWorldCase;

/* A case for an engine, which makes its world by itself. */
typedef struct
{
  const char *name;
  void      (*func) (TestFixture      *fixture,
                     const TestEngine *engine);
} TestEngineCase;

extern const TestEngine test_engine_one;
extern const TestEngine test_engine_hub;
extern const TestEngine test_engine_dbus;
extern const TestEngine test_engine_peers; /* of one node in this process, and others in processes of their own */
extern const TestEngine test_engine_nats; /* only where libnats is */

void            test_engines_add_cases  (const char           *program,
                                         const TestEngine * const *
                                                               engines,
                                         const TestEngineCase *cases);

TestWorld      *test_world_new          (TestFixture         *fixture,
                                         const TestEngine    *engine,
                                         guint                n_nodes);
TestWorld      *test_world_new_full     (TestFixture         *fixture,
                                         const TestEngine    *engine,
                                         guint                n_nodes,
                                         guint                capacity);
TestWorld      *test_world_new_beating  (TestFixture         *fixture,
                                         const TestEngine    *engine,
                                         guint                n_nodes,
                                         guint                heartbeat);
void            test_world_free         (TestWorld           *self);
gboolean        test_world_is_connected (TestWorld           *self);
void            test_world_turn         (TestWorld           *self);

/* Nodes */
void            test_world_open         (TestWorld           *self,
                                         guint                node);
void            test_world_stop         (TestWorld           *self,
                                         guint                node,
                                         AgentLeaveFlags      flags);
void            test_world_drop         (TestWorld           *self,
                                         guint                node);

/* Names */
void            test_world_join         (TestWorld           *self,
                                         guint                node,
                                         gpointer             subscriber);
TestRecorder   *test_world_add          (TestWorld           *self,
                                         guint                node,
                                         const char          *name);
gboolean        test_world_has_name     (TestWorld           *self,
                                         guint                node,
                                         const char          *name);
void            test_world_wait_name    (TestWorld           *self,
                                         const char          *name);
void            test_world_wait_no_name (TestWorld           *self,
                                         const char          *name);

/* Messages with a number */
AgentMessage   *test_world_message      (AgentChannel         channel,
                                         const char          *source,
                                         const char          *target,
                                         guint                number);
guint           test_world_number       (AgentMessage        *message);
guint           test_world_send         (TestWorld           *self,
                                         guint                node,
                                         AgentMessage        *message);

/* Figures */
guint64         test_world_dropped      (TestWorld           *self,
                                         const char          *name);
guint64         test_world_figure       (TestWorld           *self,
                                         guint                node,
                                         const char          *key);

/* Iterates until @condition is true. The watchdog ends what hangs. */
#define test_world_wait(self, condition) \
  G_STMT_START \
  { \
    while (!(condition)) \
      test_world_turn (self); \
  } \
  G_STMT_END

G_END_DECLS
