#!/bin/sh
# Builds pause for both architectures and writes them into ../pause.data.json, which is committed: nothing is compiled at install.
# Needs: gcc, and gcc-aarch64-linux-gnu for arm64.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-Os -static -nostdlib -nostartfiles -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pic -no-pie
  -Wl,-z,norelro,-z,noseparate-code,-z,max-page-size=4096,--build-id=none -s"
gcc $flags -o "$work/x64" pause.c
aarch64-linux-gnu-gcc $flags -o "$work/arm64" pause.c
printf '{\n  "x64": "%s",\n  "arm64": "%s"\n}\n' "$(base64 -w0 "$work/x64")" "$(base64 -w0 "$work/arm64")" > ../pause.data.json
