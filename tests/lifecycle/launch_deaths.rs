//! The supervisor killed while it launches, and starters and ends out of the ordinary.

use crate::kit::who::Who;
use crate::kit::{Check, ensure, wait_for};
use crate::stage::Stage;
use nix::sys::signal::Signal;
use std::time::Duration;

/// SIGKILL at every millisecond of a launch: nothing of it lives on.
pub fn the_supervisor_killed_while_it_launches_leaves_nothing(who: Who) -> Check {
    // supervisor, init and program
    killed_while_it_launches(&Stage::new(who)?, 3)
}

/// The same for a jail with a network: no gateway is left either.
pub fn the_supervisor_killed_while_it_launches_a_network_leaves_nothing(who: Who) -> Check {
    killed_while_it_launches(&Stage::with(who, "[net]\nenabled = true")?, 4)
}

fn killed_while_it_launches(stage: &Stage, all: usize) -> Check {
    // Every process of the jail has the scratch directory in its arguments.
    let scratch = stage.scratch.at("").display().to_string();
    let mut most = 0;
    for moment in 0..60 {
        let mut live = stage.live("killed", stage.command(&[], &["waits", &scratch]));
        std::thread::sleep(Duration::from_millis(moment));
        most = most.max(with_argument(&scratch).len());
        live.jail.signal(Signal::SIGKILL);
        live.jail.child.wait().map_err(|e| e.to_string())?;
        let gone = || with_argument(&scratch).is_empty().then_some(());
        wait_for(Duration::from_secs(2), gone).ok_or_else(|| {
            format!(
                "killed after {moment} ms: pids {:?} live on; stderr {}",
                with_argument(&scratch),
                live.jail.stderr()
            )
        })?;
    }
    // The twin: this is how they are found.
    ensure(most >= all, || format!("never more than {most} seen"))
}

/// The numbers of all processes with this text in their arguments; a zombie has none.
fn with_argument(text: &str) -> Vec<i32> {
    let holds = |pid: i32| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(text)
    };
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| holds(*pid))
        .collect()
}

/// A real-time signal has no name, and is a death like any other.
pub fn death_by_a_real_time_signal_is_128_plus_n(who: Who) -> Check {
    let stage = Stage::new(who)?;
    for signal in [34, 40, 64] {
        let ended = stage.run(&[], &["raise", &signal.to_string()])?;
        ensure(ended.code == 128 + signal, || {
            format!("signal {signal}: {ended:?}")
        })?;
    }
    Ok(())
}

/// A starter that ignores SIGCHLD has its children reaped unseen, and hands that down.
pub fn a_starter_that_ignores_sigchld_is_no_trouble(who: Who) -> Check {
    let stage = Stage::new(who)?;
    // dash(1) does not hand an ignored SIGCHLD down.
    let prefix = ["env", "--ignore-signal=CHLD"];
    let mut bare = who.command(std::path::Path::new(prefix[0]));
    bare.arg(prefix[1]).arg(crate::stage::compiled("actor")?);
    bare.args(["show", "/proc/self/status"]);
    let (ended, status) = stage.finish("bare", bare)?;
    let ignored = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:\t")?, 16).ok());
    let child = 1 << (Signal::SIGCHLD as u32 - 1);
    ensure(ignored.is_some_and(|mask| mask & child != 0), || {
        format!("{prefix:?} does not ignore it: {ended:?} {status}")
    })?;
    for (verb, code) in [(["exit", "23"], 23), (["raise", "15"], 143)] {
        let (ended, _) = stage.finish("ignored", stage.behind(&prefix, &[], &verb))?;
        ensure(ended.code == code, || format!("{verb:?}: {ended:?}"))?;
    }
    Ok(())
}

/// The caller's environment is nowhere in the jail's processes, not even for the host's root.
pub fn no_process_keeps_the_callers_environment(who: Who) -> Check {
    const SECRET: (&str, &str) = ("SECRET_OF_THE_CALLER", "b7c1f0d2");
    let stage = Stage::new(who)?;
    let environ = |pid: i32| {
        let path = format!("/proc/{pid}/environ");
        let bytes = std::fs::read(&path).map_err(|e| format!("{path}: {e}"))?;
        Ok::<_, String>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let leaks = |text: &str| text.contains(SECRET.0) || text.contains(SECRET.1);
    let mut command = stage.command(&[], &["waits"]);
    command.env(SECRET.0, SECRET.1);
    let mut live = stage.live("environ", command);
    live.expect("ready\n")?;
    live.jail.program()?;
    for process in live.jail.tree() {
        let text = environ(process.pid)?;
        ensure(!leaks(&text), || format!("{process:?}: {text:?}"))?;
    }
    // The twin: a process that does nothing about it.
    let mut bare = who.command(&crate::stage::compiled("actor")?);
    bare.env(SECRET.0, SECRET.1).arg("waits");
    let mut bare = stage.live("bare", bare);
    bare.expect("ready\n")?;
    let text = environ(bare.jail.pid())?;
    ensure(leaks(&text), || format!("unjailed: {text:?}"))
}
