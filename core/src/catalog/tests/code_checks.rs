//! Every code check speaks, keeps quiet, and never repeats what was typed.

use super::*;
use crate::codes::Date;
use crate::codes::identity::test_number;

fn found(check: &str, value: &str, others: &[(&str, &str)]) -> Vec<(&'static str, Option<&'static str>, Level)> {
    let others: Values = others.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
    let findings = code_check(check, value, &others, Date::in_china(NOW.now_ms()));
    findings.into_iter().map(|finding| (finding.code, finding.at, finding.level)).collect()
}

#[test]
fn each_check_speaks_and_keeps_quiet() {
    use Level::{Error, Warn};
    let (resident, passport) = (("id_type", "resident_id"), ("id_type", "passport"));
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [(&'a str, Option<&'a str>, Level)]);
    let cases: &[Case<'_>] = &[
        ("identity", "11010519491231002X", &[resident], &[]),
        ("identity", "11010519491231002x", &[("id_type", "household_register")], &[]),
        ("identity", "1101051949123100", &[resident], &[("id_length", None, Error)]),
        ("identity", "A1010519491231002X", &[resident], &[("id_shape", None, Error)]),
        ("identity", "110105194913310023", &[resident], &[("id_birth_date", None, Error)]),
        ("identity", "110105194912310021", &[resident], &[("id_check_digit", None, Error)]),
        ("identity", "932682198501010017", &[resident], &[("id_other_kind", Some("id_type"), Error)]),
        ("identity", "932682198501010017", &[("id_type", "foreign_pr_card")], &[]),
        ("identity", "110105491231002", &[resident], &[("id_first_generation", None, Warn)]),
        ("identity", "E12345678", &[passport], &[]),
        ("identity", "E1", &[passport], &[("id_length", None, Error)]),
        ("identity", "H12345678", &[("id_type", "hk_macao_permit")], &[]),
        ("identity", "12345678", &[("id_type", "taiwan_permit")], &[]),
        ("identity", "810000199001010014", &[("id_type", "hmt_residence_permit")], &[("id_check_digit", None, Error)]),
        ("identity", "anything", &[("id_type", "military_id")], &[]),
        ("identity", "anything", &[], &[]),
        ("identity", "11010519491231002X", &[resident, ("birth", "1949-12-31"), ("gender", "2")], &[]),
        ("identity", "11010519491231002X", &[resident, ("birth", "not a day"), ("gender", "9")], &[]),
        (
            "identity",
            "11010519491231002X",
            &[resident, ("birth", "1949-12-30"), ("gender", "1")],
            &[("id_birth_differs", Some("birth"), Warn), ("id_gender_differs", Some("gender"), Warn)],
        ),
        ("uscc", "91110000600037341L", &[], &[]),
        ("uscc", "91350211M0000XUF46", &[], &[("uscc_check_digit", None, Warn)]),
        ("uscc", "9111000060003734", &[], &[("uscc_length", None, Error)]),
        ("uscc", "9111000060003734IO", &[], &[("uscc_shape", None, Error)]),
        ("phone", "13912345678", &[], &[]),
        ("phone", "0532-88881234转801", &[], &[]),
        ("phone", "1391234567", &[], &[("phone_form", None, Error)]),
        ("division", "370212001", &[], &[]),
        ("division", "3702", &[], &[("division_form", None, Error)]),
        ("lift_code", "31101234520180001", &[], &[]),
        ("lift_code", "31103702122018130001", &[], &[("lift_month", None, Error)]),
        ("lift_code", "3110", &[], &[("lift_length", None, Error)]),
        ("lift_code", "3110123452018000A", &[], &[("lift_shape", None, Error)]),
        ("lift_code", "21101234520180001", &[], &[("lift_class", None, Warn)]),
        ("lift_code", "31101234520990001", &[], &[("lift_year", None, Warn)]),
        (
            "lift_code",
            "31101234520180001",
            &[("equip_scheme", "reg_20")],
            &[("lift_scheme", Some("equip_scheme"), Warn)],
        ),
        ("lift_code", "31101234520180001", &[("equip_scheme", "equip_17")], &[]),
        ("door_no", "甲12号", &[], &[]),
        ("door_no", "十二", &[], &[("door_no_form", None, Warn)]),
        ("building", "3号楼", &[], &[]),
        ("building", "无", &[], &[]),
        ("building", "3栋", &[], &[("building_form", None, Warn)]),
        ("unit", "2单元", &[], &[]),
        ("unit", "2门", &[], &[("unit_form", None, Warn)]),
        ("person_name", "阿依古丽·买买提", &[], &[]),
        ("person_name", "张三3", &[], &[("person_name_form", None, Warn)]),
    ];
    for (check, value, others, expected) in cases {
        assert_eq!(found(check, value, others), *expected, "{check} {value}");
    }
    let spoken: std::collections::BTreeSet<&str> =
        cases.iter().filter(|case| !case.3.is_empty()).map(|case| case.0).collect();
    assert_eq!(spoken, CHECKS.into_iter().collect(), "every check is shown speaking");
}

#[test]
fn doubtful_births_inside_numbers_are_told() {
    let number = test_number(Date::new(2026, 1, 1).unwrap(), 1);
    assert_eq!(found("identity", &number, &[("id_type", "resident_id")]), [("id_birth_doubtful", None, Level::Warn)]);
}

/// Every text a check can bring is in the catalog and tells the field, never the value.
#[test]
fn findings_of_a_record_have_texts_without_values() {
    let catalog = Catalog::built_in();
    let records: &[(&str, &[(&str, &str)])] = &[
        ("person", &[("id_type", "resident_id"), ("id_no", "110105194912310021"), ("name", "张三3")]),
        (
            "person",
            &[("id_type", "resident_id"), ("id_no", "110105491231002"), ("gender", "1"), ("birth", "1950-01-01")],
        ),
        ("person", &[("phone/1", "1391234567|本人"), ("hukou_division", "990000")]),
        ("organisation", &[("uscc", "91350211M0000XUF46"), ("lead_name", "张三3")]),
        ("facility", &[("kind", "elevator"), ("equip_code", "21101234520990001"), ("equip_scheme", "reg_20")]),
        ("address", &[("level", "building"), ("building", "3栋"), ("door_no", "十二")]),
    ];
    for (collection, entries) in records {
        let values: Values = entries.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
        let findings = catalog.collection(collection).unwrap().check(&values, &NOW);
        let coded: Vec<&Finding> = findings.iter().filter(|finding| finding.text.is_none()).collect();
        assert!(!coded.is_empty());
        for finding in coded {
            let text = finding.text(&catalog);
            assert_ne!(text.zh, finding.code, "no text");
            for (_, value) in entries.iter().filter(|(key, _)| !["gender", "kind", "level"].contains(key)) {
                assert!(!text.zh.contains(value) && !text.en.contains(value), "{text:?}");
            }
        }
    }
    let ids = ["id_length", "id_shape", "id_birth_date", "id_other_kind", "id_birth_doubtful", "id_gender_differs"];
    let others = ["uscc_length", "uscc_shape", "uscc_prefix", "lift_length", "lift_shape", "lift_month", "unit_form"];
    assert!(ids.iter().chain(&others).all(|code| catalog.text(code).is_some()));
}
