//! The shipped profiles, and the mechanisms of inheritance.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::chain::resolve;
use super::load::ReadError;
use super::{
    ByteSize, Level, Overlay, Part, Problems, Profile, Promise, Sourced, Template, builtin_names,
    load,
};

fn shipped(name: &str) -> Profile {
    load(name, &Overlay::default()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Loads the first of these files; the others are there to be extended.
pub(super) fn load_from(files: &[(&str, &str)], overlay: &Overlay) -> Result<Profile, Problems> {
    let all: BTreeMap<&Path, &str> = files
        .iter()
        .map(|(name, text)| (Path::new(*name), *text))
        .collect();
    let reader = |path: &Path| match all.get(path) {
        Some(text) => Ok((*text).to_owned()),
        None => Err(ReadError::Io(io::ErrorKind::NotFound.into())),
    };
    resolve(files[0].0, overlay, &reader)
}

fn good(files: &[(&str, &str)]) -> Profile {
    load_from(files, &Overlay::default()).unwrap_or_else(|problems| panic!("{problems}"))
}

fn bad(files: &[(&str, &str)]) -> String {
    load_from(files, &Overlay::default())
        .unwrap_err()
        .to_string()
}

fn one(text: &str) -> Profile {
    good(&[("a.toml", text)])
}

fn reads(profile: &Profile) -> Vec<String> {
    profile
        .files
        .read
        .iter()
        .map(|item| item.value.path.to_string())
        .collect()
}

fn allowed(profile: &Profile) -> Vec<String> {
    profile
        .net
        .allow
        .iter()
        .map(|item| item.value.host.to_string())
        .collect()
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn whys_of<T>(items: &[Sourced<T>], name: impl Fn(&T) -> String) -> Vec<(String, String)> {
    items
        .iter()
        .map(|item| (name(&item.value), item.why.clone()))
        .collect()
}

#[test]
fn every_shipped_profile_loads_and_gives_a_reason_for_each_entry() {
    for name in builtin_names() {
        let profile = shipped(name);
        assert!(!profile.about.is_empty(), "{name}");
        let mut whys: Vec<(String, String)> = Vec::new();
        whys.extend(whys_of(&profile.files.read, |read| read.path.to_string()));
        whys.extend(whys_of(&profile.files.write, |write| {
            write.path.to_string()
        }));
        whys.extend(whys_of(&profile.programs, Template::to_string));
        whys.extend(whys_of(&profile.net.publish, |publish| {
            publish.address.to_string()
        }));
        whys.extend(whys_of(&profile.net.allow, |rule| rule.host.to_string()));
        whys.extend(whys_of(&profile.env.pass, String::clone));
        let answers = profile.answer.iter().map(|answer| &answer.rule);
        let rules = profile.allow.iter().chain(answers);
        whys.extend(rules.map(|rule| (rule.syscall.to_owned(), rule.why.clone())));
        for (what, why) in whys {
            assert!(!why.is_empty(), "{name}: {what} has no why");
        }
    }
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the number is a result that people ask for"
)]
fn flowise_allows_few_system_calls() {
    for name in builtin_names() {
        let numbers: BTreeSet<u32> = shipped(name).allow.iter().map(|rule| rule.number).collect();
        println!("{name}: {} system calls allowed", numbers.len());
        assert!(
            name != "flowise" || numbers.len() <= 102,
            "flowise allows {}",
            numbers.len()
        );
    }
}

#[test]
fn flowise_starts_no_program_and_touches_no_other_process() {
    let flowise = shipped("flowise");
    let never = "execve execveat vfork fork memfd_create ptrace process_vm_readv process_vm_writev pidfd_getfd \
        userfaultfd keyctl bpf perf_event_open mount unshare setns init_module reboot clone3 io_uring_setup tkill \
        rt_sigqueueinfo pidfd_send_signal ioprio_set sched_setaffinity personality";
    for name in never.split_whitespace() {
        assert!(
            flowise.allow.iter().all(|rule| rule.syscall != name),
            "{name} is allowed"
        );
    }
    let conditional = "clone socketpair kill tgkill prlimit64 socket setsockopt ioctl fcntl prctl arch_prctl getpriority setpriority";
    for name in conditional.split_whitespace() {
        let mut rules = flowise
            .allow
            .iter()
            .filter(|rule| rule.syscall == name)
            .peekable();
        assert!(rules.peek().is_some(), "{name} is missing");
        assert!(
            rules.all(|rule| !rule.when.is_empty()),
            "{name} is allowed without conditions"
        );
    }
    assert!(flowise.programs.is_empty());
}

#[test]
fn the_flowise_profile_says_what_the_launcher_needs() {
    let flowise = shipped("flowise");
    assert_eq!(flowise.name, "flowise");
    assert_eq!(
        flowise.net.publish[0].value.address.to_string(),
        "127.0.0.1:3000"
    );
    assert_eq!(flowise.files.write[0].value.path.to_string(), "${data}");
    assert_eq!(
        flowise.files.write[0]
            .value
            .at
            .as_ref()
            .unwrap()
            .to_string(),
        "${home}/.flowise"
    );
    assert_eq!(
        flowise.params["data"].0[0],
        Part::Variable("user_home".into())
    );
    assert_eq!(flowise.files.tmp, ByteSize(64 << 20));
    assert_eq!(flowise.resources.pids, Some(128));
    assert_eq!(flowise.promises[&Promise::Exec], Level::Require);
    assert_eq!(flowise.promises.len(), 8);
    assert!(flowise.net.enabled && !shipped("base").net.enabled);
    assert_eq!(
        allowed(&flowise),
        [
            "raw.githubusercontent.com:443",
            "tiktoken.pages.dev:443",
            "api.openai.com:443"
        ]
    );
}

#[test]
fn a_later_profile_adds_to_lists_and_replaces_scalars() {
    let parent = (
        "parent.toml",
        "about = 'p'\n[files]\nread = ['/a', '/b']\ntmp = { size = '1M' }\n[params]\nx = '/1'\n",
    );
    let child = (
        "child.toml",
        "extends = ['./parent.toml']\n[files]\nread = ['/c', { path = '/a', optional = true }]\n[params]\nx = '/2'\n",
    );
    let profile = good(&[child, parent]);
    assert_eq!(reads(&profile), ["/a", "/b", "/c"]);
    assert!(profile.files.read[0].value.optional);
    assert_eq!(profile.files.read[0].origin, "child.toml:3");
    assert_eq!(profile.files.read[1].origin, "parent.toml:3");
    assert_eq!(
        (profile.name.as_str(), profile.about.as_str()),
        ("child", "p")
    );
    assert_eq!(profile.params["x"].to_string(), "/2");
    assert_eq!(profile.files.tmp, ByteSize(1 << 20));
}

#[test]
fn extended_paths_are_relative_to_the_extending_file_and_each_file_counts_once() {
    let files = [
        (
            "d/top.toml",
            "extends = ['left.toml', 'sub/right.toml']\n[remove]\nfiles.read = ['/base']\n",
        ),
        ("d/left.toml", "extends = ['../base.toml']\n"),
        ("d/sub/right.toml", "extends = ['../../base.toml']\n"),
        ("base.toml", "[files]\nread = ['/base']\n"),
    ];
    assert!(reads(&good(&files)).is_empty());
    let cycle = [
        ("a.toml", "extends = ['b.toml']"),
        ("b.toml", "extends = ['./x/../a.toml']"),
    ];
    assert!(bad(&cycle).contains("a.toml extends b.toml extends a.toml"));
}

#[test]
fn remove_takes_away_what_was_inherited_and_not_what_stands_beside_it() {
    let profile = one(
        "extends = ['flowise']\n[remove]\nfiles.read = ['/etc/services', '/etc/gai.conf']\nnet.allow = ['@openai']\n\
         net.publish = ['127.0.0.1:3000']\nenv = { pass = ['MODE'], set = ['LOG_PATH'] }\nresources = ['pids']\n\
         syscalls = ['clone3', 'kill']\n[files]\nread = ['/etc/services']\n[syscalls]\nallow = ['clone3']\n",
    );
    assert_eq!(
        reads(&profile)
            .iter()
            .filter(|path| *path == "/etc/services")
            .count(),
        1
    );
    assert!(!reads(&profile).contains(&"/etc/gai.conf".to_owned()));
    assert_eq!(allowed(&profile).len(), 2);
    assert!(profile.net.publish.is_empty() && profile.resources.pids.is_none());
    assert!(!profile.env.set.contains_key("LOG_PATH") && profile.env.set.contains_key("HOME"));
    assert!(profile.allow.iter().all(|rule| rule.syscall != "kill"));
    assert!(profile.allow.iter().any(|rule| rule.syscall == "clone3"));
    assert!(
        profile
            .answer
            .iter()
            .all(|answer| answer.rule.syscall != "clone3")
    );
}

#[test]
fn a_feature_is_applied_where_it_is_listed_or_asked_for() {
    let parent = (
        "p.toml",
        "[feature.queue]\nnet.private = ['redis:6379']\nremove.files.read = ['/a']\n[files]\nread = ['/a']\n",
    );
    let plain = ("c.toml", "extends = ['p.toml']");
    assert!(good(&[plain, parent]).net.private.is_empty());
    let listed = (
        "c.toml",
        "extends = ['p.toml']\nfeatures = ['queue']\n[feature.queue]\nfiles.read = ['/b']\n",
    );
    let profile = good(&[listed, parent]);
    assert_eq!(profile.net.private[0].value.host.to_string(), "redis:6379");
    assert_eq!(reads(&profile), ["/b"]);
    assert_eq!(profile.features, ["queue"]);
    let overlay = Overlay {
        features: texts(&["queue"]),
        ..Overlay::default()
    };
    let profile = load_from(&[plain, parent], &overlay).unwrap();
    assert_eq!(
        (profile.features.as_slice(), reads(&profile).len()),
        (&texts(&["queue"])[..], 0)
    );
}

#[test]
fn flags_are_the_same_as_their_lines() {
    let overlay = Overlay {
        allow: texts(&["API.example.com:8443", "@supabase(MyProject)"]),
        allow_private: texts(&["ollama:11434", "raw.githubusercontent.com"]),
        add_host: texts(&["ollama=127.0.0.1", "six=[::1]"]),
        publish: texts(&["127.0.0.1:4000"]),
        features: Vec::new(),
        set: texts(&["data=/srv/flowise"]),
    };
    let profile = load("flowise", &overlay).unwrap_or_else(|problems| panic!("{problems}"));
    let hosts = allowed(&profile);
    assert!(
        hosts.contains(&"api.example.com:8443".to_owned())
            && hosts.contains(&"myproject.supabase.co:443".to_owned())
    );
    assert!(
        !hosts.contains(&"raw.githubusercontent.com:443".to_owned()),
        "private replaces allow"
    );
    assert_eq!(profile.net.private.len(), 2);
    assert_eq!(
        profile.net.private[0].origin,
        "--allow-private ollama:11434"
    );
    assert_eq!(profile.net.hosts["six"].to_string(), "::1");
    assert_eq!(
        profile.net.publish.len(),
        1,
        "a published address replaces the profile's"
    );
    assert_eq!(profile.params["data"].to_string(), "/srv/flowise");
}

#[test]
fn json_says_the_same_as_toml() {
    let toml = one(
        "extends = ['node']\n[net]\nallow = ['a.example.com', { host = 'b.example.com', port = 80, why = 'w' }]\n[resources]\ncpus = 1.5\nmemory = '2G'\n",
    );
    let json = good(&[(
        "a.json",
        r#"{"extends": ["node"], "net": {"allow": ["a.example.com",
        {"host": "b.example.com", "port": 80, "why": "w"}]}, "resources": {"cpus": 1.5, "memory": "2G"}}"#,
    )]);
    assert_eq!(allowed(&toml), allowed(&json));
    assert_eq!(
        (toml.resources, toml.files, toml.allow),
        (json.resources, json.files, json.allow)
    );
}

