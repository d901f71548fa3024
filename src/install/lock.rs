//! The pinned versions: a package list and an npm lock file each, embedded in the binary.
//!
//! The lock files name versions and integrity digests only, no address: npm takes the registry that the
//! user's npm is set to. Fields that `npm ci` does not read are left out, one package stands on each line.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use serde_json::Value;

use super::error::Error;
use super::manifest::sha256_hex;
use super::space::Need;

/// The version that `up` installs where none is named.
pub const DEFAULT_VERSION: &str = "3.1.4";

/// One version of Flowise that flowjail can install.
#[derive(Debug)]
pub struct Pinned {
    /// As npm writes it.
    pub version: &'static str,
    /// The contents of `package.json`.
    pub package_json: &'static str,
    /// The contents of `package-lock.json`.
    pub package_lock: &'static str,
    /// What must be free where it is installed (measured, with about a fifth to spare).
    pub need: Need,
}

/// 3.1.4 took 2.7 GB and 292,000 files and directories, npm's cache 0.8 GB beside it, the build 0.1 GB.
static PINNED: [Pinned; 2] = [
    Pinned {
        version: "3.1.4",
        package_json: include_str!("locks/3.1.4/package.json"),
        package_lock: include_str!("locks/3.1.4/package-lock.json"),
        need: Need {
            bytes: 4_500_000_000,
            inodes: 330_000,
        },
    },
    Pinned {
        version: "3.0.5",
        package_json: include_str!("locks/3.0.5/package.json"),
        package_lock: include_str!("locks/3.0.5/package-lock.json"),
        need: Need {
            bytes: 4_000_000_000,
            inodes: 300_000,
        },
    },
];

/// The versions that can be installed, the default first.
pub fn versions() -> impl Iterator<Item = &'static str> {
    PINNED.iter().map(|pinned| pinned.version)
}

/// Finds the pinned data of a version.
pub fn pinned(version: &str) -> Result<&'static Pinned, Error> {
    let found = PINNED.iter().find(|pinned| pinned.version == version);
    found.ok_or_else(|| Error::UnknownVersion {
        asked: version.to_owned(),
    })
}

#[derive(serde::Deserialize)]
struct LockFile {
    packages: BTreeMap<String, Package>,
}

#[derive(serde::Deserialize)]
struct Package {
    #[serde(default)]
    os: Vec<String>,
    #[serde(default)]
    cpu: Vec<String>,
    #[serde(default)]
    libc: Vec<String>,
}

impl Pinned {
    /// A digest of the package list and the lock file: a tree that was made from others is made anew.
    pub fn digest(&self) -> String {
        sha256_hex(format!("{}\0{}", self.package_json, self.package_lock).as_bytes())
    }

    /// The places (`node_modules/...`) of the packages that npm installs on this machine, sorted.
    ///
    /// Packages for other systems are left out; those for another C library stay in the lock file, too, and are
    /// left out by the `libc` field where they name musl.
    pub fn packages(&self) -> Vec<String> {
        let lock: LockFile = serde_json::from_str(self.package_lock).unwrap_or(LockFile {
            packages: BTreeMap::new(),
        });
        let wanted = lock
            .packages
            .into_iter()
            .filter(|(place, package)| !place.is_empty() && package.fits());
        wanted.map(|(place, _)| place).collect()
    }
}

impl Pinned {
    /// The lock file with an address for each package: `REGISTRY/NAME/-/LAST-VERSION.tgz`, npm's own convention.
    pub fn with_addresses(&self, registry: &str) -> Option<String> {
        let mut lock: Value = serde_json::from_str(self.package_lock).ok()?;
        for (place, package) in lock.get_mut("packages")?.as_object_mut()? {
            let Some((_, placed)) = place.rsplit_once("node_modules/") else {
                continue;
            };
            // an alias: installed under another name than its own
            let name = package
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or(placed);
            let last = name.rsplit('/').next()?;
            let version = package.get("version")?.as_str()?;
            package["resolved"] =
                Value::String(format!("{registry}/{name}/-/{last}-{version}.tgz"));
        }
        serde_json::to_string(&lock).ok()
    }
}

impl Package {
    fn fits(&self) -> bool {
        let cpu = match ARCH {
            "x86_64" => "x64",
            "aarch64" => "arm64",
            other => other,
        };
        let allows =
            |list: &[String], name: &str| list.is_empty() || list.iter().any(|entry| entry == name);
        allows(&self.os, "linux") && allows(&self.cpu, cpu) && allows(&self.libc, "glibc")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lock_names_digests_and_no_address() {
        for pinned in &PINNED {
            assert!(!pinned.package_lock.contains("://"), "{}", pinned.version);
            assert!(
                !pinned.package_lock.contains("\"resolved\""),
                "{}",
                pinned.version
            );
            assert!(!pinned.package_json.contains("://"), "{}", pinned.version);
            let entries = pinned
                .package_lock
                .lines()
                .filter(|line| line.starts_with("\"node_modules/"));
            for line in entries {
                assert!(line.contains("\"integrity\":\"sha512-"), "{line}");
            }
        }
    }

    #[test]
    fn the_three_flowise_packages_have_one_version() {
        for pinned in &PINNED {
            for name in ["flowise", "flowise-components", "flowise-ui"] {
                let line = format!(
                    "\"node_modules/{name}\":{{\"version\":\"{}\"",
                    pinned.version
                );
                assert!(pinned.package_lock.contains(&line), "{line}");
            }
            assert!(
                pinned.packages().len() > 2900,
                "{}",
                pinned.packages().len()
            );
        }
    }

    #[test]
    fn addresses_follow_the_convention_and_every_package_gets_one() {
        let pinned = pinned("3.1.4").expect("it is pinned");
        let text = pinned
            .with_addresses("http://npm.test/x")
            .expect("the lock is JSON");
        let lock: Value = serde_json::from_str(&text).expect("JSON");
        let packages = lock["packages"].as_object().expect("an object");
        let address = |place: &str| packages[place]["resolved"].as_str();
        assert_eq!(
            address("node_modules/flowise"),
            Some("http://npm.test/x/flowise/-/flowise-3.1.4.tgz")
        );
        let scoped = address("node_modules/@ai-sdk/provider");
        assert_eq!(
            scoped,
            Some("http://npm.test/x/@ai-sdk/provider/-/provider-1.1.3.tgz")
        );
        assert!(
            packages
                .iter()
                .all(|(place, package)| place.is_empty() || package["resolved"].is_string())
        );
    }

    #[test]
    fn the_default_is_pinned_and_others_are_named() {
        assert_eq!(
            pinned(DEFAULT_VERSION).map(|pinned| pinned.version).ok(),
            versions().next()
        );
        assert!(matches!(pinned("2.0.0"), Err(Error::UnknownVersion { .. })));
    }
}
