//! `flowjail health`: a probe for HEALTHCHECK, exec probes and scripts, where there is no curl.
#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use clap::Args;

use super::terminal::{fail, out, say};
use crate::events::phrase::tame;
use crate::host;
use crate::plan;
use crate::profile::{self, Overlay};

/// Arguments of `health`.
#[derive(Args)]
pub struct HealthArgs {
    /// The profile of the jail: a name or a file
    #[arg(long, value_name = "NAME|FILE", default_value = "flowise")]
    profile: String,
    /// Where it serves, as `run` was told; default: as the profile has it here
    #[arg(long, value_name = "ADDR:PORT")]
    publish: Option<String>,
    /// What is asked for
    #[arg(long, default_value = "/api/v1/ping")]
    path: String,
    /// Seconds until no answer counts as unhealthy
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

/// Exit code of what does not answer, as Docker and Kubernetes have it.
const UNHEALTHY: u8 = 1;

/// Asks once: 0 for a 2xx, 1 for anything else, 125 where nothing can be asked.
pub fn run(args: &HealthArgs) -> u8 {
    let overlay = Overlay {
        publish: args.publish.iter().cloned().collect(),
        ..Overlay::default()
    };
    let profile = match profile::load(&args.profile, &overlay) {
        Ok(profile) => profile,
        Err(problems) => {
            say(problems);
            return super::FAILED;
        }
    };
    let Some(published) = plan::published(&profile, &host::surroundings()) else {
        let hint = "say where: --publish ADDR:PORT";
        return fail(super::FAILED, "the profile serves no address", Some(hint));
    };
    if !args.path.starts_with('/')
        || args
            .path
            .contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return fail(
            super::FAILED,
            format!("--path {}: not a path", tame(&args.path)),
            None,
        );
    }
    let at = reached(published);
    let url = format!("http://{at}{}", args.path);
    match ask(at, &args.path, Duration::from_secs(args.timeout)) {
        Ok(status @ 200..=299) => {
            out(format_args!("healthy: {url} answered {status}\n"));
            0
        }
        Ok(status) => unhealthy(&url, &format!("answered {status}")),
        Err(error) => unhealthy(&url, &error.to_string()),
    }
}

fn unhealthy(url: &str, why: &str) -> u8 {
    say(format_args!("unhealthy: {url}: {why}\n"));
    UNHEALTHY
}

/// An address of this host where the program listens on all.
fn reached(published: SocketAddr) -> SocketAddr {
    let ip = match published.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, published.port())
}

/// The status of an answer (RFC 9112, section 4).
fn ask(at: SocketAddr, path: &str, patience: Duration) -> std::io::Result<u16> {
    let until = Instant::now() + patience;
    let left = || {
        let left = until.saturating_duration_since(Instant::now());
        // A time of zero would mean none.
        left.max(Duration::from_millis(1))
    };
    let mut stream = TcpStream::connect_timeout(&at, left())?;
    stream.set_write_timeout(Some(left()))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {at}\r\nUser-Agent: flowjail\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    // "HTTP/1.1 200"
    while head.len() < 12 {
        if Instant::now() >= until {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left()))?;
        let mut room = [0; 64];
        match stream.read(&mut room)? {
            0 => break,
            length => head.extend(&room[..length]),
        }
    }
    let text = String::from_utf8_lossy(&head);
    let status = text
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5)?.parse().ok());
    status.ok_or_else(|| std::io::Error::other("the answer is no HTTP"))
}
