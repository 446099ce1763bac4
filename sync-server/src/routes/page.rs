//! Pages of lists, by seeking: a page says where the next one begins, so that rows that come or go in between are neither
//! shown twice nor left out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::text;
use crate::error::ApiError;

/// How many items a page has where nothing is asked for.
const ITEMS: usize = 50;
/// How many bytes of a cursor say whether it is whole.
const CHECK: usize = 8;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// The cursor of the next page; none on the last.
    #[schema(max_length = 400)]
    pub next: Option<String>,
}

/// Which page is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// How many items at most; without it 50.
    #[serde(default, deserialize_with = "text::number::<_, 1, 200>")]
    #[param(minimum = 1, maximum = 200, nullable = false, example = 50)]
    limit: Option<usize>,
    /// `next` of the page before; the first page without it.
    #[serde(default, deserialize_with = "text::line_if::<_, 1, 400>")]
    #[param(min_length = 1, max_length = 400, nullable = false)]
    after: Option<String>,
}

impl Asked {
    /// From parts that stand in the query of a list with more to ask for.
    pub fn new(limit: Option<usize>, after: Option<String>) -> Self {
        Self { limit, after }
    }

    /// How many items at most.
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(ITEMS)
    }

    /// Where the page before ended. `list` names the list with all that decides its order and its rows, so that a cursor
    /// of another list is refused like a damaged one.
    pub fn after<K: DeserializeOwned>(&self, list: &[&str]) -> Result<Option<K>, ApiError> {
        let Some(cursor) = &self.after else { return Ok(None) };
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            let (check, place) = bytes.split_first_chunk::<CHECK>()?;
            (*check == checked(list, place)).then(|| serde_json::from_slice(place).ok())?
        };
        read().map(Some).ok_or(ApiError::bad("cursor", "after"))
    }
}

impl<T> Page<T> {
    /// The page of rows of which one more than the limit were read, if there are; `place` is what a row is sought by.
    pub fn new<R, K: Serialize>(
        mut rows: Vec<R>,
        limit: usize,
        list: &[&str],
        place: impl Fn(&R) -> K,
        item: impl FnMut(R) -> T,
    ) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more).map(|row| serde_json::to_vec(&place(row)).unwrap_or_default());
        let next = last.map(|place| URL_SAFE_NO_PAD.encode([checked(list, &place).as_slice(), &place].concat()));
        Self { items: rows.into_iter().map(item).collect(), next }
    }
}

/// Tells a damaged cursor, and one of another list. It is no secret: a cursor gives nobody a right.
fn checked(list: &[&str], place: &[u8]) -> [u8; CHECK] {
    let mut hasher = blake3::Hasher::new_derive_key("gridpass cursor v1");
    for part in list.iter().map(|part| part.as_bytes()).chain([place]) {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let mut check = [0; CHECK];
    hasher.finalize_xof().fill(&mut check);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(after: Option<&str>) -> Asked {
        Asked { limit: Some(2), after: after.map(str::to_owned) }
    }

    #[test]
    fn pages_add_up_to_the_list_and_a_damaged_cursor_is_refused() {
        let list = ["numbers", "up"];
        let page = |after: Option<&str>| {
            let after: i64 = asked(after).after(&list).unwrap().unwrap_or(0);
            let rows: Vec<i64> = (after + 1..=5).take(3).collect();
            Page::new(rows, 2, &list, |row| *row, |row| row)
        };
        let first = page(None);
        let second = page(first.next.as_deref());
        let third = page(second.next.as_deref());
        assert_eq!([first.items, second.items, third.items], [vec![1, 2], vec![3, 4], vec![5]]);
        assert_eq!(third.next, None);
        let good = first.next.unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone().into_bytes();
            bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
            let bad = String::from_utf8(bad).unwrap();
            // The last character holds bits that say nothing: another spelling of the same bytes is refused as well.
            assert!(asked(Some(&bad)).after::<i64>(&list).is_err(), "{at}");
        }
        for bad in ["", "AAAA", "/etc/passwd", "%00"] {
            assert!(asked(Some(bad)).after::<i64>(&list).is_err(), "{bad}");
        }
        assert!(asked(Some(&good)).after::<i64>(&["numbers", "down"]).is_err(), "of another list");
        assert!(asked(Some(&good)).after::<String>(&list).is_err(), "of another shape");
    }
}
