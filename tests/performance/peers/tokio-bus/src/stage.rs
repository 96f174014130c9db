// SPDX-License-Identifier: LGPL-2.1-or-later

//! A bus in use.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::bus::{Bus, Kind, Message, Name, Overflow, Reply};
use crate::receiver::{Crowd, Handle, Receiver, Taker};

pub const ROOM_FOR_ALL: usize = 1 << 21;
const PAYLOAD: [u8; 640] = [b'a'; 640];

#[derive(Clone, Copy)]
pub enum To {
    One(usize),
    All,
}

/// What a sender needs.
pub struct Post {
    bus: Bus,
    senders: Vec<Name>,
    targets: Vec<Name>,
    payload: usize,
}

impl Post {
    /// Makes a message as a user would.
    fn make(&self, kind: Kind, sender: usize, to: To, reply: Option<Reply>) -> Message {
        let target = match to {
            To::One(target) => Some(self.targets[target].clone()),
            To::All => None,
        };
        let payload = match self.payload {
            0 => None,
            size => Some(Box::from(&PAYLOAD[..size])),
        };
        Message {
            kind,
            source: self.senders[sender].clone(),
            target,
            task: 7,
            payload,
            seq: 0,
            sent_at: None,
            reply: Mutex::new(reply),
        }
    }

    pub fn send(&self, sender: usize, to: To) -> bool {
        self.bus.send(self.make(Kind::Update, sender, to, None)) > 0
    }

    /// Asks, and waits for the answer.
    pub async fn request(&self, sender: usize, to: To) {
        let (reply, answer) = oneshot::channel();
        let message = self.make(Kind::Request, sender, to, Some(reply));

        assert!(self.bus.send(message) > 0, "refused a request for which there was room");
        answer.await.unwrap();
    }

    pub fn must_send(&self, sender: usize, to: To) {
        assert!(self.send(sender, to), "refused a message for which there was room");
    }
}

pub struct Setup {
    pub n_receivers: usize,
    pub n_senders: usize,
    pub capacity: usize,
    pub overflow: Overflow,
    pub payload: usize,
    /// How many threads each runtime has. Receivers are spread over the runtimes.
    pub runtimes: &'static [usize],
}

pub struct Stage {
    // The first to go, and with it all tasks.
    runtimes: Vec<Runtime>,
    pub post: Arc<Post>,
    pub crowd: Arc<Crowd>,
    pub receivers: Vec<Arc<Receiver>>,
}

fn names(word: &str, n: usize) -> Vec<Name> {
    (0..n).map(|i| Name::from(format!("{word}-{i}"))).collect()
}

fn runtime(n_threads: &usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(*n_threads).build().unwrap()
}

impl Stage {
    pub fn new(setup: &Setup, handle: impl Fn(usize, &Arc<Post>) -> Option<Handle>) -> Self {
        let runtimes: Vec<Runtime> = setup.runtimes.iter().map(runtime).collect();
        let crowd = Arc::new(Crowd::default());
        let post = Arc::new(Post {
            bus: Bus::new(setup.capacity, setup.overflow),
            senders: names("sender", setup.n_senders),
            targets: names("agent", setup.n_receivers),
            payload: setup.payload,
        });
        let receivers: Vec<Arc<Receiver>> = (0..setup.n_receivers)
            .map(|i| Arc::new(Receiver::new(crowd.clone(), handle(i, &post))))
            .collect();

        for (i, runtime) in runtimes.iter().enumerate() {
            let here = (i..setup.n_receivers).step_by(runtimes.len());
            let takers = here.map(|j| (post.targets[j].clone(), Taker(receivers[j].clone()))).collect();
            post.bus.subscribe(runtime.handle(), takers);
        }
        Stage { runtimes, post, crowd, receivers }
    }

    /// Nothing may be under way.
    pub fn expect(&self, n_each: usize) {
        self.crowd.expect(self.receivers.len());
        for receiver in &self.receivers {
            receiver.expect(n_each as u64);
        }
    }

    /// In turn to each receiver, or to all. Returns when the last one arrived.
    pub fn stream(&self, n: usize, to_all: bool) -> Instant {
        let n_receivers = self.receivers.len();

        if to_all {
            self.expect(n);
            (0..n).for_each(|_| self.post.must_send(0, To::All));
        } else {
            self.expect(n / n_receivers);
            (0..n).for_each(|i| self.post.must_send(0, To::One(i % n_receivers)));
        }
        self.crowd.wait()
    }

    /// A task in the last runtime asks the first receiver, in the first one, so many times, one after the other. Returns how
    /// many nanoseconds each took.
    pub fn ask(&self, n: usize) -> Vec<i64> {
        let post = self.post.clone();
        let asker = async move {
            let mut times = Vec::with_capacity(n);

            for _ in 0..n {
                let start = Instant::now();
                post.request(0, To::One(0)).await;
                times.push(start.elapsed().as_nanos() as i64);
            }
            times
        };
        let runtime = self.runtimes.last().unwrap();

        runtime.block_on(runtime.spawn(asker)).unwrap()
    }

    /// Offered, delivered and dropped.
    pub fn ledger(&self) -> (u64, u64, u64) {
        self.post.bus.ledger()
    }

    pub fn close(self) {
        drop(self.runtimes);
        self.receivers.iter().for_each(|receiver| receiver.check(self.post.payload));
    }
}
