//! TLS to an allowed host, with a hello that means another one, hides whom it means, or is none.
use crate::act::{Act, refused};

const LONG: &str = "client-hello api.world.test 443 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.\
    bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc.\
    ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd.eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee.world.test";

pub fn acts() -> Vec<Act> {
    [others(), names(), shapes(), other_words()].concat()
}

/// Refused in a jail that may reach the host; any answer of the server shows that a twin arrived.
fn hello(sentence: &'static str, arguments: &'static str, why: &'static str) -> Act {
    refused(sentence)
        .with("--allow api.world.test")
        .run(arguments)
        .answers(["ECONNRESET", "refused: closed"])
        .because(why)
        .bare("ok ")
}

fn others() -> Vec<Act> {
    let wrong = "wrong name in the TLS hello";
    vec![
        hello(
            "says hello to another host",
            "client-hello api.world.test 443 other.world.test",
            wrong,
        ),
        hello(
            "says hello to another allowed host",
            "client-hello api.world.test 443 other.world.test",
            wrong,
        )
        .with("--allow api.world.test --allow other.world.test"),
        hello(
            "says hello to another host, by a TLS library",
            "https api.world.test 443 {ca} / other.world.test",
            wrong,
        ),
        hello(
            "says hello to another name of the same pattern",
            "client-hello a.wild.world.test 443 b.wild.world.test",
            wrong,
        )
        .with("--allow *.wild.world.test"),
    ]
}

fn names() -> Vec<Act> {
    let none = "a TLS hello whose host name (SNI) is none";
    vec![
        hello(
            "says hello to nobody",
            "client-hello api.world.test 443 - no-name",
            "without a host name",
        ),
        hello(
            "says hello to a name with a NUL byte",
            "client-hello api.world.test 443 api.world.test\\x00.evil.test",
            none,
        ),
        hello(
            "says hello to a name with a NUL byte at its end",
            "client-hello api.world.test 443 api.world.test\\x00",
            none,
        ),
        hello(
            "says hello to a name with a last dot",
            "client-hello api.world.test 443 api.world.test.",
            none,
        ),
        hello(
            "says hello to a name with a space before it",
            "client-hello api.world.test 443 \\x20api.world.test",
            none,
        ),
        hello(
            "says hello to an address",
            "client-hello api.world.test 443 203.0.113.11",
            none,
        ),
        hello("says hello to a name of 300 characters", LONG, none),
        hello(
            "says hello to an empty name",
            "client-hello api.world.test 443 \\x00",
            none,
        ),
    ]
}

fn shapes() -> Vec<Act> {
    vec![
        hello(
            "says hello to two names at once",
            "client-hello api.world.test 443 api.world.test two-names",
            "TLS hello",
        ),
        hello(
            "says hello with two name extensions",
            "client-hello api.world.test 443 api.world.test twice",
            "an extension twice",
        ),
        hello(
            "says hello with an encrypted name beside the allowed one",
            "client-hello api.world.test 443 api.world.test ech",
            "hides its host name (ECH)",
        ),
        hello(
            "says hello to another host byte by byte",
            "client-hello api.world.test 443 other.world.test bytes",
            "wrong name",
        ),
        hello(
            "says hello to another host over many records",
            "client-hello api.world.test 443 other.world.test split",
            "wrong name",
        ),
    ]
}

fn other_words() -> Vec<Act> {
    let words = |sentence, arguments: &[&'static str]| {
        refused(sentence)
            .with("--allow api.world.test")
            .runs(arguments)
            .answers(["ECONNRESET", "refused: closed"])
            .because("no TLS handshake")
    };
    vec![
        words(
            "speaks plain HTTP on the port of TLS",
            &[
                "ask",
                "api.world.test",
                "443",
                "GET / HTTP/1.1 with more words\n\n",
            ],
        )
        .arrives_bare("https"),
        words(
            "speaks SSH on the port of TLS",
            &["ask", "api.world.test", "443", "SSH-2.0-OpenSSH_9.2\r\n"],
        )
        .arrives_bare("https"),
    ]
}
