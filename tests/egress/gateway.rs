//! What the gateway makes of the world behind it: name servers that move, fail, lie or are silent, limits, and ports
//! that the program in the jail has taken for itself.
use std::sync::atomic::{AtomicU32, Ordering};

use libtest_mimic::{Failed, Trial};

use crate::Stage;
use crate::act::words;
use crate::kit::ensure;
use crate::kit::who::Who;
use crate::show::{Run, bare, jailed_by};
use crate::start::{Kind, Start};
use crate::world::World;

/// A run in a jail, and the same without what decides on it.
#[derive(Clone, Copy)]
struct Case {
    sentence: &'static str,
    /// Keys of `[net]`.
    net: &'static str,
    flags: &'static str,
    arguments: &'static str,
    /// The answer's beginning; `|` parts those that are as good.
    answer: &'static str,
    /// Words of every refusal's reason; empty: there is none.
    reason: &'static str,
    /// Where the name servers are asked; empty: that is another case's.
    asks: &'static str,
    /// The answer and the reason in the bare jail, where they are others.
    bare: Option<(&'static str, &'static str)>,
    twin: Twin,
}

#[derive(Clone, Copy)]
enum Twin {
    /// Without a jail.
    Bare(&'static str),
    /// In one with these keys of `[net]`.
    Net(&'static str, &'static str),
    /// In one, with these arguments.
    Arguments(&'static str, &'static str),
}

const fn case(sentence: &'static str, flags: &'static str, arguments: &'static str) -> Case {
    Case {
        sentence,
        net: "",
        flags,
        arguments,
        answer: "ok",
        reason: "",
        asks: "",
        bare: None,
        twin: Twin::Bare("ok"),
    }
}

impl Case {
    const fn net(mut self, keys: &'static str) -> Case {
        self.net = keys;
        self
    }

    const fn answers(mut self, answer: &'static str, reason: &'static str) -> Case {
        self.answer = answer;
        self.reason = reason;
        self
    }

    const fn asks(mut self, server: &'static str) -> Case {
        self.asks = server;
        self
    }

    const fn in_bare(mut self, answer: &'static str, reason: &'static str) -> Case {
        self.bare = Some((answer, reason));
        self
    }

    fn expected(&self, kind: Kind) -> (&'static str, &'static str) {
        let own = self.bare.filter(|_| kind == Kind::Bare);
        own.unwrap_or((self.answer, self.reason))
    }

