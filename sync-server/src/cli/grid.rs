//! `gridpass-server grid`: the tree from sheets, the outlines of grids, single grids.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use gridpass_core::codes::{Crs, Date};
use gridpass_server::app::App;
use gridpass_server::import::errors::ErrorBook;
use gridpass_server::import::shapes::{ShapeOptions, shapes};
use gridpass_server::import::tree::{TreeOptions, tree};
use gridpass_server::org::acts;

type Error = Box<dyn std::error::Error>;

/// Grids.
#[derive(Subcommand)]
pub enum GridCommand {
    /// Make a grid.
    Add {
        /// The code, unique.
        code: String,
        /// The name that is shown.
        name: String,
        /// The code or path of its community.
        #[arg(long)]
        under: Option<String>,
        /// From which day, YYYY-MM-DD; today without it.
        #[arg(long)]
        from: Option<Date>,
    },
    /// Make and change the units and grids of a sheet with the columns 级别, 编码, 名称, 上级编码 and, where it has them,
    /// 类型, 生效日期, 失效日期, 接替; or take in how grids lie on the ground.
    Import(ImportArgs),
}

/// What is taken in.
#[derive(Args)]
pub struct ImportArgs {
    /// The CSV file or workbook.
    #[arg(required_unless_present = "geojson", conflicts_with = "geojson")]
    file: Option<PathBuf>,
    /// A GeoJSON file with a feature per grid: properties code, kind (urban, rural), groups (how many 居民小组).
    #[arg(long, value_name = "FILE")]
    geojson: Option<PathBuf>,
    /// The system of the GeoJSON's coordinates.
    #[arg(long, value_enum, default_value_t = System::Wgs84, requires = "geojson")]
    crs: System,
    /// From which day counts what names none, YYYY-MM-DD; today without it.
    #[arg(long)]
    from: Option<Date>,
    /// Look at everything and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Write what is told to a workbook too; a file that is not there yet.
    #[arg(long, value_name = "FILE.xlsx")]
    errors: Option<PathBuf>,
}

/// Systems of coordinates that maps are drawn in.
#[derive(Clone, Copy, ValueEnum)]
enum System {
    /// What receivers measure; CGCS2000 is the same to centimetres.
    Wgs84,
    /// The shifted system of domestic maps.
    Gcj02,
    /// Baidu's further shift.
    Bd09,
}

impl GridCommand {
    /// What is noted in the log when it is done.
    pub fn act(&self) -> Option<&'static str> {
        match self {
            Self::Add { .. } => Some("grid add"),
            Self::Import(args) => (!args.dry_run).then_some("grid import"),
        }
    }
}

/// Runs a command.
pub fn run(app: &App, command: GridCommand) -> Result<ExitCode, Error> {
    match command {
        GridCommand::Add { code, name, under, from } => {
            say!("{}", acts::add_grid(app, &code, &name, under.as_deref(), from)?);
            Ok(ExitCode::SUCCESS)
        }
        GridCommand::Import(args) => take_in(app, args),
    }
}

fn take_in(app: &App, args: ImportArgs) -> Result<ExitCode, Error> {
    let ImportArgs { file, geojson, crs, from, dry_run, errors: path } = args;
    let mut errors = path.as_deref().map(ErrorBook::create).transpose()?;
    let mut tell = |problem: &_| {
        say!("{problem}");
        if let Some(errors) = &mut errors {
            errors.add(problem);
        }
    };
    let crs = match crs {
        System::Wgs84 => Crs::Wgs84,
        System::Gcj02 => Crs::Gcj02,
        System::Bd09 => Crs::Bd09,
    };
    let done = match (file, geojson) {
        (Some(file), _) => tree(app, &file, TreeOptions { from, dry_run }, &mut tell)
            .map(|summary| (summary.to_string(), summary.refused()))
            .map_err(Error::from),
        (None, Some(file)) => shapes(app, &file, ShapeOptions { crs, from, dry_run }, &mut tell)
            .map(|summary| (summary.to_string(), summary.refused))
            .map_err(Error::from),
        (None, None) => Err("FILE: name a sheet, or a GeoJSON file with --geojson".into()),
    };
    // What was told until then is kept, whatever it ended with.
    let told = errors.map(ErrorBook::finish).transpose();
    let (summary, refused) = done?;
    say!("{}", summary.trim_end());
    if dry_run {
        say!("nothing was written");
    }
    if let (Some(told), Some(path)) = (told?, &path) {
        say!("{told} problems in {}", path.display());
    }
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
