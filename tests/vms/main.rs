//! flowjail on other kernels than this machine's: three of Debian's under QEMU, and user-mode Linux, which has no Landlock.
#![forbid(unsafe_code)]

#[path = "../bed/mod.rs"]
mod bed;
#[path = "../common/mod.rs"]
mod common;

mod acts;
mod boot;
mod churn;
mod disk;
mod golden;
mod lacks;
mod limits;
mod places;
mod programs;

use std::process::ExitCode;

use bed::kernel::Kernel;
use common::needs::{self, trial};
use libtest_mimic::{Failed, Trial};

fn main() -> ExitCode {
    let all = [
        acts::trials(),
        lacks::trials(),
        limits::trials(),
        places::trials(),
        churn::trials(),
        disk::trials(),
    ];
    needs::run(all.into_iter().flatten().collect())
}

/// A test on a kernel, with what all of them need.
pub fn kernel_trial(
    kernel: Kernel,
    name: &str,
    body: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let all = [bed::needs(kernel), programs::needs()].concat();
    trial(format!("{}: {name}", kernel.name()), &all, body)
}