    const fn twin(mut self, twin: Twin) -> Case {
        self.twin = twin;
        self
    }
}

const MOVES: Case = case(
    "an address is kept for its time to live, and asked for again after it",
    "--allow m{run}.moves.world.test:80",
    "repeatedly m{run}.moves.world.test 80 0 0.2 2.2",
)
.answers("ok 203.0.113.10 203.0.113.10 203.0.113.11", "")
.asks("203.0.113.53:53")
.twin(Twin::Bare("ok 203.0.113.10 203.0.113.11 203.0.113.11"));

const RESOLVERS: [Case; 9] = [
    MOVES,
    case(
        "the profile's name server is asked, and not the host's",
        "--allow third.world.test:80",
        "repeatedly third.world.test 80 0",
    )
    .net("resolver = [\"198.51.100.7\"]")
    .answers("ok 198.51.100.7", "")
    .asks("198.51.100.7:53"),
    case(
        "a name server that is down is passed over",
        "--allow third.world.test:80",
        "repeatedly third.world.test 80 0",
    )
    .net("resolver = [\"203.0.113.10\", \"203.0.113.53\"]")
    .answers("ok 198.51.100.7", ""),
    case(
        "answers that are not to the question are not heard",
        "--allow f{run}.forged.world.test:80",
        "repeatedly f{run}.forged.world.test 80 0",
    )
    .answers("ok 203.0.113.10", ""),
    case(
        "a name server that fails is a failed connection",
        "--allow a.broken.world.test:80",
        "http a.broken.world.test 80",
    )
    .answers("ECONNRESET", "a name server failed (code 2)")
    .twin(Twin::Bare("EAI_AGAIN")),
    case(
        "aliases in a circle are a failed connection",
        "--allow a.circle.world.test:80",
        "http a.circle.world.test 80",
    )
    .answers("ECONNRESET", "a name server failed (code 2)")
    .twin(Twin::Bare("EAI_")),
    case(
        "an allowed name that nobody has is a failed connection",
        "--allow nobody.world.test:80",
        "http nobody.world.test 80",
    )
    .answers("ECONNRESET", "the name servers know no address")
    .twin(Twin::Bare("EAI_NONAME")),
    case(
        "a silent name server is a failed connection within five seconds",
        "--allow a.silent.world.test:80",
        "http a.silent.world.test 80",
    )
    .answers("ECONNRESET", "the name servers do not answer")
    .twin(Twin::Net(
        "hosts = { \"a.silent.world.test\" = \"203.0.113.10\" }",
        "ok 200",
    )),
    case(
        "a name server that is silent about one host keeps no other waiting",
        "--allow a.silent.world.test:80 --allow api.world.test:80",
        "beside a.silent.world.test api.world.test 80",
    )
    .answers("ok 200", ""),
];

const LIMITS: [Case; 2] = [
    case(
        "a host has no more connections than its limit, and a new one when an old one has ended",
        "--allow api.world.test:7000",
        "holds api.world.test 7000 5",
    )
    .net("limits = { per_host = 3 }")
    .answers(
        "ok 3 answered, then one more",
        "too many connections to this host",
    )
    .twin(Twin::Net("", "ok 5 answered, then one more")),
    case(
        "all hosts together have no more connections than the limit",
        "--allow api.world.test:7000",
        "holds api.world.test 7000 5",
    )
    .net("limits = { connections = 3, per_host = 3 }")
    .answers("ok 3 answered, then one more", "too many connections")
    .twin(Twin::Net(
        "limits = { connections = 5, per_host = 5 }",
        "ok 5 answered, then one more",
    )),
];

const SERVES_7000: &str = "publish = [{ address = \"127.0.0.1:17000\", to = 7000 }, { address = \"127.0.0.1:17001\", to = 7001 }]";

const PORTS: [Case; 2] = [
    case(
        "a program that serves a port at all addresses does not reach a host at the same port, and is told why",
        "--allow third.world.test:7000",
        "occupied third.world.test 7000 7000",
    )
    .net(SERVES_7000)
    .answers("EAI_AGAIN", "listens on this port of every address")
    // The gateway takes no port of a host's there, so that none is in the way.
    .in_bare("ok ping", "")
    .twin(Twin::Arguments(
        "occupied third.world.test 7000 7001",
        "ok ping",
    )),
    case(
        "a program that has spoken to a host does not serve the same port at all addresses",
        "--allow third.world.test:7000",
        "occupied-later third.world.test 7000 7000",
    )
    .net(SERVES_7000)
    .answers("EADDRINUSE", "")
    .in_bare("ok ping", "")
    .twin(Twin::Arguments(
        "occupied-later third.world.test 7000 7001",
        "ok ping",
    )),
];

const RANGES: [Case; 5] = [
    range(
        "a range of addresses holds no metadata service",
        "addresses = [\"160.0.0.0/4:80\"]",
        "http 169.254.169.254 80",
    ),
    range(
        "a range of addresses holds no metadata service mapped into IPv6",
        "addresses = [\"160.0.0.0/4:80\", \"[::/1]:80\"]",
        "http ::ffff:169.254.169.254 80",
    ),
    range(
        "a range of addresses holds no metadata service behind NAT64",
        "addresses = [\"[64::/16]:80\"]",
        "http 64:ff9b::a9fe:a9fe 80",
    ),
    range(
        "a range of addresses holds no metadata service behind 6to4",
        "addresses = [\"[2000::/3]:80\"]",
        "http 2002:a9fe:a9fe:: 80",
    ),
    case(
        "a range of addresses holds the others",
        "",
        "http 203.0.113.11 80",
    )
    .net("addresses = [\"203.0.0.0/8:80\"]")
    .answers("ok 200", "")
    .twin(Twin::Net("", "E")),
];

const fn range(sentence: &'static str, net: &'static str, arguments: &'static str) -> Case {
    case(sentence, "", arguments)
        .net(net)
        .answers("ECONNREFUSED|ECONNRESET|refused: closed", "metadata")
        .twin(Twin::Bare("ok 200 SECRET-CREDENTIALS"))
}

pub fn trials(stage: &Stage) -> Vec<Trial> {
    let all = RESOLVERS
        .into_iter()
        .chain(LIMITS)
        .chain(PORTS)
        .chain(RANGES);
    let of_case = |case: Case| {
        let starts = Start::ALL.map(|start| {
            let name = start.names(case.sentence);
            stage.trial(name, move |world| holds(world, &case, start))
        });
        // Without a jail there is one kind.
        let kinds = match case.twin {
            Twin::Bare(_) => &[Kind::Namespaced],
            _ => Kind::BOTH.as_slice(),
        };
        let twins = kinds.iter().map(move |&kind| {
            let name = format!("{}: {}{}", case.sentence, case.twin.told(), kind.word());
            stage.trial(name, move |world| is_decided_by_it(world, kind, &case))
        });
        starts.into_iter().chain(twins)
    };
    let mut trials: Vec<_> = all.flat_map(of_case).collect();
    trials.push(stage.trial(
        "records of a pattern's names carry no data: answered without a jail",
        |world| {
            let run = bare(world, Who::Ordinary, &RECORDS)?;
            Ok(ensure(run.answer == "ok 300 answered", || {
                format!("{run:#?}")
            })?)
        },
    ));
    trials.extend(Kind::BOTH.map(|kind| {
        let what = "records of a pattern's names carry no data: a few are asked for outside";
        let name = format!("{what}{}", kind.word());
        stage.trial(name, move |world| records_of_a_pattern(world, kind))
    }));
    trials
}

const RECORDS: [&str; 4] = ["records", "wild.world.test", "300", "16"];
/// As many as such a pattern may have addresses at once, and some that are earned meanwhile.
const A_FEW: usize = 80;

fn records_of_a_pattern(world: &World, kind: Kind) -> Result<(), Failed> {
    let net = "allow = [{ host = \"*.wild.world.test:7000\", as = \"tcp\", records = true }]";
    let profile = world.profile(kind, "records.toml", &format!("[net]\n{net}\n"))?;
    let run = jailed_by(world, Who::Ordinary, &profile, &[], &RECORDS)?;
    let asked = run.asked().len();
    Ok(ensure((1..=A_FEW).contains(&asked), || {
        format!("{asked} queries outside; {}", run.answer)
    })?)
}

impl Twin {
    fn told(&self) -> String {
        match self {
            Twin::Bare(answer) => format!("{answer} without a jail"),
            Twin::Net("", answer) => format!("{answer} without the line"),
            Twin::Net(keys, answer) => format!("{answer} with {keys}"),
            Twin::Arguments(arguments, answer) => format!("{answer} by {arguments}"),
        }
    }
}

fn in_jail(world: &World, start: Start, case: &Case, net: &str) -> Result<Run, Failed> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let profile = world.profile(
        start.kind,
        &format!("gateway-{number}.toml"),
        &format!("[net]\n{net}\n"),
    )?;
    jailed_by(
        world,
        start.who,
        &profile,
        &words(case.flags),
        &words(case.arguments),
    )
}

