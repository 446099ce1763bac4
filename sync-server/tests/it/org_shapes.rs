//! How grids lie on the ground: what is refused of a file, what is told of the district.

use std::sync::atomic::Ordering;

use gridpass_core::codes::{Crs, Position};
use gridpass_server::db::Principal;
use gridpass_server::import::shapes::{ShapeOptions, ShapeSummary, ShapesError, shapes};
use gridpass_server::import::{Mapping, Options, Problem, run};
use gridpass_server::org::{acts, begin_of};
use serde_json::{Value, json};

use crate::org::{District, day};

const WGS84: ShapeOptions = ShapeOptions { crs: Crs::Wgs84, from: None, dry_run: false };

/// A district of one community with grids 1 to 6.
fn district() -> District {
    let district = District::open();
    let above = "区,370212,崂山区,,,,,\n街道,370212001,中韩街道,370212,,,,\n社区,370212001001,一社区,370212001,,,,\n";
    let grids = (1..=6).map(|n| format!("网格,{},第{n}网格,370212001001,,,,\n", code(n))).collect::<String>();
    district.good(&format!("{above}{grids}"), "2027-01-01");
    district
}

fn code(n: u32) -> String {
    format!("370212001001{n:03}")
}

/// A rectangle in thousandths of a degree from 120.46 E, 36.1 N.
fn ring(west: f64, south: f64, east: f64, north: f64) -> Value {
    let at = |x: f64, y: f64| json!([120.46 + x / 1000.0, 36.1 + y / 1000.0]);
    json!([at(west, south), at(east, south), at(east, north), at(west, north), at(west, south)])
}

fn grid(n: u32, ring: &Value, rest: &Value) -> Value {
    feature(&code(n), &json!({ "type": "Polygon", "coordinates": [ring] }), rest)
}

fn feature(code: &str, geometry: &Value, rest: &Value) -> Value {
    let mut properties = json!({ "code": code });
    properties.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    json!({ "type": "Feature", "properties": properties, "geometry": geometry })
}

fn import(district: &District, features: &[Value], options: ShapeOptions) -> (ShapeSummary, Vec<Problem>) {
    let path = district.file("网格.geojson", &json!({ "type": "FeatureCollection", "features": features }).to_string());
    let mut told = Vec::new();
    let summary = shapes(&district.app, &path, options, &mut |problem| told.push(problem.clone())).unwrap();
    (summary, told)
}

fn codes(told: &[Problem]) -> Vec<(u32, &str, &str)> {
    told.iter().map(|told| (told.row, told.column.as_str(), told.code.as_str())).collect()
}

/// Four grids side by side; what is told then is that two have none.
fn four() -> Vec<Value> {
    (0..4).map(|n| grid(n + 1, &ring(f64::from(n) * 10.0, 0.0, f64::from(n + 1) * 10.0, 10.0), &json!({}))).collect()
}

