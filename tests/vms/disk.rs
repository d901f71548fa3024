//! The writing of a disk, limited: on user-mode Linux, which has disks without a module.
#![forbid(unsafe_code)]

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};

use crate::bed::kernel::Kernel;
use crate::boot::{self, Case, Script};
use crate::kernel_trial;
use crate::limits::{ensure, told};

const SCRIPT: Script = Script {
    name: "disk",
    text: include_str!("disk.sh"),
    limit: Duration::from_secs(300),
};

/// It and its twin.
pub fn trials() -> Vec<Trial> {
    let sentence = "a disk is written as slowly as io says, and faster without";
    vec![kernel_trial(Kernel::UserMode, sentence, slow_and_wide)]
}

fn slow_and_wide() -> Result<(), Failed> {
    let disk = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("disk-{}", std::process::id()));
    File::create(&disk)?.set_len(64 << 20)?;
    let words = format!("ubd0={}", disk.display());
    let both =
        ["slow", "wide"].map(|case| boot::case_with(Kernel::UserMode, &SCRIPT, &words, case));
    std::fs::remove_file(&disk)?;
    let [slow, wide] = both;
    let (slow, wide) = (slow?, wide?);
    // Six MiB at half of one in a second: twelve seconds, and the first may pass at once. Without the limit it is next to
    // nothing, which leaves room for a busy machine.
    let held = seconds(&slow).zip(seconds(&wide));
    let judged = held
        .ok_or_else(|| "nothing was written".to_owned())
        .and_then(|(slow, wide)| {
            ensure(slow >= 8.0, "too fast")?;
            ensure(wide <= slow / 2.0, "no faster without the limit")
        });
    told(&slow, judged.clone())?;
    told(&wide, judged)
}

fn seconds(case: &Case) -> Option<f64> {
    let (_, rest) = case.said.split_once("wrote 6 MiB in ")?;
    rest.split(' ').next()?.parse().ok()
}
