//! The small values of a profile: sizes, ids, environment names, and the words of enumerations.
#![forbid(unsafe_code)]

use std::time::Duration;

use super::net::Protocol;
use super::report::{Flaw, nearest};
use super::types::{ByteSize, JailKind, Layer, Level, Promise, UserChoice};

/// Promises by their profile keys.
pub const PROMISES: [(&str, Promise); 8] = [
    ("exec", Promise::Exec),
    ("files", Promise::Files),
    ("native-code", Promise::NativeCode),
    ("egress", Promise::Egress),
    ("ingress", Promise::Ingress),
    ("privilege", Promise::Privilege),
    ("limits", Promise::Limits),
    ("processes", Promise::Processes),
];

/// Levels by their words.
pub const LEVELS: [(&str, Level); 3] = [
    ("require", Level::Require),
    ("prefer", Level::Prefer),
    ("off", Level::Off),
];

/// Layers by their profile keys.
pub const LAYERS: [(&str, Layer); 15] = [
    ("pid", Layer::Pid),
    ("ipc", Layer::Ipc),
    ("uts", Layer::Uts),
    ("cgroup", Layer::Cgroup),
    ("net", Layer::Net),
    ("mounts", Layer::Mounts),
    ("caps", Layer::Caps),
    ("no-new-privs", Layer::NoNewPrivs),
    ("landlock", Layer::Landlock),
    ("seccomp", Layer::Seccomp),
    ("exec", Layer::Exec),
    ("rlimits", Layer::Rlimits),
    ("limits", Layer::Limits),
    ("env", Layer::Env),
    ("fds", Layer::Fds),
];

/// Protocols by their words.
pub const PROTOCOLS: [(&str, Protocol); 3] = [
    ("tls", Protocol::Tls),
    ("http", Protocol::Http),
    ("tcp", Protocol::Tcp),
];

/// Kinds of jail by their words.
pub const JAILS: [(&str, JailKind); 3] = [
    ("auto", JailKind::Auto),
    ("namespaced", JailKind::Namespaced),
    ("bare", JailKind::Bare),
];

/// `on` and `off`, as `[layers]` writes them.
pub const SWITCH: [(&str, bool); 2] = [("on", true), ("off", false)];

/// A protocol's word.
pub fn protocol_name(protocol: Protocol) -> &'static str {
    let named = PROTOCOLS.iter().find(|(_, known)| *known == protocol);
    named.map_or("", |(name, _)| name)
}

/// One of the words of an enumeration.
pub fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Flaw> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let hint = match nearest(text, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write one of: {}", names.join(", ")),
    };
    Err(Flaw::new("not known here", hint))
}

/// A name as FileDescriptorName= takes it (systemd.socket(5)).
pub fn socket_name(text: &str) -> Result<String, Flaw> {
    if text == UNNAMED {
        let hint = "that is what sockets without a name are called: leave `socket` out";
        return Err(Flaw::new("no socket's name", hint));
    }
    let fine = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    match (1..=255).contains(&text.len()) && text.bytes().all(fine) {
        true => Ok(text.to_owned()),
        false => Err(Flaw::new(
            "not a socket's name",
            "write what FileDescriptorName= says in the .socket unit, as in \"web\"",
        )),
    }
}

/// What a socket without a name is called among others that have one (sd_listen_fds_with_names(3)).
pub const UNNAMED: &str = "unknown";

/// A number and K, M, G or T, powers of 1024.
pub fn size(text: &str) -> Result<ByteSize, Flaw> {
    let flaw = || {
        Flaw::new(
            "not a size",
            "write a number and K, M, G or T, as in \"512M\"",
        )
    };
    let digits = text.trim_end_matches(['K', 'M', 'G', 'T']);
    let shift = match &text[digits.len()..] {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(flaw()),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(flaw());
    }
    let number: u64 = digits.parse().map_err(|_| flaw())?;
    let bytes = number
        .checked_mul(1 << shift)
        .filter(|bytes| *bytes <= i64::MAX as u64)
        .ok_or_else(flaw)?;
    if bytes < 4096 {
        return Err(Flaw::new(
            "smaller than one page (4K)",
            "write a number and K, M, G or T, as in \"512M\"",
        ));
    }
    Ok(ByteSize(bytes))
}

/// A number and ms, s, m or h.
pub fn duration(text: &str) -> Result<Duration, Flaw> {
    let flaw = || {
        Flaw::new(
            "not a time",
            "write a number and ms, s, m or h, as in \"10s\"",
        )
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let number: u64 = match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits.parse().map_err(|_| flaw())?,
        false => return Err(flaw()),
    };
    let unit = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(flaw()),
    };
    match number.checked_mul(unit) {
        Some(ms @ 1..=LONGEST_MS) => Ok(Duration::from_millis(ms)),
        _ => Err(Flaw::new(
            "not between 1ms and 720h",
            "write a number and ms, s, m or h, as in \"10s\"",
        )),
    }
}

/// Thirty days.
pub const LONGEST_MS: u64 = 720 * 3_600_000;

