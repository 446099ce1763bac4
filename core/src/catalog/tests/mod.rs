//! Tests over whole catalogs; those of single functions are beside them.

mod ancient_tree;
mod built_in;
mod code_checks;
mod defects;
mod forms;
mod reviews;
mod roles;
mod rules;
mod succession;

use super::*;
use crate::{Value, Values};

/// What a small catalog needs beside its collection.
const SHELF: &str = r#"
[[group]]
id = "tree.base"
label = { zh = "古树名木", en = "Ancient trees" }
purpose = { zh = "保护", en = "Protection" }
basis = { zh = "城市绿化条例", en = "Urban greening regulation" }
notice = { zh = "只登记树木", en = "Trees only" }
retain = "while_active + 24 months"

[[table]]
id = "tree_health"
label = { zh = "长势", en = "Health" }
items = [
    { code = "good", zh = "良好", en = "Good" },
    { code = "dying", zh = "濒危", en = "Dying" },
]

[[kind]]
id = "alias"
label = { zh = "别名", en = "Alias" }
type = "text"
max = 20

[[register]]
id = "user"
label = { zh = "用户", en = "User" }

[[envelope]]
key = "end/date"
label = { zh = "注销日期", en = "Ended on" }
type = "date"
policy = "decide"
sens = "S1"
group = "tree.base"

[[envelope]]
key = "t"
label = { zh = "请求", en = "Requests" }
type = "facts"
policy = "once"
sens = "S1"
group = "tree.base"
"#;

/// A moment: 2025-06-01 12:00 in China.
const NOW: NoFacts = NoFacts(1_748_750_400_000);

fn values(entries: &[(&str, Value)]) -> Values {
    entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

fn codes(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.code.as_str()).collect()
}
