// SPDX-License-Identifier: LGPL-2.1-or-later

//! What is measured: the scenarios of scenarios.c, one by one, and requests, which bench-tasks measures on our side.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::bus::Overflow;
use crate::receiver::Handle;
use crate::stage::{Post, Setup, Stage, To, ROOM_FOR_ALL};

const CAPACITY: usize = 256;
const N_WARM_UP: usize = 1000;
const AFFORDABLE: Duration = Duration::from_millis(150);

pub struct Scenario {
    pub name: &'static str,
    pub run: fn(&Scenario) -> Vec<f64>,
    pub n_receivers: usize,
    pub n_senders: usize,
    pub n: usize,
    pub payload: usize,
    pub figures: &'static [&'static str],
    pub unit: &'static str,
}

/// One runtime with a thread for each of two processors: what tokio does unless it is told otherwise.
const ONE_RUNTIME: &[usize] = &[2];
/// A runtime for each of two receivers, so that they are certain to be in two threads.
const TWO_RUNTIMES: &[usize] = &[1, 1];

impl Scenario {
    fn setup(&self) -> Setup {
        Setup {
            n_receivers: self.n_receivers,
            n_senders: self.n_senders,
            capacity: ROOM_FOR_ALL,
            overflow: Overflow::DropNewest,
            payload: self.payload,
            runtimes: ONE_RUNTIME,
        }
    }
}

fn count(_: usize, _: &Arc<Post>) -> Option<Handle> {
    None
}

// --- Throughput ---

/// What is slow sends fewer, down to a tenth: all of it has to end in reasonable time.
fn affordable(scenario: &Scenario, warm_up: Duration) -> usize {
    let n = (N_WARM_UP as f64 * AFFORDABLE.as_secs_f64() / warm_up.as_secs_f64()) as usize;
    let n = n.clamp(scenario.n / 10, scenario.n);

    n - n % scenario.n_receivers.max(scenario.n_senders)
}

fn rate(n: usize, time: Duration) -> Vec<f64> {
    vec![n as f64 / time.as_secs_f64()]
}

fn measure_stream(scenario: &Scenario, to_all: bool) -> Vec<f64> {
    let stage = Stage::new(&scenario.setup(), count);
    let start = Instant::now();
    let n = affordable(scenario, stage.stream(N_WARM_UP, to_all) - start);

    let start = Instant::now();
    let end = stage.stream(n, to_all);
    stage.close();
    rate(n * if to_all { scenario.n_receivers } else { 1 }, end - start)
}

fn stream(scenario: &Scenario) -> Vec<f64> {
    measure_stream(scenario, false)
}

fn fan_out(scenario: &Scenario) -> Vec<f64> {
    measure_stream(scenario, true)
}

fn senders(scenario: &Scenario) -> Vec<f64> {
    let stage = Stage::new(&scenario.setup(), count);
    let gate = AtomicBool::new(false);
    let start = Instant::now();
    let n = affordable(scenario, stage.stream(N_WARM_UP, false) - start);
    let n_each = n / scenario.n_senders;

    stage.expect(n);
    let (start, end) = thread::scope(|scope| {
        for sender in 0..scenario.n_senders {
            let (stage, gate) = (&stage, &gate);

            scope.spawn(move || {
                while !gate.load(Acquire) {
                    thread::yield_now();
                }
                (0..n_each).for_each(|_| stage.post.must_send(sender, To::One(0)));
            });
        }
        let start = Instant::now();
        gate.store(true, Release);
        (start, stage.crowd.wait())
    });
    stage.close();
    rate(n, end - start)
}

// --- Latency ---

const PACE_EXT: Duration = Duration::from_micros(200);
const PACE_BUSY: Duration = Duration::from_micros(10);

fn atomics(n: usize) -> Arc<Vec<AtomicI64>> {
    Arc::new((0..n).map(|_| AtomicI64::new(0)).collect())
}

fn read(times: &[AtomicI64]) -> Vec<i64> {
    times.iter().map(|time| time.load(Relaxed)).collect()
}

/// The median and the 99th percentile in microseconds.
fn percentiles(mut sorted: Vec<i64>) -> Vec<f64> {
    sorted.sort_unstable();
    [sorted.len() / 2, sorted.len() * 99 / 100].iter().map(|&i| sorted[i] as f64 / 1e3).collect()
}

fn clocked(scenario: &Scenario, pace: Duration, wait_until: fn(Instant)) -> Vec<f64> {
    let base = Instant::now();
    let now = move || base.elapsed().as_nanos() as i64;
    let (sent_at, times) = (atomics(scenario.n), atomics(scenario.n));
    let on_clocked = |_: usize, _: &Arc<Post>| -> Option<Handle> {
        let (sent_at, times) = (sent_at.clone(), times.clone());

        // What warming up leaves behind is written over.
        Some(Box::new(move |n, _| {
            let i = n as usize - 1;
            times[i].store(now() - sent_at[i].load(Relaxed), Relaxed);
        }))
    };
    let stage = Stage::new(&scenario.setup(), on_clocked);

    stage.stream(N_WARM_UP, false);
    stage.expect(scenario.n);
    for sent in sent_at.iter() {
        wait_until(Instant::now() + pace);
        sent.store(now(), Relaxed);
        stage.post.must_send(0, To::One(0));
    }
    stage.crowd.wait();
    stage.close();
    percentiles(read(&times))
}

fn sleep_until(at: Instant) {
    thread::sleep(at.saturating_duration_since(Instant::now()));
}

fn spin_until(at: Instant) {
    while Instant::now() < at {}
}

fn latency_ext(scenario: &Scenario) -> Vec<f64> {
    clocked(scenario, PACE_EXT, sleep_until)
}

