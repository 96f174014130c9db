// SPDX-License-Identifier: LGPL-2.1-or-later

//! The peer of bench-peers that is written in Rust, with the same scenarios and the same output.

mod bus;
mod receiver;
mod scenarios;
mod stage;

use std::process::{Command, ExitCode};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use scenarios::{Scenario, SCENARIOS};

const PEER: &str = "tokio";
const REPEATS: usize = 5;

/// A message that is lost must not be waited for for ever.
const LIMIT: Duration = Duration::from_secs(20);

/// Asks for one run, whose figures are printed as they are.
const ONCE: &str = "--once";

/// Ends the process where one run takes longer than LIMIT.
fn run_watched(scenario: &'static Scenario) -> Vec<f64> {
    let (done, watch) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if watch.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{} {}: no end in sight", scenario.name, PEER);
            std::process::exit(1);
        }
    });
    let figures = (scenario.run)(scenario);

    drop(done);
    watchdog.join().unwrap();
    figures
}

/// In a process of its own, as all peers.
fn run_once(scenario: &Scenario) -> Vec<f64> {
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this).args([ONCE, scenario.name]).output().unwrap();

    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        std::process::exit(1);
    }
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(|figure| figure.parse().unwrap()).collect()
}

fn print_once(name: &str) {
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap();

    run_watched(scenario).iter().for_each(|figure| println!("{figure}"));
}

fn print(scenario: &Scenario, figure: &str, mut values: Vec<f64>) {
    values.sort_unstable_by(f64::total_cmp);
    let median = values[REPEATS / 2];
    let digits = if median < 1000.0 { 2 } else { 0 };
    println!(
        "{}{}\t{}\t{:.*}\t{}\t{:.*}..{:.*}",
        scenario.name,
        figure,
        PEER,
        digits,
        median,
        scenario.unit,
        digits,
        values[0],
        digits,
        values[REPEATS - 1]
    );
}

fn run_scenario(scenario: &Scenario) {
    let repeats: Vec<Vec<f64>> = (0..REPEATS).map(|_| run_once(scenario)).collect();

    for (i, figure) in scenario.figures.iter().enumerate() {
        print(scenario, figure, repeats.iter().map(|figures| figures[i]).collect());
    }
}

fn list() {
    SCENARIOS.iter().for_each(|scenario| println!("scenario\t{}", scenario.name));
    println!("peer\t{PEER}");
}

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).filter(|name| name != PEER).collect();
    let is_known = |name: &String| SCENARIOS.iter().any(|scenario| scenario.name == name);

    if names == ["--list"] {
        list();
        return ExitCode::SUCCESS;
    }
    if names.len() == 2 && names[0] == ONCE {
        print_once(&names[1]);
        return ExitCode::SUCCESS;
    }
    if let Some(name) = names.iter().find(|name| !is_known(name)) {
        eprintln!("No scenario and no peer here is called {name} (try --list)");
        return ExitCode::from(2);
    }

    let is_meant = |scenario: &&Scenario| names.is_empty() || names.iter().any(|name| name == scenario.name);
    SCENARIOS.iter().filter(is_meant).for_each(run_scenario);
    ExitCode::SUCCESS
}
