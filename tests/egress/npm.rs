//! npm itself, which is a node program: it reaches the registry that the profile names, and no other.
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};

use crate::Stage;
use crate::common::needs;
use crate::common::start::{Ended, finish};
use crate::kit::jail;
use crate::kit::scratch::Scratch;
use crate::kit::who::Who;
use crate::kit::{ensure, who};
use crate::start::Start;
use crate::world::World;

const LIMIT: Duration = Duration::from_secs(40);
const REGISTRIES: [(&str, &str); 2] = [
    ("http://npm.world.test/", "--allow npm.world.test:80"),
    ("https://npm.world.test/", "--allow npm.world.test"),
];

pub fn trials(stage: &Stage) -> Vec<Trial> {
    let npm = [needs::program("npm")];
    let mut trials = Vec::new();
    for (registry, allow) in REGISTRIES {
        let name = format!("npm speaks to {registry} without a jail");
        trials.push(stage.trial_with(&npm, name, move |world| speaks_bare(world, registry)));
        for start in Start::ALL {
            let name = start.names(&format!("npm speaks to {registry} with {allow}"));
            trials.push(stage.trial_with(&npm, name, move |world| {
                let (ended, arrivals) = in_jail(world, start, registry, allow)?;
                Ok(ensure(pong(&ended) && arrivals > 0, || {
                    format!("{ended:#?}")
                })?)
            }));
            let name = start.names(&format!("npm does not reach {registry} without that"));
            trials.push(stage.trial_with(&npm, name, move |world| {
                let allow = "--allow other.world.test:80";
                let (ended, arrivals) = in_jail(world, start, registry, allow)?;
                let refused = ended.stderr.contains("ENOTFOUND") && !pong(&ended);
                Ok(ensure(refused && arrivals == 0, || {
                    format!("{arrivals} arrivals; {ended:#?}")
                })?)
            }));
        }
    }
    trials
}

fn pong(ended: &Ended) -> bool {
    ended.stderr.contains("PONG")
}

fn ping(command: &mut Command, world: &World, registry: &str, cache: &Path) {
    command.args(["ping", "--registry", registry, "--no-update-notifier"]);
    command.args(["--fetch-retries=0", "--cache"]).arg(cache);
    command.arg("--cafile").arg(world.join("ca.pem"));
}

fn speaks_bare(world: &World, registry: &str) -> Result<(), Failed> {
    let scratch = Scratch::new();
    let npm = who::on_path("npm").ok_or("npm is on the PATH")?;
    let mut command = Who::Ordinary.command(&npm);
    ping(
        &mut command,
        world,
        registry,
        &scratch.dir_of(Who::Ordinary, "cache"),
    );
    let ended = finish(command, "", LIMIT)?;
    Ok(ensure(pong(&ended), || format!("{ended:#?}"))?)
}

/// What came of it, and how many lines the world's log has of it.
fn in_jail(
    world: &World,
    start: Start,
    registry: &str,
    allow: &str,
) -> Result<(Ended, usize), Failed> {
    let before = world.arrivals()?.len();
    let mut command = jail::flowjail(start.who, &["run", "--profile"]);
    command.arg(world.join(start.kind.profile()));
    command.args(allow.split(' ')).args(["--", "npm"]);
    ping(&mut command, world, registry, Path::new("/tmp/npm"));
    let ended = finish(command, "", LIMIT)?;
    Ok((ended, world.arrivals()?.len() - before))
}