fn latency_busy(scenario: &Scenario) -> Vec<f64> {
    clocked(scenario, PACE_BUSY, spin_until)
}

// --- Ping-pong ---

fn play(scenario: &Scenario, runtimes: &'static [usize]) -> Vec<f64> {
    let base = Instant::now();
    let (times, last) = (atomics(scenario.n), Arc::new(AtomicI64::new(0)));
    let on_turn = |index: usize, post: &Arc<Post>| -> Option<Handle> {
        // The bus must not keep itself.
        let (times, last, post) = (times.clone(), last.clone(), Arc::downgrade(post));

        Some(Box::new(move |n, n_wanted| {
            if index == 0 {
                let now = base.elapsed().as_nanos() as i64;

                if n > 1 {
                    times[n as usize - 2].store(now - last.load(Relaxed), Relaxed);
                }
                last.store(now, Relaxed);
            }
            // The first one keeps the last ball.
            if index != 0 || n < n_wanted {
                post.upgrade().unwrap().must_send(index, To::One(1 - index));
            }
        }))
    };
    let stage = Stage::new(&Setup { runtimes, ..scenario.setup() }, on_turn);

    stage.expect(scenario.n);
    stage.receivers[0].want(scenario.n as u64 + 1);
    stage.post.must_send(1, To::One(0));
    stage.crowd.wait();
    stage.close();
    percentiles(read(&times))
}

fn ping_pong(scenario: &Scenario) -> Vec<f64> {
    play(scenario, ONE_RUNTIME)
}

fn ping_pong_threads(scenario: &Scenario) -> Vec<f64> {
    play(scenario, TWO_RUNTIMES)
}

// --- Requests ---

fn ask(scenario: &Scenario, runtimes: &'static [usize]) -> Vec<f64> {
    let stage = Stage::new(&Setup { runtimes, ..scenario.setup() }, count);

    stage.expect(scenario.n);
    let times = stage.ask(scenario.n);
    stage.close();
    percentiles(times)
}

fn request(scenario: &Scenario) -> Vec<f64> {
    ask(scenario, ONE_RUNTIME)
}

fn request_threads(scenario: &Scenario) -> Vec<f64> {
    ask(scenario, TWO_RUNTIMES)
}

// --- Overload ---

fn count_sent(stage: &Stage, n: usize) -> u64 {
    (0..n).map(|_| stage.post.send(0, To::One(0)) as u64).sum()
}

/// The receiver holds its first message until all have been sent.
fn measure_overload(scenario: &Scenario, overflow: Overflow) -> Vec<f64> {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let on_gate = |_: usize, _: &Arc<Post>| -> Option<Handle> {
        let gate = gate.clone();

        Some(Box::new(move |_, _| {
            let guard = gate.1.wait_while(gate.0.lock().unwrap(), |open| !*open);
            drop(guard);
        }))
    };
    let stage = Stage::new(&Setup { capacity: CAPACITY, overflow, ..scenario.setup() }, on_gate);

    count_sent(&stage, 4 * CAPACITY);
    let start = Instant::now();
    count_sent(&stage, scenario.n);
    let time = start.elapsed();

    let (offered, _, dropped) = stage.ledger();
    assert_eq!(offered, (scenario.n + 4 * CAPACITY) as u64);
    stage.crowd.expect(1);
    stage.receivers[0].want(offered - dropped);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    stage.crowd.wait();
    stage.close();
    vec![time.as_nanos() as f64 / scenario.n as f64]
}

fn overload(scenario: &Scenario) -> Vec<f64> {
    measure_overload(scenario, Overflow::DropNewest)
}

fn overload_oldest(scenario: &Scenario) -> Vec<f64> {
    measure_overload(scenario, Overflow::DropOldest)
}

// --- All of them ---

type Size = (usize, usize, usize, usize);

/// `size`: receivers, senders, messages, bytes of payload.
const fn throughput(name: &'static str, run: fn(&Scenario) -> Vec<f64>, size: Size) -> Scenario {
    let (n_receivers, n_senders, n, payload) = size;
    Scenario { name, run, n_receivers, n_senders, n, payload, figures: &[""], unit: "msg/s" }
}

const fn latency(name: &'static str, run: fn(&Scenario) -> Vec<f64>, size: Size) -> Scenario {
    Scenario { figures: &["_p50", "_p99"], unit: "us", ..throughput(name, run, size) }
}

const fn cost(name: &'static str, run: fn(&Scenario) -> Vec<f64>, size: Size) -> Scenario {
    Scenario { unit: "ns", ..throughput(name, run, size) }
}

pub const SCENARIOS: &[Scenario] = &[
    throughput("stream_1to1", stream, (1, 1, 200_000, 0)),
    throughput("stream_1to1_payload", stream, (1, 1, 200_000, 160)),
    throughput("stream_1to1_640", stream, (1, 1, 200_000, 640)),
    throughput("fanout_16", fan_out, (16, 1, 8_000, 160)),
    throughput("senders_4to1", senders, (1, 4, 200_000, 0)),
    throughput("targeted_1000", stream, (1000, 1, 200_000, 0)),
    latency("latency_ext", latency_ext, (1, 1, 1_000, 160)),
    latency("latency_busy", latency_busy, (1, 1, 5_000, 160)),
    latency("pingpong", ping_pong, (2, 2, 20_000, 0)),
    latency("pingpong_threads", ping_pong_threads, (2, 2, 5_000, 0)),
    latency("request", request, (1, 1, 100_000, 0)),
    latency("request_threads", request_threads, (1, 1, 20_000, 0)),
    cost("overload", overload, (1, 1, 200_000, 0)),
    cost("overload_oldest", overload_oldest, (1, 1, 200_000, 0)),
];
