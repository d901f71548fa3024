//! The real Flowise in a container that was not made for it: uid 1000, a volume for its data, a published port, the LLM
//! by name. Each version runs bare and behind flowjail; 3.0.5 is attacked both times.

use super::bed::{self, bed};
use super::image;
use crate::common::needs::{self, Need};
use crate::config::USER;
use crate::kit::{self, Check, ensure};
use attacks::{ATTACKS, Attack, Places};
use libtest_mimic::Trial;
use report::Report;
use server::{Server, Start};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

#[path = "../flowise/attacks.rs"]
mod attacks;
#[path = "../flowise/report.rs"]
mod report;
#[path = "../flowise/scripts.rs"]
mod scripts;
#[path = "flowise_server.rs"]
mod server;
#[path = "../flowise/trees.rs"]
#[allow(dead_code)] // node is the image's
mod trees;

/// What the attacks take for the world.
mod world {
    /// Where an attacker listens, beyond the engine's networks.
    pub const ATTACKER: &str = crate::engine::WORLD;

    /// It is the tests' own.
    pub const fn is_own() -> bool {
        true
    }
}

const VERSIONS: [&str; 2] = ["3.1.4", VULNERABLE];
/// The version whose holes are public.
const VULNERABLE: &str = "3.0.5";
/// The LLM as Flowise sees it.
const MOCK: &str = "http://llm.test:8080/v1";
/// Flowise's data, in every container.
const DATA: &str = "/data/.flowise";

const BARE: [&str; 2] = [
    "starts without flowjail",
    "passes the whole smoke test without flowjail",
];
const JAILED: [&str; 6] = [
    "starts behind flowjail",
    "passes the whole smoke test behind flowjail",
    "ends behind flowjail with its own exit code on docker stop",
    "leaves events of the LLM behind",
    "opens the data of a bare one behind flowjail",
    "opens the data of another arbitrary uid behind flowjail",
];
/// Two of OpenShift's arbitrary uids, whose group is root's.
const ARBITRARY: [&str; 2] = ["1000620000:0", "1000630000:0"];

/// A test per sentence; the first that asks runs the scenario behind them.
pub fn trials() -> Vec<Trial> {
    VERSIONS.into_iter().flat_map(of_version).collect()
}

fn of_version(version: &'static str) -> Vec<Trial> {
    // Side by side, two versions would only be late.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let tree = trees::tree(version);
    let mut needed: Vec<Need> = bed::needs();
    let why = tree.as_ref().err().map_or("", String::as_str);
    needed.push(needs::condition("Flowise", tree.is_ok(), why));
    let report: Arc<OnceLock<Report>> = Arc::default();
    let mut sentences: Vec<String> = [BARE.as_slice(), &JAILED]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
    if version == VULNERABLE {
        sentences.extend(tried().flat_map(|attack| [works(attack), blocked(attack)]));
    }
    let one = |sentence: String| {
        let (report, tree) = (report.clone(), tree.clone());
        needs::trial(
            format!("Flowise {version} {sentence}"),
            &needed,
            move || {
                let run = || {
                    let _alone = ONE_AT_A_TIME.lock();
                    run(version, &tree.unwrap_or_default())
                };
                report
                    .get_or_init(run)
                    .outcome(&sentence)
                    .map_err(Into::into)
            },
        )
    };
    sentences.into_iter().map(one).collect()
}

/// A container's loopback is not the attacker's: what tests/docker/acts.rs does with a sidecar stands for that one.
fn tried() -> impl Iterator<Item = &'static Attack> {
    ATTACKS
        .iter()
        .filter(|attack| attack.can_run() && attack.name != "a01 connect to loopback")
}

fn works(attack: &Attack) -> String {
    format!("{} works without flowjail", attack.name)
}

fn blocked(attack: &Attack) -> String {
    format!("{} is blocked behind flowjail", attack.name)
}

fn run(version: &str, tree: &Path) -> Report {
    let mut report = Report::default();
    if let Err(why) = play(version, tree, &mut report) {
        report.stop(why);
    }
    report
}

