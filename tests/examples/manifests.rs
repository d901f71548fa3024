//! The three files as data, by a YAML reader and a validator from PyPI, in a virtual environment of the test cache.

use crate::common::needs::{self, Need};
use crate::common::start;
use crate::kit::{Check, ensure, scratch::Scratch};
use crate::restricted::{CONTROLS, Control, Template};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Versions of Kubernetes whose schemas the validator brings along.
const KUBERNETES: [&str; 8] = [
    "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37",
];
const TO_JSON: &str =
    "import json, sys, yaml; json.dump(list(yaml.safe_load_all(open(sys.argv[1]))), sys.stdout)";

/// A file of `examples/`.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

fn program(name: &str) -> PathBuf {
    let cache = std::env::var_os("FLOWJAIL_TEST_CACHE").unwrap_or_default();
    Path::new(&cache).join("kubernetes-validate/bin").join(name)
}

/// The validator, and with it PyYAML.
pub fn validator() -> Need {
    let found = program("kubernetes-validate");
    let why = format!("{} is not there (tests/run makes it)", found.display());
    needs::condition("kubernetes-validate", found.is_file(), &why)
}

/// The documents of a YAML file.
pub fn documents(file: &Path) -> Result<Vec<Value>, String> {
    let mut python = Command::new(program("python3"));
    python.args(["-c", TO_JSON]).arg(file);
    let said = start::finish(python, "", Duration::from_secs(60)).map_err(|e| e.to_string())?;
    serde_json::from_str(&said.stdout).map_err(|e| format!("{e}: {said:?}"))
}

/// The first document of this kind in kubernetes.yaml.
pub fn object(kind: &str) -> Result<Value, String> {
    let all = documents(&example("kubernetes.yaml"))?;
    let found = all.into_iter().find(|one| one["kind"] == kind);
    found.ok_or_else(|| format!("no {kind}"))
}

/// The Deployment's pod.
pub fn template() -> Result<Template, String> {
    Ok(Template(object("Deployment")?["spec"]["template"].clone()))
}

/// The validator's word on a file.
fn validate(version: &str, file: &Path) -> Result<(bool, String), String> {
    let mut command = Command::new(program("kubernetes-validate"));
    command.args(["--strict", "-k", version]).arg(file);
    let ended = start::finish(command, "", Duration::from_secs(120)).map_err(|e| e.to_string())?;
    let accepted = ended.status.is_some_and(|status| status.success());
    Ok((accepted, ended.stdout + &ended.stderr))
}

/// Every object, against every schema that there is.
pub fn the_objects_fit_the_published_schemas() -> Check {
    let file = example("kubernetes.yaml");
    let objects = documents(&file)?.len();
    for version in KUBERNETES {
        let (accepted, said) = validate(version, &file)?;
        ensure(accepted, || format!("{version}: {said}"))?;
        let passed = said.matches(" passed for resource ").count();
        ensure(passed == objects, || {
            format!("{version}: {passed} of {objects}: {said}")
        })?;
    }
    Ok(())
}

/// Its twin: what is misspelt, of the wrong type or missing is found.
pub fn a_flawed_object_does_not() -> Check {
    let scratch = Scratch::new();
    let deployment = Template(object("Deployment")?);
    let flaws = [
        ("/spec/template/spec/automountServiceAcountToken", "false"),
        (
            "/spec/template/spec/containers/0/livenessProbe/periodSeconds",
            r#""often""#,
        ),
        ("/spec/selector", r#""flowise""#),
    ];
    for (number, (pointer, json)) in flaws.into_iter().enumerate() {
        let flawed = deployment.with(pointer, json).0.to_string();
        let file = scratch.file(&format!("{number}.yaml"), &flawed);
        let (accepted, said) = validate(KUBERNETES[0], &file)?;
        ensure(!accepted && said.contains("ERROR"), || {
            format!("{pointer} {json} passed: {said}")
        })?;
    }
    Ok(())
}

/// One control of the restricted standard over the Deployment's pod, and over its twins.
pub fn control(control: &Control) -> Check {
    let template = template()?;
    if let Some(flaw) = (control.flaw)(&template) {
        return Err(flaw);
    }
    for (pointer, json) in control.broken {
        let broken = (control.flaw)(&template.with(pointer, json));
        ensure(broken.is_some(), || format!("{pointer} = {json} passed"))?;
    }
    Ok(())
}

/// A pod that says nothing is what a restricted namespace refuses: the controls that ask for something fail.
pub fn a_pod_that_says_nothing_is_refused() -> Check {
    let empty = serde_json::json!({ "spec": { "containers": [{ "name": "flowise" }] } });
    let empty = Template(empty);
    let failed = CONTROLS.iter().filter(|one| (one.flaw)(&empty).is_some());
    let names: Vec<_> = failed.map(|one| one.name).collect();
    let asked = [
        "Capabilities",
        "Privilege Escalation",
        "Running as Non-root",
        "Seccomp",
    ];
    ensure(names == asked, || format!("refused by {names:?}"))
}

/// What the three files say of the same thing.
pub fn the_three_files_agree() -> Check {
    let pod = template()?.0["spec"].clone();
    let container = &pod["containers"][0];
    let compose = documents(&example("compose.yaml"))?[0]["services"]["flowise"].clone();
    let dockerfile = std::fs::read_to_string(example("Dockerfile")).map_err(|e| e.to_string())?;

    let user = format!(
        "{}:{}",
        pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]
    );
    ensure(compose["user"] == user.as_str(), || {
        format!("compose runs as {}", compose["user"])
    })?;
    ensure(dockerfile.contains(&format!("\nUSER {user}\n")), || {
        format!("Dockerfile: not {user}")
    })?;

    let data = container["volumeMounts"][0]["mountPath"]
        .as_str()
        .unwrap_or("none");
    let volume = compose["volumes"][0].as_str().unwrap_or_default();
    ensure(volume.ends_with(&format!(":{data}")), || {
        format!("compose: {volume}, pod: {data}")
    })?;
    let copied = format!("--chown={user} /flowise-data {data}\n");
    ensure(dockerfile.contains(&copied), || {
        format!("Dockerfile: no {copied}")
    })?;

    let health = &container["livenessProbe"]["exec"]["command"];
    let words: Vec<_> = health
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    ensure(words == ["/flowjail", "health"], || format!("{words:?}"))?;
    for probe in ["startupProbe", "readinessProbe"] {
        ensure(&container[probe]["exec"]["command"] == health, || {
            format!("{probe} differs")
        })?;
    }
    let asked = compose["healthcheck"]["test"].to_string();
    ensure(asked == r#"["CMD","/flowjail","health"]"#, || {
        format!("compose asks {asked}")
    })?;
    ensure(
        dockerfile.contains(r#"CMD ["/flowjail", "health"]"#),
        || "Dockerfile asks otherwise".into(),
    )?;

    let grace = &pod["terminationGracePeriodSeconds"];
    let told = compose["stop_grace_period"].as_str().unwrap_or_default();
    ensure(told == format!("{grace}s"), || {
        format!("compose: {told}, pod: {grace}")
    })?;
    ensure(grace.as_u64() > Some(35), || {
        format!("{grace} is less than flowjail waits")
    })?;
    ensure(
        dockerfile.contains(&format!("--stop-timeout {grace} ")),
        || "Dockerfile".into(),
    )
}
