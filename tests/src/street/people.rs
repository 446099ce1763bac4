//! Houses, the households in them, their people, and who lives where.

use std::collections::BTreeMap;

use gridpass_core::codes::Date;
use gridpass_core::codes::identity::test_number;

use super::places::Door;
use super::random::Random;
use super::sheet::{Cell, Sheet};
use super::tree::Grid;
use super::{Street, words};

/// Who lives in the grids so far.
#[derive(Debug)]
pub struct People {
    houses: Sheet,
    persons: Sheet,
    households: Sheet,
    residences: Sheet,
    /// The houses since they were last taken.
    homes: Vec<Home>,
    /// How many numbers of a day of birth and a gender are taken.
    numbers: BTreeMap<(Date, bool), u16>,
}

/// A house with those who live there.
#[derive(Debug)]
pub struct Home {
    pub house: String,
    /// Empty as long as nobody lives there.
    pub household: String,
    pub people: Vec<String>,
}

/// Somebody who moves in.
pub struct Mover {
    pub surname: &'static str,
    pub male: bool,
    pub age: i64,
    /// To the head, by the labels of GB/T 4761.
    pub relation: &'static str,
    pub role: &'static str,
    pub class: &'static str,
}

/// Somebody who lives in a house.
#[derive(Clone)]
struct Resident {
    number: String,
    name: String,
    phone: String,
}

impl Default for People {
    fn default() -> Self {
        Self {
            houses: Sheet::new(
                "房屋",
                &[
                    "房屋编号",
                    "地址编号",
                    "使用性质",
                    "结构",
                    "面积",
                    "间数",
                    "产权人",
                    "产权人电话",
                    "出租人",
                    "出租人电话",
                    "物业公司编号",
                    "安全隐患",
                ],
            ),
            persons: Sheet::new(
                "人口",
                &[
                    "人员编号",
                    "网格编码",
                    "姓名",
                    "证件类型",
                    "证件号码",
                    "无证件原因",
                    "性别",
                    "出生日期",
                    "国籍",
                    "电话",
                    "人口类别",
                    "户籍区划",
                    "户籍地址",
                    "监护人",
                    "监护人电话",
                ],
            ),
            households: Sheet::new(
                "户",
                &["户编号", "房屋编号", "户类型", "户主编号", "联系电话", "方便时间", "入户提示"],
            ),
            residences: Sheet::new(
                "居住",
                &["人员编号", "房屋编号", "户编号", "与户主关系", "居住身份", "主要居住地", "入住日期", "居住事由"],
            ),
            homes: Vec::new(),
            numbers: BTreeMap::new(),
        }
    }
}

impl People {
    /// How many records there are.
    pub fn len(&self) -> usize {
        [&self.houses, &self.persons, &self.households, &self.residences].iter().map(|sheet| sheet.made()).sum()
    }

    /// The rows so far, which are taken out: houses, persons, households, residences.
    pub fn take(&mut self) -> [Sheet; 4] {
        [self.houses.take(), self.persons.take(), self.households.take(), self.residences.take()]
    }

    /// The houses since the last call, in the order of their doors.
    pub fn take_homes(&mut self) -> Vec<Home> {
        std::mem::take(&mut self.homes)
    }

    /// Makes the house behind a door and fills it with those who live there, if any.
    pub fn move_in(&mut self, grid: &Grid, door: &Door, random: &mut Random) {
        let nature = match door.let_often {
            true => random.weighted(&[(40, "自住"), (45, "出租"), (9, "空置"), (4, "经营"), (2, "集体宿舍")]),
            false => random.weighted(&[(64, "自住"), (20, "出租"), (14, "空置"), (2, "办公")]),
        };
        let owner = words::name(random);
        let house = self.house(door, nature, &owner, random);
        match nature {
            "自住" => {
                let class = random.weighted(&[(7, "人户一致"), (2, "区内人户分离"), (1, "流入人口")]);
                let family = family("产权人", class, random);
                self.household(grid, &house, "家庭户", family, random);
            }
            "出租" if random.percent(65) => {
                let class = random.weighted(&[(1, "区内人户分离"), (4, "流入人口")]);
                let family = family("承租人", class, random);
                self.household(grid, &house, "家庭户", family, random);
            }
            "出租" => {
                let sharers = (0..random.between(2, 4)).map(|_| adult("承租人", random)).collect();
                self.household(grid, &house, "合租户", sharers, random);
            }
            "集体宿舍" => {
                let workers = (0..random.between(5, 10)).map(|_| adult("员工", random)).collect();
                self.household(grid, &house, "集体户", workers, random);
            }
            _ => {}
        }
    }

