//! What is told about rows: where, what shape the value has, what is wrong and what to do. Never the value.

use std::collections::BTreeMap;
use std::fmt;

use gridpass_core::catalog::{Shape, Text};
use gridpass_core::id::BatchId;

use super::source::Source;

/// Something to say about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file's name.
    pub file: String,
    /// The sheet.
    pub sheet: String,
    /// The row, counted from 1.
    pub row: u32,
    /// The heading of the column, or the field where no column is mapped to it.
    pub column: String,
    /// How the cell looks.
    pub shape: Option<Shape>,
    /// A stable name.
    pub code: String,
    /// What is wrong and what to do.
    pub text: Text,
    /// Whether the row is left out because of it.
    pub refused: bool,
}

impl Problem {
    /// Something to say about a whole file.
    pub(super) fn of_file(source: &Source, code: &str) -> Self {
        Self {
            file: source.name.clone(),
            sheet: String::new(),
            row: 0,
            column: String::new(),
            shape: None,
            code: code.to_owned(),
            text: text(code),
            refused: false,
        }
    }

    /// Whether it tells of something that was put right.
    pub fn repaired(&self) -> bool {
        self.code.starts_with("repaired_")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, sheet, row, column, code, text, refused, .. } = self;
        let mark = match self.repaired() {
            true => "repaired",
            false if *refused => "refused",
            false => "told",
        };
        write!(f, "{mark} {file} [{sheet}] {row} [{column}] {code}")?;
        if let Some(shape) = &self.shape {
            write!(f, " ({shape})")?;
        }
        write!(f, ": {} / {}", text.zh, text.en)
    }
}

