//! One look at the host.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{getegid, geteuid, getgroups};

use super::command::{self, Command, CommandError};
use super::{Host, Request, namespaces, paths};
use crate::profile::{Level, Profile, Promise, Template};
use crate::sys::notify;

/// Observes what a plan for this profile and request depends on.
pub fn observe(profile: &Profile, request: &Request) -> Result<Host, CommandError> {
    let env: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let (command, variables) = command_of(profile, request, &env)?;
    let uid = geteuid().as_raw();
    let known = profile
        .paths()
        .filter_map(|template| expand(template, &variables));
    let named = [
        Some(command.program.clone()),
        command.script.clone(),
        command.loader.clone(),
    ];
    let all = known
        .map(PathBuf::from)
        .chain(named.into_iter().flatten())
        .chain(DEVICES.iter().map(PathBuf::from));
    Ok(Host {
        kernel: nix::sys::utsname::uname()
            .map(|name| name.release().to_string_lossy().into_owned())
            .unwrap_or_default(),
        uid,
        gid: getegid().as_raw(),
        groups: groups(),
        namespaces: if request.probe {
            namespaces::probe()
        } else {
            Ok(())
        },
        network: network(profile, request),
        landlock: crate::sys::process::landlock_abi(),
        listener: notify::available().and_then(|()| notify::flags_known()),
        memfd_noexec: uid == 0 && Path::new("/proc/sys/vm/memfd_noexec").exists(),
        container: ["/.dockerenv", "/run/.containerenv"]
            .iter()
            .any(|mark| Path::new(mark).exists())
            || env.contains_key("KUBERNETES_SERVICE_HOST"),
        etc_hosts: std::fs::read_to_string("/etc/hosts").unwrap_or_default(),
        resolv_conf: std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default(),
        paths: paths::look_at(all),
        env,
        command,
        variables,
    })
}

/// A launch finds out by doing, so that `run` looks only where the jail would start without.
fn network(profile: &Profile, request: &Request) -> Result<(), Errno> {
    let required = |promise| profile.promises.get(&promise) == Some(&Level::Require);
    let required = required(Promise::Egress) || required(Promise::Ingress);
    if profile.net.enabled && (request.probe || !required) {
        namespaces::probe_network()
    } else {
        Ok(())
    }
}

/// The devices of a minimal /dev.
pub const DEVICES: [&str; 5] = [
    "/dev/full",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
];

fn expand(template: &Template, variables: &BTreeMap<String, String>) -> Option<String> {
    template.expand(&|name| variables.get(name).cloned())
}

type Resolved = (Command, BTreeMap<String, String>);

fn command_of(
    profile: &Profile,
    request: &Request,
    env: &BTreeMap<String, String>,
) -> Result<Resolved, CommandError> {
    let path = env
        .get("PATH")
        .map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
    let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let mut variables = BTreeMap::new();
    if let Some(home) = env.get("HOME") {
        variables.insert("user_home".to_owned(), home.clone());
    }
    if profile.uses("node")
        && let Ok(node) = command::find("node", path, &cwd)
    {
        variables.insert("node".to_owned(), node.to_string_lossy().into_owned());
    }
    let automatic = |name: &str| {
        profile
            .params
            .get(name)
            .is_some_and(|value| value.is_text("auto"))
    };
    for (name, value) in &profile.params {
        if !automatic(name) {
            let own = expand_deep(value, profile, &variables, 0);
            variables.extend(own.map(|text| (name.clone(), text)));
        }
    }
    let argv = argv_of(profile, request, &variables)?;
    let command = Command::resolve(&argv, path, &cwd)?;
    if command.is_node() {
        variables.insert(
            "node".to_owned(),
            command.program.to_string_lossy().into_owned(),
        );
    }
    if let Some(directory) = command.script.as_ref().and_then(|script| script.parent()) {
        variables.insert(
            "command_dir".to_owned(),
            directory.to_string_lossy().into_owned(),
        );
    }
    if automatic("install") {
        let tree = command
            .node_modules()
            .map(|path| path.to_string_lossy().into_owned());
        variables.extend(tree.map(|tree| ("install".to_owned(), tree)));
    }
    Ok((command, variables))
}

const MAX_DEPTH: usize = 16;

/// A parameter may name other parameters; the profile's check has refused cycles.
fn expand_deep(
    template: &Template,
    profile: &Profile,
    known: &BTreeMap<String, String>,
    depth: usize,
) -> Option<String> {
    template.expand(&|name| {
        let other = || {
            (depth < MAX_DEPTH)
                .then(|| expand_deep(profile.params.get(name)?, profile, known, depth + 1))?
        };
        known.get(name).cloned().or_else(other)
    })
}

fn argv_of(
    profile: &Profile,
    request: &Request,
    variables: &BTreeMap<String, String>,
) -> Result<Vec<String>, CommandError> {
    if !request.command.is_empty() {
        return Ok(request.command.clone());
    }
    if profile.command.is_empty() {
        let hint =
            "write it behind `--`, as in `flowjail run --profile node -- node app.js`".to_owned();
        return Err(CommandError {
            exit: 125,
            message: "no command, and the profile has none".into(),
            hint: Some(hint),
        });
    }
    let unknown = |word: &Template| CommandError {
        exit: 125,
        message: format!("`{word}` in the profile's command has no value on this host"),
        hint: Some("name the command behind `--`, or give the parameter: --set NAME=VALUE".into()),
    };
    profile
        .command
        .iter()
        .map(|word| expand(word, variables).ok_or_else(|| unknown(word)))
        .collect()
}

fn groups() -> Vec<(u32, String)> {
    let own = getgroups().unwrap_or_else(|_: Errno| Vec::new());
    if own.is_empty() {
        return Vec::new();
    }
    let names = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let name_of = |gid: u32| {
        let mut lines = names
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>());
        lines
            .find(|fields| fields.get(2) == Some(&gid.to_string().as_str()))
            .map_or(String::new(), |fields| fields[0].to_owned())
    };
    own.into_iter()
        .map(|gid| (gid.as_raw(), name_of(gid.as_raw())))
        .collect()
}
