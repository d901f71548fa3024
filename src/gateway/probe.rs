//! Asks the program whether it serves, as a visitor would.
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::inward;
use super::relay::Count;
use super::serve::Gateway;
use super::stream::{read_more, send_all};
use super::word::Word;
use crate::profile::Probe;

/// How long the program may take; one that takes longer does not serve.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longer than any status line.
const MAX_STATUS: usize = 1024;

/// Asks once, and tells the supervisor.
pub async fn ask(gateway: Rc<Gateway>) {
    let well = timeout(PATIENCE, answers(&gateway)).await.unwrap_or(false);
    gateway.tell_surely(&Word::Probed(well)).await;
}

async fn answers(gateway: &Gateway) -> bool {
    let Some(stream) = reach(gateway).await else {
        return false;
    };
    let Probe::Http(path) = &gateway.plan().ready else {
        return true;
    };
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: flowjail\r\nConnection: close\r\n\r\n"
    );
    let count = Count::default();
    if send_all(&stream, request.as_bytes(), &count.sent)
        .await
        .is_err()
    {
        return false;
    }
    let mut answer = Vec::new();
    while !answer.contains(&b'\n') && answer.len() < MAX_STATUS {
        if !read_more(&stream, &mut answer).await {
            break;
        }
    }
    is_fine(&answer)
}

/// The program at the first published address. That of the bare jail listens there itself.
async fn reach(gateway: &Gateway) -> Option<TcpStream> {
    let plan = gateway.plan();
    let line = plan.publish.first()?;
    let own = IpAddr::from(Ipv4Addr::LOCALHOST);
    if !plan.shared {
        return inward::reach(gateway, own, line.to).await.ok();
    }
    let mut at: SocketAddr = *gateway.serves.first().unwrap_or(&line.address);
    if at.ip().is_unspecified() {
        at.set_ip(match at {
            SocketAddr::V4(_) => own,
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    TcpStream::connect(at).await.ok()
}

/// Whether the first line of an answer says 2xx. Some servers give no reason, and no blank in its place.
fn is_fine(answer: &[u8]) -> bool {
    let line = answer
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let version = words
        .next()
        .is_some_and(|word| word.starts_with(b"HTTP/1."));
    let status = words.next().unwrap_or_default();
    version
        && matches!(status, [b'2', b'0'..=b'9', b'0'..=b'9', ..] if status[3..].iter().all(|byte| byte.is_ascii_whitespace()))
}

#[cfg(test)]
mod tests {
    use super::is_fine;

    #[test]
    fn two_hundreds_are_fine_and_nothing_else_is() {
        for fine in [
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.0 204 \r\n",
            "HTTP/1.1 200\r\n",
            "HTTP/1.1 200\r\nX: y\r\n\r\n",
            "HTTP/1.1 200\nX: y\n\n",
        ] {
            assert!(is_fine(fine.as_bytes()), "{fine}");
        }
        for wrong in [
            "",
            "HTTP/1.1",
            "HTTP/1.1 503 no\r\n",
            "HTTP/1.1 2000 x",
            "HTTP/2 200",
            "200 OK",
            "HTTP/1.1  200",
            "HTTP/1.1\r\nX: 200 ",
        ] {
            assert!(!is_fine(wrong.as_bytes()), "{wrong}");
        }
    }
}
