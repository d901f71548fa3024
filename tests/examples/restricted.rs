//! The restricted Pod Security Standard, control by control as it is published, over a pod template. Each has twins: the
//! same template with a field of that control broken, which it must refuse.

use serde_json::Value;

/// One control of the standard.
pub struct Control {
    /// As the standard calls it.
    pub name: &'static str,
    /// What is wrong with the template.
    pub flaw: fn(&Template) -> Option<String>,
    /// Fields that break it: where, and the value as JSON.
    pub broken: &'static [(&'static str, &'static str)],
}

/// A pod template: `metadata` and `spec`.
pub struct Template(pub Value);

impl Template {
    /// The same with one field changed, made where it is missing.
    pub fn with(&self, pointer: &str, json: &str) -> Self {
        let mut changed = self.0.clone();
        let mut at = &mut changed;
        for key in pointer.split('/').skip(1) {
            let key = key.replace("~1", "/");
            at = match (key.parse::<usize>(), &mut *at) {
                (Ok(0), list) if !list.is_array() => {
                    *list = Value::Array(vec![Value::Null]);
                    &mut list[0]
                }
                (Ok(index), list) => &mut list[index],
                (Err(_), object) => &mut object[key.as_str()],
            };
        }
        *at = serde_json::from_str(json).expect("JSON of a broken field");
        Self(changed)
    }

    fn spec(&self) -> &Value {
        &self.0["spec"]
    }

    /// Containers of every kind.
    fn containers(&self) -> impl Iterator<Item = &Value> {
        ["containers", "initContainers", "ephemeralContainers"]
            .iter()
            .flat_map(|kind| list(&self.spec()[*kind]))
    }

    /// The security context of the pod, and those of its containers.
    fn contexts(&self) -> impl Iterator<Item = &Value> {
        let pod = std::iter::once(&self.spec()["securityContext"]);
        pod.chain(self.containers().map(|one| &one["securityContext"]))
    }

    /// Whether every context is without a flaw of this kind.
    fn each_context(&self, flaw: impl Fn(&Value) -> bool, what: &str) -> Option<String> {
        let found = self.contexts().find(|context| flaw(context))?;
        Some(format!("{what}: {found}"))
    }

    /// The same for containers.
    fn each_container(&self, flaw: impl Fn(&Value) -> bool, what: &str) -> Option<String> {
        let found = self.containers().find(|one| flaw(one))?;
        Some(format!("{what}: {}", found["name"]))
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn words(value: &Value) -> Vec<&str> {
    list(value).iter().filter_map(Value::as_str).collect()
}

/// Whether a field is not there, or one of these.
fn unset_or(value: &Value, allowed: &[&str]) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| allowed.contains(&text))
}

