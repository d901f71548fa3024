//! Names that are not the profile's, and names that lead where no name may.
use crate::act::{Act, Seen, refused};

const SECRET: &str = "ok 200 SECRET-CREDENTIALS";

pub fn acts() -> Vec<Act> {
    [
        unknown(),
        absent(),
        inward(),
        inward_by_ipv6(),
        to_metadata(),
        never(),
        changing(),
    ]
    .concat()
}

fn unknown() -> Vec<Act> {
    let no_name = |sentence| {
        refused(sentence)
            .answers(["EAI_NONAME"])
            .because("not in the profile")
    };
    vec![
        no_name("asks for a host that is not in the profile")
            .run("http other.world.test 80")
            .but_with("--allow other.world.test:80", "ok 200"),
        no_name("asks for a host whose name only ends like an allowed one")
            .with("--allow api.denied.world.test:80")
            .run("http xapi.denied.world.test 80")
            .but_with("--allow xapi.denied.world.test:80", "ok 200"),
        no_name("asks for a host below an allowed one")
            .with("--allow wild.world.test:80")
            .run("http a.wild.world.test 80")
            .but_with("--allow *.wild.world.test:80", "ok 200"),
        no_name("asks for the redirect's other host")
            .with("--allow api.world.test:80")
            .run("follow http://api.world.test/redirect-to-other")
            .reaches("http [2001:db8::10]:80")
            .but_with(
                "--allow api.world.test:80 --allow other.world.test:80",
                "ok {",
            ),
        refused("connects to an allowed host at another port")
            .with("--allow ssh.world.test")
            .run("banner ssh.world.test 22")
            .answers(["EACCES", "ECONNREFUSED"])
            .because("port not in the profile")
            .but_with("--allow ssh.world.test:22", "ok SSH-2.0"),
        refused("connects to an allowed host at another host's port")
            .with("--allow ssh.world.test --allow api.world.test:22")
            .run("banner ssh.world.test 22")
            .answers(["ECONNREFUSED"])
            .because("port not in the profile")
            .but_with("--allow ssh.world.test:22", "ok SSH-2.0"),
    ]
}

/// Allowed, and not there: said to be failed, and the program is not left waiting.
fn absent() -> Vec<Act> {
    let absent = |sentence, flags, arguments| {
        refused(sentence)
            .with(flags)
            .run(arguments)
            .answers(["ECONNRESET", "refused: closed"])
    };
    vec![
        absent(
            "connects to an allowed host where nothing listens",
            "--allow api.world.test:81",
            "http api.world.test 81",
        )
        .because("cannot be reached")
        .bare("ECONNREFUSED"),
        absent(
            "asks for an allowed host that nobody knows",
            "--allow nobody.test:80",
            "http nobody.test 80",
        )
        .because("the name servers know no address")
        .bare("EAI_NONAME"),
    ]
}

fn private(
    sentence: &'static str,
    flags: &'static str,
    arguments: &'static str,
    twin: &'static str,
) -> Act {
    refused(sentence)
        .with(flags)
        .run(arguments)
        .answers(["ECONNRESET", "refused: closed"])
        .because("private address")
        .bare("ok 200")
        .but_with(twin, "ok 200")
}

fn inward() -> Vec<Act> {
    vec![
        private(
            "follows an allowed name to a private address",
            "--allow private.world.test:80",
            "http private.world.test 80",
            "--allow-private private.world.test:80",
        ),
        private(
            "follows an alias to a private address",
            "--allow alias-private.world.test:80",
            "http alias-private.world.test 80",
            "--allow-private alias-private.world.test:80",
        ),
        private(
            "follows an allowed name to the host's loopback",
            "--allow loopback.world.test:80",
            "http loopback.world.test 80",
            "--allow-private loopback.world.test:80",
        ),
        private(
            "follows an allowed name to a service on the host's loopback",
            "--allow loopback.world.test:9000",
            "http loopback.world.test 9000",
            "--allow-private loopback.world.test:9000",
        ),
        private(
            "follows an allowed name to an address of flowjail's own range",
            "--allow stand-in.world.test:80",
            "http stand-in.world.test 80",
            "--allow-private stand-in.world.test:80",
        ),
        refused("follows an allowed name to the unspecified address")
            .with("--allow zero.world.test:80")
            .run("http zero.world.test 80")
            .answers(["ECONNRESET", "refused: closed"])
            .because("0.0.0.0 (unspecified)")
            .bare("ok 200"),
    ]
}

