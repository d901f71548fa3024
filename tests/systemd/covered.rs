//! A /proc that is partly covered, as ProtectKernelLogs= leaves it, on the host's own kernel: from systemd 253 on a unit's
//! root is the only one in its namespace, and the kernel lets nobody see in a new /proc what is covered in the old.

use std::process::Command;
use std::time::Duration;

use crate::common::start::{self, Ended};
use crate::kit::{Check, ensure, jail};

/// An ordinary user's `flowjail run`, in a mount namespace of root's where this was done before.
fn run(before: &str) -> Result<Ended, String> {
    let script = format!(
        "{before}; exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$0\" run --profile base -- /bin/true"
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", &script]);
    command.arg(jail::binary()).current_dir("/");
    start::finish(command, "", Duration::from_secs(60)).map_err(|error| error.to_string())
}

/// The refusal names both directives; without the cover there is none.
pub fn is_refused() -> Check {
    let ended = run("mount --bind /dev/null /proc/kmsg")?;
    let code = ended.status.and_then(|status| status.code());
    let named = ["ProtectKernelTunables=", "ProtectKernelLogs="];
    let named = named.iter().all(|name| ended.stderr.contains(name));
    ensure(code == Some(125) && named, || format!("{ended:?}"))?;
    let twin = run("true")?;
    let well = twin.status.is_some_and(|status| status.success());
    ensure(well, || format!("uncovered: {twin:?}"))
}
