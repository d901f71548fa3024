//! Every configuration: the plan, the exit codes, the outputs, and the refusals with their words.

use super::bed::bed;
use super::config::{Config, Outcome};
use super::container::{code, run};
use super::image::{FLOWJAIL, TEST_PROFILE};
use crate::common::start::Ended;
use crate::kit::{Check, ensure};

/// flowjail with the tests' profile before a command.
pub const JAILED: [&str; 5] = [FLOWJAIL, "run", "--profile", TEST_PROFILE, "--"];

/// The flags of a container, as borrowed words.
pub fn words(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}

fn once(config: &Config, before: &[&str], command: &[&str]) -> Result<Ended, String> {
    let flags = config.flags(&*bed()?)?;
    run(&words(&flags), &[before, command].concat())
}

fn ends_with(config: &Config, command: &[&str], expected: i32) -> Check {
    let ended = once(config, &JAILED, command)?;
    ensure(code(&ended) == expected, || {
        format!("{command:?} should end with {expected}: {ended:?}")
    })
}

/// The twin: the configuration itself is good for node.
pub fn node_runs_without_flowjail(config: &Config) -> Check {
    let ended = once(
        config,
        &[],
        &["node", "-e", "console.log(6 * 7); process.exit(7)"],
    )?;
    ensure(code(&ended) == 7 && ended.stdout == "42\n", || {
        format!("{ended:?}")
    })
}

/// The kind of jail, and that every required promise is held.
pub fn the_plan_says_which_jail(config: &Config) -> Check {
    let plan = [
        FLOWJAIL,
        "plan",
        "--profile",
        TEST_PROFILE,
        "--",
        "node",
        "-e",
        "0",
    ];
    let ended = once(config, &[], &plan)?;
    let held = |promise: &str| {
        let line = ended.stdout.lines().find(|line| line.starts_with(promise));
        line.is_some_and(|line| line.contains("require") && !line.contains("NOT HELD"))
    };
    let all = ["exec", "files", "egress", "ingress", "privilege"]
        .into_iter()
        .all(held);
    let right = code(&ended) == 0 && ended.stdout.starts_with(config.plan) && all;
    ensure(right, || format!("{ended:?}"))
}

/// The command's own, and flowjail's.
pub fn exit_codes_pass(config: &Config) -> Check {
    ends_with(config, &["node", "-e", "process.exit(7)"], 7)?;
    ends_with(
        config,
        &["node", "-e", "process.kill(process.pid, 'SIGKILL')"],
        137,
    )?;
    ends_with(config, &["/tests/serve.mjs"], 126)?;
    ends_with(config, &["/nonexistent/program"], 127)?;
    let ended = once(
        config,
        &[],
        &[
            FLOWJAIL,
            "run",
            "--profile",
            "/nonexistent.toml",
            "--",
            "node",
        ],
    )?;
    ensure(code(&ended) == 125, || {
        format!("without its profile: {ended:?}")
    })
}

/// stdout is the program's own, all of it.
pub fn stdout_passes_through(config: &Config) -> Check {
    let ended = once(
        config,
        &JAILED,
        &[
            "node",
            "-e",
            "process.stdout.write('0123456789\\n'.repeat(20000))",
        ],
    )?;
    let whole = ended.stdout == "0123456789\n".repeat(20_000);
    ensure(code(&ended) == 0 && whole, || {
        format!(
            "{} bytes of stdout, {:?}, {}",
            ended.stdout.len(),
            ended.status,
            ended.stderr
        )
    })
}

/// The terminal of `docker run -t` is one inside, too.
pub fn a_terminal_is_a_terminal(config: &Config) -> Check {
    let flags = config.flags(&*bed()?)?;
    let flags = [words(&flags).as_slice(), &["-t"]].concat();
    let command = [
        "node",
        "-e",
        "console.log('terminal ' + process.stdout.isTTY); process.exit(5)",
    ];
    let ended = run(&flags, &[JAILED.as_slice(), &command].concat())?;
    let told = ended.stdout.contains("terminal true\r\n");
    ensure(code(&ended) == 5 && told, || format!("{ended:?}"))
}

/// For a shell, and without another process that would count: who runs, dead ones too, and what lies in /tmp.
pub const LOOK: &str = r#"look() {
    for stat in /proc/[0-9]*/stat; do read -r pid name state rest <"$stat" && echo "$name $state"; done
    for file in /tmp/* /tmp/.[!.]* /data/* /data/.[!.]*; do [ -e "$file" ] && echo "$file"; done
    echo .
}
"#;

/// The processes and the files are after a run what they were before, at once or within two seconds.
pub fn nothing_is_left_behind(config: &Config) -> Check {
    let look =
        format!("{LOOK} look; \"$@\" >/dev/null; echo \"$? now\"; look; sleep 2; echo later; look");
    let command = ["node", "-e", "process.exit(9)"];
    let ended = once(
        config,
        &["sh", "-c", &look, "sh"],
        &[JAILED.as_slice(), &command].concat(),
    )?;
    let right = (|| {
        let (before, after) = ended.stdout.split_once("9 now\n")?;
        let (_, later) = after.split_once("later\n")?;
        Some(before == later && before.contains("(sh) R"))
    })();
    ensure(right == Some(true), || format!("{ended:?}"))
}

/// 125, and all the words that help.
pub fn it_refuses_and_says_why(config: &Config) -> Check {
    let Outcome::Refuses(said) = config.outcome else {
        return Err("runs".into());
    };
    let ended = once(config, &JAILED, &["node", "-e", "console.log('RAN')"])?;
    // The advice names an option of docker's that has the same word in it.
    let stderr = ended.stderr.replace("seccomp=unconfined", "");
    let told = said.iter().all(|word| stderr.contains(word));
    let right = code(&ended) == 125 && told && !ended.stdout.contains("RAN");
    ensure(right, || format!("should say {said:?}: {ended:?}"))
}
