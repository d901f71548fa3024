//! Files that are no secrets, and what mends each.

use crate::kit::jail;
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::Stage;
use crate::vault::{Kind, Vault, line, plan};
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::process::Stdio;

/// `run` refuses within the test's patience, before anything runs, and says both; so does `plan`, where the path shows it.
fn refuses(stage: &Stage, found: &str, hint: &str, in_plan: bool) -> Check {
    let mark = stage.work("mark");
    let _ = std::fs::remove_file(&mark);
    let run = stage.command(&[], &["mark", &mark.display().to_string()]);
    let (ended, _) = stage.finish("refused", run)?;
    let told = |text: &str| {
        let found = text.contains(&format!("\n    found: {found}\n"));
        found && text.contains(&format!("\nhint: {hint}\n"))
    };
    let said = told(&ended.stderr) && ended.stderr.contains("  secret `DB` (");
    ensure(ended.code == 125 && said && !mark.exists(), || {
        format!("wanted {found} / {hint}: {ended:?}")
    })?;
    let (ended, _) = stage.finish("plan", plan(stage, &[]))?;
    let right = match in_plan {
        true => ended.code == 125 && told(&ended.stderr),
        false => ended.code == 0,
    };
    ensure(right, || format!("plan: {ended:?}"))
}

/// The twin of every refusal: the same file, mended, is read.
fn reads(stage: &Stage) -> Check {
    let (ended, text) =
        stage.finish("reads", stage.command(&[], &["show", "/proc/self/environ"]))?;
    let there = text.split('\0').any(|one| one.starts_with("DB="));
    ensure(ended.code == 0 && there, || format!("{ended:?}"))
}

/// Modes, kinds and sizes.
pub fn an_unfit_file_is_refused_with_what_mends_it(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let path = vault.at("db");
    let shown = path.display().to_string();
    let stage = kind.stage(who, &line("DB", &path, ""))?;
    for (mode, change) in [
        (0o644, "o-r"),
        (0o620, "go-w"),
        (0o602, "go-w"),
        (0o666, "go-w,o-r"),
    ] {
        vault.file_with("db", "value", mode);
        let found = format!("{shown} has mode {mode:04o}");
        refuses(&stage, &found, &format!("chmod {change} {shown}"), true)?;
        // The command of the hint.
        let mended = std::process::Command::new("chmod")
            .args([change, &shown])
            .status();
        ensure(mended.is_ok_and(|status| status.success()), || {
            change.into()
        })?;
        reads(&stage)?;
    }
    vault.file_with("db", "value", 0o640);
    reads(&stage)?;
    vault.file("db", "");
    let empty = format!("{shown} is empty");
    refuses(
        &stage,
        &empty,
        &format!("write the secret to {shown}"),
        false,
    )?;
    vault.file("db", vec![b'x'; (1 << 16) + 1]);
    let hint = "name a file that holds the secret and nothing else";
    refuses(&stage, &format!("{shown} has 65537 bytes"), hint, false)?;
    vault.file("db", vec![b'x'; 1 << 16]);
    reads(&stage)?;
    std::fs::remove_file(&path).map_err(|e| e.to_string())?;
    unfit_kinds(&vault, &stage, &path)
}

fn unfit_kinds(vault: &Vault, stage: &Stage, path: &Path) -> Check {
    let shown = path.display().to_string();
    let hint = "name the file that holds the secret and nothing else";
    vault.dir("db");
    refuses(stage, &format!("{shown} is a directory"), hint, true)?;
    std::fs::remove_dir(path).map_err(|e| e.to_string())?;
    // Nobody writes to it: a reader that waited would wait for ever.
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
    nix::unistd::mkfifo(path, mode).map_err(|e| e.to_string())?;
    vault.give(path);
    let special = format!("{shown} is a device, a socket or a FIFO");
    refuses(stage, &special, hint, true)?;
    std::fs::remove_file(path).map_err(|e| e.to_string())?;
    symlink("/dev/zero", path).map_err(|e| e.to_string())?;
    refuses(stage, &special, hint, true)?;
    std::fs::remove_file(path).map_err(|e| e.to_string())?;
    symlink("db", path).map_err(|e| e.to_string())?;
    let hint = format!("write the secret to {shown}");
    let found = format!("{shown}: Too many symbolic links encountered");
    refuses(stage, &found, &hint, true)
}