/// Bare, then behind flowjail on the same data.
fn play(version: &str, tree: &Path, report: &mut Report) -> Check {
    let bed = bed()?;
    let home = bed.open_dir(&format!("flowise-{version}"))?;
    own(&bed.open_dir(&format!("flowise-{version}/.flowise"))?)?;
    let made = bed.scratch.at(&format!("made-{version}.json"));
    let stage = |jailed| Stage::new(version, tree, home.clone(), jailed);

    let place = stage(false)?;
    let bare = place.start();
    report.note(BARE[0], bare.as_ref().map(|_| ()).map_err(Clone::clone));
    let bare = bare?;
    report.note(BARE[1], smoke(&bare));
    compat("make", &bare, &made)?;
    if version == VULNERABLE {
        tried().for_each(|attack| {
            report.note(&works(attack), attack.works_bare(&bare, &place.places))
        });
    }
    bare.container.stop()?;

    let place = stage(true)?;
    let jailed = place.start();
    report.note(JAILED[0], jailed.as_ref().map(|_| ()).map_err(Clone::clone));
    let jailed = jailed?;
    report.note(JAILED[4], compat("check", &jailed, &made));
    report.note(JAILED[1], smoke(&jailed));
    if version == VULNERABLE {
        tried().for_each(|attack| {
            report.note(&blocked(attack), attack.is_blocked(&jailed, &place.places))
        });
    }
    let code = jailed.container.stop()?;
    report.note(
        JAILED[2],
        ensure(code == 0, || format!("{code}: {}", jailed.container.logs())),
    );
    report.note(JAILED[3], told_of_the_model(&jailed.events));
    report.note(JAILED[5], handed_on(version, tree));
    Ok(())
}

/// A volume as OpenShift has it: the group's, and empty. The second uid finds what the first has left.
fn handed_on(version: &str, tree: &Path) -> Check {
    let bed = bed()?;
    let home = bed.open_dir(&format!("flowise-{version}-group"))?;
    std::fs::set_permissions(&home, Permissions::from_mode(0o770)).map_err(|e| e.to_string())?;
    let made = bed.scratch.at(&format!("made-{version}-group.json"));
    for (user, verb) in ARBITRARY.into_iter().zip(["make", "check"]) {
        let name = format!("{version}-{verb}");
        let mut place = Stage::new(&name, tree, home.clone(), true)?;
        place.start.user = user;
        let server = place.start()?;
        let done = match verb {
            "make" => smoke(&server).and_then(|()| compat(verb, &server, &made)),
            _ => compat(verb, &server, &made).and_then(|()| smoke(&server)),
        };
        server.container.stop()?;
        done?;
    }
    Ok(())
}

/// The ordinary container's own directory, as an installation has it.
fn own(dir: &Path) -> Check {
    let uid = Some(image::UID);
    std::os::unix::fs::chown(dir, uid, uid)
        .and_then(|()| std::fs::set_permissions(dir, Permissions::from_mode(0o700)))
        .map_err(|e| format!("{}: {e}", dir.display()))
}

/// One start of a version, and where its attackers look.
struct Stage<'a> {
    start: Start<'a>,
    places: Places,
}

impl<'a> Stage<'a> {
    fn new(name: &str, tree: &'a Path, home: PathBuf, jailed: bool) -> Result<Self, String> {
        let bed = bed()?;
        let name = format!("{}-{name}", if jailed { "jailed" } else { "bare" });
        let marks = bed.open_dir(&format!("marks-{name}"))?;
        let places = Places {
            decoy: bed.scratch.file("decoy", "DECOY-SECRET-4242\n"),
            marks: marks.clone(),
            xmarks: home.join(".flowise").join(&name),
            xmarks_inside: Path::new(DATA).join(&name),
            mock: MOCK.into(),
        };
        let start = Start {
            tree,
            home,
            outside: vec![marks, places.decoy.clone()],
            events: bed.open_dir(&format!("events-{name}"))?,
            jailed,
            user: USER[1],
        };
        Ok(Self { start, places })
    }

    fn start(&self) -> Result<Server, String> {
        Server::start(&self.start)
    }
}

/// All 23 assertions, asked at the published port.
fn smoke(server: &Server) -> Check {
    let mut script = scripts::node_script("smoke.mjs");
    let (code, said) = scripts::node_run(script.arg(&server.base).args(["--mock", MOCK]));
    let whole = code == 0 && said.contains(r#""total":23,"failed":0"#);
    ensure(whole, || {
        format!("{said}\nthe container said: {}", server.container.logs())
    })
}

fn compat(verb: &str, server: &Server, state: &Path) -> Check {
    let mut script = scripts::node_script("compat.mjs");
    let (code, said) = scripts::node_run(script.args([verb, &server.base]).arg(state));
    ensure(code == 0, || said)
}

/// Its name, and that it was let through.
fn told_of_the_model(file: &Path) -> Check {
    let told = kit::wait_for(Duration::from_secs(3), || {
        let fits = |event: &serde_json::Value| {
            kit::jail::is(event, "connection")
                && event["host"] == "llm.test"
                && event["verdict"] == "allowed"
        };
        kit::jail::events(file).ok()?.iter().any(fits).then_some(())
    });
    told.ok_or_else(|| format!("no connection to llm.test: {:?}", kit::jail::events(file)))
}
