//! Plain HTTP to an allowed host, with requests that mean another one or are no plain requests.
use crate::act::{Act, refused};

const HOME: &str = "GET / HTTP/1.1\\r\\nHost: api.world.test\\r\\n\\r\\n";
const OTHER: &str = "GET /2 HTTP/1.1\\r\\nHost: other.world.test\\r\\n\\r\\n";

pub fn acts() -> Vec<Act> {
    [hosts(), odd_hosts(), kept_alive(), targets(), smuggled()].concat()
}

/// Refused in a jail that may reach the host at port 80.
fn request(sentence: &'static str, requests: &[&'static str], why: &'static str) -> Act {
    let arguments = [&["raw", "api.world.test", "80"], requests].concat();
    refused(sentence)
        .with("--allow api.world.test:80")
        .runs(&arguments)
        .answers(["ECONNRESET", "refused: closed"])
        .because(why)
        .bare("ok 200")
}

fn hosts() -> Vec<Act> {
    let another = "another host";
    vec![
        request("asks an allowed host for another", &[OTHER], another),
        request(
            "asks an allowed host for another allowed one",
            &[OTHER],
            another,
        )
        .with("--allow api.world.test:80 --allow other.world.test:80"),
        request(
            "asks an allowed host for an address",
            &["GET / HTTP/1.1\\r\\nHost: 169.254.169.254\\r\\n\\r\\n"],
            another,
        ),
        request(
            "asks an allowed host for itself at another port",
            &["GET / HTTP/1.1\\r\\nHost: api.world.test:8080\\r\\n\\r\\n"],
            another,
        ),
        request(
            "asks an allowed host for its name with a last dot",
            &["GET / HTTP/1.1\\r\\nHost: api.world.test.\\r\\n\\r\\n"],
            another,
        ),
    ]
}

fn odd_hosts() -> Vec<Act> {
    vec![
        request(
            "asks an allowed host for two hosts",
            &["GET / HTTP/1.1\\r\\nHost: api.world.test\\r\\nHost: other.world.test\\r\\n\\r\\n"],
            "more than one Host header",
        ),
        request(
            "asks an allowed host for none",
            &["GET / HTTP/1.1\\r\\nX: y\\r\\n\\r\\n"],
            "without a Host header",
        ),
        request(
            "asks an allowed host for a name with a NUL byte",
            &["GET / HTTP/1.1\\r\\nHost: api.world.test\\x00.other.world.test\\r\\n\\r\\n"],
            "request",
        ),
    ]
}

fn kept_alive() -> Vec<Act> {
    vec![
        request(
            "asks for another host by the second request",
            &[HOME, OTHER],
            "another host",
        )
        .reaches("http [2001:db8::10]:80"),
        request(
            "asks for another host by the third request",
            &[HOME, HOME, OTHER],
            "another host",
        )
        .reaches("http [2001:db8::10]:80"),
        refused("asks for another host by a request behind another in one write")
            .with("--allow api.world.test:80")
            .runs(&["at-once", "api.world.test", "80", HOME, OTHER])
            .answers(["ECONNRESET", "refused: closed"])
            .because("another host")
            .reaches("http [2001:db8::10]:80")
            .bare("ok {"),
        request(
            "asks for another host behind a body",
            &[
                "POST / HTTP/1.1\\r\\nHost: api.world.test\\r\\nContent-Length: 4\\r\\n\\r\\nbody",
                OTHER,
            ],
            "another host",
        )
        .reaches("http [2001:db8::10]:80"),
    ]
}

fn targets() -> Vec<Act> {
    vec![
        request(
            "asks an allowed host for a tunnel to another",
            &["CONNECT other.world.test:443 HTTP/1.1\\r\\nHost: other.world.test:443\\r\\n\\r\\n"],
            "CONNECT",
        ),
        request(
            "asks an allowed host for a tunnel to another, in its own name",
            &["CONNECT other.world.test:443 HTTP/1.1\\r\\nHost: api.world.test\\r\\n\\r\\n"],
            "CONNECT",
        ),
        request(
            "asks an allowed host for another's whole address",
            &["GET http://other.world.test/ HTTP/1.1\\r\\nHost: api.world.test\\r\\n\\r\\n"],
            "another host",
        ),
        request(
            "asks an allowed host for the metadata service's whole address",
            &["GET http://169.254.169.254/latest/ HTTP/1.1\\r\\nHost: api.world.test\\r\\n\\r\\n"],
            "another host",
        ),
        request(
            "asks an allowed host for another's whole address with its own before an @",
            &[
                "GET http://api.world.test@other.world.test/ HTTP/1.1\\r\\nHost: api.world.test\\r\\n\\r\\n",
            ],
            "request",
        ),
        request(
            "asks an allowed host for a target that is no path",
            &["GET other.world.test HTTP/1.1\\r\\nHost: api.world.test\\r\\n\\r\\n"],
            "target is no path",
        ),
    ]
}

fn smuggled() -> Vec<Act> {
    vec![
        request(
            "hides a request in a body of two lengths",
            &[
                "POST / HTTP/1.1\\r\\nHost: api.world.test\\r\\nContent-Length: 0\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n",
            ],
            "two ways",
        ),
        request(
            "hides a header behind a bare line feed",
            &[
                "GET / HTTP/1.1\\r\\nHost: api.world.test\\r\\nX: y\\nHost: other.world.test\\r\\n\\r\\n",
            ],
            "CR LF",
        ),
        request(
            "hides a header in a folded line",
            &[
                "GET / HTTP/1.1\\r\\nHost: api.world.test\\r\\nX: y\\r\\n Host: other.world.test\\r\\n\\r\\n",
            ],
            "over several lines",
        ),
        request(
            "upgrades to a protocol that is not a WebSocket",
            &[
                "GET / HTTP/1.1\\r\\nHost: api.world.test\\r\\nConnection: Upgrade\\r\\nUpgrade: h2c\\r\\n\\r\\n",
            ],
            "WebSocket",
        ),
    ]
}
