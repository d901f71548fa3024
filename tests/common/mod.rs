//! What several tests share: needs, places outside the jail, starts as root and as an ordinary user.
#![forbid(unsafe_code)]
#![allow(dead_code)] // each test takes what it needs of this

pub mod needs;
pub mod place;
pub mod probe;
pub mod start;
