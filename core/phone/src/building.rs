//! The building view: what lies under an address, from the units down to who lives behind each door.
//!
//! Places come as one list in the order a worker walks, each with its depth, so that a screen can draw only the doors
//! that are seen.

use std::collections::{BTreeMap, BTreeSet};

use gridpass_core::catalog::{Catalog, Text};
use gridpass_core::id::RecordId;
use gridpass_core::projection;
use gridpass_core::record::plain;
use gridpass_core::{Value, Values};
use rusqlite::Connection;

use crate::error::{ApiError, Problem};
use crate::phone::Phone;
use crate::project::reference;
use crate::read::{RowView, row_view};
use crate::store::under::{self, Full};
use crate::store::{self, view};

/// The code of GB/T 4761 for the head of a household.
const HEAD: &str = "0";

/// An address with everything under it that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildingView {
    /// The address itself, then every address below it as one walks: basements first, 101 before 201 before 1001.
    pub places: Vec<PlaceView>,
    /// How many there are of each.
    pub counts: BuildingCounts,
}

/// How much there is in a building, without what has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BuildingCounts {
    /// Buildings.
    pub buildings: u32,
    /// Units.
    pub units: u32,
    /// Rooms.
    pub rooms: u32,
    /// Houses.
    pub houses: u32,
    /// Households.
    pub households: u32,
    /// Different people who live here.
    pub people: u32,
    /// Lifts and other facilities.
    pub facilities: u32,
    /// Organisations.
    pub organisations: u32,
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceView {
    /// Its row.
    pub row: RowView,
    /// `area`, `building`, `unit` or `room`.
    pub level: String,
    /// What is written on the door: its own part of the address.
    pub label: String,
    /// How far below the address that was asked for, which has 0.
    pub depth: u32,
    /// The houses at it.
    pub houses: Vec<HouseView>,
    /// Lifts and other facilities at it.
    pub facilities: Vec<FacilityView>,
    /// Organisations at it.
    pub organisations: Vec<RowView>,
}

/// A facility at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacilityView {
    /// Its row.
    pub row: RowView,
    /// What it is, such as a lift.
    pub kind: Text,
}

/// One house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HouseView {
    /// Its row.
    pub row: RowView,
    /// How it is used.
    pub nature: Text,
    /// Its households; several where the house is shared.
    pub households: Vec<HouseholdView>,
    /// People who live here and are in none of these households.
    pub people: Vec<ResidentView>,
}

/// One household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HouseholdView {
    /// Its row.
    pub row: RowView,
    /// Its kind.
    pub kind: Text,
    /// Its people: the head first, then by relation.
    pub people: Vec<ResidentView>,
}

/// Somebody who lives in a house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidentView {
    /// The record that says so.
    pub residence: RecordId,
    /// The person.
    pub person: RecordId,
    /// The name; none when the person's record is not on this phone ("other grid").
    pub name: Option<String>,
    /// Whether this is the head of the household.
    pub head: bool,
    /// The code of the relation to the head (GB/T 4761), if it was told.
    pub relation: Option<String>,
    /// The same as it is shown; empty if it was not told.
    pub relation_text: Text,
    /// Lives here as owner, tenant and so on.
    pub role: Text,
    /// Whether this is the person's main residence.
    pub main: bool,
}

impl Phone {
    /// What lies under an address of any level: units and rooms in the order of doors, their houses, households and
    /// people, facilities and organisations. Another record than an address is refused as `not_a_place`.
    pub fn building(&self, record: RecordId) -> Result<BuildingView, ApiError> {
        let catalog = self.inner.catalog();
        let building = self.inner.store.read(|db| {
            let Some(top) = under::get(db, record)? else { return Err(ApiError::NotFound.into()) };
            if top.row.collection != "address" {
                return Err(ApiError::input(Problem::of_form("not_a_place")).into());
            }
            Plan::read(db, &catalog, top)?.view()
        })?;
        Ok(building)
    }
}

/// The records under an address by what they hang on, each list in order.
struct Plan<'a> {
    db: &'a Connection,
    catalog: &'a Catalog,
    below: BTreeMap<(RecordId, String), Vec<(view::ViewRow, Values)>>,
    top: Option<(view::ViewRow, Values)>,
    counts: BuildingCounts,
    people: BTreeSet<RecordId>,
}

impl<'a> Plan<'a> {
    fn read(db: &'a Connection, catalog: &'a Catalog, top: Full) -> store::Result<Self> {
        let mut below: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for Full { row, shown } in under::all(db, top.row.record)? {
            if let Some(parent) = row.parent {
                below.entry((parent, row.collection.clone())).or_default().push((row, plain(&shown)));
            }
        }
        let top = Some((top.row, plain(&top.shown)));
        Ok(Self { db, catalog, below, top, counts: BuildingCounts::default(), people: BTreeSet::new() })
    }

