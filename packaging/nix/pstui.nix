# SPDX-License-Identifier: GPL-2.0-only
#
# The console and command line, with its completions and manual page.
{ lib, rustPlatform }:

rustPlatform.buildRustPackage (
  import ./workspace.nix
  // {
    pname = "pstui";
    cargoBuildFlags = [
      "--package"
      "pstui"
    ];
    postInstall = ''
      install -d $out/share/bash-completion/completions $out/share/zsh/site-functions \
        $out/share/fish/vendor_completions.d $out/share/man/man1
      $out/bin/pstui completions bash > $out/share/bash-completion/completions/pstui
      $out/bin/pstui completions zsh > $out/share/zsh/site-functions/_pstui
      $out/bin/pstui completions fish > $out/share/fish/vendor_completions.d/pstui.fish
      $out/bin/pstui man > $out/share/man/man1/pstui.1
    '';

    meta = {
      description = "Console and command line for Lua in the kernel's packet path";
      license = lib.licenses.gpl2Only;
      platforms = [ "x86_64-linux" ];
      mainProgram = "pstui";
    };
  }
)
