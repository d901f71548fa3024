//! A layer that the host does not have: refused with a hint, or, where it is only preferred, shown.

use crate::fail_closed::behind;
use crate::kit::jail::{self, Ended};
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::Stage;
use std::path::Path;

const EPERM: i32 = 1;
const EBUSY: i32 = 16;
const EINVAL: i32 = 22;
const ENOSYS: i32 = 38;
const LANDLOCK: [(&str, i32); 3] = [
    ("landlock_create_ruleset", ENOSYS),
    ("landlock_add_rule", ENOSYS),
    ("landlock_restrict_self", ENOSYS),
];
/// SECCOMP_SET_MODE_FILTER with SECCOMP_FILTER_FLAG_NEW_LISTENER.
const LISTENER: [(&str, i32); 1] = [("seccomp:1=8/8", EBUSY)];

/// A Refusal: 125, `error:`, a `hint:`, the word, and the command never ran.
fn refused(ended: &Ended, ran: bool, word: &str) -> Check {
    let said = ended.stderr.to_lowercase();
    let right = ended.code == 125
        && said.contains("error:")
        && said.contains("hint:")
        && said.contains(&word.to_lowercase());
    ensure(right && !ran, || {
        format!("ran: {ran}, wanted a refusal about {word}: {ended:?}")
    })
}

/// No user namespaces.
pub fn forbidden_user_namespaces_are_a_refusal(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let mark = stage.work("mark").display().to_string();
    // In a user namespace of its own the limit can be set without touching the machine's.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && \
        exec setpriv --ambient-caps=-all --inh-caps=-all --bounding-set=-all \"$@\"";
    let prefix = [
        "unshare",
        "--user",
        "--map-current-user",
        "--keep-caps",
        "/bin/sh",
        "-c",
        script,
        "sh",
    ];
    let unshare = crate::kit::who::on_path("unshare")
        .ok_or("unshare")?
        .display()
        .to_string();
    let prefix: Vec<&str> = std::iter::once(unshare.as_str())
        .chain(prefix[1..].iter().copied())
        .collect();
    let (ended, _) = stage.finish("no-userns", stage.behind(&prefix, &[], &["mark", &mark]))?;
    refused(&ended, Path::new(&mark).exists(), "user namespace")
}

/// No Landlock, and `files` required.
pub fn missing_landlock_is_a_refusal(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let (ended, ran, _) = behind(&stage, &LANDLOCK)?;
    refused(&ended, ran, "landlock")
}

/// No Landlock, and what needs it is preferred: it runs, and says what is not held.
pub fn preferred_landlock_is_shown_as_not_held(who: Who) -> Check {
    let stage = Stage::with(who, PREFER)?;
    let (ended, ran, left) = behind(&stage, &LANDLOCK)?;
    let shown = ended.stderr.to_lowercase().contains("not held");
    ensure(ran && ended.code == 0 && shown && left.is_empty(), || {
        format!("ran: {ran}, {ended:?}")
    })
}

/// A filter that lets the version be asked, and nothing else of Landlock: refused, or run without, as if it had none.
pub fn a_landlock_that_only_tells_its_version_is_none(who: Who) -> Check {
    for call in ["landlock_add_rule", "landlock_restrict_self"] {
        for errno in [EPERM, ENOSYS] {
            let (ended, ran, _) = behind(&Stage::new(who)?, &[(call, errno)])?;
            refused(&ended, ran, "Landlock cannot be had")?;
            let (ended, ran, left) = behind(&Stage::with(who, PREFER)?, &[(call, errno)])?;
            let shown = ended.stderr.contains("NOT held: files");
            ensure(ran && ended.code == 0 && shown && left.is_empty(), || {
                format!("{call} {errno}, ran: {ran}, {ended:?}")
            })?;
        }
    }
    Ok(())
}

/// What fails for want of a call, or of a root that can be left, is told with what mends it.
pub fn what_an_old_kernel_lacks_is_hinted_at(who: Who) -> Check {
    let stage = Stage::new(who)?;
    for (call, errno, hint) in [
        ("pidfd_open", ENOSYS, "Linux 5.19 or newer"),
        ("close_range", ENOSYS, "Linux 5.19 or newer"),
        ("mount_setattr", ENOSYS, "Linux 5.19 or newer"),
        ("fsopen", ENOSYS, "the calls that mount"),
        ("pivot_root", EINVAL, "initramfs"),
    ] {
        let (ended, ran, _) = behind(&stage, &[(call, errno)])?;
        refused(&ended, ran, hint)?;
        ensure(!ended.stderr.contains("covered"), || format!("{ended:?}"))?;
    }
    Ok(())
}

/// What a bare jail's host is asked needs no signal that a filter may refuse: it starts and ends.
pub fn a_bare_jail_is_planned_without_signals(who: Who) -> Check {
    let stage = Stage::bare(who, "[net]\nenabled = true")?;
    let (ended, ran, left) = behind(&stage, &[("pidfd_send_signal", ENOSYS)])?;
    ensure(ran && ended.code == 0 && left.is_empty(), || {
        format!("ran: {ran}, {ended:?}")
    })
}

/// Another supervisor holds the one listener of the filter chain.
pub fn a_listener_held_by_another_is_a_refusal(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let (ended, ran, _) = behind(&stage, &LISTENER)?;
    refused(&ended, ran, "listener")
}

/// `plan` on a host without Landlock shows the promises that need it as not held.
pub fn the_plan_shows_what_is_not_held(who: Who) -> Check {
    let failer = crate::stage::compiled("failer")?;
    let mut command = who.command(&failer);
    for (call, errno) in LANDLOCK {
        command.arg(call).arg(errno.to_string());
    }
    let stage = Stage::with(who, PREFER)?;
    let words = stage.words(&[], &["exit", "0"]);
    command
        .arg("--")
        .arg(jail::binary())
        .arg("plan")
        .args(&words[1..]);
    let output = command.output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).to_lowercase();
    ensure(
        said.contains("not held") && said.contains("landlock"),
        || format!("{said}{}", String::from_utf8_lossy(&output.stderr)),
    )
}

/// Every promise preferred.
const PREFER: &str = "[promises]\nexec = \"prefer\"\nfiles = \"prefer\"\nnative-code = \"prefer\"\negress = \"prefer\"\n\
    ingress = \"prefer\"\nprivilege = \"prefer\"\nlimits = \"prefer\"\nprocesses = \"prefer\"";
