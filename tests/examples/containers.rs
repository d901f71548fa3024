//! The Dockerfile, the compose file and the pod's security context, by a real Docker Engine and with the real Flowise.

use crate::engine::{ask, docker, finish};
use crate::images::{self, Builder, FLOWISE, RUST, TREE, build_example};
use crate::kit::{Check, ensure, scratch::Scratch};
use crate::running::{Running, answers, field};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The image of the Dockerfile, by the ordinary builder.
pub const IMAGE: &str = "flowise-flowjail-test";
/// The flags of the Dockerfile's own advice.
const HARDENED: [&str; 8] = [
    "--stop-timeout",
    "40",
    "--read-only",
    "--tmpfs=/tmp:rw,noexec,nosuid,size=64m",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
];
const COMPOSED: Duration = Duration::from_secs(240);

/// The tree that stands for what the base image would bring along.
fn mounted() -> String {
    format!("{}:{TREE}:ro", images::tree().display())
}

/// The image runs what it should, as whom it should, and has one program and one directory more than its base.
pub fn the_dockerfile_builds(builder: Builder) -> Check {
    let tag = match builder {
        Builder::Ordinary => IMAGE,
        Builder::BuildKit => "flowise-flowjail-buildkit",
    };
    if builder == Builder::BuildKit {
        build_example(builder, tag)?;
    }
    let config: Value =
        serde_json::from_str(&ask(["inspect", "--format", "{{json .Config}}", tag])?)
            .map_err(|e| e.to_string())?;
    for (name, expected) in [
        ("User", json!("1000:1000")),
        ("Entrypoint", json!(["/flowjail", "run", "--"])),
        ("Cmd", json!(["flowise", "start"])),
        ("StopSignal", json!("SIGTERM")),
        ("WorkingDir", json!("/home/node")),
    ] {
        ensure(config[name] == expected, || {
            format!("{name}: {}", config[name])
        })?;
    }
    let health = &config["Healthcheck"]["Test"];
    ensure(*health == json!(["CMD", "/flowjail", "health"]), || {
        format!("{health}")
    })?;
    let look = "const s = require('fs').statSync; const d = s('/home/node/.flowise'), f = s('/flowjail');\
        console.log(d.uid, d.gid, (d.mode & 0o777).toString(8), f.uid, (f.mode & 0o777).toString(8), f.size)";
    let size = crate::image::flowjail()?
        .metadata()
        .map_err(|e| e.to_string())?
        .len();
    let said = ask(["run", "--rm", "--entrypoint", "node", tag, "-e", look])?;
    ensure(said == format!("1000 1000 755 0 755 {size}"), || said)
}

/// As the Dockerfile's first lines say to run it: healthy, stopped in time, and with the same data when started again.
pub fn the_advised_command_runs_flowise() -> Check {
    let volume = Volume::new("advised", "1000:1000 755")?;
    let (tree, data) = (mounted(), format!("{}:/home/node/.flowise", volume.0));
    let mut args = HARDENED.to_vec();
    args.extend(["-p", "3000:3000", "-v", &data, "-v", &tree, IMAGE]);
    let container = Running::start("advised", &args)?;
    container.becomes("healthy")?;
    answers(3000)?;
    jailed(&container)?;
    let key = container.exec(&["cat", "/home/node/.flowise/encryption.key"])?;
    ensure(key.0 == Some(0) && !key.1.is_empty(), || format!("{key:?}"))?;
    let code = container.stop()?;
    ensure(code == 0, || format!("stop: {code}; {}", container.told()))?;
    container.start_again()?;
    container.becomes("healthy")?;
    let again = container.exec(&["cat", "/home/node/.flowise/encryption.key"])?;
    ensure(again == key, || format!("{again:?} and not {key:?}"))?;
    container.stop().map(drop)
}