    /// Makes the house behind a door and a household of these people in it, if there are any.
    pub fn settle(
        &mut self,
        grid: &Grid,
        door: &Door,
        nature: &'static str,
        kind: &'static str,
        movers: Vec<Mover>,
        random: &mut Random,
    ) {
        let owner = words::name(random);
        let house = self.house(door, nature, &owner, random);
        if !movers.is_empty() {
            self.household(grid, &house, kind, movers, random);
        }
    }

    fn house(&mut self, door: &Door, nature: &'static str, owner: &str, random: &mut Random) -> String {
        let number = format!("FW{:06}", self.houses.made() + 1);
        let rooms = random.weighted(&[(1, 1), (4, 2), (4, 3), (1, 4)]);
        let area = (rooms * 280 + random.between(150, 500)) as f64 / 10.0;
        let (owner_phone, let_phone) = (words::phone(random), words::phone(random));
        let is_let = nature == "出租";
        let hazard: &str = match nature {
            "出租" | "集体宿舍" => {
                random.weighted(&[(80, ""), (8, "群租"), (7, "入户充电"), (5, "液化气、线路老化")])
            }
            _ => random.weighted(&[(92, ""), (4, "液化气"), (4, "线路老化")]),
        };
        self.houses.rows.push(vec![
            number.clone().into(),
            door.address.clone().into(),
            nature.into(),
            (if door.let_often { "砖混" } else { "钢筋混凝土" }).into(),
            area.into(),
            rooms.into(),
            owner.into(),
            owner_phone.into(),
            (if is_let { owner } else { "" }).into(),
            (if is_let { let_phone } else { String::new() }).into(),
            door.property.clone().into(),
            hazard.into(),
        ]);
        self.homes.push(Home { house: number.clone(), household: String::new(), people: Vec::new() });
        number
    }

    fn household(&mut self, grid: &Grid, house: &str, kind: &'static str, movers: Vec<Mover>, random: &mut Random) {
        let number = format!("HU{:06}", self.households.made() + 1);
        let kind = if movers.len() == 1 { "单人户" } else { kind };
        let (mut head, mut people): (Option<Resident>, Vec<String>) = (None, Vec::with_capacity(movers.len()));
        let since = Street::day().plus_days(-random.between(30, 6_000));
        for mover in &movers {
            let resident = self.person(grid, mover, head.as_ref(), random);
            let reason = match mover.class {
                _ if mover.role == "借住" => "学习",
                "流入人口" => random.weighted(&[(6, "务工经商"), (1, "投靠亲属"), (1, "其他")]),
                _ => "",
            };
            self.residences.rows.push(vec![
                resident.number.clone().into(),
                house.into(),
                number.clone().into(),
                mover.relation.into(),
                mover.role.into(),
                "是".into(),
                // Long ago is often not known.
                if random.percent(5) { "不详".into() } else { since.map_or(Cell::Empty, Cell::Day) },
                reason.into(),
            ]);
            people.push(resident.number.clone());
            head.get_or_insert(resident);
        }
        if let Some(home) = self.homes.last_mut() {
            (home.household, home.people) = (number.clone(), people);
        }
        let head = head.map(|head| (head.number, head.phone)).unwrap_or_default();
        self.households.rows.push(vec![
            number.into(),
            house.into(),
            kind.into(),
            head.0.into(),
            head.1.into(),
            random.weighted(&[(3, "随时"), (4, "工作日晚上"), (2, "周末"), (1, "")]).into(),
            random.weighted(&[(85, ""), (8, "有犬"), (4, "无门铃"), (2, "听力不便"), (1, "夜班")]).into(),
        ]);
    }

