//! Functions of the C library that stand before its own.
#![expect(unsafe_code, reason = "functions of the C library are defined here, and the system is called without it")]

use std::ffi::{CStr, OsStr};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libc::{AT_FDCWD, ENOSPC, O_APPEND, O_CREAT, O_TRUNC, SEEK_CUR, SEEK_END};
use libc::{SYS_close, SYS_fdatasync, SYS_fsync, SYS_ftruncate, SYS_lseek, SYS_mkdirat, SYS_openat};
use libc::{SYS_pwrite64, SYS_renameat2, SYS_unlinkat, SYS_write};
use libc::{c_char, c_int, c_long, c_uint, c_void, mode_t, off64_t, size_t, ssize_t};

use super::super::disk::Disk;
use super::super::moments;
use super::{What, aside, closed, disk_under, held, is_told, opened};

/// The disk that a path lies on, and the path.
fn named(path: *const c_char) -> Option<(Arc<Disk>, PathBuf)> {
    if !is_told() || path.is_null() {
        return None;
    }
    // SAFETY: whoever calls such a function of the C library hands it a text that ends with a zero.
    let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()));
    Some((disk_under(path)?, path.to_owned()))
}

/// Hands a call on; why it fails is in `errno`.
fn system(number: c_long, arguments: [c_long; 5]) -> c_long {
    let [a, b, c, d, e] = arguments;
    // SAFETY: numbers, and what this process was called with, as it came: the system looks at it as it would have.
    unsafe { libc::syscall(number, a, b, c, d, e) }
}

fn no_room() {
    // SAFETY: the place of this thread's error number, which is always there.
    unsafe { *libc::__errno_location() = ENOSPC };
}

fn small(result: c_long) -> c_int {
    c_int::try_from(result).unwrap_or(-1)
}

/// Of a function with a variable number of arguments: on Linux a caller hands them over as to one with a fixed number.
#[unsafe(no_mangle)]
extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let plain = || small(system(SYS_openat, [AT_FDCWD.into(), path as c_long, flags.into(), mode.into(), 0]));
    let Some((disk, path)) = named(path) else { return plain() };
    let before = aside(|| fs::metadata(&path)).ok();
    let is_new = flags & O_CREAT != 0 && before.is_none();
    if is_new {
        moments::pass_call(disk.folder());
    }
    if let (Some(before), true) = (before, flags & O_TRUNC != 0)
        && let Ok(bytes) = aside(|| File::open(&path))
    {
        moments::pass_call(disk.folder());
        disk.opened(&path, before.ino());
        disk.cut((before.ino(), &bytes), 0);
    }
    let fd = plain();
    let found = if fd < 0 { None } else { aside(|| fs::metadata(&path)).ok() };
    let Some(found) = found else { return fd };
    let what = match found.is_dir() {
        true => What::Folder(path),
        false => {
            if is_new {
                disk.made(&path);
            }
            disk.opened(&path, found.ino());
            let Ok(bytes) = aside(|| File::open(&path)) else { return fd };
            What::File { inode: found.ino(), bytes: Arc::new(bytes), appends: flags & O_APPEND != 0 }
        }
    };
    opened(fd, disk, what);
    fd
}

#[unsafe(no_mangle)]
extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    open(path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn close(fd: c_int) -> c_int {
    closed(fd);
    small(system(SYS_close, [fd.into(), 0, 0, 0, 0]))
}

#[unsafe(no_mangle)]
extern "C" fn write(fd: c_int, bytes: *const c_void, len: size_t) -> ssize_t {
    let plain = |len: usize| system(SYS_write, [fd.into(), bytes as c_long, len as c_long, 0, 0]) as ssize_t;
    let Some((disk, What::File { inode, bytes: file, appends })) = held(fd) else { return plain(len) };
    let from = if appends { SEEK_END } else { SEEK_CUR };
    let at = system(SYS_lseek, [fd.into(), 0, from.into(), 0, 0]);
    written(disk.write((inode, &file), u64::try_from(at).unwrap_or(0), len, plain))
}

#[unsafe(no_mangle)]
extern "C" fn pwrite64(fd: c_int, bytes: *const c_void, len: size_t, at: off64_t) -> ssize_t {
    let plain = |len: usize| system(SYS_pwrite64, [fd.into(), bytes as c_long, len as c_long, at, 0]) as ssize_t;
    let Some((disk, What::File { inode, bytes: file, .. })) = held(fd) else { return plain(len) };
    written(disk.write((inode, &file), u64::try_from(at).unwrap_or(0), len, plain))
}

fn written(result: Option<ssize_t>) -> ssize_t {
    result.unwrap_or_else(|| {
        no_room();
        -1
    })
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(fd: c_int, size: off64_t) -> c_int {
    if let Some((disk, What::File { inode, bytes, .. })) = held(fd) {
        disk.cut((inode, &bytes), u64::try_from(size).unwrap_or(0));
    }
    small(system(SYS_ftruncate, [fd.into(), size, 0, 0, 0]))
}

#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    flushed(fd, SYS_fsync)
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    flushed(fd, SYS_fdatasync)
}

fn flushed(fd: c_int, number: c_long) -> c_int {
    match held(fd) {
        Some((disk, What::File { inode, .. })) => disk.flushed(inode),
        Some((disk, What::Folder(folder))) => disk.names_flushed(&folder),
        None => return small(system(number, [fd.into(), 0, 0, 0, 0])),
    }
    0 // only the simulation's power goes
}

#[unsafe(no_mangle)]
extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let here = c_long::from(AT_FDCWD);
    let plain = || small(system(SYS_renameat2, [here, from as c_long, here, to as c_long, 0]));
    let (Some((_, from)), Some((disk, to))) = (named(from), named(to)) else { return plain() };
    moments::pass_call(disk.folder());
    disk.renames(&from, &to, plain)
}

#[unsafe(no_mangle)]
extern "C" fn unlink(path: *const c_char) -> c_int {
    let plain = || small(system(SYS_unlinkat, [AT_FDCWD.into(), path as c_long, 0, 0, 0]));
    let Some((disk, path)) = named(path) else { return plain() };
    moments::pass_call(disk.folder());
    disk.removes(&path, plain)
}

#[unsafe(no_mangle)]
extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    let plain = || small(system(SYS_mkdirat, [AT_FDCWD.into(), path as c_long, mode.into(), 0, 0]));
    let Some((disk, path)) = named(path) else { return plain() };
    if aside(|| path.exists()) {
        return plain();
    }
    moments::pass_call(disk.folder());
    if !disk.takes_a_folder() {
        no_room();
        return -1;
    }
    let done = plain();
    if done == 0 {
        disk.made(&path);
    }
    done
}
