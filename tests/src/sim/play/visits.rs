//! Visits: a place is visited, and several phones add to one visit. Where somebody stood is written once.

use super::*;

/// Few visits, so that phones meet in them.
const FEW: usize = 4;

impl Play {
    pub(super) fn visit(&mut self, number: usize, a: usize, b: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let visits = rows(&phone, "visit")?;
        let few = visits.len().min(FEW);
        match visits.get(a.checked_rem(few).unwrap_or(0)) {
            Some(visit) if !b.is_multiple_of(5) => self.add_to_visit(number, &phone, *visit, b),
            _ => self.make_visit(number, &phone, a, b),
        }
    }

    /// A visit of a place, which is found as it was or met nobody.
    fn make_visit(&mut self, number: usize, phone: &Phone, a: usize, b: usize) -> Result<(), Error> {
        let Some((place, collection)) = self.pick(number, a)? else { return Ok(()) };
        self.edits += 1;
        let (notice, kind) =
            (format!("告{}", self.edits), if collection == "address" { "place" } else { "organisation" });
        let now = self.server.clock.load(Ordering::Relaxed);
        let mut values: Vec<(String, Value)> = vec![
            ("source".into(), "worker".into()),
            ("target_kind".into(), kind.into()),
            ("target_id".into(), place.to_string().as_str().into()),
            ("mode".into(), "door".into()),
            ("started_at".into(), now.into()),
            ("ended_at".into(), now.into()),
            ("notice_ver".into(), notice.as_str().into()),
        ];
        let met = b.is_multiple_of(2);
        values.push(("outcome".into(), if met { "met" } else { "refused" }.into()));
        if met {
            values.push((format!("check/{place}"), "confirmed".into()));
        }
        let saved = phone.create("visit", values);
        self.count(if saved.is_ok() { "visited" } else { "not_visited" });
        self.saved(number, None, saved, vec![("notice_ver".to_owned(), Plain::Text(notice), Vec::new(), Rule::Later)])
    }

    /// Where one stood, which somebody else may have written, or the notice that was given.
    fn add_to_visit(&mut self, number: usize, phone: &Phone, visit: RecordId, b: usize) -> Result<(), Error> {
        let shown = match phone.values(visit) {
            Ok(shown) => shown,
            Err(error) => return self.refused(number, &error),
        };
        self.edits += 1;
        let position = format!(
            r#"{{"crs":"CGCS2000","lat_e7":{},"lon_e7":1203826000,"provider":"map"}}"#,
            360_000_000 + self.edits
        );
        let (key, value, rule) = match b % 3 {
            0 => ("notice_ver", format!("告{}", self.edits), Rule::Later),
            _ => ("point", position, Rule::Once),
        };
        let standing = shown.get(key);
        let seen: Vec<Plain> = standing.map(|shown| shown.all().into_iter().map(plain).collect()).unwrap_or_default();
        let is_written = rule == Rule::Once && !seen.is_empty();
        let edits = vec![edit::Edit::over(key, standing, value.as_str())];
        let saved = phone.save(SaveInput { record: Some(visit), edits, visit: Some(visit), ..SaveInput::default() });
        if is_written && saved.is_ok() {
            self.fault(format!("phone {number} writes a second time what is written once"));
        }
        self.count(if is_written { "written_already" } else { "added_to_visit" });
        self.saved(number, Some(visit), saved, vec![(key.to_owned(), Plain::Text(value), seen, rule)])
    }
}
