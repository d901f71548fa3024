//! What a unit has written to the journal, with all fields.

use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;

use super::program::output;
use super::unit::{Manager, Unit};

/// Where the present story begins.
static BEGIN: Mutex<String> = Mutex::new(String::new());

/// One entry.
#[derive(Clone, Debug)]
pub struct Entry(Value);

impl Entry {
    /// A field; empty where it is not there. One that is no plain text comes as bytes.
    pub fn field(&self, name: &str) -> String {
        match &self.0[name] {
            Value::String(text) => text.clone(),
            Value::Array(bytes) => {
                let bytes = bytes
                    .iter()
                    .filter_map(|byte| u8::try_from(byte.as_u64()?).ok());
                String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
            }
            _ => String::new(),
        }
    }

    /// Its text.
    pub fn message(&self) -> String {
        self.field("MESSAGE")
    }

    /// Whether it is this event of flowjail's.
    pub fn is_event(&self, name: &str) -> bool {
        self.field("FLOWJAIL_EVENT") == name
    }
}

/// From now on.
pub fn begin() {
    let mut command = Command::new("journalctl");
    command.args(["-q", "-n", "0", "--show-cursor"]);
    let said = output(command)
        .map(|ended| ended.stdout)
        .unwrap_or_default();
    if let (Some((_, cursor)), Ok(mut begin)) = (said.split_once("cursor: "), BEGIN.lock()) {
        *begin = cursor.trim().to_owned();
    }
}

/// Entries of the unit's processes and of its manager about it.
pub fn of(unit: Unit) -> Vec<Entry> {
    let mut sync = Command::new("journalctl");
    sync.arg("--sync");
    let _ = output(sync);
    let (by, about) = match unit.manager {
        Manager::System => ("_SYSTEMD_UNIT", "UNIT"),
        Manager::Ada => ("_SYSTEMD_USER_UNIT", "USER_UNIT"),
    };
    let mut command = Command::new("journalctl");
    command.args(["-q", "--all", "-o", "json", "--no-pager"]);
    if let Ok(begin) = BEGIN.lock() {
        command.arg(format!("--after-cursor={begin}"));
    }
    command.args([
        format!("{by}={}", unit.name),
        "+".into(),
        format!("{about}={}", unit.name),
    ]);
    let said = output(command)
        .map(|ended| ended.stdout)
        .unwrap_or_default();
    let entries = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    entries.map(Entry).collect()
}

/// The messages, one a line.
pub fn text(entries: &[Entry]) -> String {
    let line = |entry: &Entry| format!("\n  {}", entry.message().replace('\n', "\n    "));
    entries.iter().map(line).collect()
}
