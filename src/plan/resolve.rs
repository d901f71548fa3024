//! Profile and host to plan.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::facts::values;
use super::{
    Asked, CgroupPlan, FilterPlan, IdPlan, Kind, Plan, Refusal, Refusals, SecretLine, bare,
    confine, files, ids, landlock, limits, mounts, network, place, promises, readiness, secrets,
};
use crate::filter::{Otherwise, Policy};
use crate::host::{Host, NamespaceBlock, PathFact};
use crate::profile::{
    CREDENTIALS, Layer, Profile, Promise, Sourced, env_matches, never_passed, of_a_manager,
};

/// Resolves a profile against a host. Pure: the same values give the same plan.
///
/// # Errors
/// Everything that is required and cannot be had, at once.
pub fn resolve(profile: &Profile, host: &Host, name: &str) -> Result<Plan, Refusals> {
    let kind = place::kind(profile, host);
    let (profile, host) = place::settle(kind, profile, host);
    let (profile, host) = (&*profile, &*host);
    let mut refusals = match kind {
        Kind::Namespaced => no_namespaces(host),
        Kind::Bare => bare::refusals(profile, host),
    };
    let ids = ids::resolve(profile.user, host, data(profile, host))
        .map_err(|refusal| Refusals(vec![refusal]))?;
    let resolved = files::resolve(profile, host, &ids).unwrap_or_else(|more| {
        refusals.extend(more);
        files::Files::default()
    });
    let mounts = match off(profile, Layer::Mounts) || kind == Kind::Bare {
        true => Vec::new(),
        false => mounts::resolve(profile, host, &resolved, &ids).unwrap_or_else(|more| {
            refusals.extend(more);
            Vec::new()
        }),
    };
    let landlock = landlock::resolve(profile, host, &resolved, &mounts);
    let cgroup = limits::judge(profile, host, false).cgroup;
    let network = network::resolve(profile, host);
    let mut plan = Plan {
        profile: profile.name.clone(),
        name: name.to_owned(),
        kind,
        program: host.command.program.clone(),
        argv: argv(profile, host, cgroup.as_ref()),
        env: Vec::new(),
        secrets: secrets::lines(profile, host),
        asked: Asked {
            argv: host.command.argv.clone(),
            resources: profile.resources,
            limits: profile.promises.get(&Promise::Limits).copied(),
            secrets: values(&profile.secrets),
        },
        cwd: resolved.cwd.clone(),
        publish: profile
            .net
            .publish
            .iter()
            .map(|entry| entry.value.address)
            .collect(),
        readiness: readiness::resolve(profile),
        network,
        no_network: !profile.net.enabled,
        makes: resolved.makes.clone(),
        group_files: resolved.group_files.clone(),
        seals: kind == Kind::Namespaced
            || host
                .bare
                .as_ref()
                .is_some_and(|bare| bare.seal && ids.root_start),
        mounts,
        landlock,
        rlimits: if off(profile, Layer::Rlimits) {
            Vec::new()
        } else {
            rlimits(profile, host, cgroup.as_ref())
        },
        cgroup,
        filter: filter(
            profile,
            host.listener.is_ok(),
            network::is_own(profile, host),
        ),
        own_filters: confine::filters(kind, network::is_own(profile, host)),
        layers_off: profile.layers_off.iter().copied().collect(),
        promises: Vec::new(),
        notes: Vec::new(),
        ids,
    };
    if plan.cgroup.is_some() {
        confine::for_cgroup(&mut plan.own_filters.supervisor);
    }
    plan.env = environment(profile, host, &plan.secrets);
    refusals.extend(secrets::refusals(&plan, host));
    plan.promises = promises::table(profile, host, &plan);
    refusals.extend(promises::refusals(&plan, host));
    plan.notes = notes(profile, host, &plan);
    if refusals.is_empty() {
        Ok(plan)
    } else {
        Err(Refusals(refusals))
    }
}

/// A node is told how large its heap may grow.
fn argv(profile: &Profile, host: &Host, cgroup: Option<&CgroupPlan>) -> Vec<String> {
    let mut argv = host.command.argv.clone();
    if let Some(heap) = limits::heap(profile, host, cgroup) {
        argv.insert(1.min(argv.len()), heap);
    }
    argv
}

fn off(profile: &Profile, layer: Layer) -> bool {
    profile.layers_off.contains(&layer)
}

/// The directory whose owner a start as root takes over: the first that is written.
fn data<'a>(profile: &Profile, host: &'a Host) -> Option<&'a PathFact> {
    let template = &profile.files.write.first()?.value.path;
    let path = template.expand(&|name| host.variables.get(name).cloned())?;
    host.paths.get(std::path::Path::new(&path))
}

