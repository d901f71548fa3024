//! The published port is the jail's own where it is published, and somebody else's beside that.

use crate::case::nothing_else_arrived;
use crate::kit::{Check, ensure};
use crate::run::{How, Session};
use crate::world::World;
use std::net::TcpListener;
use std::time::Duration;

/// Another one's server, and where the jail publishes the same port.
pub struct Place {
    theirs: &'static str,
    published: &'static str,
}

/// Beside one another.
pub const PLACES: [Place; 5] = [
    Place {
        theirs: "127.0.0.1",
        published: "203.0.113.10",
    },
    Place {
        theirs: "127.0.0.2",
        published: "127.0.0.1",
    },
    Place {
        theirs: "::1",
        published: "127.0.0.1",
    },
    Place {
        theirs: "203.0.113.11",
        published: "127.0.0.1",
    },
    Place {
        theirs: "10.20.30.40",
        published: "203.0.113.10",
    },
];

impl Place {
    /// For the name of its test.
    pub fn words(&self) -> String {
        let Self { theirs, published } = self;
        format!("another's server at {theirs} and a port published at {published}")
    }

    /// The other one's server is reached without a jail, and not from one.
    pub fn is_not_the_jails(&self, world: &World, how: How) -> Check {
        const PORT: &str = "8095";
        let listener = TcpListener::bind((self.theirs, 8095)).map_err(|e| e.to_string())?;
        listener.set_nonblocking(true).map_err(|e| e.to_string())?;
        let published = format!("{}:{PORT}", self.published);
        let words = ["reaches", self.theirs, PORT];
        let session = Session::start(world, how, &["--publish", &published], &words)?;
        let taken = answer(listener);
        let run = session.finish()?;
        let reached = taken.join().map_err(|_| "the server panicked")?;
        match how {
            How::Free => ensure(reached && run.said == "connect ok | echo ok", || {
                format!("not reached: {run:#?}")
            }),
            How::Jailed(_) => {
                ensure(!reached && run.said.starts_with("connect E"), || {
                    format!("reached {reached}: {run:#?}")
                })?;
                nothing_else_arrived(&run)
            }
        }
    }
}

/// Echoes to the first one that comes within a few seconds: whether one did.
fn answer(listener: TcpListener) -> std::thread::JoinHandle<bool> {
    use std::io::{Read, Write};
    std::thread::spawn(move || {
        let come = crate::kit::wait_for(Duration::from_secs(4), || listener.accept().ok());
        let Some((mut stream, _)) = come else {
            return false;
        };
        let mut text = [0; 5];
        let _ = stream.set_nonblocking(false);
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = stream
            .read_exact(&mut text)
            .and_then(|()| stream.write_all(&text));
        true
    })
}
