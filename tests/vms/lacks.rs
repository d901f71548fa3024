//! What a kernel lacks, or refuses: `require` stops with the hint that mends it, `prefer` runs and says what is not held. Each
//! beside a start that does not miss it, as root and as a user. And the table of promises, kept as a golden file.

use std::time::Duration;

use libtest_mimic::{Failed, Trial};

use crate::bed::kernel::Kernel;
use crate::boot::{self, Case, Script};
use crate::{golden, kernel_trial};

const SCRIPT: Script = Script {
    name: "lacks",
    text: include_str!("lacks.sh"),
    limit: Duration::from_secs(600),
};

/// What a start comes to.
enum Verdict {
    /// The program runs, its status is 0, and these promises are said to be not held (`limits` aside, which is shown
    /// elsewhere).
    Runs(Vec<&'static str>),
    /// As that, and this is said as well.
    Says(Vec<&'static str>, &'static str),
    /// 125, each of these is said, one of them in a hint, and the program does not run.
    Refuses(&'static [&'static str]),
}
use Verdict::{Refuses, Runs, Says};

const ALL: [&str; 7] = [
    "exec",
    "files",
    "native-code",
    "egress",
    "ingress",
    "privilege",
    "processes",
];
const NO_LANDLOCK: Verdict =
    Refuses(&["promise `files`", "Landlock cannot be had", "lsm=landlock"]);
const NO_SCOPES: Verdict = Refuses(&[
    "promise `processes`",
    "scopes need Landlock ABI 6, host has 2",
    "Linux 6.12 or newer has Landlock's scopes",
]);
const NO_LISTENER: Verdict = Refuses(&[
    "promise `exec`",
    "no seccomp listener can be had",
    "seccomp user notification: Linux 5.19 or newer",
]);
const NO_NAMESPACES: Verdict = Refuses(&[
    "user.max_user_namespaces is 0",
    "sysctl -w user.max_user_namespaces=15000",
    "`jail = \"bare\"`",
]);
const DEBIAN: Verdict = Refuses(&[
    "clone3 with the namespaces: EPERM",
    "sysctl -w kernel.unprivileged_userns_clone=1",
    "`jail = \"bare\"`",
]);
const NO_MEMORY: Verdict = Refuses(&[
    "the bare jail needs to see the arguments of calls",
    "kernel.yama.ptrace_scope must be 0 or 1",
]);
const TOLD: &str = "start of the program /bin/busybox: /bin/busybox true";

/// The newest ABI of Landlock that a kernel is expected to have, at least.
fn abi(kernel: Kernel) -> u32 {
    match kernel {
        Kernel::UserMode => 0,
        Kernel::Bookworm => 2,
        Kernel::BookwormBackports => 6,
        Kernel::TrixieBackports => 9,
    }
}

/// Not held in the namespaced jail, where all is only preferred.
fn open(kernel: Kernel) -> Vec<&'static str> {
    match abi(kernel) {
        0 => vec!["files", "processes"],
        1..6 => vec!["processes"],
        _ => Vec::new(),
    }
}

/// The same in the bare jail.
fn open_bare(kernel: Kernel) -> Vec<&'static str> {
    match abi(kernel) {
        0 => ALL.to_vec(),
        _ => vec!["processes"],
    }
}

/// A case of the script, its sentence, and what it comes to for root and for a user.
type Row = (&'static str, &'static str, fn(Kernel, bool) -> Verdict);

const ROWS: [Row; 23] = [
    ("require", "everything required", |kernel, _| {
        match abi(kernel) {
            0 => NO_LANDLOCK,
            1..6 => NO_SCOPES,
            _ => Runs(Vec::new()),
        }
    }),
    (
        "unseen",
        "everything but `processes` required",
        |kernel, _| unseen(kernel),
    ),
    ("prefer", "everything preferred", |kernel, _| {
        Runs(open(kernel))
    }),
    ("bare", "everything preferred, bare", |kernel, _| {
        Runs(open_bare(kernel))
    }),
    (
        "no-listener-require",
        "no user notification, required",
        |_, _| NO_LISTENER,
    ),
    (
        "no-listener-prefer",
        "no user notification, preferred",
        |kernel, _| Runs([vec!["exec"], open(kernel)].concat()),
    ),
    ("other-filter", "another outer filter", |kernel, _| {
        unseen(kernel)
    }),
    (
        "no-namespaces-require",
        "no user namespaces, required",
        |kernel, _| {
            if abi(kernel) == 0 {
                NO_LANDLOCK
            } else {
                NO_NAMESPACES
            }
        },
    ),
    (
        "no-namespaces-prefer",
        "no user namespaces, preferred",
        |_, _| NO_NAMESPACES,
    ),
    (
        "no-namespaces-bare",
        "no user namespaces, bare",
        |kernel, _| Runs(open_bare(kernel)),
    ),
    ("namespaces-again", "user namespaces again", |kernel, _| {
        Runs(open(kernel))
    }),
    (
        "debian-require",
        "user namespaces for root alone, required",
        |kernel, root| match root {
            _ if abi(kernel) == 0 => NO_LANDLOCK,
            true => unseen(kernel),
            false => DEBIAN,
        },
    ),
    (
        "debian-prefer",
        "user namespaces for root alone, preferred",
        |kernel, root| {
            if root { Runs(open(kernel)) } else { DEBIAN }
        },
    ),
    (
        "debian-bare",
        "user namespaces for root alone, bare",
        |kernel, _| Runs(open_bare(kernel)),
    ),
    (
        "debian-again",
        "user namespaces for everyone again",
        |kernel, _| Runs(open(kernel)),
    ),
    ("starts", "a refused start is told", |kernel, _| {
        Says(open(kernel), TOLD)
    }),
    (
        "starts-bare",
        "a refused start is told, bare",
        |kernel, _| Says(open_bare(kernel), TOLD),
    ),
    ("yama-1-jail", "ptrace_scope 1", |kernel, _| {
        Says(open(kernel), TOLD)
    }),
    ("yama-1-bare", "ptrace_scope 1, bare", |kernel, _| {
        Says(open_bare(kernel), TOLD)
    }),
    ("yama-2-jail", "ptrace_scope 2", |kernel, _| {
        Says(open(kernel), TOLD)
    }),
    ("yama-2-bare", "ptrace_scope 2, bare", |_, _| NO_MEMORY),
    // Refused and recorded as ever; what was to be started nobody can read then.
    ("yama-3-jail", "ptrace_scope 3", |kernel, _| {
        Says(
            open(kernel),
            "start of the program (hidden: the kernel shows nobody",
        )
    }),
    ("yama-3-bare", "ptrace_scope 3, bare", |_, _| NO_MEMORY),
];

