//! Host patterns and addresses: read once to plain letters, digits and hyphens, and never looked at again as text.
#![forbid(unsafe_code)]

use std::net::SocketAddr;

use super::report::Flaw;
use super::types::HostPort;

/// The port where none is written.
pub const DEFAULT_PORT: u16 = 443;

/// Reads `HOST[:PORT]`; the port is `None` where the text has none.
pub fn parse(text: &str) -> Result<(String, Option<u16>), Flaw> {
    if text.contains("://") {
        return Err(Flaw::new(
            "a URL, not a host",
            "write HOST or HOST:PORT, as in api.example.com:443",
        ));
    }
    if text.starts_with('[') || text.parse::<std::net::IpAddr>().is_ok() {
        return Err(address_flaw());
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(parse_port(port)?)),
        None => (text, None),
    };
    Ok((parse_name(host, true)?, port))
}

/// The pattern and its port, the default one where none is written.
pub fn parse_host_port(text: &str) -> Result<HostPort, Flaw> {
    let (host, port) = parse(text)?;
    Ok(HostPort {
        host,
        port: port.unwrap_or(DEFAULT_PORT),
    })
}

/// Reads a host name, with `*` where `pattern` allows it.
pub fn parse_name(text: &str, pattern: bool) -> Result<String, Flaw> {
    if text.is_empty() {
        return Err(Flaw::new("no host name", "write HOST or HOST:PORT"));
    }
    if text.len() > 253 {
        return Err(Flaw::bare("longer than a host name can be (253)"));
    }
    if text.ends_with('.') {
        return Err(Flaw::new("ends with a dot", "leave the last dot out"));
    }
    let name = text.to_ascii_lowercase();
    for label in name.split('.') {
        check_label(label, pattern)?;
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(address_flaw());
    }
    if metadata_name(&name) {
        let hint = "it hands out the machine's credentials: no profile may name it";
        return Err(Flaw::new("the cloud's metadata service", hint));
    }
    if name.rsplit('.').take(2).any(|label| label.contains('*')) {
        let hint = "write at least two whole labels behind it, as in *.example.com";
        return Err(Flaw::new("a `*` that matches anyone's names", hint));
    }
    Ok(name)
}

/// Whether a text is a host name as [`parse_name`] leaves it.
pub fn host_name(text: &str, pattern: bool) -> bool {
    parse_name(text, pattern).is_ok_and(|name| name == text)
}

/// One or more labels without `*`: what stands in the parentheses of `@group(...)`.
pub fn parse_labels(text: &str) -> Result<String, Flaw> {
    let text = text.to_ascii_lowercase();
    for label in text.split('.') {
        check_label(label, false)?;
    }
    Ok(text)
}

fn check_label(label: &str, pattern: bool) -> Result<(), Flaw> {
    if label.is_empty() {
        return Err(Flaw::bare("an empty label (two dots, or a dot in front)"));
    }
    if label.contains("**") {
        return Err(Flaw::new(
            "`**` is never allowed",
            "`*` stands for one label or a part of one",
        )
        .at("**"));
    }
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || (c == '*' && pattern);
    if let Some(odd) = label.chars().find(|c| !fine(*c)) {
        let hint = match odd {
            '*' => "a single name is meant here",
            '_' => "a host name has letters, digits and hyphens only",
            odd if !odd.is_ascii() => "write the xn-- form of the name",
            _ => "a host name is labels of letters, digits and hyphens, with dots between",
        };
        let shown = if odd.is_control() {
            format!("byte {}", odd as u32)
        } else {
            format!("`{odd}`")
        };
        return Err(Flaw::new(format!("{shown} in a host name"), hint).at(odd.to_string()));
    }
    if label.matches('*').count() > 1 {
        return Err(Flaw::new("two `*` in one label", "one is enough").at(label));
    }
    if label.len() > 63 {
        return Err(Flaw::bare("a label longer than 63 characters"));
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(Flaw::bare("a label that starts or ends with a hyphen").at(label));
    }
    Ok(())
}

fn address_flaw() -> Flaw {
    let hint = "give it a name: [net] hosts = { \"model\" = \"192.168.1.5\" }, private = [\"model:11434\"]";
    Flaw::new("an address, not a host name", hint)
}

/// Reads a port.
pub fn parse_port(text: &str) -> Result<u16, Flaw> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if port > 0 && digits => Ok(port),
        _ => Err(Flaw::new("not a port", "a port is a number from 1 to 65535").at(text)),
    }
}

/// Whether a name (lower-case, no last dot) is a cloud's own for its metadata, whatever it resolves to.
pub fn metadata_name(host: &str) -> bool {
    const SERVICES: [&str; 7] = [
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.com",
        "metadata.tencentyun.com",
        "metadata.packet.net",
        "metadata.platformequinix.com",
        "api.metadata.cloud.ibm.com",
    ];
    let under = |name: &str| {
        host.strip_suffix(name)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let first = host.split('.').next().unwrap_or_default();
    let own = matches!(first, "metadata" | "instance-data" | "rancher-metadata");
    SERVICES.into_iter().any(under) || own && (first == host || host.ends_with(".internal"))
}

/// Reads `ADDR:PORT`, which is listened on.
pub fn parse_publish(text: &str) -> Result<SocketAddr, Flaw> {
    let example = "write ADDR:PORT, as in 127.0.0.1:3000 or [::1]:3000";
    if let Ok(address) = text.parse::<SocketAddr>() {
        if address.port() == 0 {
            return Err(Flaw::new("port 0 is no port", example));
        }
        return Ok(address);
    }
    if text
        .trim_matches(['[', ']'])
        .parse::<std::net::IpAddr>()
        .is_ok()
    {
        return Err(Flaw::new("an address without a port", example));
    }
    match text.rsplit_once(':') {
        Some((address, port))
            if address
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok() =>
        {
            Err(parse_port(port)
                .err()
                .unwrap_or_else(|| Flaw::new("not an address and a port", example)))
        }
        Some((name, port)) if !name.is_empty() && parse_port(port).is_ok() => {
            Err(Flaw::new("a name, not an address", example).at(name))
        }
        _ => Err(Flaw::new("not an address and a port", example)),
    }
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}", self.host, self.port)
    }
}
