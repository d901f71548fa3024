//! A stand-in for the journal: its socket, and its own reading of the protocol.

use crate::Kind;
use crate::kit::who::Who;
use crate::kit::{jail, scratch::Scratch, wait_for};
use crate::stage::{SOON, Stage};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use std::collections::BTreeMap;
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// One record, as journald would store it.
pub struct Record {
    /// Who sent it, as the kernel says.
    pub pid: i32,
    /// Its fields, in order.
    pub fields: Vec<(String, Vec<u8>)>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "from {}:", self.pid)?;
        for (name, value) in &self.fields {
            write!(out, " {name}={:?}", String::from_utf8_lossy(value))?;
        }
        Ok(())
    }
}

impl Record {
    /// The text of a field that is there once; empty where it is not.
    pub fn text(&self, name: &str) -> String {
        let mut found = self.fields.iter().filter(|(own, _)| own == name);
        let value = found.next().map_or(&[][..], |(_, value)| value);
        assert!(found.next().is_none(), "{name} twice in {self:?}");
        String::from_utf8(value.to_vec()).expect("UTF-8")
    }

    /// The kind of event.
    pub fn event(&self) -> String {
        self.text("FLOWJAIL_EVENT")
    }
}

/// A directory with the socket in it.
pub struct Daemon {
    scratch: Scratch,
    socket: Option<UnixDatagram>,
}

impl Daemon {
    /// One that listens, and that everyone may write to.
    pub fn new() -> Self {
        let mut daemon = Self::absent();
        let path = daemon.directory().join("socket");
        let socket = UnixDatagram::bind(&path).expect("bind");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).expect("chmod");
        setsockopt(&socket, sockopt::PassCred, &true).expect("SO_PASSCRED");
        socket.set_nonblocking(true).expect("O_NONBLOCK");
        daemon.socket = Some(socket);
        daemon
    }

    /// A place without a journal.
    pub fn absent() -> Self {
        let scratch = Scratch::new();
        scratch.dir_of(Who::Root, "journal");
        Self {
            scratch,
            socket: None,
        }
    }

    /// Ends it, as a crash would.
    pub fn die(&mut self) {
        self.socket = None;
    }

    fn directory(&self) -> PathBuf {
        self.scratch.at("journal")
    }

    /// Every record that has come by now.
    pub fn records(&self) -> Vec<Record> {
        let mut all = Vec::new();
        while let Some(record) = self.next() {
            all.push(record);
        }
        all
    }

    /// Reads until a record of that kind came.
    pub fn until(&self, event: &str) -> Result<Vec<Record>, String> {
        let mut all = Vec::new();
        let came = wait_for(SOON, || {
            all.extend(self.next());
            let last: &Record = all.last()?;
            (last.event() == event).then_some(())
        });
        came.ok_or_else(|| format!("no {event} in {all:?}"))?;
        Ok(all)
    }

    fn next(&self) -> Option<Record> {
        let socket = self.socket.as_ref()?;
        let mut bytes = vec![0; 1 << 20];
        let mut space = nix::cmsg_space!(nix::libc::ucred);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let message = recvmsg::<()>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut space),
            MsgFlags::empty(),
        );
        let message = message.ok()?;
        assert!(!message.flags.contains(MsgFlags::MSG_TRUNC), "cut short");
        let mut said = message.cmsgs().expect("control messages");
        let pid = said.find_map(|one| match one {
            ControlMessageOwned::ScmCredentials(sender) => Some(sender.pid()),
            _ => None,
        });
        let length = message.bytes;
        Some(Record {
            pid: pid.expect("credentials"),
            fields: parse(&bytes[..length]).unwrap_or_else(|| panic!("no record: {bytes:?}")),
        })
    }
}

/// journald's reading (journald-native.c): lines until the end; `=` before the newline makes a text, else eight bytes
/// of length, little-endian, the value and a newline follow.
fn parse(mut rest: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        let (name, value) = match line.iter().position(|&byte| byte == b'=') {
            Some(at) => {
                rest = after;
                (&line[..at], &line[at + 1..])
            }
            None => {
                let (length, after) = after.split_first_chunk::<8>()?;
                let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
                let (value, after) = after.split_at_checked(length)?;
                rest = after.strip_prefix(b"\n")?;
                (line, value)
            }
        };
        let name = String::from_utf8(name.to_vec()).ok()?;
        let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > 64 || name.starts_with('_') || !name.chars().all(plain) {
            return None;
        }
        fields.push((name, value.to_vec()));
    }
    Some(fields)
}

/// A stage beside a journal.
pub struct Place {
    /// The journal.
    pub daemon: Daemon,
    /// The stage.
    pub stage: Stage,
}

/// Puts the journal's directory where its socket is expected, and goes on as the command.
const INSIDE: &str = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && \
    mount --bind \"$1\" /run/systemd/journal && shift && exec \"$@\"";

impl Place {
    /// A jail of this kind beside this journal.
    pub fn new(kind: Kind, who: Who, daemon: Daemon) -> Result<Self, String> {
        let stage = match kind {
            Kind::Namespaced => Stage::new(who)?,
            Kind::Bare => Stage::bare(who, "")?,
        };
        Ok(Self { daemon, stage })
    }

    /// `flowjail run`, where the journal can be reached. The process stays the one that is started.
    pub fn command(&self, flags: &[&str], verb: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c", INSIDE, "sh"]);
        command.arg(self.daemon.directory());
        if let Some(uid) = self.stage.who.other_uid() {
            let ids = [format!("--reuid={uid}"), format!("--regid={uid}")];
            command.arg("setpriv").args(ids).arg("--clear-groups");
        }
        command.arg(jail::binary());
        command.args(self.stage.words(flags, verb));
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", "/nonexistent").current_dir("/");
        command.stdin(Stdio::null());
        command
    }

    /// The same, with the variable by which stderr, that of the start of this name, is known as the journal's.
    pub fn as_service(&self, name: &str, flags: &[&str], verb: &[&str]) -> Command {
        let stderr = self.stage.scratch.file(&format!("{name}.stderr"), "");
        let fact = std::fs::metadata(stderr).expect("metadata");
        let mut command = self.command(flags, verb);
        let stream = format!("{}:{}", fact.dev(), fact.ino());
        command.env("JOURNAL_STREAM", stream);
        command
    }
}

/// The fields of a record as texts.
pub fn texts(record: &Record) -> BTreeMap<String, String> {
    let names = record.fields.iter().map(|(name, _)| name.clone());
    names
        .map(|name| (name.clone(), record.text(&name)))
        .collect()
}
