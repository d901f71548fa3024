//! The files of `examples/`, by their real consumers: the published schemas and the restricted Pod Security Standard for
//! the Kubernetes objects, a Docker Engine for the Dockerfile, the compose file and the pod's security context.
#![forbid(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;
mod containers;
#[allow(dead_code)] // other tests take other parts
#[path = "../docker/engine.rs"]
mod engine;
#[allow(dead_code)] // other tests take other parts
#[path = "../docker/image.rs"]
mod image;
mod images;
#[path = "../kit/mod.rs"]
mod kit;
mod manifests;
mod restricted;
mod running;

use common::needs::{self, Need};
use images::Builder;
use kit::Check;
use libtest_mimic::Trial;

type Test = (&'static str, fn() -> Check);

fn main() -> std::process::ExitCode {
    let wanted = !std::env::args().any(|word| word == "--list");
    if wanted {
        engine::start();
    }
    let mut trials = on_paper();
    trials.extend(in_containers());
    let code = needs::run(trials);
    engine::stop();
    kit::scratch::remove_shared();
    code
}

fn trial(name: &str, needed: &[Need], test: impl FnOnce() -> Check + Send + 'static) -> Trial {
    needs::trial(name, needed, move || test().map_err(Into::into))
}

fn on_paper() -> Vec<Trial> {
    let needed = [manifests::validator()];
    let whole: [Test; 4] = [
        (
            "the Kubernetes objects fit the published schemas",
            manifests::the_objects_fit_the_published_schemas,
        ),
        (
            "a flawed object does not fit them",
            manifests::a_flawed_object_does_not,
        ),
        (
            "a pod that says nothing is refused",
            manifests::a_pod_that_says_nothing_is_refused,
        ),
        ("the three files agree", manifests::the_three_files_agree),
    ];
    let whole = whole
        .into_iter()
        .map(|(name, test)| trial(name, &needed, test));
    let copied = trial(
        "cargo reads what the Dockerfile copies",
        &[needs::program("cargo")],
        images::cargo_reads_what_the_dockerfile_copies,
    );
    let controls = restricted::CONTROLS.iter().map(|control| {
        let name = format!("restricted: {}, and not when it is broken", control.name);
        trial(&name, &needed, || manifests::control(control))
    });
    whole.chain([copied]).chain(controls).collect()
}

fn in_containers() -> Vec<Trial> {
    let needed = vec![engine::need(), image::need()];
    let mut full = needed.clone();
    full.push(images::flowise());
    full.push(manifests::validator());
    let composed = [full.clone(), vec![needs::program("docker-compose")]].concat();
    let buildkit = [needed.clone(), vec![images::buildkit()]].concat();
    // What is there and does not come up is a failure and no missing need.
    let made = match needed.iter().all(|need| need.missing.is_none()) {
        true => images::make()
            .and_then(|()| images::build_example(Builder::Ordinary, containers::IMAGE)),
        false => Ok(()),
    };
    let test = |name, needed: &[Need], body: fn() -> Check| {
        let made = made.clone();
        trial(name, needed, move || made.and_then(|()| body()))
    };
    vec![
        test(
            "the Dockerfile builds with the ordinary builder",
            &needed,
            || containers::the_dockerfile_builds(Builder::Ordinary),
        ),
        test("the Dockerfile builds with BuildKit", &buildkit, || {
            containers::the_dockerfile_builds(Builder::BuildKit)
        }),
        test(
            "a container that serves nothing is unhealthy",
            &needed,
            containers::a_container_that_serves_nothing_is_unhealthy,
        ),
        test(
            "the advised command runs Flowise",
            &full,
            containers::the_advised_command_runs_flowise,
        ),
        test(
            "compose runs Flowise",
            &composed,
            containers::compose_runs_flowise,
        ),
        test(
            "the pod's security context runs Flowise",
            &full,
            containers::the_pods_security_context_runs_flowise,
        ),
    ]
}
