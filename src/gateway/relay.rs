//! Bytes between two connections: small pieces by copying, streams by splice(2), both ways in one task.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{Error, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, SpliceFFlags, splice};
use nix::unistd::pipe2;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::reason::Reason;
use super::stream::{Halt, reset};

/// What a connection has carried so far.
#[derive(Debug, Default)]
pub struct Count {
    /// From the jail, or from the visitor.
    pub sent: Cell<u64>,
    /// To it.
    pub received: Cell<u64>,
}

/// A pipe with room for what one splice(2) moves.
struct Pipe {
    out: OwnedFd,
    into: OwnedFd,
}

/// Pipes and a buffer that all relays of this process share: a connection holds a pipe only while bytes are in it.
pub struct Pipes {
    spare: RefCell<Vec<Pipe>>,
    buffer: RefCell<Box<[u8]>>,
}

/// A read that fills it is a stream, for which splice(2) pays.
const PIECE: usize = 32 << 10;
/// The most that one splice(2) is asked to move: a pipe's capacity (F_SETPIPE_SZ).
const STREAM: usize = 256 << 10;
/// Pipes that are kept for the next stream.
const MAX_SPARE: usize = 16;

impl Pipes {
    /// None yet.
    pub fn new() -> Pipes {
        Pipes {
            spare: RefCell::new(Vec::new()),
            buffer: RefCell::new(vec![0; PIECE].into()),
        }
    }

    fn take(&self) -> Result<Pipe, Errno> {
        if let Some(pipe) = self.spare.borrow_mut().pop() {
            return Ok(pipe);
        }
        let (out, into) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        // Where the user has too many large pipes already a small one does, too.
        let _ = nix::fcntl::fcntl(&into, nix::fcntl::FcntlArg::F_SETPIPE_SZ(STREAM as i32));
        Ok(Pipe { out, into })
    }

    fn give_back(&self, pipe: Pipe) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < MAX_SPARE {
            spare.push(pipe);
        }
    }
}

/// One direction.
struct Flow<'a> {
    from: &'a TcpStream,
    to: &'a TcpStream,
    pipes: &'a Pipes,
    carried: &'a Cell<u64>,
    /// Read, and not yet written.
    rest: Vec<u8>,
    /// In the pipe, and not yet written.
    in_pipe: usize,
    pipe: Option<Pipe>,
    /// Whether the last read filled the buffer.
    streams: bool,
    ended: bool,
}

