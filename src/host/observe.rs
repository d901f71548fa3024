//! One look at the host.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{getegid, geteuid, getgroups};

use super::cgroup::{self, Cgroup, Limits, NoCgroup};
use super::command::{self, Command, CommandError};
use super::secrets::secret_place;
use super::{Host, NamespaceBlock, Request, bare, namespaces, paths};
use crate::profile::{Io, JailKind, Layer, Level, Profile, Promise, Template};
use crate::sys::notify;

/// Observes what a plan for this profile and request depends on.
pub fn observe(profile: &Profile, request: &Request) -> Result<Host, CommandError> {
    let env = environment();
    let (command, variables) = command_of(profile, request, &env)?;
    let uid = geteuid().as_raw();
    let known = profile
        .paths()
        .filter_map(|template| expand(template, &variables));
    let secrets = profile.secrets.values();
    let secrets = secrets.filter_map(|entry| secret_place(&entry.value.source, &env, &variables));
    let named = [
        Some(command.program.clone()),
        command.script.clone(),
        command.loader.clone(),
    ];
    let all = known
        .map(PathBuf::from)
        .chain(secrets)
        .chain(named.into_iter().flatten())
        .chain(DEVICES.iter().chain(&SHARED).map(PathBuf::from));
    let container = in_container(&env);
    // Where either kind may be had the jail is chosen by what can be done.
    let chooses = container && profile.jail == JailKind::Auto;
    let namespaces = namespaces(profile, request.probe || chooses);
    let network = match namespaces {
        Ok(()) => network(profile, request.probe || chooses),
        // Nobody asks.
        Err(_) => Ok(()),
    };
    let no_namespaces = namespaces.is_err() || network.is_err();
    let maybe_bare = profile.jail == JailKind::Bare || chooses && no_namespaces;
    let bare = maybe_bare.then(|| bare::look(uid == 0, written(profile, &variables, container)));
    let enforced = bare.as_ref().map_or(Ok(()), |bare| bare.landlock);
    let (cgroup, limits) = limits(profile, container);
    Ok(Host {
        kernel: nix::sys::utsname::uname()
            .map(|name| name.release().to_string_lossy().into_owned())
            .unwrap_or_default(),
        uid,
        gid: getegid().as_raw(),
        groups: groups(),
        namespaces,
        network,
        bare,
        port: port(&env),
        open_files: getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(_, hard)| hard),
        limits,
        cgroup,
        disk: disk(profile, &variables),
        landlock: crate::sys::process::landlock_abi().and_then(|abi| enforced.map(|()| abi)),
        listener: notify::available().and_then(|()| notify::flags_known()),
        memfd_noexec: uid == 0 && Path::new("/proc/sys/vm/memfd_noexec").exists(),
        container,
        etc_hosts: std::fs::read_to_string("/etc/hosts").unwrap_or_default(),
        resolv_conf: std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default(),
        paths: paths::look_at(all),
        env,
        command,
        variables,
    })
}

/// Directories that the bare jail writes; of one that is not there, what it will lie in.
fn written(
    profile: &Profile,
    variables: &BTreeMap<String, String>,
    container: bool,
) -> Vec<PathBuf> {
    let templates = profile.files.write.iter().map(|entry| &entry.value.path);
    let named = templates.filter_map(|template| expand(template, variables));
    let tmp = container.then(|| PathBuf::from("/tmp"));
    let all = named.map(PathBuf::from).chain(tmp);
    let there = |place: PathBuf| {
        let mut above = place.ancestors();
        above.find(|place| place.is_dir()).map(Path::to_owned)
    };
    all.filter_map(there).collect()
}

/// The cgroup, where a limit is asked for, and what limits flowjail itself.
fn limits(profile: &Profile, container: bool) -> (Result<Cgroup, NoCgroup>, Limits) {
    let off = profile.layers_off.contains(&Layer::Limits);
    let asked = profile.resources.concern_a_cgroup() && !off;
    match asked || container {
        true => cgroup::look(asked),
        false => (Err(NoCgroup::NotAsked), Limits::default()),
    }
}

/// The disk, where its use is limited.
fn disk(profile: &Profile, variables: &BTreeMap<String, String>) -> Option<(u64, u64)> {
    if profile.resources.io == Io::default() {
        return None;
    }
    let first = profile.files.write.first()?;
    cgroup::disk(Path::new(&expand(&first.value.path, variables)?))
}

/// The caller's environment, as far as it is UTF-8.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// What decides on where a profile serves.
pub struct Surroundings {
    /// Whether this is a container.
    pub container: bool,
    /// The variable PORT.
    pub port: Option<u16>,
}

/// Looks at no more than that.
pub fn surroundings() -> Surroundings {
    let env = environment();
    Surroundings {
        container: in_container(&env),
        port: port(&env),
    }
}

/// The variable PORT, as programs in containers are told where to listen; 0 is none.
fn port(env: &BTreeMap<String, String>) -> Option<u16> {
    env.get("PORT")?.parse().ok().filter(|port| *port != 0)
}

/// Docker, Podman and Kubernetes leave marks; so does a root that is an overlay, as every image's is. A machine that was
/// made of an image has them, too: there pid 1 is the machine's own (PROC_PID_INIT_INO, linux/nsfs.h).
fn in_container(env: &BTreeMap<String, String>) -> bool {
    let marks = ["/.dockerenv", "/run/.containerenv"];
    let overlay = || {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let root = |line: &str| line.split(' ').nth(1) == Some("/");
        let last = mounts.lines().rfind(|line| root(line));
        last.is_some_and(|line| line.split(' ').nth(2) == Some("overlay"))
    };
    let own_pids = std::fs::read_link("/proc/self/ns/pid")
        .is_ok_and(|namespace| namespace != Path::new("pid:[4026531836]"));
    let marked = marks.iter().any(|mark| Path::new(mark).exists())
        || ["KUBERNETES_SERVICE_HOST", "container"]
            .iter()
            .any(|name| env.contains_key(*name))
        || overlay();
    own_pids && marked
}

/// The bare jail asks for none.
fn namespaces(profile: &Profile, probe: bool) -> Result<(), NamespaceBlock> {
    match probe && profile.jail != JailKind::Bare {
        true => namespaces::probe(),
        false => Ok(()),
    }
}

/// A launch finds out by doing, so that `run` looks only where the jail would start without.
fn network(profile: &Profile, probe: bool) -> Result<(), Errno> {
    let required = |promise| profile.promises.get(&promise) == Some(&Level::Require);
    let required = required(Promise::Egress) || required(Promise::Ingress);
    let asks = profile.net.enabled && profile.jail != JailKind::Bare;
    if asks && (probe || !required) {
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

/// What the bare jail shows of the host where the namespaced jail has its own.
pub const SHARED: [&str; 6] = [
    "/etc/group",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/resolv.conf",
    "/tmp",
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
