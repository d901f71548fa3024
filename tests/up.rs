//! `up`'s installation with stand-ins for node, npm and the compiler: what it needs, says, survives and checks.
//!
//! The real installation is part of the main job's test, whose trees are made by it.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use flowjail::install::{
    Change, Error, Fact, Free, Missing, Progress, Request, Tree, Unjailed, ensure, pinned,
};

const NODE: &str = r#"#!/bin/sh
PATH=/usr/bin:/bin
case "$1" in
--version) echo v24.1.0 ;;
*)
  for argument; do case "$argument" in --directory=*) package=${argument#*=} ;; esac; done
  mkdir -p "$package/build/Release/obj"
  echo object > "$package/build/Release/obj/a.o"
  echo module > "$package/build/Release/node_sqlite3.node" ;;
esac
"#;

/// Works in `flowise-V.partial`; marks in the directory above steer it and count its runs.
const NPM: &str = r#"#!/bin/sh
/usr/bin/env > ../npm.env
PATH=/usr/bin:/bin
[ "$1" = config ] && { echo http://npm.test/; exit 0; }
echo "$@" >> ../npm.calls
grep -q npm.test package-lock.json && echo addressed >> ../npm.addressed
[ -e ../npm.elsewhere ] && grep -q npm.test package-lock.json && { echo "npm error code E404" >&2; exit 1; }
[ -e ../npm.fails ] && { echo "npm error code ENOTFOUND" >&2; exit 1; }
mkdir -p node_modules/half
[ -e ../npm.slow ] && sleep 2
rm -r node_modules
umask 077
for name in flowise flowise-components flowise-ui sqlite3; do
  mkdir -p node_modules/$name/bin
  echo '{}' > node_modules/$name/package.json
done
echo script > node_modules/flowise/bin/run
ln -s ../flowise/bin/run node_modules/sqlite3/link
"#;

const PYTHON: &str = "#!/bin/sh\necho /usr/bin/python3\necho /usr\n";
const NOTHING: &str = "#!/bin/sh\n";
const VERSION: &str = "3.1.4";

/// A directory with stand-ins in `bin`, trees in `trees`; removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let directory =
            std::env::temp_dir().join(format!("flowjail-up-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("bin")).expect("a temporary directory");
        fs::create_dir_all(directory.join("trees")).expect("a temporary directory");
        let place = Place(directory);
        let programs = [
            ("node", NODE),
            ("npm", NPM),
            ("python3", PYTHON),
            ("make", NOTHING),
            ("c++", NOTHING),
            ("cc", NOTHING),
        ];
        programs
            .iter()
            .for_each(|(name, text)| place.program(name, text));
        place
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.0.join("bin").join(name);
        fs::write(&path, text).expect("a program");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("an executable program");
    }

    fn without(self, name: &str) -> Place {
        fs::remove_file(self.0.join("bin").join(name)).expect("the program is there");
        self
    }

    fn mark(&self, name: &str) {
        fs::write(self.0.join("trees").join(name), "").expect("a mark");
    }

    fn unmark(&self, name: &str) {
        fs::remove_file(self.0.join("trees").join(name)).expect("the mark is there");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join("trees").join(name)).unwrap_or_default()
    }

    fn path(&self) -> OsString {
        self.0.join("bin").into_os_string()
    }

    fn request(&self) -> Request {
        Request {
            version: VERSION.to_owned(),
            root: self.0.join("trees"),
            reinstall: false,
            path: self.path(),
            flowjail: None,
            free: Some(Free {
                bytes: u64::MAX,
                inodes: None,
            }),
        }
    }

    fn ensure(&self) -> Result<Tree, Error> {
        ensure(&self.request(), &mut Facts::default())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowjail"));
        command
            .args(["up", "--install-only", "--dir"])
            .arg(self.0.join("trees"))
            .env("PATH", self.path());
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Default)]
struct Facts(Vec<Fact>);

impl Progress for Facts {
    fn report(&mut self, fact: &Fact) {
        self.0.push(fact.clone());
    }
}

fn missing(result: Result<Tree, Error>) -> Vec<Missing> {
    match result {
        Err(Error::Missing(missing)) => missing,
        other => panic!("not an error about missing programs: {other:?}"),
    }
}

fn change(result: Result<Tree, Error>) -> (PathBuf, Change) {
    match result {
        Err(error @ Error::Changed { .. }) => {
            assert!(
                error
                    .hints()
                    .iter()
                    .any(|hint| hint.contains("flowjail up --reinstall"))
            );
            let Error::Changed { path, change, .. } = error else {
                unreachable!()
            };
            (path, change)
        }
        other => panic!("not an error about a changed tree: {other:?}"),
    }
}

#[test]
fn a_tree_is_installed_once_and_found_again() {
    let place = Place::new("once");
    let first = place.ensure().expect("an installation");
    assert!(first.fresh);
    assert_eq!(first.path, place.0.join("trees/flowise-3.1.4"));
    assert_eq!(first.manifest.node, "24.1.0");
    assert!(first.script().is_file());
    let again = place.ensure().expect("the tree is found");
    assert!(!again.fresh);
    assert_eq!(again.manifest, first.manifest);
    assert_eq!(place.read("npm.calls").lines().count(), 1);
    assert!(!place.0.join("trees/flowise-3.1.4.partial").exists());
}

#[test]
fn npm_runs_no_install_script_and_sees_no_node_options() {
    let place = Place::new("clean");
    let status = place
        .command()
        .env("NODE_OPTIONS", "--require /x")
        .env("LD_LIBRARY_PATH", "/x")
        .status();
    assert!(status.is_ok());
    assert!(
        place
            .read("npm.calls")
            .contains("ci --ignore-scripts --legacy-peer-deps")
    );
    let environment = place.read("npm.env");
    assert!(environment.contains("PATH="), "npm ran");
    assert!(
        !environment.contains("NODE_OPTIONS") && !environment.contains("LD_LIBRARY_PATH"),
        "{environment}"
    );
}

#[test]
fn only_the_module_is_left_of_the_build_and_everyone_may_read_the_tree() {
    let place = Place::new("modes");
    let tree = place.ensure().expect("an installation").path;
    assert!(
        tree.join("node_modules/sqlite3/build/Release/node_sqlite3.node")
            .is_file()
    );
    assert!(!tree.join("node_modules/sqlite3/build/Release/obj").exists());
    let mode = |path: &str| {
        tree.join(path)
            .metadata()
            .map(|data| data.permissions().mode() & 0o777)
            .ok()
    };
    assert_eq!(mode("node_modules/flowise"), Some(0o755));
    assert_eq!(mode("node_modules/flowise/package.json"), Some(0o644));
    assert_eq!(mode(""), Some(0o755));
}

#[test]
fn an_unjailed_build_is_reported() {
    let place = Place::new("unjailed");
    let mut facts = Facts::default();
    ensure(&place.request(), &mut facts).expect("an installation");
    assert!(
        facts.0.contains(&Fact::BuildUnjailed(Unjailed::NotAsked)),
        "{:?}",
        facts.0
    );
}

#[test]
fn a_jail_that_cannot_be_had_is_reported_with_its_reason_and_the_build_goes_on() {
    let place = Place::new("refused");
    place.program(
        "flowjail",
        "#!/bin/sh\necho 'error: no user namespaces here' >&2\nexit 125\n",
    );
    let include = place.0.join("include/node");
    fs::create_dir_all(&include).expect("a directory for headers");
    fs::write(
        include.join("node_version.h"),
        "#define NODE_MAJOR_VERSION 24\n",
    )
    .expect("a header");
    let mut facts = Facts::default();
    let flowjail = Some(place.0.join("bin/flowjail"));
    ensure(
        &Request {
            flowjail,
            ..place.request()
        },
        &mut facts,
    )
    .expect("an installation");
    let refused = Fact::BuildUnjailed(Unjailed::Refused("no user namespaces here".to_owned()));
    assert_eq!(
        facts.0.iter().filter(|fact| **fact == refused).count(),
        1,
        "{:?}",
        facts.0
    );
}

#[test]
fn a_build_that_fails_in_its_jail_is_not_repeated_outside() {
    let place = Place::new("jailed-failure");
    place.program(
        "flowjail",
        "#!/bin/sh\necho 'fatal error: x.h' >&2\nexit 1\n",
    );
    let include = place.0.join("include/node");
    fs::create_dir_all(&include).expect("a directory for headers");
    fs::write(
        include.join("node_version.h"),
        "#define NODE_MAJOR_VERSION 24\n",
    )
    .expect("a header");
    let flowjail = Some(place.0.join("bin/flowjail"));
    let result = ensure(
        &Request {
            flowjail,
            ..place.request()
        },
        &mut Facts::default(),
    );
    let Err(Error::Failed { tail, log, .. }) = result else {
        panic!("{result:?}")
    };
    assert_eq!(tail, ["fatal error: x.h"]);
    assert!(log.is_file());
}

#[test]
fn node_headers_that_are_not_there_are_said() {
    let place = Place::new("headers");
    let mut facts = Facts::default();
    let flowjail = Some(place.0.join("bin/flowjail"));
    ensure(
        &Request {
            flowjail,
            ..place.request()
        },
        &mut facts,
    )
    .expect("an installation");
    assert!(
        facts.0.contains(&Fact::BuildUnjailed(Unjailed::NoHeaders)),
        "{:?}",
        facts.0
    );
}

#[test]
fn every_missing_program_is_named_at_once_with_the_mending_command() {
    let place = Place::new("all")
        .without("node")
        .without("npm")
        .without("python3")
        .without("make")
        .without("c++")
        .without("cc");
    let output = place.command().output().expect("flowjail runs");
    let text = String::from_utf8_lossy(&output.stderr);
    for expected in [
        "error: node is not in PATH",
        "npm is not in PATH",
        "make is not",
        "no C++ compiler",
        "hint: ",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(
        text.contains("hint: on Debian and Ubuntu: `apt-get install python3 make g++`"),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(missing(place.ensure()).len(), 5);
}

#[test]
fn each_missing_program_is_named() {
    let cases = [
        ("node", Missing::Node),
        ("npm", Missing::Npm),
        ("python3", Missing::Python),
        ("make", Missing::Make),
        ("c++", Missing::Compiler),
        ("cc", Missing::Compiler),
    ];
    for (name, expected) in cases {
        let place = Place::new(&format!("no-{name}")).without(name);
        assert_eq!(missing(place.ensure()), [expected]);
        assert!(!place.0.join("trees/flowise-3.1.4.partial").exists());
    }
}

#[test]
fn another_compiler_name_is_a_compiler() {
    let place = Place::new("g++").without("c++");
    place.program("g++", NOTHING);
    assert!(place.ensure().is_ok());
}

#[test]
fn node_18_and_22_are_refused_20_is_taken() {
    for version in ["v18.19.0", "v22.11.0"] {
        let place = Place::new(version);
        place.program("node", &format!("#!/bin/sh\necho {version}\n"));
        let path = place.0.join("bin/node");
        assert_eq!(
            missing(place.ensure()),
            [Missing::NodeVersion {
                path,
                found: version.to_owned()
            }]
        );
    }
    let place = Place::new("v20");
    place.program("node", &NODE.replace("v24.1.0", "v20.20.2"));
    assert_eq!(
        place.ensure().expect("node 20 is fine").manifest.node,
        "20.20.2"
    );
}

#[test]
fn a_later_node_in_path_is_taken_when_the_first_does_not_do() {
    let place = Place::new("second");
    let old = place.0.join("old");
    fs::create_dir(&old).expect("a directory");
    fs::write(old.join("node"), "#!/bin/sh\necho v18.0.0\n").expect("a program");
    fs::set_permissions(old.join("node"), Permissions::from_mode(0o755))
        .expect("an executable program");
    let path = std::env::join_paths([old, place.0.join("bin")]).expect("a PATH");
    let tree = ensure(
        &Request {
            path,
            ..place.request()
        },
        &mut Facts::default(),
    )
    .expect("an installation");
    assert_eq!(tree.manifest.node, "24.1.0");
    let first = format!("PATH={}", place.0.join("bin").display());
    assert!(
        place
            .read("npm.env")
            .lines()
            .any(|line| line.starts_with(&first)),
        "npm would run the old node"
    );
}

#[test]
fn a_full_disk_is_said_before_npm_starts() {
    for free in [
        Free {
            bytes: 1 << 30,
            inodes: None,
        },
        Free {
            bytes: u64::MAX,
            inodes: Some(1000),
        },
    ] {
        let place = Place::new("full");
        let result = ensure(
            &Request {
                free: Some(free),
                ..place.request()
            },
            &mut Facts::default(),
        );
        let Err(error @ Error::NoSpace { .. }) = result else {
            panic!("{result:?}")
        };
        assert!(error.to_string().contains("needed"), "{error}");
        assert!(error.hints()[0].contains("--dir DIR"));
        assert_eq!(place.read("npm.calls"), "");
    }
}

#[test]
fn an_unknown_version_is_answered_with_the_known_ones() {
    let place = Place::new("version");
    let output = place
        .command()
        .args(["--version", "2.2.8"])
        .output()
        .expect("flowjail runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("hint: versions that flowjail installs: 3.1.4, 3.0.5"),
        "{text}"
    );
}

#[test]
fn a_failing_npm_is_shown_with_its_last_lines_and_its_log() {
    let place = Place::new("fails");
    place.mark("npm.fails");
    let Err(error) = place.ensure() else {
        panic!("npm failed")
    };
    let text = error.to_string();
    assert!(text.contains("npm error code ENOTFOUND"), "{text}");
    assert!(
        text.contains("trees/flowise-3.1.4.partial/npm.log"),
        "{text}"
    );
    place.unmark("npm.fails");
    assert!(place.ensure().expect("the next run goes on").fresh);
}

#[test]
fn a_registry_with_other_addresses_is_asked_for_them() {
    let place = Place::new("elsewhere");
    place.mark("npm.elsewhere");
    place.ensure().expect("the second way is taken");
    assert_eq!(place.read("npm.calls").lines().count(), 2);
    assert_eq!(place.read("npm.addressed").lines().count(), 1);
}

#[test]
fn an_interrupted_installation_is_taken_up_again() {
    let place = Place::new("killed");
    place.mark("npm.slow");
    let mut first = place
        .command()
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("flowjail runs");
    wait_for(
        &place
            .0
            .join("trees/flowise-3.1.4.partial/node_modules/half"),
    );
    // only flowjail: the npm that it leaves behind must not work beside the next one
    first.kill().expect("it runs");
    first.wait().expect("it ended");
    assert!(!place.0.join("trees/flowise-3.1.4").exists());
    let mut facts = Facts::default();
    let tree = ensure(&place.request(), &mut facts).expect("the next run installs");
    assert!(tree.fresh);
    assert!(
        facts
            .0
            .iter()
            .any(|fact| matches!(fact, Fact::Waiting { .. })),
        "{:?}",
        facts.0
    );
    assert!(facts.0.contains(&Fact::Clearing), "{:?}", facts.0);
    assert!(!tree.path.join("node_modules/half").exists());
    tree.verify().expect("the tree is whole");
}

#[test]
fn after_npm_is_done_an_interrupted_build_does_not_fetch_again() {
    let place = Place::new("build-killed");
    place.program("node", &NODE.replace("mkdir -p", "exit 1; mkdir -p"));
    let Err(Error::Failed { what, .. }) = place.ensure() else {
        panic!("the build failed")
    };
    assert_eq!(what, "the build of sqlite3");
    place.program("node", NODE);
    assert!(place.ensure().expect("the next run goes on").fresh);
    assert_eq!(place.read("npm.calls").lines().count(), 1);
}

#[test]
fn of_two_at_once_one_installs_and_the_other_takes_its_tree() {
    let place = Place::new("two");
    place.mark("npm.slow");
    let trees = thread::scope(|scope| {
        let both = [
            scope.spawn(|| place.ensure()),
            scope.spawn(|| place.ensure()),
        ];
        both.map(|one| one.join().expect("no panic").expect("a tree"))
    });
    assert_eq!(trees.iter().filter(|tree| tree.fresh).count(), 1);
    assert_eq!(place.read("npm.calls").lines().count(), 1);
}

#[test]
fn reinstall_replaces_the_tree() {
    let place = Place::new("reinstall");
    let tree = place.ensure().expect("an installation").path;
    fs::write(tree.join("node_modules/flowise/bin/run"), "other").expect("a write");
    assert!(place.ensure().is_err());
    let again = ensure(
        &Request {
            reinstall: true,
            ..place.request()
        },
        &mut Facts::default(),
    );
    assert!(again.expect("a new tree").fresh);
    place.ensure().expect("the new tree holds");
    assert!(!place.0.join("trees/flowise-3.1.4.partial").exists());
}

#[test]
fn a_changed_tree_is_refused_and_the_first_changed_path_named() {
    let place = Place::new("changed");
    let tree = place.ensure().expect("an installation").path;
    let run = tree.join("node_modules/flowise/bin/run");
    let added = tree.join("node_modules/flowise-ui/new.js");
    fs::write(&added, "x").expect("a write");
    assert_eq!(
        change(place.ensure()),
        ("node_modules/flowise-ui/new.js".into(), Change::Added)
    );
    fs::remove_file(&added).expect("it is there");
    place.ensure().expect("all is as before");

    let mode = |mode| fs::set_permissions(&run, Permissions::from_mode(mode)).expect("a mode");
    mode(0o4755);
    assert_eq!(
        change(place.ensure()),
        ("node_modules/flowise/bin/run".into(), Change::Attributes)
    );
    mode(0o644);

    let time = run
        .metadata()
        .and_then(|data| data.modified())
        .expect("a time");
    fs::write(&run, "SCRIPT\n").expect("a write");
    fs::File::options()
        .write(true)
        .open(&run)
        .and_then(|file| file.set_modified(time))
        .expect("a time");
    assert_eq!(
        change(place.ensure()),
        ("node_modules/flowise/bin/run".into(), Change::Contents)
    );
    fs::write(&run, "script\n").expect("a write");
    fs::File::options()
        .write(true)
        .open(&run)
        .and_then(|file| file.set_modified(time))
        .expect("a time");
    place.ensure().expect("all is as before");

    let link = tree.join("node_modules/sqlite3/link");
    fs::remove_file(&link).expect("it is there");
    symlink("/etc/passwd", &link).expect("a link");
    assert_eq!(
        change(place.ensure()),
        ("node_modules/sqlite3/link".into(), Change::Attributes)
    );
    fs::remove_file(&link).expect("it is there");
    assert_eq!(
        change(place.ensure()),
        ("node_modules/sqlite3/link".into(), Change::Removed)
    );
}

#[test]
fn logs_that_flowise_wrote_beside_itself_are_no_change() {
    let place = Place::new("logs");
    let tree = place.ensure().expect("an installation").path;
    fs::create_dir(tree.join("node_modules/flowise/logs")).expect("a directory");
    fs::write(tree.join("node_modules/flowise/logs/server.log"), "x").expect("a write");
    place.ensure().expect("the tree holds");
}

#[test]
fn a_tree_of_another_lock_file_or_form_is_refused() {
    let place = Place::new("lock");
    let tree = place.ensure().expect("an installation").path;
    let path = tree.join("manifest.json");
    let text = fs::read_to_string(&path).expect("a manifest");
    let digest = pinned(VERSION).expect("it is pinned").digest();
    for other in [
        text.replace(&digest, "00"),
        text.replace("\"manifest\": 1", "\"manifest\": 2"),
        "{".to_owned(),
    ] {
        fs::write(&path, other).expect("a write");
        let result = place.ensure();
        assert!(
            matches!(result, Err(Error::BadManifest { .. })),
            "{result:?}"
        );
    }
}

fn wait_for(path: &Path) {
    let end = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < end, "{} never came", path.display());
        thread::sleep(Duration::from_millis(20));
    }
}
