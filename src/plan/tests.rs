//! Plans against hosts that are made up: what is held, what is refused, and how a refusal helps.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nix::errno::Errno;

use super::{Holding, Mount, Plan, Refusals, Step, resolve};
use crate::host::{Command, Host, NamespaceBlock, NoCgroup, PathFact, PathKind};
use crate::profile::{Level, Overlay, Profile, Promise};

pub(super) fn fact(path: &str, kind: PathKind, owner: u32) -> PathFact {
    PathFact {
        links: Vec::new(),
        real: path.into(),
        kind,
        uid: owner,
        gid: owner,
        mode: 0o700,
        inode: (1, 1),
        replaceable_by: Default::default(),
        link_owners: Default::default(),
        group_replaceable: false,
        above: "/".into(),
        closed: Vec::new(),
    }
}

/// A start by an ordinary user on a kernel that has everything.
pub(super) fn host() -> Host {
    let variables = [
        ("data", "/home/u/.flowise"),
        ("home", "/home/flowise"),
        ("install", "/opt/flowise/node_modules"),
        ("node", "/usr/bin/node"),
    ];
    let mut paths: BTreeMap<PathBuf, PathFact> = BTreeMap::new();
    for (path, kind) in [
        ("/home/u/.flowise", PathKind::Directory),
        ("/opt/flowise/node_modules", PathKind::Directory),
        ("/usr/bin/node", PathKind::File),
        ("/dev/null", PathKind::Special),
    ] {
        paths.insert(path.into(), fact(path, kind, 1000));
    }
    Host {
        kernel: "made up".into(),
        uid: 1000,
        gid: 1000,
        groups: vec![(1000, "u".into())],
        namespaces: Ok(()),
        network: Ok(()),
        landlock: Ok(7),
        listener: Ok(()),
        memfd_noexec: false,
        bare: None,
        limits: Default::default(),
        cgroup: Err(NoCgroup::NotAsked),
        disk: None,
        open_files: 1 << 20,
        container: false,
        port: None,
        env: BTreeMap::new(),
        etc_hosts: String::new(),
        resolv_conf: "nameserver 192.0.2.53\n".into(),
        command: Command {
            program: "/usr/bin/node".into(),
            argv: vec!["node".into()],
            script: None,
            loader: None,
        },
        variables: variables
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
        paths: with_missing(paths),
    }
}

/// Everything else that the profile names is not there.
fn with_missing(mut paths: BTreeMap<PathBuf, PathFact>) -> BTreeMap<PathBuf, PathFact> {
    for template in flowise().paths() {
        if let Some(path) = template.expand(&|_| None) {
            let missing = fact(&path, PathKind::Missing(Errno::ENOENT), 0);
            paths.entry(path.into()).or_insert(missing);
        }
    }
    paths
}

pub(super) fn flowise() -> Profile {
    crate::profile::load("flowise", &Overlay::default()).unwrap()
}

fn planned(host: &Host) -> Result<Plan, Refusals> {
    resolve(&flowise(), host, "test")
}

pub(super) fn refusal(host: &Host) -> String {
    planned(host).unwrap_err().to_string()
}

fn holding(plan: &Plan, promise: Promise) -> &Holding {
    &plan
        .promises
        .iter()
        .find(|line| line.promise == promise)
        .unwrap()
        .holding
}

#[test]
fn a_good_host_holds_what_the_shipped_profile_requires() {
    let plan = planned(&host()).unwrap();
    for promise in [
        Promise::Exec,
        Promise::Files,
        Promise::Egress,
        Promise::Ingress,
        Promise::Privilege,
        Promise::Processes,
    ] {
        assert!(
            matches!(holding(&plan, promise), Holding::Held(_)),
            "{promise:?}"
        );
    }
    let limits = holding(&plan, Promise::Limits);
    assert!(matches!(limits, Holding::NotHeld { .. }));
}

#[test]
fn a_host_without_network_namespaces_is_refused_where_the_network_is_required() {
    let bare = Host {
        network: Err(Errno::ENOSPC),
        ..host()
    };
    let text = refusal(&bare);
    assert!(text.contains("promise `egress` (required)"), "{text}");
    assert!(
        text.contains("hint: allow network namespaces: sysctl -w user.max_net_namespaces"),
        "{text}"
    );
    let mut relaxed = flowise();
    for promise in [Promise::Egress, Promise::Ingress] {
        relaxed.promises.insert(promise, Level::Prefer);
    }
    let plan = resolve(&relaxed, &bare, "test").unwrap();
    assert!(plan.network.is_none() && !plan.no_network);
    let notes = plan.notes.join("\n");
    assert!(
        notes.contains("WARNING: the network is the host's"),
        "{notes}"
    );
}

