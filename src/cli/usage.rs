//! What a jail has used, and which of its limits it hit: the digest's first lines.
#![forbid(unsafe_code)]

use std::fmt::{Result, Write};

use crate::events::phrase::times;
use crate::events::{Usage, advice};
use crate::plan::Plan;

/// Limits that were hit, each with the line that gives more; then what was used.
pub fn write(out: &mut String, plan: &Plan, usage: &Usage) -> Result {
    let name = &plan.name;
    if usage.oom_kills > 0 {
        let all = usage.memory_limit.map_or("all".into(), mib);
        writeln!(
            out,
            "flowjail: {name}: OUT OF MEMORY: the kernel ended it when {all} of memory were used up"
        )?;
        if let Some(bytes) = usage.memory_limit {
            let more = advice::for_memory(bytes);
            writeln!(out, "  to give it more: {more}")?;
        }
        if let Some(heap) = heap(plan) {
            writeln!(
                out,
                "  to let node notice first: a smaller [resources] heap (now {heap} MiB)"
            )?;
        }
    }
    if usage.refused_forks > 0 {
        let limit = usage.pids_limit.unwrap_or(0);
        let count = times(usage.refused_forks);
        writeln!(
            out,
            "flowjail: {name}: new processes or threads were refused {count}: {limit} is the limit"
        )?;
        writeln!(out, "  to allow more: {}", advice::for_pids(limit))?;
    }
    write!(out, "flowjail: {name}: used ")?;
    if let Some(peak) = usage.memory_peak {
        let of = usage
            .memory_limit
            .map_or(String::new(), |limit| format!(" (limit {})", mib(limit)));
        write!(out, "at most {} of memory{of}, ", mib(peak))?;
    }
    write!(out, "{} of CPU", seconds(usage.cpu_ms))?;
    if usage.throttled_ms > 0 {
        write!(
            out,
            ", held back for {} by its CPU limit",
            seconds(usage.throttled_ms)
        )?;
    }
    writeln!(out)
}

/// The heap that node was told of.
fn heap(plan: &Plan) -> Option<&str> {
    let mut words = plan.argv.iter();
    words.find_map(|word| word.strip_prefix("--max-old-space-size="))
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", (bytes >> 20).max(u64::from(bytes > 0)))
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}
