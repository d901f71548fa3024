//! The profile line that would allow what was denied; none where no profile should.
#![forbid(unsafe_code)]

/// Calls that no profile for a server should allow: they make processes and namespaces, change the machine, or
/// reach into other processes, or change what files say of themselves by ways that the bare jail refuses.
const NEVER: [&str; 46] = [
    "fchmodat2",
    "fremovexattr",
    "fsetxattr",
    "futimesat",
    "lchown",
    "lremovexattr",
    "lsetxattr",
    "removexattr",
    "setxattr",
    "acct",
    "chmod",
    "creat",
    "fchmod",
    "fchmodat",
    "open",
    "openat",
    "add_key",
    "bpf",
    "chroot",
    "clock_settime",
    "clone",
    "delete_module",
    "finit_module",
    "fork",
    "init_module",
    "ioperm",
    "iopl",
    "kexec_load",
    "keyctl",
    "memfd_create",
    "mount",
    "move_mount",
    "open_tree",
    "perf_event_open",
    "pivot_root",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "reboot",
    "request_key",
    "setns",
    "socket",
    "umount2",
    "unshare",
    "userfaultfd",
    "vfork",
];

/// In the place of a program's path that the supervisor may not read.
pub const HIDDEN: &str =
    "(hidden: the kernel shows nobody the caller's memory, as at kernel.yama.ptrace_scope 3)";

/// For the start of a program.
pub fn for_exec(path: &str) -> String {
    match path {
        HIDDEN => "[exec] programs = [\"PATH\"], if it is known what was to be started".into(),
        path if path.starts_with('/') => format!("[exec] programs = [{}]", quoted(path)),
        _ => String::new(),
    }
}

/// For a call, by the arguments that the profile's rules test.
pub fn for_call(syscall: &str, tested: &[(u8, u64)]) -> String {
    let named = syscall.starts_with(|first: char| first.is_ascii_alphabetic());
    if !named || NEVER.contains(&syscall) {
        return String::new();
    }
    if matches!(syscall, "bind" | "listen") {
        // Sockets are the profile's to allow by what they are for.
        return "--publish ADDR:PORT, for what is served".into();
    }
    let conditions: Vec<String> = tested
        .iter()
        .map(|(arg, value)| format!("arg{arg} == {value:#x}"))
        .collect();
    match conditions.is_empty() {
        true => format!("[syscalls] allow = [{}]", quoted(syscall)),
        false => format!(
            "[syscalls] allow = [{{ name = {}, when = {} }}]",
            quoted(syscall),
            quoted(&conditions.join(" && "))
        ),
    }
}

/// A basic string: JSON's escapes are TOML's, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Twice the memory.
pub fn for_memory(bytes: u64) -> String {
    format!("[resources] memory = \"{}M\"", (bytes >> 20).max(1) * 2)
}

/// Twice the high mark of memory, as far as the limit allows.
pub fn for_memory_high(bytes: u64, limit: Option<u64>) -> String {
    let more = ((bytes >> 20).max(1) * 2).min(limit.map_or(u64::MAX, |limit| limit >> 20));
    format!("[resources] memory_high = \"{}M\"", more.max(1))
}

/// Twice the processes.
pub fn for_pids(pids: u64) -> String {
    format!("[resources] pids = {}", pids * 2)
}

#[cfg(test)]
mod tests {
    use super::{HIDDEN, for_exec};

    #[test]
    fn a_program_is_allowed_by_its_path_even_where_nobody_may_read_it() {
        assert_eq!(for_exec("/bin/a"), "[exec] programs = [\"/bin/a\"]");
        assert!(for_exec(HIDDEN).starts_with("[exec] programs = [\"PATH\"]"));
        assert_eq!(for_exec("(unreadable)"), "");
    }
}
