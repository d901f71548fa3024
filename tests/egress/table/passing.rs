//! What an allowed host must get: refusing it would be a fault as well. The twin lacks the line.
use crate::act::{Act, passes};

pub fn acts() -> Vec<Act> {
    [https(), http(), spellings(), names(), others()].concat()
}

const UNKNOWN: &str = "EAI_NONAME";

fn https() -> Vec<Act> {
    let hello = |sentence, arguments| {
        passes(sentence)
            .with("--allow api.world.test")
            .run(arguments)
            .answers(["ok hello"])
            .but_with("", UNKNOWN)
    };
    vec![
        passes("speaks TLS to an allowed host, and sees its certificate")
            .with("--allow api.world.test")
            .run("https api.world.test 443 {ca}")
            .answers(["ok 200"])
            .but_with("--allow other.world.test", UNKNOWN),
        hello(
            "says hello in capital letters",
            "client-hello api.world.test 443 API.World.TEST",
        ),
        hello(
            "says hello over many records",
            "client-hello api.world.test 443 api.world.test split",
        ),
        hello(
            "says hello byte by byte",
            "client-hello api.world.test 443 api.world.test bytes",
        ),
        passes("asks a registry of packages")
            .with("--allow npm.world.test")
            .run("https npm.world.test 443 {ca} /left-pad")
            .answers(["ok 200 {\"name\": \"left-pad\""])
            .but_with("--allow deb.world.test", UNKNOWN),
        passes("speaks TLS to a name of an allowed pattern")
            .with("--allow *.wild.world.test")
            .run("https a.wild.world.test 443 {ca}")
            .answers(["ok 200"])
            .but_with("--allow b.wild.world.test", UNKNOWN),
    ]
}

fn http() -> Vec<Act> {
    let raw = |sentence, arguments: &[&'static str]| {
        passes(sentence)
            .with("--allow api.world.test:80")
            .runs(arguments)
            .answers(["ok 200"])
            .but_with("", UNKNOWN)
    };
    vec![
        raw(
            "asks an allowed host for its own whole address",
            &[
                "raw",
                "api.world.test",
                "80",
                "GET http://api.world.test/ HTTP/1.1\\r\\nHost: api.world.test\\r\\n\\r\\n",
            ],
        ),
        raw(
            "asks an allowed host with its port and in capital letters",
            &[
                "raw",
                "api.world.test",
                "80",
                "GET / HTTP/1.1\\r\\nhost: API.World.Test:80\\r\\n\\r\\n",
            ],
        ),
        raw(
            "asks an allowed host again and again",
            &[
                "raw",
                "api.world.test",
                "80",
                "GET / HTTP/1.1\\r\\nHost: api.world.test\\r\\n\\r\\n",
                "POST /2 HTTP/1.1\\r\\nHost: api.world.test\\r\\nContent-Length: 2\\r\\n\\r\\nhi",
                "GET /3 HTTP/1.1\\r\\nHost: api.world.test\\r\\n\\r\\n",
            ],
        ),
    ]
}

fn name(sentence: &'static str, flags: &'static str, arguments: &'static str) -> Act {
    passes(sentence)
        .with(flags)
        .run(arguments)
        .answers(["ok 200"])
        .but_with("--allow other.world.test:80", UNKNOWN)
}

fn spellings() -> Vec<Act> {
    let home = "GET / HTTP/1.1\\r\\nHost: api.world.test\\r\\n\\r\\n";
    vec![
        passes("looks an allowed name up with a last dot")
            .with("--allow api.world.test:80")
            .runs(&["raw", "api.world.test.", "80", home])
            .answers(["ok 200"])
            .but_with("--allow other.world.test:80", UNKNOWN),
        name(
            "asks for a name in capital letters",
            "--allow api.world.test:80",
            "http API.WORLD.TEST 80",
        ),
        name(
            "asks for an international name",
            "--allow xn--bcher-kva.world.test:80",
            "http xn--bcher-kva.world.test 80",
        ),
    ]
}

fn names() -> Vec<Act> {
    vec![
        name(
            "asks for an alias of a public host",
            "--allow alias.world.test:80",
            "http alias.world.test 80",
        ),
        name(
            "asks for a host that has IPv6 alone",
            "--allow six.world.test:80",
            "http six.world.test 80",
        ),
        name(
            "asks for a host whose answer is too long for a datagram",
            "--allow a{run}.large.world.test:80",
            "http a{run}.large.world.test 80",
        ),
        name(
            "asks for a host of a public and a private address",
            "--allow mixed.world.test:80",
            "http mixed.world.test 80",
        )
        .answers(["ok 200 {\"server\": \"203.0.113.10:80\""]),
        name(
            "asks for a name that the command line gives an address",
            "--add-host given.world.test=127.0.0.1 --allow-private given.world.test:9000",
            "http given.world.test 9000",
        ),
    ]
}

fn others() -> Vec<Act> {
    vec![
        passes("asks a mirror of Debian")
            .with("--allow deb.world.test:80")
            .run("http deb.world.test 80 /debian/dists/stable/Release")
            .answers(["ok 200 Origin: World"])
            .but_with("--allow deb.world.test", "E"),
        passes("reads the banner of an allowed SSH server")
            .with("--allow ssh.world.test:22")
            .run("banner ssh.world.test 22")
            .answers(["ok SSH-2.0-World"])
            .but_with("--allow api.world.test:22", UNKNOWN),
        passes("carries megabytes both ways, and ends one half before the other")
            .with("--allow api.world.test:7000")
            .run("bulk api.world.test 7000 8")
            .answers(["ok the same"])
            .but_with("", UNKNOWN),
        passes("speaks any protocol to an allowed host at a port of its own")
            .with("--allow api.world.test:7000")
            .run("ask api.world.test 7000")
            .answers(["ok ping"])
            .but_with("--allow other.world.test:7000", UNKNOWN),
    ]
}
