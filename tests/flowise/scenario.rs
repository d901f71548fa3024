//! One version of Flowise, bare and jailed, on the same data in the same run.
//!
//! bare makes a data directory -> jailed opens it -> bare opens it again -> jailed without some of its lines
//! -> jailed as root on new data.

use super::attacks::{ATTACKS, Attack, Places};
use super::measure::Numbers;
use super::report::Report;
use super::server::{Net, Server, Site, Start, node_run, node_script};
use super::stand_in::{Mock, Tiktoken};
use super::{inside, stand_in, unlisted, world};
use crate::common::needs::is_root;
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
const JAILED: [&str; 7] = [
    "starts in a jail",
    "passes the whole smoke test in a jail",
    "leaves exactly init and node in the jail",
    "has no uid 0 and no capability in the jail",
    "ends in a jail with its own exit code on SIGTERM",
    "leaves no process behind its jail",
    "leaves events of the connections that its jail let through",
];
/// The sentences about data, for the ordinary user.
const DATA: [&str; 2] = [
    "in a jail opens the data of a bare one",
    "bare opens the data of a jailed one",
];

/// The sentence about the bare jail, for the ordinary user: `tests/docker` has it in a container.
const BARE: &str = "passes the whole smoke test in a bare jail, on the data of the others";

/// The sentences of every jailed start that need a world of the tests' own.
const WORLDLY: [&str; 2] = [
    "passes the whole smoke test with a streaming model in a jail",
    "sees a visitor's own address in a jail",
];

/// All sentences about a version that need the start, and whether they need a world of the tests' own.
pub fn sentences(version: &str, who: Who) -> Vec<(String, bool)> {
    let mut all: Vec<(String, bool)> = Vec::new();
    let mut add = |sentence: String, worldly: bool| all.push((sentence, worldly));
    JAILED.iter().for_each(|s| add(said(s, who), false));
    WORLDLY.iter().for_each(|s| add(said(s, who), true));
    if who == Who::Ordinary {
        DATA.iter().for_each(|s| add((*s).to_owned(), false));
        add(BARE.to_owned(), false);
        if version == unlisted::VERSION {
            unlisted::SENTENCES
                .iter()
                .for_each(|s| add((*s).to_owned(), true));
        }
    }
    if version == VULNERABLE {
        for attack in ATTACKS {
            if who == Who::Ordinary {
                add(works(&attack), attack.worldly);
            }
            add(blocked(&attack, who), attack.worldly);
        }
    }
    all
}

fn works(attack: &Attack) -> String {
    format!("{} works on a bare one", attack.name)
}

fn blocked(attack: &Attack, who: Who) -> String {
    format!(
        "{} is blocked in a jail started {}",
        attack.name,
        who.word()
    )
}

/// One version under test.
struct Scenario {
    version: &'static str,
    site: Site,
    scratch: Scratch,
    _mock: Mock,
    tiktoken: Option<Tiktoken>,
}

/// Runs it all; a step that cannot go on leaves the rest not reached.
pub fn run(version: &'static str, install: PathBuf, node: PathBuf) -> Report {
    let mut report = Report::default();
    match Scenario::set_up(version, install, node) {
        Err(why) => report.stop(why),
        Ok(scenario) => scenario.play(&mut report),
    }
    report
}

impl Scenario {
    fn set_up(version: &'static str, install: PathBuf, node: PathBuf) -> Result<Self, String> {
        let (mock, scratch) = (Mock::start()?, Scratch::new());
        let worldly = world::is_own() && stand_in::need().missing.is_none();
        let tiktoken = worldly.then(|| Tiktoken::start(&scratch, &install));
        let tiktoken = tiktoken.transpose()?;
        let site = Site {
            install,
            node,
            mock_port: mock.port,
            ca: tiktoken.as_ref().map(|t| t.ca.clone()),
        };
        Ok(Self {
            version,
            site,
            scratch,
            _mock: mock,
            tiktoken,
        })
    }

    fn play(&self, report: &mut Report) {
        let worldly = self.version == unlisted::VERSION && self.tiktoken.is_some();
        let mut done = self.as_ordinary_user(report);
        if worldly {
            done = done.and_then(|()| self.unlisted(report));
        }
        if let Err(why) = done {
            report.stop(why);
        }
        if is_root()
            && let Err(why) = self.as_root(report)
        {
            report.stop(why);
        }
    }

    /// Bare, jailed, bare again, all on one data directory.
    fn as_ordinary_user(&self, report: &mut Report) -> Result<(), String> {
        let who = Who::Ordinary;
        let data = self.data_of(who, "home");
        let made_bare = self.scratch.at("made-bare.json");
        let made_jailed = self.scratch.at("made-jailed.json");
        let start = |name, jail| Start {
            name,
            who,
            jail,
            data: &data,
        };

        let bare = self.start(&start("bare-first", None))?;
        self.smoke(&bare, &self.mock(false), &[])?;
        self.compat("make", &bare, &made_bare)?;
        bare.stop()?;

        let jailed = self.start(&start("jailed-user", Some(Net::Public)));
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

        let bare = self.start(&start("bare-again", None))?;
        report.note(
            DATA[1],
            made.and_then(|()| self.compat("check", &bare, &made_jailed)),
        );
        self.attack_bare(report, &bare, &data);
        let beside = Numbers::of(&bare, &self.mock(false), &self.scratch.at("bare.state"))?;
        numbers?.print_beside(&beside, self.version);
        bare.stop()?;
        report.note(BARE, self.in_a_bare_jail(&data));
        Ok(())
    }

