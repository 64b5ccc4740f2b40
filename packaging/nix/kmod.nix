# SPDX-License-Identifier: GPL-2.0-only
#
# xt_LUA.ko for one kernel: the shim is compiled against it, the engine comes as it is.
{
  lib,
  stdenv,
  kernel,
  kernelModuleMakeFlags,
  packetscript-engine,
}:

stdenv.mkDerivation {
  pname = "packetscript-kmod";
  version = "${import ./version.nix}-${kernel.version}";

  src = import ./source.nix [ "kmod" ];

  nativeBuildInputs = kernel.moduleBuildDependencies;
  hardeningDisable = [ "pic" ];

  makeFlags = kernelModuleMakeFlags ++ [
    "-C"
    "kmod"
    "KERNELDIR=${kernel.dev}/lib/modules/${kernel.modDirVersion}/build"
    "PS_ENGINE=${packetscript-engine}/engine.o"
    "PS_VERSION=${import ./version.nix}"
    "INSTALL_MOD_PATH=${placeholder "out"}"
  ];
  # Without this, the folder that the build ran in shows in the build id.
  preBuild = ''
    makeFlagsArray+=("KCFLAGS=-ffile-prefix-map=$PWD=.")
  '';
  buildFlags = [ "modules" ];
  installTargets = [ "modules_install" ];

  # Debugging sections name the kernel's build folder.
  preFixup = ''
    find $out -name '*.ko' -exec strip --strip-debug {} +
  '';
  disallowedReferences = [ kernel.dev ];

  meta = {
    description = "Netfilter module that runs Lua on packets";
    license = lib.licenses.gpl2Only;
    platforms = [ "x86_64-linux" ];
    broken = lib.versionOlder kernel.version "5.10";
  };
}
