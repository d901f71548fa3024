//! Signals to flowjail, and the deaths of each of its processes.

use crate::kit::procs::{self, Proc};
use crate::kit::who::Who;
use crate::kit::{Check, ensure, wait_for};
use crate::stage::{Live, SOON, Stage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// What a supervisor's death may take: milliseconds, and far longer on a machine that is busy; a call that hangs never ends.
const GONE: Duration = Duration::from_secs(10);

/// The program decides what a forwarded signal means.
pub fn signals_are_forwarded(who: Who) -> Check {
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        let stage = Stage::new(who)?;
        let number = (signal as i32).to_string();
        let mut live = stage.ready(&[], &["ends-on", &number, "33"])?;
        live.jail.signal(signal);
        let ended = live.jail.end(SOON)?;
        ensure(ended.code == 33, || format!("{signal}: {ended:?}"))?;
    }
    Ok(())
}

/// One SIGTERM waits for the program, the second does not.
pub fn a_second_sigterm_kills_at_once(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let mut live = stage.ready(&[], &["deaf"])?;
    let tree = with_program(&live)?;
    live.jail.signal(Signal::SIGTERM);
    std::thread::sleep(Duration::from_millis(1300));
    ensure(live.jail.child.try_wait().expect("wait").is_none(), || {
        "the first one killed".into()
    })?;
    live.jail.signal(Signal::SIGTERM);
    let begun = Instant::now();
    let ended = live.jail.end(SOON)?;
    ensure(begun.elapsed() < Duration::from_secs(1), || {
        format!("took {:?}", begun.elapsed())
    })?;
    ensure(ended.code == 137, || format!("{ended:?}"))?;
    nothing_left(&tree)
}

/// The grace is 35 s: Flowise takes up to 30.
pub fn a_deaf_program_is_killed_after_35_seconds(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let mut live = stage.ready(&[], &["deaf"])?;
    let tree = with_program(&live)?;
    live.jail.signal(Signal::SIGTERM);
    let begun = Instant::now();
    let ended = live.jail.end(Duration::from_secs(45))?;
    let took = begun.elapsed().as_secs_f64();
    ensure((34.0..37.5).contains(&took), || format!("took {took:.1} s"))?;
    ensure(ended.code == 137, || format!("{ended:?}"))?;
    nothing_left(&tree)
}

/// SIGKILL to the supervisor ends an idle jail.
pub fn the_supervisor_killed_ends_the_jail(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let live = stage.ready(&[], &["deaf"])?;
    kill_supervisor(live, "an idle program")
}

/// The same while the program waits for the supervisor's answer to a denied call.
pub fn no_notified_call_hangs_on_a_dead_supervisor(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let mut command = stage.command(&[], &["denied-after-byte"]);
    command.stdin(Stdio::piped());
    let mut live = stage.live("hangs", command);
    live.expect("ready\n")?;
    let program = live.jail.program()?;
    // A supervisor that stands still answers nothing, so the call waits in the kernel.
    live.jail.signal(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_millis(50));
    let mut stdin = live.jail.child.stdin.take().expect("stdin");
    stdin.write_all(b"x").map_err(|e| e.to_string())?;
    let waits = || {
        let stack =
            std::fs::read_to_string(format!("/proc/{}/syscall", program.pid)).unwrap_or_default();
        (stack.is_empty() || stack.starts_with("250 ")).then_some(())
    };
    wait_for(Duration::from_secs(3), waits).ok_or("the denied call did not wait for an answer")?;
    std::thread::sleep(Duration::from_millis(50));
    kill_supervisor(live, "a program in a notified call")
}

/// The same while the program makes denied calls without end.
pub fn a_flood_of_denied_calls_ends_with_the_supervisor(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let live = stage.ready(&[], &["denied-forever"])?;
    std::thread::sleep(Duration::from_millis(100));
    kill_supervisor(live, "a program in a flood of denied calls")
}

/// A flood does not keep a SIGTERM from the program.
pub fn a_flood_of_denied_calls_does_not_delay_sigterm(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let mut live = stage.ready(&[], &["denied-forever"])?;
    let begun = Instant::now();
    live.jail.signal(Signal::SIGTERM);
    let ended = live.jail.end(SOON)?;
    let quick = begun.elapsed() < Duration::from_secs(2);
    ensure(ended.code == 143 && quick, || {
        format!("{:?}: {ended:?}", begun.elapsed())
    })
}

/// init killed from outside: the kernel ends the jail, flowjail says so.
pub fn init_killed_ends_the_jail(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let mut live = stage.ready(&[], &["deaf"])?;
    let tree = with_program(&live)?;
    kill(Pid::from_raw(tree[1].pid), Signal::SIGKILL).expect("kill init");
    let ended = live.jail.end(Duration::from_secs(2))?;
    ensure(ended.code == 137 || ended.code == 125, || {
        format!("{ended:?}")
    })?;
    nothing_left(&tree)
}

/// The program killed from outside, by each signal.
pub fn the_program_killed_gives_its_signal(who: Who) -> Check {
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGSEGV] {
        let stage = Stage::new(who)?;
        let mut live = stage.ready(&[], &["waits"])?;
        let program = live.jail.program()?;
        kill(Pid::from_raw(program.pid), signal).expect("kill");
        let ended = live.jail.end(SOON)?;
        ensure(ended.code == 128 + signal as i32, || {
            format!("{signal}: {ended:?}")
        })?;
    }
    Ok(())
}

fn with_program(live: &Live) -> Result<Vec<Proc>, String> {
    live.jail.program()?;
    Ok(live.jail.tree())
}

/// Kills the supervisor and takes the time until the last process of the jail is gone.
fn kill_supervisor(live: Live, when: &str) -> Check {
    let tree = with_program(&live)?;
    let begun = Instant::now();
    live.jail.signal(Signal::SIGKILL);
    let left = procs::survivors(&tree, GONE);
    let took = begun.elapsed();
    ensure(left.is_empty(), || {
        format!("{when}: after {took:?} there still is {left:?}")
    })
}

fn nothing_left(tree: &[Proc]) -> Check {
    let left = procs::survivors(tree, Duration::from_secs(1));
    ensure(left.is_empty(), || format!("left: {left:?}"))
}
