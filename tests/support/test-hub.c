/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-hub.h"

#define TEST_TYPE_PORT (test_port_get_type ())
G_DECLARE_FINAL_TYPE (TestPort, test_port, TEST, PORT, AgentTransport)

/* What comes to a port. */
typedef enum
{
  ARRIVAL_PACKET,
  ARRIVAL_CONTROL_DONE,
  ARRIVAL_STATE,
  ARRIVAL_READY,
} ArrivalKind;

typedef struct
{
  ArrivalKind  kind;
  char        *node; /* (owned) */
  AgentTraffic traffic;
  GBytes      *packet; /* (owned) */
  guint64      session;
  guint64      number;
  gboolean     good; /* control was taken; or the state is CONNECTED */
} Arrival;

struct _TestHub
{
  GMutex      lock;
  GHashTable *ports;      /* (lock) node → TestPort (unowned) */
  GRand      *rand;       /* (lock) */
  TestFaults  faults[3];  /* (lock) by AgentTraffic */
  gint        n_ports;    /* (lock) that live */
  gsize       max_packet; /* (lock) bytes: a larger one is never taken */
  gboolean    refuses;    /* (lock) nobody can open a port */
  guint       window;     /* (lock) of new ports */
};

struct _TestPort
{
  AgentTransport parent_instance;

  TestHub *hub;
  GSource *source;    /* (hub's lock) (owned) (nullable) while it is open */
  GQueue   arrivals;  /* (hub's lock) of Arrival (owned) */
  GQueue   late[3];   /* (hub's lock) the same, by AgentTraffic: what is reordered */
  gboolean cut;       /* (hub's lock) */
  gboolean frozen;    /* (hub's lock) */
  gboolean dead;      /* (hub's lock) */
  gboolean blocked;   /* (hub's lock) */
  guint    n_sent[3]; /* (hub's lock) by AgentTraffic */
  gboolean held;      /* (hub's lock) control is not answered */
  GQueue   answers;   /* (hub's lock) of Arrival (owned): those that are held */
  guint    n_open;    /* (hub's lock) packets of control that are not answered */
  guint    max_open;  /* (hub's lock) the most of them so far */
};

G_DEFINE_FINAL_TYPE (TestPort, test_port, AGENT_TYPE_TRANSPORT)

static void
arrival_free (gpointer data)
{
  Arrival *self = data;

  g_free (self->node);
  g_clear_pointer (&self->packet, g_bytes_unref);
  g_free (self);
}

static Arrival *
arrival_new (ArrivalKind kind,
             const char *node)
{
  Arrival *self = g_new0 (Arrival, 1);

  self->kind = kind;
  self->node = g_strdup (node);
  return self;
}

/* --- A port gets something --- */

static void
port_wake_locked (TestPort *self)
{
  if (self->source != NULL && !self->frozen && self->arrivals.length > 0)
    g_source_set_ready_time (self->source, 0);
}

static void
port_add_locked (TestPort *self,
                 Arrival  *arrival)
{
  g_queue_push_tail (&self->arrivals, arrival);
  port_wake_locked (self);
}

/* What is late arrives now. */
static void
port_add_late_locked (TestPort    *self,
                      AgentTraffic traffic)
{
  Arrival *late;

  while ((late = g_queue_pop_head (&self->late[traffic])) != NULL)
    port_add_locked (self, late);
}

static void
port_note_answer (TestPort *self)
{
  g_mutex_lock (&self->hub->lock);
  self->n_open--;
  g_mutex_unlock (&self->hub->lock);
}