fn inward_by_ipv6() -> Vec<Act> {
    vec![
        private(
            "follows an allowed name to the host's IPv6 loopback",
            "--allow loopback6.world.test:80",
            "http loopback6.world.test 80",
            "--allow-private loopback6.world.test:80",
        ),
        private(
            "follows an allowed name to a private IPv6 address",
            "--allow inner6.world.test:80",
            "http inner6.world.test 80",
            "--allow-private inner6.world.test:80",
        ),
    ]
}

fn leads(
    sentence: &'static str,
    flags: &'static str,
    arguments: &'static str,
    why: &'static str,
) -> Act {
    refused(sentence)
        .with(flags)
        .run(arguments)
        .answers(["ECONNRESET", "refused: closed"])
        .because(why)
        .bare(SECRET)
}

fn to_metadata() -> Vec<Act> {
    let never = "which no profile line allows";
    vec![
        leads(
            "follows an allowed name to the metadata service",
            "--allow metadata-by-name.world.test:80",
            "http metadata-by-name.world.test 80",
            never,
        ),
        leads(
            "follows an alias to the metadata service",
            "--allow alias-metadata.world.test:80",
            "http alias-metadata.world.test 80",
            never,
        ),
        leads(
            "follows an allowed name to the metadata service through NAT64",
            "--allow nat64.world.test:80",
            "http nat64.world.test 80",
            never,
        ),
        leads(
            "follows an allowed name to the metadata service through 6to4",
            "--allow sixtofour.world.test:80",
            "http sixtofour.world.test 80",
            never,
        ),
        leads(
            "follows an allowed name to the metadata service mapped into IPv6",
            "--allow mapped.world.test:80",
            "http mapped.world.test 80",
            never,
        ),
    ]
}

/// Not even a private host may lead there.
fn never() -> Vec<Act> {
    let never = "which no profile line allows";
    vec![
        leads(
            "follows a private name to the metadata service",
            "--allow-private metadata-by-name.world.test:80",
            "http metadata-by-name.world.test 80",
            never,
        ),
        leads(
            "follows a private name to the metadata service through NAT64",
            "--allow-private nat64.world.test:80",
            "http nat64.world.test 80",
            never,
        ),
        leads(
            "follows a private name to the metadata service through 6to4",
            "--allow-private sixtofour.world.test:80",
            "http sixtofour.world.test 80",
            never,
        ),
        leads(
            "follows a private name to the metadata service mapped into IPv6",
            "--allow-private mapped.world.test:80",
            "http mapped.world.test 80",
            never,
        ),
        leads(
            "asks for the metadata service by its own name",
            "--allow-private *.google.internal:80",
            "http metadata.google.internal 80",
            "the cloud's metadata service",
        )
        .answers(["EAI_NONAME"]),
    ]
}

fn changing() -> Vec<Act> {
    vec![
        refused("follows a name that has become the host's loopback")
            .with("--allow r{run}.rebind.world.test:80")
            .run("twice r{run}.rebind.world.test 80")
            .answers(["ECONNRESET", "refused: closed"])
            .because("private address: 127.0.0.1")
            .reaches("http 203.0.113.10:80")
            .bare("ok 200 {\"server\": \"127.0.0.1:80\""),
        refused("follows a redirect of an allowed host to the metadata service")
            .with("--allow api.world.test:80")
            .run("follow http://api.world.test/redirect-to-metadata")
            .answers(["ECONNREFUSED", "ENETUNREACH", "EACCES"])
            .because("raw address: the cloud's metadata service")
            .reaches("http [2001:db8::10]:80")
            .bare("ok SECRET-CREDENTIALS"),
        refused("follows a redirect of an allowed host to the host's loopback")
            .with("--allow api.world.test:80")
            .run("follow http://api.world.test/redirect-to-loopback")
            .answers(["ECONNREFUSED", "EACCES"])
            .unseen()
            .in_bare(
                &["ECONNREFUSED"],
                Seen::Because("the loopback's services are hosts like any other"),
                "the loopback is the host's there: whom it would have reached is told",
            )
            .reaches("http [2001:db8::10]:80")
            .bare("ok {\"server\": \"127.0.0.1:9000\""),
    ]
}
