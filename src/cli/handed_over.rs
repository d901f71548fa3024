//! Sockets that a service manager has opened for this process (sd_listen_fds_with_names(3)).
#![forbid(unsafe_code)]

use super::run::Stopped;
use super::terminal::fail;
use crate::events::phrase::tame;
use crate::gateway::handed::Passed;
use crate::profile::UNNAMED_SOCKET;
use crate::sys::process;

/// The first descriptor that is handed over.
const FIRST: i32 = 3;

/// More than any unit hands over.
const MOST: usize = 64;

/// What is handed over: copies, so that the numbers are ours to close. What is said to another process is not ours.
pub fn take() -> Result<Vec<Passed>, Stopped> {
    let said = |name: &str| std::env::var(name).ok();
    let ours = std::process::id().to_string();
    if said("LISTEN_PID").as_deref() != Some(ours.as_str()) {
        return Ok(Vec::new());
    }
    let stop = |message: String| {
        let hint = "a service manager says it of the sockets that it hands over (sd_listen_fds(3)): without one, unset LISTEN_PID";
        Stopped(fail(super::FAILED, message, Some(hint)))
    };
    let names = names(
        said("LISTEN_FDS").as_deref(),
        said("LISTEN_FDNAMES").as_deref(),
    );
    let names = names.map_err(&stop)?;
    let count = names.len();
    let copy = |(name, number): (Option<String>, i32)| {
        let socket = process::duplicate(number).map_err(|errno| {
            let why = errno.desc().to_lowercase();
            stop(format!(
                "LISTEN_FDS says {count}, and descriptor {number} cannot be taken: {why}"
            ))
        })?;
        Ok(Passed { socket, name })
    };
    names.into_iter().zip(FIRST..).map(copy).collect()
}

/// The name of each socket, where it has one.
fn names(count: Option<&str>, names: Option<&str>) -> Result<Vec<Option<String>>, String> {
    let count = count.unwrap_or("0");
    let number: Option<usize> = count.parse().ok();
    let number = number.filter(|number| *number <= MOST).ok_or_else(|| {
        format!(
            "LISTEN_FDS is {:?}: not a number from 0 to {MOST}",
            tame(count)
        )
    })?;
    let Some(names) = names.filter(|names| !names.is_empty() || number > 1) else {
        return Ok(vec![None; number]);
    };
    let all: Vec<&str> = names.split(':').collect();
    if all.len() != number {
        let named = all.len();
        return Err(format!(
            "LISTEN_FDS says {number}, and LISTEN_FDNAMES has {named} names"
        ));
    }
    let given = |name: &&str| !name.is_empty() && *name != UNNAMED_SOCKET;
    let own = |name: &str| Some(name).filter(given).map(tame);
    Ok(all.into_iter().map(own).collect())
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn each_socket_has_its_name_or_none() {
        let read = |count: &str, all: Option<&str>| names(Some(count), all).unwrap();
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(names(None, None), Ok(Vec::new()));
        assert_eq!(read("0", Some("")), Vec::new());
        assert_eq!(read("2", None), [None, None]);
        assert_eq!(read("1", Some("")), [None]);
        assert_eq!(read("2", Some("web:unknown")), [some("web"), None]);
        assert_eq!(read("3", Some("a::a")), [some("a"), None, some("a")]);
        assert_eq!(read("1", Some("a\u{1b}[2J")), [some("a\\u{1b}[2J")]);
    }

    #[test]
    fn what_does_not_add_up_is_an_error() {
        let wrong = [
            ("2", Some("web")),
            ("2", Some("")),
            ("1", Some("a:b")),
            ("0", Some("web")),
            ("", None),
            ("-1", None),
            ("65", None),
            ("x", None),
            ("99999999999999999999", None),
        ];
        for (count, all) in wrong {
            assert!(names(Some(count), all).is_err(), "{count} {all:?}");
        }
    }
}