const POD: &str = "/spec/securityContext";
const UNSAFE_INIT: (&str, &str) = ("/spec/initContainers/0", r#"{"name": "unsafe"}"#);

/// All controls, those of the baseline first.
pub const CONTROLS: [Control; 16] = [
    Control {
        name: "HostProcess",
        flaw: |t| {
            t.each_context(
                |c| c["windowsOptions"]["hostProcess"] == true,
                "hostProcess",
            )
        },
        broken: &[
            ("/spec/securityContext/windowsOptions/hostProcess", "true"),
            (
                "/spec/containers/0/securityContext/windowsOptions/hostProcess",
                "true",
            ),
        ],
    },
    Control {
        name: "Host Namespaces",
        flaw: |t| {
            let names = ["hostNetwork", "hostPID", "hostIPC"];
            let set = names.iter().find(|name| t.spec()[**name] == true)?;
            Some(format!("{set} is set"))
        },
        broken: &[
            ("/spec/hostNetwork", "true"),
            ("/spec/hostPID", "true"),
            ("/spec/hostIPC", "true"),
        ],
    },
    Control {
        name: "Privileged Containers",
        flaw: |t| t.each_context(|c| c["privileged"] == true, "privileged"),
        broken: &[
            ("/spec/containers/0/securityContext/privileged", "true"),
            (
                "/spec/initContainers/0",
                r#"{"securityContext": {"privileged": true}}"#,
            ),
        ],
    },
    Control {
        name: "Capabilities",
        flaw: capabilities,
        broken: &[
            ("/spec/containers/0/securityContext/capabilities/drop", "[]"),
            (
                "/spec/containers/0/securityContext/capabilities/drop",
                r#"["NET_RAW"]"#,
            ),
            (
                "/spec/containers/0/securityContext/capabilities/add",
                r#"["SYS_PTRACE"]"#,
            ),
            UNSAFE_INIT,
        ],
    },
    Control {
        name: "HostPath Volumes",
        flaw: |t| {
            let found = list(&t.spec()["volumes"])
                .iter()
                .find(|v| !v["hostPath"].is_null())?;
            Some(format!("hostPath: {found}"))
        },
        broken: &[(
            "/spec/volumes/0",
            r#"{"name": "data", "hostPath": {"path": "/srv"}}"#,
        )],
    },
    Control {
        name: "Host Ports",
        flaw: |t| {
            let mut ports = t.containers().flat_map(|one| list(&one["ports"]));
            let found = ports.find(|port| port["hostPort"].as_i64().unwrap_or(0) != 0)?;
            Some(format!("hostPort: {found}"))
        },
        broken: &[("/spec/containers/0/ports/0/hostPort", "3000")],
    },
    Control {
        name: "Host Probes and Lifecycle Hooks",
        flaw: |t| t.each_container(asks_another_host, "host of a probe or hook"),
        broken: &[
            (
                "/spec/containers/0/livenessProbe/httpGet/host",
                r#""203.0.113.1""#,
            ),
            (
                "/spec/containers/0/startupProbe/tcpSocket/host",
                r#""203.0.113.1""#,
            ),
            (
                "/spec/containers/0/lifecycle/preStop/httpGet/host",
                r#""203.0.113.1""#,
            ),
        ],
    },
    Control {
        name: "AppArmor",
        flaw: app_armor,
        broken: &[
            (
                "/spec/securityContext/appArmorProfile/type",
                r#""Unconfined""#,
            ),
            (
                "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1flowise",
                r#""unconfined""#,
            ),
        ],
    },
    Control {
        name: "SELinux",
        flaw: |t| t.each_context(|c| odd_label(&c["seLinuxOptions"]), "seLinuxOptions"),
        broken: &[
            ("/spec/securityContext/seLinuxOptions/type", r#""spc_t""#),
            ("/spec/securityContext/seLinuxOptions/user", r#""system_u""#),
            (
                "/spec/containers/0/securityContext/seLinuxOptions/role",
                r#""sysadm_r""#,
            ),
        ],
    },
    Control {
        name: "/proc Mount Type",
        flaw: |t| t.each_context(|c| !unset_or(&c["procMount"], &["Default"]), "procMount"),
        broken: &[(
            "/spec/containers/0/securityContext/procMount",
            r#""Unmasked""#,
        )],
    },
    Control {
        name: "Sysctls",
        flaw: sysctls,
        broken: &[(
            "/spec/securityContext/sysctls",
            r#"[{"name": "kernel.msgmax", "value": "65536"}]"#,
        )],
    },
    Control {
        name: "Volume Types",
        flaw: volume_types,
        broken: &[
            (
                "/spec/volumes/1",
                r#"{"name": "tmp", "hostPath": {"path": "/tmp"}}"#,
            ),
            (
                "/spec/volumes/0",
                r#"{"name": "data", "nfs": {"server": "nas", "path": "/"}}"#,
            ),
        ],
    },
    Control {
        name: "Privilege Escalation",
        flaw: |t| {
            let may = |one: &Value| one["securityContext"]["allowPrivilegeEscalation"] != false;
            t.each_container(may, "may escalate")
        },
        broken: &[
            (
                "/spec/containers/0/securityContext/allowPrivilegeEscalation",
                "true",
            ),
            (
                "/spec/containers/0/securityContext/allowPrivilegeEscalation",
                "null",
            ),
            UNSAFE_INIT,
        ],
    },
    Control {
        name: "Running as Non-root",
        flaw: non_root,
        broken: &[
            ("/spec/securityContext/runAsNonRoot", "false"),
            ("/spec/securityContext/runAsNonRoot", "null"),
            ("/spec/containers/0/securityContext/runAsNonRoot", "false"),
        ],
    },
    Control {
        name: "Running as Non-root user",
        flaw: |t| t.each_context(|c| c["runAsUser"] == 0, "runAsUser 0"),
        broken: &[
            ("/spec/securityContext/runAsUser", "0"),
            ("/spec/containers/0/securityContext/runAsUser", "0"),
        ],
    },
    Control {
        name: "Seccomp",
        flaw: seccomp,
        broken: &[
            (
                "/spec/securityContext/seccompProfile/type",
                r#""Unconfined""#,
            ),
            ("/spec/securityContext/seccompProfile", "null"),
            (
                "/spec/containers/0/securityContext/seccompProfile/type",
                r#""Unconfined""#,
            ),
        ],
    },
];

fn capabilities(template: &Template) -> Option<String> {
    let flaw = |one: &Value| {
        let sets = &one["securityContext"]["capabilities"];
        let added = words(&sets["add"]);
        !words(&sets["drop"]).contains(&"ALL")
            || added.iter().any(|name| *name != "NET_BIND_SERVICE")
    };
    template.each_container(flaw, "capabilities")
}

fn asks_another_host(container: &Value) -> bool {
    let hooks = &container["lifecycle"];
    let asking = ["livenessProbe", "readinessProbe", "startupProbe"]
        .iter()
        .map(|name| &container[*name])
        .chain(["postStart", "preStop"].iter().map(|name| &hooks[*name]));
    asking
        .flat_map(|one| [&one["httpGet"]["host"], &one["tcpSocket"]["host"]])
        .any(|host| !unset_or(host, &[""]))
}

fn app_armor(template: &Template) -> Option<String> {
    let profile = |c: &Value| {
        !unset_or(
            &c["appArmorProfile"]["type"],
            &["RuntimeDefault", "Localhost"],
        )
    };
    let mut annotations = template.0["metadata"]["annotations"]
        .as_object()
        .into_iter()
        .flatten();
    let annotation = annotations.find(|(name, value)| {
        let said = value.as_str().unwrap_or_default();
        name.starts_with("container.apparmor.security.beta.kubernetes.io/")
            && said != "runtime/default"
            && !said.starts_with("localhost/")
    });
    template
        .each_context(profile, "appArmorProfile")
        .or_else(|| annotation.map(|(name, value)| format!("{name}: {value}")))
}

fn odd_label(options: &Value) -> bool {
    let types = [
        "",
        "container_t",
        "container_init_t",
        "container_kvm_t",
        "container_engine_t",
    ];
    !unset_or(&options["type"], &types)
        || ["user", "role"]
            .iter()
            .any(|name| !unset_or(&options[*name], &[""]))
}

fn sysctls(template: &Template) -> Option<String> {
    let safe = [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    ];
    let set = list(&template.spec()["securityContext"]["sysctls"]);
    let found = set.iter().find(|one| !unset_or(&one["name"], &safe))?;
    Some(format!("sysctl {found}"))
}

fn volume_types(template: &Template) -> Option<String> {
    let allowed = [
        "name",
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    let odd = |volume: &Value| {
        let mut kinds = volume
            .as_object()
            .into_iter()
            .flat_map(|fields| fields.keys());
        kinds.any(|kind| !allowed.contains(&kind.as_str()))
    };
    let found = list(&template.spec()["volumes"])
        .iter()
        .find(|volume| odd(volume))?;
    Some(format!("volume {found}"))
}

/// Either the pod says it, or each container; and none says the contrary.
fn non_root(template: &Template) -> Option<String> {
    let pod = template
        .0
        .pointer(&format!("{POD}/runAsNonRoot"))
        .cloned()
        .unwrap_or_default();
    let flaw = |one: &Value| match &one["securityContext"]["runAsNonRoot"] {
        Value::Null => pod != true,
        own => own != true,
    };
    (pod == false)
        .then(|| "the pod may run as root".to_owned())
        .or_else(|| template.each_container(flaw, "may run as root"))
}

fn seccomp(template: &Template) -> Option<String> {
    let kept = ["RuntimeDefault", "Localhost"];
    let of = |context: &Value| {
        context["seccompProfile"]["type"]
            .as_str()
            .map(str::to_owned)
    };
    let pod = of(&template.spec()["securityContext"]);
    let holds = |said: &Option<String>| said.as_deref().is_some_and(|kind| kept.contains(&kind));
    if pod.is_some() && !holds(&pod) {
        return Some(format!("the pod's seccomp profile is {pod:?}"));
    }
    let flaw = |one: &Value| !holds(&of(&one["securityContext"]).or(pod.clone()));
    template.each_container(flaw, "no seccomp profile")
}