#[test]
fn system_calls_of_another_architecture_are_no_rules_here() {
    let other = if cfg!(target_arch = "x86_64") {
        "aarch64"
    } else {
        "x86_64"
    };
    let profile = one(&format!(
        "[syscalls]\nallow = ['open', {{ names = ['mkdirat', 'read'], arch = '{other}' }}, 'write']\n"
    ));
    let names: Vec<&str> = profile.allow.iter().map(|rule| rule.syscall).collect();
    let open: &[&str] = if cfg!(target_arch = "x86_64") {
        &["open", "write"]
    } else {
        &["write"]
    };
    assert_eq!(names, open);
}

#[test]
fn a_line_at_the_end_of_what_is_allowed_is_taken() {
    let profile = one(
        "jail = 'bare'\ncommand = ['x', '$y', 'a ${node} b']\n[ids]\nuser = '1000:2000'\n[files]\n\
         read = ['~', '/', '${home}', '/with space']\nwrite = [{ path = '/d', at = '/e' }]\n[layers]\nseccomp = 'off'\nmounts = 'on'\n\
         [net]\nallow = ['bedrock-runtime.*.amazonaws.com', '*-x.example.com:1', 'LOCALHOST:65535']\n",
    );
    assert_eq!(
        profile.files.read[0].value.path,
        Template(vec![Part::Variable("user_home".into())])
    );
    assert_eq!(profile.command[2].0.len(), 3);
    assert_eq!(profile.layers_off.len(), 1);
    assert_eq!(allowed(&profile)[2], "localhost:65535");
}

