//! Limits of the whole jail: a cgroup of its own where one can be had, and what the surroundings limit anyway.
#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;
mod wants;
mod words;

use std::path::PathBuf;

use serde::Serialize;

use self::wants::{Want, wants};
use self::words::{amount, ask_docker, ask_profile};
use crate::host::{Host, Limits};
use crate::profile::{ByteSize, Io, Layer, Profile, Resources};

pub use crate::host::{JAIL_LEAF, OWN_LEAF};
pub use words::{hints, notes};

/// The cgroup of the jail, below the one that was handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CgroupPlan {
    /// The directory of the cgroup that was handed over.
    pub place: PathBuf,
    /// That of the leaf of it that flowjail was put into, and stays in; none where it was started in the cgroup itself.
    pub inside: Option<PathBuf>,
    /// Controllers that are handed on.
    pub controllers: Vec<&'static str>,
    /// What is written for the jail, in order.
    pub writes: Vec<CgroupWrite>,
    /// Bytes of memory that it may use.
    pub memory: Option<u64>,
    /// Bytes above which it is slowed down.
    pub memory_high: Option<u64>,
    /// Processes and threads that it may have; none where the surroundings allow less.
    pub pids: Option<u64>,
}

/// One file of the jail's cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CgroupWrite {
    /// Its name.
    pub file: &'static str,
    /// What is written.
    pub value: String,
}

/// What holds the limits, what is missing, and what would mend that.
#[derive(Debug, Default)]
pub struct Judgement {
    /// The cgroup, where one is made.
    pub cgroup: Option<CgroupPlan>,
    /// Limits that are held, as the reader sees them.
    pub held: Vec<String>,
    /// What is not.
    pub missing: Vec<String>,
}

/// Judges what the profile asks for against the host. `nproc`: the processes are bounded by RLIMIT_NPROC, too.
pub fn judge(profile: &Profile, host: &Host, nproc: bool) -> Judgement {
    let mut judgement = Judgement::default();
    let off = profile.layers_off.contains(&Layer::Limits);
    let resources = profile.resources;
    let mut writes: Vec<CgroupWrite> = Vec::new();
    let mut refused = Vec::new();
    for Want { file, value, text } in wants(&resources, host) {
        match lacking(host, file, off) {
            None => {
                judgement.held.extend((!text.is_empty()).then_some(text));
                writes.push(CgroupWrite { file, value });
            }
            // No swap to be limited.
            Some(_) if file == "memory.swap.max" && !swaps(host) => {}
            Some(why) => refused.push((file, why)),
        }
    }
    let has = |file: &str| writes.iter().any(|write| write.file == file);
    if !has("memory.max") {
        // They say how a limit of one's own acts.
        refused.retain(|(file, _)| match *file {
            "memory.swap.max" => resources.swap.is_some(),
            file => file != "memory.oom.group",
        });
    }
    bound(&mut judgement, profile, host, &has, &mut refused, nproc);
    judgement.missing.extend(by_reason(refused));
    if resources.io != Io::default() && host.disk.is_none() {
        judgement.missing.push(
            "io: the written directory lies on no disk of its own (tmpfs, overlay, btrfs)".into(),
        );
    }
    judgement.cgroup = plan(writes, host, &resources);
    judgement
}

/// One line for each reason, with all the files that it keeps from being written.
fn by_reason(refused: Vec<(&str, String)>) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for (file, why) in refused {
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, files)) => files.push(file),
            None => reasons.push((why, vec![file])),
        }
    }
    let texts = reasons.iter();
    let texts = texts.map(|(why, files)| format!("no {}: {why}", files.join(", ")));
    texts.collect()
}

fn plan(writes: Vec<CgroupWrite>, host: &Host, resources: &Resources) -> Option<CgroupPlan> {
    let cgroup = host.cgroup.as_ref().ok()?;
    let mut controllers: Vec<&'static str> = Vec::new();
    for write in &writes {
        let controller = controller(write.file);
        if !controllers.contains(&controller) {
            controllers.push(controller);
        }
    }
    let has = |file: &str| writes.iter().any(|write| write.file == file);
    let bytes = |file: &str, size: Option<ByteSize>| size.map(|size| size.0).filter(|_| has(file));
    let memory = bytes("memory.max", resources.memory);
    let memory_high = bytes("memory.high", resources.memory_high);
    // Where less is allowed around, that is what refuses.
    let around = host.limits.pids.unwrap_or(u64::MAX);
    let pids = resources
        .pids
        .filter(|own| has("pids.max") && *own <= around);
    (!writes.is_empty()).then(|| CgroupPlan {
        place: cgroup.place.clone(),
        inside: cgroup.inside.clone(),
        controllers,
        memory,
        memory_high,
        pids,
        writes,
    })
}

