# SPDX-License-Identifier: GPL-2.0-only
# Points cargo at the vendored crates, as nixpkgs' hook of the same name does.
export CARGO_HOME=$NIX_BUILD_TOP/cargo-home
mkdir -p "$CARGO_HOME"
cat > "$CARGO_HOME/config.toml" <<TOML
[source.crates-io]
replace-with = "vendored"
[source.vendored]
directory = "$cargoDeps"
TOML
