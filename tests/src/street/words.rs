//! Words that made-up people, estates and organisations are named with. None of them names anybody.

use super::random::Random;

/// Surnames by how often they are met in Shandong, in rough hundreds.
const SURNAMES: &[(u64, &str)] = &[
    (10, "王"),
    (9, "张"),
    (8, "李"),
    (8, "刘"),
    (4, "孙"),
    (4, "陈"),
    (3, "徐"),
    (3, "赵"),
    (3, "杨"),
    (3, "于"),
    (2, "马"),
    (2, "宋"),
    (2, "曲"),
    (2, "姜"),
    (2, "朱"),
    (2, "高"),
    (2, "郭"),
    (1, "董"),
    (1, "车"),
    (1, "逄"),
    (1, "韩"),
    (1, "牟"),
    (1, "纪"),
    (1, "欧阳"),
    (1, "苗"),
    (1, "蓝"),
    (1, "矫"),
    (1, "隋"),
    (1, "郑"),
    (1, "丁"),
];

const MEN: &[&str] = &[
    "伟", "强", "磊", "军", "洋", "勇", "杰", "涛", "明", "超", "建国", "建军", "志强", "文博", "浩然", "子轩", "宇航",
    "德厚", "守信", "永福", "世昌", "玉山", "振海", "春雷", "立新", "克俭", "一鸣", "景行", "家骏", "望舒",
];

const WOMEN: &[&str] = &[
    "芳", "娜", "敏", "静", "丽", "艳", "霞", "秀英", "桂兰", "玉梅", "淑贞", "春花", "晓燕", "雪梅", "佳怡", "欣怡",
    "梓涵", "诗雨", "海棠", "云霞", "美玲", "凤英", "秀兰", "思齐", "若兰", "清扬", "静姝", "婉清", "令仪", "采薇",
];

const ESTATE: (&[&str], &[&str]) = (
    &[
        "海韵", "山色", "锦绣", "阳光", "御景", "丽海", "云岭", "书香", "和顺", "金桂", "银杏", "紫荆", "听涛", "望岳",
        "清泉", "松涛",
    ],
    &["花园", "家园", "苑", "小区", "新村", "雅居"],
);

const SHOP: (&[&str], &[&str]) = (
    &["鑫源", "福满", "惠邻", "百味", "佳和", "宏发", "顺达", "安康", "新纪", "四季", "旺角", "老街", "聚友", "同心"],
    &["超市", "饭店", "理发店", "药房", "快修店", "水果店", "五金店", "洗衣店", "文具店", "面馆"],
);

/// A whole name.
pub fn name(random: &mut Random) -> String {
    let (surname, male) = (surname(random), random.percent(50));
    format!("{surname}{}", given(random, male))
}

/// A surname.
pub fn surname(random: &mut Random) -> &'static str {
    random.weighted(SURNAMES)
}

/// A given name.
pub fn given(random: &mut Random, male: bool) -> &'static str {
    random.pick(if male { MEN } else { WOMEN })
}

/// The name of an estate.
pub fn estate(random: &mut Random) -> String {
    format!("{}{}", random.pick(ESTATE.0), random.pick(ESTATE.1))
}

/// The name of a shop and its trade (GB/T 4754).
pub fn shop(random: &mut Random) -> (String, &'static str) {
    let kind = random.pick(SHOP.1);
    let trade = match kind {
        "饭店" | "面馆" => "H",
        "理发店" | "快修店" | "洗衣店" => "O",
        _ => "F",
    };
    (format!("{}{kind}", random.pick(SHOP.0)), trade)
}

/// A mobile number out of 154, a block from which no operator is known to number subscribers.
pub fn phone(random: &mut Random) -> String {
    format!("154{:08}", random.below(100_000_000))
}

/// Where people who moved in are registered: a division and its name.
pub const ELSEWHERE: &[(u64, (&str, &str))] = &[
    (4, ("370281", "山东省青岛市胶州市")),
    (4, ("370283", "山东省青岛市平度市")),
    (3, ("370285", "山东省青岛市莱西市")),
    (3, ("371102", "山东省日照市东港区")),
    (2, ("370602", "山东省烟台市芝罘区")),
    (2, ("370725", "山东省潍坊市昌乐县")),
    (1, ("411402", "河南省商丘市梁园区")),
    (1, ("230103", "黑龙江省哈尔滨市南岗区")),
];