/// What is not there, what the jail writes, and a unit without credentials.
pub fn a_missing_source_is_refused_with_what_gives_it(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let path = vault.at("db");
    let shown = path.display().to_string();
    let stage = kind.stage(who, &line("DB", &path, ""))?;
    let hint = format!(
        "write the secret to {shown} or write optional = true, where the program does without"
    );
    refuses(&stage, &format!("{shown} is not there"), &hint, true)?;
    vault.file("db", "value");
    reads(&stage)?;
    let credential = "[secrets]\nDB = { credential = \"db\" }\n";
    let stage = kind.stage(who, credential)?;
    let found = "CREDENTIALS_DIRECTORY is not set: this is no unit with credentials";
    refuses(&stage, found, "LoadCredential=db:/path in the unit", true)?;
    let mut command = stage.command(&[], &["exit", "0"]);
    command.env("CREDENTIALS_DIRECTORY", "credentials");
    let (ended, _) = stage.finish("relative", command)?;
    let found = "found: CREDENTIALS_DIRECTORY is no absolute path: no unit has set it";
    ensure(ended.code == 125 && ended.stderr.contains(found), || {
        format!("{ended:?}")
    })?;
    let mut command = stage.command(&[], &["exit", "0"]);
    command.env("CREDENTIALS_DIRECTORY", vault.at("none"));
    let (ended, _) = stage.finish("credential", command)?;
    let hint = "hint: LoadCredential=db:/path in the unit or write optional = true";
    ensure(ended.code == 125 && ended.stderr.contains(hint), || {
        format!("{ended:?}")
    })?;
    // Where the program writes: it could change what the next start reads.
    let stage = kind.stage(who, "")?;
    let inside = stage.work("db");
    let profile = std::fs::read_to_string(stage.scratch.at("actor.toml"));
    let profile = profile.map_err(|e| e.to_string())? + &line("DB", &inside, "");
    std::fs::write(stage.scratch.at("actor.toml"), profile).map_err(|e| e.to_string())?;
    let moved = vault.file("inside", "value");
    std::fs::copy(&moved, &inside).map_err(|e| e.to_string())?;
    vault.give(&inside);
    let found = format!(
        "{} lies in a directory that the jail writes",
        inside.display()
    );
    let hint = "move it to a place that the jail does not write, as /etc/flowjail";
    refuses(&stage, &found, hint, true)
}

/// It cannot be seen before the file is read, which only the program's own process does.
pub fn a_nul_byte_is_refused_in_a_variable(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let path = vault.file("db", "one\0two");
    let stage = kind.stage(who, &line("DB", &path, ""))?;
    let mark = stage.work("mark").display().to_string();
    let (ended, _) = stage.finish("nul", stage.command(&[], &["mark", &mark]))?;
    let failed = ended
        .stderr
        .contains("failed: read the secret DB into its variable: ");
    let hint =
        "hint: a variable cannot hold a NUL byte: make the secret a file by `as = \"/tmp/NAME\"`";
    let right = ended.code == 125 && failed && ended.stderr.contains(hint);
    ensure(right && !Path::new(&mark).exists(), || format!("{ended:?}"))?;
    vault.file("db", "one two");
    reads(&stage)
}

/// As of a variable that was empty when it was written to the file: the program would run without its secret.
pub fn a_newline_and_nothing_else_is_no_secret(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let path = vault.file("db", "\n");
    let stage = kind.stage(who, &line("DB", &path, ""))?;
    let mark = stage.work("mark").display().to_string();
    let (ended, _) = stage.finish("newline", stage.command(&[], &["mark", &mark]))?;
    let hint =
        "hint: its file is empty, or holds a newline and nothing else: write the secret to it";
    let right = ended.code == 125 && ended.stderr.contains(hint);
    ensure(right && !Path::new(&mark).exists(), || format!("{ended:?}"))?;
    vault.file("db", "\n\n");
    reads(&stage)
}

