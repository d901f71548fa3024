//! The table of denied acts (tests/denied_acts) in a container, with what a bare jail has of the layers. All acts run in
//! one container, once without flowjail and once each behind it.

use super::bed::bed;
use super::config::USER;
use super::container::Container;
use super::engine::ask;
use super::image::FLOWJAIL;
use super::world::NETWORK;
use crate::act::{Act, Claim, Layer, Twin};
use crate::kit::{Check, ensure};
use crate::stage::SECRET;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::OnceLock;
use std::time::Duration;

/// The layers that need no namespace.
const BARE: [Layer; 7] = [
    Layer::Caps,
    Layer::NoNewPrivs,
    Layer::Landlock,
    Layer::Seccomp,
    Layer::Exec,
    Layer::Env,
    Layer::Fds,
];

/// Denials by the name of the call that only a bare jail gives: its supervisor connects for the workload, or not.
const ALSO: [(&str, &str); 2] = [
    ("connect-tcp", "ECONNREFUSED"),
    ("connect-abstract", "ECONNREFUSED"),
];

/// What the layers that are there hold only beside mounts of the jail's own, by sentence.
const NOT_HELD: [&str; 1] = ["loads a library that it wrote to /tmp"]; // native-code: /tmp is writable, and no mount is noexec

/// What the acts answered, by number.
type Answers = Result<BTreeMap<usize, String>, String>;

/// The acts of the table that an ordinary user can try: of root's, the container has nothing to show.
pub fn acts() -> Vec<Act> {
    let all = crate::table::all().into_iter();
    all.filter(|act| matches!(act.bare, Some((Twin::User, _))))
        .collect()
}

/// Whether a bare jail claims to deny it, with which claims.
pub fn claims(act: &Act) -> Vec<&Claim> {
    if NOT_HELD.contains(&act.sentence) {
        return Vec::new();
    }
    let bare = |claim: &&Claim| claim.layers.iter().all(|layer| BARE.contains(layer));
    act.claims.iter().filter(bare).collect()
}

/// Without flowjail it works, or the container itself denies it, which is then said.
pub fn works_in_the_container(number: usize, act: &Act) -> Check {
    let answer = answer(bare(), number)?;
    if !works(act, &answer) {
        println!("the container denies by itself: {}: {answer}", act.sentence);
    }
    let known = works(act, &answer)
        || [
            "EPERM", "EACCES", "ENOSYS", "ENOENT", "EROFS", "ENODEV", "withheld",
        ]
        .contains(&answer.as_str());
    ensure(known, || answer)
}

/// Behind flowjail it is denied with an answer of a layer that is there, or still by the container.
pub fn is_denied(number: usize, act: &Act) -> Check {
    let (bare, jailed) = (answer(bare(), number)?, answer(jailed(), number)?);
    let claims = claims(act);
    let also = ALSO.contains(&(act.arguments[0], jailed.as_str()));
    let denied = also
        || claims
            .iter()
            .any(|claim| claim.answers.contains(&jailed.as_str()));
    let by_container = !works(act, &bare) && jailed == bare;
    ensure(denied || by_container, || {
        let answers: Vec<_> = claims.iter().flat_map(|claim| &claim.answers).collect();
        format!("bare {bare}, jailed {jailed} and none of {answers:?}")
    })
}

fn works(act: &Act, answer: &str) -> bool {
    act.bare.is_some_and(|(_, outcome)| outcome.is(answer))
}

fn answer(answers: &Answers, number: usize) -> Result<String, String> {
    let answers = answers.as_ref().map_err(Clone::clone)?;
    answers
        .get(&number)
        .cloned()
        .ok_or_else(|| format!("no answer in {answers:?}"))
}

fn bare() -> &'static Answers {
    static ANSWERS: OnceLock<Answers> = OnceLock::new();
    ANSWERS.get_or_init(|| play("bare", ""))
}

fn jailed() -> &'static Answers {
    static ANSWERS: OnceLock<Answers> = OnceLock::new();
    ANSWERS.get_or_init(|| {
        play(
            "jailed",
            &format!("{FLOWJAIL} run --profile /stage/jail.toml --"),
        )
    })
}