fn no_namespaces(host: &Host) -> Vec<Refusal> {
    let block = host.namespaces.err();
    let refused = block.map(|block| refuse_namespaces(block, host.container));
    refused.into_iter().collect()
}

/// The refusal where the jail cannot have a network of its own.
pub fn refuse_network(errno: nix::errno::Errno) -> Refusal {
    Refusal {
        what: "the jail's own network".into(),
        needs: "a network namespace".into(),
        found: promises::no_network_namespace(errno),
        hints: promises::network_hints(errno),
    }
}

/// The refusal where no namespaced jail can be had.
pub fn refuse_namespaces(block: NamespaceBlock, container: bool) -> Refusal {
    let (found, hints) = describe(block, container);
    let needs = "user, mount, pid, ipc, uts and cgroup namespaces".into();
    Refusal {
        what: "the namespaced jail".into(),
        needs,
        found,
        hints,
    }
}

/// The usual causes in their own words.
fn describe(block: NamespaceBlock, container: bool) -> (String, Vec<String>) {
    use nix::errno::Errno;
    let in_container = "this is a container: write `jail = \"auto\"`, which takes the bare jail there, or give it `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`";
    let bare =
        "where no namespace can be had at all: `jail = \"bare\"` in the profile, which needs none";
    let mut hints = Vec::new();
    let found = match block {
        NamespaceBlock::Clone(Errno::ENOSPC) => {
            hints.push("allow user namespaces: sysctl -w user.max_user_namespaces=15000".into());
            "user.max_user_namespaces is 0 or used up (clone3: ENOSPC)".to_owned()
        }
        NamespaceBlock::Clone(Errno::ENOSYS) => {
            "clone3 answers ENOSYS: a container's default filter hides it".to_owned()
        }
        NamespaceBlock::Clone(errno) => {
            if !container {
                hints.push("in a unit remove RestrictNamespaces=".into());
            }
            hints.push("on Debian kernels: sysctl -w kernel.unprivileged_userns_clone=1".into());
            format!("clone3 with the namespaces: {errno}")
        }
        NamespaceBlock::Mount(Errno::ENOSYS) | NamespaceBlock::Proc(Errno::ENOSYS) => {
            hints.push("the calls that mount need Linux 5.12 or newer, and no filter around may refuse them".into());
            "mounting in them answers ENOSYS".to_owned()
        }
        NamespaceBlock::Mount(errno) => {
            hints.push("on Ubuntu: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for flowjail that allows `userns`".into());
            format!("a user namespace comes up, but mounting in it is refused ({errno})")
        }
        NamespaceBlock::Proc(errno) => {
            hints.push("uncover /proc: in a unit remove ProtectKernelTunables= and ProtectKernelLogs=; in Docker add --security-opt systempaths=unconfined".into());
            format!("an own /proc cannot be mounted ({errno}): parts of the host's are covered")
        }
    };
    hints.push(if container { in_container } else { bare }.into());
    (found, hints)
}

fn environment(profile: &Profile, host: &Host, secrets: &[SecretLine]) -> Vec<(String, String)> {
    let mut env: BTreeMap<String, String> = host.env.clone();
    env.remove(CREDENTIALS);
    env.retain(|name, _| !of_a_manager(name));
    let read = |line: &SecretLine| line.present && line.at.is_none();
    for line in secrets.iter().filter(|line| read(line)) {
        env.remove(&line.name);
    }
    if off(profile, Layer::Env) {
        return env.into_iter().collect();
    }
    // A wide pattern never takes what would change how the program itself is loaded.
    let passes = |name: &str| {
        let named = |entry: &Sourced<String>| {
            entry.value == name || env_matches(&entry.value, name) && !never_passed(name)
        };
        profile.env.pass.iter().any(named)
    };
    env.retain(|name, _| passes(name));
    let listens = network::inner_address(profile, host).zip(network::inner_port(profile));
    if let Some((address, port)) = listens {
        env.insert("HOST".into(), address.to_string());
        env.insert("PORT".into(), port.to_string());
    }
    for (name, template) in &profile.env.set {
        env.extend(
            template
                .expand(&|name| host.variables.get(name).cloned())
                .map(|value| (name.clone(), value)),
        );
    }
    env.into_iter().collect()
}

fn rlimits(
    profile: &Profile,
    host: &Host,
    cgroup: Option<&CgroupPlan>,
) -> Vec<(&'static str, u32, u64)> {
    let bare = place::is_bare(profile);
    let mut limits = vec![("core", libc::RLIMIT_CORE, 0)];
    // Descriptors on their way between processes are counted for the whole user: the bare jail's supervisor, which is
    // the same, keeps room for its own.
    // It also looks through all that are open, now and then.
    let room = (host.open_files / 2).min(MOST_FILES);
    let files = match (profile.resources.open_files, bare) {
        (wanted, true) => Some(wanted.unwrap_or(room).min(host.open_files / 2)),
        (wanted, false) => wanted,
    };
    limits.extend(files.map(|value| ("nofile", libc::RLIMIT_NOFILE, value)));
    // So are processes: in a user namespace of its own they are the jail's alone, without one everybody's.
    let pids = profile.resources.pids.filter(|_| !bare);
    // The cgroup is to refuse first: it tells of it.
    let behind = u64::from(cgroup.is_some_and(|cgroup| cgroup.pids.is_some()));
    limits.extend(pids.map(|value| ("nproc", libc::RLIMIT_NPROC, value + behind)));
    limits
}

