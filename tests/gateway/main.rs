//! The gateway as the world and the jail see it: deaths, privileges, visitors, connections out, floods.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // the memory lines are part of what these tests show

mod addresses;
#[path = "../common/mod.rs"]
mod common;
mod deaths;
mod egress;
mod fronts;
mod handed_over;
mod ingress;
#[path = "../kit/mod.rs"]
mod kit;
mod limits;
mod look;
mod memory;
mod names;
mod privilege;
mod proxy;
#[allow(dead_code)] // as the tests of reloads need it
mod stage;
mod stress;
mod world;

use common::needs;
use kit::who::Who;
use kit::{Check, scratch};

/// A test for a start as root and one as an ordinary user.
type Test = (&'static str, fn(Who) -> Check);

const DEATHS: [Test; 4] = [
    (
        "the gateway killed ends the jail",
        deaths::the_gateway_killed_ends_the_jail,
    ),
    (
        "the gateway stopped lets nothing out",
        deaths::the_gateway_stopped_lets_nothing_out,
    ),
    (
        "the supervisor killed ends gateway and jail",
        deaths::the_supervisor_killed_ends_gateway_and_jail,
    ),
    (
        "a stopped gateway dies with its supervisor",
        deaths::a_stopped_gateway_dies_with_its_supervisor,
    ),
];
const PRIVILEGE: [Test; 5] = [
    (
        "no process has privilege",
        privilege::no_process_has_privilege,
    ),
    (
        "exactly four processes run",
        privilege::exactly_four_processes_run,
    ),
    (
        "the gateway holds no file",
        privilege::the_gateway_holds_no_file,
    ),
    (
        "the gateway sees no file and no environment",
        privilege::the_gateway_sees_no_file_and_no_environment,
    ),
    (
        "only the gateway is in the host's network",
        privilege::only_the_gateway_is_in_the_hosts_network,
    ),
];
const INGRESS: [Test; 11] = [
    (
        "visitors come by both families and are seen as themselves",
        ingress::visitors_come_by_both_families_and_are_seen_as_themselves,
    ),
    (
        "a visitor by IPv6 is seen as itself",
        ingress::a_visitor_by_ipv6_is_seen_as_itself,
    ),
    (
        "a program of one family serves both",
        ingress::a_program_of_one_family_serves_both,
    ),
    (
        "an uninvited visitor is reset and recorded",
        ingress::an_uninvited_visitor_is_reset_and_recorded,
    ),
    (
        "an empty list admits nobody",
        ingress::an_empty_list_admits_nobody,
    ),
    (
        "a taken port is an error",
        ingress::a_taken_port_is_an_error,
    ),
    (
        "a program that does not listen yet is no trouble",
        ingress::a_program_that_does_not_listen_yet_is_no_trouble,
    ),
    ("visitors are limited", ingress::visitors_are_limited),
    (
        "a visit may end in one direction",
        ingress::a_visit_may_end_in_one_direction,
    ),
    (
        "another port of the program is not reached",
        ingress::another_port_of_the_program_is_not_reached,
    ),
    (
        "a visitor's reset passes through",
        ingress::a_reset_passes_through,
    ),
];
const FRONTS: [Test; 12] = [
    (
        "a front tells whom it speaks for",
        fronts::a_front_tells_whom_it_speaks_for,
    ),
    (
        "a header may come in any pieces",
        fronts::a_header_may_come_in_any_pieces,
    ),
    (
        "the visitor in the header is judged",
        fronts::the_visitor_in_the_header_is_judged,
    ),
    (
        "a front without a header is refused",
        fronts::a_front_without_a_header_is_refused,
    ),
    (
        "a visitor cannot pretend to be a front",
        fronts::a_visitor_cannot_pretend_to_be_a_front,
    ),
    ("a silent front is cut", fronts::a_silent_front_is_cut),
    (
        "a socket that is handed over is taken",
        handed_over::a_socket_is_taken,
    ),
    (
        "the first visitor of a socket that is handed over waits",
        handed_over::the_first_visitor_waits,
    ),
    (
        "sockets that are handed over go with their lines",
        handed_over::sockets_go_with_their_lines,
    ),
    (
        "names of sockets that are handed over lead to their lines",
        handed_over::names_lead_to_their_lines,
    ),
    (
        "a socket that has to be handed over",
        handed_over::a_socket_that_has_to_come,
    ),
    (
        "a wrong socket that is handed over is an error",
        handed_over::a_wrong_socket_is_an_error,
    ),
];
const EGRESS: [Test; 13] = [
    (
        "clients that dawdle are cut",
        egress::clients_that_dawdle_are_cut,
    ),
    (
        "a connection may end in one direction",
        egress::a_connection_may_end_in_one_direction,
    ),
    (
        "a host's reset passes through",
        egress::a_reset_passes_through,
    ),
    (
        "a host that refuses is told",
        egress::a_host_that_refuses_is_told,
    ),
    (
        "a reader that does not read stops the sender",
        egress::a_reader_that_does_not_read_stops_the_sender,
    ),
    (
        "an idle connection is cut",
        egress::an_idle_connection_is_cut,
    ),
    (
        "a silent host holds up nobody",
        egress::a_silent_host_holds_up_nobody,
    ),
    (
        "a host that never answers is given up",
        egress::a_host_that_never_answers_is_given_up,
    ),
    (
        "connections to one host are limited",
        limits::connections_to_one_host_are_limited,
    ),
    ("connections are limited", limits::connections_are_limited),
    (
        "what no line names is refused and told",
        limits::what_no_line_names_is_refused_and_told,
    ),
    (
        "named addresses are reached and no others",
        addresses::named_addresses_are_reached_and_no_others,
    ),
    (
        "a named address without a listener is told",
        addresses::a_named_address_without_a_listener_is_told,
    ),
];
const NAMES: [Test; 8] = [
    (
        "the profile's name server is asked",
        names::the_profiles_name_server_is_asked,
    ),
    (
        "a private address takes a private host",
        names::a_private_address_takes_a_private_host,
    ),
    (
        "a name that no server knows is told",
        names::a_name_that_no_server_knows_is_told,
    ),
    (
        "records are answered where the profile says so",
        names::records_are_answered_where_the_profile_says_so,
    ),
    (
        "records are not answered otherwise",
        names::records_are_not_answered_otherwise,
    ),
    (
        "allowed names go by the proxy",
        proxy::allowed_names_go_by_the_proxy,
    ),
    (
        "private hosts go directly",
        proxy::private_hosts_go_directly,
    ),
    (
        "a proxy that refuses is told",
        proxy::a_proxy_that_refuses_is_told,
    ),
];
const STRESS: [Test; 7] = [
    (
        "a flood does not falsify the record",
        stress::a_flood_does_not_falsify_the_record,
    ),
    (
        "what came while out of descriptors works later",
        stress::what_came_while_out_of_descriptors_works_later,
    ),
    (
        "two thousand connections at once",
        stress::two_thousand_connections_at_once,
    ),
    (
        "fifteen hundred visitors at once",
        stress::fifteen_hundred_visitors_at_once,
    ),
    (
        "a gateway out of descriptors survives",
        stress::a_gateway_out_of_descriptors_survives,
    ),
    (
        "a flood of names is counted",
        stress::a_flood_of_names_is_counted,
    ),
    ("queries are limited", stress::queries_are_limited),
];
const LOOK: [Test; 5] = [
    (
        "connections, names and counters are shown",
        look::connections_names_and_counters_are_shown,
    ),
    ("another user may not look", look::another_user_may_not_look),
    (
        "an unknown name is a clear error",
        look::an_unknown_name_is_a_clear_error,
    ),
    (
        "two jails of one name are told apart",
        look::two_jails_of_one_name_are_told_apart,
    ),
    (
        "nothing is left of a killed jail",
        look::nothing_is_left_of_a_killed_jail,
    ),
];

fn main() -> std::process::ExitCode {
    let world = world::enter();
    let built = world::compiled("puppet").and_then(|_| world::compiled("handover"));
    let compiler = needs::condition(
        "a C compiler",
        built.is_ok(),
        built.as_ref().err().map_or("", |e| e),
    );
    stress::raise_descriptors();
    let needed = [world, compiler];
    let mut trials = Vec::new();
    let groups: [&[Test]; 8] = [
        &LOOK, &STRESS, &NAMES, &EGRESS, &DEATHS, &PRIVILEGE, &INGRESS, &FRONTS,
    ];
    for who in [Who::Ordinary, Who::Root] {
        for (name, test) in groups.into_iter().flatten() {
            let name = format!("{name}, started {}", who.word());
            trials.push(needs::trial(name, &needed, move || {
                test(who).map_err(Into::into)
            }));
        }
    }
    let code = needs::run(trials);
    scratch::remove_shared();
    code
}
