//! A collection that was never built in: six fields and one rule, parsed at run time.

use super::*;

pub(super) const TREE: &str = r#"
id = "ancient_tree"
label = { zh = "古树名木", en = "Ancient tree" }
bucket = "place"
icon = "tree"
order = 90
title = "{species} {number}"
review = ["new", "field:health"]
retain = "while_active + 24 months"

[[field]]
key = "number"
label = { zh = "编号", en = "Number" }
type = "text"
max = 20
required = true
policy = "decide"
sens = "S0"
group = "tree.base"

[[field]]
key = "species"
label = { zh = "树种", en = "Species" }
type = "text"
max = 40
required = true
policy = "decide"
sens = "S0"
group = "tree.base"

[[field]]
key = "age_years"
label = { zh = "树龄", en = "Age" }
type = "int"
min = 1
max = 5000
policy = "latest"
sens = "S0"
group = "tree.base"

[[field]]
key = "health"
label = { zh = "长势", en = "Health" }
type = "code"
table = "tree_health"
required = true
policy = "latest"
sens = "S0"
group = "tree.base"

[[field]]
key = "guardian"
label = { zh = "养护人", en = "Guardian" }
type = "ref"
to = "user"
policy = "latest"
sens = "S1"
group = "tree.base"

[[field]]
key = "point"
label = { zh = "坐标", en = "Position" }
type = "geo"
required_if = "health == 'dying'"
policy = "latest"
sens = "S0"
group = "tree.base"

[[rule]]
id = "dying_without_guardian"
when = "health == 'dying' && guardian == null"
level = "warn"
at = "guardian"
text = { zh = "濒危古树没有养护人", en = "A dying tree has no guardian" }
"#;

#[test]
fn a_new_collection_works_without_a_rebuild() {
    let catalog = Catalog::parse(&[("shelf.toml", SHELF), ("ancient_tree.toml", TREE)]).unwrap();
    let tree = catalog.collection("ancient_tree").unwrap();
    assert_eq!(tree.bucket, BucketClass::Place);
    assert_eq!(tree.key("health").unwrap().policy, Policy::Latest);
    assert_eq!(tree.key("end/date").unwrap().policy, Policy::Decide, "the envelope belongs to every collection");
    assert!(tree.key("t/0123").unwrap().write_once());

    let good = values(&[
        ("number", "崂-0007".into()),
        ("species", "银杏".into()),
        ("health", "good".into()),
        ("age_years", Value::Int(800)),
    ]);
    assert_eq!(tree.check(&good, &NOW), []);

    let mut dying = good.clone();
    dying.insert("health".to_owned(), "dying".into());
    dying.insert("age_years".to_owned(), Value::Int(0));
    let found = tree.check(&dying, &NOW);
    assert_eq!(codes(&found), ["too_small", "required", "dying_without_guardian"]);
    assert_eq!(found.iter().map(|f| f.at.as_str()).collect::<Vec<_>>(), ["age_years", "point", "guardian"]);
    assert_eq!(found[2].text(&catalog).zh, "濒危古树没有养护人");
}
