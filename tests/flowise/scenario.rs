//! One version of Flowise, bare and jailed, on the same data in the same run.
//!
//! bare makes a data directory -> jailed opens it -> bare opens it again -> jailed as root on new data.

use super::attacks::{ATTACKS, Places};
use super::measure::Numbers;
use super::report::Report;
use super::server::{Mock, Server, Site, Start, node_run, node_script};
use crate::common::needs::is_root;
use crate::kit::procs;
use crate::kit::scratch::Scratch;
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where the profile puts the data directory inside.
const DATA_INSIDE: &str = "/home/flowise/.flowise";
/// The version whose holes are public.
pub const VULNERABLE: &str = "3.0.5";

/// The sentences of every jailed start, each with "as root" or "as an ordinary user" behind it.
const JAILED: [&str; 6] = [
    "starts in a jail",
    "passes the whole smoke test in a jail",
    "leaves exactly init and node in the jail",
    "has no uid 0 and no capability in the jail",
    "ends in a jail with its own exit code on SIGTERM",
    "leaves no process behind its jail",
];
/// The sentences about data, for the ordinary user.
const DATA: [&str; 2] = [
    "in a jail opens the data of a bare one",
    "bare opens the data of a jailed one",
];

/// All sentences about a version that need the start.
pub fn sentences(version: &str, who: Who) -> Vec<String> {
    let mut all: Vec<String> = JAILED
        .iter()
        .map(|s| format!("{s} {}", who.word()))
        .collect();
    if who == Who::Ordinary {
        all.extend(DATA.iter().map(|s| (*s).to_owned()));
    }
    if version == VULNERABLE {
        if who == Who::Ordinary {
            all.extend(
                ATTACKS
                    .iter()
                    .map(|a| format!("{} works on a bare one", a.name)),
            );
        }
        let blocked = |name: &str| format!("{name} is blocked in a jail started {}", who.word());
        all.extend(ATTACKS.iter().map(|a| blocked(a.name)));
    }
    all
}

/// One version under test.
struct Scenario {
    version: &'static str,
    site: Site,
    scratch: Scratch,
    _mock: Mock,
}

/// Runs it all; a step that cannot go on leaves the rest not reached.
pub fn run(version: &'static str, install: PathBuf, node: PathBuf) -> Report {
    let mock = Mock::start();
    let site = Site {
        install,
        node,
        mock_port: mock.port,
    };
    let scratch = Scratch::new();
    let scenario = Scenario {
        version,
        site,
        scratch,
        _mock: mock,
    };
    let mut report = Report::default();
    if let Err(why) = scenario.as_ordinary_user(&mut report) {
        report.stop(why);
    }
    if is_root()
        && let Err(why) = scenario.as_root(&mut report)
    {
        report.stop(why);
    }
    report
}

impl Scenario {
    /// Bare, jailed, bare again, all on one data directory.
    fn as_ordinary_user(&self, report: &mut Report) -> Result<(), String> {
        let who = Who::Ordinary;
        let data = self.data_of(who, "home");
        let made_bare = self.scratch.at("made-bare.json");
        let made_jailed = self.scratch.at("made-jailed.json");
        let start = |name, jailed| Start {
            name,
            who,
            jailed,
            data: &data,
        };

        let bare = self.start(&start("bare-first", false))?;
        self.smoke(&bare, &self.mock(false))?;
        self.compat("make", &bare, &made_bare)?;
        bare.stop()?;

        let jailed = self.start(&start("jailed-user", true));
        report.note(
            &said("starts in a jail", who),
            jailed.as_ref().map(|_| ()).map_err(Clone::clone),
        );
        let jailed = jailed?;
        report.note(DATA[0], self.compat("check", &jailed, &made_bare));
        self.inside_a_jail(report, &jailed, who, &data);
        let numbers = Numbers::of(&jailed, &self.mock(true), &self.scratch.at("jailed.state"));
        let made = self.compat("make", &jailed, &made_jailed);
        self.ends(report, jailed, who)?;

        let bare = self.start(&start("bare-again", false))?;
        report.note(
            DATA[1],
            made.and_then(|()| self.compat("check", &bare, &made_jailed)),
        );
        self.attack_bare(report, &bare, &data);
        let beside = Numbers::of(&bare, &self.mock(false), &self.scratch.at("bare.state"))?;
        numbers?.print_beside(&beside, self.version);
        bare.stop().map(|_| ())
    }

    /// Jailed from a root start, on an empty data directory that root owns.
    fn as_root(&self, report: &mut Report) -> Result<(), String> {
        let who = Who::Root;
        let data = self.data_of(who, "root-home");
        let start = Start {
            name: "jailed-root",
            who,
            jailed: true,
            data: &data,
        };
        let jailed = self.start(&start);
        report.note(
            &said("starts in a jail", who),
            jailed.as_ref().map(|_| ()).map_err(Clone::clone),
        );
        let jailed = jailed?;
        self.inside_a_jail(report, &jailed, who, &data);
        self.ends(report, jailed, who)
    }

