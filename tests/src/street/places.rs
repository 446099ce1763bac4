//! Addresses, the organisations in them and the lifts.

use gridpass_core::codes::credit;

use super::district::{Building, going_with};
use super::random::Random;
use super::sheet::{Cell, Sheet};
use super::tree::Grid;
use super::{Kind, Street, words};

/// A door behind which a house may be.
#[derive(Debug, Clone)]
pub struct Door {
    /// The number of its address.
    pub address: String,
    /// The number of the property company, if there is one.
    pub property: String,
    /// In a village or above shops: let more often.
    pub let_often: bool,
}

/// What stands in the grids so far.
#[derive(Debug)]
pub struct Places {
    addresses: Sheet,
    organisations: Sheet,
    lifts: Sheet,
    /// The area of the grid that is being built, its name and its place.
    area: String,
    name: String,
    centre: (f64, f64),
    property: String,
    buildings: i64,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            addresses: Sheet::new(
                "地址",
                &[
                    "地址编号",
                    "网格编码",
                    "层级",
                    "上级编号",
                    "路巷",
                    "小区",
                    "自然村",
                    "门牌号",
                    "楼栋",
                    "单元",
                    "楼层",
                    "室号",
                    "用途",
                    "纬度",
                    "经度",
                ],
            ),
            organisations: Sheet::new(
                "单位",
                &[
                    "单位编号",
                    "地址编号",
                    "单位名称",
                    "类别",
                    "统一社会信用代码",
                    "经营状态",
                    "负责人",
                    "联系电话",
                    "行业",
                    "从业人数",
                    "安全特征",
                ],
            ),
            lifts: Sheet::new(
                "电梯",
                &[
                    "电梯编号",
                    "地址编号",
                    "名称",
                    "使用登记证编号",
                    "设备代码",
                    "代码规则",
                    "救援识别码",
                    "类型",
                    "层站",
                    "安装日期",
                    "下次检验日期",
                    "检验或检测",
                    "最近维保",
                    "维保周期",
                    "使用单位编号",
                    "维保单位",
                    "值守电话",
                    "状态",
                ],
            ),
            area: String::new(),
            name: String::new(),
            centre: (0.0, 0.0),
            property: String::new(),
            buildings: 0,
        }
    }
}

/// The parts of an address that its level has; the others stay empty.
#[derive(Default)]
struct Address {
    level: &'static str,
    above: String,
    road: String,
    estate: String,
    village: String,
    door: String,
    building: String,
    unit: String,
    floor: Option<i64>,
    room: String,
    usage: &'static str,
    point: Option<(f64, f64)>,
}

