//! Six workbooks as offices really keep them, written by code: each is one office's habit, with the mapping that takes it in.

use std::path::{Path, PathBuf};

use gridpass_core::codes::Date;
use gridpass_core::codes::identity::test_number;
use rust_xlsxwriter::{Format, Workbook, Worksheet};

/// A cell as it is written.
#[derive(Clone)]
pub enum Put {
    No,
    Text(String),
    Number(f64),
    Day(u16, u8, u8),
}

use Put::{Day, No, Number};

pub fn t(text: impl Into<String>) -> Put {
    Put::Text(text.into())
}

/// A workbook of an office: its file and the mapping that takes it in.
pub struct Office {
    pub path: PathBuf,
    pub mapping: &'static str,
}

/// A made-up identity number of somebody born on a day.
pub fn id(year: u16, month: u8, day: u8, sequence: u16) -> String {
    test_number(Date::new(year, month, day).unwrap(), sequence)
}

/// The number of the first generation that became this one.
pub fn id15(number: &str) -> String {
    number.chars().enumerate().filter(|(at, _)| !(6..8).contains(at) && *at < 17).map(|(_, c)| c).collect()
}

/// A number whose last character was not typed.
fn cut(number: &str) -> String {
    number.chars().take(17).collect()
}

pub fn wide(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() { char::from_u32(c as u32 + 0xFEE0).unwrap() } else { c }).collect()
}

fn fill(sheet: &mut Worksheet, rows: &[Vec<Put>]) {
    let day = Format::new().set_num_format("yyyy-mm-dd");
    for (row, cells) in (0..).zip(rows) {
        for (column, cell) in (0..).zip(cells) {
            match cell {
                No => continue,
                Put::Text(text) => sheet.write(row, column, text.as_str()).unwrap(),
                Number(number) => sheet.write(row, column, *number).unwrap(),
                Day(year, month, of) => {
                    let moment = rust_xlsxwriter::ExcelDateTime::from_ymd(*year, *month, *of).unwrap();
                    sheet.write_with_format(row, column, &moment, &day).unwrap()
                }
            };
        }
    }
}

/// Merged cells: first row and column, last row and column, what stands in them.
type Merge<'a> = (u32, u16, u32, u16, &'a str);