    /// What holds in every jail.
    fn inside_a_jail(&self, report: &mut Report, jailed: &Server, who: Who, data: &Path) {
        report.note(&said(JAILED[1], who), self.smoke(jailed, &self.mock(true)));
        report.note(&said(JAILED[2], who), exactly_init_and_node(jailed));
        report.note(&said(JAILED[3], who), without_privilege(jailed));
        if self.version == VULNERABLE {
            let places = self.places(data, true);
            for attack in &ATTACKS {
                let sentence = format!(
                    "{} is blocked in a jail started {}",
                    attack.name,
                    who.word()
                );
                report.note(&sentence, attack.is_blocked(jailed, &places));
            }
        }
    }

    fn attack_bare(&self, report: &mut Report, bare: &Server, data: &Path) {
        if self.version == VULNERABLE {
            let places = self.places(data, false);
            for attack in &ATTACKS {
                let sentence = format!("{} works on a bare one", attack.name);
                report.note(&sentence, attack.works_bare(bare, &places));
            }
        }
    }

    fn ends(&self, report: &mut Report, jailed: Server, who: Who) -> Result<(), String> {
        let (ended, left) = jailed.stop()?;
        report.note(
            &said(JAILED[4], who),
            ensure(ended.code == 0, || format!("{ended:?}")),
        );
        report.note(
            &said(JAILED[5], who),
            ensure(left.is_empty(), || format!("{left:?}")),
        );
        Ok(())
    }

    fn start(&self, start: &Start) -> Result<Server, String> {
        Server::start(&self.site, &self.scratch, start)
    }

    /// All 23 assertions.
    fn smoke(&self, server: &Server, mock: &str) -> Check {
        let (code, said) = node_run(
            node_script("smoke.mjs")
                .arg(&server.base)
                .args(["--mock", mock]),
        );
        let whole = code == 0 && said.contains(r#""total":23,"failed":0"#);
        ensure(whole, || {
            format!("{said}\nflowjail said: {}", server.stderr())
        })
    }

    fn compat(&self, verb: &str, server: &Server, state: &Path) -> Check {
        let (code, said) = node_run(
            node_script("compat.mjs")
                .args([verb, &server.base])
                .arg(state),
        );
        ensure(code == 0, || said)
    }

    /// A directory called `.flowise` in a home of its own.
    fn data_of(&self, who: Who, home: &str) -> PathBuf {
        self.scratch.dir_of(who, home);
        self.scratch.dir_of(who, &format!("{home}/.flowise"))
    }

    /// The LLM as Flowise sees it: in the jail by a name that only --add-host knows.
    fn mock(&self, jailed: bool) -> String {
        let host = if jailed { "mock.test" } else { "127.0.0.1" };
        format!("http://{host}:{}/v1", self.site.mock_port)
    }

    fn places(&self, data: &Path, jailed: bool) -> Places {
        let name = if jailed { "marks-jailed" } else { "marks-bare" };
        let marks = self.scratch.at(name);
        fs::create_dir_all(&marks).expect("mkdir");
        fs::set_permissions(&marks, fs::Permissions::from_mode(0o777)).expect("chmod");
        let xmarks = data.join(name);
        let inside = Path::new(DATA_INSIDE).join(name);
        Places {
            decoy: self.scratch.file("decoy", "DECOY-SECRET-4242\n"),
            marks,
            xmarks_inside: if jailed { inside } else { xmarks.clone() },
            xmarks,
            mock: self.mock(jailed),
        }
    }
}

fn said(sentence: &str, who: Who) -> String {
    format!("{sentence} {}", who.word())
}

/// Supervisor -> init -> node, and no more in the jail.
fn exactly_init_and_node(jailed: &Server) -> Check {
    let tree = jailed.tree();
    let in_jail: Vec<i32> = tree
        .iter()
        .filter(|p| {
            procs::status(p.pid)
                .get("NSpid")
                .is_some_and(|s| s.split_whitespace().count() > 1)
        })
        .map(|p| p.pid)
        .collect();
    let right = in_jail == [jailed.node.ppid, jailed.node.pid];
    ensure(right, || format!("in the jail {in_jail:?} of {tree:?}"))
}

/// What the kernel says of node, and of everything else of flowjail's.
fn without_privilege(jailed: &Server) -> Check {
    for process in jailed.tree() {
        let status = procs::status(process.pid);
        let line = |name: &str| status.get(name).cloned().unwrap_or_default();
        for caps in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            ensure(line(caps) == "0".repeat(16), || {
                format!("{process:?}: {caps} {}", line(caps))
            })?;
        }
        ensure(line("NoNewPrivs") == "1", || {
            format!("{process:?}: NoNewPrivs {}", line("NoNewPrivs"))
        })?;
        ensure(line("Seccomp") == "2", || {
            format!("{process:?}: Seccomp {}", line("Seccomp"))
        })?;
        let root = line("Uid").split_whitespace().any(|uid| uid == "0");
        ensure(!root, || format!("{process:?}: Uid {}", line("Uid")))?;
    }
    Ok(())
}