/// `auto`, `UID` or `UID:GID`.
pub fn user(text: &str) -> Result<UserChoice, Flaw> {
    if text == "auto" {
        return Ok(UserChoice::Auto);
    }
    let id = |text: &str| match text.parse::<u32>() {
        Ok(0) => Err(Flaw::new(
            "root is never the workload's user",
            "write \"auto\" or a plain user's number",
        )),
        // u32::MAX means "leave it as it is" to the kernel.
        Ok(id) if id != u32::MAX => Ok(id),
        _ => Err(Flaw::new("not a user", "write \"auto\", a number, or \"UID:GID\"").at(text)),
    };
    match text.split_once(':') {
        Some((uid, gid)) => Ok(UserChoice::Ids {
            uid: id(uid)?,
            gid: id(gid)?,
        }),
        None => id(text).map(|uid| UserChoice::Ids { uid, gid: uid }),
    }
}

/// Names that change what code a program loads or runs; `env.pass` never passes them, only `env.set` sets them.
pub const NEVER_PASSED: [&str; 16] = [
    "LD_*",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NODE_REPL_*",
    "npm_*",
    "NPM_*",
    "GLIBC_TUNABLES",
    "GCONV_PATH",
    "LOCPATH",
    "NLSPATH",
    "BASH_ENV",
    "ENV",
    "PYTHON*",
    "PERL*",
    "RUBY*",
    "OPENSSL_CONF",
];

/// Where a unit's credentials lie: no business of the program's, which could not reach them anyway.
pub const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Whether `pattern` (a name, or one with `*` at its end) matches `name`.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

/// What a service manager says to flowjail, and nobody to the jail: a program that believed it would take descriptors for
/// its own, or speak to the manager in flowjail's place.
const MANAGERS: [&str; 4] = ["LISTEN_*", "NOTIFY_SOCKET", "WATCHDOG_*", "MAINPID"];

/// Whether a service manager says it.
pub fn of_a_manager(name: &str) -> bool {
    MANAGERS.iter().any(|pattern| matches(pattern, name))
}

/// Whether no profile can pass this name from the caller's environment.
pub fn never_passed(name: &str) -> bool {
    of_a_manager(name) || NEVER_PASSED.iter().any(|pattern| matches(pattern, name))
}

/// A name of the environment.
pub fn env_name(text: &str) -> Result<String, Flaw> {
    let fine = !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fine {
        Ok(text.to_owned())
    } else {
        Err(Flaw::bare("not a variable's name"))
    }
}

/// A name that passes, or the start of names and `*`.
pub fn env_pattern(text: &str) -> Result<String, Flaw> {
    let start = text.strip_suffix('*').unwrap_or(text);
    if start.is_empty() && text == "*" {
        return Err(Flaw::new(
            "passes everything",
            "name what the program needs, as in \"DATABASE_*\"",
        ));
    }
    if start.contains('*') {
        return Err(Flaw::new(
            "`*` stands only at the end",
            "as in \"DATABASE_*\"",
        ));
    }
    env_name(start)?;
    if text == CREDENTIALS {
        let hint = "name what it needs in [secrets], as in NAME = { credential = \"flowise-key\" }";
        return Err(Flaw::new("never passes from the caller", hint));
    }
    if of_a_manager(text) || of_a_manager(start) {
        let hint = "it is between the service manager and flowjail: see [service] and publish";
        return Err(Flaw::new("never passes from the caller", hint));
    }
    if never_passed(text) || never_passed(start) {
        let hint = "it decides what code runs; give it a value of your own in [env] set";
        return Err(Flaw::new("never passes from the caller", hint));
    }
    Ok(text.to_owned())
}

/// Errno names that `syscalls.answer` takes.
const ERRNOS: [(&str, i32); 22] = [
    ("EPERM", libc::EPERM),
    ("ENOENT", libc::ENOENT),
    ("ESRCH", libc::ESRCH),
    ("EBADF", libc::EBADF),
    ("EAGAIN", libc::EAGAIN),
    ("ENOMEM", libc::ENOMEM),
    ("EACCES", libc::EACCES),
    ("EBUSY", libc::EBUSY),
    ("EEXIST", libc::EEXIST),
    ("EXDEV", libc::EXDEV),
    ("ENODEV", libc::ENODEV),
    ("EINVAL", libc::EINVAL),
    ("ENOTTY", libc::ENOTTY),
    ("EROFS", libc::EROFS),
    ("ENOSYS", libc::ENOSYS),
    ("ENOPROTOOPT", libc::ENOPROTOOPT),
    ("EPROTONOSUPPORT", libc::EPROTONOSUPPORT),
    ("EOPNOTSUPP", libc::EOPNOTSUPP),
    ("EAFNOSUPPORT", libc::EAFNOSUPPORT),
    ("ENETUNREACH", libc::ENETUNREACH),
    ("ENOTCONN", libc::ENOTCONN),
    ("ECONNREFUSED", libc::ECONNREFUSED),
];

/// An errno by name.
pub fn errno(text: &str) -> Result<(&'static str, i32), Flaw> {
    let words = ERRNOS.map(|(name, number)| (name, (name, number)));
    word(text, &words)
}
