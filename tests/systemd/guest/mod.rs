//! The guest's side: plays stories in their order and tells what came of each scene.

mod http;
mod journal;
mod left;
mod place;
mod program;
mod unit;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use http::{ask, get};
pub use journal::Entry;
pub use left::nothing;
pub use place::{drop_in, key, profile, without_drop_ins};
pub use program::{Analysed, output, systemctl};
pub use unit::{Manager, Unit};

use crate::Story;
use crate::kit::Check;

/// The port that the host reads.
const PORT: &str = "/dev/ttyS1";

/// What came of a scene.
#[derive(Serialize, Deserialize)]
pub struct Told {
    /// Its whole name.
    pub scene: String,
    /// What was seen instead of what ought to be.
    pub wrong: Option<String>,
    /// How long it took.
    pub seconds: f32,
}

impl Told {
    /// Reads a line of the port.
    pub fn read(line: &str) -> Option<Told> {
        serde_json::from_str(line.trim()).ok()
    }
}

/// Plays what is wanted. A scene that fails does not end its story: the later ones say what they see then.
pub fn play(stories: &[&Story]) -> ExitCode {
    let wanted = fs::read_to_string("/opt/test/wanted").unwrap_or_default();
    let wanted: Vec<&str> = wanted.lines().collect();
    let is_wanted =
        |name: String| wanted.is_empty() || wanted.iter().any(|word| name.contains(word));
    if let Err(why) = place::prepare() {
        say(&format!("the guest cannot be prepared: {why}"));
        return ExitCode::FAILURE;
    }
    let mut failed = 0;
    for story in stories {
        if story.names().any(is_wanted) {
            failed += tell(story);
        }
    }
    say(&format!("{failed} scenes failed"));
    ExitCode::SUCCESS
}

fn tell(story: &Story) -> usize {
    journal::begin();
    let mut failed = 0;
    for ((_, scene), name) in story.scenes.iter().zip(story.names()) {
        let begun = Instant::now();
        let wrong = scene().err();
        let seconds = begun.elapsed().as_secs_f32();
        failed += usize::from(wrong.is_some());
        say(&format!(
            "{} {seconds:.0} s: {name}",
            if wrong.is_some() { "FAILED" } else { "ok" }
        ));
        report(&Told {
            scene: name,
            wrong,
            seconds,
        });
    }
    if let Err(why) = (story.end)() {
        say(&format!("the end of {}: {why}", story.about));
    }
    failed
}

fn report(told: &Told) {
    let line = serde_json::to_string(told).unwrap_or_default();
    if let Ok(mut port) = fs::File::options().write(true).open(PORT) {
        let _ = writeln!(port, "{line}");
    }
}

/// A line on the console, for whoever reads why a guest ended early.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The fields of a file like /proc/PID/status.
pub fn fields(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

/// That one text holds another.
pub fn holds(text: &str, part: &str) -> Check {
    crate::kit::ensure(text.contains(part), || {
        format!("{part:?} is not in: {text}")
    })
}
