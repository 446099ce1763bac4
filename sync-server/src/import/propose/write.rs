//! The mapping as text: tables from above to below, and comments for what somebody has to look at.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use gridpass_core::catalog::{Catalog, Collection, Field, FieldType, NoFacts, Required};
use gridpass_core::{Value, Values};

use super::look::{Column, Sheet};
use super::words::Words;

/// The parts of an address below the estate.
const PARTS: [&str; 3] = ["building", "unit", "room"];

/// What has to be edited begins so.
const EDIT: &str = "# 必改 / EDIT:";
const LOOK: &str = "# 请核对 / check:";

pub(super) fn write(catalog: &Catalog, words: &Words, sheets: &[(&str, &str, Option<Sheet<'_>>)]) -> String {
    let mut tables = String::new();
    let mut split = String::new();
    let mut spelled: BTreeSet<String> = BTreeSet::new();
    for (file, name, sheet) in sheets {
        let _ = writeln!(tables, "\n# {file} [{name}]");
        let Some(sheet) = sheet else {
            tables.push_str("# 没有认出标题行,未生成 / no headings were recognised; nothing is proposed\n");
            continue;
        };
        let mut page = Page { catalog, words, name, sheet, out: String::new(), used: BTreeSet::new() };
        page.tables(&mut split, &mut spelled);
        tables.push_str(&page.out);
        for column in sheet.columns.iter().filter(|column| !page.used.contains(&column.heading)) {
            let _ = writeln!(tables, "# 未使用的列 / not mapped: {}", column.heading);
        }
    }
    let spelled: Vec<String> = spelled.into_iter().collect();
    format!(
        "# 映射建议 / proposal of a mapping. “必改”处必须修改,“请核对”处请确认。\n\
         # Edit what EDIT asks for, look at what check names, then: import --mapping FILE --dry-run …\n\
         spelled = {{ {} }}\nsplit = [{split}]\n{tables}",
        spelled.join(", ")
    )
}

struct Page<'a> {
    catalog: &'a Catalog,
    words: &'a Words,
    name: &'a str,
    sheet: &'a Sheet<'a>,
    out: String,
    used: BTreeSet<String>,
}

impl Page<'_> {
    fn column(&self, id: &str) -> Option<&Column<'_>> {
        self.sheet.columns.iter().find(|column| column.meaning.is_some_and(|meaning| meaning.id == id))
    }

    fn heading(&mut self, id: &str) -> Option<String> {
        let heading = self.column(id)?.heading.clone();
        self.used.insert(heading.clone());
        Some(heading)
    }

    fn tables(&mut self, split: &mut String, spelled: &mut BTreeSet<String>) {
        let has = |field: &str| {
            let named = |column: &Column<'_>| {
                column.meaning.is_some_and(|meaning| meaning.fields.first().is_some_and(|known| known == field))
            };
            self.sheet.columns.iter().any(named)
        };
        let organisation = has("organisation.name") || has("organisation.uscc");
        let person = !organisation && (has("person.name") || has("person.id_no"));
        let facility = has("facility.use_reg_no") || has("facility.equip_code");
        let mut parts: Vec<Option<String>> = PARTS.iter().map(|part| self.heading(part)).collect();
        let whole = self.column("whole").filter(|column| column.whole).map(|column| column.heading.clone());
        if let (Some(whole), true) = (whole, parts.iter().all(Option::is_none)) {
            let [building, unit, room] = ["building", "unit", "room"].map(|part| format!("{whole}·{part}"));
            let sheet = quoted(self.name);
            let _ = write!(
                split,
                "{{ sheet = {sheet}, from = {}, building = {}, unit = {}, room = {} }}, ",
                quoted(&whole),
                quoted(&building),
                quoted(&unit),
                quoted(&room)
            );
            self.used.insert(whole);
            parts = vec![Some(building), Some(unit), Some(room)];
        }
        for (heading, part) in parts.iter().zip(PARTS) {
            spelled.extend(heading.iter().map(|heading| format!("{} = {}", quoted(heading), quoted(part))));
        }
        let rooms = !organisation && !facility && parts.iter().all(Option::is_some);
        let estate = match self.heading("estate") {
            Some(heading) => heading,
            None if rooms || organisation || facility => {
                let _ = writeln!(
                    self.out,
                    "{EDIT} 把“=小区名称”全部改成本表所属的小区 / replace =小区名称 by the estate this sheet is of"
                );
                "=小区名称".to_owned()
            }
            None => String::new(),
        };
        let mut path: Vec<String> = if estate.is_empty() { Vec::new() } else { vec![estate] };
        if !path.is_empty() {
            let usage = if organisation { "commercial" } else { "residential" };
            self.address(&path, "area", "estate", usage);
            if rooms {
                for (level, heading) in PARTS.into_iter().zip(parts.into_iter().flatten()) {
                    path.push(heading);
                    self.address(&path, level, level, usage);
                }
            }
        }
        if rooms {
            let repeats = person;
            self.records("house", &path.clone(), repeats, Some(("address_id", &path.clone())));
        }
        if organisation {
            let name = self.column("organisation_name").map(|column| column.heading.clone());
            let key = [path.clone(), name.into_iter().collect()].concat();
            self.records("organisation", &key, false, Some(("address_id", &path)));
        }
        if facility {
            let key = self.own_key(&["number", "use_reg_no", "equip_code"]);
            self.records("facility", &key, false, Some(("address_id", &path)));
        }
        if person {
            let key = self.own_key(&["number", "id_no"]);
            if self.column("number").is_none_or(|column| !key.contains(&column.heading)) {
                spelled.extend(key.iter().map(|heading| format!("{} = \"identity\"", quoted(heading))));
            }
            self.records("person", &key, false, None);
            if rooms {
                let whole = [key.clone(), path.clone()].concat();
                self.references("residence", &whole, &[("person_id", &key), ("house_id", &path)]);
            }
        }
        if !(rooms || organisation || facility || person) {
            self.out.push_str(
                "# 看不出这张表是什么,未生成 / what this sheet is about was not recognised; nothing is proposed\n",
            );
        }
    }

    /// The first of the columns whose cells differ from row to row.
    fn own_key(&mut self, ids: &[&str]) -> Vec<String> {
        let good = |id: &&&str| {
            self.column(id).is_some_and(|column| column.filled > 0 && column.different * 10 >= column.filled * 8)
        };
        match ids.iter().find(good).and_then(|id| self.heading(id)) {
            Some(heading) => {
                let _ =
                    writeln!(self.out, "{LOOK} “{heading}”每行不同、以后也不变 / names a record, in later files too");
                vec![heading]
            }
            None => {
                let _ = writeln!(
                    self.out,
                    "{EDIT} 没有找到每行不同的编号列,请在 key 写上一列 / no column names a record; put one into key"
                );
                vec!["编号".to_owned()]
            }
        }
    }

    fn head(&mut self, collection: &str, key: &[String]) {
        let grid = self.heading("grid");
        let Sheet { heading, heading_rows, .. } = self.sheet;
        let _ = write!(
            self.out,
            "\n[[table]]\nsheet = {}\ncollection = \"{collection}\"\nheading = {heading}\nheading_rows = {heading_rows}\nkey = {}\n",
            quoted(self.name),
            listed(key)
        );
        if let Some(grid) = grid {
            let _ = writeln!(self.out, "grid = {}", quoted(&grid));
        }
    }

    fn address(&mut self, path: &[String], level: &str, field: &str, usage: &str) {
        let point = match (level == "building", self.column("lat"), self.column("lon")) {
            (false, ..) => None,
            (true, Some(lat), Some(lon)) => Some((vec![lat.heading.clone(), lon.heading.clone()], "10")),
            _ => Some((vec!["=0".to_owned(), "=0".to_owned()], "50")),
        };
        if let Some((from, _)) = &point {
            if from.iter().all(|from| from == "=0") {
                let _ = writeln!(
                    self.out,
                    "{EDIT} 表中没有坐标,把 \"=0\", \"=0\" 改成小区的纬度、经度 / no position: put latitude and longitude of the estate"
                );
            } else {
                let _ = writeln!(
                    self.out,
                    "{LOOK} 坐标系 / coordinate system of the position: WGS84, CGCS2000, GCJ02, BD09"
                );
            }
            self.used.extend(from.iter().cloned());
        }
        self.head("address", path);
        let _ = write!(
            self.out,
            "repeats = true\n{}fixed = {{ level = \"{level}\", usage = \"{usage}\" }}\ncolumn = [\n",
            if level == "area" { "" } else { "may_lack = true\n" }
        );
        let own = path.last().cloned().unwrap_or_default();
        if let Some(above) = path.split_last().map(|(_, above)| above).filter(|above| !above.is_empty()) {
            let _ = writeln!(self.out, "    {{ from = {}, to = \"parent_id\" }},", listed(above));
        }
        let _ = writeln!(self.out, "    {{ from = {}, to = \"{field}\" }},", quoted(&own));
        if let Some((from, accuracy)) = point {
            let _ = writeln!(
                self.out,
                "    {{ from = {}, to = \"point\", crs = \"WGS84\", accuracy_m = {accuracy} }},",
                listed(&from)
            );
        }
        self.out.push_str("]\n");
    }

    /// A table of references only, for rows that have both.
    fn references(&mut self, collection: &str, key: &[String], to: &[(&str, &Vec<String>)]) {
        let refs: Vec<String> =
            to.iter().map(|(field, key)| format!("    {{ from = {}, to = \"{field}\" }},", listed(key))).collect();
        self.body(collection, key, "may_lack = true\n", refs, &to.iter().map(|(field, _)| *field).collect::<Vec<_>>());
    }

    fn records(&mut self, collection: &str, key: &[String], repeats: bool, to: Option<(&str, &Vec<String>)>) {
        let refs =
            to.iter().map(|(field, key)| format!("    {{ from = {}, to = \"{field}\" }},", listed(key))).collect();
        let fields: Vec<&str> = to.iter().map(|(field, _)| *field).collect();
        self.body(collection, key, if repeats { "repeats = true\nmay_lack = true\n" } else { "" }, refs, &fields);
    }

    fn body(&mut self, id: &str, key: &[String], options: &str, mut lines: Vec<String>, done: &[&str]) {
        let Some(collection) = self.catalog.collection(id) else { return };
        let mut mapped: Vec<String> = done.iter().map(|field| (*field).to_owned()).collect();
        let mut notes = Vec::new();
        for column in &self.sheet.columns {
            let Some(meaning) = column.meaning else { continue };
            let own = |name: &String| name.strip_prefix(id).and_then(|name| name.strip_prefix('.')).map(str::to_owned);
            let Some(field) = meaning.fields.iter().find_map(own) else { continue };
            let Some(found) = collection.field(&field).filter(|_| !mapped.contains(&field)) else { continue };
            let (values, unknown) = self.values(found, column);
            if column.by_shape {
                notes.push(format!("{LOOK} “{}”只按内容判断 / known by its cells only", column.heading));
            }
            if !unknown.is_empty() {
                notes.push(format!(
                    "{EDIT} “{}”中不认识的词,请写入 values / put into values: {}",
                    column.heading,
                    unknown.join(" ")
                ));
            }
            let label = if id == "person" && field == "phone" { ", label = \"本人\"" } else { "" };
            lines.push(format!("    {{ from = {}, to = \"{field}\"{values}{label} }},", quoted(&column.heading)));
            self.used.insert(column.heading.clone());
            mapped.push(field);
        }
        let fixed = self.fixed(collection, &mapped, &mut notes);
        for note in notes {
            let _ = writeln!(self.out, "{note}");
        }
        self.head(id, key);
        let _ = write!(self.out, "{options}fixed = {{ {} }}\ncolumn = [\n{}\n]\n", fixed.join(", "), lines.join("\n"));
    }

    /// The words of a column of codes that the catalog does not know: those that are given a meaning, and the others.
    fn values(&self, field: &Field, column: &Column<'_>) -> (String, Vec<String>) {
        let (FieldType::Code { table, .. } | FieldType::Codes { table }) = &field.field_type else {
            return (String::new(), Vec::new());
        };
        let known = |word: &str| table.items.iter().any(|item| item.code == word || item.label.zh == word);
        let nothing = |word: &str| ["无", "不详", "/", "-"].contains(&word);
        let apart = column.words.iter().flat_map(|word| word.split(['、', ',', '，']));
        let others: BTreeSet<&str> = apart.filter(|word| !known(word) && !nothing(word)).collect();
        let meant = column.meaning.map(|meaning| &meaning.values);
        let (mut values, mut unknown) = (Vec::new(), Vec::new());
        for word in others {
            // A label that begins so, if it is the only one: 餐饮 of 餐饮服务.
            let mut begins = table.items.iter().filter(|item| item.label.zh.starts_with(word));
            let one = begins.next().filter(|_| begins.next().is_none()).map(|item| Value::from(item.code.as_str()));
            match meant.and_then(|meant| meant.get(word)).cloned().or(one) {
                Some(value) => values.push(format!("{} = {}", quoted(word), literal(&value))),
                None => unknown.push(word.to_owned()),
            }
        }
        let values = if values.is_empty() { String::new() } else { format!(", values = {{ {} }}", values.join(", ")) };
        (values, unknown)
    }

    /// What holds in every row: what the words give, what has a default, and what is asked for where there is neither.
    fn fixed(&self, collection: &Collection, mapped: &[String], notes: &mut Vec<String>) -> Vec<String> {
        let mut fixed = Vec::new();
        let by_number = mapped.iter().any(|field| field == "id_no");
        for field in &collection.fields {
            let follows = by_number && ["gender", "birth", "id_type"].contains(&field.key.as_str());
            if mapped.contains(&field.key) || follows || field.key == "source" {
                continue;
            }
            let name = |key: &str| format!("{}.{key}", collection.id);
            let unknown = format!("{}_unknown", field.key);
            let given = self.words.fixed.get(&name(&field.key)).map(|value| (&field.key, value));
            let given = given.or_else(|| self.words.fixed.get(&name(&unknown)).map(|value| (&unknown, value)));
            match given {
                Some((key, value)) => {
                    notes.push(format!("{LOOK} 每行的“{}” / of every row: {key} = {}", field.label.zh, literal(value)));
                    fixed.push((key.clone(), value.clone()));
                }
                None if matches!(field.required, Required::Always) => {
                    notes.push(format!(
                        "{EDIT} 必填的“{}”没有对应的列,请写入 fixed / required: {}",
                        field.label.zh, field.key
                    ));
                }
                None => {}
            }
        }
        let said: Values = fixed.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        for one_of in &collection.one_of {
            let asked = one_of.when.as_ref().is_none_or(|when| collection.holds(when, &said, &NoFacts(0)));
            let fields = || one_of.fields.iter().filter_map(|key| collection.field(key));
            if asked && !fields().any(|field| mapped.contains(&field.key) || said.contains_key(&field.key)) {
                let labels: Vec<&str> = fields().map(|field| field.label.zh.as_str()).collect();
                notes.push(format!(
                    "{EDIT} “{}”至少要有一项,请写入 fixed / at least one of: {}",
                    labels.join("、"),
                    one_of.fields.join(" ")
                ));
            }
        }
        fixed.into_iter().map(|(key, value)| format!("{key} = {}", literal(&value))).collect()
    }
}

fn quoted(text: &str) -> String {
    // JSON's escapes are TOML's.
    serde_json::Value::from(text).to_string()
}

fn listed(texts: &[String]) -> String {
    match texts {
        [one] => quoted(one),
        several => format!("[{}]", several.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ")),
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Str(text) => quoted(text),
        Value::Int(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null => "\"\"".to_owned(),
    }
}
