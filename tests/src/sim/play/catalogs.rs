//! Catalogs: the office publishes new ones while phones work, and some phones cannot take them up.

use gridpass_core::catalog::Catalog;

use super::*;

const FILE: &str = "organisation.toml";
/// What the keys of added fields begin with.
const ADDED: &str = "added_";
/// Enough to meet, few enough to be fast.
const MOST: usize = 3;

impl Play {
    /// Organisations get a field more.
    pub(super) fn publish(&mut self) -> Result<(), Error> {
        if !self.server.runs() {
            return Ok(());
        }
        let app = self.server.app()?.clone();
        let files = app.newest_catalog().files;
        let text = &files.iter().find(|(name, _)| name.as_str() == FILE).ok_or("no file of organisations")?.1;
        if text.matches(ADDED).count() >= MOST {
            return Ok(());
        }
        self.edits += 1;
        let field = format!(
            "\n[[field]]\nkey = \"{ADDED}{}\"\nlabel = {{ zh = \"新增\", en = \"Added\" }}\ntype = \"text\"\nmax = 20\n\
             policy = \"latest\"\nsens = \"S1\"\ngroup = \"org.base\"\n",
            self.edits
        );
        let next =
            app.next_catalog(vec![(FILE.to_owned(), format!("{text}{field}"))]).map_err(|error| error.to_string())?;
        app.publish(&next).map_err(|error| error.to_string())?;
        self.count("published");
        Ok(())
    }

    /// Another app over the same folder.
    pub(super) fn change_app(&mut self, number: usize) -> Result<(), Error> {
        self.handset(number)?.platform.behind.fetch_xor(true, Ordering::Relaxed);
        self.users_of_phone(number).into_iter().try_for_each(|user| self.handset(user)?.restart())
    }

    /// A field of a published catalog, on a phone that has taken it up.
    pub(super) fn edit_newer(&mut self, number: usize, a: usize, b: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let catalog = phone.catalog();
        let keys = added(&catalog);
        let Some(key) = keys.get(b % keys.len().max(1)) else { return Ok(()) };
        let organisations = rows(&phone, "organisation")?;
        let few = organisations.len().min(4);
        let Some(record) = organisations.get(a.checked_rem(few).unwrap_or(0)).copied() else { return Ok(()) };
        self.edits += 1;
        let new = format!("值{}", self.edits);
        let values = phone.values(record)?;
        let standing = values.get(key);
        let seen = standing.map(|shown| shown.all().into_iter().map(plain).collect()).unwrap_or_default();
        let edits = vec![edit::Edit::over(key.as_str(), standing, new.as_str())];
        let saved = phone.save(SaveInput { record: Some(record), edits, ..SaveInput::default() });
        self.count("edited_newer");
        self.saved(number, Some(record), saved, vec![(key.clone(), Plain::Text(new), seen, Rule::Later)])
    }

    /// Every phone whose app can has taken up the newest catalog, also from a server that was put back.
    pub(super) fn check_catalogs(&mut self) -> Result<(), Error> {
        let newest = added(&self.server.app()?.newest_catalog().parse().map_err(|_| "the newest catalog is damaged")?);
        for number in 0..self.handsets.len() {
            let handset = self.handset(number)?;
            let (behind, has) = (handset.platform.behind.load(Ordering::Relaxed), added(&handset.phone()?.catalog()));
            if has != if behind { Vec::new() } else { newest.clone() } {
                self.fault(format!("phone {number} has the fields {has:?}, the newest catalog {newest:?}"));
            }
        }
        Ok(())
    }
}

/// The keys of the fields that were added.
fn added(catalog: &Catalog) -> Vec<String> {
    let fields = catalog.collection("organisation").map(|collection| collection.fields.iter());
    fields.into_iter().flatten().map(|field| field.key.clone()).filter(|key| key.starts_with(ADDED)).collect()
}