/// Six megabytes are the most that execve(2) takes, whatever the stack's limit is.
pub fn more_than_an_environment_holds_is_said(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let path = vault.file("db", vec![b'x'; 1 << 16]);
    let lines = |count: usize| {
        let one = |number| format!("DB{number} = {{ file = {path:?} }}\n");
        "[secrets]\n".to_owned() + &(0..count).map(one).collect::<String>()
    };
    for (count, code) in [(110, 126), (10, 0)] {
        let stage = kind.stage(who, &lines(count))?;
        let (ended, _) = stage.finish("many", stage.command(&[], &["exit", "0"]))?;
        let hinted = ended.stderr.contains("hint: a variable may have 128 KiB");
        ensure(ended.code == code && hinted == (code != 0), || {
            format!("{count}: {ended:?}")
        })?;
    }
    Ok(())
}

/// What is bound there from the host, or leads out by a link, would keep it.
pub fn a_place_of_the_host_takes_no_secret(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let path = vault.file("db", "value");
    let shared = Temporary::new(who)?;
    let (bound, link) = (shared.0.join("bound"), shared.0.join("link"));
    for led in [&bound, &link] {
        let (at, led) = (led.join("key"), led.display());
        let more = line("DB", &path, &format!(", as = {at:?}"));
        let stage = kind.stage(who, &more)?;
        let profile = stage.scratch.at("actor.toml");
        let text = std::fs::read_to_string(&profile).map_err(|error| error.to_string())?;
        let text = text.replace("write = [", &format!("write = [\"{led}\", "));
        std::fs::write(&profile, text).map_err(|error| error.to_string())?;
        let found = format!("{led} is the host's, by [files]");
        let origin = format!("{}:", profile.display());
        let (ended, _) = stage.finish("bound", stage.command(&[], &["exit", "0"]))?;
        let told = ended.stderr.contains(&found)
            && ended
                .stderr
                .contains(&format!("choose another `as` in {origin}"));
        ensure(ended.code == 125 && told, || format!("{ended:?}"))?;
        // The twin: beside it, in the private /tmp.
        let text = std::fs::read_to_string(&profile).map_err(|error| error.to_string())?;
        let beside = text.replace(&format!("{at:?}"), "\"/tmp/key\"");
        std::fs::write(&profile, beside).map_err(|error| error.to_string())?;
        let command = stage.command(&[], &["show", "/tmp/key"]);
        let (ended, text) = stage.finish("beside", command)?;
        ensure(ended.code == 0 && text == "value", || format!("{ended:?}"))?;
    }
    let left = std::fs::read_dir(&bound).map_err(|error| error.to_string())?;
    ensure(left.count() == 0, || "it lies on the host".into())
}

/// A directory below the host's /tmp with a directory of the starter's, and a link to that.
struct Temporary(std::path::PathBuf);

