//! The records: people of the made-up street on cards of twenty fields.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use gridpass_server::import::Mapping;
use gridpass_tests::street::{Cell, Plan, Scale, Street};
use gridpass_tests::world::Error;
use serde_json::{Map, Value as Json, json};

/// The collection of the records.
pub const COLLECTION: &str = "roster";
/// Its definition.
pub const CATALOG: (&str, &str) = ("roster.toml", include_str!("roster.toml"));
/// Columns that are whole numbers.
const NUMBERS: [&str; 1] = ["building"];
/// The fields of a card, in the order of the sheet.
const FIELDS: [&str; 20] = [
    "name",
    "latin",
    "id_type",
    "id_no",
    "gender",
    "birth",
    "nationality",
    "phone",
    "pop_class",
    "hukou_division",
    "hukou_text",
    "estate",
    "building",
    "room",
    "relation",
    "moved_in",
    "workplace",
    "contact",
    "contact_phone",
    "note",
];
const ESTATES: [&str; 6] = ["海韵花园", "山色家园", "锦绣苑", "听涛雅居", "银杏新村", "望岳小区"];
const WORK: [&str; 6] = ["鑫源超市", "惠邻药房", "佳和饭店", "顺达快修店", "四季水果店", "在家"];
const NOTES: [&str; 4] = ["有犬,先打电话", "晚上七点后在家", "门铃坏了,请敲门", "电梯卡向物业借"];
const LETTERS: [&str; 8] = ["Wang", "Li", "Zhao", "Sun", "Chen", "Liu", "Yu", "Song"];

/// A card: the values of [`FIELDS`].
pub type Card = [String; 20];

/// All cards.
pub struct Roster {
    pub records: Vec<Card>,
}

impl Roster {
    /// So many cards of a seed.
    pub fn new(count: usize, seed: u64) -> Result<Self, Error> {
        let mut records: Vec<Card> = Vec::with_capacity(count);
        for street in 0.. {
            let people = Street::new(Plan::new(Scale::Street, seed.wrapping_add(street)));
            let sheet = people.sheet("person").ok_or("the street has no people")?;
            let before = records.len();
            for row in &sheet.rows {
                if records.len() == count {
                    return Ok(Self { records });
                }
                records.extend(card(row, records.len(), seed));
            }
            if records.len() == before {
                return Err("the street has no people with a number".into());
            }
        }
        Ok(Self { records })
    }

    /// One card as the compact JSON that sizes are compared with.
    pub fn json(card: &Card, id: &str) -> Json {
        let mut object = Map::new();
        object.insert("_id".to_owned(), json!(id));
        for (field, value) in FIELDS.iter().zip(card) {
            let value = match NUMBERS.contains(field) {
                true => json!(value.parse::<i64>().unwrap_or_default()),
                false => json!(value),
            };
            object.insert((*field).to_owned(), value);
        }
        Json::Object(object)
    }

    /// All cards as compact JSON, one per line.
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        for (place, card) in self.records.iter().enumerate() {
            // Writing into a text cannot fail.
            let _ = writeln!(lines, "{}", Self::json(card, &format!("{place:032x}")));
        }
        lines
    }

    /// Writes the first `count` cards as a sheet.
    pub fn sheet(&self, folder: &Path, count: usize) -> Result<PathBuf, Error> {
        let path = folder.join(format!("{COLLECTION}.csv"));
        let mut sheet = csv::Writer::from_path(&path)?;
        sheet.write_record(std::iter::once("key").chain(FIELDS))?;
        for (place, card) in self.records.iter().take(count).enumerate() {
            sheet.write_record(std::iter::once(place.to_string().as_str()).chain(card.iter().map(String::as_str)))?;
        }
        sheet.flush()?;
        Ok(path)
    }
}

/// How the sheet is read.
pub fn mapping() -> Result<Mapping, Error> {
    let columns: Vec<Json> = FIELDS.iter().map(|field| json!({ "from": field, "to": field })).collect();
    let table = json!({ "sheet": COLLECTION, "collection": COLLECTION, "key": "key", "column": columns });
    Ok(serde_json::from_value(json!({ "table": [table] }))?)
}

/// A card from a person's row; none for a person without a number. What the row does not say follows from its place.
fn card(row: &[Cell], place: usize, seed: u64) -> Option<Card> {
    let text = |column: usize| match row.get(column) {
        Some(Cell::Text(text)) => text.clone(),
        Some(Cell::Day(day)) => day.to_string(),
        _ => String::new(),
    };
    let filled = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
    let random = blake3::hash(&[seed.to_be_bytes(), (place as u64).to_be_bytes()].concat());
    let mut digits = random.as_bytes().iter().map(|byte| usize::from(*byte)).cycle();
    let mut below = |end: usize| {
        let (high, low) = (digits.next().unwrap_or_default(), digits.next().unwrap_or_default());
        (high * 256 + low) % end
    };
    let (name, id_no) = (text(2), text(4));
    if id_no.is_empty() {
        return None;
    }
    let mut phone = || format!("154{:04}{:04}", below(10_000), below(10_000));
    let (own, other) = (phone(), phone());
    let mut pick = |words: &[&'static str]| words.get(below(words.len())).copied().unwrap_or_default();
    let (estate, work, note, latin) = (pick(&ESTATES), pick(&WORK), pick(&NOTES), pick(&LETTERS));
    let contact = format!("{}家", name.chars().next().unwrap_or('某'));
    Some([
        name,
        latin.to_owned(),
        "resident_id".to_owned(),
        id_no,
        if text(6) == "男" { "1" } else { "2" }.to_owned(),
        text(7),
        "CHN".to_owned(),
        filled(text(9), &own),
        if text(11).is_empty() { "here" } else { "migrant" }.to_owned(),
        filled(text(11), "370212"),
        filled(text(12), "山东省青岛市崂山区中韩街道"),
        estate.to_owned(),
        (1 + below(40)).to_string(),
        format!("{}-{}0{}", 1 + below(4), 1 + below(18), 1 + below(4)),
        below(9).to_string(),
        format!("20{:02}-{:02}-{:02}", 10 + below(15), 1 + below(12), 1 + below(28)),
        work.to_owned(),
        contact,
        other,
        note.to_owned(),
    ])
}
