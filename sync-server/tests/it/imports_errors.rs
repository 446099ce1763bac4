//! What is told about rows is a workbook too, that can be sent on: no value, no formula.

use calamine::{Data, Reader, Xlsx, open_workbook};
use gridpass_core::catalog::Text;
use gridpass_server::import::Problem;
use gridpass_server::import::errors::ErrorBook;

use crate::hand::Server;
use crate::imports::{import, options};
use crate::messy;

fn rows(path: &std::path::Path) -> Vec<Vec<String>> {
    let mut book: Xlsx<_> = open_workbook(path).unwrap();
    let sheet = book.sheet_names()[0].clone();
    assert!(book.worksheet_formula(&sheet).unwrap().is_empty(), "no formula");
    book.worksheet_range(&sheet).unwrap().rows().map(|row| row.iter().map(Data::to_string).collect()).collect()
}

#[test]
fn every_problem_is_a_row_without_a_value() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let office = messy::other_residents(folder.path());
    let mapping = toml::from_str(office.mapping).unwrap();
    let (_, problems) = import(&server, &mapping, &options(), &[office.path]);
    let path = folder.path().join("errors.xlsx");
    let mut book = ErrorBook::create(&path).unwrap();
    problems.iter().for_each(|problem| book.add(problem));
    assert_eq!(book.finish().unwrap() as usize, problems.len());
    let rows = rows(&path);
    assert_eq!(rows.len(), problems.len() + 1);
    let twice = rows.iter().find(|row| row[9] == "key_twice").unwrap();
    assert_eq!(
        twice[..8],
        [
            "居民.xlsx",
            "居民",
            "6",
            "人员编号",
            "",
            "未导入 / refused",
            "同一编号出现多次,只取第一行,请核对",
            "The key stands twice; the first row counts, check the others"
        ]
    );
    assert_eq!(twice[8], "请处理“居民.xlsx”工作表“居民”第 6 行“人员编号”:同一编号出现多次,只取第一行,请核对");
    let all = rows.concat().concat();
    for value in ["3702", "曹", "严某", "139", "不男不女", "A4"] {
        assert!(!all.contains(value), "{value}");
    }
}

#[test]
fn a_heading_is_no_command_and_no_file_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("errors.xlsx");
    let problem = Problem {
        file: "@SUM(1+1).xlsx".into(),
        sheet: "+1".into(),
        row: 2,
        column: "=cmd|' /C calc'!A0".into(),
        shape: None,
        code: "no_key".into(),
        text: Text::new("-请补填", "=1"),
        refused: true,
    };
    let mut book = ErrorBook::create(&path).unwrap();
    book.add(&problem);
    book.finish().unwrap();
    let row = &rows(&path)[1];
    assert_eq!([&row[0], &row[1], &row[3]], ["'@SUM(1+1).xlsx", "'+1", "'=cmd|' /C calc'!A0"]);
    assert_eq!([&row[6], &row[7]], ["'-请补填", "'=1"]);
    let refused = ErrorBook::create(&path).err().unwrap().to_string();
    assert!(refused.contains("--errors names a file that is not there yet"), "{refused}");
}