#[test]
fn a_second_import_changes_nothing_and_another_shape_begins_on_its_day() {
    let district = district();
    let stored = || district.app.db.shapes(&Principal::SERVER, 0).unwrap();
    let (looked, _) = import(&district, &four(), ShapeOptions { dry_run: true, ..WGS84 });
    assert_eq!((looked.stored, stored().len()), (4, 0), "a look writes nothing");
    let (summary, told) = import(&district, &four(), WGS84);
    assert_eq!(summary, ShapeSummary { features: 4, stored: 4, told: 1, ..ShapeSummary::default() });
    assert_eq!(codes(&told), [(0, "", "grids_without_shape")]);
    assert!(
        told[0].text.en.starts_with("2 grids have no outline yet (370212001001005, 370212001001006"),
        "{}",
        told[0]
    );
    let first = stored();
    // 0.01 degrees at 36.105 N.
    assert!(first.iter().all(|row| (row.area_m2 - 999_137).abs() < 20), "{}", first[0].area_m2);
    let (summary, _) = import(&district, &four(), WGS84);
    assert_eq!((summary.stored, summary.unchanged), (0, 4));
    assert_eq!(stored(), first);

    let mut redrawn = four();
    redrawn[3] = grid(4, &ring(30.0, 0.0, 45.0, 10.0), &json!({ "kind": "rural", "groups": 12 }));
    let monday = ShapeOptions { from: Some(day("2027-01-18")), ..WGS84 };
    let (summary, _) = import(&district, &redrawn, monday);
    assert_eq!((summary.stored, summary.unchanged), (1, 3));
    let rows = stored();
    assert_eq!((rows.len(), rows[4].from_ms, rows[4].groups), (5, begin_of(day("2027-01-18")), Some(12)));
    assert_eq!(rows.iter().filter(|row| row.to_ms == Some(begin_of(day("2027-01-18")))).count(), 1);
    let (summary, told) = import(&district, &four(), WGS84);
    assert_eq!((summary.refused, codes(&told)[0]), (1, (4, code(4).as_str(), "before_newest")), "before Monday's");
    district.clock.fetch_add(7 * 86_400_000, Ordering::Relaxed);
    let (_, told) = import(&district, &four(), monday);
    assert_eq!(codes(&told)[0], (4, code(4).as_str(), "past_version"), "what has counted stays");
    redrawn[3] = grid(4, &ring(30.0, 0.0, 45.0, 10.0), &json!({}));
    assert_eq!(import(&district, &redrawn, WGS84).0.unchanged, 4, "what is not said again stays");
}

#[test]
fn every_kind_of_broken_feature_is_refused_and_the_others_are_stored() {
    let district = district();
    let [a, b, c, d] = [[120.46, 36.1], [120.47, 36.1], [120.47, 36.11], [120.46, 36.11]];
    let polygon = |ring: Value| json!({ "type": "Polygon", "coordinates": [ring] });
    let one = code(1);
    let features = vec![
        feature(&one, &polygon(json!([a, b, c, d])), &json!({})),
        feature(&one, &polygon(json!([a, c, b, d, a])), &json!({})),
        feature(&one, &json!({ "type": "Polygon", "coordinates": [] }), &json!({})),
        feature(&one, &Value::Null, &json!({})),
        feature(&one, &json!({ "type": "Point", "coordinates": a }), &json!({})),
        feature(&one, &polygon(json!([[36.1, 120.46], [36.1, 120.47], [36.11, 120.47], [36.1, 120.46]])), &json!({})),
        feature(&one, &polygon(json!([[a[0], "x"], b, c, [a[0], "x"]])), &json!({})),
        feature("370212001001099", &polygon(ring(0.0, 0.0, 1.0, 1.0)), &json!({})),
        feature("370212001001", &polygon(ring(0.0, 0.0, 1.0, 1.0)), &json!({})),
        json!({ "type": "Feature", "properties": null, "geometry": polygon(ring(0.0, 0.0, 1.0, 1.0)) }),
        grid(2, &ring(0.0, 0.0, 1.0, 1.0), &json!({ "kind": "sea" })),
        grid(3, &ring(0.0, 0.0, 1.0, 1.0), &json!({ "groups": "twelve" })),
        grid(4, &ring(5.0, 0.0, 6.0, 1.0), &json!({ "kind": "农村", "groups": "12" })),
        grid(4, &ring(7.0, 0.0, 8.0, 1.0), &json!({})),
        json!(7),
    ];
    let (summary, told) = import(&district, &features, WGS84);
    let refused: Vec<_> = told.iter().filter(|told| told.refused).map(|told| (told.row, told.code.as_str())).collect();
    // The first of two features of one grid counts, whether or not it is good.
    let expected = [
        (1, "geometry_open"),
        (2, "geometry_crosses"),
        (2, "key_twice"),
        (3, "geometry_empty"),
        (3, "key_twice"),
        (4, "geometry_empty"),
        (4, "key_twice"),
        (5, "geometry_type"),
        (5, "key_twice"),
        (6, "geometry_range"),
        (6, "key_twice"),
        (7, "geometry_malformed"),
        (7, "key_twice"),
        (8, "unknown_grid"),
        (9, "unknown_grid"),
        (10, "no_code"),
        (11, "kind"),
        (12, "groups"),
        (14, "key_twice"),
        (15, "no_code"),
    ];
    assert_eq!(refused, expected);
    assert_eq!((summary.stored, summary.refused), (1, 14));
    let stored = district.app.db.shapes(&Principal::SERVER, 0).unwrap();
    assert_eq!((stored.len(), stored[0].groups), (1, Some(12)));
    assert!(told.iter().all(|told| told.text.en.len() > 9 && told.text.zh.len() > 9));
    for (text, what) in [
        ("[]", "no GeoJSON FeatureCollection"),
        ("{\"type\":\"FeatureCollection\"}", "no list of features"),
        ("{", "no JSON"),
        (
            r#"{"type":"FeatureCollection","crs":{"properties":{"name":"urn:ogc:def:crs:EPSG::3857"}},"features":[]}"#,
            "another system",
        ),
    ] {
        let path = district.file("x.geojson", text);
        let error = shapes(&district.app, &path, WGS84, &mut |_| ()).unwrap_err();
        assert!(matches!(error, ShapesError::Unfit { .. }) && error.to_string().contains(what), "{error}");
    }
    let nowhere = shapes(&district.app, &district.folder.path().join("none"), WGS84, &mut |_| ()).unwrap_err();
    assert!(matches!(nowhere, ShapesError::File { .. }), "{nowhere}");
}

