//! Bar 4: what is typed into the search box.

use std::time::Instant;

use gridpass_core::catalog::Search;
use gridpass_core::projection::search_tokens;
use gridpass_tests::world::Error;

use crate::bed::Handset;
use crate::data::{COLLECTION, Card, Roster};
use crate::table::{Row, Table, ms, percentile};

const OFTEN: usize = 300;

/// How a person is looked for.
type Typed = fn(&Card) -> Option<String>;

/// The rows of bar 4.
pub fn rows(handset: &Handset, roster: &Roster, table: &mut Table) -> Result<(), Error> {
    let kinds: [(&str, Typed); 6] = [
        ("a surname", |card| card.first()?.chars().next().map(String::from)),
        ("a whole name", |card| card.first().cloned()),
        ("pinyin", |card| letters(card, usize::max)),
        ("initials", |card| letters(card, usize::min)),
        ("the last 4 digits of a number", |card| tail(card.get(3)?, 4)),
        ("the last 6 digits of a number", |card| tail(card.get(3)?, 6)),
    ];
    let mut all = Vec::new();
    for (kind, typed) in kinds {
        let step = (roster.records.len() / OFTEN).max(1);
        let mut took = Vec::with_capacity(OFTEN);
        for card in roster.records.iter().step_by(step).take(OFTEN) {
            let typed = typed(card).ok_or("a card without what is looked for")?;
            let begun = Instant::now();
            let found = handset.phone.search(&typed, Some(COLLECTION), 50)?;
            took.push(ms(begun.elapsed()));
            if found.is_empty() {
                return Err(format!("nothing was found by {kind}").into());
            }
        }
        table
            .add(Row::new(4, format!("search, first 50, by {kind}: p95"), percentile(&took, 95.0), "ms").at_most(10.0));
        all.append(&mut took);
    }
    table.add(Row::new(4, "search, all kinds alike: p95", percentile(&all, 95.0), "ms").at_most(10.0));
    Ok(())
}

/// The whole name in letters, or its initials: the longest or the shortest of its tokens.
fn letters(card: &Card, better: fn(usize, usize) -> usize) -> Option<String> {
    let name = card.first()?;
    let tokens = search_tokens(Search::Name, name);
    let count = name.chars().count();
    let words: Vec<&str> = tokens.iter().filter_map(|token| token.strip_prefix('l')).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| word.len() >= count).collect();
    let wanted = words.iter().map(|word| word.len()).reduce(better)?;
    words.into_iter().find(|word| word.len() == wanted).map(str::to_owned)
}

fn tail(number: &str, length: usize) -> Option<String> {
    number.get(number.len().checked_sub(length)?..).map(str::to_owned)
}