/// The texts of what only an import has to say.
pub(super) fn text(code: &str) -> Text {
    let (zh, en) = match code {
        "no_column" => {
            ("工作表没有这一列,请核对标题行或映射", "The sheet has no such column; check its headings or the mapping")
        }
        "no_key" => ("编号列为空,请补填后重新导入", "The key is empty; fill it in and import again"),
        "key_twice" => {
            ("同一编号出现多次,只取第一行,请核对", "The key stands twice; the first row counts, check the others")
        }
        "no_grid" => (
            "不知道属于哪个网格,请填写网格编码或用 --grid 指定",
            "The grid is not known; fill in its code or give --grid",
        ),
        "unknown_grid" => ("没有这个编码的网格,请先建立网格", "No grid has this code; make the grid first"),
        "no_such_record" => {
            ("所指的记录还没有导入,请先导入那张表", "What it refers to is not there; import that sheet first")
        }
        "number_lost_digits" => (
            "表格把长号码存成了数字,末几位已丢失;请把该列设为文本后重新录入",
            "The workbook kept a long number as a number and lost its last digits; make the column text and type it again",
        ),
        "cell_error" => ("单元格是公式错误,请改正", "The cell holds an error of a formula; correct it"),
        "not_a_number" => ("不是数字,请改正", "Not a number; correct it"),
        "formula_without_value" => (
            "公式没有保存计算结果,请用表格软件打开并重新保存",
            "The workbook holds a formula without its value; open it in a spreadsheet program and save it again",
        ),
        "garbled" => (
            "文字编码有误,读不出来;请用表格软件打开,另存为“CSV UTF-8”",
            "Not text in the file's encoding; open it and save it as “CSV UTF-8”",
        ),
        "macros_ignored" => {
            ("文件带有宏,只读数据,不运行宏", "The file holds macros; its data are read, no macro is run")
        }
        "not_split" => (
            "看不出楼栋、单元和户室,请写成 3-2-301 或 3号楼2单元301",
            "Not building, unit and room; write 3-2-301 or 3号楼2单元301",
        ),
        "title_between" => ("这是表中的标题行,不是记录,已跳过", "A title between the rows and no record; passed over"),
        "lacks_key" => (
            "没有填写所属的编号或地址,不生成这一项,其余照常导入",
            "Says nothing of what it belongs to: no such record is made of it, the rest is taken in",
        ),
        "date_not_whole" => (
            "只有年或年月,不能补日;请填写完整日期,不知道的写“不详”",
            "Only a year or a month, and no day is invented; write the whole day, or 不详 if it is not known",
        ),
        "birth_not_whole" => (
            "只有年或年月,且没有可以核对的证件号码;请填写完整出生日期或证件号码",
            "Only a year or a month, and no identity number that agrees; write the whole day or the number",
        ),
        "repaired_spelling" => {
            ("已改为规范写法(全角、空格、标点)", "Written in the regular way: width, white space, marks")
        }
        "repaired_address" => ("楼栋、单元或户室已改为规范写法", "Building, unit or room written in the regular way"),
        "repaired_identity" => (
            "15 位证件号码已补为 18 位,请与现行证件核对",
            "An identity number of 15 digits was completed to 18 characters; compare it with the present card",
        ),
        "repaired_serial" => ("日期序号已还原为日期", "The number by which workbooks keep days was read as its day"),
        "repaired_month" => (
            "只有年月,已按证件号码补全出生日期",
            "Only a month was said; the day of birth was taken from the identity number, which agrees",
        ),
        "repaired_by_number" => {
            ("空缺,已按证件号码或室号填写", "Was empty and follows from the number of the document or the room")
        }
        "repaired_moment" => {
            ("日期时间序号已还原", "The number by which workbooks keep moments was read as its moment")
        }
        "repaired_time" => (
            "只有日期,已按映射中 time 的时刻补上",
            "Only a day was said; the time of the day is that of the mapping (time)",
        ),
        "not_a_moment" => {
            ("不是日期和时间,请写成 2026-03-05 14:30", "Not a day with its time; write it as 2026-03-05 14:30")
        }
        "moment_not_whole" => (
            "只有日期没有时间,不能补时间;请写成 2026-03-05 14:30,或在映射中用 time = \"09:00\" 说明",
            "A day without a time, and none is invented; write 2026-03-05 14:30, or say time = \"09:00\" in the mapping",
        ),
        "no_such_kind" => (
            "看不出编号指的是哪一类对象,请改正对象类型或在映射的 kinds 中说明",
            "The kind of what is referred to is not known; correct it or say in the mapping (kinds) what it means",
        ),
        "said_twice" => {
            ("同一对象在两列中说法不同,请只保留一处", "Two columns say different things of the same; leave one of them")
        }
        "not_a_date" => ("不是日期,请写成 2024-05-01", "Not a day; write it as 2024-05-01"),
        "not_yes_or_no" => ("请填写“是”或“否”", "Write 是 or 否"),
        "not_in_table" => (
            "不在可选项中,请改正或在映射中说明",
            "Not one of the choices; correct it or say in the mapping what it means",
        ),
        "not_a_position" => ("不是经纬度(度),请改正", "Not a latitude and longitude in degrees; correct it"),
        "differs_kept" => (
            "与手机或后台填写的不同,保留原值,请核实",
            "Differs from what a phone or desk wrote; that is kept, find out which is right",
        ),
        "other_grid" => ("该记录在别的网格,导入不移动记录", "The record lies in another grid; an import moves none"),
        "too_large" => ("记录内容过多,请拆分", "The record holds too much; split it"),
        _ => ("请核对", "Check it"),
    };
    Text::new(zh, en)
}

/// What became of the rows of one collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rows with a key that counted.
    pub rows: u64,
    /// Records made.
    pub created: u64,
    /// Records edited.
    pub changed: u64,
    /// Rows that said nothing new.
    pub unchanged: u64,
    /// Rows left out.
    pub refused: u64,
    /// Rows taken in, or standing already, in which something was put right.
    pub repaired: u64,
    /// Values that differ from what a phone or desk wrote and were kept.
    pub kept: u64,
}

/// What became of all rows, by collection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// By collection.
    pub collections: BTreeMap<String, Counts>,
    /// The batch by which the import can be undone; none of a dry run.
    pub batch: Option<BatchId>,
    /// Whether it was stopped before the end; the same command goes on.
    pub stopped: bool,
}

impl Summary {
    pub(super) fn counts(&mut self, collection: &str) -> &mut Counts {
        self.collections.entry(collection.to_owned()).or_default()
    }

    /// How many rows were left out.
    pub fn refused(&self) -> u64 {
        self.collections.values().map(|counts| counts.refused).sum()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (collection, counts) in &self.collections {
            let Counts { rows, created, changed, unchanged, refused, repaired, kept } = counts;
            writeln!(
                f,
                "{collection}: {rows} rows, {created} created, {changed} changed, {unchanged} unchanged, \
                 {repaired} repaired, {refused} refused, {kept} values kept"
            )?;
        }
        Ok(())
    }
}
