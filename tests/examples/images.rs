//! What stands in for the images of the Dockerfile's two FROM lines, and what it builds from them.

use crate::common::needs::{self, Need};
use crate::engine::{docker, finish};
use crate::image;
use crate::kit::{Check, ensure, scratch};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// A node image in which npm has installed Flowise: the tree itself is mounted at `TREE`, read-only.
pub const FLOWISE: &str = "flowise-like";
/// An image with a cargo.
pub const RUST: &str = "rust-like";
/// Where the image looks for Flowise.
pub const TREE: &str = "/opt/flowise";
/// Which Flowise.
const VERSION: &str = "3.1.4";

const BUILD: Duration = Duration::from_secs(180);
const FLOWISE_LIKE: &str = "FROM flowjail-test\nRUN rm /flowjail /etc/flowjail.toml\nCOPY root/ /\n\
    COPY --chown=1000:1000 home/ /home/node/\n";
const RUST_LIKE: &str = "FROM flowjail-test\nCOPY cargo.sh /usr/local/bin/cargo\n";

/// Flowise in the test cache.
pub fn tree() -> PathBuf {
    let cache = std::env::var_os("FLOWJAIL_TEST_CACHE").unwrap_or_default();
    Path::new(&cache).join(format!("flowise-{VERSION}"))
}

/// The same as a need.
pub fn flowise() -> Need {
    needs::file(
        "Flowise 3.1.4",
        &tree().join("node_modules/flowise/bin/run"),
    )
}

/// The two of the builders.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Builder {
    /// That of the engine, which reads the Dockerfile step by step.
    Ordinary,
    /// That of newer clients.
    BuildKit,
}

/// A client that has BuildKit: in itself, as those before 23, or by its plugin.
fn buildkit_client() -> Option<&'static str> {
    static FOUND: OnceLock<Option<&str>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        ["docker", "/usr/bin/docker"].into_iter().find(|client| {
            let said = |args: &[&str]| {
                Command::new(client)
                    .args(args)
                    .output()
                    .ok()
                    .filter(|o| o.status.success())
            };
            let version =
                said(&["--version"]).map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
            let major = version
                .as_deref()
                .and_then(|text| text.split([' ', '.']).nth(2)?.parse::<u32>().ok());
            major.is_some_and(|major| major < 23) || said(&["buildx", "version"]).is_some()
        })
    })
}

/// The same as a need.
pub fn buildkit() -> Need {
    let why = "no docker client older than 23, and none with buildx";
    needs::condition("BuildKit", buildkit_client().is_some(), why)
}

