//! `[resources]`: what the jail may use.
#![forbid(unsafe_code)]

use super::leaf;
use super::reader::{Fields, Node};
use super::report::{Flaw, Report};
use super::types::ByteSize;
use super::value::Kind;

/// `[resources]`; each `None` means no limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Resources {
    /// Bytes of memory of the whole jail (`memory.max`, cgroup v2). Above it the kernel ends the jail.
    pub memory: Option<ByteSize>,
    /// Bytes above which the jail is slowed down and asked to give memory back (`memory.high`).
    pub memory_high: Option<ByteSize>,
    /// Bytes of swap; `Some(None)` is none at all. Default: none where `memory` is limited (`memory.swap.max`).
    pub swap: Option<Option<ByteSize>>,
    /// Whether the kernel ends the whole jail when its memory is used up, not one process of it (`memory.oom.group`).
    /// Default: yes.
    pub oom_group: Option<bool>,
    /// Node's heap; `Some(None)`: whatever node chooses. Default: three quarters of the memory limit.
    pub heap: Option<Option<ByteSize>>,
    /// CPUs, as a number like 1.5 (`cpu.max`).
    pub cpus: Option<f64>,
    /// The share of CPU time beside others, 1 to 10000; the kernel's default is 100 (`cpu.weight`).
    pub cpu_weight: Option<u64>,
    /// Processes and threads (`pids.max`, and RLIMIT_NPROC of the jail's own user namespace).
    pub pids: Option<u64>,
    /// Open descriptors per process (RLIMIT_NOFILE). Default: the host's hard limit.
    pub open_files: Option<u64>,
    /// What is kept for the jail where others want it, too.
    pub reserve: Reserve,
    /// Reading and writing of the disk that the written directory lies on.
    pub io: Io,
}

/// `reserve`, as compose files know it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reserve {
    /// Bytes that are not taken back while others have some (`memory.low`).
    pub memory: Option<ByteSize>,
    /// CPUs, as a share: one is the weight of 100 (`cpu.weight`).
    pub cpus: Option<f64>,
}

/// `io`, each for a second (`io.max`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Io {
    /// Bytes read.
    pub read: Option<ByteSize>,
    /// Bytes written.
    pub write: Option<ByteSize>,
    /// Reads.
    pub read_ops: Option<u64>,
    /// Writes.
    pub write_ops: Option<u64>,
}

/// The keys of `[resources]`, which `[remove]` takes by name, too.
pub const KEYS: [&str; 11] = [
    "memory",
    "memory_high",
    "swap",
    "oom_group",
    "heap",
    "cpus",
    "cpu_weight",
    "pids",
    "open_files",
    "reserve",
    "io",
];

/// Reads `[resources]`.
pub fn read(node: &Node<'_>, report: &mut Report) -> Resources {
    let fields = node.table(&KEYS, report);
    let resources = Resources {
        memory: bytes(&fields, "memory", report),
        memory_high: bytes(&fields, "memory_high", report),
        swap: or_word(&fields, "swap", "none", report),
        oom_group: fields.get("oom_group").and_then(|node| node.truth(report)),
        heap: or_word(&fields, "heap", "off", report),
        cpus: cpus(&fields, report),
        cpu_weight: number(&fields, "cpu_weight", 1..=10_000, report),
        pids: number(&fields, "pids", 1..=4_194_304, report),
        open_files: number(&fields, "open_files", 16..=1_073_741_816, report),
        reserve: reserve(&fields, report),
        io: io(&fields, report),
    };
    refuse_contradictions(&resources, &fields, report);
    resources
}

fn reserve(fields: &Fields<'_>, report: &mut Report) -> Reserve {
    let Some(node) = fields.get("reserve") else {
        return Reserve::default();
    };
    let fields = node.table(&["memory", "cpus"], report);
    Reserve {
        memory: bytes(&fields, "memory", report),
        cpus: cpus(&fields, report),
    }
}

fn io(fields: &Fields<'_>, report: &mut Report) -> Io {
    let Some(node) = fields.get("io") else {
        return Io::default();
    };
    let fields = node.table(&["read", "write", "read_ops", "write_ops"], report);
    Io {
        read: bytes(&fields, "read", report),
        write: bytes(&fields, "write", report),
        read_ops: number(&fields, "read_ops", 1..=1_000_000_000, report),
        write_ops: number(&fields, "write_ops", 1..=1_000_000_000, report),
    }
}

