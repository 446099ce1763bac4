//! What the operating system says of this process. Zero where it says nothing: these are Linux's files.

use std::fs;
use std::path::Path;

/// Memory, CPU time and open files.
#[derive(Default)]
pub struct Process {
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
    /// User and system time since the start, in seconds.
    pub cpu_seconds: f64,
    /// Open files and sockets.
    pub open_files: u64,
}

/// Looks at this process (proc(5): `VmRSS` in kB; fields 14 and 15 of `stat` in ticks, of which a second has 100 on every
/// architecture that Linux tells programs about).
pub fn this_process() -> Process {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the program's name in brackets and may hold spaces.
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    let open_files = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
    Process { memory_bytes: resident.unwrap_or(0_u64) * 1024, cpu_seconds: ticks as f64 / 100.0, open_files }
}

/// What is free for this user on the disk of a folder, in bytes.
pub fn disk_free(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The size of a file; zero without it.
pub fn size(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |found| found.len())
}