#[test]
fn the_program_listens_where_the_relay_leads_whatever_is_published() {
    let listens = |publish: &str| {
        let overlay = Overlay {
            publish: publish.split(' ').map(str::to_owned).collect(),
            ..Overlay::default()
        };
        let profile = crate::profile::load("flowise", &overlay).unwrap();
        let plan = resolve(&profile, &host(), "test").unwrap();
        let of = |name: &str| {
            plan.env
                .iter()
                .find(|(key, _)| key == name)
                .unwrap()
                .1
                .clone()
        };
        let to: Vec<u16> = plan
            .network
            .unwrap()
            .publish
            .iter()
            .map(|line| line.to)
            .collect();
        (of("HOST"), of("PORT"), to)
    };
    let expect = |host: &str, port: &str, to: &[u16]| (host.into(), port.into(), to.to_vec());
    assert_eq!(
        listens("0.0.0.0:3000"),
        expect("127.0.0.1", "3000", &[3000])
    );
    assert_eq!(
        listens("192.0.2.1:80 [2001:db8::1]:8080"),
        expect("::", "80", &[80, 80])
    );
}

#[test]
fn no_namespaces_are_a_refusal_in_words_of_the_cause() {
    let block = |block| Host {
        namespaces: Err(block),
        ..host()
    };
    let text = refusal(&block(NamespaceBlock::Clone(Errno::ENOSPC)));
    assert!(
        text.contains("hint: allow user namespaces: sysctl -w user.max_user_namespaces"),
        "{text}"
    );
    let text = refusal(&block(NamespaceBlock::Mount(Errno::EACCES)));
    assert!(
        text.contains("apparmor_restrict_unprivileged_userns"),
        "{text}"
    );
    let text = refusal(&block(NamespaceBlock::Proc(Errno::EPERM)));
    assert!(text.contains("ProtectKernelTunables"), "{text}");
}

#[test]
fn a_required_promise_without_landlock_is_refused_and_a_preferred_one_is_shown() {
    let bare = Host {
        landlock: Err(Errno::ENOSYS),
        ..host()
    };
    let text = refusal(&bare);
    assert!(text.contains("promise `files` (required)"), "{text}");
    assert!(
        text.contains("hint: to run without it, write `files = \"prefer\"`"),
        "{text}"
    );
    let mut relaxed = flowise();
    relaxed.promises.insert(Promise::Files, Level::Prefer);
    let plan = resolve(&relaxed, &bare, "test").unwrap();
    assert!(matches!(
        holding(&plan, Promise::Files),
        Holding::NotHeld { .. }
    ));
    assert!(!plan.steps().contains(&Step::Landlock));
}

#[test]
fn without_a_listener_exec_is_not_held_and_says_why() {
    let text = refusal(&Host {
        listener: Err(Errno::EBUSY),
        ..host()
    });
    assert!(
        text.contains("promise `exec` (required)") && text.contains("listener"),
        "{text}"
    );
}

#[test]
fn all_refusals_come_at_once() {
    let mut poor = Host {
        landlock: Err(Errno::ENOSYS),
        listener: Err(Errno::EBUSY),
        ..host()
    };
    poor.paths.remove(&PathBuf::from("/home/u/.flowise"));
    let refusals = planned(&poor).unwrap_err().0;
    assert!(refusals.len() >= 3, "{refusals:?}");
}

#[test]
fn started_as_root_roots_data_is_mapped_and_only_where_nobody_else_can_swap_it() {
    let mut root = Host {
        uid: 0,
        gid: 0,
        ..host()
    };
    let data = PathBuf::from("/home/u/.flowise");
    root.paths.insert(
        data.clone(),
        fact("/home/u/.flowise", PathKind::Directory, 0),
    );
    let plan = planned(&root).unwrap();
    assert_ne!(plan.ids.uid, 0);
    let mapped = plan
        .mounts
        .iter()
        .any(|mount| matches!(mount, Mount::Bind(tree) if tree.owned_by_root == Some((0, 0))));
    assert!(mapped && plan.steps().contains(&Step::OpenTrees));
    let swapped = root.paths.get_mut(&data).unwrap();
    swapped.replaceable_by.insert(1001);
    let text = refusal(&root);
    assert!(text.contains("user 1001 can put something else"), "{text}");
}

