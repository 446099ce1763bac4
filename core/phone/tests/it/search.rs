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

/// Syncs until search rows are left to be made, and gives the sync up there.
fn killed_while_indexing(phone: &mut Handset, left: impl Fn(u32) -> bool) {
    {
        let mut sync = pin!(phone.phone().sync());
        let mut context = Context::from_waker(Waker::noop());
        run(async {
            loop {
                match sync.as_mut().poll(&mut context) {
                    Poll::Ready(report) => panic!("the sync was over before anybody could kill it: {report:?}"),
                    Poll::Pending if left(phone.phone().state().unwrap().unsearchable) => break,
                    Poll::Pending => tokio::task::yield_now().await,
                }
            }
        });
    }
    let crash = phone.snapshot();
    phone.put_back(crash.path());
}

#[test]
fn a_kill_in_the_middle_of_indexing_leaves_nothing_that_is_never_found() {
    let server = with_many();
    let mut ann = Handset::enrolled(&server, 1);
    killed_while_indexing(&mut ann, |left| left > 0 && left < MANY);
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
    killed_while_indexing(&mut ann, |left| left > 0 && left < MANY);
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
    killed_while_indexing(&mut ann, |left| left > 0 && left < MANY);
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
