# SPDX-License-Identifier: GPL-2.0-only
#
# engine.o: the Lua engine, compiled once for every kernel.
{
  lib,
  stdenv,
  cargo,
  rustc,
  rustPlatform,
}:

stdenv.mkDerivation {
  pname = "packetscript-engine";
  version = import ./version.nix;

  src = import ./source.nix [
    "Cargo.toml"
    "kmod"
  ];

  nativeBuildInputs = [
    cargo
    rustc
    rustPlatform.cargoSetupHook
  ];
  cargoRoot = "kmod/object";
  cargoDeps = rustPlatform.importCargoLock { lockFile = ../../kmod/object/Cargo.lock; };

  buildPhase = ''
    runHook preBuild
    RUST_LIB_SRC=${rustPlatform.rustLibSrc} sh kmod/object/build.sh engine.o
    runHook postBuild
  '';
  installPhase = ''
    runHook preInstall
    install -Dm444 engine.o $out/engine.o
    runHook postInstall
  '';
  # It is kernel code: user-space fix-ups do not apply.
  dontFixup = true;

  meta = {
    description = "Lua engine of PacketScript as a kernel object";
    license = lib.licenses.gpl2Only;
    platforms = [ "x86_64-linux" ];
  };
}
