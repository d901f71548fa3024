//! The limits of `[resources]`, reached.

use super::{FLOWISE, answers, put_back};
use crate::Story;
use crate::guest;
use crate::kit::{Check, ensure};

pub const MEMORY: Story = Story {
    about: "flowise.service with too little memory",
    scenes: &[
        ("starts", starts),
        ("is ended by the kernel at its limit", out_of_memory),
        ("the journal has the event and the advice", told),
        ("leaves nothing behind", || guest::nothing(FLOWISE)),
    ],
    end: || put_back(FLOWISE, "flowise.toml"),
};

fn starts() -> Check {
    guest::drop_in(FLOWISE, "Restart=no")?;
    guest::profile("flowise.toml", &[("memory = \"2G\"", "memory = \"160M\"")])?;
    FLOWISE.order("start")?;
    answers()
}

fn out_of_memory() -> Check {
    let answer = guest::get("/allocate?megabytes=400");
    ensure(answer.is_err(), || format!("it has them all: {answer:?}"))?;
    FLOWISE.becomes("ActiveState", "failed")?;
    let (result, status) = (FLOWISE.show("Result")?, FLOWISE.show("ExecMainStatus")?);
    let expected = result == "oom-kill" || result == "exit-code" && status == "137";
    ensure(expected, || {
        format!("Result={result}, status {status}{}", FLOWISE.text())
    })
}

fn told() -> Check {
    let limit = FLOWISE.entry("limit event", |entry| entry.is_event("limit"))?;
    let hit = limit.field("FLOWJAIL_HIT");
    ensure(hit == "out-of-memory", || format!("{limit:?}"))?;
    FLOWISE.says("[resources] memory = \"320M\"")
}
