// SPDX-License-Identifier: GPL-2.0-only
//! Disk images: a folder becomes an ext4 file system in a sparse file.

use std::path::Path;

use anyhow::Result;

use crate::command::{as_root, output};

/// Room for packages, builds and test files on top of the folder's own contents.
const SPARE_MIB: u64 = 1024;

/// Makes the image `to` from the folder `from`. No journal and no checksums: a machine's writes
/// are thrown away, and what is missing costs no module at boot.
pub fn make(from: &Path, to: &Path) -> Result<()> {
    let used = output(as_root("du").args(["-sm", "--"]).arg(from))?;
    let used = String::from_utf8_lossy(&used);
    let used: u64 = used.split_whitespace().next().unwrap_or_default().parse()?;
    let features = "^has_journal,^metadata_csum,^resize_inode";
    let mut mke2fs = as_root("mke2fs");
    mke2fs.args([
        "-q",
        "-t",
        "ext4",
        "-m",
        "0",
        "-O",
        features,
        "-L",
        "packetscript",
    ]);
    mke2fs
        .args(["-E", "lazy_itable_init=1,nodiscard", "-d"])
        .arg(from)
        .arg(to);
    output(mke2fs.arg(format!("{}M", used + SPARE_MIB)))?;
    output(as_root("chmod").arg("0644").arg(to)).map(drop)
}
