//! What processes use: processor time and memory, as Linux counts them.

use crate::world::Error;

/// Ticks of /proc/…/stat in a second, which Linux has fixed for programs.
const TICKS: f64 = 100.0;

/// This process, in place of a number.
pub const OWN: &str = "self";

/// Processor seconds that a process has used; `process` is its number or [`OWN`].
pub fn cpu_s(process: &str) -> Result<f64, Error> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<f64> = after.split_whitespace().skip(11).take(2).filter_map(|word| word.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() / TICKS)
}

/// The most memory that a process had in use at once, in KiB.
pub fn peak_kb(process: &str) -> Result<u64, Error> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