static void
port_handle (TestPort *self,
             Arrival  *arrival)
{
  AgentTransport *transport = AGENT_TRANSPORT (self);
  g_autoptr (GError) error = NULL;

  switch (arrival->kind)
    {
    case ARRIVAL_PACKET:
      agent_transport_received (transport, arrival->node, arrival->traffic, arrival->packet);
      break;
    case ARRIVAL_CONTROL_DONE:
      if (!arrival->good)
        error = g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "The test has lost it");
      port_note_answer (self);
      agent_transport_control_done (transport, arrival->node, arrival->session, arrival->number, error);
      break;
    case ARRIVAL_STATE:
      agent_transport_set_state (
          transport, arrival->good ? AGENT_TRANSPORT_STATE_CONNECTED : AGENT_TRANSPORT_STATE_LOST);
      break;
    case ARRIVAL_READY:
      agent_transport_ready (transport);
      break;
    }
}

static gboolean
port_handle_all (gpointer data)
{
  TestPort *self = data;
  GQueue    arrivals = G_QUEUE_INIT;
  Arrival  *arrival;

  g_mutex_lock (&self->hub->lock);
  if (self->source != NULL)
    g_source_set_ready_time (self->source, -1);
  if (!self->frozen)
    {
      arrivals = self->arrivals;
      g_queue_init (&self->arrivals);
    }
  g_mutex_unlock (&self->hub->lock);

  while ((arrival = g_queue_pop_head (&arrivals)) != NULL)
    {
      port_handle (self, arrival);
      arrival_free (arrival);
    }
  return G_SOURCE_CONTINUE;
}

static gboolean
port_dispatch (GSource    *source,
               GSourceFunc callback,
               gpointer    user_data)
{
  return callback (user_data);
}

static GSourceFuncs port_source_funcs = { .dispatch = port_dispatch };

/* --- A packet on its way --- */

static gboolean
hub_happens_locked (TestHub *self,
                    guint    per_mille)
{
  return per_mille > 0 && (guint) g_rand_int_range (self->rand, 0, 1000) < per_mille;
}

static Arrival *
hub_new_packet (TestPort    *from,
                AgentTraffic traffic,
                GBytes      *packet)
{
  Arrival *arrival = arrival_new (ARRIVAL_PACKET, agent_transport_get_node_id (AGENT_TRANSPORT (from)));

  arrival->traffic = traffic;
  arrival->packet = g_bytes_ref (packet);
  return arrival;
}

static void
hub_carry_locked (TestPort    *from,
                  TestPort    *to,
                  AgentTraffic traffic,
                  GBytes      *packet)
{
  const TestFaults *faults = &from->hub->faults[traffic];
  if (to->cut || to->dead)
    return;
  if (hub_happens_locked (from->hub, faults->reorder))
    {
      g_queue_push_tail (&to->late[traffic], hub_new_packet (from, traffic, packet));
      return;
    }

  port_add_locked (to, hub_new_packet (from, traffic, packet));
  if (hub_happens_locked (from->hub, faults->duplicate))
    port_add_locked (to, hub_new_packet (from, traffic, packet));
  port_add_late_locked (to, traffic);
  /* So that nothing is late for ever when no other packet follows. */
  if (traffic == AGENT_TRAFFIC_PRESENCE)
    {
      port_add_late_locked (to, AGENT_TRAFFIC_DATA);
      port_add_late_locked (to, AGENT_TRAFFIC_CONTROL);
    }
}

/* FALSE: the port is not connected. @to: (nullable): all */
static void
hub_send_locked (TestPort    *from,
                 const char  *to,
                 AgentTraffic traffic,
                 GBytes      *packet)
{
  GHashTableIter iter;
  gpointer       node;
  gpointer       port;

  from->n_sent[traffic]++;
  if (from->frozen)
    return;
  g_hash_table_iter_init (&iter, from->hub->ports);
  while (g_hash_table_iter_next (&iter, &node, &port))
    {
      if (port == from || (to != NULL && !g_str_equal (node, to)))
        continue;
      if (!hub_happens_locked (from->hub, from->hub->faults[traffic].lose))
        hub_carry_locked (from, port, traffic, packet);
    }
}

/* --- The engine --- */

static AgentTransportCapabilities
test_port_get_capabilities (AgentTransport *transport)
{
  return AGENT_TRANSPORT_CAPABILITIES_VERIFIED_SOURCE;
}

