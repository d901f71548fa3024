//! The images, made from files of this machine by `docker import`: there is no registry in these tests.

use super::engine;
use crate::common::needs::{self, Need};
use crate::common::probe;
use crate::kit::scratch::Scratch;
use crate::kit::who::on_path;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The image that all containers are made of.
pub const BASE: &str = "flowjail-test";
/// Where the image has the program under test.
pub const FLOWJAIL: &str = "/flowjail";
/// Where it has the profile of the tests' workloads.
pub const TEST_PROFILE: &str = "/etc/flowjail.toml";
/// The same without a published port, for a second jail in one container.
pub const CLIENT_PROFILE: &str = "/etc/flowjail-client.toml";
/// The uid of an ordinary container, to which the image gives the data.
pub const UID: u32 = 1000;

const PROGRAMS: [&str; 29] = [
    "sh", "bash", "node", "curl", "cat", "id", "ls", "sleep", "touch", "getent", "env", "mkdir",
    "rm", "cp", "stty", "true", "timeout", "ps", "python3", "head", "grep", "seq", "mv", "chmod",
    "chown", "mknod", "echo", "wc", "tr",
];
/// What programs load at run time, beside what `ldd` knows.
const ALSO: [&str; 6] = [
    "/lib/x86_64-linux-gnu/libnss_dns.so.2",
    "/lib/x86_64-linux-gnu/libnss_files.so.2",
    "/lib/aarch64-linux-gnu/libnss_dns.so.2",
    "/lib/aarch64-linux-gnu/libnss_files.so.2",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
];
/// Scripts of the tests, as /tests/NAME.
const SCRIPTS: [&str; 3] = [
    "tests/docker/acts.mjs",
    "tests/docker/serve.mjs",
    "tests/flowise/mock-llm.mjs",
];

/// The static flowjail: FLOWJAIL_TEST_STATIC, else where cargo puts a build for this machine's target.
pub fn flowjail() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("FLOWJAIL_TEST_STATIC").map(PathBuf::from) {
        return path
            .is_file()
            .then_some(path.clone())
            .ok_or(format!("{} is not there", path.display()));
    }
    let dynamic = Path::new(env!("CARGO_BIN_EXE_flowjail"));
    let target = dynamic
        .parent()
        .and_then(Path::parent)
        .expect("the target directory");
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let built = target.join(triple).join("debug/flowjail");
    let age = |path: &Path| fs::metadata(path).and_then(|about| about.modified()).ok();
    if age(&built) >= age(dynamic) {
        return Ok(built);
    }
    Err(format!(
        "{} is not there, or older than {} (tests/run builds it)",
        built.display(),
        dynamic.display()
    ))
}

/// The same as a need.
pub fn need() -> Need {
    let found = flowjail();
    needs::condition(
        "a static flowjail",
        found.is_ok(),
        found.as_ref().err().map_or("", |why| why),
    )
}

/// Makes the image.
pub fn make(scratch: &Scratch) -> Result<(), String> {
    let root = scratch.at("image");
    fill(&root).map_err(|e| format!("the image: {e}"))?;
    let mut tar = Command::new("tar")
        .arg("-C")
        .arg(&root)
        .args(["-c", "."])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("tar: {e}"))?;
    let mut import = engine::docker(["import", "-", BASE]);
    import
        .stdin(tar.stdout.take().expect("tar's stdout"))
        .stdout(Stdio::null());
    let mut import = import.spawn().map_err(|e| e.to_string())?;
    let done = crate::common::start::wait(&mut import, Duration::from_secs(120))
        .map_err(|e| e.to_string())?;
    let packed =
        crate::common::start::wait(&mut tar, Duration::from_secs(10)).map_err(|e| e.to_string())?;
    let _ = fs::remove_dir_all(&root);
    match (packed, done) {
        (Some(tar), Some(import)) if tar.success() && import.success() => Ok(()),
        other => Err(format!("tar | docker import: {other:?}")),
    }
}

