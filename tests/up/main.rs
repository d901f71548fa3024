//! `up`'s installation with stand-ins for node, npm and the compiler: what it needs, says, survives and checks.
//!
//! The real installation is part of the main job's test, whose trees are made by it.

mod needs;
mod place;
mod record;
mod steps;
