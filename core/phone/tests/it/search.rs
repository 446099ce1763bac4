//! Finding what packs brought: it can be browsed first, is made searchable after, and a kill in between costs nothing.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use gridpass_core::value::Value;
use gridpass_phone::ListQuery;

use crate::host::{Handset, edit, run};
use crate::server::Server;

/// More than two transactions of search rows.
const MANY: u32 = 2_300;

fn with_many() -> Server {
    let server = Server::new();
    server.rules(|rules| rules.pack = 700);
    for n in 0..MANY {
        let name = if n == MANY - 1 { "章鱼".to_owned() } else { format!("张{n}") };
        server.publish("person", vec![("name".to_owned(), name.into()), ("gender".to_owned(), "1".into())]);
    }
    server
}

fn found(phone: &Handset, typed: &str) -> u32 {
    u32::try_from(phone.phone().search(typed, None, u32::MAX).unwrap().len()).unwrap()
}

fn listed(phone: &Handset) -> u32 {
    phone.phone().list(ListQuery { limit: 1, ..ListQuery::default() }).unwrap().total
}

/// Syncs until so many records are listed and so many not found by a search, and kills the app there.
fn killed_when(phone: &mut Handset, there: impl Fn(u32, u32) -> bool) {
    {
        let mut sync = pin!(phone.phone().sync());
        let mut context = Context::from_waker(Waker::noop());
        run(async {
            loop {
                match sync.as_mut().poll(&mut context) {
                    Poll::Ready(report) => panic!("the sync was over before anybody could kill it: {report:?}"),
                    Poll::Pending if there(listed(phone), phone.phone().state().unwrap().unsearchable) => break,
                    Poll::Pending => tokio::task::yield_now().await,
                }
            }
        });
    }
    let crash = phone.snapshot();
    phone.put_back(crash.path());
}

fn in_the_middle(listed: u32, left: u32) -> bool {
    listed >= MANY && left > 0 && left < MANY
}

#[test]
fn a_kill_in_the_middle_of_indexing_leaves_nothing_that_is_never_found() {
    let server = with_many();
    let mut ann = Handset::enrolled(&server, 1);
    killed_when(&mut ann, in_the_middle);
    let left = ann.phone().state().unwrap().unsearchable;
    assert!(left > 0 && left < MANY, "{left}");
    assert_eq!(listed(&ann), MANY, "all can be browsed");
    assert_eq!(found(&ann, "张"), MANY - left, "what has its row is found");
    assert_eq!(found(&ann, "章鱼"), 0, "the last is made last");

    assert!(ann.sync().complete);
    assert_eq!(ann.phone().state().unwrap().unsearchable, 0);
    assert_eq!((found(&ann, "张"), found(&ann, "章鱼")), (MANY - 1, 1));
}

#[test]
fn what_a_killed_app_left_is_found_without_a_network_too() {
    let server = with_many();
    let mut ann = Handset::enrolled(&server, 1);
    killed_when(&mut ann, in_the_middle);
    server.rules(|rules| rules.offline = true);
    assert!(ann.try_sync().is_err());
    assert_eq!((found(&ann, "张"), found(&ann, "章鱼")), (MANY - 1, 1));
}

#[test]
fn an_edit_is_found_at_once_and_only_by_what_it_says_now() {
    let server = with_many();
    let ben = Handset::enrolled(&server, 2);
    ben.sync();
    let person = ben.person("欧阳");
    ben.sync();
    let mut ann = Handset::enrolled(&server, 1);
    killed_when(&mut ann, in_the_middle);
    assert!(ann.phone().state().unwrap().unsearchable > 0);
    // Whether its own row was made already or not, what is saved is found by its new name.
    ann.save(person, vec![edit("name", "欧阳", "司马")]);
    let new = ann.person("诸葛");
    assert_eq!((found(&ann, "司马"), found(&ann, "欧阳"), found(&ann, "诸葛")), (1, 0, 1));

    assert!(ann.sync().complete);
    assert_eq!((found(&ann, "司马"), found(&ann, "欧阳"), found(&ann, "诸葛")), (1, 0, 1));
    assert_eq!(found(&ann, "张"), MANY - 1);
    assert_eq!(ann.value(new, "name"), Value::from("诸葛"));
    ann.save(new, vec![edit("name", "诸葛", "夏侯")]);
    assert_eq!((found(&ann, "诸葛"), found(&ann, "夏侯")), (0, 1));
}

#[test]
fn a_kill_between_packs_leaves_what_came_and_the_next_sync_fetches_and_finds_the_rest() {
    let server = with_many();
    let mut ann = Handset::enrolled(&server, 1);
    killed_when(&mut ann, |listed, _| listed > 0);
    let came = listed(&ann);
    assert!(came < MANY, "{came}");
    server.rules(|rules| rules.offline = true);
    assert!(ann.try_sync().is_err());
    assert_eq!(found(&ann, "张"), came, "what came is found without the rest");
    server.rules(|rules| rules.offline = false);
    assert!(ann.sync().complete);
    assert_eq!((found(&ann, "张"), found(&ann, "章鱼")), (MANY - 1, 1));
    let fetched = server.world().seen.requests.iter().filter(|request| *request == "packs").count();
    assert!(fetched <= 6, "four packs and the one or two that were under way: {fetched}");
}