impl<'a> Flow<'a> {
    fn new(
        from: &'a TcpStream,
        to: &'a TcpStream,
        pipes: &'a Pipes,
        carried: &'a Cell<u64>,
    ) -> Flow<'a> {
        Flow {
            from,
            to,
            pipes,
            carried,
            rest: Vec::new(),
            in_pipe: 0,
            pipe: None,
            streams: false,
            ended: false,
        }
    }

    /// Moves what can be moved; ready once this direction has ended and the other side knows it.
    fn poll(&mut self, context: &mut Context) -> Poll<Result<(), Error>> {
        while !self.ended {
            if !self.rest.is_empty() {
                ready!(self.poll_rest(context))?;
            } else if self.in_pipe > 0 {
                ready!(self.poll_pipe(context))?;
            } else if self.streams {
                ready!(self.poll_stream(context))?;
            } else {
                ready!(self.poll_piece(context))?;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_rest(&mut self, context: &mut Context) -> Poll<Result<(), Error>> {
        ready!(self.to.poll_write_ready(context))?;
        match self.to.try_write(&self.rest) {
            Ok(length) => {
                self.carry(length);
                self.rest.drain(..length);
                if self.rest.is_empty() {
                    self.rest = Vec::new();
                }
                Poll::Ready(Ok(()))
            }
            Err(error) => again(error),
        }
    }

    fn poll_pipe(&mut self, context: &mut Context) -> Poll<Result<(), Error>> {
        let Some(pipe) = &self.pipe else {
            return Poll::Ready(Err(Error::from(ErrorKind::BrokenPipe)));
        };
        ready!(self.to.poll_write_ready(context))?;
        let moved = self.to.try_io(Interest::WRITABLE, || {
            move_bytes(&pipe.out, self.to, self.in_pipe)
        });
        match moved {
            Ok(length) => {
                self.carry(length);
                self.in_pipe -= length.min(self.in_pipe);
                Poll::Ready(Ok(()))
            }
            Err(error) => again(error),
        }
    }

    fn poll_stream(&mut self, context: &mut Context) -> Poll<Result<(), Error>> {
        if self.from.poll_read_ready(context)?.is_pending() {
            // Nothing to carry: others may have the pipe.
            self.put_pipe_back();
            self.streams = false;
            return Poll::Pending;
        }
        let pipe = match self.pipe.take() {
            Some(pipe) => pipe,
            None => match self.pipes.take() {
                Ok(pipe) => pipe,
                // Out of descriptors: copying needs none.
                Err(_) => {
                    self.streams = false;
                    return Poll::Ready(Ok(()));
                }
            },
        };
        let moved = self.from.try_io(Interest::READABLE, || {
            move_bytes(self.from, &pipe.into, STREAM)
        });
        self.pipe = Some(pipe);
        match moved {
            // splice(2) says 0 for other reasons, too: a read decides whether this is the end.
            Ok(0) => {
                self.put_pipe_back();
                self.streams = false;
                Poll::Ready(Ok(()))
            }
            Ok(length) => {
                self.in_pipe = length;
                Poll::Ready(Ok(()))
            }
            Err(error) => again(error),
        }
    }

    fn poll_piece(&mut self, context: &mut Context) -> Poll<Result<(), Error>> {
        ready!(self.from.poll_read_ready(context))?;
        let mut buffer = self.pipes.buffer.borrow_mut();
        match read_what_is_there(self.from, &mut buffer) {
            Ok(0) => self.end(),
            Ok(length) => {
                self.streams = length == buffer.len();
                let written = match self.to.try_write(&buffer[..length]) {
                    Ok(written) => written,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                    Err(error) => return Poll::Ready(Err(error)),
                };
                self.carry(written);
                self.rest.extend_from_slice(&buffer[written..length]);
                Poll::Ready(Ok(()))
            }
            Err(error) => again(error),
        }
    }

    /// No more will come: said to the other side, whose own direction goes on.
    fn end(&mut self) -> Poll<Result<(), Error>> {
        self.put_pipe_back();
        self.ended = true;
        match socket2::SockRef::from(self.to).shutdown(std::net::Shutdown::Write) {
            // It has left already: nothing is lost by not being told.
            Err(error) if error.kind() != ErrorKind::NotConnected => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn put_pipe_back(&mut self) {
        if let Some(pipe) = self.pipe.take().filter(|_| self.in_pipe == 0) {
            self.pipes.give_back(pipe);
        }
    }

    fn carry(&self, length: usize) {
        self.carried.set(self.carried.get() + length as u64);
    }
}

/// A readiness that was none is no error: the loop asks for the next one.
fn again(error: Error) -> Poll<Result<(), Error>> {
    match error.kind() {
        ErrorKind::WouldBlock => Poll::Ready(Ok(())),
        _ => Poll::Ready(Err(error)),
    }
}

fn move_bytes(from: &impl AsFd, to: &impl AsFd, most: usize) -> Result<usize, Error> {
    let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
    splice(from, None, to, None, most, flags).map_err(Error::from)
}

/// Reads once. A read that leaves room in the buffer has emptied the socket ([`settle`] has done away with urgent
/// bytes, at which it would stop, too), so that the readiness is given back together with the bytes: the next read
/// would only say so.
fn read_what_is_there(from: &TcpStream, buffer: &mut [u8]) -> Result<usize, Error> {
    let mut length = None;
    let tried = from.try_io(Interest::READABLE, || {
        let read = nix::unistd::read(from, buffer)?;
        length = Some(read);
        match read {
            0 => Ok(()),
            read if read == buffer.len() => Ok(()),
            _ => Err(Error::from(ErrorKind::WouldBlock)),
        }
    });
    match (length, tried) {
        (Some(length), _) => Ok(length),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Ok(0),
    }
}

/// Carries bytes one way until there are no more, and says so to the other side.
pub async fn one_way(
    from: &TcpStream,
    to: &TcpStream,
    pipes: &Pipes,
    carried: &Cell<u64>,
) -> Result<(), Halt> {
    let mut flow = Flow::new(from, to, pipes, carried);
    let moved = poll_fn(|context| flow.poll(context)).await;
    moved.map_err(|_| Halt::Broken)
}

/// Carries bytes between `near` and `far` until both directions have ended, one breaks off, or nothing passes for
/// `idle` (seen within twice that time). What breaks off or idles is reset on both sides.
pub async fn relay(
    near: &TcpStream,
    far: &TcpStream,
    count: &Count,
    pipes: &Pipes,
    idle: Duration,
) -> Result<(), Reason> {
    let out = one_way(near, far, pipes, &count.sent);
    let back = one_way(far, near, pipes, &count.received);
    drive([near, far], out, back, count, idle).await
}

/// Both directions of a connection side by side, until both have ended, one halts, or nothing is counted for `idle`.
pub async fn drive(
    ends: [&TcpStream; 2],
    out: impl Future<Output = Result<(), Halt>>,
    back: impl Future<Output = Result<(), Halt>>,
    count: &Count,
    idle: Duration,
) -> Result<(), Reason> {
    let (mut out, mut back) = (pin!(Some(out)), pin!(Some(back)));
    let mut timer = pin!(sleep_until(Instant::now() + idle));
    let total = || count.sent.get() + count.received.get();
    let mut seen = total();
    let halted = poll_fn(|context| {
        for halted in [
            advance(out.as_mut(), context),
            advance(back.as_mut(), context),
        ] {
            if let Err(halt) = halted {
                return Poll::Ready(Some(halt));
            }
        }
        if out.is_none() && back.is_none() {
            return Poll::Ready(None);
        }
        while timer.as_mut().poll(context).is_ready() {
            if total() == seen {
                return Poll::Ready(Some(Halt::Because(Reason::Idle)));
            }
            seen = total();
            timer.as_mut().reset(Instant::now() + idle);
        }
        Poll::Pending
    })
    .await;
    match halted {
        None => return Ok(()),
        Some(_) => ends.into_iter().for_each(reset),
    }
    match halted {
        Some(Halt::Because(reason)) => Err(reason),
        _ => Ok(()),
    }
}

/// Polls a direction that has not ended yet; one that has is dropped.
fn advance<F: Future<Output = Result<(), Halt>>>(
    mut direction: Pin<&mut Option<F>>,
    context: &mut Context,
) -> Result<(), Halt> {
    let Some(running) = direction.as_mut().as_pin_mut() else {
        return Ok(());
    };
    match running.poll(context) {
        Poll::Pending => Ok(()),
        Poll::Ready(ended) => {
            direction.set(None);
            ended
        }
    }
}
