//! What users fill in.

use super::*;

impl Play {
    pub(super) fn create(&mut self, number: usize, a: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        self.edits += 1;
        let text = format!("新{}", self.edits);
        let addresses = rows(&phone, "address")?;
        let (collection, key, rule, more) = match addresses.get(a % addresses.len().max(1)) {
            Some(address) if !a.is_multiple_of(3) => (
                "organisation",
                "name",
                Rule::People,
                vec![
                    ("kind".to_owned(), "self_employed".into()),
                    ("address_id".to_owned(), address.to_string().into()),
                    ("state".to_owned(), "operating".into()),
                    ("lead_name".to_owned(), "某人".into()),
                ],
            ),
            _ => (
                "address",
                "estate",
                Rule::Later,
                vec![("level".to_owned(), "area".into()), ("usage".to_owned(), "residential".into())],
            ),
        };
        let mut values = more;
        values.push((key.to_owned(), text.as_str().into()));
        let saved = phone.create(collection, values);
        if collection == "organisation"
            && let Ok(Saved { record, intent: Some(intent), .. }) = &saved
        {
            let made = ("lead_name".to_owned(), Plain::Text("某人".into()), Vec::new(), Rule::People);
            self.note(number, *record, &intent.to_string(), made, Fate::Saved);
        }
        self.saved(number, None, saved, vec![(key.to_owned(), Plain::Text(text), Vec::new(), rule)])
    }

    pub(super) fn edit(&mut self, number: usize, a: usize, b: usize) -> Result<(), Error> {
        let Some((mut record, mut collection)) = self.pick(number, a)? else { return Ok(()) };
        let mut shown = self.phone(number)?.values(record)?;
        // A form that was opened some time ago is saved now; what came in meanwhile was not shown to anybody.
        let forms = &mut self.handset(number)?.forms;
        if b.is_multiple_of(4) {
            forms.push((record, collection.clone(), shown.clone()));
        }
        if b % 4 == 1 && !forms.is_empty() {
            (record, collection, shown) = forms.swap_remove(a % forms.len().max(1));
            self.count("old_form");
        }
        self.fill_in(number, (record, &collection), &shown, b, 1 + usize::from(b.is_multiple_of(7)))
    }

    /// Fills in so many fields of a form that shows these values, and saves it.
    fn fill_in(
        &mut self,
        number: usize,
        (record, collection): (RecordId, &str),
        shown: &ShownValues,
        b: usize,
        many: usize,
    ) -> Result<(), Error> {
        let fields: Vec<_> = FIELDS.iter().filter(|(of, ..)| *of == collection).collect();
        let mut edits: Vec<edit::Edit> = Vec::new();
        let mut noted = Vec::new();
        for n in 0..many {
            let Some((_, key, rule)) = fields.get((b + n) % fields.len().max(1)) else { continue };
            if edits.iter().any(|edit| edit.key == *key) {
                continue;
            }
            self.edits += 1;
            let standing = shown.get(*key);
            let new = match *key {
                "staff_count" => Value::Int(self.edits),
                "hazard/gas" => Value::Bool(standing.and_then(|shown| shown.value().as_bool()) != Some(true)),
                _ => format!("值{}", self.edits).as_str().into(),
            };
            let all = standing.map(|shown| shown.all().into_iter().map(plain).collect()).unwrap_or_default();
            noted.push(((*key).to_owned(), plain(&new), all, *rule));
            edits.push(edit::Edit::over(*key, standing, new));
        }
        let saved = self.phone(number)?.save(SaveInput { record: Some(record), edits, ..SaveInput::default() });
        self.saved(number, Some(record), saved, noted)
    }

    /// Ten to sixty-nine forms with one or two fields, over all records of the phone in their order; every fourth is a new
    /// record.
    pub(super) fn round(&mut self, number: usize, a: usize, b: usize) -> Result<(), Error> {
        self.forms(number, a, b, (10 + b % 60, 4), |b| 1 + usize::from(b.is_multiple_of(7)))
    }

    /// A worker's day: sixty to a hundred and fifty forms with one to five fields; every eighth is a new record.
    pub(super) fn day(&mut self, number: usize, a: usize, b: usize) -> Result<(), Error> {
        self.forms(number, a, b, (60 + b % 91, 8), |b| 1 + b % 5)
    }

