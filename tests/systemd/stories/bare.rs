//! `flowise-bare.service`: the bare jail on a host, with systemd's directives around it.

use super::{answers, key_is_the_childs_alone, put_back, runs_as, shell_is_refused};
use crate::Story;
use crate::guest::{self, Manager, Unit, systemctl};
use crate::kit::{Check, ensure};

const BARE: Unit = Unit::system("flowise-bare.service");

pub const STORY: Story = Story {
    about: "flowise-bare.service",
    scenes: &[
        ("is started when the ping answers", started),
        ("runs as a user of its own without capabilities", own_user),
        (
            "holds native-code, since nothing that is written can be executed, and limits, by the unit's",
            native_code,
        ),
        ("the key is the child's alone", || {
            key_is_the_childs_alone(BARE)
        }),
        (
            "a shell is refused, and the journal has it with its fields",
            || shell_is_refused(BARE),
        ),
        ("a reload is told what came of it", reloaded),
        ("all of it ends when its main process is killed", killed),
        ("leaves nothing behind", || guest::nothing(BARE)),
    ],
    end,
};

pub const MEMORY: Story = Story {
    about: "flowise-bare.service with too little memory",
    scenes: &[
        ("is ended by the kernel at the unit's limit", out_of_memory),
        ("leaves nothing behind", || guest::nothing(BARE)),
    ],
    end,
};

fn end() -> Check {
    put_back(BARE, "flowise-bare.toml")
}

fn started() -> Check {
    guest::drop_in(BARE, "Restart=no")?;
    BARE.order("start")?;
    answers()
}

fn own_user() -> Check {
    let place = "/var/lib/private/flowise";
    let data = std::fs::metadata(place).map_err(|error| error.to_string())?;
    runs_as(&std::os::unix::fs::MetadataExt::uid(&data).to_string())
}

fn native_code() -> Check {
    BARE.says("holds exec files native-code egress ingress privilege limits")
}

fn reloaded() -> Check {
    BARE.order("reload")?;
    answers()
}

fn killed() -> Check {
    let words = ["kill", "--kill-whom=main", "--signal=KILL", BARE.name];
    systemctl(Manager::System, &words)?;
    BARE.becomes("ActiveState", "failed")?;
    let result = BARE.show("Result")?;
    ensure(result == "signal", || format!("Result={result}"))
}

fn out_of_memory() -> Check {
    guest::drop_in(BARE, "Restart=no\nMemoryMax=160M")?;
    BARE.order("start")?;
    let answer = guest::get("/allocate?megabytes=400");
    ensure(answer.is_err(), || format!("it has them all: {answer:?}"))?;
    BARE.becomes("ActiveState", "failed")?;
    let result = BARE.show("Result")?;
    ensure(result == "oom-kill", || {
        format!("Result={result}{}", BARE.text())
    })
}