/// What nobody started is not healthy, to docker as to whoever asks.
pub fn a_container_that_serves_nothing_is_unhealthy() -> Check {
    let args = [
        "--health-interval=1s",
        "--health-retries=1",
        "--health-start-period=1ms",
        "--entrypoint=node",
    ];
    let idle = [IMAGE, "-e", "setInterval(() => {}, 1e6)"];
    let container = Running::start("idle", &[&args[..], &idle].concat())?;
    container.becomes("unhealthy")?;
    let (code, said) = container.exec(&["/flowjail", "health"])?;
    ensure(code == Some(1), || format!("health: {code:?}: {said}"))?;
    let status = container.status_of_node()?;
    let bare = field(&status, "Seccomp_filters");
    // The twin of `jailed`: without flowjail there is Docker's own filter and no other.
    ensure(bare == "1", || format!("{bare} filters"))
}

/// The pod's security context, and a volume as a cluster gives it: root's, and the group may write.
pub fn the_pods_security_context_runs_flowise() -> Check {
    let pod = crate::manifests::template()?.0["spec"].clone();
    let context = &pod["securityContext"];
    let container = &pod["containers"][0];
    let own = &container["securityContext"];
    let user = format!("{}:{}", context["runAsUser"], context["runAsGroup"]);
    ensure(own["readOnlyRootFilesystem"] == true, || format!("{own}"))?;
    ensure(own["allowPrivilegeEscalation"] == false, || {
        format!("{own}")
    })?;
    ensure(own["capabilities"]["drop"] == json!(["ALL"]), || {
        format!("{own}")
    })?;
    ensure(
        context["seccompProfile"]["type"] == "RuntimeDefault",
        || format!("{context}"),
    )?;
    let volume = Volume::new("pod", "0:1000 2775")?;
    let at = container["volumeMounts"][0]["mountPath"]
        .as_str()
        .ok_or("no mount")?;
    let (tree, data, group) = (
        mounted(),
        format!("{}:{at}", volume.0),
        context["fsGroup"].to_string(),
    );
    let mut args = vec![
        "--user",
        &user,
        "--group-add",
        &group,
        "--read-only",
        "--cap-drop",
        "ALL",
    ];
    args.extend([
        "--security-opt",
        "no-new-privileges",
        "--stop-timeout",
        "40",
        "--tmpfs=/tmp:size=64m",
    ]);
    // Every container of a cluster has these; none of them may be taken for ours.
    args.extend([
        "-e",
        "KUBERNETES_SERVICE_HOST=10.96.0.1",
        "-e",
        "KUBERNETES_PORT=tcp://10.96.0.1:443",
    ]);
    let environment: Vec<String> = container["env"]
        .as_array()
        .into_iter()
        .flatten()
        .map(pair)
        .collect();
    for one in &environment {
        args.extend(["-e", one]);
    }
    args.extend(["-p", "3001:3000", "-v", &data, "-v", &tree, IMAGE]);
    let running = Running::start("pod", &args)?;
    running.becomes("healthy")?;
    answers(3001)?;
    jailed(&running)?;
    let probe = container["livenessProbe"]["exec"]["command"]
        .as_array()
        .ok_or("no probe")?;
    let probe: Vec<&str> = probe.iter().filter_map(Value::as_str).collect();
    let (code, said) = running.exec(&probe)?;
    ensure(code == Some(0), || format!("{probe:?}: {code:?}: {said}"))?;
    let code = running.stop()?;
    ensure(code == 0, || format!("stop: {code}; {}", running.told()))
}

fn pair(variable: &Value) -> String {
    let text = |name: &str| variable[name].as_str().unwrap_or_default().to_owned();
    format!("{}={}", text("name"), text("value"))
}

/// The compose file with an .env as Flowise ships it, whose paths are those of a root container.
pub fn compose_runs_flowise() -> Check {
    let scratch = Scratch::new();
    let copy = scratch.at("repository");
    images::repository(&copy)?;
    let place = copy.join("examples");
    let env = "PORT=3002\nDATABASE_PATH=/root/.flowise\nSECRETKEY_PATH=/root/.flowise\n\
        LOG_PATH=/root/.flowise/logs\nBLOB_STORAGE_PATH=/root/.flowise/storage\nJWT_ISSUER=ISSUER\n";
    std::fs::write(place.join(".env"), env).map_err(|e| e.to_string())?;
    let tree = json!({ "services": { "flowise": { "volumes": [mounted()] } } });
    std::fs::write(place.join("tree.yaml"), tree.to_string()).map_err(|e| e.to_string())?;
    let up = compose(&place, &["up", "-d", "--build"]);
    let checked = up.and_then(|_| composed(&place));
    let down = compose(&place, &["down", "-v", "--timeout", "1"]);
    checked.and(down.map(drop))
}

