//! Events and denials in words for people: what the digest lists, and what the journal shows in a line.
#![forbid(unsafe_code)]

use super::traffic::{Connection, Query, Verdict, Visitor};
use super::{Denial, Event, Hit, Reload};

/// Text of others, safe to print: control characters, and those that reorder or hide text, are shown as escapes.
pub fn tame(text: &str) -> String {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    let mut safe = String::new();
    for c in text.chars() {
        if odd(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// What was denied.
pub fn denial(denial: &Denial) -> String {
    match denial {
        Denial::Exec { path, argv } => exec(path, argv),
        Denial::Program { path } => format!("start of the program {}", shown(path)),
        Denial::Connection {
            host, port, reason, ..
        } => connection(host, *port, reason),
        Denial::Name { name, reason, .. } => query(name, reason),
        Denial::Visitor { to, reason, .. } => format!("visitor of {to}: {}", tame(reason)),
        Denial::Call { syscall, tested } => call(syscall, tested),
    }
}

/// One line about an event.
pub fn event(event: &Event) -> String {
    match event {
        Event::Start { promises, .. } => {
            let with = |state: &str| {
                let named = promises.iter().filter(|(_, own)| *own == state);
                let names: Vec<&str> = named.map(|(name, _)| name.as_str()).collect();
                names.join(" ")
            };
            match with("not-held") {
                missing if missing.is_empty() => format!("start: holds {}", with("held")),
                missing => format!("start: holds {}; NOT held: {missing}", with("held")),
            }
        }
        Event::DeniedCall { syscall, count, .. } => blocked(&call(syscall, &[]), *count),
        Event::DeniedExec {
            path, argv, count, ..
        } => blocked(&exec(path, argv), *count),
        Event::Connection(one) => of_connection(one),
        Event::Query(one) => of_query(one),
        Event::Visitor(one) => of_visitor(one),
        Event::Limit {
            hit, count, limit, ..
        } => of_limit(*hit, *count, *limit),
        Event::Reload(one) => of_reload(one),
        Event::Service { state, ms } => {
            format!(
                "{state} {}.{} s after its start",
                ms / 1000,
                ms % 1000 / 100
            )
        }
        Event::Exit {
            code,
            signal,
            denied,
            ..
        } => {
            let signal = signal.iter().map(|name| format!(" by {name}"));
            let signal: String = signal.collect();
            let blocked = match denied {
                0 => String::new(),
                denied => format!("; blocked {}", times(*denied)),
            };
            format!("end{signal}: exit code {code}{blocked}")
        }
    }
}

fn of_reload(one: &Reload) -> String {
    let (added, removed) = (one.added_count, one.removed_count);
    let mut text = format!(
        "reload by uid {}: {added} lines added, {removed} removed",
        one.uid
    );
    if one.restart_count > 0 {
        text += &format!("; waits for a restart: {}", tame(&one.restart.join(", ")));
    }
    text
}

fn of_limit(hit: Hit, count: u64, limit: Option<u64>) -> String {
    match hit {
        Hit::OutOfMemory => {
            let used = limit.map_or(NO_MEMORY_AROUND.into(), |bytes| {
                format!("{} used up", size(bytes))
            });
            format!("out of memory: {used}, and the kernel ended processes")
        }
        Hit::SlowedDown => format!("memory above its high mark: slowed down ({})", times(count)),
        Hit::Pressure => format!("waits for memory in {count} % of the time"),
        Hit::ForkRefused => {
            let limit = limit.map_or(String::new(), |limit| format!(": {limit} is the limit"));
            format!(
                "a new process or thread was refused ({}){limit}",
                times(count)
            )
        }
    }
}

/// Why the kernel ends processes of a jail that is below its own limit.
pub const NO_MEMORY_AROUND: &str =
    "none left around the jail (a limit above its own, or the machine)";

/// Bytes, in the unit that shows them.
pub fn size(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes >> 10),
        mib => format!("{mib} MiB"),
    }
}

fn of_connection(one: &Connection) -> String {
    let Connection {
        sent, received, ms, ..
    } = one;
    let carried = format!("{sent} bytes sent, {received} received, {ms} ms");
    let reason = match one.verdict {
        Verdict::Allowed => &carried,
        _ => &one.reason,
    };
    judged(
        one.verdict,
        &connection(&one.host, one.port, reason),
        one.count,
    )
}

fn of_query(one: &Query) -> String {
    let reason = match one.verdict {
        Verdict::Allowed => "answered",
        _ => &one.reason,
    };
    judged(one.verdict, &query(&one.name, reason), one.count)
}

fn of_visitor(one: &Visitor) -> String {
    let (to, from, reason) = (tame(&one.to), tame(&one.from), shown(&one.reason));
    let what = format!("visitor of {to} from {from}: {reason}");
    judged(one.verdict, &what, one.count)
}

fn judged(verdict: Verdict, what: &str, count: u64) -> String {
    match verdict {
        Verdict::Refused => blocked(what, count),
        Verdict::Failed => counted(format!("failed: {what}"), count),
        Verdict::Allowed => counted(what.to_owned(), count),
    }
}

fn blocked(what: &str, count: u64) -> String {
    counted(format!("blocked: {what}"), count)
}

fn counted(what: String, count: u64) -> String {
    match count {
        0 | 1 => what,
        count => format!("{what} ({})", times(count)),
    }
}

/// `once`, or how many times.
pub fn times(count: u64) -> String {
    if count == 1 {
        "once".into()
    } else {
        format!("{count} times")
    }
}

fn exec(path: &str, argv: &[String]) -> String {
    format!(
        "start of the program {}: {}",
        shown(path),
        shown(&argv.join(" "))
    )
}

fn query(name: &str, reason: &str) -> String {
    format!("name {}: {}", shown(name), tame(reason))
}

fn connection(host: &str, port: u16, reason: &str) -> String {
    let place = match host.contains(':') {
        true if host.starts_with("unix:") => host.to_owned(),
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    format!("connection to {}: {}", shown(&place), shown(reason))
}

fn call(syscall: &str, tested: &[(u8, u64)]) -> String {
    let args: Vec<String> = tested
        .iter()
        .map(|(arg, value)| format!("arg{arg} {value:#x}"))
        .collect();
    match args.is_empty() {
        true => format!("system call {syscall}"),
        false => format!("system call {syscall} with {}", args.join(", ")),
    }
}

/// Text of others in a line that a person reads.
fn shown(text: &str) -> String {
    let text = tame(text);
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::event;
    use crate::events::{Connection, Event, Query, Verdict, Visitor};

    fn connection(verdict: Verdict, reason: &str, count: u64) -> String {
        let mut one = Connection::refused("api.example.com".into(), None, reason, String::new());
        (one.port, one.verdict, one.count) = (443, verdict, count);
        (one.sent, one.received, one.ms) = (12, 34, 56);
        event(&Event::Connection(one))
    }

    #[test]
    fn a_connection_is_one_line() {
        assert_eq!(
            connection(Verdict::Allowed, "", 1),
            "connection to api.example.com:443: 12 bytes sent, 34 received, 56 ms"
        );
        assert_eq!(
            connection(Verdict::Refused, "not in the profile", 3),
            "blocked: connection to api.example.com:443: not in the profile (3 times)"
        );
        assert_eq!(
            connection(Verdict::Failed, "no answer", 1),
            "failed: connection to api.example.com:443: no answer"
        );
    }

    #[test]
    fn what_others_say_is_shown_with_escapes() {
        let query = Query {
            name: "a\u{1b}[2Jb".into(),
            kind: "A".into(),
            verdict: Verdict::Refused,
            reason: "not in the profile".into(),
            allow: String::new(),
            flags: Vec::new(),
            count: 1,
        };
        let expected = "blocked: name a\\u{1b}[2Jb: not in the profile";
        assert_eq!(event(&Event::Query(query)), expected);
        let visitor = Visitor {
            from: "10.0.0.9".into(),
            to: "0.0.0.0:3000".into(),
            verdict: Verdict::Refused,
            reason: "not in allow_from\n".into(),
            allow: String::new(),
            count: 2,
        };
        let expected =
            "blocked: visitor of 0.0.0.0:3000 from 10.0.0.9: not in allow_from\\n (2 times)";
        assert_eq!(event(&Event::Visitor(visitor)), expected);
    }

    #[test]
    fn the_end_says_how() {
        let end = |code, signal: Option<&str>, denied| {
            event(&Event::Exit {
                code,
                signal: signal.map(str::to_owned),
                denied,
                dropped: 0,
                usage: None,
            })
        };
        assert_eq!(end(0, None, 0), "end: exit code 0");
        let killed = "end by SIGKILL: exit code 137; blocked 2 times";
        assert_eq!(end(137, Some("SIGKILL"), 2), killed);
    }
}
