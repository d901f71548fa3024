//! A refusal: the host cannot give what the profile requires.
#![forbid(unsafe_code)]

use std::fmt;

/// One thing that is required and missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What cannot be held, as in "promise `files`" or "jail".
    pub what: String,
    /// What it needs.
    pub needs: String,
    /// What was found instead.
    pub found: String,
    /// What would mend it, or relax it.
    pub hints: Vec<String>,
}

/// All refusals of a resolution, in the order of the promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals(pub Vec<Refusal>);

impl fmt::Display for Refusals {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        writeln!(
            out,
            "error: this host cannot give what the profile requires"
        )?;
        for refusal in &self.0 {
            writeln!(out, "  {} needs {}", refusal.what, refusal.needs)?;
            writeln!(out, "    found: {}", refusal.found)?;
        }
        let mut said: Vec<&String> = Vec::new();
        for hint in self.0.iter().flat_map(|refusal| &refusal.hints) {
            if !said.contains(&hint) {
                writeln!(out, "hint: {hint}")?;
                said.push(hint);
            }
        }
        Ok(())
    }
}
