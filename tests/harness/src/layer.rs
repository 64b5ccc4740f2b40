// SPDX-License-Identifier: GPL-2.0-only
//! Products: a release's root with our packages installed in it by dpkg, as a user would.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cache::{self, Key};
use crate::command::{as_root, contained_script, logged, output};
use crate::dist::Packages;
use crate::progress;
use crate::root::Root;
use crate::suite::Suite;

/// Changed when the way products are installed changes.
const RECIPE: &str = "1";

/// Arguments: image, mount point, folder with packages, kernel.
const INSTALL: &str = r#"
image=$1 point=$2 packages=$3 kernel=$4
mount -o loop "$image" "$point"
mount -t proc proc "$point/proc"
mount --rbind /dev "$point/dev"
mount -t tmpfs tmpfs "$point/tmp"
mount -t tmpfs tmpfs "$point/mnt"
mkdir "$point/mnt/packages"
mount --bind "$packages" "$point/mnt/packages"
inside() { chroot "$point" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    DEBIAN_FRONTEND=noninteractive "$@"; }
inside sh -euc 'dpkg --force-unsafe-io -i /mnt/packages/*.deb'
if ! inside modinfo -k "$kernel" xt_LUA; then
    echo "the module was not built for $kernel:"
    cat "$point"/var/lib/dkms/packetscript/*/build/make.log || true
    exit 1
fi
# Whatever the installation left running; we are process 1 here.
kill -9 -1 || true
umount -l "$point/dev"
umount -R "$point"
"#;

/// The image of `suite` with `packages` installed, made if it is not in the cache.
pub fn image(suite: &Suite, root: &Root, packages: &Packages) -> Result<PathBuf> {
    let key = Key::default()
        .add(RECIPE)
        .add(root.key())
        .add(&packages.key)
        .finish();
    let folder = cache::folder_of("products", suite.name(), &key, |making| {
        let what = format!(
            "installing the packages in {} (about 20 seconds)",
            suite.name()
        );
        progress::step(&what, || {
            let image = making.join("root.img");
            let mut copy = as_root("cp");
            output(
                copy.args(["--reflink=auto", "--sparse=always"])
                    .arg(root.image())
                    .arg(&image),
            )?;
            let point = making.join("point");
            std::fs::create_dir(&point)?;
            let mut install = contained_script(INSTALL);
            install
                .arg(&image)
                .arg(&point)
                .arg(&packages.folder)
                .arg(root.release()?);
            logged(&mut install, &making.join("install.log"))
                .with_context(|| format!("installing the packages in {}", suite.name()))?;
            Ok(std::fs::remove_dir(point)?)
        })
    })?;
    Ok(folder.join("root.img"))
}
