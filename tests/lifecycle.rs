//! The life of a jail, seen from outside: privileges, exits, signals, terminals, events, failures.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // the coverage line is part of what these tests show

mod common;
#[path = "lifecycle/events.rs"]
mod events;
#[path = "lifecycle/events_sink.rs"]
mod events_sink;
#[path = "lifecycle/every_step.rs"]
mod every_step;
#[path = "lifecycle/exits.rs"]
mod exits;
#[path = "lifecycle/fail_closed.rs"]
mod fail_closed;
mod kit;
#[path = "lifecycle/launch_deaths.rs"]
mod launch_deaths;
#[path = "lifecycle/missing.rs"]
mod missing;
#[path = "lifecycle/outside.rs"]
mod outside;
#[path = "lifecycle/propagation.rs"]
mod propagation;
#[path = "lifecycle/signals.rs"]
mod signals;
#[path = "lifecycle/stage.rs"]
mod stage;
#[path = "lifecycle/terminal.rs"]
mod terminal;

use common::needs::{self, Need};
use kit::who::Who;
use kit::{Check, scratch};
use libtest_mimic::Trial;

/// A test for a start as root and one as an ordinary user.
type Test = (&'static str, fn(Who) -> Check);

const OUTSIDE: [Test; 6] = [
    (
        "the program has no privilege",
        outside::the_program_has_no_privilege,
    ),
    (
        "every other process has none either",
        outside::every_other_process_has_none_either,
    ),
    ("six namespaces differ", outside::six_namespaces_differ),
    (
        "exactly init and the program are inside",
        outside::exactly_init_and_the_program_are_inside,
    ),
    (
        "nothing is left after the exit",
        outside::nothing_is_left_after_the_exit,
    ),
    (
        "twenty jails run at once",
        outside::twenty_jails_run_at_once,
    ),
];
const EXITS: [Test; 10] = [
    (
        "the program's own code passes through",
        exits::the_programs_own_code_passes_through,
    ),
    (
        "death by signal n is 128 + n",
        exits::death_by_signal_n_is_128_plus_n,
    ),
    ("no such program is 127", exits::no_such_program_is_127),
    ("not executable is 126", exits::not_executable_is_126),
    (
        "a profile that is not there is 125",
        exits::a_profile_that_is_not_there_is_125,
    ),
    ("pipes pass every byte", exits::pipes_pass_every_byte),
    ("files pass through", exits::files_pass_through),
    (
        "closed standard descriptors are no trouble",
        exits::closed_standard_descriptors_are_no_trouble,
    ),
    (
        "a directory as descriptor is refused",
        exits::a_directory_as_descriptor_is_refused,
    ),
    (
        "only three descriptors arrive",
        exits::only_three_descriptors_arrive,
    ),
];
const SIGNALS: [Test; 13] = [
    (
        "the supervisor killed while it launches leaves nothing",
        launch_deaths::the_supervisor_killed_while_it_launches_leaves_nothing,
    ),
    (
        "the supervisor killed while it launches a network leaves nothing",
        launch_deaths::the_supervisor_killed_while_it_launches_a_network_leaves_nothing,
    ),
    (
        "death by a real time signal is 128 plus n",
        launch_deaths::death_by_a_real_time_signal_is_128_plus_n,
    ),
    (
        "a starter that ignores sigchld is no trouble",
        launch_deaths::a_starter_that_ignores_sigchld_is_no_trouble,
    ),
    ("signals are forwarded", signals::signals_are_forwarded),
    (
        "a second SIGTERM kills at once",
        signals::a_second_sigterm_kills_at_once,
    ),
    (
        "a deaf program is killed after 35 seconds",
        signals::a_deaf_program_is_killed_after_35_seconds,
    ),
    (
        "the supervisor killed ends the jail",
        signals::the_supervisor_killed_ends_the_jail,
    ),
    (
        "no notified call hangs on a dead supervisor",
        signals::no_notified_call_hangs_on_a_dead_supervisor,
    ),
    (
        "a flood of denied calls ends with the supervisor",
        signals::a_flood_of_denied_calls_ends_with_the_supervisor,
    ),
    (
        "a flood of denied calls does not delay SIGTERM",
        signals::a_flood_of_denied_calls_does_not_delay_sigterm,
    ),
    (
        "init killed ends the jail",
        signals::init_killed_ends_the_jail,
    ),
    (
        "the program killed gives its signal",
        signals::the_program_killed_gives_its_signal,
    ),
];
const TERMINAL: [Test; 5] = [
    (
        "a server does not get the terminal",
        terminal::a_server_does_not_get_the_terminal,
    ),
    ("Ctrl-C interrupts", terminal::ctrl_c_interrupts),
    (
        "Ctrl-Z stops and fg goes on",
        terminal::ctrl_z_stops_and_fg_goes_on,
    ),
    (
        "bg runs behind the shell",
        terminal::bg_runs_behind_the_shell,
    ),
    ("the window size arrives", terminal::the_window_size_arrives),
];
const EVENTS: [Test; 14] = [
    (
        "a file below the writable directory is refused",
        events_sink::a_file_below_the_writable_directory_is_refused,
    ),
    (
        "a symbolic link is refused",
        events_sink::a_symbolic_link_is_refused,
    ),
    (
        "a fifo without a reader is an error at once",
        events_sink::a_fifo_without_a_reader_is_an_error_at_once,
    ),
    ("events go to a pipe", events_sink::events_go_to_a_pipe),
    ("events go to a socket", events_sink::events_go_to_a_socket),
    (
        "long arguments do not hide the path",
        events_sink::long_arguments_do_not_hide_the_path,
    ),
    (
        "junk does not hide a later exec",
        events_sink::junk_does_not_hide_a_later_exec,
    ),
    (
        "what a burst leaves out is counted",
        events_sink::what_a_burst_leaves_out_is_counted,
    ),
    (
        "the stream begins with the promises and ends with the exit",
        events::the_stream_begins_with_the_promises_and_ends_with_the_exit,
    ),
    (
        "a denied call is an event",
        events::a_denied_call_is_an_event,
    ),
    (
        "a denied exec is an event with path and argv",
        events::a_denied_exec_is_an_event_with_path_and_argv,
    ),
    (
        "equal denials are counted, not repeated",
        events::equal_denials_are_counted_not_repeated,
    ),
    (
        "the digest names the profile line",
        events::the_digest_names_the_profile_line,
    ),
    (
        "events go to a descriptor",
        events::events_go_to_a_descriptor,
    ),
];
const FAILURES: [Test; 12] = [
    (
        "runs behind a filter that hits nothing",
        fail_closed::runs_behind_a_filter_that_hits_nothing,
    ),
    (
        "every step fails closed",
        every_step::every_step_fails_closed,
    ),
    (
        "every step of a network fails closed",
        every_step::every_step_of_a_network_fails_closed,
    ),
    (
        "every step of a bare jail fails closed",
        every_step::every_step_of_a_bare_jail_fails_closed,
    ),
    (
        "every step of secrets fails closed",
        every_step::every_step_of_secrets_fails_closed,
    ),
    (
        "missing Landlock is a refusal",
        missing::missing_landlock_is_a_refusal,
    ),
    (
        "preferred Landlock is shown as not held",
        missing::preferred_landlock_is_shown_as_not_held,
    ),
    (
        "a listener held by another is a refusal",
        missing::a_listener_held_by_another_is_a_refusal,
    ),
    (
        "the plan shows what is not held",
        missing::the_plan_shows_what_is_not_held,
    ),
    (
        "a Landlock that only tells its version is none",
        missing::a_landlock_that_only_tells_its_version_is_none,
    ),
    (
        "what an old kernel lacks is hinted at",
        missing::what_an_old_kernel_lacks_is_hinted_at,
    ),
    (
        "a bare jail is planned without signals",
        missing::a_bare_jail_is_planned_without_signals,
    ),
];

fn main() -> std::process::ExitCode {
    let built = stage::compiled("actor").and_then(|_| stage::compiled("failer"));
    let compiler = needs::condition(
        "a C compiler",
        built.is_ok(),
        built.as_ref().err().map_or("", |e| e),
    );
    let mut trials = vec![no_user_namespaces(&compiler), shared_mounts(&compiler)];
    for who in [Who::Ordinary, Who::Root] {
        let mut needed = vec![compiler.clone()];
        needed.extend((who == Who::Root).then(needs::root));
        let groups: [&[Test]; 5] = [&OUTSIDE, &EXITS, &SIGNALS, &EVENTS, &FAILURES];
        for (name, test) in groups.into_iter().flatten() {
            trials.push(trial(name, who, &needed, move || test(who)));
        }
        let mut as_root = needed.clone();
        as_root.push(needs::root());
        trials.push(trial(
            "no process keeps the caller's environment",
            who,
            &as_root,
            move || launch_deaths::no_process_keeps_the_callers_environment(who),
        ));
        for fault in &fail_closed::FAULTS {
            let name = format!("fails closed when {} fails", fault.call);
            trials.push(trial(&name, who, &needed, move || {
                fail_closed::fails_closed(who, fault)
            }));
        }
        needed.extend([
            needs::program("bash"),
            needs::program("setsid"),
            needs::program("stty"),
        ]);
        for (name, test) in &TERMINAL {
            trials.push(trial(name, who, &needed, move || test(who)));
        }
    }
    let code = needs::run(trials);
    scratch::remove_shared();
    code
}

fn trial(
    name: &str,
    who: Who,
    needed: &[Need],
    test: impl FnOnce() -> Check + Send + 'static,
) -> Trial {
    needs::trial(
        format!("{name}, started {}", who.word()),
        needed,
        move || test().map_err(Into::into),
    )
}

/// Only for an ordinary user: root of the machine makes its namespaces with its own right.
fn no_user_namespaces(compiler: &Need) -> Trial {
    let needed = [
        compiler.clone(),
        needs::program("unshare"),
        needs::program("setpriv"),
    ];
    trial(
        "forbidden user namespaces are a refusal",
        Who::Ordinary,
        &needed,
        || missing::forbidden_user_namespaces_are_a_refusal(Who::Ordinary),
    )
}

/// Only for root: an ordinary user's namespace gets the host's mounts as slaves by the kernel itself.
fn shared_mounts(compiler: &Need) -> Trial {
    let needed = [compiler.clone(), needs::root(), needs::program("unshare")];
    trial(
        "no mount event passes in or out",
        Who::Root,
        &needed,
        || propagation::no_mount_event_passes_in_or_out(Who::Root),
    )
}
