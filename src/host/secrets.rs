//! Where a profile's secrets lie on this host. Nothing here opens one.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::profile::{CREDENTIALS, SecretSource};

/// The path of a secret's file; none where the caller has no credentials, or a variable in the path no value.
pub fn secret_place(
    source: &SecretSource,
    env: &BTreeMap<String, String>,
    variables: &BTreeMap<String, String>,
) -> Option<PathBuf> {
    let place = match source {
        SecretSource::Credential(name) => PathBuf::from(env.get(CREDENTIALS)?).join(name),
        SecretSource::File(path) => path.expand(&|name| variables.get(name).cloned())?.into(),
    };
    place.is_absolute().then_some(place)
}
