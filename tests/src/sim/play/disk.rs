//! Copies of phones, processes and power that end.

use super::*;

impl Play {
    /// Ends a phone's process as it was at its moment, if that has come. Nobody may hold the phone any more. The power goes
    /// for all who use the phone; the others have done nothing since the moment.
    pub(super) fn ended(&mut self, number: usize) -> Result<bool, Error> {
        let Some(ends) = self.end_one(number)? else { return Ok(false) };
        self.count(if ends == Ends::Process { "died" } else { "lost_power" });
        if ends != Ends::Process {
            for other in self.users_of_phone(number).into_iter().filter(|other| *other != number) {
                let noted = self.noted.clone();
                self.handset(other)?.end_within(0, ends, noted)?;
                self.end_one(other)?;
            }
        }
        Ok(true)
    }

    fn end_one(&mut self, number: usize) -> Result<Option<Ends>, Error> {
        let planted = self.planted;
        let Some((sure, ends)) = self.handset(number)?.end_if_due(planted)? else { return Ok(None) };
        self.model.ended_within(number, sure);
        Ok(Some(ends))
    }

    /// The server loses its power between two requests, or after some moments of the next.
    pub(super) fn power_server(&mut self, a: usize, b: usize) -> Result<(), Error> {
        let (moments, seed) = (moments_to(a, b) - 1, self.draw.next());
        if moments > 0 {
            self.server_ends = Some((moments, Ends::Power(seed)));
            return Ok(());
        }
        self.count("server_lost_power");
        self.server.cut_power(seed)
    }

    pub(super) fn copy(&mut self, number: usize) -> Result<(), Error> {
        let edits = self.model.edits.len();
        let to = self.folder.path().join(format!("copy{number}"));
        let handset = self.handset(number)?;
        handset.let_live();
        handset.close();
        aside(|| if to.exists() { fs::remove_dir_all(&to) } else { Ok(()) })?;
        aside(|| copy_folder(&handset.folder, &to))?;
        handset.copy = Some((to, edits));
        handset.open()
    }

    pub(super) fn put_back(&mut self, number: usize) -> Result<(), Error> {
        let Some((copy, kept)) = self.handset(number)?.copy.clone() else { return Ok(()) };
        self.handset(number)?.let_live();
        self.handset(number)?.restart()?;
        let phone = self.phone(number)?;
        // What the phone keeps for its author is on this disk only, whatever became of the rest of its save.
        let kept_here: Vec<_> = phone
            .inbox()?
            .into_iter()
            .flat_map(|item| item.edits.into_iter().map(move |edit| (item.record.to_string(), edit)))
            .filter_map(|(record, edit)| about(&edit.key, &edit.new).map(|(key, value)| (record, key, value)))
            .collect();
        let acknowledged = |edit: &Edit| {
            if kept_here.contains(&(edit.record.clone(), edit.key.clone(), edit.value.clone())) {
                return false;
            }
            let receipts = edit.record.parse().map(|record: RecordId| phone.receipts(record));
            let Ok(Ok(receipts)) = receipts else { return false };
            edit.save.parse::<IntentId>().is_ok_and(|save| receipts.iter().any(|receipt| receipt.intent == Some(save)))
        };
        if self.planted != Planted::SilentPutBack {
            self.model.disk_put_back(number, kept, acknowledged);
        }
        drop(phone);
        let handset = self.handset(number)?;
        handset.let_live();
        handset.close();
        aside(|| fs::remove_dir_all(&handset.folder).and_then(|()| copy_folder(&copy, &handset.folder)))?;
        handset.disk.settle();
        handset.open()
    }

    pub(super) fn clone_phone(&mut self, number: usize) -> Result<(), Error> {
        if self.handsets.len() >= 7 {
            return Ok(());
        }
        let (other, seed, lie) = (self.handsets.len(), self.seed, self.planted.lie_of_phone());
        let to = self.folder.path().join(format!("phone{other}"));
        let handset = self.handset(number)?;
        handset.let_live();
        handset.close();
        aside(|| copy_folder(&handset.folder, &to))?;
        let (platform, user) = (handset.platform.cloned(seed, other), handset.user);
        handset.open()?;
        let handset = Handset::new(other, to, platform, user, &self.net)?;
        handset.disk.lies(lie);
        self.handsets.push(handset);
        self.model.copied.extend([number, other]);
        Ok(())
    }
}
