# SPDX-License-Identifier: GPL-2.0-only
# The phases of a build, as far as packaging/nix uses them.
set -euo pipefail
export HOME=$NIX_BUILD_TOP
cd "$NIX_BUILD_TOP"

runHook() { eval "${!1:-}"; }

if [ -n "${src:-}" ]; then
  cp -r "$src" source
  chmod -R u+w source
  cd source
fi
for input in ${nativeBuildInputs:-}; do
  # shellcheck source=/dev/null
  if [ -f "$input" ]; then . "$input"; fi
done

makeFlagsArray=()
if [ -n "${buildPhase:-}" ]; then
  eval "$buildPhase"
else
  runHook preBuild
  # shellcheck disable=SC2086
  make -j"$NIX_BUILD_CORES" $makeFlags "${makeFlagsArray[@]}" $buildFlags
fi
if [ -n "${installPhase:-}" ]; then
  eval "$installPhase"
else
  # shellcheck disable=SC2086
  make $makeFlags "${makeFlagsArray[@]}" $installTargets
fi
if [ -z "${dontFixup:-}" ]; then runHook preFixup; fi
