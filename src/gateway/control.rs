//! What `flowjail net` reads, and what `flowjail reload` asks for: one JSON document each way, or one back.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::live::Totals;
use super::policy;
use super::reload::{self, Answer, Request};
use super::serve::Gateway;

/// How long a reader may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Readers at once.
const MAX_READERS: u32 = 8;

/// The network side of a running jail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The version of this document.
    pub schema: u32,
    /// The jail's name.
    pub jail: String,
    /// Names that were asked for and are allowed.
    pub names: Vec<Name>,
    /// Connections out of the jail that are open.
    pub connections: Vec<Flow>,
    /// Visitors that are here.
    pub visitors: u32,
    /// The addresses that are served.
    pub serves: Vec<String>,
    /// Counters since the start.
    pub totals: Totals,
}

/// A name and what stands for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Name {
    /// The host.
    pub host: String,
    /// The address that stands for it in the jail.
    pub address: String,
    /// Its ports.
    pub ports: Vec<u16>,
}

/// An open connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// The host; empty for an address without a name.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The address that was dialled; empty until there is one.
    pub address: String,
    /// Bytes that the jail sent.
    pub sent: u64,
    /// Bytes that it received.
    pub received: u64,
    /// Its age in milliseconds.
    pub ms: u64,
}

/// Answers for ever.
pub async fn answer(gateway: Rc<Gateway>, listener: UnixListener) {
    let readers = Rc::new(Cell::new(0));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if readers.get() >= MAX_READERS || !is_ours(&stream) {
            continue;
        }
        readers.set(readers.get() + 1);
        let (gateway, readers) = (Rc::clone(&gateway), Rc::clone(&readers));
        spawn_local(async move {
            if let Ok(Ok(asked)) = timeout(PATIENCE, read(&stream)).await {
                let text = reply(&gateway, &stream, &asked).await;
                // A reader that does not read gets no more.
                let _ = timeout(PATIENCE, write(&stream, &text)).await;
            }
            readers.set(readers.get() - 1);
        });
    }
}

/// What is asked ends where its writer stops writing: nothing at all asks for the state.
async fn reply(gateway: &Rc<Gateway>, stream: &UnixStream, asked: &[u8]) -> Vec<u8> {
    if asked.is_empty() {
        return serde_json::to_vec(&state(gateway)).unwrap_or_default();
    }
    let refused = |why: String| Answer {
        schema: reload::SCHEMA,
        jail: gateway.name.clone(),
        refused: Some(why),
        ..Answer::default()
    };
    let uid = stream.peer_cred().map(|peer| peer.uid());
    let answer = match (uid, serde_json::from_slice::<Request>(asked)) {
        // The workload's user may be another than the one who started it.
        (Ok(uid), _) if gateway.roots && uid != 0 => {
            refused("root has started it, and root alone may change its rules".into())
        }
        (Ok(uid), Ok(request)) if request.schema == reload::SCHEMA => {
            reload::reload(gateway, request, uid).await
        }
        (Ok(_), Ok(_)) => refused("another version of flowjail runs it".into()),
        (Ok(_), Err(why)) => refused(format!("not a request: {why}")),
        (Err(why), _) => refused(why.to_string()),
    };
    serde_json::to_vec(&answer).unwrap_or_default()
}

/// The longest request; rules and a host's /etc/hosts take far less.
const MAX_REQUEST: usize = 8 << 20;

async fn read(stream: &UnixStream) -> Result<Vec<u8>, std::io::Error> {
    let (mut asked, mut room) = (Vec::new(), [0u8; 4096]);
    loop {
        let more = stream.async_io(Interest::READABLE, || stream.try_read(&mut room));
        match more.await? {
            0 => return Ok(asked),
            length if asked.len() + length > MAX_REQUEST => {
                return Err(std::io::ErrorKind::FileTooLarge.into());
            }
            length => asked.extend_from_slice(&room[..length]),
        }
    }
}

/// Of the user that this process is, or root where this user namespace knows it. In a namespace of an ordinary user
/// every other user, root too, shows as the overflow id: that one is believed to be nobody.
fn is_ours(stream: &UnixStream) -> bool {
    let own = nix::unistd::geteuid().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == 0 || peer.uid() == own && own != OVERFLOW)
}

/// /proc/sys/kernel/overflowuid, which nobody changes.
const OVERFLOW: u32 = 65534;

async fn write(stream: &UnixStream, text: &[u8]) -> Result<(), std::io::Error> {
    let mut written = 0;
    while written < text.len() {
        let rest = &text[written..];
        written += stream
            .async_io(Interest::WRITABLE, || stream.try_write(rest))
            .await?;
    }
    Ok(())
}

fn state(gateway: &Gateway) -> State {
    let names = gateway.names.borrow();
    let plan = gateway.plan();
    let name = |(host, address): (&String, std::net::Ipv4Addr)| Name {
        host: host.clone(),
        address: address.to_string(),
        ports: policy::lines_of(&plan, host)
            .iter()
            .map(|line| line.port)
            .collect(),
    };
    let connections = gateway.live.all().into_iter().map(|open| {
        let (host, port) = open.target.shown();
        Flow {
            host,
            port,
            address: open.address.borrow().clone(),
            sent: open.count.sent.get(),
            received: open.count.received.get(),
            ms: open.since.elapsed().as_millis() as u64,
        }
    });
    State {
        schema: 1,
        jail: gateway.name.clone(),
        names: names.all().map(name).collect(),
        connections: connections.collect(),
        visitors: gateway.live.visitors(),
        serves: gateway.serves.iter().map(ToString::to_string).collect(),
        totals: gateway.live.totals(),
    }
}