#[test]
fn started_as_root_the_data_s_owner_runs_it_without_roots_group() {
    let mut root = Host {
        uid: 0,
        gid: 0,
        ..host()
    };
    let mut data = fact("/home/u/.flowise", PathKind::Directory, 1234);
    data.gid = 0;
    root.paths.insert("/home/u/.flowise".into(), data);
    let plan = planned(&root).unwrap();
    assert_eq!((plan.ids.uid, plan.ids.gid), (1234, super::ids::PLAIN_ID));
}

#[test]
fn data_of_someone_else_is_refused_with_the_command_that_mends_it() {
    let mut other = host();
    other.paths.insert(
        "/home/u/.flowise".into(),
        fact("/home/u/.flowise", PathKind::Directory, 7),
    );
    assert!(refusal(&other).contains("hint: chown -R 1000:1000 /home/u/.flowise"));
}

#[test]
fn strong_groups_that_stay_are_warned_of() {
    let strong = Host {
        groups: vec![(999, "docker".into())],
        ..host()
    };
    let notes = planned(&strong).unwrap().notes.join("\n");
    assert!(
        notes.contains("groups kept") && notes.contains("warning: members of docker"),
        "{notes}"
    );
}

#[test]
fn only_listed_variables_pass_and_none_that_changes_how_node_is_loaded() {
    let given = [
        "TZ",
        "DATABASE_HOST",
        "SECRET",
        "LD_PRELOAD",
        "NODE_OPTIONS",
        "npm_config_x",
    ];
    let host = Host {
        env: given.map(|name| (name.into(), "x".into())).into(),
        ..host()
    };
    let plan = planned(&host).unwrap();
    let passed = |name: &str| {
        plan.env
            .iter()
            .any(|(own, value)| own == name && value == "x")
    };
    assert_eq!(given.map(passed), [true, true, false, false, false, false]);
}

#[test]
fn an_ordinary_start_needs_no_step_of_root() {
    let steps = planned(&host()).unwrap().steps();
    assert!(!steps.contains(&Step::OpenTrees) && !steps.contains(&Step::MemfdNoexec));
    assert_eq!(steps.first(), Some(&Step::OwnNamespace));
    assert_eq!(steps.last(), Some(&Step::Execute));
}

#[test]
fn code_below_what_is_written_is_refused() {
    let mut mixed = host();
    let inside = "/home/u/.flowise/node_modules";
    mixed.variables.insert("install".into(), inside.into());
    mixed
        .paths
        .insert(inside.into(), fact(inside, PathKind::Directory, 1000));
    let text = refusal(&mixed);
    assert!(
        text.contains("hint: keep what is run outside of what is written"),
        "{text}"
    );
}

#[test]
fn what_is_written_is_no_code_where_a_readable_directory_shows_it_again() {
    let mut above = host();
    above.variables.insert("install".into(), "/home/u".into());
    above
        .paths
        .insert("/home/u".into(), fact("/home/u", PathKind::Directory, 1000));
    let plan = planned(&above).unwrap();
    let shown = plan
        .mounts
        .iter()
        .find(|mount| mount.at() == "/home/u/.flowise");
    assert!(
        matches!(shown, Some(Mount::Bind(tree)) if !tree.code && !tree.writable),
        "{shown:?}"
    );
}

#[test]
fn memory_files_and_a_loader_are_no_promise() {
    let text =
        "extends = [\"base\"]\n[net]\nenabled = false\n[syscalls]\nallow = [\"memfd_create\"]\n";
    let dir = std::env::temp_dir().join(format!("flowjail-plan-{}.toml", std::process::id()));
    std::fs::write(&dir, text).unwrap();
    let profile = crate::profile::load(&dir.to_string_lossy(), &Overlay::default()).unwrap();
    std::fs::remove_file(&dir).unwrap();
    let text = resolve(&profile, &host(), "test").unwrap_err().to_string();
    assert!(
        text.contains("files in memory can be made and executed"),
        "{text}"
    );
}

#[test]
fn what_a_service_manager_says_passes_by_no_way() {
    let mut host = host();
    let said = [
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
    ];
    for name in said.iter().chain(&["TZ"]) {
        host.env.insert((*name).to_owned(), "1".into());
    }
    let mut profile = flowise();
    profile.layers_off.insert(crate::profile::Layer::Env);
    let plan = resolve(&profile, &host, "test").unwrap();
    let has = |name: &str| plan.env.iter().any(|(other, _)| other == name);
    assert!(
        has("TZ") && !said.iter().any(|name| has(name)),
        "{:?}",
        plan.env
    );
}
