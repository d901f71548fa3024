//! Start and end of a small program, cost per call, node's boot.

use crate::kit::jail::binary;
use crate::kit::scratch::Scratch;
use crate::kit::who::on_path;
use crate::pairs::{Aim, Pairs};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

type Result<T> = std::result::Result<T, String>;

/// A command with nothing on its streams; the standard library uses posix_spawn for it.
fn quiet(program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Milliseconds from spawn to the end.
fn wall(command: &mut Command) -> Result<f64> {
    let begun = Instant::now();
    let status = command.status().map_err(|e| e.to_string())?;
    let took = begun.elapsed().as_secs_f64() * 1e3;
    if status.success() {
        Ok(took)
    } else {
        Err(format!("{command:?}: {status}"))
    }
}

/// Milliseconds of CPU that the command and all below it took.
fn cpu(command: &mut Command) -> Result<f64> {
    let used = || -> Result<f64> {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|e| e.to_string())?;
        let total = usage.user_time() + usage.system_time();
        Ok(total.num_microseconds() as f64 / 1e3)
    };
    let before = used()?;
    wall(command)?;
    Ok(used()? - before)
}

/// /bin/true: with every layer, without a jail, and in bubblewrap with the same binds and the same network: the
/// host's, and an empty one, as `base` has it. With a gateway it is compared to the empty one: bubblewrap has no
/// other.
pub fn start_and_end() -> Result<()> {
    let scratch = Scratch::new();
    let gateway = "extends = [\"base\"]\n[net]\nenabled = true\n";
    let shared = format!(
        "{gateway}[layers]\nnet = \"off\"\n[promises]\negress = \"off\"\ningress = \"off\"\n"
    );
    let shared = scratch.file("shared.toml", &shared).display().to_string();
    let gateway = scratch.file("gateway.toml", gateway).display().to_string();
    let plain = || wall(&mut quiet(Path::new("/bin/true"), &[]));
    Pairs::measure(200, || jailed(&shared), plain)?.print(
        "start+end of /bin/true, plain spawn",
        ["flowjail", "plain"],
        "ms",
        None,
    );
    let Some(bwrap) = on_path("bwrap") else {
        println!("start+end of /bin/true against bwrap: not measured, bwrap is not installed");
        return Ok(());
    };
    let parts = root_parts()?;
    let networks = [
        (shared.as_str(), "the host's network", true),
        ("base", "an empty network", false),
        (&gateway, "empty, gateway", false),
    ];
    for (profile, network, share) in networks {
        let words = bwrap_words(&parts, share);
        let theirs = || wall(&mut quiet(&bwrap, &words));
        let label = format!(
            "start+end of /bin/true, bwrap, {network}, {} binds and links",
            parts.len()
        );
        Pairs::measure(200, || jailed(profile), theirs)?.print(
            &label,
            ["flowjail", "bwrap"],
            "ms",
            Some(Aim::AtMost(0.8)),
        );
    }
    Ok(())
}

fn jailed(profile: &str) -> Result<f64> {
    wall(&mut quiet(
        binary(),
        &["run", "--profile", profile, "--", "/bin/true"],
    ))
}

/// bubblewrap with the same namespaces and the same root.
fn bwrap_words(parts: &[[String; 3]], share: bool) -> Vec<&str> {
    let mut words = vec!["--unshare-all"];
    words.extend(share.then_some("--share-net"));
    words.extend(["--die-with-parent", "--new-session", "--cap-drop", "ALL"]);
    words.extend(["--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev"]);
    words.extend(parts.iter().flatten().map(String::as_str));
    // The jail has the program where its links lead, and no /bin.
    words.extend(["--", "/usr/bin/true"]);
    words
}

/// The binds and links of the plan's root as bubblewrap's words; devices come with its --dev.
fn root_parts() -> Result<Vec<[String; 3]>> {
    let args = ["plan", "--json", "--profile", "base", "--", "/bin/true"];
    let output = Command::new(binary())
        .args(args)
        .output()
        .map_err(|e| e.to_string())?;
    let plan: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|e| format!("plan --json: {e}"))?;
    let mounts = plan["plan"]["mounts"]
        .as_array()
        .ok_or("no mounts in plan --json")?;
    let part = |mount: &serde_json::Value| {
        let text = |key: &str| mount[key].as_str().map(str::to_owned);
        let at = text("at")?;
        match mount["kind"].as_str()? {
            "bind" if mount["device"] == false => Some(["--ro-bind".into(), text("source")?, at]),
            "link" if !at.starts_with("/dev/") => Some(["--symlink".into(), text("target")?, at]),
            _ => None,
        }
    };
    Ok(mounts.iter().filter_map(part).collect())
}

/// openat, getppid and fcntl, bare and jailed.
pub fn per_call() -> Result<()> {
    let scratch = Scratch::new();
    let program = scratch.at("calls");
    let gcc = on_path("gcc").ok_or("gcc is not installed")?;
    // The measuring user may not be able to read the clone.
    let source = scratch.file("calls.c", include_str!("calls.c"));
    let built = Command::new(gcc)
        .args(["-O1", "-static", "-o"])
        .args([&program, &source])
        .status();
    if !built.is_ok_and(|s| s.success()) {
        return Err("calls.c does not compile".into());
    }
    let path = program.display().to_string();
    let profile = format!("extends = [\"base\"]\n[files]\nread = [{path:?}]\n");
    let profile = scratch.file("calls.toml", &profile).display().to_string();
    let jailed = ["run", "--profile", &profile, "--", &path, "200000"];
    for (index, name) in ["openat+close", "getppid", "fcntl"].into_iter().enumerate() {
        let jailed = || nanoseconds(binary(), &jailed, index);
        let bare = || nanoseconds(&program, &["200000"], index);
        Pairs::measure(12, jailed, bare)?.print(name, ["jailed", "bare"], "ns", None);
    }
    Ok(())
}

fn nanoseconds(program: &Path, args: &[&str], line: usize) -> Result<f64> {
    let output = quiet(program, args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output();
    let output = output.map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = text.lines().nth(line).and_then(|l| l.parse().ok());
    number.ok_or_else(|| format!("no number: {}", String::from_utf8_lossy(&output.stderr)))
}

/// `node -e 0`: CPU of everything that is started for it.
pub fn node_boot() -> Result<()> {
    let node = on_path("node").ok_or("node is not installed")?;
    let path = node.display().to_string();
    let jailed_words = ["run", "--profile", "node", "--", &path, "-e", "0"];
    let jailed = || cpu(&mut quiet(binary(), &jailed_words));
    let bare = || cpu(&mut quiet(&node, &["-e", "0"]));
    Pairs::measure(30, jailed, bare)?.print(
        "node -e 0, CPU of all processes",
        ["jailed", "bare"],
        "ms",
        None,
    );
    let jailed = || wall(&mut quiet(binary(), &jailed_words));
    let bare = || wall(&mut quiet(&node, &["-e", "0"]));
    Pairs::measure(30, jailed, bare)?.print("node -e 0, wall", ["jailed", "bare"], "ms", None);
    Ok(())
}
