//! An image as a user of flowjail builds it: ENTRYPOINT, HEALTHCHECK and USER in the image, the command at `docker run`.

use super::bed::bed;
use super::config::unique;
use super::container::Container;
use super::engine::ask;
use super::image::{BASE, FLOWJAIL, TEST_PROFILE};
use super::life::SERVE;
use crate::kit::{self, Check, ensure};
use std::time::Duration;

const IMAGE: &str = "flowjail-entry";

/// The last lines of its Dockerfile, as `docker commit` takes them.
fn changes() -> [String; 3] {
    [
        "USER 1000:1000".to_owned(),
        format!(r#"ENTRYPOINT ["{FLOWJAIL}", "run", "--profile", "{TEST_PROFILE}", "--"]"#),
        format!(
            r#"HEALTHCHECK --interval=1s --timeout=5s CMD ["{FLOWJAIL}", "health", "--profile", "{TEST_PROFILE}"]"#
        ),
    ]
}

/// Makes it, runs it without another word than the command, and waits for docker to call it healthy.
pub fn an_image_becomes_healthy() -> Check {
    let from = ask(["create", BASE, "true"])?;
    let mut commit = vec!["commit".to_owned()];
    for change in changes() {
        commit.extend(["--change".to_owned(), change]);
    }
    commit.extend([from.clone(), IMAGE.to_owned()]);
    ask(commit)?;
    ask(["rm", &from])?;
    let data = format!("{}:/data", unique(&*bed()?)?);
    let container = Container::of_image(IMAGE, &["-v", &data], &SERVE)?;
    container.says("ready\n", 1)?;
    let healthy = || {
        std::thread::sleep(Duration::from_millis(200));
        container
            .look("{{.State.Health.Status}}")
            .ok()
            .filter(|status| status == "healthy")
    };
    kit::wait_for(Duration::from_secs(30), healthy).ok_or_else(|| {
        let health = container.look("{{json .State.Health}}");
        format!("never healthy: {health:?} {}", container.logs())
    })?;
    let code = container.stop()?;
    ensure(code == 143, || format!("{code}: {}", container.logs()))
}
