//! Why a request, or a response to an upgrade, was refused.
#![forbid(unsafe_code)]

use std::fmt;

/// What is wrong with the bytes of a plain HTTP connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpFlaw {
    /// HTTP/2, or a version other than 1.0 and 1.1.
    Version,
    /// A request line that breaks its own rules.
    RequestLine,
    /// A target that is no path on this host, among them `https://` and authorities.
    Target,
    /// CONNECT, which asks for a tunnel.
    Connect,
    /// A head longer than [`super::MAX_HEAD`].
    TooLong,
    /// More than [`super::MAX_HEADERS`] header lines.
    TooManyHeaders,
    /// A line that does not end in CR LF, or a CR elsewhere.
    LineEnd,
    /// A control character.
    Control,
    /// A header line that breaks its own rules, such as a space before the colon.
    HeaderLine,
    /// A header line that goes on in the next one.
    Folded,
    /// No Host header.
    NoHost,
    /// More than one Host header.
    ManyHosts,
    /// A request for another host or port.
    WrongHost {
        /// What it names: at most 100 bytes of it, printable.
        found: String,
    },
    /// A length that is no plain number, or is too large.
    Length,
    /// Two lengths, or a length beside chunks: two servers would see different requests.
    Ambiguous,
    /// A transfer coding other than `chunked`, or one in HTTP/1.0.
    Coding,
    /// Chunks that break their own rules, or have extensions.
    Chunk,
    /// A trailer that belongs into a head.
    Trailer,
    /// An upgrade to something other than a WebSocket, or not asked for as the rules say.
    Upgrade,
    /// An upgrade that is not the connection's first request.
    LateUpgrade,
    /// A response that does not start with an HTTP/1 status line.
    Response,
}

impl HttpFlaw {
    /// Another host, as it is told.
    pub(super) fn wrong_host(found: &[u8]) -> HttpFlaw {
        let cut = &found[..found.len().min(100)];
        HttpFlaw::WrongHost {
            found: cut.escape_ascii().to_string(),
        }
    }
}

impl fmt::Display for HttpFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongHost { found } => {
                return write!(f, "a request for another host (`{found}`)");
            }
            Self::Version => "a version of HTTP other than 1.0 and 1.1",
            Self::RequestLine => "a malformed request line",
            Self::Target => "a request whose target is no path",
            Self::Connect => "a request for a tunnel (CONNECT)",
            Self::TooLong => "a request head that is too long",
            Self::TooManyHeaders => "a request with too many headers",
            Self::LineEnd => "a line that does not end in CR LF",
            Self::Control => "a control character in a request head",
            Self::HeaderLine => "a malformed header line",
            Self::Folded => "a header over several lines",
            Self::NoHost => "a request without a Host header",
            Self::ManyHosts => "a request with more than one Host header",
            Self::Length => "a request whose Content-Length is no plain number",
            Self::Ambiguous => "a request whose length can be read in two ways",
            Self::Coding => "a transfer coding other than chunked",
            Self::Chunk => "a malformed chunk",
            Self::Trailer => "a trailer that belongs into the head",
            Self::Upgrade => "an upgrade to something other than a WebSocket",
            Self::LateUpgrade => "an upgrade after the first request",
            Self::Response => "a response that is not HTTP/1",
        })
    }
}

impl std::error::Error for HttpFlaw {}
