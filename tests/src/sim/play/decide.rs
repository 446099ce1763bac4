//! What users decide, confirm and end, and what they do with work that waits for them.

use super::*;

impl Play {
    pub(super) fn decide(&mut self, number: usize, a: usize, b: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let state = phone.list(ListQuery { limit: 10_000, ..ListQuery::default() })?;
        let torn: Vec<_> = state.rows.into_iter().filter(|row| row.conflicts > 0).collect();
        let Some(row) = torn.get(a % torn.len().max(1)) else { return Ok(()) };
        let shown = phone.values(row.record)?;
        let is_edited = |key: &str| FIELDS.iter().any(|(_, known, _)| *known == key);
        let torn = shown.iter().find(|(key, shown)| shown.is_conflict() && is_edited(key));
        let Some((key, standing)) = torn else { return Ok(()) };
        let rule = FIELDS.iter().find(|(_, known, _)| known == key).map_or(Rule::People, |(.., rule)| *rule);
        self.edits += 1;
        let value = format!("定{}", self.edits);
        let all: Vec<Plain> = standing.all().into_iter().map(plain).collect();
        let saved = match b % 2 {
            0 => {
                let seen = standing.all().into_iter().cloned().collect();
                phone.resolve(row.record, key, value.as_str().into(), seen)
            }
            _ => {
                let edits = vec![edit::Edit::over(key.as_str(), Some(standing), value.as_str())];
                phone.save(SaveInput { record: Some(row.record), edits, ..SaveInput::default() })
            }
        };
        self.count("decided");
        self.saved(number, Some(row.record), saved, vec![(key.clone(), Plain::Text(value), all, rule)])
    }

    pub(super) fn still(&mut self, number: usize, a: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let Some((record, collection)) = self.pick(number, a)? else { return Ok(()) };
        let key = if collection == "address" { "estate" } else { "name" };
        let saved = phone.still(record, key);
        self.saved(number, Some(record), saved, Vec::new())
    }

    pub(super) fn end(&mut self, number: usize, a: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let Some((record, collection)) = self.pick(number, a)? else { return Ok(()) };
        if collection != "organisation" {
            return Ok(());
        }
        let ended = phone.show(record)?.row.ended;
        let saved = match ended {
            true => phone.undo_end(record),
            false => phone.end(record, "2027-01-14", "error", Vec::new()),
        };
        self.saved(number, Some(record), saved, Vec::new())
    }

    pub(super) fn settle(&mut self, number: usize, a: usize, b: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let items = phone.inbox()?;
        let Some(item) = items.get(a % items.len().max(1)) else { return Ok(()) };
        let InboxItem { id, record, edits, .. } = item.clone();
        let given_up: Vec<_> = edits.iter().filter_map(|edit| about(&edit.key, &edit.new)).collect();
        let asks = edits.iter().any(|edit| edit.key.starts_with("t/"));
        let done = if b.is_multiple_of(2) || asks {
            self.count("discarded");
            phone.discard(id).map(|()| Vec::new())
        } else {
            self.count("resent");
            let shown = phone.values(record).unwrap_or_default();
            let mut again = Vec::new();
            let mut noted = Vec::new();
            for edit in edits {
                let Value::Str(_) = edit.new else { continue };
                let Some((_, key, rule)) = FIELDS.iter().find(|(_, key, _)| *key == edit.key) else {
                    again.push(edit);
                    continue;
                };
                self.edits += 1;
                let new: Value = format!("再{}", self.edits).as_str().into();
                let standing = shown.get(*key);
                let all = standing.map(|shown| shown.all().into_iter().map(plain).collect()).unwrap_or_default();
                noted.push(((*key).to_owned(), plain(&new), all, *rule));
                again.push(edit::Edit::over(edit.key, standing, new));
            }
            phone.edit_and_resend(id, again).map(|_| noted)
        };
        match done {
            Ok(noted) => {
                for (key, value) in given_up {
                    self.model.give_up(&record.to_string(), &key, &value);
                }
                for entry in noted {
                    self.note(number, record, "resent", entry, Fate::Saved);
                }
            }
            Err(error) => {
                // With a platform that fails in its middle it may have happened.
                if self.handset(number)?.platform.failing() {
                    for (key, value) in given_up {
                        self.model.give_up(&record.to_string(), &key, &value);
                    }
                }
                self.refused(number, &error)?;
            }
        }
        Ok(())
    }
}