static gsize
test_port_get_max_packet (AgentTransport *transport)
{
  TestHub *hub = TEST_PORT (transport)->hub;
  gsize    max_packet;

  g_mutex_lock (&hub->lock);
  max_packet = hub->max_packet;
  g_mutex_unlock (&hub->lock);

  return max_packet;
}

static void
test_port_open (AgentTransport *transport,
                GTask          *task)
{
  TestPort *self = TEST_PORT (transport);
  GSource  *source = g_source_new (&port_source_funcs, sizeof (GSource));
  gboolean  cut;

  g_source_set_static_name (source, "[test] port");
  g_source_set_callback (source, port_handle_all, self, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());

  g_mutex_lock (&self->hub->lock);
  cut = self->cut || self->dead || self->hub->refuses;
  if (!cut)
    {
      self->source = g_source_ref (source);
      g_hash_table_insert (self->hub->ports, (gpointer) agent_transport_get_node_id (transport), self);
      port_wake_locked (self);
    }
  g_mutex_unlock (&self->hub->lock);
  if (cut)
    g_source_destroy (source);
  g_source_unref (source);

  if (cut)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED, "The hub is cut off");
  else
    g_task_return_boolean (task, TRUE);
}

static void
port_detach_locked (TestPort *self)
{
  GHashTable *ports = self->hub->ports;
  const char *node = agent_transport_get_node_id (AGENT_TRANSPORT (self));

  if (g_hash_table_lookup (ports, node) == self)
    g_hash_table_remove (ports, node);
}

static void
test_port_close (AgentTransport *transport,
                 GTask          *task)
{
  TestPort *self = TEST_PORT (transport);
  GSource  *source;

  g_mutex_lock (&self->hub->lock);
  port_detach_locked (self);
  source = g_steal_pointer (&self->source);
  g_mutex_unlock (&self->hub->lock);

  g_source_destroy (source);
  g_source_unref (source);
  g_task_return_boolean (task, TRUE);
}

static gboolean
test_port_send_data (AgentTransport *transport,
                     const char     *node,
                     GBytes         *packet,
                     GError        **error)
{
  TestPort *self = TEST_PORT (transport);
  gboolean  blocked;

  g_mutex_lock (&self->hub->lock);
  blocked = self->blocked || self->cut || self->frozen;
  if (!blocked && !self->dead)
    hub_send_locked (self, node, AGENT_TRAFFIC_DATA, packet);
  g_mutex_unlock (&self->hub->lock);

  if (blocked)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "There is no room");
  return !blocked;
}

static void
port_add_answer_locked (TestPort *self,
                        Arrival  *done)
{
  self->n_open++;
  self->max_open = MAX (self->max_open, self->n_open);
  if (self->held)
    g_queue_push_tail (&self->answers, done);
  else
    port_add_locked (self, done);
}

/* Control that is lost is told to be lost. Now and then it has arrived all the same. */
static void
test_port_send_control (AgentTransport *transport,
                        const char     *node,
                        guint64         session,
                        guint64         number,
                        GBytes         *packet)
{
  TestPort *self = TEST_PORT (transport);
  Arrival  *done = arrival_new (ARRIVAL_CONTROL_DONE, node);
  TestPort *to;

  done->session = session;
  done->number = number;

  g_mutex_lock (&self->hub->lock);
  to = g_hash_table_lookup (self->hub->ports, node);
  self->n_sent[AGENT_TRAFFIC_CONTROL]++;
  done->good = to != NULL && g_bytes_get_size (packet) <= self->hub->max_packet && !self->cut && !self->dead && !self->frozen && !to->cut &&
               !hub_happens_locked (self->hub, self->hub->faults[AGENT_TRAFFIC_CONTROL].lose);
  if (to != NULL && g_bytes_get_size (packet) <= self->hub->max_packet && !self->cut && !self->dead && !self->frozen &&
      (done->good || hub_happens_locked (self->hub, 300)))
    hub_carry_locked (self, to, AGENT_TRAFFIC_CONTROL, packet);
  port_add_answer_locked (self, done);
  g_mutex_unlock (&self->hub->lock);
}