fn fill(root: &Path) -> std::io::Result<()> {
    for dir in [
        "usr/bin",
        "usr/lib",
        "usr/lib64",
        "etc",
        "tests",
        "srv/secret",
        "data",
        "marks",
    ] {
        fs::create_dir_all(root.join(dir))?;
    }
    for link in ["bin", "lib", "lib64"] {
        symlink(format!("usr/{link}"), root.join(link))?;
    }
    fs::create_dir(root.join("tmp"))?;
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    let programs: Vec<PathBuf> = PROGRAMS.iter().filter_map(|name| system(name)).collect();
    for file in programs
        .iter()
        .cloned()
        .chain(libraries(&programs)?)
        .chain(ALSO.map(PathBuf::from))
    {
        copy(&file, root)?;
    }
    python(root)?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    for script in SCRIPTS {
        let from = repository.join(script);
        fs::copy(
            &from,
            root.join("tests").join(from.file_name().expect("a name")),
        )?;
    }
    program(
        &flowjail().map_err(std::io::Error::other)?,
        &root.join("flowjail"),
    )?;
    program(
        probe::path()
            .as_ref()
            .map_err(|why| std::io::Error::other(why.as_str()))?,
        &root.join("probe"),
    )?;
    accounts(root)
}

/// What the tests' workloads are allowed.
const PROFILE: &str = r#"extends = ["node"]
[files]
read = ["/tests", "/probe"]
write = ["/data"]
[net]
enabled = true
private = ["llm.test:8080"]
"#;
const PUBLISHED: &str = "publish = [\"0.0.0.0:3000\"]\n";

/// Accounts, a secret that everybody can read, and directories that the ordinary uid, or its group 0, can write.
fn accounts(root: &Path) -> std::io::Result<()> {
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/data:/bin/sh\n",
    )?;
    fs::write(
        root.join("etc/flowjail.toml"),
        format!("{PROFILE}{PUBLISHED}"),
    )?;
    fs::write(root.join("etc/flowjail-client.toml"), PROFILE)?;
    fs::write(root.join("etc/group"), "root:x:0:\nnode:x:1000:\n")?;
    fs::write(root.join("srv/secret/credentials"), "DECOY-SECRET-4242\n")?;
    for (dir, mode) in [("data", 0o777), ("marks", 0o777), ("srv/secret", 0o755)] {
        chown(root.join(dir), Some(UID), Some(0))?;
        fs::set_permissions(root.join(dir), fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// A program of the system, not one of a tool that keeps versions in somebody's home.
fn system(name: &str) -> Option<PathBuf> {
    let path = Path::new("/usr/bin").join(name);
    path.exists().then_some(path).or_else(|| on_path(name))
}

/// All that `ldd` names.
fn libraries(programs: &[PathBuf]) -> std::io::Result<BTreeSet<PathBuf>> {
    let said = Command::new("ldd").args(programs).output()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let words = said
        .lines()
        .filter(|line| line.starts_with('\t'))
        .flat_map(str::split_whitespace);
    Ok(words
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect())
}

/// Copies a file, under the name that it has in a system whose /bin and /lib lead to /usr.
fn copy(file: &Path, root: &Path) -> std::io::Result<()> {
    let Ok(real) = file.canonicalize() else {
        return Ok(());
    };
    let merged = ["bin", "lib", "lib64", "sbin"]
        .iter()
        .any(|top| file.starts_with(format!("/{top}")));
    let inside = file.strip_prefix("/").expect("an absolute path");
    let to = if merged {
        root.join("usr").join(inside)
    } else {
        root.join(inside)
    };
    fs::create_dir_all(to.parent().expect("a parent"))?;
    program(&real, &to)
}

fn program(from: &Path, to: &Path) -> std::io::Result<()> {
    if !to.exists() {
        fs::copy(from, to)?;
    }
    Ok(())
}

/// Python's own modules, without its tests and without what was compiled for others.
fn python(root: &Path) -> std::io::Result<()> {
    let Some(python) = system("python3").and_then(|p| p.canonicalize().ok()) else {
        return Ok(());
    };
    let modules = Path::new("/usr/lib").join(python.file_name().expect("a name"));
    if modules.is_dir() {
        Command::new("cp")
            .arg("-r")
            .arg(&modules)
            .arg(root.join("usr/lib"))
            .status()?;
    }
    Ok(())
}
