//! What a jail has used, and which of its limits it hit: the digest's first lines.
#![forbid(unsafe_code)]

use std::fmt::{Result, Write};

use crate::events::phrase::{NO_MEMORY_AROUND, size, times};
use crate::events::{Usage, advice};
use crate::plan::Plan;

/// Limits that were hit, each with the line that gives more; then what was used.
pub fn write(out: &mut String, plan: &Plan, usage: &Usage) -> Result {
    let name = &plan.name;
    if usage.oom_kills > 0 {
        out_of_memory(out, plan, usage)?;
    }
    if usage.refused_forks > 0 {
        let count = times(usage.refused_forks);
        write!(
            out,
            "flowjail: {name}: new processes or threads were refused {count}: "
        )?;
        match usage.pids_limit {
            Some(limit) => {
                writeln!(out, "{limit} is the limit")?;
                writeln!(out, "  to allow more: {}", advice::for_pids(limit))?;
            }
            None => writeln!(out, "a limit around the jail is reached")?,
        }
    }
    write!(out, "flowjail: {name}: used ")?;
    if let Some(peak) = usage.memory_peak {
        let of = usage
            .memory_limit
            .map_or(String::new(), |limit| format!(" (limit {})", size(limit)));
        write!(out, "at most {} of memory{of}, ", size(peak))?;
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

/// Whose memory was used up, and what the kernel has done about it.
fn out_of_memory(out: &mut String, plan: &Plan, usage: &Usage) -> Result {
    let name = &plan.name;
    let limit = usage.memory_limit.filter(|_| usage.own_ooms > 0);
    let writes = plan.cgroup.iter().flat_map(|cgroup| &cgroup.writes);
    let whole = writes
        .into_iter()
        .any(|line| line.file == "memory.oom.group");
    let ended = match whole && limit.is_some() {
        true => "it".into(),
        false => format!("processes of it ({})", usage.oom_kills),
    };
    write!(
        out,
        "flowjail: {name}: OUT OF MEMORY: the kernel ended {ended} "
    )?;
    let Some(bytes) = limit else {
        return writeln!(out, "with {NO_MEMORY_AROUND}");
    };
    writeln!(out, "when {} of memory were used up", size(bytes))?;
    writeln!(out, "  to give it more: {}", advice::for_memory(bytes))?;
    match heap(plan) {
        Some(heap) => writeln!(
            out,
            "  to let node notice first: a smaller [resources] heap (now {heap} MiB)"
        ),
        None => Ok(()),
    }
}

/// The heap that node was told of.
fn heap(plan: &Plan) -> Option<&str> {
    let mut words = plan.argv.iter();
    words.find_map(|word| word.strip_prefix("--max-old-space-size="))
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}
