//! `flowise.service` as others than a dynamic user.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use super::{FLOWISE, answers, key_is_the_childs_alone, put_back, runs_as};
use crate::Story;
use crate::guest;
use crate::kit::{Check, ensure};

pub const USER: Story = Story {
    about: "flowise.service as a user of the system (User=)",
    scenes: &[
        ("starts and answers", as_user),
        ("runs as that user without capabilities", || {
            runs_as(&uid_of(USER_NAME)?)
        }),
        ("the key is the child's alone", || {
            key_is_the_childs_alone(FLOWISE)
        }),
        ("leaves nothing behind after a stop", stops),
    ],
    end,
};

pub const ROOT: Story = Story {
    about: "flowise.service started as root",
    scenes: &[
        ("starts and answers", as_root),
        ("runs as a plain user all the same", || runs_as("64120")),
        ("the key is the child's alone", || {
            key_is_the_childs_alone(FLOWISE)
        }),
        ("the data stay root's", data_stays),
        ("leaves nothing behind after a stop", stops),
    ],
    end,
};

const USER_NAME: &str = "service";

fn end() -> Check {
    put_back(FLOWISE, "flowise.toml")?;
    let _ = fs::remove_dir_all("/var/lib/flowise");
    Ok(())
}

fn stops() -> Check {
    FLOWISE.order("stop")?;
    guest::nothing(FLOWISE)
}

fn uid_of(name: &str) -> Result<String, String> {
    let text = fs::read_to_string("/etc/passwd").map_err(|error| error.to_string())?;
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name}:")));
    let uid = line.and_then(|line| line.split(':').nth(2));
    uid.map(str::to_owned)
        .ok_or_else(|| format!("no user {name}"))
}

/// What a dynamic user left is at another place.
fn fresh_data() -> Check {
    for place in ["/var/lib/private/flowise", "/var/lib/flowise"] {
        let _ = fs::remove_dir_all(place);
        let _ = fs::remove_file(place);
    }
    Ok(())
}

fn as_user() -> Check {
    fresh_data()?;
    let mut command = Command::new("useradd");
    command.args(["--system", "--no-create-home", USER_NAME]);
    guest::output(command)?;
    guest::drop_in(
        FLOWISE,
        &format!("Restart=no\nDynamicUser=no\nUser={USER_NAME}"),
    )?;
    FLOWISE.order("start")?;
    answers()
}

/// As the unit's comment says.
fn as_root() -> Check {
    fresh_data()?;
    let lines = "Restart=no\nDynamicUser=no\nUser=root\nCapabilityBoundingSet=~\nPrivateUsers=no";
    guest::drop_in(FLOWISE, lines)?;
    FLOWISE.order("start")?;
    answers()
}

fn data_stays() -> Check {
    guest::get("/write?path=/home/flowise/.flowise/note")?;
    let note = fs::metadata("/var/lib/flowise/note").map_err(|error| error.to_string())?;
    ensure(note.uid() == 0, || {
        format!("the note is of uid {}", note.uid())
    })
}