impl Places {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.addresses.made() + self.organisations.made() + self.lifts.made()
    }

    /// How many organisations there are.
    pub fn organisations(&self) -> usize {
        self.organisations.made()
    }

    /// The numbers of the organisations behind so many.
    pub fn organisations_since(&self, before: usize) -> Vec<String> {
        (before..self.organisations.made()).map(organisation_number).collect()
    }

    /// The rows so far, which are taken out: addresses, organisations, lifts.
    pub fn take(&mut self) -> [Sheet; 3] {
        [self.addresses.take(), self.organisations.take(), self.lifts.take()]
    }

    /// Begins a grid: its area and, where there is one, its property company's office. Returns how many organisations
    /// that made.
    pub fn begin(&mut self, grid: &Grid, random: &mut Random) -> u64 {
        self.centre = (36.08 + random.below(4_000) as f64 / 1e5, 120.42 + random.below(6_000) as f64 / 1e5);
        self.buildings = 0;
        self.property.clear();
        self.name = match grid.kind {
            Kind::Village => grid.place.clone(),
            Kind::Shops => format!("{}路", grid.place),
            Kind::Campus => format!("{}学生公寓", grid.place),
            Kind::Estate | Kind::Towers => words::estate(random),
        };
        let mut area = Address { level: "小区", usage: "住宅", ..Address::default() };
        match grid.kind {
            Kind::Village => (area.level, area.village) = ("村", self.name.clone()),
            Kind::Shops => (area.level, area.road, area.usage) = ("路段", self.name.clone(), "商业"),
            Kind::Estate | Kind::Towers | Kind::Campus => area.estate = self.name.clone(),
        }
        self.area = self.address(grid, area);
        let managed = matches!(grid.kind, Kind::Estate | Kind::Towers);
        if managed {
            let office = self.address_of_building(grid, "物业楼".into(), String::new(), "办公", random);
            let name = format!("{}物业服务有限公司", self.name);
            self.property = self.organisation(&office, (&name, "物业公司", "K", ""), random);
        }
        u64::from(managed)
    }

    /// Raises a building with so many doors, lifts and organisations, and returns its doors.
    pub fn raise(
        &mut self,
        grid: &Grid,
        building: Building,
        lifts: u64,
        organisations: u64,
        random: &mut Random,
    ) -> Vec<Door> {
        self.buildings += 1;
        let (number, shops) = (self.buildings, matches!(grid.kind, Kind::Village | Kind::Shops));
        let (name, plate) =
            if shops { ("无".into(), format!("{number}号")) } else { (self.block_name(grid), String::new()) };
        let usage = if grid.kind == Kind::Shops { "商业" } else { "住宅" };
        let at = self.address_of_building(grid, name, plate, usage, random);
        for _ in 0..organisations {
            let (name, trade) = words::shop(random);
            let hazard = if trade == "H" { "餐饮、燃气" } else { "" };
            let kind = random.weighted(&[(6, "个体工商户"), (3, "企业"), (1, "其他")]);
            self.organisation(&at, (&name, kind, trade, hazard), random);
        }
        let door = Door { address: String::new(), property: self.property.clone(), let_often: shops };
        if grid.kind == Kind::Village {
            return vec![Door { address: at, ..door }];
        }
        let (mut doors, mut lifts_left) = (Vec::new(), lifts);
        let in_a_unit = building.doors.div_ceil(building.units).max(1);
        for unit in 1..=building.units {
            let left = building.doors - doors.len() as u64;
            let here = in_a_unit.min(left);
            if here == 0 {
                break;
            }
            let name = if building.units == 1 { "无".into() } else { format!("{unit}单元") };
            let address = self.unit(grid, &at, name);
            let floors = here.div_ceil(building.on_a_floor).cast_signed();
            for lift in 1..=going_with(&mut lifts_left, here, left) {
                self.lift(&address, number, lift.cast_signed(), floors.max(2), random);
            }
            for place in 0..here {
                let (floor, place) = (place / building.on_a_floor + 1, place % building.on_a_floor + 1);
                let address = self.room(grid, &address, floor.cast_signed(), place.cast_signed());
                doors.push(Door { address, ..door.clone() });
            }
        }
        doors
    }

    fn block_name(&self, grid: &Grid) -> String {
        let kind = if grid.kind == Kind::Campus { "号公寓" } else { "号楼" };
        format!("{}{kind}", self.buildings)
    }

    /// Builds one building, of the size that is left, and returns its doors.
    pub fn building(&mut self, grid: &Grid, left: usize, random: &mut Random) -> Vec<Door> {
        self.buildings += 1;
        let (number, let_often) = (self.buildings, matches!(grid.kind, Kind::Village | Kind::Shops));
        let door = |address| Door { address, property: self.property.clone(), let_often };
        match grid.kind {
            Kind::Village => {
                let plate = format!("{number}号");
                let yard = door(String::new());
                vec![Door { address: self.address_of_building(grid, "无".into(), plate, "住宅", random), ..yard }]
            }
            Kind::Shops => {
                let base = door(String::new());
                let plate = format!("{}号", 2 * number);
                let building = self.address_of_building(grid, "无".into(), plate, "商业", random);
                for _ in 0..random.between(1, 3) {
                    let (name, trade) = words::shop(random);
                    let hazard = if trade == "H" { "餐饮、燃气" } else { "" };
                    self.organisation(&building, (&name, "个体工商户", trade, hazard), random);
                }
                let unit = self.unit(grid, &building, "无".into());
                (2..=3).map(|floor| Door { address: self.room(grid, &unit, floor, 1), ..base.clone() }).collect()
            }
            Kind::Estate | Kind::Towers | Kind::Campus => self.block(grid, number, left, random),
        }
    }

    fn block(&mut self, grid: &Grid, number: i64, left: usize, random: &mut Random) -> Vec<Door> {
        let tower = grid.kind == Kind::Towers;
        let units = if tower { random.between(1, 2) } else { random.between(2, 4) };
        let floors = if tower { random.between(11, 24) } else { 6 };
        // A door comes with about seven records: address, house, household and the people in it twice.
        let fits = i64::try_from(left).unwrap_or(i64::MAX) / (14 * units);
        let floors = floors.min(fits.max(2));
        let building = self.address_of_building(grid, format!("{number}号楼"), String::new(), "住宅", random);
        let mut doors = Vec::new();
        for unit in 1..=units {
            let address = self.unit(grid, &building, format!("{unit}单元"));
            if tower {
                self.lift(&address, number, unit, floors, random);
            }
            for floor in 1..=floors {
                for place in 1..=2 {
                    let address = self.room(grid, &address, floor, place);
                    doors.push(Door { address, property: self.property.clone(), let_often: false });
                }
            }
        }
        doors
    }

    fn address_of_building(
        &mut self,
        grid: &Grid,
        building: String,
        door: String,
        usage: &'static str,
        random: &mut Random,
    ) -> String {
        let mut near = |degrees: f64| ((degrees + random.between(-200, 200) as f64 / 1e5) * 1e6).round() / 1e6;
        let point = Some((near(self.centre.0), near(self.centre.1)));
        let above = self.area.clone();
        self.address(grid, Address { level: "楼栋", above, building, door, usage, point, ..Address::default() })
    }

    fn unit(&mut self, grid: &Grid, above: &str, unit: String) -> String {
        let above = above.to_owned();
        self.address(grid, Address { level: "单元", above, unit, usage: "住宅", ..Address::default() })
    }

    fn room(&mut self, grid: &Grid, above: &str, floor: i64, place: i64) -> String {
        let (above, room) = (above.to_owned(), format!("{floor}{place:02}"));
        let floor = Some(floor);
        self.address(grid, Address { level: "户室", above, floor, room, usage: "住宅", ..Address::default() })
    }

    fn address(&mut self, grid: &Grid, address: Address) -> String {
        let number = format!("DZ{:06}", self.addresses.made() + 1);
        let degrees = |point: Option<f64>| point.map_or(Cell::Empty, Cell::Number);
        self.addresses.rows.push(vec![
            number.clone().into(),
            grid.code.clone().into(),
            address.level.into(),
            address.above.into(),
            address.road.into(),
            address.estate.into(),
            address.village.into(),
            address.door.into(),
            address.building.into(),
            address.unit.into(),
            address.floor.map_or(Cell::Empty, Cell::from),
            address.room.into(),
            address.usage.into(),
            degrees(address.point.map(|(lat, _)| lat)),
            degrees(address.point.map(|(_, lon)| lon)),
        ]);
        number
    }

    fn organisation(
        &mut self,
        address: &str,
        (name, kind, trade, hazard): (&str, &str, &str, &str),
        random: &mut Random,
    ) -> String {
        let number = organisation_number(self.organisations.made());
        let lead = words::name(random);
        // 370299 is no division, so no such code was ever given out.
        let code = format!("{}370299MA{:07}", if kind == "物业公司" { "91" } else { "92" }, self.organisations.made());
        let code = credit::check_character(&code).map_or(Cell::Empty, |check| format!("{code}{check}").into());
        let state = random.weighted(&[(18, "在营"), (1, "停业"), (1, "查无")]);
        self.organisations.rows.push(vec![
            number.clone().into(),
            address.into(),
            name.into(),
            kind.into(),
            code,
            state.into(),
            lead.into(),
            words::phone(random).into(),
            trade.into(),
            random.between(1, 12).into(),
            hazard.into(),
        ]);
        number
    }

    fn lift(&mut self, address: &str, building: i64, unit: i64, floors: i64, random: &mut Random) {
        let sequence = self.lifts.made() as u64 + 1;
        let (year, month) = (random.between(2005, 2024), random.between(1, 12));
        let installed = Street::day().plus_days(-random.between(600, 7_000));
        let ahead = |days| Street::day().plus_days(days).map_or(Cell::Empty, Cell::Day);
        self.lifts.rows.push(vec![
            format!("DT{sequence:05}").into(),
            address.into(),
            format!("{building}号楼{unit}单元电梯").into(),
            format!("梯11鲁B{sequence:05}({:02})", year % 100).into(),
            format!("3110370299{year}{month:02}{:04}", sequence % 10_000).into(),
            "20 位注册代码".into(),
            format!("{:06}", 900_000 + sequence).into(),
            "乘客电梯".into(),
            floors.into(),
            installed.map_or(Cell::Empty, Cell::Day),
            ahead(random.between(-20, 360)),
            random.weighted(&[(2, "检验"), (1, "检测")]).into(),
            ahead(-random.between(0, 20)),
            15.into(),
            self.property.clone().into(),
            "安捷电梯维保有限公司".into(),
            words::phone(random).into(),
            random.weighted(&[(30, "在用"), (1, "停用"), (1, "故障")]).into(),
        ]);
    }
}

/// The number of the organisation behind so many.
fn organisation_number(before: usize) -> String {
    format!("DW{:05}", before + 1)
}