#[test]
fn grids_over_each_other_are_told_with_their_area_as_of_the_day() {
    let district = district();
    let mut features = four();
    // 0.0001 degrees too far to the east, and 0.0000001 (a centimetre, 10 m² on its length) too far to the west.
    features[1] = grid(2, &ring(9.9999, 0.0, 20.1, 10.0), &json!({}));
    let (summary, told) = import(&district, &features, WGS84);
    assert_eq!((summary.stored, summary.refused), (4, 0), "an overlap is told, not refused");
    let found: Vec<_> = told.iter().filter(|told| told.code == "grids_overlap").collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((found[0].row, found[0].refused), (1, false));
    assert!(found[0].text.en.contains("370212001001001 and 370212001001002 overlap by 10 m²"), "{}", found[0]);
    // 0.0001 by 0.01 degrees at 36.105 N is 9.004 m by 1109.6 m.
    assert!(found[1].text.en.contains("370212001001002 and 370212001001003 overlap by 9991 m²"), "{}", found[1]);
    // A grid that has ended lies over nothing.
    acts::end(&district.app, &code(2), day("2027-02-01")).unwrap();
    let february = ShapeOptions { from: Some(day("2027-02-01")), ..WGS84 };
    let (_, told) = import(&district, &[features[0].clone()], february);
    assert!(told.iter().all(|told| told.code != "grids_overlap"), "{told:?}");
}

#[test]
fn outlines_of_domestic_maps_lie_where_they_are() {
    let district = district();
    import(&district, &four(), WGS84);
    for (crs, wrong) in [(Crs::Gcj02, false), (Crs::Bd09, false), (Crs::Bd09, true)] {
        let mut features = four();
        for feature in &mut features {
            for point in feature["geometry"]["coordinates"][0].as_array_mut().unwrap() {
                let at = Position { lat: point[1].as_f64().unwrap(), lon: point[0].as_f64().unwrap() };
                let at = at.convert(Crs::Wgs84, crs);
                *point = json!([at.lon, at.lat]);
            }
        }
        let crs = if wrong { Crs::Wgs84 } else { crs };
        let (summary, _) = import(&district, &features, ShapeOptions { crs, ..WGS84 });
        assert_eq!(summary.unchanged, if wrong { 0 } else { 4 }, "{crs:?}");
    }
}