fn holds(world: &World, case: &Case, start: Start) -> Result<(), Failed> {
    let run = in_jail(world, start, case, case.net)?;
    let (answer, reason) = case.expected(start.kind);
    let mut good = answer.split('|');
    ensure(good.any(|answer| run.answer.starts_with(answer)), || {
        format!("not {answer:?}\n{run:#?}")
    })?;
    let refusals = run.refusals();
    let says = |event: &&serde_json::Value| {
        event["reason"]
            .as_str()
            .is_some_and(|why| why.contains(reason))
    };
    let as_told = match reason {
        "" => refusals.is_empty(),
        _ => !refusals.is_empty() && refusals.iter().all(says),
    };
    ensure(as_told, || format!("not because of {reason:?}\n{run:#?}"))?;
    let elsewhere =
        |line: &&serde_json::Value| line["server"] == "dns" && line["local"] != case.asks;
    let odd = run.arrivals.iter().find(elsewhere);
    Ok(ensure(case.asks.is_empty() || odd.is_none(), || {
        format!("asked elsewhere: {odd:?}")
    })?)
}

fn is_decided_by_it(world: &World, kind: Kind, case: &Case) -> Result<(), Failed> {
    let (run, answer) = match case.twin {
        Twin::Bare(answer) => (bare(world, Who::Ordinary, &words(case.arguments))?, answer),
        Twin::Net(keys, answer) => (in_jail(world, Start::of(kind), case, keys)?, answer),
        Twin::Arguments(arguments, answer) => {
            let other = Case { arguments, ..*case };
            (in_jail(world, Start::of(kind), &other, case.net)?, answer)
        }
    };
    Ok(ensure(run.answer.starts_with(answer), || {
        format!("not {answer:?}\n{run:#?}")
    })?)
}