/// `docker build`, with what either builder prints.
pub fn build(builder: Builder, args: &[&str], context: &Path) -> Check {
    let asked = docker(["build"]);
    let (client, switch) = match builder {
        Builder::Ordinary => ("docker", "0"),
        Builder::BuildKit => (buildkit_client().ok_or("no BuildKit")?, "1"),
    };
    let mut command = Command::new(client);
    command.envs(
        asked
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    command
        .env("DOCKER_BUILDKIT", switch)
        .arg("build")
        .args(args)
        .arg(context);
    let ended = finish(command, BUILD)?;
    ensure(ended.status.is_some_and(|status| status.success()), || {
        format!("docker build: {ended:?}")
    })
}

/// Makes the images that the Dockerfile derives from.
pub fn make() -> Check {
    scratch::shared(|scratch| {
        image::make(scratch)?;
        let context = scratch.at("contexts");
        fill(&context).map_err(|e| format!("{}: {e}", context.display()))?;
        build(Builder::Ordinary, &["-t", RUST], &context.join("rust"))?;
        build(
            Builder::Ordinary,
            &["-t", FLOWISE],
            &context.join("flowise"),
        )
    })
}

fn fill(context: &Path) -> std::io::Result<()> {
    let (rust, flowise) = (context.join("rust"), context.join("flowise"));
    for dir in [
        &rust,
        &flowise.join("root/usr/local/bin"),
        &flowise.join("root/etc"),
        &flowise.join("home"),
    ] {
        fs::create_dir_all(dir)?;
    }
    fs::create_dir_all(flowise.join("root").join(&TREE[1..]))?;
    fs::write(rust.join("Dockerfile"), RUST_LIKE)?;
    let cargo = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/examples/cargo.sh");
    fs::copy(cargo, rust.join("cargo.sh"))?;
    fs::set_permissions(rust.join("cargo.sh"), fs::Permissions::from_mode(0o755))?;
    fs::write(flowise.join("Dockerfile"), FLOWISE_LIKE)?;
    fs::write(flowise.join("home/.profile"), "")?;
    let accounts = "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n";
    fs::write(flowise.join("root/etc/passwd"), accounts)?;
    // As `npm install -g` leaves it.
    symlink(
        format!("{TREE}/node_modules/flowise/bin/run"),
        flowise.join("root/usr/local/bin/flowise"),
    )
}

/// A copy of all that the Dockerfile and the compose file may see of the repository.
pub fn repository(copy: &Path) -> Check {
    fs::create_dir(copy).map_err(|e| e.to_string())?;
    let mut command = Command::new("cp");
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("-r");
    command
        .args([
            "Cargo.toml",
            "Cargo.lock",
            ".dockerignore",
            "src",
            "profiles",
            "examples",
        ])
        .arg(copy);
    let ended = finish(command, BUILD)?;
    ensure(ended.status.is_some_and(|status| status.success()), || {
        format!("cp: {ended:?}")
    })
}

/// Cargo can read the manifest where there is only what the Dockerfile copies: the targets below tests/ are named.
pub fn cargo_reads_what_the_dockerfile_copies() -> Check {
    let scratch = scratch::Scratch::new();
    let (context, here) = (scratch.at("context"), Path::new(env!("CARGO_MANIFEST_DIR")));
    fs::create_dir(&context).map_err(|e| e.to_string())?;
    let passed = fs::read_to_string(here.join(".dockerignore")).map_err(|e| e.to_string())?;
    let dockerfile =
        fs::read_to_string(crate::manifests::example("Dockerfile")).map_err(|e| e.to_string())?;
    let mut copy = Command::new("cp");
    copy.arg("-r");
    for name in passed.lines().filter_map(|line| line.strip_prefix('!')) {
        let copied = dockerfile
            .lines()
            .any(|line| line.starts_with("COPY ") && line.contains(name));
        ensure(copied, || format!("{name} is not copied"))?;
        copy.arg(here.join(name));
    }
    let copied = {
        copy.arg(&context);
        finish(copy, BUILD)?
    };
    ensure(copied.status.is_some_and(|s| s.success()), || {
        format!("{copied:?}")
    })?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let read = |dir: &Path| {
        let mut fetch = Command::new(&cargo);
        fetch.args([
            "fetch",
            "--offline",
            "--locked",
            "--target",
            "x86_64-unknown-linux-gnu",
        ]);
        fetch.current_dir(dir);
        finish(fetch, BUILD)
    };
    let ended = read(&context)?;
    ensure(ended.status.is_some_and(|s| s.success()), || {
        format!("{ended:?}")
    })?;
    // The twin: one target whose path is left out.
    let manifest = fs::read_to_string(context.join("Cargo.toml")).map_err(|e| e.to_string())?;
    let broken = manifest + "\n[[test]]\nname = \"somewhere\"\n";
    fs::write(context.join("Cargo.toml"), broken).map_err(|e| e.to_string())?;
    let ended = read(&context)?;
    ensure(!ended.status.is_some_and(|s| s.success()), || {
        "a target that is nowhere passed".into()
    })
}

/// Builds the Dockerfile as its first lines say, with the stand-ins for what it derives from.
pub fn build_example(builder: Builder, tag: &str) -> Check {
    let file = crate::manifests::example("Dockerfile");
    let (rust, base) = (format!("RUST_IMAGE={RUST}"), format!("BASE={FLOWISE}"));
    let file = file.to_str().ok_or("a path in UTF-8")?;
    let args = [
        "-f",
        file,
        "--build-arg",
        &rust,
        "--build-arg",
        &base,
        "-t",
        tag,
    ];
    build(builder, &args, Path::new(env!("CARGO_MANIFEST_DIR")))
}