#[test]
fn addresses_in_a_gap_or_in_another_grid_and_odd_sizes_are_told() {
    let district = district();
    let addresses = "编号,网格编码,层级,小区,纬度,经度\n\
        1,370212001001001,小区,在内,36.105,120.465\n\
        2,370212001001001,小区,在空隙,36.115,120.465\n\
        3,370212001001001,小区,也在空隙,36.116,120.465\n\
        4,370212001001001,小区,在邻格,36.105,120.475\n\
        5,370212001001001,小区,没有定位,,\n\
        6,370212001001005,小区,格无边界,36.115,120.465\n\
        7,370212001001005,小区,格无边界而在邻格,36.105,120.475\n\
        8,370212001001001,小区,在界上,36.105,120.47\n";
    let mapping: Mapping = toml::from_str(
        r#"
        [[table]]
        sheet = "地址"
        collection = "address"
        key = "编号"
        grid = "网格编码"
        fixed = { usage = "residential" }
        column = [
            { from = "层级", to = "level", values = { "小区" = "area" } },
            { from = "小区", to = "estate" },
            { from = ["纬度", "经度"], to = "point", crs = "WGS84" },
        ]
        "#,
    )
    .unwrap();
    let path = district.file("地址.csv", addresses);
    let refused = &mut |problem: &Problem| assert!(!problem.refused, "{problem}");
    let summary = run(&district.app, &mapping, &Options::default(), &[path], refused).unwrap();
    assert_eq!(summary.collections["address"].created, 8);
    let mut features = four();
    features[0] = grid(1, &ring(0.0, 0.0, 10.0, 10.0), &json!({ "kind": "urban" }));
    features[1] = grid(2, &ring(10.0, 0.0, 20.0, 10.0), &json!({ "kind": "rural", "groups": 9 }));
    features[2] = grid(3, &ring(20.0, 0.0, 30.0, 10.0), &json!({ "kind": "rural", "groups": 15 }));
    let (_, told) = import(&district, &features, WGS84);
    assert_eq!(
        codes(&told),
        [
            (0, "", "grids_without_shape"),
            (1, code(1).as_str(), "addresses_in_gap"),
            (1, code(1).as_str(), "addresses_elsewhere"),
            (0, code(5).as_str(), "addresses_elsewhere"),
            (2, code(2).as_str(), "groups_of_grid"),
        ],
        "a grid without an outline has no gap, and no household is there yet"
    );
    let english: Vec<_> = told.iter().map(|told| told.text.en.as_str()).collect();
    assert!(english[1].starts_with("2 addresses of 370212001001001 lie in no grid"), "{english:?}");
    assert!(english[2].starts_with("1 addresses of 370212001001001 lie in 370212001001002"), "{english:?}");
    let all = english.concat();
    assert!(["在空隙", "在邻格", "36.1", "120.4"].iter().all(|value| !all.contains(value)), "{all}");

    let grid =
        |n: u32| district.app.db.grid_by_code(&Principal::SERVER, district.app.now_ms(), &code(n)).unwrap().unwrap();
    for (n, home) in [(300, grid(1)), (2, grid(4))] {
        for number in 0..n {
            let mut draft = crate::contract::Draft::new(n * 1000 + number, gridpass_core::bucket::Bucket::Base(home));
            let intent = crate::contract::intent(n * 1000 + number);
            crate::contract::store(district.app.db.as_ref(), draft.put(1, intent, "户"));
        }
    }
    features[3] = self::grid(4, &ring(30.0, 0.0, 40.0, 10.0), &json!({ "kind": "urban" }));
    let (_, told) = import(&district, &features, WGS84);
    let sizes: Vec<_> = told.iter().filter(|told| told.code == "households_of_grid").collect();
    assert_eq!(sizes.len(), 1, "300 are enough: {sizes:?}");
    assert!(
        sizes[0].text.en.starts_with("the urban grid 370212001001004 has 2 households, not 300 to 500"),
        "{}",
        sizes[0]
    );
}
