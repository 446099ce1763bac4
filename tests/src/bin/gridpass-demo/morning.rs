//! The morning: what two workers do, and what must be true afterwards.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;

use gridpass_tests::chaos::Weather;
use gridpass_tests::world::Error;
use serde_json::Value as Json;

use crate::stage::{Handset, Stage};

const GRID: &str = "370212001001001";
/// A name that must not be readable in any file of a phone.
const CANARY: &str = "欧阳金丝雀";
/// A tenant whose name needs a character beyond the basic plane.
const TENANT: &str = "𠮷野安";
const NO_NUMBER: &[&str] =
    &["id_missing=not_shown", "gender=\"2\"", "birth=1985-03-07", "nationality=CHN", "pop_class=here"];
const BAD_LINE: Weather = Weather { lose_request: 15, lose_answer: 20, twice: 25, cut: 10, delay_ms: 40 };

pub async fn play(stage: &mut Stage) -> Result<(), Error> {
    stage.scene("The office hands over workbooks of a made-up street; IT makes the grids and imports them.");
    let made = stage.workbooks()?;
    let before = stage.rows()?;
    let looked = stage.import(&["--dry-run"])?;
    stage.check(
        "a dry run reads every row and writes nothing",
        looked == made && stage.rows()? == before,
        &format!("{looked} rows"),
    );
    let imported = stage.import(&[])?;
    stage.check("every row of the workbooks is a record", imported == made, &format!("{imported} created of {made}"));
    stage.check(
        "every row of the server adds up",
        stage.server(&["verify"])?.contains(" 0 faults"),
        &format!("{} rows", stage.rows()?),
    );

    stage.scene("Two workers of one grid enrol their phones.");
    let li = stage.enrol("li", GRID)?;
    let wang = stage.enrol("wang", GRID)?;
    li.sync()?;
    wang.sync()?;
    let (left, right) = (sums(&li)?, sums(&wang)?);
    stage.check("both phones hold the same records of their grid", left == right && !left.is_empty(), &left);
    let household = Household::first(&li)?;
    stage.record.clone_from(&household.person);
    let found = li.in_flight(&["find", &household.name])?;
    let hit = rows(&found).any(|row| row["record"] == household.person.as_str());
    stage.check("a resident is found by name without a network", hit, &format!("{} hits", rows(&found).count()));

    stage.scene("In the basement there is no network. Both edit the same household.");
    let before = li.keep_copy()?;
    let head = stage.rows()?;
    li.in_flight(&["set", &household.household, "best_time=by_appointment"])?;
    li.in_flight(&["set", &household.person, &format!("name={CANARY}")])?;
    li.in_flight(&["visit", &household.household])?;
    li.in_flight(&["draft", "put", "facility", "kind=elevator"])?;
    wang.in_flight(&["set", &household.household, "kind=collective"])?;
    wang.in_flight(&["set", &household.person, "name=欧阳小雀"])?;
    let tenant = wang.in_flight(&[&["new", "person", &format!("name={TENANT}")], NO_NUMBER].concat())?;
    let unsent = (count(&li, "unsent")?, count(&wang, "unsent")?);
    stage.check("every save is durable on its phone", unsent == (3, 3), &format!("{unsent:?} changes wait"));
    stage.check("nothing reached the server", stage.rows()? == head, &format!("{head} rows before and after"));
    stage.check("what was typed is not readable in the phone's folder", !li.holds(CANARY)?, "0 files hold it");
    if std::env::var("BREAK").as_deref() == Ok("drop_pending") {
        stage.scene("  (BREAK=drop_pending: Li's phone is put back to before the basement)");
        li.put_back(&before)?;
    }

    stage.scene("Back on the street the line is bad, and in the middle of it the server is killed.");
    stage.chaos.weather(BAD_LINE);
    let mut attempts = li.sync()?;
    stage.kill_server()?;
    attempts += wang.sync()?;
    attempts += li.sync()?;
    attempts += wang.sync()?;
    stage.chaos.weather(Weather::default());
    let tally = stage.chaos.tally();
    let faults = format!(
        "{attempts} syncs, {} requests: {} lost, {} answers lost, {} sent twice, {} cut off",
        tally.requests.load(Relaxed),
        tally.lost_requests.load(Relaxed),
        tally.lost_answers.load(Relaxed),
        tally.doubled.load(Relaxed),
        tally.cut.load(Relaxed),
    );
    let hit = tally.lost_requests.load(Relaxed) + tally.lost_answers.load(Relaxed) + tally.doubled.load(Relaxed);
    stage.check("the line was bad and everything came through", hit > 0, &faults);
    let waiting = (count(&li, "unsent")?, count(&wang, "unsent")?);
    stage.check("nothing waits on a phone", waiting == (0, 0), &format!("{waiting:?}"));

    stage.scene("What must be true now.");
    let (left, right) = (sums(&li)?, sums(&wang)?);
    stage.check("both phones hold the same records", left == right, &left);
    let shown = wang.run(&["show", &household.household])?;
    let (time, kind) = (&shown["fields"]["best_time"], &shown["fields"]["kind"]);
    stage.check(
        "different fields of one record both stand",
        time == "by_appointment" && kind == "collective",
        &format!("{time}, {kind}"),
    );
    let names = |phone: &Handset| -> Result<Vec<String>, Error> {
        let shown = phone.run(&["show", &household.person])?;
        let mut names: Vec<String> =
            rows(&shown["fields"]["name"]["conflict"]).filter_map(Json::as_str).map(ToOwned::to_owned).collect();
        names.sort();
        Ok(names)
    };
    let both = (names(&li)?, names(&wang)?);
    let same_two = both.0.len() == 2 && both.0 == both.1;
    stage.check("two names typed at once are both shown on both phones", same_two, &format!("{:?}", both.0));
    let linked = wang.run(&["show", &household.household])?["linked_from"].take();
    let visits: BTreeSet<&str> =
        rows(&linked).filter(|link| link["collection"] == "visit").filter_map(|link| link["record"].as_str()).collect();
    let visits = visits.len();
    stage.check("the visit reached the colleague", visits == 1, &format!("{visits} visit"));
    let met = li.in_flight(&["find", TENANT])?;
    let met = rows(&met).filter(|row| row["record"] == tenant["record"]).count();
    stage.check("the tenant registered in the basement is found on the other phone", met == 1, &format!("{met} hit"));
    let drafts = count(&li, "drafts")?;
    stage.check("the draft is still on the phone", drafts == 1, &format!("{drafts} draft"));
    let traced = stage.server(&["trace", &household.person])?;
    let intents: Vec<Json> = traced.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let names_written = intents.iter().filter(|line| rows(&line["keys"]).any(|key| key == "name")).count();
    stage.check(
        "each save is stored exactly once",
        names_written == 3,
        &format!("{names_written} changes of the name"),
    );
    let receipts = li.in_flight(&["receipts", "--verify"])?;
    let valid = receipts["valid"].as_u64().unwrap_or(0);
    stage.check(
        "every receipt bears the server's signature, checked without a network",
        valid >= 3,
        &receipts.to_string(),
    );
    let verified = stage.server(&["verify"])?;
    stage.check("every row of the server adds up", verified.contains(" 0 faults"), verified.trim());

    photo(stage, &li, &wang, &household.household)?;

    stage.scene("Wang decides the name.");
    wang.run(&["set", "--resolve", &household.person, &format!("name={CANARY}")])?;
    wang.sync()?;
    li.sync()?;
    let decided = li.run(&["show", &household.person])?["fields"]["name"].clone();
    stage.check("the decision stands on the other phone too", decided == CANARY, &decided.to_string());
    let same = li.run(&["set", &household.person, &format!("name={CANARY}")])?;
    stage.check("saving it again writes nothing", same["intent"].is_null(), &same["intent"].to_string());
    Ok(())
}

