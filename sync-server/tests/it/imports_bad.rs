//! Files that are not what they seem are refused by name and with a remedy, before anything is written.

use std::io::Write;
use std::path::{Path, PathBuf};

use gridpass_core::id::RecordId;
use gridpass_server::db::Principal;
use gridpass_server::import::{Mapping, Options, run};
use rust_xlsxwriter::{Formula, Workbook};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::hand::Server;
use crate::imports::{import, options, shown};

const AREAS: &str = r#"
[[table]]
sheet = "小区"
collection = "address"
key = "编号"
fixed = { level = "area", usage = "residential" }
column = [{ from = "名称", to = "estate" }]
"#;

fn area(key: &str) -> RecordId {
    gridpass_server::import::spelling::record_id("", "address", &[key.into()])
}

fn workbook(path: &Path) {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("小区").unwrap();
    for (column, heading) in (0..).zip(["编号", "名称"]) {
        sheet.write(0, column, heading).unwrap();
    }
    sheet.write(1, 0, "1").unwrap();
    sheet.write(1, 1, "山海小区").unwrap();
    book.save(path).unwrap();
}

/// A part of a workbook and what writes it.
type Made<'a> = (&'a str, &'a dyn Fn(&mut dyn Write));

/// A workbook with parts replaced or added.
fn repacked(folder: &Path, name: &str, parts: &[Made<'_>]) -> PathBuf {
    let plain = folder.join("plain.xlsx");
    workbook(&plain);
    let mut from = ZipArchive::new(std::fs::File::open(plain).unwrap()).unwrap();
    let path = folder.join(name);
    let mut to = ZipWriter::new(std::fs::File::create(&path).unwrap());
    for place in 0..from.len() {
        let part = from.by_index(place).unwrap();
        if !parts.iter().any(|(name, _)| *name == part.name().unwrap()) {
            to.raw_copy_file(part).unwrap();
        }
    }
    for (name, write) in parts {
        to.start_file(*name, SimpleFileOptions::default()).unwrap();
        write(&mut to);
    }
    to.finish().unwrap();
    path
}

const SHEET: &str = "xl/worksheets/sheet1.xml";
const OPEN: &str =
    r#"<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>"#;
const CLOSE: &str = "</sheetData></worksheet>";

fn cell(place: &str, text: &str) -> String {
    format!(r#"<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>"#)
}

#[test]
fn nothing_is_written_where_one_of_the_files_is_not_what_it_seems() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = Server::open(&folder.join("data"));
    let good = folder.join("小区.csv");
    std::fs::write(&good, "编号,名称\n1,山海小区\n").unwrap();
    let mapping: Mapping = toml::from_str(AREAS).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let ole = |name: &str| {
        let stream: Vec<u8> = name.bytes().flat_map(|byte| [byte, 0]).collect();
        [b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".as_slice(), &[0; 70_000], &stream].concat()
    };
    let packed = std::fs::read(repacked(folder, "gut.xlsx", &[])).unwrap();
    let many = "<row/>".repeat(1 << 14);
    let bomb = |to: &mut dyn Write| {
        to.write_all(OPEN.as_bytes()).unwrap();
        (0..800).for_each(|_| to.write_all(many.as_bytes()).unwrap());
        to.write_all(CLOSE.as_bytes()).unwrap();
    };
    let long = |to: &mut dyn Write| {
        let text = "山".repeat(1 << 20);
        write!(to, "{OPEN}<row r=\"1\">{}</row>{CLOSE}", cell("A1", &text)).unwrap();
    };
    let cases = [
        (file("a.xlsx", &ole("EncryptedPackage")), "is protected by a password; open it, take the password away"),
        (file("b.xls", &ole("Workbook")), "is a workbook of the old kind (.xls, .et); open it and save it as .xlsx"),
        (file("c.csv", &packed), "is a packed workbook with the name of a CSV file; rename it to .xlsx"),
        (file("d.xlsx", b"<html><table>"), "is a web page or an XML table and no workbook; open it in a spreadsheet"),
        (file("e.xlsx", "编号,名称\n".as_bytes()), "is text with the name of a workbook; rename it to .csv"),
        (file("f.csv", b"\xFF\xFEa\0"), "is text in UTF-16; open it and save it as “CSV UTF-8”"),
        (file("g.xlsx", &packed[..packed.len() / 2]), "is damaged: it cannot be unpacked; copy it again"),
        (file("h.csv", b""), "is empty; copy it again"),
        (repacked(folder, "i.xlsx", &[(SHEET, &bomb)]), "unpacks to far more than a workbook holds; ask who sent it"),
        (
            repacked(folder, "j.xlsx", &[(SHEET, &long)]),
            "has a cell that is larger than a cell can be; ask who sent it",
        ),
    ];
    for (path, said) in cases {
        let files = [good.clone(), path.clone()];
        let refused = run(&server.app, &mapping, &options(), &files, &mut |_| ()).unwrap_err().to_string();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(refused.starts_with(&format!("{name}: {said}")), "{refused}");
        assert!(!refused.contains("山"), "{refused}");
    }
    assert!(server.app.db.homes(&Principal::SERVER, 0, &[area("1")]).unwrap().is_empty(), "nothing was written");
    assert_eq!(server.app.db.import_batches(&Principal::SERVER, 0).unwrap(), []);
}

#[test]
fn macros_are_told_and_not_run_and_a_million_empty_rows_are_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let rows = |to: &mut dyn Write| {
        write!(to, "{OPEN}<row r=\"1\">{}{}</row>", cell("A1", "编号"), cell("B1", "名称")).unwrap();
        for row in 2..1_000_000 {
            write!(to, "<row r=\"{row}\"/>").unwrap();
        }
        write!(to, "<row r=\"1000000\">{}{}</row>{CLOSE}", cell("A1000000", "1"), cell("B1000000", "山海小区"))
            .unwrap();
    };
    let path = repacked(
        folder.path(),
        "小区.xlsm",
        &[(SHEET, &rows), ("xl/vbaProject.bin", &|to| to.write_all(b"Sub").unwrap())],
    );
    let mapping: Mapping = toml::from_str(AREAS).unwrap();
    let (summary, problems) = import(&server, &mapping, &options(), &[path]);
    let told: Vec<_> = problems.iter().map(|problem| (problem.row, problem.code.as_str())).collect();
    assert_eq!(told, [(0, "macros_ignored")]);
    assert_eq!((summary.collections["address"].rows, summary.collections["address"].created), (1, 1));
    assert_eq!(shown(&server, area("1"), "estate"), "山海小区".into());
}

#[test]
fn a_formula_is_its_value_and_one_without_a_value_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("小区").unwrap();
    for (row, key, value) in [(0, "编号", "名称"), (1, "1", ""), (2, "2", ""), (3, "3", "")] {
        sheet.write(row, 0, key).unwrap();
        sheet.write(row, 1, value).unwrap();
    }
    sheet.write_formula(1, 1, Formula::new("=\"山海\"&\"小区\"").set_result("山海小区")).unwrap();
    sheet.write_formula(2, 1, Formula::new("=NA()").set_result("#N/A")).unwrap();
    let path = folder.path().join("公式.xlsx");
    book.save(&path).unwrap();
    // As programs write them that do not reckon themselves.
    let mut text = String::new();
    let mut archive = ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
    std::io::Read::read_to_string(&mut archive.by_name(SHEET).unwrap(), &mut text).unwrap();
    let bare = text.replace(
        "</sheetData>",
        r#"<row r="5"><c r="A5"><v>4</v></c><c r="B5"><f>A5&amp;"区"</f></c></row></sheetData>"#,
    );
    assert_ne!(bare, text);
    let rebuilt = folder.path().join("重写.xlsx");
    let mut to = ZipWriter::new(std::fs::File::create(&rebuilt).unwrap());
    for place in 0..archive.len() {
        let part = archive.by_index(place).unwrap();
        if part.name().unwrap() != SHEET {
            to.raw_copy_file(part).unwrap();
        }
    }
    to.start_file(SHEET, SimpleFileOptions::default()).unwrap();
    to.write_all(bare.as_bytes()).unwrap();
    to.finish().unwrap();
    let mapping: Mapping = toml::from_str(AREAS).unwrap();
    let (_, problems) = import(&server, &mapping, &options(), &[rebuilt]);
    assert_eq!(shown(&server, area("1"), "estate"), "山海小区".into());
    let told: Vec<_> = problems.iter().map(|p| (p.row, p.code.as_str(), p.refused)).collect();
    assert_eq!(told[..2], [(3, "cell_error", true), (5, "formula_without_value", true)]);
}

#[test]
fn bytes_that_are_no_text_are_told_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let text = encoding_rs::GB18030.encode("编号,名称\r\n1,山海小区\r\n2,").0.into_owned();
    let path = folder.path().join("小区.csv");
    std::fs::write(&path, [&text[..], b"\xFF\xFF\r\n"].concat()).unwrap();
    let mapping: Mapping = toml::from_str(AREAS).unwrap();
    let (summary, problems) = import(&server, &mapping, &Options { ..options() }, &[path]);
    let told: Vec<_> = problems.iter().map(|p| (p.row, p.code.as_str(), p.refused)).collect();
    assert_eq!(told, [(3, "garbled", true)]);
    assert_eq!(summary.collections["address"].created, 1);
}
