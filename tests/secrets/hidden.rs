//! Who does not see a secret.

use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::Stage;
use crate::vault::{self, Kind, Vault, line, plan};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Stdio;

/// Names and places, as text and as JSON.
pub fn the_plan_names_it_and_never_shows_it(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let secret = vault::value("db");
    let path = vault.file("db", &secret);
    let stage = kind.stage(who, &line("DB", &path, ", why = \"the database\""))?;
    for flags in [&[][..], &["--json"]] {
        let (ended, text) = stage.finish("plan", plan(&stage, flags))?;
        let named = text.contains(&path.display().to_string()) && text.contains("actor.toml:");
        let shown = text.contains(&secret) || ended.stderr.contains(&secret);
        ensure(ended.code == 0 && named && !shown, || {
            format!("{text} {ended:?}")
        })?;
    }
    let (_, text) = stage.finish("plan", plan(&stage, &["--json"]))?;
    let whole: serde_json::Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let line = &whole["plan"]["secrets"][0];
    let right = line["name"] == "DB" && line["present"] == true && line["why"] == "the database";
    ensure(
        right && !whole["plan"]["env"].to_string().contains("DB"),
        || line.to_string(),
    )
}

/// The file itself is not there for the program, or closed to it. Without a jail the same program reads it.
pub fn the_program_cannot_read_its_source(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let secret = vault::value("db");
    let path = vault.file("db", &secret);
    let shown = path.display().to_string();
    let stage = kind.stage(who, &line("DB", &path, ""))?;
    let (ended, text) = stage.finish("source", stage.command(&[], &["show", &shown]))?;
    let refused = match kind {
        Kind::Namespaced => libc::ENOENT,
        Kind::Bare => libc::EACCES,
    };
    ensure(ended.code == refused && text.is_empty(), || {
        format!("{text} {ended:?}")
    })?;
    // Nor is it among its descriptors.
    let command = stage.command(&[], &["descriptors"]);
    let (ended, text) = stage.finish("descriptors", command)?;
    ensure(text == "0\n1\n2\n", || format!("{text} {ended:?}"))?;
    let actor = crate::stage::compiled("actor")?;
    let mut twin = who.command(&actor);
    let output = twin.args(["show", &shown]).stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    ensure(output.stdout == secret.as_bytes(), || format!("{output:?}"))
}

/// Whether the bytes lie in the memory of a process that can be read, its stack with arguments and environment included.
fn holds(pid: i32, secret: &[u8]) -> Result<bool, String> {
    let failed = |error: std::io::Error| format!("{pid}: {error}");
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).map_err(failed)?;
    let memory = File::open(format!("/proc/{pid}/mem")).map_err(failed)?;
    let mut read = 0;
    for line in maps.lines().filter(|line| !line.contains("[v")) {
        let range = line
            .split(' ')
            .next()
            .and_then(|range| range.split_once('-'));
        let Some((from, to)) = range else {
            continue;
        };
        let number = |text| u64::from_str_radix(text, 16).map_err(|error| error.to_string());
        let (from, to) = (number(from)?, number(to)?);
        let mut bytes = vec![0; (to - from) as usize];
        // A mapping without the right to read is read all the same; one that is not backed is not.
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            read += bytes.len();
            if bytes.windows(secret.len()).any(|window| window == secret) {
                return Ok(true);
            }
        }
    }
    ensure(read > 100_000, || format!("{pid}: only {read} bytes read"))?;
    Ok(false)
}

/// Of its processes the program alone has it: in memory, environment or arguments; and no process has its file open.
pub fn nobody_but_the_program_holds_it(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let secret = vault::value("held");
    let path = vault.file("db", &secret);
    let more = format!("[net]\nenabled = true\n{}", line("DB", &path, ""));
    let stage: Stage = kind.stage(who, &more)?;
    let live = stage.ready(&[], &["waits"])?;
    let program = live.jail.program()?;
    let tree = live.jail.tree();
    ensure(tree.len() == 4, || format!("{tree:?}"))?;
    for process in &tree {
        let pid = process.pid;
        let found = holds(pid, secret.as_bytes())?;
        ensure(found == (pid == program.pid), || {
            format!("{process:?} holds it: {found}; the program is {program:?}")
        })?;
        for file in ["environ", "cmdline"] {
            let text = fs::read(format!("/proc/{pid}/{file}")).map_err(|e| e.to_string())?;
            let found = text
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            let may = pid == program.pid && file == "environ";
            ensure(found == may, || format!("{file} of {process:?}: {found}"))?;
        }
        let open = fs::read_dir(format!("/proc/{pid}/fd")).map_err(|e| e.to_string())?;
        for descriptor in open.flatten() {
            let leads = fs::read_link(descriptor.path()).unwrap_or_default();
            ensure(leads != path, || format!("{process:?} has {leads:?} open"))?;
        }
    }
    Ok(())
}

/// What was judged is what is read: never a file of the same name that came in its place.
pub fn a_file_that_is_replaced_all_the_time_is_read_or_refused(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let path = vault.file("db", "fit");
    let stage = kind.stage(who, &line("DB", &path, ""))?;
    let stop = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::SeqCst;
    let failed = |error: std::io::Error| error.to_string();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(order) {
                let open = vault.file_with("open", "unfit", 0o666);
                let _ = fs::rename(open, &path);
                std::thread::yield_now();
                let fit = vault.file("fit", "fit");
                let _ = fs::rename(fit, &path);
                std::thread::yield_now();
            }
        });
        let outcome = (0..40).try_for_each(|_| {
            let command = stage.command(&[], &["show", "/proc/self/environ"]);
            let (ended, text) = stage.finish("replaced", command)?;
            let unfit = ended.stderr.contains("hint: chmod go-w,o-r ");
            let refused =
                ended.code == 125 && (unfit || ended.stderr.contains(" changes all the time"));
            let read = ended.code == 0 && text.split('\0').any(|one| one == "DB=fit");
            ensure(refused || read, || format!("{text} {ended:?}"))
        });
        stop.store(true, order);
        outcome
    })?;
    fs::metadata(&path).map(drop).map_err(failed)
}
