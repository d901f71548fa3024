//! Mount events between a host whose mounts are shared, as systemd's are, and the jail.

use crate::kit::jail;
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::Stage;
use std::process::Command;

/// A mount namespace of its own with every mount shared in it stands for the host. The arguments are the writable
/// directory, flowjail and its arguments up to the verb.
const HOST: &str = r#"
set -e
mount --make-rshared /
work=$1; shift
facts() { cut -d' ' -f 4- /proc/self/mountinfo | sort; }
facts >"$work/before"
"$@" show /proc/self/mountinfo >"$work/inside"
facts >"$work/after"
mkdir "$work/point"
mkfifo "$work/go"
"$@" sees-after-byte "$work/point/file" <"$work/go" >"$work/saw" &
exec 3>"$work/go"
until grep -q ready "$work/saw"; do sleep 0.01; done
facts >"$work/running"
mount -t tmpfs none "$work/point"
touch "$work/point/file"
echo >&3
wait $!
test -e "$work/point/file" && echo seen >"$work/host"
umount "$work/point"
"#;

/// The host's mounts are as before, the jail's are in no peer group, and a later mount of the host stays there.
pub fn no_mount_event_passes_in_or_out(who: Who) -> Check {
    let stage = Stage::new(who)?;
    // Beside what the jail writes.
    let notes = stage.work("");
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        HOST,
        "sh",
    ]);
    command.arg(&notes).arg(jail::binary());
    command.args(stage.words(&[], &[]));
    command.env_clear();
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    command.stdin(std::process::Stdio::null()).current_dir("/");
    let (ended, _) = stage.finish("shared", command)?;
    ensure(ended.code == 0, || format!("{ended:?}"))?;
    let read =
        |name: &str| std::fs::read_to_string(stage.work(name)).map_err(|e| format!("{name}: {e}"));
    let before = read("before")?;
    ensure(before.contains(" shared:"), || {
        format!("the host's mounts are not shared: {before}")
    })?;
    for moment in ["running", "after"] {
        let now = read(moment)?;
        ensure(now == before, || {
            format!("{moment}: {now}\nbefore: {before}")
        })?;
    }
    let inside = read("inside")?;
    let alone = !inside.contains("shared:") && !inside.contains("master:");
    ensure(alone && inside.contains(" / /"), || {
        format!("inside: {inside}")
    })?;
    let (host, saw) = (read("host")?, read("saw")?);
    ensure(host == "seen\n", || {
        format!("the host does not see its own file: {host}")
    })?;
    ensure(saw == "ready\nhidden\n", || {
        format!("the program says {saw:?}")
    })
}
