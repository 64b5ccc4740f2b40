# SPDX-License-Identifier: GPL-2.0-only
#
# The version, from the one place that holds it.
(builtins.fromTOML (builtins.readFile ../../Cargo.toml)).workspace.package.version