fn book(path: &Path, name: &str, rows: &[Vec<Put>], merges: &[Merge<'_>]) {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name(name).unwrap();
    fill(sheet, rows);
    for (first_row, first_column, last_row, last_column, text) in merges {
        sheet.merge_range(*first_row, *first_column, *last_row, *last_column, text, &Format::new()).unwrap();
    }
    book.save(path).unwrap();
}

fn row<const N: usize>(texts: [&str; N]) -> Vec<Put> {
    texts.into_iter().map(|text| if text.is_empty() { No } else { t(text) }).collect()
}

/// The street's register of residents: a title, headings of two rows, the building merged over its people, and every way
/// to write an identity number.
pub fn residents(folder: &Path) -> Office {
    let path = folder.join("实有人口.xlsx");
    let (zhang, li, wang, zhao) = (id(1985, 3, 12, 1), id(1962, 11, 5, 2), id(1990, 7, 1, 3), id(1978, 10, 9, 5));
    let person = |building: &str, unit: &str, room: &str, name: &str, number: Put, birth: Put, phone: &str| {
        let blank = |text: &str| if text.is_empty() { No } else { t(text) };
        vec![No, blank(building), blank(unit), blank(room), t(name), number, birth, blank(phone)]
    };
    let rows = vec![
        vec![],
        row(["序号", "居住地址", "", "", "姓 名", "*身份证号", "出生年月", "联系电话"]),
        row(["", "楼栋", "单元", "室", "", "", "", ""]),
        person("3号楼", "1单元", "101", "张某", t(wide(&zhang)), t("1985.3"), "１３９０００００００１"),
        person("", "1单元", "102室", "李 某 ", t(id15(&li)), t("1962.11.05"), "无"),
        person("", "二单元", "201", "王某", Number(1.10105e17), t("1990.7.1"), "13900000003"),
        person("", "２单元", "202", "赵某", t(&zhao), Number(1978.1), "/"),
        person("５栋", "1", "101", "钱某", t(id(1950, 1, 2, 7)), t("1950年1月2日"), "不详"),
        person("", "", "", "孙某", t(id(1999, 9, 9, 8)), t("1999.9.9"), ""),
        person("5#楼", "1单元", "101", "周某", t(id(2001, 2, 3, 9)), t("2001.2"), "-"),
        person("5号楼", "1单元", "101", "周某", t(id(2001, 2, 3, 9)), t("2001.2"), "-"),
        person("5号楼", "1单元", "102", "吴某", t(cut(&zhang)), t("1985.3"), ""),
        person("5号楼", "1单元", "103", "郑某", t(cut(&wang)), t("1990.8"), ""),
    ];
    let merges = [
        (0, 0, 0, 7, "某街道实有人口登记表（2026年）"),
        (1, 0, 2, 0, "序号"),
        (1, 1, 1, 3, "居住地址"),
        (1, 4, 2, 4, "姓 名"),
        (1, 5, 2, 5, "*身份证号"),
        (1, 6, 2, 6, "出生年月"),
        (1, 7, 2, 7, "联系电话"),
        (3, 1, 6, 1, "3号楼"),
    ];
    book(&path, "人口", &rows, &merges);
    Office { path, mapping: RESIDENTS }
}

const RESIDENTS: &str = r#"
spelled = { "居住地址/室" = "room", "身份证号" = "identity" }

[[table]]
sheet = "人口"
collection = "address"
heading = 2
heading_rows = 2
key = "=山海小区"
repeats = true
fixed = { level = "area", usage = "residential" }
column = [{ from = "=山海小区", to = "estate" }]

[[table]]
sheet = "人口"
collection = "address"
heading = 2
heading_rows = 2
key = ["=山海小区", "居住地址/楼栋"]
repeats = true
fixed = { level = "building", usage = "residential" }
column = [
    { from = "=山海小区", to = "parent_id" },
    { from = "居住地址/楼栋", to = "building" },
    { from = ["=36.1", "=120.45"], to = "point", crs = "WGS84", accuracy_m = 50 },
]

[[table]]
sheet = "人口"
collection = "address"
heading = 2
heading_rows = 2
key = ["=山海小区", "居住地址/楼栋", "居住地址/单元"]
repeats = true
fixed = { level = "unit", usage = "residential" }
column = [{ from = ["=山海小区", "居住地址/楼栋"], to = "parent_id" }, { from = "居住地址/单元", to = "unit" }]

[[table]]
sheet = "人口"
collection = "address"
heading = 2
heading_rows = 2
key = ["=山海小区", "居住地址/楼栋", "居住地址/单元", "居住地址/室"]
repeats = true
fixed = { level = "room", usage = "residential" }
column = [{ from = ["=山海小区", "居住地址/楼栋", "居住地址/单元"], to = "parent_id" }, { from = "居住地址/室", to = "room" }]

[[table]]
sheet = "人口"
collection = "house"
heading = 2
heading_rows = 2
key = ["=山海小区", "居住地址/楼栋", "居住地址/单元", "居住地址/室"]
repeats = true
fixed = { nature = "other" }
column = [{ from = ["=山海小区", "居住地址/楼栋", "居住地址/单元", "居住地址/室"], to = "address_id" }]

[[table]]
sheet = "人口"
collection = "person"
heading = 2
heading_rows = 2
key = "身份证号"
fixed = { nationality = "CHN", pop_class = "here", id_type = "resident_id" }
column = [
    { from = "姓名", to = "name" },
    { from = "身份证号", to = "id_no" },
    { from = "出生年月", to = "birth" },
    { from = "联系电话", to = "phone", label = "本人" },
]

[[table]]
sheet = "人口"
collection = "residence"
heading = 2
heading_rows = 2
key = ["身份证号", "=山海小区", "居住地址/楼栋", "居住地址/单元", "居住地址/室"]
may_lack = true
fixed = { role = "tenant", main = true, from_unknown = true }
column = [
    { from = "身份证号", to = "person_id" },
    { from = ["=山海小区", "居住地址/楼栋", "居住地址/单元", "居住地址/室"], to = "house_id" },
]
"#;

/// Lets of another street, exported to CSV by an old program: GB 18030, its own headings in its own order, building, unit
/// and room in one cell, days as numbers, and a long number that lost its digits on the way.
pub fn lets(folder: &Path) -> Office {
    let path = folder.join("出租房.csv");
    let tenant = |n: u16| id(1990 + n, 5, 6, 100 + n);
    let lines = [
        "承租人,公民身份号码,起租日期,坐落,房东,房东手机,备注".to_owned(),
        format!("冯某,{},45292,3-2-301,陈某,13900000011,", tenant(1)),
        format!("褚某,{} ,2024/5/1,3号楼2单元302室,陈某,139-0000-0011,无", tenant(2)),
        "卫某,3.70299E+17,2024.6.1,3-2-303,陈某,13900000011,".to_owned(),
        format!("蒋某,{},2024年7月,3-2-304,陈某,13900000011,", tenant(4)),
        format!("沈某,{},不详,10#1001,韩某,—,长期", tenant(5)),
        format!("杨某,{},2025-1-1,物业旁小屋,韩某,13900000012,", tenant(6)),
        format!("冯某,{},45292,3-2-301,陈某,13900000011,", tenant(1)),
        format!("秦某,{},2025-2-1,,尤某,13900000013,待核", tenant(8)),
    ];
    std::fs::write(&path, encoding_rs::GB18030.encode(&(lines.join("\r\n") + "\r\n")).0).unwrap();
    Office { path, mapping: LETS }
}

const LETS: &str = r#"
spelled = { "公民身份号码" = "identity", "楼" = "building", "元" = "unit", "室" = "room" }
split = [{ sheet = "出租房", from = "坐落", building = "楼", unit = "元", room = "室" }]

[[table]]
sheet = "出租房"
collection = "address"
key = "=海风花园"
repeats = true
fixed = { level = "area", usage = "residential" }
column = [{ from = "=海风花园", to = "estate" }]

[[table]]
sheet = "出租房"
collection = "address"
key = ["=海风花园", "楼"]
repeats = true
may_lack = true
fixed = { level = "building", usage = "residential" }
column = [
    { from = "=海风花园", to = "parent_id" },
    { from = "楼", to = "building" },
    { from = ["=36.2", "=120.4"], to = "point", crs = "WGS84", accuracy_m = 50 },
]

[[table]]
sheet = "出租房"
collection = "address"
key = ["=海风花园", "楼", "元"]
repeats = true
may_lack = true
fixed = { level = "unit", usage = "residential" }
column = [{ from = ["=海风花园", "楼"], to = "parent_id" }, { from = "元", to = "unit" }]

[[table]]
sheet = "出租房"
collection = "address"
key = ["=海风花园", "楼", "元", "室"]
repeats = true
may_lack = true
fixed = { level = "room", usage = "residential" }
column = [{ from = ["=海风花园", "楼", "元"], to = "parent_id" }, { from = "室", to = "room" }]

[[table]]
sheet = "出租房"
collection = "house"
key = ["=海风花园", "楼", "元", "室"]
repeats = true
may_lack = true
fixed = { nature = "rented" }
column = [
    { from = ["=海风花园", "楼", "元", "室"], to = "address_id" },
    { from = "房东", to = "landlord_name" },
    { from = "房东手机", to = "landlord_phone" },
]

[[table]]
sheet = "出租房"
collection = "person"
key = "公民身份号码"
fixed = { nationality = "CHN", pop_class = "here" }
column = [{ from = "承租人", to = "name" }, { from = "公民身份号码", to = "id_no" }]

[[table]]
sheet = "出租房"
collection = "residence"
key = ["公民身份号码", "=海风花园", "楼", "元", "室"]
may_lack = true
fixed = { role = "tenant", main = true }
column = [
    { from = "公民身份号码", to = "person_id" },
    { from = ["=海风花园", "楼", "元", "室"], to = "house_id" },
    { from = "起租日期", to = "from" },
]
"#;

/// The directory of a market: titles between the rows, credit codes in full width, words of its own.
pub fn organisations(folder: &Path) -> Office {
    let path = folder.join("单位.xlsx");
    let rows = vec![
        row(["楼宇", "单位名称", "性质", "统一社会信用代码", "经营情况", "法人/负责人", "电 话", "人数", "隐患"]),
        vec![],
        row([
            "国信大厦",
            "某某科技有限公司",
            "企业",
            "９１３７０２１２ＭＡ３Ｃ０００００１",
            "正常",
            "何某",
            "0532-88880001",
            "１２",
            "无",
        ]),
        row(["国信大厦  ", "某某餐馆", "个体户", "/", "正常", "吕某", "13900000021", "3", "餐饮、燃气"]),
        vec![],
        row(["国信大厦", "某某诊所", "诊所", "9137021", "停业", "施某", "-", "", ""]),
        row(["", "某某工作室", "个体户", "", "正常", "张某", "", "两人", ""]),
        row(["国信大厦", "某某咨询", "企业", "", "正常", "孔某", "13900000022", "两人", ""]),
    ];
    let merges = [(1, 0, 1, 8, "一、在营"), (4, 0, 4, 8, "二、其他"), (5, 0, 6, 0, "国信大厦")];
    book(&path, "单位", &rows, &merges);
    Office { path, mapping: ORGANISATIONS }
}

const ORGANISATIONS: &str = r#"
[[table]]
sheet = "单位"
collection = "address"
key = "楼宇"
repeats = true
fixed = { level = "area", usage = "commercial" }
column = [{ from = "楼宇", to = "estate" }]

[[table]]
sheet = "单位"
collection = "organisation"
key = ["楼宇", "单位名称"]
column = [
    { from = "楼宇", to = "address_id" },
    { from = "单位名称", to = "name" },
    { from = "性质", to = "kind", values = { "个体户" = "self_employed" } },
    { from = "统一社会信用代码", to = "uscc" },
    { from = "经营情况", to = "state", values = { "正常" = "operating" } },
    { from = "法人/负责人", to = "lead_name" },
    { from = "电话", to = "phone", label = "负责人" },
    { from = "人数", to = "staff_count" },
    { from = "隐患", to = "hazard", values = { "餐饮" = "food", "燃气" = "gas" } },
]
"#;

/// A register of rooms in which everybody wrote buildings their own way, without numbers.
pub fn rooms(folder: &Path) -> Office {
    let path = folder.join("房屋.xlsx");
    let room = |building: &str, unit: &str, room: Put, nature: &str, area: Put| {
        vec![t("山海小区"), t(building), t(unit), room, t(nature), area, Number(36.1), Number(120.45)]
    };
    let rows = vec![
        row(["小区", "楼号", "单元", "户室", "使用性质", "面积（㎡）", "纬度", "经度"]),
        room("3号楼", "1单元", t("101"), "自住", Number(89.5)),
        room("3#楼", "一单元", Number(102.0), "自住", t("８９．５")),
        room("３栋", "1", t("201室"), "出租户", t("无")),
        room(" 3 栋 ", "1单元", t("202"), "空置", No),
        room("3", "1单元", t("101室"), "自住", Number(89.5)),
        room("3-2", "1单元", t("101"), "自住", Number(70.0)),
        room("3/4号楼", "1单元", t("101"), "自住", Number(70.0)),
        room("A栋", "/", t("负一层"), "商铺", Number(300.0)),
        room("南楼", "无", t("东户"), "自住", t("约80")),
    ];
    book(&path, "房屋", &rows, &[]);
    Office { path, mapping: ROOMS }
}

const ROOMS: &str = r#"
spelled = { "户室" = "room" }

[[table]]
sheet = "房屋"
collection = "address"
key = "小区"
repeats = true
fixed = { level = "area", usage = "residential" }
column = [{ from = "小区", to = "estate" }]

[[table]]
sheet = "房屋"
collection = "address"
key = ["小区", "楼号"]
repeats = true
fixed = { level = "building", usage = "residential" }
column = [
    { from = "小区", to = "parent_id" },
    { from = "楼号", to = "building" },
    { from = ["纬度", "经度"], to = "point", crs = "GCJ02" },
]

[[table]]
sheet = "房屋"
collection = "address"
key = ["小区", "楼号", "单元"]
repeats = true
fixed = { level = "unit", usage = "residential" }
column = [{ from = ["小区", "楼号"], to = "parent_id" }, { from = "单元", to = "unit" }]

[[table]]
sheet = "房屋"
collection = "address"
key = ["小区", "楼号", "单元", "户室"]
repeats = true
fixed = { level = "room", usage = "residential" }
column = [{ from = ["小区", "楼号", "单元"], to = "parent_id" }, { from = "户室", to = "room" }]

[[table]]
sheet = "房屋"
collection = "house"
key = ["小区", "楼号", "单元", "户室"]
column = [
    { from = ["小区", "楼号", "单元", "户室"], to = "address_id" },
    { from = "使用性质", to = "nature", values = { "商铺" = "business" } },
    { from = "面积（㎡）", to = "floor_area" },
]
"#;

/// A ledger of lifts: days as numbers, as texts and as months, a long code that was a number.
pub fn lifts(folder: &Path) -> Office {
    let path = folder.join("电梯台账.xlsx");
    let lift = |number: &str, stops: Put, installed: Put, due: Put, code: Put| {
        vec![
            t(number),
            t("山海小区"),
            t(format!("{number}号梯")),
            code,
            t(format!("梯11鲁B{number}")),
            stops,
            installed,
            due,
        ]
    };
    let rows = vec![
        row(["编号", "位置", "电梯名称", "设备代码", "使用登记证编号", "层站", "安装日期", "下次检验"]),
        lift("001", t("１８"), Day(2015, 6, 1), Number(46500.0), No),
        lift("002", Number(18.0), t("2015.6.1"), t("2027年4月23日"), t("不详")),
        lift("003", Number(18.0), t("2015.6"), Day(2027, 4, 23), No),
        lift("004", Number(18.0), Day(2016, 1, 1), Number(46501.0), Number(3.1103702e19)),
        lift("005", t("十八"), t("-"), Day(2027, 4, 23), No),
    ];
    book(&path, "电梯", &rows, &[]);
    Office { path, mapping: LIFTS }
}

const LIFTS: &str = r#"
[[table]]
sheet = "电梯"
collection = "address"
key = "位置"
repeats = true
fixed = { level = "area", usage = "residential" }
column = [{ from = "位置", to = "estate" }]

[[table]]
sheet = "电梯"
collection = "facility"
key = "编号"
fixed = { kind = "elevator", state = "in_use", lift_kind = "passenger", inspect_kind = "inspection", user_name = "山海物业" }
column = [
    { from = "位置", to = "address_id" },
    { from = "电梯名称", to = "name" },
    { from = "设备代码", to = "equip_code" },
    { from = "使用登记证编号", to = "use_reg_no" },
    { from = "层站", to = "stops" },
    { from = "安装日期", to = "installed_on" },
    { from = "下次检验", to = "inspect_due" },
]
"#;

/// The residents of another street: its own headings and order, numbers of the first generation kept as numbers, births as
/// unformatted days, and words for gender of its own.
pub fn other_residents(folder: &Path) -> Office {
    let path = folder.join("居民.xlsx");
    let (cao, yan) = (id(1941, 4, 5, 21), id(1975, 8, 9, 22));
    let old: f64 = id15(&cao).parse().unwrap();
    let rows = vec![
        row(["证件号", "民族", "性 别", "居民姓名", "出生", "手机", "人员编号"]),
        vec![Number(old), t("汉"), t("男性"), t("曹某"), Number(15071.0), Number(13900000031.0), t("A1")],
        vec![t(&yan), t("汉"), No, t("严\u{3000}某"), No, t("13900000032/053288880032"), t("A2")],
        vec![t("不详"), t("汉"), t("女性"), t("华某"), t("1980-1-1"), t("无"), t("A3")],
        vec![t(id(1980, 2, 2, 23)), t("汉"), t("女性"), t("金某"), t("1981-2-2"), t("13900000034"), t("A4")],
        vec![t(id(1983, 2, 2, 25)), t("汉"), t("男性"), t("魏某"), t("1983-2-2"), t("13900000035"), t("A4")],
        vec![t(id(1984, 2, 2, 27)), t("汉"), t("不男不女"), t("陶某"), t("1984-2-2"), t("1390000"), t("A6")],
        vec![t(id(1984, 3, 3, 29)), t("汉"), t("男性"), t("姜某"), t("1984-3-3"), t("13900000037"), t("")],
    ];
    book(&path, "居民", &rows, &[]);
    Office { path, mapping: OTHER_RESIDENTS }
}

const OTHER_RESIDENTS: &str = r#"
spelled = { "证件号" = "identity" }

[[table]]
sheet = "居民"
collection = "person"
key = "人员编号"
fixed = { nationality = "CHN", pop_class = "here", id_type = "resident_id" }
column = [
    { from = "居民姓名", to = "name" },
    { from = "证件号", to = "id_no" },
    { from = "性别", to = "gender", values = { "男性" = "1", "女性" = "2" } },
    { from = "出生", to = "birth" },
    { from = "手机", to = "phone", label = "本人" },
]
"#;
