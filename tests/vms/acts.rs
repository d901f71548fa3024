//! The denied acts of the trunk, on each kernel: a table of verdicts that is kept as a golden file.

use std::time::Duration;

use libtest_mimic::{Failed, Trial};

use crate::bed::kernel::Kernel;
use crate::boot::{self, Script};
use crate::{golden, kernel_trial};

/// Emulated starts take a tenth of a second, and there are some seven hundred.
const SCRIPT: Script = Script {
    name: "acts",
    text: include_str!("acts.sh"),
    limit: Duration::from_secs(900),
};

/// Newer kernels refuse by themselves to write a program's own code through /proc/self/mem, but to who traces it: with this
/// they do not, so that the twin can show what the jail denies. Older ones do not know it.
const OPEN: &str = "proc_mem.force_override=always";

/// One for each kernel.
pub fn trials() -> Vec<Trial> {
    let one = |kernel| {
        kernel_trial(
            kernel,
            "denied acts have the verdicts that are promised",
            move || judge(kernel),
        )
    };
    Kernel::ALL.map(one).into()
}

fn judge(kernel: Kernel) -> Result<(), Failed> {
    let case = boot::case_with(kernel, &SCRIPT, OPEN, "acts")?;
    let verdicts: Vec<_> = case
        .said
        .lines()
        .filter_map(|line| line.strip_prefix("VERDICT "))
        .collect();
    let wrong: Vec<_> = verdicts
        .iter()
        .filter(|line| line.contains("WRONG"))
        .collect();
    if case.status != 0 || verdicts.len() < 50 || !wrong.is_empty() {
        return Err(format!("status {}\n{wrong:#?}\n{}", case.status, case.said).into());
    }
    Ok(golden::compare(
        &format!("{}.acts", kernel.name()),
        &(verdicts.join("\n") + "\n"),
    )?)
}