fn composed(place: &Path) -> Check {
    let id = compose(place, &["ps", "-q", "flowise"])?;
    let container = Running::named(id.trim());
    container.becomes("healthy")?;
    answers(3002)?;
    jailed(&container)?;
    let seen = container.look(
        "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} \
         {{.HostConfig.Tmpfs}} {{.Config.StopTimeout}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Privileged}}",
    )?;
    let expected = "1000:1000 true [ALL] [no-new-privileges:true] map[/tmp:rw,noexec,nosuid,size=64m] \
        <nil> always false";
    ensure(seen.replace(" 40 ", " <nil> ") == expected, || seen)?;
    let (_, files) = container.exec(&["ls", "-a", "/home/node/.flowise"])?;
    for name in ["database.sqlite", "encryption.key", "logs"] {
        ensure(files.lines().any(|line| line == name), || {
            format!("no {name}: {files}")
        })?;
    }
    compose(place, &["stop"])?;
    let code = container.look("{{.State.ExitCode}}")?;
    ensure(code == "0", || {
        format!("stop: {code}; {}", container.told())
    })
}

/// `docker compose` where the client has it, else `docker-compose`.
fn compose(place: &Path, args: &[&str]) -> Result<String, String> {
    let engine = docker(["compose"]);
    let plugin = finish(docker(["compose", "version"]), COMPOSED)?;
    let plugin =
        plugin.status.is_some_and(|status| status.success()) && plugin.stdout.contains("Compose");
    let mut command = Command::new(if plugin { "docker" } else { "docker-compose" });
    command.args(plugin.then_some("compose"));
    command.envs(
        engine
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    command
        .env("FLOWISE_IMAGE", FLOWISE)
        .env("RUST_IMAGE", RUST)
        .env("DOCKER_BUILDKIT", "0");
    command
        .current_dir(place)
        .args(["-p", "composed", "-f", "compose.yaml", "-f", "tree.yaml"])
        .args(args);
    let ended = finish(command, COMPOSED)?;
    match ended.status {
        Some(status) if status.success() => Ok(ended.stdout),
        _ => Err(format!("compose {args:?}: {ended:?}")),
    }
}

/// Node has no capability, nothing to gain, and a filter beside Docker's own.
fn jailed(container: &Running) -> Check {
    let status = container.status_of_node()?;
    for (name, expected) in [
        ("NoNewPrivs", "1"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
    ] {
        let seen = field(&status, name);
        ensure(seen == expected, || format!("{name} {seen}"))?;
    }
    let filters: u32 = field(&status, "Seccomp_filters").parse().unwrap_or(0);
    ensure(filters > 1, || format!("{filters} filters"))
}

/// A volume whose directory has this owner and mode; removed with the value.
struct Volume(String);

impl Volume {
    fn new(name: &str, owner_and_mode: &str) -> Result<Self, String> {
        let volume = Self(format!("flowise-{name}"));
        ask(["volume", "create", &volume.0])?;
        let set = "const [owner, mode] = process.argv.slice(1), [u, g] = owner.split(':'); const fs = require('fs');\
            fs.chownSync('/volume', +u, +g); fs.chmodSync('/volume', parseInt(mode, 8))";
        let at = format!("{}:/volume", volume.0);
        let mut args = vec![
            "run",
            "--rm",
            "--user=0:0",
            "--entrypoint=node",
            "-v",
            &at,
            IMAGE,
            "-e",
            set,
        ];
        args.extend(owner_and_mode.split(' '));
        ask(args)?;
        Ok(volume)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = ask(["volume", "rm", "-f", &self.0]);
    }
}
