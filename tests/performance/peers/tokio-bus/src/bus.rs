// SPDX-License-Identifier: LGPL-2.1-or-later

//! A bus with the contract of agentbus, as one would write it on tokio: each subscriber has an unbounded system channel
//! that is served first and a bounded data channel that drops and counts, and is served by a task of its own. How a
//! subscription ends is left out: it is not measured.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, Notify};

/// Shared, as this is faster here than a `String` for each message.
pub type Name = Arc<str>;

#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// Travels the data channel.
    Update,
    /// Travels the data channel, and is answered.
    Request,
    /// Travels the system channel.
    #[allow(dead_code)]
    Cancel,
}

/// How the one who asks is told the answer.
pub type Reply = oneshot::Sender<()>;

pub struct Message {
    pub kind: Kind,
    pub source: Name,
    /// `None`: everybody.
    pub target: Option<Name>,
    pub task: u64,
    pub payload: Option<Box<[u8]>>,
    pub seq: u64,
    pub sent_at: Option<Instant>,
    /// Of a request: who takes it answers. The message itself may be shared.
    pub reply: Mutex<Option<Reply>>,
}

#[derive(Clone, Copy)]
pub enum Overflow {
    DropNewest,
    DropOldest,
}

/// Called for one message at a time.
pub trait Subscriber: Send + 'static {
    fn message(&mut self, message: &Message);
}

/// A bounded queue that can give back what has waited longest: a channel of tokio cannot.
struct Lane {
    queue: Mutex<VecDeque<Arc<Message>>>,
    capacity: usize,
    arrived: Notify,
}

impl Lane {
    /// Returns the message that had to leave.
    fn push(&self, message: Arc<Message>) -> Option<Arc<Message>> {
        let mut queue = self.queue.lock().unwrap();
        let oldest = if queue.len() == self.capacity { queue.pop_front() } else { None };

        queue.push_back(message);
        drop(queue);
        self.arrived.notify_one();
        oldest
    }

    fn take(&self) -> Option<Arc<Message>> {
        self.queue.lock().unwrap().pop_front()
    }

    async fn recv(&self) -> Option<Arc<Message>> {
        loop {
            if let Some(message) = self.take() {
                return Some(message);
            }
            self.arrived.notified().await;
        }
    }
}

enum DataSender {
    Newest(mpsc::Sender<Arc<Message>>),
    Oldest(Arc<Lane>),
}

enum DataReceiver {
    Newest(mpsc::Receiver<Arc<Message>>),
    Oldest(Arc<Lane>),
}

impl DataReceiver {
    async fn recv(&mut self) -> Option<Arc<Message>> {
        match self {
            DataReceiver::Newest(channel) => channel.recv().await,
            DataReceiver::Oldest(lane) => lane.recv().await,
        }
    }
}

fn data_channel(capacity: usize, overflow: Overflow) -> (DataSender, DataReceiver) {
    match overflow {
        Overflow::DropNewest => {
            let (sender, receiver) = mpsc::channel(capacity);
            (DataSender::Newest(sender), DataReceiver::Newest(receiver))
        }
        Overflow::DropOldest => {
            let lane = Arc::new(Lane {
                queue: Mutex::new(VecDeque::with_capacity(capacity)),
                capacity,
                arrived: Notify::new(),
            });
            (DataSender::Oldest(lane.clone()), DataReceiver::Oldest(lane))
        }
    }
}

/// What senders know of a subscriber.
struct Mailbox {
    name: Name,
    system: mpsc::UnboundedSender<Arc<Message>>,
    data: DataSender,
    offered: AtomicU64,
    delivered: AtomicU64,
    dropped: AtomicU64,
}

impl Mailbox {
    /// Never waits. Returns whether it was taken.
    fn offer(&self, message: Arc<Message>) -> bool {
        self.offered.fetch_add(1, Relaxed);
        if message.kind == Kind::Cancel {
            return self.system.send(message).is_ok();
        }

        let (taken, lost) = match &self.data {
            DataSender::Newest(channel) => {
                let taken = channel.try_send(message).is_ok();
                (taken, !taken)
            }
            DataSender::Oldest(lane) => (true, lane.push(message).is_some()),
        };
        if lost {
            self.dropped.fetch_add(1, Relaxed);
        }
        taken
    }
}

/// Never changes; a new one takes its place.
#[derive(Clone, Default)]
struct Directory {
    all: Vec<Arc<Mailbox>>,
    by_name: HashMap<Name, Arc<Mailbox>>,
}

pub struct Bus {
    directory: ArcSwap<Directory>,
    capacity: usize,
    overflow: Overflow,
    n_sent: AtomicU64,
    no_target: AtomicU64,
}

impl Bus {
    pub fn new(capacity: usize, overflow: Overflow) -> Self {
        Bus {
            directory: ArcSwap::default(),
            capacity,
            overflow,
            n_sent: AtomicU64::new(0),
            no_target: AtomicU64::new(0),
        }
    }

    /// All at once, as the directory is copied.
    pub fn subscribe<S: Subscriber>(&self, runtime: &Handle, subscribers: Vec<(Name, S)>) {
        let mut directory = Directory::clone(&self.directory.load());

        for (name, subscriber) in subscribers {
            let (system, system_receiver) = mpsc::unbounded_channel();
            let (data, data_receiver) = data_channel(self.capacity, self.overflow);
            let mailbox = Arc::new(Mailbox {
                name: name.clone(),
                system,
                data,
                offered: AtomicU64::new(0),
                delivered: AtomicU64::new(0),
                dropped: AtomicU64::new(0),
            });

            runtime.spawn(dispatch(mailbox.clone(), system_receiver, data_receiver, subscriber));
            directory.all.push(mailbox.clone());
            directory.by_name.insert(name, mailbox);
        }
        self.directory.store(Arc::new(directory));
    }

    /// From any thread. Returns how many subscribers have taken it.
    pub fn send(&self, mut message: Message) -> usize {
        let directory = self.directory.load();

        message.seq = self.n_sent.fetch_add(1, Relaxed);
        message.sent_at = Some(Instant::now());
        let message = Arc::new(message);
        match &message.target {
            None => broadcast(&directory, &message),
            Some(name) => match directory.by_name.get(name) {
                Some(mailbox) if *name != message.source => mailbox.offer(message) as usize,
                _ => {
                    self.no_target.fetch_add(1, Relaxed);
                    0
                }
            },
        }
    }

    /// Offered, delivered and dropped, of all subscribers.
    pub fn ledger(&self) -> (u64, u64, u64) {
        let directory = self.directory.load();
        let sum = |count: fn(&Mailbox) -> &AtomicU64| directory.all.iter().map(|m| count(m).load(Relaxed)).sum();

        (sum(|m| &m.offered), sum(|m| &m.delivered), sum(|m| &m.dropped))
    }
}

fn broadcast(directory: &Directory, message: &Arc<Message>) -> usize {
    let others = directory.all.iter().filter(|mailbox| mailbox.name != message.source);

    others.map(|mailbox| mailbox.offer(message.clone()) as usize).sum()
}

async fn dispatch<S: Subscriber>(
    mailbox: Arc<Mailbox>,
    mut system: mpsc::UnboundedReceiver<Arc<Message>>,
    mut data: DataReceiver,
    mut subscriber: S,
) {
    loop {
        let message = tokio::select! {
            biased;
            Some(message) = system.recv() => message,
            Some(message) = data.recv() => message,
            else => break,
        };

        subscriber.message(&message);
        mailbox.delivered.fetch_add(1, Relaxed);
    }
}
