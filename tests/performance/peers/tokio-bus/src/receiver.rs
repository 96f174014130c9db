// SPDX-License-Identifier: LGPL-2.1-or-later

//! Counts what arrives; the counterpart of receiver.c.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use crate::bus::{Kind, Message, Subscriber};

/// Those that are waited for together.
#[derive(Default)]
pub struct Crowd {
    state: Mutex<(usize, Option<Instant>)>,
    changed: Condvar,
}

impl Crowd {
    pub fn expect(&self, n_receivers: usize) {
        self.state.lock().unwrap().0 = n_receivers;
    }

    fn finish(&self) {
        let mut state = self.state.lock().unwrap();

        assert!(state.0 > 0);
        state.0 -= 1;
        state.1 = Some(Instant::now());
        self.changed.notify_one();
    }

    /// Returns when the last one was through.
    pub fn wait(&self) -> Instant {
        let state = self.changed.wait_while(self.state.lock().unwrap(), |state| state.0 > 0);

        state.unwrap().1.unwrap()
    }
}

/// Called with the number of the message and the number of those that are wanted.
pub type Handle = Box<dyn Fn(u64, u64) + Send + Sync>;

pub struct Receiver {
    crowd: Arc<Crowd>,
    handle: Option<Handle>,
    n_wanted: AtomicU64,
    n: AtomicU64,
    n_bytes: AtomicU64,
}

impl Receiver {
    pub fn new(crowd: Arc<Crowd>, handle: Option<Handle>) -> Self {
        Receiver {
            crowd,
            handle,
            n_wanted: AtomicU64::new(0),
            n: AtomicU64::new(0),
            n_bytes: AtomicU64::new(0),
        }
    }

    pub fn expect(&self, n: u64) {
        self.n.store(0, Relaxed);
        self.n_bytes.store(0, Relaxed);
        self.n_wanted.store(n, Relaxed);
    }

    pub fn want(&self, n: u64) {
        self.n_wanted.store(n, Relaxed);
    }

    pub fn check(&self, payload: usize) {
        assert_eq!(self.n.load(Relaxed), self.n_wanted.load(Relaxed));
        assert_eq!(self.n_bytes.load(Relaxed), self.n.load(Relaxed) * payload as u64);
    }

    /// Only one thread at a time writes, so that nothing has to be added atomically.
    fn take(&self, payload: usize) {
        let n = self.n.load(Relaxed) + 1;

        self.n.store(n, Relaxed);
        self.n_bytes.store(self.n_bytes.load(Relaxed) + payload as u64, Relaxed);
        if let Some(handle) = &self.handle {
            handle(n, self.n_wanted.load(Relaxed));
        }
        if n == self.n_wanted.load(Relaxed) {
            self.crowd.finish();
        }
    }
}

pub struct Taker(pub Arc<Receiver>);

impl Subscriber for Taker {
    fn message(&mut self, message: &Message) {
        assert!(message.kind != Kind::Cancel);
        self.0.take(message.payload.as_ref().map_or(0, |payload| payload.len()));
        if message.kind == Kind::Request {
            message.reply.lock().unwrap().take().unwrap().send(()).unwrap();
        }
    }
}