    fn person(&mut self, grid: &Grid, mover: &Mover, head: Option<&Resident>, random: &mut Random) -> Resident {
        let number = format!("RY{:06}", self.persons.made() + 1);
        let name = format!("{}{}", mover.surname, words::given(random, mover.male));
        let born = Street::day().plus_days(-(mover.age * 365 + mover.age / 4) - random.between(1, 360));
        let born = born.unwrap_or(Date::FIRST);
        let missing = match mover.age {
            0 => random.weighted(&[(1, "新生儿"), (1, "")]),
            _ => random.weighted(&[(97, ""), (2, "未出示"), (1, "不愿提供")]),
        };
        let (id_type, id) = match missing {
            "" => ("身份证", self.identity(born, mover.male)),
            _ => ("", String::new()),
        };
        // The phone of a head is the household's, and that of a child's guardian.
        let phone =
            if mover.age > 12 && (head.is_none() || random.percent(70)) { words::phone(random) } else { String::new() };
        let elsewhere = match mover.class {
            "流入人口" => random.weighted(words::ELSEWHERE),
            "区内人户分离" => ("370212", "山东省青岛市崂山区沙子口街道"),
            _ => ("", ""),
        };
        let guardian = head.filter(|_| mover.age < 15);
        self.persons.rows.push(vec![
            number.clone().into(),
            grid.code.clone().into(),
            name.clone().into(),
            id_type.into(),
            id.into(),
            missing.into(),
            (if mover.male { "男" } else { "女" }).into(),
            born.into(),
            "CHN".into(),
            phone.clone().into(),
            mover.class.into(),
            elsewhere.0.into(),
            elsewhere.1.into(),
            guardian.map(|guardian| guardian.name.clone()).unwrap_or_default().into(),
            guardian.map(|guardian| guardian.phone.clone()).unwrap_or_default().into(),
        ]);
        Resident { number, name, phone }
    }

    /// A number in a division that does not exist, taken by nobody else in the street.
    fn identity(&mut self, born: Date, male: bool) -> String {
        let taken = self.numbers.entry((born, male)).or_insert(0);
        let sequence = *taken * 2 + u16::from(male);
        *taken += 1;
        test_number(born, sequence)
    }
}

/// A family: a head and, by chance, spouse, children and a parent.
pub fn family(role: &'static str, class: &'static str, random: &mut Random) -> Vec<Mover> {
    let (male, age) = (random.percent(70), random.weighted(&[(2, 26), (4, 34), (4, 45), (3, 58), (2, 69), (1, 80)]));
    let age = age + random.between(-4, 5);
    let surname = words::surname(random);
    let mut movers = vec![Mover { surname, male, age, relation: "本人或户主", role, class }];
    let mut join = |surname, male, age, relation| {
        movers.push(Mover { surname, male, age, relation, role: "家庭成员", class });
    };
    if random.percent(72) {
        join(words::surname(random), !male, (age + random.between(-4, 3)).max(21), "配偶");
        let children = if age < 62 { random.weighted(&[(3, 0), (5, 1), (2, 2)]) } else { 0 };
        for _ in 0..children {
            let boy = random.percent(51);
            join(surname, boy, (age - random.between(24, 32)).max(0), if boy { "子" } else { "女" });
        }
    }
    if (30..56).contains(&age) && random.percent(10) {
        join(surname, random.percent(40), age + random.between(23, 30), "父母");
    }
    movers
}

/// Somebody of working age who came alone.
pub fn adult(role: &'static str, random: &mut Random) -> Mover {
    Mover {
        surname: words::surname(random),
        male: random.percent(60),
        age: random.between(19, 48),
        relation: "其他",
        role,
        class: random.weighted(&[(1, "区内人户分离"), (6, "流入人口")]),
    }
}