/// Runs all acts with that in front, in a container of their own.
fn play(name: &str, before: &str) -> Answers {
    let bed = bed()?;
    let stage = bed.open_dir(&format!("stage-{name}"))?;
    let file =
        |name: &str, text: &str| std::fs::write(stage.join(name), text).map_err(|e| e.to_string());
    file("jail.toml", PROFILE)?;
    file("play.sh", &script(before))?;
    file("root.sh", BY_ROOT)?;
    let volume = format!("{}:/stage", stage.display());
    let flags = [
        USER.as_slice(),
        &["-v", &volume, "--network", NETWORK, "--init"],
    ]
    .concat();
    let container = Container::start(&flags, &["sleep", "600"])?;
    ask([
        "exec",
        "--user",
        "0:0",
        container.name(),
        "sh",
        "/stage/root.sh",
    ])?;
    let ended = container.exec_within(&["sh", "/stage/play.sh"], Duration::from_secs(150))?;
    let mut answers = BTreeMap::new();
    for line in ended.stdout.lines() {
        if let Some((number, said)) = line.split_once('\t')
            && let Ok(number) = number.parse()
        {
            answers.insert(number, read(said));
        }
    }
    ensure(
        !answers.is_empty() && ended.status.is_some_and(|s| s.success()),
        || format!("{ended:?}"),
    )?;
    Ok(answers)
}

/// The answer of a line of the script: `act ok`, `act errno NAME`, `act withheld`, with the exit code behind it.
fn read(said: &str) -> String {
    match said.split_whitespace().collect::<Vec<_>>()[..] {
        [_, "errno", name, "0"] => name.to_owned(),
        [_, word, "0"] => word.to_owned(),
        [code] => match code
            .parse::<i32>()
            .map(|code| nix::sys::signal::Signal::try_from(code - 128))
        {
            Ok(Ok(signal)) => signal.as_str().to_owned(),
            _ => format!("exit {code}"),
        },
        _ => said.to_owned(),
    }
}

const PROFILE: &str = r#"extends = ["node"]
[files]
read = ["/stage/bin", "/stage/readonly", "/probe"]
write = ["/stage/data"]
[net]
enabled = true
[resources]
pids = 96
"#;

/// What only root can put on the stage.
const BY_ROOT: &str = r#"set -e
umask 022
cd /stage
mkdir -m 755 bin; mkdir -m 700 data
cp /probe bin/probe; cp /probe bin/setuid; chmod 4755 bin/setuid
cp /probe bin/capable; /probe set-file-capability /stage/bin/capable
mknod -m 666 data/device c 1 3; chmod 666 data/device
chown 1000:1000 data
"#;

/// Files and a process outside, as the stage of the table has them.
const STAGE: &str = r#"set -u
umask 022
cd /stage
mkdir -m 755 outside; mkdir -m 777 outside/open readonly; mkdir -m 700 data/folder
cp /probe readonly/program; echo decoy >outside/decoy
mkdir -p live; sleep 600 | bin/probe serve /stage/outside/open >live/words &
while ! read -r pid port abstract shm socket <live/words; do sleep 0.05; done
hostname=$(cat /proc/sys/kernel/hostname)
reset() { for f in outside/open/file readonly/file data/file; do echo text >/stage/$f; chmod 666 /stage/$f; done; }
cd /
"#;

fn script(before: &str) -> String {
    let mut text = STAGE.to_owned();
    let _ = writeln!(
        text,
        "export {SECRET}=secret NODE_OPTIONS=--no-warnings LD_LIBRARY_PATH=/nonexistent"
    );
    for (number, act) in acts().iter().enumerate() {
        let words: Vec<String> = act.arguments.iter().map(|word| quoted(word)).collect();
        let _ = writeln!(
            text,
            "reset; said=$(timeout 20 {before} /stage/bin/probe {} 7</dev/null </dev/null 2>>/stage/live/stderr); \
             printf '%s\\t%s %s\\n' {number} \"$said\" $?",
            words.join(" ")
        );
    }
    text += "exit 0\n";
    text
}

/// One word for the shell, its `{name}` filled.
fn quoted(word: &str) -> String {
    let device = crate::stage::root_device()
        .unwrap_or_default()
        .display()
        .to_string();
    let loader = crate::stage::dynamic_loader()
        .unwrap_or_default()
        .display()
        .to_string();
    let filled = [
        // The jail starts elsewhere than the twin, both one step below the root at most.
        ("/proc/self/cwd", "/proc/self/cwd/.."),
        ("{outside}", "/stage/outside"),
        ("{open}", "/stage/outside/open"),
        ("{data}", "/stage/data"),
        ("{readonly}", "/stage/readonly"),
        ("{bin}", "/stage/bin"),
        ("{device}", &device),
        ("{ld.so}", &loader),
        ("{pid}", "'\"$pid\"'"),
        ("{port}", "'\"$port\"'"),
        ("{abstract}", "'\"$abstract\"'"),
        ("{shm}", "'\"$shm\"'"),
        ("{socket}", "'\"$socket\"'"),
        ("{host-name}", "'\"$hostname\"'"),
    ]
    .iter()
    .fold(word.to_owned(), |text, (name, value)| {
        text.replace(name, value)
    });
    format!("'{filled}'")
}
