//! What a profile asks for, as what is written to a cgroup.
#![forbid(unsafe_code)]

use super::words::{amount, size};
use crate::host::Host;
use crate::profile::{ByteSize, Io, Resources};

/// A line of the profile, and the file that holds it.
pub struct Want {
    /// The file.
    pub file: &'static str,
    /// What is written.
    pub value: String,
    /// What the reader sees; may be empty.
    pub text: String,
}

/// What the profile asks for, in the order in which it is written.
pub fn wants(asked: &Resources, host: &Host) -> Vec<Want> {
    let mut all = Vec::new();
    let mut want = |file, value: Option<String>, text: String| {
        all.extend(value.map(|value| Want { file, value, text }));
    };
    let shown = |bytes: Option<ByteSize>| size(bytes.map_or(0, |bytes| bytes.0));
    let bytes = |size: Option<ByteSize>| size.map(|size| size.0.to_string());
    let low = asked.reserve.memory;
    want(
        "memory.low",
        bytes(low),
        format!("{} of memory kept for it", shown(low)),
    );
    let high = asked.memory_high;
    want(
        "memory.high",
        bytes(high),
        format!("slowed down above {}", shown(high)),
    );
    let max = asked.memory;
    want("memory.max", bytes(max), format!("memory {}", shown(max)));
    let swap = match (asked.swap, max) {
        (None, Some(_)) | (Some(None), _) => Some("0".to_owned()),
        (Some(size), _) => bytes(size),
        (None, None) => None,
    };
    let swap_text = match asked.swap.flatten() {
        None => "no swap".into(),
        size => format!("swap {}", shown(size)),
    };
    want("memory.swap.max", swap, swap_text);
    let group = max.is_some() && asked.oom_group != Some(false);
    want("memory.oom.group", group.then(|| "1".into()), String::new());
    let weight = asked.cpu_weight.or(asked.reserve.cpus.map(weight));
    let weight_text = weight.map_or(String::new(), |weight| format!("CPU weight {weight}"));
    want(
        "cpu.weight",
        weight.map(|weight| weight.to_string()),
        weight_text,
    );
    let quota = |cpus: f64| format!("{} {PERIOD}", (cpus * PERIOD).round().max(1000.0));
    let cpus_text = asked
        .cpus
        .map_or(String::new(), |cpus| amount("cpu.max", cpus));
    want("cpu.max", asked.cpus.map(quota), cpus_text);
    let pids_text = asked
        .pids
        .map_or(String::new(), |pids| amount("pids.max", pids as f64));
    want(
        "pids.max",
        asked.pids.map(|pids| pids.to_string()),
        pids_text,
    );
    if let Some((major, minor)) = host.disk {
        let text = "reading and writing of its disk".into();
        want(
            "io.max",
            io(&asked.io).map(|rates| format!("{major}:{minor}{rates}")),
            text,
        );
    }
    all
}

/// Microseconds in which `cpus` times as many may be used (`cpu.max`; the kernel's own default).
const PERIOD: f64 = 100_000.0;

/// One CPU reserved is the weight that everyone has by default.
fn weight(cpus: f64) -> u64 {
    (cpus * 100.0).round().clamp(1.0, 10_000.0) as u64
}

fn io(io: &Io) -> Option<String> {
    let sizes = [("rbps", io.read), ("wbps", io.write)];
    let sizes = sizes.map(|(key, size)| (key, size.map(|size| size.0)));
    let all = sizes
        .into_iter()
        .chain([("riops", io.read_ops), ("wiops", io.write_ops)]);
    let said = all.filter_map(|(key, number)| Some(format!(" {key}={}", number?)));
    let said: String = said.collect();
    (!said.is_empty()).then_some(said)
}