    fn in_a_bare_jail(&self, data: &Path) -> Check {
        let jailed = self.start(&Start {
            name: "jailed-bare",
            who: Who::Ordinary,
            jail: Some(Net::Bare),
            data,
        })?;
        let passes = match &self.tiktoken {
            Some(tiktoken) => self.streaming(&jailed, tiktoken),
            None => self.smoke(&jailed, &self.mock(true), &[]).map(|_| ()),
        };
        let (ended, left) = jailed.stop()?;
        passes?;
        ensure(ended.code == 0 && left.is_empty(), || {
            format!("{ended:?}, left: {left:?}")
        })
    }

    /// Jailed again on that data, without the lines for the LLM and tiktoken.
    fn unlisted(&self, report: &mut Report) -> Result<(), String> {
        let who = Who::Ordinary;
        let jailed = self.start(&Start {
            name: "jailed-unlisted",
            who,
            jail: Some(Net::Unlisted),
            data: &self.data_of(who, "home"),
        })?;
        unlisted::check(report, jailed, &self.site, &self.scratch)
    }

    /// Jailed from a root start, on an empty data directory that root owns.
    fn as_root(&self, report: &mut Report) -> Result<(), String> {
        let who = Who::Root;
        let data = self.data_of(who, "root-home");
        let start = Start {
            name: "jailed-root",
            who,
            jail: Some(Net::Private),
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
        let mock = self.mock(true);
        report.note(
            &said(JAILED[1], who),
            self.smoke(jailed, &mock, &[]).map(|_| ()),
        );
        report.note(&said(JAILED[2], who), inside::exactly_init_and_node(jailed));
        report.note(&said(JAILED[3], who), inside::without_privilege(jailed));
        if let Some(tiktoken) = &self.tiktoken {
            report.note(&said(WORLDLY[0], who), self.streaming(jailed, tiktoken));
            report.note(&said(WORLDLY[1], who), inside::sees_the_visitor(jailed));
        }
        if self.version == VULNERABLE {
            let places = self.places(data, true);
            for attack in ATTACKS.iter().filter(|attack| attack.can_run()) {
                report.note(&blocked(attack, who), attack.is_blocked(jailed, &places));
            }
        }
    }

    fn attack_bare(&self, report: &mut Report, bare: &Server, data: &Path) {
        if self.version == VULNERABLE {
            let places = self.places(data, false);
            for attack in ATTACKS.iter().filter(|attack| attack.can_run()) {
                report.note(&works(attack), attack.works_bare(bare, &places));
            }
        }
    }

    fn ends(&self, report: &mut Report, jailed: Server, who: Who) -> Result<(), String> {
        let file = jailed.events.clone();
        let (ended, left) = jailed.stop()?;
        report.note(
            &said(JAILED[4], who),
            ensure(ended.code == 0, || format!("{ended:?}")),
        );
        report.note(
            &said(JAILED[5], who),
            ensure(left.is_empty(), || format!("{left:?}")),
        );
        let net = match who {
            Who::Root => Net::Private,
            Who::Ordinary => Net::Public,
        };
        let told = inside::told_of_the_model(&file, net.address());
        report.note(&said(JAILED[6], who), told);
        Ok(())
    }

    fn start(&self, start: &Start) -> Result<Server, String> {
        Server::start(&self.site, &self.scratch, start)
    }

    /// All 23 assertions.
    fn smoke(&self, server: &Server, mock: &str, more: &[&str]) -> Result<String, String> {
        let (code, said) = node_run(
            node_script("smoke.mjs")
                .arg(&server.base)
                .args(["--mock", mock])
                .args(more),
        );
        let whole = code == 0 && said.contains(r#""total":23,"failed":0"#);
        let outcome = ensure(whole, || {
            format!("{said}\nflowjail said: {}", server.stderr())
        });
        outcome.map(|()| said)
    }

    /// The same with what the UI's default is: Flowise counts tokens then, with a table from the world. It keeps the
    /// table, so that a start asks once.
    fn streaming(&self, jailed: &Server, tiktoken: &Tiktoken) -> Check {
        let before = tiktoken.asked().len();
        let said = self.smoke(jailed, &self.mock(true), &["--streaming-model"])?;
        let took = |name| {
            said.lines()
                .find(|l| l.split_whitespace().nth(1) == Some(name))
        };
        for line in ["prediction", "prediction-2"].into_iter().filter_map(took) {
            println!("Flowise {}, a model that streams: {line}", self.version);
        }
        ensure(tiktoken.asked().len() > before, || {
            "tiktoken.pages.dev was not asked for its table".into()
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
