//! Stand-ins for node, npm and the compiler, and a directory to install in.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use flowjail::install::{Change, Error, Fact, Free, Missing, Progress, Request, Tree, ensure};

pub const NODE: &str = r#"#!/bin/sh
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
pub const NPM: &str = r#"#!/bin/sh
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

pub const PYTHON: &str = "#!/bin/sh\necho /usr/bin/python3\necho /usr\n";
pub const NOTHING: &str = "#!/bin/sh\n";
pub const VERSION: &str = "3.1.4";

/// A directory with stand-ins in `bin`, trees in `trees`; removed at the end.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new(name: &str) -> Place {
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

    pub fn program(&self, name: &str, text: &str) {
        write_program(&self.0.join("bin").join(name), text);
    }

    pub fn without(self, name: &str) -> Place {
        fs::remove_file(self.0.join("bin").join(name)).expect("the program is there");
        self
    }

    pub fn mark(&self, name: &str) {
        fs::write(self.0.join("trees").join(name), "").expect("a mark");
    }

    pub fn unmark(&self, name: &str) {
        fs::remove_file(self.0.join("trees").join(name)).expect("the mark is there");
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join("trees").join(name)).unwrap_or_default()
    }

    pub fn path(&self) -> OsString {
        self.0.join("bin").into_os_string()
    }

    pub fn request(&self) -> Request {
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

    pub fn ensure(&self) -> Result<Tree, Error> {
        ensure(&self.request(), &mut Facts::default())
    }

    pub fn command(&self) -> Command {
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
pub struct Facts(pub Vec<Fact>);

impl Progress for Facts {
    fn report(&mut self, fact: &Fact) {
        self.0.push(fact.clone());
    }
}

pub fn missing(result: Result<Tree, Error>) -> Vec<Missing> {
    match result {
        Err(Error::Missing(missing)) => missing,
        other => panic!("not an error about missing programs: {other:?}"),
    }
}

pub fn change(result: Result<Tree, Error>) -> (PathBuf, Change) {
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

pub fn wait_for(path: &Path) {
    let end = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < end, "{} never came", path.display());
        thread::sleep(Duration::from_millis(20));
    }
}

/// A program of this text. Another process writes it: a descriptor here could be inherited by a fork of another thread,
/// and the program were "text file busy".
pub fn write_program(path: &Path, text: &str) {
    let mut shell = Command::new("/bin/sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut stdin = shell.stdin.take().expect("its stdin");
    stdin.write_all(text.as_bytes()).expect("a program");
    drop(stdin);
    assert!(shell.wait().expect("its end").success(), "{path:?}");
}
