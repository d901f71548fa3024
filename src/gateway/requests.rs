//! A plain HTTP connection: every request head is checked before a byte of it goes on.
#![forbid(unsafe_code)]

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::http::{Requests, first_status};
use super::live::Open;
use super::reason::Reason;
use super::relay::{drive, one_way, relay};
use super::serve::Gateway;
use super::stream::{Halt, read_more, reset, send_all};

/// What a client has sent: what may be sent on, and what waits for its check.
pub struct Held {
    checked: Vec<u8>,
    waiting: Vec<u8>,
}

/// The two sides of a connection.
#[derive(Clone, Copy)]
pub struct Ends<'a> {
    /// The jail.
    pub near: &'a TcpStream,
    /// The host.
    pub far: &'a TcpStream,
}

/// Reads up to the end of the first head that is fine; none where the client left without a word.
pub async fn first(near: &TcpStream, requests: &mut Requests) -> Result<Option<Held>, Reason> {
    let mut checked = Vec::new();
    loop {
        let more = read_more(near, &mut checked).await;
        if checked.is_empty() {
            return Ok(None);
        }
        let length = requests.admit(&checked).map_err(Reason::Http)?;
        if length > 0 {
            let waiting = checked.split_off(length);
            return Ok(Some(Held { checked, waiting }));
        }
        if !more {
            return Err(Reason::NoHead);
        }
    }
}

/// Carries a connection whose first head is checked, to its end.
pub async fn carry(
    gateway: &Gateway,
    ends: Ends<'_>,
    mut requests: Requests,
    held: Held,
    open: &Open,
) -> Result<(), Reason> {
    let (idle, pipes, count) = (gateway.plan().limits.idle, &gateway.pipes, &open.count);
    let begun = async {
        send_all(ends.far, &held.checked, &count.sent).await?;
        if requests.awaits_switch() {
            let switched = answer_to_upgrade(ends, open).await?;
            requests.switched(switched);
        }
        if requests.is_tunnel() {
            send_all(ends.far, &held.waiting, &count.sent).await?;
        }
        Ok(())
    };
    let begun = timeout(idle, begun).await;
    let Held { waiting, .. } = held;
    match begun.unwrap_or(Err(Halt::Because(Reason::Idle))) {
        Ok(()) => {}
        Err(halt) => {
            reset(ends.near);
            reset(ends.far);
            return match halt {
                Halt::Because(reason) => Err(reason),
                Halt::Broken => Ok(()),
            };
        }
    }
    if requests.is_tunnel() {
        return relay(ends.near, ends.far, count, pipes, idle).await;
    }
    let asking = ask(ends, requests, waiting, open);
    let answering = one_way(ends.far, ends.near, pipes, &count.received);
    drive([ends.near, ends.far], asking, answering, count, idle).await
}

/// Passes the first answer on, and says whether the protocol was switched by it.
async fn answer_to_upgrade(ends: Ends<'_>, open: &Open) -> Result<bool, Halt> {
    let mut answer = Vec::new();
    let switched = loop {
        let more = read_more(ends.far, &mut answer).await;
        let status = first_status(&answer).map_err(|flaw| Halt::Because(Reason::Http(flaw)))?;
        if status.is_some() || !more {
            break status == Some(101);
        }
    };
    send_all(ends.near, &answer, &open.count.received).await?;
    Ok(switched)
}

/// Sends on what passes the check, until the client has no more to say. A head that is not whole by then stays.
async fn ask(
    ends: Ends<'_>,
    mut requests: Requests,
    mut waiting: Vec<u8>,
    open: &Open,
) -> Result<(), Halt> {
    loop {
        loop {
            let checked = requests.admit(&waiting);
            let length = checked.map_err(|flaw| Halt::Because(Reason::Http(flaw)))?;
            if length == 0 {
                break;
            }
            send_all(ends.far, &waiting[..length], &open.count.sent).await?;
            waiting.drain(..length);
        }
        if waiting.is_empty() {
            // A connection that is kept alive keeps no memory while it waits.
            waiting = Vec::new();
        }
        if !read_more(ends.near, &mut waiting).await {
            // The host may have left by now: then there is nobody to tell.
            let _ = socket2::SockRef::from(ends.far).shutdown(std::net::Shutdown::Write);
            return Ok(());
        }
    }
}