static void
test_port_send_presence (AgentTransport *transport,
                         const char     *node,
                         GBytes         *packet)
{
  TestPort *self = TEST_PORT (transport);

  g_mutex_lock (&self->hub->lock);
  if (!self->cut && !self->dead)
    hub_send_locked (self, node, AGENT_TRAFFIC_PRESENCE, packet);
  g_mutex_unlock (&self->hub->lock);
}

static void
test_port_finalize (GObject *object)
{
  TestPort *self = TEST_PORT (object);

  g_mutex_lock (&self->hub->lock);
  port_detach_locked (self);
  self->hub->n_ports--;
  g_mutex_unlock (&self->hub->lock);
  g_queue_clear_full (&self->arrivals, arrival_free);
  g_queue_clear_full (&self->answers, arrival_free);
  for (guint i = 0; i < G_N_ELEMENTS (self->late); i++)
    g_queue_clear_full (&self->late[i], arrival_free);

  G_OBJECT_CLASS (test_port_parent_class)->finalize (object);
}

static void
test_port_class_init (TestPortClass *klass)
{
  AgentTransportClass *transport_class = AGENT_TRANSPORT_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = test_port_finalize;
  transport_class->get_capabilities = test_port_get_capabilities;
  transport_class->get_max_packet = test_port_get_max_packet;
  transport_class->open = test_port_open;
  transport_class->close = test_port_close;
  transport_class->send_data = test_port_send_data;
  transport_class->send_control = test_port_send_control;
  transport_class->send_presence = test_port_send_presence;
}

static void
test_port_init (TestPort *self)
{
}

/* --- The hub --- */

TestHub *
test_hub_new (guint32 seed)
{
  TestHub *self = g_new0 (TestHub, 1);

  g_mutex_init (&self->lock);
  self->ports = g_hash_table_new (g_str_hash, g_str_equal);
  self->rand = g_rand_new_with_seed (seed);
  self->max_packet = 1024 * 1024;
  self->window = 2000;
  return self;
}

/* All its transports are finalised. */
void
test_hub_free (TestHub *self)
{
  g_assert_cmpuint (test_hub_count_ports (self), ==, 0);

  g_hash_table_unref (self->ports);
  g_rand_free (self->rand);
  g_mutex_clear (&self->lock);
  g_free (self);
}

AgentTransport *
test_hub_add (TestHub    *self,
              const char *node)
{
  TestPort *port = g_object_new (TEST_TYPE_PORT, "node-id", node, "heartbeat-interval", 50, "control-window", self->window, NULL);

  port->hub = self;
  g_mutex_lock (&self->lock);
  self->n_ports++;
  g_mutex_unlock (&self->lock);
  return AGENT_TRANSPORT (port);
}

void
test_hub_set_faults (TestHub          *self,
                     AgentTraffic      traffic,
                     const TestFaults *faults)
{
  g_mutex_lock (&self->lock);
  self->faults[traffic] = *faults;
  g_mutex_unlock (&self->lock);
}

void
test_hub_cut (TestHub    *self,
              const char *node,
              gboolean    cut)
{
  TestPort *port;

  g_mutex_lock (&self->lock);
  port = g_hash_table_lookup (self->ports, node);
  if (port->cut != cut)
    {
      Arrival *arrival = arrival_new (ARRIVAL_STATE, NULL);

      arrival->good = !cut;
      port->cut = cut;
      port_add_locked (port, arrival);
    }
  g_mutex_unlock (&self->lock);
}