/// What one section says against itself. Across files the tighter limit simply wins.
fn refuse_contradictions(said: &Resources, fields: &Fields<'_>, report: &mut Report) {
    let mut refuse = |key: &str, wrong: bool, message: &str, hint: &str| {
        if let Some(node) = fields.get(key).filter(|_| wrong) {
            report.hinted(&node.place(), message, hint);
        }
    };
    let above = |less: Option<ByteSize>| less.zip(said.memory).is_some_and(|(a, b)| a > b);
    let lower = "write less than `memory`";
    refuse(
        "memory_high",
        above(said.memory_high),
        "above `memory`",
        lower,
    );
    refuse(
        "reserve",
        above(said.reserve.memory),
        "reserves more than `memory`",
        lower,
    );
    refuse("heap", above(said.heap.flatten()), "above `memory`", lower);
    let cpus = said.reserve.cpus.zip(said.cpus);
    refuse(
        "reserve",
        cpus.is_some_and(|(a, b)| a > b),
        "reserves more than `cpus`",
        "write no more than `cpus`",
    );
    refuse(
        "cpu_weight",
        said.reserve.cpus.is_some() && said.cpu_weight.is_some(),
        "beside `reserve.cpus`, which is a weight, too",
        "write one of them",
    );
}

fn bytes(fields: &Fields<'_>, key: &str, report: &mut Report) -> Option<ByteSize> {
    size(&fields.get(key)?, report)
}

fn number(
    fields: &Fields<'_>,
    key: &str,
    bounds: std::ops::RangeInclusive<u64>,
    report: &mut Report,
) -> Option<u64> {
    fields.get(key)?.whole(bounds, report)
}

/// A size, or the word for none.
fn or_word(
    fields: &Fields<'_>,
    key: &str,
    none: &str,
    report: &mut Report,
) -> Option<Option<ByteSize>> {
    let node = fields.get(key)?;
    match &node.value.kind {
        Kind::String(text) if text == none => Some(None),
        Kind::String(text) => {
            let flaw = |_| {
                let hint = format!("write a size, as in \"512M\", or \"{none}\"");
                Flaw::new(format!("neither a size nor \"{none}\""), hint)
            };
            let size = leaf::size(text).map_err(flaw);
            report.keep(&node.place(), size).map(Some)
        }
        _ => size(&node, report).map(Some),
    }
}

/// A size with its unit.
pub fn size(node: &Node<'_>, report: &mut Report) -> Option<ByteSize> {
    if let Kind::Integer(_) | Kind::Float(_) = node.value.kind {
        let flaw = Flaw::new(
            "a size without a unit",
            "write a number and K, M, G or T, as in \"512M\"",
        );
        return report.keep(&node.place(), Err(flaw));
    }
    let text = node.text(report)?;
    report.keep(&node.place(), leaf::size(&text))
}

fn cpus(fields: &Fields<'_>, report: &mut Report) -> Option<f64> {
    let node = fields.get("cpus")?;
    let number = match node.value.kind {
        Kind::Integer(number) => number as f64,
        Kind::Float(number) => number,
        _ => {
            report.hinted(
                &node.place(),
                "not a number of CPUs",
                "write a number, as in 2 or 1.5",
            );
            return None;
        }
    };
    if number.is_finite() && (0.01..=8192.0).contains(&number) {
        return Some(number);
    }
    report.hinted(
        &node.place(),
        "not between 0.01 and 8192",
        "write a number, as in 2 or 1.5",
    );
    None
}

impl Resources {
    /// Puts what a later file says over this.
    pub fn absorb(&mut self, later: Resources) {
        fn over<T>(old: &mut Option<T>, new: Option<T>) {
            if new.is_some() {
                *old = new;
            }
        }
        over(&mut self.memory, later.memory);
        over(&mut self.memory_high, later.memory_high);
        over(&mut self.swap, later.swap);
        over(&mut self.oom_group, later.oom_group);
        over(&mut self.heap, later.heap);
        over(&mut self.cpus, later.cpus);
        // Both are the one weight.
        if later.cpu_weight.is_some() || later.reserve.cpus.is_some() {
            self.cpu_weight = later.cpu_weight;
            self.reserve.cpus = later.reserve.cpus;
        }
        over(&mut self.pids, later.pids);
        over(&mut self.open_files, later.open_files);
        over(&mut self.reserve.memory, later.reserve.memory);
        over(&mut self.io.read, later.io.read);
        over(&mut self.io.write, later.io.write);
        over(&mut self.io.read_ops, later.io.read_ops);
        over(&mut self.io.write_ops, later.io.write_ops);
    }

    /// Takes a key of [`KEYS`] away; says whether it was there.
    pub fn take(&mut self, key: &str) -> bool {
        match key {
            "memory" => self.memory.take().is_some(),
            "memory_high" => self.memory_high.take().is_some(),
            "swap" => self.swap.take().is_some(),
            "oom_group" => self.oom_group.take().is_some(),
            "heap" => self.heap.take().is_some(),
            "cpus" => self.cpus.take().is_some(),
            "cpu_weight" => self.cpu_weight.take().is_some(),
            "pids" => self.pids.take().is_some(),
            "open_files" => self.open_files.take().is_some(),
            "reserve" => std::mem::take(&mut self.reserve) != Reserve::default(),
            _ => std::mem::take(&mut self.io) != Io::default(),
        }
    }

    /// Whether anything is asked for that a cgroup holds.
    pub fn concern_a_cgroup(&self) -> bool {
        let own = Resources {
            open_files: None,
            heap: None,
            oom_group: None,
            ..*self
        };
        own != Resources::default()
    }
}
