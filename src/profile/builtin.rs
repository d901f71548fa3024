//! The profiles that are part of the binary.
#![forbid(unsafe_code)]

const PROFILES: [(&str, &str); 4] = [
    ("base", include_str!("../../profiles/base.toml")),
    ("node", include_str!("../../profiles/node.toml")),
    ("flowise", include_str!("../../profiles/flowise.toml")),
    (
        "native-build",
        include_str!("../../profiles/native-build.toml"),
    ),
];

/// Their names, those that others extend first.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|(name, _)| *name)
}

/// The text of one.
pub fn text(name: &str) -> Option<&'static str> {
    PROFILES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}