/// One photo of two records, through a line that ends in the middle of it.
fn photo(stage: &mut Stage, li: &Handset, wang: &Handset, household: &str) -> Result<(), Error> {
    const MIB: u64 = 1 << 20;
    const PHOTO: u64 = 8 * MIB;
    stage.scene("Li photographs the house, 8 MiB, for the house and for a visit; the line ends in the middle of it.");
    let path = stage.photo(usize::try_from(PHOTO)?)?;
    let shown = li.in_flight(&["show", household])?;
    let house = shown["fields"]["house_id"].as_str().ok_or("a household without a house")?.to_owned();
    let visit = li.in_flight(&["visit", household])?["record"].as_str().ok_or("no visit")?.to_owned();
    let named = li.in_flight(&["attach", &house, "photo", &path])?;
    li.in_flight(&["attach", &visit, "photo", &path])?;
    let waits = count(li, "unsent_files")?;
    stage.check("the photo of both is one sealed file on the phone", waits == 1, &format!("{waits} file waits"));
    let carried = |stage: &Stage| stage.chaos.tally().carried.load(Relaxed);
    let before = carried(stage);
    stage.chaos.cut_after(3 * MIB);
    let cut = li.run(&["sync"]).is_err();
    stage.chaos.down(false);
    wang.sync()?;
    let seen = wang.run(&["show", &house])?;
    let names = rows(&seen["files"]).filter(|file| file["hash"] == named["hash"]).count();
    let (changes, files) = (count(li, "unsent")?, count(li, "unsent_files")?);
    let stored = stage.stored_files()?;
    stage.check(
        "the line was cut: the records are on the server, the photo is not",
        cut && (changes, files, names, stored) == (0, 1, 1, 0),
        &format!("{changes} changes and {files} file wait, the colleague sees {names} named, {stored} stored"),
    );
    li.sync()?;
    let sent = carried(stage) - before;
    stage.check(
        "mended, it goes on where it was and counts once for both records",
        count(li, "unsent_files")? == 0 && stage.stored_files()? == 1 && sent < PHOTO + MIB / 4,
        &format!("{} file stored, {:.2} MiB sent in all", stage.stored_files()?, sent as f64 / MIB as f64),
    );
    let copy = format!("{path}.copy");
    let seen = wang.run(&["show", &visit])?;
    let key = rows(&seen["files"]).find_map(|file| file["key"].as_str()).ok_or("the visit names no photo")?;
    wang.run(&["file", &visit, key, "--to", &copy])?;
    let same = std::fs::read(&path)? == std::fs::read(&copy)?;
    stage.check("the colleague fetches it, byte for byte", same, &format!("{} bytes", std::fs::metadata(&copy)?.len()));
    Ok(())
}