/// What was seen with strace from execve to exit: 3.0.5 on node 20 and 3.1.4 on node 24, start, smoke test, end.
const MEASURED: &str = "accept4 access arch_prctl bind brk capget clock_nanosleep clone3 close connect epoll_create1 \
    epoll_ctl epoll_pwait eventfd2 exit exit_group fchown fcntl fstat fsync futex getcwd getdents64 getegid geteuid \
    getgid getpeername getpid getppid getrandom getsockname getsockopt gettid getuid io_uring_enter io_uring_setup \
    ioctl listen lseek madvise mkdir mmap mprotect munmap newfstatat openat pipe2 pkey_alloc poll prctl pread64 \
    prlimit64 pwrite64 read readlink recvfrom recvmsg rseq rt_sigaction rt_sigprocmask rt_sigreturn \
    sched_getaffinity sched_getparam sched_getscheduler sendmmsg sendto set_robust_list set_tid_address setsockopt \
    shutdown socket statx sysinfo uname unlink write writev";

#[test]
#[cfg(target_arch = "x86_64")]
fn every_call_that_flowise_was_seen_to_make_is_allowed_or_answered() {
    let flowise = shipped("flowise");
    for name in MEASURED.split_whitespace() {
        let allowed = flowise.allow.iter().any(|rule| rule.syscall == name);
        let answered = flowise
            .answer
            .iter()
            .any(|answer| answer.rule.syscall == name);
        assert!(allowed || answered, "{name}");
    }
}

#[test]
fn a_flag_adds_to_what_the_profile_says_of_a_host_and_never_takes_from_it() {
    let text = "[net]\nallow = [{ host = 'db.test', port = 443, as = 'tcp' }, 'api.test']\n";
    let overlay = Overlay {
        allow: texts(&["db.test", "new.test:80", "both.test"]),
        allow_private: texts(&["api.test", "both.test"]),
        ..Overlay::default()
    };
    let profile = load_from(&[("a.toml", text)], &overlay).unwrap();
    let shown = |list: &[Sourced<crate::profile::HostRule>]| -> Vec<String> {
        let rules = list.iter().map(|item| &item.value);
        rules
            .map(|rule| format!("{} {:?}", rule.host, rule.protocol))
            .collect()
    };
    assert_eq!(
        shown(&profile.net.allow),
        ["db.test:443 Tcp", "new.test:80 Http"]
    );
    assert_eq!(
        shown(&profile.net.private),
        ["api.test:443 Tls", "both.test:443 Tls"]
    );
}