/// Memory, CPU and processes, each bounded by the jail's own cgroup, by the surroundings, or by nothing.
fn bound(
    out: &mut Judgement,
    profile: &Profile,
    host: &Host,
    has: &impl Fn(&str) -> bool,
    refused: &mut Vec<(&'static str, String)>,
    nproc: bool,
) {
    let all = dimensions(&profile.resources, &host.limits, nproc);
    for dimension in &all {
        if has(dimension.file) {
            out.held.extend(dimension.tighter());
            continue;
        }
        let answered = match dimension.around(host.container) {
            Around::Holds(text) => {
                out.held.push(text);
                true
            }
            Around::Lacks(text) => {
                out.missing.push(text);
                true
            }
            Around::IsSilent => false,
        };
        if answered {
            refused.retain(|(file, _)| *file != dimension.file);
        }
    }
}

/// What every jail ought to be bounded in.
struct Dimension {
    file: &'static str,
    what: &'static str,
    /// By the profile.
    wanted: Option<f64>,
    /// By the surroundings.
    surrounding: Option<f64>,
    /// Whether an rlimit holds it, too.
    rlimit: bool,
}

/// What the surroundings have to say of a dimension that the jail has no limit of its own in.
enum Around {
    Holds(String),
    Lacks(String),
    /// Nothing: why there is no limit of the jail's own says it all.
    IsSilent,
}

fn dimensions(asked: &Resources, around: &Limits, nproc: bool) -> [Dimension; 3] {
    let number = |number: u64| number as f64;
    let of = |file, what, wanted, surrounding, rlimit| Dimension {
        file,
        what,
        wanted,
        surrounding,
        rlimit,
    };
    let memory = asked.memory.map(|size| number(size.0));
    let pids = (asked.pids.map(number), around.pids.map(number));
    [
        of(
            "memory.max",
            "memory",
            memory,
            around.memory.map(number),
            false,
        ),
        of("cpu.max", "CPU", asked.cpus, around.cpus, false),
        of("pids.max", "process", pids.0, pids.1, nproc),
    ]
}

impl Dimension {
    /// The surrounding limit, where the jail's own allows more.
    fn tighter(&self) -> Option<String> {
        let less = self.surrounding.zip(self.wanted);
        let (limit, _) = less.filter(|(limit, wanted)| limit < wanted)?;
        let (what, text) = (self.what, amount(self.file, limit));
        Some(format!("the tighter surrounding {what} limit of {text}"))
    }

    fn around(&self, container: bool) -> Around {
        let Dimension {
            file, what, wanted, ..
        } = self;
        let holder = if container {
            "the container's"
        } else {
            "the surrounding"
        };
        let limit = self.surrounding.map(|limit| (limit, amount(file, limit)));
        match (limit, wanted) {
            (Some((limit, text)), wanted) if wanted.is_none_or(|wanted| limit <= wanted) => {
                Around::Holds(format!("{holder} {what} limit of {text}"))
            }
            (_, Some(wanted)) if self.rlimit => Around::Holds(format!(
                "at most {wanted} processes and threads (RLIMIT_NPROC)"
            )),
            (Some((_, text)), Some(wanted)) => {
                let wanted = amount(file, *wanted);
                Around::Lacks(format!(
                    "{holder} {what} limit of {text} is above the profile's {wanted}"
                ))
            }
            _ if container => {
                let flag = ask_docker(file);
                Around::Lacks(format!(
                    "the container has no {what} limit (docker run {flag})"
                ))
            }
            (None, None) => {
                let line = ask_profile(file);
                Around::Lacks(format!(
                    "no {what} limit is asked for ({line} under [resources])"
                ))
            }
            _ => Around::IsSilent,
        }
    }
}

fn controller(file: &'static str) -> &'static str {
    file.split('.').next().unwrap_or(file)
}

fn swaps(host: &Host) -> bool {
    host.cgroup.as_ref().is_ok_and(|cgroup| cgroup.swap)
}

/// Why a limit cannot be set here; none where it can.
fn lacking(host: &Host, file: &'static str, off: bool) -> Option<String> {
    if off {
        return Some("layer `limits` is off".into());
    }
    let cgroup = match &host.cgroup {
        Ok(cgroup) => cgroup,
        Err(why) => return Some(why.to_string()),
    };
    let controller = controller(file);
    if !cgroup.controllers.contains(controller) {
        return Some(format!(
            "the controller `{controller}` is not handed on to {}",
            cgroup.place.display()
        ));
    }
    (!cgroup.files.contains(file)).then(|| "this kernel has no such file".into())
}

/// Node's own limit for its heap, as an argument: what does not fit is then an error that node reports, before the kernel
/// ends the jail. Default: three quarters of the memory that the jail can have.
pub fn heap(profile: &Profile, host: &Host, cgroup: Option<&CgroupPlan>) -> Option<String> {
    let said = |text: &str| text.replace('_', "-").contains("--max-old-space-size");
    let argv = &host.command.argv;
    let in_env = profile
        .env
        .set
        .get("NODE_OPTIONS")
        .is_some_and(|value| said(&value.to_string()));
    if !host.command.is_node() || in_env || argv.iter().any(|word| said(word)) {
        return None;
    }
    let own = cgroup.and_then(|cgroup| cgroup.memory);
    let around = host.limits.memory;
    let memory = own.into_iter().chain(around).min();
    let bytes = match profile.resources.heap {
        Some(None) => return None,
        Some(Some(size)) => size.0,
        None => memory? / 4 * 3,
    };
    Some(format!("--max-old-space-size={}", (bytes >> 20).max(1)))
}
