//! The machine, on the host's side: an image, an initramfs with the files of this run, one boot, what it told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::bed::guest::Guest;
use crate::bed::image::Image;
use crate::bed::kernel::Kernel;
use crate::bed::packages;
use crate::guest::Told;
use crate::kit::Check;

/// Debian 12's backport: all that the namespaced jail promises is held on it.
const KERNEL: Kernel = Kernel::BookwormBackports;

/// Modules of a disk, in the order in which they need each other; what the kernel has built in is no file.
const MODULES: [&str; 11] = [
    "virtio",
    "virtio_ring",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
    "crc16",
    "crc32c_generic",
    "mbcache",
    "jbd2",
    "ext4",
];

/// Emulation on a machine that has other things to do.
const LIMIT: Duration = Duration::from_secs(1200);

/// What came of one scene. The first caller boots the machine, the others wait for it.
pub fn outcome(scene: &str) -> Check {
    static MACHINE: OnceLock<Result<Played, String>> = OnceLock::new();
    let played = MACHINE.get_or_init(play).as_ref().map_err(Clone::clone)?;
    match played.told.get(scene) {
        Some(told) => told.clone().map_or(Ok(()), Err),
        None => Err(format!("the guest did not come so far; {}", played.console)),
    }
}

struct Played {
    /// What stood in the way of each scene, nothing where it went well.
    told: BTreeMap<String, Option<String>>,
    console: String,
}

fn play() -> Result<Played, String> {
    let port = scratch("serial");
    let mut guest = Guest::new(KERNEL, &initramfs()?);
    guest.memory_mib = 1024;
    guest.limit = LIMIT;
    // No one logs in.
    guest.append = "systemd.mask=serial-getty@ttyS0.service systemd.mask=getty@tty1.service systemd.mask=apt-daily.timer systemd.mask=apt-daily-upgrade.timer systemd.mask=e2scrub_reap.service systemd.mask=dpkg-db-backup.timer".into();
    let drive = format!("file={},format=raw,if=virtio,snapshot=on", image()?);
    let serial = format!("file:{}", port.display());
    let words = ["-smp", "2", "-drive", &drive, "-serial", &serial];
    guest.qemu = words.map(str::to_owned).into();
    let ended = guest.run()?;
    let lines = std::fs::read_to_string(&port).map_err(|error| error.to_string())?;
    let told = lines.lines().filter_map(Told::read);
    let played = Played {
        told: told.map(|told| (told.scene, told.wrong)).collect(),
        console: ended.told("the guest's end"),
    };
    for line in ended
        .console
        .lines()
        .filter(|line| line.starts_with("KERNEL "))
    {
        println(&format!(
            "{line}; {} scenes in {:.0} s",
            played.told.len(),
            ended.took.as_secs_f32()
        ));
    }
    for made in [port, guest.initramfs] {
        let _ = std::fs::remove_file(made);
    }
    Ok(played)
}

/// For the log of a test run.
fn println(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn scratch(name: &str) -> PathBuf {
    let name = format!("systemd-{}-{name}", std::process::id());
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The disk image, made by `image.sh` where it is not in the cache.
fn image() -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/systemd/image.sh");
    let output = Command::new(script)
        .arg(packages::cache()?)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("image.sh: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(format!(
            "the image could not be made: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

fn initramfs() -> Result<PathBuf, String> {
    let mut image = Image::new("")?;
    image.script("/init", include_str!("init.sh"));
    let mut order = String::new();
    for name in MODULES {
        if let Some(file) = module(name)? {
            image.add(&format!("/modules/{name}.ko"), &file)?;
            order += &format!("{name}\n");
        }
    }
    image.text("/modules/order", &order);
    programs(&mut image)?;
    files(&mut image)?;
    image.finish(&format!("systemd-{}", std::process::id()))
}

/// A module of the kernel, unpacked; none, where the kernel has it built in.
fn module(name: &str) -> Result<Option<PathBuf>, String> {
    let output = Command::new("find")
        .arg(KERNEL.modules()?)
        .args(["-name", &format!("{name}.ko*")])
        .output()
        .map_err(|error| format!("find: {error}"))?;
    let found = String::from_utf8_lossy(&output.stdout);
    let Some(file) = found.lines().next() else {
        return Ok(None);
    };
    if !file.ends_with(".xz") {
        return Ok(Some(file.into()));
    }
    let unpacked = scratch(name);
    let into = std::fs::File::create(&unpacked).map_err(|error| error.to_string())?;
    let status = Command::new("xz").args(["-dc", file]).stdout(into).status();
    match status {
        Ok(status) if status.success() => Ok(Some(unpacked)),
        other => Err(format!("xz -dc {file}: {other:?}")),
    }
}

/// flowjail, and this very test binary with the libraries that it has here, since those of the guest may be older.
fn programs(image: &mut Image) -> Result<(), String> {
    let flowjail = std::env::var("FLOWJAIL_TEST_STATIC").map_err(|error| error.to_string())?;
    image.program("/payload/usr/local/bin/flowjail", Path::new(&flowjail))?;
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    image.program("/payload/opt/test/driver", &own)?;
    let maps = std::fs::read_to_string("/proc/self/maps").map_err(|error| error.to_string())?;
    let mapped = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5));
    let mut libraries: Vec<&str> = mapped.filter(|path| path.contains(".so")).collect();
    libraries.dedup();
    for library in libraries {
        let name = library.rsplit('/').next().unwrap_or_default();
        image.program(&format!("/payload/opt/test/lib/{name}"), Path::new(library))?;
    }
    Ok(())
}

fn files(image: &mut Image) -> Check {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = here.join("examples/systemd");
    for entry in examples.read_dir().map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        image.add(&format!("/payload/opt/test/examples/{name}"), &path)?;
    }
    let server = "/payload/opt/flowise/node_modules/flowise/bin/run";
    image.script(server, include_str!("serve.js"));
    image.link(
        "/payload/opt/flowise/node_modules/.bin/flowise",
        "../flowise/bin/run",
    );
    image.text(
        "/payload/etc/systemd/system/test.service",
        include_str!("test.service"),
    );
    let wants = "/payload/etc/systemd/system/multi-user.target.wants/test.service";
    image.link(wants, "../test.service");
    image.text("/payload/opt/test/wanted", &wanted().join("\n"));
    Ok(())
}

/// The words on the command line that name tests.
fn wanted() -> Vec<String> {
    let arguments = libtest_mimic::Arguments::from_args();
    arguments.filter.into_iter().collect()
}
