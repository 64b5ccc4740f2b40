# SPDX-License-Identifier: GPL-2.0-only
#
# The few attributes of nixpkgs that packaging/nix uses, made from Debian's own toolchain, for
# machines that cannot reach the Nix caches. Builds run in Nix's real sandbox; the toolchain is the
# Debian root that the sandbox mounts as /usr, and its fingerprint is part of every derivation.
#
# `pins.json` is written by `cargo xtask nix` from Debian's package index:
# its form is in README.md beside this file.
{
  system,
  overlays ? [ ],
}:

let
  pins = builtins.fromJSON (builtins.readFile ./pins.json);

  lib = rec {
    licenses.gpl2Only = "GPL-2.0-only";
    versionOlder = a: b: builtins.compareVersions a b == -1;
    callWith =
      set: file: extra:
      let
        f = import file;
      in
      f (builtins.intersectAttrs (builtins.functionArgs f) set // extra);
  };

  # attrs as nixpkgs' stdenv.mkDerivation takes them, as far as packaging/nix uses them.
  mkDerivation =
    attrs:
    derivation (
      builtins.removeAttrs attrs [ "meta" ]
      // {
        inherit system;
        name = "${attrs.pname}-${attrs.version}";
        builder = "/bin/bash";
        args = [ ./builder.sh ];
        PATH = "/usr/bin:/bin";
        toolchain = pins.toolchain;
        SOURCE_DATE_EPOCH = "1";
        __structuredAttrs = false;
      }
    );

  fetchCrate =
    p:
    builtins.fetchurl {
      url = "https://static.crates.io/crates/${p.name}/${p.name}-${p.version}.crate";
      sha256 = p.checksum;
    };

  importCargoLock =
    { lockFile }:
    let
      lock = builtins.fromTOML (builtins.readFile lockFile);
      crates = builtins.filter (p: p ? checksum) lock.package;
    in
    mkDerivation {
      pname = "cargo-vendor";
      version = "1";
      crates = map (p: "${p.name}-${p.version}=${p.checksum}=${fetchCrate p}") crates;
      buildPhase = ''
        for crate in $crates; do
          IFS== read -r name sum file <<< "$crate"
          mkdir -p $out
          tar -xzf $file -C $out
          printf '{"files":{},"package":"%s"}' $sum > $out/$name/.cargo-checksum.json
        done
        mkdir -p $out
      '';
      installPhase = ":";
    };

  rustPlatform = {
    inherit importCargoLock;
    rustLibSrc = "/usr/lib/rustlib/src/rust/library";
    cargoSetupHook = ./cargo-setup.sh;
    buildRustPackage =
      attrs:
      mkDerivation (
        builtins.removeAttrs attrs [ "cargoLock" ]
        // {
          cargoDeps = importCargoLock attrs.cargoLock;
          nativeBuildInputs = [ ./cargo-setup.sh ];
          buildPhase = ''
            cargo build --frozen --release -j$NIX_BUILD_CORES $cargoBuildFlags
          '';
          installPhase = ''
            for file in target/release/*; do
              if [ -f $file ] && [ -x $file ]; then
                case $file in
                  *.so) install -Dm555 $file $out/lib/$(basename $file) ;;
                  *) install -Dm555 $file $out/bin/$(basename $file) ;;
                esac
              fi
            done
            eval "''${postInstall:-}"
          '';
        }
      );
  };

  headers =
    pin:
    mkDerivation {
      pname = "linux-headers";
      version = pin.version;
      debs = map builtins.fetchurl pin.debs;
      release = pin.release;
      buildPhase = ''
        mkdir -p $out/lib/modules/$release
        for deb in $debs; do dpkg-deb -x $deb $out; done
        # Debian's headers name their own places absolutely.
        sed -i "s,/usr/src/,$out/usr/src/,g" $out/usr/src/linux-headers-$release/Makefile
        ln -sfn $out/usr/src/linux-headers-$release $out/lib/modules/$release/build
      '';
      installPhase = ":";
    };

  kernelPackages =
    final: name:
    let
      pin = pins.kernels.${name};
      base = {
        kernel = {
          inherit (pin) version;
          modDirVersion = pin.release;
          dev = headers pin;
          moduleBuildDependencies = [ ];
        };
        kernelModuleMakeFlags = [ ];
      };
      scope =
        builtins.foldl' (set: extension: set // extension (set // { callPackage = lib.callWith (final // set); }) set) base
          (final.kernelPackagesExtensions or [ ]);
    in
    scope;

  packages = final: {
    inherit lib rustPlatform;
    stdenv = { inherit mkDerivation; };
    cargo = "/usr";
    rustc = "/usr";
    callPackage = lib.callWith final;
    linuxPackages_6_1 = kernelPackages final "linuxPackages_6_1";
    linuxPackages_6_12 = kernelPackages final "linuxPackages_6_12";
    linuxPackages_latest = kernelPackages final "linuxPackages_latest";
  };

  final = builtins.foldl' (set: overlay: set // overlay final set) (packages final) overlays;
in
final
