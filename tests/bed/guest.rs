//! A guest: a kernel and an initramfs, run until it says how it ended or its time is up.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::kernel::Kernel;
use super::packages;
use crate::common::start;

/// Suites that QEMU is from: the one of Debian 12 crashes guests of Linux 6.12.
const SUITE: &str = "bookworm-backports";

/// What is booted, and how. `new` is enough for most.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The kernel.
    pub kernel: Kernel,
    /// An archive as [`super::image::Image`] makes it.
    pub initramfs: PathBuf,
    /// Memory, in MiB. Default: 512.
    pub memory_mib: u32,
    /// Words for the kernel's command line, behind those that every guest gets.
    pub append: String,
    /// More words for QEMU, such as drives; user-mode Linux gets none.
    pub qemu: Vec<String>,
    /// When the guest is ended from outside. Default: 120 s; emulation on a busy machine is slow.
    pub limit: Duration,
}

/// How it ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The status that the guest itself reported; `None`: it did not come so far.
    pub status: Option<i32>,
    /// Its whole console, without carriage returns.
    pub console: String,
    /// What QEMU or user-mode Linux said beside it.
    pub stderr: String,
    /// From the start to the end.
    pub took: Duration,
}

impl Guest {
    /// A guest with the defaults.
    pub fn new(kernel: Kernel, initramfs: &Path) -> Self {
        Self {
            kernel,
            initramfs: initramfs.to_owned(),
            memory_mib: 512,
            append: String::new(),
            qemu: Vec::new(),
            limit: Duration::from_secs(120),
        }
    }

    /// Boots it and waits for its end. An error: it could not be started.
    pub fn run(&self) -> Result<Ended, String> {
        let begun = Instant::now();
        let mut command = self.command()?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        let ended = start::collect(child, self.limit).map_err(|error| error.to_string())?;
        let console = ended.stdout.replace('\r', "");
        let status = console
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("EXIT ")?.trim().parse().ok());
        Ok(Ended {
            status,
            console,
            stderr: ended.stderr,
            took: begun.elapsed(),
        })
    }

    /// The command that boots it, with the console on stdout. For guests that are talked to while they run.
    pub fn command(&self) -> Result<Command, String> {
        if self.kernel.is_user_mode() {
            self.user_mode()
        } else {
            self.emulated()
        }
    }

    fn emulated(&self) -> Result<Command, String> {
        let kernel = self.kernel.image()?;
        let qemu = packages::package("qemu-system-x86", SUITE)?;
        let data = packages::package("qemu-system-data", SUITE)?;
        let bios = packages::package("seabios", SUITE)?;
        let mut command = Command::new(qemu.join("usr/bin/qemu-system-x86_64"));
        command.arg("-L").arg(data.join("usr/share/qemu"));
        command.arg("-L").arg(bios.join("usr/share/seabios"));
        command.args(["-accel", "tcg", "-cpu", "max", "-display", "none"]);
        command.args(["-no-reboot", "-nodefaults", "-serial", "stdio", "-m"]);
        command.arg(format!("{}M", self.memory_mib));
        command.arg("-kernel").arg(kernel);
        command.arg("-initrd").arg(&self.initramfs);
        // On a busy machine the emulated timer may come too late for the kernel's look at it, which is then a panic.
        let words = format!(
            "console=ttyS0 panic=-1 quiet no_timer_check {}",
            self.append
        );
        command.arg("-append").arg(words);
        command.args(&self.qemu);
        Ok(command)
    }

    fn user_mode(&self) -> Result<Command, String> {
        let mut command = Command::new(self.kernel.image()?);
        command.arg(format!("mem={}M", self.memory_mib));
        command.arg(format!("initrd={}", self.initramfs.display()));
        command.args(["con=null", "con0=null,fd:1", "panic=-1", "quiet"]);
        command.args(self.append.split_whitespace());
        command.env("HOME", env!("CARGO_TARGET_TMPDIR"));
        Ok(command)
    }
}

impl Ended {
    /// An error with the whole console, unless the guest said that all is well.
    pub fn judged(&self) -> Result<(), String> {
        match self.status {
            Some(0) => Ok(()),
            _ => Err(self.told("the guest failed")),
        }
    }

    /// These words, how it ended, and the console.
    pub fn told(&self, words: &str) -> String {
        let status = match self.status {
            Some(status) => format!("status {status}"),
            None => "no status".to_owned(),
        };
        format!(
            "{words}: {status} after {:.0} s; console:\n{}\n{}",
            self.took.as_secs_f32(),
            self.console,
            self.stderr
        )
    }
}