struct Household {
    household: String,
    person: String,
    name: String,
}

impl Household {
    /// The first household of the grid in which somebody lives.
    fn first(phone: &Handset) -> Result<Self, Error> {
        let residences = phone.in_flight(&["list", "residence"])?;
        for row in rows(&residences["rows"]) {
            let residence = phone.in_flight(&["show", row["record"].as_str().unwrap_or_default()])?;
            let fields = &residence["fields"];
            if let (Some(household), Some(person)) = (fields["household_id"].as_str(), fields["person_id"].as_str()) {
                let shown = phone.in_flight(&["show", person])?;
                let name = shown["fields"]["name"].as_str().ok_or("a person without a name")?.to_owned();
                return Ok(Self { household: household.to_owned(), person: person.to_owned(), name });
            }
        }
        Err("nobody lives in the grid".into())
    }
}

fn rows(list: &Json) -> impl Iterator<Item = &Json> {
    list.as_array().into_iter().flatten()
}

fn count(phone: &Handset, what: &str) -> Result<u64, Error> {
    phone.run(&["--flight", "state"])?[what].as_u64().ok_or_else(|| format!("state says nothing of {what}").into())
}

/// Records and checksum of every bucket of the grid, for comparison and for people.
fn sums(phone: &Handset) -> Result<String, Error> {
    let state = phone.run(&["--flight", "state"])?;
    let mut sums: Vec<String> = rows(&state["buckets"])
        .filter(|bucket| bucket["bucket"].as_str().is_some_and(|name| name.starts_with("grid/")))
        .map(|bucket| {
            let class = bucket["bucket"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
            format!("{class} {} records {}", bucket["records"], bucket["checksum"].as_str().unwrap_or_default())
        })
        .collect();
    sums.sort();
    Ok(sums.join(", "))
}
