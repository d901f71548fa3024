//! What a guest's initramfs holds: busybox, an /init, and what a test puts beside them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::archive::Archive;

/// What every guest begins with, and ends with: `EXIT n` on the console, n from /case.
const INIT: &str = include_str!("init.sh");

/// The files of a guest.
pub struct Image(Archive);

impl Image {
    /// busybox with links for its applets in /bin, and an /init that mounts what a guest needs, runs `/case` and
    /// reports its status. `/case` is this text, a busybox shell script.
    pub fn new(case: &str) -> Result<Self, String> {
        let mut image = Self(Archive::default());
        let busybox = super::find("busybox").ok_or("busybox is not in PATH")?;
        let listed = Command::new(&busybox)
            .arg("--list")
            .output()
            .map_err(|error| format!("busybox: {error}"))?;
        image.add("/bin/busybox", &busybox)?;
        for applet in String::from_utf8_lossy(&listed.stdout).split_whitespace() {
            if applet != "busybox" {
                image.0.link(&format!("/bin/{applet}"), "busybox");
            }
        }
        for link in ["/usr/bin", "/sbin", "/usr/sbin"] {
            image.0.link(link, "/bin");
        }
        for place in [
            "dev", "proc", "sys", "tmp", "run", "root", "var/tmp", "etc", "usr/lib",
        ] {
            image.0.directory(place);
        }
        image.text(
            "/etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/:/bin/sh\n",
        );
        image.text("/etc/group", "root:x:0:\nuser:x:1000:\n");
        image.text("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
        image.script("/init", INIT);
        image.script("/case", case);
        Ok(image)
    }

    /// A text file, mode 0644.
    pub fn text(&mut self, path: &str, text: &str) {
        self.0.file(path, 0o644, text.as_bytes());
    }

    /// A shell script, mode 0755.
    pub fn script(&mut self, path: &str, text: &str) {
        self.0.file(path, 0o755, text.as_bytes());
    }

    /// An empty directory.
    pub fn directory(&mut self, path: &str) {
        self.0.directory(path);
    }

    /// A symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.0.link(path, target);
    }

    /// A file of this machine, with its mode, read through links.
    pub fn add(&mut self, path: &str, from: &Path) -> Result<(), String> {
        let read = |from: &Path| -> std::io::Result<(u32, Vec<u8>)> {
            Ok((
                fs::metadata(from)?.permissions().mode() & 0o777,
                fs::read(from)?,
            ))
        };
        let (mode, bytes) = read(from).map_err(|error| format!("{}: {error}", from.display()))?;
        self.0.file(path, mode, &bytes);
        Ok(())
    }

    /// A program of this machine without what only a debugger reads: a guest unpacks it into memory.
    pub fn program(&mut self, path: &str, from: &Path) -> Result<(), String> {
        // Two threads may put the same program into two guests.
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let name = format!("stripped-{}-{serial}", std::process::id());
        let stripped = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let status = Command::new("strip")
            .arg("-o")
            .arg(&stripped)
            .arg(from)
            .status();
        let done = match status {
            Ok(status) if status.success() => self.add(path, &stripped),
            _ => self.add(path, from),
        };
        let _ = fs::remove_file(&stripped);
        done
    }

    /// Writes it below the tests' own temporary files, replacing one of that name.
    pub fn finish(self, name: &str) -> Result<PathBuf, String> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.cpio"));
        fs::write(&path, self.0.finish())
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }
}
