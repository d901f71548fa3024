//! Worlds outside of the jail: each a network namespace with servers on its loopback, in a mount namespace whose
//! resolver knows them. The threads of the tests enter them; the host's namespaces stay as they are.
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

use crate::common::needs::{self, Need};
use crate::common::place::{Owner, Place};
use crate::start::Kind;

/// Python as Debian has it: what the actor is run with must be below /usr.
pub const PYTHON: &str = "/usr/bin/python3";
const ADDRESSES: [&str; 11] = [
    "203.0.113.10/32",
    "203.0.113.11/32",
    "203.0.113.53/32",
    "198.51.100.7/32",
    "10.20.30.40/32",
    "169.254.169.254/32",
    "2001:db8::10/128",
    "64:ff9b::a9fe:a9fe/128",
    "2002:a9fe:a9fe::/128",
    "fd00::10/128",
    "198.18.7.7/32",
];
/// What a user may read of the jail's own: nothing else of the tests.
const PROFILE: &str = "extends = [\"node\"]\n\
    [files]\nread = [\"/usr\", \"SCRIPTS\", \"CA\"]\n\
    [promises]\nlimits = \"prefer\"\n";

/// Tests that run at the same time have a world each: what arrives in it is their own.
pub struct Worlds(Vec<Mutex<World>>);

impl Worlds {
    /// As many as tests run at once.
    ///
    /// # Errors
    /// What is missing for one.
    pub fn build() -> Result<Worlds, Need> {
        let wanted = [
            needs::root(),
            needs::program("ip"),
            needs::program("openssl"),
            needs::file("python3", Path::new(PYTHON)),
        ];
        if let Some(missing) = wanted.into_iter().find(|need| need.missing.is_some()) {
            return Err(missing);
        }
        let count = thread::available_parallelism().map_or(1, |count| count.get().min(4));
        let building: Vec<_> = (0..count).map(|_| thread::spawn(World::build)).collect();
        let built = building.into_iter().map(|one| {
            let built = one
                .join()
                .unwrap_or_else(|_| Err("its builder panicked".into()));
            built.map(Mutex::new)
        });
        let built: Result<Vec<_>, String> = built.collect();
        built
            .map(Worlds)
            .map_err(|why| needs::condition("a network namespace", false, &why))
    }

    /// One that is free; this thread and the programs that it starts are in it from now on.
    pub fn enter(&self) -> Result<MutexGuard<'_, World>, String> {
        loop {
            for world in &self.0 {
                let free = match world.try_lock() {
                    Ok(free) => free,
                    Err(TryLockError::Poisoned(after_a_panic)) => after_a_panic.into_inner(),
                    Err(TryLockError::WouldBlock) => continue,
                };
                free.enter()
                    .map_err(|errno| format!("cannot enter the world: {errno}"))?;
                return Ok(free);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Servers that run, and what the acts need of files.
pub struct World {
    place: Place,
    server: Child,
    network: File,
    mounts: File,
}

impl World {
    /// Takes this thread into namespaces of its own, and builds the world there.
    fn build() -> Result<World, String> {
        let private = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_FS;
        unshare(private).map_err(|errno| format!("unshare: {errno}"))?;
        let everywhere = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, everywhere, None::<&str>)
            .map_err(|errno| format!("private mounts: {errno}"))?;
        addresses()?;
        let in_words = |error: std::io::Error| error.to_string();
        let place = Place::new().map_err(in_words)?;
        files(&place).map_err(in_words)?;
        for name in ["resolv.conf", "hosts", "nsswitch.conf"] {
            // Where the host has it as a link, what the link leads to is covered.
            let target = Path::new("/etc").join(name);
            mount(
                Some(&place.join(name)),
                &target,
                None::<&str>,
                MsFlags::MS_BIND,
                None::<&str>,
            )
            .map_err(|errno| format!("{}: {errno}", target.display()))?;
        }
        let world = World {
            server: serve(place.path())?,
            place,
            network: File::open("/proc/thread-self/ns/net").map_err(in_words)?,
            mounts: File::open("/proc/thread-self/ns/mnt").map_err(in_words)?,
        };
        for kind in Kind::BOTH {
            world.profile(kind, kind.profile(), "").map_err(in_words)?;
        }
        Ok(world)
    }

    fn enter(&self) -> nix::Result<()> {
        unshare(CloneFlags::CLONE_FS)?; // a mount namespace is entered by one who shares no folder
        setns(&self.network, CloneFlags::CLONE_NEWNET)?;
        setns(&self.mounts, CloneFlags::CLONE_NEWNS)
    }

    /// A profile with more lines than the plain one.
    pub fn profile(&self, kind: Kind, name: &str, lines: &str) -> std::io::Result<PathBuf> {
        let text = PROFILE
            .replace("SCRIPTS", &self.join("scripts").display().to_string())
            .replace("CA", &self.join("ca.pem").display().to_string());
        let text = [kind.line(), &text, lines].concat();
        self.place.file(name, &text, 0o644, Owner::Tests)
    }

    /// Something in the world's folder.
    pub fn join(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    /// Everything that has arrived at a server up to now.
    pub fn arrivals(&self) -> Result<Vec<serde_json::Value>, String> {
        let mut text = String::new();
        UnixStream::connect(self.join("log.sock"))
            .and_then(|mut stream| stream.read_to_string(&mut text))
            .map_err(|error| format!("the world's log: {error}"))?;
        let lines = text.lines().filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_str(line).map_err(|error| format!("{line}: {error}")))
            .collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.server.stdin.take()); // its sign to end
        let _ = self.server.wait();
    }
}

fn addresses() -> Result<(), String> {
    let ip = |words: &str| output(Command::new("ip").args(words.split(' ')));
    ip("link set lo up multicast on")?;
    for address in ADDRESSES {
        let more = if address.contains(':') { " nodad" } else { "" };
        ip(&format!("address add {address} dev lo{more}"))?;
    }
    ip("route add 224.0.0.0/4 dev lo")?;
    let set = |name: &str, value: &str| {
        std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value)
            .map_err(|error| format!("{name}: {error}"))
    };
    // Tests that connect tens of thousands of times leave ports for the others.
    set("tcp_tw_reuse", "1")?;
    set("ip_local_port_range", "24000 65535")?;
    // For the twin of an echo request by ICMP.
    set("ping_group_range", "0 2147483647")
}

fn files(place: &Place) -> std::io::Result<()> {
    let open = |name: &str, text: &str| place.file(name, text, 0o644, Owner::Tests);
    open("resolv.conf", "nameserver 203.0.113.53\n")?;
    open("hosts", "127.0.0.1 localhost\n::1 localhost\n")?;
    open(
        "nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files dns\n",
    )?;
    place.dir("scripts", 0o755, Owner::Tests)?;
    open("scripts/actor.py", include_str!("actor.py"))?;
    open("scripts/hello.py", include_str!("hello.py"))?;
    open("scripts/inside.py", include_str!("inside.py"))?;
    Ok(())
}

fn serve(folder: &Path) -> Result<Child, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/world/world.py");
    let mut server = Command::new(PYTHON)
        .arg("-B")
        .args([&script, folder])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut first = String::new();
    if let Some(stdout) = server.stdout.take() {
        let _ = BufReader::new(stdout).read_line(&mut first);
    }
    match first.trim() {
        "ready" => Ok(server),
        _ => Err("its servers do not start".into()),
    }
}

fn output(command: &mut Command) -> Result<(), String> {
    let ended = command.output().map_err(|error| error.to_string())?;
    match ended.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{command:?}: {}",
            String::from_utf8_lossy(&ended.stderr).trim()
        )),
    }
}
