//! Sentences and what became of them. A Flowise takes ten seconds and more to start, so one run
//! checks many sentences, and each is then reported as a test of its own.

use crate::kit::Check;
use std::collections::BTreeMap;

/// What one run found, by sentence.
#[derive(Default)]
pub struct Report {
    checked: BTreeMap<String, Check>,
    stopped: Option<String>,
}

impl Report {
    /// Notes the outcome of a sentence.
    pub fn note(&mut self, sentence: &str, outcome: Check) {
        let before = self.checked.insert(sentence.to_owned(), outcome);
        assert!(before.is_none(), "checked twice: {sentence}");
    }

    /// Notes that the run could not go on.
    pub fn stop(&mut self, why: String) {
        self.stopped.get_or_insert(why);
    }

    /// The outcome of a sentence; one that was not reached has failed.
    pub fn outcome(&self, sentence: &str) -> Check {
        match (self.checked.get(sentence), &self.stopped) {
            (Some(outcome), _) => outcome.clone(),
            (None, Some(why)) => Err(format!("not reached: {why}")),
            (None, None) => Err("not reached".to_owned()),
        }
    }
}
