// SPDX-License-Identifier: GPL-2.0-only
//! The initramfs: our init, the modules that reach the root disk, nothing else.

use std::fmt::Write as _;

/// A cpio archive in the form that the kernel unpacks ("newc").
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;
const DEVICE: u32 = 0o020_600;
/// /dev/console, which the kernel opens for process 1.
const CONSOLE: (u32, u32) = (5, 1);

impl Archive {
    fn add(&mut self, name: &str, mode: u32, device: (u32, u32), contents: &[u8]) {
        self.entries += 1;
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            contents.len() as u32,
            0,
            0,
            device.0,
            device.1,
            name.len() as u32 + 1,
            0,
        ];
        let mut header = String::from("070701");
        for field in fields {
            let _ = write!(header, "{field:08x}");
        }
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Packs `init` and the modules to load, in their order.
pub fn pack(init: &[u8], modules: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = Archive::default();
    for folder in ["dev", "sys", "modules"] {
        archive.add(folder, FOLDER, (0, 0), b"");
    }
    archive.add("dev/console", DEVICE, CONSOLE, b"");
    archive.add("init", PROGRAM, (0, 0), init);
    let mut order = String::new();
    for (name, contents) in modules {
        let path = format!("modules/{name}.ko");
        let _ = writeln!(order, "/{path}");
        archive.add(&path, FILE, (0, 0), contents);
    }
    archive.add("modules/order", FILE, (0, 0), order.as_bytes());
    archive.add("TRAILER!!!", 0, (0, 0), b"");
    archive.bytes
}