/// What the bare jail's program may have open where its profile does not say.
const MOST_FILES: u64 = 16_384;

/// The filter of a profile; `seen`: whether a listener can be had, so that what is denied is seen; `own_network`: whether
/// connects are seen, too, and held by the jail's network.
pub fn filter(profile: &Profile, seen: bool, own_network: bool) -> Option<FilterPlan> {
    if off(profile, Layer::Seccomp) {
        return None;
    }
    let unseen = !seen;
    let bare = place::is_bare(profile);
    let mediated = profile.programs.is_empty() && !off(profile, Layer::Exec) && !unseen;
    let mut allow = profile.allow.clone();
    if !mediated {
        allow.extend(confine::rule("execve", Vec::new()));
        allow
            .extend(confine::rule("execveat", Vec::new()).filter(|_| !profile.programs.is_empty()));
    }
    let mut numbers: Vec<u32> = allow.iter().map(|rule| rule.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut sockets = Vec::new();
    let mut published = profile.net.publish.iter();
    let guests = published.any(|entry| entry.value.allow_from.is_some());
    if bare && seen {
        (allow, sockets) = bare::mediate(allow, own_network || !profile.net.enabled, guests);
    } else if own_network && seen {
        // Allowed all the same, by the supervisor, which records where it goes.
        allow.retain(|rule| rule.syscall != "connect");
    }
    let own = if bare { bare::answers() } else { Vec::new() };
    let named = profile.answer.iter();
    let named = named.map(|answer| (answer.rule.clone(), answer.errno));
    let answer = own.into_iter().chain(named).collect();
    let otherwise = if unseen {
        Otherwise::Errno(libc::EPERM)
    } else {
        Otherwise::Notify
    };
    let policy = Policy {
        allow,
        answer,
        otherwise,
    };
    Some(FilterPlan {
        policy,
        listener: !unseen,
        mediated_exec: mediated,
        mediated: sockets,
        allowed: numbers.len(),
    })
}

fn notes(profile: &Profile, host: &Host, plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    if !profile.layers_off.is_empty() {
        let names: Vec<String> = profile.layers_off.iter().map(promises::key).collect();
        notes.push(format!(
            "WARNING: layers switched off by the profile: {}",
            names.join(", ")
        ));
    }
    notes.extend(IdPlan::notes(&plan.ids));
    if let Some(landlock) = &plan.landlock {
        notes.push(match landlock.abi {
            abi if abi > landlock::KNOWN_ABI => format!(
                "Landlock: host has ABI {abi}, flowjail handles {}",
                landlock::KNOWN_ABI
            ),
            abi => format!("Landlock: host has ABI {abi}, all of it is handled"),
        });
    }
    notes.extend(bare::notes(host, plan));
    notes.extend(secrets::notes(plan, host));
    if profile.net.enabled && plan.network.is_none() {
        notes.push("WARNING: the network is the host's: host names, UDP and what is served are NOT enforced".into());
    }
    let own = plan.network.as_ref().filter(|network| !network.shared);
    notes.extend(own.and_then(shared_port));
    if plan
        .network
        .as_ref()
        .is_some_and(|network| network.proxy.is_some())
    {
        notes.push("upstream proxy: it resolves the names, and keeping them from private addresses is its own business".into());
    }
    if !profile.net.enabled && !profile.net.publish.is_empty() {
        notes.push("warning: nothing is served, since [net] enabled = false".into());
    }
    notes.extend(limits::notes(profile, host, plan));
    if !host.container && host.uid == 0 && plan.ids.uid == ids::PLAIN_ID {
        notes.push(format!(
            "started as root: the program runs as plain uid {}",
            ids::PLAIN_ID
        ));
    }
    notes
}

/// In the jail a host's stand-in and the program itself are beside each other.
fn shared_port(network: &super::NetworkPlan) -> Option<String> {
    let served = |port: u16| network.publish.iter().any(|line| line.to == port);
    let line = network.hosts.iter().find(|line| served(line.port))?;
    Some(format!(
        "warning: the program serves port {} itself: {}:{} is reached only while it listens at the address that HOST gives it, not at all addresses",
        line.port, line.pattern, line.port
    ))
}