void
test_hub_freeze (TestHub    *self,
                 const char *node,
                 gboolean    frozen)
{
  TestPort *port;

  g_mutex_lock (&self->lock);
  port = g_hash_table_lookup (self->ports, node);
  port->frozen = frozen;
  if (!frozen)
    port_add_locked (port, arrival_new (ARRIVAL_READY, NULL));
  g_mutex_unlock (&self->lock);
}

void
test_hub_kill (TestHub    *self,
               const char *node)
{
  TestPort *port;

  g_mutex_lock (&self->lock);
  port = g_hash_table_lookup (self->ports, node);
  port->dead = TRUE;
  port_detach_locked (port);
  g_mutex_unlock (&self->lock);
}

void
test_hub_block (TestHub    *self,
                const char *node,
                gboolean    blocked)
{
  TestPort *port;

  g_mutex_lock (&self->lock);
  port = g_hash_table_lookup (self->ports, node);
  port->blocked = blocked;
  if (!blocked)
    port_add_locked (port, arrival_new (ARRIVAL_READY, NULL));
  g_mutex_unlock (&self->lock);
}

void
test_hub_inject (TestHub    *self,
                 const char *node,
                 const char *from,
                 GBytes     *packet)
{
  Arrival *arrival = arrival_new (ARRIVAL_PACKET, from);

  arrival->traffic = AGENT_TRAFFIC_PRESENCE;
  arrival->packet = g_bytes_ref (packet);
  g_mutex_lock (&self->lock);
  port_add_locked (g_hash_table_lookup (self->ports, node), arrival);
  g_mutex_unlock (&self->lock);
}

void
test_hub_hold (TestHub    *self,
               const char *node,
               gboolean    held)
{
  TestPort *port;
  Arrival  *done;

  g_mutex_lock (&self->lock);
  port = g_hash_table_lookup (self->ports, node);
  port->held = held;
  while (!held && (done = g_queue_pop_head (&port->answers)) != NULL)
    port_add_locked (port, done);
  g_mutex_unlock (&self->lock);
}

void
test_hub_answer (TestHub    *self,
                 const char *node,
                 guint       n,
                 gboolean    good)
{
  TestPort *port;

  g_mutex_lock (&self->lock);
  port = g_hash_table_lookup (self->ports, node);
  for (guint i = 0; i < n; i++)
    {
      Arrival *done = g_queue_pop_head (&port->answers);

      done->good = good;
      port_add_locked (port, done);
    }
  g_mutex_unlock (&self->lock);
}

guint
test_hub_get_max_open (TestHub    *self,
                       const char *node)
{
  TestPort *port;
  guint     n;

  g_mutex_lock (&self->lock);
  port = g_hash_table_lookup (self->ports, node);
  n = port->max_open;
  g_mutex_unlock (&self->lock);

  return n;
}

/* How many packets @node has sent, also such that did not arrive. */
guint
test_hub_count_sent (TestHub     *self,
                     const char  *node,
                     AgentTraffic traffic)
{
  TestPort *port;
  guint     n;

  g_mutex_lock (&self->lock);
  port = g_hash_table_lookup (self->ports, node);
  n = port->n_sent[traffic];
  g_mutex_unlock (&self->lock);

  return n;
}

void
test_hub_refuse (TestHub *self,
                 gboolean refuses)
{
  g_mutex_lock (&self->lock);
  self->refuses = refuses;
  g_mutex_unlock (&self->lock);
}

/* How many transports are not finalised. */
guint
test_hub_count_ports (TestHub *self)
{
  guint n;

  g_mutex_lock (&self->lock);
  n = self->n_ports;
  g_mutex_unlock (&self->lock);

  return n;
}

void
test_hub_set_window (TestHub *self,
                     guint    window)
{
  g_mutex_lock (&self->lock);
  self->window = window;
  g_mutex_unlock (&self->lock);
}

void
test_hub_limit (TestHub *self,
                gsize    max_packet)
{
  g_mutex_lock (&self->lock);
  self->max_packet = max_packet;
  g_mutex_unlock (&self->lock);
}
