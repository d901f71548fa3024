//! What reaches the program.

use crate::kit::jail::Ended;
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::Stage;
use crate::vault::{self, Kind, Vault, line, plan};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

/// The program's environment, a variable a line.
fn environment(stage: &Stage) -> Result<(Ended, Vec<String>), String> {
    let command = stage.command(&[], &["show", "/proc/self/environ"]);
    let (ended, text) = stage.finish("environment", command)?;
    Ok((ended, text.split('\0').map(str::to_owned).collect()))
}

fn has(stage: &Stage, variable: &str) -> Check {
    let (ended, all) = environment(stage)?;
    let there = all.iter().any(|one| one == variable);
    ensure(ended.code == 0 && there, || format!("{all:?} {ended:?}"))
}

/// All but the newline at its end, whatever the bytes are. Without the line there is none.
pub fn a_secret_reaches_the_environment(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let secret = vault::value("db");
    let path = vault.file("db", format!("{secret}\n"));
    has(
        &kind.stage(who, &line("DB_PASSWORD", &path, ""))?,
        &format!("DB_PASSWORD={secret}"),
    )?;
    vault.file("db", format!("\n{secret}= two\n\n"));
    let stage = kind.stage(who, &line("DB_PASSWORD", &path, ""))?;
    has(&stage, &format!("DB_PASSWORD=\n{secret}= two\n"))?;
    vault.file("db", [b"\xff\xfe", secret.as_bytes()].concat());
    let lossy = format!("DB_PASSWORD=\u{fffd}\u{fffd}{secret}");
    has(&stage, &lossy)?;
    let (ended, all) = environment(&kind.stage(who, "")?)?;
    let there = all.iter().any(|one| one.contains("DB_PASSWORD"));
    ensure(ended.code == 0 && !there, || format!("{all:?} {ended:?}"))?;
    // It wins over what a wide pattern passes.
    let passes = format!(
        "[env]\npass = [\"DB_*\"]\n{}",
        line("DB_PASSWORD", &path, "")
    );
    let stage = kind.stage(who, &passes)?;
    let mut command = stage.command(&[], &["show", "/proc/self/environ"]);
    command.env("DB_PASSWORD", "passed").env("DB_USER", "me");
    let (ended, text) = stage.finish("passes", command)?;
    let all: Vec<&str> = text.split('\0').collect();
    let count = all
        .iter()
        .filter(|one| one.starts_with("DB_PASSWORD="))
        .count();
    let right = count == 1 && all.contains(&lossy.as_str()) && all.contains(&"DB_USER=me");
    ensure(right, || format!("{all:?} {ended:?}"))
}

/// From the unit's directory, which the program is not told.
pub fn a_credential_reaches_the_environment(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let secret = vault::value("key");
    vault.file("flowise-key", &secret);
    let more = "[env]\npass = [\"CRED*\"]\n[secrets]\nFLOWISE_SECRETKEY_OVERWRITE = { credential = \"flowise-key\" }";
    let stage = kind.stage(who, more)?;
    let mut command = stage.command(&[], &["show", "/proc/self/environ"]);
    command.env("CREDENTIALS_DIRECTORY", vault.at(""));
    command.env("CREDO", "passes");
    let (ended, text) = stage.finish("credential", command)?;
    let all: Vec<&str> = text.split('\0').collect();
    let wanted = format!("FLOWISE_SECRETKEY_OVERWRITE={secret}");
    let there = all.contains(&wanted.as_str()) && all.contains(&"CREDO=passes");
    ensure(there && !text.contains("CREDENTIALS_DIRECTORY"), || {
        format!("{all:?} {ended:?}")
    })
}

