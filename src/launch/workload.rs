//! The process that becomes the program: a recipe, one line per step of the plan.
#![forbid(unsafe_code)]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::prctl::set_no_new_privs;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkdir};

use super::recipe::Recipe;
use super::secrets::Variables;
use crate::layers::{caps, ids, landlock, process};
use crate::plan::{Runner, Step};
use crate::sys::launch_page::Words;
use crate::sys::{notify, process as sys_process};

/// Patience with init's confinement, which takes well under a millisecond.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the workload's steps, of which the last does not return.
pub fn run(recipe: &Recipe, init: Pid) {
    let mut variables = Variables::default();
    recipe.carry_out(Runner::Workload, |step| {
        apply(recipe, step, init, &mut variables)
    });
}

fn apply(recipe: &Recipe, step: &Step, init: Pid, variables: &mut Variables) -> Result<(), Errno> {
    let plan = recipe.plan;
    match step {
        Step::Session => process::session(plan.ids.gid),
        Step::Limit(_, resource, value) => sys_process::limit(*resource, *value),
        Step::DropIds => ids::take(&plan.ids),
        Step::DropCapabilities => caps::clear(),
        Step::MakeDirectory(place) => make_directory(place),
        Step::MakeFile(place) => make_file(place),
        Step::TieToInit => process::die_with_parent(init),
        Step::WorkingDirectory => nix::unistd::chdir(&plan.cwd),
        Step::ReadSecret(name) => variables.read(&recipe.secrets, name, None),
        Step::WriteSecret(name, at) => variables.read(&recipe.secrets, name, Some(at)),
        Step::NoNewPrivs => set_no_new_privs(),
        Step::Landlock => plan.landlock.as_ref().map_or(Ok(()), landlock::enforce),
        Step::Filter => load_filter(recipe),
        Step::CloseDescriptors => sys_process::close_from_at_execve(3),
        Step::Execute => execute(recipe, variables),
        _ => Err(Errno::EINVAL),
    }
}

/// As the program would make it, with its ids and its umask.
fn make_directory(place: &Path) -> Result<(), Errno> {
    match mkdir(place, Mode::from_bits_truncate(0o777)) {
        Err(Errno::EEXIST) => Ok(()),
        made => made,
    }
}

/// Empty, for the user and the group as the umask has it. What is there already stays as it is.
fn make_file(place: &Path) -> Result<(), Errno> {
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    match open(place, flags, Mode::from_bits_truncate(0o666)) {
        Err(Errno::EEXIST) => Ok(()),
        made => made.map(drop),
    }
}

/// Nothing hostile runs before init is confined, too. Then the filter; the supervisor finds its listener in the
/// descriptor table that it still shares with this process.
fn load_filter(recipe: &Recipe) -> Result<(), Errno> {
    let Some(filter) = &recipe.plan.filter else {
        return Ok(());
    };
    let program = recipe.take_filter()?;
    await_init(recipe)?;
    if !filter.listener {
        return notify::load_filter(&program);
    }
    let listener = notify::load_filter_with_listener(&program)?;
    // Looked at only once `executing` was announced.
    recipe.page.listener.store(listener, SeqCst);
    Ok(())
}

fn await_init(recipe: &Recipe) -> Result<(), Errno> {
    let confined = |page: &Words| page.init_confined.load(SeqCst) == 1;
    if recipe.page.wait(PATIENCE, confined) {
        Ok(())
    } else {
        Err(Errno::ETIMEDOUT)
    }
}

fn execute(recipe: &Recipe, variables: &Variables) -> Result<(), Errno> {
    let plan = recipe.plan;
    let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| Errno::EINVAL);
    let program = text(plan.program.as_os_str().as_bytes())?;
    let argv: Vec<CString> = plan
        .argv
        .iter()
        .map(|word| text(word.as_bytes()))
        .collect::<Result<_, _>>()?;
    let pairs = plan
        .env
        .iter()
        .map(|(name, value)| text(format!("{name}={value}").as_bytes()));
    let mut env: Vec<CString> = pairs.collect::<Result<_, _>>()?;
    variables.added_to(&mut env);
    await_init(recipe)?;
    recipe.page.announce(|page| page.executing.store(1, SeqCst));
    // With a listener the execve itself waits for a supervisor that is confined by then.
    if plan
        .filter
        .as_ref()
        .is_none_or(|filter| !filter.mediated_exec)
    {
        let confined = |page: &Words| page.supervisor_confined.load(SeqCst) == 1;
        if !recipe.page.wait(PATIENCE, confined) {
            return Err(Errno::ETIMEDOUT);
        }
    }
    match nix::unistd::execve(&program, &argv, &env) {
        Err(errno) => Err(errno),
        Ok(never) => match never {},
    }
}
