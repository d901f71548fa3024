//! Listeners in the jail's network, each for a host or an address of the profile.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::TcpListener;
use tokio::task::{AbortHandle, spawn_local};

use super::outward::{self, Target};
use super::serve::Gateway;

/// What a listener stands for now.
pub type Meaning = Rc<RefCell<Rc<Target>>>;

/// All of them, by where they listen.
#[derive(Default)]
pub struct Standing(RefCell<BTreeMap<SocketAddr, (AbortHandle, Meaning)>>);

impl Standing {
    /// Whether one listens there.
    pub fn has(&self, at: SocketAddr) -> bool {
        self.0.borrow().contains_key(&at)
    }

    /// Lets a listener accept for a target.
    pub fn put(gateway: &Rc<Gateway>, at: SocketAddr, listener: TcpListener, target: Target) {
        let meaning = Rc::new(RefCell::new(Rc::new(target)));
        let accepting = outward::accept(Rc::clone(gateway), listener, Rc::clone(&meaning));
        let task = spawn_local(accepting).abort_handle();
        let earlier = gateway.standing.0.borrow_mut().insert(at, (task, meaning));
        if let Some((task, _)) = earlier {
            task.abort();
        }
    }

    /// Gives each what it stands for from now on; one that stands for nothing is closed, and where it listened
    /// returned. What waits in its queue is reset by the kernel.
    pub fn renew(
        &self,
        judge: impl Fn(&Target) -> Option<Target>,
    ) -> Vec<(SocketAddr, Rc<Target>)> {
        let mut closed = Vec::new();
        self.0.borrow_mut().retain(|at, (task, meaning)| {
            let was = Rc::clone(&meaning.borrow());
            match judge(&was) {
                Some(now) => {
                    *meaning.borrow_mut() = Rc::new(now);
                    true
                }
                None => {
                    task.abort();
                    closed.push((*at, was));
                    false
                }
            }
        });
        closed
    }
}