    fn view(mut self) -> store::Result<BuildingView> {
        let mut places = Vec::new();
        // What is still to be walked, the next on top. Every record is taken out of `below` once, so a loop ends.
        let mut ahead: Vec<_> = self.top.take().into_iter().map(|(row, values)| (row, values, 0_u32)).collect();
        while let Some((row, values, depth)) = ahead.pop() {
            let next = self.take(row.record, "address");
            ahead.extend(next.into_iter().rev().map(|(row, values)| (row, values, depth + 1)));
            places.push(self.place(row, &values, depth)?);
        }
        self.counts.people = count(self.people.len());
        Ok(BuildingView { places, counts: self.counts })
    }

    fn take(&mut self, parent: RecordId, collection: &str) -> Vec<(view::ViewRow, Values)> {
        self.below.remove(&(parent, collection.to_owned())).unwrap_or_default()
    }

    /// A field as it is shown.
    fn text(&self, collection: &str, key: &str, values: &Values) -> Text {
        let field = self.catalog.collection(collection).and_then(|form| form.field(key));
        field.map_or_else(Text::default, |field| projection::shown(self.catalog, field, values))
    }

    fn place(&mut self, row: view::ViewRow, values: &Values, depth: u32) -> store::Result<PlaceView> {
        let level = word(values, "level").unwrap_or_default();
        match level {
            "building" => self.counts.buildings += 1,
            "unit" => self.counts.units += 1,
            "room" => self.counts.rooms += 1,
            _ => {}
        }
        let parts = ["room", "unit", "building", "estate", "road", "village"];
        let label = parts.iter().find_map(|part| word(values, part)).unwrap_or(&row.short).to_owned();
        let mut houses = Vec::new();
        for (house, values) in self.take(row.record, "house") {
            houses.push(self.house(house, &values)?);
        }
        let mut facilities = Vec::new();
        for (facility, values) in self.take(row.record, "facility") {
            let kind = self.text("facility", "kind", &values);
            facilities.push(FacilityView { row: row_view(self.db, facility)?, kind });
        }
        let organisations = self.take(row.record, "organisation").into_iter().map(|(row, _)| row_view(self.db, row));
        let organisations = organisations.collect::<store::Result<Vec<_>>>()?;
        self.counts.houses += count(houses.len());
        self.counts.facilities += count(facilities.len());
        self.counts.organisations += count(organisations.len());
        let (level, row) = (level.to_owned(), row_view(self.db, row)?);
        Ok(PlaceView { row, level, label, depth, houses, facilities, organisations })
    }

    fn house(&mut self, row: view::ViewRow, values: &Values) -> store::Result<HouseView> {
        let mut residences = self.take(row.record, "residence");
        let mut households = Vec::new();
        for (household, values) in self.take(row.record, "household") {
            let member = |(_, residence): &(_, Values)| refers(residence, "household_id") == Some(household.record);
            let (members, others) = residences.into_iter().partition(member);
            residences = others;
            let people = self.people(members, refers(&values, "head_id"))?;
            let kind = self.text("household", "kind", &values);
            households.push(HouseholdView { row: row_view(self.db, household)?, kind, people });
        }
        self.counts.households += count(households.len());
        let people = self.people(residences, None)?;
        let nature = self.text("house", "nature", values);
        Ok(HouseView { row: row_view(self.db, row)?, nature, households, people })
    }

    /// The people of these residences, the head first, then by the code of their relation, then by name.
    fn people(
        &mut self,
        residences: Vec<(view::ViewRow, Values)>,
        head: Option<RecordId>,
    ) -> store::Result<Vec<ResidentView>> {
        let mut people = Vec::with_capacity(residences.len());
        for (row, values) in residences {
            let Some(person) = refers(&values, "person_id") else { continue };
            let found = view::get(self.db, person)?.filter(|found| !found.hidden);
            let (name, sort) = found.map_or((None, String::new()), |found| (Some(found.title), found.sort));
            let relation = word(&values, "relation").map(str::to_owned);
            let is_head = head.map_or(relation.as_deref() == Some(HEAD), |head| head == person);
            self.people.insert(person);
            let order = (!is_head, relation.is_none(), relation.clone(), sort, row.record);
            let resident = ResidentView {
                residence: row.record,
                person,
                name,
                head: is_head,
                relation,
                relation_text: self.text("residence", "relation", &values),
                role: self.text("residence", "role", &values),
                main: values.get("main").and_then(Value::as_bool).unwrap_or(false),
            };
            people.push((order, resident));
        }
        people.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(people.into_iter().map(|(_, resident)| resident).collect())
    }
}

fn word<'v>(values: &'v Values, key: &str) -> Option<&'v str> {
    values.get(key).and_then(Value::as_str)
}

fn refers(values: &Values, key: &str) -> Option<RecordId> {
    values.get(key).and_then(reference)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
