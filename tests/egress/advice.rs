//! Every refusal of a name or an address is one event that names the line to add; the digest lists it; with that line
//! the same act succeeds. Where no line should allow it, both say so.
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use libtest_mimic::{Failed, Trial};

use crate::Stage;
use crate::act::words;
use crate::kit::ensure;
use crate::kit::who::Who;
use crate::show::{Run, jailed, jailed_by};
use crate::start::{Kind, Start};
use crate::world::World;

/// A refusal, the advice, and what the act gets once it is followed.
#[derive(Clone, Copy)]
struct Case {
    what: &'static str,
    flags: &'static str,
    arguments: &'static str,
    /// A flag, or a line of the profile as `[net] key = value`; empty: none.
    allow: &'static str,
    then: &'static str,
}

const fn case(what: &'static str, flags: &'static str, arguments: &'static str) -> Case {
    Case {
        what,
        flags,
        arguments,
        allow: "",
        then: "",
    }
}

impl Case {
    const fn allowed_by(mut self, allow: &'static str, then: &'static str) -> Case {
        self.allow = allow;
        self.then = then;
        self
    }
}

const CASES: [Case; 17] = [
    case("a name", "", "https other.world.test 443 {ca}")
        .allowed_by("--allow other.world.test", "ok 200"),
    case(
        "a name, asked for past libc",
        "",
        "own-dns other.world.test",
    )
    .allowed_by("--allow other.world.test", "ok code 0 records 1"),
    case(
        "a name that the command line gives a private address",
        "--add-host given.world.test=127.0.0.1",
        "https given.world.test 443 {ca}",
    )
    .allowed_by("--allow-private given.world.test", "ok 200"),
    case(
        "a name that the command line gives a public address",
        "--add-host given.world.test=203.0.113.11",
        "https given.world.test 443 {ca}",
    )
    .allowed_by("--allow given.world.test", "ok 200"),
    case(
        "a port",
        "--allow ssh.world.test",
        "banner ssh.world.test 22",
    )
    .allowed_by("--allow ssh.world.test:22", "ok SSH-2.0"),
    case(
        "a port of plain HTTP",
        "--allow api.world.test",
        "http api.world.test 80",
    )
    .allowed_by("--allow api.world.test:80", "ok 200"),
    case(
        "a private address",
        "--allow private.world.test:80",
        "http private.world.test 80",
    )
    .allowed_by("--allow-private private.world.test:80", "ok 200"),
    case(
        "a loopback address",
        "--allow loopback.world.test:9000",
        "http loopback.world.test 9000",
    )
    .allowed_by("--allow-private loopback.world.test:9000", "ok 200"),
    case(
        "a raw address",
        "--allow api.world.test:80",
        "http 203.0.113.11 80",
    )
    .allowed_by("[net] addresses = [\"203.0.113.11:80\"]", "ok 200"),
    case(
        "a raw IPv6 address",
        "--allow api.world.test:80",
        "http 2001:db8::10 80",
    )
    .allowed_by("[net] addresses = [\"[2001:db8::10]:80\"]", "ok 200"),
    case(
        "a protocol that is not TLS",
        "--allow api.world.test",
        "ask api.world.test 443 SSH-2.0-OpenSSH_9.2",
    )
    .allowed_by(
        "[net] allow = [{ host = \"api.world.test\", port = 443, as = \"tcp\" }]",
        "ECONNRESET", // by the host, which speaks TLS
    ),
    case(
        "the metadata service's address",
        "--allow api.world.test:80",
        "http 169.254.169.254 80",
    ),
    case(
        "a name that leads to the metadata service",
        "--allow metadata-by-name.world.test:80",
        "http metadata-by-name.world.test 80",
    ),
    case(
        "a name that leads to the metadata service through NAT64",
        "--allow nat64.world.test:80",
        "http nat64.world.test 80",
    ),
    case(
        "a private name that leads to the metadata service",
        "--allow-private metadata-by-name.world.test:80",
        "http metadata-by-name.world.test 80",
    ),
    case(
        "the metadata service's name",
        "",
        "http metadata.google.internal 80",
    ),
    case(
        "a wrong name in a hello",
        "--allow api.world.test",
        "client-hello api.world.test 443 other.world.test",
    ),
];

pub fn trials(stage: &Stage) -> Vec<Trial> {
    Kind::BOTH
        .into_iter()
        .flat_map(|kind| trials_in(stage, kind))
        .collect()
}

fn trials_in(stage: &Stage, kind: Kind) -> impl Iterator<Item = Trial> {
    let told = CASES.into_iter().map(move |case| {
        let advice = if case.allow.is_empty() {
            "that no line should allow it"
        } else {
            case.allow
        };
        let (what, word) = (case.what, kind.word());
        let name = format!("{what}: one event and the digest tell {advice}{word}");
        stage.trial(name, move |world| tells(world, kind, &case))
    });
    let followed = CASES
        .into_iter()
        .filter(|case| !case.allow.is_empty())
        .map(move |case| {
            let (what, allow, word) = (case.what, case.allow, kind.word());
            let name = format!("{what}: {allow} lets it through{word}");
            stage.trial(name, move |world| is_right(world, kind, &case))
        });
    told.chain(followed)
}

fn tells(world: &World, kind: Kind, case: &Case) -> Result<(), Failed> {
    let run = jailed(
        world,
        Start::of(kind),
        &words(case.flags),
        &words(case.arguments),
    )?;
    // The same event comes again with another count.
    let told: BTreeSet<_> = run
        .refusals()
        .iter()
        .map(|event| {
            [
                "event", "name", "host", "address", "port", "reason", "allow",
            ]
            .map(|key| event[key].to_string())
        })
        .collect();
    ensure(told.len() == 1, || {
        format!("{} refusals: {told:#?}\n{run:#?}", told.len())
    })?;
    let allow = run.refusals()[0]["allow"].as_str().map(str::to_owned);
    ensure(allow.as_deref() == Some(case.allow), || {
        format!("the event's advice: {allow:?}")
    })?;
    in_digest(&run, case)
}

fn in_digest(run: &Run, case: &Case) -> Result<(), Failed> {
    let line = match case.allow {
        "" => "no profile should allow it".to_owned(),
        allow => format!("to allow it: {allow}"),
    };
    // What stands in brackets behind it explains the line.
    let is_it = |told: &&str| told.trim().split("  (").next() == Some(&line);
    let lines = run.stderr.lines().filter(is_it).count();
    Ok(ensure(lines == 1, || {
        format!("{lines} times {line:?} in {}", run.stderr)
    })?)
}

fn is_right(world: &World, kind: Kind, case: &Case) -> Result<(), Failed> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let (flags, arguments) = (words(case.flags), words(case.arguments));
    let run = match case.allow.strip_prefix("[net] ") {
        None => {
            let flags = [flags, words(case.allow)].concat();
            jailed(world, Start::of(kind), &flags, &arguments)?
        }
        Some(line) => {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let profile = world.profile(
                kind,
                &format!("advised-{number}.toml"),
                &format!("[net]\n{line}\n"),
            )?;
            // The line says what the flag did, and more.
            jailed_by(world, Who::Ordinary, &profile, &[], &arguments)?
        }
    };
    ensure(run.refusals().is_empty(), || format!("refused: {run:#?}"))?;
    Ok(ensure(run.answer.starts_with(case.then), || {
        format!("not {:?}: {run:#?}", case.then)
    })?)
}
