//! `gridpass-server catalog`: the collections of the district, as files.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;
use gridpass_core::catalog::CatalogSource;
use gridpass_server::app::App;
use gridpass_server::publish::name_in;

/// What is done with the catalog.
#[derive(Subcommand)]
pub enum CatalogCommand {
    /// List the published versions and which files each has changed.
    List,
    /// Read files as the next version and tell everything that is wrong with them.
    Check {
        /// The changed and added files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Publish the newest version with these files replaced or added; phones take it up at their next sync.
    Publish {
        /// The changed and added files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Write the files of the newest version into a folder. Files that are there stay as they are and stop it.
    Export {
        /// The folder.
        folder: PathBuf,
    },
}

/// Runs a command.
pub fn run(app: &App, command: CatalogCommand) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        CatalogCommand::List => {
            let mut before = CatalogSource::default();
            for source in app.catalog_versions()? {
                let changed = source.files.iter().filter(|file| !before.files.contains(file));
                let changed: Vec<&str> = changed.map(|(name, _)| name.as_str()).collect();
                say!("version {}: {} files, changed: {}", source.version, source.files.len(), changed.join(" "));
                before = source;
            }
        }
        CatalogCommand::Check { files } => say!("version {} can be published", next(app, &files)?.version),
        CatalogCommand::Publish { files } => {
            let next = next(app, &files)?;
            app.publish(&next)?;
            say!("version {} is published", next.version);
        }
        CatalogCommand::Export { folder } => {
            let newest = app.newest_catalog();
            for (name, text) in &newest.files {
                let path = folder.join(name);
                let written = path
                    .parent()
                    .map_or(Ok(()), fs::create_dir_all)
                    .and_then(|()| fs::File::create_new(&path).and_then(|mut file| file.write_all(text.as_bytes())));
                written.map_err(|error| format!("{}: {error}", path.display()))?;
            }
            say!("{} files of version {}", newest.files.len(), newest.version);
        }
    }
    Ok(())
}

fn next(app: &App, files: &[PathBuf]) -> Result<CatalogSource, Box<dyn std::error::Error>> {
    let newest = app.newest_catalog();
    let files = files.iter().map(|path| {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok((name_in(&newest, path), text))
    });
    Ok(app.next_catalog(files.collect::<Result<_, String>>()?)?)
}
