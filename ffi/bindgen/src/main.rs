//! Writes the Kotlin or Swift side of a built `gridpass-ffi`: `gridpass-bindgen kotlin|swift LIBRARY FOLDER`.

use std::process::ExitCode;

use uniffi_bindgen::bindings::{GenerateOptions, TargetLanguage, generate};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [language, library, folder] if language == "kotlin" => write(TargetLanguage::Kotlin, library, folder),
        [language, library, folder] if language == "swift" => write(TargetLanguage::Swift, library, folder),
        _ => Err("expected: kotlin|swift LIBRARY FOLDER".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gridpass-bindgen: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(language: TargetLanguage, library: &str, folder: &str) -> Result<(), Box<dyn std::error::Error>> {
    generate(GenerateOptions {
        languages: vec![language],
        source: library.into(),
        out_dir: folder.into(),
        config_override: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/names.toml").into()),
        ..GenerateOptions::default()
    })
    .map_err(|error| format!("{error:#}").into())
}
