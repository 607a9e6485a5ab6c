//! The machine and this process, as the system tells of them. Linux; elsewhere the figures are absent.

use rustix::time::{ClockId, clock_gettime};
use std::fs::read_to_string;
use std::time::Duration;

/// The processor time that this process has used, all its threads together.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// The memory that this process has touched and not given back.
pub(crate) fn resident_bytes() -> Option<i64> {
    let pages: i64 = read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

pub(crate) fn threads() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}

/// One line about the machine.
pub(crate) fn describe() -> String {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".into());
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
        .map_or_else(String::new, |kib| format!(", {:.0} GiB of memory", kib / 1048576.0));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let virtual_machine = if read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" hypervisor")) {
        ", a virtual machine"
    } else {
        ""
    };
    format!("{cpu}, {cores} cores{memory}{virtual_machine}, {} {}", std::env::consts::OS, kernel())
}

fn kernel() -> String {
    let release = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.split(['-', '\n']).next().unwrap_or_default().to_owned()
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
