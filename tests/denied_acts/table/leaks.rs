//! What of the caller's and the host's is not to be seen inside.
use crate::act::Layer::{Cgroup, Env, Fds, Uts};
use crate::act::Outcome::Succeeds;
use crate::act::{Act, Open, act};
use crate::common::needs;
use crate::stage::SECRET;

pub fn acts() -> Vec<Act> {
    let env = || [Env.by("withheld")];
    let placed = std::fs::read_to_string("/proc/self/cgroup")
        .is_ok_and(|text| text.lines().any(|line| !line.ends_with(":/")));
    vec![
        act("sees a secret of the caller's environment")
            .run(&["env", SECRET])
            .claimed_by(env())
            .bare(Succeeds),
        act("takes node's options from the caller")
            .run(&["env", "NODE_OPTIONS"])
            .claimed_by(env())
            .bare(Succeeds),
        act("takes the loader's options from the caller")
            .run(&["env", "LD_LIBRARY_PATH"])
            .claimed_by(env())
            .bare(Succeeds),
        act("has a descriptor of the caller's")
            .run(&["fd", "7"])
            .claimed_by([Fds.by("EBADF")])
            .bare(Succeeds),
        act("has any descriptor but the first three")
            .run(&["any-fd"])
            .claimed_by([Fds.by("EBADF")])
            .bare(Succeeds),
        act("sees the host's name")
            .run(&["host-name", "{host-name}"])
            .claimed_by([Uts.by("withheld")])
            .open_in_bare(Open::Noted("the host's name"))
            .bare(Succeeds),
        act("sees its place in the host's cgroups")
            .run(&["cgroup"])
            .claimed_by([Cgroup.by("withheld")])
            .open_in_bare(Open::Noted("cgroups"))
            .bare(Succeeds)
            .needs(needs::condition(
                "a cgroup",
                placed,
                "the tests run in the root cgroup",
            )),
    ]
}