/// Everything but `processes`, which needs a newer Landlock, is required.
fn unseen(kernel: Kernel) -> Verdict {
    match abi(kernel) {
        0 => NO_LANDLOCK,
        _ => Runs(open(kernel)),
    }
}

/// Each case, for root and for a user; and the golden file.
pub fn trials() -> Vec<Trial> {
    let rows = ROWS.iter().flat_map(|row| [(row, "root"), (row, "user")]);
    let cases = rows.flat_map(|((case, sentence, verdict), who)| {
        Kernel::ALL.map(|kernel| {
            kernel_trial(kernel, &format!("{sentence}, as {who}"), move || {
                let case = boot::case(kernel, &SCRIPT, &format!("{case}-{who}"))?;
                Ok(judge(&case, &verdict(kernel, who == "root"))?)
            })
        })
    });
    let promises = Kernel::ALL
        .map(|kernel| kernel_trial(kernel, "the table of promises", move || is_promised(kernel)));
    let abis = Kernel::ALL.map(|kernel| {
        kernel_trial(kernel, "has the Landlock that it is here for", move || {
            has_abi(kernel)
        })
    });
    abis.into_iter().chain(promises).chain(cases).collect()
}

fn has_abi(kernel: Kernel) -> Result<(), Failed> {
    let case = boot::case(kernel, &SCRIPT, "abi")?;
    let number = case.said.trim().strip_prefix("Landlock ABI ");
    let number: u32 = number
        .and_then(|text| text.parse().ok())
        .ok_or("no number")?;
    let right = match abi(kernel) {
        9 => number >= 9,
        known => number == known,
    };
    if right { Ok(()) } else { Err(case.said.into()) }
}

fn judge(case: &Case, verdict: &Verdict) -> Result<(), String> {
    let lines = || case.said.lines();
    let ran = case.said.contains("the program ran") || case.said.contains("starts errno EPERM");
    let fine = match verdict {
        Refuses(words) => {
            let (last, rest) = words.split_last().ok_or("no words")?;
            let hinted = lines().any(|line| line.starts_with("hint: ") && line.contains(last));
            let said = rest.iter().all(|word| case.said.contains(word));
            case.status == 125 && !ran && hinted && said
        }
        Runs(open) | Says(open, _) => {
            let told = lines().find_map(|line| line.split_once("; NOT held: "));
            let words = told.map_or("", |(_, rest)| rest);
            let not_held = ALL
                .iter()
                .filter(|promise| words.split(' ').any(|word| word == **promise));
            let mut wanted: Vec<_> = ALL
                .iter()
                .filter(|promise| open.contains(promise))
                .collect();
            wanted.dedup();
            let also = match verdict {
                Says(_, word) => case.said.contains(word),
                _ => true,
            };
            case.status == 0 && ran && also && not_held.eq(wanted)
        }
    };
    match fine {
        true => Ok(()),
        false => Err(format!("status {}:\n{}", case.status, case.said)),
    }
}

/// The top of `flowjail plan` for both who start it and both kinds of jail.
fn is_promised(kernel: Kernel) -> Result<(), Failed> {
    let mut text = String::new();
    for case in ["plan-root", "plan-user", "plan-bare-root", "plan-bare-user"] {
        let case = boot::case(kernel, &SCRIPT, case)?;
        let (top, _) = case
            .said
            .split_once("\nsystem calls:")
            .ok_or(case.said.as_str())?;
        for line in top.lines() {
            text += match line.split_once(" on Linux ") {
                Some((head, _)) => head,
                None => line,
            };
            text.push('\n');
        }
        text.push('\n');
    }
    Ok(golden::compare(&format!("{}.plan", kernel.name()), &text)?)
}