    /// So many forms, every `fresh` of them a new record; `fields` says how many fields are filled in.
    fn forms(
        &mut self,
        number: usize,
        a: usize,
        b: usize,
        (many, fresh): (usize, usize),
        fields: impl Fn(usize) -> usize,
    ) -> Result<(), Error> {
        let doors = self.doors(number)?;
        for n in 0..if doors.is_empty() { 1 } else { many } {
            match doors.get((a + n) % doors.len().max(1)) {
                Some((record, collection)) if n % fresh > 0 => {
                    let shown = self.phone(number)?.values(*record)?;
                    self.fill_in(number, (*record, collection), &shown, b + n, fields(b + n))?;
                }
                _ => self.create(number, a + n)?,
            }
            if self.ended(number)? {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn resave(&mut self, number: usize, a: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let Some((record, _)) = self.pick(number, a)? else { return Ok(()) };
        let fields = match phone.form(record) {
            Ok(form) => form.fields,
            Err(error) => return self.refused(number, &error),
        };
        if self.planted == Planted::ErasedConflict {
            let rows = phone.list(ListQuery { limit: 10_000, ..ListQuery::default() })?.rows;
            for row in rows.into_iter().filter(|row| row.conflicts > 0) {
                for (key, shown) in phone.values(row.record)?.iter().filter(|(_, shown)| shown.is_conflict()) {
                    let seen = shown.all().into_iter().cloned().collect();
                    let _nobody_is_told = phone.resolve(row.record, key, shown.value().clone(), seen);
                }
            }
            return Ok(());
        }
        let same = fields.into_iter();
        let same = same.map(|field| edit::Edit::new(field.key, field.value.clone(), field.value));
        let input = SaveInput { record: Some(record), edits: same.collect(), ..SaveInput::default() };
        match phone.save(input) {
            Ok(Saved { intent: Some(_), .. }) => self.fault("an unchanged form wrote something".into()),
            Ok(_) => {}
            Err(error) => self.refused(number, &error)?,
        }
        Ok(())
    }

    pub(super) fn keep_draft(&mut self, number: usize, a: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let drafts = self.handset(number)?.drafts.clone();
        let edits = vec![edit::Edit::new("estate", Value::Null, "草稿")];
        match drafts.get(a % (drafts.len() + 1)) {
            Some(draft) => match phone.discard_draft(*draft) {
                Ok(()) => self.handset(number)?.drafts.retain(|kept| kept != draft),
                Err(error) => {
                    self.handset(number)?.drafts.retain(|kept| kept != draft);
                    self.refused(number, &error)?;
                }
            },
            None => {
                let put = phone.put_draft(None, "address", None, edits);
                drop(phone);
                match put {
                    Ok(_) if self.ended(number)? => {}
                    Ok(draft) => self.handset(number)?.drafts.push(draft),
                    Err(error) => self.refused(number, &error)?,
                }
            }
        }
        Ok(())
    }

    /// A record the phone shows, with its collection: one of few, so that phones meet in them.
    pub(super) fn pick(&self, number: usize, a: usize) -> Result<Option<(RecordId, String)>, Error> {
        let doors = self.doors(number)?;
        let few = doors.len().min(6);
        Ok(doors.into_iter().nth(a.checked_rem(few).unwrap_or(0)))
    }

    /// The records the phone shows that are edited, with their collections.
    fn doors(&self, number: usize) -> Result<Vec<(RecordId, String)>, Error> {
        let rows = self.phone(number)?.list(ListQuery { limit: 10_000, ..ListQuery::default() })?.rows;
        let edited = rows.into_iter().filter(|row| matches!(row.collection.as_str(), "address" | "organisation"));
        let mut doors: Vec<_> = edited.map(|row| (row.record, row.collection)).collect();
        doors.sort();
        Ok(doors)
    }

    /// Takes note of what a save came to.
    pub(super) fn saved(
        &mut self,
        number: usize,
        record: Option<RecordId>,
        saved: Result<Saved, ApiError>,
        edits: Vec<(String, Plain, Vec<Plain>, Rule)>,
    ) -> Result<(), Error> {
        match saved {
            Ok(Saved { record, intent: Some(intent), .. }) => {
                self.count("saved");
                for edit in edits {
                    self.note(number, record, &intent.to_string(), edit, Fate::Saved);
                }
            }
            Ok(_) => {}
            Err(error) => {
                if self.handset(number)?.platform.failing() {
                    for edit in edits {
                        let Some(record) = record else { break };
                        self.note(number, record, "", edit, Fate::Uncertain);
                    }
                }
                self.refused(number, &error)?;
            }
        }
        Ok(())
    }

    pub(super) fn note(
        &mut self,
        phone: usize,
        record: RecordId,
        save: &str,
        (key, value, seen, rule): (String, Plain, Vec<Plain>, Rule),
        fate: Fate,
    ) {
        let (save, record) = (save.to_owned(), record.to_string());
        let (at_ms, clock_set) = (self.server.clock.load(Ordering::Relaxed), false);
        self.model.edits.push(Edit { save, phone, record, key, value, seen, rule, at_ms, clock_set, fate });
        self.noted.store(self.model.edits.len(), Ordering::Relaxed);
    }

    /// An error that the phone may show; one that it may not is a fault.
    pub(super) fn refused(&mut self, number: usize, error: &ApiError) -> Result<(), Error> {
        if self.handset(number)?.platform.failing() {
            self.count("broke_off");
            return self.handset(number)?.restart();
        }
        match error {
            ApiError::Input { .. } | ApiError::NotFound => self.count("refused"),
            ApiError::Later { .. } => self.count("later"),
            ApiError::Full { .. } if self.handset(number)?.disk.is_limited() => self.count("phone_full"),
            _ => self.fault(format!("phone {number}: {error:?}")),
        }
        Ok(())
    }
}
