//! flowjail's own processes have the workload's uid, and in a bare jail its pid namespace: the workload has their
//! numbers, and can do nothing with them. The same acts on another process of that uid are the twin.

use super::bed::bed;
use super::config::{USER, unique};
use super::container::{Container, code};
use super::image::{CLIENT_PROFILE, FLOWJAIL};
use super::life::SERVE;
use super::matrix::JAILED;
use super::world::NETWORK;
use crate::kit::{Check, ensure};

/// Acts of tests/probe that take the number of a process.
pub const ACTS: [&str; 18] = [
    "kill",
    "tgkill",
    "tkill",
    "sigqueue",
    "pidfd-signal",
    "pidfd-getfd",
    "ptrace",
    "vm-read",
    "mem",
    "environ",
    "fds",
    "root",
    "prlimit",
    "renice",
    "affinity",
    "scheduler",
    "ioprio",
    "oom-score",
];
/// What a refusal is.
const REFUSED: [&str; 5] = ["EPERM", "EACCES", "EROFS", "ESRCH", "ENOENT"];
/// Acts that Yama refuses on some machines, whatever the container allows.
const OF_YAMA: [&str; 4] = ["ptrace", "vm-read", "mem", "pidfd-getfd"];

/// Aims every act at its own supervisor and at every process of another jail's: one line each.
const JAILED_SCRIPT: &str = r#"
    others=$(grep -lx flowjail /proc/[0-9]*/comm 2>/dev/null | grep -o '[0-9]*')
    echo "others:" $others
    run="$1"; shift
    for act in "$@"; do
        for pid in $others; do $run /probe "$act" "$pid" </dev/null || echo "$act exit $?"; done
        sh -c 'act=$1; shift; exec "$@" /probe "$act" $$' sh "$act" $run </dev/null || echo "$act exit $?"
    done"#;

const BARE_SCRIPT: &str = r#"
    sleep 300 | /probe serve /tmp >/dev/null & target=$!
    sleep 0.5
    for act in "$@"; do /probe "$act" "$target" </dev/null || echo "$act exit $?"; done
    kill -9 $target"#;

/// A container that filters nothing, as Kubernetes starts them, whose first process is flowjail.
fn serving() -> Result<Container, String> {
    let data = format!("{}:/data", unique(&*bed()?)?);
    let more = [
        "-v",
        &data,
        "--network",
        NETWORK,
        "--security-opt",
        "seccomp=unconfined",
    ];
    let container = Container::start(
        &[USER.as_slice(), &more].concat(),
        &[JAILED.as_slice(), &SERVE].concat(),
    )?;
    container.says("ready\n", 1)?;
    Ok(container)
}

/// Behind flowjail every one is refused.
pub fn the_workload_cannot_touch_flowjail() -> Check {
    let container = serving()?;
    let run = format!("{FLOWJAIL} run --profile {CLIENT_PROFILE} --");
    let ended =
        container.exec(&[&["sh", "-c", JAILED_SCRIPT, "sh", &run], ACTS.as_slice()].concat())?;
    let mut lines = ended.stdout.lines();
    let others = lines.next().unwrap_or_default();
    ensure(others.split_whitespace().count() > 1, || {
        format!("no process of flowjail's was found: {ended:?}")
    })?;
    let wrong: Vec<&str> = lines.clone().filter(|line| !is_refusal(line)).collect();
    let enough = lines.count() >= 2 * ACTS.len();
    ensure(wrong.is_empty() && enough, || {
        format!("{wrong:?} in {ended:?}")
    })?;
    ensure(container.runs(), || {
        format!("it ended: {}", container.logs())
    })
}

/// The twin.
pub fn a_bare_program_can_touch_its_neighbour() -> Check {
    let flags = [USER.as_slice(), &["--security-opt", "seccomp=unconfined"]].concat();
    let ended = super::container::run(
        &flags,
        &[&["sh", "-c", BARE_SCRIPT, "sh"], ACTS.as_slice()].concat(),
    )?;
    ensure(code(&ended) == 0, || format!("{ended:?}"))?;
    // EFAULT: the call was let through to an address that is nothing there.
    let works = |line: &&str| {
        let act = line.split(' ').next().unwrap_or_default();
        line.ends_with(" ok")
            || *line == "vm-read errno EFAULT"
            || (yama() && OF_YAMA.contains(&act))
    };
    let wrong: Vec<&str> = ended.stdout.lines().filter(|line| !works(line)).collect();
    ensure(
        wrong.is_empty() && ended.stdout.lines().count() == ACTS.len(),
        || format!("{wrong:?} in {ended:?}"),
    )
}

/// The first process of the container is flowjail: the acts aimed at number 1.
pub fn the_workload_cannot_touch_the_first_process() -> Check {
    for act in ["kill", "ptrace", "mem", "prlimit", "environ"] {
        let ended =
            super::container::run(&USER, &[JAILED.as_slice(), &["/probe", act, "1"]].concat())?;
        ensure(is_refusal(ended.stdout.trim()), || format!("{ended:?}"))?;
    }
    Ok(())
}

fn is_refusal(line: &str) -> bool {
    matches!(line.split(' ').collect::<Vec<_>>()[..], [_, "errno", name] if REFUSED.contains(&name))
}

fn yama() -> bool {
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    !matches!(scope.trim(), "" | "0")
}
