//! The life of a container whose first process is flowjail: stops, restarts, `docker exec` beside it, orphans, health.

use super::acts::CLIENT;
use super::bed::bed;
use super::config::{Config, USER, unique};
use super::container::{Container, code};
use super::engine::ask;
use super::image::{FLOWJAIL, TEST_PROFILE};
use super::matrix::{JAILED, LOOK, words};
use crate::kit::{self, Check, ensure};
use std::time::{Duration, Instant};

/// The workload that serves.
pub const SERVE: [&str; 2] = ["node", "/tests/serve.mjs"];

fn serving(config: &Config, before: &[&str], more: &[&str]) -> Result<Container, String> {
    let flags = config.flags(&*bed()?)?;
    let container = Container::start(&words(&flags), &[before, &SERVE, more].concat())?;
    container.says("ready\n", 1)?;
    Ok(container)
}

/// `docker stop` is SIGTERM for the workload, which ends in time and as it likes.
pub fn a_stop_ends_it_in_time(config: &Config) -> Check {
    for (more, expected) in [(["3"].as_slice(), 3), (&[], 143)] {
        let container = serving(config, &JAILED, more)?;
        let begun = Instant::now();
        let code = container.stop()?;
        let took = begun.elapsed();
        // docker kills after 45 seconds, flowjail after 35.
        ensure(code == expected && took < Duration::from_secs(30), || {
            format!(
                "{code} and not {expected} after {took:?}: {}",
                container.logs()
            )
        })?;
    }
    Ok(())
}

/// A program that an administrator starts in the container has nothing to do with the jail.
pub fn exec_works_beside_it(config: &Config) -> Check {
    let container = serving(config, &JAILED, &[])?;
    let ended = container.exec(&[
        "node",
        "-e",
        "require('child_process').execSync('id'); console.log(42)",
    ])?;
    ensure(code(&ended) == 0 && ended.stdout == "42\n", || {
        format!("{ended:?}")
    })?;
    ensure(container.runs(), || {
        format!("it ended: {}", container.logs())
    })
}

/// What `docker exec` leaves behind becomes a child of the first process, which has to reap it.
pub fn orphans_are_reaped(config: &Config) -> Check {
    let jailed = serving(config, &JAILED, &[])?;
    ensure(!keeps_a_zombie(&jailed)?, || {
        "flowjail as the first process keeps a zombie".into()
    })?;
    ensure(jailed.runs(), || format!("it ended: {}", jailed.logs()))?;
    // node is no first process: it does not know whose child that is.
    let bare = serving(config, &[], &["0"])?;
    ensure(keeps_a_zombie(&bare)?, || {
        "the twin reaped the orphan".into()
    })
}

/// flowjail reaps its own: where the first process reaps nothing, a run beside it leaves it nothing to reap.
pub fn no_zombie_is_left_to_others() -> Check {
    let data = format!("{}:/data", unique(&*bed()?)?);
    let flags = [USER.as_slice(), &["-v", &data]].concat();
    let container = Container::start(&flags, &SERVE)?;
    container.says("ready\n", 1)?;
    for _ in 0..5 {
        let ended = container.exec(&[CLIENT.as_slice(), &["node", "-e", "0"]].concat())?;
        ensure(code(&ended) == 0, || format!("{ended:?}"))?;
    }
    std::thread::sleep(Duration::from_millis(500));
    let ended = container.exec(&["sh", "-c", &format!("{LOOK} look")])?;
    ensure(!ended.stdout.contains(" Z\n"), || ended.stdout)
}

/// Leaves an orphan that ends at once, and says whether it is a zombie and stays one.
fn keeps_a_zombie(container: &Container) -> Result<bool, String> {
    let leave = container.exec(&["sh", "-c", "(sleep 0.2; exec sleep 0.2) & exit 0"])?;
    ensure(code(&leave) == 0, || format!("{leave:?}"))?;
    std::thread::sleep(Duration::from_secs(1));
    let count = || {
        let ended = container.exec(&[
            "sh",
            "-c",
            "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l",
        ]);
        ended.ok().map(|ended| ended.stdout.trim() == "0")
    };
    let gone = kit::wait_for(Duration::from_secs(3), || count().filter(|gone| *gone));
    Ok(gone.is_none())
}

/// One container, started again and again with what the last run left.
pub fn twenty_restarts(config: &Config) -> Check {
    let container = serving(config, &JAILED, &["0"])?;
    // In no order: the shell sorts numbers as words.
    let files = |when: &str| {
        let ended = container.exec(&["sh", "-c", &format!("{LOOK} look")])?;
        let mut lines: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
        lines.sort();
        ensure(code(&ended) == 0, || format!("{when}: {ended:?}")).map(|()| lines)
    };
    let before = files("before")?;
    for round in 1..=20 {
        ask(["restart", "-t", "45", container.name()])?;
        container
            .says("ready\n", round + 1)
            .map_err(|why| format!("restart {round}: {why}"))?;
    }
    let after = files("after")?;
    ensure(before == after, || {
        format!("files and processes before: {before:?}, after: {after:?}")
    })?;
    let code = container.stop()?;
    ensure(code == 0, || format!("{code}: {}", container.logs()))
}

/// A health check that needs no shell and no curl.
pub fn health_is_told(config: &Config) -> Check {
    let jailed = serving(config, &JAILED, &[])?;
    let health = [FLOWJAIL, "health", "--profile", TEST_PROFILE];
    let ended = jailed.exec(&health)?;
    ensure(code(&ended) == 0, || format!("while it serves: {ended:?}"))?;
    let flags = config.flags(&*bed()?)?;
    let idle = Container::start(&words(&flags), &["sleep", "60"])?;
    let ended = idle.exec(&health)?;
    ensure(code(&ended) == 1, || {
        format!("where nobody serves: {ended:?}")
    })
}
