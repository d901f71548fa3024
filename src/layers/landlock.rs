//! Landlock: the workload's domain from the plan, and an empty one for flowjail's own processes.
#![forbid(unsafe_code)]

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    PathFd, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope,
};
use nix::errno::Errno;

use crate::plan::{Access, LandlockPlan, LandlockRule};
use crate::sys::errno_of;

/// Enforces the plan's domain on this process for good (landlock_restrict_self(2)). Everything that both the
/// host's ABI and flowjail know is handled; what a rule does not grant is denied.
pub fn enforce(plan: &LandlockPlan) -> Result<(), Errno> {
    let abi = abi_of(plan.abi);
    domain(plan, abi).map_err(|error| errno_of(&*error))
}

/// Enforces a domain without any right on files and ports. Signals are left alone: flowjail's own processes
/// send them to the jail.
pub fn enforce_nothing(abi: i32) -> Result<(), Errno> {
    let nothing = || finish(handled(abi_of(abi))?.create()?);
    nothing().map_err(|error| errno_of(&*error))
}

/// Enforces a domain without any right on files, in which signals and abstract unix sockets of others are out of
/// reach. Ports are left alone: the gateway dials by name.
pub fn enforce_no_file(abi: i32) -> Result<(), Errno> {
    let abi = abi_of(abi);
    let nothing = || {
        let ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(abi))?;
        let scopes = Scope::from_all(abi);
        let ruleset = if scopes.is_empty() {
            ruleset
        } else {
            ruleset.scope(scopes)?
        };
        finish(ruleset.create()?)
    };
    nothing().map_err(|error| errno_of(&*error))
}

type Failed = Box<dyn std::error::Error>;

fn abi_of(number: i32) -> ABI {
    match number {
        1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
        4 => ABI::V4,
        5 => ABI::V5,
        6 => ABI::V6,
        7 => ABI::V7,
        8 => ABI::V8,
        9 => ABI::V9,
        _ => ABI::V10,
    }
}

fn handled(abi: ABI) -> Result<Ruleset, RulesetError> {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let ruleset = ruleset.handle_access(AccessFs::from_all(abi))?;
    let ports = AccessNet::from_all(abi);
    if ports.is_empty() {
        Ok(ruleset)
    } else {
        ruleset.handle_access(ports)
    }
}

/// Only a domain that holds in full counts.
fn finish(created: RulesetCreated) -> Result<(), Failed> {
    match created.no_new_privs(false).restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        _ => Err(std::io::Error::from_raw_os_error(libc::EOPNOTSUPP).into()),
    }
}

fn domain(plan: &LandlockPlan, abi: ABI) -> Result<(), Failed> {
    let mut ruleset = handled(abi)?;
    let scopes = Scope::from_all(abi);
    if !scopes.is_empty() {
        ruleset = ruleset.scope(scopes)?;
    }
    let mut created = ruleset.create()?;
    // The plan has them by path.
    for rules in plan.rules.chunk_by(|one, next| one.path == next.path) {
        let path = PathFd::new(&rules[0].path)?;
        let wanted = rules.iter().map(rights);
        let rights = wanted.fold(BitFlags::EMPTY, |all, more| all | more) & known(&path, abi);
        created = created.add_rule(PathBeneath::new(path, rights))?;
    }
    if abi >= ABI::V4 {
        for &port in &plan.bind {
            created = created.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
        }
        for &port in &plan.connect {
            created = created.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
        }
    }
    finish(udp(created, abi)?)
}

/// Names are asked for by datagrams from any port to port 53 (ABI 10).
fn udp(created: RulesetCreated, abi: ABI) -> Result<RulesetCreated, RulesetError> {
    let known = AccessNet::from_all(abi);
    if !known.contains(AccessNet::ConnectSendUdp) {
        return Ok(created);
    }
    created
        .add_rule(NetPort::new(crate::plan::DNS, AccessNet::ConnectSendUdp))?
        .add_rule(NetPort::new(0, AccessNet::BindUdp))
}

/// The rights that the host knows, less those that mean nothing on a file.
fn known(path: &PathFd, abi: ABI) -> BitFlags<AccessFs> {
    let is_directory =
        nix::sys::stat::fstat(path).is_ok_and(|fact| fact.st_mode & libc::S_IFMT == libc::S_IFDIR);
    if is_directory {
        AccessFs::from_all(abi)
    } else {
        AccessFs::from_file(abi)
    }
}

/// The rights of a rule.
fn rights(rule: &LandlockRule) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    match rule.access {
        Access::Read => read,
        Access::Execute => read | AccessFs::Execute,
        Access::Link => AccessFs::MakeSym.into(),
        Access::Device => AccessFs::ReadFile | AccessFs::WriteFile,
        Access::Write => {
            read | AccessFs::WriteFile
                | AccessFs::RemoveDir
                | AccessFs::RemoveFile
                | AccessFs::MakeDir
                | AccessFs::MakeReg
                | AccessFs::Refer
                | AccessFs::Truncate
        }
    }
}