/// In the private /tmp, of which the bare jail has none.
pub fn a_secret_becomes_a_file_or_is_refused(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let secret = format!("{}\0\n", vault::value("tls"));
    let path = vault.file("tls", &secret);
    let stage = kind.stage(who, &line("tls-key", &path, ", as = \"/tmp/keys/tls.pem\""))?;
    let command = stage.command(&[], &["show", "/tmp/keys/tls.pem"]);
    let (ended, text) = stage.finish("file", command)?;
    if kind == Kind::Bare {
        let told = "hint: name the file itself in [files] read, in place of ";
        return ensure(ended.code == 125 && ended.stderr.contains(told), || {
            format!("{ended:?}")
        });
    }
    ensure(ended.code == 0 && text == secret, || {
        format!("{text:?} {ended:?}")
    })?;
    // Of its user alone, who may not even write it.
    if crate::common::needs::is_root() {
        let live = stage.ready(&[], &["waits"])?;
        let root = format!("/proc/{}/root", live.jail.program()?.pid);
        let keys = Path::new(&root).join("tmp/keys");
        let modes = [keys.join("tls.pem"), keys].map(|path| {
            let data = std::fs::metadata(path).map_err(|error| error.to_string())?;
            Ok::<_, String>((data.mode() & 0o7777, data.uid() == 0))
        });
        let wanted = [Ok((0o400, false)), Ok((0o700, false))];
        ensure(modes == wanted, || format!("{modes:?}"))?;
    }
    let command = kind.stage(who, "")?;
    let command = command.command(&[], &["show", "/tmp/keys/tls.pem"]);
    let (ended, _) = stage.finish("no file", command)?;
    ensure(ended.code == libc::ENOENT, || format!("{ended:?}"))
}

/// `db` leads to `..data/db`, `..data` to a directory with a date, and an update exchanges the middle one.
pub fn links_lead_to_a_secret_as_in_kubernetes(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let failed = |error: std::io::Error| error.to_string();
    for day in ["1", "2"] {
        vault.dir(&format!("..2026_{day}"));
        vault.file(&format!("..2026_{day}/db"), format!("day {day}"));
    }
    symlink("..data/db", vault.at("db")).map_err(failed)?;
    symlink("..2026_1", vault.at("..data")).map_err(failed)?;
    let stage = kind.stage(who, &line("DB", &vault.at("db"), ""))?;
    has(&stage, "DB=day 1")?;
    symlink("..2026_2", vault.at("..next")).map_err(failed)?;
    std::fs::rename(vault.at("..next"), vault.at("..data")).map_err(failed)?;
    has(&stage, "DB=day 2")
}

/// Left out without a word; the plan shows that it is missing.
pub fn what_is_optional_may_be_missing(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let path = vault.at("db");
    let more = line("DB", &path, ", optional = true")
        + "KEY = { credential = \"key\", optional = true }\n";
    let stage = kind.stage(who, &more)?;
    let (ended, all) = environment(&stage)?;
    let odd = all
        .iter()
        .any(|one| one.starts_with("DB") || one.starts_with("KEY"));
    ensure(
        ended.code == 0 && !odd && !ended.stderr.contains("DB"),
        || format!("{all:?} {ended:?}"),
    )?;
    let (_, text) = stage.finish("plan", plan(&stage, &[]))?;
    let shown =
        text.contains("NOT THERE, optional") && text.contains("variable DB  from /var/tmp/");
    let steps = text.contains("read the secret");
    ensure(shown && !steps, || text.clone())?;
    vault.file("db", "there");
    has(&stage, "DB=there")?;
    let (_, text) = stage.finish("plan", plan(&stage, &[]))?;
    ensure(
        text.contains("read the secret DB into its variable"),
        || text,
    )
}

/// Nothing of the last start is kept.
pub fn a_restart_reads_the_file_anew(kind: Kind, who: Who) -> Check {
    let vault = Vault::new(who);
    let path = vault.file("db", "old");
    let stage = kind.stage(who, &line("DB", &path, ""))?;
    has(&stage, "DB=old")?;
    vault.file("db", "new");
    has(&stage, "DB=new")
}
