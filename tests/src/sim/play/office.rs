//! What the office does: assignments, and records that move.

use gridpass_core::bucket::Bucket;
use gridpass_core::id::ChangeHash;
use gridpass_core::wire::Touched;
use gridpass_server::db::{ItemRef, Principal};
use gridpass_server::log::{Audit, Base, Commit, Files, Outcome, RecordWrite, ReviewWrite, Write};
use gridpass_server::org::Node;

use super::*;

/// How many records move about, so that phones meet in them.
const FEW: usize = 4;

impl Play {
    pub(super) fn assign(&mut self, user: UserId, grid: GridId) -> Result<(), Error> {
        let mut grant = [0; 16];
        self.draw.fill(&mut grant);
        let app = self.server.app()?;
        let now_ms = app.now_ms();
        let row = AssignmentRow::worker(GrantId(grant), grid, now_ms);
        app.db.assign(now_ms, user, &row)?;
        self.assigned.insert((user, grid), true);
        Ok(())
    }

    pub(super) fn change_assignment(&mut self, number: usize, b: usize) -> Result<(), Error> {
        if !self.server.runs() {
            return Ok(());
        }
        let user = self.handset(number)?.user;
        let Some(grid) = self.grids.get(b % self.grids.len().max(1)).copied() else { return Ok(()) };
        if self.assigned.get(&(user, grid)) == Some(&true) {
            let app = self.server.app()?;
            app.db.end_assignments(app.now_ms(), user, Node::Grid(grid), app.now_ms())?;
            self.assigned.insert((user, grid), false);
            Ok(())
        } else {
            self.assign(user, grid)
        }
    }

    /// After a restore the office looks at its assignments again.
    pub(super) fn reassign(&mut self) -> Result<(), Error> {
        for ((user, grid), assigned) in self.assigned.clone() {
            let app = self.server.app()?;
            app.db.end_assignments(app.now_ms(), user, Node::Grid(grid), app.now_ms())?;
            if assigned {
                self.assign(user, grid)?;
            }
        }
        Ok(())
    }

    /// An organisation moves to another grid with all that is known of it; its address stays and is read there too.
    pub(super) fn move_record(&mut self, a: usize) -> Result<(), Error> {
        if !self.server.runs() || self.grids.len() < 2 {
            return Ok(());
        }
        let app = self.server.app()?.clone();
        let now_ms = app.now_ms();
        let mut found = Vec::new();
        for grid in &self.grids {
            app.db.bucket_records(&Principal::SERVER, now_ms, Bucket::Base(*grid), 1000, &mut |records| {
                found.extend(records.into_iter().filter(|record| record.home == Bucket::Base(*grid)));
                Ok(())
            })?;
        }
        found.sort_by_key(|touched| touched.record);
        let Some(touched) = found.into_iter().nth(a.checked_rem(FEW).unwrap_or(0)) else { return Ok(()) };
        let to = self.grids.iter().map(|grid| Bucket::Base(*grid)).find(|bucket| *bucket != touched.home);
        let (Some(to), Touched { record, collection, generation, fmt, home, heads, values, .. }) = (to, touched) else {
            return Ok(());
        };
        let nothing = ItemRef { record, generation, hash: ChangeHash([0; 32]), intent: IntentId([0; 16]) };
        let mut facts = app.db.push_facts(&Principal::SERVER, now_ms, &[nothing], usize::MAX)?.records;
        let row = facts.remove(&record).and_then(|facts| facts.row).ok_or("a record without a row")?;
        let address = values.get("address_id").and_then(|shown| shown.value().as_str()?.parse().ok());
        let write = RecordWrite {
            record,
            collection,
            generation,
            fmt,
            base: Some(Base { generation, heads: heads.clone(), home, also: row.also.clone() }),
            changes: Vec::new(),
            heads,
            shown: values,
            home: to,
            also: row.also,
            names: address.into_iter().collect(),
            tickets: Vec::new(),
            decided: Vec::new(),
            review: ReviewWrite::default(),
            files: Files::default(),
        };
        let audit = Audit { action: "moved", object: Some(record.0.to_vec()), detail: "{}".into(), ..Audit::default() };
        let outcomes = app.db.commit(now_ms, vec![Commit { write: Write::Record(Box::new(write)), audit }])?;
        app.advanced(&outcomes);
        if !matches!(outcomes[..], [Outcome::Stored(_)]) {
            self.fault(format!("{record} was not moved: {outcomes:?}"));
        }
        self.count("moved");
        Ok(())
    }
}
