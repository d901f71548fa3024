//! New rules for a jail that runs.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

/// Somebody has changed what the jail may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// Who: the user id, as the jail's gateway sees it.
    pub uid: u32,
    /// Lines that are in force now and were not before, as many as fit.
    pub added: Vec<String>,
    /// How many they are.
    pub added_count: usize,
    /// Lines that are not any more, as many as fit.
    pub removed: Vec<String>,
    /// How many they are.
    pub removed_count: usize,
    /// Other keys of `[net]` that are in force now.
    pub changed: Vec<String>,
    /// Profile keys that only a restart puts in force, as many as fit.
    pub restart: Vec<String>,
    /// How many they are.
    pub restart_count: usize,
    /// Connections that were ended by it.
    pub ended: u32,
}

/// Bytes of each list: together they fit a line of the stream, and a record of the gateway's.
const MOST: usize = 800;

impl Reload {
    /// With as much of each list as fits.
    pub fn new(
        uid: u32,
        added: &[String],
        removed: &[String],
        [changed, restart]: &[&[String]; 2],
        ended: u32,
    ) -> Reload {
        Reload {
            uid,
            added: some(added),
            added_count: added.len(),
            removed: some(removed),
            removed_count: removed.len(),
            changed: some(changed),
            restart: some(restart),
            restart_count: restart.len(),
            ended,
        }
    }
}

fn some(all: &[String]) -> Vec<String> {
    let mut left = MOST;
    let fits = |text: &&String| {
        // As JSON has it.
        let length = serde_json::to_string(text).map_or(MOST, |text| text.len() + 1);
        let fits = length <= left;
        left = left.saturating_sub(length);
        fits
    };
    all.iter().take_while(fits).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::Reload;

    #[test]
    fn whatever_there_is_to_tell_fits_a_line_and_is_counted() {
        let many: Vec<String> = (0..500).map(|n| format!("\"{n}\"\u{1}.test:443")).collect();
        let told = Reload::new(u32::MAX, &many, &many, &[&many, &many], u32::MAX);
        assert!(serde_json::to_string(&told).unwrap().len() < 3700);
        assert!(!told.added.is_empty() && told.added.len() < 500);
        let counts = (told.added_count, told.removed_count, told.restart_count);
        assert_eq!(counts, (500, 500, 500));
    }
}