impl Temporary {
    fn new(who: Who) -> Result<Self, String> {
        let at = Path::new("/tmp").join(crate::vault::value("flowjail-test"));
        let failed = |error: std::io::Error| error.to_string();
        std::fs::create_dir(&at).map_err(failed)?;
        let made = Self(at);
        let bound = made.0.join("bound");
        std::fs::create_dir(&bound).map_err(failed)?;
        if let Some(uid) = who.other_uid() {
            chown(&bound, Some(uid), Some(uid)).map_err(failed)?;
        }
        symlink("bound", made.0.join("link")).map_err(failed)?;
        Ok(made)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Another user's file, and one that another user can replace.
pub fn a_file_of_others_is_refused(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let path = vault.file("db", "value");
    let shown = path.display().to_string();
    let stage = kind.stage(who, &line("DB", &path, ""))?;
    let own = who.other_uid().unwrap_or(0);
    let other = 64_322;
    chown(&path, Some(other), Some(own)).map_err(|e| e.to_string())?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o440);
    std::fs::set_permissions(&path, mode).map_err(|e| e.to_string())?;
    let found = format!("{shown} belongs to uid {other}");
    refuses(&stage, &found, &format!("chown {own} {shown}"), true)?;
    chown(&path, Some(own), Some(own)).map_err(|e| e.to_string())?;
    reads(&stage)?;
    // Root's own is fit for everyone who may read it, as a unit's credentials are.
    chown(&path, Some(0), Some(own)).map_err(|e| e.to_string())?;
    reads(&stage)?;
    chown(vault.at(""), Some(other), Some(own)).map_err(|e| e.to_string())?;
    let found = format!(
        "uid {other} can put something else in the place of {shown}, or of a directory above it"
    );
    let hint = "move it to a directory that only root can write, as /etc/flowjail";
    refuses(&stage, &found, hint, true)?;
    chown(vault.at(""), Some(own), Some(own)).map_err(|e| e.to_string())?;
    if who == Who::Ordinary {
        chown(&path, Some(0), Some(0)).map_err(|e| e.to_string())?;
        let found = format!("{shown} may not be read by uid {own} (EACCES)");
        let (ended, _) = stage.finish("closed", stage.command(&[], &["exit", "0"]))?;
        let hint = format!("hint: chown {own} {shown}\n");
        let right = ended.stderr.contains(&found) && ended.stderr.contains(&hint);
        ensure(ended.code == 125 && right, || format!("{ended:?}"))?;
        // Whoever may not even come to it is not helped by owning it.
        chown(vault.at(""), Some(0), Some(0)).map_err(|e| e.to_string())?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(vault.at(""), mode).map_err(|e| e.to_string())?;
        let (ended, _) = stage.finish("above", stage.command(&[], &["exit", "0"]))?;
        let closed = path.parent().unwrap_or(&path).display();
        let hint = format!("hint: {closed} is closed to uid {own}: move the file to");
        let right = ended.stderr.contains(&found) && ended.stderr.contains(&hint);
        ensure(ended.code == 125 && right, || format!("{ended:?}"))?;
    }
    Ok(())
}

/// Docker and Kubernetes give them to every user of the image. What others may write stays refused.
pub fn in_a_container_whoever_reads_it_does_not_matter(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let path = vault.file_with("db", "value", 0o444);
    chown(&path, Some(64_322), Some(64_322)).map_err(|e| e.to_string())?;
    let stage = kind.stage(who, &line("DB", &path, ""))?;
    let run = || {
        let words = stage.words(&[], &["show", "/proc/self/environ"]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let inner = jail::flowjail(who, &words);
        // A pid namespace of its own, and the mark that podman leaves.
        let mut command = std::process::Command::new("unshare");
        command.args(["-m", "-p", "-f", "--mount-proc", "--propagation", "private"]);
        if let Some(uid) = who.other_uid() {
            let ids = [format!("--setuid={uid}"), format!("--setgid={uid}")];
            command.args(ids);
        }
        command.arg(inner.get_program()).args(inner.get_args());
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", "/nonexistent");
        command.env("container", "podman");
        stage.finish("container", {
            command.stdin(Stdio::null());
            command
        })
    };
    let (ended, text) = run()?;
    ensure(text.split('\0').any(|one| one == "DB=value"), || {
        format!("{text} {ended:?}")
    })?;
    let words = stage.command(&[], &["exit", "0"]);
    let (ended, _) = stage.finish("twin", words)?;
    ensure(
        ended.code == 125 && ended.stderr.contains("hint: chmod o-r "),
        || format!("twin: {ended:?}"),
    )?;
    vault.file_with("db", "value", 0o666);
    let (ended, _) = run()?;
    ensure(
        ended.code == 125 && ended.stderr.contains("hint: chmod go-w "),
        || format!("{ended:?}"),
    )
}
