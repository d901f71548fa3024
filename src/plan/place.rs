//! What the place makes of a profile: the kind of jail, where a container is reached, and where its home lies.
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::host::{Host, Surroundings};
use crate::profile::{JailKind, Profile, Publish, Template};

/// The two kinds of jail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Namespaces hold it, and the filter and Landlock.
    Namespaced,
    /// The filter, its supervisor and Landlock hold it: for places where no namespace can be had.
    Bare,
}

/// The kind that a profile gets here. Bare is taken by itself only inside a container: elsewhere it would be a
/// downgrade that nobody asked for.
pub fn kind(profile: &Profile, host: &Host) -> Kind {
    let without = host.namespaces.is_err() || profile.net.enabled && host.network.is_err();
    match profile.jail {
        JailKind::Bare => Kind::Bare,
        JailKind::Auto if host.container && without => Kind::Bare,
        JailKind::Auto | JailKind::Namespaced => Kind::Namespaced,
    }
}

/// Whether a profile that was settled is for the bare jail.
pub fn is_bare(profile: &Profile) -> bool {
    profile.jail == JailKind::Bare
}

/// The profile and the host as all that follows reads them: `jail` is no longer `auto`.
pub fn settle<'a>(
    kind: Kind,
    profile: &'a Profile,
    host: &'a Host,
) -> (Cow<'a, Profile>, Cow<'a, Host>) {
    let bare = kind == Kind::Bare;
    if !bare && !host.container {
        return (Cow::Borrowed(profile), Cow::Borrowed(host));
    }
    let mut profile = profile.clone();
    let mut host = Cow::Borrowed(host);
    if host.container {
        let place = Surroundings {
            container: true,
            port: host.port,
        };
        for entry in &mut profile.net.publish {
            entry.value.address = outside(&entry.value, &place);
        }
    }
    if bare {
        profile.jail = JailKind::Bare;
        let own = std::mem::take(&mut profile.env.bare);
        profile.env.set.extend(own);
        if let Some(home) = home(&profile, &host) {
            let home = home.to_string_lossy().into_owned();
            host.to_mut().variables.insert("home".into(), home);
        }
    }
    (Cow::Owned(profile), host)
}

/// Where a published address is reached. A container's loopback is reached by nobody outside.
fn outside(publish: &Publish, place: &Surroundings) -> SocketAddr {
    let mut address = publish.address;
    if let Some(outside) = publish.in_container.filter(|_| place.container) {
        address = outside;
        address.set_port(place.port.unwrap_or(outside.port()));
    }
    address
}

/// Where the program of a profile is reached first.
pub fn published(profile: &Profile, place: &Surroundings) -> Option<SocketAddr> {
    let first = profile.net.publish.first()?;
    Some(outside(&first.value, place))
}

/// The home whose writable directory is the profile's: the directory itself where it is called otherwise than in a home
/// of the jail's own.
fn home(profile: &Profile, host: &Host) -> Option<PathBuf> {
    let expand = |template: &Template| {
        let text = template.expand(&|name| host.variables.get(name).cloned())?;
        Some(PathBuf::from(text))
    };
    let first = &profile.files.write.first()?.value;
    let data = expand(&first.path)?;
    let at = expand(first.at.as_ref()?)?;
    let below = at.strip_prefix(host.variables.get("home")?).ok()?;
    let depth = below.components().count();
    match depth > 0 && data.ends_with(below) {
        true => data.ancestors().nth(depth).map(Path::to_owned),
        false => Some(data),
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(match self {
            Kind::Namespaced => "namespaced",
            Kind::Bare => "bare",
        })
    }
}
