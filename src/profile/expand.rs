//! Templates to text, and the paths that a profile names.
#![forbid(unsafe_code)]

use super::{Part, Profile, SecretSource, Template};

impl Template {
    /// The text with every variable replaced; `None` where one has no value.
    pub fn expand(&self, value: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let part = |part: &Part| match part {
            Part::Text(text) => Some(text.clone()),
            Part::Variable(name) => value(name),
        };
        self.0.iter().map(part).collect()
    }

    /// Whether the template is exactly this text.
    pub fn is_text(&self, text: &str) -> bool {
        matches!(self.0.as_slice(), [Part::Text(own)] if own == text)
    }
}

impl Profile {
    /// Every path on the host that the profile names.
    pub fn paths(&self) -> impl Iterator<Item = &Template> {
        let reads = self.files.read.iter().map(|entry| &entry.value.path);
        let writes = self.files.write.iter().map(|entry| &entry.value.path);
        let programs = self.programs.iter().map(|entry| &entry.value);
        reads.chain(writes).chain(programs)
    }

    /// Whether anything in the profile is made of this variable.
    pub fn uses(&self, variable: &str) -> bool {
        let places = self
            .files
            .write
            .iter()
            .filter_map(|entry| entry.value.at.as_ref());
        let cwd = self.files.cwd.iter().map(|entry| &entry.value);
        let texts = self
            .params
            .values()
            .chain(&self.command)
            .chain(self.env.set.values())
            .chain(self.env.bare.values());
        let secrets = self.secrets.values().map(|entry| &entry.value.source);
        let files = secrets.filter_map(|source| match source {
            SecretSource::File(path) => Some(path),
            SecretSource::Credential(_) => None,
        });
        let mut all = self
            .paths()
            .chain(places)
            .chain(cwd)
            .chain(texts)
            .chain(files);
        all.any(|template| template.variables().any(|name| name == variable))
    }
}
